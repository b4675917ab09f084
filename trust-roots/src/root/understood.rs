//! Whether a root's file says more than is understood here, and where. Asked while a root is read, and where two are compared;
//! told by the lints.
//!
//! Verifiers pass over what others added to a root: TUF demands it. Whoever signs one must not: what is not understood is
//! not shown, and a signature covers it all the same.

use std::collections::BTreeMap;

use countersign_common::{Limits, json};
use serde_json::Value;
use sigstore_tuf::{Metadata, Root};

use super::{
    contents::extension,
    document::{ExtensionDocument, MEMBER, TrustedRootDocument},
    fault::Fault,
};

/// The longest path that is told; names of members are as long as whoever wrote them likes.
const LONGEST: usize = 200;
/// What Sigstore's list may call itself.
const MEDIA_TYPES: [&str; 2] = [
    "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    "application/vnd.dev.sigstore.trustedroot.v0.2+json",
];

/// All that a root's file says beyond what is understood here: for whoever compares two.
#[derive(Debug)]
pub struct Beyond(BTreeMap<String, Value>);

/// What became of something that is not understood.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Became {
    /// It was not there before.
    Added,
    /// It says something else.
    Changed,
    /// It is not there any more.
    Gone,
}

impl Beyond {
    /// Reads a root's file, bounded.
    pub fn read(bytes: &[u8], limits: &Limits) -> Result<Self, Fault> {
        if bytes.len() > limits.root {
            return Err(Fault::TooLarge { limit: limits.root });
        }
        let file: Value = json::from_slice(bytes, limits).map_err(Fault::Json)?;
        let metadata = Metadata::<Root>::from_slice(bytes).map_err(Fault::Tuf)?;
        let extension = extension(metadata.signed(), limits)?;
        let signed = file.get("signed").unwrap_or_default();
        let found = all(signed, metadata.signed(), &extension, usize::MAX);
        found
            .map(|found| Self(found.into_iter().collect()))
            .map_err(|source| Fault::Json(source.into()))
    }

    /// What differs from it in a later one: where, and how.
    pub fn differing(&self, later: &Self) -> Vec<(String, Became)> {
        let of_later = later.0.iter().filter_map(|(path, value)| {
            let became = match self.0.get(path) {
                Some(before) if before == value => return None,
                Some(_) => Became::Changed,
                None => Became::Added,
            };
            Some((shortened(path), became))
        });
        let gone = self.0.keys().filter(|path| !later.0.contains_key(*path));
        of_later
            .chain(gone.map(|path| (shortened(path), Became::Gone)))
            .collect()
    }
}

/// The path of the first member of `signed` that is not there if all that was understood is written again.
pub(super) fn beyond(
    signed: &Value,
    root: &Root,
    extension: &ExtensionDocument,
) -> Result<Option<String>, serde_json::Error> {
    let found = all(signed, root, extension, 1)?;
    Ok(found.first().map(|(path, _)| shortened(path)))
}

fn shortened(path: &str) -> String {
    path.chars().take(LONGEST).collect()
}

/// All such members, or the first so many.
fn all(
    signed: &Value,
    root: &Root,
    extension: &ExtensionDocument,
    most: usize,
) -> Result<Vec<(String, Value)>, serde_json::Error> {
    let mut found = Vec::new();
    // Other clients take a missing one for false.
    if !root.consistent_snapshot {
        found.push(("consistent_snapshot".to_owned(), Value::Bool(false)));
    }
    differences(signed, &written(root, extension)?, "", (&mut found, most));
    Ok(found)
}

fn written(root: &Root, extension: &ExtensionDocument) -> Result<Value, serde_json::Error> {
    let mut root = root.clone();
    root.extra.clear();
    for (name, role) in &mut root.roles {
        role.extra.clear();
        // Who may sign in TUF's online roles follows from the first scope, and each of them may alone.
        if name != "root" {
            role.threshold = 1;
        }
    }
    let mut extension = extension.clone();
    let list = &mut extension.trusted_root;
    list.other.clear();
    if !MEDIA_TYPES.contains(&list.media_type.as_str()) {
        list.media_type = TrustedRootDocument::default().media_type;
    }
    for entry in &mut list.timestamp_authorities {
        entry.other.clear();
    }
    root.extra
        .insert(MEMBER.to_owned(), serde_json::to_value(extension)?);
    serde_json::to_value(root)
}

/// Where the first is not the second. What the first leaves out was understood by its default.
fn differences(
    found: &Value,
    understood: &Value,
    path: &str,
    (into, most): (&mut Vec<(String, Value)>, usize),
) {
    let before = into.len();
    let is_same = match (found, understood) {
        (Value::Object(found), Value::Object(understood)) => {
            for (name, value) in found {
                member(value, understood.get(name), &at(path, name), (into, most));
            }
            true
        }
        (Value::Array(found), Value::Array(understood)) => {
            for (position, value) in found.iter().enumerate() {
                let path = at(path, &position.to_string());
                member(value, understood.get(position), &path, (into, most));
            }
            into.len() > before || found.len() == understood.len()
        }
        _ => found == understood,
    };
    if !is_same && into.len() < most {
        into.push((path.to_owned(), found.clone()));
    }
}

fn member(
    found: &Value,
    understood: Option<&Value>,
    path: &str,
    (into, most): (&mut Vec<(String, Value)>, usize),
) {
    if into.len() >= most {
        return;
    }
    match understood {
        Some(understood) => differences(found, understood, path, (into, most)),
        None => into.push((path.to_owned(), found.clone())),
    }
}

fn at(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

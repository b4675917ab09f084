//! Whether a root's file says more than is understood here, and where. Asked while a root is read; told by the lints.
//!
//! Verifiers pass over what others added to a root: TUF demands it. Whoever signs one must not: what is not understood is
//! not shown, and a signature covers it all the same.

use serde_json::Value;
use sigstore_tuf::Root;

use super::document::{ExtensionDocument, MEMBER, TrustedRootDocument};

/// The longest path that is told; names of members are as long as whoever wrote them likes.
const LONGEST: usize = 200;
/// What Sigstore's list may call itself.
const MEDIA_TYPES: [&str; 2] = [
    "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    "application/vnd.dev.sigstore.trustedroot.v0.2+json",
];

/// The path of the first member of `signed` that is not there if all that was understood is written again.
pub(super) fn beyond(
    signed: &Value,
    root: &Root,
    extension: &ExtensionDocument,
) -> Result<Option<String>, serde_json::Error> {
    // Other clients take a missing one for false.
    if !root.consistent_snapshot {
        return Ok(Some("consistent_snapshot".to_owned()));
    }
    let understood = written(root, extension)?;
    let path = difference(signed, &understood);
    Ok(path.map(|path| path.chars().take(LONGEST).collect()))
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
fn difference(found: &Value, understood: &Value) -> Option<String> {
    let at = |name: &str, found: &Value, understood: Option<&Value>| {
        let Some(understood) = understood else {
            return Some(name.to_owned());
        };
        difference(found, understood).map(|rest| match rest.as_str() {
            "" => name.to_owned(),
            rest => format!("{name}.{rest}"),
        })
    };
    match (found, understood) {
        (Value::Object(found), Value::Object(understood)) => found
            .iter()
            .find_map(|(name, value)| at(name, value, understood.get(name))),
        (Value::Array(found), Value::Array(understood)) => found
            .iter()
            .enumerate()
            .find_map(|(position, value)| {
                at(&position.to_string(), value, understood.get(position))
            })
            .or_else(|| (found.len() != understood.len()).then(String::new)),
        _ => (found != understood).then(String::new),
    }
}

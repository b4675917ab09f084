//! Lists of what refers to an image, edited so that the entries of others stay as they are, members that nobody knows
//! included.
//!
//! Used wherever several write one list. Never decides what an entry is worth.

use std::collections::BTreeSet;

use countersign_common::{
    Descriptor, Digest, Limits, Manifest,
    manifest::{Body, ManifestError, OCI_INDEX},
};
use serde_json::{Value, json};

use crate::merging::{Edit, Entry};

/// What a list says of an artifact.
pub(crate) fn entry(manifest: &Manifest) -> Descriptor {
    let (artifact_type, annotations) = match manifest.body() {
        Body::Image(body) => (Some(&body.artifact_type), &body.annotations),
        Body::Index(body) => (body.artifact_type.as_ref(), &body.annotations),
    };
    Descriptor {
        artifact_type: artifact_type.cloned(),
        annotations: Some(annotations.clone()).filter(|annotations| !annotations.is_empty()),
        ..manifest.descriptor().clone()
    }
}

/// The entries of an index as they stand there, the first of each digest.
pub(crate) fn entries(index: &Manifest) -> Result<Vec<Entry>, ManifestError> {
    #[derive(serde::Deserialize)]
    struct List {
        manifests: Vec<Value>,
    }
    let list: List = serde_json::from_slice(index.bytes())
        .map_err(|error| ManifestError::Malformed(error.into()))?;
    let mut seen = BTreeSet::new();
    let entry = |value: Value| {
        let digest = Digest::parse(value.get("digest")?.as_str()?).ok()?;
        seen.insert(digest.clone())
            .then_some(Entry { digest, value })
    };
    Ok(list.manifests.into_iter().filter_map(entry).collect())
}

/// The index with more entries. All that is there already stays, whoever wrote it and whatever it means.
pub(crate) fn with_entries(
    known: Option<&Manifest>,
    missing: &[&Descriptor],
) -> Result<Manifest, ManifestError> {
    edited(known, |list| {
        list.extend(missing.iter().map(|entry| json!(entry)));
    })
}

/// The index with a change. All else stays.
pub(crate) fn with_edit(known: Option<&Manifest>, edit: Edit) -> Result<Manifest, ManifestError> {
    edited(known, |list| {
        if let Some(removed) = &edit.removed {
            list.retain(|entry| !has_digest(entry, removed));
        }
        list.extend(edit.added);
    })
}

/// The index without what has this digest. All else stays.
pub(crate) fn without_entry(known: &Manifest, digest: &Digest) -> Result<Manifest, ManifestError> {
    edited(Some(known), |list| {
        list.retain(|entry| !has_digest(entry, digest));
    })
}

fn has_digest(entry: &Value, digest: &Digest) -> bool {
    entry.get("digest").and_then(Value::as_str) == Some(&digest.to_string())
}

/// The index with another list. All else stays.
pub(crate) fn edited(
    known: Option<&Manifest>,
    edit: impl FnOnce(&mut Vec<Value>),
) -> Result<Manifest, ManifestError> {
    let mut index = match known {
        Some(known) => serde_json::from_slice(known.bytes())
            .map_err(|error| ManifestError::Malformed(error.into()))?,
        None => json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [] }),
    };
    let list = index.get_mut("manifests").and_then(Value::as_array_mut);
    edit(list.ok_or(ManifestError::Missing {
        member: "manifests",
    })?);
    let media_type = known
        .map_or(OCI_INDEX, |known| known.descriptor().media_type.as_str())
        .to_owned();
    let limits = Limits {
        children: usize::MAX,
        ..Limits::TABLE
    };
    Manifest::parse(
        index.to_string().into_bytes().into(),
        Some(&media_type),
        None,
        &limits,
    )
}

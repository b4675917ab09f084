//! Lists of what refers to an image, edited so that the entries of others stay as they are, to the last member.
//!
//! Used wherever several write one list. Never decides what an entry is worth.

use countersign_common::{
    Descriptor, Digest, Limits, Manifest,
    manifest::{Body, ManifestError, OCI_INDEX},
};
use serde_json::{Value, json};

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

/// The index with more entries. All that is there already stays, whoever wrote it and whatever it means.
pub(crate) fn with_entries(
    known: Option<&Manifest>,
    missing: &[&Descriptor],
) -> Result<Manifest, ManifestError> {
    edited(known, |list| {
        list.extend(missing.iter().map(|entry| json!(entry)));
    })
}

/// The index without what has this digest. All else stays.
pub(crate) fn without_entry(known: &Manifest, digest: &Digest) -> Result<Manifest, ManifestError> {
    let digest = digest.to_string();
    let is_other = |entry: &Value| entry.get("digest").and_then(Value::as_str) != Some(&digest);
    edited(Some(known), |list| list.retain(is_other))
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

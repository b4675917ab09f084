//! Trust roots of ours. Whether one is followed is for `trust update` and its pins to say; attached to an image it is
//! nobody's.

use countersign_common::{Limits, json};
use countersign_trust_roots::root::ROOT_MEDIA_TYPE;
use serde::Deserialize;

use super::{Fetched, Format, layers};
use crate::inspect::{
    Fault,
    model::{Entry, EntryKind},
};

pub(super) const FORMAT: Format = Format {
    name: "trust-root",
    title: "trust root",
    recognises: |artifact| {
        artifact.artifact_type == ROOT_MEDIA_TYPE || !layers(artifact, ROOT_MEDIA_TYPE).is_empty()
    },
    blobs: |artifact| layers(artifact, ROOT_MEDIA_TYPE),
    limit: |limits| limits.root,
    describe,
};

#[derive(Deserialize)]
struct RootDocument {
    signed: SignedDocument,
}

#[derive(Deserialize)]
struct SignedDocument {
    version: u64,
    expires: String,
}

fn describe(fetched: &Fetched<'_>, limits: &Limits) -> Result<Entry, Fault> {
    let root: RootDocument = json::from_slice(fetched.blob, limits)?;
    let mut entry = Entry::of(EntryKind::TrustRoot);
    entry.until = Some(root.signed.expires);
    entry
        .attributes
        .insert("version".to_owned(), root.signed.version.to_string());
    Ok(entry)
}

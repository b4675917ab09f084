//! Formats of what is attached to images: how a blob that was fetched becomes what is shown of it.
//!
//! A format is one file and one line in [`FORMATS`]. Nothing is believed here, and a blob that cannot be read is said to be
//! so. That verifiers read a format as well is for the readers of `countersign_trust_roots` to say.

mod bill;
mod bundle;
mod cose;
mod jws;
mod legacy;
mod notary;
mod trust_root;

use std::collections::BTreeMap;

use bytes::Bytes;
use countersign_common::{
    Descriptor, Digest, Limits, Manifest, Statement,
    annotation::Annotation,
    manifest::{Body, ImageBody},
};

use super::{
    Fault,
    model::{About, Entry, EntryKind},
};

/// Every format that is recognised, and the last for the rest.
const FORMATS: &[Format] = &[
    bundle::FORMAT,
    jws::FORMAT,
    cose::FORMAT,
    legacy::SIGNATURE,
    legacy::ATTESTATION,
    trust_root::FORMAT,
    bill::FORMAT,
    UNKNOWN,
];

/// Shown by its type and its size.
const UNKNOWN: Format = Format {
    name: "unknown",
    title: "unknown format",
    recognises: |_| true,
    blobs: |_| Vec::new(),
    limit: |_| 0,
    describe: |_, _| Ok(Entry::of(EntryKind::Attestation)),
};

/// Recognises and reads one format.
pub(super) struct Format {
    /// Its name for programs.
    pub(super) name: &'static str,
    /// Its name for people.
    pub(super) title: &'static str,
    /// Whether an artifact is of this format, by its own manifest.
    pub(super) recognises: fn(&ImageBody) -> bool,
    /// The blobs that must be fetched to read it.
    pub(super) blobs: fn(&ImageBody) -> Vec<&Descriptor>,
    /// How long each may be.
    pub(super) limit: fn(&Limits) -> usize,
    /// Says what is in a blob.
    pub(super) describe: fn(&Fetched<'_>, &Limits) -> Result<Entry, Fault>,
}

/// One blob of an artifact. Both hash to their names.
#[derive(Clone, Copy)]
pub(super) struct Fetched<'a> {
    /// What the artifact is attached to.
    pub(super) subject: &'a Descriptor,
    pub(super) manifest: &'a Manifest,
    pub(super) layer: &'a Descriptor,
    pub(super) blob: &'a Bytes,
}

/// The format of an artifact.
pub(super) fn of(artifact: &ImageBody) -> &'static Format {
    let mut formats = FORMATS.iter();
    let format = formats.find(|format| (format.recognises)(artifact));
    format.unwrap_or(&UNKNOWN)
}

/// Its position in the order in which formats are told.
pub(super) fn rank(name: &str) -> usize {
    let position = FORMATS.iter().position(|format| format.name == name);
    position.unwrap_or(FORMATS.len())
}

/// Layers of one type.
fn layers<'a>(artifact: &'a ImageBody, media_type: &str) -> Vec<&'a Descriptor> {
    let layers = artifact.layers.iter();
    layers
        .filter(|layer| layer.media_type == media_type)
        .collect()
}

/// What a statement says of what it is attached to.
fn stated(statement: &Statement, subject: &Digest, entry: Entry) -> Entry {
    let about = statement.subjects_naming(subject).next();
    let first = statement.subjects().first();
    let shown = about.or(first);
    let annotations = shown.map(|subject| texts(subject.annotations().iter()));
    let publication = statement.publication();
    let named = publication.map(|publication| publication.repository.clone());
    Entry {
        about: match (about, first) {
            (Some(_), _) => About::This,
            (None, Some(other)) => About::Other(match other.digests().next() {
                Some(digest) => digest.to_string(),
                None => "something that cannot be named".to_owned(),
            }),
            (None, None) => About::Other("nothing".to_owned()),
        },
        predicate_type: Some(statement.predicate_type().to_owned()),
        repository: named.or_else(|| shown?.name().map(str::to_owned)),
        annotations: annotations.unwrap_or_default(),
        stamps: entry.stamps + statement.before_stamps().len(),
        ..entry
    }
}

/// When an artifact was stored, as its manifest says.
fn created(manifest: &Manifest) -> Option<String> {
    match manifest.body() {
        Body::Image(body) => body.annotations.get(CREATED).cloned(),
        Body::Index(_) => None,
    }
}

const CREATED: &str = "org.opencontainers.image.created";

/// Members as text, a bounded number of them; what is no text as JSON.
fn texts<'a>(
    members: impl Iterator<Item = (&'a String, &'a Annotation)>,
) -> BTreeMap<String, String> {
    let text = |(name, value): (&String, &Annotation)| {
        let value = match value {
            Annotation::Json(json) => json.to_string(),
            Annotation::Text(text) => text.clone(),
        };
        (name.clone(), value)
    };
    members
        // Stamps are counted, and too long to read.
        .filter(|(name, _)| *name != countersign_common::predicate::BEFORE_STAMP_ANNOTATION)
        .take(SHOWN)
        .map(text)
        .collect()
}

/// Annotations shown of one thing.
pub(super) const SHOWN: usize = 64;

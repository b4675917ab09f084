//! Signatures of the Notary Project, which AWS Signer writes too: what both of its envelopes hold
//! ([signature specification](https://github.com/notaryproject/specifications/blob/main/specs/signature-specification.md)).
//! Shown, and not verified.

use std::collections::BTreeMap;

use countersign_common::{Limits, json};
use serde::Deserialize;

use super::{Fetched, SHOWN};
use crate::inspect::{
    Fault, certificate,
    model::{About, Entry, EntryKind, Signer},
};

/// Either envelope, opened.
#[derive(Debug, Default)]
pub(super) struct Envelope {
    /// The signed attributes, as text.
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) payload: Vec<u8>,
    /// In DER, the signer's own first.
    pub(super) certificates: Vec<Vec<u8>>,
    pub(super) stamps: usize,
}

const SIGNED_AT: &str = "io.cncf.notary.signingTime";
const SIGNED_AT_BY_AUTHORITY: &str = "io.cncf.notary.authenticSigningTime";
const EXPIRY: &str = "io.cncf.notary.expiry";

/// What is shown of an envelope.
pub(super) fn describe(
    mut envelope: Envelope,
    fetched: &Fetched<'_>,
    limits: &Limits,
) -> Result<Entry, Fault> {
    let payload: PayloadDocument = json::from_slice(&envelope.payload, limits)?;
    let target = payload.target_artifact;
    let named = (
        target.digest.as_str(),
        target.size,
        target.media_type.as_str(),
    );
    let subject = fetched.subject;
    let digest = subject.digest.to_string();
    let is_this = named == (digest.as_str(), subject.size, subject.media_type.as_str());
    let mut take = |name| envelope.attributes.remove(name);
    let signed_at = take(SIGNED_AT).or_else(|| take(SIGNED_AT_BY_AUTHORITY));
    let until = take(EXPIRY);
    Ok(Entry {
        about: if is_this {
            About::This
        } else {
            About::Other(target.digest)
        },
        signer: Signer::Certificates(certificate::read(&envelope.certificates, limits)?),
        claimed_at: signed_at,
        until,
        annotations: shown(target.annotations.unwrap_or_default()),
        attributes: shown(envelope.attributes),
        stamps: envelope.stamps,
        ..Entry::of(EntryKind::ImageSignature)
    })
}

fn shown(all: BTreeMap<String, String>) -> BTreeMap<String, String> {
    all.into_iter().take(SHOWN).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PayloadDocument {
    target_artifact: TargetDocument,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TargetDocument {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

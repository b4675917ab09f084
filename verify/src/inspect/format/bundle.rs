//! Sigstore bundles: what `countersign` and cosign 3 write. Version 0.3 with a statement is what verifiers read; of the
//! others it is said that they do not.

use base64::{Engine, prelude::BASE64_STANDARD};
use countersign_common::{
    KeyId, Limits, Statement,
    dsse::IN_TOTO_PAYLOAD_TYPE,
    json,
    publication::{PUBLICATION, PublicationDate},
    statement::IMAGE_SIGNATURE,
};
use countersign_trust_roots::format::{self as read, Claim, Format::SigstoreBundle};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Fetched, Format, stated};
use crate::{
    Refusal,
    inspect::{
        Fault, certificate,
        model::{Entry, EntryKind, Proof, Signer},
    },
    verdict::Finding,
};

const PREFIX: &str = "application/vnd.dev.sigstore.bundle";

pub(super) const FORMAT: Format = Format {
    name: "sigstore-bundle",
    title: "Sigstore bundle",
    recognises: |artifact| {
        let mut layers = artifact.layers.iter();
        artifact.artifact_type.starts_with(PREFIX)
            || layers.any(|layer| layer.media_type.starts_with(PREFIX))
    },
    blobs: |artifact| artifact.layers.iter().collect(),
    limit: |limits| limits.attestation,
    describe,
};

fn describe(fetched: &Fetched<'_>, limits: &Limits) -> Result<Entry, Fault> {
    let document: BundleDocument = json::from_slice(fetched.blob, limits)?;
    let material = document.verification_material;
    let statement = document.dsse_envelope.as_ref().and_then(|envelope| {
        let is_statement = envelope.payload_type == IN_TOTO_PAYLOAD_TYPE;
        let payload = BASE64_STANDARD.decode(&envelope.payload).ok();
        payload.filter(|_| is_statement)
    });
    let statement = statement.and_then(|payload| Statement::parse(&payload, limits).ok());
    let entry = Entry {
        claimed_at: claimed_at(fetched, statement.as_ref()),
        until: until(statement.as_ref()),
        signer: material.signer(limits)?,
        stamps: material.stamps(),
        log_entries: material.tlog_entries.map_or(0, |entries| entries.len()),
        proof: proof(fetched, limits),
        ..Entry::of(kind(statement.as_ref()))
    };
    Ok(match &statement {
        Some(statement) => stated(statement, &fetched.subject.digest, entry),
        None => entry,
    })
}

/// By the reader that verifiers have, and no other.
fn proof(fetched: &Fetched<'_>, limits: &Limits) -> Proof {
    let refused = |refusal: &Refusal| Proof::Refused(Finding::of(refusal));
    match claims(fetched, limits) {
        Ok(mut claims) => match claims.pop() {
            Some(claim) if publishes(&claim) && fetched.blob.len() > limits.publication => {
                refused(&Refusal::PublicationTooLarge {
                    artifact: claim.artifact,
                    limit: limits.publication,
                })
            }
            // A verifier that is asked for an attestation fetches longer ones.
            Some(claim) if !attests(&claim) && fetched.blob.len() > limits.bundle => {
                Proof::Refused(Finding::of(&Fault::TooLarge {
                    size: fetched.blob.len() as u64,
                    limit: limits.bundle as u64,
                }))
            }
            Some(claim) => Proof::Claim(Box::new(claim)),
            None => Proof::Foreign(Vec::new()),
        },
        Err(source) => refused(&Refusal::Damaged {
            artifact: fetched.manifest.digest().clone(),
            source,
        }),
    }
}

fn claims(fetched: &Fetched<'_>, limits: &Limits) -> Result<Vec<Claim>, read::ReadError> {
    use countersign_common::manifest::Body;
    let Body::Image(body) = fetched.manifest.body() else {
        return Ok(Vec::new());
    };
    let Some(reader) = read::reader(body, &[SigstoreBundle]) else {
        return Ok(Vec::new());
    };
    let mut claims = Vec::new();
    for wanted in (reader.blobs)(body, limits) {
        let read = read::Fetched {
            manifest: fetched.manifest,
            layers: &wanted?.layers,
            blob: fetched.blob,
        };
        claims.extend((reader.read)(&read, limits)?);
    }
    Ok(claims)
}

fn attests(claim: &Claim) -> bool {
    kind(Some(&claim.statement)) == EntryKind::Attestation
}

fn publishes(claim: &Claim) -> bool {
    claim.statement.predicate_type() == PUBLICATION
}

fn kind(statement: Option<&Statement>) -> EntryKind {
    match statement.map(Statement::predicate_type) {
        None | Some(IMAGE_SIGNATURE) => EntryKind::ImageSignature,
        Some(PUBLICATION) => EntryKind::Publication,
        Some(_) => EntryKind::Attestation,
    }
}

/// The publisher's word, or else that of whoever stored it.
fn claimed_at(fetched: &Fetched<'_>, statement: Option<&Statement>) -> Option<String> {
    let publication = statement.and_then(Statement::publication);
    match publication.map(|publication| &publication.date) {
        Some(PublicationDate::Claimed(at)) => Some(at.to_string()),
        _ => super::created(fetched.manifest),
    }
}

fn until(statement: Option<&Statement>) -> Option<String> {
    let until = statement?.publication()?.supported_until?;
    Some(until.to_string())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BundleDocument {
    verification_material: MaterialDocument,
    #[serde(default)]
    dsse_envelope: Option<EnvelopeDocument>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EnvelopeDocument {
    payload: String,
    payload_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MaterialDocument {
    #[serde(default)]
    public_key: Option<KeyDocument>,
    #[serde(default)]
    certificate: Option<CertificateDocument>,
    #[serde(default, rename = "x509CertificateChain")]
    chain: Option<ChainDocument>,
    #[serde(default)]
    tlog_entries: Option<Vec<IgnoredAny>>,
    #[serde(default)]
    timestamp_verification_data: Option<StampsDocument>,
}

#[derive(Deserialize)]
struct KeyDocument {
    #[serde(default)]
    hint: String,
}

#[derive(Deserialize)]
struct ChainDocument {
    certificates: Vec<CertificateDocument>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CertificateDocument {
    raw_bytes: String,
}

#[derive(Deserialize)]
struct StampsDocument {
    #[serde(default, rename = "rfc3161Timestamps")]
    stamps: Option<Vec<IgnoredAny>>,
}

impl MaterialDocument {
    fn stamps(&self) -> usize {
        let stamps = self.timestamp_verification_data.as_ref();
        stamps.map_or(0, |stamps| stamps.stamps.as_ref().map_or(0, Vec::len))
    }

    fn signer(&self, limits: &Limits) -> Result<Signer, Fault> {
        let one = self.certificate.iter();
        let several = self.chain.iter().flat_map(|chain| &chain.certificates);
        let texts: Vec<_> = one
            .chain(several)
            .map(|one| one.raw_bytes.clone())
            .collect();
        if !texts.is_empty() {
            let chain = certificate::decode(&texts, limits)?;
            return certificate::read(&chain, limits).map(Signer::Certificates);
        }
        let hint = self.public_key.as_ref().map(|key| key.hint.as_str());
        Ok(match hint {
            None | Some("") => Signer::Unsaid,
            Some(hint) => Signer::Key(key_id(hint)),
        })
    }
}

/// A hint in the form in which key ids are shown, if it is the hash of a key.
fn key_id(hint: &str) -> String {
    KeyId::from_hint(hint).map_or_else(|| hint.to_owned(), |id| id.to_string())
}

//! What cosign before version 3 writes: each layer is a signature, or an attestation, of one signer
//! ([signature specification](https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md)). At a tag, or as an
//! experiment as referrers. Shown, and not verified: what verifiers read is bundles.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use countersign_common::{Descriptor, Limits, Signature, Statement, dsse, json};
use countersign_trust_roots::format::ReadError;
use serde::Deserialize;
use serde_json::Value;

use super::{Fetched, Format, layers, stated, texts};
use crate::inspect::{
    Fault, certificate,
    model::{About, Entry, EntryKind, Proof, Signer},
};

const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";

pub(super) const SIGNATURE: Format = Format {
    name: "cosign-signature",
    title: "cosign signature, older format",
    recognises: |artifact| !layers(artifact, SIMPLE_SIGNING).is_empty(),
    blobs: |artifact| layers(artifact, SIMPLE_SIGNING),
    limit: |limits| limits.bundle,
    describe: signature,
};

pub(super) const ATTESTATION: Format = Format {
    name: "cosign-attestation",
    title: "cosign attestation, older format",
    recognises: |artifact| !layers(artifact, ENVELOPE).is_empty(),
    blobs: |artifact| layers(artifact, ENVELOPE),
    limit: |limits| limits.attestation,
    describe: attestation,
};

fn signature(fetched: &Fetched<'_>, limits: &Limits) -> Result<Entry, Fault> {
    let document: PayloadDocument = json::from_slice(fetched.blob, limits)?;
    let critical = document.critical;
    let named = critical.image.digest;
    let signature = annotation(fetched.layer, "dev.cosignproject.cosign/signature");
    let signature = signature.map(decoded).transpose()?;
    let signed = signature.map(|signature| (fetched.blob.to_vec(), signature));
    Ok(Entry {
        about: if named == fetched.subject.digest.to_string() {
            About::This
        } else {
            About::Other(named)
        },
        repository: Some(critical.identity.reference).filter(|reference| !reference.is_empty()),
        annotations: texts(document.optional.unwrap_or_default().iter()),
        proof: Proof::Foreign(signed.into_iter().collect()),
        ..besides(fetched.layer, EntryKind::ImageSignature, limits)?
    })
}

fn attestation(fetched: &Fetched<'_>, limits: &Limits) -> Result<Entry, Fault> {
    let document: EnvelopeDocument = json::from_slice(fetched.blob, limits)?;
    let payload = BASE64_STANDARD.decode(&document.payload);
    let payload = payload.map_err(|_| Fault::Base64 { part: "payload" })?;
    let message = dsse::pre_authentication_encoding(&document.payload_type, &payload);
    let signatures = document.signatures.iter().take(ENVELOPE_SIGNATURES);
    let signatures = signatures.map(|one| Ok((message.clone(), decoded(&one.sig)?)));
    let entry = Entry {
        proof: Proof::Foreign(signatures.collect::<Result<_, Fault>>()?),
        ..besides(fetched.layer, EntryKind::Attestation, limits)?
    };
    let statement = Statement::parse(&payload, limits);
    let statement = statement.map_err(ReadError::from)?;
    Ok(stated(&statement, &fetched.subject.digest, entry))
}

/// Signatures tried of one envelope.
const ENVELOPE_SIGNATURES: usize = 4;

/// What stands beside the signature, unsigned.
fn besides(layer: &Descriptor, kind: EntryKind, limits: &Limits) -> Result<Entry, Fault> {
    let pem = annotation(layer, "dev.sigstore.cosign/certificate");
    let signer = match pem.filter(|pem| !pem.is_empty()) {
        Some(pem) => {
            let chain = certificate::first_in_pem(pem)?;
            Signer::Certificates(certificate::read(&chain, limits)?)
        }
        None => Signer::Unsaid,
    };
    let counted = |name| usize::from(annotation(layer, name).is_some_and(|text| !text.is_empty()));
    Ok(Entry {
        signer,
        stamps: counted("dev.sigstore.cosign/rfc3161timestamp"),
        log_entries: counted("dev.sigstore.cosign/bundle"),
        ..Entry::of(kind)
    })
}

fn annotation<'a>(layer: &'a Descriptor, name: &str) -> Option<&'a str> {
    let annotations = layer.annotations.as_ref()?;
    annotations.get(name).map(String::as_str)
}

fn decoded(text: &str) -> Result<Signature, Fault> {
    let bytes = BASE64_STANDARD.decode(text);
    bytes
        .map(Signature::from)
        .map_err(|_| Fault::Base64 { part: "signature" })
}

#[derive(Deserialize)]
struct PayloadDocument {
    critical: CriticalDocument,
    #[serde(default)]
    optional: Option<BTreeMap<String, Value>>,
}

#[derive(Deserialize)]
struct CriticalDocument {
    identity: IdentityDocument,
    image: ImageDocument,
}

#[derive(Deserialize)]
struct IdentityDocument {
    #[serde(rename = "docker-reference")]
    reference: String,
}

#[derive(Deserialize)]
struct ImageDocument {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EnvelopeDocument {
    payload: String,
    payload_type: String,
    signatures: Vec<SignatureDocument>,
}

#[derive(Deserialize)]
struct SignatureDocument {
    sig: String,
}

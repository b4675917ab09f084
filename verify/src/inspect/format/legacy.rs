//! What cosign before version 3 writes: each layer is a signature, or an attestation, of one signer
//! ([signature specification](https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md)). At a tag, or as an
//! experiment as referrers. Shown, and not verified here: verifiers read the signatures where somebody counts them.

use base64::{Engine, prelude::BASE64_STANDARD};
use countersign_common::{Descriptor, Limits, Signature, Statement, dsse, json};
use countersign_trust_roots::format::{
    ReadError,
    cosign_simple::{self, CERTIFICATE, MEDIA_TYPE, Payload, TIME_STAMP, annotation},
};
use serde::Deserialize;

use super::{Fetched, Format, layers, stated, texts};
use crate::inspect::{
    Fault, certificate,
    model::{About, Entry, EntryKind, Proof, Signer},
};

const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";

pub(super) const SIGNATURE: Format = Format {
    name: "cosign-signature",
    title: "cosign signature, older format",
    recognises: |artifact| !layers(artifact, MEDIA_TYPE).is_empty(),
    blobs: |artifact| layers(artifact, MEDIA_TYPE),
    limit: |limits| limits.simple_signing,
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
    let payload = Payload::parse(fetched.blob, limits)?;
    let signature = annotation(fetched.layer, cosign_simple::SIGNATURE);
    let signature = signature.map(decoded).transpose()?;
    let signed = signature.map(|signature| (fetched.blob.to_vec(), signature));
    Ok(Entry {
        about: if payload.digest == fetched.subject.digest {
            About::This
        } else {
            About::Other(payload.digest.to_string())
        },
        repository: payload.reference,
        annotations: texts(payload.annotations.iter()),
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
    let signer = match annotation(layer, CERTIFICATE) {
        Some(pem) => {
            let chain = certificate::first_in_pem(pem)?;
            Signer::Certificates(certificate::read(&chain, limits)?)
        }
        None => Signer::Unsaid,
    };
    let counted = |name| usize::from(annotation(layer, name).is_some());
    Ok(Entry {
        signer,
        stamps: counted(TIME_STAMP),
        log_entries: counted("dev.sigstore.cosign/bundle"),
        ..Entry::of(kind)
    })
}

fn decoded(text: &str) -> Result<Signature, Fault> {
    let bytes = BASE64_STANDARD.decode(text);
    bytes
        .map(Signature::from)
        .map_err(|_| Fault::Base64 { part: "signature" })
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

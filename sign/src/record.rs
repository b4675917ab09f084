//! What is left to say after a signature: for `--output json` and for the log.

use countersign_common::{Algorithm, Digest, KeyId};
use serde::Serialize;

use crate::{Plan, Sealed};

/// One signature. A key service's log says who signed and when, but not what; this joins the two.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The image as it was asked for.
    pub image: String,
    /// The image's digest.
    pub digest: Digest,
    /// The kind of claim.
    pub predicate_type: &'static str,
    /// SHA-256 of the bytes that the signature is over.
    pub signed_digest: Digest,
    /// The key: an ARN, or the path of a file.
    pub key: String,
    /// SHA-256 over the key's `SubjectPublicKeyInfo`.
    pub key_id: KeyId,
    /// How it signed.
    pub algorithm: Algorithm,
    /// The key service's name of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The digest of the Sigstore bundle.
    pub bundle: Digest,
    /// The digest of the manifest that carries the bundle.
    pub manifest: Digest,
}

impl Record {
    pub(crate) fn of(sealed: &Sealed) -> Self {
        Self {
            request_id: sealed.request_id().map(str::to_owned),
            ..Self::found(
                sealed.plan(),
                sealed.plan().signed_digest(),
                sealed.bundle_digest().clone(),
                sealed.manifest().digest().clone(),
            )
        }
    }

    /// Of a signature that was there already.
    pub(crate) fn found(
        plan: &Plan,
        signed_digest: Digest,
        bundle: Digest,
        manifest: Digest,
    ) -> Self {
        let key = plan.key();
        Self {
            image: plan.image().to_owned(),
            digest: plan.subject().digest.clone(),
            predicate_type: plan.predicate_type(),
            signed_digest,
            key: key.name.clone(),
            key_id: key.public_key.id().clone(),
            algorithm: key.public_key.algorithm(),
            request_id: None,
            bundle,
            manifest,
        }
    }
}

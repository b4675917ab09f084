//! What is left to say after a signature: for `--output json` and for the log.

use countersign_common::{Algorithm, Digest, KeyId, Timestamp};
use serde::{Serialize, Serializer};

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
    pub predicate_type: String,
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
    /// When it was signed, as far as that is shown.
    #[serde(flatten)]
    pub date: SignedDate,
}

/// When something was signed, as far as its signer can show it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedDate {
    /// By nothing but the signer's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<Timestamp>,
    /// Not before this, by the stamps inside it.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exactly")]
    pub not_before: Option<Timestamp>,
    /// Not after this, by the stamps of its signature.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exactly")]
    pub not_after: Option<Timestamp>,
}

#[expect(clippy::ref_option, reason = "the signature that serde calls")]
fn exactly<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(Timestamp::to_rfc3339).serialize(serializer)
}

impl Record {
    pub(crate) fn of(sealed: &Sealed, date: SignedDate) -> Self {
        Self {
            request_id: sealed.request_id().map(str::to_owned),
            date,
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
            predicate_type: plan.predicate_type().to_owned(),
            signed_digest,
            key: key.name.clone(),
            key_id: key.public_key.id().clone(),
            algorithm: key.public_key.algorithm(),
            request_id: None,
            bundle,
            manifest,
            date: SignedDate::default(),
        }
    }
}

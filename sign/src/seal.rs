//! Makes a signature into what lies beside an image: a bundle, and the manifest that carries it.
//!
//! Byte for byte what will be pushed, as cosign 3 writes it, with a copy of the bundle in the manifest. Nothing is pushed here.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use countersign_common::{
    Code, Descriptor, Digest, Explain, Limits, Manifest, Timestamp, bundle,
    dsse::IN_TOTO_PAYLOAD_TYPE,
    json::JsonError,
    manifest::{EMPTY_CONFIG, ManifestError, OCI_MANIFEST},
    statement::StatementError,
};
use serde::Serialize;

use crate::{Plan, SignedPlan};

/// The configuration of an artifact that has none.
pub(crate) const EMPTY: &[u8] = b"{}";

/// How long a bundle may be to lie in its manifest too, where verifiers find it without another request. In base64 it is a
/// third longer, and the shortest limit of a registry on manifests is some hundred kilobytes.
const EMBEDDED: usize = 64 << 10;

/// A signature as it will lie beside its image.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sealed {
    signed: SignedPlan,
    bundle: Bytes,
    bundle_digest: Digest,
    manifest: Manifest,
}

impl Sealed {
    /// What was signed.
    pub fn plan(&self) -> &Plan {
        self.signed.plan()
    }

    /// The key service's name of the request.
    pub fn request_id(&self) -> Option<&str> {
        self.signed.signed().request_id.as_deref()
    }

    /// The Sigstore bundle.
    pub fn bundle(&self) -> &Bytes {
        &self.bundle
    }

    /// The bundle's digest.
    pub fn bundle_digest(&self) -> &Digest {
        &self.bundle_digest
    }

    /// The manifest that refers to the image.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}

/// Seals a signature, with the time stamps of it. When it was created is shown to people who list it; nobody decides by it.
pub fn seal(
    signed: SignedPlan,
    stamps: &[Vec<u8>],
    created: Timestamp,
) -> Result<Sealed, SealError> {
    let plan = signed.plan();
    let bundle = bundle::seal(
        (IN_TOTO_PAYLOAD_TYPE, plan.payload()),
        &signed.signed().signature,
        &plan.key().public_key,
        stamps,
    )?;
    let layer = Descriptor {
        data: (bundle.len() <= EMBEDDED).then(|| BASE64_STANDARD.encode(&bundle)),
        ..Descriptor::of(bundle::MEDIA_TYPE, &bundle)
    };
    let bundle_digest = layer.digest.clone();
    let document = ManifestDocument {
        schema_version: 2,
        media_type: OCI_MANIFEST,
        config: Descriptor::of(EMPTY_CONFIG, EMPTY),
        layers: [layer],
        annotations: BTreeMap::from([
            ("dev.sigstore.bundle.content", "dsse-envelope".to_owned()),
            (
                "dev.sigstore.bundle.predicateType",
                plan.predicate_type().to_owned(),
            ),
            ("org.opencontainers.image.created", created.to_string()),
        ]),
        subject: plan.subject(),
        artifact_type: bundle::MEDIA_TYPE,
    };
    let manifest = serde_json::to_vec(&document).map_err(SealError::Json)?;
    // Read as verifiers will read it: what they would refuse must not be written.
    let manifest = Manifest::parse(manifest.into(), Some(OCI_MANIFEST), None, &Limits::TABLE)?;
    Ok(Sealed {
        bundle: bundle.into(),
        bundle_digest,
        manifest,
        signed,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ManifestDocument<'a> {
    schema_version: u8,
    media_type: &'static str,
    config: Descriptor,
    layers: [Descriptor; 1],
    annotations: BTreeMap<&'static str, String>,
    subject: &'a Descriptor,
    artifact_type: &'static str,
}

/// What was signed cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Not as JSON.
    #[error("the signature's manifest cannot be written: {0}")]
    Json(serde_json::Error),
    /// Not as a manifest that we would read.
    #[error("the signature's manifest could not be read back: {0}")]
    Manifest(#[from] ManifestError),
    /// Not as a statement or a bundle.
    #[error("the signature cannot be written: {0}")]
    Statement(#[from] JsonError),
    /// As a bundle that nobody would fetch.
    #[error("what is signed has {bytes} bytes; verifiers read no more than {limit} of it")]
    TooLarge {
        /// How many it has.
        bytes: usize,
        /// How many would do.
        limit: usize,
    },
    /// As a statement that nobody would read.
    #[error("the statement could not be read back: {0}")]
    Unreadable(StatementError),
}

impl SealError {
    /// The code of everything that cannot be written.
    pub const CODE: Code = Code::new("seal-failed");
    /// The code of what is too much.
    pub const TOO_LARGE: Code = Code::new("too-large");
}

impl Explain for SealError {
    fn code(&self) -> Code {
        match self {
            Self::TooLarge { .. } => Self::TOO_LARGE,
            _ => Self::CODE,
        }
    }

    fn remedy(&self) -> String {
        if let Self::TooLarge { .. } = self {
            return "attest less, a digest of the rest and where it lies; or publish with fewer time-stamp authorities".to_owned();
        }
        "report this: nothing that a person does should lead here".to_owned()
    }
}

//! Formats of evidence: how an artifact that was fetched becomes claims.
//!
//! A format is one file and one line in [`READERS`]. Reading believes nothing: a claim says what somebody says. An
//! artifact that cannot be read is an error to be reported, never silence.

pub mod cosign_simple;
mod sigstore_bundle;

use std::sync::Arc;

use bytes::Bytes;
use countersign_common::{
    Code, Descriptor, Digest, Explain, Limits, Manifest, Signature, Statement,
    bundle::{BundleError, ClaimedSigner},
    digest::{HashAlgorithm, Hasher},
    dsse,
    json::JsonError,
    manifest::ImageBody,
    publication::PublicationError,
    statement::StatementError,
};

/// Every format that is read.
pub const READERS: &[Reader] = &[sigstore_bundle::READER, cosign_simple::READER];

/// Reads one format.
pub struct Reader {
    /// Its name.
    pub format: Format,
    /// Whether an artifact is of this format, by its own manifest.
    pub recognises: fn(&ImageBody) -> bool,
    /// How long each of its blobs may be.
    pub limit: fn(&Limits) -> usize,
    /// The blobs that must be fetched to read it, each once; and what is wrong with what is not read.
    pub blobs: for<'a> fn(&'a ImageBody, &Limits) -> Vec<Result<Wanted<'a>, ReadError>>,
    /// Turns a blob of the artifact into claims.
    pub read: fn(&Fetched<'_>, &Limits) -> Result<Vec<Claim>, ReadError>,
}

/// The reader for an artifact, if it is of one of these formats.
pub fn reader(artifact: &ImageBody, formats: &[Format]) -> Option<&'static Reader> {
    let mut readers = READERS.iter();
    readers.find(|reader| formats.contains(&reader.format) && (reader.recognises)(artifact))
}

/// A format of evidence.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Format {
    /// A signature over a bare payload, as cosign before version 3 writes it.
    CosignSimple,
    /// A Sigstore bundle as a referrer, as cosign 3 writes it.
    SigstoreBundle,
}

impl Format {
    /// The name in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::CosignSimple => "cosign-signature",
            Self::SigstoreBundle => "sigstore-bundle",
        }
    }
}

/// A blob that must be fetched, and what is read of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wanted<'a> {
    /// What names it.
    pub blob: &'a Descriptor,
    /// The layers that are read by it: their positions in the manifest.
    pub layers: Vec<usize>,
}

/// An artifact with a blob of it. Both hash to their names.
#[derive(Clone, Copy, Debug)]
pub struct Fetched<'a> {
    /// The artifact's manifest.
    pub manifest: &'a Manifest,
    /// The layers that are read by the blob: their positions in the manifest.
    pub layers: &'a [usize],
    /// The blob.
    pub blob: &'a Bytes,
}

/// What somebody says, and what would show that it is really they. Nothing in it is believed.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The manifest that it was found in.
    pub artifact: Digest,
    /// How it was written.
    pub format: Format,
    /// The statement, parsed from `payload`. Several claims may share it.
    pub statement: Arc<Statement>,
    /// Whom it names as its signer.
    pub signer: ClaimedSigner,
    /// Time stamps of its signature, each in base64: anybody's to add.
    pub after_stamps: Vec<String>,
    envelope: Envelope,
    payload: Bytes,
    signature: Signature,
}

/// What a signature is made over. The bytes of one kind are never those of the other: a bare payload is JSON, which never
/// begins as an encoding does.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Envelope {
    /// The payload itself.
    Bare,
    /// The pre-authentication encoding of a payload of this type.
    Dsse(String),
}

impl Claim {
    /// The bytes that its signature must be over.
    pub fn signed_bytes(&self) -> Vec<u8> {
        match &self.envelope {
            Envelope::Bare => self.payload.to_vec(),
            Envelope::Dsse(payload_type) => {
                dsse::pre_authentication_encoding(payload_type, &self.payload)
            }
        }
    }

    /// The signature.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// What names the document, wherever it lies: SHA-256 over what was signed and the signature. What stands beside these,
    /// the hint and the stamps of the signature, is anybody's to change.
    pub fn document_digest(&self) -> Digest {
        let mut document = Hasher::new(HashAlgorithm::Sha256);
        document.update(Digest::sha256(&self.signed_bytes()).hex().as_bytes());
        document.update(self.signature.as_bytes());
        document.finish()
    }

    /// What names the statement wherever it is stored: SHA-256 over the payload as it was signed.
    pub fn payload_digest(&self) -> Digest {
        Digest::sha256(&self.payload)
    }
}

/// An artifact of a known format that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The bundle is not one.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Not one blob.
    #[error("the artifact has {count} layers where one bundle is expected")]
    LayerCount {
        /// How many it has.
        count: usize,
    },
    /// A payload of cosign's older format that is none.
    #[error("the payload is not strict JSON of a signature by cosign: {0}")]
    Payload(#[source] JsonError),
    /// One that names its image by no digest.
    #[error(
        "the payload names `{}`, which is no digest",
        countersign_common::Escaped(digest)
    )]
    PayloadDigest {
        /// What it names.
        digest: String,
    },
    /// One that says to be something else.
    #[error(
        "the payload says that it is a `{}`, not a `cosign container image signature`",
        countersign_common::Escaped(kind)
    )]
    PayloadKind {
        /// What it says.
        kind: String,
    },
    /// The envelope holds something else than a statement.
    #[error(
        "the envelope holds `{}`, not an in-toto statement",
        countersign_common::Escaped(payload_type)
    )]
    PayloadType {
        /// What it holds.
        payload_type: String,
    },
    /// So many signatures that another reader may read others of them.
    #[error("it has {count} signatures; an artifact with more than {limit} is not read")]
    SignatureCount {
        /// How many it has.
        count: usize,
        /// How many it may have.
        limit: usize,
    },
    /// More signatures than are tried.
    #[error(
        "at most {limit} of its signatures are looked at, the shortest, and {bytes} bytes of what they sign (left out: {left_out})"
    )]
    SignaturesLeftOut {
        /// How many were not looked at.
        left_out: usize,
        /// How many are, at the most.
        limit: usize,
        /// How much of what they sign.
        bytes: usize,
    },
    /// The statement is not one.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// Layers without a signature.
    #[error("layers of it that should carry a signature carry none in base64 ({count})")]
    Unsigned {
        /// How many.
        count: usize,
    },
}

/// Every code of this module.
pub const CODES: &[Code] = &[
    Code::new("format-not-allowed"),
    Code::new("malformed"),
    Code::new("signatures-too-many"),
    Code::new("too-large"),
    Code::new("type-mismatch"),
];

impl Explain for ReadError {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::Bundle(BundleError::MediaType { .. } | BundleError::NoEnvelope)
            | Self::PayloadType { .. }
            | Self::Statement(StatementError::Publication(PublicationError::CriticalMember {
                ..
            })) => "format-not-allowed",
            Self::Bundle(
                BundleError::TooManyLogEntries { .. } | BundleError::TooManyTimeStamps { .. },
            )
            | Self::Statement(
                StatementError::Publication(PublicationError::TooManyTimeStamps { .. })
                | StatementError::TooManyDigests { .. }
                | StatementError::TooManySubjects { .. },
            ) => "too-large",
            Self::SignatureCount { .. } | Self::SignaturesLeftOut { .. } => "signatures-too-many",
            Self::PayloadKind { .. } | Self::Statement(StatementError::Kind { .. }) => {
                "type-mismatch"
            }
            Self::Bundle(_)
            | Self::LayerCount { .. }
            | Self::Payload(_)
            | Self::PayloadDigest { .. }
            | Self::Statement(_)
            | Self::Unsigned { .. } => "malformed",
        })
    }

    fn remedy(&self) -> String {
        "sign the image again with `countersign sign`, and find out who wrote this artifact"
            .to_owned()
    }
}

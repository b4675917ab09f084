//! Why an image is refused.

use countersign_common::{Code, Digest, Escaped, Explain, manifest::Platform, registry};
use countersign_trust_roots::{document, format::ReadError};

/// Found out, and the answer is no.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A child that is no image.
    #[error("the child {child} is of type {}, not an image", Escaped(media_type))]
    ChildNotImage {
        /// The child.
        child: Digest,
        /// Its type.
        media_type: String,
    },
    /// A signature was found that cannot be read.
    #[error("the artifact {} cannot be read: {source}", artifact.short())]
    Damaged {
        /// The artifact's manifest.
        artifact: Digest,
        /// What is wrong with it.
        source: ReadError,
    },
    /// An index that lies about its child.
    #[error("the child {child} has another size or type than its index says")]
    DescriptorMismatch {
        /// The child.
        child: Digest,
    },
    /// A signature was found that does not count.
    #[error("the signature {} does not count: {source}", artifact.short())]
    Document {
        /// The artifact's manifest.
        artifact: Digest,
        /// Why not.
        source: document::Refusal,
    },
    /// More evidence than is fetched.
    #[error(
        "not all that refers to the image was looked at: together it has more than {limit} bytes (left out: {left_out})"
    )]
    EvidenceTooLarge {
        /// How many.
        left_out: usize,
        /// How much is fetched.
        limit: u64,
    },
    /// Something was listed for the image that refers to something else.
    #[error("the artifact {} is listed for the image but refers to something else", artifact.short())]
    Misplaced {
        /// The artifact's manifest.
        artifact: Digest,
    },
    /// The platform is not there.
    #[error("there is no image for {wanted}; there are: {}", platforms(available))]
    PlatformMissing {
        /// What was asked for.
        wanted: Platform,
        /// What there is.
        available: Vec<Platform>,
    },
    /// What the registry delivered is refused.
    #[error(transparent)]
    Registry(#[from] registry::Refusal),
    /// No signature at all.
    #[error("{subject} has no signature{}", found_instead(found))]
    SignatureMissing {
        /// The content.
        subject: Digest,
        /// What is there instead.
        found: Vec<String>,
    },
    /// A signature was found whose bytes are refused.
    #[error("the artifact {} cannot be used: {source}", artifact.short())]
    Transfer {
        /// The artifact's manifest.
        artifact: Digest,
        /// What is wrong with them.
        source: registry::Refusal,
    },
    /// Too few signers.
    #[error(
        "{found} of {wanted} required distinct keys signed {subject}: {}",
        list(signers)
    )]
    ThresholdNotMet {
        /// The content.
        subject: Digest,
        /// How many are required.
        wanted: usize,
        /// How many signed.
        found: usize,
        /// Who did.
        signers: Vec<String>,
    },
}

fn platforms(available: &[Platform]) -> String {
    if available.is_empty() {
        "none that are named".to_owned()
    } else {
        available
            .iter()
            .map(Platform::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    }
}

fn found_instead(found: &[String]) -> String {
    if found.is_empty() {
        String::new()
    } else {
        format!("; beside it there are only: {}", list(found))
    }
}

fn list(texts: &[String]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| Escaped(text).to_string()).collect();
    texts.join(", ")
}

/// Every code that a verdict may carry as a refusal, of this package and of those below it.
pub const CODES: &[Code] = &[
    Code::new("annotation-mismatch"),
    Code::new("descriptor-mismatch"),
    Code::new("digest-mismatch"),
    Code::new("format-not-allowed"),
    Code::new("image-not-found"),
    Code::new("key-unknown"),
    Code::new("malformed"),
    Code::new("platform-missing"),
    Code::new("referrers-too-many"),
    Code::new("repository-mismatch"),
    Code::new("repository-unbound"),
    Code::new("signature-invalid"),
    Code::new("signature-missing"),
    Code::new("signatures-too-many"),
    Code::new("stand-in-key"),
    Code::new("subject-mismatch"),
    Code::new("threshold-not-met"),
    Code::new("too-large"),
    Code::new("type-mismatch"),
];

impl Explain for Refusal {
    fn code(&self) -> Code {
        match self {
            Self::ChildNotImage { .. } => Code::new("format-not-allowed"),
            Self::Damaged { source, .. } => source.code(),
            Self::DescriptorMismatch { .. } => Code::new("descriptor-mismatch"),
            Self::Document { source, .. } => source.code(),
            Self::EvidenceTooLarge { .. } => Code::new("too-large"),
            Self::Misplaced { .. } => Code::new("subject-mismatch"),
            Self::PlatformMissing { .. } => Code::new("platform-missing"),
            Self::Registry(source) | Self::Transfer { source, .. } => source.code(),
            Self::SignatureMissing { .. } => Code::new("signature-missing"),
            Self::ThresholdNotMet { .. } => Code::new("threshold-not-met"),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::ChildNotImage { .. } => "name the image itself, by its digest".to_owned(),
            Self::Damaged { source, .. } => source.remedy(),
            Self::DescriptorMismatch { .. } => "push the index again with a tool that writes true descriptors".to_owned(),
            Self::Document { source, .. } => source.remedy(),
            Self::EvidenceTooLarge { .. } => "remove what should not refer to this image".to_owned(),
            Self::Misplaced { .. } => "suspect the registry, or remove the artifact from its fallback tag".to_owned(),
            Self::PlatformMissing { .. } => "ask for a platform that there is, with `--platform`".to_owned(),
            Self::Registry(source) | Self::Transfer { source, .. } => source.remedy(),
            Self::SignatureMissing { subject, .. } => {
                format!("sign it: `countersign sign --key … …@{subject}`; or find out who pushed it")
            }
            Self::ThresholdNotMet { .. } => {
                "let more people sign: `countersign sign` with their keys, each of them trusted by `--key`".to_owned()
            }
        }
    }
}

//! What is wrong with a file of an image-layout folder. Said by the folder's adapter, which looks at the files; nothing is
//! read here.

use crate::{Digest, manifest::ManifestError};

/// A file that is there, and not what it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// Bytes that are not what they were named.
    #[error("does not hash to its name, but to {actual}")]
    Digest {
        /// What they hash to.
        actual: Digest,
    },
    /// A manifest or a list that is not strict, or contradicts itself.
    #[error("cannot be used: {0}")]
    Malformed(ManifestError),
    /// Not as long as its descriptor says.
    #[error("is not the {size} bytes that its descriptor names")]
    Size {
        /// Its size by the descriptor.
        size: u64,
    },
}

impl Damage {
    /// The code of a refusal by it.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Digest { .. } => "digest-mismatch",
            Self::Malformed(source) => code_of(source),
            Self::Size { .. } => "descriptor-mismatch",
        }
    }
}

/// The code of a refusal by a manifest that cannot be read, wherever it lay.
pub(super) fn code_of(error: &ManifestError) -> &'static str {
    match error {
        ManifestError::Digest { .. } => "digest-mismatch",
        ManifestError::MediaType { .. } => "format-not-allowed",
        ManifestError::TooLarge { .. } | ManifestError::TooManyChildren { .. } => "too-large",
        _ => "malformed",
    }
}

impl From<ManifestError> for Damage {
    fn from(error: ManifestError) -> Self {
        match error {
            ManifestError::Digest { actual, .. } => Self::Digest { actual },
            error => Self::Malformed(error),
        }
    }
}

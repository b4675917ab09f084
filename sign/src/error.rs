//! Why an image was not signed: could not find out, or found out and no.

use countersign_common::{
    Code, Digest, Explain, Timestamp, children::ChildRefusal, registry, signer, time_authority,
};
use countersign_trust_roots::document;

use crate::SealError;

/// Why an image was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// Could not find out; a retry or a person may help.
    #[error(transparent)]
    Error(#[from] Error),
    /// Found out, and no.
    #[error(transparent)]
    Refusal(#[from] Refusal),
}

/// Could not find out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The registry.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// The key.
    #[error(transparent)]
    Signer(#[from] signer::Error),
    /// The time-stamp authorities.
    #[error(transparent)]
    Time(#[from] time_authority::Error),
    /// Not in time, whoever it was that took so long.
    #[error(
        "it was not done within {seconds} s: the registry, the key service or a time-stamp authority is slow"
    )]
    TimedOut {
        /// How long was waited.
        seconds: u64,
    },
}

impl Error {
    /// The code of what was not done in time.
    pub const TIMED_OUT: Code = Code::new("fetch-timeout");
}

impl Explain for Error {
    fn code(&self) -> Code {
        match self {
            Self::Registry(error) => error.code(),
            Self::Signer(error) => error.code(),
            Self::Time(error) => error.code(),
            Self::TimedOut { .. } => Self::TIMED_OUT,
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Registry(error) => error.remedy(),
            Self::Signer(error) => error.remedy(),
            Self::Time(error) => error.remedy(),
            Self::TimedOut { .. } => "try again, or allow more with `--timeout`".to_owned(),
        }
    }
}

/// Found out, and no.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Something that the index lists.
    #[error(transparent)]
    Child(#[from] ChildRefusal),
    /// It is published already, and the first publication is the one that stays.
    #[error(
        "{digest} is published already, {}; the first publication stays",
        support(*published)
    )]
    PublicationDiffers {
        /// The image.
        digest: Digest,
        /// Until when the publication that is there says that it is supported.
        published: Option<Timestamp>,
    },
    /// The registry.
    #[error(transparent)]
    Registry(#[from] registry::Refusal),
    /// What was signed would not be believed.
    #[error("what was signed does not pass the check that verifiers make: {source}")]
    SelfCheck {
        /// Why not.
        source: document::Refusal,
    },
    /// What was signed cannot be written.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The key.
    #[error(transparent)]
    Signer(#[from] signer::Refusal),
    /// The time-stamp authorities.
    #[error(transparent)]
    Time(#[from] time_authority::Refusal),
}

fn support(until: Option<Timestamp>) -> String {
    until.map_or_else(
        || "without an end of its support".to_owned(),
        |until| format!("supported until {until}"),
    )
}

impl Refusal {
    /// The code of an image that is published already, otherwise.
    pub const PUBLICATION_DIFFERS: Code = Code::new("publication-differs");
    /// The code of what its own signer would not believe.
    pub const SELF_CHECK_FAILED: Code = Code::new("self-check-failed");
}

impl Explain for Refusal {
    fn code(&self) -> Code {
        match self {
            Self::Child(refusal) => refusal.code(),
            Self::PublicationDiffers { .. } => Self::PUBLICATION_DIFFERS,
            Self::Registry(refusal) => refusal.code(),
            Self::Seal(refusal) => refusal.code(),
            Self::SelfCheck { .. } => Self::SELF_CHECK_FAILED,
            Self::Signer(refusal) => refusal.code(),
            Self::Time(refusal) => refusal.code(),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Child(refusal) => refusal.remedy(),
            Self::PublicationDiffers { .. } => {
                "leave `--supported-until` out, or name the end that is published; to change it, publish a new image"
                    .to_owned()
            }
            Self::Registry(refusal) => refusal.remedy(),
            Self::Seal(refusal) => refusal.remedy(),
            Self::SelfCheck { source } => source.remedy(),
            Self::Signer(refusal) => refusal.remedy(),
            Self::Time(refusal) => refusal.remedy(),
        }
    }
}

impl SignError {
    fn inner(&self) -> &dyn Explain {
        match self {
            Self::Error(error) => error,
            Self::Refusal(refusal) => refusal,
        }
    }
}

impl Explain for SignError {
    fn code(&self) -> Code {
        self.inner().code()
    }

    fn remedy(&self) -> String {
        self.inner().remedy()
    }
}

impl From<registry::Failure> for SignError {
    fn from(failure: registry::Failure) -> Self {
        match failure {
            registry::Failure::Error(error) => Error::from(error).into(),
            registry::Failure::Refusal(refusal) => Refusal::from(refusal).into(),
        }
    }
}

impl From<signer::Failure> for SignError {
    fn from(failure: signer::Failure) -> Self {
        match failure {
            signer::Failure::Error(error) => Error::from(error).into(),
            signer::Failure::Refusal(refusal) => Refusal::from(refusal).into(),
        }
    }
}

impl From<time_authority::Failure> for SignError {
    fn from(failure: time_authority::Failure) -> Self {
        match failure {
            time_authority::Failure::Error(error) => Error::from(error).into(),
            time_authority::Failure::Refusal(refusal) => Refusal::from(refusal).into(),
        }
    }
}

impl From<registry::Error> for SignError {
    fn from(error: registry::Error) -> Self {
        Error::from(error).into()
    }
}

impl From<SealError> for SignError {
    fn from(error: SealError) -> Self {
        Refusal::from(error).into()
    }
}

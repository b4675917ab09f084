//! Why an image was not signed: could not find out, or found out and no.

use countersign_common::{Code, Explain, registry, signer};

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
}

/// Found out, and no.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The registry.
    #[error(transparent)]
    Registry(#[from] registry::Refusal),
    /// What was signed cannot be written.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The key.
    #[error(transparent)]
    Signer(#[from] signer::Refusal),
}

impl SignError {
    fn inner(&self) -> &dyn Explain {
        match self {
            Self::Error(Error::Registry(error)) => error,
            Self::Error(Error::Signer(error)) => error,
            Self::Refusal(Refusal::Registry(refusal)) => refusal,
            Self::Refusal(Refusal::Seal(refusal)) => refusal,
            Self::Refusal(Refusal::Signer(refusal)) => refusal,
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

//! How cosign verifies with a public key, for whoever signs and whoever exports keys. Nothing is asked of cosign here.

use countersign_common::Algorithm;

/// What it needs to be told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cosign {
    AsItIs,
    Never,
    /// It takes another hash unless it is told of this one.
    With(&'static str),
}

impl Cosign {
    pub(super) fn of(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::EcdsaP256Sha256 | Algorithm::Ed25519 | Algorithm::RsaPkcs1Sha256 => {
                Self::AsItIs
            }
            Algorithm::EcdsaP384Sha384 | Algorithm::RsaPkcs1Sha384 => Self::With("sha384"),
            Algorithm::EcdsaP521Sha512 | Algorithm::RsaPkcs1Sha512 => Self::With("sha512"),
            Algorithm::MlDsa44
            | Algorithm::MlDsa65
            | Algorithm::MlDsa87
            | Algorithm::RsaPssSha256
            | Algorithm::RsaPssSha384
            | Algorithm::RsaPssSha512 => Self::Never,
        }
    }
}

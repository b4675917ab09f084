//! What a KMS key may sign with: KMS's names for what [`Algorithm`] names.

use aws_sdk_kms::types::{KeySpec, SigningAlgorithmSpec};
use countersign_common::Algorithm;

/// The algorithm of a key of this spec unless another is asked for; `None` if we do not sign with such keys.
pub(crate) fn default_algorithm(spec: &KeySpec) -> Option<Algorithm> {
    match spec {
        KeySpec::EccNistP256 => Some(Algorithm::EcdsaP256Sha256),
        KeySpec::EccNistP384 => Some(Algorithm::EcdsaP384Sha384),
        KeySpec::EccNistP521 => Some(Algorithm::EcdsaP521Sha512),
        KeySpec::EccNistEdwards25519 => Some(Algorithm::Ed25519),
        KeySpec::MlDsa44 => Some(Algorithm::MlDsa44),
        KeySpec::MlDsa65 => Some(Algorithm::MlDsa65),
        KeySpec::MlDsa87 => Some(Algorithm::MlDsa87),
        // What cosign makes and verifies by default.
        KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096 => Some(Algorithm::RsaPkcs1Sha256),
        _ => None,
    }
}

/// KMS's name for an algorithm.
pub(crate) fn signing_algorithm(algorithm: Algorithm) -> SigningAlgorithmSpec {
    match algorithm {
        Algorithm::EcdsaP256Sha256 => SigningAlgorithmSpec::EcdsaSha256,
        Algorithm::EcdsaP384Sha384 => SigningAlgorithmSpec::EcdsaSha384,
        Algorithm::EcdsaP521Sha512 => SigningAlgorithmSpec::EcdsaSha512,
        // Not the pre-hashed variant, whose signatures are others.
        Algorithm::Ed25519 => SigningAlgorithmSpec::Ed25519Sha512,
        Algorithm::MlDsa44 | Algorithm::MlDsa65 | Algorithm::MlDsa87 => {
            SigningAlgorithmSpec::MlDsaShake256
        }
        Algorithm::RsaPkcs1Sha256 => SigningAlgorithmSpec::RsassaPkcs1V15Sha256,
        Algorithm::RsaPkcs1Sha384 => SigningAlgorithmSpec::RsassaPkcs1V15Sha384,
        Algorithm::RsaPkcs1Sha512 => SigningAlgorithmSpec::RsassaPkcs1V15Sha512,
        Algorithm::RsaPssSha256 => SigningAlgorithmSpec::RsassaPssSha256,
        Algorithm::RsaPssSha384 => SigningAlgorithmSpec::RsassaPssSha384,
        Algorithm::RsaPssSha512 => SigningAlgorithmSpec::RsassaPssSha512,
    }
}

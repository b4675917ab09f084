//! Makes keys for files.

use aws_lc_rs::{
    rsa::{self, KeySize},
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING,
        ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair,
        ML_DSA_44_SIGNING, ML_DSA_65_SIGNING, ML_DSA_87_SIGNING, PqdsaKeyPair,
        PqdsaSigningAlgorithm,
    },
};

use super::{KeyFileError, KeyPair, PrivateKey, pkcs8_key};

/// The kinds of key that can be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeySpec {
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// ECDSA on P-521.
    P521,
    /// Ed25519.
    Ed25519,
    /// ML-DSA-44.
    MlDsa44,
    /// ML-DSA-65.
    MlDsa65,
    /// ML-DSA-87.
    MlDsa87,
    /// RSA of 2,048 bits.
    Rsa2048,
    /// RSA of 3,072 bits.
    Rsa3072,
    /// RSA of 4,096 bits.
    Rsa4096,
}

/// Makes a key.
pub fn generate(spec: KeySpec) -> Result<KeyPair, KeyFileError> {
    let private = match spec {
        KeySpec::P256 => ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING),
        KeySpec::P384 => ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING),
        KeySpec::P521 => ecdsa(&ECDSA_P521_SHA512_ASN1_SIGNING),
        KeySpec::Ed25519 => Ed25519KeyPair::generate().map(PrivateKey::Ed25519),
        KeySpec::MlDsa44 => ml_dsa(&ML_DSA_44_SIGNING),
        KeySpec::MlDsa65 => ml_dsa(&ML_DSA_65_SIGNING),
        KeySpec::MlDsa87 => ml_dsa(&ML_DSA_87_SIGNING),
        KeySpec::Rsa2048 => rsa(KeySize::Rsa2048),
        KeySpec::Rsa3072 => rsa(KeySize::Rsa3072),
        KeySpec::Rsa4096 => rsa(KeySize::Rsa4096),
    }?;
    Ok(KeyPair {
        public: pkcs8_key::public_key(&private)?,
        private,
    })
}

type Generated = Result<PrivateKey, aws_lc_rs::error::Unspecified>;

fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm) -> Generated {
    EcdsaKeyPair::generate(algorithm).map(PrivateKey::Ecdsa)
}

fn ml_dsa(algorithm: &'static PqdsaSigningAlgorithm) -> Generated {
    PqdsaKeyPair::generate(algorithm).map(PrivateKey::MlDsa)
}

fn rsa(size: KeySize) -> Generated {
    rsa::KeyPair::generate(size).map(PrivateKey::Rsa)
}

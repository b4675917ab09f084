//! Makes keys for files.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{self, KeySize},
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair},
};
use pkcs8::{SecretDocument, der::pem::LineEnding};
use zeroize::Zeroizing;

use super::{KeyFileError, PrivateKey, pkcs8_key};

/// The kinds of key that can be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeySpec {
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// RSA of 2,048 bits.
    Rsa2048,
    /// RSA of 3,072 bits.
    Rsa3072,
    /// RSA of 4,096 bits.
    Rsa4096,
}

/// A new key, as the text of its two files.
pub struct GeneratedKey {
    /// The private key: PKCS#8, not encrypted.
    pub private_pem: Zeroizing<String>,
    /// The public key.
    pub public_pem: String,
}

/// Makes a key.
pub fn generate(spec: KeySpec) -> Result<GeneratedKey, KeyFileError> {
    let private = match spec {
        KeySpec::P256 => ecdsa(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)),
        KeySpec::P384 => ecdsa(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING)),
        KeySpec::Rsa2048 => rsa(KeySize::Rsa2048),
        KeySpec::Rsa3072 => rsa(KeySize::Rsa3072),
        KeySpec::Rsa4096 => rsa(KeySize::Rsa4096),
    }?;
    let private_pem = document(&private)?
        .to_pem("PRIVATE KEY", LineEnding::LF)
        .map_err(|source| KeyFileError::Der { source })?;
    Ok(GeneratedKey {
        private_pem,
        public_pem: pkcs8_key::public_key(&private)?.to_pem()?,
    })
}

fn document(private: &PrivateKey) -> Result<SecretDocument, KeyFileError> {
    match private {
        PrivateKey::Ecdsa(pair) => pkcs8_key::document(pair.to_pkcs8v1()?.as_ref()),
        PrivateKey::Rsa(pair) => {
            let der: Pkcs8V1Der<'_> = pair.as_der()?;
            pkcs8_key::document(der.as_ref())
        }
    }
}

type Generated = Result<PrivateKey, aws_lc_rs::error::Unspecified>;

fn ecdsa(pair: Result<EcdsaKeyPair, aws_lc_rs::error::Unspecified>) -> Generated {
    pair.map(PrivateKey::Ecdsa)
}

fn rsa(size: KeySize) -> Generated {
    rsa::KeyPair::generate(size).map(PrivateKey::Rsa)
}

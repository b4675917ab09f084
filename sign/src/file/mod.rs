//! Keys in files: PKCS#8, and cosign's encrypted key file.
//!
//! The command reads and writes the files; here are only their bytes. Private keys live in aws-lc's memory and in
//! buffers that are wiped.

mod cosign;
mod error;
mod generate;
mod pkcs8_key;

use aws_lc_rs::{
    rand::SystemRandom,
    rsa,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, PqdsaKeyPair, RsaEncoding},
};
use countersign_common::{
    Algorithm, Signature, Task,
    signer::{Failure, KeyOrigin, Refusal, Signed, SigningKey},
};
use pkcs8::SecretDocument;
use zeroize::Zeroizing;

pub use self::{
    error::KeyFileError,
    generate::{GeneratedKey, KeySpec, generate},
};

/// An expanded key of ML-DSA-87 in PEM has 6.8 KiB.
const FILE_LIMIT: usize = 64 << 10;

/// Signs with a private key that was read from a file.
pub struct Signer {
    key: SigningKey,
    private: PrivateKey,
}

pub(crate) enum PrivateKey {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    MlDsa(PqdsaKeyPair),
    Rsa(rsa::KeyPair),
}

impl Signer {
    /// Reads a private key: unencrypted PKCS#8 in PEM, or what `cosign generate-key-pair` writes.
    ///
    /// The password is asked for only if the file is encrypted. The algorithm follows the key unless one is asked for.
    pub fn read(
        pem: &str,
        name: &str,
        algorithm: Option<Algorithm>,
        password: impl FnOnce() -> std::io::Result<Zeroizing<String>>,
    ) -> Result<Self, KeyFileError> {
        let (private, public_key) = pkcs8_key::parse(&decode(pem, password)?)?;
        let algorithm = algorithm.unwrap_or_else(|| public_key.algorithm());
        Ok(Self {
            key: SigningKey {
                public_key: public_key.with_algorithm(algorithm)?,
                name: name.to_owned(),
                origin: KeyOrigin::File,
            },
            private,
        })
    }

    fn make(&self, message: &[u8]) -> Result<Signature, aws_lc_rs::error::Unspecified> {
        let random = SystemRandom::new();
        match &self.private {
            PrivateKey::Ecdsa(pair) => Ok(pair.sign(&random, message)?.as_ref().to_vec().into()),
            PrivateKey::Ed25519(pair) => Ok(pair.try_sign(message)?.as_ref().to_vec().into()),
            PrivateKey::MlDsa(pair) => {
                let mut signature = vec![0; pair.algorithm().signature_len()];
                pair.sign(message, &mut signature)?;
                Ok(signature.into())
            }
            PrivateKey::Rsa(pair) => {
                let encoding = rsa_encoding(self.key.public_key.algorithm())
                    .ok_or(aws_lc_rs::error::Unspecified)?;
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature)?;
                Ok(signature.into())
            }
        }
    }
}

impl countersign_common::Signer for Signer {
    fn key(&self) -> &SigningKey {
        &self.key
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> Task<'a, Result<Signed, Failure>> {
        Box::pin(async move {
            let signature = self.make(message).map_err(|_| Refusal::WrongUsage {
                key: self.key.name.clone(),
                message: "the signature could not be computed".to_owned(),
            })?;
            Ok(Signed {
                signature,
                request_id: None,
            })
        })
    }
}

impl std::fmt::Debug for Signer {
    /// Without the private key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// The PKCS#8 structure in the file.
fn decode(
    pem: &str,
    password: impl FnOnce() -> std::io::Result<Zeroizing<String>>,
) -> Result<SecretDocument, KeyFileError> {
    if pem.len() > FILE_LIMIT {
        return Err(KeyFileError::TooLarge { limit: FILE_LIMIT });
    }
    let (label, bytes) =
        pkcs8::der::pem::decode_vec(pem.trim().as_bytes()).map_err(|source| KeyFileError::Pem {
            source: source.into(),
        })?;
    let bytes = Zeroizing::new(bytes);
    match label {
        "PRIVATE KEY" => pkcs8_key::document(&bytes),
        "ENCRYPTED SIGSTORE PRIVATE KEY" | "ENCRYPTED COSIGN PRIVATE KEY" => {
            let file = cosign::parse(&bytes)?;
            let password = password().map_err(|source| KeyFileError::Password { source })?;
            pkcs8_key::document(&file.decrypt(password.as_bytes())?)
        }
        label => Err(KeyFileError::Label {
            label: label.to_owned(),
        }),
    }
}

fn rsa_encoding(algorithm: Algorithm) -> Option<&'static dyn RsaEncoding> {
    match algorithm {
        Algorithm::EcdsaP256Sha256
        | Algorithm::EcdsaP384Sha384
        | Algorithm::EcdsaP521Sha512
        | Algorithm::Ed25519
        | Algorithm::MlDsa44
        | Algorithm::MlDsa65
        | Algorithm::MlDsa87 => None,
        Algorithm::RsaPkcs1Sha256 => Some(&signature::RSA_PKCS1_SHA256),
        Algorithm::RsaPkcs1Sha384 => Some(&signature::RSA_PKCS1_SHA384),
        Algorithm::RsaPkcs1Sha512 => Some(&signature::RSA_PKCS1_SHA512),
        Algorithm::RsaPssSha256 => Some(&signature::RSA_PSS_SHA256),
        Algorithm::RsaPssSha384 => Some(&signature::RSA_PSS_SHA384),
        Algorithm::RsaPssSha512 => Some(&signature::RSA_PSS_SHA512),
    }
}

#[cfg(test)]
mod tests;

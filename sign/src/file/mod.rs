//! Keys in files: PKCS#8, plain and encrypted, cosign's encrypted key file, and the older forms of OpenSSL.
//!
//! The command reads and writes the files; here are only their bytes. Private keys live in aws-lc's memory and in
//! buffers that are wiped.

mod cosign;
mod cost;
mod encrypted;
mod error;
mod generate;
mod pair;
mod pkcs8_key;

use aws_lc_rs::{
    rand::SystemRandom,
    rsa,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, PqdsaKeyPair, RsaEncoding},
};
use countersign_common::{
    Algorithm, PublicKey, Signature, Task,
    signer::{Failure, KeyOrigin, Refusal, Signed, SigningKey},
};
use zeroize::Zeroizing;

pub use self::{
    error::KeyFileError,
    generate::{KeySpec, generate},
    pair::{Form, KeyPair},
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
    /// Reads a private key in PEM: PKCS#8, encrypted or not, what `cosign generate-key-pair` writes, and the forms that
    /// OpenSSL wrote before, SEC1 and PKCS#1.
    ///
    /// The password is asked for only if the file is encrypted. The algorithm follows the key unless one is asked for.
    pub fn read(
        pem: &str,
        name: &str,
        algorithm: Option<Algorithm>,
        password: impl FnOnce() -> std::io::Result<Zeroizing<String>>,
    ) -> Result<Self, KeyFileError> {
        let (private, public_key) = read(pem, password)?;
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

    /// The same key with another of its algorithms.
    pub fn with_algorithm(mut self, algorithm: Algorithm) -> Result<Self, KeyFileError> {
        self.key.public_key = self.key.public_key.with_algorithm(algorithm)?;
        Ok(self)
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

/// The key in the file, and its public half.
fn read(
    pem: &str,
    password: impl FnOnce() -> std::io::Result<Zeroizing<String>>,
) -> Result<(PrivateKey, PublicKey), KeyFileError> {
    if pem.len() > FILE_LIMIT {
        return Err(KeyFileError::TooLarge { limit: FILE_LIMIT });
    }
    // How OpenSSL encrypted once: MD5 makes the key, and the block has headers.
    if pem.contains("\nProc-Type:") {
        return Err(KeyFileError::Scheme);
    }
    // The parser tells of a text without a block as of one with a NUL byte before it.
    if !pem.contains("-----BEGIN ") {
        return Err(KeyFileError::NoPem);
    }
    let block = key_block(pem).trim().as_bytes();
    let (label, bytes) =
        pkcs8::der::pem::decode_vec(block).map_err(|source| KeyFileError::Pem {
            source: source.into(),
        })?;
    let bytes = Zeroizing::new(bytes);
    let password = || password().map_err(|source| KeyFileError::Password { source });
    match label {
        "PRIVATE KEY" => pkcs8_key::parse(&pkcs8_key::document(&bytes)?),
        "EC PRIVATE KEY" => pkcs8_key::parse_sec1(&bytes),
        "RSA PRIVATE KEY" => pkcs8_key::parse_pkcs1(&bytes),
        "ENCRYPTED PRIVATE KEY" => {
            let file = encrypted::parse(&bytes)?;
            let opened = file.decrypt(password()?.as_bytes())?;
            // Of 256 wrong passwords one passes for the right one, and what it opens is no key.
            let document = pkcs8_key::document(&opened).map_err(|_| KeyFileError::WrongPassword)?;
            pkcs8_key::parse(&document)
        }
        "ENCRYPTED SIGSTORE PRIVATE KEY" | "ENCRYPTED COSIGN PRIVATE KEY" => {
            let file = cosign::parse(&bytes)?;
            pkcs8_key::parse(&pkcs8_key::document(
                &file.decrypt(password()?.as_bytes())?,
            )?)
        }
        label => Err(KeyFileError::Label {
            label: label.to_owned(),
        }),
    }
}

/// Without the curve's name, which OpenSSL writes into a block of its own before the key.
fn key_block(pem: &str) -> &str {
    const KEY: &str = "-----BEGIN EC PRIVATE KEY-----";
    let is_after = |pem: &str| {
        pem.trim_start()
            .starts_with("-----BEGIN EC PARAMETERS-----")
    };
    pem.find(KEY)
        .filter(|_| is_after(pem))
        .and_then(|start| pem.get(start..))
        .unwrap_or(pem)
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

//! A private key on its way into a file: made, or read from a file of another form. Made by `generate` and by the command,
//! which writes what it gives.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use countersign_common::PublicKey;
use pkcs8::{
    SecretDocument,
    der::pem::{self, LineEnding},
};
use zeroize::Zeroizing;

use super::{KeyFileError, PrivateKey, cosign, encrypted, pkcs8_key, read};

/// A private key and its public half.
pub struct KeyPair {
    pub(super) private: PrivateKey,
    pub(super) public: PublicKey,
}

/// The form of a private key's file.
#[derive(Clone, Copy)]
pub enum Form<'a> {
    /// cosign's, under a password: cosign signs with it.
    Cosign(&'a str),
    /// PKCS#8 under a password: OpenSSL reads it.
    Encrypted(&'a str),
    /// PKCS#8 as it is.
    Plain,
}

impl KeyPair {
    /// Reads a private key in any form that [`Signer::read`](super::Signer::read) does.
    pub fn read(
        pem: &str,
        password: impl FnOnce() -> std::io::Result<Zeroizing<String>>,
    ) -> Result<Self, KeyFileError> {
        let (private, public) = read(pem, password)?;
        Ok(Self { private, public })
    }

    /// The text of the private key's file.
    pub fn private_pem(&self, form: Form<'_>) -> Result<Zeroizing<String>, KeyFileError> {
        let document = document(&self.private)?;
        match form {
            Form::Cosign(_) if matches!(self.private, PrivateKey::MlDsa(_)) => {
                Err(KeyFileError::CosignKind)
            }
            Form::Cosign(password) => {
                let json = cosign::encrypt(document.as_bytes(), password.as_bytes())?;
                encode("ENCRYPTED SIGSTORE PRIVATE KEY", &json)
            }
            Form::Encrypted(password) => {
                let der = encrypted::encrypt(document.as_bytes(), password.as_bytes())?;
                encode("ENCRYPTED PRIVATE KEY", &der)
            }
            Form::Plain => document
                .to_pem("PRIVATE KEY", LineEnding::LF)
                .map_err(|source| KeyFileError::Der { source }),
        }
    }

    /// The text of the public key's file.
    pub fn public_pem(&self) -> Result<String, KeyFileError> {
        Ok(self.public.to_pem()?)
    }
}

fn encode(label: &str, bytes: &[u8]) -> Result<Zeroizing<String>, KeyFileError> {
    pem::encode_string(label, LineEnding::LF, bytes)
        .map(Zeroizing::new)
        .map_err(|source| KeyFileError::Pem {
            source: source.into(),
        })
}

fn document(private: &PrivateKey) -> Result<SecretDocument, KeyFileError> {
    match private {
        PrivateKey::Ecdsa(pair) => pkcs8_key::document(pair.to_pkcs8v1()?.as_ref()),
        // The first version of the format, which every tool reads.
        PrivateKey::Ed25519(pair) => pkcs8_key::document(pair.to_pkcs8v1()?.as_ref()),
        PrivateKey::MlDsa(pair) => pkcs8_key::document(pair.to_pkcs8v1()?.as_ref()),
        PrivateKey::Rsa(pair) => {
            let der: Pkcs8V1Der<'_> = pair.as_der()?;
            pkcs8_key::document(der.as_ref())
        }
    }
}

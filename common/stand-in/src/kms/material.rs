//! The key itself: made or imported, its public half, its signatures over a digest. Called by the key operations.
//! The private half never leaves this type.

use aws_lc_rs::{
    digest::Digest,
    encoding::{AsDer, PublicKeyX509Der},
    error::Unspecified,
    rsa,
    signature::{EcdsaKeyPair, KeyPair as _},
};

use super::spec::{Padding, Scheme, SigningAlgorithm};

/// A private key, or the secret of a spec that has no public one and never signs.
#[derive(Debug)]
pub(crate) enum Material {
    Ecdsa(EcdsaKeyPair),
    Rsa(rsa::KeyPair),
    Secret,
}

impl Material {
    pub(crate) fn generate(scheme: Scheme) -> Result<Self, Unspecified> {
        match scheme {
            Scheme::Ecdsa(algorithm) => EcdsaKeyPair::generate(algorithm).map(Self::Ecdsa),
            Scheme::Rsa(size) => rsa::KeyPair::generate(size).map(Self::Rsa),
            Scheme::Secret => Ok(Self::Secret),
        }
    }

    /// Reads a PKCS#8 key; `None` if it is not one of this scheme.
    pub(crate) fn from_pkcs8(scheme: Scheme, pkcs8: &[u8]) -> Option<Self> {
        match scheme {
            Scheme::Ecdsa(algorithm) => EcdsaKeyPair::from_pkcs8(algorithm, pkcs8)
                .ok()
                .map(Self::Ecdsa),
            Scheme::Rsa(size) => rsa::KeyPair::from_pkcs8(pkcs8)
                .ok()
                .filter(|pair| pair.public_modulus_len() == size.len())
                .map(Self::Rsa),
            Scheme::Secret => None,
        }
    }

    /// The public key as a `SubjectPublicKeyInfo`, where there is one.
    pub(crate) fn public_key(&self) -> Option<Vec<u8>> {
        let der: PublicKeyX509Der<'_> = match self {
            Self::Ecdsa(pair) => pair.public_key().as_der().ok()?,
            Self::Rsa(pair) => pair.public_key().as_der().ok()?,
            Self::Secret => return None,
        };
        Some(der.as_ref().to_vec())
    }

    /// Signs a digest: DER for ECDSA, a salt as long as the digest for PSS.
    pub(crate) fn sign(
        &self,
        algorithm: SigningAlgorithm,
        digest: &Digest,
    ) -> Result<Vec<u8>, Unspecified> {
        match (self, algorithm.padding) {
            (Self::Ecdsa(pair), Padding::None) => Ok(pair.sign_digest(digest)?.as_ref().to_vec()),
            (Self::Rsa(pair), Padding::Rsa(encoding)) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign_digest(encoding, digest, &mut signature)?;
                Ok(signature)
            }
            _ => Err(Unspecified),
        }
    }
}

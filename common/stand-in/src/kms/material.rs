//! The key itself: made or imported, its public half, its signatures. Called by the key operations.
//! The private half never leaves this type.

use aws_lc_rs::{
    digest::Digest,
    encoding::{AsDer, PublicKeyX509Der},
    error::Unspecified,
    rsa,
    signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use ml_dsa::{
    MlDsa44, MlDsa65, MlDsa87, MlDsaParams, SignatureEncoding as _, Signer as _, SigningKey,
    pkcs8::{
        DecodePrivateKey as _, EncodePublicKey as _, der::AnyRef,
        spki::AssociatedAlgorithmIdentifier,
    },
    signature::Keypair as _,
};

use super::spec::{Method, MlDsa, Scheme};
use crate::random;

/// A private key, or the secret of a spec that has no public one and never signs.
#[derive(Debug)]
pub(crate) enum Material {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    MlDsa(MlDsaKey),
    Rsa(rsa::KeyPair),
    Secret,
}

/// A key of one of the three parameter sets.
#[derive(Debug)]
pub(crate) enum MlDsaKey {
    L44(Box<SigningKey<MlDsa44>>),
    L65(Box<SigningKey<MlDsa65>>),
    L87(Box<SigningKey<MlDsa87>>),
}

/// What is signed.
pub(crate) enum Prepared {
    Digest(Digest),
    Message(Vec<u8>),
    Representative([u8; 64]),
}

impl Material {
    pub(crate) fn generate(scheme: Scheme) -> Result<Self, Unspecified> {
        match scheme {
            Scheme::Ecdsa(algorithm) => EcdsaKeyPair::generate(algorithm).map(Self::Ecdsa),
            Scheme::Ed25519 => Ed25519KeyPair::generate().map(Self::Ed25519),
            Scheme::MlDsa(set) => Ok(Self::MlDsa(MlDsaKey::generate(set))),
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
            Scheme::Ed25519 => Ed25519KeyPair::from_pkcs8(pkcs8).ok().map(Self::Ed25519),
            Scheme::MlDsa(set) => MlDsaKey::from_pkcs8(set, pkcs8).map(Self::MlDsa),
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
            Self::Ed25519(pair) => pair.public_key().as_der().ok()?,
            Self::MlDsa(key) => return key.public_key(),
            Self::Rsa(pair) => pair.public_key().as_der().ok()?,
            Self::Secret => return None,
        };
        Some(der.as_ref().to_vec())
    }

    /// Signs: DER for ECDSA, a salt as long as the digest for PSS.
    pub(crate) fn sign(&self, method: Method, what: &Prepared) -> Result<Vec<u8>, Unspecified> {
        match (self, method, what) {
            (Self::Ecdsa(pair), Method::Ecdsa(_), Prepared::Digest(digest)) => {
                Ok(pair.sign_digest(digest)?.as_ref().to_vec())
            }
            (Self::Ed25519(pair), Method::Ed25519, Prepared::Message(message)) => {
                Ok(pair.try_sign(message)?.as_ref().to_vec())
            }
            (Self::MlDsa(key), Method::MlDsa, what) => key.sign(what),
            (Self::Rsa(pair), Method::Rsa(_, encoding), Prepared::Digest(digest)) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign_digest(encoding, digest, &mut signature)?;
                Ok(signature)
            }
            _ => Err(Unspecified),
        }
    }
}

impl MlDsaKey {
    fn generate(set: MlDsa) -> Self {
        let seed = random::bytes().into();
        match set {
            MlDsa::L44 => Self::L44(Box::new(SigningKey::from_seed(&seed))),
            MlDsa::L65 => Self::L65(Box::new(SigningKey::from_seed(&seed))),
            MlDsa::L87 => Self::L87(Box::new(SigningKey::from_seed(&seed))),
        }
    }

    fn from_pkcs8(set: MlDsa, pkcs8: &[u8]) -> Option<Self> {
        Some(match set {
            MlDsa::L44 => Self::L44(Box::new(SigningKey::from_pkcs8_der(pkcs8).ok()?)),
            MlDsa::L65 => Self::L65(Box::new(SigningKey::from_pkcs8_der(pkcs8).ok()?)),
            MlDsa::L87 => Self::L87(Box::new(SigningKey::from_pkcs8_der(pkcs8).ok()?)),
        })
    }

    fn public_key(&self) -> Option<Vec<u8>> {
        match self {
            Self::L44(key) => public_key(key),
            Self::L65(key) => public_key(key),
            Self::L87(key) => public_key(key),
        }
    }

    fn sign(&self, what: &Prepared) -> Result<Vec<u8>, Unspecified> {
        match self {
            Self::L44(key) => sign(key, what),
            Self::L65(key) => sign(key, what),
            Self::L87(key) => sign(key, what),
        }
    }
}

fn public_key<P>(key: &SigningKey<P>) -> Option<Vec<u8>>
where
    P: MlDsaParams + AssociatedAlgorithmIdentifier<Params = AnyRef<'static>>,
{
    let document = key.verifying_key().to_public_key_der().ok()?;
    Some(document.into_vec())
}

fn sign<P: MlDsaParams>(key: &SigningKey<P>, what: &Prepared) -> Result<Vec<u8>, Unspecified> {
    let signature = match what {
        Prepared::Digest(_) => return Err(Unspecified),
        Prepared::Message(message) => key.try_sign(message).map_err(|_| Unspecified)?,
        Prepared::Representative(mu) => key.expanded_key().sign_mu_deterministic(&(*mu).into()),
    };
    Ok(signature.to_vec())
}

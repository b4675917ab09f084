//! The key of an authority's signers: how it is made, kept as PKCS#8, and how it signs. Used by the certificates, which
//! are for it, and by the tokens.

use std::fmt;

use aws_lc_rs::{
    digest::{Digest, SHA256, SHA384},
    rand::SystemRandom,
    rsa,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
        RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding,
    },
};
use const_oid::db::rfc5912::{
    ECDSA_WITH_SHA_256, ECDSA_WITH_SHA_384, ID_MGF_1, ID_RSASSA_PSS, RSA_ENCRYPTION,
    SHA_256_WITH_RSA_ENCRYPTION,
};
use der::{Any, asn1::ObjectIdentifier};
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, SignatureAlgorithm};
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::{
    TsaError,
    asn1::{Hash, PssParameters, algorithm},
    mode::{Defect, Mode, SignatureOid},
};

/// ecdsa-with-SHA1 (RFC 5758 §3.2), which `const-oid` does not have.
const ECDSA_WITH_SHA_1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.1");

/// The kind of the key that signs the tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyKind {
    /// ECDSA on P-256, with SHA-256.
    EcdsaP256,
    /// ECDSA on P-384, with SHA-384.
    EcdsaP384,
    /// RSA of 2048 bits, with SHA-256. The same request at the same time gives the same bytes.
    Rsa2048,
}

impl KeyKind {
    const ALL: [Self; 3] = [Self::EcdsaP256, Self::EcdsaP384, Self::Rsa2048];

    pub(super) fn certified_as(self) -> &'static SignatureAlgorithm {
        match self {
            Self::EcdsaP256 => &PKCS_ECDSA_P256_SHA256,
            Self::EcdsaP384 => &PKCS_ECDSA_P384_SHA384,
            Self::Rsa2048 => &PKCS_RSA_SHA256,
        }
    }
}

/// The key, with the bytes that it is saved as.
pub(super) struct Key {
    pub(super) kind: KeyKind,
    pub(super) pkcs8: Vec<u8>,
    pair: Pair,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Rsa(rsa::KeyPair),
}

/// How a signature is named and made.
pub(super) struct Scheme {
    /// What the content and the certificate's signer are digested with.
    pub(super) hash: Hash,
    pub(super) algorithm: AlgorithmIdentifierOwned,
    way: Way,
}

enum Way {
    Ecdsa(Hash),
    Rsa(&'static dyn RsaEncoding),
}

impl Key {
    pub(super) fn from_pkcs8(pkcs8: Vec<u8>) -> Result<Self, TsaError> {
        let read = |kind| Some((kind, Pair::from_pkcs8(kind, &pkcs8)?));
        let (kind, pair) = KeyKind::ALL
            .into_iter()
            .find_map(read)
            .ok_or(TsaError::Key)?;
        Ok(Self { kind, pkcs8, pair })
    }

    pub(super) fn scheme(&self, mode: &Mode) -> Result<Scheme, TsaError> {
        match (self.kind, mode.defect) {
            (KeyKind::EcdsaP256 | KeyKind::EcdsaP384, Some(Defect::PssSignature)) => {
                Err(TsaError::Key)
            }
            (KeyKind::EcdsaP256 | KeyKind::EcdsaP384, Some(Defect::Sha1Digest)) => {
                Ok(Scheme::ecdsa(Hash::Sha1, ECDSA_WITH_SHA_1))
            }
            (KeyKind::EcdsaP256, _) => Ok(Scheme::ecdsa(Hash::Sha256, ECDSA_WITH_SHA_256)),
            (KeyKind::EcdsaP384, _) => Ok(Scheme::ecdsa(Hash::Sha384, ECDSA_WITH_SHA_384)),
            (KeyKind::Rsa2048, Some(Defect::PssSignature)) => Scheme::pss(),
            (KeyKind::Rsa2048, Some(Defect::Sha1Digest)) => {
                Ok(Scheme::rsa(Hash::Sha1, SHA_256_WITH_RSA_ENCRYPTION))
            }
            (KeyKind::Rsa2048, _) => Ok(match mode.signature_oid {
                SignatureOid::Combined => Scheme::rsa(Hash::Sha256, SHA_256_WITH_RSA_ENCRYPTION),
                SignatureOid::Generic => Scheme::rsa(Hash::Sha256, RSA_ENCRYPTION),
            }),
        }
    }

    pub(super) fn sign(&self, scheme: &Scheme, message: &[u8]) -> Result<Vec<u8>, TsaError> {
        match (&self.pair, &scheme.way) {
            (Pair::Ecdsa(pair), Way::Ecdsa(hash)) => {
                let digest = self.widen(&hash.of(message))?;
                let signature = pair.sign_digest(&digest).map_err(|_| TsaError::Key)?;
                Ok(signature.as_ref().to_vec())
            }
            (Pair::Rsa(pair), Way::Rsa(encoding)) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &SystemRandom::new(), message, &mut signature)
                    .map_err(|_| TsaError::Key)?;
                Ok(signature)
            }
            _ => Err(TsaError::Key),
        }
    }

    /// ECDSA signs a number. SHA-1's, with zeros before it, is as long as the curve's own digest, which is all that the
    /// library signs.
    fn widen(&self, digest: &Digest) -> Result<Digest, TsaError> {
        let own = match self.kind {
            KeyKind::EcdsaP256 | KeyKind::Rsa2048 => &SHA256,
            KeyKind::EcdsaP384 => &SHA384,
        };
        let digest = digest.as_ref();
        let zeros = own.output_len().saturating_sub(digest.len());
        let wide = [vec![0; zeros].as_slice(), digest].concat();
        Digest::import_less_safe(&wide, own).map_err(|_| TsaError::Key)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Key({:?})", self.kind)
    }
}

impl Pair {
    fn from_pkcs8(kind: KeyKind, pkcs8: &[u8]) -> Option<Self> {
        let ecdsa = |algorithm| EcdsaKeyPair::from_pkcs8(algorithm, pkcs8).ok();
        match kind {
            KeyKind::EcdsaP256 => ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING).map(Self::Ecdsa),
            KeyKind::EcdsaP384 => ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING).map(Self::Ecdsa),
            KeyKind::Rsa2048 => rsa::KeyPair::from_pkcs8(pkcs8).ok().map(Self::Rsa),
        }
    }
}

impl Scheme {
    fn ecdsa(hash: Hash, oid: ObjectIdentifier) -> Self {
        Self {
            hash,
            algorithm: algorithm(oid, None),
            way: Way::Ecdsa(hash),
        }
    }

    fn rsa(hash: Hash, oid: ObjectIdentifier) -> Self {
        Self {
            hash,
            algorithm: algorithm(oid, Some(Any::null())),
            way: Way::Rsa(&RSA_PKCS1_SHA256),
        }
    }

    fn pss() -> Result<Self, TsaError> {
        let parameters = PssParameters {
            hash: Hash::Sha256.algorithm(),
            mask: algorithm(ID_MGF_1, Some(Any::encode_from(&Hash::Sha256.algorithm())?)),
            salt_length: 32,
        };
        Ok(Self {
            hash: Hash::Sha256,
            algorithm: algorithm(ID_RSASSA_PSS, Some(Any::encode_from(&parameters)?)),
            way: Way::Rsa(&RSA_PSS_SHA256),
        })
    }
}

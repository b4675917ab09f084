//! Public keys, signatures, and whether the one fits the other.
//!
//! The algorithm always comes from the key that a person trusts, never from the evidence. The mathematics is
//! aws-lc's; private keys never appear here.

use std::fmt;

use aws_lc_rs::signature::{ParsedPublicKey, UnparsedPublicKey};
use base64::{Engine, prelude::BASE64_STANDARD};
use der::{
    Decode, Document, Encode,
    asn1::{AnyRef, BitStringRef, ObjectIdentifier, UintRef},
    pem::{LineEnding, PemLabel},
};
use serde::Serialize;
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use crate::{
    Digest,
    algorithm::{Algorithm, Family},
    digest::HashAlgorithm,
};

/// Names key material: SHA-256 over the DER of its `SubjectPublicKeyInfo`.
///
/// Authorities are counted by it, so that one key under two names counts once.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct KeyId(String);

impl KeyId {
    /// Parses its sixty-four lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, ParseKeyIdError> {
        Digest::from_hex(HashAlgorithm::Sha256, text)
            .map(|digest| Self(digest.hex().to_owned()))
            .map_err(|_| ParseKeyIdError)
    }

    /// The id of the key that a bundle's hint names, if that is the hash of a key.
    pub fn from_hint(hint: &str) -> Option<Self> {
        let hash = BASE64_STANDARD.decode(hint).ok()?;
        (hash.len() == 32).then(|| Self(hex::encode(hash)))
    }

    /// Sixty-four lower-case hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits, for messages.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text names no key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a key is named by 64 lower-case hexadecimal digits")]
pub struct ParseKeyIdError;

/// A public key and the one algorithm that it is trusted for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublicKey {
    algorithm: Algorithm,
    id: KeyId,
    /// `SubjectPublicKeyInfo` (RFC 5280 section 4.1), in the one encoding that we write ourselves.
    spki: Vec<u8>,
    /// What the backend takes: an uncompressed point, an `RSAPublicKey`, or the bare bytes.
    key: Vec<u8>,
}

impl PublicKey {
    /// Parses a `SubjectPublicKeyInfo` in DER.
    ///
    /// Accepted: P-256, P-384 and P-521 with an uncompressed point; RSA of 2,048 to 4,096 bits with an odd exponent from
    /// 65,537 to 2^33; Ed25519 (RFC 8410) with a point of large order; ML-DSA-44, -65 and -87 (RFC 9881).
    pub fn from_spki_der(der: &[u8]) -> Result<Self, KeyError> {
        let info =
            SubjectPublicKeyInfoRef::from_der(der).map_err(|source| KeyError::Der { source })?;
        let key = info
            .subject_public_key
            .as_bytes()
            .ok_or(KeyError::Unsupported)?;
        let family = match info.algorithm.oid {
            EC_PUBLIC_KEY => elliptic(&info.algorithm, key)?,
            RSA_ENCRYPTION => rsa(&info.algorithm, key)?,
            oid => named(oid, &info.algorithm, key)?,
        };
        let algorithm = family.default_algorithm();
        ParsedPublicKey::new(algorithm.backend(), key).map_err(|_| KeyError::Invalid)?;
        // Encoded again, so that two encodings of one key are one authority.
        let spki = SubjectPublicKeyInfoRef {
            algorithm: AlgorithmIdentifierRef {
                oid: info.algorithm.oid,
                parameters: match family {
                    Family::Rsa => Some(AnyRef::NULL),
                    _ => info.algorithm.parameters,
                },
            },
            subject_public_key: BitStringRef::from_bytes(key)
                .map_err(|source| KeyError::Der { source })?,
        }
        .to_der()
        .map_err(|source| KeyError::Der { source })?;
        Ok(Self {
            algorithm,
            id: KeyId(Digest::sha256(&spki).hex().to_owned()),
            spki,
            key: key.to_vec(),
        })
    }

    /// The Ed25519 key of these 32 bytes (RFC 8032 section 5.1.5).
    pub fn from_ed25519_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let info = SubjectPublicKeyInfoRef {
            algorithm: AlgorithmIdentifierRef {
                oid: ED25519,
                parameters: None,
            },
            subject_public_key: BitStringRef::from_bytes(bytes)
                .map_err(|source| KeyError::Der { source })?,
        };
        let der = info.to_der().map_err(|source| KeyError::Der { source })?;
        Self::from_spki_der(&der)
    }

    /// Parses one `PUBLIC KEY` block ([RFC 7468 section 13](https://www.rfc-editor.org/rfc/rfc7468#section-13)).
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        // The parser tells of a text without a block as of one with a NUL byte before it.
        if !pem.contains("-----BEGIN ") {
            return Err(KeyError::NoPem);
        }
        let (label, document) =
            Document::from_pem(pem.trim()).map_err(|source| KeyError::Pem { source })?;
        if label == SubjectPublicKeyInfoRef::PEM_LABEL {
            Self::from_spki_der(document.as_bytes())
        } else {
            Err(KeyError::Label {
                label: label.to_owned(),
            })
        }
    }

    /// The same key, trusted for this algorithm instead of its family's default.
    pub fn with_algorithm(self, algorithm: Algorithm) -> Result<Self, KeyError> {
        if algorithm.family() == self.algorithm.family() {
            Ok(Self { algorithm, ..self })
        } else {
            Err(KeyError::AlgorithmMismatch {
                key: self.algorithm.family().name(),
                algorithm,
            })
        }
    }

    /// The algorithm that signatures by this key must have.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// What names the key material.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// SHA-256 over the `SubjectPublicKeyInfo`, in standard base64: how Sigstore bundles hint at a key.
    pub fn hint(&self) -> String {
        BASE64_STANDARD.encode(aws_lc_rs::digest::digest(
            &aws_lc_rs::digest::SHA256,
            &self.spki,
        ))
    }

    /// The `SubjectPublicKeyInfo` in DER.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// What the bit string of the `SubjectPublicKeyInfo` holds: a point, an `RSAPublicKey`, or the key's bare bytes.
    pub fn key_bytes(&self) -> &[u8] {
        &self.key
    }

    /// The key as a `PUBLIC KEY` block.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        der::pem::encode_string(
            SubjectPublicKeyInfoRef::PEM_LABEL,
            LineEnding::LF,
            &self.spki,
        )
        .map_err(|source| KeyError::Pem {
            source: source.into(),
        })
    }

    /// Checks that the signature over this message was made with this key and its algorithm.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), SignatureInvalid> {
        UnparsedPublicKey::new(self.algorithm.backend(), &self.key)
            .verify(message, signature.as_bytes())
            .map_err(|_| SignatureInvalid)
    }
}

/// id-ecPublicKey (RFC 5480).
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const SECP521R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
/// rsaEncryption (RFC 8017).
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// id-Ed25519 (RFC 8410).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// id-ml-dsa-44, -65 and -87 (RFC 9881).
const ML_DSA_44: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.17");
const ML_DSA_65: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.18");
const ML_DSA_87: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.19");
/// The y of edwards25519's points of order 1, 2, 4 and 8, little-endian; 0 and 1 also as p and p + 1.
const SMALL_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

fn elliptic(algorithm: &AlgorithmIdentifierRef<'_>, point: &[u8]) -> Result<Family, KeyError> {
    let (family, length) = match algorithm.parameters_oid() {
        Ok(SECP256R1) => (Family::P256, 65),
        Ok(SECP384R1) => (Family::P384, 97),
        Ok(SECP521R1) => (Family::P521, 133),
        _ => return Err(KeyError::Unsupported),
    };
    // Compressed and hybrid points would give one key several encodings, hence several names.
    if point.first() == Some(&4) && point.len() == length {
        Ok(family)
    } else {
        Err(KeyError::Point)
    }
}

/// The kinds whose identifier says everything; parameters would give one key several encodings.
fn named(
    oid: ObjectIdentifier,
    algorithm: &AlgorithmIdentifierRef<'_>,
    key: &[u8],
) -> Result<Family, KeyError> {
    let (family, length) = match oid {
        ED25519 => (Family::Ed25519, 32),
        ML_DSA_44 => (Family::MlDsa44, 1_312),
        ML_DSA_65 => (Family::MlDsa65, 1_952),
        ML_DSA_87 => (Family::MlDsa87, 2_592),
        _ => return Err(KeyError::Unsupported),
    };
    if algorithm.parameters.is_some() {
        return Err(KeyError::Unsupported);
    }
    if key.len() != length || (family == Family::Ed25519 && is_of_small_order(key)) {
        return Err(KeyError::Invalid);
    }
    Ok(family)
}

/// Whether a point is one of the eight for which signatures fit every message, in any of their encodings.
fn is_of_small_order(point: &[u8]) -> bool {
    let Some((sign, rest)) = point.split_last() else {
        return false;
    };
    // The last bit is the sign of x.
    let point = [rest, &[sign & 0x7f]].concat();
    SMALL_ORDER
        .iter()
        .any(|listed| hex::encode(&point) == *listed)
}

fn rsa(algorithm: &AlgorithmIdentifierRef<'_>, key: &[u8]) -> Result<Family, KeyError> {
    if algorithm
        .parameters
        .is_some_and(|parameters| parameters != AnyRef::NULL)
    {
        return Err(KeyError::Unsupported);
    }
    let key = pkcs1::RsaPublicKey::from_der(key).map_err(|source| KeyError::Der { source })?;
    let bits = bit_length(&key.modulus);
    // Below 2,048 bits keys are breakable; far above, one verification costs whatever its sender likes.
    if !(2_048..=4_096).contains(&bits) {
        return Err(KeyError::RsaSize { bits });
    }
    let exponent = key
        .public_exponent
        .as_bytes()
        .iter()
        .try_fold(0_u64, |value, byte| {
            value.checked_mul(256).map(|value| value + u64::from(*byte))
        });
    match exponent {
        Some(exponent) if exponent % 2 == 1 && (65_537..=1 << 33).contains(&exponent) => {
            Ok(Family::Rsa)
        }
        _ => Err(KeyError::RsaExponent),
    }
}

fn bit_length(number: &UintRef<'_>) -> usize {
    let leading = number
        .as_bytes()
        .first()
        .map_or(0, |byte| byte.leading_zeros() as usize);
    (number.as_bytes().len() * 8).saturating_sub(leading)
}

/// A signature as its algorithm encodes it: DER for ECDSA, the bare number for RSA, the bare bytes for Ed25519 and ML-DSA.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Signature(Vec<u8>);

impl Signature {
    /// The encoded bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Signature {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", hex::encode(&self.0))
    }
}

/// The signature does not fit the message and the key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the signature does not fit the message and the key")]
pub struct SignatureInvalid;

/// The bytes are no public key that we accept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The key cannot sign so.
    #[error("a key of the kind {key} cannot be used with `{algorithm}`")]
    AlgorithmMismatch {
        /// What the key is made of.
        key: &'static str,
        /// What was asked.
        algorithm: Algorithm,
    },
    /// Broken encoding.
    #[error("not a SubjectPublicKeyInfo in DER: {source}")]
    Der {
        /// The parser's finding.
        source: der::Error,
    },
    /// The point or the modulus is refused by the backend.
    #[error(
        "the key is not valid: its point is not on its curve, its modulus is unusable, or its length is not its kind's"
    )]
    Invalid,
    /// A PEM file of something else.
    #[error(
        "a PEM block `{}` where `PUBLIC KEY` is expected",
        crate::Escaped(label)
    )]
    Label {
        /// The block's label.
        label: String,
    },
    /// An empty file, or one of another format.
    #[error("not a PEM file: no block begins in it")]
    NoPem,
    /// Broken PEM.
    #[error("not a PEM file: {source}")]
    Pem {
        /// The parser's finding.
        source: der::Error,
    },
    /// Compressed, hybrid, infinite or cut.
    #[error("the point of the key is not uncompressed")]
    Point,
    /// An exponent that weakens the key or slows its use.
    #[error("the RSA exponent is not an odd number from 65,537 to 2^33")]
    RsaExponent,
    /// Too short or too long a modulus.
    #[error("an RSA key of {bits} bits; 2,048 to 4,096 are accepted")]
    RsaSize {
        /// Bits of the modulus.
        bits: usize,
    },
    /// Another kind of key.
    #[error(
        "the kind of key is not supported; ECDSA on P-256, P-384 and P-521, Ed25519, ML-DSA-44, -65 and -87, and RSA are"
    )]
    Unsupported,
}

#[cfg(test)]
mod tests;

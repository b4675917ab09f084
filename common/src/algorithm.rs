//! How a key signs: schemes, hashes, and which key can use which.
//!
//! Used by [`PublicKey`](crate::PublicKey) and by every signer. Nothing is chosen from evidence here.

use std::{fmt, str::FromStr};

use aws_lc_rs::signature::{self, VerificationAlgorithm};
use serde::{Deserialize, Serialize};

/// How a key signs: the scheme and the hash.
///
/// For elliptic curves the curve decides the hash; nothing else is accepted.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256, signature in DER (FIPS 186-5).
    EcdsaP256Sha256,
    /// ECDSA on P-384 with SHA-384, signature in DER.
    EcdsaP384Sha384,
    /// ECDSA on P-521 with SHA-512, signature in DER.
    EcdsaP521Sha512,
    /// Ed25519, over the message itself (RFC 8032 section 5.1).
    Ed25519,
    /// ML-DSA-44, over the message itself, without a context (FIPS 204).
    #[serde(rename = "ml-dsa-44")]
    MlDsa44,
    /// ML-DSA-65, likewise.
    #[serde(rename = "ml-dsa-65")]
    MlDsa65,
    /// ML-DSA-87, likewise.
    #[serde(rename = "ml-dsa-87")]
    MlDsa87,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 section 8.2).
    RsaPkcs1Sha256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RsaPkcs1Sha384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RsaPkcs1Sha512,
    /// RSASSA-PSS with SHA-256, MGF1 with the same hash, salt as long as the hash (RFC 8017 section 8.1).
    RsaPssSha256,
    /// RSASSA-PSS with SHA-384.
    RsaPssSha384,
    /// RSASSA-PSS with SHA-512.
    RsaPssSha512,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 13] = [
        Self::EcdsaP256Sha256,
        Self::EcdsaP384Sha384,
        Self::EcdsaP521Sha512,
        Self::Ed25519,
        Self::MlDsa44,
        Self::MlDsa65,
        Self::MlDsa87,
        Self::RsaPkcs1Sha256,
        Self::RsaPkcs1Sha384,
        Self::RsaPkcs1Sha512,
        Self::RsaPssSha256,
        Self::RsaPssSha384,
        Self::RsaPssSha512,
    ];

    /// The name in flags, files and output.
    pub fn name(self) -> &'static str {
        match self {
            Self::EcdsaP256Sha256 => "ecdsa-p256-sha256",
            Self::EcdsaP384Sha384 => "ecdsa-p384-sha384",
            Self::EcdsaP521Sha512 => "ecdsa-p521-sha512",
            Self::Ed25519 => "ed25519",
            Self::MlDsa44 => "ml-dsa-44",
            Self::MlDsa65 => "ml-dsa-65",
            Self::MlDsa87 => "ml-dsa-87",
            Self::RsaPkcs1Sha256 => "rsa-pkcs1-sha256",
            Self::RsaPkcs1Sha384 => "rsa-pkcs1-sha384",
            Self::RsaPkcs1Sha512 => "rsa-pkcs1-sha512",
            Self::RsaPssSha256 => "rsa-pss-sha256",
            Self::RsaPssSha384 => "rsa-pss-sha384",
            Self::RsaPssSha512 => "rsa-pss-sha512",
        }
    }

    /// The hash of the message that is signed, for key services that take a hash; `None` where the message itself is.
    pub fn message_digest(self, message: &[u8]) -> Option<Vec<u8>> {
        let backend = match self {
            Self::EcdsaP256Sha256 | Self::RsaPkcs1Sha256 | Self::RsaPssSha256 => {
                &aws_lc_rs::digest::SHA256
            }
            Self::EcdsaP384Sha384 | Self::RsaPkcs1Sha384 | Self::RsaPssSha384 => {
                &aws_lc_rs::digest::SHA384
            }
            Self::EcdsaP521Sha512 | Self::RsaPkcs1Sha512 | Self::RsaPssSha512 => {
                &aws_lc_rs::digest::SHA512
            }
            Self::Ed25519 | Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87 => return None,
        };
        let digest = aws_lc_rs::digest::digest(backend, message);
        Some(digest.as_ref().to_vec())
    }

    pub(crate) fn backend(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::EcdsaP256Sha256 => &signature::ECDSA_P256_SHA256_ASN1,
            Self::EcdsaP384Sha384 => &signature::ECDSA_P384_SHA384_ASN1,
            Self::EcdsaP521Sha512 => &signature::ECDSA_P521_SHA512_ASN1,
            Self::Ed25519 => &signature::ED25519,
            Self::MlDsa44 => &signature::ML_DSA_44,
            Self::MlDsa65 => &signature::ML_DSA_65,
            Self::MlDsa87 => &signature::ML_DSA_87,
            Self::RsaPkcs1Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Self::RsaPkcs1Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Self::RsaPkcs1Sha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            Self::RsaPssSha256 => &signature::RSA_PSS_2048_8192_SHA256,
            Self::RsaPssSha384 => &signature::RSA_PSS_2048_8192_SHA384,
            Self::RsaPssSha512 => &signature::RSA_PSS_2048_8192_SHA512,
        }
    }

    pub(crate) fn family(self) -> Family {
        match self {
            Self::EcdsaP256Sha256 => Family::P256,
            Self::EcdsaP384Sha384 => Family::P384,
            Self::EcdsaP521Sha512 => Family::P521,
            Self::Ed25519 => Family::Ed25519,
            Self::MlDsa44 => Family::MlDsa44,
            Self::MlDsa65 => Family::MlDsa65,
            Self::MlDsa87 => Family::MlDsa87,
            Self::RsaPkcs1Sha256
            | Self::RsaPkcs1Sha384
            | Self::RsaPkcs1Sha512
            | Self::RsaPssSha256
            | Self::RsaPssSha384
            | Self::RsaPssSha512 => Family::Rsa,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
            .ok_or(UnknownAlgorithm)
    }
}

/// The name is no algorithm's.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "not an algorithm: use `ecdsa-p256-sha256`, `ecdsa-p384-sha384`, `ecdsa-p521-sha512`, `ed25519`, `ml-dsa-44`, `ml-dsa-65`, \
`ml-dsa-87`, or `rsa-pkcs1-` or `rsa-pss-` with `sha256`, `sha384` or `sha512`"
)]
pub struct UnknownAlgorithm;

/// What a key is made of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Family {
    P256,
    P384,
    P521,
    Ed25519,
    MlDsa44,
    MlDsa65,
    MlDsa87,
    Rsa,
}

impl Family {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
            Self::Ed25519 => "Ed25519",
            Self::MlDsa44 => "ML-DSA-44",
            Self::MlDsa65 => "ML-DSA-65",
            Self::MlDsa87 => "ML-DSA-87",
            Self::Rsa => "RSA",
        }
    }

    pub(crate) fn default_algorithm(self) -> Algorithm {
        match self {
            Self::P256 => Algorithm::EcdsaP256Sha256,
            Self::P384 => Algorithm::EcdsaP384Sha384,
            Self::P521 => Algorithm::EcdsaP521Sha512,
            Self::Ed25519 => Algorithm::Ed25519,
            Self::MlDsa44 => Algorithm::MlDsa44,
            Self::MlDsa65 => Algorithm::MlDsa65,
            Self::MlDsa87 => Algorithm::MlDsa87,
            Self::Rsa => Algorithm::RsaPkcs1Sha256,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_parsed_back() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.name().parse(), Ok(algorithm));
            assert_eq!(algorithm.to_string(), algorithm.name());
            assert_eq!(
                serde_json::to_string(&algorithm).unwrap(),
                format!("\"{algorithm}\"")
            );
        }
        for name in [
            "",
            "ECDSA-P256-SHA256",
            "ecdsa-p256-sha384",
            "none",
            "hs256",
            "rsa-pkcs1-sha1",
        ] {
            assert_eq!(name.parse::<Algorithm>(), Err(UnknownAlgorithm), "{name}");
        }
    }

    #[test]
    fn a_family_begins_with_an_algorithm_of_its_own() {
        for algorithm in Algorithm::ALL {
            assert_eq!(
                algorithm.family().default_algorithm().family(),
                algorithm.family()
            );
        }
        assert_eq!(Family::Rsa.default_algorithm(), Algorithm::RsaPkcs1Sha256);
    }

    #[test]
    fn the_hash_has_the_length_that_the_name_says() {
        for algorithm in Algorithm::ALL {
            match algorithm.message_digest(b"") {
                Some(digest) => {
                    let ending = format!("sha{}", digest.len() * 8);
                    assert!(algorithm.name().ends_with(&ending), "{algorithm}");
                }
                None => assert!(!algorithm.name().contains("sha"), "{algorithm}"),
            }
        }
        let digest = Algorithm::EcdsaP256Sha256.message_digest(b"").unwrap();
        assert_eq!(hex::encode(digest), crate::Digest::sha256(b"").hex());
    }
}

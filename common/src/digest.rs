//! Content digests: what names bytes that nobody can change afterwards.
//!
//! Used for every manifest, blob and statement. A [`Digest`] exists only in the one canonical spelling, so it can be
//! put into a path or a URL without a second look.

use std::{fmt, str::FromStr};

use aws_lc_rs::digest::{Context, SHA256, SHA512, digest};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A hash function that may name content.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum HashAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl HashAlgorithm {
    /// The name in front of the colon, and in an in-toto digest set.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn hex_length(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }

    fn backend(self) -> &'static aws_lc_rs::digest::Algorithm {
        match self {
            Self::Sha256 => &SHA256,
            Self::Sha512 => &SHA512,
        }
    }
}

/// A digest such as `sha256:` and 64 lower-case hexadecimal digits
/// ([OCI image specification, descriptor](https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests)).
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Digest {
    algorithm: HashAlgorithm,
    hex: String,
}

impl Digest {
    /// The SHA-256 of these bytes.
    pub fn sha256(bytes: &[u8]) -> Self {
        Self::of(HashAlgorithm::Sha256, bytes)
    }

    /// The digest of these bytes.
    pub fn of(algorithm: HashAlgorithm, bytes: &[u8]) -> Self {
        Self {
            algorithm,
            hex: hex::encode(digest(algorithm.backend(), bytes)),
        }
    }

    /// Parses a digest in its one canonical spelling.
    pub fn parse(text: &str) -> Result<Self, ParseDigestError> {
        let (name, hex) = text.split_once(':').ok_or(ParseDigestError)?;
        let algorithm = match name {
            "sha256" => HashAlgorithm::Sha256,
            "sha512" => HashAlgorithm::Sha512,
            _ => return Err(ParseDigestError),
        };
        Self::from_hex(algorithm, hex)
    }

    /// Joins an algorithm and the hexadecimal digits of an in-toto digest set.
    pub fn from_hex(algorithm: HashAlgorithm, hex: &str) -> Result<Self, ParseDigestError> {
        let lower_hex = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
        if hex.len() == algorithm.hex_length() && hex.bytes().all(lower_hex) {
            Ok(Self {
                algorithm,
                hex: hex.to_owned(),
            })
        } else {
            Err(ParseDigestError)
        }
    }

    /// The hash function.
    pub fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// The lower-case hexadecimal digits.
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// The tag at which clients list what refers to it, if the registry does not: `sha256-` and the digits
    /// ([OCI distribution specification, referrers tag schema](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema)).
    pub fn referrers_tag(&self) -> String {
        format!("{}-{}", self.algorithm.name(), self.hex)
    }

    /// The digest that these bytes really have, under the same hash function. Equal to `self` if they are the content
    /// it names.
    #[must_use]
    pub fn recomputed(&self, bytes: &[u8]) -> Self {
        Self::of(self.algorithm, bytes)
    }

    /// The first twelve digits, for messages that would be too long otherwise.
    pub fn short(&self) -> String {
        format!(
            "{}:{}…",
            self.algorithm.name(),
            self.hex.get(..12).unwrap_or(&self.hex)
        )
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

/// Hashes content that arrives in pieces.
pub struct Hasher {
    algorithm: HashAlgorithm,
    context: Context,
}

impl Hasher {
    /// Begins with nothing.
    pub fn new(algorithm: HashAlgorithm) -> Self {
        Self {
            algorithm,
            context: Context::new(algorithm.backend()),
        }
    }

    /// Adds the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.context.update(piece);
    }

    /// The digest of all pieces.
    pub fn finish(self) -> Digest {
        Digest {
            algorithm: self.algorithm,
            hex: hex::encode(self.context.finish()),
        }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// The text is no digest that we accept.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "not a digest: it must be `sha256:` and 64, or `sha512:` and 128, lower-case hexadecimal digits"
)]
pub struct ParseDigestError;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn the_digest_of_nothing_is_the_known_one() {
        assert_eq!(Digest::sha256(b"").to_string(), EMPTY);
        assert_eq!(Digest::parse(EMPTY).unwrap(), Digest::sha256(b""));
    }

    #[test]
    fn anything_but_the_canonical_spelling_is_refused() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for text in [
            "",
            "sha256:",
            "sha256:../../etc/passwd",
            "sha256:../../../../../../../../../../../../../../../../../../etc/passwd",
            "md5:d41d8cd98f00b204e9800998ecf8427e",
            &format!("SHA256:{hex}"),
            &format!("sha256:{}", hex.to_uppercase()),
            &format!("sha256:{hex}0"),
            &format!("sha256:{}", &hex[1..]),
            &format!("sha256+b64:{hex}"),
            &format!("sha512:{hex}"),
            &format!(" sha256:{hex}"),
            &format!("sha256:{hex}\n"),
            &format!("sha256:{}\0", &hex[1..]),
            &"a".repeat(1 << 20),
        ] {
            assert_eq!(Digest::parse(text), Err(ParseDigestError), "{text:.80}");
        }
    }

    #[test]
    fn the_short_form_is_the_beginning() {
        assert_eq!(Digest::sha256(b"").short(), "sha256:e3b0c44298fc…");
        assert_eq!(format!("{:?}", Digest::sha256(b"")), EMPTY);
    }

    proptest! {
        #[test]
        fn pieces_hash_like_the_whole(pieces: Vec<Vec<u8>>) {
            for algorithm in [HashAlgorithm::Sha256, HashAlgorithm::Sha512] {
                let mut hasher = Hasher::new(algorithm);
                for piece in &pieces {
                    hasher.update(piece);
                }
                prop_assert_eq!(hasher.finish(), Digest::of(algorithm, &pieces.concat()));
            }
        }

        #[test]
        fn what_is_written_is_parsed(bytes: Vec<u8>) {
            let digest = Digest::of(HashAlgorithm::Sha512, &bytes);
            prop_assert_eq!(Digest::parse(&digest.to_string()).unwrap(), digest);
        }
    }
}

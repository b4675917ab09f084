//! Digests of content, computed from the bytes and never taken from a client.

use aws_lc_rs::digest::{Algorithm, SHA256, SHA512, digest};

/// The SHA-256 digest of content, as OCI writes it.
pub(crate) fn sha256(content: &[u8]) -> String {
    format!("sha256:{}", hex::encode(digest(&SHA256, content)))
}

/// Whether a well-formed digest is that of the content.
pub(crate) fn matches(claimed: &str, content: &[u8]) -> bool {
    algorithm(claimed).is_some_and(|(algorithm, hexadecimal)| {
        hex::encode(digest(algorithm, content)) == hexadecimal
    })
}

fn algorithm(claimed: &str) -> Option<(&'static Algorithm, &str)> {
    match claimed.split_once(':')? {
        ("sha256", hexadecimal) => Some((&SHA256, hexadecimal)),
        ("sha512", hexadecimal) => Some((&SHA512, hexadecimal)),
        _ => None,
    }
}

//! Identifiers and secrets that nobody can guess. Used for request ids, key ids, tokens and presigned queries.

use aws_lc_rs::rand;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// A random UUID (RFC 9562, version 4), the form of AWS key and request ids.
pub(crate) fn uuid() -> String {
    let mut bytes = bytes::<16>();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let [first, second, third, fourth, last] = [0..4, 4..6, 6..8, 8..10, 10..16]
        .map(|range| hex::encode(bytes.get(range).unwrap_or_default()));
    format!("{first}-{second}-{third}-{fourth}-{last}")
}

/// A secret of `N` random bytes, in URL-safe base64.
pub(crate) fn secret<const N: usize>() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<N>())
}

/// Random bytes.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(
        clippy::expect_used,
        reason = "aws-lc aborts rather than fails when the system has no randomness"
    )]
    rand::fill(&mut bytes).expect("the system's random numbers");
    bytes
}

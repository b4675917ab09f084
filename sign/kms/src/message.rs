//! What of a message is sent to KMS: its hash wherever that is enough, so that its length does not matter.
//!
//! KMS takes 4,096 bytes. Ed25519 (RFC 8032) hashes the message together with what only KMS knows, so the message itself
//! must fit. ML-DSA (FIPS 204) signs a message representative, mu, that everybody can compute.

use aws_sdk_kms::{primitives::Blob, types::MessageType};
use countersign_common::{
    Algorithm,
    signer::{Refusal, SigningKey},
};
use shake::{ExtendableOutput, Shake256, Update, XofReader};

/// The longest message that KMS takes, in bytes.
const LIMIT: usize = 4_096;
/// Bytes of mu, and of the hash of a public key in it.
pub(crate) const MU: usize = 64;

/// What to send, and what it is.
pub(crate) fn of(message: &[u8], key: &SigningKey) -> Result<(Blob, MessageType), Refusal> {
    let algorithm = key.public_key.algorithm();
    if let Some(digest) = algorithm.message_digest(message) {
        return Ok((Blob::new(digest), MessageType::Digest));
    }
    match algorithm {
        Algorithm::MlDsa44 | Algorithm::MlDsa65 | Algorithm::MlDsa87 => {
            let mu = representative(key.public_key.key_bytes(), message);
            Ok((Blob::new(mu), MessageType::ExternalMu))
        }
        _ if message.len() > LIMIT => Err(Refusal::MessageTooLong {
            key: key.name.clone(),
            algorithm,
            length: message.len(),
            limit: LIMIT,
        }),
        _ => Ok((Blob::new(message), MessageType::Raw)),
    }
}

/// mu of FIPS 204, algorithm 7, line 6, with the empty context of algorithm 2.
fn representative(public_key: &[u8], message: &[u8]) -> [u8; MU] {
    let hashed = hash(&[public_key]);
    hash(&[&hashed, &[0, 0], message])
}

fn hash(parts: &[&[u8]]) -> [u8; MU] {
    let mut hasher = Shake256::default();
    for part in parts {
        hasher.update(part);
    }
    let mut output = [0; MU];
    hasher.finalize_xof().read(&mut output);
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From FIPS 202's SHAKE256 over nothing, whose first bytes every implementation prints.
    #[test]
    fn the_hash_is_shake256() {
        assert_eq!(
            hash(&[])[..8],
            [0x46, 0xb9, 0xdd, 0x2b, 0x0b, 0xa8, 0x8d, 0x13]
        );
        assert_eq!(hash(&[b"ab", b"", b"c"]), hash(&[b"abc"]));
    }
}

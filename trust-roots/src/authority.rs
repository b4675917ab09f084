//! Who is trusted to sign: public keys, each once.
//!
//! Made by the command from `--key`; asked by the first step of a document's verification. Nothing here comes from
//! evidence.

use countersign_common::{KeyId, PublicKey, signer::KeyOrigin};

/// A trusted key and what people call it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Authority {
    /// A name for messages: a file or an ARN.
    pub name: String,
    /// The key, with the one algorithm it is trusted for.
    pub key: PublicKey,
    /// Where its private half is known to live, as far as whoever named it knows.
    pub origin: KeyOrigin,
}

/// At least one authority, distinct by key material.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Authorities(Vec<Authority>);

impl Authorities {
    /// Keeps the first of several authorities with one key: a key under two names must not count as two signers.
    pub fn new(authorities: impl IntoIterator<Item = Authority>) -> Result<Self, NoAuthority> {
        let mut distinct: Vec<Authority> = Vec::new();
        for authority in authorities {
            if distinct
                .iter()
                .all(|known| known.key.id() != authority.key.id())
            {
                distinct.push(authority);
            }
        }
        if distinct.is_empty() {
            Err(NoAuthority)
        } else {
            Ok(Self(distinct))
        }
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Authority> {
        self.0.iter()
    }

    /// How many keys there are; never zero.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The one with this key.
    pub fn with_key(&self, id: &KeyId) -> Option<&Authority> {
        self.iter().find(|authority| authority.key.id() == id)
    }
}

/// Nobody is trusted, so nothing could ever be accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no key is trusted")]
pub struct NoAuthority;

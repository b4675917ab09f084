//! Who is trusted to sign: public keys, each once.
//!
//! Made by the command from `--key`; asked by the first step of a document's verification. Nothing here comes from
//! evidence.

use std::collections::BTreeSet;

use countersign_common::{KeyId, PublicKey, signer::KeyOrigin};

use crate::Term;

/// A trusted key, what people call it, and what it is trusted for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Authority {
    /// A name for messages: a file, an ARN, or its owner.
    pub name: String,
    /// The key, with the one algorithm it is trusted for.
    pub key: PublicKey,
    /// Where its private half is known to live, as far as whoever named it knows.
    pub origin: KeyOrigin,
    /// Which documents it may sign.
    pub roles: BTreeSet<Role>,
    /// When its signatures count.
    pub term: Term,
}

/// What a key may sign. A key of one role is nobody in another.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Role {
    /// That a table of tags is the latest.
    Heartbeat,
    /// Publications, and tables of tags.
    Publish,
    /// Images, and what is attested about them.
    Sign,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Heartbeat, Self::Publish, Self::Sign];

    /// Its name in a trust root and in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Heartbeat => "heartbeat",
            Self::Publish => "publish",
            Self::Sign => "sign",
        }
    }
}

impl Authority {
    /// A key that is trusted for everything, always: one that somebody names by hand.
    pub fn unlimited(name: String, key: PublicKey, origin: KeyOrigin) -> Self {
        Self {
            name,
            key,
            origin,
            roles: BTreeSet::from(Role::ALL),
            term: Term::default(),
        }
    }
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

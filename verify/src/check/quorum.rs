//! Have enough distinct keys signed?

use std::{collections::BTreeMap, num::NonZeroUsize};

use countersign_common::KeyId;
use countersign_trust_roots::document::{Case, binding::Bound};

/// As many distinct keys as are demanded have signed, in one judgement.
#[derive(Debug)]
#[must_use]
pub struct Quorum<'id, 'e> {
    case: Case<'id, 'e>,
    threshold: NonZeroUsize,
    signatures: Vec<Bound<'id, 'e>>,
}

impl<'id, 'e> Quorum<'id, 'e> {
    /// The judgement that it belongs to.
    pub fn case(&self) -> Case<'id, 'e> {
        self.case
    }

    /// How many keys are demanded.
    pub fn threshold(&self) -> NonZeroUsize {
        self.threshold
    }

    /// One signature by each key, in the order of the keys.
    pub fn signatures(&self) -> &[Bound<'id, 'e>] {
        &self.signatures
    }
}

/// Too few.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TooFew {
    /// How many keys are demanded.
    pub threshold: NonZeroUsize,
    /// The names of those that signed.
    pub signers: Vec<String>,
}

/// Counts distinct key material: one key that signs twice, or under two names, counts once.
pub fn check<'id, 'e>(
    case: Case<'id, 'e>,
    threshold: NonZeroUsize,
    signatures: Vec<Bound<'id, 'e>>,
) -> Result<Quorum<'id, 'e>, TooFew> {
    let mut by_key: BTreeMap<&KeyId, Bound<'id, 'e>> = BTreeMap::new();
    for signature in signatures {
        by_key
            .entry(signature.authority().key.id())
            .or_insert(signature);
    }
    if by_key.len() >= threshold.get() {
        Ok(Quorum {
            case,
            threshold,
            signatures: by_key.into_values().collect(),
        })
    } else {
        let signers = by_key
            .values()
            .map(|signature| signature.authority().name.clone())
            .collect();
        Err(TooFew { threshold, signers })
    }
}

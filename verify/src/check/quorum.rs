//! Have enough distinct keys signed?

use std::{collections::BTreeMap, num::NonZeroUsize};

use countersign_common::KeyId;
use countersign_trust_roots::document::{Case, Kind, validity::Valid};

use crate::Signers;

/// As many distinct keys as are demanded have signed, in one judgement.
#[derive(Debug)]
#[must_use]
pub struct Quorum<'b, 'id, 'e> {
    case: Case<'id, 'e>,
    threshold: NonZeroUsize,
    signatures: Vec<&'b Valid<'id, 'e>>,
}

impl<'b, 'id, 'e> Quorum<'b, 'id, 'e> {
    /// The judgement that it belongs to.
    pub fn case(&self) -> Case<'id, 'e> {
        self.case
    }

    /// How many keys are demanded.
    pub fn threshold(&self) -> NonZeroUsize {
        self.threshold
    }

    /// One signature by each key, in the order of the keys.
    pub fn signatures(&self) -> &[&'b Valid<'id, 'e>] {
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
    /// The names of those that signed and are not among those that are demanded.
    pub others: Vec<String>,
}

/// Counts distinct key material among the signatures of the image: one key that signs twice, or under two names, counts
/// once.
///
/// Where one key is enough, whichever it is, and nothing is demanded that only a signature of the image can say, a
/// publication will do: it says more, by the same key.
pub fn check<'b, 'id, 'e>(
    case: Case<'id, 'e>,
    (threshold, demanded): (NonZeroUsize, &Signers),
    (signatures, publications): (&'b [Valid<'id, 'e>], &'b [Valid<'id, 'e>]),
) -> Result<Quorum<'b, 'id, 'e>, TooFew> {
    let publications_count = *demanded == Signers::Anybody
        && threshold == NonZeroUsize::MIN
        && case.expected().annotations.is_empty();
    let counts = |valid: &&Valid<'_, '_>| match valid.bound().kind() {
        Kind::ImageSignature => true,
        Kind::Publication => publications_count,
        Kind::Attestation(_) => false,
    };
    let mut by_key: BTreeMap<&KeyId, &'b Valid<'id, 'e>> = BTreeMap::new();
    for signature in signatures.iter().chain(publications).filter(counts) {
        by_key
            .entry(signature.bound().authority().key.id())
            .or_insert(signature);
    }
    let is_demanded = |key: &KeyId| match demanded {
        Signers::Anybody => true,
        Signers::Only(keys) => keys.contains(key),
    };
    let (by_demanded, by_others): (BTreeMap<_, _>, BTreeMap<_, _>) =
        by_key.into_iter().partition(|(key, _)| is_demanded(key));
    if by_demanded.len() >= threshold.get() {
        return Ok(Quorum {
            case,
            threshold,
            signatures: by_demanded.into_values().collect(),
        });
    }
    let names = |by_key: BTreeMap<&KeyId, &Valid<'_, '_>>| {
        let names = by_key.values().map(|one| &one.bound().authority().name);
        names.cloned().collect()
    };
    Err(TooFew {
        threshold,
        signers: names(by_demanded),
        others: names(by_others),
    })
}

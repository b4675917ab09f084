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
    pub wanted: usize,
    /// The names of those that signed.
    pub signers: Vec<String>,
    /// The names of those that signed and are not among those that are demanded.
    pub others: Vec<String>,
}

/// Counts distinct key material among the signatures of the image: one key that signs twice, or under two names, counts
/// once. There must be enough of all that are trusted, and enough of those that are demanded; each that is too few is said.
///
/// Where one key is enough, whichever it is, and nothing is demanded that only a signature of the image can say, a
/// publication will do: it says more, by the same key.
pub fn check<'b, 'id, 'e>(
    case: Case<'id, 'e>,
    (threshold, demanded): (NonZeroUsize, &Signers),
    (signatures, publications): (&'b [Valid<'id, 'e>], &'b [Valid<'id, 'e>]),
) -> Result<Quorum<'b, 'id, 'e>, Vec<TooFew>> {
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
    let (by_demanded, by_others): (BTreeMap<_, _>, BTreeMap<_, _>) =
        (by_key.clone().into_iter()).partition(|(key, _)| demanded.contains(key));
    let mut too_few = Vec::new();
    if by_demanded.len() < demanded.count().get() {
        too_few.push(TooFew {
            wanted: demanded.count().get(),
            signers: names(&by_demanded),
            others: names(&by_others),
        });
    }
    if by_key.len() < threshold.get() {
        too_few.push(TooFew {
            wanted: threshold.get(),
            signers: names(&by_key),
            others: Vec::new(),
        });
    }
    if !too_few.is_empty() {
        return Err(too_few);
    }
    let is_enough = by_demanded.len() >= threshold.get();
    let counted = if is_enough { by_demanded } else { by_key };
    Ok(Quorum {
        case,
        threshold: threshold.max(demanded.count()),
        signatures: counted.into_values().collect(),
    })
}

fn names(by_key: &BTreeMap<&KeyId, &Valid<'_, '_>>) -> Vec<String> {
    let names = by_key.values().map(|one| &one.bound().authority().name);
    names.cloned().collect()
}

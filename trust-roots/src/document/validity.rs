//! The third step: do its key's signatures count at the time that this one was made?
//!
//! A key is retired, stolen or misused at some time; what it signed before counts on. No clock says when that was, and no
//! signer's word: only stamps do. Of a key without such a time nobody looks at them here.

use countersign_common::{Limits, Timestamp};

use super::{
    Kind, Refusal,
    binding::Bound,
    dating::{self, Proven, Witnesses},
};
use crate::{Lapse, Term, TimeRules, time::Interval};

/// A trusted signer's claim about what was asked, made when its key's signatures count.
#[derive(Debug)]
#[must_use]
pub struct Valid<'id, 'e> {
    bound: Bound<'id, 'e>,
    proof: Proof,
}

/// What was proven of a document's time, so that nobody has to prove it again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Proof {
    /// When it was signed.
    Interval(Proven),
    /// By when it was signed at the latest, and who vouches for that.
    Latest(Timestamp, Witnesses),
    /// Nothing: its key's signatures count whenever they were made.
    Unneeded,
}

/// What is known of when something was signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signed {
    /// In this interval.
    Between(Interval),
    /// At this moment or earlier.
    Until(Timestamp),
}

impl<'id, 'e> Valid<'id, 'e> {
    /// The claim, and who made it.
    pub fn bound(&self) -> &Bound<'id, 'e> {
        &self.bound
    }

    /// What was proven of its time.
    pub fn proof(&self) -> &Proof {
        &self.proof
    }
}

/// Checks the time of a bound claim against the term of its key.
pub fn check<'id, 'e>(
    bound: Bound<'id, 'e>,
    rules: &TimeRules,
    limits: &Limits,
) -> Result<Valid<'id, 'e>, Refusal> {
    let authority = bound.authority();
    let proof = if authority.term.is_unlimited() {
        Proof::Unneeded
    } else {
        Proof::of(&bound, rules, limits)?
    };
    match proof.covered_by(authority.term) {
        Ok(()) => Ok(Valid { bound, proof }),
        // Stamps that nobody looked at may have narrowed the interval: whoever adds them must not make it look lapsed.
        Err((lapse, signed)) => Err(proof
            .unseen()
            .cloned()
            .unwrap_or_else(|| refusal(authority.name.clone(), lapse, signed))),
    }
}

impl Proof {
    fn of(bound: &Bound<'_, '_>, rules: &TimeRules, limits: &Limits) -> Result<Self, Refusal> {
        if *bound.kind() == Kind::Publication {
            return dating::prove(bound, rules, limits).map(Self::Interval);
        }
        let latest = dating::latest(bound, rules, limits)?;
        if *bound.kind() != Kind::ImageSignature {
            match dating::prove_until(bound, &latest, rules, limits) {
                Ok(proven) => return Ok(Self::Interval(proven)),
                // One of its two ends is a lie, and nobody knows which.
                Err(refusal @ Refusal::TimeIntervalEmpty { .. }) => return Err(refusal),
                Err(_) => {}
            }
        }
        let (latest, witnesses) = latest;
        Ok(Self::Latest(latest, witnesses))
    }

    fn covered_by(&self, term: Term) -> Result<(), (Lapse, Signed)> {
        match self {
            Self::Interval(proven) => term
                .covers(proven.interval)
                .map_err(|lapse| (lapse, Signed::Between(proven.interval))),
            Self::Latest(latest, _) => term
                .covers_until(*latest)
                .map_err(|lapse| (lapse, Signed::Until(*latest))),
            Self::Unneeded => Ok(()),
        }
    }

    fn unseen(&self) -> Option<&Refusal> {
        let is_unseen = |refusal: &&Refusal| matches!(refusal, Refusal::StampsTooMany { .. });
        match self {
            Self::Interval(proven) => {
                let all = proven.before.refused.iter().chain(&proven.after.refused);
                all.into_iter().find(is_unseen)
            }
            Self::Latest(_, witnesses) => witnesses.refused.iter().find(is_unseen),
            Self::Unneeded => None,
        }
    }
}

fn refusal(key: String, lapse: Lapse, signed: Signed) -> Refusal {
    match lapse {
        Lapse::Outside(window) => Refusal::KeyOutsideValidity {
            key,
            window,
            signed,
        },
        Lapse::Revoked(revocation) => Refusal::KeyCompromised {
            key,
            revocation,
            signed,
        },
    }
}

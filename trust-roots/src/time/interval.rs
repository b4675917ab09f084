//! The interval in which something was signed: as narrow as enough witnesses make it, and no narrower.

use std::{collections::BTreeMap, num::NonZeroUsize, time::Duration};

use countersign_common::Timestamp;

/// Both ends proven, and in this order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Interval {
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Interval {
    /// `None` if the ends are in the other order.
    pub fn new(not_before: Timestamp, not_after: Timestamp) -> Option<Self> {
        (not_before <= not_after).then_some(Self {
            not_before,
            not_after,
        })
    }

    /// It was signed at this moment or later. The conservative end for a maximum age.
    pub fn not_before(self) -> Timestamp {
        self.not_before
    }

    /// It was signed at this moment or earlier. The conservative end for a minimum age.
    pub fn not_after(self) -> Timestamp {
        self.not_after
    }

    /// How far its ends are apart.
    pub fn width(self) -> Duration {
        self.not_after.since(self.not_before)
    }
}

/// The lower end: the `threshold`-th largest of each operator's largest lower bound. `None` if there are fewer operators.
///
/// Fewer than `threshold` lying operators can thus not push it beyond the truth.
pub fn not_before(bounds: &[(&str, Timestamp)], threshold: NonZeroUsize) -> Option<Timestamp> {
    let mut best: BTreeMap<&str, Timestamp> = BTreeMap::new();
    for (operator, bound) in bounds {
        let best = best.entry(operator).or_insert(*bound);
        *best = (*best).max(*bound);
    }
    let mut bounds: Vec<_> = best.into_values().collect();
    bounds.sort_by(|one, other| other.cmp(one));
    bounds.get(threshold.get() - 1).copied()
}

/// The upper end: the `threshold`-th smallest of each operator's smallest upper bound. `None` if there are fewer operators.
pub fn not_after(bounds: &[(&str, Timestamp)], threshold: NonZeroUsize) -> Option<Timestamp> {
    let mut best: BTreeMap<&str, Timestamp> = BTreeMap::new();
    for (operator, bound) in bounds {
        let best = best.entry(operator).or_insert(*bound);
        *best = (*best).min(*bound);
    }
    let mut bounds: Vec<_> = best.into_values().collect();
    bounds.sort();
    bounds.get(threshold.get() - 1).copied()
}

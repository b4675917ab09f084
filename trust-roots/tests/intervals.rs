//! What many witnesses of a time prove together, whoever of them lies.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{collections::BTreeSet, num::NonZeroUsize};

use countersign_common::Timestamp;
use countersign_trust_roots::time::{Interval, not_after, not_before};
use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, RngSeed},
};

const OPERATORS: [&str; 5] = ["", "a.example", "b.example", "c.example", "d.example"];

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 1_024,
        failure_persistence: None,
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(3_161),
        ..ProptestConfig::default()
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds).unwrap()
}

/// A stamp's bound: whose, and when.
type Bound = (&'static str, Timestamp);

/// Few different moments, so that bounds often are the same.
const MOMENTS: std::ops::Range<i64> = 0..12;

fn bounds() -> impl Strategy<Value = Vec<Bound>> {
    let bound = (prop::sample::select(&OPERATORS[..]), MOMENTS)
        .prop_map(|(operator, seconds)| (operator, at(seconds)));
    prop::collection::vec(bound, 0..10)
}

fn thresholds() -> impl Strategy<Value = NonZeroUsize> {
    (1..5_usize).prop_map(|threshold| threshold.try_into().unwrap())
}

fn operators(bounds: &[Bound]) -> BTreeSet<&'static str> {
    bounds.iter().map(|(operator, _)| *operator).collect()
}

fn without(bounds: &[Bound], operator: &str) -> Vec<Bound> {
    let others = bounds.iter().filter(|(other, _)| *other != operator);
    others.copied().collect()
}

/// In the other direction of time: what is proven from below is proven from above.
fn mirrored(bounds: &[Bound]) -> Vec<Bound> {
    let mirror = |(operator, time): &Bound| (*operator, at(-time.unix_seconds()));
    bounds.iter().map(mirror).collect()
}

/// `None` is the widest: nothing is proven.
fn is_as_wide(lower: Option<Timestamp>, than: Option<Timestamp>) -> bool {
    lower <= than
}

/// Who lies, and what everybody says of a signature made at one moment.
#[derive(Clone, Debug)]
struct Testimony {
    truth: Timestamp,
    liars: BTreeSet<&'static str>,
    before: Vec<Bound>,
    after: Vec<Bound>,
}

impl Testimony {
    fn honest(&self, bounds: &[Bound]) -> Vec<Bound> {
        let honest = bounds
            .iter()
            .filter(|(operator, _)| !self.liars.contains(operator));
        honest.copied().collect()
    }
}

/// Whoever is honest stamps before and after the truth, by as much as may be. Liars say anything.
fn testimonies() -> impl Strategy<Value = Testimony> {
    let liars = prop::collection::btree_set(prop::sample::select(&OPERATORS[..]), 0..4);
    let side = || {
        prop::collection::vec(
            (prop::sample::select(&OPERATORS[..]), 0..6_i64, -9..9_i64),
            0..10,
        )
    };
    (liars, side(), side()).prop_map(|(liars, before, after)| {
        let truth = 100;
        let say = |side: Vec<(&'static str, i64, i64)>, sign: i64| {
            side.into_iter()
                .map(|(operator, away, lie)| {
                    let away = if liars.contains(operator) { lie } else { away };
                    (operator, at(truth + sign * away))
                })
                .collect()
        };
        Testimony {
            truth: at(truth),
            before: say(before, -1),
            after: say(after, 1),
            liars: liars.clone(),
        }
    })
}

proptest! {
    #![proptest_config(config())]

    /// The one sentence that all the rest is for.
    #[test]
    fn fewer_liars_than_the_threshold_never_exclude_the_truth(said in testimonies(), threshold in thresholds()) {
        prop_assume!(said.liars.len() < threshold.get());
        let (lower, upper) = (not_before(&said.before, threshold), not_after(&said.after, threshold));
        prop_assert!(lower.is_none_or(|lower| lower <= said.truth));
        prop_assert!(upper.is_none_or(|upper| said.truth <= upper));
        if let (Some(lower), Some(upper)) = (lower, upper) {
            prop_assert!(Interval::new(lower, upper).is_some());
        }
    }

    /// Nor can any number of them take away what the honest ones prove.
    #[test]
    fn no_number_of_liars_widens_what_the_honest_prove(said in testimonies(), threshold in thresholds()) {
        let honest = not_before(&said.honest(&said.before), threshold);
        prop_assert!(is_as_wide(honest, not_before(&said.before, threshold)));
        if let Some(honest) = not_after(&said.honest(&said.after), threshold) {
            prop_assert!(not_after(&said.after, threshold).unwrap() <= honest);
        }
    }

    /// By definition: so many distinct operators vouch for the end, and not as many for anything tighter.
    #[test]
    fn the_end_is_the_tightest_that_enough_operators_vouch_for(bounds in bounds(), threshold in thresholds()) {
        let vouch = |end: Timestamp| {
            let vouching: BTreeSet<_> =
                bounds.iter().filter(|(_, bound)| *bound >= end).map(|(operator, _)| operator).collect();
            vouching.len()
        };
        match not_before(&bounds, threshold) {
            Some(end) => {
                prop_assert!(vouch(end) >= threshold.get());
                prop_assert!(vouch(at(end.unix_seconds() + 1)) < threshold.get());
            }
            None => prop_assert!(operators(&bounds).len() < threshold.get()),
        }
    }

    #[test]
    fn both_ends_are_found_in_the_same_way(bounds in bounds(), threshold in thresholds()) {
        let mirror = not_before(&mirrored(&bounds), threshold).map(|time| at(-time.unix_seconds()));
        prop_assert_eq!(not_after(&bounds, threshold), mirror);
    }

    #[test]
    fn neither_order_nor_repetition_counts(bounds in bounds(), threshold in thresholds(), seed: u64) {
        let mut shuffled = [bounds.clone(), bounds.clone()].concat();
        shuffled.sort_by_key(|(operator, time)| {
            let bytes = operator.bytes().chain(time.unix_seconds().to_be_bytes());
            bytes.fold(seed, |sum, byte| sum.rotate_left(7) ^ u64::from(byte))
        });
        prop_assert_eq!(not_before(&shuffled, threshold), not_before(&bounds, threshold));
        prop_assert_eq!(not_after(&shuffled, threshold), not_after(&bounds, threshold));
    }

    #[test]
    fn an_operator_who_stamps_often_is_one_witness(seconds in prop::collection::vec(MOMENTS, 1..10)) {
        let bounds: Vec<Bound> = seconds.iter().map(|seconds| ("a.example", at(*seconds))).collect();
        let (one, two) = (1.try_into().unwrap(), 2.try_into().unwrap());
        prop_assert_eq!(not_before(&bounds, one), seconds.iter().max().map(|seconds| at(*seconds)));
        prop_assert_eq!(not_after(&bounds, one), seconds.iter().min().map(|seconds| at(*seconds)));
        prop_assert_eq!(not_before(&bounds, two), None);
        prop_assert_eq!(not_after(&bounds, two), None);
    }

    #[test]
    fn without_an_operator_nothing_is_narrower(bounds in bounds(), threshold in thresholds()) {
        for operator in OPERATORS {
            let fewer = without(&bounds, operator);
            prop_assert!(is_as_wide(not_before(&fewer, threshold), not_before(&bounds, threshold)));
            if let Some(upper) = not_after(&fewer, threshold) {
                prop_assert!(not_after(&bounds, threshold).unwrap() <= upper);
            }
        }
    }

    #[test]
    fn a_higher_threshold_proves_nothing_narrower(bounds in bounds(), threshold in thresholds()) {
        let higher = threshold.saturating_add(1);
        prop_assert!(is_as_wide(not_before(&bounds, higher), not_before(&bounds, threshold)));
        if let Some(upper) = not_after(&bounds, higher) {
            prop_assert!(not_after(&bounds, threshold).unwrap() <= upper);
        }
    }
}

#[test]
fn an_interval_has_its_ends_in_order() {
    let interval = Interval::new(at(5), at(5)).unwrap();
    assert!(interval.width().is_zero());
    let interval = Interval::new(at(5), at(605)).unwrap();
    assert_eq!(interval.width().as_secs(), 600);
    assert_eq!(
        (interval.not_before(), interval.not_after()),
        (at(5), at(605))
    );
    assert_eq!(Interval::new(at(6), at(5)), None);
}

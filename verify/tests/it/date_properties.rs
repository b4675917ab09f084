//! What must hold for any evidence of a date, not only for the cases that somebody thought of.

use std::{collections::BTreeSet, sync::LazyLock};

use countersign_common::Timestamp;
use countersign_verify::{Level, Outcome, Verdict};
use proptest::prelude::*;

use crate::{
    case::{DatesDocument, DemandedLevel, RevocationDocument, TermDocument},
    fixtures::outcome,
    properties::config,
    signing::{Key, Sealed, Signing},
    stamping::{AFTER, BEFORE, Over, Tsa},
    story::Story,
};

/// Seconds of the day of 2026-11-24, on which all of this happens.
type Second = i64;

const HOUR: Second = 3_600;
const NOW: Second = 10 * HOUR;

fn at(second: Second) -> Timestamp {
    let midnight = Timestamp::parse("2026-11-24T00:00:00Z").unwrap();
    Timestamp::from_unix_seconds(midnight.unix_seconds() + second).unwrap()
}

/// What may lie beside an image, and what each of it shows.
struct Kind {
    signing: Signing,
    /// Whether a trusted key says it of this image in this repository.
    counts: bool,
    /// When it is stamped inside and after, by whom. Nothing where no date follows.
    stamped: Option<(Second, Second, &'static [usize])>,
}

const AUTHORITIES: [Tsa; 2] = [Tsa::One, Tsa::Two];
const BOTH: &[usize] = &[0, 1];

static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    let stamped = |before: &'static str, after: &'static str, by: &[usize]| {
        let stamps = |time| {
            by.iter()
                .map(move |authority| AUTHORITIES[*authority].at(time))
        };
        Signing::publication(Key::Release).stamped(stamps(before), stamps(after))
    };
    let (early, just_after) = ("2026-11-24T07:00:00Z", "2026-11-24T07:00:01Z");
    let early_by_both = || stamped(early, just_after, BOTH);
    let nothing = |signing: Signing, counts: bool| Kind {
        signing,
        counts,
        stamped: None,
    };
    let dated = |signing: Signing, before, after, by| Kind {
        signing,
        counts: true,
        stamped: Some((before, after, by)),
    };
    vec![
        nothing(Signing::by(Key::Release), true),
        dated(
            stamped("2026-11-24T08:00:00Z", "2026-11-24T08:00:01Z", BOTH),
            8 * HOUR,
            8 * HOUR + 1,
            BOTH,
        ),
        dated(stamped(BEFORE, AFTER, &[0]), 9 * HOUR, 9 * HOUR + 1, &[0]),
        dated(
            stamped("2026-11-24T09:30:00Z", "2026-11-24T09:35:00Z", &[1]),
            9 * HOUR + 1_800,
            9 * HOUR + 2_100,
            &[1],
        ),
        nothing(Signing::claiming(Key::Release, early), true),
        nothing(
            Signing {
                key: Key::Stranger,
                ..early_by_both()
            },
            false,
        ),
        nothing(
            Signing {
                repository: Some("registry.example/shop/web"),
                ..early_by_both()
            },
            false,
        ),
        // Kept for two hours before it was signed.
        nothing(stamped(early, AFTER, BOTH), true),
        nothing(
            early_by_both().stamped(
                AUTHORITIES.map(|authority| authority.at(early)),
                AUTHORITIES.map(|authority| authority.at(just_after).over(Over::Payload)),
            ),
            true,
        ),
        nothing(
            early_by_both().stamped(
                [Tsa::Three.at(early)],
                [Tsa::One.at(just_after), Tsa::Two.at(just_after)],
            ),
            true,
        ),
    ]
});

/// Sealed once: private keys are slow without optimisation.
static SEALED: LazyLock<Vec<Sealed>> = LazyLock::new(|| {
    let image = Story::new("", "").descriptor("image.manifest.json");
    KINDS.iter().map(|kind| kind.signing.seal(&image)).collect()
});

/// What lies there, who is believed about time, and what is demanded.
#[derive(Clone, Debug)]
struct Plan {
    artifacts: BTreeSet<usize>,
    believed: BTreeSet<usize>,
    term: Option<Limited>,
    threshold: usize,
    level: Option<DemandedLevel>,
    max_age: Option<Second>,
    min_age: Option<Second>,
    after: Option<Second>,
    before: Option<Second>,
}

/// When the signatures of the one key count.
#[derive(Clone, Copy, Debug)]
enum Limited {
    Compromised(Option<Second>),
    Misused(Second, Second),
    Window(Second, Second),
}

impl Limited {
    fn document(self) -> TermDocument {
        let time = |second| at(second).to_string();
        match self {
            Self::Compromised(moment) => TermDocument {
                revoked: Some(RevocationDocument::Compromised {
                    at: moment.map(time),
                }),
                ..TermDocument::default()
            },
            Self::Misused(from, to) => TermDocument {
                revoked: Some(RevocationDocument::Misused {
                    from: time(from),
                    to: time(to),
                }),
                ..TermDocument::default()
            },
            Self::Window(start, end) => TermDocument {
                not_before: Some(time(start)),
                not_after: Some(time(end)),
                revoked: None,
            },
        }
    }

    fn covers(self, (not_before, not_after): (Second, Second)) -> bool {
        match self {
            Self::Compromised(moment) => moment.is_some_and(|moment| not_after < moment),
            Self::Misused(from, to) => not_after < from || to < not_before,
            Self::Window(start, end) => start <= not_before && not_after <= end,
        }
    }

    /// Terms in which less counts.
    fn narrower(self) -> Vec<Self> {
        match self {
            Self::Compromised(None) => Vec::new(),
            Self::Compromised(Some(moment)) => {
                vec![Self::Compromised(None), Self::Compromised(Some(moment - 1))]
            }
            Self::Misused(from, to) => {
                vec![Self::Misused(from - 1, to), Self::Misused(from, to + 1)]
            }
            Self::Window(start, end) => {
                vec![Self::Window(start + 1, end), Self::Window(start, end - 1)]
            }
        }
    }
}

/// Around the ends of what the kinds prove.
fn moments() -> impl Strategy<Value = Second> + Clone {
    let near = prop::sample::select(vec![8 * HOUR, 9 * HOUR, 9 * HOUR + 1_800, 9 * HOUR + 2_100]);
    (near, -3..5_i64).prop_map(|(near, away)| near + away)
}

fn terms() -> impl Strategy<Value = Option<Limited>> {
    let two = (moments(), moments()).prop_map(|(one, other)| (one.min(other), one.max(other)));
    prop::option::of(prop_oneof![
        prop::option::weighted(0.9, moments()).prop_map(Limited::Compromised),
        two.clone()
            .prop_map(|(from, to)| Limited::Misused(from, to)),
        two.prop_map(|(start, end)| Limited::Window(start, end)),
    ])
}

fn plans() -> impl Strategy<Value = Plan> {
    let limits = || prop::option::weighted(0.3, moments());
    let believed = prop::sample::select(vec![
        (vec![0], 1),
        (vec![1], 1),
        (vec![0, 1], 1),
        (vec![0, 1], 2),
    ]);
    (
        prop::collection::btree_set(0..10_usize, 0..=5),
        believed,
        terms(),
        prop::option::of(Just(DemandedLevel::Dated)),
        limits(),
        limits(),
        limits(),
        limits(),
    )
        .prop_map(
            |(artifacts, (believed, threshold), term, level, max_age, min_age, after, before)| {
                Plan {
                    artifacts,
                    believed: believed.into_iter().collect(),
                    term,
                    threshold,
                    level,
                    max_age: max_age.map(|moment| NOW - moment),
                    min_age: min_age.map(|moment| NOW - moment),
                    after,
                    before,
                }
            },
        )
}

impl Plan {
    fn story(&self) -> Story {
        let mut story = Story::new("", "");
        for authority in &self.believed {
            story = story.timed_by(AUTHORITIES[*authority]);
        }
        if let Some(term) = self.term {
            story = story.for_term(Key::Release, term.document());
        }
        for kind in &self.artifacts {
            let Sealed { manifest, blob } = &SEALED[*kind];
            story.put(&format!("{kind}.manifest.json"), manifest.clone());
            story.put(&format!("{kind}.blob.json"), blob.clone());
        }
        story.with(|case| {
            case.time_threshold = Some(self.threshold.try_into().unwrap());
            case.demand.level = self.level;
            case.demand.dates = DatesDocument {
                max_age: self.max_age.map(i64::unsigned_abs),
                min_age: self.min_age.map(i64::unsigned_abs),
                published_after: self.after.map(|second| at(second).to_string()),
                published_before: self.before.map(|second| at(second).to_string()),
                supported: false,
            };
        })
    }

    fn verify(&self) -> Verdict {
        self.story().verify()
    }

    fn is_verified(&self) -> bool {
        outcome(&self.verify()) == "verified"
    }

    /// The interval of the earliest publication whose date is proven to those who believe these authorities. A stamp is
    /// exact to a second and tells whole seconds.
    fn proven(&self) -> Option<(Second, Second)> {
        self.artifacts
            .iter()
            .filter_map(|kind| KINDS[*kind].stamped)
            .filter(|(_, _, by)| {
                let believed = by
                    .iter()
                    .filter(|authority| self.believed.contains(authority));
                believed.count() >= self.threshold
            })
            .map(|(before, after, _)| (before - 1, after + 2))
            .filter(|interval| self.term.is_none_or(|term| term.covers(*interval)))
            .min()
    }

    /// What the plan means, told without any of the code that judges.
    fn expected(&self) -> Option<Level> {
        let signed = match self.term {
            None => self.artifacts.iter().any(|kind| KINDS[*kind].counts),
            Some(_) => self.proven().is_some(),
        };
        let demanding = self.level.is_some()
            || [self.max_age, self.min_age, self.after, self.before]
                .iter()
                .any(Option::is_some);
        match self.proven() {
            _ if !signed => None,
            None => (!demanding).then_some(Level::Signed),
            Some((not_before, not_after)) => {
                let met = self.max_age.is_none_or(|limit| NOW - not_before <= limit)
                    && self.min_age.is_none_or(|limit| NOW - not_after >= limit)
                    && self.after.is_none_or(|limit| not_before >= limit)
                    && self.before.is_none_or(|limit| not_after <= limit);
                met.then_some(Level::Dated)
            }
        }
    }

    fn with_narrower_term(&self) -> Vec<Self> {
        let terms = match self.term {
            Some(term) => term.narrower(),
            None => vec![
                Limited::Window(0, 24 * HOUR),
                Limited::Compromised(Some(9 * HOUR)),
                Limited::Misused(8 * HOUR, 9 * HOUR),
            ],
        };
        let in_term = |term| Self {
            term: Some(term),
            ..self.clone()
        };
        terms.into_iter().map(in_term).collect()
    }

    /// Every plan that demands more, by one step.
    fn stricter(&self) -> Vec<Self> {
        let seconds = [1, 1_800, 2 * HOUR];
        let tighter = seconds.into_iter().flat_map(|more| {
            [
                Self {
                    max_age: Some((self.max_age.unwrap_or(3 * HOUR) - more).max(0)),
                    ..self.clone()
                },
                Self {
                    min_age: Some(self.min_age.unwrap_or(0) + more),
                    ..self.clone()
                },
                Self {
                    after: Some(self.after.unwrap_or(7 * HOUR) + more),
                    ..self.clone()
                },
                Self {
                    before: Some(self.before.unwrap_or(NOW) - more),
                    ..self.clone()
                },
            ]
        });
        let dated = Self {
            level: Some(DemandedLevel::Dated),
            ..self.clone()
        };
        tighter.chain([dated]).collect()
    }

    /// The same with one authority fewer, or with one more of them that must agree.
    fn with_less_belief(&self) -> Vec<Self> {
        let without = |authority: &usize| {
            let mut plan = self.clone();
            plan.believed.remove(authority);
            plan.threshold = 1;
            plan
        };
        let mut plans = Vec::new();
        if self.believed.len() > 1 && self.threshold == 1 {
            plans.extend(self.believed.iter().map(without));
            plans.push(Self {
                threshold: 2,
                ..self.clone()
            });
        }
        plans
    }
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn the_outcome_is_what_the_dates_mean(plan in plans()) {
        let verdict = plan.verify();
        let level = match verdict.outcome() {
            Outcome::Verified(level) => Some(*level),
            Outcome::Refused(_) => None,
            Outcome::Undecided(_) => panic!("{verdict}"),
        };
        prop_assert_eq!(level, plan.expected(), "{}", verdict);
        let proven = verdict.freshness().published().map(|published| published.interval);
        let proven = proven.map(|interval| (interval.not_before(), interval.not_after()));
        prop_assert_eq!(proven, plan.proven().map(|(lower, upper)| (at(lower), at(upper))), "{}", verdict);
    }
}

proptest! {
    #![proptest_config(config(48))]

    #[test]
    fn no_stricter_demand_of_a_date_makes_it_verified(plan in plans()) {
        if !plan.is_verified() {
            for stricter in plan.stricter() {
                prop_assert!(!stricter.is_verified(), "{:?}", stricter);
            }
        }
    }

    /// Of one publication: its interval only becomes wider. Of several another may be the earliest that is proven.
    #[test]
    fn less_belief_never_makes_one_publication_verified(plan in plans(), only in 0..10_usize) {
        let plan = Plan { artifacts: BTreeSet::from([0, only]), ..plan };
        if !plan.is_verified() {
            for less in plan.with_less_belief() {
                prop_assert!(!less.is_verified(), "{:?}", less);
            }
        }
    }
}

proptest! {
    #![proptest_config(config(48))]

    /// Of one publication. Of several another may be the earliest that counts.
    #[test]
    fn a_narrower_term_never_makes_one_publication_verified(plan in plans(), only in 0..10_usize) {
        let plan = Plan { artifacts: BTreeSet::from([0, only]), ..plan };
        if !plan.is_verified() {
            for narrower in plan.with_narrower_term() {
                prop_assert!(!narrower.is_verified(), "{:?}", narrower);
            }
        }
    }
}

/// Without a signed list of what was published, nothing shows that an earlier publication is not hidden: neither if it is
/// not there, nor if nobody believes who stamped it.
#[test]
fn a_publication_whose_authority_is_not_believed_makes_nothing_older_and_is_named() {
    let young = |believed: &[usize]| {
        let plan = Plan {
            artifacts: BTreeSet::from([2, 3]),
            believed: believed.iter().copied().collect(),
            term: None,
            threshold: 1,
            level: None,
            max_age: Some(HOUR),
            min_age: None,
            after: None,
            before: None,
        };
        plan.verify()
    };
    assert_eq!(outcome(&young(&[0, 1])), "refused");
    let verdict = young(&[1]);
    assert_eq!(outcome(&verdict), "verified");
    assert!(
        verdict.to_string().contains("first: not proven"),
        "{verdict}"
    );
    let codes = verdict.remarks().iter().map(|remark| remark.code.as_str());
    assert!(codes.eq(["tsa-untrusted"]), "{verdict}");
}

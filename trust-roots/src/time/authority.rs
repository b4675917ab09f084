//! Time-stamp authorities, and how many of their operators must agree.

use std::{collections::BTreeSet, num::NonZeroUsize, time::Duration};

use countersign_common::{Code, Escaped, Explain, Timestamp, rfc3161::Anchor};

/// An authority that is trusted to say when something existed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TimeAuthority {
    /// Who operates it. Authorities of one operator are one witness; so are all that name none.
    pub operator: String,
    /// Where its stamps must lead.
    pub anchor: Anchor,
    /// Which of its stamps count, by their time.
    pub valid: Window,
    /// How exact its stamps are if they do not say so themselves.
    pub accuracy: Duration,
    /// Whether its stamps are believed at all.
    pub standing: Standing,
}

/// A stretch of time, both ends included. An end that is absent is open.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Window {
    /// Its begin.
    pub start: Option<Timestamp>,
    /// Its end.
    pub end: Option<Timestamp>,
}

impl Window {
    /// Whether a moment lies in it.
    pub fn contains(self, time: Timestamp) -> bool {
        self.start.is_none_or(|start| start <= time) && self.end.is_none_or(|end| time <= end)
    }
}

/// Whether an authority's stamps are believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// None of them: whoever stole its key may write any time into a stamp, past ones too.
    Compromised,
    /// Those in its window.
    Good,
}

/// What proves a time: whose stamps, by how many operators, and how exactly.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TimeRules {
    authorities: Vec<TimeAuthority>,
    threshold: NonZeroUsize,
    max_interval: Duration,
}

impl TimeRules {
    /// How wide a proven interval may be, unless something else is decided.
    pub const MAX_INTERVAL: Duration = Duration::from_mins(10);
    /// How exact stamps are taken to be where neither they nor anybody else says it.
    pub const ACCURACY: Duration = Duration::from_mins(1);
    /// How far a proven moment may lie in the future of the clock that judges it.
    pub const SKEW: Duration = Duration::from_mins(5);

    /// No authority is trusted, and no date will be proven.
    pub fn none() -> Self {
        Self {
            authorities: Vec::new(),
            threshold: NonZeroUsize::MIN,
            max_interval: Self::MAX_INTERVAL,
        }
    }

    /// Trusts these authorities, where `threshold` of their operators agree.
    pub fn new(
        authorities: Vec<TimeAuthority>,
        threshold: NonZeroUsize,
        max_interval: Duration,
    ) -> Result<Self, TimeRulesError> {
        for (position, one) in authorities.iter().enumerate() {
            let shared = authorities.iter().skip(position + 1).find(|other| {
                one.anchor.id() == other.anchor.id() && one.operator != other.operator
            });
            // One stolen key would be two witnesses.
            if let Some(other) = shared {
                return Err(TimeRulesError::AnchorShared {
                    one: one.operator.clone(),
                    other: other.operator.clone(),
                });
            }
        }
        let operators: BTreeSet<_> = authorities.iter().map(|one| &one.operator).collect();
        if operators.len() < threshold.get() {
            return Err(TimeRulesError::ThresholdTooHigh {
                threshold: threshold.get(),
                operators: operators.len(),
            });
        }
        Ok(Self {
            authorities,
            threshold,
            max_interval,
        })
    }

    /// Who is trusted.
    pub fn authorities(&self) -> &[TimeAuthority] {
        &self.authorities
    }

    /// How many distinct operators must stamp each side.
    pub fn threshold(&self) -> NonZeroUsize {
        self.threshold
    }

    /// How wide a proven interval may be.
    pub fn max_interval(&self) -> Duration {
        self.max_interval
    }
}

/// Rules that cannot be kept, or that would count one witness twice.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TimeRulesError {
    /// One root under two operators.
    #[error(
        "the time-stamp authorities of {} and {} end at the same root key",
        Escaped(one),
        Escaped(other)
    )]
    AnchorShared {
        /// One operator.
        one: String,
        /// The other.
        other: String,
    },
    /// More operators are demanded than there are.
    #[error(
        "time stamps by {threshold} distinct operators are demanded; the number of those trusted is {operators}"
    )]
    ThresholdTooHigh {
        /// How many are demanded.
        threshold: usize,
        /// How many there are.
        operators: usize,
    },
}

impl Explain for TimeRulesError {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::AnchorShared { .. } => "tsa-chain-shared",
            Self::ThresholdTooHigh { .. } => "time-threshold-too-high",
        })
    }

    fn remedy(&self) -> String {
        match self {
            Self::AnchorShared { .. } => {
                "name the chain once, or give both the same `operator`".to_owned()
            }
            Self::ThresholdTooHigh { .. } => {
                "name more authorities with `--tsa-chain`, or lower the threshold".to_owned()
            }
        }
    }
}

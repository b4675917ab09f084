//! When the image was published, as a verdict says it.

use std::{num::NonZeroUsize, time::Duration};

use countersign_common::{Digest, Timestamp};
use countersign_trust_roots::{document::dating::Dated, time::Interval};

use super::{Authenticity, Fault, Reason, distinct};
use crate::check::freshness::{Date, Fresh};

/// When the image was published, and whether that is as demanded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Freshness {
    /// By its publisher's word alone; nothing was demanded.
    Claimed {
        /// What is claimed.
        at: Timestamp,
        /// Who claims it.
        signer: String,
        /// The manifest that holds the publication.
        artifact: Digest,
    },
    /// Proven, and as demanded.
    Dated(Box<Published>),
    /// Not as demanded.
    Failed {
        /// The date, if one is proven.
        published: Option<Box<Published>>,
        /// Why not; the first reason weighs most.
        reasons: Vec<Reason>,
    },
    /// There was nothing to judge.
    NotJudged,
    /// No date is proven; none was demanded.
    NotProven,
    /// Could not find out.
    Undecided {
        /// What could not be fetched.
        faults: Vec<Fault>,
        /// Why what was found does not suffice.
        reasons: Vec<Reason>,
    },
}

/// The earliest publication whose date is proven.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Published {
    /// When it was signed.
    pub interval: Interval,
    /// Whose stamps lie in it.
    pub before: Vec<String>,
    /// Whose stamps its signature has.
    pub after: Vec<String>,
    /// How many operators must agree on each end.
    pub threshold: NonZeroUsize,
    /// Who signed it.
    pub signer: String,
    /// The manifest that holds it.
    pub artifact: Digest,
    /// SHA-256 over its payload.
    pub payload: Digest,
    /// Until when its publisher supports the image, if that is said.
    pub supported_until: Option<Timestamp>,
}

impl Published {
    pub(crate) fn of(dated: &Dated<'_, '_, '_>) -> Self {
        let (bound, proven) = (dated.bound(), dated.proven());
        Self {
            interval: proven.interval,
            before: proven.before.operators.clone(),
            after: proven.after.operators.clone(),
            threshold: proven.threshold,
            signer: bound.authority().name.clone(),
            artifact: bound.claim().artifact.clone(),
            payload: bound.claim().payload_digest(),
            supported_until: bound
                .claim()
                .statement
                .publication()
                .and_then(|publication| publication.supported_until),
        }
    }

    /// How long ago it was published at the most.
    pub fn age(&self, now: Timestamp) -> Duration {
        now.since(self.interval.not_before())
    }

    /// How many operators vouch for each end, at the least.
    pub fn operators(&self) -> usize {
        self.before.len().min(self.after.len())
    }
}

impl Freshness {
    pub(crate) fn of(fresh: &Fresh<'_, '_, '_>) -> Self {
        match fresh.date() {
            Date::Proven(dated) => Self::Dated(Box::new(Published::of(dated))),
            Date::Claimed(valid, at) => Self::Claimed {
                at: *at,
                signer: valid.bound().authority().name.clone(),
                artifact: valid.bound().claim().artifact.clone(),
            },
            Date::Unknown => Self::NotProven,
        }
    }

    /// Of two judgements the better one; of two bad ones, what both say.
    pub(crate) fn or(self, other: Self) -> Self {
        let is_decided = |freshness: &Self| {
            matches!(
                freshness,
                Self::Claimed { .. } | Self::Dated(_) | Self::NotProven
            )
        };
        if is_decided(&self) || matches!(other, Self::NotJudged) {
            return self;
        }
        if is_decided(&other) || matches!(self, Self::NotJudged) {
            return other;
        }
        let published = self
            .published()
            .or(other.published())
            .cloned()
            .map(Box::new);
        let (faults, reasons) = self.into_findings();
        let (more_faults, more_reasons) = other.into_findings();
        let faults = distinct(faults.into_iter().chain(more_faults));
        let reasons = distinct(reasons.into_iter().chain(more_reasons));
        if faults.is_empty() {
            Self::Failed { published, reasons }
        } else {
            Self::Undecided { faults, reasons }
        }
    }

    /// What it is while another judgement could not be made, which might have ended better.
    pub(crate) fn while_open(self, (authenticity, freshness): (Authenticity, Self)) -> Self {
        let (mut open, _) = authenticity.into_findings();
        open.extend(freshness.into_findings().0);
        match self {
            Self::Failed { reasons, .. } if !open.is_empty() => Self::Undecided {
                faults: distinct(open),
                reasons,
            },
            decided => decided,
        }
    }

    /// The publication that proves a date, whatever became of it.
    pub fn published(&self) -> Option<&Published> {
        match self {
            Self::Dated(published) => Some(published),
            Self::Failed { published, .. } => published.as_deref(),
            Self::Claimed { .. } | Self::NotJudged | Self::NotProven | Self::Undecided { .. } => {
                None
            }
        }
    }

    pub(crate) fn into_findings(self) -> (Vec<Fault>, Vec<Reason>) {
        match self {
            Self::Failed { reasons, .. } => (Vec::new(), reasons),
            Self::Undecided { faults, reasons } => (faults, reasons),
            Self::Claimed { .. } | Self::Dated(_) | Self::NotJudged | Self::NotProven => {
                (Vec::new(), Vec::new())
            }
        }
    }
}

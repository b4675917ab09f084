//! What was noticed on the way to a verdict: a code, a sentence, and a remedy each.

use std::collections::BTreeSet;

use countersign_common::{
    Code, Explain, Limits,
    registry::{self, Failure},
};
use countersign_trust_roots::document;

use crate::{Refusal, evidence::Evidence};

/// Kinds of other artifacts that are named in a message; the rest is junk or curiosity.
const KINDS_NAMED: usize = 5;

/// Of one code, so many are told: a list of hundreds tells a person no more, and of many images takes memory until the last.
const TOLD: usize = 20;

/// Something noticed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// Its stable name.
    pub code: Code,
    /// One sentence, safe to show.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl Finding {
    /// What an error or a refusal says of itself.
    pub fn of(explained: &dyn Explain) -> Self {
        Self {
            code: explained.code(),
            message: explained.to_string(),
            remedy: explained.remedy(),
        }
    }

    /// What is told of it beside others: nothing if it is told, and that there are more, once, if enough of its code are.
    fn beside<'a>(self, told: impl Iterator<Item = &'a Self> + Clone) -> Option<Self> {
        if told.clone().any(|other| *other == self) {
            return None;
        }
        let alike = told.filter(|other| other.code == self.code).count();
        let more = || format!("the same happened more than {TOLD} times: the others are not told");
        match alike {
            ..TOLD => Some(self),
            TOLD => Some(Self {
                message: more(),
                ..self
            }),
            _ => None,
        }
    }
}

/// Why an image is refused. Made from refusals alone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reason(Finding);

impl Reason {
    /// The same, told otherwise.
    pub(super) fn with(&self, tell: impl Fn(&Finding) -> Finding) -> Self {
        Self(tell(&self.0))
    }

    /// Of a policy or a trust root, which have refusals of their own.
    pub(super) fn of(refusal: &dyn Explain) -> Self {
        Self(Finding::of(refusal))
    }
}

impl From<&Refusal> for Reason {
    fn from(refusal: &Refusal) -> Self {
        Self::of(refusal)
    }
}

/// Why there is no answer. Made from errors alone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault(Finding);

impl Fault {
    /// The same, told otherwise.
    pub(super) fn with(&self, tell: impl Fn(&Finding) -> Finding) -> Self {
        Self(tell(&self.0))
    }

    /// Of a trust root, whose sources have errors of their own.
    pub(super) fn of(error: &dyn Explain) -> Self {
        Self(Finding::of(error))
    }
}

impl From<&registry::Error> for Fault {
    fn from(error: &registry::Error) -> Self {
        Self::of(error)
    }
}

impl AsRef<Finding> for Reason {
    fn as_ref(&self) -> &Finding {
        &self.0
    }
}

impl AsRef<Finding> for Fault {
    fn as_ref(&self) -> &Finding {
        &self.0
    }
}

/// Everything noticed in one judgement besides what counts.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    faults: Vec<Fault>,
    /// Those of them that are no absence: what is there and could not be fetched.
    open: Vec<Fault>,
    kinds: BTreeSet<String>,
    /// Each with how little its artifact lacked of counting.
    reasons: Vec<(Rank, Reason)>,
}

/// How near something came to being a signature that counts; the nearest tells a person most.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Rank {
    /// By a trusted key, about something else or not as demanded.
    Authentic,
    /// It names a trusted key, or a limit hid it.
    Invalid,
    /// A list of what there is was refused.
    Unlisted,
    /// Nobody can read it.
    Damaged,
    /// By somebody else.
    Stranger,
    /// No signature of this image at all.
    Misplaced,
}

impl Rank {
    fn of(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Document {
                source: document::Refusal::KeyUnknown { .. },
                ..
            } => Self::Stranger,
            Refusal::Document {
                source:
                    document::Refusal::RoleNotAuthorized { .. }
                    | document::Refusal::SignatureInvalid { .. }
                    | document::Refusal::SignaturesTooMany { .. },
                ..
            } => Self::Invalid,
            Refusal::Document { .. } | Refusal::Undated { .. } => Self::Authentic,
            Refusal::Misplaced { .. } => Self::Misplaced,
            Refusal::Damaged { .. }
            | Refusal::PublicationTooLarge { .. }
            | Refusal::Transfer { .. } => Self::Damaged,
            _ => Self::Invalid,
        }
    }
}

impl Findings {
    /// What collecting itself noticed.
    pub(crate) fn collecting(&mut self, evidence: &Evidence, limits: &Limits) {
        self.failed(&evidence.listings);
        if evidence.left_out.count > 0 {
            self.refused(&Refusal::EvidenceTooLarge {
                left_out: evidence.left_out.count,
                limit: limits.image_bytes,
            });
        }
    }

    /// Of what was not listed, nobody knows what it is.
    pub(crate) fn failed(&mut self, listings: &[Failure]) {
        for failure in listings {
            match failure {
                Failure::Error(error) => self.unavailable(error),
                Failure::Refusal(refusal) => self.keep(Rank::Unlisted, Finding::of(refusal)),
            }
        }
    }

    pub(crate) fn refused(&mut self, refusal: &Refusal) {
        self.keep(Rank::of(refusal), Finding::of(refusal));
    }

    /// By its rank, too, which says what follows from it.
    fn keep(&mut self, rank: Rank, reason: Finding) {
        let alike = self.reasons.iter().filter(|(other, _)| *other == rank);
        let told = alike.map(|(_, reason)| &reason.0);
        if let Some(reason) = reason.beside(told) {
            self.reasons.push((rank, Reason(reason)));
        }
    }

    pub(crate) fn unavailable(&mut self, error: &registry::Error) {
        let is_absence = matches!(
            error,
            registry::Error::BlobAbsent { .. } | registry::Error::FileAbsent { .. }
        );
        let keep = |faults: &mut Vec<Fault>| {
            let told = faults.iter().map(AsRef::as_ref);
            faults.extend(Finding::of(error).beside(told).map(Fault));
        };
        keep(&mut self.faults);
        // By itself: absences of the same code must not hide it.
        if !is_absence {
            keep(&mut self.open);
        }
    }

    pub(crate) fn other_kinds<'a>(&mut self, kinds: impl IntoIterator<Item = &'a str>) {
        self.kinds.extend(kinds.into_iter().map(str::to_owned));
    }

    /// Whether something was found that explains why no signature counts.
    pub(crate) fn explain_absence(&self) -> bool {
        !self.faults.is_empty()
            || self
                .reasons
                .iter()
                .any(|(rank, _)| *rank != Rank::Misplaced)
    }

    /// What may be anything: it could not be fetched. What its registry says is not there is not among it.
    pub(crate) fn open(&self) -> &[Fault] {
        &self.open
    }

    pub(crate) fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The kinds of artifacts found instead of signatures.
    pub(crate) fn kinds(&self) -> Vec<String> {
        self.kinds.iter().take(KINDS_NAMED).cloned().collect()
    }

    /// Why nothing counts, the nearest miss first.
    pub(crate) fn reasons(&self) -> Vec<Reason> {
        let mut reasons: Vec<_> = self.reasons.iter().collect();
        reasons.sort_by_key(|(rank, _)| *rank);
        distinct(reasons.into_iter().map(|(_, reason)| reason.clone()))
    }

    /// What nobody looked into, because it is damaged or too much: it may have been of any kind.
    pub(crate) fn unseen(&self) -> Vec<Reason> {
        let unseen = self.reasons.iter().filter(|(rank, reason)| {
            matches!(rank, Rank::Damaged | Rank::Unlisted)
                || reason.as_ref().code == Code::new("too-large")
        });
        distinct(unseen.map(|(_, reason)| reason.clone()))
    }

    /// Why something does not count elsewhere either.
    pub(crate) fn extend(&mut self, other: Self) {
        self.reasons.extend(other.reasons);
    }

    /// All of it, where it changed nothing.
    pub(crate) fn into_remarks(self) -> Vec<Finding> {
        let reasons = self.reasons().into_iter().map(|reason| reason.0);
        reasons
            .chain(self.faults.iter().map(|fault| fault.0.clone()))
            .collect()
    }
}

/// Each once, in the order of its first appearance.
pub(crate) fn distinct<T: PartialEq>(all: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut distinct = Vec::new();
    for one in all {
        if !distinct.contains(&one) {
            distinct.push(one);
        }
    }
    distinct
}

//! What the verdict on an index is, with those on everything that it lists.
//!
//! The worst of all of them: joining verdicts makes none better. Made where a demand reaches the children. Nothing is judged
//! here.

use std::fmt;

use countersign_common::children::Listed;

use super::{Fault, Finding, Level, Occasion, Outcome, Reason, Verdict, distinct};

/// The judgement on a manifest that an index lists.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Child {
    listed: Listed,
    verdict: Verdict,
}

impl Child {
    pub(crate) fn of(listed: Listed, verdict: Verdict) -> Self {
        Self { listed, verdict }
    }

    /// As what the index lists it, which decides nothing.
    pub fn listed(&self) -> &Listed {
        &self.listed
    }

    /// What follows for it alone, as if it were asked for by its digest.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// The same finding, where it is shown among those of other children.
    fn finding(&self, finding: &Finding) -> Finding {
        Finding {
            message: format!("{self}: {}", finding.message),
            ..finding.clone()
        }
    }
}

impl fmt::Display for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = self.verdict.digest();
        let digest = digest.map_or_else(String::new, |digest| format!(" {}", digest.short()));
        write!(f, "{}{digest}", self.listed)
    }
}

/// All that decided, and of each child what weighs most.
#[derive(Default)]
struct Joined {
    level: Option<Level>,
    reasons: Vec<Reason>,
    faults: Vec<Fault>,
}

impl Joined {
    fn of(index: &Outcome) -> Self {
        let mut joined = Self::default();
        match index {
            Outcome::Verified(level) => joined.level = Some(*level),
            Outcome::Refused(reasons) => joined.reasons.clone_from(reasons),
            Outcome::Undecided(faults) => joined.faults.clone_from(faults),
        }
        joined
    }

    fn add(&mut self, child: &Child) {
        match child.verdict.outcome() {
            // Never more than what is shown of the least of them.
            Outcome::Verified(level) => self.level = self.level.min(Some(*level)),
            Outcome::Refused(reasons) => {
                self.level = None;
                let first = reasons.first();
                let about = first.map(|reason| reason.with(|finding| child.finding(finding)));
                self.reasons.extend(about);
            }
            Outcome::Undecided(faults) => {
                self.level = None;
                let first = faults.first();
                let about = first.map(|fault| fault.with(|finding| child.finding(finding)));
                self.faults.extend(about);
            }
        }
    }

    /// Refused before could-not-decide, as of one image; with what then decides nothing.
    fn outcome(self) -> (Outcome, Vec<Finding>) {
        match self.level {
            Some(level) => (Outcome::Verified(level), Vec::new()),
            None if self.reasons.is_empty() => (Outcome::Undecided(self.faults), Vec::new()),
            None => {
                let faults = self.faults.iter().map(|fault| fault.as_ref().clone());
                (Outcome::Refused(self.reasons), faults.collect())
            }
        }
    }
}

impl Verdict {
    /// Joins the verdict on an index with those on all that it lists: verified if each of them is, and the worst of them
    /// otherwise.
    pub(crate) fn with_children(mut self, children: Vec<Child>) -> Self {
        let mut joined = Joined::of(&self.outcome);
        for child in &children {
            joined.add(child);
        }
        let (outcome, undecided) = joined.outcome();
        let noticed = children.iter().filter_map(|child| {
            let first = child.verdict.remarks().first()?;
            Some(child.finding(first))
        });
        self.remarks = distinct(self.remarks.into_iter().chain(undecided).chain(noticed));
        self.outcome = outcome;
        self.children = Some(children);
        self
    }

    /// What an index lists, where that was demanded: nothing of an image, and `None` where it was not demanded or is not
    /// known.
    pub fn children(&self) -> Option<&[Child]> {
        self.children.as_deref()
    }

    /// Says of all of them in which layout they lie.
    pub(super) fn mark_in_layout(&mut self, layout: &str) {
        self.layout = Some(layout.to_owned());
        for child in self.children.iter_mut().flatten() {
            child.verdict.mark_in_layout(layout);
        }
    }

    /// Says of all of them that they were judged as of another time.
    pub(super) fn mark_as_of(&mut self) {
        self.occasion = Occasion::AsOf;
        for child in self.children.iter_mut().flatten() {
            child.verdict.mark_as_of();
        }
    }
}

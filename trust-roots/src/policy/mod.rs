//! What is demanded of images, and where: `policy.toml`.
//!
//! Parsed by whoever judges images, which asks it for the rule of each place. What cannot be met is refused when it is
//! parsed. It narrows what trust roots allow and never widens it; nothing is demanded by default, and nothing is
//! allowed by default.

mod document;
pub mod exception;
mod idle;
mod invalid;
mod matching;
mod reading;
mod source;

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    sync::Arc,
    time::Duration,
};

use countersign_common::{Code, Digest, KeyId, predicate::PredicateType};
use schemars::JsonSchema;
use serde::Deserialize;

pub use self::{
    exception::Exception,
    idle::{Idle, Vain},
    invalid::{PolicyInvalid, Position, Reason, SourceInvalid, Unknown},
    matching::{Matched, NoRule, Tie},
    source::RootSource,
};
use crate::{Pattern, RootName};

/// Every code of this module.
pub const CODES: &[Code] = &[
    NoRule::AMBIGUOUS,
    PolicyInvalid::CODE,
    NoRule::NOT_FOUND,
    NoRule::UNMAPPABLE,
];

/// What is demanded, where, and by which trust roots it is judged; at least one rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Policy {
    sha256: Digest,
    roots: BTreeMap<RootName, Arc<PinnedRoot>>,
    rules: Vec<Rule>,
}

impl Policy {
    /// Parses a `policy.toml`.
    pub fn parse(text: &str) -> Result<Self, PolicyInvalid> {
        reading::policy(text)
    }

    /// SHA-256 of its text: of two that look alike, which one it is.
    pub fn sha256(&self) -> &Digest {
        &self.sha256
    }

    /// The roots, by name.
    pub fn roots(&self) -> impl Iterator<Item = &PinnedRoot> {
        self.roots.values().map(Arc::as_ref)
    }

    /// The root of this name.
    pub fn root(&self, name: &RootName) -> Option<&PinnedRoot> {
        self.roots.get(name).map(Arc::as_ref)
    }

    /// The rules, as they stand in the file; each has another `matches`.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

/// A trust root as a policy names it: pinned, so that nobody is believed on first use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PinnedRoot {
    /// Its name in the policy.
    pub name: RootName,
    /// SHA-256 of the file of one of its versions.
    pub fingerprint: Digest,
    /// Where its versions lie, the first first; at least one.
    pub sources: Vec<RootSource>,
}

/// What is demanded of the images of some repositories.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rule {
    /// The line of the file at which it begins.
    pub line: usize,
    /// The repositories.
    pub matches: Pattern,
    /// The repositories that those mirror, if they do.
    pub mirrors: Option<Pattern>,
    /// Who may sign.
    pub root: Arc<PinnedRoot>,
    /// What becomes of an image that does not show what is demanded.
    pub mode: Mode,
    /// How much must be proven.
    pub require: Require,
    /// How old a heartbeat may be; always there from [`Require::Fresh`] on.
    pub heartbeat_max_age: Option<Duration>,
    /// Whether there must be a memory of what was seen before.
    pub state: StateUse,
    /// How old an image must at least be.
    pub min_age: Option<Duration>,
    /// How old an image may at most be.
    pub max_age: Option<Duration>,
    /// How many operators of time-stamp authorities must agree, if that is more than the root demands.
    pub time_threshold: Option<NonZeroUsize>,
    /// What becomes of an image that no tag names any more.
    pub superseded: Reaction,
    /// What becomes of an image that its publisher advises against.
    pub deprecated: Reaction,
    /// How long a gate still admits what it admitted before.
    pub grace: Duration,
    /// Who must have signed, if not any key of the root.
    pub signers: Option<Signers>,
    /// Attestations that must be there.
    pub attestations: BTreeSet<PredicateType>,
    /// Images of which less is demanded.
    pub exceptions: Vec<Exception>,
    /// What it says and has no effect, as it stands in the file.
    pub idle: Vec<Idle>,
    dating: Dating,
}

/// Where a rule demands dates.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Dating {
    /// That there is one that is proven.
    date: Option<Position>,
    /// That so many operators agree on it.
    threshold: Option<Position>,
}

impl Rule {
    /// Whether a root that lists so many operators of time-stamp authorities can prove the dates that are demanded. Where it
    /// lists none, an age is demanded in vain, too.
    pub fn check_operators(&self, listed: usize) -> Result<(), PolicyInvalid> {
        let wanted = self.time_threshold.map_or(0, NonZeroUsize::get);
        if let Some(at) = self.dating.threshold
            && wanted > listed
        {
            let reason = Reason::TimeThresholdAbove { wanted, listed };
            return Err(PolicyInvalid { at, reason });
        }
        match self.dating.date {
            Some(at) if listed == 0 => Err(PolicyInvalid {
                at,
                reason: Reason::Undatable,
            }),
            _ => Ok(()),
        }
    }
}

/// Several keys, and how many of them must have signed; never more than are listed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signers {
    /// How many.
    pub at_least: NonZeroUsize,
    /// The keys.
    pub of: BTreeSet<KeyId>,
    at: Position,
}

impl Signers {
    /// Which keys of a root they are, by all the names that it has for keys. One that it does not list would widen it. A name
    /// has no key where the key is of a kind that is not read; such a key signs nothing, and a key of two names signs once.
    pub fn keys(
        &self,
        listed: &BTreeMap<KeyId, Option<KeyId>>,
    ) -> Result<BTreeSet<KeyId>, PolicyInvalid> {
        let wrong = |reason| PolicyInvalid {
            at: self.at,
            reason,
        };
        let mut keys = BTreeSet::new();
        for name in &self.of {
            let key = listed
                .get(name)
                .ok_or_else(|| wrong(Reason::SignerUnlisted(name.clone())))?;
            keys.extend(key.clone());
        }
        if keys.len() < self.at_least.get() {
            return Err(wrong(Reason::SignersShared {
                at_least: self.at_least.get(),
                keys: keys.len(),
            }));
        }
        Ok(keys)
    }
}

/// What becomes of an image that does not show what is demanded.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It is refused.
    Enforce,
    /// It is said that it would be refused, and nothing else.
    Report,
}

impl Mode {
    /// Its name in a policy and in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Report => "report",
        }
    }
}

/// How much must be proven. Each also demands those before it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "kebab-case")]
pub enum Require {
    /// A key of the root signed the image.
    Signed,
    /// The date of its publication is proven.
    Dated,
    /// The signers lately called the tag table that lists it the latest.
    Fresh,
    /// That table is not older than one that was seen here before.
    ProvenFresh,
}

impl Require {
    /// Its name in a policy and in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Dated => "dated",
            Self::Fresh => "fresh",
            Self::ProvenFresh => "proven-fresh",
        }
    }
}

/// What becomes of an image that its publisher has moved on from.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Reaction {
    /// It is refused.
    Deny,
    /// It is said.
    #[default]
    Report,
}

/// Whether there must be a memory of what was seen before.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum StateUse {
    /// It is used where it is.
    #[default]
    Optional,
    /// Without it, images are refused.
    Required,
}

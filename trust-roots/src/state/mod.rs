//! What a verifier remembers between its runs: the time it has reached, and the newest root of each name.
//!
//! The command reads it before a judgement, advances it after one that succeeded, and keeps it in a file. Nothing here
//! touches that file or a clock, and neither the time nor the version of a root ever falls.

mod document;
mod refusal;

use std::{cmp::Ordering, collections::BTreeMap, num::NonZeroU64};

use countersign_common::{Digest, Timestamp};

use crate::{RootName, TimeRules};

pub use self::refusal::{CODES, RootRegression, StateCorrupt};

/// What a verifier remembers. The default is a verifier that remembers nothing yet.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct State {
    time_floor: Option<Timestamp>,
    roots: BTreeMap<RootName, RootMemory>,
}

/// What is remembered of a root.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RootMemory {
    version: NonZeroU64,
    sha256: Digest,
    probed: Timestamp,
}

/// A root as one run has seen it: followed from the pinned version to the newest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RootSeen {
    /// The newest.
    pub newest: RootMemory,
    /// The SHA-256 of each version before it.
    pub passed: BTreeMap<NonZeroU64, Digest>,
}

/// What one run has learned.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Advance {
    /// The greatest moment that was proven to have passed.
    pub floor: Option<Timestamp>,
    /// The roots that were used.
    pub roots: BTreeMap<RootName, RootSeen>,
}

impl State {
    /// Bytes of the longest file.
    pub const MAX_BYTES: usize = 1 << 20;
    /// How many roots it may name.
    pub const MAX_ROOTS: usize = 1_000;

    /// Parses what [`to_json`](Self::to_json) has written.
    pub fn parse(bytes: &[u8]) -> Result<Self, StateCorrupt> {
        document::parse(bytes)
    }

    /// The text to keep.
    pub fn to_json(&self) -> Vec<u8> {
        document::write(self)
    }

    /// The time to judge by: a clock that was set back does not make old things young again.
    pub fn now(&self, system: Timestamp) -> Timestamp {
        self.time_floor.map_or(system, |floor| floor.max(system))
    }

    /// The greatest moment that is known to have passed.
    pub fn time_floor(&self) -> Option<Timestamp> {
        self.time_floor
    }

    /// What is remembered of this root.
    pub fn root(&self, name: &RootName) -> Option<&RootMemory> {
        self.roots.get(name)
    }

    /// Refuses a root that is older than the remembered one, or that does not come from it: whoever has stolen the keys of an
    /// early version can sign another way to a later one.
    pub fn check_root(&self, name: &RootName, seen: &RootSeen) -> Result<(), RootRegression> {
        let Some(kept) = self.root(name) else {
            return Ok(());
        };
        if seen.newest.version < kept.version {
            return Err(RootRegression::Older {
                name: name.clone(),
                offered: seen.newest.version,
                remembered: kept.version,
            });
        }
        // A pin above what is remembered leaves nothing to compare: a person has pinned it.
        seen.sha256(kept.version)
            .map_or(Ok(()), |sha256| kept.check(name, kept.version, sha256))
    }

    /// The state after a run. Only forward, in whatever order many runs end.
    ///
    /// Of two roots of one version the first stays: [`check_root`](Self::check_root) has refused the second.
    #[must_use]
    pub fn advanced(&self, advance: &Advance, system_now: Timestamp) -> Self {
        let latest = system_now.plus(TimeRules::SKEW);
        // One lying authority must not carry every later run into the future, where all is stale.
        let floor = advance
            .floor
            .filter(|floor| latest.is_some_and(|latest| *floor <= latest));
        let mut roots = self.roots.clone();
        for (name, seen) in &advance.roots {
            let seen = RootMemory {
                probed: seen.newest.probed.min(system_now),
                ..seen.newest.clone()
            };
            roots
                .entry(name.clone())
                .and_modify(|kept| kept.advance(&seen, system_now))
                .or_insert(seen);
        }
        Self {
            time_floor: self.time_floor.max(floor),
            roots,
        }
    }
}

impl RootSeen {
    fn sha256(&self, version: NonZeroU64) -> Option<&Digest> {
        if version == self.newest.version {
            Some(&self.newest.sha256)
        } else {
            self.passed.get(&version)
        }
    }
}

/// One that was pinned itself.
impl From<RootMemory> for RootSeen {
    fn from(newest: RootMemory) -> Self {
        Self {
            newest,
            passed: BTreeMap::new(),
        }
    }
}

impl RootMemory {
    /// Refuses another file of the remembered version.
    pub fn check(
        &self,
        name: &RootName,
        version: NonZeroU64,
        sha256: &Digest,
    ) -> Result<(), RootRegression> {
        if version != self.version || *sha256 == self.sha256 {
            return Ok(());
        }
        Err(RootRegression::Twin {
            name: name.clone(),
            version,
            offered: sha256.clone(),
            remembered: self.sha256.clone(),
        })
    }

    /// Remembers a root by its version and the bytes of its file, and when a newer one was last looked for.
    pub fn new(version: NonZeroU64, file: &[u8], probed: Timestamp) -> Self {
        Self {
            version,
            sha256: Digest::sha256(file),
            probed,
        }
    }

    /// Its version.
    pub fn version(&self) -> NonZeroU64 {
        self.version
    }

    /// The SHA-256 of its file.
    pub fn sha256(&self) -> &Digest {
        &self.sha256
    }

    /// When a newer one was last looked for. Later than now if the clock was set back since: then it is time to look.
    pub fn probed(&self) -> Timestamp {
        self.probed
    }

    fn advance(&mut self, seen: &Self, system_now: Timestamp) {
        match seen.version.cmp(&self.version) {
            Ordering::Greater => self.clone_from(seen),
            // Left by a clock that was ahead, it would be later than every look for years.
            Ordering::Equal if seen.sha256 == self.sha256 && self.probed > system_now => {
                self.probed = seen.probed;
            }
            Ordering::Equal if seen.sha256 == self.sha256 => {
                self.probed = self.probed.max(seen.probed);
            }
            Ordering::Equal | Ordering::Less => {}
        }
    }
}

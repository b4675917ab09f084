//! What a verifier remembers between its runs: the time it has reached, and the newest root of each name.
//!
//! The command reads it before a judgement, advances it after one that succeeded, and keeps it in a file. Nothing here
//! touches that file or a clock, and nothing that is remembered ever falls.

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

/// What one run has learned.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Advance {
    /// The greatest moment that was proven to have passed.
    pub floor: Option<Timestamp>,
    /// The roots that were used.
    pub roots: BTreeMap<RootName, RootMemory>,
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

    /// Refuses a root that is older than the remembered one, or another one of its version.
    pub fn check_root(
        &self,
        name: &RootName,
        version: NonZeroU64,
        sha256: &Digest,
    ) -> Result<(), RootRegression> {
        let Some(kept) = self.root(name) else {
            return Ok(());
        };
        match version.cmp(&kept.version) {
            Ordering::Less => Err(RootRegression::Older {
                name: name.clone(),
                offered: version,
                remembered: kept.version,
            }),
            Ordering::Equal if *sha256 != kept.sha256 => Err(RootRegression::Twin {
                name: name.clone(),
                version,
                offered: sha256.clone(),
                remembered: kept.sha256.clone(),
            }),
            Ordering::Equal | Ordering::Greater => Ok(()),
        }
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
                probed: seen.probed.min(system_now),
                ..seen.clone()
            };
            roots
                .entry(name.clone())
                .and_modify(|kept| kept.advance(&seen))
                .or_insert(seen);
        }
        Self {
            time_floor: self.time_floor.max(floor),
            roots,
        }
    }
}

impl RootMemory {
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

    fn advance(&mut self, seen: &Self) {
        match seen.version.cmp(&self.version) {
            Ordering::Greater => self.clone_from(seen),
            Ordering::Equal if seen.sha256 == self.sha256 => {
                self.probed = self.probed.max(seen.probed);
            }
            Ordering::Equal | Ordering::Less => {}
        }
    }
}

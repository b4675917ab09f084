//! What one of several writers of a list does next, so that in the end the list has what each of them put there.
//!
//! No registry lets a list be written only if nobody else has: a writer that read before another's write, and writes after
//! it, takes away an entry that it never saw. Therefore each of ours
//!
//! - writes what it makes of a list within one turn of having read it;
//! - looks again when a turn has passed since it wrote, and leaves only when it finds all that it knows of;
//! - knows, besides its own, every entry that it has seen, and puts back what vanished and still is in the registry.
//!
//! So nothing is lost. Say that an entry is gone in the end, which its writer saw on leaving. Whoever took it away had read,
//! less than a turn before and so after this writer's last write, a list without it. Then somebody else put it back before
//! the leaving, who knows it too, wrote later and leaves later; that one saw it as well, so the same holds of it, and so on:
//! but there are only so many writes.
//!
//! Called by `fallback`. Sends nothing, and never decides what an entry is worth.

use std::collections::BTreeSet;

use countersign_common::Digest;

use crate::object::Object;

/// Entries that are asked after when they vanish: a registry may show other ones each time.
const CHECKS: usize = 100;

/// An entry of a list, as it stands there.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) digest: Digest,
    pub(crate) value: Object,
}

/// One writer.
#[derive(Clone, Debug)]
pub(crate) struct Merging {
    wanted: Vec<Entry>,
    unwanted: Option<Digest>,
    /// What others have listed.
    seen: Vec<Entry>,
    checks: usize,
}

/// What a writer does after a look.
#[derive(Clone, Debug)]
pub(crate) enum Next {
    /// It asks whether these are still there, says so, and looks again.
    Check(Vec<Digest>),
    Leave,
    /// It writes, within a turn of this look, and looks again when another has passed.
    Write(Edit),
}

/// A change of a list.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    pub(crate) added: Vec<Object>,
    pub(crate) removed: Option<Digest>,
}

impl Merging {
    /// Lists something.
    pub(crate) fn adding(entries: Vec<Entry>) -> Self {
        Self {
            wanted: entries,
            unwanted: None,
            seen: Vec::new(),
            checks: CHECKS,
        }
    }

    /// Lists something no more.
    pub(crate) fn removing(digest: Digest) -> Self {
        Self {
            unwanted: Some(digest),
            ..Self::adding(Vec::new())
        }
    }

    /// Looks at the list, of which no more than its limit is read and remembered.
    pub(crate) fn look(&mut self, listed: &[Entry], limit: usize) -> Next {
        let digests: BTreeSet<&Digest> = listed.iter().map(|entry| &entry.digest).collect();
        let is_missing = |entry: &&Entry| !digests.contains(&entry.digest);
        let vanished = self.seen.iter().filter(is_missing);
        let vanished: Vec<_> = vanished.map(|entry| entry.digest.clone()).collect();
        if !vanished.is_empty() {
            return Next::Check(vanished);
        }
        self.remember(listed, limit);
        let missing = self.wanted.iter().filter(is_missing);
        let edit = Edit {
            added: missing.map(|entry| entry.value.clone()).collect(),
            removed: self.unwanted.clone().filter(|it| digests.contains(it)),
        };
        if edit.added.is_empty() && edit.removed.is_none() {
            Next::Leave
        } else {
            Next::Write(edit)
        }
    }

    fn remember(&mut self, listed: &[Entry], limit: usize) {
        let known: BTreeSet<Digest> = self
            .wanted
            .iter()
            .chain(&self.seen)
            .map(|entry| entry.digest.clone())
            .chain(self.unwanted.clone())
            .collect();
        let new = listed.iter().filter(|entry| !known.contains(&entry.digest));
        self.seen
            .extend(new.take(limit.saturating_sub(known.len())).cloned());
    }

    /// Whether to ask after one that vanished; one that is not asked after is forgotten.
    pub(crate) fn may_check(&mut self, vanished: &Digest) -> bool {
        let may = self.checks > 0;
        self.checks = self.checks.saturating_sub(1);
        if !may {
            self.forget(vanished);
        }
        may
    }

    /// One that vanished is still there: it will be listed again.
    pub(crate) fn keep(&mut self, vanished: &Digest) {
        let is_it = |entry: &mut Entry| entry.digest == *vanished;
        let kept = self.seen.extract_if(.., is_it);
        self.wanted.extend(kept);
    }

    /// One that vanished is gone: somebody has removed it.
    pub(crate) fn forget(&mut self, vanished: &Digest) {
        self.seen.retain(|entry| entry.digest != *vanished);
    }
}

#[cfg(test)]
mod tests;

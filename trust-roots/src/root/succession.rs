//! What a version of a root takes back of the version before: keys, times, revocations, epochs, authorities. Asked by
//! [`lints`](super::lints).
//!
//! What was signed must go on to count, and what counted no more must not count again. What is still to come is for those who
//! sign to say, and nothing is refused for it here.

use std::collections::{BTreeMap, BTreeSet};

use countersign_common::Timestamp;

use super::{Contents, Lint, Scope, contents::canonical, reach::deciding};
use crate::{
    Pattern, Role,
    pattern::Choice,
    time::{Standing, Window},
};

pub(super) fn check(root: &Contents, previous: &Contents, now: Timestamp, found: &mut Vec<Lint>) {
    scopes(root, previous, found);
    epochs(root, previous, found);
    times(root, previous, now, found);
    revocations(root, previous, found);
    authorities(root, previous, now, found);
}

/// A scope that decided about some repositories, and one that decides about some of them now.
struct Heir<'c> {
    /// A pattern of the former.
    before: &'c Pattern,
    /// A pattern of the latter.
    now: &'c Pattern,
    scope: &'c Scope,
}

/// For each scope of the version before, by its position: those that decide in its place, itself if it stayed.
fn heirs<'c>(root: &'c Contents, previous: &'c Contents) -> BTreeMap<(usize, usize), Heir<'c>> {
    let (had, has) = (by_pattern(previous), by_pattern(root));
    let pairs = |pattern: &'c Pattern, among: &BTreeMap<&'c Pattern, usize>| {
        match among.get(pattern) {
            // Nothing is more specific than itself.
            Some(position) => vec![(pattern, *position)],
            None => deciding(pattern, among.iter().map(|(other, at)| (*other, *at))),
        }
    };
    let mut heirs = BTreeMap::new();
    let mut insert = |(before, was), (now, is): (&'c Pattern, usize)| {
        if let Some(scope) = root.scopes.get(is) {
            let heir = Heir { before, now, scope };
            heirs.entry((was, is)).or_insert(heir);
        }
    };
    for (pattern, is) in &has {
        for before in pairs(pattern, &had) {
            insert(before, (*pattern, *is));
        }
    }
    for (pattern, was) in had
        .iter()
        .filter(|(pattern, _)| !has.contains_key(*pattern))
    {
        for now in pairs(pattern, &has) {
            insert((*pattern, *was), now);
        }
    }
    heirs
}

fn by_pattern(root: &Contents) -> BTreeMap<&Pattern, usize> {
    let scopes = root.scopes.iter().enumerate();
    scopes
        .flat_map(|(position, scope)| scope.repositories.iter().map(move |one| (one, position)))
        .collect()
}

fn scopes(root: &Contents, previous: &Contents, found: &mut Vec<Lint>) {
    let heirs = heirs(root, previous);
    for (position, scope) in previous.scopes.iter().enumerate() {
        let Some(pattern) = scope.repositories.first() else {
            continue;
        };
        let of_scope = heirs.range((position, 0)..=(position, usize::MAX));
        let heirs: Vec<_> = of_scope.map(|(_, heir)| heir).collect();
        let deleted = deleted(scope, pattern, &heirs, found);
        for heir in heirs {
            left_out(root, scope, heir, &deleted, found);
            if heir.scope.epoch < scope.epoch {
                found.push(Lint::EpochFell {
                    pattern: pattern.clone(),
                    before: scope.epoch,
                    now: heir.scope.epoch,
                });
            }
        }
    }
}

/// Keys that are gone from a role wherever their scope's repositories went.
fn deleted<'c>(
    scope: &'c Scope,
    pattern: &Pattern,
    heirs: &[&Heir<'_>],
    found: &mut Vec<Lint>,
) -> BTreeSet<&'c String> {
    let mut deleted = BTreeSet::new();
    for role in Role::ALL {
        for id in scope.key_ids(role) {
            if !heirs
                .iter()
                .any(|heir| heir.scope.key_ids(role).contains(id))
            {
                deleted.insert(id);
                found.push(Lint::KeyDeleted {
                    id: id.clone(),
                    role,
                    pattern: pattern.clone(),
                });
            }
        }
    }
    deleted
}

/// A narrower pattern decides alone: what the keys of the wider one signed there would count no more, though nobody took
/// them out of anything.
fn left_out(
    root: &Contents,
    scope: &Scope,
    heir: &Heir<'_>,
    deleted: &BTreeSet<&String>,
    found: &mut Vec<Lint>,
) {
    let keys: BTreeSet<_> = Role::ALL
        .into_iter()
        .flat_map(|role| scope.key_ids(role))
        .collect();
    let is_listed = |id: &String| {
        let mut had = Role::ALL
            .into_iter()
            .filter(|role| scope.key_ids(*role).contains(id));
        had.any(|role| heir.scope.key_ids(role).contains(id))
    };
    let is_left_out =
        |id: &&&String| !deleted.contains(*id) && root.term(id).revoked.is_none() && !is_listed(id);
    found.extend(keys.iter().filter(is_left_out).map(|id| Lint::KeyLeftOut {
        id: (*id).clone(),
        before: heir.before.clone(),
        now: heir.now.clone(),
    }));
}

/// The epochs of single repositories.
fn epochs(root: &Contents, previous: &Contents, found: &mut Vec<Lint>) {
    let of = |contents: &Contents| -> Vec<String> {
        let scopes = contents.scopes.iter();
        scopes
            .flat_map(|scope| scope.epochs.keys().cloned())
            .collect()
    };
    let repositories: BTreeSet<String> = of(previous).into_iter().chain(of(root)).collect();
    for name in repositories {
        let epoch = |contents: &Contents| {
            let Choice::One((scope, _)) = contents.choose(&canonical(&name)?) else {
                return None;
            };
            Some(scope.epochs.get(&name).copied().unwrap_or(scope.epoch))
        };
        if let (Some(before), Some(now)) = (epoch(previous), epoch(root))
            && now < before
            && let Ok(pattern) = Pattern::parse(&name)
        {
            found.push(Lint::EpochFell {
                pattern,
                before,
                now,
            });
        }
    }
}

fn times(root: &Contents, previous: &Contents, now: Timestamp, found: &mut Vec<Lint>) {
    for id in previous.keys.keys() {
        if reopens(previous.term(id).valid, root.term(id).valid, now) {
            found.push(Lint::TermWidened { id: id.clone() });
        }
    }
}

/// Whether a moment that has passed counts now and did not before: whoever found an old key could have signed then.
fn reopens(before: Window, after: Window, now: Timestamp) -> bool {
    if after.start.is_some_and(|start| start > now) {
        return false;
    }
    let end = after.end.map_or(now, |end| end.min(now));
    let starts_earlier = before
        .start
        .is_some_and(|before| after.start.is_none_or(|after| after < before));
    starts_earlier || before.end.is_some_and(|before| before < end)
}

fn revocations(root: &Contents, previous: &Contents, found: &mut Vec<Lint>) {
    for (id, term) in &previous.terms {
        let Some(before) = term.revoked else {
            continue;
        };
        let now = root.terms.get(id).and_then(|term| term.revoked);
        if !before.is_kept_by(now) {
            found.push(Lint::RevocationWeakened { id: id.clone() });
        }
    }
}

fn authorities(root: &Contents, previous: &Contents, now: Timestamp, found: &mut Vec<Lint>) {
    for entry in &previous.time.authorities {
        let is_it = |other: &&super::TimeEntry| {
            other.anchor.id() == entry.anchor.id() && other.operator == entry.operator
        };
        let heirs: Vec<_> = root.time.authorities.iter().filter(is_it).collect();
        if heirs.is_empty() {
            found.push(Lint::TsaDeleted {
                uri: entry.uri.clone(),
            });
        } else if entry.standing == Standing::Compromised
            && heirs.iter().all(|heir| heir.standing == Standing::Good)
        {
            found.push(Lint::TsaRestored {
                uri: entry.uri.clone(),
            });
        }
    }
    for entry in &root.time.authorities {
        let anchor = entry.anchor.id();
        let mut before = (previous.time.authorities.iter())
            .filter(|before| before.anchor.id() == anchor)
            .peekable();
        if before.peek().is_some() && before.all(|before| reopens(before.valid, entry.valid, now)) {
            found.push(Lint::TsaWidened {
                uri: entry.uri.clone(),
            });
        }
    }
}

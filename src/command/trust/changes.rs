//! What one version of a root says otherwise than another, sentence by sentence: for whoever changes it, and for whoever
//! is to sign what somebody else changed.

use std::{collections::BTreeSet, time::Duration};

use countersign_common::Escaped;
use countersign_trust_roots::{
    Pattern, Revocation, Role, Term, TimeRules,
    root::{Accuracy, Contents, Counts, Scope, TimeEntry},
    time::{Standing, Window},
};

use super::wording;

/// Something that differs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Change {
    /// The sentence.
    pub(super) text: String,
    pub(super) effect: Effect,
}

/// What a change does to what is believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Effect {
    /// More is believed, or somebody more, than before.
    Loosens,
    /// It is not known to loosen anything.
    Other,
}

/// The sentences so far.
#[derive(Default)]
struct Said(Vec<Change>);

impl Said {
    fn says(&mut self, text: String) {
        self.weighs(text, false);
    }

    fn loosens(&mut self, text: String) {
        self.weighs(text, true);
    }

    fn weighs(&mut self, text: String, loosens: bool) {
        let effect = if loosens {
            Effect::Loosens
        } else {
            Effect::Other
        };
        self.0.push(Change { text, effect });
    }

    fn all(&mut self, texts: impl Iterator<Item = String>) {
        texts.for_each(|text| self.says(text));
    }
}

/// Everything that differs; of a first version, everything.
pub(super) fn changes(before: Option<&Contents>, after: &Contents) -> Vec<String> {
    let changes = weighed(before, after).into_iter();
    changes.map(|change| change.text).collect()
}

/// The same, and what each does.
pub(super) fn weighed(before: Option<&Contents>, after: &Contents) -> Vec<Change> {
    let mut said = Said::default();
    root(before, after, &mut said);
    scopes(before, after, &mut said);
    terms(before, after, &mut said);
    owners(before, after, &mut said);
    authorities(before, after, &mut said);
    unlisted(before, after, &mut said);
    counts(before, after, &mut said);
    said.0
}

fn root(before: Option<&Contents>, after: &Contents, said: &mut Said) {
    let (had, has) = (before.map(Contents::root_role), after.root_role());
    let had_ids = had.map(|role| role.key_ids.as_slice()).unwrap_or_default();
    for id in has.key_ids.iter().filter(|id| !had_ids.contains(id)) {
        said.loosens(format!("{} becomes a root key", wording::key(after, id)));
    }
    for id in had_ids.iter().filter(|id| !has.key_ids.contains(id)) {
        let name = before.map(|before| wording::key(before, id));
        said.says(format!(
            "{} is a root key no longer",
            name.unwrap_or_default()
        ));
    }
    if had.map(|role| role.threshold) != Some(has.threshold) {
        let was = had.map(|role| format!(", and not {}", role.threshold));
        let text = format!(
            "{} root keys must sign{}",
            has.threshold,
            was.unwrap_or_default()
        );
        said.weighs(text, had.is_some_and(|had| has.threshold < had.threshold));
    }
    if before.map(Contents::expires) != Some(after.expires()) {
        let was = before.map(|before| format!(", and not at {}", before.expires()));
        let text = format!(
            "it expires at {}{}",
            after.expires(),
            was.unwrap_or_default()
        );
        let is_later = |before: &Contents| after.expires() > before.expires();
        said.weighs(text, before.is_some_and(is_later));
    }
}

/// The scope that a scope was made from: one that has a pattern of it.
fn ancestor<'b>(before: Option<&'b Contents>, scope: &Scope) -> Option<&'b Scope> {
    before?.scopes().iter().find(|old| {
        old.repositories
            .iter()
            .any(|pattern| scope.repositories.contains(pattern))
    })
}

fn scopes(before: Option<&Contents>, after: &Contents, said: &mut Said) {
    for scope in after.scopes() {
        let old = ancestor(before, scope);
        let name = Escaped(&scope.name()).to_string();
        if old.is_none() {
            said.loosens(format!("a scope for {name}"));
        }
        patterns(old, (after, scope), said);
        key_roles((before, old), (after, scope), &name, said);
        settings(old, scope, &name, said);
    }
    let gone = before
        .into_iter()
        .flat_map(Contents::scopes)
        .filter(|old| ancestor(Some(after), old).is_none());
    for old in gone {
        let text = format!("no scope for {} any more", Escaped(&old.name()));
        let decides: Vec<_> = (old.repositories.iter())
            .flat_map(|pattern| after.deciding(pattern))
            .collect();
        falls_to(&decides, &text, said);
    }
}

/// Repositories that a scope decides about no more. One with a more general pattern may do so in its place, and its keys count
/// there from then on.
fn falls_to(decides: &[&Scope], text: &str, said: &mut Said) {
    let names: BTreeSet<_> = decides
        .iter()
        .map(|scope| Escaped(&scope.name()).to_string())
        .collect();
    if names.is_empty() {
        said.says(text.to_owned());
        return;
    }
    let names = wording::listing(&names.into_iter().collect::<Vec<_>>());
    said.loosens(format!("{text}: the scope for {names} decides there"));
}

fn key_roles(
    (before, old): (Option<&Contents>, Option<&Scope>),
    (after, scope): (&Contents, &Scope),
    name: &str,
    said: &mut Said,
) {
    let roles = |scope: Option<&Scope>, id: &String| -> BTreeSet<&'static str> {
        let listed = |role: &Role| scope.is_some_and(|scope| scope.key_ids(*role).contains(id));
        let roles = Role::ALL.into_iter().filter(listed);
        roles.map(Role::name).collect()
    };
    for id in key_ids(old, scope) {
        let (had, has) = (roles(old, id), roles(Some(scope), id));
        let named = if after.keys().contains_key(id) {
            Some(after)
        } else {
            before
        };
        let key = named.map(|root| wording::key(root, id)).unwrap_or_default();
        for (verb, gained) in [
            (GETS, has.difference(&had)),
            ("loses", had.difference(&has)),
        ] {
            let gained: Vec<_> = gained.map(ToString::to_string).collect();
            if !gained.is_empty() {
                let plural = if gained.len() == 1 { "" } else { "s" };
                let gained = wording::listing(&gained);
                let text = format!("{key} {verb} the role{plural} {gained} of {name}");
                said.weighs(text, verb == GETS);
            }
        }
    }
}

const GETS: &str = "gets";

/// The keys of either, each once, in the order of the file.
fn key_ids<'s>(old: Option<&'s Scope>, scope: &'s Scope) -> Vec<&'s String> {
    let mut ids: Vec<&String> = Vec::new();
    for scope in [Some(scope), old].into_iter().flatten() {
        for role in Role::ALL.into_iter().rev() {
            for id in scope.key_ids(role) {
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
        }
    }
    ids
}

fn patterns(old: Option<&Scope>, (after, scope): (&Contents, &Scope), said: &mut Said) {
    let Some(old) = old else { return };
    let texts =
        |scope: &Scope| -> BTreeSet<Pattern> { scope.repositories.iter().cloned().collect() };
    let (had, has) = (texts(old), texts(scope));
    for pattern in has.difference(&had) {
        said.loosens(format!("the scope for {} is for {pattern} too", old.name()));
    }
    for pattern in had.difference(&has) {
        // Where another scope has the pattern now, that one is compared.
        let is_moved = |other: &Scope| other.repositories.contains(pattern);
        let mut decides = after.deciding(pattern);
        decides.retain(|other| !std::ptr::eq(*other, scope) && !is_moved(other));
        let text = format!("the scope for {} is not for {pattern}", scope.name());
        falls_to(&decides, &text, said);
    }
}

fn settings(old: Option<&Scope>, scope: &Scope, name: &str, said: &mut Said) {
    let had = old.map(described);
    for (position, (now, laxity)) in described(scope).into_iter().enumerate() {
        let was = had.as_ref().and_then(|had| had.get(position));
        match was {
            Some((was, _)) if *was == now => {}
            Some((was, before)) => {
                said.weighs(format!("{name}: {now}; it was: {was}"), laxity > *before);
            }
            None => said.says(format!("{name}: {now}")),
        }
    }
    epochs(old, scope, said);
}

/// Each setting, and how much it lets pass: only compared with another of the same.
fn described(scope: &Scope) -> [(String, u64); 4] {
    [
        (format!("epoch {}", scope.epoch), u64::MAX - scope.epoch),
        (
            format!(
                "tables of tags may be {} old",
                wording::length(scope.tag_table_max_seconds)
            ),
            scope.tag_table_max_seconds,
        ),
        (
            format!(
                "heartbeats may be {} old",
                wording::length(scope.heartbeat_max_seconds)
            ),
            scope.heartbeat_max_seconds,
        ),
        (
            format!(
                "statements lie in {}",
                wording::statements(scope.statements)
            ),
            0,
        ),
    ]
}

fn epochs(old: Option<&Scope>, scope: &Scope, said: &mut Said) {
    let old_epochs = old.map(|old| &old.epochs);
    for (repository, epoch) in &scope.epochs {
        let was = old_epochs.and_then(|epochs| epochs.get(repository));
        if was != Some(epoch) {
            let was = was.copied().or(old.map(|old| old.epoch));
            let text = format!("{}: epoch {epoch}", Escaped(repository));
            said.weighs(text, was.is_some_and(|was| *epoch < was));
        }
    }
    for (repository, epoch) in old_epochs.into_iter().flatten() {
        if !scope.epochs.contains_key(repository) {
            let text = format!("{}: the epoch of its scope", Escaped(repository));
            said.weighs(text, scope.epoch < *epoch);
        }
    }
}

fn terms(before: Option<&Contents>, after: &Contents, said: &mut Said) {
    for id in after.keys().keys() {
        let known = before.filter(|before| before.keys().contains_key(id));
        let had = known.map(|before| before.term(id)).unwrap_or_default();
        let has = after.term(id);
        if had != has {
            let key = wording::key(after, id);
            let was = known.map(|_| format!("; it was: {}", when(&had)));
            let text = format!("{key} counts {}{}", when(&has), was.unwrap_or_default());
            said.weighs(text, known.is_some() && admits_more(&had, &has));
        }
    }
}

/// Whether a moment counts that did not. Of another revocation that is not known, unless nothing counts.
fn admits_more(had: &Term, has: &Term) -> bool {
    let nothing = Some(Revocation::Compromised { at: None });
    let lifted = had.revoked.is_some() && has.revoked != had.revoked && has.revoked != nothing;
    widens(had.valid, has.valid) || lifted
}

/// Whether a stretch of time begins earlier or ends later.
fn widens(had: Window, has: Window) -> bool {
    let earlier = had
        .start
        .is_some_and(|start| has.start.is_none_or(|now| now < start));
    let later = had
        .end
        .is_some_and(|end| has.end.is_none_or(|now| now > end));
    earlier || later
}

fn when(term: &Term) -> String {
    if let Some(Revocation::Compromised { at: None }) = term.revoked {
        return "at no time, as it is compromised".to_owned();
    }
    let text = wording::term(term);
    if text.is_empty() {
        "always".to_owned()
    } else {
        text
    }
}

/// People recognize keys by them, so nobody should change them unseen.
fn owners(before: Option<&Contents>, after: &Contents, said: &mut Said) {
    for (id, key) in after.keys() {
        let old = before.and_then(|before| before.keys().get(id));
        let Some(old) = old else { continue };
        if (&old.owner, &old.kms) != (&key.owner, &key.kms) {
            let was = before.map(|before| wording::key(before, id));
            let text = |text: &Option<String>| {
                text.as_ref()
                    .map_or_else(|| "nothing".to_owned(), |text| Escaped(text).to_string())
            };
            said.says(format!(
                "{} is labelled: owner {}, KMS key {}",
                was.unwrap_or_default(),
                text(&key.owner),
                text(&key.kms)
            ));
        }
    }
}

fn authorities(before: Option<&Contents>, after: &Contents, said: &mut Said) {
    let is_same = |one: &TimeEntry, other: &TimeEntry| {
        (one.anchor.id(), &one.uri, &one.operator)
            == (other.anchor.id(), &other.uri, &other.operator)
    };
    let old = before.map(|before| before.time().authorities.as_slice());
    let old = old.unwrap_or_default();
    for entry in &after.time().authorities {
        let name = authority(entry);
        match old.iter().find(|old| is_same(old, entry)) {
            // Whoever is to sign must not read that it is believed.
            None if entry.standing == Standing::Compromised => {}
            None => said.loosens(format!(
                "{name} is believed about time{}",
                stretch(entry.valid)
            )),
            Some(old) => {
                if old.valid != entry.valid {
                    let text = format!(
                        "{name} is believed{}; it was:{}",
                        stretch(entry.valid),
                        stretch(old.valid)
                    );
                    said.weighs(text, widens(old.valid, entry.valid));
                }
                if old.default_accuracy_seconds != entry.default_accuracy_seconds {
                    let seconds = entry.default_accuracy_seconds.unwrap_or_default();
                    let accuracy = wording::length(seconds);
                    let text = format!("{name} is exact to {accuracy} where it does not say");
                    // A date that was too inexact to be proven may be proven now.
                    said.weighs(text, exactness(entry) < exactness(old));
                }
                if old.anchor != entry.anchor {
                    // Which stamps lead to them, and until when, is not compared.
                    said.loosens(format!(
                        "{name} has other certificates, of the same root key"
                    ));
                }
            }
        }
        let was = old.iter().find(|old| is_same(old, entry));
        let was = was.map_or(Standing::Good, |old| old.standing);
        standing(&name, (was, entry.standing), said);
    }
    for gone in old {
        if !after
            .time()
            .authorities
            .iter()
            .any(|entry| is_same(gone, entry))
        {
            said.says(format!("{} is not listed any more", authority(gone)));
        }
    }
}

fn exactness(entry: &TimeEntry) -> Duration {
    let said = entry.default_accuracy_seconds;
    said.map_or(TimeRules::ACCURACY, Duration::from_secs)
}

fn standing(name: &str, (was, is): (Standing, Standing), said: &mut Said) {
    match (was, is) {
        (Standing::Good, Standing::Compromised) => {
            said.says(format!("{name} is compromised: all its stamps are void"));
        }
        (Standing::Compromised, Standing::Good) => {
            said.loosens(format!("{name} is compromised no longer"));
        }
        (Standing::Good, Standing::Good) | (Standing::Compromised, Standing::Compromised) => {}
    }
}

/// What counts for nobody today would count for whoever is listed tomorrow.
fn unlisted(before: Option<&Contents>, after: &Contents, said: &mut Said) {
    let had = before.map(|before| before.time().unlisted.as_slice());
    let (had, has) = (had.unwrap_or_default(), &after.time().unlisted);
    let sentence = |one: &Accuracy, again: &str| {
        format!(
            "{} of {} is said to be exact to {}, though no authority is listed so{again}",
            Escaped(&one.uri),
            Escaped(&one.operator),
            wording::length(one.seconds)
        )
    };
    let begun = has.iter().filter(|one| !had.contains(one));
    said.all(begun.map(|one| sentence(one, "")));
    let gone = had.iter().filter(|one| !has.contains(one));
    said.all(gone.map(|one| sentence(one, ": no longer")));
}

/// Who it is, and enough of its root key to tell it from another.
fn authority(entry: &TimeEntry) -> String {
    let operator = if entry.operator.is_empty() {
        "nobody"
    } else {
        &entry.operator
    };
    let root: String = entry.anchor.id().hex().chars().take(12).collect();
    format!(
        "the time-stamp authority {} of {} (root key {root}…)",
        Escaped(&entry.uri),
        Escaped(operator)
    )
}

fn stretch(window: Window) -> String {
    match wording::window(window) {
        text if text.is_empty() => " always".to_owned(),
        text => format!(" {text}"),
    }
}

fn counts(before: Option<&Contents>, after: &Contents, said: &mut Said) {
    let all = |contents: &Contents| {
        let time = contents.time();
        [
            ("publication", time.publication),
            ("table of tags", time.tag_table),
            ("heartbeat", time.heartbeat),
        ]
    };
    let had = before.map(all);
    for (position, (document, now)) in all(after).into_iter().enumerate() {
        let was = had.and_then(|had| had.get(position).map(|(_, counts)| *counts));
        let Counts { collect, threshold } = now;
        if was != Some(now) {
            let plural = if collect == 1 { "" } else { "s" };
            let text = format!(
                "a {document} is stamped by {collect} operator{plural}, of whom {threshold} must count"
            );
            said.weighs(text, was.is_some_and(|was| threshold < was.threshold));
        }
    }
    let interval = after.time().max_interval_seconds;
    let was = before.map(|before| before.time().max_interval_seconds);
    if was != Some(interval) {
        let text = format!("a date is proven to within {}", wording::length(interval));
        said.weighs(text, was.is_some_and(|was| interval > was));
    }
}

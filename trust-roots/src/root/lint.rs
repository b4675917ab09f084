//! What makes a root unsafe though every signature on it is right. Asked before somebody signs one, and by `trust doctor`.
//!
//! Each of these was somebody's disaster, or would be. Verifiers do not ask: a root that is in force is not made better by
//! refusing everything.

use std::collections::{BTreeMap, BTreeSet};

use countersign_common::{Algorithm, Code, Escaped, Explain, KeyId, Timestamp};

use super::{
    Contents,
    chain::may_sign_roots,
    reach::{beginning, overlap},
    succession,
};
use crate::{Pattern, Role, TimeRulesError, pattern::Specificity};

/// One thing that makes a root unsafe.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Lint {
    /// How exact its stamps are would be a guess.
    #[error("the root does not say how exact the stamps of {} are", Escaped(uri))]
    AccuracyMissing {
        /// The authority.
        uri: String,
    },
    /// Fewer stamps are collected than must count.
    #[error(
        "signers collect the stamps of {collect} operators for {documents}, and {threshold} must count"
    )]
    CollectTooLow {
        /// Of which documents.
        documents: &'static str,
        /// How many are collected.
        collect: usize,
        /// How many must count.
        threshold: usize,
    },
    /// The epoch of a scope fell.
    #[error(
        "the epoch of `{pattern}` fell from {before} to {now}, so tables that were void count again"
    )]
    EpochFell {
        /// A pattern of the scope.
        pattern: Pattern,
        /// The epoch in the version before.
        before: u64,
        /// The epoch now.
        now: u64,
    },
    /// It is over, or nearly so, before it begins.
    #[error("it expires at {expires}, and it is {now}")]
    Expired {
        /// When.
        expires: Timestamp,
        /// When it was looked at.
        now: Timestamp,
    },
    /// What a key signed would count no more, or for another key.
    #[error("key {} was in the role {} of `{pattern}` and is gone: what it signed would count no more", Escaped(id), role.name())]
    KeyDeleted {
        /// The key.
        id: String,
        /// The role.
        role: Role,
        /// A pattern of the scope.
        pattern: Pattern,
    },
    /// What a key signed in some repositories would count no more, since another scope decides about them.
    #[error(
        "key {} signed in `{before}` and is not in the scope of `{now}`: what it signed there would count no more",
        Escaped(id)
    )]
    KeyLeftOut {
        /// The key.
        id: String,
        /// A pattern of the scope that decided.
        before: Pattern,
        /// A pattern of the scope that decides.
        now: Pattern,
    },
    /// One person counts as two.
    #[error(
        "keys {} and {} are one key under two ids",
        Escaped(one),
        Escaped(other)
    )]
    KeyTwice {
        /// One id.
        one: String,
        /// The other.
        other: String,
    },
    /// A date would not say the day.
    #[error("a date may be as inexact as {seconds} s, within which whoever holds a key chooses it")]
    IntervalTooWide {
        /// How wide a proven interval may be.
        seconds: u64,
    },
    /// A key that never counts.
    #[error(
        "key {} is of a kind that is not understood, so it never counts",
        Escaped(id)
    )]
    KeyUnusable {
        /// The key.
        id: String,
    },
    /// Whoever signs would not be shown all that is signed.
    #[error(
        "its `{}` says what is not understood here, so nobody who signs would be shown it",
        Escaped(path)
    )]
    NotUnderstood {
        /// The first such member, from `signed` on.
        path: String,
    },
    /// Who vouches for an authority is not said.
    #[error(
        "several time-stamp authorities are listed, and {} names no operator",
        Escaped(uri)
    )]
    OperatorMissing {
        /// The authority.
        uri: String,
    },
    /// More must stamp than there are: nothing of the kind could be signed, or count.
    #[error(
        "{wanted} operators must stamp {documents}, and the number of those whose stamps count is {operators}"
    )]
    OperatorsTooFew {
        /// Which documents.
        documents: &'static str,
        /// How many must.
        wanted: usize,
        /// How many there are.
        operators: usize,
    },
    /// A revocation was taken back.
    #[error("the revocation of key {} is gone, or later than it was", Escaped(id))]
    RevocationWeakened {
        /// The key.
        id: String,
    },
    /// The key that decides over all others lies where programs use it.
    #[error("root key {} is also used for {}", Escaped(id), role)]
    RootKeyOnline {
        /// The key.
        id: String,
        /// For what.
        role: &'static str,
    },
    /// Nobody could ever change the root again.
    #[error(
        "{keys} root keys with a threshold of {threshold}: if one is lost, the root can never be changed again"
    )]
    RootKeyLossFatal {
        /// How many there are.
        keys: usize,
        /// How many must sign.
        threshold: usize,
    },
    /// A root key whose signatures never count.
    #[error(
        "root key {} signs with `{algorithm}`, which counts for no root: TUF knows RSA with PSS alone, and not all of its clients \
         know P-521",
        Escaped(id)
    )]
    RootKeyUnusable {
        /// The key.
        id: String,
        /// How it signs.
        algorithm: Algorithm,
    },
    /// Two scopes that are equally specific.
    #[error("`{one}` and `{other}` grant the same repositories, and neither is more specific")]
    ScopesOverlap {
        /// One pattern.
        one: Pattern,
        /// The other.
        other: Pattern,
    },
    /// What a key signed when it was not to would count.
    #[error(
        "the time of key {} has grown into the past: what it signed outside of it would count",
        Escaped(id)
    )]
    TermWidened {
        /// The key.
        id: String,
    },
    /// More than there are must sign.
    #[error(
        "the role {} has {keys} keys and a threshold of {threshold}",
        Escaped(role)
    )]
    ThresholdTooHigh {
        /// TUF's role.
        role: String,
        /// How many keys it has.
        keys: usize,
        /// How many must sign.
        threshold: usize,
    },
    /// Its time-stamp authorities cannot be used together.
    #[error("its time-stamp authorities cannot be used together: {0}")]
    Time(TimeRulesError),
    /// What it stamped would count no more.
    #[error(
        "the time-stamp authority {} was listed and is gone: what it stamped would count no more",
        Escaped(uri)
    )]
    TsaDeleted {
        /// The authority.
        uri: String,
    },
    /// It was void, and its stamps count again.
    #[error("the stamps of {} were void and count again", Escaped(uri))]
    TsaRestored {
        /// The authority.
        uri: String,
    },
    /// What it stamped when it was not believed would count.
    #[error(
        "the time in which the stamps of {} count has grown into the past",
        Escaped(uri)
    )]
    TsaWidened {
        /// The authority.
        uri: String,
    },
    /// Other TUF clients would trust other keys than we do.
    #[error(
        "TUF's role {role} has not the keys that {} in the first scope now",
        task
    )]
    TufRoleDiffers {
        /// TUF's role.
        role: &'static str,
        /// What those keys do.
        task: &'static str,
    },
}

impl Lint {
    /// The code of each.
    pub const CODE: Code = Code::new("root-lint");
}

impl Explain for Lint {
    fn code(&self) -> Code {
        Self::CODE
    }

    fn remedy(&self) -> String {
        match self {
            Self::AccuracyMissing { .. } | Self::OperatorMissing { .. } => {
                "say it: `countersign trust add-tsa --url URL --chain FILE --operator NAME --accuracy 1s`".to_owned()
            }
            Self::CollectTooLow { .. } => "collect at least as many as must count".to_owned(),
            Self::EpochFell { .. } => "let the epoch rise: `countersign trust set-scope --epoch N`".to_owned(),
            Self::Expired { .. } => "set a later end: `--valid-for 365d`".to_owned(),
            Self::IntervalTooWide { .. } => {
                "take `maxIntervalSeconds` out of the file, which is JSON: then it is 600; a day is the most".to_owned()
            }
            Self::KeyDeleted { .. } => {
                "leave it in its role, and end its time: `countersign trust remove-key`, or `revoke`".to_owned()
            }
            Self::KeyLeftOut { now, .. } => format!(
                "list it there, too, if only for what it signed: `countersign trust add-key --scope '{now}'`"
            ),
            Self::KeyTwice { .. } => "leave one of them out".to_owned(),
            Self::KeyUnusable { .. } => "use an ECDSA, Ed25519, ML-DSA or RSA key".to_owned(),
            Self::NotUnderstood { .. } => {
                "take it out of the file, which is JSON; or let those sign who know the program that wrote it".to_owned()
            }
            Self::OperatorsTooFew { .. } => {
                "add an authority of another operator: `countersign trust add-tsa`; or demand fewer in its `stamps`".to_owned()
            }
            Self::RevocationWeakened { .. } | Self::TermWidened { .. } => {
                "leave it as it was; give the signer a new key: `countersign trust rotate`".to_owned()
            }
            Self::RootKeyOnline { .. } => {
                "keep root keys for roots alone, with three people; make another key for this".to_owned()
            }
            Self::RootKeyLossFatal { .. } => {
                "add a root key: `countersign trust add-key --role root`; or lower the threshold: `--threshold N`".to_owned()
            }
            Self::RootKeyUnusable { .. } => {
                "put another key in its place: `countersign trust rotate`; or, if it is an RSA key, list it with `--algorithm rsa-pss-sha256`".to_owned()
            }
            Self::ScopesOverlap { .. } => {
                "remove the draft that adds one of them, and begin again: name a longer one, or both in one `countersign trust set-scope`".to_owned()
            }
            Self::ThresholdTooHigh { .. } => "add keys, or lower the threshold".to_owned(),
            Self::Time(TimeRulesError::AnchorShared { .. }) => {
                "remove the draft that lists one of them, and begin again: give both the same `--operator`".to_owned()
            }
            Self::Time(source) => source.remedy(),
            Self::TsaDeleted { .. } => {
                "leave it listed, and end its time: `countersign trust add-tsa --until TIME`".to_owned()
            }
            Self::TsaRestored { .. } => {
                "leave it void; add what replaces it: `countersign trust add-tsa`".to_owned()
            }
            Self::TsaWidened { .. } => {
                "leave it as it was; list what it is asked for now as another authority: `countersign trust add-tsa`".to_owned()
            }
            Self::TufRoleDiffers { .. } => {
                "edit roots with `countersign trust`, which keeps them equal".to_owned()
            }
        }
    }
}

/// Everything that makes a root unsafe, by itself and as the version after another. Empty: it may be signed.
pub fn lints(root: &Contents, previous: Option<&Contents>, now: Timestamp) -> Vec<Lint> {
    let mut found = Vec::new();
    if let Some(path) = &root.beyond {
        found.push(Lint::NotUnderstood { path: path.clone() });
    }
    if now >= root.expires {
        found.push(Lint::Expired {
            expires: root.expires,
            now,
        });
    }
    root_keys(root, &mut found);
    keys(root, &mut found);
    thresholds(root, &mut found);
    scopes(root, &mut found);
    tuf_roles(root, &mut found);
    time(root, now, &mut found);
    if let Some(previous) = previous {
        succession::check(root, previous, now, &mut found);
    }
    found
}

fn root_keys(root: &Contents, found: &mut Vec<Lint>) {
    let role = root.root_role();
    let key = |id: &String| root.keys.get(id)?.key.as_ref();
    let mut roots: BTreeMap<&KeyId, &String> = BTreeMap::new();
    // A key that never counts is no help where another is lost.
    let mut counting = BTreeSet::new();
    for (id, key) in root.root_keys() {
        roots.insert(key.id(), id);
        if may_sign_roots(key) {
            counting.insert(key.id());
        } else {
            found.push(Lint::RootKeyUnusable {
                id: id.clone(),
                algorithm: key.algorithm(),
            });
        }
    }
    if counting.len() <= role.threshold {
        found.push(Lint::RootKeyLossFatal {
            keys: counting.len(),
            threshold: role.threshold,
        });
    }
    let of_scopes = root.scopes.iter().flat_map(|scope| {
        let uses = Role::ALL
            .into_iter()
            .map(move |role| (role.name(), scope.key_ids(role)));
        uses.flat_map(|(name, ids)| ids.iter().map(move |id| (name, id)))
    });
    let of_tuf = root.roles.iter().filter(|(name, _)| *name != "root");
    let of_tuf =
        of_tuf.flat_map(|(_, role)| role.key_ids.iter().map(|id| ("TUF's online roles", id)));
    let mut seen = BTreeSet::new();
    for (role, id) in of_scopes.chain(of_tuf) {
        if let Some(root_id) = key(id).and_then(|key| roots.get(key.id()))
            && seen.insert(*root_id)
        {
            found.push(Lint::RootKeyOnline {
                id: (*root_id).clone(),
                role,
            });
        }
    }
}

fn keys(root: &Contents, found: &mut Vec<Lint>) {
    let mut seen: BTreeMap<&KeyId, &String> = BTreeMap::new();
    for (id, declared) in &root.keys {
        let Some(key) = &declared.key else {
            found.push(Lint::KeyUnusable { id: id.clone() });
            continue;
        };
        if let Some(one) = seen.insert(key.id(), id) {
            found.push(Lint::KeyTwice {
                one: one.clone(),
                other: id.clone(),
            });
        }
    }
}

fn thresholds(root: &Contents, found: &mut Vec<Lint>) {
    for (name, role) in &root.roles {
        // A scope without publishers leaves TUF's roles without keys: nobody is to sign them.
        if role.threshold > role.key_ids.len() && (name == "root" || !role.key_ids.is_empty()) {
            found.push(Lint::ThresholdTooHigh {
                role: name.clone(),
                keys: role.key_ids.len(),
                threshold: role.threshold,
            });
        }
    }
}

fn scopes(root: &Contents, found: &mut Vec<Lint>) {
    // Two that are equally specific and match one repository have one beginning.
    let mut alike: BTreeMap<(&str, Specificity), Vec<(usize, &Pattern)>> = BTreeMap::new();
    for (position, scope) in root.scopes.iter().enumerate() {
        for pattern in &scope.repositories {
            let key = (beginning(pattern), pattern.specificity());
            alike.entry(key).or_default().push((position, pattern));
        }
    }
    for alike in alike.values() {
        for (position, (scope, one)) in alike.iter().enumerate() {
            let others = alike.iter().skip(position + 1);
            let tied =
                others.filter(|(other_scope, other)| scope != other_scope && overlap(one, other));
            found.extend(tied.map(|(_, other)| Lint::ScopesOverlap {
                one: (*one).clone(),
                other: (*other).clone(),
            }));
        }
    }
}

fn tuf_roles(root: &Contents, found: &mut Vec<Lint>) {
    let [publish, heartbeat] = root.online();
    for (role, wanted, task) in [
        ("snapshot", &publish, "publish"),
        ("targets", &publish, "publish"),
        ("timestamp", &heartbeat, "beat"),
    ] {
        let has: BTreeSet<_> = root
            .roles
            .get(role)
            .map(|role| role.key_ids.iter().collect())
            .unwrap_or_default();
        if has != wanted.iter().collect() {
            found.push(Lint::TufRoleDiffers { role, task });
        }
    }
}

fn time(root: &Contents, now: Timestamp, found: &mut Vec<Lint>) {
    let time = &root.time;
    let lasting = root
        .believed()
        .filter(|entry| entry.valid.end.is_none_or(|end| end > now));
    let operators: BTreeSet<_> = lasting.map(|entry| &entry.operator).collect();
    let operators = operators.len();
    if time.max_interval_seconds > WIDEST {
        found.push(Lint::IntervalTooWide {
            seconds: time.max_interval_seconds,
        });
    }
    for entry in &time.authorities {
        if entry.default_accuracy_seconds.is_none() {
            found.push(Lint::AccuracyMissing {
                uri: entry.uri.clone(),
            });
        }
        if entry.operator.is_empty() && time.authorities.len() > 1 {
            found.push(Lint::OperatorMissing {
                uri: entry.uri.clone(),
            });
        }
    }
    for (documents, counts) in [
        ("publications", time.publication),
        ("tag tables", time.tag_table),
        ("heartbeats", time.heartbeat),
    ] {
        if counts.collect < counts.threshold {
            found.push(Lint::CollectTooLow {
                documents,
                collect: counts.collect,
                threshold: counts.threshold,
            });
        }
        let wanted = counts.collect.max(counts.threshold);
        // Without any no date is proven, and none is demanded.
        if operators > 0 && wanted > operators {
            found.push(Lint::OperatorsTooFew {
                documents,
                wanted,
                operators,
            });
        }
    }
    if let Err(error) = root.time_rules(None) {
        found.push(Lint::Time(error));
    }
}

/// Seconds of a day.
const WIDEST: u64 = 24 * 60 * 60;

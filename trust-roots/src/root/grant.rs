//! What a root that is in force grants: who may sign in a repository, and whom to believe about time.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    time::Duration,
};

use countersign_common::{KeyId, Repository, signer::KeyOrigin};

use super::{Contents, Refusal, Scope, TimeEntry, TrustRoot};
use crate::{
    Authorities, Authority, Pattern, Role, TimeAuthority, TimeRules,
    authority::NoAuthority,
    pattern::{Choice, choose},
    time::Standing,
};

/// The one scope of a root that decides about a repository.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'r> {
    root: &'r TrustRoot,
    scope: &'r Scope,
    pattern: &'r Pattern,
}

impl TrustRoot {
    /// The scope with the longest literal prefix that matches. No other is asked, whatever it grants.
    pub fn grant(&self, repository: &Repository) -> Result<Grant<'_>, Refusal> {
        match self.choose(repository) {
            Choice::One((scope, pattern)) => Ok(Grant {
                root: self,
                scope,
                pattern,
            }),
            Choice::None => Err(Refusal::ScopeNotGranted {
                repository: repository.clone(),
                version: self.version(),
                scopes: self
                    .scopes
                    .iter()
                    .flat_map(|scope| scope.repositories.clone())
                    .collect(),
            }),
            Choice::Tie((_, one), (_, other)) => Err(Refusal::ScopeAmbiguous {
                repository: repository.clone(),
                version: self.version(),
                one: one.clone(),
                other: other.clone(),
            }),
        }
    }

    /// Whom to believe about time: those of the root, where at least its own threshold of operators agree, and more if
    /// more are demanded.
    pub fn time_rules(&self, at_least: Option<NonZeroUsize>) -> Result<TimeRules, Refusal> {
        self.contents()
            .time_rules(at_least)
            .map_err(|source| Refusal::Unsafe {
                version: self.version(),
                source,
            })
    }
}

impl Contents {
    /// The scopes that match, and the most specific of them.
    pub fn choose(&self, repository: &Repository) -> Choice<(&Scope, &Pattern)> {
        let matching = self.scopes.iter().flat_map(|scope| {
            let patterns = scope.repositories.iter();
            patterns
                .filter(|pattern| pattern.matches(repository))
                .map(move |pattern| (pattern.specificity(), (scope, pattern)))
        });
        choose(matching)
    }

    /// The authorities of which some stamps count, those that are over too, in the order of the file.
    pub fn believed(&self) -> impl Iterator<Item = &TimeEntry> {
        let entries = self.time.authorities.iter();
        entries.filter(|entry| entry.standing == Standing::Good)
    }

    /// Whom it believes about time, as [`TrustRoot::time_rules`].
    pub(super) fn time_rules(
        &self,
        at_least: Option<NonZeroUsize>,
    ) -> Result<TimeRules, crate::TimeRulesError> {
        if self.time.authorities.is_empty() {
            return Ok(TimeRules::none());
        }
        let authorities = (self.time.authorities.iter())
            .map(|entry| TimeAuthority {
                operator: entry.operator.clone(),
                anchor: entry.anchor.clone(),
                valid: entry.valid,
                accuracy: entry
                    .default_accuracy_seconds
                    .map_or(TimeRules::ACCURACY, Duration::from_secs),
                standing: entry.standing,
            })
            .collect();
        let own = NonZeroUsize::new(self.time.publication.threshold).unwrap_or(NonZeroUsize::MIN);
        let threshold = at_least.map_or(own, |at_least| at_least.max(own));
        let max_interval = Duration::from_secs(self.time.max_interval_seconds);
        TimeRules::new(authorities, threshold, max_interval)
    }
}

impl<'r> Grant<'r> {
    /// The root that grants it.
    pub fn root(&self) -> &'r TrustRoot {
        self.root
    }

    /// The scope.
    pub fn scope(&self) -> &'r Scope {
        self.scope
    }

    /// The pattern of the scope that matched.
    pub fn pattern(&self) -> &'r Pattern {
        self.pattern
    }

    /// Who may sign what there, and when their signatures count. Retired and revoked keys are among them: what they signed
    /// before counts.
    pub fn authorities(&self) -> Result<Authorities, NoAuthority> {
        let mut by_key: BTreeMap<KeyId, Authority> = BTreeMap::new();
        for role in Role::ALL {
            for id in self.scope.key_ids(role) {
                let declared = self
                    .root
                    .keys
                    .get(id)
                    .and_then(|declared| declared.key.clone());
                let Some(key) = declared else {
                    continue;
                };
                let authority = by_key.entry(key.id().clone()).or_insert_with(|| Authority {
                    name: self.root.key_name(id),
                    key,
                    origin: origin(self.root, id),
                    roles: BTreeSet::new(),
                    term: self.root.term(id),
                });
                authority.roles.insert(role);
            }
        }
        Authorities::new(by_key.into_values())
    }

    /// The key material of a key that the scope lists for a role, by its id.
    pub fn key(&self, role: Role, id: &str) -> Option<&KeyId> {
        let listed = self.scope.key_ids(role).iter().any(|listed| listed == id);
        let declared = self.root.keys.get(id).filter(|_| listed)?;
        declared.key.as_ref().map(countersign_common::PublicKey::id)
    }
}

/// A demonstration key is one by its account, whoever lists it.
fn origin(root: &Contents, id: &str) -> KeyOrigin {
    let kms = root
        .keys
        .get(id)
        .and_then(|declared| declared.kms.as_deref());
    match kms {
        Some(kms) if kms.split(':').any(is_stand_in) => KeyOrigin::StandIn,
        Some(_) => KeyOrigin::Kms,
        None => KeyOrigin::File,
    }
}

fn is_stand_in(account: &str) -> bool {
    KeyOrigin::of_account(account) == KeyOrigin::StandIn
}

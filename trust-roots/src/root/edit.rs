//! How a draft is changed. Each change keeps what TUF's own roles say, and takes the signatures away.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use countersign_common::{Algorithm, Limits, PublicKey, Timestamp, rfc3161::Anchor};
use serde_json::{Map, Value, json as value};
use sigstore_tuf::Key;

use super::{
    Draft, EditRefused, Fault, Statements,
    chain::may_sign_roots,
    contents::{SCHEMES, canonical, online},
    document::{
        AuthorityDocument, CertChainDocument, CertificateDocument, ReasonDocument, RevokedDocument,
        ScopeDocument, StatementsDocument, TimestampAuthorityDocument, ValidForDocument,
    },
    reach::deciding,
};
use crate::{Pattern, Revocation, Role, Term, time::Window};

/// A key that is added.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The key, with the algorithm it signs with.
    pub public: PublicKey,
    /// Who has it.
    pub owner: Option<String>,
    /// Where it lives in KMS: a key's ARN, never an alias, which can be re-pointed.
    pub kms: Option<String>,
}

/// What a scope is made, or changed, to.
#[derive(Clone, Debug, Default)]
pub struct ScopeEdit {
    /// How old a tag table may become.
    pub tag_table_max: Option<Duration>,
    /// How old a heartbeat may become.
    pub heartbeat_max: Option<Duration>,
    /// Where statements lie.
    pub statements: Option<Statements>,
    /// The epoch of its tag tables.
    pub epoch: Option<u64>,
}

/// A time-stamp authority that is added or changed.
#[derive(Clone, Debug)]
pub struct NewTimeAuthority {
    /// Who operates it.
    pub operator: String,
    /// Where it is asked.
    pub uri: String,
    /// Its certificates in DER, its root included.
    pub certificates: Vec<Vec<u8>>,
    /// Which of its stamps count.
    pub valid: Window,
    /// How exact its stamps are where they do not say so.
    pub accuracy: Duration,
}

impl Draft {
    /// Sets when it expires.
    pub fn set_expires(&mut self, expires: Timestamp) {
        self.changed();
        self.signed
            .insert("expires".to_owned(), expires.to_string().into());
    }

    /// Lets a key sign roots. Its id.
    pub fn add_root_key(&mut self, key: &NewKey) -> Result<String, EditRefused> {
        if !may_sign_roots(&key.public) {
            return Err(EditRefused::RootAlgorithm {
                algorithm: key.public.algorithm(),
            });
        }
        if key.kms.is_some() && key.public.algorithm() == Algorithm::Ed25519 {
            return Err(EditRefused::RootKeyInKms);
        }
        let id = self.declare(key)?;
        let mut ids = self.root_key_ids();
        if ids.contains(&id) {
            return Err(EditRefused::KeyListed { id });
        }
        ids.push(id.clone());
        self.set_root_keys(ids);
        Ok(id)
    }

    /// Lets a key sign roots no longer: from the version after this one on.
    pub fn remove_root_key(&mut self, id: &str) -> Result<(), EditRefused> {
        let mut ids = self.root_key_ids();
        let before = ids.len();
        ids.retain(|known| known != id);
        if ids.len() == before {
            return Err(EditRefused::KeyNotListed { id: id.to_owned() });
        }
        self.set_root_keys(ids);
        self.forget_unused();
        Ok(())
    }

    /// How many root keys must sign.
    pub fn set_root_threshold(&mut self, threshold: NonZeroUsize) {
        self.changed();
        if let Some(role) = self.role("root") {
            role.insert("threshold".to_owned(), threshold.get().into());
        }
    }

    /// Lets a key sign documents of a role in a scope, named by one of its patterns. Its id.
    pub fn add_key(
        &mut self,
        key: &NewKey,
        role: Role,
        pattern: &Pattern,
    ) -> Result<String, EditRefused> {
        let position = self.scope(pattern)?;
        let id = self.declare(key)?;
        self.list(&id, role, position)?;
        Ok(id)
    }

    /// Puts a key beside an old one, wherever the old one is and it is not yet. Its id.
    pub fn add_beside(&mut self, old: &str, key: &NewKey) -> Result<String, EditRefused> {
        let id = self.declare(key)?;
        if id == old {
            return Err(EditRefused::KeyListed { id });
        }
        let listings: Vec<_> = self
            .extension
            .scopes
            .iter()
            .enumerate()
            .flat_map(|(position, scope)| {
                Role::ALL
                    .into_iter()
                    .filter(move |role| ids(scope, *role).iter().any(|listed| listed == old))
                    .map(move |role| (position, role))
            })
            .collect();
        if listings.is_empty() {
            return Err(EditRefused::KeyNotListed { id: old.to_owned() });
        }
        for (position, role) in listings {
            match self.list(&id, role, position) {
                Err(EditRefused::KeyListed { .. }) => {}
                listed => listed?,
            }
        }
        Ok(id)
    }

    /// Takes a key out of every scope, as if it had never been there.
    ///
    /// For one that no complete version lists: what a key has signed counts only while its scope lists it.
    pub fn take_out_key(&mut self, id: &str) -> Result<(), EditRefused> {
        let mut found = false;
        for scope in &mut self.extension.scopes {
            for list in [
                &mut scope.heartbeat.keyids,
                &mut scope.publish.keyids,
                &mut scope.sign.keyids,
            ] {
                let before = list.len();
                list.retain(|listed| listed != id);
                found |= list.len() < before;
            }
        }
        if !found {
            return Err(EditRefused::KeyNotListed { id: id.to_owned() });
        }
        self.changed();
        self.extension.key_status.remove(id);
        self.refresh_tuf_roles();
        Ok(())
    }

    /// Sets when a key's signatures count.
    pub fn set_term(&mut self, id: &str, term: &Term) -> Result<(), EditRefused> {
        let listed = self.extension.scopes.iter().any(|scope| {
            Role::ALL
                .into_iter()
                .any(|role| ids(scope, role).iter().any(|listed| listed == id))
        });
        if !listed {
            return Err(EditRefused::KeyNotListed { id: id.to_owned() });
        }
        self.changed();
        let text = |time: Option<Timestamp>| time.map(|time| time.to_string());
        let status = self.extension.key_status.entry(id.to_owned()).or_default();
        status.not_before = text(term.valid.start);
        status.not_after = text(term.valid.end);
        status.revoked = term.revoked.map(|revoked| match revoked {
            Revocation::Compromised { at } => RevokedDocument {
                reason: ReasonDocument::Compromised,
                at: text(at),
                from: None,
                to: None,
            },
            Revocation::Misused { from, to } => RevokedDocument {
                reason: ReasonDocument::Misused,
                at: None,
                from: text(Some(from)),
                to: text(Some(to)),
            },
        });
        self.refresh_tuf_roles();
        Ok(())
    }

    /// Makes a scope for these patterns, or changes the one that has any of them.
    ///
    /// A new one begins as a copy of the one that decided about all of them so far, whose pattern is given back: it decides
    /// alone, and what was signed there must go on to count.
    pub fn set_scope(
        &mut self,
        patterns: &[Pattern],
        edit: &ScopeEdit,
    ) -> Result<Option<Pattern>, EditRefused> {
        let found: BTreeSet<_> = patterns
            .iter()
            .filter_map(|pattern| self.scope(pattern).ok())
            .collect();
        let (position, copied) = match found.iter().copied().collect::<Vec<_>>().as_slice() {
            [] => self.new_scope(patterns),
            [one] => (*one, None),
            _ => return Err(EditRefused::SeveralScopes),
        };
        self.changed();
        let Some(scope) = self.extension.scopes.get_mut(position) else {
            return Err(EditRefused::SeveralScopes);
        };
        for pattern in patterns {
            let text = pattern.to_string();
            if !scope.repositories.contains(&text) {
                scope.repositories.push(text);
            }
        }
        if let Some(age) = edit.tag_table_max {
            scope.tag_table_max_seconds = age.as_secs();
        }
        if let Some(age) = edit.heartbeat_max {
            scope.heartbeat.max_seconds = age.as_secs();
        }
        if let Some(epoch) = edit.epoch {
            scope.epoch = epoch;
        }
        if let Some(statements) = edit.statements {
            scope.statements = match statements {
                Statements::Same => StatementsDocument::Same,
                Statements::Sibling => StatementsDocument::Sibling,
            };
        }
        Ok(copied)
    }

    fn new_scope(&mut self, patterns: &[Pattern]) -> (usize, Option<Pattern>) {
        let position = self.extension.scopes.len();
        let (scope, copied) = match self.covering(patterns) {
            Some((scope, pattern)) => (scope, Some(pattern)),
            None => (ScopeDocument::default(), None),
        };
        self.extension.scopes.push(scope);
        (position, copied)
    }

    /// A copy of the scope that decided about all of these so far, for nothing yet, and a pattern of it. None if several did:
    /// the keys of each would count in the place of the others.
    fn covering(&self, patterns: &[Pattern]) -> Option<(ScopeDocument, Pattern)> {
        let known: Vec<(Pattern, usize)> = (self.extension.scopes.iter().enumerate())
            .flat_map(|(position, scope)| {
                let patterns = scope.repositories.iter();
                patterns.filter_map(move |text| Some((Pattern::parse(text).ok()?, position)))
            })
            .collect();
        let decided = patterns.iter().flat_map(|pattern| {
            deciding(
                pattern,
                known.iter().map(|(known, position)| (known, *position)),
            )
        });
        let by_scope: BTreeMap<usize, &Pattern> = decided
            .map(|(pattern, position)| (position, pattern))
            .collect();
        let (position, pattern) = by_scope.first_key_value().filter(|_| by_scope.len() == 1)?;
        let mut scope = self.extension.scopes.get(*position)?.clone();
        scope.repositories.clear();
        scope.epochs.retain(|name, _| {
            canonical(name).is_some_and(|name| patterns.iter().any(|one| one.matches(&name)))
        });
        Some((scope, (*pattern).clone()))
    }

    /// Adds a time-stamp authority; or, if its root is there already, sets who operates it and which of its stamps count.
    pub fn add_time_authority(
        &mut self,
        authority: &NewTimeAuthority,
        limits: &Limits,
    ) -> Result<(), EditRefused> {
        let anchor = Anchor::from_certificates(authority.certificates.clone(), limits).map_err(
            |source| Fault::Anchor {
                uri: authority.uri.clone(),
                source,
            },
        )?;
        let is_it = |entry: &TimestampAuthorityDocument| {
            anchor_of(entry, limits).is_some_and(|known| known.id() == anchor.id())
        };
        let entries = &self.extension.trusted_root.timestamp_authorities;
        let same = |entry: &TimestampAuthorityDocument| entry.uri == authority.uri && is_it(entry);
        let same = entries.iter().position(same);
        if same.is_none()
            && entries
                .iter()
                .any(|entry| entry.compromised && is_it(entry))
        {
            return Err(EditRefused::TimeAuthorityVoid {
                uri: authority.uri.clone(),
            });
        }
        self.changed();
        let entry = entry(authority);
        let entries = &mut self.extension.trusted_root.timestamp_authorities;
        match same.and_then(|position| entries.get_mut(position)) {
            Some(known) => {
                known.operator = entry.operator;
                known.valid_for = entry.valid_for;
                known.cert_chain = entry.cert_chain;
            }
            None => entries.push(entry),
        }
        self.set_accuracy(authority);
        self.refresh_counts();
        Ok(())
    }

    fn set_accuracy(&mut self, authority: &NewTimeAuthority) {
        let document = AuthorityDocument {
            operator: authority.operator.clone(),
            uri: authority.uri.clone(),
            default_accuracy_seconds: authority.accuracy.as_secs(),
        };
        let authorities = &mut self.extension.time.authorities;
        let entries = &self.extension.trusted_root.timestamp_authorities;
        // What was said of an operator that it has no longer says nothing of anybody.
        authorities.retain(|known| {
            known.uri != document.uri
                || known.operator != document.operator
                    && entries
                        .iter()
                        .any(|entry| (&entry.operator, &entry.uri) == (&known.operator, &known.uri))
        });
        authorities.push(document);
    }

    /// Two operators are asked where there are two: one may be down, or lie. One that is void, or ends before the root does, is
    /// no second.
    fn refresh_counts(&mut self) {
        let expires = self.signed.get("expires").and_then(Value::as_str);
        let expires = expires.and_then(|text| Timestamp::parse(text).ok());
        let entries = self.extension.trusted_root.timestamp_authorities.iter();
        let stays = |entry: &&TimestampAuthorityDocument| {
            let end = entry.valid_for.end.as_deref();
            end.is_none_or(|end| {
                Timestamp::parse(end)
                    .ok()
                    .zip(expires)
                    .is_some_and(|(end, expires)| end > expires)
            })
        };
        let operators: BTreeSet<_> = entries
            .filter(|entry| !entry.compromised)
            .filter(stays)
            .map(|entry| entry.operator.as_str())
            .collect();
        let counts = &mut self.extension.time.stamps.publication;
        counts.collect = counts.threshold.max(operators.len().min(2) as u64);
    }

    /// How many operators must have stamped each side of a publication.
    pub fn set_time_threshold(&mut self, threshold: NonZeroUsize) {
        self.changed();
        let counts = &mut self.extension.time.stamps.publication;
        counts.threshold = threshold.get() as u64;
        counts.collect = counts.collect.max(counts.threshold);
    }

    /// Voids all stamps of the authorities at this address, those of before too, and with them those of every other address with
    /// the same root key, as whoever reads the root does.
    pub fn void_time_authority(&mut self, uri: &str, limits: &Limits) -> Result<(), EditRefused> {
        self.changed();
        let entries = &mut self.extension.trusted_root.timestamp_authorities;
        let anchor =
            |entry: &TimestampAuthorityDocument| Some(anchor_of(entry, limits)?.id().clone());
        let here = entries.iter().filter(|entry| entry.uri == uri);
        let void: BTreeSet<_> = here.filter_map(anchor).collect();
        if void.is_empty() {
            return Err(EditRefused::NoTimeAuthority {
                uri: uri.to_owned(),
            });
        }
        for entry in entries {
            entry.compromised |= anchor(entry).is_some_and(|anchor| void.contains(&anchor));
        }
        self.refresh_counts();
        Ok(())
    }

    /// Declares a key, if it is not there yet. Its id.
    fn declare(&mut self, key: &NewKey) -> Result<String, EditRefused> {
        let algorithm = key.public.algorithm();
        let scheme = SCHEMES.iter().find(|(_, _, known)| *known == algorithm);
        let (kind, scheme, _) = scheme.ok_or(EditRefused::Algorithm { algorithm })?;
        let public = if algorithm == Algorithm::Ed25519 {
            hex::encode(key.public.key_bytes())
        } else {
            key.public.to_pem().map_err(EditRefused::Key)?
        };
        let document =
            value!({ "keytype": kind, "scheme": scheme, "keyval": { "public": public } });
        let parsed: Key = serde_json::from_value(document.clone())
            .map_err(|source| Fault::Json(source.into()))?;
        let id = parsed.key_id().map_err(Fault::Tuf)?;
        self.changed();
        let keys = self.signed.get_mut("keys").and_then(Value::as_object_mut);
        if let Some(keys) = keys {
            keys.entry(id.clone()).or_insert(document);
        }
        if key.owner.is_some() || key.kms.is_some() {
            let info = self.extension.key_info.entry(id.clone()).or_default();
            info.owner = key.owner.clone().or(info.owner.take());
            info.kms = key.kms.clone().or(info.kms.take());
        }
        Ok(id)
    }

    fn list(&mut self, id: &str, role: Role, position: usize) -> Result<(), EditRefused> {
        let Some(scope) = self.extension.scopes.get_mut(position) else {
            return Err(EditRefused::SeveralScopes);
        };
        let ids = match role {
            Role::Heartbeat => &mut scope.heartbeat.keyids,
            Role::Publish => &mut scope.publish.keyids,
            Role::Sign => &mut scope.sign.keyids,
        };
        if ids.iter().any(|listed| listed == id) {
            return Err(EditRefused::KeyListed { id: id.to_owned() });
        }
        ids.push(id.to_owned());
        self.refresh_tuf_roles();
        Ok(())
    }

    fn scope(&self, pattern: &Pattern) -> Result<usize, EditRefused> {
        let has = |scope: &ScopeDocument| {
            scope
                .repositories
                .iter()
                .any(|text| text == pattern.as_str())
        };
        self.extension
            .scopes
            .iter()
            .position(has)
            .ok_or_else(|| EditRefused::NoScope {
                pattern: pattern.clone(),
                scopes: self
                    .extension
                    .scopes
                    .iter()
                    .flat_map(|scope| scope.repositories.clone())
                    .collect(),
            })
    }

    fn root_key_ids(&self) -> Vec<String> {
        let ids = self
            .signed
            .get("roles")
            .and_then(|roles| roles.pointer("/root/keyids"))
            .and_then(Value::as_array);
        ids.into_iter()
            .flatten()
            .filter_map(|id| id.as_str().map(str::to_owned))
            .collect()
    }

    fn set_root_keys(&mut self, ids: Vec<String>) {
        self.changed();
        self.set_role("root", ids);
    }

    fn role(&mut self, name: &str) -> Option<&mut Map<String, Value>> {
        self.signed.get_mut("roles")?.get_mut(name)?.as_object_mut()
    }

    fn set_role(&mut self, name: &str, ids: Vec<String>) {
        if let Some(role) = self.role(name) {
            role.insert("keyids".to_owned(), ids.into());
        }
    }

    /// Other TUF clients know four roles: theirs are filled from the first scope.
    fn refresh_tuf_roles(&mut self) {
        let status = &self.extension.key_status;
        let is_current = |id: &str| {
            status.get(id).is_none_or(|status| {
                let reason = status.revoked.as_ref().map(|revoked| revoked.reason);
                status.not_after.is_none() && reason != Some(ReasonDocument::Compromised)
            })
        };
        let first = self.extension.scopes.first();
        let of = |role| first.map(|scope| ids(scope, role)).unwrap_or_default();
        let [publish, heartbeat] = online(of(Role::Publish), of(Role::Heartbeat), is_current);
        self.set_role("targets", publish.clone());
        self.set_role("snapshot", publish);
        self.set_role("timestamp", heartbeat);
        self.forget_unused();
    }

    /// A key that nothing names any more is forgotten. Those of scopes are named for ever.
    fn forget_unused(&mut self) {
        let scopes = self.extension.scopes.iter();
        let of_scopes =
            scopes.flat_map(|scope| Role::ALL.into_iter().flat_map(move |role| ids(scope, role)));
        let mut named: BTreeSet<String> = of_scopes.cloned().collect();
        named.extend(self.tuf_role_ids());
        self.extension.key_info.retain(|id, _| named.contains(id));
        if let Some(keys) = self.signed.get_mut("keys").and_then(Value::as_object_mut) {
            keys.retain(|id, _| named.contains(id));
        }
    }

    fn tuf_role_ids(&self) -> BTreeSet<String> {
        let roles = self.signed.get("roles").and_then(Value::as_object);
        let ids = roles
            .into_iter()
            .flat_map(Map::values)
            .filter_map(|role| role.get("keyids")?.as_array());
        ids.flatten()
            .filter_map(|id| id.as_str().map(str::to_owned))
            .collect()
    }

    fn changed(&mut self) {
        self.signatures.clear();
    }
}

fn entry(authority: &NewTimeAuthority) -> TimestampAuthorityDocument {
    let text = |time: Option<Timestamp>| time.map(|time| time.to_string());
    let certificates = authority.certificates.iter();
    TimestampAuthorityDocument {
        operator: authority.operator.clone(),
        uri: authority.uri.clone(),
        valid_for: ValidForDocument {
            start: text(authority.valid.start),
            end: text(authority.valid.end),
        },
        cert_chain: CertChainDocument {
            certificates: certificates
                .map(|certificate| CertificateDocument {
                    raw_bytes: BASE64_STANDARD.encode(certificate),
                })
                .collect(),
        },
        compromised: false,
        other: BTreeMap::new(),
    }
}

fn anchor_of(entry: &TimestampAuthorityDocument, limits: &Limits) -> Option<Anchor> {
    let certificates = entry.cert_chain.certificates.iter();
    let certificates = certificates
        .map(|certificate| BASE64_STANDARD.decode(&certificate.raw_bytes).ok())
        .collect::<Option<Vec<_>>>()?;
    Anchor::from_certificates(certificates, limits).ok()
}

fn ids(scope: &ScopeDocument, role: Role) -> &[String] {
    match role {
        Role::Heartbeat => &scope.heartbeat.keyids,
        Role::Publish => &scope.publish.keyids,
        Role::Sign => &scope.sign.keyids,
    }
}

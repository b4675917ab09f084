//! What a root says, whoever wrote it: read strictly, and not yet believed.
//!
//! A chain makes it a [`TrustRoot`](super::TrustRoot); drafts and `trust show` read it as it is. No signature is checked
//! here.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU64,
};

use countersign_common::{
    Algorithm, ImageRef, KeyId, Limits, PublicKey, Repository, Timestamp, json,
};
use sigstore_tuf::{Key, Metadata, RoleKeys, Root};

use super::{
    document::{
        ExtensionDocument, KeyStatusDocument, MEMBER, ReasonDocument, RevokedDocument,
        RoleDocument, SCHEMA, ScopeDocument, StatementsDocument, TrustedRootDocument,
    },
    exact,
    fault::Fault,
    time::{self, Time},
    understood, unknown,
};
use crate::{Pattern, Revocation, Role, RootName, Term, pattern::PatternError, time::Window};

/// The four roles that TUF knows, and no other.
const TUF_ROLES: [&str; 4] = ["root", "snapshot", "targets", "timestamp"];

/// What one version of a root says.
#[derive(Clone, Debug)]
pub struct Contents {
    pub(super) version: NonZeroU64,
    pub(super) expires: Timestamp,
    pub(super) name: RootName,
    pub(super) keys: BTreeMap<String, DeclaredKey>,
    pub(super) roles: BTreeMap<String, TufRole>,
    pub(super) scopes: Vec<Scope>,
    pub(super) terms: BTreeMap<String, Term>,
    pub(super) time: Time,
    /// The first member that says more than is understood here.
    pub(super) beyond: Option<String>,
}

/// A key, as a root declares it.
#[derive(Clone, Debug)]
pub struct DeclaredKey {
    /// The key and how it signs, or `None` for a kind that is not understood: such a key never counts.
    pub key: Option<PublicKey>,
    /// Who has it, for people.
    pub owner: Option<String>,
    /// Where it lives in KMS, for signers; never trusted.
    pub kms: Option<String>,
}

/// Who may sign in one of TUF's roles.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TufRole {
    /// The ids of its keys, in the order of the file.
    pub key_ids: Vec<String>,
    /// How many of them must sign.
    pub threshold: usize,
}

/// Who may sign what in some repositories.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The repositories.
    pub repositories: Vec<Pattern>,
    /// The ids of the keys of each role, in the order of the file; retired and revoked ones stay in it.
    pub roles: BTreeMap<Role, Vec<String>>,
    /// The epoch of its tag tables.
    pub epoch: u64,
    /// Other epochs, by canonical repository.
    pub epochs: BTreeMap<String, u64>,
    /// How old a tag table may become, in seconds.
    pub tag_table_max_seconds: u64,
    /// How old a heartbeat may become, in seconds.
    pub heartbeat_max_seconds: u64,
    /// Where statements lie.
    pub statements: Statements,
}

/// Where the statements about a repository lie.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Statements {
    /// In the repository itself.
    Same,
    /// In its sibling, `<repository>.countersign`.
    Sibling,
}

impl Contents {
    /// Reads a root's file: bounded, strict, and with everything that it names in it.
    pub fn read(bytes: &[u8], limits: &Limits) -> Result<Self, Fault> {
        if bytes.len() > limits.root {
            return Err(Fault::TooLarge { limit: limits.root });
        }
        // Before anything else reads it: of two members with one name two programs would believe different ones.
        let file: serde_json::Value = json::from_slice(bytes, limits).map_err(Fault::Json)?;
        exact::check(&file)?;
        let metadata = Metadata::<Root>::from_slice(bytes).map_err(Fault::Tuf)?;
        let signed = file.get("signed").unwrap_or_default();
        Self::of(signed, metadata.signed(), limits)
    }

    /// What is said by a root that was parsed.
    fn of(signed: &serde_json::Value, root: &Root, limits: &Limits) -> Result<Self, Fault> {
        let extension = extension(root, limits)?;
        let keys = keys(root, &extension, limits)?;
        let undeclared = extension
            .key_ids()
            .into_iter()
            .find(|id| !keys.contains_key(*id));
        if let Some(id) = undeclared {
            return Err(Fault::KeyUndeclared { id: id.clone() });
        }
        distinct_material(&extension, &keys)?;
        let scopes = extension.scopes.iter().enumerate();
        Ok(Self {
            version: NonZeroU64::new(root.version).ok_or(Fault::Version)?,
            expires: Timestamp::from_unix_seconds(root.expires.as_second())
                .ok_or(Fault::Time { member: "expires" })?,
            name: extension.name.parse().map_err(|_| Fault::Name {
                name: extension.name.clone(),
            })?,
            roles: roles(root, &keys)?,
            scopes: scopes
                .map(|(position, scope)| self::scope(scope, position))
                .collect::<Result<_, _>>()?,
            terms: extension
                .key_status
                .iter()
                .map(|(id, status)| Ok((id.clone(), term(status)?)))
                .collect::<Result<_, Fault>>()?,
            time: time::read(&extension, limits)?,
            beyond: understood::beyond(signed, root, &extension)
                .map_err(|source| Fault::Json(source.into()))?,
            keys,
        })
    }

    /// Its version; the first is 1.
    pub fn version(&self) -> u64 {
        self.version.get()
    }

    /// Its version, never zero.
    pub fn number(&self) -> NonZeroU64 {
        self.version
    }

    /// From then on nothing is trusted by it.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// The name that it gives itself.
    pub fn name(&self) -> &RootName {
        &self.name
    }

    /// Its keys, by their ids.
    pub fn keys(&self) -> &BTreeMap<String, DeclaredKey> {
        &self.keys
    }

    /// Who may sign roots.
    pub fn root_role(&self) -> &TufRole {
        static NOBODY: TufRole = TufRole {
            key_ids: Vec::new(),
            threshold: usize::MAX,
        };
        self.roles.get("root").unwrap_or(&NOBODY)
    }

    /// The keys of those who may sign roots, by their ids; not those of a kind that is not understood.
    pub fn root_keys(&self) -> impl Iterator<Item = (&String, &PublicKey)> {
        let ids = self.root_role().key_ids.iter();
        ids.filter_map(|id| Some((id, self.keys.get(id)?.key.as_ref()?)))
    }

    /// Its scopes, in the order of the file.
    pub fn scopes(&self) -> &[Scope] {
        &self.scopes
    }

    /// When a key's signatures count.
    pub fn term(&self, key_id: &str) -> Term {
        self.terms.get(key_id).copied().unwrap_or_default()
    }

    /// Whom it believes about time.
    pub fn time(&self) -> &Time {
        &self.time
    }

    /// The ids of the keys of TUF's own online roles, in the first scope.
    pub(super) fn online(&self) -> [Vec<String>; 2] {
        let is_current = |id: &str| {
            let term = self.term(id);
            term.valid.end.is_none()
                && !matches!(term.revoked, Some(Revocation::Compromised { .. }))
        };
        let of = |role| {
            self.scopes
                .first()
                .map(|scope| scope.key_ids(role))
                .unwrap_or_default()
        };
        online(of(Role::Publish), of(Role::Heartbeat), is_current)
    }

    /// What a key is called in messages: its owner, its place in KMS, or its id; and always enough of its id to tell it from
    /// others.
    pub fn key_name(&self, key_id: &str) -> String {
        let short: String = key_id.chars().take(12).collect();
        let declared = self.keys.get(key_id);
        let name = declared.and_then(|key| key.owner.as_ref().or(key.kms.as_ref()));
        name.map_or_else(|| format!("{short}…"), |name| format!("{name} ({short}…)"))
    }
}

impl Scope {
    /// The ids of the keys of a role.
    pub fn key_ids(&self, role: Role) -> &[String] {
        self.roles.get(&role).map(Vec::as_slice).unwrap_or_default()
    }

    /// Its patterns, as one text.
    pub fn name(&self) -> String {
        let patterns: Vec<_> = self.repositories.iter().map(Pattern::as_str).collect();
        patterns.join(", ")
    }
}

/// Those that publish, and those that beat, without the retired and the compromised. Where nothing beats, whoever publishes.
pub(super) fn online(
    publish: &[String],
    heartbeat: &[String],
    is_current: impl Fn(&str) -> bool,
) -> [Vec<String>; 2] {
    let current = |ids: &[String]| -> Vec<String> {
        ids.iter().filter(|id| is_current(id)).cloned().collect()
    };
    let publish = current(publish);
    let heartbeat = Some(current(heartbeat)).filter(|ids| !ids.is_empty());
    let heartbeat = heartbeat.unwrap_or_else(|| publish.clone());
    [publish, heartbeat]
}

/// Only ever from what the signatures cover.
pub(super) fn extension(root: &Root, limits: &Limits) -> Result<ExtensionDocument, Fault> {
    let value = root.extra.get(MEMBER).ok_or(Fault::ExtensionMissing)?;
    // A version that is not understood is said to be one, whatever else it has.
    let schema = value.get("schema").and_then(serde_json::Value::as_u64);
    if schema.is_some_and(|schema| schema != SCHEMA) {
        return Err(Fault::Schema { found: schema });
    }
    let bytes = serde_json::to_vec(value).map_err(|source| Fault::Json(source.into()))?;
    let extension: ExtensionDocument = json::from_slice(&bytes, limits).map_err(|error| {
        let text = error.to_string();
        match unknown::told(&text, &bytes) {
            Some(what) => Fault::Feature { what },
            // The place is one in a copy of it that nobody has.
            None => Fault::Extension {
                what: text
                    .split(" at line ")
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            },
        }
    })?;
    foreign(&extension.trusted_root)?;
    let scopes = extension.scopes.iter();
    // Each is compared with each.
    for (what, number) in [
        ("scopes", extension.scopes.len()),
        (
            "patterns",
            scopes.clone().map(|scope| scope.repositories.len()).sum(),
        ),
        ("epochs", scopes.map(|scope| scope.epochs.len()).sum()),
    ] {
        if number > limits.root_entries {
            return Err(Fault::TooMany {
                what,
                limit: limits.root_entries,
            });
        }
    }
    Ok(extension)
}

/// Whoever lists logs means that evidence must be in them, and nobody here would look.
fn foreign(trusted_root: &TrustedRootDocument) -> Result<(), Fault> {
    let lists = [
        ("tlogs", &trusted_root.tlogs),
        ("ctlogs", &trusted_root.ctlogs),
        (
            "certificateAuthorities",
            &trusted_root.certificate_authorities,
        ),
    ];
    match lists.into_iter().find(|(_, list)| !list.is_empty()) {
        Some((name, _)) => Err(Fault::Feature {
            what: format!("`trustedRoot.{name}` is not empty"),
        }),
        None => Ok(()),
    }
}

fn keys(
    root: &Root,
    extension: &ExtensionDocument,
    limits: &Limits,
) -> Result<BTreeMap<String, DeclaredKey>, Fault> {
    if root.keys.len() > limits.root_entries {
        return Err(Fault::TooMany {
            what: "keys",
            limit: limits.root_entries,
        });
    }
    let declared = |(id, key): (&String, &Key)| {
        // An id that anybody may choose could be that of another key elsewhere.
        if key.key_id().map_err(Fault::Tuf)? != *id {
            return Err(Fault::KeyId { id: id.clone() });
        }
        // TUF lets others add to a key; a reader that shows it would show what nobody checked.
        if !key.extra.is_empty() || !key.keyval.extra.is_empty() {
            return Err(Fault::KeyExtra { id: id.clone() });
        }
        let info = extension.key_info.get(id);
        let declared = DeclaredKey {
            key: public_key(key),
            owner: info.and_then(|info| info.owner.clone()),
            kms: info.and_then(|info| info.kms.clone()),
        };
        Ok((id.clone(), declared))
    };
    root.keys.iter().map(declared).collect()
}

/// How each scheme of TUF signs.
pub(super) const SCHEMES: [(&str, &str, Algorithm); 13] = [
    ("ecdsa", "ecdsa-sha2-nistp256", Algorithm::EcdsaP256Sha256),
    ("ecdsa", "ecdsa-sha2-nistp384", Algorithm::EcdsaP384Sha384),
    ("ecdsa", "ecdsa-sha2-nistp521", Algorithm::EcdsaP521Sha512),
    ("ed25519", "ed25519", Algorithm::Ed25519),
    ("ml-dsa", "ml-dsa-44/1", Algorithm::MlDsa44),
    ("ml-dsa", "ml-dsa-65/1", Algorithm::MlDsa65),
    ("ml-dsa", "ml-dsa-87/1", Algorithm::MlDsa87),
    ("rsa", "rsa-pkcs1v15-sha256", Algorithm::RsaPkcs1Sha256),
    ("rsa", "rsa-pkcs1v15-sha384", Algorithm::RsaPkcs1Sha384),
    ("rsa", "rsa-pkcs1v15-sha512", Algorithm::RsaPkcs1Sha512),
    ("rsa", "rsassa-pss-sha256", Algorithm::RsaPssSha256),
    ("rsa", "rsassa-pss-sha384", Algorithm::RsaPssSha384),
    ("rsa", "rsassa-pss-sha512", Algorithm::RsaPssSha512),
];

fn public_key(key: &Key) -> Option<PublicKey> {
    let known = SCHEMES
        .iter()
        .find(|(kind, scheme, _)| *kind == key.keytype && *scheme == key.scheme);
    let (_, _, algorithm) = known?;
    let public = if *algorithm == Algorithm::Ed25519 {
        let bytes = hex::decode(&key.keyval.public).ok()?;
        PublicKey::from_ed25519_bytes(&bytes)
    } else {
        PublicKey::from_pem(&key.keyval.public)
    };
    public.ok()?.with_algorithm(*algorithm).ok()
}

fn roles(
    root: &Root,
    keys: &BTreeMap<String, DeclaredKey>,
) -> Result<BTreeMap<String, TufRole>, Fault> {
    if !root.roles.keys().map(String::as_str).eq(TUF_ROLES) {
        return Err(Fault::Roles);
    }
    let role = |(name, role): (&String, &RoleKeys)| {
        distinct(&role.keyids)?;
        if role.threshold == 0 {
            return Err(Fault::Threshold { role: name.clone() });
        }
        if let Some(id) = role.keyids.iter().find(|id| !keys.contains_key(*id)) {
            return Err(Fault::KeyUndeclared { id: id.clone() });
        }
        let role = TufRole {
            key_ids: role.keyids.clone(),
            threshold: role.threshold,
        };
        Ok((name.clone(), role))
    };
    root.roles.iter().map(role).collect()
}

/// One key under two ids would have two terms, and its holder the choice between them.
fn distinct_material(
    extension: &ExtensionDocument,
    keys: &BTreeMap<String, DeclaredKey>,
) -> Result<(), Fault> {
    let mut seen: BTreeMap<&KeyId, &String> = BTreeMap::new();
    for id in extension.key_ids() {
        let Some(key) = keys.get(id).and_then(|declared| declared.key.as_ref()) else {
            continue;
        };
        if let Some(other) = seen.insert(key.id(), id) {
            return Err(Fault::KeyTwice {
                one: other.clone(),
                other: id.clone(),
            });
        }
    }
    Ok(())
}

/// One key twice in a list would look like two.
fn distinct(ids: &[String]) -> Result<(), Fault> {
    let mut seen = BTreeSet::new();
    match ids.iter().find(|id| !seen.insert(*id)) {
        Some(id) => Err(Fault::KeyRepeated { id: id.clone() }),
        None => Ok(()),
    }
}

fn scope(document: &ScopeDocument, position: usize) -> Result<Scope, Fault> {
    let pattern = |text: &String| {
        Pattern::parse(text).map_err(|source: PatternError| Fault::Pattern {
            text: text.clone(),
            source,
        })
    };
    if document.repositories.is_empty() {
        return Err(Fault::ScopeEmpty {
            number: position + 1,
        });
    }
    let lists = [
        (Role::Sign, &document.sign),
        (Role::Publish, &document.publish),
        (
            Role::Heartbeat,
            &RoleDocument {
                keyids: document.heartbeat.keyids.clone(),
            },
        ),
    ];
    let mut roles = BTreeMap::new();
    for (role, list) in lists {
        distinct(&list.keyids)?;
        roles.insert(role, list.keyids.clone());
    }
    let epochs = document.epochs.values().chain([&document.epoch]);
    if epochs.into_iter().any(|epoch| *epoch == 0) {
        return Err(Fault::Epoch);
    }
    for repository in document.epochs.keys() {
        canonical(repository).ok_or_else(|| Fault::Repository {
            name: repository.clone(),
        })?;
    }
    Ok(Scope {
        repositories: document
            .repositories
            .iter()
            .map(pattern)
            .collect::<Result<_, _>>()?,
        roles,
        epoch: document.epoch,
        epochs: document.epochs.clone(),
        tag_table_max_seconds: document.tag_table_max_seconds,
        heartbeat_max_seconds: document.heartbeat.max_seconds,
        statements: match document.statements {
            StatementsDocument::Same => Statements::Same,
            StatementsDocument::Sibling => Statements::Sibling,
        },
    })
}

pub(super) fn canonical(name: &str) -> Option<Repository> {
    let image = ImageRef::parse(name).ok()?;
    (image.repository().to_string() == name).then(|| image.repository().clone())
}

fn moment(text: &str, member: &'static str) -> Result<Timestamp, Fault> {
    Timestamp::parse(text).map_err(|_| Fault::Time { member })
}

pub(super) fn maybe(
    text: Option<&String>,
    member: &'static str,
) -> Result<Option<Timestamp>, Fault> {
    text.map(|text| moment(text, member)).transpose()
}

fn term(document: &KeyStatusDocument) -> Result<Term, Fault> {
    let valid = Window {
        start: maybe(document.not_before.as_ref(), "notBefore")?,
        end: maybe(document.not_after.as_ref(), "notAfter")?,
    };
    if let (Some(start), Some(end)) = (valid.start, valid.end)
        && end < start
    {
        return Err(Fault::Window);
    }
    Ok(Term {
        valid,
        revoked: document.revoked.as_ref().map(revocation).transpose()?,
    })
}

fn revocation(document: &RevokedDocument) -> Result<Revocation, Fault> {
    let (at, from, to) = (
        maybe(document.at.as_ref(), "at")?,
        maybe(document.from.as_ref(), "from")?,
        maybe(document.to.as_ref(), "to")?,
    );
    match (document.reason, at, from, to) {
        (ReasonDocument::Compromised, at, None, None) => Ok(Revocation::Compromised { at }),
        (ReasonDocument::Misused, None, Some(from), Some(to)) if from <= to => {
            Ok(Revocation::Misused { from, to })
        }
        _ => Err(Fault::Revocation),
    }
}

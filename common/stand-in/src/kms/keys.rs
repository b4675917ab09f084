//! The keys and aliases of the account, and how an identifier finds one. Used by all key operations. Says only that a
//! key exists and in which state; what the state forbids is each operation's matter.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use super::{
    material::Material,
    spec::{KeySpec, KeyUsage},
};
use crate::{ACCOUNT, aws::AwsError, options::Regions, random};

/// The state of a key, by AWS's name for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyState {
    /// `Disabled`
    Disabled,
    /// `Enabled`
    Enabled,
    /// `PendingDeletion`
    PendingDeletion,
    /// `PendingImport`
    PendingImport,
    /// `Unavailable`
    Unavailable,
    /// `Updating`
    Updating,
}

/// A key; its clones share the material.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) spec: KeySpec,
    pub(crate) usage: KeyUsage,
    pub(crate) state: KeyState,
    pub(crate) description: String,
    pub(crate) created: Duration,
    pub(crate) deleted: Option<Duration>,
    /// Filled when it is first used: an RSA key of 4096 bits takes seconds to make.
    pub(crate) material: Arc<OnceLock<Material>>,
}

/// An alias and the key it points at.
#[derive(Clone, Debug)]
pub(crate) struct Alias {
    pub(crate) target: String,
    pub(crate) created: Duration,
    pub(crate) updated: Duration,
}

/// All keys and aliases.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    pub(crate) keys: BTreeMap<String, Key>,
    pub(crate) aliases: BTreeMap<String, Alias>,
}

/// Where the keys live.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) region: String,
    pub(crate) regions: Regions,
}

/// What an identifier names, and the region it was looked for in.
struct Target<'a> {
    resource: Resource<'a>,
    region: &'a str,
}

enum Resource<'a> {
    Alias(&'a str),
    Key(&'a str),
}

impl KeyState {
    /// AWS's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Disabled => "Disabled",
            Self::Enabled => "Enabled",
            Self::PendingDeletion => "PendingDeletion",
            Self::PendingImport => "PendingImport",
            Self::Unavailable => "Unavailable",
            Self::Updating => "Updating",
        }
    }
}

impl Key {
    pub(crate) fn new(spec: KeySpec, usage: KeyUsage, created: Duration) -> Self {
        Self {
            id: random::uuid(),
            spec,
            usage,
            state: KeyState::Enabled,
            description: String::new(),
            created,
            deleted: None,
            material: Arc::default(),
        }
    }

    /// The key itself, made now if it is not there yet.
    pub(crate) fn material(&self) -> Result<&Material, AwsError> {
        if self.material.get().is_none() {
            let made = Material::generate(self.spec.scheme()).map_err(|_| internal())?;
            // Another call may have been first; its key is the key.
            drop(self.material.set(made));
        }
        self.material.get().ok_or_else(internal)
    }
}

impl Keys {
    /// The key that an id, an ARN, an alias or an alias's ARN names, and its ARN in the region asked.
    pub(crate) fn find(&self, id: &str, place: &Place) -> Result<(Key, String), AwsError> {
        let target = place.target(id)?;
        let key = match target.resource {
            Resource::Alias(name) => self.aliases.get(name).and_then(|alias| {
                let target = &alias.target;
                self.keys.get(target)
            }),
            Resource::Key(id) => self.keys.get(id),
        };
        let Some(key) = key else {
            return Err(target.missing());
        };
        Ok((key.clone(), key_arn(target.region, &key.id)))
    }

    /// The same, to be changed.
    pub(crate) fn find_mut(&mut self, id: &str, place: &Place) -> Result<&mut Key, AwsError> {
        let (key, _) = self.find(id, place)?;
        self.keys.get_mut(&key.id).ok_or_else(internal)
    }
}

impl Place {
    fn target<'a>(&'a self, id: &'a str) -> Result<Target<'a>, AwsError> {
        let Some(arn) = id.strip_prefix("arn:") else {
            return Ok(Target {
                resource: Resource::parse(id),
                region: &self.region,
            });
        };
        let invalid = || AwsError::new("InvalidArnException", format!("Invalid arn {id}"));
        let mut parts = arn.splitn(5, ':').skip(1);
        let (Some("kms"), Some(region), Some(account), Some(resource)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(invalid());
        };
        let resource = match resource.split_once('/') {
            Some(("key", id)) => Resource::Key(id),
            Some(("alias", _)) => Resource::Alias(resource),
            _ => return Err(invalid()),
        };
        if self.regions == Regions::One && region != self.region {
            return Err(not_found(format!("Invalid arn {region}")));
        }
        let target = Target { resource, region };
        if account == ACCOUNT {
            Ok(target)
        } else {
            Err(target.missing())
        }
    }
}

impl Target<'_> {
    fn missing(&self) -> AwsError {
        match self.resource {
            Resource::Alias(name) => not_found(format!(
                "Alias {} is not found.",
                alias_arn(self.region, name)
            )),
            Resource::Key(id) => {
                not_found(format!("Key '{}' does not exist", key_arn(self.region, id)))
            }
        }
    }
}

impl<'a> Resource<'a> {
    fn parse(id: &'a str) -> Self {
        if id.starts_with("alias/") {
            Self::Alias(id)
        } else {
            Self::Key(id)
        }
    }
}

pub(crate) fn key_arn(region: &str, id: &str) -> String {
    format!("arn:aws:kms:{region}:{ACCOUNT}:key/{id}")
}

pub(crate) fn alias_arn(region: &str, name: &str) -> String {
    format!("arn:aws:kms:{region}:{ACCOUNT}:{name}")
}

fn not_found(message: String) -> AwsError {
    AwsError::new("NotFoundException", message)
}

fn internal() -> AwsError {
    AwsError {
        status: 500,
        ..AwsError::new("KMSInternalException", "the key could not be made")
    }
}

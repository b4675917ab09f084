//! The keys and aliases of two accounts, and how an identifier finds one for whoever asks. Used by all key operations.
//! Says only that a key exists and in which state; what the state forbids is each operation's matter.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use super::{
    material::Material,
    spec::{KeySpec, KeyUsage},
};
use crate::{ACCOUNT, aws::AwsError, random};

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

/// A key; its clones and its replicas share the material.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) home: Home,
    pub(crate) spec: KeySpec,
    pub(crate) usage: KeyUsage,
    pub(crate) state: KeyState,
    pub(crate) description: String,
    pub(crate) created: Duration,
    pub(crate) deleted: Option<Duration>,
    /// Filled when it is first used: an RSA key of 4096 bits takes seconds to make.
    pub(crate) material: Arc<OnceLock<Material>>,
}

/// Whose a key is, and where.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    pub(crate) account: &'static str,
    pub(crate) region: String,
    pub(crate) sharing: Sharing,
    /// The region of its primary, of a multi-Region key.
    pub(crate) primary: Option<String>,
}

/// Whether the key policy of another account's key lets the caller's account use it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sharing {
    /// It does not.
    Denied,
    /// It may be described, and sign.
    Granted,
}

/// An alias and the ARN of the key it points at.
#[derive(Clone, Debug)]
pub(crate) struct Alias {
    pub(crate) target: String,
    pub(crate) created: Duration,
    pub(crate) updated: Duration,
}

/// All keys and aliases, by their ARNs: a replica is a key of its own.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    pub(crate) keys: BTreeMap<String, Key>,
    pub(crate) aliases: BTreeMap<String, Alias>,
}

/// What is asked, and in which region; always by [`ACCOUNT`].
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) operation: String,
    pub(crate) region: String,
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
    pub(crate) fn new(spec: KeySpec, usage: KeyUsage, home: Home, created: Duration) -> Self {
        let id = if home.primary.is_some() {
            format!("mrk-{}", hex::encode(random::bytes::<16>()))
        } else {
            random::uuid()
        };
        Self {
            id,
            home,
            spec,
            usage,
            state: KeyState::Enabled,
            description: String::new(),
            created,
            deleted: None,
            material: Arc::default(),
        }
    }

    pub(crate) fn arn(&self) -> String {
        arn(
            &self.home.region,
            self.home.account,
            &format!("key/{}", self.id),
        )
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
    /// The key that an id, an ARN, an alias or an alias's ARN names, and its ARN.
    pub(crate) fn find(&self, id: &str, caller: &Caller) -> Result<(Key, String), AwsError> {
        let named = caller.arn(id)?;
        let target = self.aliases.get(&named).map(|alias| &alias.target);
        let arn = target.unwrap_or(&named);
        let usable = self
            .keys
            .get(arn)
            .filter(|key| key.home.sharing == Sharing::Granted);
        match usable {
            Some(key) => Ok((key.clone(), arn.clone())),
            None => Err(caller.missing(&named)),
        }
    }

    /// The same, to be changed: by its own account alone.
    pub(crate) fn find_mut(&mut self, id: &str, caller: &Caller) -> Result<&mut Key, AwsError> {
        let (key, arn) = self.find(id, caller)?;
        if key.home.account != ACCOUNT {
            return Err(caller.denied(&arn));
        }
        self.keys.get_mut(&arn).ok_or_else(internal)
    }
}

impl Caller {
    /// The ARN that an identifier stands for: a bare id and a bare alias are the caller's own, where the caller asks.
    pub(crate) fn arn(&self, id: &str) -> Result<String, AwsError> {
        let Some(parts) = id.strip_prefix("arn:") else {
            return Ok(match id.strip_prefix("alias/") {
                Some(_) => self.own(id),
                None => self.own(&format!("key/{id}")),
            });
        };
        let invalid = || AwsError::new("InvalidArnException", format!("Invalid arn {id}"));
        let mut parts = parts.splitn(5, ':').skip(1);
        let (Some("kms"), Some(region), Some(_), Some(resource)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(invalid());
        };
        if !matches!(resource.split_once('/'), Some(("alias" | "key", _))) {
            return Err(invalid());
        }
        if region != self.region {
            return Err(not_found(format!("Invalid arn {region}")));
        }
        Ok(id.to_owned())
    }

    /// The ARN of what is the caller's own.
    pub(crate) fn own(&self, resource: &str) -> String {
        arn(&self.region, ACCOUNT, resource)
    }

    /// To another account it is not said whether a key exists.
    fn missing(&self, arn: &str) -> AwsError {
        if !arn.starts_with(&self.own("")) {
            return self.denied(arn);
        }
        if arn.contains(":alias/") {
            not_found(format!("Alias {arn} is not found."))
        } else {
            not_found(format!("Key '{arn}' does not exist"))
        }
    }

    fn denied(&self, arn: &str) -> AwsError {
        let message = format!(
            "User: arn:aws:iam::{ACCOUNT}:user/stand-in is not authorized to perform: kms:{} on resource: {arn} because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access",
            self.operation
        );
        AwsError::new("AccessDeniedException", message)
    }
}

fn arn(region: &str, account: &str, resource: &str) -> String {
    format!("arn:aws:kms:{region}:{account}:{resource}")
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

//! A KMS with asymmetric keys that signs as AWS's does: the same operations, limits, key states and error names.
//! Called through the AWS listener by any SDK, and by the stand-in to make keys. Never decides who may call.

mod aliases;
mod keys;
mod lifecycle;
mod material;
mod signing;
mod spec;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use der::pem::LineEnding;
use serde_json::Value;

use self::{
    keys::{Caller, Home, Key, Keys},
    material::Material,
};
pub use self::{
    keys::{KeyState, Sharing},
    spec::{KeySpec, KeyUsage},
};
use crate::{
    ACCOUNT, OTHER_ACCOUNT,
    aws::{AwsError, unknown_operation},
    clock,
};

/// The keys, and for whom and where they are looked up.
#[derive(Debug)]
pub(crate) struct Kms {
    keys: Arc<Mutex<Keys>>,
    caller: Caller,
}

/// A key that a test made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CreatedKey {
    /// Its ARN, in account 000000000000 unless it is another's.
    pub arn: String,
    /// The alias that points at it; another account has none.
    pub alias: String,
    /// Its public key as PEM; empty for a spec that has none.
    pub public_key_pem: String,
}

/// Why a key could not be made or changed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyError {
    /// KMS's own answer.
    #[error("{name}: {message}")]
    Answered {
        /// The error's name.
        name: &'static str,
        /// Its message.
        message: String,
    },
    /// The PKCS#8 bytes hold no key of the spec.
    #[error("the PKCS#8 bytes hold no key of the spec {0:?}")]
    NotOfSpec(KeySpec),
}

impl From<AwsError> for KeyError {
    fn from(AwsError { name, message, .. }: AwsError) -> Self {
        Self::Answered { name, message }
    }
}

impl Kms {
    pub(crate) fn new(region: &str) -> Self {
        let caller = Caller {
            operation: String::new(),
            region: region.into(),
        };
        Self {
            keys: Arc::default(),
            caller,
        }
    }

    /// Answers an operation in a region; in its own, if none is asked for.
    pub(crate) fn call(
        &self,
        operation: &str,
        region: Option<&str>,
        body: &[u8],
    ) -> Result<Value, AwsError> {
        self.asked(operation, region.unwrap_or(&self.caller.region))
            .answer(operation, body)
    }

    /// The same keys, for another operation in another region.
    fn asked(&self, operation: &str, region: &str) -> Self {
        let caller = Caller {
            operation: operation.into(),
            region: region.into(),
        };
        Self {
            keys: Arc::clone(&self.keys),
            caller,
        }
    }

    fn answer(&self, operation: &str, body: &[u8]) -> Result<Value, AwsError> {
        match operation {
            "CancelKeyDeletion" => self.cancel_key_deletion(body),
            "CreateAlias" => self.create_alias(body),
            "CreateKey" => self.create_key(body),
            "DescribeKey" => self.describe_key(body),
            "DisableKey" => self.switch(body, KeyState::Disabled),
            "EnableKey" => self.switch(body, KeyState::Enabled),
            "GetPublicKey" => self.get_public_key(body),
            "ListAliases" => self.list_aliases(body),
            "ReplicateKey" => self.replicate_key(body),
            "ScheduleKeyDeletion" => self.schedule_key_deletion(body),
            "Sign" => self.sign(body),
            "UpdateAlias" => self.update_alias(body),
            _ => Err(unknown_operation(operation)),
        }
    }

    /// Makes a key with an alias.
    pub(crate) fn make(
        &self,
        spec: KeySpec,
        usage: KeyUsage,
        alias: &str,
    ) -> Result<CreatedKey, KeyError> {
        self.add(Key::new(spec, usage, self.home(), clock::now()), alias)
    }

    /// Makes a multi-Region key here, with replicas in other regions, and the alias in all of them.
    pub(crate) fn make_multi_region(
        &self,
        spec: KeySpec,
        alias: &str,
        regions: &[&str],
    ) -> Result<CreatedKey, KeyError> {
        let home = Home {
            primary: Some(self.caller.region.clone()),
            ..self.home()
        };
        let key = Key::new(spec, KeyUsage::SignVerify, home, clock::now());
        let created = self.add(key, alias)?;
        for region in regions {
            let replica = self.replicate(&created.arn, region)?;
            self.asked("CreateAlias", region)
                .point(alias, &replica.arn())?;
        }
        Ok(created)
    }

    /// Makes a key in another account, which only its ARN names.
    pub(crate) fn make_elsewhere(
        &self,
        spec: KeySpec,
        sharing: Sharing,
    ) -> Result<CreatedKey, KeyError> {
        let home = Home {
            account: OTHER_ACCOUNT,
            sharing,
            ..self.home()
        };
        let key = Key::new(spec, KeyUsage::SignVerify, home, clock::now());
        self.insert(key, String::new())
    }

    /// Takes a key from outside and gives it an alias.
    pub(crate) fn import(
        &self,
        spec: KeySpec,
        alias: &str,
        pkcs8: &[u8],
    ) -> Result<CreatedKey, KeyError> {
        let material =
            Material::from_pkcs8(spec.scheme(), pkcs8).ok_or(KeyError::NotOfSpec(spec))?;
        let key = Key::new(spec, KeyUsage::SignVerify, self.home(), clock::now());
        drop(key.material.set(material));
        self.add(key, alias)
    }

    fn home(&self) -> Home {
        Home {
            account: ACCOUNT,
            region: self.caller.region.clone(),
            sharing: Sharing::Granted,
            primary: None,
        }
    }

    fn add(&self, key: Key, alias: &str) -> Result<CreatedKey, KeyError> {
        let created = self.insert(key, alias.into())?;
        self.point(alias, &created.arn)?;
        Ok(created)
    }

    fn insert(&self, key: Key, alias: String) -> Result<CreatedKey, KeyError> {
        let public_key = key.material()?.public_key().unwrap_or_default();
        let created = CreatedKey {
            arn: key.arn(),
            alias,
            public_key_pem: pem(&public_key),
        };
        self.keys().keys.insert(key.arn(), key);
        Ok(created)
    }

    /// Puts a key into a state.
    pub(crate) fn set_state(&self, id: &str, state: KeyState) -> Result<(), KeyError> {
        self.keys().find_mut(id, &self.caller)?.state = state;
        Ok(())
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pem(public_key: &[u8]) -> String {
    if public_key.is_empty() {
        return String::new();
    }
    der::pem::encode_string("PUBLIC KEY", LineEnding::LF, public_key).unwrap_or_default()
}

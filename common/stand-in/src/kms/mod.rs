//! A KMS with asymmetric keys that signs as AWS's does: the same operations, limits, key states and error names.
//! Called through the AWS listener by any SDK, and by the stand-in to make keys. Never decides who may call.

mod aliases;
mod keys;
mod lifecycle;
mod material;
mod signing;
mod spec;

use std::sync::{Mutex, MutexGuard, PoisonError};

use der::pem::LineEnding;
use serde_json::Value;

pub(crate) use self::keys::Place;
pub use self::{
    keys::KeyState,
    spec::{KeySpec, KeyUsage},
};
use self::{
    keys::{Key, Keys, key_arn},
    material::Material,
};
use crate::{
    aws::{AwsError, unknown_operation},
    clock,
};

/// The keys of one account in one region.
#[derive(Debug)]
pub(crate) struct Kms {
    keys: Mutex<Keys>,
    place: Place,
}

/// A key that a test made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CreatedKey {
    /// Its ARN, in account 000000000000.
    pub arn: String,
    /// The alias that points at it.
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
    pub(crate) fn new(place: Place) -> Self {
        Self {
            keys: Mutex::default(),
            place,
        }
    }

    pub(crate) fn call(&self, operation: &str, body: &[u8]) -> Result<Value, AwsError> {
        match operation {
            "CancelKeyDeletion" => self.cancel_key_deletion(body),
            "CreateAlias" => self.create_alias(body),
            "CreateKey" => self.create_key(body),
            "DescribeKey" => self.describe_key(body),
            "DisableKey" => self.switch(body, KeyState::Disabled),
            "EnableKey" => self.switch(body, KeyState::Enabled),
            "GetPublicKey" => self.get_public_key(body),
            "ListAliases" => self.list_aliases(body),
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
        self.add(Key::new(spec, usage, clock::now()), alias)
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
        let key = Key::new(spec, KeyUsage::SignVerify, clock::now());
        drop(key.material.set(material));
        self.add(key, alias)
    }

    fn add(&self, key: Key, alias: &str) -> Result<CreatedKey, KeyError> {
        let public_key = key.material()?.public_key().unwrap_or_default();
        let created = CreatedKey {
            arn: key_arn(&self.place.region, &key.id),
            alias: alias.into(),
            public_key_pem: pem(&public_key),
        };
        let id = key.id.clone();
        self.keys().keys.insert(id.clone(), key);
        self.point(alias, &id)?;
        Ok(created)
    }

    /// Puts a key into a state.
    pub(crate) fn set_state(&self, id: &str, state: KeyState) -> Result<(), KeyError> {
        self.keys().find_mut(id, &self.place)?.state = state;
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

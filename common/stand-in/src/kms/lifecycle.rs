//! Making keys, describing them, switching them off and on, and scheduling their end. Called by `kms` for these
//! operations. Never touches what a key signs.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Kms,
    keys::{Key, KeyState},
    spec::{KeySpec, KeyUsage},
};
use crate::{
    ACCOUNT,
    aws::{AwsError, parse},
    clock::now,
};

const DAY: u64 = 24 * 60 * 60;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateKey {
    #[serde(default)]
    description: String,
    key_spec: Option<String>,
    customer_master_key_spec: Option<String>,
    key_usage: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyId {
    key_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ScheduleKeyDeletion {
    key_id: String,
    pending_window_in_days: Option<u64>,
}

impl Kms {
    pub(super) fn create_key(&self, body: &[u8]) -> Result<Value, AwsError> {
        let request: CreateKey = parse(body)?;
        let spec = request.spec()?;
        let mut key = Key::new(spec, request.usage(spec)?, now());
        key.description = request.description;
        let metadata = json!({"KeyMetadata": metadata(&key, &self.place.region)});
        self.keys().keys.insert(key.id.clone(), key);
        Ok(metadata)
    }

    pub(super) fn describe_key(&self, body: &[u8]) -> Result<Value, AwsError> {
        let request: KeyId = parse(body)?;
        let (key, arn) = self.keys().find(&request.key_id, &self.place)?;
        let region = arn.split(':').nth(3).unwrap_or_default();
        Ok(json!({"KeyMetadata": metadata(&key, region)}))
    }

    /// `EnableKey` and `DisableKey`.
    pub(super) fn switch(&self, body: &[u8], state: KeyState) -> Result<Value, AwsError> {
        let request: KeyId = parse(body)?;
        let mut keys = self.keys();
        let (_, arn) = keys.find(&request.key_id, &self.place)?;
        let key = keys.find_mut(&request.key_id, &self.place)?;
        if !matches!(key.state, KeyState::Disabled | KeyState::Enabled) {
            return Err(wrong_state(&arn, key.state));
        }
        key.state = state;
        Ok(Value::Null)
    }

    pub(super) fn schedule_key_deletion(&self, body: &[u8]) -> Result<Value, AwsError> {
        let request: ScheduleKeyDeletion = parse(body)?;
        let days = request.pending_window_in_days.unwrap_or(30);
        if !(7..=30).contains(&days) {
            return Err(AwsError::validation(
                "PendingWindowInDays must be between 7 and 30",
            ));
        }
        let mut keys = self.keys();
        let (_, arn) = keys.find(&request.key_id, &self.place)?;
        let key = keys.find_mut(&request.key_id, &self.place)?;
        if key.state == KeyState::PendingDeletion {
            return Err(wrong_state(&arn, key.state));
        }
        let deleted = now() + Duration::from_secs(days * DAY);
        (key.state, key.deleted) = (KeyState::PendingDeletion, Some(deleted));
        Ok(json!({
            "KeyId": arn,
            "DeletionDate": deleted.as_secs(),
            "KeyState": key.state.name(),
            "PendingWindowInDays": days,
        }))
    }

    pub(super) fn cancel_key_deletion(&self, body: &[u8]) -> Result<Value, AwsError> {
        let request: KeyId = parse(body)?;
        let mut keys = self.keys();
        let (_, arn) = keys.find(&request.key_id, &self.place)?;
        let key = keys.find_mut(&request.key_id, &self.place)?;
        if key.state != KeyState::PendingDeletion {
            let message = format!("{arn} is not pending deletion.");
            return Err(AwsError::new("KMSInvalidStateException", message));
        }
        (key.state, key.deleted) = (KeyState::Disabled, None);
        Ok(json!({"KeyId": arn}))
    }
}

impl Key {
    pub(super) fn algorithm_names(&self) -> Value {
        let algorithms = self.spec.algorithms().iter();
        algorithms.map(|algorithm| algorithm.name).collect()
    }
}

impl CreateKey {
    fn spec(&self) -> Result<KeySpec, AwsError> {
        let name = self
            .key_spec
            .as_deref()
            .or(self.customer_master_key_spec.as_deref())
            .unwrap_or("SYMMETRIC_DEFAULT");
        KeySpec::parse(name).ok_or_else(|| {
            AwsError::validation(format!(
                "1 validation error detected: Value '{name}' at 'keySpec' failed to satisfy constraint: Member must satisfy enum value set"
            ))
        })
    }

    fn usage(&self, spec: KeySpec) -> Result<KeyUsage, AwsError> {
        let name = self.key_usage.as_deref().unwrap_or("ENCRYPT_DECRYPT");
        let usage = KeyUsage::parse(name).ok_or_else(|| {
            AwsError::validation(format!(
                "1 validation error detected: Value '{name}' at 'keyUsage' failed to satisfy constraint: Member must satisfy enum value set"
            ))
        })?;
        if spec.usages().contains(&usage) {
            Ok(usage)
        } else {
            Err(AwsError::validation(format!(
                "KeyUsage {name} is not compatible with KeySpec {}",
                spec.name()
            )))
        }
    }
}

fn metadata(key: &Key, region: &str) -> Value {
    let mut metadata = json!({
        "AWSAccountId": ACCOUNT,
        "Arn": super::key_arn(region, &key.id),
        "CreationDate": key.created.as_secs(),
        "CustomerMasterKeySpec": key.spec.name(),
        "Description": key.description,
        "Enabled": key.state == KeyState::Enabled,
        "KeyId": key.id,
        "KeyManager": "CUSTOMER",
        "KeySpec": key.spec.name(),
        "KeyState": key.state.name(),
        "KeyUsage": key.usage.name(),
        "MultiRegion": false,
        "Origin": "AWS_KMS",
    });
    let Value::Object(members) = &mut metadata else {
        return metadata;
    };
    if let Some(deleted) = key.deleted {
        members.insert("DeletionDate".into(), deleted.as_secs().into());
    }
    if key.usage == KeyUsage::SignVerify {
        members.insert("SigningAlgorithms".into(), key.algorithm_names());
    }
    metadata
}

/// What a state says to an operation that it forbids.
pub(super) fn wrong_state(arn: &str, state: KeyState) -> AwsError {
    let invalid = |condition: &str| {
        AwsError::new("KMSInvalidStateException", format!("{arn} is {condition}."))
    };
    match state {
        KeyState::Disabled => AwsError::new("DisabledException", format!("{arn} is disabled.")),
        KeyState::Enabled => invalid("enabled"),
        KeyState::PendingDeletion => invalid("pending deletion"),
        KeyState::PendingImport => invalid("pending import"),
        KeyState::Unavailable => invalid("unavailable"),
        KeyState::Updating => invalid("updating"),
    }
}

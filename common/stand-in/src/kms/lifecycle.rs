//! Making keys, describing them, switching them off and on, and scheduling their end. Called by `kms` for these
//! operations. Never touches what a key signs.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Kms,
    keys::{Home, Key, KeyState, Keys},
    spec::{KeySpec, KeyUsage},
};
use crate::{
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
    #[serde(default)]
    multi_region: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReplicateKey {
    key_id: String,
    replica_region: String,
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
        let home = Home {
            primary: request.multi_region.then(|| self.caller.region.clone()),
            ..self.home()
        };
        let mut key = Key::new(spec, request.usage(spec)?, home, now());
        key.description = request.description;
        let mut keys = self.keys();
        keys.keys.insert(key.arn(), key.clone());
        Ok(json!({"KeyMetadata": metadata(&keys, &key)}))
    }

    pub(super) fn replicate_key(&self, body: &[u8]) -> Result<Value, AwsError> {
        let request: ReplicateKey = parse(body)?;
        let replica = self.replicate(&request.key_id, &request.replica_region)?;
        let metadata = metadata(&self.keys(), &replica);
        Ok(json!({"ReplicaKeyMetadata": metadata}))
    }

    /// Makes a replica of a multi-Region key in another region, from where its primary is.
    pub(super) fn replicate(&self, id: &str, region: &str) -> Result<Key, AwsError> {
        let mut keys = self.keys();
        let mut replica = keys.find_mut(id, &self.caller)?.clone();
        let arn = replica.arn();
        if replica.home.primary.as_ref() != Some(&replica.home.region) {
            let message = format!("{arn} is not a multi-Region primary key.");
            return Err(AwsError::new("UnsupportedOperationException", message));
        }
        if !is_region(region) {
            return Err(AwsError::validation(format!(
                "{region} is not a valid region"
            )));
        }
        region.clone_into(&mut replica.home.region);
        (replica.created, replica.state) = (now(), KeyState::Enabled);
        if keys.keys.contains_key(&replica.arn()) {
            let message = format!("{arn} is already replicated in {region}.");
            return Err(AwsError::new("AlreadyExistsException", message));
        }
        keys.keys.insert(replica.arn(), replica.clone());
        Ok(replica)
    }

    pub(super) fn describe_key(&self, body: &[u8]) -> Result<Value, AwsError> {
        let request: KeyId = parse(body)?;
        let keys = self.keys();
        let (key, _) = keys.find(&request.key_id, &self.caller)?;
        Ok(json!({"KeyMetadata": metadata(&keys, &key)}))
    }

    /// `EnableKey` and `DisableKey`.
    pub(super) fn switch(&self, body: &[u8], state: KeyState) -> Result<Value, AwsError> {
        let request: KeyId = parse(body)?;
        let mut keys = self.keys();
        let key = keys.find_mut(&request.key_id, &self.caller)?;
        if !matches!(key.state, KeyState::Disabled | KeyState::Enabled) {
            return Err(wrong_state(&key.arn(), key.state));
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
        let key = keys.find_mut(&request.key_id, &self.caller)?;
        if key.state == KeyState::PendingDeletion {
            return Err(wrong_state(&key.arn(), key.state));
        }
        let deleted = now() + Duration::from_secs(days * DAY);
        (key.state, key.deleted) = (KeyState::PendingDeletion, Some(deleted));
        Ok(json!({
            "KeyId": key.arn(),
            "DeletionDate": deleted.as_secs(),
            "KeyState": key.state.name(),
            "PendingWindowInDays": days,
        }))
    }

    pub(super) fn cancel_key_deletion(&self, body: &[u8]) -> Result<Value, AwsError> {
        let request: KeyId = parse(body)?;
        let mut keys = self.keys();
        let key = keys.find_mut(&request.key_id, &self.caller)?;
        let arn = key.arn();
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

/// As its name becomes a part of ARNs and of host names.
fn is_region(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len()) && name.bytes().all(allowed)
}

fn metadata(keys: &Keys, key: &Key) -> Value {
    let mut metadata = json!({
        "AWSAccountId": key.home.account,
        "Arn": key.arn(),
        "CreationDate": key.created.as_secs(),
        "CustomerMasterKeySpec": key.spec.name(),
        "Description": key.description,
        "Enabled": key.state == KeyState::Enabled,
        "KeyId": key.id,
        "KeyManager": "CUSTOMER",
        "KeySpec": key.spec.name(),
        "KeyState": key.state.name(),
        "KeyUsage": key.usage.name(),
        "MultiRegion": key.home.primary.is_some(),
        "Origin": "AWS_KMS",
    });
    let Value::Object(members) = &mut metadata else {
        return metadata;
    };
    if let Some(primary) = &key.home.primary {
        members.insert(
            "MultiRegionConfiguration".into(),
            configuration(keys, key, primary),
        );
    }
    if let Some(deleted) = key.deleted {
        members.insert("DeletionDate".into(), deleted.as_secs().into());
    }
    if key.usage == KeyUsage::SignVerify {
        members.insert("SigningAlgorithms".into(), key.algorithm_names());
    }
    metadata
}

/// Which is the primary of a multi-Region key, and which are its replicas.
fn configuration(keys: &Keys, key: &Key, primary: &str) -> Value {
    let entry = |key: &Key| json!({"Arn": key.arn(), "Region": key.home.region});
    let related = keys.keys.values().filter(|other| other.id == key.id);
    let (primaries, replicas): (Vec<_>, Vec<_>) =
        related.partition(|other| other.home.region == primary);
    let is_primary = key.home.region == primary;
    json!({
        "MultiRegionKeyType": if is_primary { "PRIMARY" } else { "REPLICA" },
        "PrimaryKey": primaries.first().map(|key| entry(key)),
        "ReplicaKeys": replicas.into_iter().map(entry).collect::<Vec<_>>(),
    })
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

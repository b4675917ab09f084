//! Aliases: names that point at a key and can be moved. Called by `kms` for these operations and for a test's keys.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Kms, keys::Alias};
use crate::{
    aws::{AwsError, parse},
    clock::now,
};

/// The longest page of `ListAliases`.
const PAGE: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NameAndTarget {
    alias_name: String,
    target_key_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListAliases {
    key_id: Option<String>,
    limit: Option<usize>,
    marker: Option<String>,
}

impl Kms {
    pub(super) fn create_alias(&self, body: &[u8]) -> Result<Value, AwsError> {
        let request: NameAndTarget = parse(body)?;
        self.point(&request.alias_name, &request.target_key_id)?;
        Ok(Value::Null)
    }

    pub(super) fn update_alias(&self, body: &[u8]) -> Result<Value, AwsError> {
        let request: NameAndTarget = parse(body)?;
        self.move_alias(&request.alias_name, &request.target_key_id)?;
        Ok(Value::Null)
    }

    pub(super) fn list_aliases(&self, body: &[u8]) -> Result<Value, AwsError> {
        let request: ListAliases = parse(body)?;
        let keys = self.keys();
        let target = match &request.key_id {
            Some(id) => Some(keys.find(id, &self.caller)?.1),
            None => None,
        };
        let after = self.caller.own(&request.marker.unwrap_or_default());
        let mut listed: Vec<_> = keys
            .aliases
            .iter()
            .filter(|(arn, _)| **arn > after && arn.starts_with(&self.caller.own("")))
            .filter(|(_, alias)| target.as_ref().is_none_or(|target| *target == alias.target))
            .collect();
        let limit = request.limit.unwrap_or(50).clamp(1, PAGE);
        let truncated = listed.len() > limit;
        listed.truncate(limit);
        let marker = listed.last().map(|(arn, _)| resource(arn).to_owned());
        let aliases: Vec<_> = listed
            .into_iter()
            .map(|(arn, alias)| entry(arn, alias))
            .collect();
        Ok(match marker {
            Some(marker) if truncated => {
                json!({"Aliases": aliases, "Truncated": true, "NextMarker": marker})
            }
            _ => json!({"Aliases": aliases, "Truncated": false}),
        })
    }

    /// Makes an alias.
    pub(super) fn point(&self, name: &str, target: &str) -> Result<(), AwsError> {
        check_name(name)?;
        let mut keys = self.keys();
        let target = keys.find_mut(target, &self.caller)?.arn();
        let arn = self.caller.own(name);
        if keys.aliases.contains_key(&arn) {
            let message = format!("An alias with the name {arn} already exists");
            return Err(AwsError::new("AlreadyExistsException", message));
        }
        let now = now();
        let alias = Alias {
            target,
            created: now,
            updated: now,
        };
        keys.aliases.insert(arn, alias);
        Ok(())
    }

    /// Points an alias at another key.
    pub(crate) fn move_alias(&self, name: &str, target: &str) -> Result<(), AwsError> {
        let mut keys = self.keys();
        let target = keys.find_mut(target, &self.caller)?.arn();
        let arn = self.caller.own(name);
        let Some(alias) = keys.aliases.get_mut(&arn) else {
            return Err(AwsError::new(
                "NotFoundException",
                format!("Alias {arn} is not found."),
            ));
        };
        (alias.target, alias.updated) = (target, now());
        Ok(())
    }
}

fn entry(arn: &str, alias: &Alias) -> Value {
    json!({
        "AliasName": resource(arn),
        "AliasArn": arn,
        "TargetKeyId": resource(&alias.target).trim_start_matches("key/"),
        "CreationDate": alias.created.as_secs(),
        "LastUpdatedDate": alias.updated.as_secs(),
    })
}

/// What an ARN names.
fn resource(arn: &str) -> &str {
    arn.splitn(6, ':').last().unwrap_or_default()
}

fn check_name(name: &str) -> Result<(), AwsError> {
    let Some(rest) = name.strip_prefix("alias/") else {
        let message = "Invalid identifier: an alias begins with 'alias/'";
        return Err(AwsError::validation(message));
    };
    if rest.starts_with("aws/") {
        let message = format!("Alias {name} is reserved for AWS");
        return Err(AwsError::new("NotAuthorizedException", message));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte);
    if rest.is_empty() || !rest.bytes().all(allowed) {
        let message = format!("Alias {name} has characters that an alias cannot have");
        return Err(AwsError::new("InvalidAliasNameException", message));
    }
    Ok(())
}

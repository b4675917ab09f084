//! What a `root.json` holds of ours, member by member: the object `x-countersign` beside TUF's own members.
//!
//! Read into [`Contents`](super::Contents), and written by drafts. An unknown member is an unknown feature: whoever wrote it
//! meant something by it, so it is refused and never passed over.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// The name of the object inside `signed`.
pub(super) const MEMBER: &str = "x-countersign";

/// The one version that is understood.
pub(super) const SCHEMA: u64 = 1;

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ExtensionDocument {
    pub(super) schema: u64,
    pub(super) name: String,
    #[serde(default)]
    pub(super) key_info: BTreeMap<String, KeyInfoDocument>,
    #[serde(default)]
    pub(super) scopes: Vec<ScopeDocument>,
    #[serde(default)]
    pub(super) key_status: BTreeMap<String, KeyStatusDocument>,
    #[serde(default)]
    pub(super) time: TimeDocument,
    #[serde(default)]
    pub(super) trusted_root: TrustedRootDocument,
}

/// For people and signers. Nothing is trusted because of it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct KeyInfoDocument {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) kms: Option<String>,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ScopeDocument {
    pub(super) repositories: Vec<String>,
    #[serde(default = "first_epoch")]
    pub(super) epoch: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) epochs: BTreeMap<String, u64>,
    #[serde(default = "tag_table_max_seconds")]
    pub(super) tag_table_max_seconds: u64,
    #[serde(default)]
    pub(super) statements: StatementsDocument,
    #[serde(default)]
    pub(super) sign: RoleDocument,
    #[serde(default)]
    pub(super) publish: RoleDocument,
    #[serde(default)]
    pub(super) heartbeat: HeartbeatDocument,
}

impl Default for ScopeDocument {
    fn default() -> Self {
        Self {
            repositories: Vec::new(),
            epoch: first_epoch(),
            epochs: BTreeMap::new(),
            tag_table_max_seconds: tag_table_max_seconds(),
            statements: StatementsDocument::default(),
            sign: RoleDocument::default(),
            publish: RoleDocument::default(),
            heartbeat: HeartbeatDocument::default(),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum StatementsDocument {
    Same,
    #[default]
    Sibling,
}

#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RoleDocument {
    pub(super) keyids: Vec<String>,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct HeartbeatDocument {
    pub(super) keyids: Vec<String>,
    #[serde(default = "heartbeat_max_seconds")]
    pub(super) max_seconds: u64,
}

impl Default for HeartbeatDocument {
    fn default() -> Self {
        Self {
            keyids: Vec::new(),
            max_seconds: heartbeat_max_seconds(),
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct KeyStatusDocument {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) not_before: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) not_after: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) revoked: Option<RevokedDocument>,
}

/// Flat, since a tagged enum would let a member of the other reason pass.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RevokedDocument {
    pub(super) reason: ReasonDocument,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) to: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ReasonDocument {
    Compromised,
    Misused,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct TimeDocument {
    #[serde(default = "max_interval_seconds")]
    pub(super) max_interval_seconds: u64,
    #[serde(default)]
    pub(super) stamps: StampsDocument,
    #[serde(default)]
    pub(super) authorities: Vec<AuthorityDocument>,
}

impl Default for TimeDocument {
    fn default() -> Self {
        Self {
            max_interval_seconds: max_interval_seconds(),
            stamps: StampsDocument::default(),
            authorities: Vec::new(),
        }
    }
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct StampsDocument {
    pub(super) publication: CountsDocument,
    pub(super) tag_table: CountsDocument,
    pub(super) heartbeat: CountsDocument,
}

impl Default for StampsDocument {
    fn default() -> Self {
        let one = CountsDocument {
            collect: 1,
            threshold: 1,
        };
        Self {
            publication: CountsDocument {
                collect: 2,
                threshold: 1,
            },
            tag_table: one.clone(),
            heartbeat: one,
        }
    }
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct CountsDocument {
    pub(super) collect: u64,
    pub(super) threshold: u64,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct AuthorityDocument {
    #[serde(default)]
    pub(super) operator: String,
    pub(super) uri: String,
    pub(super) default_accuracy_seconds: u64,
}

/// Sigstore's `trusted_root.json`. A foreign format: what else is in it stays there, except what would mean that more is
/// demanded of evidence than is checked here.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TrustedRootDocument {
    pub(super) media_type: String,
    #[serde(default)]
    pub(super) tlogs: Vec<serde_json::Value>,
    #[serde(default)]
    pub(super) certificate_authorities: Vec<serde_json::Value>,
    #[serde(default)]
    pub(super) ctlogs: Vec<serde_json::Value>,
    #[serde(default)]
    pub(super) timestamp_authorities: Vec<TimestampAuthorityDocument>,
    #[serde(flatten)]
    pub(super) other: BTreeMap<String, serde_json::Value>,
}

impl Default for TrustedRootDocument {
    fn default() -> Self {
        Self {
            media_type: "application/vnd.dev.sigstore.trustedroot.v0.2+json".to_owned(),
            tlogs: Vec::new(),
            certificate_authorities: Vec::new(),
            ctlogs: Vec::new(),
            timestamp_authorities: Vec::new(),
            other: BTreeMap::new(),
        }
    }
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TimestampAuthorityDocument {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) operator: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) uri: String,
    #[serde(default)]
    pub(super) valid_for: ValidForDocument,
    pub(super) cert_chain: CertChainDocument,
    /// Ours: all its stamps are void, those of before too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) compromised: bool,
    #[serde(flatten)]
    pub(super) other: BTreeMap<String, serde_json::Value>,
}

#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct ValidForDocument {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) start: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) end: Option<String>,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct CertChainDocument {
    pub(super) certificates: Vec<CertificateDocument>,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CertificateDocument {
    /// DER in base64.
    pub(super) raw_bytes: String,
}

impl ExtensionDocument {
    /// Every key id that something is said about.
    pub(super) fn key_ids(&self) -> BTreeSet<&String> {
        let of_scopes = self.scopes.iter().flat_map(|scope| {
            let roles = [
                &scope.sign.keyids,
                &scope.publish.keyids,
                &scope.heartbeat.keyids,
            ];
            roles.into_iter().flatten()
        });
        of_scopes
            .chain(self.key_info.keys())
            .chain(self.key_status.keys())
            .collect()
    }
}

fn first_epoch() -> u64 {
    1
}

/// Ninety days.
fn tag_table_max_seconds() -> u64 {
    7_776_000
}

/// A week.
fn heartbeat_max_seconds() -> u64 {
    604_800
}

fn max_interval_seconds() -> u64 {
    crate::TimeRules::MAX_INTERVAL.as_secs()
}

//! What a case says beside the files of its registry: who is trusted, what is demanded, when it is judged, and what goes
//! wrong. It is the `case.json` of its folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    time::Duration,
};

use bytes::Bytes;
use countersign_common::{
    Digest, Limits, PublicKey, Timestamp, rfc3161::Anchor, signer::KeyOrigin,
};
use countersign_trust_roots::{
    Authority, Revocation, Role, Term, TimeAuthority, TimeRules,
    time::{Standing, Window},
};
use countersign_verify::{
    Besides, DateDemand, Exceptable, Excepted,
    verdict::{Basis, Mode, PolicyBasis, RootVersion},
};
use serde::{Deserialize, Serialize};

use crate::world::Fault;

/// Everything about a case that is not a file of the registry.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct CaseDocument {
    /// What the case shows.
    pub(crate) about: String,
    /// What is asked about.
    pub(crate) image: String,
    /// The repository that documents must name, if it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signed_repository: Option<String>,
    /// The rule that it is judged by, if it is one of a policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<PolicyDocument>,
    /// What each tag names, by the file of its manifest.
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) now: String,
    /// Files of public keys, in the case's folder.
    pub(crate) trusted: Vec<String>,
    /// Those of them that are known to be demonstration keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) demonstration: Vec<String>,
    /// What those of them may sign that may not sign everything.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) roles: BTreeMap<String, BTreeSet<RoleName>>,
    /// When the signatures of those of them count that do not count always.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) terms: BTreeMap<String, TermDocument>,
    /// Who is believed about time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) time_authorities: Vec<TimeAuthorityDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) time_threshold: Option<NonZeroUsize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_interval_seconds: Option<u64>,
    pub(crate) demand: DemandDocument,
    /// Limits that are lower than in force.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) limits: BTreeMap<String, usize>,
    /// Files that the registry serves under the names of others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) altered: BTreeMap<String, String>,
    /// Manifests that are listed as referring to others, and do not.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) listed: BTreeMap<String, Vec<String>>,
    /// Requests that fail, such as `blob release-signature.blob.json`, or `tag image.manifest.json` for the tag of its older
    /// signatures.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) faults: BTreeMap<String, Fault>,
    /// For a case that is not verified: the case that differs in what decides, and is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) twin: Option<String>,
}

impl CaseDocument {
    /// The key in this file, and what it is trusted for.
    pub(crate) fn authority(&self, file: &str, files: &BTreeMap<String, Bytes>) -> Authority {
        let origin = if self.demonstration.iter().any(|other| other == file) {
            KeyOrigin::StandIn
        } else {
            KeyOrigin::File
        };
        let pem = std::str::from_utf8(&files[file]).unwrap();
        let key = PublicKey::from_pem(pem).unwrap();
        let mut authority = Authority::unlimited(file.to_owned(), key, origin);
        if let Some(roles) = self.roles.get(file) {
            authority.roles = roles.iter().map(|role| role.role()).collect();
        }
        if let Some(term) = self.terms.get(file) {
            authority.term = term.term();
        }
        authority
    }

    /// Who is believed about time, with the certificates among these files.
    pub(crate) fn time_rules(&self, files: &BTreeMap<String, Bytes>) -> TimeRules {
        if self.time_authorities.is_empty() {
            return TimeRules::none();
        }
        let authorities = (self.time_authorities.iter())
            .map(|document| document.authority(files))
            .collect();
        let max_interval = self
            .max_interval_seconds
            .map_or(TimeRules::MAX_INTERVAL, Duration::from_secs);
        let threshold = self.time_threshold.unwrap_or(NonZeroUsize::MIN);
        TimeRules::new(authorities, threshold, max_interval).unwrap()
    }
}

/// What the verdict says of the policy.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct PolicyDocument {
    pub(crate) rule: String,
    pub(crate) root: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) root_version: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<String>,
    pub(crate) mode: ModeName,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ModeName {
    Enforce,
    Report,
}

impl PolicyDocument {
    pub(crate) fn basis(&self) -> Basis {
        Basis::Policy(Box::new(PolicyBasis {
            // Of nothing: no policy and no root has it.
            policy: Digest::sha256(b""),
            rule: self.rule.clone(),
            root: self.root.clone(),
            version: self.root_version.map(|number| RootVersion {
                number,
                sha256: Digest::sha256(b""),
            }),
            scope: self.scope.clone(),
            mode: match self.mode {
                ModeName::Enforce => Mode::Enforce,
                ModeName::Report => Mode::Report,
            },
        }))
    }
}

/// A role, as a trust root writes it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RoleName {
    Heartbeat,
    Publish,
    Sign,
}

impl RoleName {
    fn role(self) -> Role {
        match self {
            Self::Heartbeat => Role::Heartbeat,
            Self::Publish => Role::Publish,
            Self::Sign => Role::Sign,
        }
    }
}

/// The `keyStatus` of a key, as a trust root writes it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct TermDocument {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) not_before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) not_after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revoked: Option<RevocationDocument>,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", tag = "reason")]
pub(crate) enum RevocationDocument {
    Compromised {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<String>,
    },
    Misused {
        from: String,
        to: String,
    },
}

impl TermDocument {
    fn term(&self) -> Term {
        let time = |text: &String| Timestamp::parse(text).unwrap();
        Term {
            valid: Window {
                start: self.not_before.as_ref().map(time),
                end: self.not_after.as_ref().map(time),
            },
            revoked: self.revoked.as_ref().map(|revoked| match revoked {
                RevocationDocument::Compromised { at } => Revocation::Compromised {
                    at: at.as_ref().map(time),
                },
                RevocationDocument::Misused { from, to } => Revocation::Misused {
                    from: time(from),
                    to: time(to),
                },
            }),
        }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct DemandDocument {
    pub(crate) threshold: NonZeroUsize,
    /// Whose signatures must be there, if not anybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signers: Option<SignersDocument>,
    pub(crate) annotations: BTreeMap<String, String>,
    /// How far down it is looked at, if further than to the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) depth: Option<DepthName>,
    pub(crate) platform: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) recursive: bool,
    pub(crate) unbound: Choice,
    pub(crate) stand_in: Choice,
    /// Whether signatures of cosign before version 3 count.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) legacy: bool,
    /// Short names or URIs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) attestations: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) level: Option<DemandedLevel>,
    #[serde(default, skip_serializing_if = "DatesDocument::is_empty")]
    pub(crate) dates: DatesDocument,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) exceptions: Vec<ExceptionDocument>,
    /// What no exception is for.
    #[serde(default, skip_serializing_if = "BesidesDocument::is_empty")]
    pub(crate) besides: BesidesDocument,
}

/// Several keys, by their files, and how many of them must have signed.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct SignersDocument {
    pub(crate) at_least: NonZeroUsize,
    pub(crate) of: Vec<String>,
}

/// What somebody else demands than who makes the exceptions.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct BesidesDocument {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) attestations: Vec<String>,
    #[serde(skip_serializing_if = "DatesDocument::is_empty")]
    pub(crate) dates: DatesDocument,
}

impl BesidesDocument {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn besides(&self) -> Besides {
        let attestations = self.attestations.iter();
        Besides {
            attestations: attestations.map(|kind| kind.parse().unwrap()).collect(),
            dates: self.dates.demands(),
        }
    }
}

/// What is let pass, as a policy writes it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ExceptionDocument {
    /// The file of the manifest that it is for.
    pub(crate) manifest: String,
    pub(crate) codes: BTreeSet<String>,
    pub(crate) until: String,
    pub(crate) reason: String,
}

impl ExceptionDocument {
    pub(crate) fn excepted(&self, files: &BTreeMap<String, Bytes>) -> Excepted {
        let exceptable = |code: &String| {
            let mut all = Exceptable::ALL.into_iter();
            all.find(|one| one.code().as_str() == code).unwrap()
        };
        Excepted {
            digest: Digest::sha256(&files[&self.manifest]),
            codes: self.codes.iter().map(exceptable).collect(),
            until: Timestamp::parse(&self.until).unwrap(),
            reason: self.reason.clone(),
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DepthName {
    Layers,
    Unpacked,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DemandedLevel {
    Dated,
}

/// What the proven date must be like; ages in seconds.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct DatesDocument {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_age: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) min_age: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) published_after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) published_before: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) supported: bool,
}

impl DatesDocument {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn demands(&self) -> Vec<DateDemand> {
        let time = |text: &String| Timestamp::parse(text).unwrap();
        let seconds = |seconds: u64| Duration::from_secs(seconds);
        [
            self.max_age.map(|age| DateDemand::MaxAge(seconds(age))),
            self.min_age.map(|age| DateDemand::MinAge(seconds(age))),
            (self.published_after.as_ref()).map(|limit| DateDemand::PublishedAfter(time(limit))),
            (self.published_before.as_ref()).map(|limit| DateDemand::PublishedBefore(time(limit))),
            self.supported.then_some(DateDemand::Supported),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// An authority that is believed about time.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct TimeAuthorityDocument {
    pub(crate) operator: String,
    /// The file of its certificates, in the case's folder.
    pub(crate) chain: String,
    /// Its stamps count from then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start: Option<String>,
    /// Its stamps count until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<String>,
    /// How exact its stamps are where they do not say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) accuracy_seconds: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) compromised: bool,
}

impl TimeAuthorityDocument {
    pub(crate) fn authority(&self, files: &BTreeMap<String, Bytes>) -> TimeAuthority {
        let time = |text: &String| Timestamp::parse(text).unwrap();
        TimeAuthority {
            operator: self.operator.clone(),
            anchor: Anchor::from_pem(&files[&self.chain], &Limits::TABLE).unwrap(),
            valid: Window {
                start: self.start.as_ref().map(time),
                end: self.end.as_ref().map(time),
            },
            accuracy: (self.accuracy_seconds).map_or(TimeRules::ACCURACY, Duration::from_secs),
            standing: if self.compromised {
                Standing::Compromised
            } else {
                Standing::Good
            },
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Choice {
    Accepted,
    Refused,
}

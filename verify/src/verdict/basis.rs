//! By whose decision an image was judged: keys that somebody named, or a rule of a policy.
//!
//! Made before an image is looked at, so that whatever is found out, or cannot be, says by which rule.

use countersign_common::Digest;
use countersign_trust_roots::policy::{Matched, Mode as RuleMode};

/// What a judgement rests on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Basis {
    /// Keys that were named by hand; or nobody's, where a policy has no rule.
    Keys,
    /// A rule of a policy, and the scope of a trust root.
    Policy(Box<PolicyBasis>),
}

/// The rule and the scope that an image falls under.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PolicyBasis {
    /// SHA-256 of the policy's file.
    pub policy: Digest,
    /// The pattern of the rule.
    pub rule: String,
    /// What the policy calls the trust root.
    pub root: String,
    /// Its version; `None` if the root could not be followed.
    pub version: Option<RootVersion>,
    /// The pattern of the scope; `None` if the root grants none, or could not be asked.
    pub scope: Option<String>,
    /// What becomes of an image that is refused.
    pub mode: Mode,
}

/// Which file of a trust root was asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RootVersion {
    /// Its version.
    pub number: u64,
    /// SHA-256 of it.
    pub sha256: Digest,
}

impl PolicyBasis {
    /// The rule alone, before its root is asked.
    pub fn of(matched: &Matched<'_>) -> Self {
        let rule = matched.rule;
        Self {
            policy: matched.policy.clone(),
            rule: rule.matches.to_string(),
            root: rule.root.name.to_string(),
            version: None,
            scope: None,
            mode: match rule.mode {
                RuleMode::Enforce => Mode::Enforce,
                RuleMode::Report => Mode::Report,
            },
        }
    }
}

/// What becomes of an image that a rule refuses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// It does not run.
    Enforce,
    /// It is only said.
    Report,
}

impl Basis {
    /// The mode of its rule; keys that are named by hand are named to be obeyed.
    pub(crate) fn mode(&self) -> Mode {
        match self {
            Self::Keys => Mode::Enforce,
            Self::Policy(policy) => policy.mode,
        }
    }
}

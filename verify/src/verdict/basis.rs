//! By whose decision an image was judged: keys that somebody named, or a rule of a policy.

/// What a judgement rests on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Basis {
    /// Keys that were named by hand.
    Keys,
    /// A rule of a policy, and the scope of a trust root.
    Policy(Box<PolicyBasis>),
}

/// The rule and the scope that an image falls under.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PolicyBasis {
    /// The pattern of the rule.
    pub rule: String,
    /// What the policy calls the trust root.
    pub root: String,
    /// Its version.
    pub root_version: u64,
    /// The pattern of the scope.
    pub scope: String,
    /// What becomes of an image that is refused.
    pub mode: Mode,
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

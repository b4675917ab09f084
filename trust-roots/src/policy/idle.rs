//! What a policy says in vain: whoever wrote it expects something of it.
//!
//! Found when a policy is parsed, and said by whoever checks one. It refuses nothing.

use countersign_common::{Code, Explain};

use super::Position;

/// A setting that has no effect.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{what} has no effect: {vain}")]
pub struct Idle {
    /// Where it stands.
    pub at: Position,
    /// What it is.
    pub what: String,
    /// Why it has none.
    pub vain: Vain,
}

/// Why a setting has no effect.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Vain {
    /// Nothing is known of tags below this level.
    #[error("it is for `require = \"fresh\"`, which is not there yet")]
    BelowFresh,
    /// There are no gates.
    #[error("it is for gates, which are not there yet")]
    NoGate,
}

impl Idle {
    /// The code of all of them.
    pub const CODE: Code = Code::new("policy-idle");
}

impl Explain for Idle {
    fn code(&self) -> Code {
        Self::CODE
    }

    fn remedy(&self) -> String {
        "count on nothing that it says, or take it out until then".to_owned()
    }
}

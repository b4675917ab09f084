//! What is trusted, and the verification of any one signed document.
//!
//! Verifiers use it to judge, signers to find what is there already. It decides about one document at a time; how many
//! must agree is the verifier's business. No I/O, no clock.

pub mod authority;
pub mod document;
pub mod format;
pub mod pattern;
pub mod policy;
pub mod root;
mod root_name;
pub mod state;
mod term;
pub mod time;

pub use self::{
    authority::{Authorities, Authority, Role},
    pattern::Pattern,
    root::{Chain, TrustRoot},
    root_name::{RootName, RootNameInvalid},
    state::State,
    term::{Lapse, Revocation, Term},
    time::{TimeAuthority, TimeRules, TimeRulesError},
};

//! The judgement: what was found beside an image, checked, and a verdict about it.
//!
//! `reference → resolve → collect → check (pure) → verdict`. The registry is reached through a port; a binary brings
//! the adapter, the clock and the deadline. No clock, no environment and no log below `collect`.

pub mod check;
mod collect;
mod deadline;
mod evidence;
mod refusal;
pub mod verdict;
mod verifier;

pub use self::{
    deadline::Deadline,
    evidence::{Artifact, Content, Evidence},
    refusal::{CODES, Refusal},
    verdict::{Level, Outcome, Verdict},
    verifier::{Demand, Verifier},
};

//! The judgement: what was found beside an image, checked, and a verdict about it.
//!
//! `reference → resolve → collect → check (pure) → verdict`. The registry is reached through a port; a binary brings
//! the adapter, the clock and the deadline. No clock, no environment and no log below `collect`.

mod ahead;
pub mod check;
mod collect;
mod deadline;
mod evidence;
mod exception;
mod governed;
pub mod inspect;
mod layers;
mod legacy;
mod recursive;
mod refusal;
mod tags;
pub mod verdict;
mod verifier;

pub use self::{
    ahead::Sighted,
    check::freshness::DateDemand,
    deadline::{Deadline, Timer},
    evidence::{Artifact, Content, Evidence, Tagged},
    exception::{Exceptable, Excepted},
    governed::{Asked, Class, Ungoverned},
    layers::{Depth, Hashed, LayersRefusal, Seen},
    legacy::Legacy,
    refusal::{CODES, DateLimit, Refusal},
    verdict::{Basis, Level, Mode, Occasion, Outcome, PolicyBasis, RootVersion, Verdict},
    verifier::{Besides, Demand, Naming, Reach, Signers, Verifier},
};

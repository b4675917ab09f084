//! Signs images: `plan → sign → seal → attach`.
//!
//! The command calls it, over the ports to a registry and to a signer. Only what was signed and checked is sealed, and
//! only what is sealed is attached. No network, file, clock or environment of its own.

mod attach;
mod error;
mod existing;
pub mod file;
mod flow;
mod plan;
mod record;
mod request;
mod seal;
mod self_checked;

use countersign_common::Code;

pub use self::{
    attach::attach,
    error::{Error, Refusal, SignError},
    flow::{Occasion, Outcome, sign_image},
    plan::{Plan, SignedPlan, plan, sign},
    record::Record,
    request::{AnnotationRefused, Request},
    seal::{SealError, Sealed, seal},
    self_checked::SelfChecked,
};

/// Every code of this package; those of the ports come on top.
pub const CODES: &[Code] = &[
    AnnotationRefused::CODE,
    SealError::CODE,
    file::KeyFileError::INVALID,
    file::KeyFileError::PASSWORD,
    file::KeyFileError::UNSUPPORTED,
];

#[cfg(test)]
mod tests;

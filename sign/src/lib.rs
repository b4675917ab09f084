//! Signs images: `plan → sign → seal → attach`.
//!
//! The command calls it, over the ports to a registry and to a signer. Only what was signed and checked is sealed, and
//! only what is sealed is attached. No network, file, clock or environment of its own.

mod attach;
mod error;
mod existing;
mod family;
pub mod file;
mod flow;
mod plan;
mod record;
mod request;
mod seal;
mod self_check;
mod self_checked;
mod sighted;
mod stamping;

use countersign_common::Code;

pub use self::{
    attach::attach,
    error::{Error, Refusal, SignError},
    family::{Child, Entry, Family},
    flow::{
        Attestation, Attested, Earlier, Made, Means, Occasion, Outcome, attest_image, sign_image,
        sign_sighted,
    },
    plan::{Plan, SignedPlan, Stage, plan, plan_attestation, plan_publication, sign},
    record::{Record, SignedDate},
    request::{AnnotationRefused, Request},
    seal::{SealError, Sealed, seal},
    self_checked::SelfChecked,
    sighted::Sighted,
    stamping::{Dating, Fewer, Stamping},
};

/// Every code of this package; those of the ports come on top.
pub const CODES: &[Code] = &[
    AnnotationRefused::CODE,
    Refusal::PUBLICATION_DIFFERS,
    Refusal::SELF_CHECK_FAILED,
    SealError::CODE,
    file::KeyFileError::INVALID,
    file::KeyFileError::PASSWORD,
    file::KeyFileError::UNSUPPORTED,
];

#[cfg(test)]
mod tests;

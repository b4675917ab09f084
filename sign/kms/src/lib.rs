//! Signs with keys in AWS KMS, and fetches their public halves.
//!
//! Binaries and tests call it, behind the port [`countersign_common::Signer`]. The private key never leaves KMS; a
//! message never leaves this machine, only its hash does. Whether a signature is good is not decided here.
#![allow(
    clippy::disallowed_methods,
    reason = "an adapter: it reads the variables that choose region and endpoint, as the AWS SDK does"
)]

mod body_limit;
mod connection;
mod failure;
mod key_spec;
mod key_uri;
mod signer;

pub use self::{
    connection::{Notice, Options},
    key_uri::{KeyReferenceInvalid, KeyUri},
    signer::Signer,
};

/// Every code of this package; those of [`countersign_common::signer`] come on top.
pub const CODES: &[countersign_common::Code] = &[KeyReferenceInvalid::CODE];

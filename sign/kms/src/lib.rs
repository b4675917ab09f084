//! Signs with keys in AWS KMS, and fetches their public halves.
//!
//! Binaries and tests call it, behind the port [`countersign_common::Signer`]. The private key never leaves KMS; of a
//! message only its hash leaves this machine, but for Ed25519, whose signature needs the message. Whether a signature is good
//! is not decided here.
#![allow(
    clippy::disallowed_methods,
    reason = "an adapter: it reads the variables that choose region and endpoint, as the AWS SDK does"
)]

mod again;
mod body_limit;
mod connection;
mod examine;
mod failure;
mod key_spec;
mod key_uri;
mod message;
mod signer;

pub use self::{
    connection::{Notice, Options},
    examine::{Description, Examiner, KeyState, Material, Regions},
    key_uri::{KeyReferenceInvalid, KeyUri},
    signer::Signer,
};

/// Every code of this package; those of [`countersign_common::signer`] come on top.
pub const CODES: &[countersign_common::Code] = &[KeyReferenceInvalid::CODE];

//! Nouns and ports that every part of Countersign shares: image references, digests, manifests, envelopes,
//! keys, and the traits through which the outside world is reached.
//!
//! Every other package uses it. No I/O, no clock and no async runtime ever appears here.

#![cfg_attr(
    test,
    allow(clippy::string_slice, reason = "tests cut ASCII texts of their own")
)]

pub mod age;
pub mod algorithm;
pub mod annotation;
pub mod bundle;
pub mod children;
pub mod digest;
pub mod dsse;
pub mod escape;
pub mod explain;
pub mod json;
pub mod key;
pub mod limits;
pub mod manifest;
mod objects_only;
mod platform;
pub mod predicate;
pub mod publication;
pub mod reference;
pub mod registry;
pub mod rfc3161;
pub mod root_source;
pub mod signer;
pub mod statement;
pub mod time_authority;
pub mod timestamp;

use std::{future::Future, pin::Pin};

pub use self::{
    age::Age,
    algorithm::Algorithm,
    bundle::Bundle,
    digest::Digest,
    escape::Escaped,
    explain::{Code, Explain},
    key::{KeyId, PublicKey, Signature},
    limits::Limits,
    manifest::{Descriptor, Manifest, PinnedImage},
    reference::{ImageRef, LayoutRef, Repository},
    registry::{Registry, RegistryWriter},
    root_source::RootSource,
    signer::Signer,
    statement::Statement,
    time_authority::TimestampAuthority,
    timestamp::Timestamp,
};

/// The future that a port's method returns: boxed, so that ports are object-safe, and `Send`, so that any runtime can
/// drive it.
pub type Task<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

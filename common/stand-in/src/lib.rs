//! Loopback services in place of AWS and of others: a KMS, the part of ECR's API that concerns repositories and logins, a
//! registry shaped like ECR's, the caller's name by STS, and time-stamp authorities.
//!
//! Called by `countersign demo`, `countersign stand-in` and the end-to-end tests, which point our own commands and
//! their peers (cosign, crane, oras, the AWS SDKs) at it. It is an oracle of its own: it shares no code with the parts
//! of this product that it tests, and it is honest unless a [`Fault`] tells it to lie. Nothing here leaves the machine,
//! keeps a key on disk, or checks an AWS signature: every credential passes.
//!
//! ```
//! use countersign_stand_in::{Fault, KeySpec, Lie, Options, StandIn};
//!
//! let stand_in = StandIn::start(Options::default())?;
//! let key = stand_in.create_key(KeySpec::ECC_NIST_P384, "alias/release")?;
//! assert!(key.arn.starts_with("arn:aws:kms:us-east-1:000000000000:key/"));
//!
//! stand_in.faults().push(Fault::on("TrentService.Sign", Lie::kms_throttled()).times(2));
//! assert!(stand_in.calls().is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![allow(
    clippy::disallowed_methods,
    reason = "an adapter: it listens, spawns, reads the clock for token expiry and writes the environment's files"
)]

mod answer;
mod aws;
mod calls;
mod clock;
mod ecr;
mod environment;
mod faults;
mod kms;
mod lies;
mod listeners;
mod options;
mod proxy;
mod random;
mod registry;
mod server;
mod services;
mod stamps;
mod stand_in;
mod sts;
mod tls;
pub mod tsa;
mod wildcard;
mod wire;

pub use calls::{Call, Service};
pub use environment::EnvironmentError;
pub use faults::{Fault, Faults};
pub use kms::{CreatedKey, KeyError, KeySpec, KeyState, KeyUsage, Sharing};
pub use lies::{Lie, Part};
pub use options::{
    Certificate, Elsewhere, Login, Options, Ports, ReferrersFilter, RegistryMode, Repositories,
    Transport,
};
pub use registry::{Mutability, StorageClass};
pub use stamps::{Clock, TsaSetting};
pub use stand_in::{StandIn, StartError};

/// The account of every key and repository; no real AWS account has this number.
pub const ACCOUNT: &str = "000000000000";

/// The account of the keys that are somebody else's.
pub const OTHER_ACCOUNT: &str = "000000000001";

/// The alias of the P-256 key that is there from the start, and that `KMS_KEY` names.
pub const DEFAULT_ALIAS: &str = "alias/stand-in";

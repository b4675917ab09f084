//! A bounded client for OCI registries, with login for Amazon ECR and any other.
//!
//! The adapter of [`countersign_common::Registry`] and [`countersign_common::RegistryWriter`], made by binaries. It
//! believes nothing that it did not hash, reads nothing that it did not bound, and sends a credential to nobody but the
//! registry that it is for. It never decides what a signature is worth.

#![allow(
    clippy::disallowed_methods,
    reason = "an adapter: it has deadlines, asks credential helpers and reads the environment for them"
)]

mod body;
mod challenge;
mod client;
mod clients;
mod credentials;
mod ecr;
mod egress;
mod fallback;
mod listing;
mod options;
mod place;
mod realm;
mod referrers;
mod root_files;
mod session;
mod transport;
mod tsa;

pub use self::{
    client::Client,
    credentials::Credentials,
    options::{ConfigError, Options, PlainHttp},
    root_files::RootFiles,
    tsa::TsaClient,
};

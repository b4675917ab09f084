//! A bounded client for OCI registries, with login for Amazon ECR and any other; and image-layout folders, which are read
//! and written in the same way.
//!
//! The adapters of [`countersign_common::Registry`] and [`countersign_common::RegistryWriter`], made by binaries. They
//! believe nothing that they did not hash, read nothing that they did not bound, and send a credential to nobody but the
//! registry that it is for. They never decide what a signature is worth.

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
mod layout;
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
    layout::{Layout, LayoutError},
    options::{ConfigError, Options, PlainHttp},
    root_files::RootFiles,
    tsa::TsaClient,
};

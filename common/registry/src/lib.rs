//! A bounded client for OCI registries, with login for Amazon ECR and any other; and image-layout folders, which are read
//! and written in the same way.
//!
//! The adapters of [`countersign_common::Registry`] and [`countersign_common::RegistryWriter`], made by binaries. They
//! believe nothing that they did not hash, read nothing that they did not bound, and send a credential to nobody but the
//! registry that it is for. They never decide what a signature is worth. What `countersign doctor` asks of AWS beside that,
//! for whoever has logged in there and how a repository is set up, is here too.

#![allow(
    clippy::disallowed_methods,
    reason = "an adapter: it has deadlines, asks credential helpers, reads the environment for them, and keeps files"
)]

mod account;
mod archive;
mod aws_again;
mod aws_body;
mod body;
mod cache;
mod challenge;
mod client;
mod clients;
mod credentials;
mod ecr;
mod ecr_repository;
mod egress;
mod fallback;
#[doc(hidden)]
pub mod fuzzing;
mod hosts;
mod layout;
mod listing;
mod merging;
mod object;
mod options;
mod pacing;
mod place;
mod probe;
mod realm;
mod referrers;
mod root_files;
mod session;
mod silence;
mod stream;
mod throttling;
mod tls;
mod transport;
mod tsa;
mod unlisted;

pub use self::{
    account::{
        Account, Caller, CallerError, FoundCredentials, FoundRegion, NoCredentials, RegionOrigin,
        Step,
    },
    cache::{Cache, CacheError, Distrust},
    client::Client,
    credentials::Credentials,
    ecr_repository::{EcrFailure, EcrRepository, Lifecycle, Mutability, TagMutability, partition},
    layout::{Layout, LayoutError},
    options::{ConfigError, Options, PlainHttp},
    probe::{Listing, ReferrersApi, Tried, Upload},
    root_files::RootFiles,
    tsa::{TsaClient, shown},
};

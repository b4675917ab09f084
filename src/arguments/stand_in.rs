//! What can be typed to run a stand-in of AWS.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Args, Debug)]
pub(crate) struct StandIn {
    /// Write what a shell must export to use it, once it listens: `. FILE`
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
    /// What the registry is like
    #[arg(long, value_enum, default_value = "ecr")]
    pub(crate) registry: RegistryKind,
    /// Serve TLS, with a certificate authority made for this run
    #[arg(long)]
    pub(crate) tls: bool,
    /// Port of the registry; the system chooses one unless it is given
    #[arg(
        long,
        value_name = "PORT",
        default_value = "0",
        hide_default_value = true
    )]
    pub(crate) registry_port: u16,
    /// Port of the KMS and of ECR's login; the system chooses one unless it is given
    #[arg(
        long,
        value_name = "PORT",
        default_value = "0",
        hide_default_value = true
    )]
    pub(crate) aws_port: u16,
    /// Port of the time-stamp authorities; the system chooses one unless it is given
    #[arg(
        long,
        value_name = "PORT",
        default_value = "0",
        hide_default_value = true
    )]
    pub(crate) tsa_port: u16,
    /// Wait before each answer, in milliseconds, as a network would
    #[arg(
        long,
        value_name = "MILLISECONDS",
        default_value = "0",
        hide_default_value = true
    )]
    pub(crate) delay: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum RegistryKind {
    /// Like Amazon ECR: a login, the referrers API, blobs from another host
    Ecr,
    /// Like a registry that does not know the referrers API
    NoReferrers,
    /// Like any registry of today: anonymous, with the referrers API
    Oci,
}

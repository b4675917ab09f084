//! What can be typed for `countersign doctor`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use countersign_common::Algorithm;

use super::{Governed, Network};

#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 nothing is wrong · 1 something is · 2 usage · 3 something could not be found out, and \
nothing is known to be wrong · 70 internal"
)]
pub(crate) struct Doctor {
    /// Images or repositories: host/path, with a tag or a digest if you like
    #[arg(value_name = "IMAGE")]
    pub(crate) images: Vec<String>,
    /// Key that is to sign, or to be trusted: as in `sign` and `verify`; repeatable, in the variable one a line. Else that of
    /// the configuration
    #[arg(
        short,
        long = "key",
        value_name = "KEY",
        env = "COUNTERSIGN_KEY",
        value_delimiter = '\n'
    )]
    pub(crate) keys: Vec<String>,
    /// Algorithm, for an RSA key, as in `sign`
    #[arg(long, value_name = "NAME", env = "COUNTERSIGN_ALGORITHM")]
    pub(crate) algorithm: Option<Algorithm>,
    /// What is to work; `sign` where a key is named or configured to sign, else `verify`
    #[arg(long = "for", value_enum, value_name = "WHAT")]
    pub(crate) purpose: Option<DoctorPurpose>,
    #[command(flatten)]
    pub(crate) governed: Governed,
    /// Time-stamp authority (RFC 3161) that is to stamp; repeatable; in the variable, blanks between them. Else those of the trust
    /// root, or of the configuration
    #[arg(
        long,
        value_name = "URL",
        env = "COUNTERSIGN_TSA",
        hide_env_values = true,
        value_delimiter = ' '
    )]
    pub(crate) tsa: Vec<String>,
    /// Certificate chain (PEM) up to which stamps are to be trusted; repeatable, one for each operator; in the variable,
    /// colons between them
    #[arg(
        long = "tsa-chain",
        value_name = "FILE",
        env = "COUNTERSIGN_TSA_CHAIN",
        value_delimiter = ':'
    )]
    pub(crate) tsa_chains: Vec<PathBuf>,
    /// The most time to spend on one question, in seconds; all together take six times as long at most
    #[arg(long, value_name = "SECONDS", default_value = "10", env = "COUNTERSIGN_TIMEOUT",
          value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) timeout: u64,
    #[command(flatten)]
    pub(crate) network: Network,
}

/// What is to work.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum DoctorPurpose {
    /// Signing, and all that verifying needs
    Sign,
    /// Verifying alone: no key signs and nothing is pushed
    Verify,
}

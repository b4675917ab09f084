//! What can be typed after `countersign inspect`.

use std::path::PathBuf;

use clap::Args;
use countersign_common::manifest::Platform;

use super::{
    Demonstration, Governed, Network, TrustedKeys, cache::Caching, images::Images, platform,
};

#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 everything was looked at · 1 there is no such image · 2 usage or configuration · 3 \
something could not be looked at · 70 internal"
)]
pub(crate) struct Inspect {
    #[command(flatten)]
    pub(crate) images: Images,
    #[command(flatten)]
    pub(crate) trusted: TrustedKeys,
    #[command(flatten)]
    pub(crate) governed: Governed,
    /// Trust the time-stamp authority with this certificate chain (PEM); repeatable, one for each operator; in the
    /// variable, colons between them
    #[arg(
        long = "tsa-chain",
        value_name = "FILE",
        env = "COUNTERSIGN_TSA_CHAIN",
        value_delimiter = ':'
    )]
    pub(crate) tsa_chains: Vec<PathBuf>,
    /// Of an index, show the child for this platform too
    #[arg(long, value_name = "OS/ARCH", value_parser = platform, env = "COUNTERSIGN_PLATFORM")]
    pub(crate) platform: Option<Platform>,
    /// Of an index, show every child too
    #[arg(short, long, conflicts_with = "platform")]
    pub(crate) recursive: bool,
    #[command(flatten)]
    pub(crate) demonstration: Demonstration,
    /// The most time to spend on one image, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", env = "COUNTERSIGN_TIMEOUT",
          value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) timeout: u64,
    #[command(flatten)]
    pub(crate) network: Network,
    #[command(flatten)]
    pub(crate) caching: Caching,
}

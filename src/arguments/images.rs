//! Which images a command is about, as they are typed.

use clap::Args;

/// Which images.
#[derive(Args, Debug)]
pub(crate) struct Images {
    /// Images: host/path:tag, or better host/path@sha256:…
    #[arg(id = "images", required = true, value_name = "IMAGE")]
    pub(crate) named: Vec<String>,
}

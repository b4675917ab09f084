//! Which images a command is about, as they are typed.

use clap::Args;

/// Which images, and whose those are that are in no registry.
#[derive(Args, Debug)]
pub(crate) struct Images {
    /// Images: host/path:tag, or better host/path@sha256:…; or `oci:FOLDER[:TAG][@DIGEST]`, one in an OCI
    /// image layout
    #[arg(id = "images", required = true, value_name = "IMAGE")]
    pub(crate) named: Vec<String>,
    /// The repository that images in layouts are for: signatures name it, policies go by it, and verdicts show it. What a
    /// layout says of itself decides nothing
    #[arg(long, value_name = "NAME")]
    pub(crate) repository: Option<String>,
}

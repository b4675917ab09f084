//! Which images a command is about, as they are typed.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

/// Which images, and whose those are that are in no registry.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("which").args(["images", "listed"]).required(true).multiple(true)))]
pub(crate) struct Images {
    /// Images: host/path:tag, or better host/path@sha256:…; or `oci:FOLDER[:TAG][@DIGEST]`, one in an OCI
    /// image layout
    #[arg(id = "images", value_name = "IMAGE")]
    pub(crate) named: Vec<String>,
    /// Images in a file too, one a line, at most 10,000; `-` is standard input. Blank lines and lines that begin with `#` name none
    #[arg(short = 'f', long = "from", id = "listed", value_name = "FILE")]
    pub(crate) listed: Option<PathBuf>,
    /// The repository that images in layouts are for: signatures name it, policies go by it, and verdicts show it. What a
    /// layout says of itself decides nothing
    #[arg(long, value_name = "NAME")]
    pub(crate) repository: Option<String>,
}

impl Images {
    /// Whether it is one image, and no list.
    pub(crate) fn is_one(&self) -> bool {
        self.named.len() == 1 && self.listed.is_none()
    }
}

//! Where what is named by its digest is kept, as it is typed.

use std::path::PathBuf;

use clap::Args;

/// What is kept of what was fetched.
#[derive(Args, Debug)]
pub(crate) struct Caching {
    /// Folder of what was fetched by its digest, at most 256 MiB, so that it is fetched once; else `countersign` in
    /// `$XDG_CACHE_HOME` (or `~/.cache`). All of it is hashed again when it is used
    #[arg(long, value_name = "FOLDER", env = "COUNTERSIGN_CACHE_DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
    /// Fetch everything, and keep nothing
    #[arg(long, env = "COUNTERSIGN_NO_CACHE", value_parser = clap::builder::FalseyValueParser::new(),
          action = clap::ArgAction::SetTrue)]
    pub(crate) no_cache: bool,
}

//! What pipelines are given: the action, the templates, the Terraform module and the image, each run as far as a machine without
//! an account can.

mod container;
mod evaluation;
mod policies;
mod terraform;
mod variables;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A file or a folder of this repository.
fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(source(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

//! What pipelines are given: the action, the templates, the Terraform module and the image, each run as far as a machine without
//! an account can.

mod codebuild;
mod container;
mod evaluation;
mod github;
mod gitlab;
mod policies;
mod terraform;
mod variables;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

pub(crate) use self::policies::{documented, rights};
use crate::world::World;

/// A file or a folder of this repository.
fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(source(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The texts in a list.
#[track_caller]
fn texts(list: &Value) -> Vec<String> {
    let texts = list
        .as_array()
        .unwrap_or_else(|| panic!("{list} is no list"));
    texts
        .iter()
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

/// A script in a shell, with the stand-in's environment, and `countersign` on its path.
fn shell(world: &World, shell: &[&str], script: &str) -> Command {
    let mut command = world.program(shell[0]);
    command.args(&shell[1..]).arg(script);
    let folder = Path::new(env!("CARGO_BIN_EXE_countersign"))
        .parent()
        .unwrap();
    command.env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
    command
}

/// Values that a shell would run, split, expand or take for flags, if it were let.
const HOSTILE: [&str; 7] = [
    "$(touch executed)",
    "`touch executed`",
    "x; touch executed",
    "x\n; touch executed",
    "*",
    "--help",
    "\" && touch executed && \"",
];

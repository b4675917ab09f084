//! Real peers as oracles, in both directions: what we write they read, what they write we read.
//!
//! `./tests/run` unpacks them and names their folder in `COUNTERSIGN_PEERS`. Without it these tests fail: a peer that is
//! not asked says nothing.

mod clients;
mod cosign;
pub(crate) mod docker_registry;
mod inspect;
mod key_specs;
mod layouts;
mod libraries;
mod python_tuf;

use std::{env, path::PathBuf, process::Command};

use crate::world::{Run, World, run};

/// The program of a peer.
pub(crate) fn program(name: &str) -> PathBuf {
    let folder = env::var_os("COUNTERSIGN_PEERS").unwrap_or_else(|| {
        panic!("COUNTERSIGN_PEERS is not set: run the tests with ./tests/run, which unpacks {name}")
    });
    let program = PathBuf::from(folder).join(name);
    assert!(
        program.exists(),
        "{} is missing: run ./tests/run",
        program.display()
    );
    program
}

/// A peer on the stand-in, with the password that encrypts its keys in these tests.
pub(crate) fn peer(world: &World, name: &str) -> Command {
    let mut command = world.program(program(name));
    command.env("COSIGN_PASSWORD", PASSWORD);
    command
}

pub(crate) const PASSWORD: &str = "a test's password";

/// cosign's flags for a world without its transparency log, over plain HTTP.
pub(crate) const OFFLINE: [&str; 3] = [
    "--tlog-upload=false",
    "--use-signing-config=false",
    "--allow-http-registry",
];

pub(crate) fn cosign_sign(world: &World, key: &str, more: &[&str], image: &str) -> Run {
    let mut command = peer(world, "cosign");
    command
        .args(["sign", "--yes", "--key", key])
        .args(OFFLINE)
        .args(more)
        .arg(image);
    run(command)
}

pub(crate) fn cosign_verify(world: &World, key: &str, more: &[&str], image: &str) -> Run {
    let mut command = peer(world, "cosign");
    command.args([
        "verify",
        "--key",
        key,
        "--insecure-ignore-tlog=true",
        "--allow-http-registry",
    ]);
    command.args(more).arg(image);
    run(command)
}

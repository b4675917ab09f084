//! What is fuzzed: every parser that bytes of registries reach, each as a function that says whether it accepts them.
//! Run by `tests/fuzz/main.rs` on stable and by `cargo fuzz`. A panic is a finding.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "tests: they read fixtures, and fail by panicking"
)]

mod judgement;
mod memory;
mod parsers;
mod seeds;

use std::path::PathBuf;

/// One parser, or several behind each other.
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// Whether it accepts these bytes. Panics where it accepts what it must not.
    pub body: fn(&[u8]) -> bool,
    /// What mutations begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Whether a beginning of what it accepts is nothing that it accepts.
    pub whole: bool,
}

/// All of them, by name.
pub const TARGETS: &[Target] = &[
    of("anchor", parsers::anchor, seeds::anchors),
    whole("artifact", judgement::artifact, seeds::artifacts),
    whole("bundle", parsers::bundle, seeds::bundles),
    of("challenge", parsers::challenge, seeds::challenges),
    whole("digest", parsers::digest, seeds::digests),
    of("error_body", parsers::error_body, seeds::error_bodies),
    of("escape", parsers::escape, seeds::texts_shown),
    of("inspected", judgement::inspected, seeds::attached),
    whole("json", parsers::json, seeds::documents),
    of("key", parsers::key, seeds::keys),
    of("layout", parsers::layout, seeds::layouts),
    of("link", parsers::link, seeds::links),
    whole("manifest", parsers::manifest, seeds::manifests),
    of("policy", parsers::policy, seeds::policies),
    of("reference", parsers::reference, seeds::references),
    whole("referrers", parsers::referrers, seeds::lists),
    whole("root", parsers::root, seeds::roots),
    whole(
        "signature_tag",
        judgement::signature_tag,
        seeds::signature_tags,
    ),
    whole(
        "sigstore_root",
        parsers::sigstore_root,
        seeds::sigstore_roots,
    ),
    whole(
        "simple_signing",
        judgement::simple_signing,
        seeds::simple_payloads,
    ),
    whole("stamp", parsers::stamp, seeds::stamps),
    whole("state", parsers::state, seeds::states),
    whole("statement", parsers::statement, seeds::statements),
    whole("timestamp", parsers::timestamp, seeds::timestamps),
    whole("token", parsers::token, seeds::tokens),
    whole("verdict", judgement::verdict, seeds::publications),
];

type Body = fn(&[u8]) -> bool;
type Seeds = fn() -> Vec<Vec<u8>>;

const fn of(name: &'static str, body: Body, seeds: Seeds) -> Target {
    Target {
        name,
        body,
        seeds,
        whole: false,
    }
}

const fn whole(name: &'static str, body: Body, seeds: Seeds) -> Target {
    Target {
        whole: true,
        ..of(name, body, seeds)
    }
}

/// Runs one of them, for `cargo fuzz`.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.unwrap().body)(input);
}

/// Where the fixtures are.
pub fn repository() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let nested = here.join("../..");
    if here.join("fixtures").is_dir() {
        here
    } else {
        nested
    }
}

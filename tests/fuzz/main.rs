//! The fuzz targets' bodies on stable Rust, for a bounded time: seeds from `fixtures/`, mutated at random.
//!
//! `COUNTERSIGN_FUZZ_SECONDS`: for all targets together; 60 if it is not set.
//! `COUNTERSIGN_FUZZ_SEED`: where chance begins; the same seed tries the same inputs in the same order.
//!
//! By hand and for longer: `cargo fuzz run TARGET` in `tests/fuzz`, with the same bodies.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "tests: they read fixtures, look at the clock, and fail by panicking"
)]

mod bodies;
mod mutation;

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bodies::Target;
use mutation::Chance;

fn variable(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Nothing that is read may take longer, even where nothing is optimised and other tests run.
const SLOW: Duration = Duration::from_secs(10);

fn fuzz(target: &Target) {
    let seeds = (target.seeds)();
    assert!(!seeds.is_empty(), "{} has no seeds", target.name);
    let accepted = seeds.iter().filter(|seed| (target.body)(seed)).count();
    assert!(accepted > 0, "{} accepts none of its seeds", target.name);
    let seconds = variable("COUNTERSIGN_FUZZ_SECONDS").unwrap_or(60);
    let time = Duration::from_secs(seconds) / u32::try_from(bodies::TARGETS.len()).unwrap();
    let seed = variable("COUNTERSIGN_FUZZ_SEED").unwrap_or(2_026);
    let mut chance = Chance::new(seed);
    let (began, mut tries) = (Instant::now(), 0_u64);
    while began.elapsed() < time {
        let input = mutation::mutated(&seeds, &mut chance);
        let start = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| (target.body)(&input)));
        let found = |what: &str| {
            let shown = String::from_utf8_lossy(&input[..input.len().min(4_096)]).into_owned();
            println!(
                "{}: try {tries} of seed {seed} {what}\n{}\n{shown}",
                target.name,
                STANDARD.encode(&input)
            );
        };
        if let Err(panic) = outcome {
            found("panics");
            resume_unwind(panic);
        }
        if start.elapsed() > SLOW {
            found("takes too long");
            panic!("{:?}", start.elapsed());
        }
        tries += 1;
    }
    println!("{}: {tries} tries in {time:?}", target.name);
}

fn target(name: &str) -> &'static Target {
    let mut targets = bodies::TARGETS.iter();
    targets.find(|target| target.name == name).unwrap()
}

/// One test for each target, so that they share the machine.
macro_rules! targets {
    ($($name:ident),+ $(,)?) => {
        $(
            #[test]
            fn $name() {
                fuzz(target(stringify!($name)));
            }
        )+

        #[test]
        fn every_target_is_tried() {
            let tried = [$(stringify!($name)),+];
            let targets: Vec<_> = bodies::TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(tried[..], targets);
            // And each can be run by `cargo fuzz` too.
            let manifest = std::fs::read_to_string(bodies::repository().join("tests/fuzz/Cargo.toml")).unwrap();
            for name in targets {
                assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{name}");
            }
        }
    };
}

targets! {
    anchor,
    artifact,
    bundle,
    challenge,
    digest,
    error_body,
    escape,
    inspected,
    json,
    key,
    layout,
    link,
    manifest,
    policy,
    reference,
    referrers,
    root,
    signature_tag,
    sigstore_root,
    simple_signing,
    stamp,
    state,
    statement,
    timestamp,
    token,
    verdict,
}

#[test]
fn no_part_of_what_is_whole_is_accepted() {
    for target in bodies::TARGETS.iter().filter(|target| target.whole) {
        let seeds = (target.seeds)();
        let accepted = seeds.iter().filter(|seed| (target.body)(seed));
        for seed in accepted.take(4) {
            let whole = seed.trim_ascii();
            let step = (whole.len() / 400).max(1);
            for end in (0..whole.len()).step_by(step).chain([whole.len() - 1]) {
                assert!(
                    !(target.body)(&whole[..end]),
                    "{} accepts {end} bytes of {}",
                    target.name,
                    whole.len()
                );
            }
        }
    }
}

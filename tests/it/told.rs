//! What `countersign verify` tells a pipeline, besides what it prints.

use std::fs;

use serde_json::Value;

use crate::world::World;

#[test]
fn the_file_of_verdicts_is_what_is_printed_in_json() {
    let world = World::ecr();
    let (signed, bare) = (
        world.image("shop/api", "1", "a"),
        world.image("shop/api", "2", "b"),
    );
    let key = World::kms_key();
    world
        .countersign(&["sign", "--key", &key, &signed.tagged()])
        .ends(0);
    let file = world.path("verdicts.json").display().to_string();
    let verify = |more: &[&str]| {
        let arguments = ["verify", "--key", &key, "--verdict-file", &file];
        world.countersign(&[&arguments[..], more].concat())
    };
    let verdicts = || -> Vec<Value> {
        let text = fs::read_to_string(&file).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let printed = verify(&["--output", "json", &signed.tagged()]).ends(0);
    assert_eq!(fs::read_to_string(&file).unwrap(), printed.stdout);

    // With a refusal too, and where nothing else is printed.
    let refused = verify(&["--pin", &signed.tagged(), &bare.tagged()]).ends(1);
    assert_eq!(refused.stdout, "");
    assert_eq!(verdicts()[0]["verdict"], "verified");
    assert_eq!(verdicts()[0]["pinned"], signed.pinned());
    assert_eq!(verdicts()[1]["verdict"], "refused");

    verify(&[&signed.tagged()])
        .ends(0)
        .says(&format!("verified: {}", signed.tagged()));
    assert_eq!(verdicts().len(), 1);
}

#[test]
fn a_file_of_verdicts_that_cannot_be_written_is_an_error_and_pins_nothing() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a").tagged();
    let key = World::kms_key();
    let file = world.path("absent/verdicts.json").display().to_string();
    let verify = |more: &[&str]| {
        let arguments = ["verify", "--key", &key, "--verdict-file", &file, &image];
        world.countersign(&[&arguments[..], more].concat())
    };
    // A refusal is worse.
    verify(&[]).ends(1).says("error[file-unwritable]");
    world.countersign(&["sign", "--key", &key, &image]).ends(0);
    verify(&[]).ends(3).says("error[file-unwritable]");
    let pinned = verify(&["--pin"]).ends(3).says("error[file-unwritable]");
    assert_eq!(pinned.stdout, "");
    fs::create_dir(world.path("absent")).unwrap();
    verify(&["--pin"]).ends(0);
}

#[test]
fn what_an_earlier_run_said_is_not_taken_for_the_verdicts_of_one_that_judged_nothing() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a").tagged();
    let file = world.write("verdicts.json", "{\"verdict\":\"verified\"}\n");
    let verify =
        |key: &str| world.countersign(&["verify", "--key", key, "--verdict-file", &file, &image]);
    verify("absent.pub").ends(2);
    assert!(!world.path("verdicts.json").exists());
    verify(&World::kms_key()).ends(1);
    assert!(world.path("verdicts.json").exists());
}

/// As root, a file in the place of `/dev/null` would be one for the whole machine.
#[test]
fn verdicts_are_written_into_a_stream_and_not_in_its_place() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a").tagged();
    let key = World::kms_key();
    world.countersign(&["sign", "--key", &key, &image]).ends(0);
    let file = world.path("stdout");
    std::os::unix::fs::symlink("/dev/stdout", &file).unwrap();
    let file = file.display().to_string();
    let arguments = ["verify", "--quiet", "--key", &key, "--verdict-file", &file];
    let told = world
        .countersign(&[&arguments[..], &[&image]].concat())
        .ends(0);
    let verdict: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(verdict["verdict"], "verified");
    assert!(world.path("stdout").is_symlink());
}

#[test]
fn a_build_is_told_what_was_verified_and_nothing_of_what_was_not() {
    let world = World::ecr();
    let (signed, other, bare) = (
        world.image("shop/api", "1", "a"),
        world.image("shop/api", "2", "b"),
        world.image("shop/api", "3", "c"),
    );
    let key = World::kms_key();
    world
        .countersign(&["sign", "--key", &key, &signed.tagged(), &other.tagged()])
        .ends(0);
    let file = world.write("github-output", "");
    let verify = |code: i32, more: &[&str]| {
        fs::write(&file, "before=1\n").unwrap();
        let arguments = [&["verify", "--key", &key], more].concat();
        world
            .countersign_with(&arguments, &[("GITHUB_OUTPUT", &file)])
            .ends(code);
        fs::read_to_string(&file).unwrap()
    };
    assert_eq!(
        verify(0, &[&signed.tagged()]),
        format!(
            "before=1\nverified=[\"{0}\"]\npinned={0}\n",
            signed.pinned()
        )
    );
    assert_eq!(
        verify(0, &["--pin", &signed.tagged(), &other.tagged()]),
        format!(
            "before=1\nverified=[\"{}\",\"{}\"]\n",
            signed.pinned(),
            other.pinned()
        )
    );
    let nothing = "before=1\n";
    assert_eq!(verify(1, &[&signed.tagged(), &bare.tagged()]), nothing);
    assert_eq!(verify(1, &[&bare.tagged()]), nothing);
    // What was so at another time is nothing to run now.
    let then = ["--at", "2040-01-01T00:00:00Z", &signed.tagged()];
    assert_eq!(verify(0, &then), nothing);
    let folder = world.path("").display().to_string();
    world
        .countersign_with(
            &["verify", "--key", &key, "--pin", &signed.tagged()],
            &[("GITHUB_OUTPUT", &folder)],
        )
        .ends(3)
        .says("error[file-unwritable]");
}

//! Which child is for a platform.

use serde_json::{Value, json};

use super::Family;
use crate::world::World;

fn signed(edit: impl FnOnce(&mut Vec<Value>)) -> Family {
    let family = Family::edited(World::ecr(), edit);
    family.sign(&[]).ends(0);
    family
}

#[test]
fn an_attestation_is_for_no_platform() {
    let family = signed(|_| ());
    let index = family.index.tagged();
    family
        .verify_one(&index, &["--platform", "linux/amd64"])
        .ends(0)
        .says(&family.children[0].digest);
    family
        .verify_one(&index, &["--platform", "linux/arm64"])
        .ends(1)
        .says("refused[platform-missing]: there is no image for linux/arm64; there are: linux/amd64\n");
    let lying = signed(|listed| {
        listed[1]["platform"] = json!({ "os": "linux", "architecture": "arm64" });
    });
    lying
        .verify_one(&lying.index.tagged(), &["--platform", "linux/arm64"])
        .ends(1)
        .says("refused[platform-missing]");
}

#[test]
fn a_platform_that_is_typed_contradicts_and_that_of_a_variable_gives_way() {
    let family = signed(|_| ());
    let (key, index) = (World::kms_key(), family.index.tagged());
    let run = |command, more: &[&str], variables: &[(&str, &str)]| {
        let arguments = [&[command, "--key", &key, &index][..], more].concat();
        family.world.countersign_with(&arguments, variables)
    };
    let variable = [("COUNTERSIGN_PLATFORM", "linux/amd64")];
    for command in ["verify", "inspect"] {
        let all = run(command, &["--recursive"], &variable).ends(0);
        for child in &family.children {
            assert!(all.stdout.contains(&child.digest), "{}", all.stdout);
        }
        let both = ["--recursive", "--platform", "linux/amd64"];
        run(command, &both, &variable)
            .ends(2)
            .says("cannot be used with");
        run(command, &both, &[]).ends(2).says("cannot be used with");
        let elsewhere = [("COUNTERSIGN_PLATFORM", "linux/arm64")];
        run(command, &[], &elsewhere)
            .ends(1)
            .says("platform-missing");
        run(command, &["--platform", "linux/amd64"], &elsewhere).ends(0);
    }
}

#[test]
fn a_variable_that_is_empty_says_nothing() {
    let family = signed(|_| ());
    let (key, index) = (World::kms_key(), family.index.tagged());
    let variables = [
        ("COUNTERSIGN_PLATFORM", ""),
        ("COUNTERSIGN_VERDICT_FILE", ""),
        ("COUNTERSIGN_OUTPUT", ""),
        ("COUNTERSIGN_TIMEOUT", ""),
    ];
    let verify = ["verify", "--key", &key, &index, "--require", "signed"];
    let run = family.world.countersign_with(&verify, &variables);
    run.ends(0).says("verified");
    let wrong = [("COUNTERSIGN_PLATFORM", "linux")];
    family.world.countersign_with(&verify, &wrong).ends(2);
}

#[test]
fn a_platform_of_several_images_is_refused_with_their_list() {
    for other in [
        json!({ "os": "linux", "architecture": "amd64" }),
        json!({ "os": "linux", "architecture": "amd64", "variant": "v3" }),
        json!({ "os": "linux", "architecture": "x86_64" }),
    ] {
        let family = signed(|listed| listed[2]["platform"] = other.clone());
        let run = family
            .verify_one(&family.index.tagged(), &["--platform", "linux/amd64"])
            .ends(1)
            .says("refused[platform-ambiguous]: linux/amd64 may be any of ")
            .says("remedy: name its variant");
        for child in [&family.children[0], &family.children[2]] {
            assert!(run.stdout.contains(&child.digest), "{}", run.stdout);
        }
        // All of them are judged where all are asked for.
        family.verify(&[]).ends(0);
    }
}

#[test]
fn what_has_no_variant_can_be_named_by_the_one_that_it_means() {
    let family = signed(|listed| {
        listed[2]["platform"] = json!({ "os": "linux", "architecture": "amd64", "variant": "v3" });
    });
    let index = family.index.tagged();
    family
        .verify_one(&index, &["--platform", "linux/amd64/v1"])
        .ends(0)
        .says(&family.children[0].digest);
    // Its configuration may leave the variant out, as that of the other does.
    family
        .verify_one(&index, &["--platform", "linux/amd64/v3"])
        .ends(0)
        .says(&family.children[2].digest);
}

#[test]
fn several_versions_of_a_system_are_told_apart() {
    let version =
        |version: &str| json!({ "os": "linux", "architecture": "amd64", "os.version": version });
    let family = signed(|listed| {
        listed[0]["platform"] = version("10.0.17763.1");
        listed[2]["platform"] = version("10.0.20348.1");
    });
    let verify =
        |platform: &str| family.verify_one(&family.index.tagged(), &["--platform", platform]);
    verify("linux/amd64").ends(1).says("platform-ambiguous");
    verify("linux(10.0.1)/amd64")
        .ends(1)
        .says("refused[platform-missing]")
        .says("linux(10.0.17763.1)/amd64, linux(10.0.20348.1)/amd64");
    verify("linux(10.0.20348.1)/amd64")
        .ends(0)
        .says(&family.children[2].digest);
}

#[test]
fn an_image_that_is_listed_twice_is_one() {
    let family = signed(|listed| {
        let again = listed[0].clone();
        listed.push(again);
    });
    family
        .verify_one(&family.index.tagged(), &["--platform", "linux/amd64"])
        .ends(0);
}

#[test]
fn a_platform_is_asked_for_by_name_or_all_of_them() {
    let world = World::ecr();
    let verify = |more: &[&str]| {
        let arguments = ["verify", "--key", "release.pub", "registry.example/a"];
        world.countersign(&[&arguments, more].concat())
    };
    verify(&["--platform", "unknown/unknown"])
        .ends(2)
        .says("name it by its digest, or use `--recursive`");
    verify(&["--platform", "linux/amd64", "--recursive"])
        .ends(2)
        .says("cannot be used with");
    verify(&["--platform", "linux"])
        .ends(2)
        .says("OS/ARCH/VARIANT");
}

//! Whose word decides: keys named by hand, or a policy, and which.

use std::fs;

use super::{Team, shop};
use crate::world::{Image, Run};

/// A team with an image by a stranger, which no policy of the team accepts.
fn strangers() -> (Team, Image) {
    let team = Team::new();
    let image = team.signed("shop/api", "1", "other");
    team.policy(&shop("signed"));
    (team, image)
}

/// Puts the policy into a folder, beside a configuration.
fn beside_config(team: &Team, folder: &str) {
    fs::create_dir_all(team.world.path(folder)).unwrap();
    team.world
        .copy("policy.toml", &format!("{folder}/policy.toml"));
    team.world
        .write(&format!("{folder}/config.toml"), "version = 1\n");
}

fn verify(team: &Team, image: &Image, more: &[&str]) -> Run {
    let image = image.tagged();
    team.world
        .countersign(&[&["verify", &image], more].concat())
}

#[test]
fn keys_named_by_hand_decide_beside_a_policy_that_was_found_and_it_is_said() {
    let (team, image) = strangers();
    beside_config(&team, ".config/countersign");
    verify(&team, &image, &[])
        .ends(1)
        .says("refused[key-unknown]")
        .says("root acme version 1");
    let run = verify(&team, &image, &["--key", "other.pub"]).ends(0);
    assert!(!run.stdout.contains("policy"), "{}", run.stdout);
    insta::assert_snapshot!(team.steady(&run.stderr));
    verify(&team, &image, &["--key", "release.pub"]).ends(1);
}

#[test]
fn keys_and_a_policy_that_are_both_named_contradict() {
    let (team, image) = strangers();
    let before = team.world.calls(|_| true).len();
    for (words, variables) in [
        (
            &["--key", "other.pub", "--policy", "policy.toml"][..],
            [("X", "")],
        ),
        (
            &["--key", "other.pub"],
            [("COUNTERSIGN_POLICY", "policy.toml")],
        ),
    ] {
        let image = image.tagged();
        let words = [&["verify", &image], words].concat();
        team.world
            .countersign_with(&words, &variables)
            .ends(2)
            .says("error[policy-contradicted]");
    }
    assert_eq!(team.world.calls(|_| true).len(), before);
}

/// Pipelines export the key that they sign with. It must not take the place of what decides.
#[test]
fn a_key_of_the_environment_does_not_displace_a_policy() {
    let (team, image) = strangers();
    let image = image.tagged();
    let judged_by_policy = |words: &[&str], variables: &[(&str, &str)]| {
        team.world
            .countersign_with(&[&["verify", &image], words].concat(), variables)
            .ends(1)
            .says("refused[key-unknown]")
            .says("`COUNTERSIGN_KEY` is not used")
            .says("root acme version 1");
    };
    let key = ("COUNTERSIGN_KEY", "other.pub");
    judged_by_policy(&["--policy", "policy.toml"], &[key]);
    judged_by_policy(&[], &[key, ("COUNTERSIGN_POLICY", "policy.toml")]);
    beside_config(&team, ".config/countersign");
    judged_by_policy(&[], &[key]);
    std::fs::remove_file(team.world.path(".config/countersign/policy.toml")).unwrap();
    team.world
        .countersign_with(&["verify", &image], &[key])
        .ends(0)
        .says("signed by other.pub");
}

/// What is typed is what is meant, whatever the environment says.
#[test]
fn a_key_that_is_typed_is_not_taken_for_the_one_of_the_environment() {
    let (team, image) = strangers();
    let image = image.tagged();
    for exported in ["release.pub", ""] {
        let variable = [("COUNTERSIGN_KEY", exported)];
        let verify = |words: &[&str]| {
            let words = [&["verify", &image, "--key", "other.pub"], words].concat();
            team.world.countersign_with(&words, &variable)
        };
        verify(&["--policy", "policy.toml"])
            .ends(2)
            .says("error[policy-contradicted]");
        beside_config(&team, ".config/countersign");
        verify(&[])
            .ends(0)
            .says("signed by other.pub")
            .says("is not asked");
        std::fs::remove_file(team.world.path(".config/countersign/policy.toml")).unwrap();
        verify(&[]).ends(0).says("signed by other.pub");
    }
}

#[test]
fn a_policy_is_found_by_its_variable_or_beside_the_configuration_that_is_read() {
    let (team, image) = strangers();
    let image_name = image.tagged();
    team.world
        .countersign_with(
            &["verify", &image_name],
            &[("COUNTERSIGN_POLICY", "policy.toml")],
        )
        .ends(1)
        .says("root acme version 1");
    // The user's own accepts nothing here; the one beside the named configuration does.
    team.policy(&shop("signed").replace("shop", "lab"));
    beside_config(&team, ".config/countersign");
    verify(&team, &image, &[])
        .ends(1)
        .says("refused[policy-not-found]");
    team.policy(&shop("signed"));
    beside_config(&team, "elsewhere");
    let good = team.signed("shop/api", "2", "release");
    verify(&team, &good, &["--config", "elsewhere/config.toml"]).ends(0);
    verify(&team, &good, &[]).ends(1);
    // Where none is beside it, the user's is not taken instead.
    fs::remove_file(team.world.path("elsewhere/policy.toml")).unwrap();
    let run = verify(&team, &good, &["--config", "elsewhere/config.toml"]).ends(2);
    assert!(!run.stderr.contains("policy-not-found"), "{}", run.stderr);
}

#[test]
fn without_a_policy_or_a_key_nothing_is_judged() {
    let (team, image) = strangers();
    fs::remove_file(team.world.path("policy.toml")).unwrap();
    let run = verify(&team, &image, &[]).ends(2);
    insta::assert_snapshot!(run.stderr);
    team.world
        .countersign(&["policy", "check"])
        .ends(2)
        .says("error[policy-missing]");
    verify(&team, &image, &["--key", "other.pub", "--init-state"])
        .ends(2)
        .says("error[policy-contradicted]");
    verify(&team, &image, &["--policy", "absent.toml"]).ends(2);
}

/// A policy has no signature: whoever can write it decides what may run.
#[cfg(unix)]
#[test]
fn a_policy_that_anybody_can_change_is_warned_of() {
    use std::{fs, os::unix::fs::PermissionsExt};

    const WARNING: &str = "anybody on this machine can change what the policy demands";
    let (team, _) = strangers();
    let check = |policy: &str| {
        team.world
            .countersign(&["policy", "check", "--policy", policy])
            .ends(0)
    };
    let allow = |path: &str, mode| {
        fs::set_permissions(team.world.path(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    let (file, folder, link) = ("own/policy.toml", "own", "link.toml");
    fs::create_dir(team.world.path(folder)).unwrap();
    fs::copy(team.world.path("policy.toml"), team.world.path(file)).unwrap();
    std::os::unix::fs::symlink(team.world.path(file), team.world.path(link)).unwrap();
    for (folder_mode, file_mode, named) in [
        (0o755, 0o664, None),
        (0o1777, 0o644, None),
        (0o755, 0o666, Some("own/policy.toml`")),
        (0o777, 0o644, Some("own`")),
    ] {
        allow(folder, folder_mode);
        allow(file, file_mode);
        for path in [file, link] {
            let stderr = check(path).stderr;
            assert_eq!(
                stderr.contains(WARNING),
                named.is_some(),
                "{path}: {stderr}"
            );
            assert!(named.is_none_or(|named| stderr.contains(named)), "{stderr}");
        }
    }
}

//! Root keys in KMS, through the stand-in.

use countersign_stand_in::{Fault, KeySpec, KeyState, Lie};

use super::SHOP;
use crate::world::World;

/// A world with keys in KMS, and a draft of a root that two of them sign.
fn world() -> World {
    world_of("carol.pub")
}

/// The same with this key of carol's.
fn world_of(carol: &str) -> World {
    let world = World::with_people();
    for alias in ["root-a", "root-b", "root-c", "release"] {
        world
            .stand_in
            .create_key(KeySpec::ECC_NIST_P256, &format!("alias/{alias}"))
            .unwrap();
    }
    world
        .line(&format!("init --dir acme --name acme --root-key alice=awskms:///alias/root-a \
             --root-key bob=awskms:///alias/root-b --root-key carol={carol} --repository registry.example/shop/** --release-key release=alias/release"))
        .ends(0);
    world
}

#[test]
fn keys_in_kms_are_listed_by_their_own_arn_and_sign() {
    let world = world();
    let shown = world.line_json("show --dir acme");
    for key in ["rootKeys", "scopes"] {
        let keys = &shown["draft"][key];
        let keys = if key == "scopes" {
            &keys[0]["keys"]
        } else {
            keys
        };
        let arn = keys[0]["kms"].as_str().unwrap();
        assert!(
            arn.starts_with("arn:aws:kms:") && arn.contains(":key/"),
            "{arn}"
        );
    }
    assert_eq!(world.kms_calls("Sign").len(), 0);
    for key in ["awskms:///alias/root-a", "awskms:///alias/root-b"] {
        world
            .trust(&["sign", "--dir", "acme", "--key", key])
            .ends(0);
    }
    assert_eq!(world.names_in("acme"), ["1.root.json"]);
    assert_eq!(world.kms_calls("Sign").len(), 2);
    world
        .line("doctor --dir acme")
        .ends(0)
        .says("warning[stand-in-key]");
    // An alias that is moved is another key.
    world
        .stand_in
        .move_alias("alias/release", "alias/root-a")
        .unwrap();
    world
        .line("remove-key --dir acme --key alias/release")
        .ends(0)
        .says("alice (")
        .says("root key no longer");
}

#[test]
fn a_large_root_is_signed_though_kms_takes_no_large_message() {
    let world = world();
    let patterns: Vec<String> = (0..999)
        .map(|number| format!("registry.example/{}/{number}/**", "x".repeat(220)))
        .collect();
    let mut arguments = vec!["set-scope", "--dir", "acme", "--repository", SHOP];
    for pattern in &patterns {
        arguments.extend(["--repository", pattern]);
    }
    world
        .trust(&[&arguments[..], &["--quiet"]].concat())
        .ends(0);
    let length = std::fs::metadata(world.path("acme/draft.root.json"))
        .unwrap()
        .len();
    assert!((200_000..512 * 1024).contains(&length), "{length}");
    for key in ["awskms:///alias/root-a", "awskms:///alias/root-b"] {
        world
            .trust(&["sign", "--dir", "acme", "--key", key, "--quiet"])
            .ends(0);
    }
    assert_eq!(world.names_in("acme"), ["1.root.json"]);
}

/// What such a key signs must fit in a request, and a root grows.
#[test]
fn an_ed25519_key_in_kms_is_no_root_key() {
    let world = world();
    for (spec, alias) in [
        (KeySpec::ECC_NIST_EDWARDS25519, "alias/edwards"),
        (KeySpec::ML_DSA_44, "alias/lattice"),
    ] {
        world.stand_in.create_key(spec, alias).unwrap();
    }
    let add = |key: &str| world.line(&format!("add-key --dir acme --role root --key {key}"));
    add("alias/edwards")
        .ends(2)
        .says("error[algorithm-not-allowed]")
        .says("an Ed25519 key in KMS");
    add("alias/lattice").ends(0);
}

#[test]
fn a_key_service_that_is_out_of_reach_is_no_refusal() {
    let world = world();
    let sign = ["sign", "--dir", "acme", "--key", "awskms:///alias/root-a"];
    world.stand_in.faults().push(Fault::on(
        "TrentService.Sign",
        Lie::Instead {
            status: 500,
            headers: Vec::new(),
            body: bytes::Bytes::new(),
        },
    ));
    world.trust(&sign).ends(3);
    world.stand_in.faults().clear();
    world
        .stand_in
        .set_key_state("alias/root-a", KeyState::Disabled)
        .unwrap();
    world.trust(&sign).ends(1);
    world
        .stand_in
        .set_key_state("alias/root-a", KeyState::Enabled)
        .unwrap();
    world.trust(&sign).ends(0);
    world
        .line("add-key --dir acme --role sign --key alias/none")
        .ends(2)
        .says("error[key-not-found]");
}

#[test]
fn no_key_is_used_for_an_unsafe_root_or_by_somebody_else() {
    let world = world();
    world
        .line("sign --dir acme --key alias/release")
        .ends(1)
        .says("error[key-unknown]");
    world
        .line("add-key --dir acme --role root --key alias/release")
        .ends(0)
        .says("remark[root-lint]");
    world
        .line("sign --dir acme --key awskms:///alias/root-a")
        .ends(1)
        .says("refused[root-lint]");
    assert_eq!(world.kms_calls("Sign").len(), 0);
}

#[test]
fn the_doctor_says_where_all_root_keys_are_in_one_account() {
    for (carol, is_alone) in [("carol.pub", false), ("awskms:///alias/root-c", true)] {
        let world = world_of(carol);
        for key in ["awskms:///alias/root-a", "awskms:///alias/root-b"] {
            world
                .trust(&["sign", "--dir", "acme", "--key", key])
                .ends(0);
        }
        let said = world.line("doctor --dir acme").ends(0).stdout;
        let warning = "warning[root-keys-one-account]: all root keys are in the AWS account ";
        assert_eq!(said.contains(warning), is_alone, "{said}");
    }
}

//! How a root comes to be signed: by one after the other, by people who are elsewhere, and by none who should not.

use std::fs;

use countersign_common::Digest;

use super::id_of;
use crate::world::World;

#[test]
fn a_first_version_is_complete_with_two_of_three() {
    let world = World::with_people();
    let begun = world.begin("acme");
    begun
        .says("begun")
        .says("countersign trust sign --dir acme --key KEY");
    assert_eq!(world.names_in("acme"), ["draft.root.json"]);
    world
        .line("sign --dir acme --key alice.key")
        .ends(0)
        .says("alice (")
        .says("has signed; bob (")
        .says("have not");
    assert_eq!(world.names_in("acme"), ["draft.root.json"]);
    let done = world.line_json("sign --dir acme --key bob.key");
    assert_eq!(done["outcome"], "complete");
    assert_eq!(world.names_in("acme"), ["1.root.json"]);
    let mut sum = world.program("/usr/bin/sha256sum");
    sum.arg(world.path("acme/1.root.json"));
    let sum = crate::world::run(sum).ends(0).stdout;
    let sum = sum.split(' ').next().unwrap();
    assert_eq!(done["fingerprint"], format!("sha256:{sum}"));
    world
        .line("sign --dir acme --key carol.key")
        .ends(2)
        .says("error[draft-missing]");
}

#[test]
fn three_people_sign_on_three_machines() {
    let world = World::with_root("acme");
    world
        .line("rotate --dir acme --old release.pub --new next.pub")
        .ends(0);
    let message = world.line_json("show --dir acme")["draft"]["message"].clone();
    // Bob has a folder of his own, carol nothing but the two files.
    world.copy("acme/1.root.json", "bob/1.root.json");
    world.copy("acme/draft.root.json", "bob/draft.root.json");
    world.copy("acme/draft.root.json", "carol/sent.json");
    let bob = world.line_json("sign --dir bob --key bob.key");
    assert_eq!(bob["message"], message, "what they compare on the phone");
    let carol = ["sign", "--file", "carol/sent.json", "--key", "carol.key"];
    world.trust(&carol).ends(2).says("error[previous-missing]");
    let with_previous = [&carol[..], &["--previous", "acme/1.root.json"]].concat();
    world
        .trust(&with_previous)
        .ends(0)
        .says("gets the roles publish and sign")
        .says(message.as_str().unwrap());
    // Each alone is not enough; together they are, though alice never signed.
    let one = world.line_json("sign --dir acme --add bob/draft.root.json");
    assert_eq!(
        (&one["outcome"], &one["signaturesAdded"]),
        (&"signed".into(), &1.into())
    );
    let again = world.line_json("sign --dir acme --add bob/draft.root.json");
    assert_eq!(again["signaturesAdded"], 0);
    world
        .line("sign --dir acme --add bob/draft.root.json --add carol/sent.json")
        .ends(0)
        .says("1 signature of somebody else taken over")
        .says("complete: ");
    assert_eq!(world.names_in("acme"), ["1.root.json", "2.root.json"]);
    // Bob's own folder takes the version as it is.
    world.copy("acme/2.root.json", "bob/2.root.json");
    world.line("doctor --dir bob").ends(0);
    world.line("show --dir bob").ends(0).says("version 2");
}

#[test]
fn a_person_signs_and_collects_at_once() {
    let world = World::with_people();
    world.begin("acme");
    world.copy("acme/draft.root.json", "copy.json");
    world
        .line("sign --file copy.json --key bob.key")
        .ends(0)
        .says("send copy.json");
    world
        .line("sign --dir acme --key alice.key --add copy.json")
        .ends(0)
        .says("complete: ");
}

#[test]
fn a_file_that_all_have_signed_says_so() {
    let world = World::with_people();
    world.begin("acme");
    let sign = |key| world.trust(&["sign", "--file", "acme/draft.root.json", "--key", key]);
    sign("alice.key")
        .ends(0)
        .says("to those who have not signed");
    sign("bob.key").ends(0).says("all have signed who must");
    world
        .line("show --file acme/draft.root.json")
        .ends(0)
        .says("fingerprint");
}

#[test]
fn root_keys_change_hands_over_three_versions() {
    let world = World::with_root("acme");
    world
        .line("rotate --dir acme --old carol.pub --new dave.pub --owner dave")
        .ends(0)
        .says("dave (")
        .says("is a root key no longer");
    world
        .line("sign --dir acme --key dave.key")
        .ends(0)
        .says("version 2 needs 2 of 3 of the root keys of version 1: nobody has signed");
    // Carol vouches for the version that she leaves.
    world
        .line("sign --dir acme --key carol.key")
        .ends(0)
        .says("of its own root keys: dave (");
    world.all_sign("acme", &["alice"]).says("2.root.json");
    world
        .line("remove-key --dir acme --key alice.pub")
        .ends(0)
        .says("root-lint");
    // With two of two a lost key is the end: nobody signs that.
    world
        .line("sign --dir acme --key bob.key")
        .ends(1)
        .says("refused[root-lint]");
    world
        .line("add-key --dir acme --role root --key carol.pub --owner carol")
        .ends(0);
    world.all_sign("acme", &["bob", "dave"]).says("3.root.json");
    let shown = world.line_json("show --dir acme");
    let owners: Vec<_> = shown["root"]["rootKeys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["owner"].as_str().unwrap())
        .collect();
    assert_eq!(owners, ["bob", "dave", "carol"]);
    let gone = world.line("set-scope --dir acme --repository registry.example/shop/** --epoch 2");
    gone.ends(0);
    world
        .line("sign --dir acme --key alice.key")
        .ends(1)
        .says("error[key-unknown]");
}

#[test]
fn only_root_keys_sign_and_only_the_draft_itself() {
    let world = World::with_root("acme");
    world
        .line("add-key --dir acme --role sign --key review.pub")
        .ends(0);
    for key in ["dave.key", "release.key", "review.key"] {
        world
            .trust(&["sign", "--dir", "acme", "--key", key])
            .ends(1)
            .says("error[key-unknown]");
    }
    world
        .line("sign --dir acme")
        .ends(2)
        .says("error[flag-missing]")
        .says("`--key`");
    world.line("sign --dir acme --key alice.pub").ends(2);
    // A copy of another draft, and a copy whose signature was moved to another's name.
    world.copy("acme/1.root.json", "other/1.root.json");
    world
        .line("set-scope --dir other --repository registry.example/x")
        .ends(0);
    world
        .line("sign --dir acme --add other/draft.root.json")
        .ends(1)
        .says("error[draft-differs]");
    world.copy("acme/draft.root.json", "signed.json");
    world
        .line("sign --file signed.json --previous acme/1.root.json --key alice.key")
        .ends(0);
    let shown = world.line_json("show --dir acme");
    let (alice, bob) = (id_of(&shown, "alice"), id_of(&shown, "bob"));
    let mut file = world.root_file("signed.json");
    assert_eq!(file["signatures"][0]["keyid"], alice);
    file["signatures"][0]["keyid"] = bob.into();
    world.write("forged.json", &file.to_string());
    let before = fs::read(world.path("acme/draft.root.json")).unwrap();
    world
        .line("sign --dir acme --add forged.json")
        .ends(1)
        .says("error[signature-invalid]");
    assert_eq!(
        fs::read(world.path("acme/draft.root.json")).unwrap(),
        before
    );
}

#[test]
fn a_file_is_signed_only_after_the_version_that_it_follows() {
    let world = World::with_root("acme");
    world
        .line("set-scope --dir acme --repository registry.example/shop/** --epoch 2")
        .ends(0);
    world.all_sign("acme", &["alice", "bob"]);
    world
        .line("set-scope --dir acme --repository registry.example/shop/** --epoch 3")
        .ends(0);
    world.copy("acme/draft.root.json", "sent.json");
    let sign = |previous: &str| {
        world.trust(&[
            "sign",
            "--file",
            "sent.json",
            "--previous",
            previous,
            "--key",
            "alice.key",
        ])
    };
    sign("acme/1.root.json")
        .ends(1)
        .says("error[root-version-gap]");
    sign("acme/draft.root.json")
        .ends(1)
        .says("error[threshold-not-met]");
    // Another root of the same versions.
    let mut renamed = world.root_file("acme/draft.root.json");
    renamed["signed"]["x-countersign"]["name"] = "evil".into();
    world.write("renamed.json", &renamed.to_string());
    world
        .line("sign --file renamed.json --previous acme/2.root.json --key alice.key")
        .ends(1)
        .says("evil");
    sign("acme/2.root.json").ends(0);
}

#[test]
fn an_edit_takes_signatures_away_and_says_so() {
    let world = World::with_people();
    world.begin("acme");
    world.all_sign("acme", &["alice"]);
    let run = world.line("add-key --dir acme --role sign --key review.pub");
    run.ends(0).says("its signature was taken away");
    world
        .all_sign("acme", &["bob"])
        .says("bob (")
        .says("carol (");
    assert_eq!(world.names_in("acme"), ["draft.root.json"]);
    world.all_sign("acme", &["alice"]).says("complete: ");
}

#[test]
fn what_was_interrupted_after_the_last_step_is_done() {
    let world = World::with_root("acme");
    // As if the draft could not be removed.
    world.copy("acme/1.root.json", "acme/draft.root.json");
    world
        .line("sign --dir acme --key carol.key")
        .ends(2)
        .says("error[draft-missing]");
    let next =
        world.line_json("set-scope --dir acme --repository registry.example/shop/** --epoch 2");
    assert_eq!(
        (&next["version"], &next["begun"]),
        (&2.into(), &true.into())
    );
}

#[test]
fn a_draft_that_was_overtaken_is_not_gone_on_with() {
    let world = World::with_root("acme");
    let edit = |dir: &str, epoch: &str| {
        world.trust(&[
            "set-scope",
            "--dir",
            dir,
            "--repository",
            super::SHOP,
            "--epoch",
            epoch,
        ])
    };
    world.copy("acme/1.root.json", "bob/1.root.json");
    edit("acme", "2").ends(0);
    edit("bob", "3").ends(0);
    world.all_sign("acme", &["alice", "bob"]);
    world.copy("acme/2.root.json", "bob/2.root.json");
    edit("bob", "4").ends(2).says("error[draft-stale]");
    world
        .line("sign --dir bob --key carol.key")
        .ends(2)
        .says("error[draft-stale]");
    world.line("show --dir bob").ends(0).says("note: ");
    world
        .line("doctor --dir bob")
        .ends(0)
        .says("warning[draft-stale]");
    fs::remove_file(world.path("bob/draft.root.json")).unwrap();
    edit("bob", "4").ends(0);
}

#[test]
fn a_root_key_whose_signature_would_not_count_is_never_used() {
    let world = World::with_root("acme");
    world.key_files("erin", "rsa-2048");
    world
        .line("add-key --dir acme --role root --key erin.pub --algorithm rsa-pss-sha256")
        .ends(0);
    // By hand, since no command would.
    let mut file = world.root_file("acme/draft.root.json");
    let shown = world.line_json("show --dir acme");
    let keys = shown["draft"]["rootKeys"].as_array().unwrap();
    let pss = keys.last().unwrap()["id"].as_str().unwrap();
    let mut key = file["signed"]["keys"][pss].take();
    key["scheme"] = "rsa-pkcs1v15-sha256".into();
    // TUF's canonical form escapes no line feed.
    let canonical = key.to_string().replace("\\n", "\n");
    let digest = Digest::sha256(canonical.as_bytes()).to_string();
    let id = digest.strip_prefix("sha256:").unwrap();
    file = serde_json::from_str(&file.to_string().replace(pss, id)).unwrap();
    file["signed"]["keys"][id] = key;
    world.write("acme/draft.root.json", &file.to_string());
    for key in ["erin.key", "alice.key"] {
        let run = world.trust(&["sign", "--dir", "acme", "--key", key]);
        run.ends(1)
            .says("refused[root-lint]")
            .says("signs with `rsa-pkcs1-sha256`, which counts for no root");
    }
    world.line("doctor --dir acme").ends(1).says("root-lint");
}

#[test]
fn an_unsafe_root_is_not_signed_whoever_asks() {
    let world = World::with_root("acme");
    world
        .line("set-scope --dir acme --repository registry.example/shop/** --epoch 2")
        .ends(0);
    // By hand, since no command would.
    let mut draft = world.root_file("acme/draft.root.json");
    draft["signed"]["expires"] = "2020-01-01T00:00:00Z".into();
    draft["signed"]["roles"]["root"]["threshold"] = 4.into();
    world.write("acme/draft.root.json", &draft.to_string());
    for more in [&[][..], &["--yes"]] {
        let sign = [&["sign", "--dir", "acme", "--key", "alice.key"], more].concat();
        let run = world.trust(&sign).ends(1);
        assert!(
            run.stderr.matches("refused[root-lint]").count() >= 3,
            "{}",
            run.stderr
        );
    }
    let sign = [
        "sign",
        "--dir",
        "acme",
        "--key",
        "absent.key",
        "--output",
        "json",
    ];
    let refused = world.trust(&sign).ends(1).json();
    assert_eq!(refused["outcome"], "refused");
    assert_eq!(refused["lints"][0]["code"], "root-lint");
    let signatures = world.root_file("acme/draft.root.json")["signatures"].clone();
    assert_eq!(signatures, serde_json::json!([]));
}

#[test]
fn the_key_may_be_a_variable_and_never_the_one_of_releases() {
    let world = World::with_people();
    world.begin("acme");
    let sign = ["trust", "sign", "--dir", "acme"];
    world
        .countersign_with(&sign, &[("COUNTERSIGN_KEY", "alice.key")])
        .ends(2)
        .says("error[flag-missing]");
    world
        .countersign_with(&sign, &[("COUNTERSIGN_ROOT_KEY", "alice.key")])
        .ends(0)
        .says("signed by alice (");
}

#[test]
fn an_encrypted_key_file_is_opened_with_its_password() {
    let world = World::with_root("acme");
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/keys/cosign-p256.key");
    let add = [
        "trust", "add-key", "--dir", "acme", "--role", "root", "--key", key,
    ];
    world
        .countersign_with(&add, &[("COSIGN_PASSWORD", "wrong horse")])
        .ends(2);
    world
        .countersign_with(&add, &[("COSIGN_PASSWORD", "correct horse")])
        .ends(0);
    let sign = ["trust", "sign", "--dir", "acme", "--key", key];
    world
        .countersign_with(&sign, &[("COSIGN_PASSWORD", "correct horse")])
        .ends(0)
        .says("signed by");
    let signatures = world.root_file("acme/draft.root.json")["signatures"].clone();
    assert_eq!(signatures.as_array().unwrap().len(), 1);
}

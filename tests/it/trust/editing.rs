//! What each command changes in a draft, and what it says of it.

use std::fs;

use serde_json::{Value, json};

use super::{SHOP, id_of};
use crate::world::World;

/// The term of somebody's key in the draft.
pub(super) fn term(world: &World, owner: &str) -> Value {
    let shown = world.line_json("show --dir acme");
    let keys = shown["draft"]["scopes"][0]["keys"].as_array().unwrap();
    let mut keys = keys.iter().filter(|key| key["owner"] == owner);
    keys.next().unwrap()["term"].clone()
}

#[test]
fn a_root_is_begun_once_and_from_flags() {
    let world = World::with_people();
    let base = [
        "init",
        "--dir",
        "acme",
        "--name",
        "acme",
        "--root-key",
        "alice.pub",
        "--repository",
        SHOP,
    ];
    for (missing, flag) in [
        (1, "--dir"),
        (3, "--name"),
        (5, "--root-key"),
        (7, "--repository"),
    ] {
        let mut arguments = base.to_vec();
        arguments.drain(missing..missing + 2);
        world
            .trust(&[&arguments[..], &["--release-key", "release.pub"]].concat())
            .ends(2)
            .says("error[flag-missing]")
            .says(&format!("`{flag}`"));
    }
    world.trust(&base).ends(2).says("`--release-key`");
    let tsa = [
        &base[..],
        &[
            "--release-key",
            "release.pub",
            "--tsa",
            "https://one.example",
        ],
    ]
    .concat();
    world.trust(&tsa).ends(2).says("error[tsa-incomplete]");
    let name = [
        "init",
        "--dir",
        "acme",
        "--name",
        "Acme Inc",
        "--root-key",
        "alice.pub",
        "--repository",
        SHOP,
    ];
    world
        .trust(&[&name[..], &["--release-key", "release.pub"]].concat())
        .ends(2)
        .says("no name of a root");
    assert_eq!(world.names_in("acme"), [""; 0], "nothing half done");
    let ok = [
        &base[..],
        &["--sign-key", "review.pub", "--publish-key", "release.pub"],
    ]
    .concat();
    world.trust(&ok).ends(0).says("note: 1 root keys");
    world.trust(&ok).ends(2).says("error[root-exists]");
    assert_eq!(world.names_in("acme"), ["draft.root.json"]);
    let world = World::with_root("acme");
    world.trust(&ok).ends(2).says("error[root-exists]");
}

#[test]
fn the_threshold_and_the_end_are_as_they_are_given() {
    let world = World::with_people();
    let keys = ["alice", "bob", "carol", "dave"].map(|name| format!("{name}={name}.pub"));
    let mut arguments = vec![
        "init",
        "--dir",
        "acme",
        "--name",
        "acme",
        "--repository",
        SHOP,
        "--release-key",
        "release.pub",
    ];
    for key in &keys {
        arguments.extend(["--root-key", key]);
    }
    arguments.extend(["--threshold", "3", "--valid-for", "30d"]);
    world.trust(&arguments).ends(0);
    let shown = world.line("show --dir acme").ends(0).says("3 of 4");
    shown.says("in 29 days");
    let changed = [
        "set-scope",
        "--dir",
        "acme",
        "--repository",
        SHOP,
        "--valid-for",
        "10d",
    ];
    world.trust(&changed).ends(0).says("it expires at");
    world.line("show --dir acme").ends(0).says("in 9 days");
}

#[test]
fn a_key_is_added_to_roles_of_a_scope() {
    let world = World::with_root("acme");
    let add = [
        "add-key",
        "--dir",
        "acme",
        "--key",
        "review.key",
        "--owner",
        "review",
    ];
    world.trust(&add).ends(2).says("`--role`");
    world
        .trust(&[&add[..], &["--role", "root", "--role", "sign"]].concat())
        .ends(2)
        .says("error[role-mixed]");
    world
        .trust(&[&add[..], &["--role", "sign", "--threshold", "2"]].concat())
        .ends(2)
        .says("error[threshold-misplaced]");
    world
        .trust(
            &[
                &add[..],
                &["--role", "sign", "--scope", "registry.example/none"],
            ]
            .concat(),
        )
        .ends(2)
        .says("error[scope-unknown]");
    assert_eq!(
        world.names_in("acme"),
        ["1.root.json"],
        "what is refused begins no draft"
    );
    world
        .trust(
            &[
                &add[..],
                &[
                    "--role",
                    "release",
                    "--role",
                    "sign",
                    "--not-before",
                    "2027-01-01",
                ],
            ]
            .concat(),
        )
        .ends(0)
        .says("review (")
        .says("gets the roles publish and sign of registry.example/shop/**");
    assert_eq!(term(&world, "review")["notBefore"], "2027-01-01T00:00:00Z");
    world
        .trust(&[&add[..], &["--role", "publish"]].concat())
        .ends(2)
        .says("error[key-listed]");
    // With two scopes one must be named.
    world
        .line("set-scope --dir acme --repository registry.example/lab/**")
        .ends(0)
        .says("a scope for registry.example/lab/**");
    world
        .line("add-key --dir acme --key next.pub --role sign")
        .ends(2)
        .says("registry.example/lab/**");
    world
        .line("add-key --dir acme --key next.pub --role sign --scope registry.example/lab/**")
        .ends(0);
}

#[test]
fn a_key_that_was_in_use_is_retired_and_one_that_never_was_is_taken_out() {
    let world = World::with_root("acme");
    world
        .line("remove-key --dir acme --key release.pub --at 2027-02-01")
        .ends(0)
        .says("goes on to count");
    assert_eq!(
        term(&world, "release team")["notAfter"],
        "2027-02-01T00:00:00Z"
    );
    world
        .line("add-key --dir acme --key next.pub --owner next --role release")
        .ends(0);
    let draft = fs::read_to_string(world.path("acme/draft.root.json")).unwrap();
    world
        .line("remove-key --dir acme --key next.pub")
        .ends(0)
        .says("was in no complete version");
    let shown = world.line_json("show --dir acme");
    assert!(!shown["draft"].to_string().contains("\"next\""));
    assert!(draft.contains("\"next\""));
    world
        .line("remove-key --dir acme --key next.pub")
        .ends(2)
        .says("error[key-unknown]");
    // A root key leaves at once.
    world
        .line("remove-key --dir acme --key carol.pub --role root --threshold 1")
        .ends(0)
        .says("carol (")
        .says("1 root keys must sign, and not 2");
}

#[test]
fn a_key_is_named_by_digits_of_its_id() {
    let world = World::with_root("acme");
    let id = id_of(&world.line_json("show --dir acme"), "release team");
    let remove = |key: &str| world.trust(&["remove-key", "--dir", "acme", "--key", key]);
    remove(id.get(..7).unwrap())
        .ends(2)
        .says("error[file-unreadable]");
    remove("0123456789ab").ends(2).says("error[key-unknown]");
    remove("dave.pub").ends(2).says("error[key-unknown]");
    remove("absent.pub").ends(2).says("error[file-unreadable]");
    remove(id.get(..8).unwrap()).ends(0).says("release team");
}

/// So that what a verdict says of a key can be copied.
#[test]
fn a_key_is_named_by_digits_of_the_hash_that_verdicts_name_it_by() {
    let world = World::with_root("acme");
    let pem = std::fs::read_to_string(world.path("release.pub")).unwrap();
    let hash = countersign_common::PublicKey::from_pem(&pem).unwrap();
    let hash = hash.id().as_str();
    let id = id_of(&world.line_json("show --dir acme"), "release team");
    assert_ne!(hash.get(..8), id.get(..8));
    let revoke =
        |key: &str| world.trust(&["revoke", "--dir", "acme", "--compromised", "--key", key]);
    revoke(&hash[..7]).ends(2).says("error[file-unreadable]");
    revoke(&hash[..8]).ends(0).says("release team");
}

#[test]
fn digits_that_two_keys_share_name_neither() {
    let world = World::with_root("acme");
    world
        .line("set-scope --dir acme --repository registry.example/shop/** --epoch 2")
        .ends(0);
    // Two of a kind that nobody here can use, found by trying some 60,000.
    let mut draft = world.root_file("acme/draft.root.json");
    for (public, id) in [("3006", SHARING[0]), ("63165", SHARING[1])] {
        draft["signed"]["keys"][id] =
            json!({ "keytype": "ed448", "scheme": "ed448", "keyval": { "public": public } });
        let signers = &mut draft["signed"]["x-countersign"]["scopes"][0]["sign"]["keyids"];
        signers.as_array_mut().unwrap().push(json!(id));
    }
    world.write("acme/draft.root.json", &draft.to_string());
    let revoke =
        |key: &str| world.trust(&["revoke", "--dir", "acme", "--compromised", "--key", key]);
    revoke(&SHARING[0][..8])
        .ends(2)
        .says("error[key-ambiguous]")
        .says(SHARING[0])
        .says(SHARING[1])
        .says("give more digits of its id");
    revoke(&SHARING[0][..9]).ends(0);
}

#[test]
fn a_new_key_stands_beside_the_old_one_for_a_while() {
    let world = World::with_root("acme");
    let rotate = [
        "rotate",
        "--dir",
        "acme",
        "--old",
        "release.pub",
        "--new",
        "next.pub",
        "--owner",
        "next",
    ];
    world
        .line("rotate --dir acme --new next.pub")
        .ends(2)
        .says("`--old`");
    world
        .line("rotate --dir acme --old release.pub")
        .ends(2)
        .says("`--new`");
    world
        .line("rotate --dir acme --old dave.pub --new next.pub")
        .ends(2)
        .says("error[key-unknown]");
    world
        .trust(
            &[
                &rotate[..],
                &["--until", "2027-03-01", "--not-before", "2027-01-01"],
            ]
            .concat(),
        )
        .ends(0)
        .says("counts for ever");
    assert_eq!(
        term(&world, "release team")["notAfter"],
        "2027-03-01T00:00:00Z"
    );
    assert_eq!(
        term(&world, "next"),
        json!({ "notBefore": "2027-01-01T00:00:00Z", "notAfter": null, "revoked": null })
    );
    world
        .trust(&[&rotate[..], &["--until", "2027-03-01"]].concat())
        .ends(2)
        .says("error[key-listed]");
    // Another key of the same place, or one that is the old one itself.
    world
        .line("rotate --dir acme --old release.pub --new release.pub")
        .ends(2)
        .says("error[key-listed]");
    // An end that was set is not moved on by another rotation.
    world
        .line("rotate --dir acme --old release.pub --new review.pub --until 2028-01-01")
        .ends(0);
    assert_eq!(
        term(&world, "release team")["notAfter"],
        "2027-03-01T00:00:00Z"
    );
}

#[test]
fn thirty_days_are_given_where_nothing_is_said() {
    let world = World::with_root("acme");
    world
        .line("rotate --dir acme --old release.pub --new next.pub")
        .ends(0);
    let end = term(&world, "release team")["notAfter"].clone();
    let end = countersign_common::Timestamp::parse(end.as_str().unwrap()).unwrap();
    let made = fs::metadata(world.path("acme/draft.root.json"))
        .unwrap()
        .modified()
        .unwrap();
    let made = countersign_common::Timestamp::from(chrono::DateTime::from(made));
    let length = end.since(made).as_secs();
    assert!(
        (30 * 86_400 - 600..=30 * 86_400).contains(&length),
        "{length}"
    );
}

#[test]
fn a_stolen_key_is_revoked_and_what_follows_is_said() {
    let world = World::with_root("acme");
    for arguments in [
        &["revoke", "--dir", "acme", "--key", "release.pub"][..],
        &["revoke", "--dir", "acme", "--compromised"],
        &[
            "revoke",
            "--dir",
            "acme",
            "--key",
            "release.pub",
            "--compromised",
            "--misused",
        ],
        &[
            "revoke",
            "--dir",
            "acme",
            "--key",
            "release.pub",
            "--misused",
            "--from",
            "2026-01-01",
        ],
        &[
            "revoke",
            "--dir",
            "acme",
            "--key",
            "release.pub",
            "--misused",
            "--at",
            "2026-01-01",
        ],
        &[
            "revoke",
            "--dir",
            "acme",
            "--tsa",
            "https://one.example",
            "--misused",
            "--from",
            "2026-01-01",
            "--to",
            "2026-01-02",
        ],
    ] {
        world.trust(arguments).ends(2);
    }
    world
        .line("revoke --dir acme --key alice.pub --compromised")
        .ends(2)
        .says("error[root-key-not-revoked]");
    world
        .line("revoke --dir acme --key release.pub --compromised --at 2026-05-01")
        .ends(0)
        .says("was before 2026-05-01T00:00:00Z")
        .says("countersign trust set-scope --repository 'registry.example/shop/**' --epoch 2")
        .says("nobody has the role publish");
    assert_eq!(
        term(&world, "release team")["revoked"],
        json!({ "reason": "compromised", "at": "2026-05-01T00:00:00Z" })
    );
    world
        .line("revoke --dir acme --key clock.pub --compromised")
        .ends(0)
        .says("nothing that clock (")
        .says(") counts at no time, as it is compromised; it was: always");
    world
        .all_sign("acme", &["alice", "bob"])
        .says("2.root.json");
    // A revocation is not taken back, and not made smaller: nor in the draft that begins with it.
    for draft in [false, true] {
        assert_eq!(world.path("acme/draft.root.json").exists(), draft);
        for less in [
            "--compromised --at 2026-06-01",
            "--misused --from 2026-04-01 --to 2026-06-01",
        ] {
            world
                .line(&format!("revoke --dir acme --key release.pub {less}"))
                .ends(2)
                .says("error[revocation-weakened]")
                .says("compromised since 2026-05-01T00:00:00Z")
                .says("remove acme/draft.root.json");
        }
        world
            .line("revoke --dir acme --key release.pub --compromised --at 2026-04-01")
            .ends(0);
        world
            .line("revoke --dir acme --key release.pub --compromised --at 2026-05-01")
            .ends(2);
        if !draft {
            fs::remove_file(world.path("acme/draft.root.json")).unwrap();
            world
                .line("revoke --dir acme --key release.pub --compromised --at 2026-05-01")
                .ends(0);
        }
    }
}

#[test]
fn a_misused_key_lives_on() {
    let world = World::with_root("acme");
    let misused = [
        "revoke",
        "--dir",
        "acme",
        "--key",
        "release.pub",
        "--misused",
        "--from",
    ];
    world
        .trust(&[&misused[..], &["2026-05-02", "--to", "2026-05-01"]].concat())
        .ends(2)
        .says("in this order");
    world
        .trust(&[&misused[..], &["2026-05-01", "--to", "2026-05-02"]].concat())
        .ends(0)
        .says("touches 2026-05-01T00:00:00Z to 2026-05-02T00:00:00Z");
    let run = world.line("show --dir acme").ends(0);
    assert!(!run.stdout.contains("--epoch"));
    run.says("misused from 2026-05-01T00:00:00Z");
    world
        .all_sign("acme", &["alice", "bob"])
        .says("2.root.json");
}

#[test]
fn rsa_keys_are_listed_with_their_algorithm_and_sign_with_it() {
    let world = World::with_root("acme");
    world.key_files("erin", "rsa-2048");
    let add = [
        "add-key",
        "--dir",
        "acme",
        "--role",
        "root",
        "--key",
        "erin.pub",
        "--algorithm",
    ];
    world
        .trust(&[&add[..], &["ecdsa-p256-sha256"]].concat())
        .ends(2)
        .says("error[algorithm-not-allowed]");
    world
        .trust(&[&add[..], &["rsa-pss-sha256"]].concat())
        .ends(0);
    world
        .line("sign --dir acme --key erin.key")
        .ends(0)
        .says("signed by");
    world.all_sign("acme", &["alice", "bob"]).says("complete: ");
}

#[test]
fn the_folder_may_be_a_variable_and_a_document_says_what_changed() {
    let world = World::with_root("acme");
    let run = world.countersign_with(
        &[
            "trust",
            "remove-key",
            "--key",
            "clock.pub",
            "--output",
            "json",
        ],
        &[("COUNTERSIGN_TRUST_DIR", "acme")],
    );
    let document = run.ends(0).json();
    assert_eq!(document["draft"], "acme/draft.root.json");
    assert_eq!(
        (&document["version"], &document["begun"]),
        (&2.into(), &true.into())
    );
    assert_eq!(document["lints"], json!([]));
    assert!(
        document["changes"]
            .as_array()
            .unwrap()
            .iter()
            .any(|change| { change.as_str().unwrap().contains("clock (") })
    );
    let quiet = world
        .line("set-scope --dir acme --repository registry.example/shop/** --quiet")
        .ends(0);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
}

/// Ids of keys that begin with the same 8 digits.
const SHARING: [&str; 2] = [
    "fb64e3d0fd2764d887a4c27140b341a2a03a8cf03ffaacc8049325c60faea1d1",
    "fb64e3d0e6aa61ffb3200294eefa3aa70f1f21ba81a1dd44ad163f6ecf4ee807",
];

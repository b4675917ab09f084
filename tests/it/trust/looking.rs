//! What is shown of a root, and what the doctor finds.

use super::{SHOP, id_of};
use crate::world::{Run, World};

/// What differs from run to run, by the name of what it is.
fn steady(world: &World, text: &str) -> String {
    let shown = world.line_json("show --dir acme");
    let mut text = text.to_owned();
    for (pointer, name) in [
        ("/root/fingerprint", "FINGERPRINT"),
        ("/draft/message", "MESSAGE"),
        ("/root/expires", "EXPIRES"),
        ("/draft/expires", "EXPIRES"),
    ] {
        if let Some(value) = shown.pointer(pointer).and_then(|value| value.as_str()) {
            text = text.replace(value, name);
        }
    }
    let url = world.tsa("one");
    text.replace(
        &url,
        &format!("{:<width$}", "http://one/", width = url.len()),
    )
}

/// A root with everything in it that a root may have, and a draft on top.
fn rich() -> World {
    let world = World::with_root("acme");
    let edits: [&[&str]; 6] = [
        &[
            "set-scope",
            "--repository",
            SHOP,
            "--repository",
            "registry.example/store/*",
        ],
        &[
            "rotate",
            "--old",
            "release.pub",
            "--new",
            "next.pub",
            "--owner",
            "release team",
            "--until",
            "2027-03-01",
        ],
        &[
            "add-key",
            "--role",
            "sign",
            "--key",
            "review.pub",
            "--not-before",
            "2026-01-01",
        ],
        &[
            "revoke",
            "--key",
            "release.pub",
            "--misused",
            "--from",
            "2026-09-02T14:00:00Z",
            "--to",
            "2026-09-02T16:00:00Z",
        ],
        &[
            "revoke",
            "--key",
            "clock.pub",
            "--compromised",
            "--at",
            "2026-08-01",
        ],
        &[
            "set-scope",
            "--repository",
            "registry.example/lab/**",
            "--statements",
            "same",
        ],
    ];
    for edit in edits {
        world.trust(&[edit, &["--dir", "acme"]].concat()).ends(0);
    }
    world
        .all_sign("acme", &["alice", "bob"])
        .says("2.root.json");
    world
        .line("rotate --dir acme --old carol.pub --new dave.pub --owner dave --valid-for 400d")
        .ends(0);
    world.all_sign("acme", &["alice"]);
    world
}

#[test]
fn a_root_is_a_table_that_people_read() {
    let world = rich();
    let run = world.line("show --dir acme").ends(0);
    assert!(
        run.stdout.lines().all(|line| line.chars().count() <= 100),
        "{}",
        run.stdout
    );
    insta::assert_snapshot!(steady(&world, &run.stdout));
}

#[test]
fn what_changes_is_said_in_sentences() {
    let world = rich();
    let run = world.line("sign --dir acme --key dave.key").ends(0);
    insta::assert_snapshot!(steady(&world, &run.stdout));
}

#[test]
fn a_root_is_a_document_for_programs() {
    let world = rich();
    let shown = world.line_json("show --dir acme");
    let (root, draft) = (&shown["root"], &shown["draft"]);
    assert_eq!(
        (&root["version"], &draft["version"]),
        (&2.into(), &3.into())
    );
    assert_eq!(root["name"], "acme");
    assert_eq!(root["threshold"], 2);
    assert_eq!(
        root["scopes"][0]["repositories"],
        serde_json::json!([SHOP, "registry.example/store/*"])
    );
    assert_eq!(root["scopes"][1]["statements"], "same");
    let keys = root["scopes"][0]["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 4);
    assert_eq!(keys[0]["roles"], serde_json::json!(["sign", "publish"]));
    assert_eq!(keys[0]["term"]["revoked"]["reason"], "misused");
    assert_eq!(root["time"]["authorities"][0]["operator"], "one.example");
    assert_eq!(draft["progress"][0]["by"], 2);
    assert_eq!(
        draft["progress"][0]["signed"],
        serde_json::json!([id_of(&shown, "alice")])
    );
    assert!(draft["changes"].as_array().unwrap().len() >= 2);
}

#[test]
fn an_older_version_and_a_single_file_are_shown_too() {
    let world = rich();
    world
        .line("show --dir acme --version 1")
        .ends(0)
        .says("version 1 (the newest is 2)");
    world
        .line("show --dir acme --version 3")
        .ends(2)
        .says("error[version-missing]");
    world.begin("begun");
    world
        .line("show --dir begun --version 1")
        .ends(2)
        .says("error[root-incomplete]");
    let file = world.line_json("show --file acme/1.root.json");
    let folder = world.line_json("show --dir acme --version 1");
    assert_eq!(file["root"], folder["root"]);
    let draft = world.line_json("show --file acme/draft.root.json");
    assert!(draft["root"].is_null());
    assert_eq!(draft["draft"]["version"], 3);
}

#[test]
fn what_is_long_goes_on_below_and_nothing_is_cut() {
    let world = World::with_people();
    world.begin("acme");
    let owner = "x".repeat(300);
    let pattern = format!("registry.example/{}/**", "y".repeat(200));
    world
        .trust(&[
            "add-key",
            "--dir",
            "acme",
            "--role",
            "sign",
            "--key",
            "review.pub",
            "--owner",
            &owner,
        ])
        .ends(0);
    world
        .trust(&["set-scope", "--dir", "acme", "--repository", &pattern])
        .ends(0);
    let run = world.line("show --dir acme").ends(0);
    assert!(
        run.stdout.lines().all(|line| line.chars().count() <= 100),
        "{}",
        run.stdout
    );
    let letters: String = run.stdout.split_whitespace().collect();
    assert!(letters.contains(&"y".repeat(200)) && letters.matches('x').count() >= 300);
}

fn doctor(world: &World) -> Run {
    world.line("doctor --dir acme")
}

#[test]
fn the_doctor_finds_nothing_where_nothing_is_wrong() {
    let world = World::with_people();
    world.begin("acme");
    let (chain, two) = (world.chain("two"), world.tsa("two"));
    world
        .trust(&[
            "add-tsa",
            "--dir",
            "acme",
            "--url",
            &two,
            "--chain",
            &chain,
            "--operator",
            "two.example",
        ])
        .ends(0);
    world
        .line("add-key --dir acme --role release --key next.pub")
        .ends(0);
    world.all_sign("acme", &["alice", "bob"]);
    assert_eq!(doctor(&world).ends(0).stdout, "nothing is wrong\n");
    assert_eq!(
        world.line_json("doctor --dir acme"),
        serde_json::json!({ "findings": [] })
    );
}

#[test]
fn the_doctor_says_what_hangs_on_one_thing() {
    let world = World::with_root("acme");
    doctor(&world)
        .ends(0)
        .says("warning[role-single]: release team (")
        .says("warning[tsa-operator-single]: all dates hang on one.example")
        .says("every image published in registry.example/shop/**");
    world
        .line("remove-key --dir acme --key release.pub --at 2020-01-01")
        .ends(0);
    doctor(&world).ends(0).says("warning[draft-pending]");
    world.all_sign("acme", &["alice", "bob"]);
    doctor(&world)
        .ends(0)
        .says("warning[role-empty]: nobody has the role sign");
    let tsa = world.tsa("one");
    world
        .trust(&["revoke", "--dir", "acme", "--tsa", &tsa, "--compromised"])
        .ends(0)
        .says("no time-stamp authority is left");
    world.all_sign("acme", &["alice", "bob"]);
    doctor(&world).ends(0).says("warning[tsa-missing]");
}

#[test]
fn the_doctor_looks_ahead() {
    let world = World::with_people();
    world.begin("acme");
    let (release, next) = (["--old", "release.pub"], ["--new", "next.pub"]);
    world
        .line("set-scope --dir acme --repository registry.example/shop/** --valid-for 59d")
        .ends(0);
    world.all_sign("acme", &["alice", "bob"]);
    doctor(&world)
        .ends(0)
        .says("warning[root-expires-soon]")
        .says("in 58 days");
    let rotate = [
        &["rotate", "--dir", "acme"][..],
        &release,
        &next,
        &["--not-before", "2100-01-01"],
    ]
    .concat();
    world
        .trust(&[&rotate[..], &["--valid-for", "61d"]].concat())
        .ends(0);
    world.all_sign("acme", &["alice", "bob"]);
    let run = doctor(&world).ends(0);
    assert!(!run.stdout.contains("root-expires-soon"), "{}", run.stdout);
    assert!(
        !run.stdout.contains("role-ends-soon"),
        "its successor comes: {}",
        run.stdout
    );
    let remove = ["remove-key", "--dir", "acme", "--key", "next.pub"];
    world
        .trust(&remove)
        .ends(2)
        .says("error[key-ends-too-soon]");
    world
        .line("revoke --dir acme --key next.pub --compromised")
        .ends(0);
    world.all_sign("acme", &["alice", "bob"]);
    doctor(&world)
        .ends(0)
        .says("warning[role-ends-soon]: nobody has the role sign");
}

#[test]
fn the_doctor_says_what_would_be_fatal() {
    let world = World::with_people();
    world
        .line("init --dir acme --name acme --root-key alice=alice.pub --root-key alice=bob.pub --threshold 1 \
             --repository registry.example/shop/** --release-key release.pub")
        .ends(0)
        .says("note: 2 root keys");
    doctor(&world)
        .ends(1)
        .says("fatal[root-threshold-one]")
        .says("warning[root-owner-single]")
        .says("warning[root-keys-few]");
    world.all_sign("acme", &["alice"]).says("complete: ");
    doctor(&world).ends(1);
    // What a lint finds is fatal, in the draft too.
    world
        .line("rotate --dir acme --old bob.pub --new carol.pub --owner carol")
        .ends(0);
    world
        .line("add-key --dir acme --role root --key dave.pub --threshold 2")
        .ends(0);
    world
        .all_sign("acme", &["alice", "carol"])
        .says("complete: ");
    doctor(&world).ends(0);
    world
        .line("add-key --dir acme --role root --key release.pub")
        .ends(0);
    let found = world.line("doctor --dir acme --output json").ends(1).json();
    let fatal: Vec<_> = found["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["fatal"] == true)
        .map(|finding| finding["code"].as_str().unwrap())
        .collect();
    assert_eq!(fatal, ["root-lint"]);
}

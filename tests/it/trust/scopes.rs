//! Authorities and scopes: whom a root believes about time, and what holds for repositories.

use std::fs;

use super::SHOP;
use crate::world::World;

#[test]
fn an_authority_is_added_changed_and_voided() {
    let world = World::with_root("acme");
    let (chain, two) = (world.chain("two"), world.tsa("two"));
    let add = [
        "add-tsa",
        "--dir",
        "acme",
        "--url",
        &two,
        "--chain",
        &chain,
        "--operator",
        "two.example",
    ];
    world
        .trust(
            &[
                &add[..],
                &[
                    "--from",
                    "2026-01-01",
                    "--accuracy",
                    "5s",
                    "--time-threshold",
                    "2",
                ],
            ]
            .concat(),
        )
        .ends(0)
        .says("two.example")
        .says("from 2026-01-01T00:00:00Z")
        .says("a publication is stamped by 2 operators, of whom 2 must count");
    // What is not said stays.
    world
        .trust(&[&add[..], &["--until", "2027-01-01"]].concat())
        .ends(0);
    let shown = world.line_json("show --dir acme");
    let entries = shown["draft"]["time"]["authorities"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[1]["from"], "2026-01-01T00:00:00Z");
    assert_eq!(entries[1]["until"], "2027-01-01T00:00:00Z");
    assert_eq!(entries[1]["defaultAccuracySeconds"], 5);
    // What only the draft says may have been a slip; of what a version says somebody has relied.
    let other = |name: &str| {
        let (chain, url) = (world.chain(name), world.tsa(name));
        let add = ["add-tsa", "--dir", "acme", "--url", &url, "--chain", &chain];
        world.trust(&[&add[..], &["--operator", "other"]].concat())
    };
    let run = other("two").ends(0);
    assert!(!run.stdout.contains("is said to be exact"));
    let shown = world.line_json("show --dir acme");
    let entries = shown["draft"]["time"]["authorities"].as_array().unwrap();
    assert_eq!(entries[1]["operator"], "other");
    assert_eq!(entries[1]["until"], "2027-01-01T00:00:00Z");
    assert_eq!(entries[1]["defaultAccuracySeconds"], 5);
    other("one")
        .ends(2)
        .says("error[tsa-operator-differs]")
        .says("`--operator one.example`");
    world
        .line("revoke --dir acme --tsa https://none.example --compromised")
        .ends(2)
        .says("error[tsa-unknown]");
    world
        .trust(&["revoke", "--dir", "acme", "--tsa", &two, "--compromised"])
        .ends(0)
        .says("all its stamps are void")
        .says("no stamp of ");
}

#[test]
fn an_authority_that_cannot_be_asked_or_believed_is_not_listed() {
    let world = World::with_root("acme");
    let (chain, two) = (world.chain("two"), world.tsa("two"));
    for (url, says) in [
        ("ftp://x.example", "http"),
        ("x", "relative URL"),
        ("https://name:secret@x.example", "password"),
    ] {
        let run = world.trust(&[
            "add-tsa",
            "--dir",
            "acme",
            "--url",
            url,
            "--chain",
            &chain,
            "--operator",
            "x",
        ]);
        run.ends(2).says(says);
    }
    world
        .trust(&[
            "add-tsa",
            "--dir",
            "acme",
            "--url",
            &two,
            "--chain",
            "alice.pub",
            "--operator",
            "x",
        ])
        .ends(2)
        .says("error[tsa-chain-invalid]");
    world
        .trust(&["add-tsa", "--dir", "acme", "--url", &two, "--chain", &chain])
        .ends(2)
        .says("`--operator`");
}

#[test]
fn one_authority_under_two_operators_is_not_signed() {
    let world = World::with_root("acme");
    let chain = world.chain("one");
    world
        .trust(&[
            "add-tsa",
            "--dir",
            "acme",
            "--url",
            "https://elsewhere.example",
            "--chain",
            &chain,
            "--operator",
            "two",
        ])
        .ends(0)
        .says("remark[root-lint]");
    world
        .line("sign --dir acme --key alice.key")
        .ends(1)
        .says("end at the same root key");
}

impl World {
    /// Adds an authority with the chain of one that the stand-in has.
    fn add_tsa(&self, chain: &str, url: &str, more: &[&str]) -> crate::world::Run {
        let chain = self.chain(chain);
        let add = [
            "add-tsa",
            "--dir",
            "acme",
            "--url",
            url,
            "--chain",
            &chain,
            "--operator",
            "one.example",
        ];
        self.trust(&[&add[..], more].concat())
    }
}

#[test]
fn what_was_voided_comes_back_under_no_other_address() {
    let world = World::with_root("acme");
    let one = world.tsa("one");
    let add = |chain: &str| world.add_tsa(chain, "https://new.example/", &[]);
    // It is void wherever it is listed.
    add("one").ends(0);
    world
        .trust(&["revoke", "--dir", "acme", "--tsa", &one, "--compromised"])
        .ends(0)
        .says("https://new.example/ of one.example (root key")
        .says("no time-stamp authority is left");
    let shown = world.line_json("show --dir acme");
    let entries = shown["draft"]["time"]["authorities"].as_array().unwrap();
    assert!(entries.iter().all(|entry| entry["compromised"] == true));
    let table = world.line("show --file acme/draft.root.json").ends(0);
    assert_eq!(table.stdout.matches("compromised: nothing").count(), 2);
    fs::remove_file(world.path("acme/draft.root.json")).unwrap();
    // Nor is it added afterwards.
    world
        .trust(&["revoke", "--dir", "acme", "--tsa", &one, "--compromised"])
        .ends(0);
    add("one").ends(2).says("error[tsa-void]");
    world
        .add_tsa("one", &one, &["--until", "2100-01-01"])
        .ends(0);
    let mut draft = world.root_file("acme/draft.root.json");
    add("two").ends(0).says("is believed about time always");
    // Whoever writes it into the draft by hand has it shown as it is.
    let extension = &mut draft["signed"]["x-countersign"];
    for (list, member) in [
        ("/trustedRoot/timestampAuthorities", "compromised"),
        ("/time/authorities", "x"),
    ] {
        let entries = extension.pointer_mut(list).unwrap().as_array_mut().unwrap();
        let mut copy = entries[0].clone();
        copy["uri"] = "https://new.example/".into();
        copy.as_object_mut().unwrap().remove(member);
        entries.push(copy);
    }
    world.write("acme/draft.root.json", &draft.to_string());
    let run = world.line("sign --dir acme --key alice.key").ends(0);
    let mut said = run
        .stdout
        .lines()
        .filter(|line| line.contains("new.example"));
    let said = (said.next().unwrap(), said.next());
    assert!(said.0.ends_with("is compromised: all its stamps are void"));
    assert_eq!(said.1, None);
    world.all_sign("acme", &["bob"]).says("2.root.json");
    world.line("doctor --dir acme").says("tsa-missing");
}

#[test]
fn the_time_of_an_authority_ends_after_it_begins() {
    let world = World::with_root("acme");
    let window = |until: &str| {
        world.add_tsa(
            "two",
            "https://two.example/",
            &["--from", "2026-01-01T00:00:00Z", "--until", until],
        )
    };
    window("2025-12-31T23:59:59Z")
        .ends(2)
        .says("error[malformed]")
        .says("https://two.example/ ends before it begins");
    assert_eq!(world.names_in("acme"), ["1.root.json"]);
    window("2026-01-01T00:00:00Z").ends(0);
}

#[test]
fn a_scope_has_what_holds_for_all_its_repositories() {
    let world = World::with_root("acme");
    let set = ["set-scope", "--dir", "acme", "--repository", SHOP];
    world
        .trust(
            &[
                &set[..],
                &[
                    "--repository",
                    "registry.example/store/**",
                    "--epoch",
                    "2",
                    "--tag-table-max",
                    "30d",
                ],
                &["--heartbeat-max", "3d", "--statements", "same"],
            ]
            .concat(),
        )
        .ends(0)
        .says("is for registry.example/store/** too")
        .says("epoch 2; it was: epoch 1")
        .says("30d old")
        .says("3d old")
        .says("statements lie in same");
    world
        .line("set-scope --dir acme --repository registry.example/lab/**")
        .ends(0);
    world
        .trust(&[&set[..], &["--repository", "registry.example/lab/**"]].concat())
        .ends(2)
        .says("error[scope-unknown]");
    for wrong in [
        "**",
        "registry.example/**/x",
        "registry.example/Shop",
        "https://registry.example/x",
    ] {
        world
            .trust(&["set-scope", "--dir", "acme", "--repository", wrong])
            .ends(2);
    }
    world.trust(&[&set[..], &["--epoch", "0"]].concat()).ends(2);
    world
        .line("set-scope --dir acme")
        .ends(2)
        .says("`--repository`");
}

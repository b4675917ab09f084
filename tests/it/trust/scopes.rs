//! Authorities and scopes: whom a root believes about time, and what holds for repositories.

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
    let other = [
        "add-tsa",
        "--dir",
        "acme",
        "--url",
        &two,
        "--chain",
        &chain,
        "--operator",
        "other",
    ];
    world
        .trust(&other)
        .ends(2)
        .says("error[tsa-operator-differs]");
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

//! Questions, which are for terminals: `script` gives the command one.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use super::SHOP;
use crate::world::{Run, World};

/// Runs the command on a terminal, with somebody who types these lines.
pub(crate) fn on_terminal(world: &World, arguments: &[&str], typed: &[&str]) -> Run {
    let quoted: Vec<_> = arguments.iter().map(|word| format!("'{word}'")).collect();
    let line = format!("{} {}", env!("CARGO_BIN_EXE_countersign"), quoted.join(" "));
    let mut command: Command = world.program("/usr/bin/script");
    command
        .args(["-qec", &line, "/dev/null"])
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut keyboard = child.stdin.take().unwrap();
    for line in typed {
        writeln!(keyboard, "{line}").unwrap();
    }
    drop(keyboard);
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn init_asks_for_what_is_missing() {
    let world = World::with_people();
    on_terminal(
        &world,
        &["trust", "init", "--dir", "acme"],
        &[
            "acme",
            "alice=alice.pub",
            "bob=bob.pub",
            "carol=carol.pub",
            "",
            SHOP,
            "",
            "release team=release.pub",
            "",
        ],
    )
    .ends(0)
    .says("Name of the trust root")
    .says("nothing more: Enter");
    world
        .trust(&["show", "--dir", "acme"])
        .ends(0)
        .says("root keys: 2 of 3 must sign")
        .says("release team");
}

#[test]
fn an_answer_that_is_none_is_a_flag_that_is_missing() {
    let world = World::with_people();
    on_terminal(&world, &["trust", "init", "--dir", "acme"], &[""])
        .ends(2)
        .says("`--name`");
    on_terminal(&world, &["trust", "show"], &[""])
        .ends(2)
        .says("`--dir`");
}

#[test]
fn an_answer_that_is_not_understood_is_asked_for_again() {
    let world = World::with_people();
    on_terminal(
        &world,
        &[
            "trust",
            "init",
            "--dir",
            "acme",
            "--name",
            "acme",
            "--root-key",
            "alice.pub",
            "--root-key",
            "bob.pub",
            "--release-key",
            "release.pub",
        ],
        &[SHOP, "registry.example/**/x", "registry.example/pay/**", ""],
    )
    .ends(0)
    .says("not understood: ");
    let shown = world.line_json("show --dir acme");
    assert_eq!(
        shown["draft"]["scopes"][0]["repositories"],
        serde_json::json!([SHOP, "registry.example/pay/**"])
    );
    // Whoever gives up has given none.
    on_terminal(
        &world,
        &["trust", "set-scope", "--dir", "acme"],
        &["registry.example/**/x", ""],
    )
    .ends(2)
    .says("not understood: ")
    .says("`--repository`");
}

#[test]
fn a_password_is_not_taken_from_an_answer() {
    let world = World::with_root("acme");
    let chain = world.chain("two");
    let add = [
        "trust",
        "add-tsa",
        "--dir",
        "acme",
        "--chain",
        &chain,
        "--operator",
        "two",
    ];
    on_terminal(
        &world,
        &add,
        &[
            "http://user:secret@tsa.example/",
            "tsa.example",
            "https://tsa.example/",
        ],
    )
    .ends(0)
    .says("leave name and password out");
    let draft = world.root_file("acme/draft.root.json").to_string();
    assert!(!draft.contains("secret"));
    assert!(draft.contains("https://tsa.example/"));
}

#[test]
fn whoever_sits_at_a_terminal_is_asked_before_a_key_is_used() {
    let world = World::with_people();
    world.begin("acme");
    let sign = ["trust", "sign", "--dir", "acme", "--key", "alice.key"];
    for answer in ["n", "", "yess"] {
        on_terminal(&world, &sign, &[answer])
            .ends(1)
            .says("Sign this? [y/N]")
            .says("alice (")
            .says("error[declined]");
    }
    let signatures = || world.root_file("acme/draft.root.json")["signatures"].clone();
    assert_eq!(signatures(), serde_json::json!([]));
    on_terminal(&world, &sign, &["y"]).ends(0).says("signed by");
    assert_eq!(signatures().as_array().unwrap().len(), 1);
    let yes = [
        "trust", "sign", "--dir", "acme", "--key", "bob.key", "--yes",
    ];
    let run = on_terminal(&world, &yes, &[]).ends(0);
    assert!(!run.stdout.contains("[y/N]"), "{}", run.stdout);
}

#[test]
fn the_key_is_asked_for_after_what_is_signed_was_shown() {
    let world = World::with_people();
    world.begin("acme");
    let run = on_terminal(
        &world,
        &["trust", "sign", "--dir", "acme"],
        &["alice.key", "y"],
    );
    let run = run.ends(0).says("signed by");
    let at = |text: &str| run.stdout.find(text).unwrap();
    assert!(at("what is signed: sha256:") < at("Root key that signs: "));
}

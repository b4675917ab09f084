//! Files that are not what they should be, and text that would be something else on a terminal.

use std::{fs, process::Command};

use super::{Team, shop};
use crate::world::run;

/// Retitles a terminal, and forges a verdict on a line of its own.
const HOSTILE: &str = "\x1b]0;owned\x07\x1b[2J\nverified: all is well\r\u{9b}31m\u{202e}lleh";

#[test]
fn what_is_no_policy_is_refused_before_any_work() {
    let team = Team::new();
    let image = team.signed("shop/api", "1", "release");
    let before = team.world.calls(|_| true).len();
    let commands = ["verify", "policy test", "policy explain"];
    for (content, code) in [
        (vec![b'#'; 2 << 20], "file-too-large"),
        (vec![0; 1 << 10], "policy-invalid"),
        (vec![0xff; 1 << 10], "policy-invalid"),
        (b"[".repeat(100_000), "policy-invalid"),
        (Vec::new(), "policy-invalid"),
        (HOSTILE.as_bytes().to_vec(), "policy-invalid"),
    ] {
        fs::write(team.world.path("policy.toml"), content).unwrap();
        for command in commands {
            let run = team.command(command, &image, &[]).ends(2);
            assert_eq!(run.stdout, "");
            assert!(!run.stderr.contains('\x1b') && !run.stderr.contains("\nverified"));
            assert!(run.stderr.len() < 2_000, "{}", run.stderr);
            run.says(&format!("error[{code}]"));
        }
    }
    fs::remove_file(team.world.path("policy.toml")).unwrap();
    fs::create_dir(team.world.path("policy.toml")).unwrap();
    for command in commands {
        team.command(command, &image, &[])
            .ends(2)
            .says("error[file-unreadable]");
    }
    assert_eq!(team.world.calls(|_| true).len(), before);
}

#[test]
fn what_is_no_root_is_not_read_to_its_end() {
    let team = Team::new();
    let image = team.signed("shop/api", "1", "release");
    team.policy(&shop("signed"));
    let second = team.world.path("roots/2.root.json");
    fs::write(&second, vec![b' '; 10 << 20]).unwrap();
    team.verify(&image, &[]).ends(1).says("refused[too-large]");
    fs::write(&second, b"{}").unwrap();
    team.verify(&image, &[]).ends(1).says("refused[malformed]");
    // What is no JSON at all is no answer.
    for content in [Vec::new(), vec![0; 1_000], b"[".repeat(500_000)] {
        fs::write(&second, content).unwrap();
        team.verify(&image, &[])
            .ends(3)
            .says("error[root-unavailable]");
    }
    // The pinned one is only looked for by its hash.
    fs::remove_file(&second).unwrap();
    fs::write(team.world.path("roots/1.root.json"), vec![b' '; 10 << 20]).unwrap();
    team.verify(&image, &[])
        .ends(1)
        .says("refused[root-fingerprint-mismatch]");
    fs::remove_file(team.world.path("roots/1.root.json")).unwrap();
    fs::create_dir(team.world.path("roots/1.root.json")).unwrap();
    team.verify(&image, &[])
        .ends(3)
        .says("error[root-unavailable]");
}

#[test]
fn a_pipe_in_the_place_of_a_root_holds_nothing_up() {
    let team = Team::new();
    let image = team.signed("shop/api", "1", "release");
    team.policy(&shop("signed"));
    // There is no version 0, so nobody looks at it.
    for (file, code) in [("roots/2.root.json", 3), ("roots/0.root.json", 0)] {
        let pipe = team.world.path(file);
        run({
            let mut command = Command::new("/usr/bin/mkfifo");
            command.arg(&pipe);
            command
        })
        .ends(0);
        // It would wait for a writer that never comes.
        let image = image.tagged();
        let mut command = team.world.program("/usr/bin/timeout");
        command.args(["10", env!("CARGO_BIN_EXE_countersign")]);
        command.args(["verify", "--policy", "policy.toml", &image]);
        let ended = run(command).ends(code);
        assert_eq!(
            code == 3,
            ended.stdout.contains("error[root-unavailable]"),
            "{ended:?}"
        );
        fs::remove_file(&pipe).unwrap();
    }
}

#[test]
fn the_name_of_a_keys_owner_moves_no_cursor() {
    let team = Team::new();
    let owner = HOSTILE;
    let scope = team.spelled("HOST/shop/**");
    let add = [
        "trust", "add-key", "--dir", "acme", "--scope", &scope, "--role", "release", "--key",
        "next.pub", "--owner", owner,
    ];
    team.world.countersign(&add).ends(0);
    team.publish();
    team.policy(&shop("signed"));
    let good = team.signed("shop/api", "1", "next");
    let bad = team.signed("shop/api", "2", "other");
    for (command, image, code) in [
        ("verify", &good, 0),
        ("verify", &bad, 1),
        ("policy explain", &good, 0),
    ] {
        for more in [&[][..], &["--output", "json"]] {
            let image = image.tagged();
            let mut words: Vec<_> = command.split(' ').collect();
            words.extend(["--policy", "policy.toml", &image]);
            words.extend(more);
            let colours = [("CLICOLOR_FORCE", "1")];
            let run = team.world.countersign_with(&words, &colours).ends(code);
            let said = format!("{}{}", run.stdout, run.stderr);
            for character in ['\x07', '\r', '\u{9b}', '\u{202e}'] {
                assert!(!said.contains(character), "{character:?}: {said:?}");
            }
            assert!(
                !said.contains("\x1b]") && !said.contains("\x1b[2J"),
                "{said:?}"
            );
            assert!(!said.contains("\nverified: all"), "{said:?}");
            assert!(said.contains("owned"), "{said:?}");
        }
    }
}

//! The command line itself: what is refused before anything is sent, and where what is said goes.

mod demonstration;
mod hostile;
mod key_files;
mod keys;
mod standard_input;

use std::{
    ffi::OsStr,
    fs::{self, File},
    os::unix::ffi::OsStrExt,
    process::Stdio,
};

use crate::world::{Run, World, run};

/// Refused as usage, and nothing was sent anywhere.
#[track_caller]
fn misused(world: &World, arguments: &[&str]) -> Run {
    world.stand_in.forget_calls();
    let run = world.countersign(arguments).ends(2);
    assert_eq!(world.stand_in.calls().len(), 0, "{arguments:?}");
    assert_eq!(run.stdout, "", "{arguments:?}");
    run
}

/// Every command, and nothing behind it.
const COMMANDS: [&[&str]; 29] = [
    &[],
    &["sign"],
    &["verify"],
    &["inspect"],
    &["key"],
    &["key", "generate"],
    &["key", "import"],
    &["key", "public"],
    &["trust"],
    &["trust", "init"],
    &["trust", "diff"],
    &["trust", "import"],
    &["trust", "export"],
    &["trust", "add-key"],
    &["trust", "remove-key"],
    &["trust", "rotate"],
    &["trust", "revoke"],
    &["trust", "add-tsa"],
    &["trust", "set-scope"],
    &["trust", "sign"],
    &["trust", "show"],
    &["trust", "doctor"],
    &["trust", "publish"],
    &["trust", "update"],
    &["demo"],
    &["stand-in"],
    &["doctor"],
    &["completions"],
    &["man"],
];

#[test]
fn help_of_every_command_is_there_without_a_network() {
    let world = World::ecr();
    for command in COMMANDS {
        let run = world
            .countersign_with(
                &[command, &["--help"]].concat(),
                &[("AWS_REGION", ""), ("KMS_KEY", "")],
            )
            .ends(0);
        assert!(run.stdout.contains("Usage: countersign"), "{command:?}");
        assert_eq!(run.stderr, "", "{command:?}");
    }
    assert_eq!(world.stand_in.calls().len(), 0);
}

#[test]
fn the_version_is_one_line() {
    let world = World::ecr();
    let run = world.countersign(&["--version"]).ends(0);
    assert_eq!(
        run.stdout,
        format!("countersign {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn a_flag_that_is_missing_or_malformed_is_a_usage_error() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a").tagged();
    let key = World::kms_key();
    let ok = ["sign", "--dry-run", "--key", &key, &image];
    for (arguments, says) in [
        (vec![], "Usage"),
        (vec!["sing", &image], "sing"),
        (vec!["sign", &image], "--key"),
        (vec!["verify", &image], "--key"),
        (vec!["sign", "--key", &key], "<IMAGE|--from <FILE>>"),
        (vec!["verify", "--key", &key], "<IMAGE|--from <FILE>>"),
        ([&ok[..], &["-a", "novalue"]].concat(), "KEY=VALUE"),
        ([&ok[..], &["-a", "=x"]].concat(), "KEY=VALUE"),
        ([&ok[..], &["--timeout", "0"]].concat(), "--timeout"),
        ([&ok[..], &["--timeout", "1e9"]].concat(), "--timeout"),
        ([&ok[..], &["--output", "yaml"]].concat(), "--output"),
        (
            vec!["verify", "--key", &key, "--platform", "linux", &image],
            "OS/ARCH",
        ),
        (
            vec!["verify", "--key", &key, "--platform", "a/b/c/d", &image],
            "OS/ARCH",
        ),
        (
            vec!["verify", "--key", &key, "--threshold", "0", &image],
            "--threshold",
        ),
        (vec!["key", "generate", "x", "--spec", "rsa-1024"], "--spec"),
        (vec!["key", "public"], "--key"),
        (vec!["completions", "tcsh"], "tcsh"),
        (vec!["man"], "<FOLDER>"),
        (vec!["stand-in", "--registry-port", "65536"], "65536"),
    ] {
        misused(&world, &arguments).says(says);
    }
    world.countersign(&ok).ends(0);
}

#[test]
fn what_is_no_reference_is_refused_before_anything_is_sent() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a");
    let key = World::kms_key();
    let long = "a".repeat(128 * 1024 - 1);
    for command in ["sign", "verify"] {
        for reference in [
            "",
            "-",
            "--",
            "https://registry.example/shop/api:1",
            "registry.example/Shop/api:1",
            "registry.example/../api:1",
            "registry.example/shop/api@sha256:00",
            "registry.example/shop/api@md5:d41d8cd98f00b204e9800998ecf8427e",
            "registry.example:99999/shop/api:1",
            "registry.example/shop/api:1 ",
            "user:password@registry.example/shop/api:1",
            &long,
        ] {
            let arguments = [command, "--key", &key, "--", reference];
            let run = misused(&world, &arguments).says("error[reference-invalid]");
            assert!(run.stderr.len() < 4096, "{}", run.stderr.len());
            // One that is wrong keeps all from being begun.
            misused(
                &world,
                &[command, "--key", &key, "--", &image.tagged(), reference],
            );
        }
    }
    world
        .countersign(&["sign", "--key", &key, "--", &image.pinned()])
        .ends(0);
}

#[test]
fn a_tag_beside_a_digest_decides_nothing() {
    let world = World::ecr();
    let (signed, other) = (
        world.image("shop/api", "1", "a"),
        world.image("shop/api", "2", "b"),
    );
    let key = World::kms_key();
    world
        .countersign(&["sign", "--key", &key, &signed.tagged()])
        .ends(0);
    let verify = |tag: &str, digest: &str| {
        let both = format!("{}:{tag}@{digest}", signed.repository);
        world.countersign(&["verify", "--key", &key, &both])
    };
    verify("2", &signed.digest).ends(0).says(&signed.pinned());
    verify("1", &other.digest).ends(1);
}

#[test]
fn arguments_that_are_no_text_are_a_usage_error() {
    let world = World::ecr();
    let key = World::kms_key();
    for flags in [
        &["verify", "--key", &key][..],
        &["sign", "--key", &key],
        &["sign", "image", "--key"],
        &["verify", "image", "--key", &key, "-a"],
    ] {
        let mut command = world.command(flags);
        command.arg(OsStr::from_bytes(b"registry.example/shop\xff/api:1"));
        let run = run(command).ends(2);
        assert!(!run.stderr.contains("panic"), "{}", run.stderr);
    }
    assert_eq!(world.stand_in.calls().len(), 0);
}

#[test]
fn a_kms_key_that_is_no_name_is_refused_before_anything_is_sent() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a").tagged();
    for key in [
        "awskms:",
        "awskms://",
        "awskms:///",
        "awskms://alias/release",
        "arn:aws:s3:::bucket",
        "arn:aws:kms:us-east-1:000000000000:",
        "alias/",
    ] {
        for command in ["sign", "verify"] {
            misused(&world, &[command, "--key", key, &image]).says("remedy: ");
        }
    }
    world
        .countersign(&["sign", "--key", "alias/stand-in", &image])
        .ends(0);
}

/// The commands that print a result, with their arguments.
fn printing(world: &World) -> Vec<Vec<String>> {
    let image = world.image("shop/api", "1", "a").tagged();
    let key = World::kms_key();
    world.countersign(&["sign", "--key", &key, &image]).ends(0);
    [
        &["sign", "--key", &key, &image][..],
        &["sign", "--key", &key, &image, "--dry-run"],
        &["verify", "--key", &key, &image],
        &["verify", "--key", &key, &image, "--output", "json"],
        &["verify", "--key", &key, &image, "--pin"],
        &["inspect", "--key", &key, &image],
        &["inspect", "--key", &key, &image, "--output", "json"],
        &["key", "public", "--key", &key],
        &["completions", "bash"],
        &["stand-in"],
        &["demo"],
        &["--help"],
        &["--version"],
    ]
    .iter()
    .map(|arguments| arguments.iter().map(|text| (*text).to_owned()).collect())
    .collect()
}

#[test]
fn a_full_disk_is_an_error() {
    let world = World::ecr();
    for arguments in printing(&world) {
        let mut command = world.command(&arguments);
        let full = File::options().write(true).open("/dev/full").unwrap();
        command.stdout(full);
        let run = run(command).ends(3).says("error[output-failed]");
        assert!(!run.stderr.contains("panic"), "{}", run.stderr);
    }
}

#[test]
fn a_reader_that_went_away_is_an_error() {
    let world = World::ecr();
    for arguments in printing(&world) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = world.command(&arguments);
        command.stdout(writer);
        let run = run(command).ends(3).says("error[output-failed]");
        assert!(!run.stderr.contains("panic"), "{}", run.stderr);
    }
}

#[test]
fn a_standard_error_that_is_closed_changes_no_verdict() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a").tagged();
    let key = World::kms_key();
    let verify = || {
        let mut command = world.command(&["verify", "--key", &key, "-vv", &image]);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        command.stdout(Stdio::null()).stderr(writer);
        command.status().unwrap().code()
    };
    assert_eq!(verify(), Some(1));
    world.countersign(&["sign", "--key", &key, &image]).ends(0);
    assert_eq!(verify(), Some(0));
}

#[test]
fn completions_are_scripts_that_their_shell_reads() {
    let world = World::ecr();
    for (shell, names) in [
        ("bash", "complete -F _countersign"),
        ("zsh", "#compdef countersign"),
        ("fish", "complete -c countersign"),
    ] {
        let run = world.countersign(&["completions", shell]).ends(0);
        assert!(run.stdout.contains(names), "{shell}: {}", run.stdout);
        assert!(run.stdout.contains("require-repository"), "{shell}");
    }
    let script = world.countersign(&["completions", "bash"]).stdout;
    let script = world.write("completions.bash", &script);
    let mut bash = world.program("/bin/bash");
    bash.args(["-n", &script]);
    run(bash).ends(0);
}

#[test]
fn a_manual_page_is_written_for_each_command() {
    let world = World::ecr();
    let folder = world.path("man");
    let shown = folder.display().to_string();
    world
        .countersign(&["man", &shown])
        .ends(3)
        .says("error[file-unwritable]");
    fs::create_dir(&folder).unwrap();
    world.countersign(&["man", &shown]).ends(0);
    for page in ["countersign", "countersign-sign", "countersign-key-public"] {
        let page = fs::read_to_string(folder.join(format!("{page}.1"))).unwrap();
        assert!(page.contains(".SH NAME"), "{page}");
    }
}

#[test]
fn quiet_says_only_what_is_wrong() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a").tagged();
    let key = World::kms_key();
    world
        .countersign(&["verify", "--quiet", "--key", &key, &image])
        .ends(1)
        .says("refused[signature-missing]");
    for command in ["sign", "verify"] {
        let run = world
            .countersign(&[command, "--quiet", "--key", &key, &image])
            .ends(0);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    }
    let run = world
        .countersign(&["sign", "--quiet", "--key", &key, "https://x"])
        .ends(2);
    assert!(run.stderr.starts_with("error["), "{}", run.stderr);
    // Results that were asked for are said all the same.
    let run = world
        .countersign(&["verify", "--quiet", "--pin", "--key", &key, &image])
        .ends(0);
    assert!(run.stdout.contains("@sha256:"), "{}", run.stdout);
}

#[test]
fn colours_are_for_terminals() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a").tagged();
    let key = World::kms_key();
    let verify = |variables: &[(&str, &str)]| {
        world
            .countersign_with(&["verify", "--key", &key, &image], variables)
            .ends(1)
            .stdout
    };
    assert!(!verify(&[]).contains('\x1b'));
    assert!(!verify(&[("TERM", "xterm-256color")]).contains('\x1b'));
    let coloured = verify(&[("CLICOLOR_FORCE", "1")]);
    assert!(coloured.contains("\x1b[1m"), "{coloured:?}");
    assert!(!verify(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).contains('\x1b'));
}

#[test]
fn an_error_in_json_is_on_standard_output_too() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a").tagged();
    for (arguments, exit, code) in [
        (
            ["verify", "--key", "absent.pub", &image],
            2,
            "file-unreadable",
        ),
        (
            ["sign", "--key", "alias/stand-in", "https://x"],
            2,
            "reference-invalid",
        ),
        (["sign", "--key", "alias/none", &image], 2, "key-not-found"),
        (
            ["key", "public", "--key", "absent.key"],
            2,
            "file-unreadable",
        ),
    ] {
        let run = world
            .countersign(&[&arguments[..], &["--output", "json"]].concat())
            .ends(exit)
            .says(&format!("error[{code}]"));
        let error = &run.json()["error"];
        assert_eq!(error["code"], code);
        assert!(error["message"].as_str().unwrap().len() > 5);
        assert!(error["remedy"].as_str().unwrap().len() > 5);
    }
}

#[test]
fn a_variable_stands_for_a_flag_and_the_flag_wins() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a").tagged();
    let key = World::kms_key();
    let run = world
        .countersign_with(
            &["sign", &image],
            &[("COUNTERSIGN_KEY", &key), ("COUNTERSIGN_OUTPUT", "json")],
        )
        .ends(0);
    assert_eq!(run.json()["outcome"], "signed");
    world
        .countersign_with(
            &["verify", "--key", &key, &image],
            &[("COUNTERSIGN_KEY", "alias/none")],
        )
        .ends(0);
}

//! What reads standard input, and that one reader does so alone.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt,
    process::Stdio,
};

use crate::world::{Run, World, run};

/// Runs it with a file as standard input.
fn fed(world: &World, arguments: &[&str], input: &str) -> Run {
    let path = world.write("input", input);
    let mut command = world.command(arguments);
    let input = File::open(world.path(&path)).unwrap();
    // As a key must be.
    input
        .set_permissions(Permissions::from_mode(0o600))
        .unwrap();
    command.stdin(input);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    run(command)
}

#[test]
fn two_readers_of_standard_input_are_refused_before_either_reads() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "one").tagged();
    world.key_files("team", "p256");
    let key = fs::read_to_string(world.path("team.key")).unwrap();
    let attest = ["attest", "--key", "team.key", "--type", "vuln", "-f", "-"];
    let predicate = [&attest[..], &["--predicate", "/dev/stdin"]].concat();
    for (arguments, named) in [
        (
            &["sign", "--key", "team.key", "-f", "-", "--password-fd", "0"][..],
            "`--from` and `--password-fd`",
        ),
        (
            &[
                "--password-fd",
                "0",
                "sign",
                "--key",
                "x",
                "-f",
                "/dev/stdin",
            ],
            "`--from` and `--password-fd`",
        ),
        (
            &["verify", "--key", "/dev/stdin", "-f", "-"],
            "`--from` and `--key`",
        ),
        (
            &["verify", "--key", "/dev/stdin", "-k", "/dev/fd/0", "x"],
            "`--key` and `--key`",
        ),
        (&predicate, "`--from` and `--predicate`"),
        (
            &["key", "import", "/dev/stdin", "new", "--password-fd", "0"],
            "`--password-fd` and `",
        ),
    ] {
        world.stand_in.forget_calls();
        fed(&world, arguments, &image)
            .ends(2)
            .says(named)
            .says("which can be read once");
        assert_eq!(world.stand_in.calls().len(), 0, "{arguments:?}");
    }

    // Each alone may.
    let sign = ["sign", "--no-tsa", "--key"];
    fed(
        &world,
        &[&sign[..], &["team.key", "-f", "-"]].concat(),
        &image,
    )
    .ends(0);
    fed(&world, &[&sign[..], &["/dev/stdin", &image]].concat(), &key).ends(0);
    let other = ["team.key", "-f", "-", "--password-fd", "7"];
    fed(&world, &[&sign[..], &other].concat(), &image)
        .ends(2)
        .says("/dev/fd/7 could not be read");
    let variable = [("COUNTERSIGN_PASSWORD_FD", "0")];
    let mut command = world.command(&[&sign[..], &["team.key", "-f", "-"]].concat());
    command.envs(variable).stdin(Stdio::null());
    run(command).ends(2).says("`--from` and `--password-fd`");
}

#[test]
fn standard_input_is_called_by_its_name() {
    let world = World::ecr();
    for (input, says) in [
        ("", "standard input lists no image"),
        (&*"X\n".repeat(10_001), "standard input lists more than"),
    ] {
        fed(&world, &["verify", "--key", "x", "-f", "-"], input)
            .ends(2)
            .says(says);
    }
}

#[test]
fn a_command_without_images_is_told_both_ways_to_name_them() {
    let world = World::ecr();
    for command in ["verify", "inspect", "sign"] {
        world
            .countersign(&[command])
            .ends(2)
            .says("<IMAGE|--from <FILE>>");
    }
}

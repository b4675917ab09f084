//! `countersign key`, and key files that are not what they should be.

use std::{fs, os::unix::fs::PermissionsExt};

use countersign_stand_in::KeySpec;

use super::misused;
use crate::world::{World, run};

const COSIGN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/keys/cosign-p256");
const COSIGN_RSA: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/fixtures/keys/cosign-imported-rsa-2048"
);
const COSIGN_EMPTY: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/fixtures/keys/cosign-empty-password"
);

#[test]
fn generated_keys_are_private_and_match() {
    let world = World::ecr();
    for spec in ["p256", "p384", "rsa-2048", "rsa-3072", "rsa-4096"] {
        let (private, public) = world.key_files(spec, spec);
        let mode = fs::metadata(&private).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{spec}");
        let pem = fs::read_to_string(&private).unwrap();
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"), "{spec}");
        // Another implementation says which public key belongs to it.
        let mut openssl = world.program("/usr/bin/openssl");
        openssl.args(["pkey", "-in", &private, "-pubout"]);
        let derived = run(openssl).ends(0).stdout;
        assert_eq!(derived, fs::read_to_string(&public).unwrap(), "{spec}");
    }
}

#[test]
fn two_generated_keys_differ() {
    let world = World::ecr();
    let read = |name: &str| fs::read_to_string(world.key_files(name, "p256").1).unwrap();
    assert_ne!(read("one"), read("two"));
}

#[test]
fn a_key_is_never_overwritten() {
    let world = World::ecr();
    for (name, existing) in [("one", "one.key"), ("two", "two.pub")] {
        let precious = world.write(existing, "precious");
        let path = world.path(name).display().to_string();
        misused(&world, &["key", "generate", &path])
            .says("error[file-exists]")
            .says(&precious);
        assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
        // Half a pair would look like a key that can be used.
        let left: Vec<_> = ["key", "pub"]
            .iter()
            .filter(|ending| fs::exists(world.path(&format!("{name}.{ending}"))).unwrap())
            .collect();
        assert_eq!(left.len(), 1, "{existing}: {left:?}");
        fs::remove_file(&precious).unwrap();
        world.countersign(&["key", "generate", &path]).ends(0);
    }
}

#[test]
fn a_dangling_link_is_not_written_through() {
    let world = World::ecr();
    let target = world.path("elsewhere");
    std::os::unix::fs::symlink(&target, world.path("team.key")).unwrap();
    misused(&world, &["key", "generate", "team"]).says("error[file-exists]");
    assert!(!fs::exists(target).unwrap());
}

#[test]
fn a_folder_that_is_not_there_is_no_usage_error() {
    let world = World::ecr();
    world
        .countersign(&["key", "generate", "absent/team"])
        .ends(3)
        .says("error[file-unwritable]");
}

#[test]
fn the_names_of_the_files_are_said() {
    let world = World::ecr();
    let run = world
        .countersign(&["key", "generate", "release-1.4", "--output", "json"])
        .ends(0);
    assert_eq!(run.json()["privateKey"], "release-1.4.key");
    assert_eq!(run.json()["publicKey"], "release-1.4.pub");
    assert!(fs::exists(world.path("release-1.4.key")).unwrap());
}

#[test]
fn the_public_half_of_any_key_is_printed() {
    let world = World::ecr();
    let key = world
        .stand_in
        .create_key(KeySpec::RSA_2048, "alias/rsa")
        .unwrap();
    let (private, public) = world.key_files("team", "p384");
    let expected = fs::read_to_string(&public).unwrap();
    let print = |key: &str| {
        world
            .countersign(&["key", "public", "--key", key])
            .ends(0)
            .stdout
    };
    assert_eq!(print("awskms:///alias/rsa"), key.public_key_pem);
    assert_eq!(print(&private), expected);
    assert_eq!(print(&public), expected);
}

#[test]
fn a_file_that_holds_no_key_is_refused_with_what_to_do() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a").tagged();
    let (private, public) = world.key_files("team", "p256");
    let pem = fs::read_to_string(&private).unwrap();
    let binary = world.path("binary.pem");
    fs::write(&binary, [0xff, 0xfe, 0x00, 0x01]).unwrap();
    let files = [
        ("absent.pem".to_owned(), "file-unreadable"),
        (world.path("").display().to_string(), "file-unreadable"),
        ("/dev/zero".to_owned(), "file-too-large"),
        (
            world.write("large.pem", &"#".repeat((1 << 20) + 1)),
            "file-too-large",
        ),
        (binary.display().to_string(), "key-file-invalid"),
        (
            world.write("padded.key", &format!("{}\n{pem}", "#".repeat(1 << 16))),
            "key-file-invalid",
        ),
        (world.write("empty.pem", ""), "key-file-"),
        (world.write("text.pem", "no key"), "key-file-"),
        (
            world.write("cut.key", pem.get(..pem.len() / 2).unwrap()),
            "key-file-",
        ),
        (
            world.write(
                "other.pem",
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            ),
            "key-file-",
        ),
    ];
    for (file, code) in &files {
        for arguments in [
            &["sign", "--key", file, &image][..],
            &["verify", "--key", file, &image],
            &["key", "public", "--key", file],
        ] {
            misused(&world, arguments)
                .says(&format!("error[{code}"))
                .says("remedy: ")
                .says(file);
        }
    }
    world
        .countersign(&["sign", "--key", &private, &image])
        .ends(0);
    world
        .countersign(&["verify", "--key", &public, &image])
        .ends(0);
}

#[test]
fn a_file_without_a_key_is_told_as_that() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a").tagged();
    world.write("nul.pub", "\0");
    for file in [
        world.write("empty.pub", ""),
        world.write("blank.pub", "\n"),
        world.write("text.pub", "no key"),
        "nul.pub".to_owned(),
    ] {
        for arguments in [
            &["sign", "--key", &file, &image][..],
            &["verify", "--key", &file, &image],
        ] {
            let said = misused(&world, arguments)
                .says("error[key-file-invalid]")
                .says("not a PEM file: no block begins in it");
            assert!(!said.stderr.contains("NUL"), "{}", said.stderr);
        }
    }
}

#[test]
fn a_private_key_is_not_what_a_verifier_trusts() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a").tagged();
    let (private, public) = world.key_files("team", "p256");
    world
        .countersign(&["sign", "--key", &private, &image])
        .ends(0);
    misused(&world, &["verify", "--key", &private, &image]).says("error[key-file-invalid]");
    world
        .countersign(&["verify", "--key", &public, &image])
        .ends(0);
}

#[test]
fn a_public_key_signs_nothing() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a").tagged();
    let (private, public) = world.key_files("team", "p256");
    misused(&world, &["sign", "--key", &public, &image]).says("error[key-file-");
    world
        .countersign(&["sign", "--key", &private, &image])
        .ends(0);
}

#[test]
fn cosigns_key_opens_with_its_password_only() {
    let world = World::ecr();
    for (number, name) in [COSIGN, COSIGN_RSA].into_iter().enumerate() {
        let image = world.image("shop/api", &number.to_string(), name).tagged();
        let (private, public) = (format!("{name}.key"), format!("{name}.pub"));
        let arguments = ["sign", "--key", &private, &image];
        world.stand_in.forget_calls();
        world
            .countersign_with(&arguments, &[("COSIGN_PASSWORD", "wrong horse")])
            .ends(2)
            .says("error[key-file-password-wrong]");
        assert_eq!(world.stand_in.calls().len(), 0);
        let run = world
            .countersign_with(&arguments, &[("COSIGN_PASSWORD", "correct horse")])
            .ends(0);
        assert!(!format!("{}{}", run.stdout, run.stderr).contains("horse"));
        world
            .countersign(&["verify", "--key", &public, &image])
            .ends(0);
    }
}

#[test]
fn our_variable_comes_before_cosigns() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a").tagged();
    let key = format!("{COSIGN}.key");
    let sign = |ours: &str, cosigns: &str| {
        world.countersign_with(
            &["sign", "--key", &key, &image],
            &[
                ("COUNTERSIGN_KEY_PASSWORD", ours),
                ("COSIGN_PASSWORD", cosigns),
            ],
        )
    };
    sign("wrong", "correct horse").ends(2);
    sign("correct horse", "wrong").ends(0);
}

#[test]
fn an_empty_password_is_one() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a").tagged();
    let key = format!("{COSIGN_EMPTY}.key");
    let sign = |password: &str| {
        let mut command = world.command(&["sign", "--key", &key, &image]);
        command.env("COSIGN_PASSWORD", password);
        run(command)
    };
    sign("x").ends(2).says("error[key-file-password-wrong]");
    sign("").ends(0);
}

#[test]
fn without_a_terminal_nobody_is_asked() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a").tagged();
    let key = format!("{COSIGN}.key");
    // A session of its own has no terminal; the time limit ends a command that waits all the same.
    let mut command = world.program("/usr/bin/timeout");
    command.args([
        "60",
        "/usr/bin/setsid",
        "--wait",
        env!("CARGO_BIN_EXE_countersign"),
        "sign",
        "--key",
        &key,
        &image,
    ]);
    run(command)
        .ends(2)
        .says("error[key-file-password]")
        .says("COSIGN_PASSWORD");
    assert_eq!(world.stand_in.calls().len(), 0);
}

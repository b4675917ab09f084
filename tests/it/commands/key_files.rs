//! Encrypted key files, `countersign key import`, and who else can read a key: with OpenSSL as the other side.

use std::{
    ffi::OsStr,
    fs,
    io::Write,
    os::{
        fd::OwnedFd,
        unix::{
            ffi::OsStrExt,
            fs::{PermissionsExt, symlink},
            net::UnixStream,
        },
    },
};

use super::misused;
use crate::{
    peers,
    trust::terminal::on_terminal,
    world::{Run, World, run},
};

const PASSWORD: &str = "correct horse";
const VARIABLE: (&str, &str) = ("COUNTERSIGN_KEY_PASSWORD", PASSWORD);

fn openssl(world: &World, arguments: &str) -> Run {
    let mut command = world.program("/usr/bin/openssl");
    command
        .args(arguments.split_whitespace())
        .env("PASSWORD", PASSWORD);
    let run = run(command).ends(0);
    // It leaves private keys readable for its user alone, but not in every version.
    for name in ["made.key", "other.key"] {
        let _ = fs::set_permissions(world.path(name), fs::Permissions::from_mode(0o600));
    }
    run
}

fn public_half(world: &World, key: &str) -> String {
    let arguments = ["key", "public", "--key", key];
    world
        .countersign_with(&arguments, &[VARIABLE])
        .ends(0)
        .stdout
}

fn mode(world: &World, name: &str) -> u32 {
    fs::metadata(world.path(name)).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_openssl_encrypts_is_read() {
    let world = World::ecr();
    for kind in [
        "EC -pkeyopt ec_paramgen_curve:P-256",
        "ED25519",
        "RSA -pkeyopt rsa_keygen_bits:2048",
    ] {
        openssl(&world, &format!("genpkey -algorithm {kind} -out made.key"));
        let public = openssl(&world, "pkey -in made.key -pubout").stdout;
        for how in [
            "-v2 aes-128-cbc",
            "-v2 aes-192-cbc -v2prf hmacWithSHA512",
            "-v2 aes-256-cbc -v2prf hmacWithSHA256 -iter 600000",
            "-v2 aes-256-cbc -v2prf hmacWithSHA1",
            "-scrypt",
        ] {
            let out = "-in made.key -out other.key -passout env:PASSWORD";
            openssl(&world, &format!("pkcs8 -topk8 {how} {out}"));
            assert_eq!(public_half(&world, "other.key"), public, "{kind} {how}");
            world
                .countersign_with(
                    &["key", "public", "--key", "other.key"],
                    &[("COUNTERSIGN_KEY_PASSWORD", "wrong")],
                )
                .ends(2)
                .says("error[key-file-password-wrong]");
        }
    }
    for how in ["-v1 PBE-SHA1-3DES", "-v2 des3"] {
        let out = "-in made.key -out other.key -passout env:PASSWORD";
        openssl(&world, &format!("pkcs8 -topk8 {how} {out}"));
        world
            .countersign_with(&["key", "public", "--key", "other.key"], &[VARIABLE])
            .ends(2)
            .says("error[key-file-unsupported]");
    }
}

#[test]
fn what_is_encrypted_here_openssl_reads() {
    let world = World::ecr();
    for spec in ["p256", "p521", "ed25519", "rsa-2048"] {
        let generate = [
            "key",
            "generate",
            spec,
            "--spec",
            spec,
            "--format",
            "encrypted",
        ];
        let said = world.countersign_with(&generate, &[VARIABLE]).ends(0);
        assert!(!said.stdout.contains("not encrypted"), "{}", said.stdout);
        assert_eq!(mode(&world, &format!("{spec}.key")), 0o600);
        let public = fs::read_to_string(world.path(&format!("{spec}.pub"))).unwrap();
        let read = openssl(
            &world,
            &format!("pkey -in {spec}.key -passin env:PASSWORD -pubout"),
        );
        assert_eq!(read.stdout, public, "{spec}");
        assert_eq!(public_half(&world, &format!("{spec}.key")), public);
    }
}

#[test]
fn a_key_of_any_form_is_imported() {
    let world = World::ecr();
    let curve = "-name secp384r1 -genkey";
    for (made, how) in [
        ("genpkey -algorithm ED25519 -out made.key", "plain"),
        ("genrsa -traditional -out made.key 2048", "encrypted"),
        // With the curve in a block of its own, and without it.
        (&format!("ecparam {curve} -out made.key"), "encrypted"),
        (&format!("ecparam {curve} -noout -out made.key"), "cosign"),
    ] {
        openssl(&world, made);
        let before = fs::read(world.path("made.key")).unwrap();
        let public = openssl(&world, "pkey -in made.key -pubout").stdout;
        let import = ["key", "import", "made.key", "ours", "--format", how];
        let said = world.countersign_with(&import, &[VARIABLE]).ends(0);
        assert!(said.stdout.contains("ours.key"), "{}", said.stdout);
        let read = |name: &str| fs::read_to_string(world.path(name)).unwrap();
        let label = match how {
            "cosign" => "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----",
            "encrypted" => "-----BEGIN ENCRYPTED PRIVATE KEY-----",
            _ => "-----BEGIN PRIVATE KEY-----",
        };
        assert!(read("ours.key").starts_with(label), "{made}");
        assert_eq!(read("ours.pub"), public, "{made}");
        assert_eq!(public_half(&world, "ours.key"), public, "{made}");
        assert_eq!(mode(&world, "ours.key"), 0o600);
        // The old one stays, and the new one is never overwritten.
        assert_eq!(fs::read(world.path("made.key")).unwrap(), before);
        let again = world.countersign_with(&import, &[VARIABLE]).ends(2);
        again.says("error[file-exists]");
        for name in ["ours.key", "ours.pub"] {
            fs::remove_file(world.path(name)).unwrap();
        }
    }
}

#[test]
fn what_is_written_is_named_whatever_it_is_called() {
    let world = World::ecr();
    let name = OsStr::from_bytes(b"n\xff\x1b[31m");
    for output in ["json", "text"] {
        let mut command = world.program(env!("CARGO_BIN_EXE_countersign"));
        command
            .args(["key", "generate", "--output", output])
            .arg(name);
        let said = run(command).ends(0).stdout;
        assert!(said.contains(".key") && !said.contains('\x1b'), "{said}");
        for ending in [b".key", b".pub"] {
            let file = [name.as_bytes(), ending].concat();
            fs::remove_file(world.path("").join(OsStr::from_bytes(&file))).unwrap();
        }
    }
}

#[test]
fn a_name_that_is_taken_is_told_before_a_password_is_asked_for() {
    let world = World::ecr();
    let generate = ["key", "generate", "team", "--format", "encrypted"];
    world.countersign_with(&generate, &[VARIABLE]).ends(0);
    let import = ["key", "import", "team.key", "ours"];
    let wrong = ("COUNTERSIGN_KEY_PASSWORD", "wrong");
    for taken in ["ours.key", "ours.pub"] {
        world.write(taken, "");
        world
            .countersign_with(&import, &[wrong])
            .ends(2)
            .says("error[file-exists]")
            .says(taken);
        fs::remove_file(world.path(taken)).unwrap();
    }
    world
        .countersign_with(&import, &[wrong])
        .ends(2)
        .says("error[key-file-password-wrong]");
}

#[test]
fn what_is_no_private_key_is_not_imported() {
    let world = World::ecr();
    let (_, public) = world.key_files("team", "p256");
    for (file, code) in [
        (public, "key-file-unsupported"),
        (world.write("text.key", "no key"), "key-file-invalid"),
        ("absent.key".to_owned(), "file-unreadable"),
        ("/dev/zero".to_owned(), "file-too-large"),
    ] {
        misused(&world, &["key", "import", &file, "ours"])
            .says(&format!("error[{code}]"))
            .says(&file);
        assert!(!fs::exists(world.path("ours.key")).unwrap());
    }
    // cosign has no such keys.
    world.key_files("lattice", "ml-dsa-65");
    let import = ["key", "import", "lattice.key", "ours", "--format", "cosign"];
    world
        .countersign_with(&import, &[VARIABLE])
        .ends(2)
        .says("error[key-file-unsupported]")
        .says("ML-DSA");
    assert!(!fs::exists(world.path("ours.key")).unwrap());
    world.countersign_with(&import[..4], &[VARIABLE]).ends(0);
}

#[test]
fn cosign_signs_with_what_is_written_for_it() {
    let world = World::oci();
    for (name, spec) in [("one", "p256"), ("two", "rsa-2048")] {
        world.key_files(name, spec);
        let [from, to] = [format!("{name}.key"), format!("cosigns-{name}")];
        let import = ["key", "import", &from, &to, "--format", "cosign"];
        let password = [("COUNTERSIGN_KEY_PASSWORD", peers::PASSWORD)];
        world.countersign_with(&import, &password).ends(0);
        let image = world.image("shop/api", name, name).tagged();
        let [key, public] = [format!("{to}.key"), format!("{to}.pub")];
        peers::cosign_sign(&world, &key, &[], &image).ends(0);
        world
            .countersign(&["verify", "--key", &public, &image])
            .ends(0);
    }
}

#[test]
fn a_password_is_typed_twice_for_a_new_file_and_once_for_an_old_one() {
    let world = World::ecr();
    let generate = ["key", "generate", "team", "--format", "encrypted"];
    on_terminal(&world, &generate, &[PASSWORD, "corect horse"])
        .ends(2)
        .says("error[key-file-password]")
        .says("the two passwords differ");
    on_terminal(&world, &generate, &["", ""])
        .ends(2)
        .says("an empty one protects nothing");
    assert!(!fs::exists(world.path("team.key")).unwrap());
    on_terminal(&world, &generate, &[PASSWORD, PASSWORD]).ends(0);
    let show = ["key", "public", "--key", "team.key"];
    on_terminal(&world, &show, &[PASSWORD])
        .ends(0)
        .says("BEGIN PUBLIC KEY");
    on_terminal(&world, &show, &["wrong"])
        .ends(2)
        .says("error[key-file-password-wrong]");
}

/// Runs the command without a terminal, with this shell text after it.
fn shell(world: &World, text: &str) -> Run {
    let mut command = world.program("/usr/bin/timeout");
    let line = format!("{} {text}", env!("CARGO_BIN_EXE_countersign"));
    command.args(["60", "/usr/bin/setsid", "--wait", "/bin/sh", "-c", &line]);
    run(command)
}

#[test]
fn passwords_are_lines_of_a_file_descriptor() {
    let world = World::ecr();
    world.write("passwords", "first\nsecond\r\nthird");
    for (name, password) in [("one", "first"), ("two", "second"), ("three", "third")] {
        let generate = ["key", "generate", name, "--format", "encrypted"];
        let variable = [("COUNTERSIGN_KEY_PASSWORD", password)];
        world.countersign_with(&generate, &variable).ends(0);
    }
    let image = world.image("shop/api", "1", "a").tagged();
    let sign = |keys: &str, rest: &str| {
        shell(
            &world,
            &format!("sign {keys} --password-fd 7 {image} {rest}"),
        )
    };
    sign("--key one.key --key two.key --key three.key", "7<passwords").ends(0);
    sign("--key two.key", "7<passwords")
        .ends(2)
        .says("error[key-file-password-wrong]");
    // It is read, and nothing else, where it is named.
    sign("--key one.key", "7</dev/null")
        .ends(2)
        .says("error[key-file-password]")
        .says("no line for it");
    sign("--key one.key", "7</dev/zero")
        .ends(2)
        .says("longer than 4,096 bytes");
    sign("--key one.key", "7<&-")
        .ends(2)
        .says("error[file-unreadable]")
        .says("/dev/fd/7");
    // The old file's line, then the new one's.
    shell(&world, "key import one.key four --password-fd 0 <passwords").ends(0);
    let show = ["key", "public", "--key", "four.key"];
    world
        .countersign_with(&show, &[("COUNTERSIGN_KEY_PASSWORD", "second")])
        .ends(0);
}

#[test]
fn a_descriptor_is_read_from_where_it_stands() {
    let world = World::ecr();
    world.write("passwords", "first\nsecond\n");
    for (name, password) in [("one", "first"), ("two", "second")] {
        let generate = ["key", "generate", name, "--format", "encrypted"];
        let variable = [("COUNTERSIGN_KEY_PASSWORD", password)];
        world.countersign_with(&generate, &variable).ends(0);
    }
    let show = |key: &str, rest: &str| {
        let binary = env!("CARGO_BIN_EXE_countersign");
        format!("{binary} key public --key {key}.key --password-fd {rest}")
    };
    let mut both = world.program("/bin/sh");
    let lines = [show("one", "7"), show("two", "7")].join(" && ");
    both.args(["-c", &format!("{{ {lines}; }} 7<passwords")]);
    run(both).ends(0);

    // Programs give each other sockets, too.
    let (ours, theirs) = UnixStream::pair().unwrap();
    (&ours).write_all(b"first\n").unwrap();
    let mut command = world.program("/bin/sh");
    command
        .args(["-c", &show("one", "0")])
        .stdin(OwnedFd::from(theirs));
    run(command).ends(0);

    // Of a pipe that it writes to it is not the other end, which would never say anything.
    let said = shell(&world, "key public --key one.key --password-fd 1 | cat");
    said.says("error[key-file-password]");
    for number in 3..10 {
        shell(
            &world,
            &format!("key public --key one.key --password-fd {number} {number}<&-"),
        )
        .ends(2)
        .says("error[file-unreadable]");
    }
    // Whatever is typed would be seen.
    let typed = ["key", "public", "--key", "one.key", "--password-fd", "0"];
    on_terminal(&world, &typed, &["first"])
        .ends(2)
        .says("error[key-file-password]")
        .says("a terminal, which shows what is typed");
}

#[test]
fn a_key_comes_from_a_pipe_too() {
    let world = World::ecr();
    let (_, public) = world.key_files("team", "p256");
    let public = fs::read_to_string(public).unwrap();
    for how in ["<team.key", "<<END\n$(cat team.key)\nEND\n"] {
        let shown = shell(&world, &format!("key public --key /dev/stdin {how}"));
        assert_eq!(shown.ends(0).stdout, public, "{how}");
    }
    let mut command = world.program("/bin/sh");
    let binary = env!("CARGO_BIN_EXE_countersign");
    command.args([
        "-c",
        &format!("cat team.key | {binary} key public --key /dev/stdin"),
    ]);
    assert_eq!(run(command).ends(0).stdout, public);
}

#[test]
fn without_a_terminal_no_new_password_is_asked_for() {
    let world = World::ecr();
    shell(&world, "key generate team --format encrypted")
        .ends(2)
        .says("error[key-file-password]")
        .says("COUNTERSIGN_KEY_PASSWORD");
    assert!(!fs::exists(world.path("team.key")).unwrap());
}

fn set_mode(world: &World, name: &str, mode: u32) {
    fs::set_permissions(world.path(name), fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_plain_key_that_others_can_read_is_not_used() {
    let world = World::ecr();
    world.key_files("team", "p256");
    let image = world.image("shop/api", "1", "a").tagged();
    let commands: [&[&str]; 3] = [
        &["sign", "--key", "team.key", &image],
        &["key", "public", "--key", "team.key"],
        &["key", "import", "team.key", "ours"],
    ];
    for mode in [0o644, 0o640, 0o604, 0o622] {
        set_mode(&world, "team.key", mode);
        for command in commands {
            misused(&world, command)
                .says("error[key-file-exposed]")
                .says(&format!("its mode is {mode:04o}"))
                .says("chmod 600 team.key");
        }
    }
    // A link does not hide it.
    symlink(world.path("team.key"), world.path("link.key")).unwrap();
    misused(&world, &["sign", "--key", "link.key", &image]).says("error[key-file-exposed]");
    for mode in [0o600, 0o400] {
        set_mode(&world, "team.key", mode);
        let said = world.countersign(commands[0]).ends(0);
        assert!(!said.stderr.contains("exposed"), "{}", said.stderr);
    }
    // Whoever may read a public key is welcome.
    set_mode(&world, "team.pub", 0o666);
    world
        .countersign(&["verify", "--key", "team.pub", &image])
        .ends(0);
}

#[test]
fn an_encrypted_key_that_others_can_read_is_used_with_a_warning() {
    let world = World::ecr();
    let generate = ["key", "generate", "team", "--format", "encrypted"];
    world.countersign_with(&generate, &[VARIABLE]).ends(0);
    set_mode(&world, "team.key", 0o644);
    let show = ["key", "public", "--key", "team.key"];
    let warned = world
        .countersign_with(&show, &[VARIABLE])
        .ends(0)
        .says("warning[key-file-exposed]")
        .says("`chmod 600 team.key`; if others use this machine, whoever has it can guess its password");
    // It is encrypted already.
    assert!(!warned.stderr.contains("key import"), "{}", warned.stderr);
    set_mode(&world, "team.key", 0o600);
    let said = world.countersign_with(&show, &[VARIABLE]).ends(0);
    assert_eq!(said.stderr, "");
}

#[test]
fn a_folder_that_everybody_may_write_is_warned_of() {
    let world = World::ecr();
    fs::create_dir(world.path("keys")).unwrap();
    world.key_files("keys/team", "p256");
    let show = ["key", "public", "--key", "keys/team.key"];
    set_mode(&world, "keys", 0o777);
    world
        .countersign(&show)
        .ends(0)
        .says("warning[key-file-exposed]")
        .says("chmod o-w");
    // Or a link in it.
    fs::create_dir(world.path("links")).unwrap();
    symlink(world.path("keys/team.key"), world.path("links/team.key")).unwrap();
    set_mode(&world, "keys", 0o755);
    set_mode(&world, "links", 0o777);
    world
        .countersign(&["key", "public", "--key", "links/team.key"])
        .ends(0)
        .says("warning[key-file-exposed]")
        .says("chmod o-w links");
    // In such a folder nobody can replace what is another's.
    set_mode(&world, "keys", 0o1777);
    assert_eq!(world.countersign(&show).ends(0).stderr, "");
}

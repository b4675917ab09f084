//! Folders and files that are not what they should be, and text that would be something else on a terminal.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use serde_json::Value;

use super::SHOP;
use crate::world::{World, run};

const HOSTILE: &str = "\x1b]0;owned\x07\x1b[2J\nverified: all is well\r\u{9b}31m\u{202e}lleh";

#[test]
fn a_folder_that_is_none_is_refused() {
    let world = World::with_people();
    world.write("file", "");
    fs::create_dir(world.path("empty")).unwrap();
    let each: [&[&str]; 9] = [
        &["add-key", "--role", "root", "--key", "dave.pub"],
        &["remove-key", "--key", "alice.pub"],
        &["rotate", "--old", "alice.pub", "--new", "dave.pub"],
        &["revoke", "--key", "alice.pub", "--compromised"],
        &["set-scope", "--repository", SHOP],
        &["sign", "--key", "alice.key"],
        &["show"],
        &["doctor"],
        &["publish", "--to", "empty"],
    ];
    for arguments in each {
        for (dir, code) in [
            ("absent", "file-unreadable"),
            ("file", "file-unreadable"),
            ("empty", "root-missing"),
        ] {
            let run = world.trust(&[arguments, &["--dir", dir]].concat());
            run.ends(2).says(&format!("error[{code}]"));
        }
        world.trust(arguments).ends(2).says("`--dir`");
    }
    assert_eq!(world.names_in("empty"), [""; 0]);
}

#[test]
fn a_version_that_is_not_as_it_should_be_stops_everything() {
    let world = World::with_root("acme");
    world
        .line("set-scope --dir acme --repository registry.example/shop/** --epoch 2")
        .ends(0);
    world.all_sign("acme", &["alice", "bob"]);
    let second = fs::read_to_string(world.path("acme/2.root.json")).unwrap();
    let with = |edit: &dyn Fn(&mut Value)| {
        let mut file: Value = serde_json::from_str(&second).unwrap();
        edit(&mut file);
        file.to_string()
    };
    let one_signature = with(&|file| {
        file["signatures"].as_array_mut().unwrap().pop();
    });
    let changed = with(&|file| file["signed"]["expires"] = "2099-01-01T00:00:00Z".into());
    for (content, exit, code) in [
        (String::new(), 1, "malformed"),
        ("{}".to_owned(), 1, "malformed"),
        ("\u{0}\u{1}".to_owned(), 1, "malformed"),
        (
            second.chars().take(second.len() / 2).collect(),
            1,
            "malformed",
        ),
        (" ".repeat(1 << 20), 2, "file-too-large"),
        (one_signature, 1, "threshold-not-met"),
        (changed, 1, "threshold-not-met"),
        (
            fs::read_to_string(world.path("acme/1.root.json")).unwrap(),
            1,
            "root-version-gap",
        ),
    ] {
        world.write("acme/2.root.json", &content);
        for command in [
            &["show"][..],
            &["set-scope", "--repository", SHOP],
            &["sign", "--key", "alice.key"],
        ] {
            world
                .trust(&[command, &["--dir", "acme"]].concat())
                .ends(exit)
                .says(&format!("error[{code}]"))
                .says("2.root.json");
        }
        let doctor = world.line("doctor --dir acme").ends(exit);
        assert_eq!(doctor.stdout.contains(&format!("fatal[{code}]")), exit == 1);
        assert_eq!(world.names_in("acme"), ["1.root.json", "2.root.json"]);
    }
    world.write("acme/2.root.json", &second);
    world.line("show --dir acme").ends(0);
    // A gap, a wrong name, and the first one gone, which is none.
    fs::rename(
        world.path("acme/2.root.json"),
        world.path("acme/3.root.json"),
    )
    .unwrap();
    world
        .line("show --dir acme")
        .ends(1)
        .says("error[root-misnamed]");
    fs::rename(
        world.path("acme/3.root.json"),
        world.path("acme/2.root.json"),
    )
    .unwrap();
    fs::remove_file(world.path("acme/1.root.json")).unwrap();
    world.line("show --dir acme").ends(0).says("version 2");
}

#[test]
fn a_draft_that_is_not_as_it_should_be_stops_everything() {
    let world = World::with_root("acme");
    world
        .line("set-scope --dir acme --repository registry.example/shop/** --epoch 2")
        .ends(0);
    let draft = fs::read_to_string(world.path("acme/draft.root.json")).unwrap();
    let later = draft.replacen("\"version\": 2", "\"version\": 7", 1);
    let renamed = draft.replacen("\"name\": \"acme\"", "\"name\": \"other\"", 1);
    assert!(later != draft && renamed != draft);
    for (content, code) in [
        ("no json".to_owned(), "malformed"),
        (later, "root-version-gap"),
        (renamed, "malformed"),
    ] {
        world.write("acme/draft.root.json", &content);
        for command in [
            &["show"][..],
            &["set-scope", "--repository", SHOP],
            &["sign", "--key", "alice.key"],
        ] {
            world
                .trust(&[command, &["--dir", "acme"]].concat())
                .ends(1)
                .says(&format!("error[{code}]"))
                .says("draft.root.json");
        }
        assert_eq!(
            fs::read_to_string(world.path("acme/draft.root.json")).unwrap(),
            content
        );
    }
    world.write("draft.json", "no json");
    world
        .line("show --file draft.json")
        .ends(1)
        .says("error[malformed]");
    world
        .line("show --file absent")
        .ends(2)
        .says("error[file-unreadable]");
    world
        .line("show --file /dev/zero")
        .ends(2)
        .says("error[file-too-large]");
}

#[test]
fn text_of_a_root_moves_no_cursor() {
    let world = World::with_people();
    world.begin("acme");
    let mut draft = world.root_file("acme/draft.root.json");
    let info = draft["signed"]["x-countersign"]["keyInfo"]
        .as_object_mut()
        .unwrap();
    for key in info.values_mut() {
        key["owner"] = HOSTILE.into();
        key["kms"] = HOSTILE.into();
    }
    let extension = &mut draft["signed"]["x-countersign"];
    extension["time"]["authorities"][0]["operator"] = HOSTILE.into();
    extension["trustedRoot"]["timestampAuthorities"][0]["operator"] = HOSTILE.into();
    world.write("acme/draft.root.json", &draft.to_string());
    for arguments in [
        &["show"][..],
        &["doctor"],
        &["set-scope", "--repository", "registry.example/x"],
        &["remove-key", "--key", "clock.pub"],
        &["sign", "--key", "alice.key"],
        &["sign", "--key", "bob.key"],
        &["show"],
        &["doctor"],
        &["set-scope", "--repository", SHOP],
        &["rotate", "--old", "alice.pub", "--new", "dave.pub"],
        &["revoke", "--key", "release.pub", "--compromised"],
        &["show"],
    ] {
        let arguments = [&["trust"], arguments, &["--dir", "acme"]].concat();
        let run = world
            .countersign_with(&arguments, &[("CLICOLOR_FORCE", "1")])
            .ends(0);
        let said = format!("{}{}", run.stdout, run.stderr);
        for character in ['\x07', '\r', '\u{9b}', '\u{202e}'] {
            assert!(
                !said.contains(character),
                "{arguments:?} {character:?}: {said:?}"
            );
        }
        assert!(
            !said.contains("\x1b]") && !said.contains("\x1b[2J"),
            "{said:?}"
        );
        assert!(
            !said.lines().any(|line| line.starts_with("verified:")),
            "{said:?}"
        );
        // Where nobody is named there is nothing to escape.
        let names_nobody = arguments.contains(&"set-scope");
        assert!(
            names_nobody || said.contains("owned"),
            "{arguments:?}: {said:?}"
        );
    }
}

/// The command without root's own right to write anywhere, and with files of at most so many blocks.
fn confined(world: &World, limits: &str, arguments: &str) -> Command {
    let mut command = world.program("/bin/sh");
    let binary = env!("CARGO_BIN_EXE_countersign");
    command.args([
        "-c",
        &format!("trap '' XFSZ; {limits} exec {binary} trust {arguments}"),
    ]);
    command
}

#[test]
fn a_disk_that_is_full_leaves_everything_as_it_was() {
    let world = World::with_root("acme");
    let edit = format!("set-scope --dir acme --repository '{SHOP}' --epoch 2");
    // A file may have no byte at all: what a full disk looks like to whoever writes one.
    run(confined(&world, "ulimit -f 0;", &edit))
        .ends(3)
        .says("error[file-unwritable]");
    assert_eq!(world.names_in("acme"), ["1.root.json"]);
    run(confined(&world, "", &edit)).ends(0);
    let before = fs::read(world.path("acme/draft.root.json")).unwrap();
    for arguments in [
        "sign --dir acme --key alice.key",
        "set-scope --dir acme --repository registry.example/x",
    ] {
        run(confined(&world, "ulimit -f 0;", arguments))
            .ends(3)
            .says("error[file-unwritable]");
        assert_eq!(
            fs::read(world.path("acme/draft.root.json")).unwrap(),
            before
        );
    }
    world.all_sign("acme", &["alice"]);
    run(confined(
        &world,
        "ulimit -f 0;",
        "sign --dir acme --key bob.key",
    ))
    .ends(3);
    assert_eq!(world.names_in("acme"), ["1.root.json", "draft.root.json"]);
    fs::create_dir(world.path("out")).unwrap();
    run(confined(
        &world,
        "ulimit -f 0;",
        "publish --dir acme --to out",
    ))
    .ends(3);
    assert_eq!(world.names_in("out"), [""; 0]);
    world.all_sign("acme", &["bob"]).says("complete: ");
}

#[test]
fn a_folder_that_may_only_be_read_is_shown_and_not_changed() {
    let world = World::with_root("acme");
    let folder = world.path("acme");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    world.line("show --dir acme").ends(0);
    let edit = [
        "set-scope",
        "--dir",
        "acme",
        "--repository",
        SHOP,
        "--epoch",
        "2",
    ];
    // Whoever is root may write all the same.
    let probe = folder.join("probe");
    if fs::write(&probe, "").is_err() {
        world.trust(&edit).ends(3).says("error[file-unwritable]");
        assert_eq!(world.names_in("acme"), ["1.root.json"]);
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    let _ = fs::remove_file(&probe);
    world.trust(&edit).ends(0);
    // No folder at all can be written into, whoever one is.
    world.line("publish --dir acme --to /proc").ends(3);
    world
        .line(
            "init --dir /proc/acme --name acme --root-key alice.pub \
             --repository registry.example/shop/** --release-key release.pub",
        )
        .ends(3)
        .says("error[file-unwritable]");
}

#[test]
fn two_do_not_change_one_folder_at_once() {
    let world = World::with_root("acme");
    let edit = [
        "set-scope",
        "--dir",
        "acme",
        "--repository",
        SHOP,
        "--epoch",
        "2",
    ];
    let other = fs::File::open(world.path("acme")).unwrap();
    other.lock().unwrap();
    world.trust(&edit).ends(3).says("error[trust-folder-busy]");
    world.line("show --dir acme").ends(0);
    drop(other);
    world.trust(&edit).ends(0);
}

#[test]
fn strange_files_in_the_folder_are_left_alone() {
    let world = World::with_root("acme");
    for name in [
        "01.root.json",
        "README",
        "1.root.json.bak",
        "root.json",
        "-1.root.json",
    ] {
        world.write(&format!("acme/{name}"), "not a root");
    }
    world.line("show --dir acme").ends(0);
    fs::create_dir(world.path("out")).unwrap();
    world.line("publish --dir acme --to out").ends(0);
    assert_eq!(world.names_in("out"), ["1.root.json"]);
}

/// What somebody changes of a draft by hand.
type Edit = fn(&mut Value);

#[test]
fn nothing_is_signed_that_is_not_shown() {
    let world = World::with_root("acme");
    world
        .line("set-scope --dir acme --repository registry.example/shop/** --epoch 2")
        .ends(0);
    let honest = world.root_file("acme/draft.root.json");
    let edits: [(&str, Edit); 4] = [
        ("`x-other`", |signed| signed["x-other"] = 1.into()),
        ("`consistent_snapshot`", |signed| {
            signed["consistent_snapshot"] = false.into();
        }),
        ("`x-countersign.trustedRoot.x-other`", |signed| {
            signed["x-countersign"]["trustedRoot"]["x-other"] = 1.into();
        }),
        ("role snapshot", |signed| {
            signed["roles"]["snapshot"]["keyids"] = signed["roles"]["root"]["keyids"].clone();
        }),
    ];
    for (says, edit) in edits {
        let mut draft = honest.clone();
        edit(&mut draft["signed"]);
        world.write("acme/draft.root.json", &draft.to_string());
        world
            .line("sign --dir acme --key alice.key")
            .ends(1)
            .says("refused[root-lint]")
            .says(says);
    }
    // What counts for nobody is shown.
    let mut draft = honest;
    let authorities = &mut draft["signed"]["x-countersign"]["time"]["authorities"];
    let mut second = authorities[0].clone();
    second["operator"] = HOSTILE.into();
    authorities.as_array_mut().unwrap().push(second);
    world.write("acme/draft.root.json", &draft.to_string());
    world
        .line("sign --dir acme --key alice.key")
        .ends(0)
        .says("is said to be exact to 1s, though no authority is listed so");
}

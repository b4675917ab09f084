//! Files that people name and folders that others write into: nothing is lost, hangs, or is written over.

use std::{fs, os::unix::fs::symlink, process::Command};

use super::SHOP;
use crate::world::World;

impl World {
    fn pipe(&self, path: &str) {
        let made = Command::new("mkfifo").arg(self.path(path)).status();
        assert!(made.unwrap().success());
    }

    /// Signs the draft in a file.
    fn sign_file(&self, file: &str, name: &str) -> crate::world::Run {
        let key = format!("{name}.key");
        self.trust(&["sign", "--file", file, "--key", &key])
    }

    fn signatures_of(&self, file: &str) -> usize {
        let file = self.root_file(file);
        file["signatures"].as_array().unwrap().len()
    }
}

/// A draft of a first version that somebody was sent.
fn sent() -> World {
    let world = World::with_people();
    world.begin("acme");
    world.copy("acme/draft.root.json", "sent/sent.json");
    world
}

#[test]
fn two_do_not_sign_one_file_at_once() {
    let world = sent();
    fs::create_dir(world.path("elsewhere")).unwrap();
    let elsewhere = fs::File::open(world.path("elsewhere")).unwrap();
    elsewhere.lock().unwrap();
    let other = fs::File::open(world.path("sent")).unwrap();
    other.lock().unwrap();
    world
        .sign_file("sent/sent.json", "alice")
        .ends(3)
        .says("error[trust-folder-busy]");
    assert_eq!(world.signatures_of("sent/sent.json"), 0);
    drop(other);
    world.sign_file("sent/sent.json", "alice").ends(0);
    // A draft in a folder is the same draft, whichever way it is named.
    let other = fs::File::open(world.path("acme")).unwrap();
    other.lock().unwrap();
    world
        .sign_file("acme/draft.root.json", "bob")
        .ends(3)
        .says("error[trust-folder-busy]");
}

#[test]
fn a_complete_version_is_signed_by_nobody_else() {
    let world = sent();
    world.copy("sent/sent.json", "sent/1.root.json");
    world.all_sign("acme", &["alice", "bob"]);
    world.copy("acme/1.root.json", "sent/copy.json");
    for file in ["acme/1.root.json", "sent/copy.json", "sent/1.root.json"] {
        let before = fs::read(world.path(file)).unwrap();
        world
            .sign_file(file, "carol")
            .ends(2)
            .says("error[root-complete]");
        assert_eq!(fs::read(world.path(file)).unwrap(), before);
    }
    for (name, is_enough) in [("alice", false), ("carol", true)] {
        let run = world.sign_file("sent/sent.json", name).ends(0);
        assert_eq!(run.stdout.contains("all have signed who must"), is_enough);
    }
}

#[test]
fn a_signature_is_written_where_the_draft_lies() {
    let world = sent();
    world.pipe("pipe");
    for file in ["pipe", "/dev/zero", "sent"] {
        world
            .sign_file(file, "alice")
            .ends(2)
            .says("error[file-irregular]");
    }
    symlink("sent/sent.json", world.path("link.json")).unwrap();
    world
        .sign_file("link.json", "alice")
        .ends(0)
        .says("send link.json to those");
    assert!(world.path("link.json").is_symlink());
    assert_eq!(world.signatures_of("sent/sent.json"), 1);
}

#[test]
fn a_pipe_in_the_folder_holds_nothing_up() {
    let world = World::with_root("acme");
    for name in ["draft.root.json", "9.root.json"] {
        let path = format!("acme/{name}");
        world.pipe(&path);
        for command in [
            &["show"][..],
            &["doctor"],
            &["set-scope", "--repository", SHOP],
            &["sign", "--key", "alice.key"],
        ] {
            world
                .trust(&[command, &["--dir", "acme"]].concat())
                .ends(2)
                .says(&format!("{path} could not be read: it is no file"));
        }
        fs::remove_file(world.path(&path)).unwrap();
    }
    fs::create_dir(world.path("out")).unwrap();
    world.pipe("out/1.root.json");
    world
        .line("publish --dir acme --to out")
        .ends(2)
        .says("out/1.root.json could not be read: it is no file");
    world.pipe("pipe");
    for command in ["set-scope --repository x.example/x", "sign --key alice.key"] {
        world
            .line(&format!("{command} --dir pipe"))
            .ends(2)
            .says("error[file-unreadable]");
    }
}

#[test]
fn what_a_killed_writer_has_left_is_removed() {
    let world = World::with_root("acme");
    let others = [
        ".countersign-Ab12C",
        ".countersign-Ab12Cd.tmp",
        ".countersign-Ab-2Cd",
        "countersign-Ab12Cd",
    ];
    for name in others {
        world.write(&format!("acme/{name}"), "somebody else's");
    }
    fs::create_dir(world.path("acme/.countersign-folder")).unwrap();
    let is_left = || world.path("acme/.countersign-Ab12Cd").exists();
    for (command, stays) in [
        ("show", true),
        ("set-scope --repository registry.example/x", false),
        ("sign --key alice.key", false),
    ] {
        world.write("acme/.countersign-Ab12Cd", "half a dra");
        world.line(&format!("{command} --dir acme")).ends(0);
        assert_eq!(is_left(), stays, "{command}");
    }
    for name in others {
        assert!(world.path("acme").join(name).exists(), "{name}");
    }
    assert!(world.path("acme/.countersign-folder").exists());
}

#[test]
fn what_somebody_else_published_meanwhile_is_looked_at() {
    let world = World::with_root("acme").next("acme", 2);
    for name in ["out", "same", "other", "nothing"] {
        fs::create_dir(world.path(name)).unwrap();
    }
    // Links to what is published to the first destination: they lead nowhere while everything is looked at.
    let link = |to: &str, at: &str| symlink(to, world.path(at)).unwrap();
    link("../out/1.root.json", "same/1.root.json");
    link("../out/2.root.json", "other/1.root.json");
    link("../absent", "nothing/1.root.json");
    world
        .line("publish --dir acme --to out --to same --to out")
        .ends(0)
        .says("published: out/1.root.json")
        .says("published already: same/1.root.json")
        .says("published: same/2.root.json")
        .says("published already: out/1.root.json");
    let clear = || {
        for version in [1, 2] {
            fs::remove_file(world.path(&format!("out/{version}.root.json"))).unwrap();
        }
    };
    clear();
    let document = world.line_json("publish --dir acme --to out --to out");
    assert_eq!(
        document["destinations"],
        serde_json::json!([
            { "to": "out", "published": [1, 2], "alreadyThere": [] },
            { "to": "out", "published": [], "alreadyThere": [1, 2] },
        ])
    );
    clear();
    world
        .line("publish --dir acme --to out --to other")
        .ends(1)
        .says("error[root-differs]")
        .says("other/1.root.json is another file");
    world
        .line("publish --dir acme --to nothing")
        .ends(2)
        .says("error[file-exists]");
}

#[test]
fn a_signature_that_does_not_fit_is_passed_on_by_nobody() {
    let world = sent();
    let id = super::id_of(&world.line_json("show --dir acme"), "carol");
    let junk = |file: &str| {
        let mut draft = world.root_file(file);
        let signatures = draft["signatures"].as_array_mut().unwrap();
        for id in [&id, &"cd".repeat(32)] {
            signatures.push(serde_json::json!({ "keyid": id, "sig": "00".repeat(64) }));
        }
        world.write(file, &draft.to_string());
    };
    // Of copies it is said which one it is.
    for name in ["one.json", "two.json"] {
        world.copy("sent/sent.json", &format!("sent/{name}"));
        let signer = if name == "one.json" { "alice" } else { "bob" };
        world.sign_file(&format!("sent/{name}"), signer).ends(0);
    }
    junk("sent/two.json");
    let collect = "sign --dir acme --add sent/one.json --add sent/two.json";
    world
        .line(collect)
        .ends(1)
        .says("error[signature-invalid]")
        .says("sent/two.json: ")
        .says("leave this copy out");
    let other = world.root_file("sent/one.json");
    let mut changed = other.clone();
    changed["signed"]["expires"] = "2099-01-01T00:00:00Z".into();
    world.write("sent/one.json", &changed.to_string());
    world
        .line(collect)
        .ends(1)
        .says("error[draft-differs]")
        .says("sent/one.json: ");
    world.write("sent/one.json", &other.to_string());
    // Whoever signs a copy does not pass it on.
    world
        .sign_file("sent/two.json", "carol")
        .ends(0)
        .says("signatures that do not fit the draft are left out: 2");
    assert_eq!(world.signatures_of("sent/two.json"), 2);
    world.line("sign --dir acme --add sent/one.json").ends(0);
    junk("acme/draft.root.json");
    world
        .line("sign --dir acme --add sent/two.json")
        .ends(0)
        .says("complete: ");
    assert_eq!(world.signatures_of("acme/1.root.json"), 3);
    world.line("show --dir acme").ends(0);
}

#[test]
fn what_was_done_is_said_though_nobody_reads_the_result() {
    let world = World::with_people();
    world.begin("acme");
    let full = |arguments: &[&str]| {
        let file = fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = world.command(arguments);
        let output = command.stdout(file).output().unwrap();
        assert_eq!(output.status.code(), Some(3));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("error[output-failed]"), "{said}");
        said
    };
    for format in ["text", "json"] {
        let add = ["--repository", "registry.example/x", "--output", format];
        let said = full(&[&["trust", "set-scope", "--dir", "acme"], &add[..]].concat());
        assert!(said.contains("acme/draft.root.json was written"), "{said}");
    }
    world.all_sign("acme", &["alice"]);
    let sign = ["trust", "sign", "--dir", "acme", "--key", "bob.key"];
    let said = full(&[&sign[..], &["--output", "json"]].concat());
    assert!(said.contains("acme/1.root.json was written"), "{said}");
    let shown = world.line_json("show --dir acme");
    assert!(
        said.contains(shown["root"]["fingerprint"].as_str().unwrap()),
        "{said}"
    );
    // Nothing was done, and nothing is said.
    let said = full(&["trust", "show", "--dir", "acme"]);
    assert!(!said.contains("was written"), "{said}");
}

//! What is fetched by its digest is fetched once: what a second run asks for, and the folder in which the rest lies.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::PathBuf,
};

use countersign_stand_in::{Fault, Lie, Service};

use crate::world::{Image, Run, World, run};

fn folder(world: &World) -> PathBuf {
    world.path(".cache/countersign")
}

/// The entries of the user's own folder.
fn kept(world: &World) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder(world)) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'))
        .collect()
}

fn signed(world: &World) -> Image {
    let image = world.image("shop/api", "1", "a");
    world
        .countersign(&["sign", "--key", &World::kms_key(), &image.tagged()])
        .ends(0);
    // Of what carries its bundle less would be fetched, and kept.
    world.stand_in.drop_copies("shop/api");
    image
}

fn verify(world: &World, image: &str, more: &[&str]) -> Run {
    let key = World::kms_key();
    world.countersign(&[&["verify", "--key", &key, image], more].concat())
}

/// What a verification that passes asks the registry for, in the order of the alphabet: some of it is asked for at once.
fn asked(world: &World, image: &str, more: &[&str]) -> Vec<String> {
    world.stand_in.forget_calls();
    verify(world, image, more).ends(0);
    let calls = world.calls(|call| call.service != Service::Aws && call.status != 401);
    let mut lines: Vec<_> = calls
        .into_iter()
        .map(|call| call.line.replacen("GET /v2/shop/api/", "", 1))
        .collect();
    lines.sort();
    lines
}

#[test]
fn a_second_verification_asks_one_question_by_digest_and_two_by_tag() {
    for world in [World::ecr(), World::oci(), World::ecr_over_tls()].map(World::keeping) {
        let image = signed(&world);
        let list = format!("referrers/{}", image.digest);
        // The image, its configuration, the list; and of the signature and the publication the manifest and the bundle.
        assert!(asked(&world, &image.tagged(), &["--no-cache"]).len() >= 7);
        assert!(asked(&world, &image.tagged(), &[]).len() >= 7);
        for _ in 0..2 {
            let tag = "manifests/1".to_owned();
            assert_eq!(asked(&world, &image.tagged(), &[]), [tag, list.clone()]);
            assert_eq!(asked(&world, &image.pinned(), &[]), [&*list]);
        }
    }
}

#[test]
fn where_there_is_no_list_its_tag_is_asked_for_each_time() {
    let world = World::no_referrers().keeping();
    let image = signed(&world);
    asked(&world, &image.tagged(), &[]);
    let list = format!("referrers/{}", image.digest);
    let tag = format!("manifests/{}", image.digest.replace(':', "-"));
    let by_digest = [tag, list];
    assert_eq!(asked(&world, &image.pinned(), &[]), by_digest);
    let by_tag = [&["manifests/1".to_owned()][..], &by_digest].concat();
    assert_eq!(asked(&world, &image.tagged(), &[]), by_tag);
}

#[test]
fn a_signature_that_comes_later_is_found_and_a_moved_tag_is_followed() {
    let world = World::oci().keeping();
    let image = world.image("shop/api", "1", "a");
    for _ in 0..2 {
        verify(&world, &image.pinned(), &[])
            .ends(1)
            .says("refused[signature-missing]");
    }
    let sign = ["sign", "--key", &World::kms_key(), &image.tagged()];
    world.countersign(&sign).ends(0);
    verify(&world, &image.pinned(), &[]).ends(0);
    verify(&world, &image.tagged(), &[]).ends(0);
    world.image("shop/api", "1", "b");
    verify(&world, &image.tagged(), &[])
        .ends(1)
        .says("refused[signature-missing]");
    // What is no longer listed is not found in the cache either.
    let other = world.image("shop/copy", "1", "a");
    assert_eq!(other.digest, image.digest);
    verify(&world, &other.pinned(), &[])
        .ends(1)
        .says("refused[signature-missing]");
}

#[test]
fn a_damaged_entry_is_fetched_again_and_changes_no_verdict() {
    let world = World::oci().keeping();
    let image = signed(&world);
    asked(&world, &image.pinned(), &[]);
    let entries = kept(&world);
    assert!(entries.len() >= 6, "{entries:?}");
    let contents: Vec<_> = entries.iter().map(|path| fs::read(path).unwrap()).collect();
    for round in 0..3 {
        for (index, path) in entries.iter().enumerate() {
            let damaged = match round {
                0 => contents[index].iter().map(|byte| byte ^ 1).collect(),
                1 => contents[index][..contents[index].len() / 2].to_vec(),
                _ => contents[(index + 1) % contents.len()].clone(),
            };
            fs::write(path, damaged).unwrap();
        }
        let first = asked(&world, &image.pinned(), &[]);
        assert_eq!(first.len(), 1 + entries.len(), "{first:?}");
        assert_eq!(asked(&world, &image.pinned(), &[]).len(), 1);
    }
}

#[test]
fn nothing_is_kept_unless_it_is_asked_for_and_not_by_those_who_look_for_faults() {
    let world = World::oci().keeping();
    let image = signed(&world);
    let _ = fs::remove_dir_all(world.path(".cache"));
    let key = World::kms_key();
    let tagged = image.tagged();
    let every = asked(&world, &tagged, &["--no-cache"]);
    assert_eq!(asked(&world, &tagged, &["--no-cache"]), every);
    let variable = [("COUNTERSIGN_NO_CACHE", "1")];
    let arguments = ["verify", "--key", &key, &tagged];
    world.countersign_with(&arguments, &variable).ends(0);
    world.countersign(&["doctor", "--for", "verify", &tagged]);
    world
        .countersign(&["inspect", "--no-cache", &tagged])
        .ends(0);
    // Who signs asks for everything.
    let sign = ["sign", "--key", &key, &tagged];
    world.countersign(&sign).ends(0).says("already signed");
    assert!(!world.path(".cache").exists());
    world.countersign(&["inspect", &tagged]).ends(0);
    assert_eq!(fs::metadata(folder(&world)).unwrap().mode() & 0o7777, 0o700);
    assert!(!kept(&world).is_empty());
    // Inspecting has fetched all of it.
    assert_eq!(asked(&world, &tagged, &[]).len(), 2);
}

#[test]
fn another_folder_can_be_named() {
    let world = World::oci().keeping();
    let image = signed(&world);
    let _ = fs::remove_dir_all(world.path(".cache"));
    let pinned = image.pinned();
    asked(&world, &pinned, &["--cache-dir", "named"]);
    assert!(world.path("named").is_dir() && !world.path(".cache").exists());
    assert_eq!(asked(&world, &pinned, &["--cache-dir", "named/"]).len(), 1);
    let key = World::kms_key();
    for (variable, value) in [
        ("COUNTERSIGN_CACHE_DIR", "named"),
        ("XDG_CACHE_HOME", "/xdg"),
    ] {
        let value = value.replace("/xdg", &world.path("xdg").display().to_string());
        let arguments = ["verify", "--key", &key, &pinned];
        let variables = [(variable, value.as_str())];
        world.countersign_with(&arguments, &variables).ends(0);
    }
    assert!(world.path("xdg/countersign").is_dir() && !world.path(".cache").exists());
}

#[test]
fn a_folder_that_cannot_be_used_is_said_and_ends_nothing() {
    let world = World::oci().keeping();
    let image = signed(&world);
    let _ = fs::remove_dir_all(world.path(".cache"));
    let pinned = image.pinned();
    let whole = asked(&world, &pinned, &["--no-cache"]);
    fs::create_dir(world.path("target")).unwrap();
    symlink(world.path("target"), world.path("link")).unwrap();
    fs::create_dir(world.path("open")).unwrap();
    fs::set_permissions(world.path("open"), Permissions::from_mode(0o777)).unwrap();
    world.write("file", "");
    for (name, said) in [
        ("link", "is a symbolic link"),
        ("link/", "is a symbolic link"),
        ("open", "may be written by others, with mode 0777"),
        ("file", "is no folder"),
        (
            "/proc/countersign",
            "the cache is not used: /proc/countersign: ",
        ),
    ] {
        for _ in 0..2 {
            let more = ["--cache-dir", name];
            assert_eq!(asked(&world, &pinned, &more), whole, "{name}");
            verify(&world, &pinned, &more).ends(0).says(said);
        }
        let quiet = ["--cache-dir", name, "--quiet"];
        assert_eq!(verify(&world, &pinned, &quiet).ends(0).stderr, "");
    }
    for name in ["target", "open"] {
        assert_eq!(fs::read_dir(world.path(name)).unwrap().count(), 0, "{name}");
    }
    // Whoever has no home is not told of it each time.
    let homeless = [("HOME", "/proc/nowhere")];
    let arguments = ["verify", "--key", &World::kms_key(), &pinned];
    let ended = world.countersign_with(&arguments, &homeless).ends(0);
    assert!(!ended.stderr.contains("kept"), "{}", ended.stderr);
    world
        .countersign_with(&[&["-v"], &arguments[..]].concat(), &homeless)
        .ends(0)
        .says("nothing is kept: /proc/nowhere/.cache/countersign: ");
    world.countersign_with(&arguments, &[("HOME", "")]).ends(0);
}

#[test]
fn a_full_disk_is_said_once_and_ends_nothing() {
    let world = World::oci().keeping();
    let image = signed(&world);
    let _ = fs::remove_dir_all(world.path(".cache"));
    let mut command = world.program("/bin/sh");
    // Without the trap the limit would end the process, which a full disk does not.
    let script = "trap '' XFSZ; ulimit -c 0; ulimit -f 0; exec \"$0\" \"$@\"";
    command
        .args(["-c", script, env!("CARGO_BIN_EXE_countersign"), "verify"])
        .args(["--key", &World::kms_key(), &image.pinned()]);
    let ended = run(command)
        .ends(0)
        .says("nothing more is kept in the cache");
    assert_eq!(ended.stderr.matches("nothing more is kept").count(), 1);
    assert!(kept(&world).is_empty());
    verify(&world, &image.pinned(), &[]).ends(0);
    assert!(!kept(&world).is_empty());
}

#[test]
fn what_one_repository_had_is_not_there_in_another() {
    let world = World::oci().keeping();
    let key = World::kms_key();
    let [here, there] = ["shop/here", "shop/there"].map(|path| {
        let (index, children) = world.index(path, "1", &["amd64", "arm64"]);
        let sign = ["sign", "--recursive", "--key", &key, &index.tagged()];
        world.countersign(&sign).ends(0);
        (index, children)
    });
    let ((here, _), (there, children)) = (here, there);
    assert_eq!(here.digest, there.digest);
    let gone = format!("GET /v2/shop/there/manifests/{}", children[0].digest);
    world
        .stand_in
        .faults()
        .push(Fault::on(&gone, Lie::status(404)));
    let ends =
        |image: &Image, more: &[&str], code: i32| verify(&world, &image.tagged(), more).ends(code);
    ends(&here, &["--recursive"], 0);
    for more in [&["--recursive"][..], &["--platform", "linux/amd64"]] {
        ends(&there, more, 1).says("refused[child-missing]");
    }
    // Nor does whoever signs take it for there because it was.
    world.stand_in.faults().clear();
    ends(&there, &["--recursive"], 0);
    world
        .stand_in
        .faults()
        .push(Fault::on(&gone, Lie::status(404)));
    let (other, _) = world.key_files("other", "p256");
    let sign = ["sign", "--recursive", "--key", &other, &there.tagged()];
    world
        .countersign(&sign)
        .ends(1)
        .says("error[child-missing]");
}

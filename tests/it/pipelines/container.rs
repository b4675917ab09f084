//! The image of the command: made without Docker, read by crane, kept in a registry, signed and verified by itself, and run.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use super::source;
use crate::{
    peers::peer,
    world::{Run, World, run},
};

/// The command as it is released: without what only debuggers read.
fn stripped(world: &World) -> String {
    let file = world.path("countersign").display().to_string();
    let mut strip = world.program("/usr/bin/strip");
    strip.args(["-o", &file, env!("CARGO_BIN_EXE_countersign")]);
    run(strip).ends(0);
    file
}

fn built(world: &World, binary: &str, layout: &str) -> Run {
    let mut build = world.program(source("pipelines/container/build"));
    build
        .args([binary, layout, "1.0"])
        .env("SOURCE_DATE_EPOCH", "1700000000")
        // From another file system it would come in parts, and look whole before it is.
        .env("TMPDIR", world.path("absent"));
    run(build)
}

/// A JSON document in a layout, by its descriptor.
fn blob(world: &World, layout: &str, descriptor: &Value) -> Value {
    serde_json::from_slice(&fs::read(blob_path(world, layout, descriptor)).unwrap()).unwrap()
}

fn blob_path(world: &World, layout: &str, descriptor: &Value) -> PathBuf {
    let digest = descriptor["digest"].as_str().unwrap();
    world
        .path(layout)
        .join("blobs")
        .join(digest.replace(':', "/"))
}

/// The image's own files, as a runtime unpacks them.
fn unpacked(world: &World, layer: PathBuf) -> PathBuf {
    let root = world.path("root");
    fs::create_dir(&root).unwrap();
    let mut tar = world.program("/usr/bin/tar");
    tar.arg("-C").arg(&root).arg("-xzf").arg(layer);
    run(tar).ends(0);
    root
}

/// What is in the image, by the listing of tar: mode, owner and name.
fn listing(world: &World, layer: PathBuf) -> Vec<[String; 3]> {
    let mut tar = world.program("/usr/bin/tar");
    tar.args(["--numeric-owner", "-tvzf"]).arg(layer);
    let listing = run(tar).ends(0).stdout;
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        [words[0], words[1], words[5]].map(str::to_owned)
    };
    listing.lines().map(line).collect()
}

/// The command within the image's files alone: as root, or in a namespace where this user is root.
fn inside(world: &World, root: &Path, arguments: &[&str]) -> Command {
    let mut unshare = world.program("/usr/bin/unshare");
    unshare
        .args(["--map-root-user", "/usr/sbin/chroot"])
        .arg(root)
        .arg("/usr/bin/countersign")
        .args(arguments);
    unshare
}

#[test]
fn the_image_is_whole_reproducible_and_runs() {
    let world = World::oci();
    let binary = stripped(&world);
    let layout = world.path("layout").display().to_string();
    let said = built(&world, &binary, &layout).ends(0).stdout;
    let index: Value =
        serde_json::from_slice(&fs::read(world.path("layout/index.json")).unwrap()).unwrap();
    let descriptor = &index["manifests"][0];
    assert_eq!(said.trim(), descriptor["digest"]);
    assert_eq!(
        descriptor["annotations"]["org.opencontainers.image.ref.name"],
        "1.0"
    );
    let manifest = blob(&world, "layout", descriptor);
    let config = blob(&world, "layout", &manifest["config"]);
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Entrypoint"][0], "/usr/bin/countersign");
    assert_eq!(
        config["config"]["Labels"]["org.opencontainers.image.version"],
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(config["created"], "2023-11-14T22:13:20Z");
    let layer = blob_path(&world, "layout", &manifest["layers"][0]);
    contents(&listing(&world, layer.clone()));

    // crane hashes everything, the layer unpacked too.
    let host = world.stand_in.registry_host();
    let pushed = format!("{host}/tools/countersign:1.0");
    let mut push = peer(&world, "crane");
    push.args(["push", "--insecure", &layout, &pushed]);
    run(push).ends(0);
    let mut validate = peer(&world, "crane");
    validate.args(["validate", "--insecure", "--remote", &pushed]);
    run(validate).ends(0);

    // It signs itself where it was built, and verifies itself from within.
    let key = World::kms_key();
    world.countersign(&["sign", "--key", &key, &pushed]).ends(0);
    let root = unpacked(&world, layer);
    runs(&world, &root, &pushed);

    let again = world.path("again").display().to_string();
    assert_eq!(built(&world, &binary, &again).ends(0).stdout, said);
}

/// Nobody's folder may be written, nobody but its user is there, and there is no shell.
#[track_caller]
fn contents(listing: &[[String; 3]]) {
    for [mode, owner, name] in listing {
        let is_home = name == "./home/countersign/";
        assert_eq!(owner, if is_home { "65532/65532" } else { "0/0" }, "{name}");
        let others = mode.as_bytes()[8];
        assert!(others != b'w' || name == "./tmp/", "{mode} {name}");
        for shell in ["/sh", "/bash", "/busybox"] {
            assert!(!name.ends_with(shell), "{name}");
        }
    }
    // The order is no file system's; the user's own folder comes last.
    let (home, rest) = listing.split_last().unwrap();
    assert_eq!(home[2], "./home/countersign/");
    assert!(rest.is_sorted_by_key(|[_, _, name]| name), "{rest:?}");
    let has = |wanted: &str| listing.iter().any(|[_, _, name]| name == wanted);
    assert!(has("./usr/bin/countersign"));
    assert!(has("./etc/ssl/certs/ca-certificates.crt"));
}

/// Everything that the program needs is in the image, names of hosts and all.
fn runs(world: &World, root: &Path, pushed: &str) {
    // What a runtime puts there.
    fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n").unwrap();
    let version = run(inside(world, root, &["--version"]));
    if version.stderr.contains("Operation not permitted") {
        // What it needs is there, and whether it starts is for another machine to say.
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            b"not run: this machine lets nobody enter the image; its files were checked\n",
        );
        return;
    }
    assert_eq!(
        version.ends(0).stdout,
        format!("countersign {}\n", env!("CARGO_PKG_VERSION"))
    );
    let key = World::kms_key();
    let verify = |image: &str| {
        run(inside(
            world,
            root,
            &["verify", "--pin", "--key", &key, image],
        ))
    };
    verify(pushed).ends(0).says("@sha256:");
    // The name of a host is found, and is another place.
    let (_, rest) = pushed.split_once(':').unwrap();
    verify(&format!("localhost:{rest}"))
        .ends(1)
        .says("refused[repository-mismatch]");
}

#[test]
fn what_is_there_is_not_overwritten_and_what_is_no_program_not_packed() {
    let world = World::ecr();
    let script = world.write("script", "");
    let layout = world.path("layout").display().to_string();
    built(&world, &script, &layout)
        .ends(1)
        .says("is no program")
        .says("remedy: ");
    assert!(!world.path("layout").exists());
    fs::create_dir(world.path("layout")).unwrap();
    built(&world, env!("CARGO_BIN_EXE_countersign"), &layout)
        .ends(1)
        .says("is there already");
    let mut build = world.program(source("pipelines/container/build"));
    build.args([env!("CARGO_BIN_EXE_countersign"), "other", "a tag"]);
    run(build).ends(1).says("is no tag");
    assert!(!world.path("other").exists());
}

/// Both ways lead to one image.
#[test]
fn the_containerfile_says_what_the_script_does() {
    let file = super::read("pipelines/container/Containerfile");
    let last = file.rsplit("\nFROM ").next().unwrap();
    assert!(last.starts_with("scratch\n"));
    for line in [
        "USER 65532:65532",
        "ENV PATH=/usr/bin HOME=/home/countersign",
        "WORKDIR /home/countersign",
        "ENTRYPOINT [\"/usr/bin/countersign\"]",
    ] {
        assert!(last.contains(line), "{line}");
    }
    assert!(file.contains("RUN pipelines/container/rootfs "));
    let toolchain = super::read("rust-toolchain.toml");
    let version = toolchain.split('"').nth(1).unwrap();
    let minor = version.rsplit_once('.').unwrap().0;
    assert!(file.contains(&format!("/rust:{minor}-")), "{version}");
}

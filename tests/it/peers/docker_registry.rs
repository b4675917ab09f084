//! docker-registry: a registry that is not ours, without the referrers API.

use std::{
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{cosign_sign, cosign_verify, peer, program};
use crate::world::{World, run};

/// A running registry; ends with the test.
pub(crate) struct DockerRegistry {
    process: Child,
    pub(crate) host: String,
}

impl DockerRegistry {
    pub(crate) fn start(world: &World) -> Self {
        // A port that was free a moment ago: the program cannot say which one it took.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let host = format!("127.0.0.1:{port}");
        let root = world.path("docker-registry").display().to_string();
        let configuration = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage: {{filesystem: {{rootdirectory: {root}}}, delete: {{enabled: true}}}}\nhttp: {{addr: \"{host}\"}}\n"
        );
        let file = world.write("docker-registry.yml", &configuration);
        let process = Command::new(program("docker-registry"))
            .args(["serve", &file])
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while TcpStream::connect(&host).is_err() {
            assert!(
                begun.elapsed() < Duration::from_mins(1),
                "docker-registry does not listen on {host}"
            );
            thread::yield_now();
        }
        Self { process, host }
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn both_directions_work_with_cosign_through_docker_registry() {
    let world = World::ecr();
    let registry = DockerRegistry::start(&world);
    let image = world.image("shop/api", "1", "a");
    let pushed = format!("{}/shop/api", registry.host);
    let mut copy = peer(&world, "crane");
    copy.args([
        "copy",
        "--insecure",
        &image.pinned(),
        &format!("{pushed}:1"),
    ]);
    run(copy).ends(0);
    let verify = |key: &str, more: &[&str]| {
        let arguments: Vec<&str> = ["verify", "--key", key]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        world.countersign(&arguments)
    };
    verify(&World::kms_key(), &[&format!("{pushed}:1")])
        .ends(1)
        .says("refused[signature-missing]");
    let (file, file_pub) = world.key_files("file", "rsa-2048");

    world
        .countersign(&["sign", "--key", &World::kms_key(), &format!("{pushed}:1")])
        .ends(0);
    cosign_sign(
        &world,
        &World::kms_key(),
        &["-a", "by=cosign"],
        &format!("{pushed}@{}", image.digest),
    )
    .ends(0);
    world
        .countersign(&["sign", "--key", &file, &format!("{pushed}:1")])
        .ends(0);
    world
        .countersign(&["sign", "--key", &file, &format!("{pushed}:1")])
        .ends(0)
        .says("already signed");

    // Neither has written over the other's entry at the fallback tag.
    verify(
        &World::kms_key(),
        &["-a", "by=cosign", &format!("{pushed}:1")],
    )
    .ends(0);
    verify(
        &World::kms_key(),
        &["--require-repository", &format!("{pushed}:1")],
    )
    .ends(0);
    verify(&file_pub, &[&format!("{pushed}:1")]).ends(0);
    cosign_verify(&world, &World::kms_key(), &[], &format!("{pushed}:1")).ends(0);
    cosign_verify(&world, &file_pub, &[], &format!("{pushed}:1")).ends(0);

    let mut discover = peer(&world, "oras");
    discover.args([
        "discover",
        "--plain-http",
        "--format",
        "json",
        &format!("{pushed}:1"),
    ]);
    let referrers = run(discover).ends(0).json();
    assert_eq!(
        referrers["referrers"]
            .as_array()
            .or(referrers["manifests"].as_array())
            .unwrap()
            .len(),
        // cosign's signature; ours, and our publication, by two keys.
        5
    );
}

#[test]
fn doctor_is_let_through_by_docker_registry_and_writes_nothing_there() {
    let world = World::ecr();
    let registry = DockerRegistry::start(&world);
    let image = world.image("shop/api", "1", "a");
    let pushed = format!("{}/shop/api:1", registry.host);
    let mut copy = peer(&world, "crane");
    copy.args(["copy", "--insecure", &image.pinned(), &pushed]);
    run(copy).ends(0);
    let stored = || {
        let folder = world.path("docker-registry/docker/registry/v2/blobs/sha256");
        let entries = walk(&folder);
        assert!(!entries.is_empty());
        entries
    };
    let before = stored();
    let report = world
        .countersign(&["doctor", "--for", "sign", &pushed])
        .ends(0);
    report
        .says("ok[registry-upload]")
        .says("ok[registry-push]")
        .says("note[registry-referrers]");
    assert_eq!(stored(), before);
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}

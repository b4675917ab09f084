//! `countersign inspect`: what is shown of what is attached, of every format and of none.

mod damaged;
mod places;

use std::{fs, net::TcpListener};

use countersign_stand_in::{Fault, Lie};
use serde_json::{Value, json};

use crate::world::{Image, OCI_MANIFEST, Run, World};

/// Shows an image by the stand-in's key and authority of time.
pub(crate) fn judged(world: &World, image: &str, more: &[&str]) -> Run {
    let chain = world.stand_in.tsa_chain_pem("one").unwrap();
    let chain = world.write("tsa.pem", &chain);
    let key = World::kms_key();
    let arguments = ["inspect", "--key", &key, "--tsa-chain", &chain];
    let arguments: Vec<&str> = arguments
        .iter()
        .chain(more)
        .copied()
        .chain([image])
        .collect();
    world.countersign(&arguments)
}

/// A text without what differs from run to run: names made of hexadecimal digits by the order in which they appear, times
/// and sizes not at all.
pub(crate) fn redacted(world: &World, text: &str) -> String {
    let text = text.replace(world.stand_in.registry_host(), "registry.example");
    let text = without_hints(&text);
    let mut names: Vec<String> = Vec::new();
    let mut redacted = String::new();
    let is_of_word =
        |character: char| character.is_ascii_alphanumeric() || "-:.".contains(character);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let end = rest
            .find(|character| !is_of_word(character))
            .unwrap_or(rest.len());
        // What is of no word is passed on by itself.
        let end = end.max(rest.chars().next().map_or(0, char::len_utf8));
        let (piece, after) = rest.split_at(end);
        redacted.push_str(&word_without_chance(piece, &mut names));
        rest = after;
    }
    without_sizes(&redacted)
}

/// A key that is made for a test has another hint each time.
fn without_hints(text: &str) -> String {
    const BEFORE: &str = "signed by key ";
    let mut parts = text.split(BEFORE);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let (_, after) = part.split_once(',').unwrap_or_default();
        format!("{text}{BEFORE}HINT,{after}")
    })
}

/// Signatures of ECDSA are of one length or another.
fn without_sizes(text: &str) -> String {
    let mut parts = text.split(" kB").collect::<Vec<_>>();
    let last = parts.pop().unwrap_or_default();
    let is_of_number = |character: char| character.is_ascii_digit() || character == '.';
    let numbered = parts.iter().map(|part| {
        let before = part.trim_end_matches(is_of_number);
        format!("{before}SIZE kB")
    });
    numbered.chain([last.to_owned()]).collect()
}

fn word_without_chance(word: &str, names: &mut Vec<String>) -> String {
    let (before, name) = word.rsplit_once(':').unwrap_or(("", word));
    let is_hexadecimal = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
    };
    if name.len() >= 12 && is_hexadecimal(name) && name != countersign_stand_in::ACCOUNT {
        // A shorter form is of the first that begins so.
        let known = names.iter().position(|known| known.starts_with(name));
        let position = known.unwrap_or_else(|| {
            names.push(name.to_owned());
            names.len() - 1
        });
        let colon = if before.is_empty() { "" } else { ":" };
        return format!("{before}{colon}<{}>", position + 1);
    }
    let is_time = word.len() >= 20 && word.contains('T') && word.ends_with('Z');
    if is_time && word.starts_with("20") {
        return "TIME".to_owned();
    }
    word.to_owned()
}

/// Puts something in place that refers to an image: its digest.
fn attach(world: &World, image: &Image, artifact_type: &str, layers: &[Value]) -> String {
    attached(world, image, artifact_type, layers).digest
}

fn attached(world: &World, image: &Image, artifact_type: &str, layers: &[Value]) -> Image {
    let config = world.blob(&image.path, "application/vnd.oci.empty.v1+json", b"{}");
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": artifact_type,
        "config": config, "layers": layers,
        "subject": { "mediaType": OCI_MANIFEST, "digest": image.digest, "size": image.manifest.len() },
    });
    let manifest = serde_json::to_vec(&manifest).unwrap();
    world.place(&image.path, "", OCI_MANIFEST, manifest)
}

fn signed(world: &World) -> Image {
    let image = world.image("shop/api", "1", "a");
    let sign = [
        "sign",
        "--key",
        &World::kms_key(),
        "--no-tsa",
        &image.tagged(),
    ];
    world.countersign(&sign).ends(0);
    image
}

/// The one document in JSON.
fn shown(world: &World, image: &str, code: i32) -> Value {
    judged(world, image, &["--output", "json"])
        .ends(code)
        .json()
}

/// All entries of what is attached to the image itself.
fn entries(document: &Value) -> Vec<Value> {
    let attached = document["subject"]["attached"].as_array().unwrap();
    let entries = attached
        .iter()
        .flat_map(|one| one["entries"].as_array().unwrap());
    entries.cloned().collect()
}

#[test]
fn without_a_key_or_a_policy_everything_is_shown_and_nothing_judged() {
    let world = World::oci();
    let image = signed(&world);
    let run = world.countersign(&["inspect", &image.tagged()]).ends(0);
    let run = run.says("not judged: neither a policy nor a key was given");
    assert!(!run.stdout.contains("trusted"), "{}", run.stdout);
    let document = world
        .countersign(&["inspect", "--output", "json", &image.tagged()])
        .ends(0)
        .json();
    world
        .countersign(&["inspect", "--tsa-chain", "/nowhere.pem", &image.tagged()])
        .ends(0)
        .says("`--tsa-chain` is not used");
    assert_eq!(document["notJudged"]["code"], "not-judged");
    let standings = entries(&document);
    assert_eq!(standings.len(), 2);
    assert!(
        standings
            .iter()
            .all(|entry| entry["standing"] == "not-judged")
    );
    let judged = shown(&world, &image.tagged(), 0);
    assert!(
        entries(&judged)
            .iter()
            .all(|entry| entry["standing"] == "trusted")
    );
    assert_eq!(judged.get("notJudged"), None);
}

#[test]
fn the_key_of_the_environment_and_that_of_the_configuration_judge_too() {
    let world = World::oci();
    let image = signed(&world);
    let key = World::kms_key();
    let inspect = ["inspect", &image.tagged()];
    world
        .countersign_with(&inspect, &[("COUNTERSIGN_KEY", &key)])
        .ends(0)
        .says("trusted: by");
    let config = world.write(
        "config.toml",
        &format!("version = 1\n[verify]\nkeys = [\"{key}\"]\n"),
    );
    world
        .countersign(&["inspect", "--config", &config, &image.tagged()])
        .ends(0)
        .says("trusted: by");
}

#[test]
fn demonstration_keys_are_untrusted_where_they_are_not_accepted() {
    let world = World::oci();
    let image = signed(&world);
    let key = World::kms_key();
    let inspect = ["inspect", "--key", &key, &image.tagged()];
    let run = world.countersign_with(&inspect, &[("COUNTERSIGN_ACCEPT_STAND_IN", "")]);
    run.ends(0).says("untrusted[stand-in-key]");
}

#[test]
fn an_image_to_which_nothing_is_attached_is_shown_itself() {
    let world = World::oci();
    let config = json!({
        "architecture": "arm64", "os": "linux", "created": "2026-11-01T00:00:00Z", "config": {},
        "rootfs": { "type": "layers", "diff_ids": [] },
    });
    let manifest: Vec<u8> = world.manifest("shop/api", &config, "a");
    let mut manifest: Value = serde_json::from_slice(&manifest).unwrap();
    manifest["annotations"] = json!({
        "org.opencontainers.image.base.name": "docker.io/library/debian:13",
        "org.opencontainers.image.base.digest": "sha256:00",
    });
    let manifest = serde_json::to_vec(&manifest).unwrap();
    let image = world.place("shop/api", "1", OCI_MANIFEST, manifest);
    let run = judged(&world, &image.tagged(), &[]).ends(0);
    insta::assert_snapshot!(redacted(&world, &run.stdout));
    let document = shown(&world, &image.tagged(), 0);
    assert_eq!(document["complete"], true);
    assert_eq!(document["subject"]["platform"], "linux/arm64");
    assert_eq!(document["subject"]["builderClaims"], "2026-11-01T00:00:00Z");
    assert_eq!(
        document["subject"]["base"],
        "docker.io/library/debian:13@sha256:00"
    );
}

#[test]
fn what_is_not_there_is_refused_and_hides_no_other_image() {
    let world = World::oci();
    let image = signed(&world);
    let missing = format!("{}:missing", image.repository);
    let run = judged(&world, &missing, &[&image.tagged()]).ends(1);
    run.says("refused[image-not-found]").says("trusted: by");
    let run = judged(&world, &missing, &["--output", "json", &image.tagged()]).ends(1);
    let documents: Vec<Value> = run
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(documents.len(), 2);
    assert_eq!(documents[0]["complete"], true);
    assert_eq!(documents[1]["refusals"][0]["code"], "image-not-found");
    assert_eq!(documents[1].get("subject"), None);
    world.countersign(&["inspect", "no image"]).ends(2);
    world.countersign(&["inspect"]).ends(2);
}

#[test]
fn a_registry_that_is_dead_is_an_error() {
    let world = World::oci();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap();
    drop(listener);
    let image = format!("{host}/shop/api:1");
    judged(&world, &image, &[])
        .ends(3)
        .says("error[registry-unavailable]");
    let document = shown(&world, &image, 3);
    assert_eq!(document["complete"], false);
    assert_eq!(document["errors"][0]["code"], "registry-unavailable");
}

#[test]
fn whatever_cannot_be_fetched_is_said_and_the_rest_is_shown() {
    for (line, code, count) in [
        ("GET /v2/*/referrers/*", "registry-unavailable", 0),
        ("GET /v2/*/manifests/sha256-*", "registry-denied", 2),
        ("GET /v2/*/blobs/*", "registry-unavailable", 0),
    ] {
        let world = World::oci();
        let image = signed(&world);
        world.stand_in.drop_copies("shop/api");
        let status = if code == "registry-denied" { 403 } else { 500 };
        world
            .stand_in
            .faults()
            .push(Fault::on(line, Lie::status(status)));
        let document = shown(&world, &image.tagged(), 3);
        assert_eq!(document["complete"], false, "{line}");
        assert_eq!(document["errors"][0]["code"], code, "{line}");
        let readable = entries(&document);
        let readable = readable.iter().filter(|entry| entry.get("kind").is_some());
        assert_eq!(readable.count(), count, "{line}");
    }
}

#[test]
fn a_policy_that_is_none_and_a_key_beside_a_policy_are_wrong_usage() {
    let world = World::oci();
    let image = signed(&world);
    let policy = world.write(
        "policy.toml",
        "version = 1\n[[policy]]\nmatch = \"nobody.example/**\"\n",
    );
    world
        .countersign(&["inspect", "--policy", &policy, &image.tagged()])
        .ends(2)
        .says("policy-invalid");
    let both = [
        "inspect",
        "--policy",
        &policy,
        "--key",
        &World::kms_key(),
        &image.tagged(),
    ];
    world.countersign(&both).ends(2);
}

#[test]
fn an_index_is_shown_with_its_children() {
    let world = World::oci();
    let (index, children) = world.index("shop/multi", "1", &["amd64", "arm64"]);
    let key = World::kms_key();
    let sign = |image: &str| {
        world
            .countersign(&["sign", "--key", &key, "--no-tsa", image])
            .ends(0);
    };
    sign(&index.tagged());
    sign(&children[0].pinned());
    let run = judged(&world, &index.tagged(), &[]).ends(0);
    insta::assert_snapshot!(redacted(&world, &run.stdout));
    let platform = ["--platform", "linux/amd64"];
    let one = judged(&world, &index.tagged(), &platform).ends(0);
    assert_eq!(
        one.stdout.matches("trusted: by").count(),
        4,
        "{}",
        one.stdout
    );
    let all = judged(&world, &index.tagged(), &["--recursive"]).ends(0);
    insta::assert_snapshot!(redacted(&world, &all.stdout));
    judged(&world, &index.tagged(), &["--platform", "plan9/mips"])
        .ends(1)
        .says("refused[platform-missing]")
        .says("linux/arm64");
    judged(
        &world,
        &index.tagged(),
        &["--recursive", "--platform", "linux/amd64"],
    )
    .ends(2);
}

#[test]
fn the_output_that_cannot_be_written_is_no_success() {
    let world = World::oci();
    let image = signed(&world);
    let mut command = world.command(&["inspect", &image.tagged()]);
    command.stdout(
        fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap(),
    );
    let ended = command.status().unwrap();
    assert_eq!(ended.code(), Some(3));
}

//! One image with an artifact of every kind, each written by its own tool, and what is shown of them.

use std::process::Command;

use serde_json::Value;

use super::{OFFLINE, cosign_sign, docker_registry::DockerRegistry, peer};
use crate::{
    inspect::{judged, redacted},
    world::{Image, Run, World, run},
};

fn oras(world: &World, arguments: &[&str]) -> Run {
    let mut command = peer(world, "oras");
    command.args(arguments);
    run(command)
}

fn notation(world: &World, arguments: &[&str]) -> Run {
    let mut command: Command = peer(world, "notation");
    command.args(arguments);
    run(command).ends(0)
}

/// Ours, by the stand-in's KMS key, which is trusted.
fn ours(world: &World, image: &str) {
    let predicate = world.write("spdx.json", r#"{"spdxVersion":"SPDX-2.3"}"#);
    world
        .countersign(&["sign", "--key", &World::kms_key(), "-a", "env=prod", image])
        .ends(0);
    world
        .countersign(&[
            "attest",
            "--key",
            &World::kms_key(),
            "--type",
            "spdx",
            "--predicate",
            &predicate,
            image,
        ])
        .ends(0);
}

/// cosign's, by a key that is not trusted and in its older format by one that is.
fn cosigns(world: &World, image: &str) {
    let mut generate = peer(world, "cosign");
    generate.arg("generate-key-pair");
    run(generate).ends(0);
    let key = world.path("cosign.key").display().to_string();
    cosign_sign(world, &key, &[], image).ends(0);
    let older = ["--new-bundle-format=false"];
    cosign_sign(world, &key, &older, image).ends(0);
    let trusted = ["--new-bundle-format=false", "-a", "env=prod"];
    cosign_sign(world, &World::kms_key(), &trusted, image).ends(0);
    let predicate = world.write("provenance.json", r#"{"builder":{"id":"me"}}"#);
    let mut attest = peer(world, "cosign");
    attest
        .args(["attest", "--yes", "--key", &World::kms_key()])
        .args(["--predicate", &predicate, "--type", "slsaprovenance"])
        .args(OFFLINE)
        .args(older)
        .arg(image);
    run(attest).ends(0);
}

/// The Notary Project's, in both envelopes.
fn notarys(world: &World, image: &str) {
    notation(
        world,
        &["cert", "generate-test", "--default", "example.com"],
    );
    for format in ["jws", "cose"] {
        notation(
            world,
            &[
                "sign",
                "--insecure-registry",
                "--signature-format",
                format,
                "--user-metadata",
                "env=prod",
                "--expiry",
                "24h",
                image,
            ],
        );
    }
}

/// Others, and something that refers to one of them.
fn others(world: &World, image: &Image) {
    let note = world.write("note.txt", "a note");
    let bill = world.write("bill.json", "{}");
    let relative = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    let attach = |kind: &str, file: &str, media_type: &str, image: &str| {
        let file = format!("{}:{media_type}", relative(file));
        oras(
            world,
            &[
                "attach",
                "--plain-http",
                "--format",
                "json",
                "--artifact-type",
                kind,
                image,
                &file,
            ],
        )
        .ends(0)
        .json()
    };
    attach(
        "application/vnd.example.note",
        &note,
        "text/plain",
        &image.pinned(),
    );
    let sbom = attach(
        "application/spdx+json",
        &bill,
        "application/spdx+json",
        &image.pinned(),
    );
    let digest = sbom["digest"].as_str().unwrap();
    let reference = format!("{}@{digest}", image.repository);
    cosign_sign(world, &World::kms_key(), &[], &reference).ends(0);
}

/// Signatures of ECDSA are of one length or another.
fn forget_sizes(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(forget_sizes),
        Value::Object(members) => {
            members.remove("size");
            members.values_mut().for_each(forget_sizes);
        }
        _ => {}
    }
}

#[test]
fn what_lies_at_the_fallback_tag_of_docker_registry_is_shown() {
    let world = World::oci();
    let registry = DockerRegistry::start(&world);
    let image = world.image("shop/api", "1", "a");
    let pushed = format!("{}/shop/api:1", registry.host);
    let mut copy = peer(&world, "crane");
    copy.args(["copy", "--insecure", &image.pinned(), &pushed]);
    run(copy).ends(0);
    ours(&world, &pushed);
    notarys(
        &world,
        &format!("{}/shop/api@{}", registry.host, image.digest),
    );
    let document = judged(&world, &pushed, &["--output", "json"])
        .ends(0)
        .json();
    let attached = document["subject"]["attached"].as_array().unwrap();
    let formats: Vec<_> = attached
        .iter()
        .map(|one| one["format"].as_str().unwrap())
        .collect();
    assert_eq!(
        formats,
        [
            "sigstore-bundle",
            "sigstore-bundle",
            "sigstore-bundle",
            "notary-jws",
            "notary-cose"
        ]
    );
    let at_tag = serde_json::json!(["fallback-tag"]);
    assert!(
        attached.iter().all(|one| one["foundIn"] == at_tag),
        "{document}"
    );
}

#[test]
fn an_image_with_one_artifact_of_every_kind_is_shown_whole() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    ours(&world, &image.tagged());
    cosigns(&world, &image.pinned());
    notarys(&world, &image.pinned());
    others(&world, &image);
    let shown = judged(&world, &image.tagged(), &[]).ends(0);
    insta::assert_snapshot!("tree", redacted(&world, &shown.stdout));
    let shown = judged(&world, &image.tagged(), &["--output", "json"]).ends(0);
    let mut document = shown.json();
    forget_sizes(&mut document);
    let document = serde_json::to_string_pretty(&document).unwrap();
    insta::assert_snapshot!("json", redacted(&world, &document));
}

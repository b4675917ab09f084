//! Where something is attached: the list of referrers, the fallback tag, cosign's older tags, Amazon ECR's archive.

use std::fs;

use countersign_stand_in::{Fault, Lie, Options, StorageClass, Transport};
use serde_json::{Value, json};

use super::{attach, attached, entries, judged, shown, signed};
use crate::world::{Image, OCI_INDEX, OCI_MANIFEST, Run, World};

fn places(document: &Value) -> Vec<String> {
    let attached = document["subject"]["attached"].as_array().unwrap();
    attached
        .iter()
        .map(|one| one["foundIn"].to_string())
        .collect()
}

#[test]
fn without_a_list_of_referrers_the_fallback_tag_is_read() {
    let world = World::no_referrers();
    let image = signed(&world);
    let document = shown(&world, &image.tagged(), 0);
    assert_eq!(places(&document), [r#"["fallback-tag"]"#; 2]);
    assert!(
        entries(&document)
            .iter()
            .all(|entry| entry["standing"] == "trusted")
    );
}

#[test]
fn an_image_in_a_layout_is_shown_with_the_layout_that_it_is_in() {
    let world = World::ecr();
    world.layout("build", &["1"]);
    world
        .in_layout("sign", "oci:build:1", &["--no-tsa"])
        .ends(0);
    let run = world.in_layout("inspect", "oci:build:1", &[]).ends(0);
    run.says("\n│   read from oci:build:1\n")
        .says("trusted: by");
    let run = world.in_layout("inspect", "oci:build:1", &["--output", "json"]);
    let document = run.ends(0).json();
    assert_eq!(document["layout"], "oci:build:1");
    assert_eq!(document["complete"], true);
    assert_eq!(places(&document), [r#"["referrers"]"#; 2]);
    let run = world.in_layout("inspect", "oci:build:2", &["--output", "json"]);
    assert_eq!(run.ends(1).json()["refusals"][0]["code"], "image-not-found");
}

#[test]
fn beside_a_list_of_referrers_the_fallback_tag_is_read_too() {
    let world = World::oci();
    let image = signed(&world);
    // A mirror of an older client: listed at the tag alone.
    let note = world.blob(&image.path, "text/plain", b"a note");
    let digest = attach(&world, &image, "application/vnd.example.note", &[note]);
    let listed = shown(&world, &image.tagged(), 0);
    assert_eq!(places(&listed).len(), 3);
    let entry = listed["subject"]["attached"].as_array().unwrap();
    let entry = entry.iter().find(|one| one["digest"] == digest).unwrap();
    let other = world.image("shop/api", "2", "b");
    let elsewhere = attach(&world, &other, "application/vnd.example.other", &[]);
    let index = json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
            { "mediaType": OCI_MANIFEST, "digest": digest, "size": entry["size"] },
            { "mediaType": OCI_MANIFEST, "digest": elsewhere, "size": 1 },
        ],
    });
    let tag = image.digest.replace(':', "-");
    world.place(
        &image.path,
        &tag,
        OCI_INDEX,
        serde_json::to_vec(&index).unwrap(),
    );
    let document = shown(&world, &image.tagged(), 0);
    assert_eq!(
        places(&document),
        [
            r#"["referrers"]"#,
            r#"["referrers"]"#,
            r#"["referrers","fallback-tag"]"#,
            r#"["fallback-tag"]"#,
        ]
    );
    let last = &document["subject"]["attached"][3];
    assert_eq!(last["problem"]["code"], "descriptor-mismatch");
}

#[test]
fn a_signature_that_lies_where_verify_does_not_look_is_not_trusted() {
    let world = World::oci();
    let image = signed(&world);
    let document = shown(&world, &image.tagged(), 0);
    let signature = &document["subject"]["attached"][0];
    let layers = json!([signature["layers"][0]]);
    let config = world.blob(&image.path, "application/vnd.oci.empty.v1+json", b"{}");
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": signature["artifactType"],
        "config": config, "layers": layers,
    });
    let tag = format!("{}.sig", image.digest.replace(':', "-"));
    let manifest = serde_json::to_vec(&manifest).unwrap();
    world.place(&image.path, &tag, OCI_MANIFEST, manifest);
    let document = shown(&world, &image.tagged(), 0);
    let standing = |place: &str| {
        let attached = document["subject"]["attached"].as_array().unwrap();
        let found = attached
            .iter()
            .find(|one| one["foundIn"] == json!([place]))
            .unwrap();
        let entry = &found["entries"][0];
        (entry["standing"].clone(), entry["reason"]["code"].clone())
    };
    assert_eq!(standing("referrers"), (json!("trusted"), Value::Null));
    assert_eq!(
        standing("signature-tag"),
        (json!("untrusted"), json!("artifact-unlisted"))
    );
    // A tag stands in for no list where the registry has one, though it be empty.
    let listed = json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [{
            "mediaType": OCI_MANIFEST, "digest": signature["digest"], "size": signature["size"],
        }],
    });
    let tag = image.digest.replace(':', "-");
    let listed = serde_json::to_vec(&listed).unwrap();
    world.place(&image.path, &tag, OCI_INDEX, listed);
    let empty = Lie::Member("manifests".to_owned(), "[]".to_owned());
    world
        .stand_in
        .faults()
        .push(Fault::on("GET /v2/*/referrers/*", empty));
    let document = shown(&world, &image.tagged(), 0);
    assert_eq!(places(&document).len(), 2);
    for entry in entries(&document) {
        assert_eq!(entry["reason"]["code"], "artifact-unlisted", "{entry}");
    }
}

#[test]
fn a_fallback_tag_that_names_no_list_is_said() {
    let world = World::oci();
    let image = signed(&world);
    let tag = image.digest.replace(':', "-");
    world.place(&image.path, &tag, OCI_MANIFEST, image.manifest.clone());
    let document = shown(&world, &image.tagged(), 3);
    assert_eq!(document["errors"][0]["code"], "malformed");
    assert_eq!(places(&document).len(), 2);
}

#[test]
fn a_fallback_tag_may_list_more_than_an_index_of_images() {
    let world = World::oci();
    let image = signed(&world);
    let entry = |one: usize| {
        let digest = format!("sha256:{one:064x}");
        json!({ "mediaType": OCI_MANIFEST, "digest": digest, "size": 1 })
    };
    let entries: Vec<_> = (0..257).map(entry).collect();
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries });
    let tag = image.digest.replace(':', "-");
    let index = serde_json::to_vec(&index).unwrap();
    world.place(&image.path, &tag, OCI_INDEX, index);
    let document = shown(&world, &image.tagged(), 0);
    assert_eq!(places(&document).len(), 2 + 257);
}

/// A world in which Amazon ECR has its true name, and an image of which something was archived.
fn archive() -> (World, Image, String) {
    let world = World::with(Options {
        transport: Transport::AwsNames,
        ..Options::default()
    });
    fs::create_dir(world.path("no-login")).unwrap();
    let image = world.image("shop/api", "1", "a");
    let note = world.blob(&image.path, "text/plain", b"a note");
    let digest = attach(&world, &image, "application/vnd.example.note", &[note]);
    assert!(
        world
            .stand_in
            .set_storage(&image.path, &digest, StorageClass::Archive)
    );
    (world, image, digest)
}

fn inspect(world: &World, image: &Image, more: &[&str]) -> Run {
    let folder = world.path("no-login").display().to_string();
    let image = image.tagged();
    let arguments = [&["inspect", &image], more].concat();
    world.countersign_with(&arguments, &[("DOCKER_CONFIG", &folder)])
}

#[test]
fn what_amazon_ecr_put_away_is_shown_as_archived() {
    let (world, image, digest) = archive();
    inspect(&world, &image, &[])
        .ends(0)
        .says(&digest)
        .says("in the archive")
        .says("[artifact-archived]");
    let document = inspect(&world, &image, &["--output", "json"])
        .ends(0)
        .json();
    assert_eq!(places(&document), [r#"["archive"]"#]);
    let archived = &document["subject"]["attached"][0];
    assert_eq!(archived["artifactType"], "application/vnd.example.note");
    assert_eq!(archived["problem"]["code"], "artifact-archived");
    // Brought back, it is like any other.
    world
        .stand_in
        .set_storage(&image.path, &digest, StorageClass::Standard);
    let document = inspect(&world, &image, &["--output", "json"])
        .ends(0)
        .json();
    assert_eq!(places(&document), [r#"["referrers"]"#]);
}

#[test]
fn what_refers_to_an_artifact_and_was_put_away_is_shown_below_it() {
    let (world, image, _) = archive();
    let note = world.blob(&image.path, "text/plain", b"a note");
    let note = [note];
    let parent = attached(&world, &image, "application/vnd.example.parent", &note);
    let below = attach(&world, &parent, "application/vnd.example.below", &note);
    let shown = |class| {
        assert!(world.stand_in.set_storage(&image.path, &below, class));
        let run = inspect(&world, &image, &["--output", "json"]);
        let document = run.ends(0).json();
        let artifacts = document["subject"]["attached"].as_array().unwrap();
        let mut artifacts = artifacts.iter();
        let parent = artifacts.find(|one| one["digest"] == parent.digest.as_str());
        parent.unwrap()["attached"].clone()
    };
    let before = shown(StorageClass::Standard);
    assert_eq!(before[0]["digest"], below);
    assert_eq!(before[0]["foundIn"], json!(["referrers"]));
    let after = shown(StorageClass::Archive);
    assert_eq!(after[0]["digest"], below);
    assert_eq!(after[0]["foundIn"], json!(["archive"]));
    assert_eq!(after[0]["problem"]["code"], "artifact-archived");
}

#[test]
fn an_archive_that_may_not_be_asked_is_said_and_is_no_error() {
    let (world, image, digest) = archive();
    let denied = Lie::aws_error(
        400,
        "AccessDeniedException",
        "not authorized: ecr:BatchGetImage",
    );
    world
        .stand_in
        .faults()
        .push(Fault::on("*ListImageReferrers", denied));
    let run = inspect(&world, &image, &[]).ends(0);
    let run = run
        .says("remark[registry-denied]: archived artifacts are not shown")
        .says("ecr:BatchGetImage");
    assert!(!run.stdout.contains(&digest), "{}", run.stdout);
    let document = inspect(&world, &image, &["--output", "json"])
        .ends(0)
        .json();
    assert_eq!(document["complete"], true);
    assert_eq!(document["remarks"][0]["code"], "registry-denied");
}

#[test]
fn an_archive_that_gives_empty_pages_was_not_seen_to_its_end() {
    let (world, image, _) = archive();
    let page = Lie::Body(r#"{"referrers":[],"nextToken":"more"}"#.into());
    world
        .stand_in
        .faults()
        .push(Fault::on("*ListImageReferrers", page));
    inspect(&world, &image, &[])
        .ends(0)
        .says("archived artifacts are not shown")
        .says("an empty page that is not the last");
}

#[test]
fn many_that_are_archived_are_shown_page_by_page() {
    let (world, image, _) = archive();
    for number in 0..60 {
        let digest = attach(
            &world,
            &image,
            &format!("application/vnd.example.{number}"),
            &[],
        );
        world
            .stand_in
            .set_storage(&image.path, &digest, StorageClass::Archive);
    }
    let document = inspect(&world, &image, &["--output", "json"])
        .ends(0)
        .json();
    assert_eq!(places(&document).len(), 61);
}

#[test]
fn another_registry_has_no_archive_to_ask() {
    let world = World::ecr();
    let image = signed(&world);
    world.stand_in.forget_calls();
    judged(&world, &image.tagged(), &[]).ends(0);
    assert!(
        world
            .calls(|call| call.line.contains("ListImageReferrers"))
            .is_empty()
    );
}

#[test]
fn older_signatures_of_cosign_are_read_among_the_referrers_too() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    let payload = json!({
        "critical": {
            "identity": { "docker-reference": image.repository },
            "image": { "docker-manifest-digest": image.digest },
            "type": "cosign container image signature",
        },
        "optional": null,
    });
    let simple = "application/vnd.dev.cosign.simplesigning.v1+json";
    let mut layer = world.blob(&image.path, simple, payload.to_string().as_bytes());
    layer["annotations"] = json!({ "dev.cosignproject.cosign/signature": "MAA=" });
    let kind = "application/vnd.dev.cosign.artifact.sig.v1+json";
    attach(&world, &image, kind, &vec![layer.clone(); 100]);
    let document = shown(&world, &image.tagged(), 0);
    assert_eq!(
        document["subject"]["attached"][0]["format"],
        "cosign-signature"
    );
    let read = entries(&document);
    assert_eq!(read.len(), 100);
    assert_eq!(read[0]["repository"], image.repository);
    assert_eq!(read[0].get("otherSubject"), None);

    let other = world.image("shop/api", "2", "b");
    attach(&world, &other, kind, &vec![layer; 101]);
    let document = shown(&world, &other.tagged(), 3);
    assert_eq!(document["errors"][0]["code"], "too-large");
    assert_eq!(entries(&document)[0]["otherSubject"], image.digest);
}

#[test]
fn what_older_tags_attach_to_a_child_is_counted_too() {
    let world = World::oci();
    let (index, children) = world.index("shop/multi", "1", &["amd64", "arm64"]);
    let child = &children[0];
    let tag = format!("{}.sig", child.digest.replace(':', "-"));
    world.place(&child.path, &tag, OCI_MANIFEST, child.manifest.clone());
    let document = shown(&world, &index.tagged(), 0);
    let children = &document["subject"]["children"];
    assert_eq!(children[0]["attachedCount"], 1);
    assert_eq!(children[1]["attachedCount"], 0);
}

#[test]
fn what_is_no_child_is_said_to_be_none_and_each_child_is_shown_once() {
    let world = World::oci();
    let (index, _) = world.index("shop/multi", "1", &["amd64"]);
    let listed: Value = serde_json::from_slice(&index.manifest).unwrap();
    let child = &listed["manifests"][0];
    let mut untrue = child.clone();
    untrue["mediaType"] = json!("application/vnd.docker.distribution.manifest.v2+json");
    let inner =
        json!({ "mediaType": OCI_INDEX, "digest": index.digest, "size": index.manifest.len() });
    let outer = json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child, inner, child, untrue],
    });
    let outer = serde_json::to_vec(&outer).unwrap();
    let outer = world.place(&index.path, "2", OCI_INDEX, outer);
    let document = judged(
        &world,
        &outer.tagged(),
        &["--recursive", "--output", "json"],
    );
    let document = document.ends(0).json();
    let children = document["subject"]["children"].as_array().unwrap();
    let problems: Vec<_> = children.iter().map(|one| &one["error"]["code"]).collect();
    assert_eq!(
        json!(problems),
        json!([null, "child-not-image", "descriptor-mismatch"])
    );
}

#[test]
fn a_trust_root_that_is_attached_is_shown_and_is_nobodys() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    let root = json!({ "signed": { "version": 7, "expires": "2027-01-01T00:00:00Z" } });
    let kind = "application/vnd.countersign.root.v1+json";
    let layer = world.blob(&image.path, kind, root.to_string().as_bytes());
    attach(&world, &image, kind, &[layer]);
    let entry = &entries(&shown(&world, &image.tagged(), 0))[0];
    assert_eq!(entry["kind"], "trust-root");
    assert_eq!(entry["standing"], "not-verified-here");
    assert_eq!(entry["attributes"]["version"], "7");
    assert_eq!(entry["until"], "2027-01-01T00:00:00Z");
}

#[test]
fn what_does_not_come_in_time_is_an_error_and_the_rest_is_shown() {
    let world = World::oci();
    let image = signed(&world);
    let note = world.blob(&image.path, "text/plain", b"a note");
    let digest = attach(&world, &image, "application/vnd.example.note", &[note]);
    let silent = format!("GET /v2/*/manifests/{digest}");
    world
        .stand_in
        .faults()
        .push(Fault::on(&silent, Lie::Silence));
    let run = judged(
        &world,
        &image.tagged(),
        &["--timeout", "2", "--output", "json"],
    );
    let document = run.ends(3).json();
    assert_eq!(document["errors"][0]["code"], "fetch-timeout");
    assert_eq!(entries(&document).len(), 2);
}

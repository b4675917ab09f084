//! `countersign verify --deep`, through the stand-in.

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use countersign_common::Digest;
use countersign_stand_in::{Call, Fault, Lie, Login, Options, Part, RegistryMode};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use crate::world::{Image, OCI_INDEX, OCI_MANIFEST, Run, World};

const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const TAR: &str = "application/vnd.oci.image.layer.v1.tar";
const TAR_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(content).unwrap();
    packer.finish().unwrap()
}

/// A layer: its type, its bytes, and what its configuration says that it unpacks to.
type Layer = (&'static str, Vec<u8>, Digest);

fn packed(content: &[u8]) -> Layer {
    (TAR_GZIP, gzip(content), Digest::sha256(content))
}

/// An image with these layers, signed with the stand-in's key.
fn image(world: &World, tag: &str, layers: &[Layer]) -> Image {
    let image = unsigned(world, tag, layers);
    sign(world, &image);
    image
}

fn sign(world: &World, image: &Image) {
    let key = World::kms_key();
    let arguments = ["sign", "--key", &key, "--no-tsa", &image.tagged()];
    world
        .countersign_with(&arguments, &[("COUNTERSIGN_TSA", "")])
        .ends(0);
}

fn unsigned(world: &World, tag: &str, layers: &[Layer]) -> Image {
    let diff_ids: Vec<_> = layers.iter().map(|(_, _, diff_id)| diff_id).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let config = world.blob("shop/api", OCI_CONFIG, config.to_string().as_bytes());
    let layers: Vec<Value> = layers
        .iter()
        .map(|(media_type, bytes, _)| world.blob("shop/api", media_type, bytes))
        .collect();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers,
    });
    world.place(
        "shop/api",
        tag,
        OCI_MANIFEST,
        manifest.to_string().into_bytes(),
    )
}

fn arguments<'a>(key: &'a str, image: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [
        &["verify", "--key", key, "--output", "json"],
        more,
        &[image],
    ]
    .concat()
}

fn verify(world: &World, image: &Image, more: &[&str]) -> Run {
    world.countersign(&arguments(&World::kms_key(), &image.tagged(), more))
}

fn two(world: &World) -> (Image, String) {
    let program = packed(b"a program");
    let digest = Digest::sha256(&program.1).to_string();
    let base = (TAR, b"a base".to_vec(), Digest::sha256(b"a base"));
    (image(world, "1", &[base, program]), digest)
}

#[test]
fn layers_are_looked_at_as_deeply_as_is_asked() {
    for world in [World::ecr(), World::oci()] {
        let (image, _) = two(&world);
        let integrity = |more: &[&str]| {
            let verdict = verify(&world, &image, more).ends(0).json();
            assert_eq!(verdict["pinned"], image.pinned());
            verdict["integrity"].clone()
        };
        let shallow = integrity(&[]);
        assert_eq!(
            (&shallow["depth"], &shallow["layers"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(integrity(&["--deep"])["depth"], "layers");
        assert_eq!(integrity(&["--deep=layers"])["layers"]["count"], 2);
        let deepest = integrity(&["--deep=unpacked"]);
        assert_eq!(deepest["depth"], "unpacked");
        assert_eq!(deepest["layers"]["unpacked"], 2);
        let key = World::kms_key();
        let reference = image.tagged();
        let bare = arguments(&key, &reference, &[]);
        let by_variable = world
            .countersign_with(&bare, &[("COUNTERSIGN_DEEP", "unpacked")])
            .ends(0);
        assert_eq!(by_variable.json()["integrity"], deepest);
        let file = world.write(
            "config.toml",
            "version = 1\n[verify]\ndeep = \"unpacked\"\n",
        );
        assert_eq!(integrity(&["--config", &file]), deepest);
        verify(&world, &image, &["--deep=all"]).ends(2);
        let pinned = world
            .countersign(&["verify", "--key", &key, "--deep", "--pin", &reference])
            .ends(0);
        assert_eq!(pinned.stdout.trim(), image.pinned());
    }
}

#[test]
fn a_person_reads_what_was_looked_at() {
    let world = World::oci();
    let (image, _) = two(&world);
    let key = World::kms_key();
    let said = |deep: &str| {
        world
            .countersign(&["verify", "--key", &key, deep, &image.tagged()])
            .ends(0)
    };
    said("--deep").says("its configuration and 2 layers (35 bytes) hash to their names\n");
    said("--deep=unpacked").says("hash to their names, and unpacked to what is named\n");
}

#[test]
fn one_changed_byte_of_a_layer_is_refused() {
    let world = World::oci();
    let (image, layer) = two(&world);
    let blob = format!("GET /v2/shop/api/blobs/{layer}");
    world
        .stand_in
        .faults()
        .push(Fault::on(&blob, Lie::FlipByte(15)));
    for deep in ["--deep", "--deep=unpacked"] {
        let run = verify(&world, &image, &[deep]).ends(1);
        assert_eq!(run.json()["refusals"][0]["code"], "digest-mismatch");
        assert_eq!(run.json()["integrity"]["status"], "failed");
    }
    verify(&world, &image, &[]).ends(0);
}

#[test]
fn a_layer_that_cannot_be_had_decides_nothing() {
    let world = World::oci();
    let (image, layer) = two(&world);
    let blob = format!("GET /v2/shop/api/blobs/{layer}");
    let drip = Lie::Drip {
        every: Duration::from_millis(100),
        part: Part::Body,
    };
    for (lie, code) in [
        (Lie::status(404), "registry-unavailable"),
        (Lie::status(500), "registry-unavailable"),
        (Lie::status(403), "registry-denied"),
        (Lie::throttled("0"), "registry-throttled"),
        (Lie::ResetAfter(3), "registry-unavailable"),
        (Lie::Silence, "fetch-timeout"),
        (drip, "fetch-timeout"),
    ] {
        world.stand_in.faults().push(Fault::on(&blob, lie.clone()));
        let run = verify(&world, &image, &["--deep=unpacked", "--timeout", "2"]).ends(3);
        assert_eq!(run.json()["errors"][0]["code"], code, "{lie:?}");
        assert_eq!(run.json()["pinned"], Value::Null);
        verify(&world, &image, &[]).ends(0);
        world.stand_in.faults().clear();
    }
    verify(&world, &image, &["--deep=unpacked"]).ends(0);
}

#[test]
fn a_foreign_layer_that_is_left_elsewhere_is_named_so() {
    for foreign in [
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    ] {
        let world = World::oci();
        let (_, base, diff_id) = packed(b"windows");
        let layers = [(foreign, base.clone(), diff_id), packed(b"ours")];
        let image = image(&world, "1", &layers);
        verify(&world, &image, &["--deep=unpacked"]).ends(0);

        let digest = Digest::sha256(&base);
        let blob = format!("GET /v2/shop/api/blobs/{digest}");
        let absent = Fault::on(&blob, Lie::status(404));
        world.stand_in.faults().push(absent);
        let run = verify(&world, &image, &["--deep"]).ends(3);
        let error = &run.json()["errors"][0];
        assert_eq!(error["code"], "registry-unavailable");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(&format!(
            "the layer {digest}, which is foreign (`{foreign}`)"
        )));
        verify(&world, &image, &[]).ends(0);
    }
}

#[test]
fn a_layer_that_unpacks_to_another_is_refused() {
    let world = World::oci();
    let lying = (TAR_GZIP, gzip(b"a program"), Digest::sha256(b"another"));
    let image = image(&world, "1", &[lying]);
    let run = verify(&world, &image, &["--deep=unpacked"]).ends(1);
    assert_eq!(run.json()["refusals"][0]["code"], "diff-id-mismatch");
    verify(&world, &image, &["--deep"]).ends(0);
}

#[test]
fn what_is_refused_anyway_is_not_fetched() {
    let world = World::oci();
    let layer = packed(b"a program");
    let digest = Digest::sha256(&layer.1).to_string();
    let image = unsigned(&world, "1", &[layer]);
    verify(&world, &image, &["--deep=unpacked"]).ends(1);
    let asked = world.calls(|call| call.line.contains(&digest));
    assert_eq!(asked.len(), 0);
}

/// How a command ended, and how much memory it had at the most, in KiB.
fn measured(mut command: Command) -> (Run, u64) {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    let mut peak = 0;
    loop {
        let read = fs::read_to_string(&status).unwrap_or_default();
        let line = read.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let size = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        peak = peak.max(size.unwrap_or_default());
        match ended.recv_timeout(Duration::from_millis(2)) {
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => panic!("nobody waited for it"),
            Ok(output) => {
                let output = output.unwrap();
                let text = |bytes| String::from_utf8(bytes).unwrap();
                let run = Run {
                    code: output.status.code().unwrap(),
                    stdout: text(output.stdout),
                    stderr: text(output.stderr),
                };
                return (run, peak);
            }
        }
    }
}

#[test]
fn a_layer_that_unpacks_to_far_more_than_it_is_ends_at_its_limit_and_costs_no_memory() {
    let world = World::oci();
    let zeros = vec![0; 32 << 20];
    let member = gzip(&zeros);
    // A gigabyte from a megabyte; and, of honest bytes, some that would be noticed.
    let bomb = (TAR_GZIP, member.repeat(32), Digest::sha256(b"never seen"));
    let noise: Vec<u8> = (0..16_u32 << 20)
        .flat_map(|number| number.wrapping_mul(0x9e37_79b9).to_be_bytes())
        .collect();
    let honest = (TAR, noise.clone(), Digest::sha256(&noise));
    let key = World::kms_key();
    for (tag, layer, code) in [("bomb", bomb, 1), ("honest", honest, 0)] {
        let image = image(&world, tag, &[layer]);
        let reference = image.tagged();
        let command = world.command(&arguments(&key, &reference, &["--deep=unpacked"]));
        let (run, peak) = measured(command);
        let run = run.ends(code);
        if code == 1 {
            assert_eq!(run.json()["refusals"][0]["code"], "layer-ratio");
        }
        assert!(peak > 1_000, "{peak} KiB: nothing was measured");
        assert!(peak < 60_000, "{tag}: {peak} KiB");
    }
}

#[test]
fn of_an_index_all_children_are_looked_at() {
    let world = World::oci();
    let amd64 = unsigned(&world, "amd64", &[packed(b"shared"), packed(b"amd64")]);
    // As BuildKit attests: an image whose layers are no archives.
    let statement = b"{}".to_vec();
    let sbom = (
        "application/vnd.in-toto+json",
        statement.clone(),
        Digest::sha256(&statement),
    );
    let attested = unsigned(&world, "attested", &[packed(b"shared"), sbom]);
    let child = |image: &Image, os: &str| {
        json!({
            "mediaType": OCI_MANIFEST, "digest": image.digest, "size": image.manifest.len(),
            "platform": { "os": os, "architecture": "amd64" },
        })
    };
    let index = json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX,
        "manifests": [child(&amd64, "linux"), child(&attested, "unknown")],
    });
    let index = world.place("shop/api", "1", OCI_INDEX, index.to_string().into_bytes());
    sign(&world, &index);
    let integrity = |more: &[&str]| {
        let verdict = verify(&world, &index, more).ends(0).json();
        verdict["integrity"].clone()
    };
    assert_eq!(integrity(&["--deep=unpacked"])["layers"]["unpacked"], 3);
    let platform = ["--deep", "--platform", "linux/amd64"];
    assert_eq!(integrity(&platform)["layers"]["count"], 2);
    let each = ["--deep", "--recursive"];
    verify(&world, &index, &each).ends(1);
    for child in [&amd64, &attested] {
        sign(&world, child);
    }
    let verdict = verify(&world, &index, &each).ends(0).json();
    for child in 0..2 {
        let integrity = &verdict["children"][child]["integrity"];
        assert_eq!(integrity["layers"]["count"], 2, "{integrity}");
    }
    let sbom = Digest::sha256(&statement);
    world.stand_in.faults().push(Fault::on(
        &format!("GET /v2/shop/api/blobs/{sbom}"),
        Lie::FlipByte(0),
    ));
    verify(&world, &index, &["--deep"]).ends(1);
    let verdict = verify(&world, &index, &each).ends(1).json();
    let verdicts = [0, 1].map(|child| &verdict["children"][child]["verdict"]);
    assert_eq!(verdicts, ["verified", "refused"]);
    assert!(!verdict.to_string().contains("pinned"), "{verdict}");
    verify(&world, &index, &["--recursive"]).ends(0);
    verify(&world, &index, &platform).ends(0);
}

#[test]
fn several_images_are_each_looked_at() {
    let world = World::oci();
    let images: Vec<_> = (0..10)
        .map(|number| {
            let own = packed(format!("{number}").as_bytes());
            image(&world, &number.to_string(), &[packed(b"shared"), own])
        })
        .collect();
    let references: Vec<_> = images.iter().map(Image::tagged).collect();
    let key = World::kms_key();
    let arguments: Vec<&str> = ["verify", "--key", &key, "--deep=unpacked", "--pin"]
        .into_iter()
        .chain(references.iter().map(String::as_str))
        .collect();
    let run = world.countersign(&arguments).ends(0);
    assert_eq!(run.stdout.lines().count(), 10);
    let shared = Digest::sha256(&gzip(b"shared")).to_string();
    let asked = world.calls(|call| call.line.ends_with(&shared));
    assert_eq!(asked.len(), 1, "what they share is fetched once");
}

#[test]
fn layers_that_never_come_keep_none_of_another_registry_waiting() {
    let silent = World::oci();
    let other = World::with(Options {
        // So that its image asks for a turn after all of the others are taken.
        delay: Duration::from_millis(300),
        registry: RegistryMode::PlainOci(Login::Anonymous),
        ..Options::default()
    });
    let (private, public) = silent.key_files("team", "p256");
    let layers = ["a", "b", "c", "d", "e"].map(|content| packed(content.as_bytes()));
    let images = [&silent, &other].map(|world| unsigned(world, "1", &layers));
    for (world, image) in [&silent, &other].into_iter().zip(&images) {
        let sign = ["sign", "--no-tsa", "--key", &private, &image.tagged()];
        world.countersign(&sign).ends(0);
        world.stand_in.forget_calls();
    }
    for (_, bytes, _) in &layers {
        let call = format!("GET /v2/*/blobs/{}", Digest::sha256(bytes));
        silent
            .stand_in
            .faults()
            .push(Fault::on(&call, Lie::Silence));
    }
    let names = [images[0].tagged(), images[1].tagged()];
    let deep = ["--deep", "--timeout", "8", &names[0]];
    let run = silent
        .countersign(&arguments(&public, &names[1], &deep))
        .ends(3);
    assert!(
        run.stdout.contains(r#""verdict":"verified""#),
        "{}",
        run.stdout
    );
    let is_layer = |call: &Call| call.status == 200 && call.line.contains("/blobs/");
    let [asked, ended] = [&silent.calls(|_| true), &other.calls(is_layer)];
    let ended = ended.last().unwrap().span.end;
    // Before the first of the others is given up.
    assert!(ended.duration_since(asked[0].span.start) < Duration::from_secs(7));
}

//! Signatures that cosign made before version 3, at a tag beside their image: verified where that is asked for.

use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_stand_in::{Fault, Lie, Service};
use p256::{
    SecretKey,
    ecdsa::{Signature, SigningKey, signature::Signer as _},
    pkcs8::{EncodePublicKey as _, LineEnding},
};
use serde_json::{Value, json};

use crate::{
    governed::Team,
    layouts::NAME,
    world::{Image, OCI_MANIFEST, Run, World},
};

pub(crate) const FLAG: &str = "--legacy-signatures";

/// A key, and what it signed as cosign did.
pub(crate) struct Older {
    key: SecretKey,
}

impl Older {
    /// Of the same material as in a team's folder.
    pub(crate) fn numbered(number: u8) -> Self {
        let key = SecretKey::from_slice(&[number; 32]).unwrap();
        Self { key }
    }

    /// The file of the public key.
    pub(crate) fn public(&self, world: &World) -> String {
        let public = self.key.public_key();
        world.write(
            "older.pub",
            &public.to_public_key_pem(LineEnding::LF).unwrap(),
        )
    }

    fn payload(reference: &str, digest: &str) -> String {
        json!({
            "critical": {
                "identity": { "docker-reference": reference },
                "image": { "docker-manifest-digest": digest },
                "type": "cosign container image signature",
            },
            "optional": { "env": "prod" },
        })
        .to_string()
    }

    /// The manifest at the tag, of one layer: the signature of a payload.
    fn manifest(&self, payload: &str, config: &Value, mut layer: Value) -> Value {
        let signature: Signature = SigningKey::from(&self.key).sign(payload.as_bytes());
        let signature = STANDARD.encode(signature.to_der());
        layer["annotations"] = json!({ "dev.cosignproject.cosign/signature": signature });
        json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer],
        })
    }

    pub(crate) fn sign(&self, world: &World, image: &Image) -> Image {
        self.sign_as(world, image, &image.repository)
    }

    fn sign_as(&self, world: &World, image: &Image, reference: &str) -> Image {
        let payload = Self::payload(reference, &image.digest);
        let layer = world.blob(&image.path, SIMPLE, payload.as_bytes());
        let config = world.blob(&image.path, CONFIG, b"{}");
        let manifest = self.manifest(&payload, &config, layer).to_string();
        world.place(
            &image.path,
            &tag(&image.digest),
            OCI_MANIFEST,
            manifest.into(),
        )
    }
}

const SIMPLE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

fn tag(digest: &str) -> String {
    format!("{}.sig", digest.replace(':', "-"))
}

fn key() -> Older {
    Older::numbered(11)
}

/// An image with such a signature, and how it is verified.
struct Scene {
    world: World,
    public: String,
    image: Image,
    signatures: Image,
}

impl Scene {
    fn within(world: World) -> Self {
        let image = world.image("shop/api", "1", "a");
        Self {
            public: key().public(&world),
            signatures: key().sign(&world, &image),
            image,
            world,
        }
    }

    fn verify(&self, more: &[&str]) -> Run {
        let verify = ["verify", "--key", &self.public];
        self.world.countersign(&[&verify, more].concat())
    }

    /// A lie about the tag.
    fn lies(&self, lie: Lie) {
        let request = format!("GET /v2/shop/api/manifests/{}", self.signatures.tag);
        let faults = self.world.stand_in.faults();
        faults.push(Fault::on(&request, lie));
    }
}

#[test]
fn a_tag_that_never_answers_keeps_nothing_waiting_for_long_that_is_verified_without_it() {
    let scene = Scene::within(World::oci());
    let image = scene.image.tagged();
    let (private, public) = scene.world.key_files("team", "p256");
    let sign = ["sign", "--key", &private, &image];
    scene.world.countersign(&sign).ends(0);
    scene.lies(Lie::Silence);
    let verify = |key: &str| {
        let verify = ["verify", FLAG, "--timeout", "10", "--key", key, &image];
        scene.world.countersign(&verify)
    };
    let began = Instant::now();
    verify(&public).ends(0).says("remark[fetch-timeout]");
    assert!(began.elapsed() < Duration::from_secs(7));
    verify(&scene.public).ends(3);
}

#[test]
fn what_cosign_left_at_a_tag_counts_only_where_it_is_asked_for() {
    for world in [World::ecr(), World::oci(), World::no_referrers()] {
        let scene = Scene::within(world);
        let image = scene.image.tagged();
        scene
            .verify(&[&image])
            .ends(1)
            .says("refused[signature-missing]")
            .says(FLAG);
        scene.verify(&[&image, FLAG]).ends(0).says("level `signed`");
        let document = scene.verify(&[&image, FLAG, "--output", "json"]).json();
        let signature = &document["authenticity"]["signatures"][0];
        assert_eq!(signature["artifact"], json!(scene.signatures.digest));
        assert_eq!(signature["repository"], json!(scene.image.repository));
        assert_eq!(signature["format"], json!("cosign-signature"));
        assert_eq!(document["remarks"], json!([]), "{document:#}");
        let unsigned = scene.world.image("shop/api", "2", "b").tagged();
        let run = scene.verify(&[&unsigned, FLAG]).ends(1);
        assert!(!run.stdout.contains(FLAG), "{}", run.stdout);
    }
}

#[test]
fn it_is_held_against_every_demand() {
    let scene = Scene::within(World::oci());
    let image = scene.image.tagged();
    let verify = |more: &[&str]| scene.verify(&[&[&image, FLAG], more].concat());
    verify(&["-a", "env=prod", "--require-repository"]).ends(0);
    verify(&["-a", "env=test"])
        .ends(1)
        .says("refused[annotation-mismatch]");
    verify(&["--threshold", "2"]).ends(2);
    let (_, other) = scene.world.key_files("other", "p256");
    let both = ["--key", &other];
    verify(&[&both[..], &["--threshold", "2"]].concat())
        .ends(1)
        .says("refused[threshold-not-met]");
    let chain = scene.world.path("docker/tsa.pem").display().to_string();
    verify(&["--tsa-chain", &chain, "--require", "dated"])
        .ends(1)
        .says("refused[publication-missing]");
    let alone = ["verify", "--key", &other, FLAG, &image];
    scene
        .world
        .countersign(&alone)
        .ends(1)
        .says("refused[key-unknown]");
}

#[test]
fn another_repository_is_said_and_where_one_is_demanded_refused() {
    let scene = Scene::within(World::oci());
    let copy = scene.world.image("shop/copy", "1", "a");
    key().sign_as(&scene.world, &copy, &scene.image.repository);
    let image = copy.tagged();
    scene
        .verify(&[&image, FLAG])
        .ends(0)
        .says("remark[repository-mismatch]");
    scene
        .verify(&[&image, FLAG, "--require-repository"])
        .ends(1)
        .says("refused[repository-mismatch]");
}

#[test]
fn each_of_many_images_and_each_child_has_a_tag_of_its_own() {
    let scene = Scene::within(World::oci());
    let world = &scene.world;
    let (index, children) = world.index("shop/api", "all", &["amd64", "arm64"]);
    let recursive = |code: i32| {
        let run = scene.verify(&[FLAG, "--recursive", &index.tagged()]);
        run.ends(code)
    };
    key().sign(world, &index);
    key().sign(world, &children[0]);
    recursive(1).says("refused[signature-missing]: linux/arm64");
    key().sign(world, &children[1]);
    recursive(0);
    let unsigned = world.image("shop/api", "2", "b");
    let list = format!(
        "{}\n{}\n{}\n",
        scene.image.tagged(),
        unsigned.tagged(),
        index.pinned()
    );
    let list = world.write("images.txt", &list);
    let run = scene
        .verify(&[FLAG, "-f", &list, "--output", "json"])
        .ends(1);
    let verdicts: Vec<Value> = serde_json::Deserializer::from_str(&run.stdout)
        .into_iter()
        .map(|verdict| verdict.unwrap())
        .collect();
    let verdicts: Vec<_> = verdicts
        .iter()
        .map(|verdict| verdict["verdict"].clone())
        .collect();
    assert_eq!(verdicts, ["verified", "refused", "verified"]);
}

#[test]
fn only_what_is_not_there_is_absent() {
    let scene = Scene::within(World::oci());
    let image = scene.image.tagged();
    for (status, code, says) in [
        (404, 1, "refused[signature-missing]"),
        (403, 3, "error[registry-denied]"),
        (500, 3, "error[registry-unavailable]"),
    ] {
        scene.lies(Lie::status(status));
        scene.verify(&[&image, FLAG]).ends(code).says(says);
        scene.world.stand_in.faults().clear();
    }
    scene.verify(&[&image, FLAG]).ends(0);
}

#[test]
fn whatever_becomes_of_the_tag_takes_nothing_from_what_is_listed() {
    let scene = Scene::within(World::oci());
    let (private, public) = scene.world.key_files("team", "p256");
    let image = scene.image.pinned();
    let sign = ["sign", "--key", &private, &image];
    scene.world.countersign(&sign).ends(0);
    let chain = scene.world.path("docker/tsa.pem").display().to_string();
    let verify = ["verify", "--key", &public, FLAG, "--tsa-chain", &chain];
    let dated = ["--max-age", "1h", "--timeout", "3", &image];
    for (lie, says) in [
        (Lie::Silence, "remark[fetch-timeout]"),
        (Lie::status(500), "remark[registry-unavailable]"),
        (Lie::Body("{".into()), "remark["),
        (Lie::Endless, "remark["),
    ] {
        scene.lies(lie);
        let run = scene.world.countersign(&[&verify[..], &dated].concat());
        run.ends(0).says("level `dated`").says(says);
        scene.world.stand_in.faults().clear();
    }
}

#[test]
fn the_tag_is_asked_for_each_time_and_what_it_names_once() {
    let scene = Scene::within(World::oci().keeping());
    let image = scene.image.pinned();
    let asked = || {
        scene.world.stand_in.forget_calls();
        scene.verify(&[&image, FLAG]).ends(0);
        let calls = scene.world.calls(|call| call.service != Service::Aws);
        let mut lines: Vec<_> = calls.into_iter().map(|call| call.line).collect();
        lines.sort();
        lines
    };
    assert_eq!(asked().len(), 5);
    let tag = format!("GET /v2/shop/api/manifests/{}", scene.signatures.tag);
    let list = format!("GET /v2/shop/api/referrers/{}", scene.image.digest);
    assert_eq!(asked(), [tag, list]);
    // And who moves the tag is seen.
    let other = Older::numbered(12).sign(&scene.world, &scene.image);
    assert_eq!(other.tag, scene.signatures.tag);
    scene
        .verify(&[&image, FLAG])
        .ends(1)
        .says("refused[key-unknown]");
}

#[test]
fn by_a_policy_it_counts_for_the_repository_that_it_names() {
    let team = Team::new();
    let host = team.world.stand_in.registry_host().to_owned();
    team.policy(&format!(
        "[[policy]]\nmatch = \"{host}/shop/**\"\nroot = \"acme\"\nrequire = \"signed\"\nmode = \"enforce\""
    ));
    let image = team.world.image("shop/api", "1", "a");
    let copy = team.world.image("shop/copy", "1", "a");
    let none = team.world.image("shop/none", "1", "a");
    key().sign(&team.world, &image);
    key().sign_as(&team.world, &copy, &image.repository);
    key().sign_as(&team.world, &none, "");
    let verify = |image: &Image, more: &[&str]| {
        let image = image.tagged();
        let verify = ["verify", "--policy", "policy.toml", &image];
        team.world.countersign(&[&verify, more].concat())
    };
    verify(&image, &[])
        .ends(1)
        .says("refused[signature-missing]");
    verify(&image, &[FLAG]).ends(0).says("for this repository");
    verify(&copy, &[FLAG])
        .ends(1)
        .says("refused[repository-mismatch]");
    verify(&none, &[FLAG])
        .ends(1)
        .says("refused[repository-unbound]");
}

#[test]
fn in_a_folder_the_tag_is_a_name_in_its_index() {
    let world = World::oci();
    let public = key().public(&world);
    let digest = world.layout("build", &["1"])[0].clone();
    let verify = [
        "verify",
        "--key",
        &public,
        "oci:build:1",
        "--repository",
        NAME,
    ];
    let with_flag = [&verify[..], &[FLAG]].concat();
    world
        .countersign(&with_flag)
        .ends(1)
        .says("refused[signature-missing]");
    let payload = Older::payload(NAME, &digest);
    let layer = world.layout_blob("build", SIMPLE, &payload);
    let config = world.layout_blob("build", CONFIG, "{}");
    let manifest = key().manifest(&payload, &config, layer).to_string();
    let mut entry = world.layout_blob("build", OCI_MANIFEST, &manifest);
    entry["annotations"] = json!({ "org.opencontainers.image.ref.name": tag(&digest) });
    let entries = [world.listed("build"), vec![entry]].concat();
    world.list("build", &entries);
    world.countersign(&with_flag).ends(0);
    world.countersign(&verify).ends(1);
}

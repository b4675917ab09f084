//! Many images in one call, each of which takes as much as one may.

use bytes::Bytes;
use countersign_common::Descriptor;
use countersign_stand_in::Lie;
use serde_json::{Value, json};

use super::{
    super::{
        Case,
        End::{Refused, Unknown},
        scene::{Scene, Told, body},
    },
    lists::{SIMPLE, tagged},
};
use crate::world::{OCI_INDEX, OCI_MANIFEST};

/// Enough that all of them at once would take more than is allowed.
const IMAGES: usize = 24;
/// The longest manifest or list, less what else is in it.
const LONG: usize = (4 << 20) - (4 << 10);
/// Requests that each image may take.
const REQUESTS: usize = 5;
/// As many as are judged at once: whatever each takes, all of them take.
const SIGNED: usize = 64;
/// Payloads of an image that are short enough together for no image to wait for another.
const PAYLOADS: usize = 30;

/// Images in repositories of their own, of which each has this manifest.
fn crowd(scene: &Scene, shape: impl Fn(&mut Value)) -> Told {
    crowd_of(IMAGES, scene, shape)
}

fn crowd_of(count: usize, scene: &Scene, shape: impl Fn(&mut Value)) -> Told {
    let images: Vec<_> = (0..count)
        .map(|number| scene.world.image(&format!("crowd/{number}"), "1", "x"))
        .collect();
    let mut manifest: Value = serde_json::from_slice(&images[0].manifest).unwrap();
    shape(&mut manifest);
    let manifest = Bytes::from(manifest.to_string());
    assert!(manifest.len() <= 4 << 20, "{}", manifest.len());
    let names: Vec<_> = images.iter().map(crate::world::Image::tagged).collect();
    let tags = "GET /v2/crowd/*/manifests/1";
    let digest = "Docker-Content-Digest".to_owned();
    Told::of(names.join(" "))
        .and(tags, body(manifest))
        .and(tags, Lie::WithoutHeader(digest))
}

/// As many layers as there is room for.
fn layers(manifest: &mut Value, layer: &Value) {
    let count = LONG / (layer.to_string().len() + 1);
    manifest["layers"] = Value::Array(vec![layer.clone(); count]);
}

/// Payloads of which each is as long as one may be and says thousands of small things, for every image of the crowd.
fn signed(scene: &Scene) -> Told {
    let crowd = crowd_of(SIGNED, scene, |_| {});
    let layers: Vec<_> = (0..PAYLOADS)
        .map(|number| {
            let small: serde_json::Map<_, _> = (0..6_000)
                .map(|small| (format!("{small:x}"), json!(0)))
                .collect();
            let payload = json!({
                "critical": {
                    "identity": { "docker-reference": number.to_string() },
                    "image": { "docker-manifest-digest": format!("sha256:{}", "c".repeat(64)) },
                    "type": "cosign container image signature",
                },
                "optional": small,
            });
            let payload = Bytes::from(payload.to_string());
            assert!(payload.len() <= 64 << 10, "{}", payload.len());
            for image in 0..SIGNED {
                let path = format!("crowd/{image}");
                scene.world.stand_in.place_blob(&path, payload.clone());
            }
            let mut layer = json!(Descriptor::of(SIMPLE, &payload));
            layer["annotations"] = json!({ "dev.cosignproject.cosign/signature": "MAA=" });
            layer
        })
        .collect();
    Told {
        more: vec!["--legacy-signatures".to_owned()],
        ..crowd.and("GET /v2/crowd/*/manifests/sha256-*", tagged(&layers))
    }
}

pub(super) const CASES: &[Case] = &[
    Case::new(
        "crowds",
        "has a list of images, each with a manifest of 4 MiB that is content, layers or annotations",
        |scene| {
            let digest = format!("sha256:{}", "a".repeat(64));
            let annotations = json!({ "": "" });
            let layer = json!({ "mediaType": "", "digest": digest, "size": 0, "annotations": annotations });
            vec![
                crowd(scene, |manifest| {
                    manifest["layers"][0]["data"] = json!("A".repeat(LONG / 4 * 4));
                }),
                crowd(scene, |manifest| layers(manifest, &layer)),
                crowd(scene, |manifest| {
                    manifest["annotations"] = json!({ "x": "x".repeat(LONG) });
                }),
            ]
        },
        Refused("signature-missing"),
    )
    .requests(IMAGES * REQUESTS)
    .within(30)
    .memory(160),
    Case::new(
        "crowds",
        "has a list of images, each with a list of referrers of 4 MiB",
        |scene| {
            let entry = json!({
                "mediaType": OCI_MANIFEST, "digest": format!("sha256:{}", "b".repeat(64)), "size": 3,
                "annotations": { "x": "x".repeat(LONG) },
            });
            let list = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry] });
            let crowd = crowd(scene, |_| {});
            let lists = "GET /v2/crowd/*/referrers/*";
            vec![crowd.and(lists, body(list.to_string()))]
        },
        Unknown("registry-unavailable"),
    )
    .requests(IMAGES * REQUESTS)
    .within(30)
    .memory(160),
    Case::new(
        "crowds",
        "has a list of images, each with a list of referrers without end",
        |scene| {
            let crowd = crowd(scene, |_| {});
            vec![crowd.and("GET /v2/crowd/*/referrers/*", Lie::Endless)]
        },
        Refused("too-large"),
    )
    .requests(IMAGES * REQUESTS)
    .within(30)
    .memory(160),
    Case::new(
        "crowds",
        "has a list of images, each with a `.sig` tag of signatures that say thousands of small things",
        |scene| vec![signed(scene)],
        Refused("key-unknown"),
    )
    .requests(SIGNED * 2 * REQUESTS)
    .within(30)
    .memory(160),
];

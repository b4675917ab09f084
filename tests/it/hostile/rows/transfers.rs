//! Bytes, lengths, sizes and encodings.

use std::{io::Write as _, sync::LazyLock};

use bytes::Bytes;
use countersign_stand_in::Lie;
use flate2::{Compression, write::GzEncoder};
use serde_json::json;

use super::super::{
    Asked, Case,
    End::{Honestly, Refused, Unknown},
    scene::{
        ALL, BLOBS, BUNDLE, LIST, MANIFESTS, Rig, Scene, TAG, TOKEN, Told, body, each, header,
        image_is, told,
    },
};

const OTHER: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// One lie about each bundle at once.
fn bundles(scene: &Scene, lie: &Lie) -> Told {
    let told = Told::default();
    let lines = scene.bundles.iter();
    lines.fold(told, |told, line| told.and(line, lie.clone()))
}

fn signatures(scene: &Scene, lie: &Lie) -> Told {
    let told = Told::default();
    let lines = scene.signatures.iter();
    lines.fold(told, |told, line| told.and(line, lie.clone()))
}

/// 64 MiB of zeros in 64 KiB.
static BOMB: LazyLock<Bytes> = LazyLock::new(|| {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..64 {
        encoder.write_all(&zeros).unwrap();
    }
    encoder.finish().unwrap().into()
});

pub(super) const CASES: &[Case] = &[
    Case::new(
        "blob-digest-flip",
        "changes one byte of a bundle",
        |scene| {
            [0, 40, 200]
                .map(|byte| bundles(scene, &Lie::FlipByte(byte)))
                .into()
        },
        Refused("digest-mismatch"),
    ),
    Case::new(
        "blob-digest-flip",
        "changes one byte of an image's configuration",
        |_| each("GET /v2/*/blobs/*", [Lie::FlipByte(2)]),
        Refused("digest-mismatch"),
    ),
    Case::new(
        "blob-digest-flip",
        "changes one byte of what a digest names",
        |scene| {
            let by_digest = || Told::of(scene.image.pinned());
            vec![
                by_digest().and(MANIFESTS, Lie::FlipByte(1)),
                by_digest().and(MANIFESTS, Lie::FlipByte(scene.image.manifest.len() - 1)),
                signatures(scene, &Lie::FlipByte(30)),
            ]
        },
        Refused("digest-mismatch"),
    ),
    Case::new(
        "header-digest-lies",
        "names another digest in a header than the body has",
        |_| each(TAG, [header("Docker-Content-Digest", OTHER)]),
        Refused("digest-mismatch"),
    ),
    Case::new(
        "header-digest-lies",
        "names no digest in a header, or none that can be read",
        |_| {
            let name = "Docker-Content-Digest";
            let lies = ["md5:00", "sha256:../..", ""].map(|value| header(name, value));
            let mut ways = each(TAG, lies);
            ways.push(told(TAG, Lie::WithoutHeader(name.to_owned())));
            ways
        },
        Honestly,
    ),
    Case::new(
        "content-length-lies",
        "announces more of a manifest or a list than it sends",
        |_| {
            let more = Lie::Announce(100_000);
            vec![told(TAG, more.clone()), told(LIST, more)]
        },
        Unknown("registry-unavailable"),
    ),
    Case::new(
        "content-length-lies",
        "announces less of a manifest or a list than it sends",
        |_| vec![told(TAG, Lie::Announce(50)), told(LIST, Lie::Announce(20))],
        Refused("malformed"),
    ),
    Case::new(
        "content-length-lies",
        "announces more of a bundle than its descriptor",
        |scene| vec![bundles(scene, &Lie::Announce(100_000))],
        Refused("descriptor-mismatch"),
    ),
    Case::new(
        "content-length-lies",
        "announces less of a bundle than it sends",
        |scene| {
            vec![
                bundles(scene, &Lie::Announce(50)),
                bundles(scene, &Lie::Announce(0)),
            ]
        },
        Refused("digest-mismatch"),
    ),
    Case::new(
        "content-length-lies",
        "announces two lengths that differ",
        |_| each(TAG, [header("Content-Length", "50\r\nContent-Length: 60")]),
        Unknown("registry-unavailable"),
    ),
    Case::new(
        "content-length-lies",
        "announces a length of −1, 2⁶⁴ or that is no number",
        |_| {
            let lies = ["-1\r\nX: y", "18446744073709551616\r\nX: y", "x\r\nX: y"];
            each(TAG, lies.map(|value| header("Content-Length", value)))
        },
        Unknown("registry-unavailable"),
    ),
    Case::new(
        "size-field-lies",
        "lists a signature with another size than it has",
        |scene| {
            let sizes = [json!(10), json!(1), json!(100_000)];
            sizes
                .map(|size| scene.list_with(|entry| entry["size"] = size.clone()))
                .into()
        },
        Refused("descriptor-mismatch"),
    ),
    Case::new(
        "size-field-lies",
        "lists a size of −1, 1.5, 2⁶⁴ or \"1\"",
        |scene| {
            let sizes = [
                json!(-1),
                json!(1.5),
                json!(18_446_744_073_709_551_616.0),
                json!("1"),
            ];
            sizes
                .map(|size| scene.list_with(|entry| entry["size"] = size.clone()))
                .into()
        },
        Refused("malformed"),
    ),
    Case::new(
        "size-field-lies",
        "has an image whose manifest gives its configuration another size",
        |scene| {
            let mut manifest: serde_json::Value =
                serde_json::from_slice(&scene.image.manifest).unwrap();
            manifest["config"]["size"] = json!(10);
            vec![image_is(manifest.to_string())]
        },
        Refused("descriptor-mismatch"),
    ),
    Case::new(
        "infinite-body",
        "sends a manifest without end",
        |_| each(TAG, [Lie::Endless]),
        Refused("too-large"),
    ),
    Case::new(
        "infinite-body",
        "sends a list of referrers without end",
        |_| each(LIST, [Lie::Endless]),
        Refused("too-large"),
    )
    .memory(96),
    Case::new(
        "infinite-body",
        "sends a blob without end",
        |scene| vec![bundles(scene, &Lie::Endless), told(BLOBS, Lie::Endless)],
        Refused("descriptor-mismatch"),
    ),
    Case::new(
        "infinite-body",
        "sends a token without end, or compressed",
        |_| {
            vec![
                told(TOKEN, Lie::Endless),
                told(TOKEN, header("Content-Encoding", "gzip")),
            ]
        },
        Unknown("credentials-unavailable"),
    )
    .at(Rig::Bearer),
    Case::new(
        "infinite-body",
        "sends an error without end (401, 403)",
        |_| {
            let endless = |status| told(TAG, Lie::status(status)).and(TAG, Lie::Endless);
            [401, 403].map(endless).into()
        },
        Unknown("registry-denied"),
    ),
    Case::new(
        "infinite-body",
        "sends an error without end (500)",
        |_| vec![told(TAG, Lie::status(500)).and(TAG, Lie::Endless)],
        Unknown("registry-unavailable"),
    ),
    Case::new(
        "infinite-body",
        "sends a 404 without end, or compressed",
        |_| {
            let absent = |lie| told(TAG, Lie::status(404)).and(TAG, lie);
            [Lie::Endless, header("Content-Encoding", "gzip")]
                .map(absent)
                .into()
        },
        Unknown("registry-unavailable"),
    ),
    Case::new(
        "honest-10GiB",
        "lists a signature of 10 GiB",
        |scene| vec![scene.list_with(|entry| entry["size"] = json!(10_u64 << 30))],
        Refused("too-large"),
    ),
    Case::new(
        "honest-10GiB",
        "has a signature whose bundle is of 10 GiB",
        |scene| {
            let size = |manifest: &mut serde_json::Value| {
                manifest["layers"][0]["size"] = json!(10_u64 << 30);
            };
            vec![scene.only(&scene.bundle(), size)]
        },
        Refused("too-large"),
    ),
    Case::new(
        "gzip-bomb",
        "compresses an answer, though nothing compressed is asked for",
        |_| {
            let encodings = [
                "gzip",
                "br",
                "zstd",
                "deflate",
                "gzip, gzip",
                "identity, gzip",
            ];
            let mut ways = Vec::new();
            for pattern in [TAG, LIST, BLOBS] {
                ways.extend(encodings.map(|encoding| {
                    told(pattern, header("Content-Encoding", encoding))
                        .and(pattern, body(BOMB.clone()))
                }));
            }
            ways
        },
        Refused("format-not-allowed"),
    ),
    Case::new(
        "gzip-bomb",
        "says that an answer is not compressed",
        |_| each(ALL, [header("Content-Encoding", "identity")]),
        Honestly,
    ),
    Case::new(
        "base64",
        "has a bundle whose base64 is not strict: white space, `=` inside, URL-safe letters, bits left over",
        |scene| {
            let bundle = String::from_utf8(scene.bundle()).unwrap();
            let (before, after) = bundle.split_once("\"payload\":\"").unwrap();
            let with = |payload: String| {
                scene.only(
                    format!("{before}\"payload\":\"{payload}").as_bytes(),
                    |_| {},
                )
            };
            vec![
                with(format!(" {after}")),
                with(format!("\\n{after}")),
                with(format!("={after}")),
                with(format!("_-{after}")),
                with(format!("A{after}")),
            ]
        },
        Refused("malformed"),
    ),
    Case::new(
        "base64",
        "has a bundle with 5 MiB of base64",
        |scene| {
            let long = format!(
                "{{\"mediaType\":\"{BUNDLE}\",\"x\":\"{}\"}}",
                "A".repeat(5 << 20)
            );
            vec![scene.only(long.as_bytes(), |_| {})]
        },
        Refused("too-large"),
    ),
    Case::new(
        "million-layers",
        "has an image with 15,000 layers",
        |scene| vec![image_is(many_layers(scene, 15_000))],
        Refused("signature-missing"),
    )
    .memory(64),
    Case::new(
        "million-layers",
        "has an image with a manifest of more than 4 MiB",
        |scene| vec![image_is(many_layers(scene, 60_000))],
        Refused("too-large"),
    ),
    Case::new(
        "million-layers",
        "has an image with 100,000 annotations",
        |scene| {
            let mut manifest: serde_json::Value =
                serde_json::from_slice(&scene.image.manifest).unwrap();
            let annotations = (0..100_000).map(|number| (number.to_string(), json!("")));
            manifest["annotations"] = serde_json::Value::Object(annotations.collect());
            vec![image_is(manifest.to_string())]
        },
        Refused("malformed"),
    ),
    Case::new(
        "million-layers",
        "nests a manifest or a list 100 or a million deep",
        |_| {
            let deep = |depth| format!("{{\"x\":{}", "[".repeat(depth));
            let mut ways = Vec::new();
            for depth in [100, 1_000_000] {
                ways.extend([image_is(deep(depth)), told(LIST, body(deep(depth)))]);
            }
            ways
        },
        Refused("malformed"),
    ),
    Case::new(
        "million-layers",
        "sends 40 KiB of headers",
        |_| each(TAG, [header("X-Junk", &"x".repeat(40 << 10))]),
        Refused("too-large"),
    ),
    Case::new(
        "million-layers",
        "sends a thousand headers, or a megabyte of them",
        |_| {
            let lines = "\r\nX-Junk: x".repeat(1_000);
            let long = "x".repeat(1 << 20);
            each(
                TAG,
                [
                    header("X-Junk", &format!("x{lines}")),
                    header("X-Junk", &format!("x\r\nY: {long}")),
                ],
            )
        },
        Unknown("registry-unavailable"),
    ),
    Case::new(
        "infinite-body",
        "sends an answer without end to a signer",
        |_| vec![told("GET /v2/*/manifests/*", Lie::Endless)],
        Refused("too-large"),
    )
    .of(Asked::Sign),
];

/// The image with so many layers.
fn many_layers(scene: &Scene, count: usize) -> String {
    let mut manifest: serde_json::Value = serde_json::from_slice(&scene.image.manifest).unwrap();
    let layer = manifest["layers"][0].clone();
    manifest["layers"] = serde_json::Value::Array(vec![layer; count]);
    manifest.to_string()
}

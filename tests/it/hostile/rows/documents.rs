//! Manifests, lists and tokens that say two things, or nothing.

use countersign_stand_in::Lie;
use serde_json::{Value, json};

use super::super::{
    Asked, Case,
    End::{Escaped, Honestly, Refused, Unknown},
    scene::{LIST, Rig, Scene, TAG, TOKEN, Told, body, each, header, image_is, told},
};
use crate::world::{OCI_INDEX, OCI_MANIFEST};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The image's manifest with another member before its own.
fn prefixed(scene: &Scene, member: &str) -> Told {
    image_is(format!("{{{member},{}", &text(&scene.image.manifest)[1..]))
}

/// The honest list as text, with a replacement.
fn replaced(scene: &Scene, from: &str, to: &str) -> Told {
    let list = scene.list().to_string();
    assert!(list.contains(from), "{from}: {list}");
    told(LIST, body(list.replacen(from, to, 1)))
}

/// The list with the digest of its entries written otherwise.
fn digests(scene: &Scene, digests: impl IntoIterator<Item = String>) -> Vec<Told> {
    let with = |digest: String| scene.list_with(|entry| entry["digest"] = json!(digest));
    digests.into_iter().map(with).collect()
}

const JUNK: [&str; 6] = ["", "null", "[]", "{}", "0", "\"\""];

pub(super) const CASES: &[Case] = &[
    Case::new(
        "duplicate-keys",
        "gives a member of an image's manifest twice",
        |scene| {
            [
                "\"layers\":[]",
                "\"config\":{}",
                "\"mediaType\":\"x\"",
                "\"\\u006ciers\":[],\"layers\":[]",
                "\"\\u006cayers\":[]",
            ]
            .map(|member| prefixed(scene, member))
            .into()
        },
        Refused("malformed"),
    ),
    Case::new(
        "duplicate-keys",
        "gives a member of a list twice, or writes one of the two in escapes",
        |scene| {
            let digest = format!("\"digest\":\"{}\",\"digest\":", scene.unsigned.digest);
            let escaped = format!("\"\\u0064igest\":\"{}\",\"digest\":", scene.unsigned.digest);
            vec![
                replaced(scene, "\"digest\":", &digest),
                replaced(scene, "\"digest\":", &escaped),
                replaced(scene, "\"manifests\":", "\"manifests\":[],\"manifests\":"),
                replaced(scene, "\"size\":", "\"size\":1,\"size\":"),
            ]
        },
        Refused("malformed"),
    ),
    Case::new(
        "duplicate-keys",
        "gives a member of a bundle twice",
        |scene| {
            let bundle = text(&scene.bundle());
            let twice = |member: &str| {
                assert!(bundle.contains(member), "{bundle}");
                let twice = bundle.replacen(member, &format!("{member}\"\",{member}"), 1);
                scene.only(twice.as_bytes(), |_| {})
            };
            [
                "\"payload\":",
                "\"payloadType\":",
                "\"sig\":",
                "\"mediaType\":",
            ]
            .map(twice)
            .into()
        },
        Refused("malformed"),
    ),
    Case::new(
        "duplicate-keys",
        "gives a token twice",
        |_| each(TOKEN, [body("{\"token\":\"a\",\"token\":\"b\"}")]),
        Unknown("credentials-unavailable"),
    )
    .at(Rig::Bearer),
    Case::new(
        "duplicate-keys",
        "adds members whose names differ in case alone",
        |scene| {
            let digest = format!("\"Digest\":\"{}\",\"digest\":", scene.unsigned.digest);
            vec![
                replaced(scene, "\"digest\":", &digest),
                replaced(scene, "\"manifests\":", "\"Manifests\":[],\"manifests\":"),
            ]
        },
        Honestly,
    ),
    Case::new(
        "type-contradiction",
        "gives a manifest another type in its header than it has",
        |_| {
            let types = [
                OCI_INDEX,
                "application/vnd.docker.distribution.manifest.v2+json",
            ];
            each(TAG, types.map(|value| header("Content-Type", value)))
        },
        Refused("malformed"),
    ),
    Case::new(
        "type-contradiction",
        "gives a manifest's type with parameters, or in upper case",
        |_| {
            let types = [
                format!("{OCI_MANIFEST}; charset=utf-8"),
                "Application/Vnd.OCI.Image.Manifest.v1+JSON".to_owned(),
            ];
            each(TAG, types.map(|value| header("Content-Type", &value)))
        },
        Honestly,
    ),
    Case::new(
        "type-contradiction",
        "gives a manifest's type as `application/json`, or not at all",
        |_| {
            vec![
                told(TAG, header("Content-Type", "application/json")),
                told(TAG, Lie::WithoutHeader("Content-Type".to_owned())),
            ]
        },
        Honestly,
    ),
    Case::new(
        "schema1",
        "has an image of schema 1",
        |_| {
            let manifest = json!({
                "schemaVersion": 1, "name": "shop/api", "tag": "1", "architecture": "amd64",
                "fsLayers": [], "history": [], "signatures": [],
            });
            let types = [
                "application/vnd.docker.distribution.manifest.v1+prettyjws",
                "application/vnd.docker.distribution.manifest.v1+json",
            ];
            let way = |value| {
                told(TAG, header("Content-Type", value)).and(TAG, body(manifest.to_string()))
            };
            types.map(way).into()
        },
        Refused("format-not-allowed"),
    ),
    Case::new(
        "digest-string",
        "lists a digest that is none: a path, upper case, a digit too few or too many, another algorithm, 4 MiB long",
        |scene| {
            let hex = &scene.image.digest["sha256:".len()..];
            let long = format!("sha256:{}", "a".repeat(4 << 20));
            digests(
                scene,
                [
                    "sha256:../../etc/passwd".to_owned(),
                    format!("sha256:{}", hex.to_uppercase()),
                    format!("sha256:{}", &hex[1..]),
                    format!("sha256:{hex}0"),
                    format!("sha256+b64:{hex}"),
                    format!("SHA256:{hex}"),
                    format!("sha512:{hex}"),
                    format!("md5:{}", &hex[..32]),
                    format!("sha256:{hex}\0"),
                    format!(" sha256:{hex}"),
                    String::new(),
                    ":".to_owned(),
                    long,
                ],
            )
        },
        Refused("malformed"),
    ),
    Case::new(
        "subject-spoof",
        "lists a signature of another image",
        |scene| {
            let other = json!({ "mediaType": OCI_MANIFEST, "digest": scene.unsigned.digest, "size": scene.unsigned.manifest.len() });
            vec![scene.only(&scene.bundle(), |manifest| {
                manifest["subject"] = other.clone();
            })]
        },
        Refused("subject-mismatch"),
    ),
    Case::new(
        "subject-spoof",
        "lists an artifact without a subject, or with one that is none",
        |scene| {
            vec![
                scene.only(&scene.bundle(), |manifest| {
                    manifest.as_object_mut().unwrap().remove("subject");
                }),
                scene.only(&scene.bundle(), |manifest| {
                    manifest["subject"] = Value::Null;
                }),
            ]
        },
        Refused("signature-missing"),
    ),
    Case::new(
        "subject-spoof",
        "answers for an unsigned image with the list of a signed one",
        |scene| vec![Told::of(scene.unsigned.tagged()).and(LIST, body(scene.list().to_string()))],
        Refused("subject-mismatch"),
    ),
    Case::new(
        "subject-spoof",
        "lists a signature under another type than it has",
        |scene| {
            vec![scene.list_with(|entry| {
                entry["artifactType"] = json!("application/vnd.example.other");
            })]
        },
        Honestly,
    ),
    Case::new(
        "empty-and-null",
        "answers nothing, or `null`, `[]`, `{}`, for an image",
        |_| JUNK.map(image_is).into(),
        Refused("malformed"),
    ),
    Case::new(
        "empty-and-null",
        "answers nothing, or `null`, `[]`, `{}`, in place of a list",
        |_| {
            let mut ways = each(LIST, JUNK.map(body));
            ways.extend(each(
                LIST,
                ["{\"manifests\":null}", "{\"manifests\":{}}"].map(body),
            ));
            ways
        },
        Refused("malformed"),
    ),
    Case::new(
        "empty-and-null",
        "answers with an empty list",
        |_| each(LIST, [body("{\"schemaVersion\":2,\"manifests\":[]}")]),
        Refused("signature-missing"),
    ),
    Case::new(
        "empty-and-null",
        "answers nothing, or `null`, `[]`, `{}`, in place of a token",
        |_| {
            let mut ways = each(TOKEN, JUNK.map(body));
            ways.extend(each(
                TOKEN,
                ["{\"token\":null}", "{\"token\":\"\"}"].map(body),
            ));
            ways
        },
        Unknown("credentials-unavailable"),
    )
    .at(Rig::Bearer),
    Case::new(
        "empty-and-null",
        "answers nothing where a bundle is",
        |scene| {
            let told = Told::default();
            let lines = scene.bundles.iter();
            vec![lines.fold(told, |told, line| told.and(line, body("")))]
        },
        Refused("digest-mismatch"),
    ),
    Case::new(
        "unicode",
        "has a manifest or a list that is no UTF-8, or begins with a byte order mark",
        |scene| {
            let mut invalid = scene.image.manifest.clone();
            invalid.insert(2, 0xff);
            let marked = [b"\xef\xbb\xbf", &scene.image.manifest[..]].concat();
            let list = [b"\xef\xbb\xbf", scene.list().to_string().as_bytes()].concat();
            vec![image_is(invalid), image_is(marked), told(LIST, body(list))]
        },
        Refused("malformed"),
    ),
    Case::new(
        "unicode",
        "sends a header with other characters than ASCII has",
        |_| each(TAG, [header("X-Junk", "\u{e9}")]),
        Honestly,
    ),
    Case::new(
        "unicode",
        "lists an annotation with half a character",
        |scene| {
            vec![replaced(
                scene,
                "\"size\":",
                "\"annotations\":{\"a\":\"\\ud800\"},\"size\":",
            )]
        },
        Refused("malformed"),
    ),
    Case::new(
        "unicode",
        "tells of an error in characters that steer a terminal",
        |_| {
            let said = json!({ "errors": [{ "code": "\u{1b}[2J", "message": "\u{202e}\u{7}\nverified: x\u{9b}31m" }] });
            vec![told(TAG, Lie::status(500)).and(TAG, body(said.to_string()))]
        },
        Unknown("registry-unavailable"),
    ),
    Case::new(
        "unicode",
        "has an artifact of a type that would turn a line around",
        |scene| {
            vec![scene.only(&scene.bundle(), |manifest| {
                let strange = json!("application/x\u{202e}\u{1b}[2J");
                manifest["layers"][0]["mediaType"] = strange.clone();
                manifest["artifactType"] = strange;
            })]
        },
        Escaped("\\u{202e}"),
    )
    .of(Asked::Inspect),
];

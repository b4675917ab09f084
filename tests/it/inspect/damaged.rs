//! What strangers attach: damaged, hostile, too much, or of a format that only its signer's tools read.

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use countersign_stand_in::Call;
use serde_json::{Value, json};

use super::{attach, entries, judged, redacted, shown, signed};
use crate::world::{Image, OCI_MANIFEST, World};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const NOTARY: &str = "application/vnd.cncf.notary.signature";
const JOSE: &str = "application/jose+json";
const COSE: &str = "application/cose";

/// Retitles a terminal, forges a verdict, and turns what follows around.
const HOSTILE: &str = "\x1b]0;owned\x07\x1b[2J\nverified: all\r\u{9b}31m\u{202e}lleh\u{2028}";

/// Attaches one blob: what is shown of it.
fn one(artifact_type: &str, media_type: &str, blob: &[u8]) -> Value {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    let layer = world.blob(&image.path, media_type, blob);
    attach(&world, &image, artifact_type, &[layer]);
    let document = shown(&world, &image.tagged(), 0);
    entries(&document)[0].clone()
}

fn jws(image: &Image, protected: &Value, header: &Value) -> Vec<u8> {
    let payload = json!({ "targetArtifact": {
        "mediaType": OCI_MANIFEST, "digest": image.digest, "size": image.manifest.len(),
    }});
    let encoded = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let envelope = json!({
        "payload": encoded(&payload), "protected": encoded(protected), "header": header,
        "signature": "MAA",
    });
    envelope.to_string().into_bytes()
}

/// The certificate of one of the stand-in's authorities, in base64.
fn certificate(world: &World) -> String {
    let pem = world.stand_in.tsa_chain_pem("one").unwrap();
    let lines = pem
        .lines()
        .skip(1)
        .take_while(|line| !line.starts_with('-'));
    lines.collect()
}

#[test]
fn an_envelope_of_aws_signer_is_called_by_its_name() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    let protected = json!({
        "alg": "ES384",
        "crit": ["io.cncf.notary.signingScheme", "com.amazonaws.signer.signingJob"],
        "cty": "application/vnd.cncf.notary.payload.v1+json",
        "io.cncf.notary.signingScheme": "notary.x509.signingAuthority",
        "io.cncf.notary.authenticSigningTime": "2026-11-20T10:00:00Z",
        "io.cncf.notary.verificationPlugin": "com.amazonaws.signer.notation.plugin",
        "com.amazonaws.signer.signingJob": "arn:aws:signer:eu-west-1:111122223333:/signing-jobs/7",
        "com.amazonaws.signer.signingProfileVersion":
            "arn:aws:signer:eu-west-1:111122223333:/signing-profiles/release/abc",
    });
    let blob = jws(&image, &protected, &json!({ "x5c": [certificate(&world)] }));
    let layer = world.blob(&image.path, JOSE, &blob);
    attach(&world, &image, NOTARY, &[layer]);
    let run = judged(&world, &image.tagged(), &[]).ends(0);
    insta::assert_snapshot!(redacted(&world, &run.stdout));
    let entry = &entries(&shown(&world, &image.tagged(), 0))[0];
    assert_eq!(entry["standing"], "not-verified-here");
    assert_eq!(entry["claimedAt"], "2026-11-20T10:00:00Z");
}

#[test]
fn a_bundle_of_a_certificate_is_shown_with_it_and_is_not_trusted() {
    let world = World::oci();
    let image = signed(&world);
    let bundle = json!({
        "mediaType": BUNDLE,
        "verificationMaterial": {
            "certificate": { "rawBytes": certificate(&world) },
            "tlogEntries": [{}],
        },
        "dsseEnvelope": {
            "payloadType": "application/vnd.in-toto+json",
            "payload": BASE64_STANDARD.encode(json!({
                "_type": "https://in-toto.io/Statement/v1",
                "predicateType": "https://sigstore.dev/cosign/sign/v1",
                "subject": [{ "digest": { "sha256": &image.digest[7..] } }],
                "predicate": {},
            }).to_string()),
            "signatures": [{ "sig": "MAA=" }],
        },
    });
    let layer = world.blob(&image.path, BUNDLE, bundle.to_string().as_bytes());
    attach(&world, &image, BUNDLE, &[layer]);
    let document = shown(&world, &image.tagged(), 0);
    let entry = &entries(&document)[1];
    assert_eq!(entry["standing"], "untrusted");
    assert_eq!(entry["reason"]["code"], "key-unknown");
    assert_eq!(entry["logEntries"], 1);
    assert!(
        entry["certificates"][0]["subject"]
            .as_str()
            .unwrap()
            .starts_with("CN=")
    );
}

#[test]
fn a_bundle_that_verifiers_do_not_read_is_shown_and_not_trusted() {
    let message = json!({
        "mediaType": BUNDLE,
        "verificationMaterial": { "publicKey": { "hint": "a hint" } },
        "messageSignature": {},
    });
    let entry = one(BUNDLE, BUNDLE, message.to_string().as_bytes());
    assert_eq!(entry["standing"], "untrusted");
    assert_eq!(entry["reason"]["code"], "format-not-allowed");
    assert_eq!(entry["claimedKey"], "a hint");
    let entry = one(BUNDLE, BUNDLE, b"{\"mediaType\":1,\"mediaType\":2}");
    assert_eq!(entry["problem"]["code"], "malformed");
    assert_eq!(entry.get("standing"), None);
}

#[test]
fn damaged_envelopes_are_said_to_be_damaged() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    let whole = json!({ "alg": "PS256" });
    let chain = |count: usize| json!({ "x5c": vec!["MAA="; count] });
    for (header, code) in [
        (chain(10), None),
        (chain(11), Some("too-large")),
        (json!({ "x5c": ["!"] }), Some("malformed")),
        (
            json!({ "x5c": [BASE64_STANDARD.encode(vec![0; 16_385])] }),
            Some("too-large"),
        ),
    ] {
        let entry = one(NOTARY, JOSE, &jws(&image, &whole, &header));
        assert_eq!(entry["problem"]["code"].as_str(), code, "{header}");
    }
    let text = String::from_utf8(jws(&image, &whole, &chain(1))).unwrap();
    for (from, to) in [
        ("\"payload\":\"", "\"payload\":\"="),
        ("\"protected\":\"", "\"protected\":\"e30"),
        ("\"signature\"", "\"payload\":\"e30\",\"signature\""),
    ] {
        let broken = text.replace(from, to);
        assert_ne!(broken, text);
        let entry = one(NOTARY, JOSE, broken.as_bytes());
        assert_eq!(entry["problem"]["code"], "malformed", "{to}");
    }
    let entry = one(NOTARY, JOSE, &vec![b' '; (256 << 10) + 1]);
    assert_eq!(entry["problem"]["code"], "too-large");
}

/// The parts of a COSE message: tag 18 and a list of four.
fn cose(protected: &[u8], unprotected: &[u8], payload: &[u8]) -> Vec<u8> {
    let bytes = |content: &[u8]| {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[0x59], &length[..], content].concat()
    };
    [
        &[0xd2, 0x84],
        &bytes(protected)[..],
        unprotected,
        &bytes(payload),
        &[0x40],
    ]
    .concat()
}

#[test]
fn hostile_cbor_is_bounded_and_said_to_be_damaged() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    let payload = json!({ "targetArtifact": {
        "mediaType": OCI_MANIFEST, "digest": image.digest, "size": image.manifest.len(),
    }})
    .to_string();
    // {1: -37}
    let whole = cose(&[0xa1, 0x01, 0x38, 0x24], &[0xa0], payload.as_bytes());
    let entry = one(NOTARY, COSE, &whole);
    assert_eq!(entry["attributes"]["alg"], "PS256");
    let nested = |depth: usize| [vec![0x81; depth], vec![0x00]].concat();
    for (name, blob) in [
        ("nothing", Vec::new()),
        ("no tag", whole[1..].to_vec()),
        ("something after it", [whole.clone(), vec![0]].concat()),
        ("nested deeply", [vec![0xd2], nested(100_000)].concat()),
        (
            "a nested header",
            cose(&nested(20), &[0xa0], payload.as_bytes()),
        ),
        (
            "a list of four thousand million",
            vec![0xd2, 0x9a, 0xff, 0xff, 0xff, 0xff],
        ),
        (
            "bytes without end",
            vec![
                0xd2, 0x84, 0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            ],
        ),
        (
            "a label twice",
            cose(&[0xa2, 0x01, 0x00, 0x01, 0x01], &[0xa0], payload.as_bytes()),
        ),
        (
            "a label of bytes",
            cose(&[0xa1, 0x40, 0x00], &[0xa0], payload.as_bytes()),
        ),
        ("three parts", vec![0xd2, 0x83, 0x40, 0xa0, 0x40]),
        ("no bytes", vec![0xd2, 0x84, 0x00, 0xa0, 0x40, 0x40]),
    ] {
        let entry = one(NOTARY, COSE, &blob);
        assert_eq!(entry["problem"]["code"], "malformed", "{name}: {entry}");
    }
}

#[test]
fn what_is_about_something_else_is_said_to_be() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    let other = world.image("shop/api", "2", "b");
    let blob = jws(&other, &json!({ "alg": "PS256" }), &json!({}));
    let layer = world.blob(&image.path, JOSE, &blob);
    attach(&world, &image, NOTARY, &[layer]);
    judged(&world, &image.tagged(), &[])
        .ends(0)
        .says("about something else")
        .says(&other.digest);
}

#[test]
fn large_blobs_are_shown_and_not_fetched() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    let large = vec![b'x'; 17 << 20];
    let bundle = world.blob(&image.path, BUNDLE, &large);
    attach(&world, &image, BUNDLE, &[bundle]);
    let unknown = world.blob(&image.path, "application/vnd.example.large", &large);
    attach(&world, &image, "application/vnd.example.large", &[unknown]);
    world.stand_in.forget_calls();
    let document = shown(&world, &image.tagged(), 0);
    assert_eq!(entries(&document)[0]["problem"]["code"], "too-large");
    assert_eq!(
        document["subject"]["attached"][1]["layers"][0]["size"],
        17 << 20
    );
    let blobs = world.calls(|call: &Call| call.line.contains("/blobs/"));
    // The image's own configuration.
    assert_eq!(blobs.len(), 1, "{blobs:?}");
}

#[test]
fn a_thousand_are_shown_and_one_more_is_an_error() {
    let world = World::oci();
    let image = world.image("shop/api", "1", "a");
    for number in 0..1_000 {
        attach(
            &world,
            &image,
            &format!("application/vnd.example.{number}"),
            &[],
        );
    }
    // In 20 pages, of which the client reads 16.
    let document = shown(&world, &image.tagged(), 3);
    assert_eq!(document["errors"][0]["code"], "referrers-too-many");
    assert_eq!(document["complete"], false);
}

#[test]
fn hostile_text_moves_no_cursor_and_forges_no_line() {
    let world = World::oci();
    let config = json!({
        "architecture": HOSTILE, "os": HOSTILE, "created": HOSTILE, "config": {},
        "rootfs": { "type": "layers", "diff_ids": [] },
    });
    let manifest = world.manifest("shop/api", &config, "a");
    let image = world.place("shop/api", "1", OCI_MANIFEST, manifest);
    let mut note = world.blob(&image.path, HOSTILE, b"a note");
    note["annotations"] = json!({ "org.opencontainers.image.title": HOSTILE });
    attach(&world, &image, HOSTILE, &[note]);
    let protected =
        json!({ "alg": HOSTILE, HOSTILE: HOSTILE, "io.cncf.notary.signingTime": HOSTILE });
    let layer = world.blob(&image.path, JOSE, &jws(&image, &protected, &json!({})));
    attach(&world, &image, NOTARY, &[layer]);
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1", "predicateType": HOSTILE,
        "subject": [{ "name": HOSTILE, "digest": { "sha256": &image.digest[7..] }, "annotations": { HOSTILE: HOSTILE } }],
    });
    let bundle = json!({
        "mediaType": BUNDLE, "verificationMaterial": { "publicKey": { "hint": HOSTILE } },
        "dsseEnvelope": {
            "payloadType": "application/vnd.in-toto+json",
            "payload": BASE64_STANDARD.encode(statement.to_string()),
            "signatures": [{ "sig": "MAA=" }],
        },
    });
    let layer = world.blob(&image.path, BUNDLE, bundle.to_string().as_bytes());
    attach(&world, &image, BUNDLE, &[layer]);
    let key = World::kms_key();
    for output in ["text", "json"] {
        let arguments = [
            "inspect",
            "--key",
            &key,
            "--output",
            output,
            &image.tagged(),
        ];
        let run = world
            .countersign_with(&arguments, &[("CLICOLOR_FORCE", "1")])
            .ends(0);
        for character in ['\x07', '\r', '\u{9b}', '\u{202e}', '\u{2028}'] {
            assert!(
                !run.stdout.contains(character),
                "{character:?}: {:?}",
                run.stdout
            );
        }
        assert!(!run.stdout.contains("\x1b]"), "{:?}", run.stdout);
        assert!(!run.stdout.lines().any(|line| line.starts_with("verified")));
        assert!(
            run.stdout.matches("owned").count() >= 10,
            "{:?}",
            run.stdout
        );
    }
}

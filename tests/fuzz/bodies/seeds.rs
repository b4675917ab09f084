//! What mutations begin with: the fixtures, and what they hold.

use std::{fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::repository;

/// A file of the fixture that `judgement` judges.
pub(super) fn story(name: &str) -> Vec<u8> {
    let folder = repository().join("fixtures/sigstore-bundle/verified--dated");
    fs::read(folder.join(name)).unwrap()
}

/// A file of the fixture of a signature by cosign before version 3, of the same image by the same key.
pub(super) fn older(name: &str) -> Vec<u8> {
    let folder = repository().join("fixtures/cosign-signature/verified--signed");
    fs::read(folder.join(name)).unwrap()
}

/// Every so-manieth file with this ending below a folder of fixtures, none longer than 64 KiB.
fn files(folder: &str, ending: &str, step: usize) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    walk(
        &repository().join("fixtures").join(folder),
        ending,
        &mut found,
    );
    found.sort();
    let short = found
        .into_iter()
        .filter(|(_, bytes)| bytes.len() <= 64 << 10);
    short.step_by(step).map(|(_, bytes)| bytes).collect()
}

fn walk(folder: &Path, ending: &str, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, ending, found);
        } else if path.to_string_lossy().ends_with(ending) {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn documented(documents: impl IntoIterator<Item = Value>) -> Vec<Vec<u8>> {
    documents
        .into_iter()
        .map(|document| document.to_string().into_bytes())
        .collect()
}

pub(super) fn bundles() -> Vec<Vec<u8>> {
    files("sigstore-bundle", "n.blob.json", 12)
}

pub(super) fn publications() -> Vec<Vec<u8>> {
    vec![story("release-publication.blob.json")]
}

pub(super) fn artifacts() -> Vec<Vec<u8>> {
    vec![story("release-publication.manifest.json")]
}

pub(super) fn signature_tags() -> Vec<Vec<u8>> {
    files("cosign-signature", "signatures.manifest.json", 6)
}

pub(super) fn simple_payloads() -> Vec<Vec<u8>> {
    let mut payloads = vec![older("payload.blob.json")];
    payloads.extend(files("cosign-signature", "payload.blob.json", 6));
    payloads
}

pub(super) fn manifests() -> Vec<Vec<u8>> {
    let mut manifests = vec![story("image.manifest.json")];
    manifests.extend(files("sigstore-bundle", ".manifest.json", 40));
    manifests
}

/// What bundles hold.
fn held(read: impl Fn(&Value) -> Option<&str>) -> Vec<Vec<u8>> {
    let bundles = bundles().into_iter().chain(publications());
    let parsed = bundles.filter_map(|bundle| serde_json::from_slice::<Value>(&bundle).ok());
    parsed
        .filter_map(|bundle| STANDARD.decode(read(&bundle)?).ok())
        .collect()
}

pub(super) fn statements() -> Vec<Vec<u8>> {
    held(|bundle| bundle["dsseEnvelope"]["payload"].as_str())
}

pub(super) fn stamps() -> Vec<Vec<u8>> {
    held(|bundle| {
        let stamps = &bundle["verificationMaterial"]["timestampVerificationData"];
        stamps["rfc3161Timestamps"][0]["signedTimestamp"].as_str()
    })
}

pub(super) fn anchors() -> Vec<Vec<u8>> {
    vec![story("one.tsa.pem")]
}

pub(super) fn keys() -> Vec<Vec<u8>> {
    files("keys", ".pub", 1)
}

pub(super) fn documents() -> Vec<Vec<u8>> {
    let mut documents = manifests();
    documents.extend(bundles());
    documents.extend(files("roots", ".root.json", 40));
    documents
}

pub(super) fn roots() -> Vec<Vec<u8>> {
    files("roots", ".root.json", 10)
}

pub(super) fn policies() -> Vec<Vec<u8>> {
    files("policy", "policy.toml", 4)
}

pub(super) fn sigstore_roots() -> Vec<Vec<u8>> {
    let pem = String::from_utf8(story("one.tsa.pem")).unwrap();
    let certificates = pem
        .split("-----BEGIN CERTIFICATE-----")
        .skip(1)
        .map(|rest| {
            let body = rest.split("-----END").next().unwrap();
            json!({ "rawBytes": body.split_whitespace().collect::<String>() })
        });
    let chain: Vec<Value> = certificates.collect();
    documented([json!({
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": [], "certificateAuthorities": [], "ctlogs": [],
        "timestampAuthorities": [{
            "subject": { "organization": "one", "commonName": "one" }, "uri": "https://one.example/",
            "certChain": { "certificates": chain }, "validFor": { "start": "2026-01-01T00:00:00Z" },
        }],
    })])
}

pub(super) fn states() -> Vec<Vec<u8>> {
    let mut states = documented([
        json!({ "schema": 1, "roots": {} }),
        json!({ "schema": 1, "time_floor": "2026-11-24T10:00:00Z", "roots": {} }),
    ]);
    states.push(countersign_trust_roots::State::default().to_json());
    states
}

pub(super) fn lists() -> Vec<Vec<u8>> {
    let entry = json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 2, "artifactType": "a/b",
        "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "annotations": { "a": "b" },
    });
    documented([
        json!({ "schemaVersion": 2, "manifests": [] }),
        json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [entry, entry] }),
    ])
}

pub(super) const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

pub(super) fn layouts() -> Vec<Vec<u8>> {
    let image = countersign_common::Descriptor::of(
        "application/vnd.oci.image.manifest.v1+json",
        &story("image.manifest.json"),
    );
    let mut entry = json!(image);
    entry["annotations"] = json!({ "org.opencontainers.image.ref.name": "1" });
    documented([
        json!({ "schemaVersion": 2, "manifests": [entry] }),
        json!({ "schemaVersion": 2, "manifests": [entry, image] }),
    ])
}

pub(super) fn tokens() -> Vec<Vec<u8>> {
    documented([
        json!({ "token": "abc", "expires_in": 300 }),
        json!({ "access_token": "abc", "expires_in": 1e99, "issued_at": "2026-01-01T00:00:00Z" }),
    ])
}

pub(super) fn error_bodies() -> Vec<Vec<u8>> {
    let mut bodies =
        documented([json!({ "errors": [{ "code": "DENIED", "message": "no", "detail": {} }] })]);
    bodies.extend(texts(&["<html>\x1b[2J</html>", ""]));
    bodies
}

pub(super) fn challenges() -> Vec<Vec<u8>> {
    texts(&[
        "Bearer realm=\"https://auth.example/token\",service=\"a\",scope=\"repository:a/b:pull\"",
        "Basic realm=\"https://x/\",service=\"ecr.amazonaws.com\"",
        "bearer realm=https://x/token , service=\"a\\\"b\"",
    ])
}

pub(super) fn links() -> Vec<Vec<u8>> {
    texts(&[
        "</v2/a/referrers/b?last=c>; rel=\"next\"",
        "</first>; rel=\"first\"; title=\"a, b\", </v2/a?last=c>; title=\"x\"; REL = \"NEXT\"",
    ])
}

pub(super) fn references() -> Vec<Vec<u8>> {
    texts(&[
        "nginx",
        "registry.example:5000/shop/api:1.4.2",
        "Docker.IO/library/nginx@sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "000000000000.dkr.ecr.us-east-1.amazonaws.com/a/b_c-d__e.f:x",
        "[::1]:5000/a/b",
        "127.0.0.1:5000/a:b",
    ])
}

pub(super) fn digests() -> Vec<Vec<u8>> {
    texts(&[
        "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "sha512:27c74670adb75075fad058d5ceaf7b20c4e7786c83bae8a32f626f9782af34c9a33c2046ef60fd2a7878d378e29fec851806bbd9a67878f3a9f1cda4830763fd",
    ])
}

pub(super) fn timestamps() -> Vec<Vec<u8>> {
    texts(&[
        "2026-11-24T10:00:00Z",
        "2026-11-24T10:00:00.123+02:00",
        "1970-01-01T00:00:00Z",
    ])
}

pub(super) fn texts_shown() -> Vec<Vec<u8>> {
    texts(&[
        "plain",
        "\x1b]0;owned\x07\x1b[2J\nverified\r\u{9b}31m\u{202e}lleh\u{2028}\u{feff}",
    ])
}

/// What blobs that are attached to images are said to be.
pub(super) const FORMATS: [&str; 7] = [
    "application/vnd.dev.sigstore.bundle.v0.3+json",
    "application/jose+json",
    "application/cose",
    "application/vnd.dev.cosign.simplesigning.v1+json",
    "application/vnd.dsse.envelope.v1+json",
    "application/vnd.countersign.root.v1+json",
    "application/spdx+json",
];

/// A blob of each format, behind the number of the format.
pub(super) fn attached() -> Vec<Vec<u8>> {
    let target = json!({ "targetArtifact": {
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 287,
        "digest": "sha256:56faf7229f0a909ed8c40fbce310304df56fed0b5d72127b5db61b9de296a764",
    }});
    let url_safe = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let bundle: Value = serde_json::from_slice(&story("release-publication.blob.json")).unwrap();
    let jws = json!({
        "payload": url_safe.encode(target.to_string()),
        "protected": url_safe.encode(json!({ "alg": "PS256", "cty": "application/vnd.cncf.notary.payload.v1+json",
            "io.cncf.notary.signingTime": "2026-11-24T10:00:00Z", "crit": ["x"] }).to_string()),
        "header": { "x5c": ["MIIB"], "io.cncf.notary.timestampSignature": "MIIB" }, "signature": "AAAA",
    });
    let simple = json!({
        "critical": { "identity": { "docker-reference": "registry.example/shop/api" },
            "image": { "docker-manifest-digest": "sha256:56faf7229f0a909ed8c40fbce310304df56fed0b5d72127b5db61b9de296a764" },
            "type": "cosign container image signature" },
        "optional": { "a": "b" },
    });
    let blobs = [
        bundle.to_string().into_bytes(),
        jws.to_string().into_bytes(),
        cose(target.to_string().as_bytes()),
        simple.to_string().into_bytes(),
        bundle["dsseEnvelope"].to_string().into_bytes(),
        roots().swap_remove(0),
        b"{\"spdxVersion\":\"SPDX-2.3\"}".to_vec(),
    ];
    let numbered =
        |(number, blob): (usize, Vec<u8>)| [vec![number.try_into().unwrap()], blob].concat();
    blobs.into_iter().enumerate().map(numbered).collect()
}

/// `COSE_Sign1` of a payload: by ES256, with a content type, a signing time and a certificate that is none.
fn cose(payload: &[u8]) -> Vec<u8> {
    let protected = b"\xa3\x01\x26\x03\x78\x2aapplication/vnd.cncf.notary.payload.v1+json\x04\x41x";
    let mut message = b"\xd2\x84\x58".to_vec();
    message.push(u8::try_from(protected.len()).unwrap());
    message.extend(protected);
    message.extend(b"\xa1\x18\x21\x81\x43abc\x59");
    message.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    message.extend(payload);
    message.extend(b"\x44sign");
    message
}

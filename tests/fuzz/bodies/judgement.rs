//! From bytes to a verdict: what is attached to an image is anything, and the image is what it always is.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    sync::LazyLock,
};

use bytes::Bytes;
use countersign_common::{
    Descriptor, ImageRef, Limits, Manifest, PublicKey, Timestamp,
    bundle::MEDIA_TYPE,
    manifest::{Body, OCI_MANIFEST},
    rfc3161::Anchor,
    signer::KeyOrigin,
};
use countersign_trust_roots::{
    Authorities, Authority, TimeAuthority, TimeRules,
    document::{StandIn, Unbound},
    time::{Standing, Window},
};
use countersign_verify::{
    Besides, Deadline, Demand, Depth, Legacy, Level, Naming, Outcome, Reach, Signers, Verifier,
    inspect::{self, Judge, Question, Scope, document::InspectionDocument, render},
    verdict::{Basis, Published, document::VerdictDocument},
};
use serde_json::{Value, json};

use super::{
    memory::{Memory, at_once},
    parsers::is_harmless,
    seeds::{self, older, story},
};

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let key = PublicKey::from_pem(&String::from_utf8(story("release.pub")).unwrap()).unwrap();
    let authority = TimeAuthority {
        operator: "one.example".to_owned(),
        anchor: Anchor::from_pem(&story("one.tsa.pem"), &Limits::TABLE).unwrap(),
        valid: Window {
            start: None,
            end: None,
        },
        accuracy: TimeRules::ACCURACY,
        standing: Standing::Good,
    };
    Verifier {
        authorities: Authorities::new([Authority::unlimited(
            "release".to_owned(),
            key,
            KeyOrigin::File,
        )])
        .unwrap(),
        naming: Naming::Asked,
        time: TimeRules::new(vec![authority], NonZeroUsize::MIN, TimeRules::MAX_INTERVAL).unwrap(),
        demand: Demand {
            threshold: NonZeroUsize::MIN,
            signers: Signers::Anybody,
            annotations: BTreeMap::new(),
            attestations: BTreeSet::new(),
            level: Level::Dated,
            dates: Vec::new(),
            exceptions: Vec::new(),
            besides: Besides::default(),
            depth: Depth::Manifest,
            reach: Reach::Resolved,
            unbound: Unbound::Reported,
            stand_in: StandIn::Refused,
            legacy: Legacy::Ignored,
        },
        limits: Limits::TABLE,
        basis: Basis::Keys,
    }
});

static IMAGE: LazyLock<Manifest> = LazyLock::new(|| {
    let bytes = Bytes::from(story("image.manifest.json"));
    Manifest::parse(bytes, None, None, &Limits::TABLE).unwrap()
});

fn now() -> Timestamp {
    Timestamp::parse("2026-11-24T10:00:00Z").unwrap()
}

fn memory() -> Memory {
    let mut memory = Memory {
        image: IMAGE.clone(),
        attached: Vec::new(),
        tagged: None,
        contents: BTreeMap::new(),
    };
    memory.put("", &story("image-config.blob.json"));
    memory.put("", &story("release-publication.blob.json"));
    memory.put("", b"{}");
    memory
}

fn image() -> ImageRef {
    ImageRef::parse("registry.example/shop/api:1.4.2").unwrap()
}

/// An artifact with one blob.
fn attach(memory: &mut Memory, media_type: &str, blob: &[u8], annotations: &Value) {
    let mut layer = json!(memory.put(media_type, blob));
    layer["annotations"] = annotations.clone();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": media_type,
        "config": memory.put("application/vnd.oci.empty.v1+json", b"{}"), "layers": [layer],
        "subject": IMAGE.descriptor(),
    });
    let artifact = memory.put(OCI_MANIFEST, manifest.to_string().as_bytes());
    memory.attached.push(artifact);
}

/// What is proven of the image, if it is verified. Whatever is said of it steers no terminal.
fn verified(memory: &Memory) -> Option<Published> {
    let verdict = at_once(VERIFIER.verify(&image(), memory, now(), &Deadline::never()));
    is_harmless(&verdict.to_string());
    serde_json::to_vec(&VerdictDocument::from(&verdict)).unwrap();
    let is_verified = matches!(verdict.outcome(), Outcome::Verified(_));
    is_verified.then(|| verdict.freshness().published().unwrap().clone())
}

fn with_bundle(bytes: &[u8]) -> Option<Published> {
    let mut memory = memory();
    attach(&mut memory, MEDIA_TYPE, bytes, &Value::Null);
    verified(&memory)
}

/// What is proven by the bundle that was written.
static HONEST: LazyLock<Published> =
    LazyLock::new(|| with_bundle(&story("release-publication.blob.json")).unwrap());

/// All that decides is as it was written, but for the name of what holds it.
fn is_honest(proven: Published) {
    let artifact = HONEST.artifact.clone();
    assert_eq!(Published { artifact, ..proven }, *HONEST);
}

/// A bundle that is any bytes. What is verified was signed, byte for byte, and when it was.
pub(super) fn verdict(bytes: &[u8]) -> bool {
    let proven = with_bundle(bytes);
    let accepted = proven.is_some();
    proven.into_iter().for_each(is_honest);
    accepted
}

/// The manifest of a signature that is any bytes. What is verified refers to the image, and holds what was signed.
pub(super) fn artifact(bytes: &[u8]) -> bool {
    let mut memory = memory();
    let artifact = memory.put(OCI_MANIFEST, bytes);
    memory.attached.push(artifact);
    let Some(proven) = verified(&memory) else {
        return false;
    };
    is_honest(proven);
    let manifest =
        Manifest::parse(Bytes::copy_from_slice(bytes), None, None, &Limits::TABLE).unwrap();
    let Body::Image(body) = manifest.body() else {
        panic!("an index signs nothing");
    };
    let subject = body.subject.as_ref().map(|subject| &subject.digest);
    assert_eq!(subject, Some(IMAGE.digest()));
    true
}

/// The same verifier, where signatures of cosign before version 3 count.
static LEGACY: LazyLock<Verifier> = LazyLock::new(|| Verifier {
    demand: Demand {
        level: Level::Signed,
        legacy: Legacy::Counted,
        ..VERIFIER.demand.clone()
    },
    ..VERIFIER.clone()
});

/// What the key signed, and the manifest at the tag of the image.
fn signed_before() -> (Vec<u8>, Vec<u8>) {
    (
        older("payload.blob.json"),
        older("signatures.manifest.json"),
    )
}

/// Whether the image is verified by what this tag names, and by this blob.
fn verified_by(tag: &[u8], payload: &[u8]) -> bool {
    let mut memory = memory();
    memory.put("", payload);
    memory.tagged = Some(Bytes::copy_from_slice(tag));
    let verdict = at_once(LEGACY.verify(&image(), &memory, now(), &Deadline::never()));
    is_harmless(&verdict.to_string());
    serde_json::to_vec(&VerdictDocument::from(&verdict)).unwrap();
    matches!(verdict.outcome(), Outcome::Verified(_))
}

/// The tag of older signatures names any bytes. What is verified names what was signed, with its signature.
pub(super) fn signature_tag(bytes: &[u8]) -> bool {
    let (payload, honest) = signed_before();
    if !verified_by(bytes, &payload) {
        return false;
    }
    let layers = |bytes: &[u8]| -> Vec<Descriptor> {
        let bytes = Bytes::copy_from_slice(bytes);
        let manifest = Manifest::parse(bytes, None, None, &Limits::TABLE).unwrap();
        let Body::Image(body) = manifest.body() else {
            panic!("an index signs nothing");
        };
        body.layers.clone()
    };
    let named = |layer: &Descriptor| {
        let annotations = layer.annotations.clone().unwrap_or_default();
        let signature = annotations.get("dev.cosignproject.cosign/signature");
        (layer.digest.clone(), signature.cloned())
    };
    let honest = named(&layers(&honest)[0]);
    assert!(layers(bytes).iter().any(|layer| named(layer) == honest));
    true
}

/// A payload of an older signature that is any bytes. What is verified was signed, byte for byte.
pub(super) fn simple_signing(bytes: &[u8]) -> bool {
    let (payload, honest) = signed_before();
    let mut tag: Value = serde_json::from_slice(&honest).unwrap();
    let named = Descriptor::of("", bytes);
    tag["layers"][0]["digest"] = json!(named.digest);
    tag["layers"][0]["size"] = json!(named.size);
    let is_verified = verified_by(tag.to_string().as_bytes(), bytes);
    assert!(!is_verified || bytes == payload);
    is_verified
}

/// Each format that is shown, of any bytes; the first byte says which it is said to be.
pub(super) fn inspected(bytes: &[u8]) -> bool {
    let Some((first, blob)) = bytes.split_first() else {
        return false;
    };
    let media_type = seeds::FORMATS[usize::from(*first) % seeds::FORMATS.len()];
    let said = String::from_utf8_lossy(&blob[..blob.len().min(64)]).into_owned();
    let mut memory = memory();
    let annotations = json!({
        "dev.cosignproject.cosign/signature": "MEUCIQ==", "dev.sigstore.cosign/certificate": said,
    });
    attach(&mut memory, media_type, blob, &annotations);
    let question = Question {
        judge: Judge::By(Box::new(VERIFIER.clone())),
        scope: Scope::Itself,
        limits: Limits::TABLE,
        now: now(),
    };
    let inspection = at_once(inspect::inspect(
        &image(),
        &memory,
        &question,
        &Deadline::never(),
    ));
    is_harmless(&render::tree(&inspection));
    let document = serde_json::to_value(InspectionDocument::from(&inspection)).unwrap();
    !document.to_string().contains("\"problem\"")
}

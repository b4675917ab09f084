//! From bytes to a verdict: what is attached to an image is anything, and the image is what it always is.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    sync::LazyLock,
};

use bytes::Bytes;
use countersign_common::{
    Bundle, ImageRef, Limits, Manifest, PublicKey, Timestamp,
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
    Besides, Deadline, Demand, Depth, Level, Naming, Outcome, Reach, Signers, Verifier,
    inspect::{self, Judge, Question, Scope, document::InspectionDocument, render},
    verdict::{Basis, document::VerdictDocument},
};
use serde_json::{Value, json};

use super::{
    memory::{Memory, at_once},
    parsers::is_harmless,
    seeds::{self, story},
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
        },
        limits: Limits::TABLE,
        basis: Basis::Keys,
    }
});

static IMAGE: LazyLock<Manifest> = LazyLock::new(|| {
    let bytes = Bytes::from(story("image.manifest.json"));
    Manifest::parse(bytes, None, None, &Limits::TABLE).unwrap()
});

/// The bundle that makes the image dated, as it was written.
static HONEST: LazyLock<Bundle> = LazyLock::new(|| {
    Bundle::parse(&story("release-publication.blob.json"), &Limits::TABLE).unwrap()
});

fn now() -> Timestamp {
    Timestamp::parse("2026-11-24T10:00:00Z").unwrap()
}

fn memory() -> Memory {
    let mut memory = Memory {
        image: IMAGE.clone(),
        attached: Vec::new(),
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

/// Whether the image is verified. Whatever is said of it steers no terminal.
fn is_verified(memory: &Memory) -> bool {
    let verdict = at_once(VERIFIER.verify(&image(), memory, now(), &Deadline::never()));
    is_harmless(&verdict.to_string());
    serde_json::to_vec(&VerdictDocument::from(&verdict)).unwrap();
    matches!(verdict.outcome(), Outcome::Verified(_))
}

/// A bundle that is any bytes. What is verified was signed, byte for byte, and was stamped as it is.
pub(super) fn verdict(bytes: &[u8]) -> bool {
    let mut memory = memory();
    attach(&mut memory, MEDIA_TYPE, bytes, &Value::Null);
    if !is_verified(&memory) {
        return false;
    }
    let bundle = Bundle::parse(bytes, &Limits::TABLE).unwrap();
    assert_eq!(bundle.payload(), HONEST.payload());
    assert_eq!(bundle.payload_type(), HONEST.payload_type());
    // One stamp is enough; what stands beside it is anybody's to add.
    let stamped = HONEST
        .stamps()
        .iter()
        .any(|stamp| bundle.stamps().contains(stamp));
    assert!(stamped);
    true
}

/// The manifest of a signature that is any bytes. What is verified refers to the image, and holds what was signed.
pub(super) fn artifact(bytes: &[u8]) -> bool {
    let mut memory = memory();
    let artifact = memory.put(OCI_MANIFEST, bytes);
    memory.attached.push(artifact);
    if !is_verified(&memory) {
        return false;
    }
    let manifest =
        Manifest::parse(Bytes::copy_from_slice(bytes), None, None, &Limits::TABLE).unwrap();
    let Body::Image(body) = manifest.body() else {
        panic!("an index signs nothing");
    };
    assert_eq!(
        body.subject.as_ref().map(|subject| &subject.digest),
        Some(IMAGE.digest())
    );
    true
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

use std::{collections::BTreeMap, sync::atomic::Ordering};

use countersign_common::{
    Bundle, Descriptor, Digest, Explain, Limits, Manifest, Signer as _,
    bundle::{self, MEDIA_TYPE},
    dsse::{self, IN_TOTO_PAYLOAD_TYPE},
    manifest::{Body, EMPTY_CONFIG, OCI_MANIFEST},
    statement::{IMAGE_SIGNATURE, STATEMENT_V1},
};
use serde_json::json;

use super::world::{
    Fault, IMAGE, MemoryRegistry, TestSigner, annotated, image_manifest, is_nothing_new,
    is_refused, is_signed, means, now, occasion, pinned, sign_with,
};
use crate::{Dating, Made, Outcome, Request, SignError, plan, seal, sign, sign_image};

/// Whether the image was signed just now.
fn is_new(outcome: &Outcome) -> bool {
    is_signed(&outcome.signature)
}

#[tokio::test]
async fn an_image_is_signed_and_the_record_says_how() {
    let (registry, image) = MemoryRegistry::with_image();
    let signer = TestSigner::new();
    let outcome = sign_with(&registry, &signer, &annotated(&[]))
        .await
        .unwrap();
    let (Made::Signed(record), Made::Signed(publication)) =
        (&outcome.signature, &outcome.publication)
    else {
        panic!("{outcome:?}")
    };
    let plan = plan(&image, signer.key(), &annotated(&[])).unwrap();
    assert_eq!(
        serde_json::to_value(&outcome).unwrap(),
        json!({
            "outcome": "signed",
            "image": IMAGE,
            "digest": image.digest(),
            "predicateType": "https://sigstore.dev/cosign/sign/v1",
            "signedDigest": Digest::sha256(&plan.signed_bytes()),
            "key": "release.key",
            "keyId": signer.key().public_key.id(),
            "algorithm": "ecdsa-p256-sha256",
            "requestId": "request-1",
            "bundle": record.bundle,
            "manifest": record.manifest,
            "publication": {
                "outcome": "signed",
                "image": IMAGE,
                "digest": image.digest(),
                "predicateType": "https://countersign.dev/publication/v1",
                "signedDigest": publication.signed_digest,
                "key": "release.key",
                "keyId": signer.key().public_key.id(),
                "algorithm": "ecdsa-p256-sha256",
                "requestId": "request-1",
                "bundle": publication.bundle,
                "manifest": publication.manifest,
                "claimedAt": "2026-11-24T10:00:00Z",
            },
        })
    );
    for record in [record, publication] {
        let manifest = registry.manifest_of(&record.manifest);
        let Body::Image(body) = manifest.body() else {
            panic!("not an artifact")
        };
        assert_eq!(body.layers[0].digest, record.bundle);
        assert_eq!(&registry.blob_of(&body.config.digest)[..], b"{}");
        assert_eq!(body.subject.as_ref(), Some(image.manifest.descriptor()));
        let bundle = Bundle::parse(&registry.blob_of(&record.bundle), &Limits::TABLE).unwrap();
        let message = dsse::pre_authentication_encoding(bundle.payload_type(), bundle.payload());
        assert_eq!(Digest::sha256(&message), record.signed_digest);
    }
}

#[tokio::test]
async fn signing_again_changes_nothing() {
    let (registry, _) = MemoryRegistry::with_image();
    let signer = TestSigner::new();
    let request = annotated(&[("env", "prod")]);
    let first = sign_with(&registry, &signer, &request).await.unwrap();
    let second = sign_with(&registry, &signer, &request).await.unwrap();
    assert!(is_nothing_new(&second), "{second:?}");
    for (first, second) in [
        (first.signature, second.signature),
        (first.publication, second.publication),
    ] {
        let record = second.record();
        assert_eq!(record.manifest, first.record().manifest);
        assert_eq!(record.bundle, first.record().bundle);
        assert_eq!(record.signed_digest, first.record().signed_digest);
        assert_eq!(record.date, first.record().date);
        assert_eq!(record.request_id, None);
    }
    assert_eq!(signer.count(), 2);
    assert_eq!(registry.referrer_count(), 2);
}

#[tokio::test]
async fn another_signature_is_no_equivalent() {
    let (registry, _) = MemoryRegistry::with_image();
    let signer = TestSigner::new();
    for (count, annotations) in [
        &[][..],
        &[("env", "prod")],
        &[("env", "test")],
        &[("env", "prod"), ("team", "a")],
        &[("team", "a")],
    ]
    .into_iter()
    .enumerate()
    {
        let outcome = sign_with(&registry, &signer, &annotated(annotations))
            .await
            .unwrap();
        assert!(is_new(&outcome), "{annotations:?}");
        // What an image is signed with besides does not publish it again.
        assert_eq!(
            is_signed(&outcome.publication),
            count == 0,
            "{annotations:?}"
        );
        assert_eq!(registry.referrer_count(), count + 2);
    }
    let other = sign_with(&registry, &TestSigner::new(), &annotated(&[]))
        .await
        .unwrap();
    assert!(is_new(&other));
    assert!(is_signed(&other.publication));
}

#[tokio::test]
async fn a_signature_for_another_repository_is_no_equivalent() {
    let (registry, _) = MemoryRegistry::with_image();
    let signer = TestSigner::new();
    let request = annotated(&[]);
    sign_with(&registry, &signer, &request).await.unwrap();
    let elsewhere = pinned("registry.example/shop/copy:1");
    let means = means(&registry, &signer, Dating::Claimed);
    let outcome = sign_image(&elsewhere, &request, means, occasion())
        .await
        .unwrap();
    assert!(is_new(&outcome));
    assert!(is_signed(&outcome.publication));
}

/// Signs a statement of any kind and puts it beside the image.
async fn attach_statement(registry: &MemoryRegistry, signer: &TestSigner, statement: &str) {
    let message = dsse::pre_authentication_encoding(IN_TOTO_PAYLOAD_TYPE, statement.as_bytes());
    let signature = signer.sign(&message).await.unwrap().signature;
    let key = &signer.key().public_key;
    let payload = statement.as_bytes();
    let bundle = bundle::seal((IN_TOTO_PAYLOAD_TYPE, payload), &signature, key, &[]).unwrap();
    registry.attach_bundle(bundle.into());
}

#[tokio::test]
async fn a_statement_that_says_less_or_more_is_no_equivalent() {
    let (_, image) = MemoryRegistry::with_image();
    let hex = image.digest().hex();
    let name = image.repository();
    let ours = format!(r#"{{"name":"{name}","digest":{{"sha256":"{hex}"}}}}"#);
    let nameless = format!(r#"{{"digest":{{"sha256":"{hex}"}}}}"#);
    let other = r#"{"name":"x","digest":{}}"#;
    let attestation = "https://slsa.dev/provenance/v1";
    for (subjects, predicate_type, equivalent) in [
        (ours.clone(), IMAGE_SIGNATURE, true),
        (nameless, IMAGE_SIGNATURE, false),
        (format!("{ours},{other}"), IMAGE_SIGNATURE, false),
        (ours, attestation, false),
    ] {
        let (registry, _) = MemoryRegistry::with_image();
        let signer = TestSigner::new();
        let statement = format!(
            r#"{{"_type":"{STATEMENT_V1}","subject":[{subjects}],"predicateType":"{predicate_type}"}}"#
        );
        attach_statement(&registry, &signer, &statement).await;
        let outcome = sign_with(&registry, &signer, &annotated(&[]))
            .await
            .unwrap();
        let found = !is_new(&outcome);
        assert_eq!(found, equivalent, "{statement}");
    }
}

/// Seals a signature for another image and lists it for ours.
async fn misplace(registry: &MemoryRegistry, signer: &TestSigner) {
    let (_, mut image) = MemoryRegistry::with_image();
    image.manifest = image_manifest("another");
    let plan = plan(&image, signer.key(), &annotated(&[])).unwrap();
    let sealed = seal(sign(plan, signer).await.unwrap(), &[], now()).unwrap();
    registry.put(sealed.manifest().clone());
    registry.put_blob(sealed.bundle().clone());
    registry.list(sealed.manifest().descriptor().clone());
}

/// Lists our signature, carried by a manifest that refers to another image.
fn reattach(registry: &MemoryRegistry, manifest: &Digest) {
    let text = String::from_utf8(registry.manifest_of(manifest).bytes().to_vec()).unwrap();
    let (image, other) = (image_manifest("{}"), image_manifest("another"));
    let text = text.replace(image.digest().hex(), other.digest().hex());
    let moved = Manifest::parse(text.into(), None, None, &Limits::TABLE).unwrap();
    registry.list(moved.descriptor().clone());
    registry.put(moved);
}

#[tokio::test]
async fn what_does_not_refer_to_the_image_is_no_equivalent() {
    let signer = TestSigner::new();
    let (registry, _) = MemoryRegistry::with_image();
    misplace(&registry, &signer).await;
    let outcome = sign_with(&registry, &signer, &annotated(&[]))
        .await
        .unwrap();
    assert!(is_new(&outcome));

    let (elsewhere, _) = MemoryRegistry::with_image();
    let record = outcome.signature.record();
    elsewhere.put_blob(registry.blob_of(&record.bundle));
    elsewhere.put(registry.manifest_of(&record.manifest));
    reattach(&elsewhere, &record.manifest);
    let outcome = sign_with(&elsewhere, &signer, &annotated(&[]))
        .await
        .unwrap();
    assert!(is_new(&outcome));
}

#[tokio::test]
async fn junk_beside_an_image_does_not_stop_its_signer() {
    let (registry, image) = MemoryRegistry::with_image();
    let signer = TestSigner::new();
    registry.list(Descriptor::of(OCI_MANIFEST, b"not there"));
    registry.list(image.manifest.descriptor().clone());
    misplace(&registry, &signer).await;
    for blob in ["not a bundle", ""] {
        let layer = serde_json::to_string(&Descriptor::of(MEDIA_TYPE, blob.as_bytes())).unwrap();
        let subject = serde_json::to_string(image.manifest.descriptor()).unwrap();
        let text = format!(
            r#"{{"schemaVersion":2,"artifactType":"{MEDIA_TYPE}","config":{layer},"layers":[{layer}],"subject":{subject}}}"#
        );
        let manifest = Manifest::parse(text.into(), None, None, &Limits::TABLE).unwrap();
        registry.list(manifest.descriptor().clone());
        registry.put(manifest);
        registry.put_blob(blob.to_owned().into());
    }
    let request = annotated(&[]);
    let first = sign_with(&registry, &signer, &request).await.unwrap();
    assert!(is_new(&first));
    let second = sign_with(&registry, &signer, &request).await.unwrap();
    assert!(is_nothing_new(&second));
}

#[tokio::test]
async fn what_nobody_would_verify_is_not_signed() {
    let (mut registry, _) = MemoryRegistry::with_image();
    registry.fault = Some(Fault::ListingTooLong);
    let signer = TestSigner::new();
    let error = sign_with(&registry, &signer, &annotated(&[])).await;
    is_refused(&error.unwrap_err(), "referrers-too-many");
    assert_eq!(signer.count(), 0);
    assert!(registry.is_untouched());
    // With a signature and a publication there would be nine.
    let (registry, _) = MemoryRegistry::with_image();
    for junk in 0..7_u8 {
        registry.list(Descriptor::of(OCI_MANIFEST, &[junk]));
    }
    let within = |referrers| {
        let limits = Limits {
            referrers,
            ..Limits::TABLE
        };
        Request::bounded(BTreeMap::new(), limits).unwrap()
    };
    let error = sign_with(&registry, &signer, &within(8)).await;
    is_refused(&error.unwrap_err(), "referrers-too-many");
    assert_eq!(signer.count(), 0);
    let outcome = sign_with(&registry, &signer, &within(9)).await.unwrap();
    assert!(is_new(&outcome));
    // Nothing is added where everything is there.
    let outcome = sign_with(&registry, &signer, &within(9)).await.unwrap();
    assert!(is_nothing_new(&outcome));
}

#[tokio::test]
async fn no_more_artifacts_are_read_than_the_limit() {
    let (registry, _) = MemoryRegistry::with_image();
    for junk in 0..20_u8 {
        registry.list(Descriptor::of(OCI_MANIFEST, &[junk]));
    }
    let mut limits = Limits::TABLE;
    limits.referrers = 7;
    let request = Request::bounded(BTreeMap::new(), limits).unwrap();
    let error = sign_with(&registry, &TestSigner::new(), &request).await;
    is_refused(&error.unwrap_err(), "referrers-too-many");
    assert_eq!(registry.reads.load(Ordering::Relaxed), 7);
}

#[tokio::test]
async fn no_more_bytes_are_read_than_the_limit() {
    let (registry, _) = MemoryRegistry::with_image();
    let signer = TestSigner::new();
    let request = annotated(&[]);
    let first = sign_with(&registry, &signer, &request).await.unwrap();
    let mut bytes = 0;
    for made in [&first.signature, &first.publication] {
        let record = made.record();
        bytes += registry.manifest_of(&record.manifest).bytes().len();
        bytes += registry.blob_of(&record.bundle).len();
    }
    let within = |image_bytes: usize| {
        let limits = Limits {
            image_bytes: image_bytes as u64,
            ..Limits::TABLE
        };
        Request::bounded(BTreeMap::new(), limits).unwrap()
    };
    let again = sign_with(&registry, &signer, &within(bytes)).await.unwrap();
    assert!(is_nothing_new(&again));
    let again = sign_with(&registry, &signer, &within(bytes - 1))
        .await
        .unwrap();
    assert!(!is_nothing_new(&again));
}

/// Nobody needs to have such bytes to write their number down.
#[tokio::test]
async fn a_length_that_a_stranger_writes_down_hides_nothing() {
    for size in [Limits::TABLE.bundle as u64 + 1, Limits::TABLE.image_bytes] {
        let (registry, _) = MemoryRegistry::with_image();
        let signer = TestSigner::new();
        let request = annotated(&[]);
        let layer = Descriptor {
            size,
            ..Descriptor::of(bundle::MEDIA_TYPE, b"")
        };
        for number in 0..20 {
            registry.attach_layer(&layer, number);
        }
        registry.list(Descriptor {
            size,
            ..Descriptor::of(OCI_MANIFEST, b"long")
        });
        let first = sign_with(&registry, &signer, &request).await.unwrap();
        assert!(is_new(&first));
        let again = sign_with(&registry, &signer, &request).await.unwrap();
        assert!(is_nothing_new(&again), "{size}");
    }
}

#[tokio::test]
async fn other_kinds_of_artifacts_are_not_fetched() {
    let (registry, _) = MemoryRegistry::with_image();
    registry.list(Descriptor {
        artifact_type: Some("application/vnd.cncf.notary.signature".to_owned()),
        ..Descriptor::of(OCI_MANIFEST, b"notary")
    });
    sign_with(&registry, &TestSigner::new(), &annotated(&[]))
        .await
        .unwrap();
    assert_eq!(registry.reads.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_registry_that_hints_at_the_configurations_type_is_understood() {
    let (registry, _) = MemoryRegistry::with_image();
    let signer = TestSigner::new();
    let first = sign_with(&registry, &signer, &annotated(&[]))
        .await
        .unwrap();
    let listed = registry
        .manifest_of(&first.signature.record().manifest)
        .descriptor()
        .clone();
    for artifact_type in [Some(EMPTY_CONFIG.to_owned()), None] {
        registry.forget_list();
        registry.list(Descriptor {
            artifact_type,
            ..listed.clone()
        });
        let again = sign_with(&registry, &signer, &annotated(&[]))
            .await
            .unwrap();
        assert!(!is_new(&again));
    }
}

#[tokio::test]
async fn a_registry_that_fails_before_the_signature_costs_none() {
    for fault in [Fault::ReferrersList, Fault::BlobRead] {
        let (mut registry, _) = MemoryRegistry::with_image();
        let signer = TestSigner::new();
        sign_with(&registry, &signer, &annotated(&[]))
            .await
            .unwrap();
        registry.fault = Some(fault);
        let error = sign_with(&registry, &signer, &annotated(&[]))
            .await
            .unwrap_err();
        assert!(matches!(error, SignError::Error(_)), "{fault:?}");
        assert_eq!(error.code().as_str(), "registry-throttled");
        assert_eq!(signer.count(), 2);
    }
}

#[tokio::test]
async fn after_a_failed_push_the_next_run_completes_it() {
    for fault in [Fault::BlobPush, Fault::ReferrerPush] {
        let (mut registry, _) = MemoryRegistry::with_image();
        let signer = TestSigner::new();
        registry.fault = Some(fault);
        let error = sign_with(&registry, &signer, &annotated(&[]))
            .await
            .unwrap_err();
        assert!(matches!(error, SignError::Error(_)), "{fault:?}");
        assert_eq!(registry.referrer_count(), 0);
        registry.fault = None;
        sign_with(&registry, &signer, &annotated(&[]))
            .await
            .unwrap();
        assert_eq!(registry.referrer_count(), 2);
    }
}

#[tokio::test]
async fn a_lying_signer_writes_nothing() {
    let (registry, _) = MemoryRegistry::with_image();
    let mut signer = TestSigner::new();
    signer.lies = true;
    let error = sign_with(&registry, &signer, &annotated(&[]))
        .await
        .unwrap_err();
    assert!(matches!(error, SignError::Refusal(_)));
    assert_eq!(error.code().as_str(), "self-check-failed");
    assert_eq!(registry.referrer_count(), 0);
}

#[tokio::test]
async fn a_stand_in_signature_is_found_again() {
    let (registry, _) = MemoryRegistry::with_image();
    let signer = TestSigner::stand_in();
    sign_with(&registry, &signer, &annotated(&[]))
        .await
        .unwrap();
    let again = sign_with(&registry, &signer, &annotated(&[]))
        .await
        .unwrap();
    assert!(is_nothing_new(&again));
}

#[tokio::test]
async fn a_boxed_signer_signs_too() {
    let (registry, _) = MemoryRegistry::with_image();
    let signer: Box<dyn countersign_common::Signer> = Box::new(TestSigner::new());
    let wrapped = crate::SelfChecked::new(signer);
    let means = means(&registry, &wrapped, Dating::Claimed);
    let outcome = sign_image(&pinned(IMAGE), &annotated(&[]), means, occasion())
        .await
        .unwrap();
    assert!(is_new(&outcome));
}

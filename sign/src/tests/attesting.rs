//! Attestations: what is signed, what is added, and what is replaced.

use base64::{Engine, prelude::BASE64_STANDARD};
use countersign_common::{
    Digest, Explain, ImageRef, Limits, Registry as _, Signer as _, bundle,
    dsse::{IN_TOTO_PAYLOAD_TYPE, pre_authentication_encoding},
    predicate::Predicate,
    rfc3161::Stamped,
};
use serde_json::json;

use super::{
    authorities::{
        Answer, ONE, TWO, Witness, Written, after_now, image_digest, stamp, stamping, trusting_both,
    },
    world::{
        Fault, IMAGE, MemoryRegistry, TestSigner, annotated, image_manifest, is_refused, means,
        occasion, sign_with,
    },
};
use crate::{
    Attestation, Attested, Dating, Earlier, Fewer, Made, Request, SignError, SignedDate,
    attest_image,
};

const SPDX: &str = "https://spdx.dev/Document";
/// Not as any program would write it.
const PREDICATE: &str = "{ \"b\": 1.0,\n  \"a\": [1e3, \"\\u00e9\"], \"name\": \"é\" }";

fn attestation(kind: &str, predicate: &str, earlier: Earlier) -> Attestation {
    Attestation {
        kind: kind.parse().unwrap(),
        predicate: Predicate::parse(predicate.as_bytes(), &Limits::TABLE).unwrap(),
        earlier,
    }
}

async fn attest(
    registry: &MemoryRegistry,
    signer: &TestSigner,
    attestation: &Attestation,
    dating: Dating<'_>,
) -> Result<Attested, SignError> {
    let request = annotated(&[]);
    let about = (&request, attestation);
    let image = ImageRef::parse(IMAGE).unwrap();
    let image = registry.resolve(&image).await?;
    attest_image(&image, about, means(registry, signer, dating), occasion()).await
}

/// Attests without any authority, and says where it lies.
async fn attested(
    registry: &MemoryRegistry,
    signer: &TestSigner,
    kind: &str,
    earlier: Earlier,
) -> Attested {
    let attestation = attestation(kind, PREDICATE, earlier);
    let attested = attest(registry, signer, &attestation, Dating::Claimed)
        .await
        .unwrap();
    assert!(matches!(attested.made, Made::Signed(_)));
    attested
}

/// The same, and says only where it lies.
async fn added(registry: &MemoryRegistry, signer: &TestSigner, kind: &str) -> Digest {
    let attested = attested(registry, signer, kind, Earlier::Kept).await;
    assert_eq!(attested.replaced, []);
    attested.made.record().manifest.clone()
}

#[tokio::test]
async fn a_predicate_is_signed_byte_for_byte_between_two_stamps() {
    let (registry, image) = MemoryRegistry::with_image();
    let two = Witness::of(&TWO);
    let stamping = stamping(&[&two], trusting_both(), Fewer::Refused);
    let attestation = attestation("spdx", PREDICATE, Earlier::Kept);
    let dating = Dating::Proven(&stamping);
    let signer = TestSigner::new();
    let attested = attest(&registry, &signer, &attestation, dating)
        .await
        .unwrap();
    let record = attested.made.record();
    let written = Written::read(&registry, record);
    assert_eq!(
        written.payload(),
        format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"registry.example/shop/api","digest":{{"sha256":"{}"}},"annotations":{{"dev.countersign.before-stamp":["{}"]}}}}],"predicateType":"{SPDX}","predicate":{PREDICATE}}}"#,
            image.digest().hex(),
            BASE64_STANDARD.encode(stamp(&TWO, Stamped::Before, 0)),
        )
    );
    assert_eq!(written.before(&[&TWO]), [0]);
    assert_eq!(written.after(&[&TWO]), [2]);
    assert_eq!(
        record.date,
        SignedDate {
            claimed_at: None,
            not_before: after_now(-1),
            not_after: after_now(4),
        }
    );
    assert_eq!(
        serde_json::to_value(&attested).unwrap(),
        json!({
            "outcome": "signed",
            "image": IMAGE,
            "digest": image.digest(),
            "predicateType": SPDX,
            "signedDigest": record.signed_digest,
            "key": "release.key",
            "keyId": signer.key().public_key.id(),
            "algorithm": "ecdsa-p256-sha256",
            "requestId": "request-1",
            "bundle": record.bundle,
            "manifest": record.manifest,
            "notBefore": "2026-11-24T09:59:59Z",
            "notAfter": "2026-11-24T10:00:04Z",
        })
    );
}

#[tokio::test]
async fn without_authorities_an_attestation_has_no_date() {
    let (registry, image) = MemoryRegistry::with_image();
    let attested = attested(&registry, &TestSigner::new(), "spdx", Earlier::Kept).await;
    let written = Written::read(&registry, attested.made.record());
    assert_eq!(
        written.payload(),
        format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"registry.example/shop/api","digest":{{"sha256":"{}"}}}}],"predicateType":"{SPDX}","predicate":{PREDICATE}}}"#,
            image.digest().hex(),
        )
    );
    assert!(written.bundle.stamps().is_empty());
    assert_eq!(attested.made.record().date, SignedDate::default());
}

#[tokio::test]
async fn attesting_again_adds() {
    let (registry, _) = MemoryRegistry::with_image();
    let signer = TestSigner::new();
    let mut manifests = Vec::new();
    for count in 1..=3 {
        manifests.push(added(&registry, &signer, "spdx").await);
        assert_eq!(registry.referrer_count(), count);
    }
    assert!(manifests.iter().all(|manifest| registry.lists(manifest)));
    assert_eq!(signer.count(), 3);
    assert!(registry.counts_before_removals().is_empty());
}

#[tokio::test]
async fn what_is_replaced_is_by_the_same_key_of_the_same_type_and_goes_last() {
    let (registry, _) = MemoryRegistry::with_image();
    let (signer, other) = (TestSigner::new(), TestSigner::new());
    let image = sign_with(&registry, &signer, &annotated(&[]))
        .await
        .unwrap();
    let mut replaced = vec![
        added(&registry, &signer, "spdx").await,
        added(&registry, &signer, SPDX).await,
    ];
    let kept = [
        image.signature.record().manifest.clone(),
        image.publication.record().manifest.clone(),
        added(&registry, &signer, "cyclonedx").await,
        added(&registry, &other, "spdx").await,
    ];
    let count = registry.referrer_count();
    assert_eq!(count, 6);
    let mut attested = attested(&registry, &signer, "spdx", Earlier::Replaced).await;
    attested.replaced.sort();
    replaced.sort();
    assert_eq!(attested.replaced, replaced);
    assert!(!replaced.iter().any(|manifest| registry.lists(manifest)));
    assert!(kept.iter().all(|manifest| registry.lists(manifest)));
    assert!(registry.lists(&attested.made.record().manifest));
    // The new one was there before the first of them went.
    assert_eq!(
        registry.counts_before_removals(),
        [count + 1, count],
        "a reader must never find none"
    );
    assert_eq!(
        serde_json::to_value(&attested).unwrap()["replaced"],
        json!(replaced)
    );
}

#[tokio::test]
async fn what_has_stamps_is_replaced_like_what_has_none_and_by_it() {
    let (registry, _) = MemoryRegistry::with_image();
    let signer = TestSigner::new();
    let one = stamping(&[&Witness::of(&ONE)], trusting_both(), Fewer::Refused);
    let two = stamping(&[&Witness::of(&TWO)], trusting_both(), Fewer::Refused);
    let attestation = attestation("vuln", PREDICATE, Earlier::Replaced);
    let mut last = Vec::new();
    for dating in [
        Dating::Claimed,
        Dating::Proven(&one),
        Dating::Proven(&two),
        Dating::Claimed,
    ] {
        let attested = attest(&registry, &signer, &attestation, dating)
            .await
            .unwrap();
        assert_eq!(attested.replaced, last);
        last = vec![attested.made.record().manifest.clone()];
        assert_eq!(registry.referrer_count(), 1);
        assert!(registry.lists(&last[0]));
    }
}

/// Puts a statement beside the image, signed as the signer likes.
async fn put(registry: &MemoryRegistry, signer: &TestSigner, statement: &str) -> Digest {
    let payload = (IN_TOTO_PAYLOAD_TYPE, statement.as_bytes());
    let message = pre_authentication_encoding(payload.0, payload.1);
    let signature = signer.sign(&message).await.unwrap().signature;
    let bundle = bundle::seal(payload, &signature, &signer.key().public_key, &[]).unwrap();
    registry.attach_bundle(bundle.into())
}

#[tokio::test]
async fn what_is_not_certainly_ours_is_not_removed() {
    let (registry, image) = MemoryRegistry::with_image();
    let mut signer = TestSigner::new();
    let statement = |name: &str, hex: &str| {
        format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"{name}","digest":{{"sha256":"{hex}"}}}}],"predicateType":"{SPDX}","predicate":{{}}}}"#
        )
    };
    let (name, hex) = ("registry.example/shop/api", image.digest().hex());
    let ours = statement(name, hex);
    let other_repository = statement("registry.example/shop/copy", hex);
    let other_image = statement(name, image_manifest("another").digest().hex());
    let mut kept = vec![
        put(&registry, &signer, &other_repository).await,
        put(&registry, &signer, &other_image).await,
    ];
    // Whoever may write beside the image says that this key signed it.
    signer.lies = true;
    kept.push(put(&registry, &signer, &ours).await);
    signer.lies = false;
    let replaced = put(&registry, &signer, &ours).await;
    let attested = attested(&registry, &signer, "spdx", Earlier::Replaced).await;
    assert_eq!(attested.replaced, [replaced]);
    assert!(kept.iter().all(|manifest| registry.lists(manifest)));
}

#[tokio::test]
async fn a_removal_that_fails_is_an_error_and_the_next_run_completes_it() {
    let (mut registry, _) = MemoryRegistry::with_image();
    let signer = TestSigner::new();
    let old = added(&registry, &signer, "spdx").await;
    registry.fault = Some(Fault::ReferrerRemoval);
    let replacing = attestation("spdx", "{}", Earlier::Replaced);
    let error = attest(&registry, &signer, &replacing, Dating::Claimed)
        .await
        .unwrap_err();
    assert!(matches!(error, SignError::Error(_)), "{error}");
    assert_eq!(error.code().as_str(), "registry-throttled");
    assert_eq!(registry.referrer_count(), 2);
    assert!(registry.lists(&old));
    registry.fault = None;
    let attested = attest(&registry, &signer, &replacing, Dating::Claimed)
        .await
        .unwrap();
    assert_eq!(attested.replaced.len(), 2);
    assert_eq!(registry.referrer_count(), 1);
    assert!(registry.lists(&attested.made.record().manifest));
}

#[tokio::test]
async fn nothing_is_removed_that_nothing_replaces() {
    let (mut registry, _) = MemoryRegistry::with_image();
    let mut signer = TestSigner::new();
    let old = added(&registry, &signer, "spdx").await;
    let replacing = attestation("spdx", PREDICATE, Earlier::Replaced);
    for fault in [Fault::BlobPush, Fault::ReferrerPush, Fault::ReferrersList] {
        registry.fault = Some(fault);
        attest(&registry, &signer, &replacing, Dating::Claimed)
            .await
            .unwrap_err();
        assert!(registry.lists(&old), "{fault:?}");
    }
    registry.fault = None;
    let another = Witness::scripted(&ONE, &[(Answer::At(0), Answer::OfAnother)]);
    let away = Witness::scripted(&ONE, &[(Answer::Away, Answer::At(2))]);
    for witness in [another, away] {
        let stamping = stamping(&[&witness], trusting_both(), Fewer::Refused);
        attest(&registry, &signer, &replacing, Dating::Proven(&stamping))
            .await
            .unwrap_err();
    }
    signer.lies = true;
    attest(&registry, &signer, &replacing, Dating::Claimed)
        .await
        .unwrap_err();
    assert_eq!(registry.referrer_count(), 1);
    assert!(registry.lists(&old));
}

#[tokio::test]
async fn an_attestation_that_was_slow_is_begun_again() {
    let (registry, _) = MemoryRegistry::with_image();
    let signer = TestSigner::new();
    let slow = Witness::scripted(
        &ONE,
        &[
            (Answer::At(0), Answer::At(298)),
            (Answer::At(1_000), Answer::At(1_297)),
        ],
    );
    let stamping = stamping(&[&slow], trusting_both(), Fewer::Refused);
    let attestation = attestation("spdx", PREDICATE, Earlier::Kept);
    let attested = attest(&registry, &signer, &attestation, Dating::Proven(&stamping))
        .await
        .unwrap();
    let written = Written::read(&registry, attested.made.record());
    assert_eq!(written.before(&[&ONE]), [1_000]);
    assert_eq!((slow.befores(), signer.count()), (2, 2));
    assert_eq!(registry.referrer_count(), 1);
}

#[tokio::test]
async fn an_attestation_may_be_larger_than_a_signature_and_is_still_found() {
    let (registry, _) = MemoryRegistry::with_image();
    let signer = TestSigner::new();
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(5 << 20));
    let replacing = attestation("spdx", &long, Earlier::Replaced);
    let mut last = Vec::new();
    for _ in 0..2 {
        let attested = attest(&registry, &signer, &replacing, Dating::Claimed)
            .await
            .unwrap();
        assert_eq!(attested.replaced, last);
        last = vec![attested.made.record().manifest.clone()];
        let written = Written::read(&registry, attested.made.record());
        assert!(written.payload().len() > Limits::TABLE.bundle);
    }
}

#[tokio::test]
async fn a_stand_in_key_says_so_in_what_it_attests() {
    let (registry, _) = MemoryRegistry::with_image();
    let stamping = stamping(&[&Witness::of(&TWO)], trusting_both(), Fewer::Refused);
    let replacing = attestation("spdx", PREDICATE, Earlier::Replaced);
    let signer = TestSigner::stand_in();
    for (dating, replaced) in [(Dating::Claimed, 0), (Dating::Proven(&stamping), 1)] {
        let attested = attest(&registry, &signer, &replacing, dating)
            .await
            .unwrap();
        let written = Written::read(&registry, attested.made.record());
        let digest = image_digest();
        let subject = written.statement.subjects_naming(&digest).next().unwrap();
        assert_eq!(subject.annotation("dev.countersign.stand-in"), Some("true"));
        assert_eq!(attested.replaced.len(), replaced);
    }
}

#[tokio::test]
async fn one_that_replaces_others_needs_room_beside_them() {
    let (registry, _) = MemoryRegistry::with_image();
    let signer = TestSigner::new();
    for _ in 0..5 {
        added(&registry, &signer, "spdx").await;
    }
    let replacing = attestation("spdx", PREDICATE, Earlier::Replaced);
    let image = ImageRef::parse(IMAGE).unwrap();
    let image = registry.resolve(&image).await.unwrap();
    let means = means(&registry, &signer, Dating::Claimed);
    let replace = async |referrers| {
        let mut limits = Limits::TABLE;
        limits.referrers = referrers;
        let request = Request::bounded(std::collections::BTreeMap::new(), limits).unwrap();
        attest_image(&image, (&request, &replacing), means, occasion()).await
    };
    let error = replace(5).await.unwrap_err();
    is_refused(&error, "referrers-too-many");
    assert_eq!(signer.count(), 5);
    assert_eq!(registry.referrer_count(), 5);
    assert_eq!(replace(6).await.unwrap().replaced.len(), 5);
    assert_eq!(registry.referrer_count(), 1);
}

#[tokio::test]
async fn what_is_not_listed_cannot_be_replaced_but_added_to() {
    let (mut registry, _) = MemoryRegistry::with_image();
    registry.fault = Some(Fault::ListingTooLong);
    let signer = TestSigner::new();
    let replacing = attestation("spdx", PREDICATE, Earlier::Replaced);
    let error = attest(&registry, &signer, &replacing, Dating::Claimed)
        .await
        .unwrap_err();
    is_refused(&error, "referrers-too-many");
    assert_eq!(signer.count(), 0);
    assert!(registry.is_untouched());
    added(&registry, &signer, "spdx").await;
}

#[tokio::test]
async fn more_than_verifiers_fetch_is_not_signed() {
    let (registry, _) = MemoryRegistry::with_image();
    let signer = TestSigner::new();
    let smallest = attestation("spdx", r#"{"a":""}"#, Earlier::Kept);
    let smallest = attest(&registry, &TestSigner::new(), &smallest, Dating::Claimed).await;
    let smallest = smallest.unwrap();
    let around = Written::read(&registry, smallest.made.record())
        .payload()
        .len();
    let sized = |statement: usize| {
        let predicate = |length: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(length));
        attestation("spdx", &predicate(statement - around), Earlier::Kept)
    };
    let (limit, dating) = (11 << 20, Dating::Claimed);
    let error = attest(&registry, &signer, &sized(limit + 1), dating)
        .await
        .unwrap_err();
    is_refused(&error, "too-large");
    assert_eq!(signer.count(), 0);
    let attested = attest(&registry, &signer, &sized(limit), dating)
        .await
        .unwrap();
    let written = Written::read(&registry, attested.made.record());
    assert_eq!(written.payload().len(), limit);
}

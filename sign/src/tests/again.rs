//! Signing again: which publication is the first, and what does not count as one.

use base64::{Engine, prelude::BASE64_STANDARD};
use countersign_common::rfc3161::Stamped;
use countersign_stand_in::tsa;
use countersign_trust_roots::TimeRules;
use serde_json::{Value, json};

use super::{
    authorities::{
        Answer, ONE, TWO, Witness, Written, after_now, image_digest, proven, rules, stamp,
        stamping, trusting_both,
    },
    world::{
        Fault, IMAGE, MemoryRegistry, TestSigner, annotated, is_nothing_new, is_refused, is_signed,
        means, now, occasion, pinned, sign_dated, sign_with, until,
    },
};
use crate::{Dating, Fewer, Occasion, Record, SignError, sign_image};

#[tokio::test]
async fn signing_again_keeps_the_first_date() {
    let (registry, _) = MemoryRegistry::with_image();
    let signer = TestSigner::new();
    let first = stamping(&[&Witness::of(&ONE)], trusting_both(), Fewer::Refused);
    let first = sign_dated(&registry, &signer, &annotated(&[]), Dating::Proven(&first))
        .await
        .unwrap();
    let later = Witness::at(&ONE, 86_400);
    let stamping = stamping(&[&later], trusting_both(), Fewer::Refused);
    let again = sign_dated(
        &registry,
        &signer,
        &annotated(&[]),
        Dating::Proven(&stamping),
    )
    .await
    .unwrap();
    assert!(is_nothing_new(&again));
    assert_eq!(again.publication.record().date, proven((-1, 4)));
    assert_eq!(
        again.publication.record().manifest,
        first.publication.record().manifest
    );
    assert_eq!(again.signature.record().date, first.signature.record().date);
    assert_eq!((signer.count(), registry.referrer_count()), (2, 2));
    assert_eq!((later.befores(), later.afters()), (0, 0));
}

#[tokio::test]
async fn a_claim_is_not_enough_where_proof_is_wanted_and_proof_is_where_a_claim_is() {
    let (registry, _) = MemoryRegistry::with_image();
    let signer = TestSigner::new();
    let request = annotated(&[]);
    let claimed = sign_with(&registry, &signer, &request).await.unwrap();
    let stamping = stamping(&[&Witness::of(&TWO)], trusting_both(), Fewer::Refused);
    let dating = Dating::Proven(&stamping);
    let dated = sign_dated(&registry, &signer, &request, dating)
        .await
        .unwrap();
    assert!(is_signed(&dated.publication));
    // The one that is there has no stamp, and nobody can tell when it was made.
    assert!(is_signed(&dated.signature));
    assert_ne!(
        dated.publication.record().manifest,
        claimed.publication.record().manifest
    );

    for dating in [Dating::Claimed, dating] {
        let again = sign_dated(&registry, &signer, &request, dating)
            .await
            .unwrap();
        assert!(is_nothing_new(&again));
        assert_eq!(
            again.publication.record().manifest,
            dated.publication.record().manifest
        );
        assert_eq!(again.publication.record().date, proven((-1, 4)));
    }
    assert_eq!(signer.count(), 4);
}

#[tokio::test]
async fn the_earliest_of_several_publications_is_the_first() {
    let signer = TestSigner::new();
    let mut made = Vec::new();
    for seconds in [100, 0, 200] {
        let stamping = stamping(
            &[&Witness::at(&ONE, seconds)],
            trusting_both(),
            Fewer::Refused,
        );
        let (registry, _) = MemoryRegistry::with_image();
        let dating = Dating::Proven(&stamping);
        let outcome = sign_dated(&registry, &signer, &annotated(&[]), dating)
            .await
            .unwrap();
        made.push((registry, outcome));
    }
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let (registry, _) = MemoryRegistry::with_image();
        for position in order {
            let (other, outcome) = &made[position];
            registry.adopt(other, outcome.publication.record());
        }
        let stamping = stamping(&[&Witness::at(&ONE, -100)], trusting_both(), Fewer::Refused);
        for dating in [Dating::Proven(&stamping), Dating::Claimed] {
            let outcome = sign_dated(&registry, &signer, &annotated(&[]), dating)
                .await
                .unwrap();
            assert!(!is_signed(&outcome.publication));
            assert_eq!(outcome.publication.record().date, proven((-1, 4)));
        }
    }
}

#[tokio::test]
async fn what_nobody_trusted_has_stamped_is_signed_again() {
    let (registry, _) = MemoryRegistry::with_image();
    let signer = TestSigner::new();
    let only_one = rules(&[&ONE], 1, TimeRules::MAX_INTERVAL);
    let first = stamping(&[&Witness::of(&ONE)], only_one, Fewer::Refused);
    let only_two = || rules(&[&TWO], 1, TimeRules::MAX_INTERVAL);
    let second = stamping(&[&Witness::at(&TWO, 50)], only_two(), Fewer::Refused);
    for stamping in [&first, &second] {
        let dating = Dating::Proven(stamping);
        let outcome = sign_dated(&registry, &signer, &annotated(&[]), dating)
            .await
            .unwrap();
        assert!(is_signed(&outcome.publication) && is_signed(&outcome.signature));
    }
    let again = stamping(&[&Witness::at(&TWO, 90)], only_two(), Fewer::Refused);
    let outcome = sign_dated(&registry, &signer, &annotated(&[]), Dating::Proven(&again))
        .await
        .unwrap();
    assert!(is_nothing_new(&outcome));
    assert_eq!(outcome.publication.record().date, proven((49, 54)));
}

/// The same document, to which somebody has added a stamp of its signature.
fn stamped_once_more(
    registry: &MemoryRegistry,
    record: &Record,
    authority: &tsa::TimeAuthority,
    seconds: i64,
) -> MemoryRegistry {
    let written = Written::read(registry, record);
    let stamped = Stamped::Signature(written.bundle.signature());
    let stamp = BASE64_STANDARD.encode(stamp(authority, stamped, seconds));
    let mut bundle: Value = serde_json::from_slice(&registry.blob_of(&record.bundle)).unwrap();
    bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"]
        .as_array_mut()
        .unwrap()
        .insert(0, json!({ "signedTimestamp": stamp }));
    let (altered, _) = MemoryRegistry::with_image();
    altered.attach_bundle(bundle.to_string().into());
    altered
}

#[tokio::test]
async fn a_stamp_that_somebody_adds_makes_no_other_date() {
    let signer = TestSigner::new();
    for rules in [
        TimeRules::none(),
        rules(&[&ONE], 1, TimeRules::MAX_INTERVAL),
    ] {
        let (registry, _) = MemoryRegistry::with_image();
        let stamping = stamping(&[&Witness::of(&ONE)], rules, Fewer::Refused);
        let dating = Dating::Proven(&stamping);
        let outcome = sign_dated(&registry, &signer, &annotated(&[]), dating)
            .await
            .unwrap();
        // Narrower, and before the signature was made.
        for seconds in [0, -100] {
            let record = outcome.publication.record();
            let altered = stamped_once_more(&registry, record, &TWO, seconds);
            let again = sign_dated(&altered, &signer, &annotated(&[]), dating)
                .await
                .unwrap();
            assert!(!is_signed(&again.publication), "{seconds}");
            assert_eq!(again.publication.record().date, proven((-1, 4)));
        }
    }
}

#[tokio::test]
async fn of_publications_that_claim_their_dates_the_earliest_is_the_first() {
    let signer = TestSigner::new();
    let (registry, _) = MemoryRegistry::with_image();
    for seconds in [100, 0, 200] {
        let (other, _) = MemoryRegistry::with_image();
        let occasion = Occasion {
            now: after_now(seconds).unwrap(),
            ..occasion()
        };
        let means = means(&other, &signer, Dating::Claimed);
        let outcome = sign_image(&pinned(IMAGE), &annotated(&[]), means, occasion)
            .await
            .unwrap();
        registry.adopt(&other, outcome.publication.record());
    }
    let outcome = sign_with(&registry, &signer, &annotated(&[]))
        .await
        .unwrap();
    assert!(!is_signed(&outcome.publication));
    assert_eq!(outcome.publication.record().date.claimed_at, Some(now()));
}

#[tokio::test]
async fn a_signature_beside_a_publication_that_is_there_is_checked_too() {
    let (registry, _) = MemoryRegistry::with_image();
    let signer = TestSigner::new();
    let trusted = || rules(&[&ONE], 1, TimeRules::MAX_INTERVAL);
    let sign = async |witness: &Witness, env: &str| {
        let stamping = stamping(&[witness], trusted(), Fewer::Refused);
        let request = annotated(&[("env", env)]);
        sign_dated(&registry, &signer, &request, Dating::Proven(&stamping)).await
    };
    sign(&Witness::of(&ONE), "prod").await.unwrap();
    let another = Witness::scripted(&ONE, &[(Answer::At(0), Answer::OfAnother)]);
    for witness in [&another, &Witness::of(&TWO)] {
        let error = sign(witness, "test").await.unwrap_err();
        is_refused(&error, "self-check-failed");
        assert_eq!(witness.befores(), 0);
        assert_eq!(registry.referrer_count(), 2);
    }
    let outcome = sign(&Witness::of(&ONE), "test").await.unwrap();
    assert!(is_signed(&outcome.signature) && !is_signed(&outcome.publication));
}

#[tokio::test]
async fn another_end_of_support_is_refused_before_any_key_is_used() {
    let published = annotated(&[]).supported_until(until("2027-11-23T00:00:00Z"));
    let same = annotated(&[("env", "prod")]).supported_until(until("2027-11-23T01:00:00+01:00"));
    // It is written in whole seconds.
    let fraction = annotated(&[("env", "prod")]).supported_until(until("2027-11-23T00:00:00.5Z"));
    let other = annotated(&[("env", "test")]).supported_until(until("2027-11-23T00:00:01Z"));
    let silent = annotated(&[("env", "test")]);
    let stamping = stamping(&[&Witness::of(&TWO)], trusting_both(), Fewer::Refused);
    for dating in [Dating::Claimed, Dating::Proven(&stamping)] {
        let (registry, _) = MemoryRegistry::with_image();
        let signer = TestSigner::new();
        for request in [&published, &same, &fraction, &silent] {
            sign_dated(&registry, &signer, request, dating)
                .await
                .unwrap();
        }
        assert_eq!((signer.count(), registry.referrer_count()), (4, 4));
        let refused = annotated(&[("team", "a")]).supported_until(until("2027-11-22T23:59:59Z"));
        for request in [&other, &refused] {
            let error = sign_dated(&registry, &signer, request, dating)
                .await
                .unwrap_err();
            is_refused(&error, "publication-differs");
            assert_eq!(
                error.to_string(),
                format!(
                    "{} is published already, supported until 2027-11-23T00:00:00Z; the first publication stays",
                    image_digest()
                )
            );
        }
        assert_eq!((signer.count(), registry.referrer_count()), (4, 4));
    }
}

#[tokio::test]
async fn an_end_of_support_is_not_added_to_a_publication() {
    let (registry, _) = MemoryRegistry::with_image();
    let signer = TestSigner::new();
    sign_with(&registry, &signer, &annotated(&[]))
        .await
        .unwrap();
    let request = annotated(&[]).supported_until(until("2027-11-23T00:00:00Z"));
    let error = sign_with(&registry, &signer, &request).await.unwrap_err();
    is_refused(&error, "publication-differs");
    assert_eq!(signer.count(), 2);
    // Where proof is wanted the claimed one does not count, and another is made.
    let stamping = stamping(&[&Witness::of(&TWO)], trusting_both(), Fewer::Refused);
    let dating = Dating::Proven(&stamping);
    let outcome = sign_dated(&registry, &signer, &request, dating)
        .await
        .unwrap();
    assert!(is_signed(&outcome.publication));
}

#[tokio::test]
async fn after_a_failed_push_dates_are_made_anew() {
    for fault in [Fault::BlobPush, Fault::ReferrerPush] {
        let (mut registry, _) = MemoryRegistry::with_image();
        let signer = TestSigner::new();
        registry.fault = Some(fault);
        let first = stamping(&[&Witness::of(&ONE)], trusting_both(), Fewer::Refused);
        let dating = Dating::Proven(&first);
        let error = sign_dated(&registry, &signer, &annotated(&[]), dating)
            .await
            .unwrap_err();
        assert!(matches!(error, SignError::Error(_)), "{fault:?}");
        assert_eq!(registry.referrer_count(), 0);
        registry.fault = None;
        let later = stamping(&[&Witness::at(&ONE, 60)], trusting_both(), Fewer::Refused);
        let dating = Dating::Proven(&later);
        let outcome = sign_dated(&registry, &signer, &annotated(&[]), dating)
            .await
            .unwrap();
        assert_eq!(registry.referrer_count(), 2);
        assert_eq!(outcome.publication.record().date, proven((59, 64)));
    }
}

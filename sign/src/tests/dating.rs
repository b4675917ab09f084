//! Dates: what is stamped, when it is done again, and what is not let out.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use countersign_common::{
    Digest, Explain, Signature, Task, TimestampAuthority,
    dsse::{IN_TOTO_PAYLOAD_TYPE, pre_authentication_encoding},
    rfc3161::Stamped,
    time_authority::{Error, Failure},
};
use countersign_trust_roots::TimeRules;

use super::{
    authorities::{
        Answer, ONE, TWO, Witness, Written, after_now, proven, rules, stamp, stamping,
        trusting_both,
    },
    world::{
        IMAGE, MemoryRegistry, TestSigner, annotated, is_refused, means, now, pinned, sign_dated,
        sign_with, until,
    },
};
use crate::{Dating, Fewer, Occasion, Outcome, SignError, SignedDate, Stamping, sign_image};

/// Half of the widest interval, and what accuracy and whole seconds add to the distance of two stamps.
const HALF: i64 = 300;
const IMPRECISION: i64 = 3;

/// What is refused or fails, and that it left nothing.
async fn nothing_is_attached(stamping: &Stamping) -> (SignError, usize) {
    let (registry, _) = MemoryRegistry::with_image();
    let signer = TestSigner::new();
    let error = sign_dated(
        &registry,
        &signer,
        &annotated(&[]),
        Dating::Proven(stamping),
    )
    .await
    .unwrap_err();
    assert_eq!(registry.referrer_count(), 0, "{error}");
    assert!(registry.is_untouched(), "{error}");
    (error, signer.count())
}

/// That the same passes, and what it made.
async fn everything_is_attached(stamping: &Stamping) -> (Outcome, MemoryRegistry) {
    let (registry, _) = MemoryRegistry::with_image();
    let signer = TestSigner::new();
    let dating = Dating::Proven(stamping);
    let outcome = sign_dated(&registry, &signer, &annotated(&[]), dating)
        .await
        .unwrap();
    assert_eq!(registry.referrer_count(), 2);
    (outcome, registry)
}

#[track_caller]
fn is_unavailable(error: &SignError) {
    assert!(matches!(error, SignError::Error(_)), "{error}");
    assert_eq!(error.code().as_str(), "tsa-unavailable", "{error}");
}

#[tokio::test]
async fn both_signatures_are_stamped_and_the_publication_has_stamps_inside() {
    let (one, two) = (Witness::of(&ONE), Witness::at(&TWO, 1));
    let stamping = stamping(&[&one, &two], trusting_both(), Fewer::Refused);
    let (outcome, registry) = everything_is_attached(&stamping).await;

    let signature = Written::read(&registry, outcome.signature.record());
    assert_eq!(signature.after(&[&ONE, &TWO]), [2, 3]);
    assert!(signature.before(&[]).is_empty());
    assert_eq!(
        outcome.signature.record().date,
        SignedDate {
            not_after: after_now(4),
            ..SignedDate::default()
        }
    );

    let publication = Written::read(&registry, outcome.publication.record());
    assert_eq!(publication.before(&[&ONE, &TWO]), [0, 1]);
    assert_eq!(publication.after(&[&ONE, &TWO]), [2, 3]);
    // The accuracy is one second, and the stamps are in whole ones. One operator is enough: the narrowest ends count.
    assert_eq!(outcome.publication.record().date, proven((0, 4)));
    assert_eq!((one.befores(), one.afters()), (1, 2));
}

#[tokio::test]
async fn a_publication_is_byte_for_byte_as_specified() {
    let (registry, image) = MemoryRegistry::with_image();
    let two = Witness::of(&TWO);
    let stamping = stamping(&[&two], trusting_both(), Fewer::Refused);
    let request = annotated(&[("env", "prod")]).supported_until(until("2027-11-23T00:00:00Z"));
    let dating = Dating::Proven(&stamping);
    let outcome = sign_dated(&registry, &TestSigner::new(), &request, dating)
        .await
        .unwrap();
    let written = Written::read(&registry, outcome.publication.record());
    assert_eq!(
        written.payload(),
        format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"digest":{{"sha256":"{}"}}}}],"predicateType":"https://countersign.dev/publication/v1","predicate":{{"repository":"registry.example/shop/api","mediaType":"application/vnd.oci.image.manifest.v1+json","size":{},"supportedUntil":"2027-11-23T00:00:00Z","beforeStamp":{{"rfc3161":["{}"]}}}}}}"#,
            image.digest().hex(),
            image.manifest.bytes().len(),
            BASE64_STANDARD.encode(stamp(&TWO, Stamped::Before, 0)),
        )
    );
}

#[tokio::test]
async fn without_authorities_a_publication_claims_its_date_and_nothing_is_stamped() {
    let (registry, image) = MemoryRegistry::with_image();
    let outcome = sign_with(&registry, &TestSigner::new(), &annotated(&[]))
        .await
        .unwrap();
    let publication = Written::read(&registry, outcome.publication.record());
    assert_eq!(
        publication.payload(),
        format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"digest":{{"sha256":"{}"}}}}],"predicateType":"https://countersign.dev/publication/v1","predicate":{{"repository":"registry.example/shop/api","mediaType":"application/vnd.oci.image.manifest.v1+json","size":{},"claimedAt":"2026-11-24T10:00:00Z"}}}}"#,
            image.digest().hex(),
            image.manifest.bytes().len(),
        )
    );
    let signature = Written::read(&registry, outcome.signature.record());
    assert!(publication.bundle.stamps().is_empty());
    assert!(signature.bundle.stamps().is_empty());
    assert_eq!(outcome.signature.record().date, SignedDate::default());
    assert_eq!(
        outcome.publication.record().date,
        SignedDate {
            claimed_at: Some(now()),
            ..SignedDate::default()
        }
    );
}

#[tokio::test]
async fn who_signs_hears_of_each_signature() {
    let (registry, _) = MemoryRegistry::with_image();
    let signer = TestSigner::new();
    let heard = Mutex::new(Vec::new());
    let occasion = Occasion {
        now: now(),
        signed: &|signed| heard.lock().unwrap().push(signed.plan().signed_digest()),
    };
    let two = Witness::of(&TWO);
    let stamping = stamping(&[&two], trusting_both(), Fewer::Refused);
    let means = means(&registry, &signer, Dating::Proven(&stamping));
    let outcome = sign_image(&pinned(IMAGE), &annotated(&[]), means, occasion)
        .await
        .unwrap();
    let mut heard = heard.into_inner().unwrap();
    let mut made = [&outcome.signature, &outcome.publication].map(|made| {
        let written = Written::read(&registry, made.record());
        let message = pre_authentication_encoding(IN_TOTO_PAYLOAD_TYPE, written.bundle.payload());
        assert_eq!(Digest::sha256(&message), made.record().signed_digest);
        made.record().signed_digest.clone()
    });
    heard.sort();
    made.sort();
    assert_eq!(heard, made);
}

/// Answers only once all its fellows were asked too.
struct Together {
    inner: Witness,
    befores: Arc<AtomicUsize>,
    afters: Arc<AtomicUsize>,
    fellows: usize,
}

impl Together {
    async fn wait(&self, asked: &AtomicUsize) -> Result<(), Failure> {
        asked.fetch_add(1, Ordering::Relaxed);
        // Whoever is asked at the same time is asked before anybody is listened to again.
        tokio::task::yield_now().await;
        if asked.load(Ordering::Relaxed).is_multiple_of(self.fellows) {
            return Ok(());
        }
        Err(Error::TimedOut {
            url: "https://alone.example/".to_owned(),
            timeout: std::time::Duration::from_secs(0),
        }
        .into())
    }
}

impl TimestampAuthority for Together {
    fn before(&self) -> Task<'_, Result<Vec<u8>, Failure>> {
        Box::pin(async {
            self.wait(&self.befores).await?;
            self.inner.before().await
        })
    }

    fn after<'a>(&'a self, signature: &'a Signature) -> Task<'a, Result<Vec<u8>, Failure>> {
        Box::pin(async {
            self.wait(&self.afters).await?;
            self.inner.after(signature).await
        })
    }
}

#[tokio::test]
async fn all_authorities_are_asked_at_the_same_time() {
    let (befores, afters) = (Arc::default(), Arc::default());
    let together = |authority| -> Box<dyn TimestampAuthority> {
        Box::new(Together {
            inner: Witness::of(authority),
            befores: Arc::clone(&befores),
            afters: Arc::clone(&afters),
            fellows: 4,
        })
    };
    let authorities = [&*ONE, &*TWO, &*ONE, &*TWO].map(together).into();
    let stamping = Stamping::new((authorities, 4), trusting_both(), Fewer::Refused);
    let stamping = stamping.unwrap().unwrap();
    let (outcome, registry) = everything_is_attached(&stamping).await;
    let publication = Written::read(&registry, outcome.publication.record());
    assert_eq!(publication.before(&[&ONE, &TWO, &ONE, &TWO]), [0; 4]);
    assert_eq!(publication.after(&[&ONE, &TWO, &ONE, &TWO]), [2; 4]);
}

#[tokio::test]
async fn fewer_stamps_will_do_only_if_they_may_and_if_there_are_any() {
    for answers in [
        (Answer::Away, Answer::At(2)),
        (Answer::At(0), Answer::Away),
        (Answer::Away, Answer::Away),
    ] {
        let away = || Witness::scripted(&ONE, &[answers]);
        let two = Witness::of(&TWO);
        for witnesses in [[&away(), &two], [&two, &away()]] {
            let refused = stamping(&witnesses, trusting_both(), Fewer::Refused);
            let (error, _) = nothing_is_attached(&refused).await;
            is_unavailable(&error);
            assert!(
                error
                    .to_string()
                    .starts_with("1 of 2 time-stamp authorities gave a stamp: "),
                "{error}"
            );
            let accepted = stamping(&witnesses, trusting_both(), Fewer::Accepted);
            everything_is_attached(&accepted).await;
        }
        let all_away = stamping(&[&away(), &away()], trusting_both(), Fewer::Accepted);
        let (error, _) = nothing_is_attached(&all_away).await;
        is_unavailable(&error);
        let text = "0 of 2 time-stamp authorities gave a stamp: ";
        assert!(error.to_string().starts_with(text), "{error}");
    }
    let nobody = Stamping::new((Vec::new(), 1), TimeRules::none(), Fewer::Accepted);
    assert!(nobody.unwrap().is_none());
}

#[tokio::test]
async fn an_authority_that_lies_stops_everything() {
    let (good, later) = (Answer::At(0), Answer::At(2));
    for (lies, fails) in [
        ((Answer::Lie, later), (Answer::Away, later)),
        ((good, Answer::Lie), (good, Answer::Away)),
    ] {
        let liar = Witness::scripted(&ONE, &[lies]);
        let away = Witness::scripted(&ONE, &[fails]);
        let two = Witness::of(&TWO);
        for witnesses in [[&liar, &two], [&two, &liar], [&away, &liar]] {
            for fewer in [Fewer::Accepted, Fewer::Refused] {
                let stamping = stamping(&witnesses, trusting_both(), fewer);
                let (error, _) = nothing_is_attached(&stamping).await;
                is_refused(&error, "stamp-implausible");
            }
        }
    }
}

#[tokio::test]
async fn a_stamp_by_somebody_who_is_not_trusted_is_found_out_before_the_push() {
    let one = Witness::of(&ONE);
    let asked = |rules| stamping(&[&one], rules, Fewer::Refused);
    let trusting = |authority| rules(&[authority], 1, TimeRules::MAX_INTERVAL);
    everything_is_attached(&asked(trusting(&ONE))).await;
    let (error, count) = nothing_is_attached(&asked(trusting(&TWO))).await;
    is_refused(&error, "self-check-failed");
    // The image's signature, the publication's, or both: none of them got out.
    assert!((1..=2).contains(&count), "{count}");
    // Where the signer does not know whom verifiers trust, it cannot tell.
    everything_is_attached(&asked(TimeRules::none())).await;
}

#[tokio::test]
async fn as_many_operators_as_verifiers_want_must_have_stamped() {
    let (one, two) = (Witness::of(&ONE), Witness::of(&TWO));
    let both = || rules(&[&ONE, &TWO], 2, TimeRules::MAX_INTERVAL);
    let two_operators = stamping(&[&one, &two], both(), Fewer::Refused);
    everything_is_attached(&two_operators).await;
    let one_operator = stamping(&[&one, &one], both(), Fewer::Refused);
    let (error, _) = nothing_is_attached(&one_operator).await;
    is_refused(&error, "self-check-failed");
}

#[tokio::test]
async fn a_stamp_of_something_else_is_found_out_before_the_push() {
    for answers in [
        (Answer::At(0), Answer::OfAnother),
        (Answer::OfAnother, Answer::At(2)),
    ] {
        for rules in [trusting_both(), TimeRules::none()] {
            let another = Witness::scripted(&ONE, &[answers]);
            let (error, _) =
                nothing_is_attached(&stamping(&[&another], rules, Fewer::Refused)).await;
            is_refused(&error, "self-check-failed");
        }
    }
}

#[tokio::test]
async fn stamps_in_the_wrong_order_are_found_out_before_the_push() {
    // Three seconds are within what the accuracies of both stamps allow.
    for (seconds, passes) in [(-3, true), (-4, false)] {
        for rules in [trusting_both(), TimeRules::none()] {
            let early = Witness::scripted(&ONE, &[(Answer::At(0), Answer::At(seconds))]);
            let stamping = stamping(&[&early], rules, Fewer::Refused);
            if passes {
                everything_is_attached(&stamping).await;
            } else {
                let (error, _) = nothing_is_attached(&stamping).await;
                is_refused(&error, "self-check-failed");
            }
        }
    }
}

/// An authority that says that signing took so long, the first time, the second time, and so on.
fn slow(seconds: &[i64]) -> Witness {
    let answers: Vec<_> = (0..)
        .step_by(10_000)
        .zip(seconds)
        .map(|(begin, seconds)| (Answer::At(begin), Answer::At(begin + seconds)))
        .collect();
    Witness::scripted(&ONE, &answers)
}

#[tokio::test]
async fn what_took_more_than_half_of_what_is_accepted_is_begun_again() {
    let half = HALF - IMPRECISION;
    let widest = 2 * HALF - IMPRECISION;
    for (seconds, attempts) in [
        (vec![half], 1),
        (vec![half + 1, 5], 2),
        (vec![widest + 1, 5], 2),
        (vec![half + 1, widest, 5], 3),
        (vec![half + 1, half + 1, half + 1, 5], 3),
        (vec![widest + 1, widest + 1, widest, 5], 3),
    ] {
        for rules in [trusting_both(), TimeRules::none()] {
            let witness = slow(&seconds);
            let stamping = stamping(&[&witness], rules, Fewer::Refused);
            let (outcome, registry) = everything_is_attached(&stamping).await;
            assert_eq!(witness.befores(), attempts, "{seconds:?}");
            // Each publication, and the image's own signature once.
            assert_eq!(witness.afters(), attempts + 1, "{seconds:?}");
            let begin = 10_000 * i64::try_from(attempts - 1).unwrap();
            let end = begin + seconds[attempts - 1];
            let publication = Written::read(&registry, outcome.publication.record());
            assert_eq!(publication.before(&[&ONE]), [begin], "{seconds:?}");
            assert_eq!(publication.after(&[&ONE]), [end], "{seconds:?}");
            let date = proven((begin - 1, end + 2));
            assert_eq!(outcome.publication.record().date, date, "{seconds:?}");
        }
    }
}

#[tokio::test]
async fn what_is_too_slow_three_times_is_not_attached() {
    let too_wide = 2 * HALF - IMPRECISION + 1;
    for rules in [trusting_both(), TimeRules::none()] {
        let witness = slow(&[too_wide, too_wide, too_wide, 5]);
        let stamping = stamping(&[&witness], rules, Fewer::Refused);
        let (error, count) = nothing_is_attached(&stamping).await;
        is_refused(&error, "self-check-failed");
        assert_eq!((witness.befores(), count), (3, 4));
    }
}

#[tokio::test]
async fn the_widest_interval_is_the_one_of_the_rules() {
    let minute = || rules(&[&ONE], 1, Duration::from_mins(1));
    for (seconds, attempts) in [(27, 1), (28, 2)] {
        let witness = slow(&[seconds, 5]);
        let stamping = stamping(&[&witness], minute(), Fewer::Refused);
        everything_is_attached(&stamping).await;
        assert_eq!(witness.befores(), attempts);
    }
    let witness = slow(&[58]);
    let stamping = stamping(&[&witness], minute(), Fewer::Refused);
    let (error, _) = nothing_is_attached(&stamping).await;
    is_refused(&error, "self-check-failed");
}

#[tokio::test]
async fn a_key_that_signs_garbage_attaches_nothing() {
    let (registry, _) = MemoryRegistry::with_image();
    let mut signer = TestSigner::new();
    signer.lies = true;
    let witness = Witness::of(&ONE);
    let stamping = stamping(&[&witness], trusting_both(), Fewer::Refused);
    let error = sign_dated(
        &registry,
        &signer,
        &annotated(&[]),
        Dating::Proven(&stamping),
    )
    .await
    .unwrap_err();
    is_refused(&error, "self-check-failed");
    assert!(registry.is_untouched());
    assert_eq!(witness.afters(), 0);
}

#[tokio::test]
async fn more_stamps_than_verifiers_read_are_not_attached() {
    let two = Witness::of(&TWO);
    let asked = |count| stamping(&vec![&two; count], trusting_both(), Fewer::Refused);
    everything_is_attached(&asked(8)).await;
    let (error, _) = nothing_is_attached(&asked(9)).await;
    is_refused(&error, "self-check-failed");
}

/// A service of several machines, each with a key of its own.
struct Units(Witness, Witness);

impl TimestampAuthority for Units {
    fn before(&self) -> Task<'_, Result<Vec<u8>, Failure>> {
        self.0.before()
    }

    fn after<'a>(&'a self, signature: &'a Signature) -> Task<'a, Result<Vec<u8>, Failure>> {
        self.1.after(signature)
    }
}

#[tokio::test]
async fn as_many_authorities_are_asked_as_must_stamp_or_it_is_allowed() {
    let with = |collect: usize, fewer| {
        let one = Witness::of(&ONE);
        let boxed: Vec<Box<dyn TimestampAuthority>> = vec![Box::new(one.clone())];
        Stamping::new((boxed, collect), trusting_both(), fewer)
    };
    let Err(error) = with(2, Fewer::Refused) else {
        panic!("one is not two");
    };
    assert_eq!(error.code().as_str(), "tsa-unavailable");
    let text = "stamps of 2 operators, and 1 of its time-stamp authorities can be asked";
    assert!(error.to_string().contains(text), "{error}");
    for (collect, fewer) in [(1, Fewer::Refused), (2, Fewer::Accepted)] {
        everything_is_attached(&with(collect, fewer).unwrap().unwrap()).await;
    }
}

#[tokio::test]
async fn an_authority_may_answer_with_several_keys() {
    for rules in [trusting_both(), TimeRules::none()] {
        let units = Units(Witness::of(&ONE), Witness::at(&TWO, 2));
        let stamping = Stamping::new((vec![Box::new(units)], 1), rules, Fewer::Refused);
        let stamping = stamping.unwrap().unwrap();
        let (outcome, _) = everything_is_attached(&stamping).await;
        let date = outcome.publication.record().date;
        assert!(date.not_before.is_some() && date.not_after.is_some());
    }
}

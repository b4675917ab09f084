//! When one document was signed: whose stamps count, for which time, and how many are looked at.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

use std::{collections::BTreeMap, num::NonZeroUsize, sync::LazyLock, time::Duration};

use bytes::Bytes;
use countersign_common::{
    Descriptor, Explain, ImageRef, Limits, Manifest, PublicKey, Signature, Timestamp,
    bundle::{self, MEDIA_TYPE},
    dsse::{IN_TOTO_PAYLOAD_TYPE, pre_authentication_encoding},
    manifest::{Body, EMPTY_CONFIG, OCI_MANIFEST},
    publication::{Publication, PublicationDate},
    rfc3161::{Anchor, Invalid, Request, Stamped},
    signer::KeyOrigin,
};
use countersign_stand_in::tsa::{self, GenTime, Mode};
use countersign_trust_roots::{
    Authorities, Authority, Term, TimeAuthority, TimeRules,
    document::{
        Budget, Expected, Kind, Refusal, Side, StandIn, Unbound, authenticity, binding, dating,
        judge,
        validity::{self, Proof},
    },
    format::{self, Claim, Fetched, Format},
    time::{Interval, Standing, TimeRulesError, Window},
};
use p256::{
    ecdsa::{self, SigningKey, signature::Signer as _},
    pkcs8::EncodePublicKey as _,
};

/// 2026-11-24T10:00:00Z.
const NOW: i64 = 1_795_514_400;

static TSA: LazyLock<[tsa::TimeAuthority; 3]> = LazyLock::new(|| {
    [
        include_str!("../../fixtures/time-authorities/one.pem"),
        include_str!("../../fixtures/time-authorities/two.pem"),
        include_str!("../../fixtures/time-authorities/three.pem"),
    ]
    .map(|pem| tsa::TimeAuthority::from_pem(pem).unwrap())
});

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds).unwrap()
}

/// One stamp: by which authority, and when.
type Stamp = (usize, i64);

fn stamp((authority, seconds): Stamp, stamped: Stamped<'_>) -> Vec<u8> {
    let request = Request::new(stamped, 1).to_der();
    TSA[authority].respond(&request, GenTime::seconds(seconds), &Mode::default())
}

fn key() -> SigningKey {
    SigningKey::from_slice(&[1; 32]).unwrap()
}

fn public() -> PublicKey {
    let spki = key().verifying_key().to_public_key_der().unwrap();
    PublicKey::from_spki_der(spki.as_bytes()).unwrap()
}

fn image() -> Descriptor {
    Descriptor::of(OCI_MANIFEST, b"image")
}

fn expected() -> Expected {
    let image_ref = ImageRef::parse("registry.example/shop/api").unwrap();
    Expected {
        subject: image(),
        repository: image_ref.repository().clone(),
        annotations: BTreeMap::new(),
        unbound: Unbound::Refused,
        stand_in: StandIn::Refused,
    }
}

/// A publication with these stamps inside and after.
fn claim(before: &[Stamp], after: &[Stamp]) -> Claim {
    let inside: Vec<_> = before
        .iter()
        .map(|before| stamp(*before, Stamped::Before))
        .collect();
    let date = PublicationDate::stamped(&inside);
    let publication = Publication::of(&image(), &expected().repository, date, None);
    let payload = publication.to_payload(&image(), &BTreeMap::new()).unwrap();
    let signed: ecdsa::Signature =
        key().sign(&pre_authentication_encoding(IN_TOTO_PAYLOAD_TYPE, &payload));
    let signature = Signature::from(signed.to_der().as_bytes().to_vec());
    let outside: Vec<_> = after
        .iter()
        .map(|after| stamp(*after, Stamped::Signature(&signature)))
        .collect();
    let envelope = (IN_TOTO_PAYLOAD_TYPE, payload.as_slice());
    let blob = Bytes::from(bundle::seal(envelope, &signature, &public(), &outside).unwrap());
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": MEDIA_TYPE,
        "config": Descriptor::of(EMPTY_CONFIG, b"{}"),
        "layers": [Descriptor::of(MEDIA_TYPE, &blob)],
    });
    let manifest =
        Manifest::parse(manifest.to_string().into(), None, None, &Limits::TABLE).unwrap();
    let Body::Image(body) = manifest.body() else {
        panic!("an index")
    };
    let fetched = Fetched {
        manifest: &manifest,
        layers: &[0],
        blob: &blob,
    };
    let reader = format::reader(body, &[Format::SigstoreBundle]).unwrap();
    (reader.read)(&fetched, &Limits::TABLE).unwrap().remove(0)
}

fn trusted(number: usize, operator: &str) -> TimeAuthority {
    let chain = TSA[number].chain_pem();
    TimeAuthority {
        operator: operator.to_owned(),
        anchor: Anchor::from_pem(chain.as_bytes(), &Limits::TABLE).unwrap(),
        valid: Window::default(),
        accuracy: TimeRules::ACCURACY,
        standing: Standing::Good,
    }
}

fn threshold(threshold: usize) -> NonZeroUsize {
    threshold.try_into().unwrap()
}

fn rules(authorities: Vec<TimeAuthority>, wanted: usize) -> TimeRules {
    TimeRules::new(authorities, threshold(wanted), TimeRules::MAX_INTERVAL).unwrap()
}

/// The interval, and the operators on both sides.
type Dated = (Interval, Vec<String>, Vec<String>);

fn dated_within(claim: &Claim, rules: &TimeRules, stamps: usize) -> Result<Dated, Refusal> {
    let authorities = Authorities::new([Authority::unlimited(
        "key".to_owned(),
        public(),
        KeyOrigin::Kms,
    )])
    .unwrap();
    judge(&expected(), &authorities, |case| {
        let authentic = authenticity::check(case, claim, &mut Budget::of(1))?;
        let bound = binding::check(authentic, &Kind::Publication)?;
        let limits = Limits {
            time_stamps_checked: stamps,
            ..Limits::TABLE
        };
        let valid = validity::check(bound, rules, &limits)?;
        let dated = dating::check(&valid, rules, at(NOW), &limits)?;
        let proven = dated.proven();
        Ok((
            proven.interval,
            proven.before.operators.clone(),
            proven.after.operators.clone(),
        ))
    })
}

fn dated(claim: &Claim, rules: &TimeRules) -> Result<Dated, Refusal> {
    dated_within(claim, rules, 100)
}

#[test]
fn rules_that_cannot_be_kept_are_refused() {
    let new = |authorities: Vec<TimeAuthority>, wanted: usize| {
        TimeRules::new(authorities, threshold(wanted), TimeRules::MAX_INTERVAL)
    };
    let (one, two) = (|| trusted(0, "one"), || trusted(1, "two"));
    new(vec![one()], 1).unwrap();
    new(vec![one(), two()], 2).unwrap();
    for (authorities, wanted, error) in [
        (
            vec![],
            1,
            TimeRulesError::ThresholdTooHigh {
                threshold: 1,
                operators: 0,
            },
        ),
        (
            vec![one(), two()],
            3,
            TimeRulesError::ThresholdTooHigh {
                threshold: 3,
                operators: 2,
            },
        ),
        // Two authorities in one hand, or in nobody's, are one witness.
        (
            vec![one(), trusted(1, "one")],
            2,
            TimeRulesError::ThresholdTooHigh {
                threshold: 2,
                operators: 1,
            },
        ),
        (
            vec![trusted(0, ""), trusted(1, "")],
            2,
            TimeRulesError::ThresholdTooHigh {
                threshold: 2,
                operators: 1,
            },
        ),
        // One root under two names would be two witnesses.
        (
            vec![one(), trusted(0, "two")],
            1,
            TimeRulesError::AnchorShared {
                one: "one".to_owned(),
                other: "two".to_owned(),
            },
        ),
    ] {
        assert!(!error.remedy().is_empty());
        assert_eq!(new(authorities, wanted).unwrap_err(), error);
    }
    assert_eq!(TimeRules::none().authorities(), []);
}

#[test]
fn with_nobody_to_believe_no_date_is_proven() {
    let refused = dated(&claim(&[(0, NOW)], &[(0, NOW)]), &TimeRules::none());
    assert_eq!(refused, Err(Refusal::TsaUntrusted { side: Side::Before }));
}

/// An authority that changed hands has an entry for each time, with the same root.
#[test]
fn of_several_entries_with_one_root_the_one_for_the_time_counts() {
    let until = Window {
        start: None,
        end: Some(at(NOW - 100)),
    };
    let from = Window {
        start: Some(at(NOW - 50)),
        end: None,
    };
    let entry = |valid: Window| TimeAuthority {
        valid,
        ..trusted(0, "one")
    };
    let both = rules(vec![entry(until), entry(from)], 1);
    for (seconds, counts) in [
        (NOW - 101, true),
        (NOW - 100, true),
        (NOW - 99, false),
        (NOW - 51, false),
        (NOW - 50, true),
    ] {
        let found = dated(&claim(&[(0, seconds)], &[(0, seconds)]), &both);
        match found {
            Ok(_) => assert!(counts, "{seconds}"),
            Err(refusal) => {
                assert!(!counts, "{seconds}: {refusal}");
                assert!(matches!(
                    refusal,
                    Refusal::StampOutsideValidity { side: Side::Before, time, .. } if time == at(seconds)
                ));
            }
        }
    }
}

#[test]
fn the_ends_of_an_interval_are_those_that_enough_operators_vouch_for() {
    // A stamp is exact to a second, and tells whole seconds: one less, or two more.
    let said = claim(
        &[(0, NOW - 100), (1, NOW - 90), (2, NOW - 80)],
        &[(0, NOW - 60), (1, NOW - 50), (2, NOW - 40)],
    );
    let all = || vec![trusted(0, "one"), trusted(1, "two"), trusted(2, "three")];
    for (wanted, lower, upper) in [(1, -80, -60), (2, -90, -50), (3, -100, -40)] {
        let (interval, before, after) = dated(&said, &rules(all(), wanted)).unwrap();
        assert_eq!(interval.not_before(), at(NOW + lower - 1), "{wanted}");
        assert_eq!(interval.not_after(), at(NOW + upper + 2), "{wanted}");
        assert_eq!(before, ["one", "three", "two"]);
        assert_eq!(after, before);
    }
    // Authorities of one operator are one witness, with the better of their stamps.
    let in_two_hands = vec![trusted(0, "one"), trusted(1, "two"), trusted(2, "one")];
    let (interval, before, _) = dated(&said, &rules(in_two_hands, 2)).unwrap();
    assert_eq!(interval.not_before(), at(NOW - 91));
    assert_eq!(interval.not_after(), at(NOW - 48));
    assert_eq!(before, ["one", "two"]);
}

#[test]
fn an_interval_is_judged_to_its_last_second() {
    let one = || vec![trusted(0, "one")];
    let said = claim(&[(0, NOW - 700)], &[(0, NOW - 200)]);
    // From 701 s ago to 198 s ago.
    for (limit, accepted) in [(503, true), (502, false)] {
        let rules = TimeRules::new(one(), threshold(1), Duration::from_secs(limit)).unwrap();
        assert_eq!(dated(&said, &rules).is_ok(), accepted, "{limit}");
    }
    for (ahead, accepted) in [(301, true), (302, false)] {
        let said = claim(&[(0, NOW + ahead)], &[(0, NOW + ahead)]);
        let found = dated(&said, &rules(one(), 1));
        match found {
            Ok(_) => assert!(accepted, "{ahead}"),
            Err(refusal) => assert!(
                !accepted && matches!(refusal, Refusal::ClockBehind { .. }),
                "{refusal}"
            ),
        }
    }
}

#[test]
fn what_is_wrong_with_a_stamp_is_told_before_what_is_missing() {
    let two = rules(vec![trusted(0, "one"), trusted(1, "two")], 2);
    let good: &[Stamp] = &[(0, NOW), (1, NOW)];
    for (said, refusal) in [
        (
            claim(&[(0, NOW)], good),
            Refusal::TimeEvidenceInsufficient {
                side: Side::Before,
                found: 1,
                threshold: 2,
            },
        ),
        (
            claim(good, &[]),
            Refusal::TimeEvidenceInsufficient {
                side: Side::After,
                found: 0,
                threshold: 2,
            },
        ),
        (
            claim(good, &[(0, NOW), (2, NOW)]),
            Refusal::TsaUntrusted { side: Side::After },
        ),
        (
            claim(&[(2, NOW), (0, NOW)], good),
            Refusal::TsaUntrusted { side: Side::Before },
        ),
        // After the signer's certificate: the file of the chain does not decide which authority it is of.
        (
            claim(&[(0, 2_300_000_000), (1, NOW)], good),
            Refusal::StampInvalid {
                side: Side::Before,
                source: Invalid::CertificateExpired {
                    time: at(2_300_000_000),
                },
            },
        ),
    ] {
        assert_eq!(dated(&said, &two), Err(refusal));
    }
}

#[test]
fn a_compromised_operator_is_no_witness_whatever_its_stamps_say() {
    let compromised = TimeAuthority {
        standing: Standing::Compromised,
        ..trusted(0, "one")
    };
    let with = |others: Vec<TimeAuthority>, wanted: usize| {
        rules([vec![compromised.clone()], others].concat(), wanted)
    };
    let both = claim(&[(0, NOW), (1, NOW)], &[(0, NOW), (1, NOW)]);
    let alone = claim(&[(0, NOW)], &[(0, NOW)]);
    let refusal = Refusal::TsaCompromised {
        side: Side::Before,
        operator: "one".to_owned(),
    };
    assert_eq!(dated(&alone, &with(vec![], 1)), Err(refusal.clone()));
    let two = || vec![trusted(1, "two")];
    assert_eq!(dated(&both, &with(two(), 1)).unwrap().1, ["two"]);
    assert_eq!(dated(&both, &with(two(), 2)), Err(refusal));
}

#[test]
fn each_stamp_that_is_checked_is_paid() {
    let said = claim(&[(0, NOW), (0, NOW)], &[(2, NOW), (0, NOW)]);
    let one = rules(vec![trusted(0, "one")], 1);
    // Two on each side.
    dated_within(&said, &one, 2).unwrap();
    // The last one is the good one.
    let refused = dated_within(&said, &one, 1).unwrap_err();
    assert_eq!(refused, Refusal::StampsTooMany { limit: 1 });
    let refused = dated_within(&said, &one, 0).unwrap_err();
    assert_eq!(refused, Refusal::StampsTooMany { limit: 0 });
}

/// With the key's term: what the validity of a publication keeps, and what its date then is, each within so many stamps.
fn valid_and_dated(
    (claim, valid): (&Claim, Window),
    rules: &TimeRules,
    (checked, then): (usize, usize),
) -> Result<(Proof, Result<Interval, Refusal>), Refusal> {
    let term = Term {
        valid,
        revoked: None,
    };
    let authority = Authority {
        term,
        ..Authority::unlimited("key".to_owned(), public(), KeyOrigin::Kms)
    };
    let within = |stamps| Limits {
        time_stamps_checked: stamps,
        ..Limits::TABLE
    };
    let authorities = Authorities::new([authority]).unwrap();
    judge(&expected(), &authorities, |case| {
        let authentic = authenticity::check(case, claim, &mut Budget::of(1))?;
        let bound = binding::check(authentic, &Kind::Publication)?;
        let valid = validity::check(bound, rules, &within(checked))?;
        let dated = dating::check(&valid, rules, at(NOW), &within(then));
        Ok((
            valid.proof().clone(),
            dated.map(|dated| dated.proven().interval),
        ))
    })
}

fn since(start: i64) -> Window {
    Window {
        start: Some(at(start)),
        end: None,
    }
}

#[test]
fn of_a_key_without_a_term_no_stamp_is_looked_at() {
    let rules = rules(vec![trusted(0, "one")], 1);
    let claim = claim(&[(0, NOW)], &[(0, NOW)]);
    let (proof, dated) = valid_and_dated((&claim, Window::default()), &rules, (0, 0)).unwrap();
    assert_eq!(proof, Proof::Unneeded);
    assert_eq!(dated, Err(Refusal::StampsTooMany { limit: 0 }));
    assert_eq!(
        valid_and_dated((&claim, since(0)), &rules, (0, 0)),
        Err(Refusal::StampsTooMany { limit: 0 })
    );
}

#[test]
fn what_was_proven_for_the_term_is_not_proven_again() {
    let rules = rules(vec![trusted(0, "one")], 1);
    let claim = claim(&[(0, NOW)], &[(0, NOW)]);
    let (proof, dated) = valid_and_dated((&claim, since(0)), &rules, (1, 0)).unwrap();
    let Proof::Interval(proven) = proof else {
        panic!("{proof:?}")
    };
    assert_eq!(dated, Ok(proven.interval));
    let (_, anew) = valid_and_dated((&claim, Window::default()), &rules, (0, 1)).unwrap();
    assert_eq!(anew, dated);
}

/// The second stamp inside is the one that shows that the key was in use.
#[test]
fn stamps_that_nobody_looked_at_let_nothing_look_lapsed() {
    let rules = rules(vec![trusted(0, "one")], 1);
    let claim = claim(&[(0, NOW - 500), (0, NOW)], &[(0, NOW)]);
    let (_, dated) = valid_and_dated((&claim, since(NOW - 1)), &rules, (2, 2)).unwrap();
    dated.unwrap();
    assert_eq!(
        valid_and_dated((&claim, since(NOW - 1)), &rules, (1, 1)),
        Err(Refusal::StampsTooMany { limit: 1 })
    );
    let lapsed = valid_and_dated((&claim, since(NOW)), &rules, (2, 2));
    assert!(matches!(lapsed, Err(Refusal::KeyOutsideValidity { .. })));
    // What they could not have mended is enough to count.
    let (_, dated) = valid_and_dated((&claim, since(NOW - 501)), &rules, (1, 1)).unwrap();
    dated.unwrap();
}

//! What is said of every stamp that an authority can make wrong, and of every way to make one right.

#![allow(clippy::panic, clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{sync::LazyLock, time::Duration};

use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512};
use base64::{Engine, prelude::BASE64_STANDARD};
use countersign_common::{
    Limits, Signature, Timestamp,
    rfc3161::{Anchor, BEFORE_STAMP, Invalid, Moment, Request, Response, Stamped, decode},
};
use countersign_stand_in::tsa::{
    Accuracy, Defect, Ess, GenTime, KeyKind, Mode, SignatureOid, TimeAuthority,
};

/// 2026-11-24T10:00:00Z, in the validity of every honest certificate.
const TIME: i64 = 1_795_514_400;
/// In seconds: more is no accuracy.
const CENTURY: i64 = 3_155_760_000;
/// The policy of ETSI EN 319 421.
const BEST_PRACTICE: &str = "0.4.0.2023.1.1";
const NONCE: u64 = 0x0123_4567_89ab_cdef;

/// DER: the object identifiers of hashes, inside the algorithm identifiers of a request.
const SHA1: &[u8] = &[0x2b, 0x0e, 0x03, 0x02, 0x1a];
const SHA2: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];

static RSA: LazyLock<TimeAuthority> = LazyLock::new(|| {
    TimeAuthority::from_pem(include_str!("../../fixtures/time-authorities/one.pem")).unwrap()
});
static P256: LazyLock<TimeAuthority> =
    LazyLock::new(|| TimeAuthority::generate("one", KeyKind::EcdsaP256).unwrap());
static P384: LazyLock<TimeAuthority> =
    LazyLock::new(|| TimeAuthority::generate("one", KeyKind::EcdsaP384).unwrap());

fn authorities() -> [&'static TimeAuthority; 3] {
    [&RSA, &P256, &P384]
}

fn signature() -> Signature {
    Signature::from(b"a signature".to_vec())
}

fn anchor(pem: &str) -> Anchor {
    Anchor::from_pem(pem.as_bytes(), &Limits::TABLE).unwrap()
}

fn verify(der: &[u8], stamped: Stamped<'_>, anchor: &Anchor) -> Result<Moment, Invalid> {
    let response = Response::parse(der, &Limits::TABLE)?;
    response
        .verify(stamped, anchor)
        .map(|stamp| stamp.moment().clone())
}

/// What is said of a before-stamp made like this.
fn judged(authority: &TimeAuthority, time: GenTime, mode: &Mode) -> Result<Moment, Invalid> {
    let request = Request::new(Stamped::Before, NONCE).to_der();
    let der = authority.respond(&request, time, mode);
    verify(&der, Stamped::Before, &anchor(&authority.root_pem()))
}

fn judged_now(authority: &TimeAuthority, mode: &Mode) -> Result<Moment, Invalid> {
    judged(authority, GenTime::seconds(TIME), mode)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds).unwrap()
}

/// One element of DER.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let header = match content.len() {
        0..0x80 => vec![tag, u8::try_from(content.len()).unwrap()],
        _ => [&[tag, 0x80 | u8::try_from(length.len()).unwrap()], &*length].concat(),
    };
    [header.as_slice(), content].concat()
}

/// A question with a hash that ours never has.
fn question(hash: &[u8], imprint: &[u8]) -> Vec<u8> {
    let algorithm = element(0x30, &element(0x06, hash));
    let imprint = element(0x30, &[algorithm, element(0x04, imprint)].concat());
    let certificates = element(0x01, &[0xff]);
    let version = element(0x02, &[1]);
    element(0x30, &[version, imprint, certificates].concat())
}

/// What is found wrong with each defect; nothing with those that are legitimate.
fn fault(defect: Defect, kind: KeyKind) -> Option<Invalid> {
    let attribute = |name| Some(Invalid::Attribute { name });
    match defect {
        Defect::GrantedWithMods
        | Defect::NoNonce
        | Defect::OtherNonce
        | Defect::ViaIntermediate => None,
        Defect::PssSignature if kind == KeyKind::Rsa2048 => None,
        Defect::CriticalExtension => Some(Invalid::CriticalExtension),
        Defect::EkuAbsent
        | Defect::EkuMore
        | Defect::EkuNotCritical
        | Defect::KeyUsageOther
        | Defect::LeafIsCa => Some(Invalid::CertificateUsage),
        Defect::GrantedWithoutToken => Some(Invalid::NoToken),
        Defect::LeafExpired | Defect::LeafNotYetValid => {
            Some(Invalid::CertificateExpired { time: at(TIME) })
        }
        Defect::NoCertificates => Some(Invalid::CertificateMissing),
        Defect::NoContentTypeAttribute
        | Defect::NoSignedAttributes
        | Defect::OtherContentTypeAttribute => attribute("contentType"),
        Defect::NoMessageDigest | Defect::OtherMessageDigest | Defect::TwoMessageDigests => {
            attribute("messageDigest")
        }
        Defect::NoSigners => Some(Invalid::SignerCount { count: 0 }),
        Defect::TwoSigners => Some(Invalid::SignerCount { count: 2 }),
        Defect::OtherContentType => Some(Invalid::ContentType),
        Defect::OtherImprint => Some(Invalid::Imprint),
        Defect::OtherRoot => Some(Invalid::Untrusted),
        // An authority whose key cannot make one says so.
        Defect::PssSignature | Defect::Rejected | Defect::RejectedWithToken => {
            Some(Invalid::NotGranted {
                status: 2,
                text: String::new(),
            })
        }
        Defect::Sha1Digest | Defect::Sha1Imprint => Some(Invalid::Hash),
        Defect::SignatureFlipped | Defect::SignatureOfContentOnly => Some(Invalid::Signature),
        Defect::TimeWithoutZ => Some(Invalid::Time),
        Defect::Version2 => Some(Invalid::Version),
        // What the library says of it is its own business; that it says something is not.
        Defect::BareToken | Defect::SignerByKeyIdentifier | Defect::TrailingBytes => {
            Some(Invalid::Der(der::ErrorKind::Failed.into()))
        }
    }
}

#[test]
fn every_defect_is_found_and_named_and_the_legitimate_ones_count() {
    for authority in authorities() {
        for defect in Defect::ALL {
            let found = judged_now(authority, &Mode::with(*defect));
            let at = format!("{} of {:?}", defect.name(), authority.kind());
            match (fault(*defect, authority.kind()), found) {
                (None, Ok(moment)) => assert_eq!(moment.time(), self::at(TIME), "{at}"),
                (Some(Invalid::Der(_)), Err(Invalid::Der(_))) => {}
                (Some(wanted), Err(found)) => assert_eq!(found, wanted, "{at}"),
                (wanted, found) => panic!("{at}: {found:?}, not {wanted:?}"),
            }
        }
    }
}

#[test]
fn what_whoever_asked_can_know_without_an_anchor_is_the_same() {
    let request = Request::new(Stamped::Before, NONCE).to_der();
    for defect in Defect::ALL {
        let der = RSA.respond(&request, GenTime::seconds(TIME), &Mode::with(*defect));
        let found = Response::parse(&der, &Limits::TABLE)
            .and_then(|response| response.check_unanchored(Stamped::Before));
        // Who is above the certificate is not asked.
        let needs_anchor = *defect == Defect::OtherRoot;
        let counts = fault(*defect, KeyKind::Rsa2048).is_none();
        assert_eq!(found.is_ok(), counts || needs_anchor, "{}", defect.name());
    }
}

#[test]
fn a_nonce_is_for_whoever_asked() {
    let request = Request::new(Stamped::Before, NONCE).to_der();
    for (mode, repeats) in [
        (Mode::default(), true),
        (Mode::with(Defect::NoNonce), false),
        (Mode::with(Defect::OtherNonce), false),
    ] {
        let der = P256.respond(&request, GenTime::seconds(TIME), &mode);
        let response = Response::parse(&der, &Limits::TABLE).unwrap();
        assert_eq!(response.repeats(NONCE), repeats, "{mode:?}");
    }
}

#[test]
fn the_certificate_that_signed_is_the_one_that_is_named() {
    let missing = Invalid::Attribute {
        name: "signingCertificate",
    };
    for authority in authorities() {
        for ess in [
            Ess::Both,
            Ess::None,
            Ess::V1,
            Ess::V1BesideV2OfAnother,
            Ess::V1OfAnother,
            Ess::V2,
            Ess::V2BesideV1OfAnother,
            Ess::V2OfAnother,
            Ess::V2Sha512,
        ] {
            let wanted = match ess {
                Ess::Both | Ess::V1 | Ess::V2 | Ess::V2BesideV1OfAnother | Ess::V2Sha512 => None,
                Ess::None => Some(missing.clone()),
                Ess::V1BesideV2OfAnother | Ess::V1OfAnother | Ess::V2OfAnother => {
                    Some(Invalid::SignerNamed)
                }
            };
            let mode = Mode {
                ess,
                ..Mode::default()
            };
            assert_eq!(judged_now(authority, &mode).err(), wanted, "{ess:?}");
        }
    }
}

#[test]
fn both_names_of_an_rsa_signature_are_known() {
    for signature_oid in [SignatureOid::Combined, SignatureOid::Generic] {
        let mode = Mode {
            signature_oid,
            ..Mode::default()
        };
        judged_now(&RSA, &mode).unwrap();
    }
}

#[test]
fn an_accuracy_is_a_duration_to_its_edges() {
    let judge = |accuracy| {
        let mode = Mode {
            accuracy: Some(accuracy),
            ..Mode::default()
        };
        judged_now(&P256, &mode)
    };
    let none = Accuracy::default();
    let seconds = |seconds| Accuracy {
        seconds: Some(seconds),
        ..none
    };
    let millis = |millis| Accuracy {
        millis: Some(millis),
        ..none
    };
    let micros = |micros| Accuracy {
        micros: Some(micros),
        ..none
    };
    for (accuracy, exact) in [
        (none, Duration::ZERO),
        (seconds(0), Duration::ZERO),
        (seconds(3_600), Duration::from_hours(1)),
        (millis(999), Duration::from_millis(999)),
        (micros(999), Duration::from_micros(999)),
        (
            Accuracy {
                seconds: Some(1),
                millis: Some(999),
                micros: Some(999),
            },
            Duration::from_micros(1_999_999),
        ),
    ] {
        let moment = judge(accuracy).unwrap();
        let earliest = moment.earliest(Duration::from_mins(1)).unwrap();
        let latest = moment.latest(Duration::from_mins(1)).unwrap();
        assert_eq!(at(TIME).since(earliest), exact, "{accuracy:?}");
        let unit = Duration::from_secs(1);
        assert_eq!(latest.since(at(TIME)), exact + unit, "{accuracy:?}");
    }
    judge(seconds(CENTURY)).unwrap();
    for accuracy in [
        seconds(-1),
        seconds(i64::MIN),
        seconds(CENTURY + 1),
        seconds(i64::MAX),
        millis(-1),
        millis(1_000),
        micros(-1),
        micros(1_000),
        Accuracy {
            seconds: Some(1),
            millis: Some(-1),
            ..none
        },
    ] {
        assert_eq!(judge(accuracy), Err(Invalid::Accuracy), "{accuracy:?}");
    }
}

#[test]
fn where_no_accuracy_is_said_the_policy_or_the_authority_says_it() {
    let judge = |policy: &str, accuracy| {
        let mode = Mode {
            accuracy,
            policy: policy.to_owned(),
            ..Mode::default()
        };
        let moment = judged_now(&P256, &mode).unwrap();
        let earliest = moment.earliest(Duration::from_secs(7)).unwrap();
        at(TIME).since(earliest).as_secs()
    };
    let said = Some(Accuracy {
        seconds: Some(3),
        ..Accuracy::default()
    });
    assert_eq!(judge("1.3.6.1.4.1.99999.1", None), 7);
    assert_eq!(judge("0.4.0.2023.1.2", None), 7);
    assert_eq!(judge(BEST_PRACTICE, None), 1);
    assert_eq!(judge(BEST_PRACTICE, said), 3);
}

#[test]
fn a_time_is_as_exact_as_its_last_digit() {
    let judge = |fraction: &str| {
        let time = GenTime {
            unix_seconds: TIME,
            fraction: fraction.to_owned(),
        };
        let mode = Mode {
            accuracy: Some(Accuracy::default()),
            ..Mode::default()
        };
        let moment = judged(&P256, time, &mode)?;
        let bounds = (
            moment.earliest(Duration::ZERO),
            moment.latest(Duration::ZERO),
        );
        let exact = |bound: Option<Timestamp>| bound.unwrap().to_rfc3339();
        Ok((exact(bounds.0), exact(bounds.1)))
    };
    for (fraction, earliest, latest) in [
        ("", "10:00:00Z", "10:00:01Z"),
        ("0", "10:00:00Z", "10:00:00.100Z"),
        ("9", "10:00:00.900Z", "10:00:01Z"),
        ("50", "10:00:00.500Z", "10:00:00.510Z"),
        ("123", "10:00:00.123Z", "10:00:00.124Z"),
        ("999999999", "10:00:00.999999999Z", "10:00:01Z"),
    ] {
        let wanted = [earliest, latest].map(|time| format!("2026-11-24T{time}"));
        assert_eq!(judge(fraction), Ok(wanted.into()), "{fraction}");
    }
    for fraction in ["1234567890", "-1", "+1", " 1", "1Z", "a"] {
        assert_eq!(judge(fraction), Err(Invalid::Time), "{fraction}");
    }
}

#[test]
fn a_signature_may_be_stamped_with_any_strong_hash_and_the_constant_with_one() {
    let signature = signature();
    let stamped = Stamped::Signature(&signature);
    let (strong, weak) = (
        [(1, &SHA256), (2, &SHA384), (3, &SHA512)]
            .map(|(last, hash)| ([SHA2, &[last]].concat(), hash)),
        (SHA1.to_vec(), &SHA1_FOR_LEGACY_USE_ONLY),
    );
    for authority in authorities() {
        let anchor = anchor(&authority.root_pem());
        for (oid, hash) in strong.iter().chain([&weak]) {
            let answer = |bytes: &[u8]| {
                let question = question(oid, digest::digest(hash, bytes).as_ref());
                authority.respond(&question, GenTime::seconds(TIME), &Mode::default())
            };
            let of_signature = verify(&answer(signature.as_bytes()), stamped, &anchor);
            let of_constant = verify(&answer(BEFORE_STAMP), Stamped::Before, &anchor);
            let refused = (*hash == weak.1).then_some(Invalid::Hash);
            assert_eq!(of_signature.err(), refused, "{hash:?}");
            let refused = (*hash != &SHA256).then_some(Invalid::Hash);
            assert_eq!(of_constant.err(), refused, "{hash:?}");
        }
    }
}

#[test]
fn a_stamp_of_one_side_is_none_of_the_other() {
    let (signature, another) = (signature(), Signature::from(b"another".to_vec()));
    let anchor = anchor(&P256.root_pem());
    let stamped = [
        Stamped::Before,
        Stamped::Signature(&signature),
        Stamped::Signature(&another),
    ];
    for over in stamped {
        let request = Request::new(over, NONCE).to_der();
        let der = P256.respond(&request, GenTime::seconds(TIME), &Mode::default());
        for asked in stamped {
            let refused = (asked != over).then_some(Invalid::Imprint);
            assert_eq!(verify(&der, asked, &anchor).err(), refused);
        }
    }
}

#[test]
fn an_authority_is_told_from_another_of_the_same_name() {
    let other = anchor(&RSA.other_root_pem());
    let request = Request::new(Stamped::Before, NONCE).to_der();
    let time = || GenTime::seconds(TIME);
    let honest = RSA.respond(&request, time(), &Mode::default());
    let lying = RSA.respond(&request, time(), &Mode::with(Defect::OtherRoot));
    let verify = |der: &[u8], anchor| verify(der, Stamped::Before, anchor).err();
    assert_eq!(verify(&honest, &other), Some(Invalid::Untrusted));
    assert_eq!(verify(&lying, &other), None);
}

/// The answer with so many bytes of text in its status.
fn padded(honest: &[u8], padding: usize) -> Vec<u8> {
    let short = 4 + 5;
    let token = honest.get(short..).unwrap();
    let text = element(0x30, &element(0x0c, &vec![b'x'; padding]));
    let status = element(0x30, &[element(0x02, &[0]), text].concat());
    element(0x30, &[status.as_slice(), token].concat())
}

#[test]
fn a_stamp_is_read_up_to_its_limit() {
    let limit = Limits::TABLE.time_stamp;
    let request = Request::new(Stamped::Before, NONCE).to_der();
    let honest = RSA.respond(&request, GenTime::seconds(TIME), &Mode::default());
    let anchor = anchor(&RSA.root_pem());
    let around = padded(&honest, 10_000).len() - 10_000;
    for (length, refused) in [
        (limit, None),
        (limit + 1, Some(Invalid::TooLarge { limit })),
    ] {
        let der = padded(&honest, length - around);
        assert_eq!(der.len(), length);
        assert_eq!(verify(&der, Stamped::Before, &anchor).err(), refused);
    }
    // Base64 is cut off before it is decoded, to the next group of four.
    let text = |length: usize| BASE64_STANDARD.encode(vec![0; length]);
    assert_eq!(decode(&text(limit), &Limits::TABLE).unwrap().len(), limit);
    for (text, refused) in [
        (text(limit + 3), Invalid::TooLarge { limit }),
        (text(3) + "=", Invalid::NotBase64),
        (text(3) + "\n", Invalid::NotBase64),
        ("MA".to_owned(), Invalid::NotBase64),
        ("MB==".to_owned(), Invalid::NotBase64),
        ("_-_-".to_owned(), Invalid::NotBase64),
    ] {
        assert_eq!(decode(&text, &Limits::TABLE), Err(refused));
    }
}

#[test]
fn every_cut_of_a_stamp_is_refused() {
    let request = Request::new(Stamped::Before, NONCE).to_der();
    let honest = RSA.respond(&request, GenTime::seconds(TIME), &Mode::default());
    for length in 0..honest.len() {
        let cut = honest.get(..length).unwrap();
        assert!(
            matches!(Response::parse(cut, &Limits::TABLE), Err(Invalid::Der(_))),
            "{length}"
        );
    }
}

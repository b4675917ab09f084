//! The time-stamp authority, judged by `openssl`: what is honest or legitimate is accepted, and what openssl looks at is
//! refused when it is wrong.

use std::{collections::BTreeSet, sync::LazyLock};

use countersign_stand_in::tsa::{
    Accuracy, Defect, Ess, GenTime, KeyKind, Mode, SignatureOid, TimeAuthority, TsaError,
};

use crate::openssl::{NOW, Openssl, token};

static P256: LazyLock<TimeAuthority> = LazyLock::new(|| generate(KeyKind::EcdsaP256));
static P384: LazyLock<TimeAuthority> = LazyLock::new(|| generate(KeyKind::EcdsaP384));
static RSA: LazyLock<TimeAuthority> = LazyLock::new(|| generate(KeyKind::Rsa2048));

/// What `openssl ts` says of each defect that it looks at. It does not know RSASSA-PSS.
const REFUSED: &[(Defect, &str)] = &[
    (Defect::BareToken, "wrong tag"),
    (Defect::EkuAbsent, "unsuitable certificate purpose"),
    (Defect::EkuMore, "unsuitable certificate purpose"),
    (Defect::EkuNotCritical, "unsuitable certificate purpose"),
    (Defect::GrantedWithoutToken, "token not present"),
    (Defect::KeyUsageOther, "unsuitable certificate purpose"),
    (Defect::LeafExpired, "certificate has expired"),
    (Defect::LeafNotYetValid, "certificate is not yet valid"),
    (Defect::NoCertificates, "signer certificate not found"),
    (Defect::NoMessageDigest, "unable to find message digest"),
    (Defect::NoNonce, "nonce not returned"),
    (
        Defect::NoSignedAttributes,
        "missing signing certificate attribute",
    ),
    (Defect::NoSigners, "there must be one signer"),
    (Defect::OtherContentType, "bad pkcs7 type"),
    (Defect::OtherImprint, "message imprint mismatch"),
    (Defect::OtherMessageDigest, "digest failure"),
    (Defect::OtherNonce, "nonce mismatch"),
    (Defect::OtherRoot, "certificate verify error"),
    (Defect::Rejected, "no time stamp token"),
    (Defect::RejectedWithToken, "token present"),
    (Defect::Sha1Imprint, "message imprint mismatch"),
    (Defect::SignatureFlipped, "signature failure"),
    (Defect::SignatureOfContentOnly, "signature failure"),
    (Defect::SignerByKeyIdentifier, "wrong tag"),
    (Defect::TwoSigners, "there must be one signer"),
    (Defect::Version2, "unsupported version"),
];

/// Legitimate, or a defect that `openssl ts` does not look at: the token is whole in every other point.
const ACCEPTED: &[Defect] = &[
    Defect::CriticalExtension,
    Defect::GrantedWithMods,
    Defect::LeafIsCa,
    Defect::NoContentTypeAttribute,
    Defect::OtherContentTypeAttribute,
    Defect::TimeWithoutZ,
    Defect::TrailingBytes,
    Defect::TwoMessageDigests,
    Defect::ViaIntermediate,
];

fn generate(kind: KeyKind) -> TimeAuthority {
    TimeAuthority::generate("one", kind).unwrap()
}

fn authorities() -> [&'static TimeAuthority; 3] {
    [&P256, &P384, &RSA]
}

fn stamp(authority: &TimeAuthority, request: &[u8], mode: &Mode) -> Vec<u8> {
    authority.respond(request, GenTime::seconds(NOW), mode)
}

/// What openssl says against a response, if anything.
fn refusal(openssl: &Openssl, authority: &TimeAuthority, mode: &Mode) -> Option<String> {
    let response = stamp(authority, &openssl.request, mode);
    openssl.refusal(&response, &authority.root_pem(), &[])
}

fn with_ess(ess: Ess) -> Mode {
    Mode {
        ess,
        ..Mode::default()
    }
}

#[test]
fn openssl_accepts_an_honest_token() {
    let openssl = Openssl::new();
    for authority in authorities() {
        let refused = refusal(&openssl, authority, &Mode::default());
        assert_eq!(refused, None, "{:?}", authority.kind());
    }
    let combined = Mode {
        signature_oid: SignatureOid::Combined,
        ..Mode::default()
    };
    assert_eq!(refusal(&openssl, &RSA, &combined), None);
}

#[test]
fn openssl_accepts_what_is_legitimate_or_what_it_does_not_look_at() {
    let openssl = Openssl::new();
    for authority in authorities() {
        for defect in ACCEPTED {
            let refused = refusal(&openssl, authority, &Mode::with(*defect));
            assert_eq!(refused, None, "{:?} {defect:?}", authority.kind());
        }
    }
}

#[test]
fn openssl_refuses_the_defects_that_it_looks_at() {
    let openssl = Openssl::new();
    for authority in authorities() {
        for (defect, expected) in REFUSED {
            let refused = refusal(&openssl, authority, &Mode::with(*defect)).unwrap_or_default();
            let kind = authority.kind();
            assert!(refused.contains(expected), "{kind:?} {defect:?}: {refused}");
        }
    }
}

#[test]
fn every_defect_is_judged() {
    let judged = REFUSED.iter().map(|(defect, _)| defect).chain(ACCEPTED);
    let judged: BTreeSet<_> = judged.map(|defect| defect.name()).collect();
    let all: BTreeSet<_> = Defect::ALL.iter().map(|defect| defect.name()).collect();
    let left: Vec<_> = all.difference(&judged).copied().collect();
    // Each has a test of its own below.
    assert_eq!(left, ["pss-signature", "sha1-digest"]);
}

#[test]
fn every_defect_shows_in_the_bytes() {
    let request = Openssl::new().request;
    let honest = stamp(&RSA, &request, &Mode::default());
    for defect in Defect::ALL {
        let response = stamp(&RSA, &request, &Mode::with(*defect));
        assert_ne!(response, honest, "{defect:?}");
        assert_eq!(Defect::by_name(defect.name()), Some(*defect));
    }
    assert_eq!(Defect::by_name("none"), None);
}

#[test]
fn the_certificate_is_named_by_either_attribute() {
    let openssl = Openssl::new();
    for authority in authorities() {
        for ess in [Ess::V1, Ess::V2, Ess::V2Sha512, Ess::Both] {
            let refused = refusal(&openssl, authority, &with_ess(ess));
            assert_eq!(refused, None, "{ess:?}");
        }
        for (ess, expected) in [
            (Ess::None, "missing signing certificate attribute"),
            (Ess::V1OfAnother, "ess cert id not found"),
            (Ess::V2OfAnother, "ess cert id not found"),
            // Of two, openssl wants both right.
            (Ess::V1BesideV2OfAnother, "ess cert id not found"),
            (Ess::V2BesideV1OfAnother, "ess cert id not found"),
        ] {
            let refused = refusal(&openssl, authority, &with_ess(ess)).unwrap_or_default();
            assert!(refused.contains(expected), "{ess:?}: {refused}");
        }
    }
}

#[test]
fn the_other_root_is_all_that_is_wrong_with_its_certificate() {
    let openssl = Openssl::new();
    for authority in authorities() {
        let response = stamp(authority, &openssl.request, &Mode::with(Defect::OtherRoot));
        let refused = openssl.refusal(&response, &authority.other_root_pem(), &[]);
        assert_eq!(refused, None);
    }
}

#[test]
fn a_token_without_certificates_is_good_with_the_chain() {
    let openssl = Openssl::new();
    let bare = Openssl::asking(&["-sha256"]);
    for authority in authorities() {
        openssl.write("chain", authority.chain_pem());
        bare.write("chain", authority.chain_pem());
        let without = stamp(
            authority,
            &openssl.request,
            &Mode::with(Defect::NoCertificates),
        );
        let unasked = stamp(authority, &bare.request, &Mode::default());
        let (root, options) = (authority.root_pem(), ["-untrusted", "chain"]);
        assert_eq!(openssl.refusal(&without, &root, &options), None);
        assert_eq!(bare.refusal(&unasked, &root, &options), None);
        let refused = bare.refusal(&unasked, &root, &[]).unwrap_or_default();
        assert!(refused.contains("signer certificate not found"));
    }
}

#[test]
fn a_pss_signature_is_good_where_the_key_is_rsa() {
    let openssl = Openssl::new();
    let mode = Mode::with(Defect::PssSignature);
    let response = stamp(&RSA, &openssl.request, &mode);
    assert_eq!(openssl.cms_refusal(token(&response), &RSA.root_pem()), None);
    for authority in [&*P256, &*P384] {
        let refused = refusal(&openssl, authority, &mode).unwrap_or_default();
        assert!(refused.contains("no time stamp token"), "{refused}");
    }
}

#[test]
fn a_signer_named_by_its_key_is_good_as_cms() {
    let openssl = Openssl::new();
    let mode = Mode::with(Defect::SignerByKeyIdentifier);
    for authority in authorities() {
        let response = stamp(authority, &openssl.request, &mode);
        assert_eq!(
            openssl.cms_refusal(token(&response), &authority.root_pem()),
            None
        );
    }
}

#[test]
fn sha1_is_signed_with_where_the_library_allows() {
    let openssl = Openssl::new();
    let mode = Mode::with(Defect::Sha1Digest);
    for authority in [&*P256, &*P384] {
        assert_eq!(refusal(&openssl, authority, &mode), None);
    }
    let refused = refusal(&openssl, &RSA, &mode).unwrap_or_default();
    assert!(refused.contains("signature failure"), "{refused}");
}

#[test]
fn the_requested_hash_is_stamped() {
    for hash in ["-sha1", "-sha256", "-sha384", "-sha512"] {
        let openssl = Openssl::asking(&[hash, "-cert"]);
        assert_eq!(refusal(&openssl, &P256, &Mode::default()), None, "{hash}");
    }
}

#[test]
fn a_token_says_what_the_mode_says() {
    let openssl = Openssl::new();
    let mode = Mode {
        accuracy: Some(Accuracy {
            seconds: Some(3600),
            millis: Some(-1),
            micros: Some(1000),
        }),
        policy: "0.4.0.2023.1.1".into(),
        ..Mode::default()
    };
    let time = GenTime {
        unix_seconds: NOW,
        fraction: "042".into(),
    };
    let text = openssl.text(&P256.respond(&openssl.request, time, &mode));
    for line in [
        "Policy OID: 0.4.0.2023.1.1",
        "Time stamp: Jun  1 00:00:00.042 2025 GMT",
        "Accuracy: 0x0E10 seconds, 0x-01 millis, 0x03E8 micros",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let silent = Mode {
        accuracy: None,
        ..Mode::default()
    };
    let text = openssl.text(&stamp(&P256, &openssl.request, &silent));
    assert!(text.contains("Accuracy: unspecified"), "{text}");
    assert!(text.contains("Time stamp: Jun  1 00:00:00 2025 GMT"));
}

#[test]
fn what_cannot_be_granted_is_rejected_with_the_reason() {
    let openssl = Openssl::new();
    let otherwise = |options: &[&str]| Openssl::asking(options).request;
    let unknown_policy = Mode {
        policy: "no policy".into(),
        ..Mode::default()
    };
    for (request, mode, failure) in [
        (
            b"no request".to_vec(),
            Mode::default(),
            "data submitted has the wrong format",
        ),
        (
            [openssl.request.as_slice(), b"!"].concat(),
            Mode::default(),
            "data submitted has the wrong format",
        ),
        (
            otherwise(&["-md5"]),
            Mode::default(),
            "unrecognized or unsupported algorithm identifier",
        ),
        (
            otherwise(&["-tspolicy", "1.2.3.4"]),
            Mode::default(),
            "the requested TSA policy is not supported by the TSA",
        ),
        (
            openssl.request.clone(),
            unknown_policy,
            "the request cannot be handled due to system failure",
        ),
        (
            openssl.request.clone(),
            Mode::with(Defect::Rejected),
            "the TSA's time source is not available",
        ),
    ] {
        let text = openssl.text(&stamp(&P256, &request, &mode));
        assert!(text.contains("Status: Rejected."), "{text}");
        assert!(text.contains(failure), "{failure} {text}");
    }
    let named = otherwise(&["-tspolicy", "1.3.6.1.4.1.99999.1"]);
    let text = openssl.text(&stamp(&P256, &named, &Mode::default()));
    assert!(text.contains("Status: Granted."), "{text}");
}

#[test]
fn an_rsa_authority_repeats_itself() {
    let request = Openssl::new().request;
    let honest = stamp(&RSA, &request, &Mode::default());
    assert_eq!(stamp(&RSA, &request, &Mode::default()), honest);
    let later = RSA.respond(&request, GenTime::seconds(NOW + 1), &Mode::default());
    assert_ne!(later, honest);
}

#[test]
fn an_authority_is_the_same_after_it_was_saved() {
    let openssl = Openssl::new();
    for authority in authorities() {
        let saved = authority.to_pem();
        let read = TimeAuthority::from_pem(&saved).unwrap();
        assert_eq!((read.to_pem(), read.kind()), (saved, authority.kind()));
        assert_eq!(read.chain_pem(), authority.chain_pem());
        for defect in [Defect::ViaIntermediate, Defect::GrantedWithMods] {
            let response = stamp(&read, &openssl.request, &Mode::with(defect));
            assert_eq!(openssl.refusal(&response, &authority.root_pem(), &[]), None);
        }
    }
    let read = TimeAuthority::from_pem(&RSA.to_pem()).unwrap();
    for defect in Defect::ALL {
        // Its salt is random.
        if *defect != Defect::PssSignature {
            let mode = Mode::with(*defect);
            assert_eq!(
                stamp(&read, &openssl.request, &mode),
                stamp(&RSA, &openssl.request, &mode),
                "{defect:?}"
            );
        }
    }
}

#[test]
fn what_was_not_saved_by_an_authority_is_refused() {
    let saved = P256.to_pem();
    let (cut, _) = saved.rsplit_once("-----BEGIN").unwrap();
    let refused = |text: &str| TimeAuthority::from_pem(text).unwrap_err();
    assert!(matches!(refused(cut), TsaError::Missing));
    assert!(matches!(refused("nothing"), TsaError::Pem));
    assert!(matches!(refused(&P256.chain_pem()), TsaError::Pem));
}

#[test]
fn a_private_key_is_not_printed() {
    let printed = format!("{:?}", *P256);
    assert!(printed.contains("key: Key(EcdsaP256)"), "{printed}");
}

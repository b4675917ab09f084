//! Which files of certificates are an authority's chain, and what then leads to it.

#![allow(clippy::panic, clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::LazyLock;

use base64::{Engine, prelude::BASE64_STANDARD};
use countersign_common::{
    Digest, Explain, Limits, Timestamp,
    rfc3161::{Anchor, AnchorError, Invalid, Request, Response, Stamped},
};
use countersign_stand_in::tsa::{Defect, GenTime, Mode, TimeAuthority};

/// 2026-11-24T10:00:00Z.
const TIME: i64 = 1_795_514_400;

static ONE: LazyLock<TimeAuthority> = LazyLock::new(|| {
    TimeAuthority::from_pem(include_str!("../../fixtures/time-authorities/one.pem")).unwrap()
});
static TWO: LazyLock<TimeAuthority> = LazyLock::new(|| {
    TimeAuthority::from_pem(include_str!("../../fixtures/time-authorities/two.pem")).unwrap()
});

fn parse(pem: &str) -> Result<Anchor, AnchorError> {
    Anchor::from_pem(pem.as_bytes(), &Limits::TABLE)
}

fn pem(der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

fn der(pem: &str) -> Vec<u8> {
    let lines = pem.lines().filter(|line| !line.starts_with('-'));
    BASE64_STANDARD.decode(lines.collect::<String>()).unwrap()
}

/// The certificates of a file, in its order.
fn certificates(pem: &str) -> Vec<String> {
    let begin = "-----BEGIN CERTIFICATE-----";
    pem.split(begin)
        .skip(1)
        .map(|rest| format!("{begin}{rest}"))
        .collect()
}

/// The leaf, without its root.
fn leaf() -> String {
    certificates(&ONE.chain_pem()).remove(0)
}

/// The third certificate of what is saved.
fn intermediate() -> String {
    certificates(&ONE.to_pem()).remove(2)
}

fn judged(anchor: &Anchor, seconds: i64, mode: &Mode) -> Result<Timestamp, Invalid> {
    let request = Request::new(Stamped::Before, 1).to_der();
    let der = ONE.respond(&request, GenTime::seconds(seconds), mode);
    let response = Response::parse(&der, &Limits::TABLE)?;
    response
        .verify(Stamped::Before, anchor)
        .map(|stamp| stamp.moment().time())
}

#[test]
fn a_chain_is_read_in_any_order() {
    let (leaf, root) = (leaf(), ONE.root_pem());
    let id = key_id(&root);
    for chain in [
        root.clone(),
        leaf.clone() + &root,
        root.clone() + &leaf,
        root.clone() + &intermediate() + &leaf,
        format!("a text before\n{leaf}\nand between\n{root}and after"),
        root.replace('\n', "\r\n"),
    ] {
        let anchor = parse(&chain).unwrap();
        assert_eq!(anchor.id(), &id);
        let honest = judged(&anchor, TIME, &Mode::default());
        assert_eq!(honest, Ok(Timestamp::from_unix_seconds(TIME).unwrap()));
    }
}

#[test]
fn what_is_no_chain_of_one_authority_is_refused() {
    let (root, other) = (ONE.root_pem(), TWO.root_pem());
    let garbage = |length: usize| pem(&vec![0x30; length]);
    let limit = Limits::TABLE.certificate;
    for (chain, error) in [
        (String::new(), AnchorError::None),
        ("no certificate".to_owned(), AnchorError::None),
        // A key alone is none, and is not taken for one.
        (root.replace("CERTIFICATE", "PUBLIC KEY"), AnchorError::None),
        (root.clone() + &other, AnchorError::Several { count: 2 }),
        (root.clone() + &root, AnchorError::Several { count: 2 }),
        (root.replace("MII", "MI!"), AnchorError::Pem),
        (
            root.replace("-----END CERTIFICATE-----", ""),
            AnchorError::Pem,
        ),
        (root.clone() + &garbage(1), AnchorError::Certificate),
        (root.clone() + &garbage(limit), AnchorError::Certificate),
        (
            root.clone() + &garbage(limit + 1),
            AnchorError::TooLarge { limit },
        ),
    ] {
        assert_eq!(parse(&chain), Err(error), "{chain}");
        assert_eq!(error.code(), AnchorError::CODE);
        assert!(error.remedy().contains("PEM"));
    }
}

#[test]
fn ten_certificates_are_read_and_no_eleventh() {
    let with_leaves = |count: usize| parse(&(ONE.root_pem() + &leaf().repeat(count)));
    assert_eq!(
        with_leaves(9).unwrap().id(),
        parse(&ONE.root_pem()).unwrap().id()
    );
    assert_eq!(with_leaves(10), Err(AnchorError::TooMany { limit: 10 }));
    // Also where the eleventh is not even one.
    let junk = ONE.root_pem() + &leaf().repeat(9) + &pem(b"junk");
    assert_eq!(parse(&junk), Err(AnchorError::TooMany { limit: 10 }));
}

#[test]
fn a_chain_without_its_root_ends_at_its_last_certificate() {
    let anchor = parse(&(leaf() + &intermediate())).unwrap();
    assert_eq!(anchor.id(), &key_id(&intermediate()));
    let below = Mode::with(Defect::ViaIntermediate);
    judged(&anchor, TIME, &below).unwrap();
    // It vouches for what is below it, and for nothing beside it.
    assert_eq!(
        judged(&anchor, TIME, &Mode::default()),
        Err(Invalid::Untrusted)
    );
    // A signer's certificate alone is above nothing, not even itself.
    let anchor = parse(&leaf()).unwrap();
    assert_eq!(
        judged(&anchor, TIME, &Mode::default()),
        Err(Invalid::Untrusted)
    );
}

#[test]
fn a_stamp_without_certificates_counts_where_the_chain_has_them() {
    let bare = Mode::with(Defect::NoCertificates);
    let with_leaf = parse(&ONE.chain_pem()).unwrap();
    judged(&with_leaf, TIME, &bare).unwrap();
    let root_alone = parse(&ONE.root_pem()).unwrap();
    assert_eq!(
        judged(&root_alone, TIME, &bare),
        Err(Invalid::CertificateMissing)
    );
    // Another leaf of the same authority is not the one that signed.
    let second = certificates(&ONE.to_pem()).remove(4);
    let with_another = parse(&(ONE.root_pem() + &second)).unwrap();
    assert_eq!(
        judged(&with_another, TIME, &bare),
        Err(Invalid::CertificateMissing)
    );
}

#[test]
fn an_authority_is_told_from_another() {
    let two = parse(&TWO.chain_pem()).unwrap();
    assert_eq!(
        judged(&two, TIME, &Mode::default()),
        Err(Invalid::Untrusted)
    );
}

#[test]
fn a_root_is_believed_only_while_it_is_valid() {
    // A root's own signature is no part of what makes it an anchor, so that its dates can be rewritten here.
    let root = |from: &str, to: &str| {
        let der = der(&ONE.root_pem());
        let (first, last) = (b"150101000000Z", b"20500101000000Z");
        let replaced = |der: Vec<u8>, old: &[u8], new: &str| {
            let position = der.windows(old.len()).position(|bytes| bytes == old);
            let mut new_der = der;
            let range = position.unwrap()..position.unwrap() + old.len();
            new_der
                .get_mut(range)
                .unwrap()
                .copy_from_slice(new.as_bytes());
            new_der
        };
        let der = replaced(replaced(der, first, from), last, to);
        parse(&pem(&der)).unwrap()
    };
    let judged = |anchor: &Anchor, seconds: i64| judged(anchor, seconds, &Mode::default());
    let expired = |seconds: i64| {
        let time = Timestamp::from_unix_seconds(seconds).unwrap();
        Err(Invalid::CertificateExpired { time })
    };
    let until = root("150101000000Z", "20261124100000Z");
    judged(&until, TIME).unwrap();
    assert_eq!(judged(&until, TIME + 1), expired(TIME + 1));
    let from = root("261124100000Z", "20500101000000Z");
    judged(&from, TIME).unwrap();
    assert_eq!(judged(&from, TIME - 1), expired(TIME - 1));
}

#[test]
fn a_signer_is_believed_only_while_its_certificate_is_valid() {
    let anchor = parse(&ONE.root_pem()).unwrap();
    // From the start of 2020 to the start of 2040, both included.
    for (seconds, counts) in [
        (1_577_836_799, false),
        (1_577_836_800, true),
        (2_208_988_800, true),
        (2_208_988_801, false),
    ] {
        let found = judged(&anchor, seconds, &Mode::default());
        assert_eq!(found.is_ok(), counts, "{seconds}: {found:?}");
    }
}

/// What names an anchor: its key, however often it is certified.
fn key_id(pem: &str) -> Digest {
    use x509_cert::der::{Decode, Encode};
    let certificate = x509_cert::Certificate::from_der(&der(pem)).unwrap();
    let key = certificate.tbs_certificate.subject_public_key_info;
    Digest::sha256(&key.to_der().unwrap())
}

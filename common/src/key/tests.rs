use p256::{
    ecdsa::{Signature as OracleSignature, SigningKey, VerifyingKey, signature::Signer as _},
    elliptic_curve::scalar::IsHigh as _,
    pkcs8::EncodePublicKey as _,
};
use proptest::prelude::*;

use super::*;

/// The order of P-256's group.
const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
const MESSAGE: &[u8] = b"what is signed";
const P384: &str = include_str!("../../../fixtures/keys/p384.pub");
const P521: &str = include_str!("../../../fixtures/keys/p521.pub");
const ED25519: &str = include_str!("../../../fixtures/keys/ed25519.pub");
const ML_DSA_44: &str = include_str!("../../../fixtures/keys/ml-dsa-44.pub");
const ML_DSA_65: &str = include_str!("../../../fixtures/keys/ml-dsa-65.pub");
const ML_DSA_87: &str = include_str!("../../../fixtures/keys/ml-dsa-87.pub");
const RSA: &str = include_str!("../../../fixtures/keys/rsa-2048.pub");

fn signing_key(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

fn spki(key: &SigningKey) -> Vec<u8> {
    key.verifying_key()
        .to_public_key_der()
        .unwrap()
        .as_bytes()
        .to_vec()
}

fn key(seed: u8) -> PublicKey {
    PublicKey::from_spki_der(&spki(&signing_key(seed))).unwrap()
}

fn verifies(key: &PublicKey, signature: &[u8]) -> bool {
    key.verify(MESSAGE, &signature.to_vec().into()).is_ok()
}

#[test]
fn a_key_is_named_by_its_hash_in_one_spelling() {
    let key = key(1);
    let name = key.id().as_str().to_owned();
    assert_eq!(KeyId::parse(&name).as_ref(), Ok(key.id()));
    for text in [
        "",
        &name[1..],
        &format!("{name}0"),
        &name.to_uppercase(),
        &format!("sha256:{name}"),
        &format!("{}g", &name[1..]),
    ] {
        assert_eq!(KeyId::parse(text), Err(ParseKeyIdError), "{text}");
    }
}

/// Header, algorithm and bit string of a `SubjectPublicKeyInfo`.
fn info(algorithm: &str, key: &[u8]) -> Vec<u8> {
    sequence(
        &[
            hex::decode(algorithm).unwrap(),
            tlv(3, &[&[0], key].concat()),
        ]
        .concat(),
    )
}

fn sequence(content: &[u8]) -> Vec<u8> {
    tlv(0x30, content)
}

fn integer(bytes: &[u8]) -> Vec<u8> {
    tlv(2, bytes)
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let header = match length {
        0..0x80 => vec![tag, u8::try_from(length).unwrap()],
        0x80..0x100 => vec![tag, 0x81, u8::try_from(length).unwrap()],
        _ => [
            &[tag, 0x82],
            u16::try_from(length).unwrap().to_be_bytes().as_slice(),
        ]
        .concat(),
    };
    [&header, content].concat()
}

const P256_ALGORITHM: &str = "301306072a8648ce3d020106082a8648ce3d030107";
const P384_ALGORITHM: &str = "301006072a8648ce3d020106052b81040022";
const P521_ALGORITHM: &str = "301006072a8648ce3d020106052b81040023";
const ED25519_ALGORITHM: &str = "300506032b6570";
const RSA_ALGORITHM: &str = "300d06092a864886f70d0101010500";

fn rsa_key(bits: usize, exponent: &[u8]) -> Vec<u8> {
    let mut modulus = vec![0xc5; bits.div_ceil(8)];
    modulus[0] = 0xff >> ((8 - bits % 8) % 8);
    let last = modulus.len() - 1;
    modulus[last] = 0xc5;
    if modulus[0] >= 0x80 {
        modulus.insert(0, 0);
    }
    info(
        RSA_ALGORITHM,
        &sequence(&[integer(&modulus), integer(exponent)].concat()),
    )
}

#[track_caller]
fn refusal(der: &[u8]) -> KeyError {
    PublicKey::from_spki_der(der).unwrap_err()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn two_implementations_agree_on_ecdsa(seed in 1_u8..255, message: Vec<u8>, flip in 0_usize..512) {
        let signed: OracleSignature = signing_key(seed).sign(&message);
        let der = signed.to_der().as_bytes().to_vec();
        let oracle = VerifyingKey::from(&signing_key(seed));
        prop_assert!(key(seed).verify(&message, &der.clone().into()).is_ok());
        let mut altered = der;
        let bit = flip % (altered.len() * 8);
        altered[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(key(seed).verify(&message, &altered.clone().into()).is_err());
        let accepted = OracleSignature::from_der(&altered)
            .is_ok_and(|signature| p256::ecdsa::signature::Verifier::verify(&oracle, &message, &signature).is_ok());
        prop_assert!(!accepted);
    }

    #[test]
    fn any_bytes_as_a_key_or_a_signature_are_answered_without_a_panic(bytes: Vec<u8>, text: String) {
        let _ = PublicKey::from_spki_der(&bytes);
        let _ = PublicKey::from_pem(&text);
        prop_assert!(!verifies(&key(1), &bytes));
    }
}

#[test]
fn every_flipped_bit_of_a_signature_is_noticed() {
    let signed: OracleSignature = signing_key(1).sign(MESSAGE);
    let der = signed.to_der().as_bytes().to_vec();
    assert!(verifies(&key(1), &der));
    for bit in 0..der.len() * 8 {
        let mut altered = der.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(!verifies(&key(1), &altered), "bit {bit}");
    }
}

#[test]
fn a_signature_by_another_key_or_over_another_message_is_refused() {
    let signed: OracleSignature = signing_key(1).sign(MESSAGE);
    let signature = Signature::from(signed.to_der().as_bytes().to_vec());
    assert_eq!(key(2).verify(MESSAGE, &signature), Err(SignatureInvalid));
    assert_eq!(key(1).verify(b"another", &signature), Err(SignatureInvalid));
    assert_eq!(key(1).verify(MESSAGE, &signature), Ok(()));
}

/// ECDSA has two signatures for one: (r, s) and (r, n-s). Both are valid, so a signature's bytes name nothing.
#[test]
fn the_twin_of_a_signature_is_valid_too() {
    let signed: OracleSignature = signing_key(1).sign(MESSAGE);
    let (r, s) = signed.split_scalars();
    let twin = OracleSignature::from_scalars(r, -s).unwrap();
    assert_ne!(
        bool::from(signed.s().is_high()),
        bool::from(twin.s().is_high())
    );
    assert!(verifies(&key(1), twin.to_der().as_bytes()));
}

#[test]
fn numbers_outside_their_range_are_refused() {
    let signed: OracleSignature = signing_key(1).sign(MESSAGE);
    let (r, s) = (
        signed.r().to_bytes().to_vec(),
        signed.s().to_bytes().to_vec(),
    );
    let positive = |bytes: &[u8]| integer(&[&[0], bytes].concat());
    let minimal = |bytes: &[u8]| {
        if bytes[0] >= 0x80 {
            positive(bytes)
        } else {
            integer(bytes)
        }
    };
    let order = hex::decode(ORDER).unwrap();
    let zero = integer(&[0]);
    let good = sequence(&[minimal(&r), minimal(&s)].concat());
    assert!(verifies(&key(1), &good));
    for (what, signature) in [
        ("r = 0", [zero.clone(), minimal(&s)].concat()),
        ("s = 0", [minimal(&r), zero.clone()].concat()),
        ("both 0", [zero.clone(), zero].concat()),
        ("r = n", [positive(&order), minimal(&s)].concat()),
        ("s = n", [minimal(&r), positive(&order)].concat()),
        ("r > n", [positive(&[0xff; 32]), minimal(&s)].concat()),
        (
            "r negative",
            [integer(&[&[0x80], &r[1..]].concat()), minimal(&s)].concat(),
        ),
        (
            "r padded",
            [integer(&[&[0, 0], r.as_slice()].concat()), minimal(&s)].concat(),
        ),
        ("one number", minimal(&r)),
        (
            "three numbers",
            [minimal(&r), minimal(&s), minimal(&s)].concat(),
        ),
    ] {
        assert!(!verifies(&key(1), &sequence(&signature)), "{what}");
    }
}

#[test]
fn a_signature_has_one_encoding() {
    let signed: OracleSignature = signing_key(1).sign(MESSAGE);
    let der = signed.to_der().as_bytes().to_vec();
    let raw = signed.to_bytes().to_vec();
    let long_length = [&[0x30, 0x81, der[1]], &der[2..]].concat();
    let indefinite = [&[0x30, 0x80], &der[2..], &[0, 0]].concat();
    for (what, signature) in [
        ("raw numbers", raw),
        ("trailing byte", [der.as_slice(), &[0]].concat()),
        ("cut", der[..der.len() - 1].to_vec()),
        ("long length", long_length),
        ("indefinite length", indefinite),
        ("nothing", Vec::new()),
    ] {
        assert!(!verifies(&key(1), &signature), "{what}");
    }
    assert!(verifies(&key(1), &der));
}

#[test]
fn the_hash_follows_the_curve() {
    use p256::ecdsa::signature::hazmat::PrehashSigner as _;
    let hash = Algorithm::EcdsaP384Sha384.message_digest(MESSAGE).unwrap();
    let swapped: OracleSignature = signing_key(1).sign_prehash(&hash).unwrap();
    assert!(!verifies(&key(1), swapped.to_der().as_bytes()));
    let hash = Algorithm::EcdsaP256Sha256.message_digest(MESSAGE).unwrap();
    let right: OracleSignature = signing_key(1).sign_prehash(&hash).unwrap();
    assert!(verifies(&key(1), right.to_der().as_bytes()));
}

#[test]
fn a_key_is_trusted_for_an_algorithm_of_its_own_family_alone() {
    let families = [
        (key(1), Family::P256),
        (PublicKey::from_pem(P384).unwrap(), Family::P384),
        (PublicKey::from_pem(P521).unwrap(), Family::P521),
        (PublicKey::from_pem(ED25519).unwrap(), Family::Ed25519),
        (PublicKey::from_pem(ML_DSA_44).unwrap(), Family::MlDsa44),
        (PublicKey::from_pem(ML_DSA_65).unwrap(), Family::MlDsa65),
        (PublicKey::from_pem(ML_DSA_87).unwrap(), Family::MlDsa87),
        (PublicKey::from_pem(RSA).unwrap(), Family::Rsa),
    ];
    for (key, family) in families {
        for algorithm in Algorithm::ALL {
            let changed = key.clone().with_algorithm(algorithm);
            if algorithm.family() == family {
                let changed = changed.unwrap();
                assert_eq!((changed.algorithm(), changed.id()), (algorithm, key.id()));
            } else {
                assert!(
                    matches!(changed, Err(KeyError::AlgorithmMismatch { .. })),
                    "{algorithm}"
                );
            }
        }
    }
}

#[test]
fn points_have_one_encoding_and_lie_on_their_curve() {
    let point = key(1).key;
    let p256 = |point: &[u8]| info(P256_ALGORITHM, point);
    assert_eq!(PublicKey::from_spki_der(&p256(&point)).unwrap(), key(1));
    let parity = 2 + (point[64] & 1);
    let with_tag = |tag: u8| [&[tag], &point[1..]].concat();
    for (what, bytes) in [
        ("infinity", vec![0]),
        ("nothing", Vec::new()),
        ("compressed", [&[parity], &point[1..33]].concat()),
        ("hybrid, even", with_tag(6)),
        ("hybrid, odd", with_tag(7)),
        ("cut", point[..64].to_vec()),
        ("longer", [point.as_slice(), &[0]].concat()),
    ] {
        assert!(matches!(refusal(&p256(&bytes)), KeyError::Point), "{what}");
    }
    let mut off_curve = point.clone();
    off_curve[64] ^= 1;
    let field =
        hex::decode("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff").unwrap();
    let too_large = [&[4], field.as_slice(), &point[33..]].concat();
    for (what, bytes) in [
        ("off curve", off_curve),
        ("x = p", too_large),
        ("zeros", [vec![4], vec![0; 64]].concat()),
    ] {
        assert!(
            matches!(refusal(&p256(&bytes)), KeyError::Invalid),
            "{what}"
        );
    }
}

#[test]
fn a_key_of_another_kind_or_without_its_kind_is_refused() {
    let point = key(1).key;
    assert!(matches!(
        refusal(&info(P384_ALGORITHM, &point)),
        KeyError::Point
    ));
    assert!(matches!(
        refusal(&info(P521_ALGORITHM, &point)),
        KeyError::Point
    ));
    for (what, algorithm) in [
        ("Ed448", "300506032b6571"),
        ("X25519", "300506032b656e"),
        ("SLH-DSA", "300b0609608648016503040314"),
        ("secp256k1", "301006072a8648ce3d020106052b8104000a"),
    ] {
        let refused = refusal(&info(algorithm, &point));
        assert!(matches!(refused, KeyError::Unsupported), "{what}");
    }
    assert!(
        matches!(
            refusal(&info("300906072a8648ce3d0201", &point)),
            KeyError::Unsupported
        ),
        "no curve"
    );
    for raw in [point.as_slice(), &[7; 32], &[]] {
        assert!(matches!(refusal(raw), KeyError::Der { .. }));
    }
    let trailing = [spki(&signing_key(1)), vec![0]].concat();
    assert!(matches!(refusal(&trailing), KeyError::Der { .. }));
    let mut unused_bits = spki(&signing_key(1));
    let position = unused_bits.len() - 66;
    unused_bits[position] = 1;
    assert!(PublicKey::from_spki_der(&unused_bits).is_err());
}

#[test]
fn a_key_of_bare_bytes_has_their_length_and_no_parameters() {
    for (pem, algorithm, with_null) in [
        (ED25519, ED25519_ALGORITHM, "300706032b65700500"),
        (
            ML_DSA_44,
            "300b0609608648016503040311",
            "300d06096086480165030403110500",
        ),
        (
            ML_DSA_65,
            "300b0609608648016503040312",
            "300d06096086480165030403120500",
        ),
        (
            ML_DSA_87,
            "300b0609608648016503040313",
            "300d06096086480165030403130500",
        ),
    ] {
        let key = PublicKey::from_pem(pem).unwrap();
        let bytes = key.key_bytes();
        assert_eq!(
            PublicKey::from_spki_der(&info(algorithm, bytes)).unwrap(),
            key
        );
        for other in [&bytes[1..], &[bytes, &[0]].concat(), &[]] {
            assert!(matches!(
                refusal(&info(algorithm, other)),
                KeyError::Invalid
            ));
        }
        let parameters = refusal(&info(with_null, bytes));
        assert!(matches!(parameters, KeyError::Unsupported), "{with_null}");
    }
}

#[test]
fn an_ed25519_key_is_made_of_its_bytes() {
    let key = PublicKey::from_pem(ED25519).unwrap();
    assert_eq!(PublicKey::from_ed25519_bytes(key.key_bytes()).unwrap(), key);
    for bytes in [&key.key_bytes()[1..], &[], &[0; 32]] {
        let refused = PublicKey::from_ed25519_bytes(bytes).unwrap_err();
        assert!(matches!(refused, KeyError::Invalid));
    }
}

/// With such a key one signature fits every message, or one in eight.
#[test]
fn points_of_small_order_are_no_keys() {
    let identity = |last: u8| [&[1], [0; 30].as_slice(), &[last]].concat();
    let forged = [identity(0), vec![0; 32]].concat();
    let backend = UnparsedPublicKey::new(Algorithm::Ed25519.backend(), identity(0));
    backend.verify(b"whatever", &forged).unwrap();

    for listed in SMALL_ORDER {
        let mut point = hex::decode(listed).unwrap();
        for sign in [0, 0x80] {
            point[31] = (point[31] & 0x7f) | sign;
            let refused = refusal(&info(ED25519_ALGORITHM, &point));
            assert!(matches!(refused, KeyError::Invalid), "{listed}");
        }
    }
}

#[test]
fn another_library_s_signatures_fit_and_no_flipped_byte_does() {
    macro_rules! signature {
        ($name:literal) => {
            include_bytes!(concat!("../../../fixtures/keys/", $name, ".sig")).as_slice()
        };
    }
    for (pem, signature) in [
        (P521, signature!("p521")),
        (ED25519, signature!("ed25519")),
        (ML_DSA_44, signature!("ml-dsa-44")),
        (ML_DSA_65, signature!("ml-dsa-65")),
        (ML_DSA_87, signature!("ml-dsa-87")),
    ] {
        let key = PublicKey::from_pem(pem).unwrap();
        let algorithm = key.algorithm();
        assert!(verifies(&key, signature), "{algorithm}");
        assert!(key.verify(b"another", &signature.to_vec().into()).is_err());
        for position in 0..signature.len() {
            let mut altered = signature.to_vec();
            altered[position] ^= 1 << (position % 8);
            assert!(!verifies(&key, &altered), "{algorithm}: {position}");
        }
        for other in [&signature[1..], &[signature, &[0]].concat(), &[]] {
            assert!(!verifies(&key, other), "{algorithm}");
        }
    }
}

/// S + L is the same number to whoever does not look; RFC 8032 demands S below L.
#[test]
fn the_number_of_an_ed25519_signature_has_one_encoding() {
    const L: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    let signature = include_bytes!("../../../fixtures/keys/ed25519.sig");
    let mut altered = signature.to_vec();
    let mut carry = 0;
    for (byte, order) in altered[32..].iter_mut().zip(hex::decode(L).unwrap()) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = u8::try_from(sum & 0xff).unwrap();
        carry = sum >> 8;
    }
    let key = PublicKey::from_pem(ED25519).unwrap();
    assert!(verifies(&key, signature) && !verifies(&key, &altered));
}

#[test]
fn rsa_keys_are_bounded_on_both_sides() {
    let e = [1, 0, 1];
    for bits in [2_048, 3_072, 4_096] {
        PublicKey::from_spki_der(&rsa_key(bits, &e)).unwrap();
    }
    for bits in [1_024, 2_047, 4_097, 8_192, 16_384] {
        assert!(
            matches!(refusal(&rsa_key(bits, &e)), KeyError::RsaSize { bits: found } if found == bits),
            "{bits}"
        );
    }
    let largest_odd = [1, 0xff, 0xff, 0xff, 0xff];
    PublicKey::from_spki_der(&rsa_key(2_048, &largest_odd)).unwrap();
    for (what, exponent) in [
        ("1", vec![1]),
        ("3", vec![3]),
        ("65,535", vec![0, 0xff, 0xff]),
        ("even", vec![1, 0, 2]),
        ("2^33 + 1", vec![2, 0, 0, 0, 1]),
        ("2^64 + 1", vec![1, 0, 0, 0, 0, 0, 0, 0, 1]),
        ("2^200", [vec![1], vec![0; 25]].concat()),
        ("0", vec![0]),
    ] {
        assert!(
            matches!(refusal(&rsa_key(2_048, &exponent)), KeyError::RsaExponent),
            "{what}"
        );
    }
}

#[test]
fn rsa_signatures_fit_their_one_scheme_and_hash() {
    use aws_lc_rs::{rand::SystemRandom, rsa::KeyPair, signature as scheme};
    let (_, pkcs8) =
        Document::from_pem(include_str!("../../../fixtures/keys/rsa-2048.key")).unwrap();
    let pair = KeyPair::from_pkcs8(pkcs8.as_bytes()).unwrap();
    let schemes: [(Algorithm, &'static dyn scheme::RsaEncoding); 6] = [
        (Algorithm::RsaPkcs1Sha256, &scheme::RSA_PKCS1_SHA256),
        (Algorithm::RsaPkcs1Sha384, &scheme::RSA_PKCS1_SHA384),
        (Algorithm::RsaPkcs1Sha512, &scheme::RSA_PKCS1_SHA512),
        (Algorithm::RsaPssSha256, &scheme::RSA_PSS_SHA256),
        (Algorithm::RsaPssSha384, &scheme::RSA_PSS_SHA384),
        (Algorithm::RsaPssSha512, &scheme::RSA_PSS_SHA512),
    ];
    let public = PublicKey::from_pem(RSA).unwrap();
    for (signed_as, encoding) in schemes {
        let mut signature = vec![0; 256];
        pair.sign(encoding, &SystemRandom::new(), MESSAGE, &mut signature)
            .unwrap();
        for algorithm in schemes.map(|(algorithm, _)| algorithm) {
            let key = public.clone().with_algorithm(algorithm).unwrap();
            assert_eq!(
                verifies(&key, &signature),
                algorithm == signed_as,
                "{signed_as} as {algorithm}"
            );
        }
        let key = public.clone().with_algorithm(signed_as).unwrap();
        assert!(
            !verifies(&key, &signature[1..])
                && !verifies(&key, &[&[0], signature.as_slice()].concat())
        );
    }
}

#[test]
fn one_key_has_one_name_however_it_was_encoded() {
    let with_null = PublicKey::from_pem(RSA).unwrap();
    let without = info("300b06092a864886f70d010101", &with_null.key);
    let without = PublicKey::from_spki_der(&without).unwrap();
    assert_eq!(without.id(), with_null.id());
    assert_eq!(without.spki_der(), with_null.spki_der());
    let other_parameters = info("300e06092a864886f70d010101040100", &with_null.key);
    assert!(matches!(refusal(&other_parameters), KeyError::Unsupported));
}

#[test]
fn names_and_hints_are_hashes_of_the_public_key() {
    let key = key(1);
    assert_eq!(
        key.id().as_str(),
        Digest::sha256(&spki(&signing_key(1))).hex()
    );
    assert_eq!(key.id().short(), &key.id().as_str()[..12]);
    assert_eq!(
        BASE64_STANDARD.decode(key.hint()).unwrap(),
        hex::decode(key.id().as_str()).unwrap()
    );
    assert_ne!(key.id(), self::key(2).id());
}

#[test]
fn a_pem_file_holds_one_public_key() {
    let pem = key(1).to_pem().unwrap();
    assert_eq!(PublicKey::from_pem(&pem).unwrap(), key(1));
    assert_eq!(
        PublicKey::from_pem(&format!("\n{pem}\n\n")).unwrap(),
        key(1)
    );
    assert_eq!(
        PublicKey::from_pem(&pem.replace('\n', "\r\n")).unwrap(),
        key(1)
    );
    let private = include_str!("../../../fixtures/keys/p384.key");
    assert!(
        matches!(PublicKey::from_pem(private), Err(KeyError::Label { label }) if label == "PRIVATE KEY")
    );
    for text in [
        String::new(),
        pem.replace("PUBLIC", "PUB\u{1b}LIC"),
        format!("{pem}{}", key(2).to_pem().unwrap()),
        pem.replacen("BEGIN PUBLIC KEY", "BEGIN CERTIFICATE", 1),
        pem[..pem.len() / 2].to_owned(),
    ] {
        assert!(PublicKey::from_pem(&text).is_err(), "{text}");
    }
}

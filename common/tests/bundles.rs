//! Bundles as another implementation of the format reads and verifies them.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

use countersign_common::{
    Bundle, Digest, ImageRef, Limits, PublicKey, Signature,
    bundle::{self, ClaimedSigner},
    dsse::{IN_TOTO_PAYLOAD_TYPE, pre_authentication_encoding},
    statement::image_signature,
};
use p256::{
    ecdsa::{Signature as EcdsaSignature, SigningKey, signature::Signer as _},
    pkcs8::EncodePublicKey as _,
};
use sigstore_crypto::{KeyAlgorithm, VerificationKey};
use sigstore_types::{
    Bundle as Oracle, DerPublicKey, MediaType, SignatureContent,
    bundle::VerificationMaterialContent,
};

struct Sealed {
    json: String,
    key: PublicKey,
    payload: Vec<u8>,
    signature: Signature,
}

fn sealed() -> Sealed {
    let signing = SigningKey::from_slice(&[7; 32]).unwrap();
    let spki = signing.verifying_key().to_public_key_der().unwrap();
    let key = PublicKey::from_spki_der(spki.as_bytes()).unwrap();
    let image = ImageRef::parse("registry.example/shop/api").unwrap();
    let digest = Digest::sha256(b"image");
    let payload = image_signature(
        image.repository(),
        &digest,
        &[("team".to_owned(), "Grüße \"\\\u{1b}".to_owned())].into(),
    )
    .unwrap();
    let signed: EcdsaSignature =
        signing.sign(&pre_authentication_encoding(IN_TOTO_PAYLOAD_TYPE, &payload));
    let signature = Signature::from(signed.to_der().as_bytes().to_vec());
    let json = bundle::seal((IN_TOTO_PAYLOAD_TYPE, &payload), &signature, &key, &[]).unwrap();
    Sealed {
        json: String::from_utf8(json).unwrap(),
        key,
        payload,
        signature,
    }
}

#[test]
fn another_reader_finds_in_a_bundle_what_was_sealed() {
    let sealed = sealed();
    let oracle = Oracle::from_json(&sealed.json).unwrap();
    assert_eq!(oracle.media_type(), MediaType::Bundle0_3);
    let VerificationMaterialContent::PublicKey(identifier) = &oracle.verification_material.content
    else {
        panic!("{:?}", oracle.verification_material);
    };
    assert_eq!(identifier.hint, sealed.key.hint());
    let SignatureContent::DsseEnvelope(envelope) = &oracle.content else {
        panic!("{:?}", oracle.content);
    };
    assert_eq!(envelope.payload.as_bytes(), sealed.payload);
    assert_eq!(
        envelope.pae(),
        pre_authentication_encoding(IN_TOTO_PAYLOAD_TYPE, &sealed.payload)
    );
    let spki = DerPublicKey::new(sealed.key.spki_der().to_vec());
    let scheme = KeyAlgorithm::from_spki(&spki)
        .unwrap()
        .default_signing_scheme();
    let key = VerificationKey::from_spki_with_scheme(&spki, scheme).unwrap();
    key.verify(envelope.pae(), &envelope.signature.sig).unwrap();
    key.verify(b"another", &envelope.signature.sig).unwrap_err();
}

#[test]
fn what_another_writer_writes_is_read() {
    let sealed = sealed();
    let rewritten = Oracle::from_json(&sealed.json)
        .unwrap()
        .to_json_pretty()
        .unwrap();
    assert_ne!(rewritten, sealed.json);
    let read = Bundle::parse(rewritten.as_bytes(), &Limits::TABLE).unwrap();
    assert_eq!(
        read,
        Bundle::parse(sealed.json.as_bytes(), &Limits::TABLE).unwrap()
    );
    assert_eq!(read.payload(), sealed.payload);
    assert_eq!(read.signature(), &sealed.signature);
    assert_eq!(
        read.signer(),
        &ClaimedSigner::Key {
            hint: sealed.key.hint()
        }
    );
}

#[test]
fn every_cut_of_a_bundle_is_refused() {
    let json = sealed().json;
    for length in 0..json.len() {
        assert!(
            Bundle::parse(&json.as_bytes()[..length], &Limits::TABLE).is_err(),
            "{length}"
        );
    }
}

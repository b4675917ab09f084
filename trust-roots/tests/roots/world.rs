//! People with root keys, teams with release keys, an authority of time, and what they write.

use std::{num::NonZeroUsize, sync::LazyLock};

use countersign_common::{Algorithm, Digest, Limits, PublicKey, Signature, Timestamp};
use countersign_stand_in::tsa::TimeAuthority;
use countersign_trust_roots::{
    Pattern, Role,
    root::{Contents, Draft, NewKey, NewTimeAuthority, ScopeEdit},
    time::Window,
};
use p256::{
    ecdsa::{Signature as Ecdsa, SigningKey, signature::Signer as _},
    pkcs8::EncodePublicKey as _,
};
use pki_types::{CertificateDer, pem::PemObject};
use serde_json::{Value, json};
use sigstore_tuf::canonical_json::to_canonical_bytes;

pub(crate) const NOW: &str = "2026-11-24T10:00:00Z";
pub(crate) const EXPIRES: &str = "2027-11-23T00:00:00Z";
pub(crate) const SHOP: &str = "registry.example/shop/**";

/// Root keys.
pub(crate) const ALICE: u8 = 1;
pub(crate) const BOB: u8 = 2;
pub(crate) const CAROL: u8 = 3;
pub(crate) const DAVE: u8 = 4;
/// Keys of pipelines.
pub(crate) const RELEASE: u8 = 11;
pub(crate) const NEXT_RELEASE: u8 = 12;
pub(crate) const REVIEW: u8 = 13;
pub(crate) const CLOCK: u8 = 14;

pub(crate) fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn signing_key(number: u8) -> SigningKey {
    SigningKey::from_slice(&[number; 32]).unwrap()
}

pub(crate) fn public(number: u8) -> PublicKey {
    let spki = signing_key(number)
        .verifying_key()
        .to_public_key_der()
        .unwrap();
    PublicKey::from_spki_der(spki.as_bytes()).unwrap()
}

pub(crate) fn sign(number: u8, message: &[u8]) -> Vec<u8> {
    let signature: Ecdsa = signing_key(number).sign(message);
    signature.to_der().as_bytes().to_vec()
}

pub(crate) fn new_key(number: u8, owner: &str) -> NewKey {
    NewKey {
        public: public(number),
        owner: Some(owner.to_owned()),
        kms: None,
    }
}

/// TUF's id of a key, as a draft gives it.
pub(crate) fn id(number: u8) -> String {
    Draft::first("ids", time(EXPIRES))
        .add_root_key(&new_key(number, "x"))
        .unwrap()
}

pub(crate) fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

/// An RSA key of this algorithm.
pub(crate) fn rsa(algorithm: Algorithm) -> NewKey {
    let key = PublicKey::from_pem(include_str!("../../../fixtures/keys/rsa-2048.pub")).unwrap();
    NewKey {
        public: key.with_algorithm(algorithm).unwrap(),
        owner: Some("erin".to_owned()),
        kms: None,
    }
}

/// Beside those who sign it a root key that is RSA, listed with this scheme of TUF, whether or not it may sign roots.
pub(crate) fn with_rsa_root_key(mut draft: Draft, scheme: &str) -> Value {
    let pss = draft.add_root_key(&rsa(Algorithm::RsaPssSha256)).unwrap();
    edited(&draft, |signed| {
        let mut key = signed["keys"][&pss].take();
        key["scheme"] = json!(scheme);
        let parsed: sigstore_tuf::Key = serde_json::from_value(key.clone()).unwrap();
        let text = signed.to_string().replace(&pss, &parsed.key_id().unwrap());
        *signed = serde_json::from_str(&text).unwrap();
        signed["keys"][parsed.key_id().unwrap()] = key;
    })
}

/// The certificates of the time-stamp authorities of the fixtures.
static CERTIFICATES: LazyLock<[Vec<Vec<u8>>; 2]> = LazyLock::new(|| {
    [
        include_str!("../../../fixtures/time-authorities/one.pem"),
        include_str!("../../../fixtures/time-authorities/two.pem"),
    ]
    .map(|pem| {
        let chain = TimeAuthority::from_pem(pem).unwrap().chain_pem();
        CertificateDer::pem_slice_iter(chain.as_bytes())
            .map(|certificate| certificate.unwrap().to_vec())
            .collect()
    })
});

fn certificates(name: &str) -> Vec<Vec<u8>> {
    CERTIFICATES[usize::from(name == "two")].clone()
}

pub(crate) fn tsa(name: &str) -> NewTimeAuthority {
    NewTimeAuthority {
        operator: format!("{name}.example"),
        uri: format!("https://{name}.example/rfc3161"),
        certificates: certificates(name),
        valid: Window {
            start: Some(time("2024-01-01T00:00:00Z")),
            end: None,
        },
        accuracy: std::time::Duration::from_secs(1),
    }
}

/// Two of three people, one release key, one key that beats, one authority.
pub(crate) fn first() -> Draft {
    static FIRST: LazyLock<Draft> = LazyLock::new(made);
    FIRST.clone()
}

fn made() -> Draft {
    let mut draft = Draft::first("acme", time(EXPIRES));
    for (number, owner) in [(ALICE, "alice"), (BOB, "bob"), (CAROL, "carol")] {
        draft.add_root_key(&new_key(number, owner)).unwrap();
    }
    draft.set_root_threshold(NonZeroUsize::new(2).unwrap());
    let shop = pattern(SHOP);
    draft
        .set_scope(std::slice::from_ref(&shop), &ScopeEdit::default())
        .unwrap();
    let release = new_key(RELEASE, "release team");
    draft.add_key(&release, Role::Sign, &shop).unwrap();
    draft.add_key(&release, Role::Publish, &shop).unwrap();
    draft
        .add_key(&new_key(CLOCK, "heartbeat job"), Role::Heartbeat, &shop)
        .unwrap();
    draft
        .add_time_authority(&tsa("one"), &Limits::TABLE)
        .unwrap();
    draft
}

/// The draft, signed by these.
pub(crate) fn signed(draft: &Draft, by: &[u8]) -> Vec<u8> {
    let file: Value = serde_json::from_slice(&draft.to_json().unwrap()).unwrap();
    signed_value(&file["signed"], by)
}

/// Anything, signed by these.
pub(crate) fn signed_value(signed: &Value, by: &[u8]) -> Vec<u8> {
    let message = to_canonical_bytes(signed).unwrap();
    let mut signatures: Vec<(String, String)> = by
        .iter()
        .map(|number| (id(*number), hex::encode(sign(*number, &message))))
        .collect();
    signatures.sort();
    let signatures: Vec<Value> = signatures
        .into_iter()
        .map(|(id, signature)| json!({ "keyid": id, "sig": signature }))
        .collect();
    pretty(&json!({ "signatures": signatures, "signed": signed }))
}

pub(crate) fn pretty(value: &Value) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).unwrap();
    bytes.push(b'\n');
    bytes
}

/// What is signed in a root, edited.
pub(crate) fn edited(draft: &Draft, edit: impl FnOnce(&mut Value)) -> Value {
    let file: Value = serde_json::from_slice(&draft.to_json().unwrap()).unwrap();
    let mut signed = file["signed"].clone();
    edit(&mut signed);
    signed
}

pub(crate) fn after(previous: &[u8]) -> Draft {
    Draft::after(previous, time(EXPIRES), &Limits::TABLE).unwrap()
}

pub(crate) fn contents(bytes: &[u8]) -> Contents {
    Contents::read(bytes, &Limits::TABLE).unwrap()
}

pub(crate) fn fingerprint(bytes: &[u8]) -> Digest {
    Digest::sha256(bytes)
}

pub(crate) fn signature(number: u8, draft: &Draft) -> Signature {
    Signature::from(sign(number, &draft.message().unwrap()))
}

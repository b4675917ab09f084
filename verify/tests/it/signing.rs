//! Test keys, and what they sign: bundles as referrers, right or wrong in one part.

use std::collections::BTreeMap;

use aws_lc_rs::{rand::SystemRandom, rsa::KeyPair, signature::RSA_PKCS1_SHA256};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use countersign_common::{
    Descriptor, Digest, PublicKey,
    bundle::MEDIA_TYPE,
    dsse::{IN_TOTO_PAYLOAD_TYPE, pre_authentication_encoding},
    manifest::{EMPTY_CONFIG, OCI_MANIFEST},
    statement::{IMAGE_SIGNATURE, STATEMENT_V1},
};
use p256::{
    ecdsa::{Signature as EcdsaSignature, SigningKey, signature::Signer as _},
    pkcs8::EncodePublicKey as _,
};
use serde_json::{Value, json};

pub(crate) const REPOSITORY: &str = "registry.example/shop/api";

/// A key whose private half everybody knows: its scalar repeats one byte, or it is the RSA key of `fixtures/keys`.
/// Its signatures are deterministic (RFC 6979, PKCS#1 v1.5), so that fixtures can be made again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Key {
    Release,
    Review,
    Rsa,
    Stranger,
}

impl Key {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Review => "review",
            Self::Rsa => "rsa",
            Self::Stranger => "stranger",
        }
    }

    fn scalar(self) -> SigningKey {
        let byte = match self {
            Self::Release => 0x11,
            Self::Review => 0x22,
            Self::Stranger => 0x33,
            Self::Rsa => unreachable!("it is not on a curve"),
        };
        SigningKey::from_slice(&[byte; 32]).unwrap()
    }

    pub(crate) fn public(self) -> PublicKey {
        if self == Self::Rsa {
            PublicKey::from_pem(include_str!("../../../fixtures/keys/rsa-2048.pub")).unwrap()
        } else {
            let spki = self.scalar().verifying_key().to_public_key_der().unwrap();
            PublicKey::from_spki_der(spki.as_bytes()).unwrap()
        }
    }

    pub(crate) fn sign(self, message: &[u8]) -> Vec<u8> {
        if self == Self::Rsa {
            let pem = include_str!("../../../fixtures/keys/rsa-2048.key");
            let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
            let pair = KeyPair::from_pkcs8(&BASE64_STANDARD.decode(base64).unwrap()).unwrap();
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message,
                &mut signature,
            )
            .unwrap();
            signature
        } else {
            let signature: EcdsaSignature = self.scalar().sign(message);
            signature.to_der().as_bytes().to_vec()
        }
    }
}

/// The other of the two valid signatures that ECDSA has for each.
pub(crate) fn twin(signature: &mut Vec<u8>) {
    let parsed = EcdsaSignature::from_der(signature).unwrap();
    let (r, s) = parsed.split_scalars();
    let other = EcdsaSignature::from_scalars(r, -s).unwrap();
    *signature = other.to_der().as_bytes().to_vec();
}

/// What is to be signed, how it is sealed, and what is then done to it.
#[derive(Clone)]
pub(crate) struct Signing {
    pub(crate) key: Key,
    /// The name of the files in a fixture.
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) predicate_type: &'static str,
    pub(crate) repository: Option<&'static str>,
    /// What the statement is about; `None` for what the manifest refers to.
    pub(crate) about: Option<Digest>,
    pub(crate) annotations: BTreeMap<String, Value>,
    pub(crate) payload_type: &'static str,
    pub(crate) hint: Option<String>,
    pub(crate) edit_payload: fn(String) -> String,
    pub(crate) edit_signature: fn(&mut Vec<u8>),
    pub(crate) edit_sealed: fn(&mut Vec<u8>),
    pub(crate) edit_bundle: fn(&mut Value),
    pub(crate) edit_blob: fn(String) -> String,
    pub(crate) edit_manifest: fn(&mut Value),
}

/// A manifest and its blob.
#[derive(Clone)]
pub(crate) struct Sealed {
    pub(crate) manifest: Bytes,
    pub(crate) blob: Bytes,
}

impl Signing {
    pub(crate) fn by(key: Key) -> Self {
        Self {
            key,
            name: format!("{}-signature", key.name()),
            kind: STATEMENT_V1,
            predicate_type: IMAGE_SIGNATURE,
            repository: Some(REPOSITORY),
            about: None,
            annotations: BTreeMap::new(),
            payload_type: IN_TOTO_PAYLOAD_TYPE,
            hint: None,
            edit_payload: |payload| payload,
            edit_signature: |_| (),
            edit_sealed: |_| (),
            edit_bundle: |_| (),
            edit_blob: |blob| blob,
            edit_manifest: |_| (),
        }
    }

    pub(crate) fn named(self, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..self
        }
    }

    pub(crate) fn annotated(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.annotations.insert(key.to_owned(), value.into());
        self
    }

    fn payload(&self, subject: &Descriptor) -> String {
        let about = self.about.as_ref().unwrap_or(&subject.digest);
        let mut named = json!({"digest": {about.algorithm().name(): about.hex()}});
        if let Some(repository) = self.repository {
            named["name"] = repository.into();
        }
        if !self.annotations.is_empty() {
            named["annotations"] = json!(self.annotations);
        }
        let statement = json!({
            "_type": self.kind,
            "subject": [named],
            "predicateType": self.predicate_type,
            "predicate": {},
        });
        (self.edit_payload)(sorted(statement).to_string())
    }

    /// Signs, and makes what would be pushed beside the subject.
    pub(crate) fn seal(&self, subject: &Descriptor) -> Sealed {
        let mut payload = self.payload(subject).into_bytes();
        let mut signature = self
            .key
            .sign(&pre_authentication_encoding(self.payload_type, &payload));
        (self.edit_signature)(&mut signature);
        (self.edit_sealed)(&mut payload);
        let hint = self
            .hint
            .clone()
            .unwrap_or_else(|| self.key.public().hint());
        let mut bundle = json!({
            "mediaType": MEDIA_TYPE,
            "verificationMaterial": {"publicKey": {"hint": hint}},
            "dsseEnvelope": {
                "payload": BASE64_STANDARD.encode(payload),
                "payloadType": self.payload_type,
                "signatures": [{"sig": BASE64_STANDARD.encode(signature)}],
            },
        });
        (self.edit_bundle)(&mut bundle);
        let blob = (self.edit_blob)(pretty(&bundle));
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": MEDIA_TYPE,
            "config": Descriptor::of(EMPTY_CONFIG, b"{}"),
            "layers": [Descriptor::of(MEDIA_TYPE, blob.as_bytes())],
            "subject": subject,
            "annotations": {"org.opencontainers.image.title": self.name},
        });
        (self.edit_manifest)(&mut manifest);
        Sealed {
            manifest: pretty(&manifest).into(),
            blob: blob.into(),
        }
    }
}

/// As the files of the fixtures are written, so that they can be read.
pub(crate) fn pretty(value: &Value) -> String {
    format!("{:#}\n", sorted(value.clone()))
}

/// In one order, whatever the features of the JSON library in this build.
fn sorted(mut value: Value) -> Value {
    value.sort_all_objects();
    value
}

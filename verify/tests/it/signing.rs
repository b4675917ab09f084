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
    predicate::BEFORE_STAMP_ANNOTATION,
    publication::PUBLICATION,
    statement::{IMAGE_SIGNATURE, STATEMENT_V1},
};
use p256::{
    ecdsa::{Signature as EcdsaSignature, SigningKey, signature::Signer as _},
    pkcs8::EncodePublicKey as _,
};
use serde_json::{Value, json};

use crate::stamping::{AFTER, BEFORE, Stamping, Tsa};

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
    /// The time stamps inside the payload.
    pub(crate) before: Vec<Stamping>,
    /// The time stamps of the signature.
    pub(crate) after: Vec<Stamping>,
    /// What a publication claims instead of stamps.
    pub(crate) claimed_at: Option<&'static str>,
    pub(crate) supported_until: Option<&'static str>,
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
            before: Vec::new(),
            after: Vec::new(),
            claimed_at: None,
            supported_until: None,
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

    /// A publication, stamped on both sides.
    pub(crate) fn publication(key: Key) -> Self {
        Self {
            predicate_type: PUBLICATION,
            before: vec![Tsa::One.at(BEFORE)],
            after: vec![Tsa::One.at(AFTER)],
            ..Self::by(key).named(&format!("{}-publication", key.name()))
        }
    }

    /// A publication whose date is its publisher's word.
    pub(crate) fn claiming(key: Key, claimed_at: &'static str) -> Self {
        Self {
            claimed_at: Some(claimed_at),
            before: Vec::new(),
            after: Vec::new(),
            ..Self::publication(key)
        }
    }

    /// An attestation, stamped on both sides.
    pub(crate) fn attestation(key: Key, predicate_type: &'static str) -> Self {
        Self {
            predicate_type,
            ..Self::publication(key).named(&format!("{}-attestation", key.name()))
        }
    }

    /// Stamped like this instead.
    pub(crate) fn stamped(
        self,
        before: impl IntoIterator<Item = Stamping>,
        after: impl IntoIterator<Item = Stamping>,
    ) -> Self {
        Self {
            before: before.into_iter().collect(),
            after: after.into_iter().collect(),
            ..self
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
        let is_publication = self.predicate_type == PUBLICATION;
        let stamps: Vec<_> = self
            .before
            .iter()
            .map(|stamping| BASE64_STANDARD.encode(stamping.before()))
            .collect();
        let mut annotations = self.annotations.clone();
        if !stamps.is_empty() && !is_publication {
            annotations.insert(BEFORE_STAMP_ANNOTATION.to_owned(), json!(stamps));
        }
        let mut named = json!({"digest": {about.algorithm().name(): about.hex()}});
        if let Some(repository) = self.repository.filter(|_| !is_publication) {
            named["name"] = repository.into();
        }
        if !annotations.is_empty() {
            named["annotations"] = json!(annotations);
        }
        let statement = json!({
            "_type": self.kind,
            "subject": [named],
            "predicateType": self.predicate_type,
            "predicate": if is_publication { self.published(subject, &stamps) } else { json!({}) },
        });
        (self.edit_payload)(sorted(statement).to_string())
    }

    /// The predicate of a publication.
    fn published(&self, subject: &Descriptor, stamps: &[String]) -> Value {
        let mut predicate = json!({
            "repository": self.repository,
            "mediaType": subject.media_type,
            "size": subject.size,
        });
        match self.claimed_at {
            Some(time) => predicate["claimedAt"] = time.into(),
            None => predicate["beforeStamp"] = json!({"rfc3161": stamps}),
        }
        if let Some(until) = self.supported_until {
            predicate["supportedUntil"] = until.into();
        }
        predicate
    }

    /// Signs, and makes what would be pushed beside the subject.
    pub(crate) fn seal(&self, subject: &Descriptor) -> Sealed {
        let mut payload = self.payload(subject).into_bytes();
        let mut signature = self
            .key
            .sign(&pre_authentication_encoding(self.payload_type, &payload));
        (self.edit_signature)(&mut signature);
        let stamps: Vec<_> = self
            .after
            .iter()
            .map(|stamping| BASE64_STANDARD.encode(stamping.after(&payload, &signature)))
            .map(|stamp| json!({"signedTimestamp": stamp}))
            .collect();
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
        if !stamps.is_empty() {
            bundle["verificationMaterial"]["timestampVerificationData"] =
                json!({"rfc3161Timestamps": stamps});
        }
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
pub(crate) fn sorted(mut value: Value) -> Value {
    value.sort_all_objects();
    value
}

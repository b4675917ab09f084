//! Signatures as cosign makes them before version 3: layers of one manifest at a tag, right or wrong in one part.

use base64::{Engine, prelude::BASE64_STANDARD};
use countersign_common::{Descriptor, Digest, manifest::OCI_MANIFEST};
use serde_json::{Value, json};

use crate::{
    signing::{Key, REPOSITORY, pretty, sorted},
    stamping::Stamping,
    story::{Story, signature_tag},
};

pub(crate) const MEDIA_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
pub(crate) const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// The file of the manifest at the tag.
pub(crate) const TAGGED: &str = "signatures.manifest.json";

/// What is to be signed, and what is then done to it.
#[derive(Clone)]
pub(crate) struct Simple {
    pub(crate) key: Key,
    /// The name of the payload's file in a fixture.
    pub(crate) name: String,
    /// The image that is named; `None` for the one whose tag it is.
    pub(crate) about: Option<Digest>,
    pub(crate) reference: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) optional: Value,
    pub(crate) stamp: Option<Stamping>,
    pub(crate) edit_payload: fn(String) -> String,
    pub(crate) edit_message: fn(Vec<u8>) -> Vec<u8>,
    pub(crate) edit_signature: fn(&mut Vec<u8>),
    pub(crate) edit_layer: fn(&mut Value),
}

impl Simple {
    pub(crate) fn by(key: Key) -> Self {
        Self {
            key,
            name: "payload".to_owned(),
            about: None,
            reference: REPOSITORY,
            kind: "cosign container image signature",
            optional: Value::Null,
            stamp: None,
            edit_payload: |payload| payload,
            edit_message: |message| message,
            edit_signature: |_| (),
            edit_layer: |_| (),
        }
    }

    pub(crate) fn named(self, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..self
        }
    }

    pub(crate) fn payload(&self, image: &Digest) -> String {
        let payload = json!({
            "critical": {
                "identity": {"docker-reference": self.reference},
                "image": {"docker-manifest-digest": self.about.as_ref().unwrap_or(image)},
                "type": self.kind,
            },
            "optional": self.optional,
        });
        (self.edit_payload)(sorted(payload).to_string())
    }

    /// The layer that is the signature, and what was signed.
    pub(crate) fn layer(&self, image: &Digest) -> (Value, String) {
        let payload = self.payload(image);
        let message = (self.edit_message)(payload.clone().into_bytes());
        let mut signature = self.key.sign(&message);
        (self.edit_signature)(&mut signature);
        let mut layer = json!(Descriptor::of(MEDIA_TYPE, payload.as_bytes()));
        layer["annotations"] = json!({SIGNATURE: BASE64_STANDARD.encode(&signature)});
        if let Some(stamp) = &self.stamp {
            let stamp = BASE64_STANDARD.encode(stamp.after(payload.as_bytes(), &signature));
            let stamp = json!({"SignedRFC3161Timestamp": stamp}).to_string();
            layer["annotations"]["dev.sigstore.cosign/rfc3161timestamp"] = stamp.into();
        }
        (self.edit_layer)(&mut layer);
        (layer, payload)
    }
}

/// What cosign writes at the tag.
pub(crate) fn manifest(layers: &[Value]) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": Descriptor::of("application/vnd.oci.image.config.v1+json", b"{}"),
        "layers": layers,
    })
}

impl Story {
    /// With these signatures at the tag of the image, which count.
    pub(crate) fn tagged(self, signatures: &[Simple]) -> Self {
        self.tagged_for("image.manifest.json", TAGGED, signatures)
    }

    pub(crate) fn tagged_for(mut self, subject: &str, file: &str, signatures: &[Simple]) -> Self {
        let image = self.digest(subject);
        let mut layers = Vec::new();
        for signature in signatures {
            let (layer, payload) = signature.layer(&image);
            layers.push(layer);
            self.put(&format!("{}.blob.json", signature.name), payload);
        }
        self.put(file, pretty(&manifest(&layers)));
        self.at_tag(subject, file).counting_legacy()
    }

    /// With this manifest at the tag of the image.
    pub(crate) fn at_tag(self, subject: &str, file: &str) -> Self {
        let tag = format!("{REPOSITORY}:{}", signature_tag(&self.digest(subject)));
        self.with(|case| {
            case.tags.insert(tag, file.to_owned());
        })
    }

    pub(crate) fn counting_legacy(self) -> Self {
        self.with(|case| case.demand.legacy = true)
    }

    /// As a fixture of this format.
    pub(crate) fn of_cosign_signatures(self) -> Self {
        Self {
            format: "cosign-signature".to_owned(),
            ..self
        }
    }
}

//! The Notary Project's envelope in JSON: a JWS in its flattened form ([RFC 7515](https://www.rfc-editor.org/rfc/rfc7515)).

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use countersign_common::{Limits, annotation::Annotation, json};
use serde::Deserialize;

use super::{
    Fetched, Format, layers,
    notary::{self, Envelope},
    texts,
};
use crate::inspect::{Fault, certificate, model::Entry};

const MEDIA_TYPE: &str = "application/jose+json";

pub(super) const FORMAT: Format = Format {
    name: "notary-jws",
    title: "Notary Project, JWS",
    recognises: |artifact| !layers(artifact, MEDIA_TYPE).is_empty(),
    blobs: |artifact| layers(artifact, MEDIA_TYPE),
    limit: |limits| limits.envelope,
    describe,
};

fn describe(fetched: &Fetched<'_>, limits: &Limits) -> Result<Entry, Fault> {
    let document: JwsDocument = json::from_slice(fetched.blob, limits)?;
    let protected = decoded(&document.protected, "protected header")?;
    let protected: BTreeMap<String, Annotation> = json::from_slice(&protected, limits)?;
    let header = document.header.unwrap_or_default();
    let envelope = Envelope {
        attributes: texts(protected.iter()),
        payload: decoded(&document.payload, "payload")?,
        certificates: certificate::decode(&header.x5c, limits)?,
        stamps: usize::from(header.stamp.is_some()),
    };
    notary::describe(envelope, fetched, limits)
}

fn decoded(text: &str, part: &'static str) -> Result<Vec<u8>, Fault> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text);
    bytes.map_err(|_| Fault::Base64 { part })
}

#[derive(Deserialize)]
struct JwsDocument {
    payload: String,
    protected: String,
    #[serde(default)]
    header: Option<HeaderDocument>,
}

#[derive(Default, Deserialize)]
struct HeaderDocument {
    #[serde(default)]
    x5c: Vec<String>,
    #[serde(default, rename = "io.cncf.notary.timestampSignature")]
    stamp: Option<String>,
}

//! Signatures as cosign before version 3 writes them: each layer of one manifest is one, over the layer's own bytes
//! ([signature specification](https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md)).
//!
//! Read where it is asked for, and shown by `inspect`. The manifest lies at a tag that anybody who may push can move, and
//! does not say what it refers to: the payload alone does. No certificate is read.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};
use countersign_common::{
    Descriptor, Digest, ImageRef, Limits, Signature, Statement,
    annotation::Annotation,
    bundle::ClaimedSigner,
    json,
    manifest::{Body, ImageBody},
};
use serde::Deserialize;

use super::{Claim, Envelope, Fetched, Format, ReadError, Reader, Wanted};

/// The type of a layer that is a signature.
pub const MEDIA_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// The annotation of a layer with the certificate of its signer.
pub const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";

/// The annotation of a layer with a time stamp of its signature.
pub const TIME_STAMP: &str = "dev.sigstore.cosign/rfc3161timestamp";

/// The annotation of a layer with its signature.
pub const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// What the payload must say that it is: whatever else is signed as bare JSON by the same key must not be taken for it.
const KIND: &str = "cosign container image signature";

pub(super) const READER: Reader = Reader {
    format: Format::CosignSimple,
    recognises: |artifact| signatures(artifact).next().is_some(),
    limit: |limits| limits.simple_signing,
    blobs,
    read,
};

/// The layers of an artifact that are signatures, with their positions.
fn signatures(artifact: &ImageBody) -> impl Iterator<Item = (usize, &Descriptor)> {
    let layers = artifact.layers.iter().enumerate();
    layers.filter(|(_, layer)| layer.media_type == MEDIA_TYPE)
}

/// An annotation of a layer, if it says anything.
pub fn annotation<'a>(layer: &'a Descriptor, name: &str) -> Option<&'a str> {
    let annotations = layer.annotations.as_ref()?;
    let text = annotations.get(name).map(String::as_str);
    text.filter(|text| !text.is_empty())
}

/// The signature that a layer carries, if it carries one that can be read.
fn signature(layer: &Descriptor) -> Option<Signature> {
    let bytes = BASE64_STANDARD.decode(annotation(layer, SIGNATURE)?).ok()?;
    Some(bytes.into())
}

/// What is signed.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload {
    /// The image.
    pub digest: Digest,
    /// The name that it was signed by, which cosign never compares with anything.
    pub reference: Option<String>,
    /// What its signer said besides.
    pub annotations: BTreeMap<String, Annotation>,
}

impl Payload {
    /// Parses the bytes that were signed.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, ReadError> {
        let document: PayloadDocument =
            json::from_slice(bytes, limits).map_err(ReadError::Payload)?;
        let critical = document.critical;
        if critical.kind != KIND {
            return Err(ReadError::PayloadKind {
                kind: critical.kind,
            });
        }
        let digest = critical.image.digest;
        Ok(Self {
            digest: Digest::parse(&digest).map_err(|_| ReadError::PayloadDigest { digest })?,
            reference: Some(critical.identity.reference).filter(|name| !name.is_empty()),
            annotations: document.optional.unwrap_or_default(),
        })
    }

    fn into_statement(self) -> Statement {
        // Some name the tag too, or Docker Hub by its older name. What is no reference is the name of no repository here.
        let repository = |name: String| match ImageRef::parse(&name) {
            Ok(image) => image.repository().to_string(),
            Err(_) => name,
        };
        let name = self.reference.map(repository);
        Statement::of_image_signature(name, &self.digest, self.annotations)
    }
}

/// One signature among the layers.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
struct Layer<'a> {
    size: u64,
    digest: &'a Digest,
    signature: Vec<u8>,
    certificate: Option<&'a str>,
    time_stamp: Option<&'a str>,
}

impl<'a> Layer<'a> {
    fn of(layer: &'a Descriptor) -> Option<Self> {
        Some(Self {
            size: layer.size,
            digest: &layer.digest,
            signature: signature(layer)?.as_bytes().to_vec(),
            certificate: annotation(layer, CERTIFICATE),
            time_stamp: annotation(layer, TIME_STAMP),
        })
    }
}

/// How many an artifact may have. What refers to its image has one, as cosign writes it: of those that a registry lists there
/// may be a thousand, and each must cost no more than a bundle.
fn most(artifact: &ImageBody, limits: &Limits) -> usize {
    match artifact.subject {
        Some(_) => 1,
        None => limits.layers,
    }
}

/// As many as are tried, each once, the shortest first: what is repeated, or is large, must not push others out. With the
/// position of each, and what is wrong with the rest.
fn chosen<'a>(
    artifact: &'a ImageBody,
    limits: &Limits,
) -> (Vec<(Layer<'a>, usize)>, Vec<ReadError>) {
    let (count, limit) = (signatures(artifact).count(), most(artifact, limits));
    // Whoever reads on would read another part of them than others do.
    if count > limit {
        return (Vec::new(), vec![ReadError::SignatureCount { count, limit }]);
    }
    let mut wrong = Vec::new();
    let unsigned = signatures(artifact).filter(|(_, layer)| signature(layer).is_none());
    let unsigned = unsigned.count();
    if unsigned > 0 {
        wrong.push(ReadError::Unsigned { count: unsigned });
    }
    let mut distinct = BTreeMap::new();
    for (position, layer) in signatures(artifact) {
        if let Some(layer) = Layer::of(layer) {
            distinct.entry(layer).or_insert(position);
        }
    }
    let (count, limit, bytes) = (distinct.len(), limits.signatures, limits.simple_signings);
    let mut affordable = Affordable::of(limits);
    let chosen = distinct.into_iter().take(limit);
    let chosen: Vec<_> = chosen
        .take_while(|(layer, _)| affordable.takes(layer))
        .collect();
    let left_out = count - chosen.len();
    if left_out > 0 {
        wrong.push(ReadError::SignaturesLeftOut {
            left_out,
            limit,
            bytes,
        });
    }
    (chosen, wrong)
}

/// How much more may be read of what is signed.
struct Affordable<'a> {
    longest: u64,
    left: u64,
    last: Option<(u64, &'a Digest)>,
}

impl<'a> Affordable<'a> {
    fn of(limits: &Limits) -> Self {
        Self {
            longest: limits.simple_signing as u64,
            left: limits.simple_signings as u64,
            last: None,
        }
    }

    /// Whether there is room for what a signature signs: several may sign the same, and what is too long is refused unread.
    fn takes(&mut self, layer: &Layer<'a>) -> bool {
        let named = (layer.size, layer.digest);
        if layer.size > self.longest || self.last.replace(named) == Some(named) {
            return true;
        }
        let left = self.left.checked_sub(layer.size);
        self.left = left.unwrap_or_default();
        left.is_some()
    }
}

/// Those who sign the same image under the same name sign one payload, which is one blob.
fn blobs<'a>(artifact: &'a ImageBody, limits: &Limits) -> Vec<Result<Wanted<'a>, ReadError>> {
    let (chosen, wrong) = chosen(artifact, limits);
    let mut positions: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (layer, position) in chosen {
        let named = (layer.size, layer.digest);
        positions.entry(named).or_default().push(position);
    }
    let blobs = positions.into_values().filter_map(|layers| {
        let blob = artifact.layers.get(*layers.first()?)?;
        Some(Ok(Wanted { blob, layers }))
    });
    blobs.chain(wrong.into_iter().map(Err)).collect()
}

fn read(fetched: &Fetched<'_>, limits: &Limits) -> Result<Vec<Claim>, ReadError> {
    let Body::Image(artifact) = fetched.manifest.body() else {
        return Ok(Vec::new());
    };
    let statement = Arc::new(Payload::parse(fetched.blob, limits)?.into_statement());
    let layers = fetched.layers.iter();
    let layers = layers.filter_map(|position| Layer::of(artifact.layers.get(*position)?));
    let claims = layers.map(|layer| Claim {
        artifact: fetched.manifest.digest().clone(),
        format: Format::CosignSimple,
        statement: Arc::clone(&statement),
        signer: match layer.certificate {
            Some(_) => ClaimedSigner::Certificate,
            None => ClaimedSigner::Key {
                hint: String::new(),
            },
        },
        after_stamps: layer.time_stamp.map(stamp).into_iter().collect(),
        envelope: Envelope::Bare,
        payload: fetched.blob.clone(),
        signature: layer.signature.into(),
    });
    Ok(claims.collect())
}

/// The time stamp in an annotation. What holds none is a bad one: anybody can put it there, and it must hide no signature.
fn stamp(annotation: &str) -> String {
    let stamp: Option<StampDocument> = json::from_slice(annotation.as_bytes(), &Limits::TABLE).ok();
    stamp.map(|stamp| stamp.stamp).unwrap_or_default()
}

#[derive(Deserialize)]
struct PayloadDocument {
    critical: CriticalDocument,
    #[serde(default)]
    optional: Option<BTreeMap<String, Annotation>>,
}

#[derive(Deserialize)]
struct CriticalDocument {
    identity: IdentityDocument,
    image: ImageDocument,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct IdentityDocument {
    #[serde(rename = "docker-reference")]
    reference: String,
}

#[derive(Deserialize)]
struct ImageDocument {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

#[derive(Deserialize)]
struct StampDocument {
    #[serde(rename = "SignedRFC3161Timestamp")]
    stamp: String,
}

//! Manifests and indexes of images and artifacts, kept as the bytes they are.
//!
//! A [`Manifest`] was hashed before it was parsed, so its digest is true
//! ([OCI image specification](https://github.com/opencontainers/image-spec/blob/main/manifest.md)). Whether anybody
//! vouches for it is not decided here.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use crate::platform::Platform;
use crate::{
    Digest, ImageRef, Limits, Repository,
    json::{self, JsonError},
};

/// An OCI image manifest, also of artifacts.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker's image manifest, version 2 schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// The type of the configuration of an artifact that has none.
pub const EMPTY_CONFIG: &str = "application/vnd.oci.empty.v1+json";

/// Every manifest type that we read, and so ask for.
pub const MEDIA_TYPES: [&str; 4] = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST];

/// Names content by type, digest and size
/// ([OCI descriptor](https://github.com/opencontainers/image-spec/blob/main/descriptor.md)).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The type of the content.
    pub media_type: String,
    /// What its bytes hash to.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// In a listing of referrers, the type of the artifact. A hint: the artifact's own manifest decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Unsigned hints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// In an index, what the child runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The content itself in base64, for whoever would have to fetch it. A hint: [`embedded`](Self::embedded) reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

impl Descriptor {
    /// Describes these bytes.
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: Digest::sha256(bytes),
            size: bytes.len() as u64,
            artifact_type: None,
            annotations: None,
            platform: None,
            data: None,
        }
    }

    /// The content that it carries, if it carries the content that it names and not another: what differs is as good as
    /// not there, since the content can be fetched.
    pub fn embedded(&self) -> Option<Bytes> {
        let bytes = BASE64_STANDARD.decode(self.data.as_deref()?).ok()?;
        let is_named =
            bytes.len() as u64 == self.size && self.digest.recomputed(&bytes) == self.digest;
        is_named.then(|| bytes.into())
    }
}

/// A manifest or an index: the bytes, what they hash to, and what they say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Manifest {
    body: Body,
    bytes: Bytes,
    descriptor: Descriptor,
}

/// What a manifest says, which may be much: shared by all that need it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Body {
    /// An image or an artifact.
    Image(Arc<ImageBody>),
    /// A list of manifests.
    Index(Arc<IndexBody>),
}

/// What an image or artifact manifest says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ImageBody {
    /// The type of the artifact, from the manifest or else from its configuration's media type.
    pub artifact_type: String,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, in order.
    pub layers: Vec<Descriptor>,
    /// What it refers to.
    pub subject: Option<Descriptor>,
    /// Unsigned hints.
    pub annotations: BTreeMap<String, String>,
}

/// What an index says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IndexBody {
    /// The type of the artifact, if it is one.
    pub artifact_type: Option<String>,
    /// Its children, in order.
    pub manifests: Vec<Descriptor>,
    /// What it refers to.
    pub subject: Option<Descriptor>,
    /// Unsigned hints.
    pub annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// Parses a manifest. Its type is the body's `mediaType`; a body without one takes `content_type`; a contradiction
    /// of the two is refused, since two readers would see two different things.
    ///
    /// `named` is the digest under which it was asked for; without one it is named by its SHA-256.
    pub fn parse(
        bytes: Bytes,
        content_type: Option<&str>,
        named: Option<&Digest>,
        limits: &Limits,
    ) -> Result<Self, ManifestError> {
        if bytes.len() > limits.manifest {
            return Err(ManifestError::TooLarge {
                limit: limits.manifest,
            });
        }
        let digest = named.map_or_else(|| Digest::sha256(&bytes), |named| named.recomputed(&bytes));
        if let Some(named) = named.filter(|named| **named != digest) {
            return Err(ManifestError::Digest {
                named: named.clone(),
                actual: digest,
            });
        }
        let document: ManifestDocument = json::from_slice(&bytes, limits)?;
        let media_type = document.media_type(content_type)?;
        let body = match media_type.as_str() {
            OCI_MANIFEST | DOCKER_MANIFEST => document.into_image()?,
            _ => document.into_index(limits)?,
        };
        let descriptor = Descriptor {
            digest,
            ..Descriptor::of(&media_type, &bytes)
        };
        Ok(Self {
            body,
            bytes,
            descriptor,
        })
    }

    /// The bytes, exactly as they came.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Its type, true digest and size.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// Its true digest.
    pub fn digest(&self) -> &Digest {
        &self.descriptor.digest
    }

    /// What it says.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// What it refers to, whether it is an artifact or a list of them.
    pub fn subject(&self) -> Option<&Descriptor> {
        match &self.body {
            Body::Image(body) => body.subject.as_ref(),
            Body::Index(body) => body.subject.as_ref(),
        }
    }
}

/// A reference resolved, once: from here on only digests are used, so that nothing moves under a check.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PinnedImage {
    /// What was asked for.
    pub reference: ImageRef,
    /// What it is.
    pub manifest: Manifest,
}

impl PinnedImage {
    /// The repository it lies in.
    pub fn repository(&self) -> &Repository {
        self.reference.repository()
    }

    /// The digest it was resolved to.
    pub fn digest(&self) -> &Digest {
        self.manifest.digest()
    }

    /// The reference by digest: what may be run after a check.
    pub fn pinned(&self) -> String {
        format!("{}@{}", self.repository(), self.digest())
    }
}

/// The bytes are no manifest that we read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Header and body name two types.
    #[error(
        "sent as `{}`, yet the manifest calls itself `{}`",
        crate::Escaped(header),
        crate::Escaped(body)
    )]
    Contradiction {
        /// The `Content-Type`.
        header: String,
        /// The `mediaType`.
        body: String,
    },
    /// Not the content that was asked for.
    #[error("asked for {named}, got {actual}")]
    Digest {
        /// What was asked for.
        named: Digest,
        /// What came.
        actual: Digest,
    },
    /// Not JSON, ambiguous JSON, or members of another type.
    #[error("not a strict manifest: {0}")]
    Malformed(#[from] JsonError),
    /// A member that its type demands.
    #[error("the manifest has no `{member}`")]
    Missing {
        /// The member.
        member: &'static str,
    },
    /// Another type of manifest.
    #[error("manifests of type `{}` are not read", crate::Escaped(media_type))]
    MediaType {
        /// The type.
        media_type: String,
    },
    /// Members of an image and of an index in one.
    #[error("the manifest is both an image and an index")]
    Mixed,
    /// Too many children.
    #[error("the index has more than {limit} children")]
    TooManyChildren {
        /// How many are read.
        limit: usize,
    },
    /// Longer than any manifest.
    #[error("the manifest has more than {limit} bytes")]
    TooLarge {
        /// How many are read.
        limit: usize,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ManifestDocument {
    schema_version: u64,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    subject: Option<Descriptor>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

impl ManifestDocument {
    fn media_type(&self, content_type: Option<&str>) -> Result<String, ManifestError> {
        // Parameters are no part of the type; some registries send none, or one that says nothing.
        let header = content_type
            .map(|header| header.split(';').next().unwrap_or(header).trim())
            .filter(|header| {
                !matches!(
                    *header,
                    "" | "application/json" | "application/octet-stream" | "text/plain"
                )
            });
        let media_type = match (&self.media_type, header) {
            // Types are the same in any case (RFC 9110).
            (Some(body), Some(header)) if !body.eq_ignore_ascii_case(header) => {
                return Err(ManifestError::Contradiction {
                    header: header.to_owned(),
                    body: body.clone(),
                });
            }
            (Some(body), _) => body.as_str(),
            (None, Some(header)) => header,
            // Only OCI manifests may leave their type out.
            (None, None) if self.manifests.is_some() => OCI_INDEX,
            (None, None) => OCI_MANIFEST,
        };
        if self.schema_version == 2 && MEDIA_TYPES.contains(&media_type) {
            Ok(media_type.to_owned())
        } else if self.schema_version == 2 {
            Err(ManifestError::MediaType {
                media_type: media_type.to_owned(),
            })
        } else {
            Err(ManifestError::MediaType {
                media_type: format!("Docker schema {}", self.schema_version),
            })
        }
    }

    fn into_image(self) -> Result<Body, ManifestError> {
        if self.manifests.is_some() {
            return Err(ManifestError::Mixed);
        }
        let config = self
            .config
            .ok_or(ManifestError::Missing { member: "config" })?;
        Ok(Body::Image(Arc::new(ImageBody {
            artifact_type: self
                .artifact_type
                .unwrap_or_else(|| config.media_type.clone()),
            config,
            layers: self
                .layers
                .ok_or(ManifestError::Missing { member: "layers" })?,
            subject: self.subject,
            annotations: self.annotations.unwrap_or_default(),
        })))
    }

    fn into_index(self, limits: &Limits) -> Result<Body, ManifestError> {
        if self.config.is_some() || self.layers.is_some() {
            return Err(ManifestError::Mixed);
        }
        let manifests = self.manifests.ok_or(ManifestError::Missing {
            member: "manifests",
        })?;
        if manifests.len() > limits.children {
            return Err(ManifestError::TooManyChildren {
                limit: limits.children,
            });
        }
        Ok(Body::Index(Arc::new(IndexBody {
            artifact_type: self.artifact_type,
            manifests,
            subject: self.subject,
            annotations: self.annotations.unwrap_or_default(),
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    fn parse(json: &str, content_type: Option<&str>) -> Result<Manifest, ManifestError> {
        Manifest::parse(
            Bytes::copy_from_slice(json.as_bytes()),
            content_type,
            None,
            &Limits::TABLE,
        )
    }

    fn image(extra: &str) -> String {
        format!(
            r#"{{"schemaVersion":2,{extra}"config":{{"mediaType":"c","digest":"{SHA}","size":2}},"layers":[]}}"#
        )
    }

    fn index(children: usize) -> String {
        let child = format!(r#"{{"mediaType":"{OCI_MANIFEST}","digest":"{SHA}","size":2}}"#);
        format!(
            r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
            vec![child; children].join(",")
        )
    }

    #[test]
    fn the_digest_is_that_of_the_bytes_and_no_others_are_taken() {
        let json = image("");
        let true_digest = Digest::sha256(json.as_bytes());
        let parse_as = |named: &Digest| {
            Manifest::parse(
                Bytes::copy_from_slice(json.as_bytes()),
                None,
                Some(named),
                &Limits::TABLE,
            )
        };
        assert_eq!(parse_as(&true_digest).unwrap().digest(), &true_digest);
        assert!(matches!(
            parse_as(&Digest::sha256(b"")),
            Err(ManifestError::Digest { .. })
        ));
        let long = Digest::of(crate::digest::HashAlgorithm::Sha512, json.as_bytes());
        assert_eq!(parse_as(&long).unwrap().digest(), &long);
    }

    #[test]
    fn the_bytes_are_kept() {
        let json = format!(" {}\n", image(r#""unknown": {"a":  1},"#));
        assert_eq!(parse(&json, None).unwrap().bytes(), json.as_bytes());
    }

    #[test]
    fn what_a_descriptor_carries_is_the_content_or_nothing() {
        let named = Descriptor::of("c", b"{}");
        let carried = |data: &str, size| {
            let data = Some(data.to_owned());
            let descriptor = Descriptor {
                size,
                data,
                ..named.clone()
            };
            descriptor.embedded()
        };
        assert_eq!(carried("e30=", 2).as_deref(), Some(b"{}".as_slice()));
        for (data, size) in [
            ("e30=", 3),
            ("e30", 2),
            ("e3 0=", 2),
            ("e31=", 2),
            ("e30=e30=", 2),
            ("", 2),
            ("W10=", 2),
        ] {
            assert_eq!(carried(data, size), None, "{data} {size}");
        }
        assert_eq!(named.embedded(), None);
    }

    #[test]
    fn body_and_header_must_not_contradict_each_other() {
        let typed = image(r#""mediaType":"application/vnd.docker.distribution.manifest.v2+json","#);
        assert_eq!(
            parse(&typed, None).unwrap().descriptor().media_type,
            DOCKER_MANIFEST
        );
        parse(
            &typed,
            Some("application/vnd.docker.distribution.manifest.v2+json; charset=utf-8"),
        )
        .unwrap();
        parse(
            &typed,
            Some("Application/Vnd.Docker.Distribution.Manifest.V2+JSON"),
        )
        .unwrap();
        parse(&typed, Some("application/json")).unwrap();
        assert!(matches!(
            parse(&typed, Some(OCI_MANIFEST)),
            Err(ManifestError::Contradiction { .. })
        ));
        assert_eq!(
            parse(&image(""), Some(DOCKER_MANIFEST))
                .unwrap()
                .descriptor()
                .media_type,
            DOCKER_MANIFEST
        );
        assert_eq!(
            parse(&image(""), None).unwrap().descriptor().media_type,
            OCI_MANIFEST
        );
        assert_eq!(
            parse(&index(1), None).unwrap().descriptor().media_type,
            OCI_INDEX
        );
    }

    #[test]
    fn other_types_are_refused_by_name() {
        let schema1 = r#"{"schemaVersion":1,"name":"a","tag":"b"}"#;
        assert!(
            matches!(parse(schema1, None), Err(ManifestError::MediaType { media_type }) if media_type.contains('1'))
        );
        let artifact = image(r#""mediaType":"application/vnd.oci.artifact.manifest.v1+json","#);
        assert!(matches!(
            parse(&artifact, None),
            Err(ManifestError::MediaType { .. })
        ));
    }

    #[test]
    fn an_image_and_an_index_in_one_is_refused() {
        let both = image(r#""manifests":[],"#);
        assert!(matches!(
            parse(&both, Some(OCI_MANIFEST)),
            Err(ManifestError::Mixed)
        ));
        assert!(matches!(
            parse(&both, Some(OCI_INDEX)),
            Err(ManifestError::Mixed)
        ));
    }

    #[test]
    fn limits_hold_at_their_edges() {
        parse(&index(256), None).unwrap();
        assert!(matches!(
            parse(&index(257), None),
            Err(ManifestError::TooManyChildren { limit: 256 })
        ));
        let filled = |bytes: usize| format!("{}{}", image(""), " ".repeat(bytes - image("").len()));
        parse(&filled(4 << 20), None).unwrap();
        assert!(matches!(
            parse(&filled((4 << 20) + 1), None),
            Err(ManifestError::TooLarge { .. })
        ));
    }

    #[test]
    fn broken_members_are_refused() {
        for json in [
            image("").replace("\"size\":2", "\"size\":1.5"),
            image("").replace("\"size\":2", "\"size\":-1"),
            image("").replace("sha256:", "sha256:../"),
            image(r#""config":{"mediaType":"c","digest":"x","size":2},"#),
            "null".to_owned(),
            "[]".to_owned(),
            String::new(),
            r#"{"schemaVersion":2,"manifests":null}"#.to_owned(),
            r#"{"schemaVersion":2}"#.to_owned(),
        ] {
            assert!(parse(&json, None).is_err(), "{json}");
        }
    }
}

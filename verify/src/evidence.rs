//! Everything that was found about an image, undecided.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use countersign_common::{
    Descriptor, Digest, Limits, Manifest, PinnedImage, json,
    manifest::Platform,
    registry::{self, Failure},
};
use countersign_trust_roots::format::Claim;
use serde::Deserialize;

use crate::{Hashed, LayersRefusal, Refusal};

/// What collecting found. All bytes hash to their names; nobody has vouched for any yet.
#[derive(Debug)]
pub struct Evidence {
    /// The reference, resolved once.
    pub image: PinnedImage,
    /// The platform that was asked for.
    pub platform: Option<Platform>,
    /// The image itself: its manifest and configuration.
    pub content: Result<ImageContent, ContentFault>,
    /// What else its digest reaches; `None` before that was fetched.
    pub layers: Option<Result<Hashed, Arc<ContentFault>>>,
    /// What refers to the image, or to the index that it was reached through, in the order of its digests.
    pub artifacts: Vec<Artifact>,
    /// Listings of referrers that failed.
    pub listings: Vec<Failure>,
    /// How many artifacts were left out because they are too large together.
    pub left_out: LeftOut,
    /// What is at the tags of cosign before version 3; `None` where nobody looks there.
    pub tagged: Option<Tagged>,
}

/// What was found at the tags of an image, and of the index that it was reached through. None of it says when anything was
/// published, so that nothing of it leaves a date open.
#[derive(Debug, Default)]
pub struct Tagged {
    /// What the tags name.
    pub artifacts: Vec<Artifact>,
    /// Tags that could not be looked at.
    pub failures: Vec<Failure>,
}

impl Tagged {
    pub(crate) fn missed(error: registry::Error) -> Self {
        Self {
            artifacts: Vec::new(),
            failures: vec![error.into()],
        }
    }
}

/// What was listed and not fetched, because all of it together is too much.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LeftOut {
    /// How many artifacts.
    pub count: usize,
    /// How many of them are no longer than a publication may be.
    pub small: usize,
}

impl LeftOut {
    pub(crate) fn add(&mut self, other: Self) {
        self.count += other.count;
        self.small += other.small;
    }
}

impl Evidence {
    /// What may vouch for the image: a signature of the image that is judged, or of the index that it was reached
    /// through.
    pub(crate) fn subjects(&self) -> Vec<&Descriptor> {
        let resolved = self.image.manifest.descriptor();
        match &self.content {
            Ok(content) if content.manifest.digest() != self.image.digest() => {
                vec![content.manifest.descriptor(), resolved]
            }
            _ => vec![resolved],
        }
    }

    /// When its builder says that it was built.
    pub(crate) fn builder_claims(&self) -> Option<String> {
        let claim = created(self.content.as_ref().ok()?)?;
        Some(claim.chars().take(CREATED_SHOWN).collect())
    }
}

/// The annotation and label that say when an image was built.
const CREATED: &str = "org.opencontainers.image.created";

/// What is shown of it; a time is never longer.
const CREATED_SHOWN: usize = 64;

#[derive(Deserialize)]
struct ConfigDocument {
    #[serde(default)]
    config: Option<LabelsDocument>,
    #[serde(default)]
    created: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LabelsDocument {
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

/// What an image says of its making: the annotation of its manifest, or else the label or the date of its configuration.
pub(crate) fn created(content: &ImageContent) -> Option<String> {
    #[derive(Deserialize)]
    struct ManifestDocument {
        #[serde(default)]
        annotations: Option<BTreeMap<String, String>>,
    }
    let manifest: Option<ManifestDocument> =
        json::from_slice(content.manifest.bytes(), &Limits::TABLE).ok();
    let annotation = manifest
        .and_then(|manifest| manifest.annotations)
        .and_then(|mut annotations| annotations.remove(CREATED));
    annotation.or_else(|| {
        let config = content.config.as_ref()?;
        let config: ConfigDocument = json::from_slice(config, &Limits::TABLE).ok()?;
        let label = config
            .config
            .and_then(|config| config.labels)
            .and_then(|mut labels| labels.remove(CREATED));
        label.or(config.created)
    })
}

/// The manifest that is judged, and what it needs to be whole.
#[derive(Debug)]
pub struct ImageContent {
    /// The manifest that was resolved, or the child for the platform.
    pub manifest: Manifest,
    /// Its configuration; an index has none.
    pub config: Option<Bytes>,
}

/// Why the image itself is not there.
#[derive(Debug)]
pub enum ContentFault {
    /// Could not find out.
    Error(registry::Error),
    /// Found out, and no.
    Refusal(Refusal),
}

impl From<Failure> for ContentFault {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Error(error) => Self::Error(error),
            Failure::Refusal(refusal) => Self::Refusal(refusal.into()),
        }
    }
}

impl From<Refusal> for ContentFault {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

impl From<LayersRefusal> for ContentFault {
    fn from(refusal: LayersRefusal) -> Self {
        Self::Refusal(refusal.into())
    }
}

/// One thing that refers to the image.
#[derive(Debug)]
pub struct Artifact {
    /// Its manifest.
    pub digest: Digest,
    /// What it was listed for.
    pub subject: Digest,
    /// What it is.
    pub content: Content,
}

/// What an artifact turned out to be.
#[derive(Debug)]
pub enum Content {
    /// Claims, in a format that is read.
    Claims(Vec<Claim>),
    /// Something else.
    Foreign {
        /// The type that it gives itself.
        artifact_type: String,
    },
    /// Damaged, altered, or not what it was listed as.
    Refused(Refusal),
    /// It could not be fetched.
    Unavailable(registry::Error),
}

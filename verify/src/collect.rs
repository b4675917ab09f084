//! Fetches what may vouch for an image: bounded, in parallel, believing nothing.
//!
//! The only asynchronous part of the judgement, over the registry's port. One artifact that cannot be had never hides
//! the others: whoever may write to a registry must not be able to deny by adding junk.

use countersign_common::{
    Descriptor, Digest, Limits, Manifest, PinnedImage, Registry, Repository,
    manifest::{Body, DOCKER_MANIFEST, OCI_MANIFEST, Platform},
    registry::{Error, Failure},
};
use countersign_trust_roots::format::{self, Fetched};
use futures_util::{StreamExt, future, stream};

use crate::{
    Refusal,
    evidence::{Artifact, Content, ContentFault, Evidence, ImageContent},
};

/// Requests for one image at a time.
const PARALLEL: usize = 16;

/// Collects the evidence about an image that was resolved.
pub async fn collect(
    image: PinnedImage,
    platform: Option<&Platform>,
    registry: &dyn Registry,
    limits: &Limits,
) -> Evidence {
    let source = Source {
        registry,
        repository: image.repository(),
        limits,
    };
    let child = select_child(&image, platform);
    let mut subjects = vec![image.digest().clone()];
    if let Ok(Some(child)) = &child {
        subjects.push(child.digest.clone());
    }
    let (content, (artifacts, listings, left_out)) =
        future::join(source.content(&image, child), source.artifacts(&subjects)).await;
    Evidence {
        platform: platform.cloned(),
        content,
        artifacts,
        listings,
        left_out,
        image,
    }
}

/// The child of an index for a platform; `None` judges what was resolved.
fn select_child(
    image: &PinnedImage,
    platform: Option<&Platform>,
) -> Result<Option<Descriptor>, Refusal> {
    let (Body::Index(index), Some(wanted)) = (image.manifest.body(), platform) else {
        return Ok(None);
    };
    let is_for = |child: &&Descriptor| {
        child
            .platform
            .as_ref()
            .is_some_and(|platform| platform.satisfies(wanted))
    };
    let child = index
        .manifests
        .iter()
        .find(is_for)
        .ok_or_else(|| Refusal::PlatformMissing {
            wanted: wanted.clone(),
            available: index
                .manifests
                .iter()
                .filter_map(|child| child.platform.clone())
                .collect(),
        })?;
    // An index inside an index could hide, behind one signature, whatever its next level lists.
    if [OCI_MANIFEST, DOCKER_MANIFEST].contains(&child.media_type.as_str()) {
        Ok(Some(child.clone()))
    } else {
        Err(Refusal::ChildNotImage {
            child: child.digest.clone(),
            media_type: child.media_type.clone(),
        })
    }
}

/// Where evidence about one image comes from.
#[derive(Clone, Copy)]
struct Source<'a> {
    registry: &'a dyn Registry,
    repository: &'a Repository,
    limits: &'a Limits,
}

/// Artifacts, failed listings, and how many artifacts were left out.
type Found = (Vec<Artifact>, Vec<Failure>, usize);

impl Source<'_> {
    async fn content(
        self,
        image: &PinnedImage,
        child: Result<Option<Descriptor>, Refusal>,
    ) -> Result<ImageContent, ContentFault> {
        let manifest = match child.map_err(ContentFault::Refusal)? {
            Some(child) => self.child(&child).await?,
            None => image.manifest.clone(),
        };
        let config = match manifest.body() {
            Body::Image(body) => Some(self.blob(&body.config, self.limits.config).await?),
            Body::Index(_) => None,
        };
        Ok(ImageContent { manifest, config })
    }

    async fn child(self, child: &Descriptor) -> Result<Manifest, ContentFault> {
        let manifest = self
            .registry
            .manifest(self.repository, &child.digest)
            .await?;
        let manifest = manifest.ok_or_else(|| ContentFault::Error(self.absent(&child.digest)))?;
        let found = manifest.descriptor();
        if found.size == child.size && found.media_type == child.media_type {
            Ok(manifest)
        } else {
            Err(ContentFault::Refusal(Refusal::DescriptorMismatch {
                child: child.digest.clone(),
            }))
        }
    }

    async fn blob(self, descriptor: &Descriptor, limit: usize) -> Result<bytes::Bytes, Failure> {
        let blob = self
            .registry
            .blob(self.repository, descriptor, limit)
            .await?;
        blob.ok_or_else(|| Failure::Error(self.absent(&descriptor.digest)))
    }

    /// What another manifest names must be there: its absence is a fault, not an answer.
    fn absent(self, digest: &Digest) -> Error {
        Error::BlobAbsent {
            repository: self.repository.clone(),
            digest: digest.clone(),
        }
    }

    async fn artifacts(self, subjects: &[Digest]) -> Found {
        let list = |subject: Digest| async move {
            let listed = self.registry.referrers(self.repository, &subject).await;
            (subject, listed)
        };
        let mut referrers = Vec::new();
        let mut failures = Vec::new();
        for (subject, listed) in future::join_all(subjects.iter().cloned().map(list)).await {
            match listed {
                Ok(listed) => referrers.extend(
                    listed
                        .into_iter()
                        .map(|descriptor| (subject.clone(), descriptor)),
                ),
                Err(failure) => failures.push(failure),
            }
        }
        let listed = referrers.len();
        let referrers = affordable(referrers, self.limits.image_bytes);
        let left_out = listed - referrers.len();
        let fetch = |(subject, descriptor): (Digest, Descriptor)| async move {
            let content = self.artifact(&subject, &descriptor).await;
            Artifact {
                digest: descriptor.digest,
                subject,
                content,
            }
        };
        let mut artifacts: Vec<_> = stream::iter(referrers.into_iter().map(fetch))
            .buffered(PARALLEL)
            .collect()
            .await;
        artifacts.sort_by(|one, other| {
            (&one.digest, &one.subject).cmp(&(&other.digest, &other.subject))
        });
        (artifacts, failures, left_out)
    }

    async fn artifact(self, subject: &Digest, descriptor: &Descriptor) -> Content {
        self.read(subject, descriptor)
            .await
            .unwrap_or_else(|failure| match failure {
                Failure::Error(error) => Content::Unavailable(error),
                Failure::Refusal(source) => Content::Refused(Refusal::Transfer {
                    artifact: descriptor.digest.clone(),
                    source,
                }),
            })
    }

    async fn read(self, subject: &Digest, descriptor: &Descriptor) -> Result<Content, Failure> {
        let manifest = self
            .registry
            .manifest(self.repository, &descriptor.digest)
            .await?;
        let manifest = manifest.ok_or_else(|| self.absent(&descriptor.digest))?;
        let artifact = manifest.digest().clone();
        let Body::Image(body) = manifest.body() else {
            return Ok(Content::Foreign {
                artifact_type: manifest.descriptor().media_type.clone(),
            });
        };
        // Anybody can list anything for a subject; the artifact itself must say so.
        if body
            .subject
            .as_ref()
            .is_none_or(|named| named.digest != *subject)
        {
            return Ok(Content::Refused(Refusal::Misplaced { artifact }));
        }
        let Some(reader) = format::reader(body) else {
            return Ok(Content::Foreign {
                artifact_type: body.artifact_type.clone(),
            });
        };
        let blob = match (reader.blob)(body) {
            Ok(blob) => self.blob(blob, self.limits.attestation).await?,
            Err(source) => return Ok(Content::Refused(Refusal::Damaged { artifact, source })),
        };
        let fetched = Fetched {
            manifest: &manifest,
            blob: &blob,
        };
        Ok(match (reader.read)(&fetched, self.limits) {
            Ok(claims) => Content::Claims(claims),
            Err(source) => Content::Refused(Refusal::Damaged { artifact, source }),
        })
    }
}

/// The smallest manifests first, while they are affordable together: large junk must not push a signature out.
fn affordable(mut referrers: Vec<(Digest, Descriptor)>, limit: u64) -> Vec<(Digest, Descriptor)> {
    referrers
        .sort_by(|(_, one), (_, other)| (one.size, &one.digest).cmp(&(other.size, &other.digest)));
    let mut total = 0_u64;
    referrers.retain(|(_, descriptor)| {
        total = total.saturating_add(descriptor.size);
        total <= limit
    });
    referrers
}

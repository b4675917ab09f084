//! Fetches what may vouch for an image: bounded, in parallel, believing nothing.
//!
//! The only asynchronous part of the judgement, over the registry's port. One artifact that cannot be had never hides
//! the others: whoever may write to a registry must not be able to deny by adding junk.

use countersign_common::{
    Descriptor, Digest, Limits, Manifest, PinnedImage, Registry, Repository,
    manifest::{Body, DOCKER_MANIFEST, OCI_MANIFEST, Platform},
    registry::{Error, Failure},
};
use countersign_trust_roots::format::{self, Fetched, Reader};
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
        let manifest = self.registry.manifest(self.repository, child).await?;
        let manifest = manifest.ok_or_else(|| ContentFault::Error(self.absent(&child.digest)))?;
        let found = manifest.descriptor();
        if found.media_type == child.media_type {
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
        let mut allowance = self.limits.image_bytes;
        let referrers = affordable(
            referrers,
            |(_, artifact)| (artifact.size, &artifact.digest),
            &mut allowance,
        );
        let mut left_out = listed - referrers.len();
        let open = |(subject, descriptor): (Digest, Descriptor)| async move {
            let state = self.open(&subject, &descriptor).await;
            Opened {
                digest: descriptor.digest,
                subject,
                state,
            }
        };
        let opened: Vec<Opened> = stream::iter(referrers.into_iter().map(open))
            .buffered(PARALLEL)
            .collect()
            .await;
        let mut artifacts = Vec::new();
        let mut pending = Vec::new();
        for Opened {
            digest,
            subject,
            state,
        } in opened
        {
            match state {
                State::Settled(content) => artifacts.push(Artifact {
                    digest,
                    subject,
                    content,
                }),
                State::Pending(sealed) => pending.push((digest, subject, sealed)),
            }
        }
        let known = pending.len();
        let pending = affordable(
            pending,
            |(_, _, sealed)| (sealed.blob.size, &sealed.blob.digest),
            &mut allowance,
        );
        left_out += known - pending.len();
        let read = |(digest, subject, sealed): (Digest, Digest, Box<Pending>)| async move {
            let content = self.read(&sealed).await;
            Artifact {
                digest,
                subject,
                content,
            }
        };
        artifacts.extend(
            stream::iter(pending.into_iter().map(read))
                .buffered(PARALLEL)
                .collect::<Vec<_>>()
                .await,
        );
        artifacts.sort_by(|one, other| {
            (&one.digest, &one.subject).cmp(&(&other.digest, &other.subject))
        });
        (artifacts, failures, left_out)
    }

    /// An artifact's manifest, and what follows from it alone.
    async fn open(self, subject: &Digest, descriptor: &Descriptor) -> State {
        let manifest = match self.registry.manifest(self.repository, descriptor).await {
            Ok(Some(manifest)) => manifest,
            Ok(None) => {
                return State::Settled(Content::Unavailable(self.absent(&descriptor.digest)));
            }
            Err(failure) => return State::Settled(transfer_failed(&descriptor.digest, failure)),
        };
        let artifact = manifest.digest().clone();
        let Body::Image(body) = manifest.body() else {
            let artifact_type = manifest.descriptor().media_type.clone();
            return State::Settled(Content::Foreign { artifact_type });
        };
        // Anybody can list anything for a subject; the artifact itself must say so.
        if body
            .subject
            .as_ref()
            .is_none_or(|named| named.digest != *subject)
        {
            return State::Settled(Content::Refused(Refusal::Misplaced { artifact }));
        }
        let Some(reader) = format::reader(body) else {
            return State::Settled(Content::Foreign {
                artifact_type: body.artifact_type.clone(),
            });
        };
        match (reader.blob)(body).cloned() {
            Ok(blob) => State::Pending(Box::new(Pending {
                manifest,
                reader,
                blob,
            })),
            Err(source) => State::Settled(Content::Refused(Refusal::Damaged { artifact, source })),
        }
    }

    /// What an artifact's blob says.
    async fn read(self, pending: &Pending) -> Content {
        let Pending {
            manifest,
            reader,
            blob,
        } = pending;
        let blob = match self.blob(blob, self.limits.attestation).await {
            Ok(blob) => blob,
            Err(failure) => return transfer_failed(manifest.digest(), failure),
        };
        match (reader.read)(
            &Fetched {
                manifest,
                blob: &blob,
            },
            self.limits,
        ) {
            Ok(claims) => Content::Claims(claims),
            Err(source) => {
                let artifact = manifest.digest().clone();
                Content::Refused(Refusal::Damaged { artifact, source })
            }
        }
    }
}

/// An artifact whose manifest was fetched.
struct Opened {
    digest: Digest,
    subject: Digest,
    state: State,
}

enum State {
    /// Its blob is needed to know what it is.
    Pending(Box<Pending>),
    Settled(Content),
}

struct Pending {
    manifest: Manifest,
    reader: &'static Reader,
    blob: Descriptor,
}

fn transfer_failed(artifact: &Digest, failure: Failure) -> Content {
    match failure {
        Failure::Error(error) => Content::Unavailable(error),
        Failure::Refusal(source) => Content::Refused(Refusal::Transfer {
            artifact: artifact.clone(),
            source,
        }),
    }
}

/// The smallest first, while they are affordable together: large junk must not push a signature out. Sizes are those of
/// the descriptors, which the registry's client holds every transfer to.
fn affordable<T>(
    mut wanted: Vec<T>,
    key: impl for<'a> Fn(&'a T) -> (u64, &'a Digest),
    allowance: &mut u64,
) -> Vec<T> {
    wanted.sort_by(|one, other| key(one).cmp(&key(other)));
    let mut count = 0;
    for size in wanted.iter().map(|one| key(one).0) {
        let Some(left) = allowance.checked_sub(size) else {
            break;
        };
        *allowance = left;
        count += 1;
    }
    wanted.truncate(count);
    wanted
}

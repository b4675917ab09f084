//! Fetches what may vouch for an image: bounded, in parallel, believing nothing.
//!
//! The only asynchronous part of the judgement, over the registry's port. One artifact that cannot be had never hides
//! the others: whoever may write to a registry must not be able to deny by adding junk.

use std::{collections::HashSet, ops::ControlFlow};

use bytes::Bytes;
use countersign_common::{
    Descriptor, Digest, Limits, Manifest, PinnedImage, Registry, Repository,
    children::{ChildRefusal, Listed},
    manifest::{Body, EMPTY_CONFIG, Platform},
    registry::{Error, Failure},
};
use countersign_trust_roots::{
    document::Kind,
    format::{self, Claim, Fetched, ReadError, Reader},
};
use futures_util::{StreamExt, future, stream};

use crate::{
    Deadline, Refusal,
    ahead::{Listing, Sighted},
    evidence::{Artifact, Content, ContentFault, Evidence, ImageContent, LeftOut},
};

/// Requests for one image at a time.
const PARALLEL: usize = 32;
/// Artifacts fetched before it is asked whether they are enough.
const BATCH: usize = 128;
/// Every version of a bundle begins so.
const BUNDLE_PREFIX: &str = "application/vnd.dev.sigstore.bundle";
/// A blob longer than any signature of ours: such wait until the others were looked at.
const LARGE: u64 = 64 << 10;

/// Whether what was found so far decides, so that more would only cost time.
pub(crate) type Enough<'a> = dyn Fn(&[Descriptor], &[Artifact]) -> bool + Sync + 'a;

/// Collects the evidence about an image that was resolved.
pub(crate) async fn collect(
    Sighted { image, listing }: Sighted<'_>,
    platform: Option<&Platform>,
    registry: &dyn Registry,
    (limits, deadline): (&Limits, &Deadline<'_>),
    enough: &Enough<'_>,
) -> Evidence {
    let repository = image.repository();
    let source = Source {
        registry,
        repository,
        limits,
        deadline,
    };
    let selected = select_child(&image, platform);
    let mut subjects = vec![image.manifest.descriptor().clone()];
    if let Ok(Some(child)) = &selected {
        subjects.push(child.clone());
    }
    let content = deadline.within(source.content(&image, selected));
    // The listing first, to which most of the rest is owed: it goes by the connection that is open already.
    let artifacts = source.artifacts(&subjects, listing, enough);
    let ((artifacts, listings, left_out), content) = future::join(artifacts, content).await;
    let content = content.unwrap_or_else(|| Err(ContentFault::Error(deadline.missed(repository))));
    Evidence {
        platform: platform.cloned(),
        content,
        layers: None,
        artifacts,
        listings,
        left_out,
        image,
    }
}

/// The child of an index for a platform; `None` judges what was resolved.
///
/// Of several that a runtime may take for it none is chosen, and an attestation never: the one that runs in the end may be
/// another than the one that was judged.
fn select_child(
    image: &PinnedImage,
    platform: Option<&Platform>,
) -> Result<Option<Descriptor>, Refusal> {
    let (Body::Index(index), Some(wanted)) = (image.manifest.body(), platform) else {
        return Ok(None);
    };
    // Each entry: one that lists a child for another platform first must not hide that a runtime may take it for this one.
    let matching = image.manifest.children_listed(|entry| {
        let platform = entry.platform.as_ref();
        platform.is_some_and(|platform| platform.satisfies(wanted))
    });
    match matching.as_slice() {
        [child] if matches!(child.listed(), Listed::Image(_)) => {
            child.check_type()?;
            Ok(Some(child.clone()))
        }
        [] | [_] => Err(Refusal::PlatformMissing {
            wanted: wanted.clone(),
            available: index.manifests.iter().filter_map(image_platform).collect(),
        }),
        _ => Err(Refusal::PlatformAmbiguous {
            wanted: wanted.clone(),
            matching,
        }),
    }
}

fn image_platform(child: &Descriptor) -> Option<Platform> {
    match child.listed() {
        Listed::Image(platform) => Some(platform),
        Listed::Attestation | Listed::Unknown => None,
    }
}

/// The manifest of a child, as its index says.
pub(crate) async fn child(
    registry: &dyn Registry,
    repository: &Repository,
    child: &Descriptor,
) -> Result<Manifest, ContentFault> {
    let refused = |refusal: ChildRefusal| ContentFault::Refusal(refusal.into());
    child.check_type().map_err(refused)?;
    let manifest = registry.manifest(repository, child).await?;
    child.check_child(manifest, repository).map_err(refused)
}

/// Where evidence about one image comes from.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a, 'd> {
    pub(crate) registry: &'a dyn Registry,
    pub(crate) repository: &'a Repository,
    pub(crate) limits: &'a Limits,
    pub(crate) deadline: &'a Deadline<'d>,
}

/// Artifacts, failed listings, and how many artifacts were left out.
type Found = (Vec<Artifact>, Vec<Failure>, LeftOut);

/// What was listed, and for which subject.
type Referrer = (Digest, Descriptor);

impl Source<'_, '_> {
    async fn content(
        self,
        image: &PinnedImage,
        selected: Result<Option<Descriptor>, Refusal>,
    ) -> Result<ImageContent, ContentFault> {
        let manifest = match selected.map_err(ContentFault::Refusal)? {
            Some(descriptor) => child(self.registry, self.repository, &descriptor).await?,
            None => image.manifest.clone(),
        };
        let config = match manifest.body() {
            Body::Image(body) => Some(self.blob(&body.config, self.limits.config).await?),
            Body::Index(_) => None,
        };
        Ok(ImageContent { manifest, config })
    }

    pub(crate) async fn blob(
        self,
        descriptor: &Descriptor,
        limit: usize,
    ) -> Result<Bytes, Failure> {
        let blob = self
            .registry
            .blob(self.repository, descriptor, limit)
            .await?;
        blob.ok_or_else(|| Failure::Error(self.absent(&descriptor.digest)))
    }

    /// What another manifest names must be there: its absence is a fault, not an answer.
    pub(crate) fn absent(self, digest: &Digest) -> Error {
        self.registry.absent(self.repository, digest)
    }

    /// In batches, until they are enough: whoever may push can list a thousand artifacts, and must not thereby make the
    /// time run out.
    async fn artifacts(
        self,
        subjects: &[Descriptor],
        listing: Option<Listing<'_>>,
        enough: &Enough<'_>,
    ) -> Found {
        let (referrers, failures) = self.list(subjects, listing).await;
        let mut allowance = self.limits.image_bytes;
        let (referrers, mut left_out) = affordable(
            referrers,
            |(_, artifact)| (likelihood(artifact), artifact.size, &artifact.digest),
            |(_, artifact)| artifact.size,
            (self.limits.manifest, self.limits),
            &mut allowance,
        );
        let mut artifacts = Vec::new();
        let mut large = Vec::new();
        let mut batches = referrers.chunks(BATCH).peekable();
        let mut decided = false;
        while let (Some(batch), false) = (batches.next(), decided) {
            let (mut found, pending) = self.open_all(batch).await;
            artifacts.append(&mut found);
            let (small, mut rest): (Vec<_>, Vec<_>) =
                pending.into_iter().partition(|one| one.blob.size <= LARGE);
            large.append(&mut rest);
            left_out.add(self.read_all(small, &mut allowance, &mut artifacts).await);
            let more = batches.peek().is_some() || !large.is_empty();
            decided = more && enough(subjects, &artifacts);
        }
        if !decided {
            left_out.add(self.read_all(large, &mut allowance, &mut artifacts).await);
        }
        artifacts.sort_by(|one, other| {
            (&one.digest, &one.subject).cmp(&(&other.digest, &other.subject))
        });
        (artifacts, failures, left_out)
    }

    async fn open_all(self, batch: &[Referrer]) -> (Vec<Artifact>, Vec<Pending>) {
        let open =
            |(subject, descriptor): &Referrer| self.open(subject.clone(), descriptor.clone());
        let mut artifacts = Vec::new();
        let mut pending = Vec::new();
        for opened in in_parallel(batch.iter().map(open)).await {
            match opened {
                ControlFlow::Continue(one) => pending.push(one),
                ControlFlow::Break(artifact) => artifacts.push(artifact),
            }
        }
        (artifacts, pending)
    }

    /// Says what is left out.
    async fn read_all(
        self,
        pending: Vec<Pending>,
        allowance: &mut u64,
        artifacts: &mut Vec<Artifact>,
    ) -> LeftOut {
        let (pending, unread) = affordable(
            pending,
            |one| (Likelihood::Hinted, one.blob.size, &one.blob.digest),
            |one| one.blob.size,
            (self.limits.bundle, self.limits),
            allowance,
        );
        artifacts.extend(in_parallel(pending.into_iter().map(|one| self.read(one))).await);
        unread
    }

    /// What is listed for each subject, each entry once: a list that repeats one bad signature must not use up the tries
    /// of the good ones.
    async fn list(
        self,
        subjects: &[Descriptor],
        mut listing: Option<Listing<'_>>,
    ) -> (Vec<Referrer>, Vec<Failure>) {
        let within = async |listed| {
            let listed = self.deadline.within(listed).await;
            listed.unwrap_or_else(|| Err(self.deadline.missed(self.repository).into()))
        };
        let mut referrers: Vec<Referrer> = Vec::new();
        let mut failures = Vec::new();
        let listings = subjects.iter().map(|Descriptor { digest, .. }| {
            let asked = listing.take().and_then(|listing| listing.about(digest));
            within(asked.unwrap_or_else(|| self.registry.referrers(self.repository, digest)))
        });
        let listings = future::join_all(listings).await;
        for (subject, listed) in subjects.iter().zip(listings) {
            let mut seen = HashSet::new();
            match listed {
                Ok(listed) => referrers.extend(
                    listed
                        .into_iter()
                        .filter(|one| seen.insert((one.digest.clone(), one.size)))
                        .map(|descriptor| (subject.digest.clone(), descriptor)),
                ),
                Err(failure) => failures.push(failure),
            }
        }
        (referrers, failures)
    }

    /// Fetches an artifact's manifest. Continues if its blob is needed to know what it says.
    async fn open(self, subject: Digest, descriptor: Descriptor) -> ControlFlow<Artifact, Pending> {
        let digest = descriptor.digest.clone();
        let manifest = self
            .deadline
            .within(self.registry.manifest(self.repository, &descriptor))
            .await;
        let manifest =
            manifest.unwrap_or_else(|| Err(self.deadline.missed(self.repository).into()));
        let content = match manifest {
            Ok(Some(manifest)) => match recognise(&subject, &manifest) {
                Ok((reader, blob)) => {
                    return ControlFlow::Continue(Pending {
                        subject,
                        manifest,
                        reader,
                        blob,
                    });
                }
                Err(content) => content,
            },
            Ok(None) => Content::Unavailable(self.absent(&digest)),
            Err(failure) => transfer_failed(&digest, failure),
        };
        ControlFlow::Break(Artifact {
            digest,
            subject,
            content,
        })
    }

    /// Fetches an artifact's blob and reads it.
    async fn read(self, pending: Pending) -> Artifact {
        let Pending {
            subject,
            manifest,
            reader,
            blob,
        } = pending;
        let digest = manifest.digest().clone();
        // What it vouches with may come with it. What is vouched for is asked for, since it has to be there.
        let carried = (blob.size <= self.limits.bundle as u64).then(|| blob.embedded());
        if let Some(carried) = carried.flatten() {
            let content = claims(reader, &manifest, &carried, self.limits);
            return Artifact {
                digest,
                subject,
                content,
            };
        }
        let blob = self
            .deadline
            .within(self.blob(&blob, self.limits.bundle))
            .await;
        let blob = blob.unwrap_or_else(|| Err(self.deadline.missed(self.repository).into()));
        let content = match blob {
            Ok(blob) => claims(reader, &manifest, &blob, self.limits),
            Err(failure) => transfer_failed(&digest, failure),
        };
        Artifact {
            digest,
            subject,
            content,
        }
    }
}

/// An artifact of a format that is read.
struct Pending {
    subject: Digest,
    manifest: Manifest,
    reader: &'static Reader,
    blob: Descriptor,
}

/// Who reads an artifact, and from which blob; or what it is instead.
fn recognise(
    subject: &Digest,
    manifest: &Manifest,
) -> Result<(&'static Reader, Descriptor), Content> {
    let artifact = || manifest.digest().clone();
    let Body::Image(body) = manifest.body() else {
        return Err(Content::Foreign {
            artifact_type: manifest.descriptor().media_type.clone(),
        });
    };
    // Anybody can list anything for a subject; the artifact itself must say so.
    let named = body.subject.as_ref().map(|named| &named.digest);
    if named != Some(subject) {
        let artifact = artifact();
        return Err(Content::Refused(Refusal::Misplaced { artifact }));
    }
    let reader = format::reader(body).ok_or_else(|| Content::Foreign {
        artifact_type: body.artifact_type.clone(),
    })?;
    let blob = (reader.blob)(body).map_err(|source| damaged(artifact(), source))?;
    Ok((reader, blob.clone()))
}

fn claims(reader: &Reader, manifest: &Manifest, blob: &Bytes, limits: &Limits) -> Content {
    match (reader.read)(&Fetched { manifest, blob }, limits) {
        Ok(claims) if blob.len() > limits.publication && publishes(&claims) => {
            Content::Refused(Refusal::PublicationTooLarge {
                artifact: manifest.digest().clone(),
                limit: limits.publication,
            })
        }
        Ok(claims) => Content::Claims(claims),
        Err(source) => damaged(manifest.digest().clone(), source),
    }
}

fn publishes(claims: &[Claim]) -> bool {
    claims
        .iter()
        .any(|claim| Kind::Publication.is_of(&claim.statement))
}

fn damaged(artifact: Digest, source: ReadError) -> Content {
    Content::Refused(Refusal::Damaged { artifact, source })
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

/// Bounded, and in the order that was asked for.
pub(crate) async fn in_parallel<F: Future>(requests: impl Iterator<Item = F>) -> Vec<F::Output> {
    stream::iter(requests).buffered(PARALLEL).collect().await
}

/// How likely a listed artifact is a signature. By a hint: it orders, and leaves nothing out.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Likelihood {
    /// It is listed as one, or as what listings in the field call one.
    Hinted,
    /// It is listed as something else.
    Unlikely,
}

fn likelihood(listed: &Descriptor) -> Likelihood {
    match listed.artifact_type.as_deref() {
        None | Some(EMPTY_CONFIG) => Likelihood::Hinted,
        Some(artifact_type) if artifact_type.starts_with(BUNDLE_PREFIX) => Likelihood::Hinted,
        Some(_) => Likelihood::Unlikely,
    }
}

/// The likeliest and smallest first, while they are affordable together: large junk must not push a signature out. Sizes
/// are those of the descriptors, which the registry's client holds every transfer to. Also says what is left out.
///
/// What is longer than `longest` costs nothing and is not left out: the client refuses it unasked, and whoever lists it
/// must not use the allowance up with a number.
fn affordable<T>(
    mut wanted: Vec<T>,
    order: impl for<'a> Fn(&'a T) -> (Likelihood, u64, &'a Digest),
    size: impl Fn(&T) -> u64,
    (longest, limits): (usize, &Limits),
    allowance: &mut u64,
) -> (Vec<T>, LeftOut) {
    wanted.sort_by(|one, other| order(one).cmp(&order(other)));
    let mut left_out = LeftOut::default();
    wanted.retain(|one| {
        let size = size(one);
        if size > longest as u64 {
            return true;
        }
        if left_out.count == 0
            && let Some(left) = allowance.checked_sub(size)
        {
            *allowance = left;
            return true;
        }
        left_out.count += 1;
        left_out.small += usize::from(size <= limits.publication as u64);
        false
    });
    (wanted, left_out)
}

//! Fetches what may vouch for an image: bounded, in parallel, believing nothing.
//!
//! The only asynchronous part of the judgement, over the registry's port. One artifact that cannot be had never hides
//! the others: whoever may write to a registry must not be able to deny by adding junk.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use countersign_common::{
    Descriptor, Digest, Limits, Manifest, PinnedImage, Registry, Repository, Task,
    children::{ChildRefusal, Listed},
    manifest::{Body, EMPTY_CONFIG, Platform},
    registry::{Error, Failure},
};
use countersign_trust_roots::{
    document::Kind,
    format::{self, Claim, Fetched, Format, ReadError, Reader, Wanted},
};
use futures_util::{
    StreamExt,
    future::{self, Either},
    stream,
};

use crate::{
    Deadline, Demand, Refusal,
    ahead::{Referrers, Sighted},
    evidence::{Artifact, Content, ContentFault, Evidence, ImageContent, LeftOut, Tagged},
    legacy::{self, Legacy},
    tags::AtTag,
};

/// Requests for one image at a time.
const PARALLEL: usize = 32;
/// Artifacts fetched before it is asked whether they are enough.
const BATCH: usize = 128;
/// The tags of signatures are waited for during this part of the time where they only add to what says yes.
const TAG_TIME: u32 = 5;
/// Every version of a bundle begins so.
const BUNDLE_PREFIX: &str = "application/vnd.dev.sigstore.bundle";
/// A blob longer than any signature of ours: such wait until the others were looked at.
const LARGE: u64 = 64 << 10;

/// When to stop looking for more.
#[derive(Clone, Copy)]
pub(crate) struct Enough<'a> {
    /// Whether what was found so far among what is listed decides, so that more of it would only cost time.
    pub(crate) listed: &'a (dyn Fn(&[Descriptor], &[Artifact]) -> bool + Sync),
    /// Whether everything but what is at the tags of cosign before version 3 says yes, which they cannot change.
    pub(crate) untagged: &'a (dyn Fn(&Evidence) -> bool + Sync),
}

/// Collects the evidence about an image that was resolved.
pub(crate) async fn collect(
    Sighted { image, listing }: Sighted<'_>,
    demand: &Demand,
    registry: &dyn Registry,
    (limits, deadline): (&Limits, &Deadline<'_>),
    enough: Enough<'_>,
) -> Evidence {
    let repository = &image.repository().clone();
    let source = Source {
        registry,
        repository,
        limits,
        deadline,
        legacy: demand.legacy,
    };
    let platform = demand.reach.platform();
    let selected = select_child(&image, platform);
    let mut subjects = vec![image.manifest.descriptor().clone()];
    if let Ok(Some(child)) = &selected {
        subjects.push(child.clone());
    }
    let content = deadline.within(source.content(&image, selected));
    let asked = listing.and_then(|listing| listing.about(image.digest()));
    let (referrers, signatures) = asked.unzip();
    // The listing first, to which most of the rest is owed: it goes by the connection that is open already.
    let artifacts = source.artifacts(&subjects, referrers, enough.listed);
    let tagged = Box::pin(source.tagged(&subjects, signatures.flatten()));
    let untagged = Box::pin(future::join(artifacts, content));
    let (((artifacts, listings, left_out), content), tagged) =
        match future::select(untagged, tagged).await {
            Either::Left((untagged, waiting)) => (untagged, Either::Left(waiting)),
            Either::Right((tagged, untagged)) => (untagged.await, Either::Right(tagged)),
        };
    let content = content.unwrap_or_else(|| Err(ContentFault::Error(deadline.missed(repository))));
    let mut evidence = Evidence {
        platform: platform.cloned(),
        content,
        layers: None,
        artifacts,
        listings,
        left_out,
        tagged: None,
        image,
    };
    evidence.tagged = match tagged {
        Either::Left(waiting) => source.last(waiting, &evidence, enough).await,
        Either::Right(tagged) => tagged,
    };
    evidence
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
    pub(crate) legacy: Legacy,
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
        asked: Option<Task<'_, Referrers>>,
        enough: &(dyn Fn(&[Descriptor], &[Artifact]) -> bool + Sync),
    ) -> Found {
        let (referrers, failures) = self.list(subjects, asked).await;
        let mut allowance = self.limits.image_bytes;
        let (referrers, mut left_out) = affordable(
            referrers,
            |(_, artifact)| (likelihood(artifact), artifact.size, &artifact.digest),
            |(_, artifact)| artifact.size,
            (|_: &Referrer| self.limits.manifest, self.limits),
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

    async fn open_all(self, batch: &[Referrer]) -> Opened {
        let open =
            |(subject, descriptor): &Referrer| self.open(subject.clone(), descriptor.clone());
        let mut artifacts = Vec::new();
        let mut pending = Vec::new();
        for (mut found, mut more) in in_parallel(batch.iter().map(open)).await {
            artifacts.append(&mut found);
            pending.append(&mut more);
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
            (|one: &Pending| (one.reader.limit)(self.limits), self.limits),
            allowance,
        );
        let read = in_parallel(pending.into_iter().map(|one| self.read(one)));
        artifacts.extend(read.await);
        unread
    }

    /// What is listed for each subject, each entry once: a list that repeats one bad signature must not use up the tries
    /// of the good ones.
    async fn list(
        self,
        subjects: &[Descriptor],
        mut asked: Option<Task<'_, Referrers>>,
    ) -> (Vec<Referrer>, Vec<Failure>) {
        let mut referrers: Vec<Referrer> = Vec::new();
        let mut failures = Vec::new();
        let listings = subjects.iter().map(|Descriptor { digest, .. }| {
            let ask = || self.registry.referrers(self.repository, digest);
            self.in_time(asked.take().unwrap_or_else(ask))
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

    /// What cosign before version 3 left for each subject, where that counts.
    async fn tagged(
        self,
        subjects: &[Descriptor],
        mut asked: Option<Task<'_, AtTag>>,
    ) -> Option<Tagged> {
        if self.legacy == Legacy::Ignored {
            return None;
        }
        let mut tagged = Tagged::default();
        let tags = subjects.iter().map(|Descriptor { digest, .. }| {
            let ask = || legacy::signatures(self.registry, self.repository, digest);
            self.read_tagged(digest, asked.take().unwrap_or_else(ask))
        });
        for found in future::join_all(tags).await {
            match found {
                Ok(mut artifacts) => tagged.artifacts.append(&mut artifacts),
                Err(failure) => tagged.failures.push(failure),
            }
        }
        Some(tagged)
    }

    /// What is at the tags when all else is there. What says yes already needs none of it: only a while is waited for what would
    /// be told besides.
    async fn last(
        self,
        tagged: impl Future<Output = Option<Tagged>>,
        evidence: &Evidence,
        enough: Enough<'_>,
    ) -> Option<Tagged> {
        if self.legacy == Legacy::Ignored || !(enough.untagged)(evidence) {
            return tagged.await;
        }
        let short = self.deadline.part(TAG_TIME);
        let in_time = short.within(tagged).await;
        in_time.unwrap_or_else(|| Some(Tagged::missed(short.missed(self.repository))))
    }

    /// Reads what is at a tag, at the same time as all else: whoever fills the one must not push the other out.
    async fn read_tagged(
        self,
        subject: &Digest,
        asked: Task<'_, AtTag>,
    ) -> Result<Vec<Artifact>, Failure> {
        let Some(manifest) = self.in_time(asked).await? else {
            return Ok(Vec::new());
        };
        let (mut artifacts, pending) =
            recognise(subject, manifest, &[Format::CosignSimple], self.limits);
        let read = in_parallel(pending.into_iter().map(|one| self.read(one)));
        artifacts.extend(read.await);
        Ok(artifacts)
    }

    /// Fetches an artifact's manifest. Its blobs may be needed to know what it says.
    async fn open(self, subject: Digest, descriptor: Descriptor) -> Opened {
        let digest = &descriptor.digest;
        let manifest = self.registry.manifest(self.repository, &descriptor);
        let content = match self.in_time(manifest).await {
            Ok(Some(manifest)) if !refers(&manifest, &subject) => {
                let artifact = manifest.digest().clone();
                Content::Refused(Refusal::Misplaced { artifact })
            }
            Ok(Some(manifest)) => {
                return recognise(&subject, manifest, self.formats(), self.limits);
            }
            Ok(None) => Content::Unavailable(self.absent(digest)),
            Err(failure) => transfer_failed(digest, failure),
        };
        let artifact = Artifact {
            digest: descriptor.digest,
            subject,
            content,
        };
        (vec![artifact], Vec::new())
    }

    /// Those that are read of what the registry lists.
    fn formats(self) -> &'static [Format] {
        match self.legacy {
            Legacy::Counted => &[Format::SigstoreBundle, Format::CosignSimple],
            Legacy::Ignored => &[Format::SigstoreBundle],
        }
    }

    /// Fetches a blob of an artifact and reads it.
    async fn read(self, pending: Pending) -> Artifact {
        let blob = &pending.blob;
        let limit = (pending.reader.limit)(self.limits);
        // What it vouches with may come with it. What is vouched for is asked for, since it has to be there.
        let carried = (blob.size <= limit as u64).then(|| blob.embedded());
        let fetched = match carried.flatten() {
            Some(carried) => Ok(carried),
            None => self.in_time(self.blob(blob, limit)).await,
        };
        let content = match fetched {
            Ok(blob) => pending.claims(&blob, self.limits),
            Err(failure) => transfer_failed(pending.manifest.digest(), failure),
        };
        Artifact {
            digest: pending.manifest.digest().clone(),
            subject: pending.subject,
            content,
        }
    }

    /// What the work gives in time.
    async fn in_time<T>(
        self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let done = self.deadline.within(work).await;
        done.unwrap_or_else(|| Err(self.deadline.missed(self.repository).into()))
    }
}

/// A blob of an artifact of a format that is read.
struct Pending {
    subject: Digest,
    manifest: Arc<Manifest>,
    reader: &'static Reader,
    blob: Descriptor,
    /// What is read by it.
    layers: Vec<usize>,
}

/// What is known of an artifact already, and what must be fetched for the rest.
type Opened = (Vec<Artifact>, Vec<Pending>);

/// Anybody can list anything for a subject; the artifact itself must say so. An index is nothing that is read.
fn refers(manifest: &Manifest, subject: &Digest) -> bool {
    match manifest.body() {
        Body::Image(body) => {
            let named = body.subject.as_ref().map(|named| &named.digest);
            named == Some(subject)
        }
        Body::Index(_) => true,
    }
}

/// Who reads an artifact, and from which blobs; or what it is instead.
fn recognise(subject: &Digest, manifest: Manifest, formats: &[Format], limits: &Limits) -> Opened {
    let manifest = Arc::new(manifest);
    let artifact = |content| Artifact {
        digest: manifest.digest().clone(),
        subject: subject.clone(),
        content,
    };
    let foreign = |artifact_type: &str| {
        let artifact_type = artifact_type.to_owned();
        (
            vec![artifact(Content::Foreign { artifact_type })],
            Vec::new(),
        )
    };
    let Body::Image(body) = manifest.body() else {
        return foreign(&manifest.descriptor().media_type);
    };
    let Some(reader) = format::reader(body, formats) else {
        return foreign(&body.artifact_type);
    };
    let (mut artifacts, mut pending) = (Vec::new(), Vec::new());
    for wanted in (reader.blobs)(body, limits) {
        match wanted {
            Ok(Wanted { blob, layers }) => pending.push(Pending {
                subject: subject.clone(),
                manifest: Arc::clone(&manifest),
                reader,
                blob: blob.clone(),
                layers,
            }),
            Err(source) => artifacts.push(artifact(damaged(manifest.digest(), source))),
        }
    }
    (artifacts, pending)
}

impl Pending {
    fn claims(&self, blob: &Bytes, limits: &Limits) -> Content {
        let fetched = Fetched {
            manifest: &self.manifest,
            layers: &self.layers,
            blob,
        };
        match (self.reader.read)(&fetched, limits) {
            Ok(claims) if blob.len() > limits.publication && publishes(&claims) => {
                Content::Refused(Refusal::PublicationTooLarge {
                    artifact: self.manifest.digest().clone(),
                    limit: limits.publication,
                })
            }
            Ok(claims) => Content::Claims(claims),
            Err(source) => damaged(self.manifest.digest(), source),
        }
    }
}

fn publishes(claims: &[Claim]) -> bool {
    claims
        .iter()
        .any(|claim| Kind::Publication.is_of(&claim.statement))
}

fn damaged(artifact: &Digest, source: ReadError) -> Content {
    let artifact = artifact.clone();
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
    (longest, limits): (impl Fn(&T) -> usize, &Limits),
    allowance: &mut u64,
) -> (Vec<T>, LeftOut) {
    wanted.sort_by(|one, other| order(one).cmp(&order(other)));
    let mut left_out = LeftOut::default();
    wanted.retain(|one| {
        let size = size(one);
        if size > longest(one) as u64 {
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

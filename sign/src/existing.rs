//! Finds what says already what is about to be signed, so that doing it again changes nothing.
//!
//! Asked before each signature, by the same verification as everybody else's. Evidence that cannot be read is no
//! obstacle to signing: whoever may write junk beside an image must not be able to stop its signer, unless there is so much
//! of it that nobody would verify what is signed.

use std::sync::atomic::{AtomicU64, Ordering};

use countersign_common::{
    Descriptor, Digest, Limits, PinnedImage, Registry, Timestamp,
    bundle::MEDIA_TYPE,
    manifest::{Body, EMPTY_CONFIG},
    registry::{Error, Failure, Refusal},
};
use countersign_trust_roots::{
    TimeRules,
    document::{Budget, Kind, authenticity, binding},
    format::{self, Claim, Fetched, Format, Wanted},
};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{
    Plan, Record, SignedDate,
    self_check::{self, Origin},
    sighted::Listing,
    stamping::{Dating, rules},
};

/// Artifacts fetched at a time.
const PARALLEL: usize = 16;

/// What lies beside an image.
pub(crate) struct Existing {
    found: Vec<Found>,
    /// How many are listed, whatever they are.
    listed: usize,
    limits: Limits,
    /// Why nothing was listed, if that was refused.
    pub(crate) unlisted: Option<Refusal>,
}

/// Claims of one artifact, and the blob they were read from.
pub(crate) struct Found {
    pub(crate) manifest: Descriptor,
    bundle: Digest,
    claims: Vec<Claim>,
}

/// A claim that counts, and where it is.
pub(crate) struct Counted<'e> {
    pub(crate) found: &'e Found,
    claim: &'e Claim,
    pub(crate) date: SignedDate,
}

impl Existing {
    /// Fetches what may be a signed document of ours, of what is listed.
    pub(crate) async fn collect(
        image: &PinnedImage,
        listing: Listing,
        registry: &dyn Registry,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let (listed, unlisted) = match listing {
            Ok(listed) => (listed, None),
            Err(Failure::Error(error)) => return Err(error),
            // What hides a signature from this search makes it once more, if there is room.
            Err(Failure::Refusal(refusal)) => (Vec::new(), Some(refusal)),
        };
        let count = listed.len();
        let allowance = &AtomicU64::new(limits.image_bytes);
        let fetch = |descriptor: Descriptor| async move {
            match read(image, registry, descriptor, (limits, allowance)).await {
                Ok(found) => Ok(found),
                Err(Failure::Error(error)) => Err(error),
                Err(Failure::Refusal(_)) => Ok(None),
            }
        };
        let found: Vec<Option<Found>> =
            stream::iter(candidates(listed, limits).into_iter().map(fetch))
                .buffered(PARALLEL)
                .try_collect()
                .await?;
        Ok(Self {
            found: found.into_iter().flatten().collect(),
            listed: count,
            limits: *limits,
            unlisted,
        })
    }

    /// Refuses to add what would make the list longer than verifiers read: they would refuse the image.
    pub(crate) fn check_room(&mut self, image: &PinnedImage, more: usize) -> Result<(), Refusal> {
        let limit = self.limits.referrers;
        match self.unlisted.take() {
            _ if more == 0 => Ok(()),
            Some(refused @ Refusal::ReferrersTooMany { .. }) => Err(refused),
            _ if self.listed + more <= limit => Ok(()),
            _ => Err(Refusal::ReferrersFull {
                repository: image.repository().clone(),
                subject: image.digest().clone(),
                limit,
            }),
        }
    }

    /// The record of an equivalent signature: the same key, kind, content, repository and annotations, and stamped if it is
    /// to be.
    pub(crate) fn signature(&self, plan: &Plan, dating: Dating<'_>) -> Option<Record> {
        let counted = self.counted(plan, rules(dating), |bound| {
            // Everything wanted is there; nothing else may be.
            bound.subject().annotations().len() == plan.annotations().len()
                && bound.claim().statement.subjects().len() == 1
        });
        let is_stamped = |counted: &&Counted<'_>| match dating {
            Dating::Claimed => true,
            Dating::Proven(_) => counted.date.not_after.is_some(),
        };
        counted
            .iter()
            .find(is_stamped)
            .map(|counted| counted.record(plan))
    }

    /// The record of the first publication by the same key, and until when it says that the image is supported. Where a date
    /// is to be proven one that is only claimed does not count.
    pub(crate) fn publication(
        &self,
        plan: &Plan,
        dating: Dating<'_>,
    ) -> Option<(Record, Option<Timestamp>)> {
        let mut counted = self.counted(plan, rules(dating), |_| true);
        if let Dating::Proven(_) = dating {
            counted.retain(|counted| counted.date.not_before.is_some());
        }
        // One with a proven date is worth more than any claim.
        let first = counted.iter().min_by_key(|counted| {
            let date = counted.date;
            (date.not_before.is_none(), date.not_before, date.claimed_at)
        })?;
        let publication = first.claim.statement.publication()?;
        Some((first.record(plan), publication.supported_until))
    }

    /// What the same key has attested of the same kind.
    pub(crate) fn attestations(&self, plan: &Plan) -> Vec<&Descriptor> {
        let counted = self.counted(plan, &TimeRules::none(), |_| true);
        counted
            .into_iter()
            .map(|counted| &counted.found.manifest)
            .collect()
    }

    /// The claims of a plan's kind, by its key, about its subject, whose stamps show what they should.
    fn counted(
        &self,
        plan: &Plan,
        rules: &TimeRules,
        wanted: impl Fn(&binding::Bound<'_, '_>) -> bool,
    ) -> Vec<Counted<'_>> {
        let all = self
            .found
            .iter()
            .flat_map(|found| found.claims.iter().map(move |claim| (found, claim)));
        let of_kind: Vec<_> = all
            .filter(|(_, claim)| plan.kind().is_of(&claim.statement))
            .collect();
        let counted = self_check::judged(plan, |case| {
            let mut budget = Budget::of(self.limits.referrers);
            let mut counted = Vec::new();
            for (position, (_, claim)) in of_kind.iter().enumerate() {
                let date = authenticity::check(case, claim, &mut budget)
                    .and_then(|authentic| binding::check(authentic, plan.kind()))
                    .ok()
                    .filter(|bound| wanted(bound))
                    .map(|bound| date(&bound, rules));
                if let Some(Some(date)) = date {
                    counted.push((position, date));
                }
            }
            counted
        });
        let counted = counted.unwrap_or_default().into_iter();
        counted
            .filter_map(|(position, date)| {
                let (found, claim) = *of_kind.get(position)?;
                Some(Counted { found, claim, date })
            })
            .collect()
    }
}

/// What its stamps show. A signature or an attestation whose stamps prove nothing is still one; a publication is not.
fn date(bound: &binding::Bound<'_, '_>, rules: &TimeRules) -> Option<SignedDate> {
    match self_check::date(bound, rules, Origin::Found) {
        Ok(date) => Some(date),
        Err(_) if *bound.kind() == Kind::Publication => None,
        Err(_) => Some(SignedDate::default()),
    }
}

impl Counted<'_> {
    fn record(&self, plan: &Plan) -> Record {
        Record {
            date: self.date,
            ..Record::found(
                plan,
                Digest::sha256(&self.claim.signed_bytes()),
                self.found.bundle.clone(),
                self.claim.artifact.clone(),
            )
        }
    }
}

/// What may be a bundle. The list's hint only saves requests; some registries hint at the configuration's type.
fn candidates(mut listed: Vec<Descriptor>, limits: &Limits) -> Vec<Descriptor> {
    listed.retain(|descriptor| {
        descriptor
            .artifact_type
            .as_deref()
            .is_none_or(|artifact_type| [MEDIA_TYPE, EMPTY_CONFIG].contains(&artifact_type))
    });
    // Ours are small: large junk must not push them out.
    listed.sort_by(|one, other| (one.size, &one.digest).cmp(&(other.size, &other.digest)));
    listed.truncate(limits.referrers);
    listed
}

async fn read(
    image: &PinnedImage,
    registry: &dyn Registry,
    descriptor: Descriptor,
    (limits, allowance): (&Limits, &AtomicU64),
) -> Result<Option<Found>, Failure> {
    let repository = image.repository();
    // What is longer than is read must not use the allowance up with a number.
    if descriptor.size > limits.manifest as u64 || !afford(allowance, descriptor.size) {
        return Ok(None);
    }
    let Some(manifest) = registry.manifest(repository, &descriptor).await? else {
        return Ok(None);
    };
    let Body::Image(body) = manifest.body() else {
        return Ok(None);
    };
    // Verifiers look only at artifacts that themselves refer to the image.
    if body
        .subject
        .as_ref()
        .is_none_or(|subject| subject.digest != *image.digest())
    {
        return Ok(None);
    }
    let Some(reader) = format::reader(body, &[Format::SigstoreBundle]) else {
        return Ok(None);
    };
    let blobs = (reader.blobs)(body, limits);
    let [
        Ok(Wanted {
            blob: layer,
            layers,
        }),
    ] = blobs.as_slice()
    else {
        return Ok(None);
    };
    if layer.size > limits.bundle as u64 || !afford(allowance, layer.size) {
        return Ok(None);
    }
    let Some(blob) = registry.blob(repository, layer, limits.bundle).await? else {
        return Ok(None);
    };
    let fetched = Fetched {
        manifest: &manifest,
        layers,
        blob: &blob,
    };
    let claims = (reader.read)(&fetched, limits).ok();
    Ok(claims.map(|claims| Found {
        bundle: layer.digest.clone(),
        manifest: manifest.descriptor().clone(),
        claims,
    }))
}

/// Takes so many bytes from what may be fetched, if they are there: junk must not fill the memory of a signer.
fn afford(allowance: &AtomicU64, size: u64) -> bool {
    let take = |left: u64| left.checked_sub(size);
    allowance
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
        .is_ok()
}

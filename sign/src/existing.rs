//! Finds a signature that says what is about to be signed, so that doing it again changes nothing.
//!
//! Asked before each signature, by the same verification as everybody else's. Evidence that cannot be read is no
//! obstacle to signing: whoever may write junk beside an image must not be able to stop its signer.

use countersign_common::{
    Descriptor, Digest, Limits, Registry,
    bundle::MEDIA_TYPE,
    manifest::{Body, EMPTY_CONFIG},
    registry::{Error, Failure},
};
use countersign_trust_roots::{
    Authorities, Authority,
    document::{Budget, Expected, StandIn, Unbound, authenticity, binding, judge},
    format::{self, Claim, Fetched},
};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{Plan, Record};

/// Artifacts fetched at a time.
const PARALLEL: usize = 16;

/// Claims of one artifact, and the blob they were read from.
type Found = (Digest, Vec<Claim>);

/// The record of an equivalent signature: the same key, kind, content, repository and annotations.
pub(crate) async fn find(
    plan: &Plan,
    registry: &dyn Registry,
    limits: &Limits,
) -> Result<Option<Record>, Error> {
    let repository = plan.repository();
    let subject = &plan.subject().digest;
    let listed = match registry.referrers(repository, subject).await {
        Ok(listed) => listed,
        Err(Failure::Error(error)) => return Err(error),
        // More junk than is listed hides a signature from this search, which then is made once more.
        Err(Failure::Refusal(_)) => return Ok(None),
    };
    let fetch = |descriptor: Descriptor| async move {
        match read(plan, registry, &descriptor, limits).await {
            Ok(found) => Ok(found),
            Err(Failure::Error(error)) => Err(error),
            Err(Failure::Refusal(_)) => Ok(None),
        }
    };
    let found: Vec<Option<Found>> = stream::iter(candidates(listed, limits).into_iter().map(fetch))
        .buffered(PARALLEL)
        .try_collect()
        .await?;
    let found: Vec<Found> = found.into_iter().flatten().collect();
    Ok(equivalent(plan, &found, limits))
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
    listed.truncate(limits.signatures);
    listed
}

async fn read(
    plan: &Plan,
    registry: &dyn Registry,
    descriptor: &Descriptor,
    limits: &Limits,
) -> Result<Option<Found>, Failure> {
    let repository = plan.repository();
    let Some(manifest) = registry.manifest(repository, descriptor).await? else {
        return Ok(None);
    };
    let Body::Image(body) = manifest.body() else {
        return Ok(None);
    };
    // Verifiers look only at artifacts that themselves refer to the image.
    if body
        .subject
        .as_ref()
        .is_none_or(|subject| subject.digest != plan.subject().digest)
    {
        return Ok(None);
    }
    let Some(reader) = format::reader(body) else {
        return Ok(None);
    };
    let Ok(layer) = (reader.blob)(body) else {
        return Ok(None);
    };
    let Some(blob) = registry.blob(repository, layer, limits.bundle).await? else {
        return Ok(None);
    };
    let fetched = Fetched {
        manifest: &manifest,
        blob: &blob,
    };
    let claims = (reader.read)(&fetched, limits).ok();
    Ok(claims.map(|claims| (layer.digest.clone(), claims)))
}

fn equivalent(plan: &Plan, found: &[Found], limits: &Limits) -> Option<Record> {
    let expected = Expected {
        subject: plan.subject().digest.clone(),
        repository: plan.repository().clone(),
        predicate_type: plan.predicate_type().to_owned(),
        annotations: plan.annotations().clone(),
        unbound: Unbound::Refused,
        stand_in: StandIn::Accepted,
    };
    let authorities = Authorities::new([Authority {
        name: plan.key().name.clone(),
        key: plan.key().public_key.clone(),
        origin: plan.key().origin,
    }])
    .ok()?;
    judge(&expected, &authorities, |case| {
        let mut budget = Budget::of(limits.signatures);
        found
            .iter()
            .flat_map(|(bundle, claims)| claims.iter().map(move |claim| (bundle, claim)))
            .find_map(|(bundle, claim)| {
                let bound = authenticity::check(case, claim, &mut budget)
                    .and_then(binding::check)
                    .ok()?;
                // Everything wanted is there; nothing else may be.
                let same = bound.subject().annotations().len() == plan.annotations().len()
                    && claim.statement.subjects().len() == 1;
                same.then(|| {
                    Record::found(
                        plan,
                        Digest::sha256(&claim.signed_bytes()),
                        bundle.clone(),
                        claim.artifact.clone(),
                    )
                })
            })
    })
}

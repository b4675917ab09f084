//! Who is trusted and what is demanded, and the whole flow from a reference to a verdict.

use std::{collections::BTreeMap, num::NonZeroUsize};

use countersign_common::{
    Digest, ImageRef, Limits, Registry, Repository, Timestamp, manifest::Platform,
    registry::Failure, statement::IMAGE_SIGNATURE,
};
use countersign_trust_roots::{
    Authorities,
    document::{Expected, StandIn, Unbound},
};

use crate::{Artifact, Deadline, Evidence, Verdict, check, collect::collect};

/// Judges images: trusted keys, and what is demanded of an image.
///
/// There is no default: whoever verifies says whom they trust.
#[derive(Clone, Debug)]
pub struct Verifier {
    /// Who may sign.
    pub authorities: Authorities,
    /// What an image must show.
    pub demand: Demand,
    /// Bounds on evidence.
    pub limits: Limits,
}

/// What an image must show.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Demand {
    /// Signatures by how many distinct keys.
    pub threshold: NonZeroUsize,
    /// Signed annotations, with their values.
    pub annotations: BTreeMap<String, String>,
    /// The child of an index that is judged instead of the index.
    pub platform: Option<Platform>,
    /// What becomes of signatures that name no repository.
    pub unbound: Unbound,
    /// What becomes of signatures by demonstration keys.
    pub stand_in: StandIn,
}

impl Verifier {
    /// Resolves a reference, collects what vouches for it, and judges.
    ///
    /// Whatever happens becomes a verdict: what could not be found out, also for lack of time, is undecided, never
    /// refused.
    pub async fn verify(
        &self,
        image: &ImageRef,
        registry: &dyn Registry,
        now: Timestamp,
        deadline: &Deadline<'_>,
    ) -> Verdict {
        let pinned = match deadline.within(registry.resolve(image)).await {
            Some(Ok(pinned)) => pinned,
            Some(Err(Failure::Error(error))) => return Verdict::undecided(image, now, &error),
            Some(Err(Failure::Refusal(refusal))) => {
                return Verdict::refused(image, now, &refusal.into());
            }
            None => return Verdict::undecided(image, now, &deadline.missed(image.repository())),
        };
        let enough = |subjects: &[Digest], artifacts: &[Artifact]| {
            check::is_enough(self, image.repository(), subjects, artifacts)
        };
        let bounds = (&self.limits, deadline);
        let evidence = collect(
            pinned,
            self.demand.platform.as_ref(),
            registry,
            bounds,
            &enough,
        )
        .await;
        self.check(&evidence, now)
    }

    /// Judges what was collected. Total, deterministic, without I/O.
    pub fn check(&self, evidence: &Evidence, now: Timestamp) -> Verdict {
        check::check(self, evidence, now)
    }

    pub(crate) fn expected(&self, repository: &Repository, subject: &Digest) -> Expected {
        Expected {
            subject: subject.clone(),
            repository: repository.clone(),
            predicate_type: IMAGE_SIGNATURE.to_owned(),
            annotations: self.demand.annotations.clone(),
            unbound: self.demand.unbound,
            stand_in: self.demand.stand_in,
        }
    }
}

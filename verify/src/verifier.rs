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

use crate::{Evidence, Verdict, check, collect};

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
    /// Whatever happens becomes a verdict: what could not be found out is undecided, never refused.
    pub async fn verify(
        &self,
        image: &ImageRef,
        registry: &dyn Registry,
        now: Timestamp,
    ) -> Verdict {
        match registry.resolve(image).await {
            Ok(pinned) => {
                let evidence = collect(
                    pinned,
                    self.demand.platform.as_ref(),
                    registry,
                    &self.limits,
                )
                .await;
                self.check(&evidence, now)
            }
            Err(Failure::Error(error)) => Verdict::undecided(image, now, &error),
            Err(Failure::Refusal(refusal)) => Verdict::refused(image, now, &refusal.into()),
        }
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

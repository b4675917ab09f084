//! Who is trusted and what is demanded, and the whole flow from a reference to a verdict.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    sync::Arc,
};

use countersign_common::{
    Descriptor, ImageRef, KeyId, Limits, Registry, Repository, Timestamp, manifest::Platform,
    predicate::PredicateType, registry::Failure,
};
use countersign_trust_roots::{
    Authorities, TimeRules,
    document::{Expected, Kind, StandIn, Unbound},
};

use crate::{
    Artifact, Deadline, Depth, Evidence, Excepted, Hashed, Legacy, Level, Outcome, Seen, Verdict,
    ahead::{Listing, Sighted},
    check::{self, freshness::DateDemand},
    collect::{Enough, Source, collect},
    evidence::ContentFault,
    recursive,
    verdict::Basis,
};

/// Judges images: trusted keys, trusted time-stamp authorities, and what is demanded of an image.
///
/// There is no default: whoever verifies says whom they trust.
#[derive(Clone, Debug)]
pub struct Verifier {
    /// Who may sign.
    pub authorities: Authorities,
    /// Which repository their documents must name.
    pub naming: Naming,
    /// Who is believed about time.
    pub time: TimeRules,
    /// What an image must show.
    pub demand: Demand,
    /// Bounds on evidence.
    pub limits: Limits,
    /// Where all of this comes from, for the verdict.
    pub basis: Basis,
}

/// Which repository a document must be for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Naming {
    /// This one, of which the one that is asked about is a mirror.
    As(Repository),
    /// The one that is asked about.
    Asked,
}

/// What an image must show.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Demand {
    /// Signatures of the image by how many distinct keys, whichever they are. Of one key, a publication will do too.
    pub threshold: NonZeroUsize,
    /// Whose signatures of the image must be there.
    pub signers: Signers,
    /// Signed annotations, with their values.
    pub annotations: BTreeMap<String, String>,
    /// Attestations that must be there, each by a trusted key.
    pub attestations: BTreeSet<PredicateType>,
    /// How much must be proven.
    pub level: Level,
    /// What the proven date must be like. Any such demand also demands [`Level::Dated`].
    pub dates: Vec<DateDemand>,
    /// What is let pass for single images all the same.
    pub exceptions: Vec<Excepted>,
    /// What no exception is for.
    pub besides: Besides,
    /// How much of it must hash to its name.
    pub depth: Depth,
    /// Which of an index and its children are judged.
    pub reach: Reach,
    /// What becomes of signatures that name no repository.
    pub unbound: Unbound,
    /// What becomes of signatures by demonstration keys.
    pub stand_in: StandIn,
    /// What becomes of signatures in the format of cosign before version 3.
    pub legacy: Legacy,
}

/// Which of an index and its children are judged. Of an image it is the image.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reach {
    /// The index and each child, every one by signatures of its own: whoever is given the digest of a child must say yes
    /// too.
    Children,
    /// The child for a platform instead of the index, by signatures of either. An image itself must be for the platform.
    Platform(Platform),
    /// What the reference resolves to.
    Resolved,
}

impl Reach {
    /// How many judgements one image may be at the same time.
    pub fn parallel(&self) -> usize {
        match self {
            Self::Children => 1 + recursive::PARALLEL,
            Self::Platform(_) | Self::Resolved => 1,
        }
    }

    pub(crate) fn platform(&self) -> Option<&Platform> {
        match self {
            Self::Platform(platform) => Some(platform),
            Self::Children | Self::Resolved => None,
        }
    }
}

/// Demands of somebody else than who makes the exceptions: whoever wants more may not be overruled by who wants less.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Besides {
    /// Attestations that must be there.
    pub attestations: BTreeSet<PredicateType>,
    /// What the proven date must be like.
    pub dates: Vec<DateDemand>,
}

/// Whose signatures of an image must be there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Signers {
    /// Anybody's who is trusted to sign images. Of one, a publication will do.
    Anybody,
    /// Those by several of these keys, and no publication. Others may be needed besides.
    AtLeast(NonZeroUsize, BTreeSet<KeyId>),
}

impl Signers {
    /// How many of them must have signed.
    pub(crate) fn count(&self) -> NonZeroUsize {
        match self {
            Self::Anybody => NonZeroUsize::MIN,
            Self::AtLeast(count, _) => *count,
        }
    }

    /// Whether a key is one of them.
    pub(crate) fn contains(&self, key: &KeyId) -> bool {
        match self {
            Self::Anybody => true,
            Self::AtLeast(_, keys) => keys.contains(key),
        }
    }
}

impl Demand {
    /// How much must be proven, with what the other demands imply.
    pub(crate) fn level(&self) -> Level {
        if self.dates.is_empty() && self.besides.dates.is_empty() {
            self.level
        } else {
            self.level.max(Level::Dated)
        }
    }

    /// How many keys must have signed the image, and which.
    pub(crate) fn signatures(&self) -> (NonZeroUsize, &Signers) {
        (self.threshold, &self.signers)
    }

    /// The kinds of attestations that are demanded.
    pub(crate) fn kinds(&self) -> Vec<Kind> {
        self.attestations
            .union(&self.besides.attestations)
            .cloned()
            .map(Kind::Attestation)
            .collect()
    }
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
        self.verify_among(image, (registry, &Seen::default()), now, deadline)
            .await
    }

    /// The same of one of several images that one registry has: none of their layers is looked at twice.
    pub async fn verify_among(
        &self,
        image: &ImageRef,
        from: (&dyn Registry, &Seen),
        now: Timestamp,
        deadline: &Deadline<'_>,
    ) -> Verdict {
        match self.resolve(image, from.0, now, deadline).await {
            Ok(sighted) => self.verify_sighted(sighted, from, now, deadline).await,
            Err(unresolved) => *unresolved,
        }
    }

    /// Resolves a reference, or says why that cannot be done. Where it names the digest already, what is listed for it is
    /// asked for at the same time.
    pub async fn resolve<'a>(
        &self,
        image: &'a ImageRef,
        registry: &'a dyn Registry,
        now: Timestamp,
        deadline: &Deadline<'_>,
    ) -> Result<Sighted<'a>, Box<Verdict>> {
        let listing = image
            .digest()
            .map(|digest| Listing::of(registry, image.repository(), digest, self.demand.legacy));
        let sighted = Sighted::collect(registry.resolve(image), listing);
        let unresolved = match deadline.within(sighted).await {
            Some(Ok(sighted)) => return Ok(sighted),
            Some(Err(Failure::Error(error))) => Verdict::undecided(image, now, &error),
            Some(Err(Failure::Refusal(refusal))) => Verdict::refused(image, now, &refusal.into()),
            None => Verdict::undecided(image, now, &deadline.missed(image.repository())),
        };
        Err(Box::new(unresolved.based_on(self.basis.clone())))
    }

    /// Collects what vouches for an image that was resolved, and judges. By whatever tag it was reached, the verdict is the
    /// same but for its name.
    pub async fn verify_sighted(
        &self,
        sighted: Sighted<'_>,
        from: (&dyn Registry, &Seen),
        now: Timestamp,
        deadline: &Deadline<'_>,
    ) -> Verdict {
        match self.demand.reach {
            Reach::Children => recursive::judge(self, sighted, from, now, deadline).await,
            Reach::Platform(_) | Reach::Resolved => self.judge(sighted, from, now, deadline).await,
        }
    }

    pub(crate) async fn judge(
        &self,
        sighted: Sighted<'_>,
        (registry, seen): (&dyn Registry, &Seen),
        now: Timestamp,
        deadline: &Deadline<'_>,
    ) -> Verdict {
        let repository = sighted.image.repository().clone();
        let listed = |subjects: &[Descriptor], artifacts: &[Artifact]| {
            check::is_enough(self, &repository, subjects, artifacts)
        };
        let untagged = |evidence: &Evidence| {
            let verdict = self.check(evidence, now);
            verdict.awaits_layers() || matches!(verdict.outcome(), Outcome::Verified(_))
        };
        let enough = Enough {
            listed: &listed,
            untagged: &untagged,
        };
        let limits = Limits {
            bundle: self.blob_limit(),
            ..self.limits
        };
        let bounds = (&limits, deadline);
        let mut evidence = collect(sighted, &self.demand, registry, bounds, enough).await;
        let verdict = self.check(&evidence, now);
        if !verdict.awaits_layers() {
            return verdict;
        }
        evidence.layers = self.hash(&evidence, (registry, seen), deadline).await;
        self.check(&evidence, now)
    }

    /// What is refused anyway need not be fetched: this comes last. The deadline is not for it, since nobody knows how long a
    /// layer is: the registry's client gives up on what stops to come.
    async fn hash(
        &self,
        evidence: &Evidence,
        (registry, seen): (&dyn Registry, &Seen),
        deadline: &Deadline<'_>,
    ) -> Option<Result<Hashed, Arc<ContentFault>>> {
        let source = Source {
            registry,
            repository: evidence.image.repository(),
            limits: &self.limits,
            deadline,
            legacy: Legacy::Ignored,
        };
        let content = evidence.content.as_ref().ok()?;
        Some(source.hash(content, self.demand.depth, seen).await)
    }

    /// The same, for an index of which each child is judged down to the depth that is demanded.
    pub(crate) fn without_layers(&self) -> Self {
        Self {
            demand: Demand {
                depth: Depth::Manifest,
                ..self.demand.clone()
            },
            ..self.clone()
        }
    }

    /// Judges what was collected. Total, deterministic, without I/O.
    pub fn check(&self, evidence: &Evidence, now: Timestamp) -> Verdict {
        check::check(self, evidence, now).based_on(self.basis.clone())
    }

    /// How long a blob may be that vouches for an image.
    pub(crate) fn blob_limit(&self) -> usize {
        if self.demand.kinds().is_empty() {
            self.limits.bundle
        } else {
            self.limits.attestation
        }
    }

    pub(crate) fn expected(&self, asked: &Repository, subject: &Descriptor) -> Expected {
        let repository = match &self.naming {
            Naming::As(repository) => repository,
            Naming::Asked => asked,
        };
        Expected {
            subject: subject.clone(),
            repository: repository.clone(),
            annotations: self.demand.annotations.clone(),
            unbound: self.demand.unbound,
            stand_in: self.demand.stand_in,
        }
    }
}

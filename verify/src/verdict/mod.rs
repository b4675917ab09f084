//! The answer: integrity, authenticity and freshness of an image, and what follows.
//!
//! Made by the judgement, shown by the command for people ([`render`]) and for programs ([`document`]). Nothing is
//! decided here that was not decided before.

mod authenticity;
mod basis;
mod children;
pub mod document;
mod findings;
mod freshness;
pub mod render;

use countersign_common::{
    Code, Descriptor, Digest, Explain, ImageRef, Timestamp, manifest::Body, registry,
};
use countersign_trust_roots::{TimeRules, document::Kind, time::Interval};

pub(crate) use self::findings::{Findings, distinct};
pub use self::{
    authenticity::{Authenticity, CountedAttestation, CountedSignature, SignatureOrigin},
    basis::{Basis, Mode, PolicyBasis, RootVersion},
    children::Child,
    findings::{Fault, Finding, Reason},
    freshness::{Freshness, Published},
};
use crate::{
    Hashed, Refusal,
    check::{Parts, demand::Trusted, freshness::Date},
    evidence::Evidence,
};

/// The judgement on one image; of an index, where that is demanded, with all that it lists.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verdict {
    image: ImageRef,
    layout: Option<String>,
    digest: Option<Digest>,
    judged_at: Timestamp,
    occasion: Occasion,
    basis: Basis,
    outcome: Outcome,
    integrity: Integrity,
    authenticity: Authenticity,
    freshness: Freshness,
    builder_claims: Option<String>,
    remarks: Vec<Finding>,
    children: Option<Vec<Child>>,
}

/// What the time of a judgement was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Occasion {
    /// Another time than that of the judgement: it says what would have followed then, and lets nothing run now.
    AsOf,
    /// The time of the judgement.
    Now,
}

/// What follows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It may be trusted, to this level.
    Verified(Level),
    /// Found out, and no. The first reason weighs most.
    Refused(Vec<Reason>),
    /// Could not find out.
    Undecided(Vec<Fault>),
}

impl Outcome {
    /// What decided it; nothing if it was verified.
    pub(crate) fn findings(&self) -> Vec<&Finding> {
        match self {
            Self::Verified(_) => Vec::new(),
            Self::Refused(reasons) => reasons.iter().map(AsRef::as_ref).collect(),
            Self::Undecided(faults) => faults.iter().map(AsRef::as_ref).collect(),
        }
    }
}

/// How much is proven.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// A trusted key signed this digest.
    Signed,
    /// And the publication was signed inside a proven interval.
    Dated,
}

impl Level {
    /// The name in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Dated => "dated",
        }
    }
}

/// Whether the bytes are what their names say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Integrity {
    /// They are.
    Whole {
        /// The manifest that was judged.
        manifest: Box<Descriptor>,
        /// Its configuration; an index has none.
        config: Option<Digest>,
        /// The index that it was reached through.
        through: Option<Digest>,
        /// What is known of all else that it names.
        layers: Layers,
    },
    /// They are not.
    Broken(Reason),
    /// Could not find out.
    Undecided(Fault),
    /// There was nothing to judge.
    NotJudged,
}

/// What is known of an image beyond its manifest and its configuration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Layers {
    /// They are demanded, and were not looked at.
    Awaited,
    /// They are what their names say.
    Hashed(Hashed),
    /// Nobody demanded that they be looked at.
    NotDemanded,
}

impl Layers {
    /// What they are, if they were looked at.
    pub fn hashed(&self) -> Option<&Hashed> {
        match self {
            Self::Hashed(hashed) => Some(hashed),
            Self::Awaited | Self::NotDemanded => None,
        }
    }
}

/// An image is all that is demanded but for its layers, at which nobody looked.
#[derive(Debug)]
struct Unhashed<'a>(&'a Digest);

impl std::fmt::Display for Unhashed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the layers of {} were not looked at", self.0)
    }
}

impl Explain for Unhashed<'_> {
    fn code(&self) -> Code {
        Code::new("layers-unchecked")
    }

    fn remedy(&self) -> String {
        "please report it, with the command that you ran".to_owned()
    }
}

impl Verdict {
    /// The verdict on what is trusted.
    pub(crate) fn verified(
        trusted: &Trusted<'_, '_, '_>,
        (evidence, time): (&Evidence, &TimeRules),
        judged_at: Timestamp,
        mut remarks: Vec<Finding>,
    ) -> Self {
        let authenticity = Authenticity::signed(
            trusted.quorum(),
            Some(trusted.attested()),
            (time, judged_at),
        );
        let excepted = trusted.attested().excepted().iter();
        let excepted = excepted.chain(trusted.fresh().excepted());
        let excepted = excepted.map(|refusal| Finding::of(refusal));
        let repository = &trusted.whole().case().expected().repository;
        remarks.splice(0..0, excepted.chain(authenticity.remarks(repository)));
        remarks.extend(refused_stamps(trusted));
        let remarks = distinct(remarks);
        Self {
            image: evidence.image.reference.clone(),
            layout: None,
            digest: Some(trusted.whole().manifest().digest().clone()),
            judged_at,
            occasion: Occasion::Now,
            basis: Basis::Keys,
            outcome: Outcome::Verified(trusted.fresh().level()),
            integrity: Integrity::of(evidence, trusted.whole().layers()),
            authenticity,
            freshness: Freshness::of(trusted.fresh()),
            builder_claims: evidence.builder_claims(),
            remarks,
            children: None,
        }
    }

    /// The verdict where something is missing for trust.
    pub(crate) fn short(
        evidence: &Evidence,
        judged_at: Timestamp,
        outcome: Outcome,
        parts: Parts,
        remarks: Vec<Finding>,
    ) -> Self {
        let first = evidence
            .subjects()
            .first()
            .map(|first| first.digest.clone());
        Self {
            image: evidence.image.reference.clone(),
            layout: None,
            digest: Some(first.unwrap_or_else(|| evidence.image.digest().clone())),
            judged_at,
            occasion: Occasion::Now,
            basis: Basis::Keys,
            outcome,
            integrity: parts.integrity,
            authenticity: parts.authenticity,
            freshness: parts.freshness,
            builder_claims: evidence.builder_claims(),
            remarks,
            children: None,
        }
    }

    /// The verdict on an image that was refused before anything was collected.
    pub fn refused(image: &ImageRef, judged_at: Timestamp, refusal: &Refusal) -> Self {
        let reason = Reason::from(refusal);
        let integrity = match refusal {
            // What is not there is not broken.
            Refusal::Registry(
                registry::Refusal::Ambiguous { .. }
                | registry::Refusal::ImageNotFound { .. }
                | registry::Refusal::NotInLayout { .. },
            ) => Integrity::NotJudged,
            _ => Integrity::Broken(reason.clone()),
        };
        Self::without_evidence(image, judged_at, Outcome::Refused(vec![reason]), integrity)
    }

    /// The verdict on an image about which nothing could be found out.
    pub fn undecided(image: &ImageRef, judged_at: Timestamp, error: &registry::Error) -> Self {
        let fault = Fault::from(error);
        Self::without_evidence(
            image,
            judged_at,
            Outcome::Undecided(vec![fault.clone()]),
            Integrity::Undecided(fault),
        )
    }

    /// The verdict on an image about which nothing was asked: whom to trust, or what to demand of it, is refused.
    pub fn unjudged<'r>(
        image: &ImageRef,
        judged_at: Timestamp,
        reasons: impl IntoIterator<Item = &'r dyn Explain>,
    ) -> Self {
        let reasons = distinct(reasons.into_iter().map(Reason::of));
        let outcome = Outcome::Refused(reasons);
        Self::without_evidence(image, judged_at, outcome, Integrity::NotJudged)
    }

    fn without_evidence(
        image: &ImageRef,
        judged_at: Timestamp,
        outcome: Outcome,
        integrity: Integrity,
    ) -> Self {
        Self {
            image: image.clone(),
            layout: None,
            digest: image.digest().cloned(),
            judged_at,
            occasion: Occasion::Now,
            basis: Basis::Keys,
            outcome,
            integrity,
            authenticity: Authenticity::NotJudged,
            freshness: Freshness::NotJudged,
            builder_claims: None,
            remarks: Vec::new(),
            children: None,
        }
    }

    /// Says in which layout the image lies, as a person named it.
    #[must_use]
    pub fn in_layout(mut self, layout: &str) -> Self {
        self.mark_in_layout(layout);
        self
    }

    /// The same on the same image, by another reference to it.
    #[must_use]
    pub fn named(self, image: ImageRef) -> Self {
        Self { image, ..self }
    }

    /// Whether nothing but its layers is missing for trust.
    pub(crate) fn awaits_layers(&self) -> bool {
        match &self.outcome {
            Outcome::Undecided(faults) => self
                .integrity
                .awaited()
                .is_some_and(|awaited| *faults == [awaited]),
            Outcome::Verified(_) | Outcome::Refused(_) => false,
        }
    }

    /// Says that it was judged as of another time than now.
    #[must_use]
    pub fn as_of(mut self) -> Self {
        self.mark_as_of();
        self
    }

    /// The verdict on an image about which nothing was asked: whom to trust could not be found out.
    pub fn unknown(image: &ImageRef, judged_at: Timestamp, error: &dyn Explain) -> Self {
        let outcome = Outcome::Undecided(vec![Fault::of(error)]);
        Self::without_evidence(image, judged_at, outcome, Integrity::NotJudged)
    }

    /// Says what else could not be found out, and decided nothing.
    #[must_use]
    pub fn beside<'r>(mut self, errors: impl IntoIterator<Item = &'r dyn Explain>) -> Self {
        self.remarks.extend(errors.into_iter().map(Finding::of));
        self
    }

    /// Says what it rests on, if not on keys that were named by hand.
    #[must_use]
    pub fn based_on(self, basis: Basis) -> Self {
        Self { basis, ..self }
    }

    /// What becomes of the image if it is refused.
    pub fn mode(&self) -> Mode {
        self.basis.mode()
    }

    /// What it rests on.
    pub fn basis(&self) -> &Basis {
        &self.basis
    }

    /// What the time of the judgement was.
    pub fn occasion(&self) -> Occasion {
        self.occasion
    }

    /// What was asked about.
    pub fn image(&self) -> &ImageRef {
        &self.image
    }

    /// What follows: the worst of all, where the children were judged too.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Whether the bytes are what their names say.
    pub fn integrity(&self) -> &Integrity {
        &self.integrity
    }

    /// Who signed.
    pub fn authenticity(&self) -> &Authenticity {
        &self.authenticity
    }

    /// When it was published.
    pub fn freshness(&self) -> &Freshness {
        &self.freshness
    }

    /// When its builder says that it was built. Shown, never judged: anybody writes what he likes there.
    pub fn builder_claims(&self) -> Option<&str> {
        self.builder_claims.as_deref()
    }

    /// What else was noticed.
    pub fn remarks(&self) -> &[Finding] {
        &self.remarks
    }

    /// The layout that the image lies in, if it is not in a registry.
    pub fn layout(&self) -> Option<&str> {
        self.layout.as_deref()
    }

    /// The digest that was judged.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// When it was judged.
    pub fn judged_at(&self) -> Timestamp {
        self.judged_at
    }

    /// The latest moment of which stamps prove that it is past, if the verdict is positive and of now. No clock that is true
    /// is before it.
    pub fn proven_not_before(&self) -> Option<Timestamp> {
        let (Outcome::Verified(_), Occasion::Now) = (&self.outcome, self.occasion) else {
            return None;
        };
        let attested = match &self.authenticity {
            Authenticity::Signed { attestations, .. } => attestations.as_slice(),
            _ => &[],
        };
        let attested = attested
            .iter()
            .filter_map(|attestation| attestation.interval);
        let published = self
            .freshness
            .published()
            .map(|published| published.interval);
        let proven = attested.chain(published).map(Interval::not_before);
        let children = self.children.iter().flatten();
        let children = children.filter_map(|child| child.verdict().proven_not_before());
        proven.chain(children).max()
    }

    /// The one reference that may be used after a positive verdict: by digest, so that nothing moves in between. A verdict as
    /// of another time has none.
    pub fn pinned(&self) -> Option<String> {
        match (&self.outcome, &self.digest, self.occasion) {
            (Outcome::Verified(_), Some(digest), Occasion::Now) => {
                Some(format!("{}@{digest}", self.image.repository()))
            }
            _ => None,
        }
    }
}

/// The stamps of the publication that count for nothing, where enough others do.
fn refused_stamps(trusted: &Trusted<'_, '_, '_>) -> Vec<Finding> {
    let Date::Proven(dated) = trusted.fresh().date() else {
        return Vec::new();
    };
    let (before, after) = (&dated.proven().before, &dated.proven().after);
    let refused = before.refused.iter().chain(&after.refused);
    let finding = |source: &countersign_trust_roots::document::Refusal| {
        Finding::of(&Refusal::Stamp {
            artifact: dated.bound().claim().artifact.clone(),
            kind: Kind::Publication,
            source: source.clone(),
        })
    };
    refused.map(finding).collect()
}

impl Integrity {
    /// What is to be said of an image that no check found broken.
    pub(crate) fn of(evidence: &Evidence, layers: Layers) -> Self {
        let Ok(content) = &evidence.content else {
            return Self::NotJudged;
        };
        let manifest = Box::new(content.manifest.descriptor().clone());
        let config = match content.manifest.body() {
            Body::Image(body) => Some(body.config.digest.clone()),
            Body::Index(_) => None,
        };
        let through =
            Some(evidence.image.digest().clone()).filter(|digest| *digest != manifest.digest);
        Self::Whole {
            manifest,
            config,
            through,
            layers,
        }
    }

    /// What is missing if nothing else is.
    pub(crate) fn awaited(&self) -> Option<Fault> {
        match self {
            Self::Whole {
                manifest,
                layers: Layers::Awaited,
                ..
            } => Some(Fault::of(&Unhashed(&manifest.digest))),
            _ => None,
        }
    }
}

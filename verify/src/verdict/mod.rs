//! The answer: integrity, authenticity and freshness of an image, and what follows.
//!
//! Made by the judgement, shown by the command for people ([`render`]) and for programs ([`document`]). Nothing is
//! decided here that was not decided before.

pub mod document;
mod findings;
pub mod render;

use std::num::NonZeroUsize;

use countersign_common::{
    Algorithm, Descriptor, Digest, ImageRef, KeyId, Timestamp, manifest::Body, registry,
};
use countersign_trust_roots::document::binding::{Bound, is_stand_in};

pub use self::findings::{Fault, Finding, Reason};
pub(crate) use self::findings::{Findings, distinct};
use crate::{
    Refusal,
    check::{demand::Trusted, quorum::Quorum},
    evidence::Evidence,
};

/// The judgement on one image.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verdict {
    image: ImageRef,
    digest: Option<Digest>,
    judged_at: Timestamp,
    outcome: Outcome,
    integrity: Integrity,
    authenticity: Authenticity,
    remarks: Vec<Finding>,
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
}

impl Level {
    /// The name in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Signed => "signed",
        }
    }
}

/// Whether the bytes are what their names say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Integrity {
    /// They are.
    Whole {
        /// The manifest that was judged.
        manifest: Descriptor,
        /// Its configuration; an index has none.
        config: Option<Digest>,
        /// The index that it was reached through.
        through: Option<Digest>,
    },
    /// They are not.
    Broken(Reason),
    /// Could not find out.
    Undecided(Fault),
    /// There was nothing to judge.
    NotJudged,
}

/// Whether enough of those who may sign have signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Authenticity {
    /// They have.
    Signed {
        /// How many distinct keys are demanded.
        threshold: NonZeroUsize,
        /// One signature by each key.
        signatures: Vec<CountedSignature>,
    },
    /// They have not.
    NotSigned {
        /// Why not; the first reason weighs most.
        reasons: Vec<Reason>,
    },
    /// Could not find out.
    Undecided {
        /// What could not be fetched.
        faults: Vec<Fault>,
        /// Why what was found does not suffice.
        reasons: Vec<Reason>,
    },
    /// There was nothing to judge.
    NotJudged,
}

/// A signature that counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CountedSignature {
    /// What its key is called.
    pub signer: String,
    /// What names the key material.
    pub key_id: KeyId,
    /// How it signs.
    pub algorithm: Algorithm,
    /// The manifest that it was found in.
    pub artifact: Digest,
    /// The content that it is about.
    pub subject: Digest,
    /// The repository that it names, or none.
    pub repository: Option<String>,
    /// Whether a demonstration key made it.
    pub origin: SignatureOrigin,
}

/// Whose kind of key made a signature.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SignatureOrigin {
    /// A key for production.
    Ordinary,
    /// A key of the stand-in, which was explicitly accepted.
    StandIn,
}

impl Verdict {
    /// The verdict on what is trusted.
    pub(crate) fn verified(
        trusted: &Trusted<'_, '_>,
        evidence: &Evidence,
        judged_at: Timestamp,
        mut remarks: Vec<Finding>,
    ) -> Self {
        let authenticity = Authenticity::signed(trusted.quorum());
        remarks.splice(0..0, authenticity.remarks(evidence));
        let remarks = distinct(remarks);
        Self {
            image: evidence.image.reference.clone(),
            digest: Some(trusted.whole().manifest().digest().clone()),
            judged_at,
            outcome: Outcome::Verified(Level::Signed),
            integrity: Integrity::of(evidence),
            authenticity,
            remarks,
        }
    }

    /// The verdict where something is missing for trust.
    pub(crate) fn short(
        evidence: &Evidence,
        judged_at: Timestamp,
        outcome: Outcome,
        (integrity, authenticity): (Integrity, Authenticity),
        remarks: Vec<Finding>,
    ) -> Self {
        Self {
            image: evidence.image.reference.clone(),
            digest: Some(
                evidence
                    .subjects()
                    .first()
                    .map_or(evidence.image.digest(), |first| *first)
                    .clone(),
            ),
            judged_at,
            outcome,
            integrity,
            authenticity,
            remarks,
        }
    }

    /// The verdict on an image that was refused before anything was collected.
    pub fn refused(image: &ImageRef, judged_at: Timestamp, refusal: &Refusal) -> Self {
        let reason = Reason::from(refusal);
        let integrity = match refusal {
            // What is not there is not broken.
            Refusal::Registry(registry::Refusal::ImageNotFound { .. }) => Integrity::NotJudged,
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

    fn without_evidence(
        image: &ImageRef,
        judged_at: Timestamp,
        outcome: Outcome,
        integrity: Integrity,
    ) -> Self {
        Self {
            image: image.clone(),
            digest: image.digest().cloned(),
            judged_at,
            outcome,
            integrity,
            authenticity: Authenticity::NotJudged,
            remarks: Vec::new(),
        }
    }

    /// What was asked about.
    pub fn image(&self) -> &ImageRef {
        &self.image
    }

    /// What follows.
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

    /// What else was noticed.
    pub fn remarks(&self) -> &[Finding] {
        &self.remarks
    }

    /// The digest that was judged.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// When it was judged.
    pub fn judged_at(&self) -> Timestamp {
        self.judged_at
    }

    /// The one reference that may be used after a positive verdict: by digest, so that nothing moves in between.
    pub fn pinned(&self) -> Option<String> {
        match (&self.outcome, &self.digest) {
            (Outcome::Verified(_), Some(digest)) => {
                Some(format!("{}@{digest}", self.image.repository()))
            }
            _ => None,
        }
    }
}

impl Integrity {
    /// What is to be said of an image that no check found broken.
    pub(crate) fn of(evidence: &Evidence) -> Self {
        let Ok(content) = &evidence.content else {
            return Self::NotJudged;
        };
        let manifest = content.manifest.descriptor().clone();
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
        }
    }
}

impl Authenticity {
    pub(crate) fn signed(quorum: &Quorum<'_, '_>) -> Self {
        let signatures = quorum
            .signatures()
            .iter()
            .map(CountedSignature::of)
            .collect();
        Self::Signed {
            threshold: quorum.threshold(),
            signatures,
        }
    }

    /// Nobody who counts has signed: an open question while something could not be fetched.
    pub(crate) fn unsigned(faults: Vec<Fault>, reasons: Vec<Reason>) -> Self {
        if faults.is_empty() {
            Self::NotSigned { reasons }
        } else {
            Self::Undecided { faults, reasons }
        }
    }

    /// Of two judgements the better one; of two bad ones, what both say.
    pub(crate) fn or(self, other: Self) -> Self {
        match (self, other) {
            (signed @ Self::Signed { .. }, _) | (_, signed @ Self::Signed { .. }) => signed,
            (one, other) => {
                let (faults, reasons) = one.into_findings();
                let (more_faults, more_reasons) = other.into_findings();
                Self::unsigned(
                    distinct(faults.into_iter().chain(more_faults)),
                    distinct(reasons.into_iter().chain(more_reasons)),
                )
            }
        }
    }

    pub(crate) fn into_findings(self) -> (Vec<Fault>, Vec<Reason>) {
        match self {
            Self::Signed { .. } | Self::NotJudged => (Vec::new(), Vec::new()),
            Self::NotSigned { reasons } => (Vec::new(), reasons),
            Self::Undecided { faults, reasons } => (faults, reasons),
        }
    }

    fn remarks(&self, evidence: &Evidence) -> Vec<Finding> {
        let Self::Signed { signatures, .. } = self else {
            return Vec::new();
        };
        signatures
            .iter()
            .flat_map(|signature| signature.remarks(evidence))
            .collect()
    }
}

impl CountedSignature {
    fn of(bound: &Bound<'_, '_>) -> Self {
        let key = &bound.authority().key;
        let stand_in = is_stand_in(bound.claim(), bound.authority());
        Self {
            signer: bound.authority().name.clone(),
            key_id: key.id().clone(),
            algorithm: key.algorithm(),
            artifact: bound.claim().artifact.clone(),
            subject: bound.case().expected().subject.clone(),
            repository: bound.subject().name().map(str::to_owned),
            origin: if stand_in {
                SignatureOrigin::StandIn
            } else {
                SignatureOrigin::Ordinary
            },
        }
    }

    fn remarks(&self, evidence: &Evidence) -> Vec<Finding> {
        use countersign_trust_roots::document::Refusal as Document;
        let mut remarks = Vec::new();
        if self.repository.is_none() {
            remarks.push(Document::RepositoryUnbound {
                expected: evidence.image.repository().clone(),
            });
        }
        if self.origin == SignatureOrigin::StandIn {
            remarks.push(Document::StandInKey {
                key: self.signer.clone(),
            });
        }
        remarks
            .into_iter()
            .map(|refusal| Finding::of(&refusal))
            .collect()
    }
}

//! Who signed the image, and what else those who may sign say of it.

use std::num::NonZeroUsize;

use countersign_common::{
    Algorithm, Digest, KeyId, Limits, Repository, Timestamp, predicate::PredicateType,
};
use countersign_trust_roots::{
    TimeRules,
    document::{
        self, Kind,
        binding::is_stand_in,
        dating,
        validity::{Proof, Valid},
    },
    format::Format,
    time::Interval,
};

use super::{Fault, Finding, Reason, distinct};
use crate::{
    Refusal,
    check::{attested::Attested, quorum::Quorum},
};

/// Whether enough of those who may sign have signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Authenticity {
    /// They have.
    Signed {
        /// How many distinct keys are demanded.
        threshold: NonZeroUsize,
        /// One signature by each key.
        signatures: Vec<CountedSignature>,
        /// The attestations of the kinds that are demanded.
        attestations: Vec<CountedAttestation>,
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
    /// How it was written.
    pub format: Format,
    /// The manifest that it was found in.
    pub artifact: Digest,
    /// The content that it is about.
    pub subject: Digest,
    /// The repository that it names, or none.
    pub repository: Option<String>,
    /// By when it was made at the latest, if that is proven.
    pub not_after: Option<Timestamp>,
    /// Why stamps of it prove nothing.
    pub refused_stamps: Vec<Finding>,
    /// Whether a demonstration key made it.
    pub origin: SignatureOrigin,
}

/// An attestation that counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CountedAttestation {
    /// What it says.
    pub kind: PredicateType,
    /// Who signed it.
    pub signature: CountedSignature,
    /// When it was signed, if that is proven.
    pub interval: Option<Interval>,
}

/// Whose kind of key made a signature.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SignatureOrigin {
    /// A key for production.
    Ordinary,
    /// A key of the stand-in, which was explicitly accepted.
    StandIn,
}

impl Authenticity {
    pub(crate) fn signed(
        quorum: &Quorum<'_, '_, '_>,
        attested: Option<&Attested<'_, '_, '_>>,
        (time, now): (&TimeRules, Timestamp),
    ) -> Self {
        let signatures = quorum.signatures().iter();
        let attestations = attested.map(Attested::attestations).unwrap_or_default();
        Self::Signed {
            threshold: quorum.threshold(),
            signatures: signatures
                .map(|valid| CountedSignature::of(valid, time))
                .collect(),
            attestations: attestations
                .iter()
                .filter_map(|valid| CountedAttestation::of(valid, (time, now)))
                .collect(),
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

    /// Of two judgements that nobody who counts has signed, what both say.
    pub(crate) fn or(self, other: Self) -> Self {
        let (faults, reasons) = self.into_findings();
        let (more_faults, more_reasons) = other.into_findings();
        Self::unsigned(
            distinct(faults.into_iter().chain(more_faults)),
            distinct(reasons.into_iter().chain(more_reasons)),
        )
    }

    pub(crate) fn into_findings(self) -> (Vec<Fault>, Vec<Reason>) {
        match self {
            Self::Signed { .. } | Self::NotJudged => (Vec::new(), Vec::new()),
            Self::NotSigned { reasons } => (Vec::new(), reasons),
            Self::Undecided { faults, reasons } => (faults, reasons),
        }
    }

    pub(super) fn remarks(&self, repository: &Repository) -> Vec<Finding> {
        let Self::Signed {
            signatures,
            attestations,
            ..
        } = self
        else {
            return Vec::new();
        };
        signatures
            .iter()
            .chain(
                attestations
                    .iter()
                    .map(|attestation| &attestation.signature),
            )
            .flat_map(|signature| signature.remarks(repository))
            .collect()
    }
}

impl CountedSignature {
    pub(crate) fn of(valid: &Valid<'_, '_>, time: &TimeRules) -> Self {
        let (not_after, refused_stamps) = latest(valid, time);
        let bound = valid.bound();
        let key = &bound.authority().key;
        let stand_in = is_stand_in(bound.claim(), bound.authority());
        Self {
            signer: bound.authority().name.clone(),
            key_id: key.id().clone(),
            algorithm: key.algorithm(),
            format: bound.claim().format,
            artifact: bound.claim().artifact.clone(),
            subject: bound.case().expected().subject.digest.clone(),
            repository: match bound.claim().statement.publication() {
                Some(publication) => Some(publication.repository.clone()),
                None => bound.subject().name().map(str::to_owned),
            },
            not_after,
            refused_stamps,
            origin: if stand_in {
                SignatureOrigin::StandIn
            } else {
                SignatureOrigin::Ordinary
            },
        }
    }

    pub(crate) fn remarks(&self, repository: &Repository) -> Vec<Finding> {
        use countersign_trust_roots::document::Refusal as Document;
        let mut remarks = Vec::new();
        match &self.repository {
            None => remarks.push(Document::RepositoryUnbound {
                expected: repository.clone(),
            }),
            Some(named) if *named != repository.to_string() => {
                remarks.push(Document::RepositoryMismatch {
                    expected: repository.clone(),
                    named: named.clone(),
                });
            }
            Some(_) => {}
        }
        if self.origin == SignatureOrigin::StandIn {
            remarks.push(Document::StandInKey {
                key: self.signer.clone(),
            });
        }
        let remarks = remarks.iter().map(|refusal| Finding::of(refusal));
        remarks.chain(self.refused_stamps.iter().cloned()).collect()
    }
}

impl CountedAttestation {
    fn of(valid: &Valid<'_, '_>, (time, now): (&TimeRules, Timestamp)) -> Option<Self> {
        let Kind::Attestation(kind) = valid.bound().kind() else {
            return None;
        };
        // What it says holds whenever it was said. A date that cannot be proven is not shown; nothing depends on it.
        let dated = match valid.proof() {
            Proof::Latest(..) => None,
            Proof::Interval(_) | Proof::Unneeded => {
                dating::check(valid, time, now, &Limits::TABLE).ok()
            }
        };
        Some(Self {
            kind: kind.clone(),
            signature: CountedSignature::of(valid, time),
            interval: dated.map(|dated| dated.proven().interval),
        })
    }
}

/// By when something was signed at the latest; and why stamps that are there do not show it.
fn latest(valid: &Valid<'_, '_>, time: &TimeRules) -> (Option<Timestamp>, Vec<Finding>) {
    let bound = valid.bound();
    let is_unproven = time.authorities().is_empty() || bound.claim().after_stamps.is_empty();
    let finding = |source: document::Refusal| {
        Finding::of(&Refusal::Stamp {
            artifact: bound.claim().artifact.clone(),
            kind: bound.kind().clone(),
            source,
        })
    };
    let latest = match valid.proof() {
        Proof::Interval(proven) => Ok((proven.interval.not_after(), proven.after.clone())),
        Proof::Latest(latest, witnesses) => Ok((*latest, witnesses.clone())),
        Proof::Unneeded if is_unproven => return (None, Vec::new()),
        Proof::Unneeded => dating::latest(bound, time, &Limits::TABLE),
    };
    match latest {
        Ok((latest, witnesses)) => {
            let refused = witnesses.refused.into_iter().map(finding).collect();
            (Some(latest), refused)
        }
        Err(refusal) => (None, vec![finding(refusal)]),
    }
}

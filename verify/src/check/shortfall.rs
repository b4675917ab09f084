//! What is missing for trust, and whether that is a refusal or an open question.

use countersign_common::{Digest, Timestamp};

use super::{
    integrity::Broken,
    quorum::{Quorum, TooFew},
};
use crate::{
    Refusal, Verdict,
    evidence::Evidence,
    verdict::{Authenticity, Fault, Finding, Findings, Integrity, Outcome, Reason},
};

/// One judgement that did not end in trust.
pub(super) struct Shortfall {
    integrity: Option<Broken>,
    authenticity: Authenticity,
    remarks: Vec<Finding>,
}

impl Shortfall {
    pub(super) fn of(
        integrity: Option<Broken>,
        quorum: Result<Quorum<'_, '_>, TooFew>,
        found: Findings,
        subject: &Digest,
    ) -> Self {
        match quorum {
            Ok(quorum) => Self {
                integrity,
                authenticity: Authenticity::signed(&quorum),
                remarks: found.into_remarks(),
            },
            Err(too_few) => Self {
                integrity,
                authenticity: unsigned(too_few, &found, subject),
                remarks: Vec::new(),
            },
        }
    }
}

/// What could not be fetched may have been the signature that is missing: then the question stays open.
fn unsigned(too_few: TooFew, found: &Findings, subject: &Digest) -> Authenticity {
    let mut reasons: Vec<Reason> = Vec::new();
    if !too_few.signers.is_empty() {
        reasons.push(
            (&Refusal::ThresholdNotMet {
                wanted: too_few.threshold.get(),
                found: too_few.signers.len(),
                signers: too_few.signers,
            })
                .into(),
        );
    } else if !found.explain_absence() {
        reasons.push(
            (&Refusal::SignatureMissing {
                subject: subject.clone(),
                found: found.kinds(),
            })
                .into(),
        );
    }
    reasons.extend(found.reasons());
    match found.faults() {
        [] => Authenticity::NotSigned { reasons },
        faults => Authenticity::Undecided {
            faults: faults.to_vec(),
            reasons,
        },
    }
}

/// Joins the judgements of an image and of the index it was reached through.
pub(super) fn verdict(shortfalls: Vec<Shortfall>, evidence: &Evidence, now: Timestamp) -> Verdict {
    let mut integrity = None;
    let mut remarks = Vec::new();
    let mut authenticity = Authenticity::NotSigned {
        reasons: Vec::new(),
    };
    for shortfall in shortfalls {
        integrity = integrity.or(shortfall.integrity);
        remarks.extend(shortfall.remarks);
        authenticity = authenticity.or(shortfall.authenticity);
    }
    let integrity = match integrity {
        None => Integrity::of(evidence),
        Some(Broken::Fault(fault)) => Integrity::Undecided(fault),
        Some(Broken::Reason(reason)) => Integrity::Broken(reason),
    };
    let outcome = outcome(&integrity, &authenticity);
    if let Authenticity::Undecided { reasons, .. } = &authenticity {
        remarks.extend(reasons.iter().map(|reason| reason.as_ref().clone()));
    }
    Verdict::short(evidence, now, outcome, (integrity, authenticity), remarks)
}

/// Refused before could-not-decide: a definite no needs no second question.
fn outcome(integrity: &Integrity, authenticity: &Authenticity) -> Outcome {
    let mut reasons: Vec<Reason> = Vec::new();
    let mut faults: Vec<Fault> = Vec::new();
    match integrity {
        Integrity::Broken(reason) => reasons.push(reason.clone()),
        Integrity::Undecided(fault) => faults.push(fault.clone()),
        Integrity::Whole { .. } | Integrity::NotJudged => {}
    }
    match authenticity {
        Authenticity::NotSigned { reasons: more } => reasons.extend(more.iter().cloned()),
        Authenticity::Undecided { faults: more, .. } => faults.extend(more.iter().cloned()),
        Authenticity::Signed { .. } | Authenticity::NotJudged => {}
    }
    if reasons.is_empty() {
        Outcome::Undecided(faults)
    } else {
        Outcome::Refused(reasons)
    }
}

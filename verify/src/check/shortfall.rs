//! What is missing for trust, and whether that is a refusal or an open question.

use countersign_common::{Digest, Timestamp};

use super::{
    integrity::Broken,
    quorum::{Quorum, TooFew},
};
use crate::{
    Refusal, Verdict,
    evidence::Evidence,
    verdict::{Authenticity, Fault, Finding, Findings, Integrity, Outcome, Reason, distinct},
};

/// One judgement that did not end in trust.
pub(super) struct Shortfall {
    integrity: Option<Broken>,
    authenticity: Authenticity,
    noticed: Vec<Finding>,
}

impl Shortfall {
    pub(super) fn of(
        integrity: Option<Broken>,
        quorum: Result<Quorum<'_, '_>, TooFew>,
        found: Findings,
        subject: &Digest,
    ) -> Self {
        let authenticity = match quorum {
            Ok(quorum) => Authenticity::signed(&quorum),
            Err(too_few) => unsigned(too_few, &found, subject),
        };
        Self {
            integrity,
            authenticity,
            noticed: found.into_remarks(),
        }
    }
}

/// What the judgements before the one that ended in trust noticed, and it itself.
pub(super) fn remarks(before: &[Shortfall], found: Findings) -> Vec<Finding> {
    let before = before.iter().flat_map(|shortfall| &shortfall.noticed);
    before.cloned().chain(found.into_remarks()).collect()
}

/// What could not be fetched may have been the signature that is missing: then the question stays open.
fn unsigned(too_few: TooFew, found: &Findings, subject: &Digest) -> Authenticity {
    let mut reasons: Vec<Reason> = Vec::new();
    if !too_few.signers.is_empty() {
        reasons.push(
            (&Refusal::ThresholdNotMet {
                subject: subject.clone(),
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
    Authenticity::unsigned(found.faults().to_vec(), reasons)
}

/// Joins the judgements of an image and of the index it was reached through.
pub(super) fn verdict(shortfalls: Vec<Shortfall>, evidence: &Evidence, now: Timestamp) -> Verdict {
    let mut broken = None;
    let mut noticed = Vec::new();
    let mut authenticity = Authenticity::NotJudged;
    for shortfall in shortfalls {
        broken = broken.or(shortfall.integrity);
        noticed.extend(shortfall.noticed);
        authenticity = authenticity.or(shortfall.authenticity);
    }
    let integrity = match broken {
        None => Integrity::of(evidence),
        Some(Broken::Fault(fault)) => Integrity::Undecided(fault),
        Some(Broken::Reason(reason)) => Integrity::Broken(reason),
    };
    let outcome = outcome(&integrity, &authenticity);
    let remarks = beside(&outcome, &integrity, &authenticity, noticed);
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
        Outcome::Undecided(distinct(faults))
    } else {
        Outcome::Refused(distinct(reasons))
    }
}

/// What was found out, or could not be, and did not decide the outcome.
fn beside(
    outcome: &Outcome,
    integrity: &Integrity,
    authenticity: &Authenticity,
    noticed: Vec<Finding>,
) -> Vec<Finding> {
    let decisive = outcome.findings();
    let (faults, reasons) = authenticity.clone().into_findings();
    let fault = match integrity {
        Integrity::Undecided(fault) => Some(fault.clone()),
        Integrity::Whole { .. } | Integrity::Broken(_) | Integrity::NotJudged => None,
    };
    let reasons = reasons.iter().map(AsRef::as_ref);
    let faults = fault.iter().chain(&faults).map(AsRef::as_ref);
    let all = reasons.chain(faults).cloned().chain(noticed);
    distinct(all.filter(|finding| !decisive.contains(&finding)))
}

//! What is missing for trust, and whether that is a refusal or an open question.

use countersign_common::{Descriptor, Digest, Limits, Timestamp};
use countersign_trust_roots::TimeRules;

use super::{
    attested::{Attested, Missing},
    claims,
    freshness::{Fresh, Stale},
    integrity::Broken,
    quorum::{Quorum, TooFew},
};
use crate::{
    Legacy, Refusal, Verdict,
    evidence::Evidence,
    verdict::{
        Authenticity, Fault, Finding, Findings, Freshness, Integrity, Layers, Outcome, Published,
        Reason, distinct,
    },
};

/// What was noticed in one judgement.
#[derive(Default)]
pub(super) struct Noticed {
    /// About signatures and attestations, and about what may be anything.
    pub(super) signed: Findings,
    /// About publications and their dates.
    pub(super) published: Findings,
    /// About what is at a tag of signatures, and may be nothing else: no date depends on it, nor any attestation. `None`
    /// where nobody looks there.
    pub(super) tagged: Option<Findings>,
}

impl Noticed {
    /// What collecting itself noticed.
    pub(super) fn collecting(
        &mut self,
        evidence: &Evidence,
        subject: &Descriptor,
        limits: &Limits,
    ) {
        self.signed.collecting(evidence, limits);
        self.tagged = evidence.tagged.as_ref().map(|tagged| {
            let mut found = Findings::default();
            found.failed(&tagged.failures);
            claims::note(&tagged.artifacts, &subject.digest, &mut found);
            found
        });
    }
}

/// One judgement that did not end in trust.
pub(super) struct Shortfall {
    integrity: Result<Layers, Broken>,
    authenticity: Authenticity,
    freshness: Freshness,
    noticed: Vec<Finding>,
    lacks: Lacks,
}

/// What is missing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Lacks {
    /// A look at the layers, and nothing else.
    Layers,
    /// Something else too.
    More,
}

/// What the steps found, each the token or what is missing for it.
type Steps<'b, 'id, 'e> = (
    Result<Quorum<'b, 'id, 'e>, Vec<TooFew>>,
    Result<Attested<'b, 'id, 'e>, Missing>,
    Result<Fresh<'b, 'id, 'e>, Stale<'b, 'id, 'e>>,
);

impl Shortfall {
    pub(super) fn of(
        integrity: Result<Layers, Broken>,
        (quorum, attested, fresh): Steps<'_, '_, '_>,
        noticed: Noticed,
        subject: &Digest,
        when: (&TimeRules, Timestamp),
    ) -> Self {
        let (signed, published) = (&noticed.signed, &noticed.published);
        let lacks = match (&integrity, &quorum, &attested, &fresh) {
            (Err(Broken::Unhashed), Ok(_), Ok(_), Ok(_)) => Lacks::Layers,
            _ => Lacks::More,
        };
        let mut excepted = Vec::new();
        let mut except = |refusals: &[Refusal]| {
            excepted.extend(refusals.iter().map(|refusal| Finding::of(refusal)));
        };
        except(
            attested
                .as_ref()
                .map(Attested::excepted)
                .unwrap_or_default(),
        );
        let freshness = match fresh {
            Ok(fresh) => {
                except(fresh.excepted());
                Freshness::of(&fresh)
            }
            Err(Stale::Unmet(dated, unmet)) => {
                except(&unmet.excepted);
                unmet_demands(Published::of(&dated), &unmet.standing, signed.faults())
            }
            Err(Stale::Open(faults)) => Freshness::Undecided {
                faults,
                reasons: Vec::new(),
            },
            Err(Stale::Undated) => undated((signed, published), subject),
        };
        let missing = attested.as_ref().err().map(|missing| missing.0.as_slice());
        let authenticity = match quorum {
            Ok(quorum) if missing.is_none() => {
                Authenticity::signed(&quorum, attested.as_ref().ok(), when)
            }
            Ok(_) => unattested(missing.unwrap_or_default(), signed),
            Err(too_few) => unsigned(too_few, &noticed, subject),
        };
        Self {
            integrity,
            authenticity,
            freshness,
            noticed: [excepted, remarks(&[], noticed)].concat(),
            lacks,
        }
    }
}

/// What the judgements before the one that ended in trust noticed, and it itself.
pub(super) fn remarks(before: &[Shortfall], noticed: Noticed) -> Vec<Finding> {
    let before = before.iter().flat_map(|shortfall| &shortfall.noticed);
    let found = std::iter::once(noticed.signed).chain(noticed.tagged);
    let found = found.chain([noticed.published]);
    let found = found.flat_map(Findings::into_remarks);
    before.cloned().chain(found).collect()
}

/// What could not be fetched may have been the signature that is missing: then the question stays open.
fn unsigned(too_few: Vec<TooFew>, noticed: &Noticed, subject: &Digest) -> Authenticity {
    // What lists signatures, and then what lists none.
    let of_signatures = || std::iter::once(&noticed.signed).chain(&noticed.tagged);
    let all = || of_signatures().chain([&noticed.published]);
    let mut reasons: Vec<Reason> = Vec::new();
    let is_signed = |one: &TooFew| !one.signers.is_empty() || !one.others.is_empty();
    if too_few.iter().any(is_signed) {
        let unmet = too_few.into_iter().map(|one| Refusal::ThresholdNotMet {
            subject: subject.clone(),
            wanted: one.wanted,
            found: one.signers.len(),
            signers: one.signers,
            others: one.others,
        });
        reasons.extend(unmet.map(|refusal| Reason::from(&refusal)));
    } else if !all().any(Findings::explain_absence) {
        reasons.push(
            (&Refusal::SignatureMissing {
                subject: subject.clone(),
                found: of_signatures().flat_map(Findings::kinds).collect(),
                legacy: match noticed.tagged {
                    Some(_) => Legacy::Counted,
                    None => Legacy::Ignored,
                },
            })
                .into(),
        );
    }
    reasons.extend(all().flat_map(Findings::reasons));
    let faults = of_signatures().flat_map(Findings::faults).cloned();
    Authenticity::unsigned(distinct(faults), reasons)
}

/// The same of an attestation.
fn unattested(missing: &[Refusal], signed: &Findings) -> Authenticity {
    let reasons = missing.iter().map(Reason::from);
    let reasons = reasons.chain(signed.reasons()).collect();
    Authenticity::unsigned(signed.faults().to_vec(), reasons)
}

/// What could not be fetched may have been an earlier publication. It would meet a demand for age, and none for youth.
fn unmet_demands(published: Published, unmet: &[Refusal], faults: &[Fault]) -> Freshness {
    let reasons = unmet.iter().map(Reason::from).collect();
    let earlier_would_do = unmet.iter().all(|refusal| {
        matches!(
            refusal,
            Refusal::ImageTooNew { .. } | Refusal::ImageEndOfLife { .. }
        )
    });
    if earlier_would_do && !faults.is_empty() {
        Freshness::Undecided {
            faults: faults.to_vec(),
            reasons,
        }
    } else {
        Freshness::Failed {
            published: Some(Box::new(published)),
            reasons,
        }
    }
}

/// The same of a publication whose date is proven.
fn undated((signed, published): (&Findings, &Findings), subject: &Digest) -> Freshness {
    let mut reasons = published.reasons();
    reasons.extend(signed.unseen());
    if reasons.is_empty() {
        let missing = Refusal::PublicationMissing {
            subject: subject.clone(),
        };
        reasons.push((&missing).into());
    }
    let faults = signed.faults().to_vec();
    if faults.is_empty() {
        Freshness::Failed {
            published: None,
            reasons,
        }
    } else {
        Freshness::Undecided { faults, reasons }
    }
}

/// Joins the judgements of an image and of the index it was reached through.
pub(super) fn verdict(
    mut shortfalls: Vec<Shortfall>,
    evidence: &Evidence,
    now: Timestamp,
) -> Verdict {
    // One that lacks the layers alone may yet end in trust, whatever the other lacks.
    let nearest = |shortfall: &Shortfall| shortfall.lacks == Lacks::Layers;
    if let Some(position) = shortfalls.iter().position(nearest) {
        shortfalls = vec![shortfalls.swap_remove(position)];
    }
    let mut layers = Ok(Layers::NotDemanded);
    let mut noticed = Vec::new();
    let mut judged = (Authenticity::NotJudged, Freshness::NotJudged);
    for shortfall in shortfalls {
        layers = layers.and(shortfall.integrity);
        noticed.extend(shortfall.noticed);
        judged = join(judged, (shortfall.authenticity, shortfall.freshness));
    }
    let (authenticity, freshness) = judged;
    let integrity = match layers {
        Ok(layers) => Integrity::of(evidence, layers),
        Err(Broken::Fault(fault)) => Integrity::Undecided(fault),
        Err(Broken::Reason(reason)) => Integrity::Broken(reason),
        Err(Broken::Unhashed) => Integrity::of(evidence, Layers::Awaited),
    };
    let parts = Parts {
        integrity,
        authenticity,
        freshness,
    };
    let outcome = parts.outcome();
    let remarks = parts.beside(&outcome, noticed);
    Verdict::short(evidence, now, outcome, parts, remarks)
}

/// Where neither is signed, what both say. Otherwise the one that is signed alone: the signature of one thing and the date
/// of another would look as if nothing were missing. While the other is an open question, so is what this one lacks.
fn join(
    one: (Authenticity, Freshness),
    other: (Authenticity, Freshness),
) -> (Authenticity, Freshness) {
    let is_signed =
        |part: &(Authenticity, Freshness)| matches!(part.0, Authenticity::Signed { .. });
    match (is_signed(&one), is_signed(&other)) {
        (true, _) => (one.0, one.1.while_open(other)),
        (false, true) => (other.0, other.1.while_open(one)),
        (false, false) => (one.0.or(other.0), one.1.or(other.1)),
    }
}

/// The three parts of a verdict.
pub(crate) struct Parts {
    pub(crate) integrity: Integrity,
    pub(crate) authenticity: Authenticity,
    pub(crate) freshness: Freshness,
}

impl Parts {
    /// Refused before could-not-decide: a definite no needs no second question.
    fn outcome(&self) -> Outcome {
        let mut reasons: Vec<Reason> = Vec::new();
        let mut faults: Vec<Fault> = Vec::new();
        match &self.integrity {
            Integrity::Broken(reason) => reasons.push(reason.clone()),
            Integrity::Undecided(fault) => faults.push(fault.clone()),
            Integrity::Whole { .. } | Integrity::NotJudged => {}
        }
        match &self.authenticity {
            Authenticity::NotSigned { reasons: more } => reasons.extend(more.iter().cloned()),
            Authenticity::Undecided { faults: more, .. } => faults.extend(more.iter().cloned()),
            Authenticity::Signed { .. } | Authenticity::NotJudged => {}
        }
        match &self.freshness {
            Freshness::Failed { reasons: more, .. } => reasons.extend(more.iter().cloned()),
            Freshness::Undecided { faults: more, .. } => faults.extend(more.iter().cloned()),
            Freshness::Claimed { .. }
            | Freshness::Dated(_)
            | Freshness::NotProven
            | Freshness::NotJudged => {}
        }
        if reasons.is_empty() && faults.is_empty() {
            faults.extend(self.integrity.awaited());
        }
        if reasons.is_empty() {
            Outcome::Undecided(distinct(faults))
        } else {
            Outcome::Refused(distinct(reasons))
        }
    }

    /// What was found out, or could not be, and did not decide the outcome.
    fn beside(&self, outcome: &Outcome, noticed: Vec<Finding>) -> Vec<Finding> {
        let decisive = outcome.findings();
        let (mut faults, mut reasons) = self.authenticity.clone().into_findings();
        let (more_faults, more_reasons) = self.freshness.clone().into_findings();
        faults.extend(more_faults);
        reasons.extend(more_reasons);
        let fault = match &self.integrity {
            Integrity::Undecided(fault) => Some(fault.clone()),
            Integrity::Whole { .. } | Integrity::Broken(_) | Integrity::NotJudged => None,
        };
        let reasons = reasons.iter().map(AsRef::as_ref);
        let faults = fault.iter().chain(&faults).map(AsRef::as_ref);
        let all = reasons.chain(faults).cloned().chain(noticed);
        distinct(all.filter(|finding| !decisive.contains(&finding)))
    }
}

#[cfg(test)]
mod tests {
    use countersign_common::{Code, Descriptor, manifest::OCI_MANIFEST};

    use super::*;

    #[test]
    fn layers_that_nobody_looked_at_are_an_open_question_and_no_trust() {
        let parts = |layers| Parts {
            integrity: Integrity::Whole {
                manifest: Box::new(Descriptor::of(OCI_MANIFEST, b"{}")),
                config: None,
                through: None,
                layers,
            },
            authenticity: Authenticity::NotJudged,
            freshness: Freshness::NotJudged,
        };
        let Outcome::Undecided(faults) = parts(Layers::Awaited).outcome() else {
            panic!("decided");
        };
        let codes: Vec<_> = faults.iter().map(|fault| fault.as_ref().code).collect();
        assert_eq!(codes, [Code::new("layers-unchecked")]);
    }
}

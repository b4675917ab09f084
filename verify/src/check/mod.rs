//! The judgement itself: pure, total, deterministic and bounded.
//!
//! Every claim goes `authentic → bound`; distinct keys make a quorum; a whole image with a quorum is trusted, and
//! nothing else is. A claim that fails on the way becomes a reason or a remark, never silence.

pub mod demand;
pub mod integrity;
pub mod quorum;
mod shortfall;

use std::cmp::Reverse;

use countersign_common::{Digest, Repository, Timestamp};
use countersign_trust_roots::{
    document::{Budget, Case, authenticity, binding, judge},
    format::Claim,
};

use self::shortfall::Shortfall;
use crate::{
    Refusal, Verdict, Verifier,
    evidence::{Artifact, Content, Evidence},
    verdict::Findings,
};

/// Judges an image by what was found: by its own signatures, or by those of the index it was reached through.
///
/// A quorum is met on one of them: two signers of two different things did not agree on anything.
pub(crate) fn check(verifier: &Verifier, evidence: &Evidence, now: Timestamp) -> Verdict {
    let mut shortfalls = Vec::new();
    for subject in evidence.subjects() {
        let expected = verifier.expected(evidence.image.repository(), subject);
        // Each has its own: junk beside a child must not use up the tries of the index's signature.
        let mut budget = Budget::of(verifier.limits.signatures);
        let attempt = judge(&expected, &verifier.authorities, |case| {
            let mut found = Findings::of_collecting(evidence, &verifier.limits);
            let bound = signatures(case, &evidence.artifacts, &mut budget, &mut found);
            let integrity = integrity::check(case, evidence);
            let quorum = quorum::check(case, verifier.demand.threshold, bound);
            match (integrity, quorum) {
                (Ok(whole), Ok(quorum)) => Ok(Verdict::verified(
                    &demand::check(whole, quorum),
                    evidence,
                    now,
                    shortfall::remarks(&shortfalls, found),
                )),
                (integrity, quorum) => Err(Shortfall::of(integrity.err(), quorum, found, subject)),
            }
        });
        match attempt {
            Ok(verdict) => return verdict,
            Err(shortfall) => shortfalls.push(shortfall),
        }
    }
    shortfall::verdict(shortfalls, evidence, now)
}

/// Whether a quorum is there already, so that nothing more needs to be fetched. Decides nothing else.
pub(crate) fn is_enough(
    verifier: &Verifier,
    repository: &Repository,
    subjects: &[Digest],
    artifacts: &[Artifact],
) -> bool {
    subjects.iter().any(|subject| {
        let mut budget = Budget::of(verifier.limits.signatures);
        judge(
            &verifier.expected(repository, subject),
            &verifier.authorities,
            |case| {
                let bound = signatures(case, artifacts, &mut budget, &mut Findings::default());
                quorum::check(case, verifier.demand.threshold, bound).is_ok()
            },
        )
    })
}

/// The image signatures that count. What was found instead, or does not count, goes to the findings.
fn signatures<'id, 'e>(
    case: Case<'id, 'e>,
    artifacts: &'e [Artifact],
    budget: &mut Budget,
    found: &mut Findings,
) -> Vec<binding::Bound<'id, 'e>> {
    let about_subject = |artifact: &&Artifact| artifact.subject == case.expected().subject;
    let mut artifacts: Vec<_> = artifacts.iter().filter(about_subject).collect();
    // Whoever lists them must not decide, by their order, which are tried or shown.
    artifacts.sort_by_key(|artifact| &artifact.digest);
    let mut claims = Vec::new();
    for artifact in artifacts {
        match &artifact.content {
            Content::Claims(all) => {
                let (asked, other): (Vec<&Claim>, Vec<&Claim>) = all.iter().partition(|claim| {
                    claim.statement.predicate_type() == case.expected().predicate_type
                });
                claims.extend(asked);
                found.other_kinds(
                    other
                        .into_iter()
                        .map(|claim| claim.statement.predicate_type()),
                );
            }
            Content::Foreign { artifact_type } => found.other_kinds([artifact_type.as_str()]),
            Content::Refused(refusal) => found.refused(refusal),
            Content::Unavailable(error) => found.unavailable(error),
        }
    }
    // Junk that names no trusted key, or another content, must not use the budget up before a signature that does not.
    claims.sort_by_key(|claim| {
        let names_subject = claim
            .statement
            .subjects_naming(&case.expected().subject)
            .next()
            .is_some();
        Reverse(names_subject && authenticity::names_trusted_key(case, claim))
    });
    let mut bound = Vec::new();
    for claim in claims {
        match authenticity::check(case, claim, budget).and_then(binding::check) {
            Ok(signature) => bound.push(signature),
            Err(source) => found.refused(&Refusal::Document {
                artifact: claim.artifact.clone(),
                source,
            }),
        }
    }
    bound
}

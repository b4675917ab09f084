//! What was found about one subject, sorted by what it says that it is, and the claims of a kind that are authentic,
//! about it, and of a time when their keys' signatures count.

use std::{cmp::Reverse, collections::BTreeMap};

use countersign_common::{Digest, Limits};
use countersign_trust_roots::{
    TimeRules,
    document::{self, Budget, Case, Kind, authenticity, binding, validity},
    format::Claim,
};

use super::documents::{Document, Place};
use crate::{
    Refusal,
    evidence::{Artifact, Content},
    verdict::Findings,
};

/// Everything that somebody says about the subject of a judgement.
pub(super) struct Claims<'id, 'e> {
    case: Case<'id, 'e>,
    claims: Vec<(Place, &'e Claim)>,
}

/// Whether all of a kind was judged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Judged {
    All,
    /// What is tried and checked was used up.
    Some,
}

impl<'id, 'e> Claims<'id, 'e> {
    /// Those of the kinds that are asked for. What was found instead goes to the findings.
    pub(super) fn of(
        case: Case<'id, 'e>,
        (artifacts, documents): (&'e [Artifact], &'e [(Place, Document<'e>)]),
        asked: &[Kind],
        found: &mut Findings,
    ) -> Self {
        let subject = &case.expected().subject.digest;
        note(artifacts, subject, found);
        let is_asked =
            |(_, claim): &(Place, &Claim)| asked.iter().any(|kind| kind.is_of(&claim.statement));
        let (mut claims, other): (Vec<_>, Vec<_>) = documents
            .iter()
            .filter(|(_, document)| document.subject == subject)
            .map(|(place, document)| (*place, document.claim.as_ref()))
            .partition(is_asked);
        found.other_kinds(
            other
                .into_iter()
                .map(|(_, claim)| claim.statement.predicate_type()),
        );
        // Junk that names no trusted key, or another content, must not use the budget up before a signature that does not.
        claims.sort_by_key(|(_, claim)| {
            let names_subject = claim.statement.subjects_naming(subject).next().is_some();
            let names_key = authenticity::names_trusted_key(case, claim);
            Reverse((names_subject && names_key, names_subject))
        });
        Self { case, claims }
    }

    /// Those of one kind that count. Why others do not goes to the findings.
    ///
    /// Each kind has tries of its own, and so have each format and each place: many of one must not hide another.
    pub(super) fn valid(
        &self,
        kind: &'e Kind,
        (time, limits): (&TimeRules, &Limits),
        found: &mut Findings,
    ) -> (Vec<validity::Valid<'id, 'e>>, Judged) {
        let mut budgets = BTreeMap::new();
        let mut valid = Vec::new();
        let mut judged = Judged::All;
        for (place, claim) in self
            .claims
            .iter()
            .filter(|(_, claim)| kind.is_of(&claim.statement))
        {
            let budget = budgets.entry((claim.format, *place));
            let budget = budget.or_insert_with(|| Budget::of(limits.signatures));
            match counts((self.case, claim), kind, budget, (time, limits)) {
                Ok(claim) => valid.push(claim),
                Err(source) => {
                    // What was not tried, or not dated for a flood of stamps, may be the earliest publication.
                    if matches!(
                        source,
                        document::Refusal::SignaturesTooMany { .. }
                            | document::Refusal::StampsTooMany { .. }
                    ) {
                        judged = Judged::Some;
                    }
                    found.refused(&Refusal::Document {
                        artifact: claim.artifact.clone(),
                        kind: kind.clone(),
                        source,
                    });
                }
            }
        }
        (valid, judged)
    }
}

/// What was found about a subject instead of claims.
pub(super) fn note(artifacts: &[Artifact], subject: &Digest, found: &mut Findings) {
    let artifacts = artifacts.iter();
    let mut artifacts: Vec<_> = artifacts
        .filter(|artifact| artifact.subject == *subject)
        .collect();
    artifacts.sort_by_key(|artifact| &artifact.digest);
    for artifact in artifacts {
        match &artifact.content {
            Content::Claims(_) => {}
            Content::Foreign { artifact_type } => found.other_kinds([artifact_type.as_str()]),
            Content::Refused(refusal) => found.refused(refusal),
            Content::Unavailable(error) => found.unavailable(error),
        }
    }
}

/// The steps of every document, one after the other: authentic, about what is asked, and of a time when its key counts.
pub(super) fn counts<'id, 'e>(
    (case, claim): (Case<'id, 'e>, &'e Claim),
    kind: &'e Kind,
    budget: &mut Budget,
    (time, limits): (&TimeRules, &Limits),
) -> Result<validity::Valid<'id, 'e>, document::Refusal> {
    authenticity::check(case, claim, budget)
        .and_then(|authentic| binding::check(authentic, kind))
        .and_then(|bound| validity::check(bound, time, limits))
}

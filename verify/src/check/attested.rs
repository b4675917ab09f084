//! Is every attestation there that is demanded?

use countersign_common::predicate::PredicateType;
use countersign_trust_roots::document::{Case, Kind, validity::Valid};

use crate::{Demand, Refusal, exception::InForce};

/// For each kind that is demanded a trusted key has attested something, or it is excepted.
#[derive(Debug)]
#[must_use]
pub struct Attested<'b, 'id, 'e> {
    case: Case<'id, 'e>,
    attestations: &'b [Valid<'id, 'e>],
    excepted: Vec<Refusal>,
}

impl<'b, 'id, 'e> Attested<'b, 'id, 'e> {
    /// The judgement that it belongs to.
    pub fn case(&self) -> Case<'id, 'e> {
        self.case
    }

    /// All of those kinds, in the order of their artifacts.
    pub fn attestations(&self) -> &'b [Valid<'id, 'e>] {
        self.attestations
    }

    /// What is missing by an exception.
    pub fn excepted(&self) -> &[Refusal] {
        &self.excepted
    }
}

/// What is demanded and missing.
#[derive(Debug)]
pub struct Missing(pub Vec<Refusal>);

/// Looks for each demanded kind among what was found.
pub fn check<'b, 'id, 'e>(
    case: Case<'id, 'e>,
    demanded: &[Kind],
    attestations: &'b [Valid<'id, 'e>],
    (demand, exceptions): (&Demand, &InForce<'_>),
) -> Result<Attested<'b, 'id, 'e>, Missing> {
    let is_missing =
        |kind: &&Kind| (attestations.iter()).all(|found| found.bound().kind() != *kind);
    let missing = demanded
        .iter()
        .filter(is_missing)
        .filter_map(|kind| match kind {
            Kind::Attestation(kind) => Some(kind),
            Kind::ImageSignature | Kind::Publication => None,
        });
    let (besides, own): (Vec<_>, Vec<_>) =
        missing.partition(|kind| demand.besides.attestations.contains(*kind));
    let refusal = |kind: &PredicateType| Refusal::AttestationMissing {
        subject: case.expected().subject.digest.clone(),
        kind: kind.clone(),
    };
    let missing = exceptions.part(
        own.into_iter().map(refusal),
        besides.into_iter().map(refusal),
    );
    if missing.standing.is_empty() {
        Ok(Attested {
            case,
            attestations,
            excepted: missing.excepted,
        })
    } else {
        Err(Missing(missing.standing))
    }
}

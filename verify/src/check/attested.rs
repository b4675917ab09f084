//! Is every attestation there that is demanded?

use countersign_common::predicate::PredicateType;
use countersign_trust_roots::document::{Case, Kind, validity::Valid};

/// For each kind that is demanded a trusted key has attested something.
#[derive(Debug)]
#[must_use]
pub struct Attested<'b, 'id, 'e> {
    case: Case<'id, 'e>,
    attestations: &'b [Valid<'id, 'e>],
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
}

/// The kinds that are demanded and missing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Missing(pub Vec<PredicateType>);

/// Looks for each demanded kind among what was found.
pub fn check<'b, 'id, 'e>(
    case: Case<'id, 'e>,
    demanded: &[Kind],
    attestations: &'b [Valid<'id, 'e>],
) -> Result<Attested<'b, 'id, 'e>, Missing> {
    let missing: Vec<_> = demanded
        .iter()
        .filter(|kind| {
            attestations
                .iter()
                .all(|found| found.bound().kind() != *kind)
        })
        .filter_map(|kind| match kind {
            Kind::Attestation(kind) => Some(kind.clone()),
            Kind::ImageSignature | Kind::Publication => None,
        })
        .collect();
    if missing.is_empty() {
        Ok(Attested { case, attestations })
    } else {
        Err(Missing(missing))
    }
}

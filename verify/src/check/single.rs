//! One document alone: whether it counts, and what it then shows. For whoever looks at everything that is attached to an
//! image; of the image nothing follows.

use countersign_common::{
    Descriptor, Repository, Timestamp, predicate::PredicateTypeError, statement::IMAGE_SIGNATURE,
};
use countersign_trust_roots::{
    document::{self, Budget, Kind, dating, judge, validity::Proof},
    format::Claim,
    time::Interval,
};

use super::claims::counts;
use crate::{Verifier, verdict::CountedSignature};

/// A document that counts.
#[derive(Clone)]
pub(crate) struct Counted {
    /// Whose it is.
    pub(crate) signature: CountedSignature,
    /// When it was signed, if both ends are proven.
    pub(crate) interval: Option<Interval>,
    /// Why they are not, where somebody is believed about time.
    pub(crate) undated: Option<document::Refusal>,
}

/// Checks a document of a kind by the steps that every document goes through.
pub(crate) fn check(
    (verifier, now): (&Verifier, Timestamp),
    (repository, subject): (&Repository, &Descriptor),
    (claim, kind): (&Claim, &Kind),
    budget: &mut Budget,
) -> Result<Counted, document::Refusal> {
    let expected = verifier.expected(repository, subject);
    judge(&expected, &verifier.authorities, |case| {
        let rules = (&verifier.time, &verifier.limits);
        let valid = counts((case, claim), kind, budget, rules)?;
        let is_dated = match (kind, valid.proof()) {
            (Kind::ImageSignature, _) | (_, Proof::Latest(..)) => false,
            _ => !verifier.time.authorities().is_empty(),
        };
        let dated = is_dated.then(|| dating::check(&valid, rules.0, now, rules.1));
        let (interval, undated) = match dated {
            Some(Ok(dated)) => (Some(dated.proven().interval), None),
            Some(Err(refusal)) => (None, Some(refusal)),
            None => (None, None),
        };
        Ok(Counted {
            signature: CountedSignature::of(&valid, &verifier.time),
            interval,
            undated: undated.filter(|_| *kind == Kind::Publication),
        })
    })
}

/// What a document says that it is. `Err` if that is nothing that is judged.
pub(crate) fn kind(claim: &Claim) -> Result<Kind, PredicateTypeError> {
    if Kind::Publication.is_of(&claim.statement) {
        return Ok(Kind::Publication);
    }
    match claim.statement.predicate_type() {
        IMAGE_SIGNATURE => Ok(Kind::ImageSignature),
        other => other.parse().map(Kind::Attestation),
    }
}

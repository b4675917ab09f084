//! The verification of one signed document: `authentic → bound → valid → dated`.
//!
//! Each step takes the token of the step before and is the only one to make its own, so that no step can be left out,
//! taken twice, or borrowed from another judgement. This folder holds the steps and nothing else.
//!
//! ```
//! # use countersign_common::Limits;
//! use countersign_trust_roots::{Authorities, document::*, format::Claim, time::TimeRules};
//!
//! fn check(claims: &[Claim], expected: &Expected, by: &Authorities, rules: &TimeRules) -> usize {
//!     judge(expected, by, |case| {
//!         let mut budget = Budget::of(100);
//!         let mut valid = |claim| {
//!             let authentic = authenticity::check(case, claim, &mut budget)?;
//!             let bound = binding::check(authentic, &Kind::ImageSignature)?;
//!             validity::check(bound, rules, &Limits::TABLE)
//!         };
//!         claims.iter().filter_map(|claim| valid(claim).ok()).count()
//!     })
//! }
//! ```
//!
//! A token is made by its step alone:
//! ```compile_fail,E0451
//! # use countersign_trust_roots::{document::*, format::Claim};
//! fn cheat<'id, 'e>(case: Case<'id, 'e>, claim: &'e Claim) -> authenticity::Authentic<'id, 'e> {
//!     authenticity::Authentic { case, claim, authority: todo!() }
//! }
//! ```
//! No step is skipped:
//! ```compile_fail,E0308
//! # use countersign_trust_roots::{document::*, format::Claim};
//! fn cheat<'id, 'e>(claim: &'e Claim) {
//!     let _ = binding::check(claim, &Kind::ImageSignature);
//! }
//! ```
//! ```compile_fail,E0308
//! # use countersign_common::Limits;
//! # use countersign_trust_roots::{document::*, time::TimeRules};
//! fn cheat(authentic: authenticity::Authentic<'_, '_>, rules: &TimeRules) {
//!     let _ = validity::check(authentic, rules, &Limits::TABLE);
//! }
//! ```
//! Whoever proves a time himself has not held it against the term of the key:
//! ```compile_fail,E0451
//! # use countersign_trust_roots::document::{binding::Bound, validity::{Proof, Valid}};
//! fn cheat<'id, 'e>(bound: Bound<'id, 'e>) -> Valid<'id, 'e> {
//!     Valid { bound, proof: Proof::Unneeded }
//! }
//! ```
//! A date is proven of nothing that was not valid:
//! ```compile_fail,E0308
//! # use countersign_common::{Limits, Timestamp};
//! # use countersign_trust_roots::{document::*, time::TimeRules};
//! fn cheat(bound: binding::Bound<'_, '_>, rules: &TimeRules, now: Timestamp) {
//!     let _ = dating::check(&bound, rules, now, &Limits::TABLE);
//! }
//! ```
//! A token is spent by the step after it:
//! ```compile_fail,E0382
//! # use countersign_trust_roots::document::*;
//! fn cheat(authentic: authenticity::Authentic<'_, '_>) {
//!     let _ = binding::check(authentic, &Kind::ImageSignature);
//!     let _ = binding::check(authentic, &Kind::ImageSignature);
//! }
//! ```
//! A token cannot be copied, so that one signature does not count twice:
//! ```compile_fail,E0277
//! # use countersign_trust_roots::document::*;
//! fn twice<T: Clone>(token: &T) -> [T; 2] {
//!     [token.clone(), token.clone()]
//! }
//! fn cheat(bound: &binding::Bound<'_, '_>) {
//!     twice(bound);
//! }
//! ```
//! A token of one judgement is worth nothing in another:
//! ```compile_fail,E0521
//! # use countersign_trust_roots::{Authorities, document::*, format::Claim};
//! fn cheat<'e>(one: &'e Expected, other: &'e Expected, by: &'e Authorities, claim: &'e Claim) {
//!     let mut budget = Budget::of(1);
//!     judge(one, by, |mine| {
//!         judge(other, by, |theirs| {
//!             let tokens = [
//!                 authenticity::check(mine, claim, &mut budget),
//!                 authenticity::check(theirs, claim, &mut budget),
//!             ];
//!         })
//!     });
//! }
//! ```
//! A token does not outlive its judgement:
//! ```compile_fail
//! # use countersign_trust_roots::{Authorities, document::*, format::Claim};
//! fn cheat<'e>(expected: &'e Expected, by: &'e Authorities, claim: &'e Claim) {
//!     let mut budget = Budget::of(1);
//!     let _token = judge(expected, by, |case| authenticity::check(case, claim, &mut budget));
//! }
//! ```

pub mod authenticity;
pub mod binding;
mod budget;
pub mod dating;
mod refusal;
pub mod validity;

use std::{collections::BTreeMap, marker::PhantomData};

use countersign_common::{
    Descriptor, Repository,
    predicate::PredicateType,
    publication::PUBLICATION,
    statement::{IMAGE_SIGNATURE, Statement},
};

pub use self::{
    budget::Budget,
    dating::Side,
    refusal::{CODES, Refusal},
};
use crate::Authorities;

/// What a document must say. It comes from the question and the policy, never from the evidence.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Expected {
    /// The content that it must be about.
    pub subject: Descriptor,
    /// The repository that it must be for.
    pub repository: Repository,
    /// Annotations that a signature of an image must have with these values.
    pub annotations: BTreeMap<String, String>,
    /// What becomes of a document that names no repository.
    pub unbound: Unbound,
    /// What becomes of a document signed with a demonstration key.
    pub stand_in: StandIn,
}

/// The kinds of claims that are judged. A claim of one kind is never taken for another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Something else about the image.
    Attestation(PredicateType),
    /// A signature of the image, as cosign writes it.
    ImageSignature,
    /// That the image is published in a repository, with the evidence of when.
    Publication,
}

impl Kind {
    /// The predicate type that says so.
    pub fn predicate_type(&self) -> &str {
        match self {
            Self::Attestation(kind) => kind.as_str(),
            Self::ImageSignature => IMAGE_SIGNATURE,
            Self::Publication => PUBLICATION,
        }
    }

    /// Whether a statement says that it is of this kind.
    pub fn is_of(&self, statement: &Statement) -> bool {
        statement.predicate_type() == self.predicate_type()
    }
}

/// What becomes of a document that names no repository, as cosign writes it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unbound {
    /// It counts, and the verdict says so.
    Reported,
    /// It does not count: it may have been copied from another repository.
    Refused,
}

/// What becomes of a document signed with a key of the stand-in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StandIn {
    /// It counts, and the verdict says so. For demonstrations and tests of pipelines only.
    Accepted,
    /// It does not count.
    Refused,
}

/// Invariant in its lifetime, so that no two judgements' brands ever unify.
type Brand<'id> = PhantomData<fn(&'id ()) -> &'id ()>;

/// One judgement: what is expected, and who is trusted. Its tokens fit no other.
#[derive(Clone, Copy, Debug)]
pub struct Case<'id, 'e> {
    expected: &'e Expected,
    authorities: &'e Authorities,
    brand: Brand<'id>,
}

impl<'e> Case<'_, 'e> {
    /// What a document must say.
    pub fn expected(&self) -> &'e Expected {
        self.expected
    }

    /// Who is trusted.
    pub fn authorities(&self) -> &'e Authorities {
        self.authorities
    }
}

/// Opens one judgement.
pub fn judge<'e, R>(
    expected: &'e Expected,
    authorities: &'e Authorities,
    judgement: impl for<'id> FnOnce(Case<'id, 'e>) -> R,
) -> R {
    judgement(Case {
        expected,
        authorities,
        brand: PhantomData,
    })
}

//! Is a document trusted, and if not, why? By the steps of the judgement, on this document alone, with all its copies.
//!
//! What verifiers do not read is neither trusted nor untrusted: at the most it is told which known key made its signature.

use std::{collections::BTreeMap, iter::zip};

use countersign_common::{
    Descriptor, Digest, Limits, Repository, Timestamp, predicate::PredicateTypeError,
    signer::KeyOrigin,
};
use countersign_trust_roots::{
    Authority, Role,
    document::{self, Budget, Kind},
    format::Claim,
    time::Interval,
};

use super::{
    Fault, Judge, Question,
    model::{About, Entry, EntryKind, Proof, Signed},
};
use crate::{
    Refusal, Verifier,
    check::{
        documents,
        single::{self, Counted},
    },
    verdict::{CountedSignature, Finding},
};

/// Whether something is trusted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It is not judged, and why.
    NotJudged(Finding),
    /// It is of a format that is shown and not verified. With the known key that made its signature, if one did.
    NotVerifiedHere(Option<Maker>),
    /// It counts.
    Trusted(Box<Vouched>),
    /// It does not count, and why.
    Untrusted(Finding),
}

impl Standing {
    /// In which order they are told.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Trusted(_) => 0,
            Self::Untrusted(_) => 1,
            Self::NotVerifiedHere(_) => 2,
            Self::NotJudged(_) => 3,
        }
    }
}

/// Whose key made a signature that is not verified here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Maker {
    /// The key's name.
    pub name: String,
    /// Why that says less than it seems to.
    pub caveat: Option<Finding>,
}

impl Maker {
    fn of(authority: &Authority) -> Self {
        let key = authority.name.clone();
        let caveat = if authority.origin == KeyOrigin::StandIn {
            Some(Finding::of(&document::Refusal::StandInKey { key }))
        } else if authority.term.revoked.is_some() {
            Some(Finding::of(&Fault::Revoked { key }))
        } else {
            None
        };
        Self {
            name: authority.name.clone(),
            caveat,
        }
    }
}

/// Who vouches for a document, and for what.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Vouched {
    /// Whose signature it is.
    pub signature: CountedSignature,
    /// When it was signed, if both ends are proven.
    pub interval: Option<Interval>,
    /// What else is to be said: what it lacks, and where it counts for nothing.
    pub remarks: Vec<Finding>,
}

/// Who judges, and how much more. For what verifiers see, or for what they do not.
pub(super) struct Bench<'a> {
    judge: &'a Judge,
    repository: &'a Repository,
    now: Timestamp,
    /// Each subject and each kind have tries of their own: many of one must not hide another.
    budgets: BTreeMap<(Digest, String), Budget>,
    /// How often it may still be tried which known key made a foreign signature.
    tries: usize,
    limits: Limits,
}

/// A document's kind, and whether it counts as such; `Err` if it says to be of none.
type Judged = Result<(Kind, Result<Counted, document::Refusal>), PredicateTypeError>;

impl<'a> Bench<'a> {
    pub(super) fn new(question: &'a Question, repository: &'a Repository) -> Self {
        Self {
            judge: &question.judge,
            repository,
            now: question.now,
            budgets: BTreeMap::new(),
            tries: question.limits.signatures,
            limits: question.limits,
        }
    }

    /// Whether an entry names a trusted key, and what it is attached to. Such are judged first: junk must not use the tries
    /// up before them.
    pub(super) fn is_named(&self, entry: &Entry) -> bool {
        let (Proof::Claim(claim), Judge::By(verifier)) = (&entry.proof, self.judge) else {
            return false;
        };
        let hint = claim.signer.key_hash();
        let mut known = verifier.authorities.iter();
        entry.about == About::This
            && hint.is_some_and(|hint| known.any(|one| one.key.hint() == hint))
    }

    /// Judges entries, each for what it is attached to, in their order.
    pub(super) fn settle(mut self, entries: &mut [(&Descriptor, &mut Entry)]) {
        let mut copies = Vec::new();
        for (subject, entry) in entries {
            let Entry {
                kind,
                proof,
                standing,
                ..
            } = entry;
            *standing = match (&*proof, self.judge) {
                (Proof::Refused(why), _) => Standing::Untrusted(why.clone()),
                (Proof::Foreign(_), Judge::Nobody(_)) => Standing::NotVerifiedHere(None),
                (Proof::Foreign(signed), Judge::By(verifier)) => {
                    Standing::NotVerifiedHere(self.maker(verifier, signed))
                }
                (Proof::Claim(_), Judge::Nobody(why)) => Standing::NotJudged(why.clone()),
                (Proof::Claim(claim), Judge::By(_)) => {
                    copies.push(Copy {
                        subject,
                        claim,
                        kind: *kind,
                        standing,
                    });
                    continue;
                }
            };
        }
        if let Judge::By(verifier) = self.judge {
            self.settle_copies(verifier, copies);
        }
    }

    /// The known key that made a foreign signature.
    fn maker(&mut self, verifier: &Verifier, signed: &[Signed]) -> Option<Maker> {
        let known = verifier.authorities.iter();
        let known: Vec<_> = known
            .filter(|one| one.roles.contains(&Role::Sign))
            .collect();
        for (message, signature) in signed {
            self.tries = self.tries.checked_sub(known.len())?;
            let maker = known
                .iter()
                .find(|one| one.key.verify(message, signature).is_ok());
            if let Some(authority) = maker {
                return Some(Maker::of(authority));
            }
        }
        None
    }

    /// Each document is judged once, with the stamps of all its copies, as verifiers judge it: whoever copies one must not use
    /// the tries of the others up.
    fn settle_copies(&mut self, verifier: &Verifier, copies: Vec<Copy<'_>>) {
        let claims = copies.iter().map(|copy| (&copy.subject.digest, copy.claim));
        let (documents, positions) = documents::distinct(claims);
        let mut judged = BTreeMap::new();
        for (copy, position) in zip(copies, positions) {
            let judged = judged.entry(position).or_insert_with(|| {
                let claim = documents.get(position);
                let claim = claim.map_or(copy.claim, |document| &document.claim);
                self.check(verifier, copy.subject, claim)
            });
            *copy.standing = copy.judged(verifier, self.repository, judged);
        }
    }

    fn check(&mut self, verifier: &Verifier, subject: &Descriptor, claim: &Claim) -> Judged {
        let kind = single::kind(claim)?;
        let named = (subject.digest.clone(), kind.predicate_type().to_owned());
        let budget = self.budgets.entry(named);
        let budget = budget.or_insert_with(|| Budget::of(self.limits.signatures));
        let about = (self.repository, subject);
        let counted = single::check((verifier, self.now), about, (claim, &kind), budget);
        Ok((kind, counted))
    }
}

/// A copy of a document, and what becomes of it.
struct Copy<'a> {
    subject: &'a Descriptor,
    claim: &'a Claim,
    kind: EntryKind,
    standing: &'a mut Standing,
}

impl Copy<'_> {
    /// By what was found of the document.
    fn judged(&self, verifier: &Verifier, repository: &Repository, judged: &Judged) -> Standing {
        let artifact = self.claim.artifact.clone();
        match judged {
            Err(no_kind) => Standing::Untrusted(Finding::of(no_kind)),
            Ok((_, Ok(counted))) => {
                let expected = verifier.expected(repository, self.subject).repository;
                let mut remarks = counted.signature.remarks(&expected);
                let is_required = verifier.demand.signers.contains(&counted.signature.key_id);
                if self.kind == EntryKind::ImageSignature && !is_required {
                    remarks.push(Finding::of(&Fault::NotRequired));
                }
                remarks.extend(
                    counted
                        .undated
                        .clone()
                        .map(|source| Finding::of(&Refusal::Undated { artifact, source })),
                );
                Standing::Trusted(Box::new(Vouched {
                    signature: counted.signature.clone(),
                    interval: counted.interval,
                    remarks,
                }))
            }
            Ok((_, Err(source @ document::Refusal::SignaturesTooMany { .. }))) => {
                Standing::NotJudged(Finding::of(source))
            }
            Ok((kind, Err(source))) => Standing::Untrusted(Finding::of(&Refusal::Document {
                artifact,
                kind: kind.clone(),
                source: source.clone(),
            })),
        }
    }
}

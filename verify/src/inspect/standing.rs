//! Is a document trusted, and if not, why? By the steps of the judgement, on this document alone.
//!
//! What verifiers do not read is neither trusted nor untrusted: at the most it is told which known key made its signature.

use std::collections::BTreeMap;

use countersign_common::{Descriptor, Limits, Repository, Timestamp};
use countersign_trust_roots::{
    Role,
    document::{self, Budget},
    format::Claim,
    time::Interval,
};

use super::{
    Fault, Judge, Question,
    model::{About, Entry, EntryKind, Proof, Signed},
};
use crate::{
    Refusal, Verifier,
    check::single,
    verdict::{CountedSignature, Finding},
};

/// Whether something is trusted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It is not judged, and why.
    NotJudged(Finding),
    /// It is of a format that is shown and not verified. With the name of the trusted key that made its signature, if one
    /// did.
    NotVerifiedHere(Option<String>),
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

/// Who judges, and how much more.
pub(super) struct Bench<'a> {
    judge: &'a Judge,
    repository: &'a Repository,
    now: Timestamp,
    /// Each kind has tries of its own: many of one must not hide another.
    budgets: BTreeMap<EntryKind, Budget>,
    /// How often it may still be tried which known key made a foreign signature.
    tries: usize,
    limits: Limits,
}

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

    /// Judges an entry that is attached to this.
    pub(super) fn settle(&mut self, subject: &Descriptor, entry: &mut Entry) {
        entry.standing = match (&entry.proof, self.judge) {
            (Proof::Refused(why), _) => Standing::Untrusted(why.clone()),
            (Proof::Foreign(_), Judge::Nobody(_)) => Standing::NotVerifiedHere(None),
            (Proof::Foreign(signed), Judge::By(verifier)) => {
                Standing::NotVerifiedHere(self.maker(verifier, signed))
            }
            (Proof::Claim(_), Judge::Nobody(why)) => Standing::NotJudged(why.clone()),
            (Proof::Claim(claim), Judge::By(verifier)) => {
                self.check(verifier, subject, claim, entry.kind)
            }
        };
    }

    /// The name of the known key that made a foreign signature.
    fn maker(&mut self, verifier: &Verifier, signed: &[Signed]) -> Option<String> {
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
                return Some(authority.name.clone());
            }
        }
        None
    }

    fn check(
        &mut self,
        verifier: &Verifier,
        subject: &Descriptor,
        claim: &Claim,
        kind: EntryKind,
    ) -> Standing {
        let budget = self.budgets.entry(kind);
        let budget = budget.or_insert_with(|| Budget::of(self.limits.signatures));
        let about = (self.repository, subject);
        let (judged, counted) = match single::check((verifier, self.now), about, claim, budget) {
            Ok(judged) => judged,
            Err(no_kind) => return Standing::Untrusted(Finding::of(&no_kind)),
        };
        match counted {
            Ok(counted) => {
                let expected = verifier.expected(self.repository, subject).repository;
                let mut remarks = counted.signature.remarks(&expected);
                let is_required = verifier.demand.signers.contains(&counted.signature.key_id);
                if kind == EntryKind::ImageSignature && !is_required {
                    remarks.push(Finding::of(&Fault::NotRequired));
                }
                remarks.extend(counted.undated.map(|source| {
                    Finding::of(&Refusal::Undated {
                        artifact: claim.artifact.clone(),
                        source,
                    })
                }));
                Standing::Trusted(Box::new(Vouched {
                    signature: counted.signature,
                    interval: counted.interval,
                    remarks,
                }))
            }
            Err(source @ document::Refusal::SignaturesTooMany { .. }) => {
                Standing::NotJudged(Finding::of(&source))
            }
            Err(source) => Standing::Untrusted(Finding::of(&Refusal::Document {
                artifact: claim.artifact.clone(),
                kind: judged,
                source,
            })),
        }
    }
}

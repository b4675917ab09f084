//! What is let pass for one image, until a day, and why: the exceptions of a policy.
//!
//! Made from a policy; asked by the steps whose refusals may be excepted. What an exception can never be for has no name
//! here: a signature, a key, a digest, a date that is not proven.

use std::collections::BTreeSet;

use countersign_common::{Code, Digest, Timestamp};

use crate::Refusal;

/// A refusal that an exception may be for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Exceptable {
    /// A demanded attestation is not there.
    AttestationMissing,
    /// Its publisher's support is over.
    ImageEndOfLife,
    /// Published too short ago.
    ImageTooNew,
    /// Published too long ago.
    ImageTooOld,
}

impl Exceptable {
    /// Each of them.
    pub const ALL: [Self; 4] = [
        Self::AttestationMissing,
        Self::ImageEndOfLife,
        Self::ImageTooNew,
        Self::ImageTooOld,
    ];

    /// The code that a policy names it by.
    pub const fn code(self) -> Code {
        Code::new(match self {
            Self::AttestationMissing => "attestation-missing",
            Self::ImageEndOfLife => "image-end-of-life",
            Self::ImageTooNew => "image-too-new",
            Self::ImageTooOld => "image-too-old",
        })
    }

    fn of(refusal: &Refusal) -> Option<Self> {
        match refusal {
            Refusal::AttestationMissing { .. } => Some(Self::AttestationMissing),
            Refusal::ImageEndOfLife { .. } => Some(Self::ImageEndOfLife),
            Refusal::ImageTooNew { .. } => Some(Self::ImageTooNew),
            Refusal::ImageTooOld { .. } => Some(Self::ImageTooOld),
            _ => None,
        }
    }
}

/// One exception: for one content, and not for ever.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Excepted {
    /// The image, or the index that it is reached through.
    pub digest: Digest,
    /// What does not refuse it.
    pub codes: BTreeSet<Exceptable>,
    /// The last moment of that.
    pub until: Timestamp,
    /// Why, for whoever reads the verdict.
    pub reason: String,
}

/// Those that are in force for one image at one time.
#[derive(Clone, Debug, Default)]
pub struct InForce<'d>(Vec<&'d Excepted>);

impl<'d> InForce<'d> {
    /// Those of a list that are for one of these digests, and not over.
    pub(crate) fn of(exceptions: &'d [Excepted], digests: &[&Digest], now: Timestamp) -> Self {
        let is_in_force = |one: &&Excepted| digests.contains(&&one.digest) && now <= one.until;
        Self(exceptions.iter().filter(is_in_force).collect())
    }

    /// Whether such refusals do not refuse.
    pub(crate) fn find(&self, kind: Exceptable) -> Option<&'d Excepted> {
        let mut all = self.0.iter();
        all.find(|one| one.codes.contains(&kind)).copied()
    }

    /// Parts what refuses from what is excepted, which then says so. What is demanded besides refuses, whatever is excepted.
    pub(crate) fn part(
        &self,
        refusals: impl IntoIterator<Item = Refusal>,
        besides: impl IntoIterator<Item = Refusal>,
    ) -> Parted {
        let mut parted = Parted {
            standing: besides.into_iter().collect(),
            excepted: Vec::new(),
        };
        for refusal in refusals {
            match Exceptable::of(&refusal).and_then(|kind| self.find(kind)) {
                Some(exception) => parted.excepted.push(Refusal::Excepted {
                    refusal: Box::new(refusal),
                    until: exception.until,
                    reason: exception.reason.clone(),
                }),
                None => parted.standing.push(refusal),
            }
        }
        parted
    }
}

/// What refuses, and what would without an exception.
#[derive(Debug)]
pub struct Parted {
    /// What refuses.
    pub standing: Vec<Refusal>,
    /// What is only remarked.
    pub excepted: Vec<Refusal>,
}

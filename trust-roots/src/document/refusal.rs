//! Why a document does not count.

use std::{fmt, time::Duration};

use countersign_common::{
    Age, Code, Digest, Escaped, Explain, Repository, Timestamp, rfc3161::Invalid,
};

use super::{binding::shown, dating::Side, validity::Signed};
use crate::{
    Revocation, Role,
    time::{Interval, Window},
};

/// A document was read and does not count.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A demanded annotation is absent or other.
    #[error("the signature's annotation `{}` is {}, not `{}`", Escaped(key), annotation(found.as_deref()), Escaped(wanted))]
    AnnotationMismatch {
        /// The annotation.
        key: String,
        /// What it must be.
        wanted: String,
        /// What it is.
        found: Option<String>,
    },
    /// A stamp from the future, as far as can be told here.
    #[error(
        "its time stamps say that it was signed after {not_before}, and that is later than {now}, at which it is judged"
    )]
    ClockBehind {
        /// The proven lower end.
        not_before: Timestamp,
        /// What the clock here says.
        now: Timestamp,
    },
    /// An interval so wide that it says nothing.
    #[error(
        "its time stamps only show that it was signed between {} and {}, which is {}; at most {} is accepted",
        interval.not_before().to_rfc3339(), interval.not_after().to_rfc3339(), Age(interval.width()), Age(*limit)
    )]
    DateTooImprecise {
        /// What they show.
        interval: Interval,
        /// How much is accepted.
        limit: Duration,
    },
    /// A date that nothing but the publisher's word is for.
    #[error("its date, {claimed}, is claimed by its publisher and not proven by time stamps")]
    DateUnproven {
        /// What is claimed.
        claimed: Timestamp,
    },
    /// A publication of something of another size or type.
    #[error(
        "it publishes {} of {} bytes, and this is {} of {} bytes",
        Escaped(&found.0), found.1, Escaped(&expected.0), expected.1
    )]
    DescriptorMismatch {
        /// The media type and size in bytes of the content.
        expected: (String, u64),
        /// What the publication says.
        found: (String, u64),
    },
    /// Perhaps signed by somebody who had stolen the key, or its use.
    #[error(
        "it was signed {signed}, and its key {} {}",
        Escaped(key),
        fate(revocation)
    )]
    KeyCompromised {
        /// The key's name.
        key: String,
        /// What became of it.
        revocation: Revocation,
        /// When it was signed, as far as that is proven.
        signed: Signed,
    },
    /// Perhaps signed when the key was not in use, not yet or no longer.
    #[error(
        "it was signed {signed}, and its key {} counts only {}",
        Escaped(key),
        stretch(window)
    )]
    KeyOutsideValidity {
        /// The key's name.
        key: String,
        /// When the key was in use.
        window: Window,
        /// When it was signed, as far as that is proven.
        signed: Signed,
    },
    /// Signed by nobody who is trusted.
    #[error(
        "it is signed by {}, which is not a trusted key; trusted: {}",
        signer_name(signer),
        names(trusted)
    )]
    KeyUnknown {
        /// The key by its hint, or what else names the signer; empty if nothing does.
        signer: String,
        /// Who is trusted.
        trusted: Vec<String>,
    },
    /// Signed for another repository.
    // Letters beyond ASCII may look like those of the true name.
    #[error("it was signed for {}, not for {expected}", named.escape_default())]
    RepositoryMismatch {
        /// The repository that was asked about.
        expected: Repository,
        /// The repository in the signature.
        named: String,
    },
    /// Signed for no repository in particular.
    #[error(
        "the signature names no repository, so it may have been made for another one than {expected}"
    )]
    RepositoryUnbound {
        /// The repository that was asked about.
        expected: Repository,
    },
    /// A trusted key, for something else.
    #[error(
        "it names key {}, which does not have the role `{}`",
        Escaped(key),
        role.name()
    )]
    RoleNotAuthorized {
        /// The key's name.
        key: String,
        /// The role that it takes.
        role: Role,
    },
    /// The signature does not fit.
    #[error(
        "the signature does not fit its content and key {}, which it names",
        Escaped(key)
    )]
    SignatureInvalid {
        /// The key's name.
        key: String,
    },
    /// More than are tried.
    #[error("more than {limit} signatures would have to be tried")]
    SignaturesTooMany {
        /// How many are tried.
        limit: usize,
    },
    /// A time stamp that does not count.
    #[error("the time stamp {side} {source}")]
    StampInvalid {
        /// Which.
        side: Side,
        /// Why not.
        source: Invalid,
    },
    /// A time stamp from when its authority was not trusted, not yet or no longer.
    #[error(
        "the time stamp {side} is of {time}, when its authority {} was not trusted",
        Escaped(operator)
    )]
    StampOutsideValidity {
        /// Which.
        side: Side,
        /// Who made it.
        operator: String,
        /// When it says it was made.
        time: Timestamp,
    },
    /// More time stamps than are checked.
    #[error("more than {limit} time stamps would have to be checked")]
    StampsTooMany {
        /// How many are checked.
        limit: usize,
    },
    /// A key of the stand-in.
    #[error(
        "it is signed with the demonstration key {}, whose private half anybody may have",
        Escaped(key)
    )]
    StandInKey {
        /// The key's name.
        key: String,
    },
    /// About something else.
    #[error("it was signed for {}, not for {expected}", shown(found.as_ref()))]
    SubjectMismatch {
        /// What was asked about.
        expected: Digest,
        /// What it is about.
        found: Option<Digest>,
    },
    /// Too few witnesses of its time.
    #[error(
        "{found} of {threshold} required operators of time-stamp authorities gave a stamp {side}"
    )]
    TimeEvidenceInsufficient {
        /// On which side.
        side: Side,
        /// How many did.
        found: usize,
        /// How many are required.
        threshold: usize,
    },
    /// Stamps that contradict each other.
    #[error(
        "its time stamps contradict each other: signed after {not_before} and before {not_after}"
    )]
    TimeIntervalEmpty {
        /// What the stamps inside show.
        not_before: Timestamp,
        /// What the stamps of the signature show.
        not_after: Timestamp,
    },
    /// A stamp by an authority that is no longer believed.
    #[error(
        "the time stamp {side} is by {}, which was compromised: all its stamps are void",
        Escaped(operator)
    )]
    TsaCompromised {
        /// Which.
        side: Side,
        /// Who made it.
        operator: String,
    },
    /// A stamp by an authority that is not trusted.
    #[error("the time stamp {side} is by no authority that is trusted here")]
    TsaUntrusted {
        /// Which.
        side: Side,
    },
    /// Another kind of claim.
    #[error("it is a statement of type {}, not {expected}", Escaped(found))]
    TypeMismatch {
        /// The type that was asked for.
        expected: String,
        /// The type that it has.
        found: String,
    },
}

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Between(interval) => {
                let (not_before, not_after) = (interval.not_before(), interval.not_after());
                write!(
                    f,
                    "between {} and {}",
                    not_before.to_rfc3339(),
                    not_after.to_rfc3339()
                )
            }
            Self::Until(latest) => write!(f, "at {} or earlier", latest.to_rfc3339()),
        }
    }
}

fn fate(revocation: &Revocation) -> String {
    match revocation {
        Revocation::Compromised { at: Some(at) } => {
            format!("was compromised at {at}: only what is proven to be older counts")
        }
        Revocation::Compromised { at: None } => {
            "was compromised, nobody knows when: nothing that it signed counts".to_owned()
        }
        Revocation::Misused { from, to } => {
            format!(
                "was misused from {from} to {to}: only what is proven to be of another time counts"
            )
        }
    }
}

fn stretch(window: &Window) -> String {
    match (window.start, window.end) {
        (Some(start), Some(end)) => format!("from {start} to {end}"),
        (Some(start), None) => format!("from {start} on"),
        (None, Some(end)) => format!("until {end}"),
        (None, None) => "always".to_owned(),
    }
}

fn annotation(found: Option<&str>) -> String {
    found.map_or_else(
        || "absent".to_owned(),
        |found| format!("`{}`", Escaped(found)),
    )
}

fn signer_name(signer: &str) -> String {
    if signer.is_empty() {
        "an unnamed key".to_owned()
    } else {
        Escaped(signer).to_string()
    }
}

fn names(keys: &[String]) -> String {
    if keys.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<_> = keys.iter().map(|key| Escaped(key).to_string()).collect();
    names.join(", ")
}

/// Every code of this module.
pub const CODES: &[Code] = &[
    Code::new("annotation-mismatch"),
    Code::new("clock-behind"),
    Code::new("date-too-imprecise"),
    Code::new("date-unproven"),
    Code::new("descriptor-mismatch"),
    Code::new("key-compromised"),
    Code::new("key-outside-validity"),
    Code::new("key-unknown"),
    Code::new("repository-mismatch"),
    Code::new("repository-unbound"),
    Code::new("role-not-authorized"),
    Code::new("signature-invalid"),
    Code::new("signatures-too-many"),
    Code::new("stamp-invalid"),
    Code::new("stand-in-key"),
    Code::new("subject-mismatch"),
    Code::new("time-evidence-insufficient"),
    Code::new("time-interval-empty"),
    Code::new("too-large"),
    Code::new("tsa-compromised"),
    Code::new("tsa-untrusted"),
    Code::new("type-mismatch"),
];

impl Explain for Refusal {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::AnnotationMismatch { .. } => "annotation-mismatch",
            Self::ClockBehind { .. } => "clock-behind",
            Self::DateTooImprecise { .. } => "date-too-imprecise",
            Self::DateUnproven { .. } => "date-unproven",
            Self::DescriptorMismatch { .. } => "descriptor-mismatch",
            Self::KeyCompromised { .. } => "key-compromised",
            Self::KeyOutsideValidity { .. } => "key-outside-validity",
            Self::KeyUnknown { .. } => "key-unknown",
            Self::RepositoryMismatch { .. } => "repository-mismatch",
            Self::RepositoryUnbound { .. } => "repository-unbound",
            Self::RoleNotAuthorized { .. } => "role-not-authorized",
            Self::SignatureInvalid { .. } => "signature-invalid",
            Self::SignaturesTooMany { .. } => "signatures-too-many",
            Self::StampInvalid { .. } | Self::StampOutsideValidity { .. } => "stamp-invalid",
            Self::StampsTooMany { .. } => "too-large",
            Self::StandInKey { .. } => "stand-in-key",
            Self::SubjectMismatch { .. } => "subject-mismatch",
            Self::TimeEvidenceInsufficient { .. } => "time-evidence-insufficient",
            Self::TimeIntervalEmpty { .. } => "time-interval-empty",
            Self::TsaCompromised { .. } => "tsa-compromised",
            Self::TsaUntrusted { .. } => "tsa-untrusted",
            Self::TypeMismatch { .. } => "type-mismatch",
        })
    }

    fn remedy(&self) -> String {
        match self {
            Self::AnnotationMismatch { key, wanted, .. } => {
                format!("sign with `countersign sign -a {}={} …`, or do not demand it", Escaped(key), Escaped(wanted))
            }
            Self::ClockBehind { .. } => {
                "set the clock of this machine, or `--at`; if it is right, suspect the time-stamp authority".to_owned()
            }
            Self::DateTooImprecise { .. } => {
                "sign again: the signature must follow its first time stamp at once, and be stamped at once".to_owned()
            }
            Self::DateUnproven { .. } => {
                "publish it with a proven date: `countersign sign --tsa URL …` instead of `--no-tsa`".to_owned()
            }
            Self::DescriptorMismatch { .. } => "publish it again: `countersign sign --key … --tsa URL …`; and find out who wrote this publication".to_owned(),
            Self::KeyCompromised { .. } => {
                "find out who signed it; then sign with a new key: `countersign sign --key …`".to_owned()
            }
            Self::KeyOutsideValidity { .. } => {
                "sign with a key that is in use; or have the trust root say until when this one is: `countersign trust rotate --until`".to_owned()
            }
            Self::KeyUnknown { .. } => {
                "sign with a trusted key: `countersign sign --key …`; or, if the signer is to be trusted, `countersign trust add-key` \
(without a policy: `--key`)"
                    .to_owned()
            }
            Self::RepositoryMismatch { expected, .. } | Self::RepositoryUnbound { expected } => {
                format!("sign the image where it is used: `countersign sign --key … {expected}@sha256:…`")
            }
            Self::RoleNotAuthorized { role, .. } => {
                format!("sign with a key that has the role `{}`; or give it to this one in the trust root", role.name())
            }
            Self::SignatureInvalid { .. } => {
                "suspect tampering: the signature, its content or the trusted key was changed, unless an RSA key signed by another \
`--algorithm`; sign the image again if the key is right"
                    .to_owned()
            }
            Self::SignaturesTooMany { .. } => "remove the artifacts that are no signatures of yours".to_owned(),
            Self::StampsTooMany { .. } => "remove the copies of it whose time stamps are none of yours".to_owned(),
            Self::StampInvalid { .. } | Self::StampOutsideValidity { .. } => {
                "sign again, with another time-stamp authority if its stamps stay so".to_owned()
            }
            Self::StandInKey { .. } => {
                "sign with a real key; only to try a pipeline against the stand-in, use `--accept-stand-in`".to_owned()
            }
            Self::SubjectMismatch { expected, .. } => {
                format!("sign this image: `countersign sign --key … …@{expected}`")
            }
            Self::TimeEvidenceInsufficient { .. } => {
                "sign again with more time-stamp authorities: `--tsa URL` for each".to_owned()
            }
            Self::TimeIntervalEmpty { .. } => {
                "suspect one of the time-stamp authorities: find out which clock is wrong, then sign again".to_owned()
            }
            Self::TsaCompromised { .. } => "publish again, stamped by another authority".to_owned(),
            Self::TsaUntrusted { .. } => {
                "sign with a time-stamp authority that is trusted; or, if this one is to be, `countersign trust add-tsa` (without a \
policy: `--tsa-chain`)"
                    .to_owned()
            }
            Self::TypeMismatch { .. } => "sign the image with `countersign sign`, and attest about it with `countersign attest`".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use countersign_common::ImageRef;

    use super::*;

    const HOSTILE: &str = "\u{1b}[2J\r\nverified: all\u{202e}\u{9b}";

    fn refusals() -> Vec<Refusal> {
        let hostile = || HOSTILE.to_owned();
        let time = |seconds| Timestamp::from_unix_seconds(seconds).unwrap();
        let expected = || {
            ImageRef::parse("registry.example/app")
                .unwrap()
                .repository()
                .clone()
        };
        vec![
            Refusal::AnnotationMismatch {
                key: hostile(),
                wanted: hostile(),
                found: Some(hostile()),
            },
            Refusal::ClockBehind {
                not_before: time(400),
                now: time(0),
            },
            Refusal::DateTooImprecise {
                interval: Interval::new(time(0), time(601)).unwrap(),
                limit: Duration::from_mins(10),
            },
            Refusal::DateUnproven { claimed: time(0) },
            Refusal::DescriptorMismatch {
                expected: (hostile(), 1),
                found: (hostile(), 2),
            },
            Refusal::KeyCompromised {
                key: hostile(),
                revocation: Revocation::Misused {
                    from: time(0),
                    to: time(1),
                },
                signed: Signed::Until(time(1)),
            },
            Refusal::KeyOutsideValidity {
                key: hostile(),
                window: Window {
                    start: Some(time(1)),
                    end: None,
                },
                signed: Signed::Between(Interval::new(time(0), time(1)).unwrap()),
            },
            Refusal::KeyUnknown {
                signer: hostile(),
                trusted: vec![hostile(), hostile()],
            },
            Refusal::RepositoryMismatch {
                expected: expected(),
                named: hostile(),
            },
            Refusal::RepositoryUnbound {
                expected: expected(),
            },
            Refusal::RoleNotAuthorized {
                key: hostile(),
                role: Role::Publish,
            },
            Refusal::SignatureInvalid { key: hostile() },
            Refusal::SignaturesTooMany { limit: 100 },
            Refusal::StampInvalid {
                side: Side::Before,
                source: Invalid::NotGranted {
                    status: 2,
                    text: hostile(),
                },
            },
            Refusal::StampOutsideValidity {
                side: Side::After,
                operator: hostile(),
                time: time(0),
            },
            Refusal::StampsTooMany { limit: 200 },
            Refusal::StandInKey { key: hostile() },
            Refusal::SubjectMismatch {
                expected: Digest::sha256(b""),
                found: None,
            },
            Refusal::TimeEvidenceInsufficient {
                side: Side::After,
                found: 1,
                threshold: 2,
            },
            Refusal::TimeIntervalEmpty {
                not_before: time(1),
                not_after: time(0),
            },
            Refusal::TsaCompromised {
                side: Side::Before,
                operator: hostile(),
            },
            Refusal::TsaUntrusted { side: Side::After },
            Refusal::TypeMismatch {
                expected: "expected".to_owned(),
                found: hostile(),
            },
        ]
    }

    /// Does not compile while a new refusal is missing from the tests.
    fn position(refusal: &Refusal) -> usize {
        match refusal {
            Refusal::AnnotationMismatch { .. } => 0,
            Refusal::ClockBehind { .. } => 1,
            Refusal::DateTooImprecise { .. } => 2,
            Refusal::DateUnproven { .. } => 3,
            Refusal::DescriptorMismatch { .. } => 4,
            Refusal::KeyCompromised { .. } => 5,
            Refusal::KeyOutsideValidity { .. } => 6,
            Refusal::KeyUnknown { .. } => 7,
            Refusal::RepositoryMismatch { .. } => 8,
            Refusal::RepositoryUnbound { .. } => 9,
            Refusal::RoleNotAuthorized { .. } => 10,
            Refusal::SignatureInvalid { .. } => 11,
            Refusal::SignaturesTooMany { .. } => 12,
            Refusal::StampInvalid { .. } => 13,
            Refusal::StampOutsideValidity { .. } => 14,
            Refusal::StampsTooMany { .. } => 15,
            Refusal::StandInKey { .. } => 16,
            Refusal::SubjectMismatch { .. } => 17,
            Refusal::TimeEvidenceInsufficient { .. } => 18,
            Refusal::TimeIntervalEmpty { .. } => 19,
            Refusal::TsaCompromised { .. } => 20,
            Refusal::TsaUntrusted { .. } => 21,
            Refusal::TypeMismatch { .. } => 22,
        }
    }

    #[test]
    fn every_refusal_is_explained_by_a_listed_code_and_shows_no_hostile_text() {
        let refusals = refusals();
        assert!(refusals.iter().map(position).eq(0..23));
        let codes: BTreeSet<_> = refusals.iter().map(Explain::code).collect();
        assert!(codes.iter().eq(CODES), "{codes:?}");
        for refusal in refusals {
            for text in [refusal.to_string(), refusal.remedy()] {
                assert!(text.len() > 20 && !text.ends_with('.'), "{text}");
                assert_eq!(text, Escaped(&text).to_string());
            }
        }
    }
}

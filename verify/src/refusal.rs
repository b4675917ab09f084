//! Why an image is refused.

use std::time::Duration;

use countersign_common::{
    Age, Code, Descriptor, Digest, Escaped, Explain, Timestamp, children::ChildRefusal,
    manifest::Platform, predicate::PredicateType, registry,
};
use countersign_trust_roots::{
    document::{self, Kind},
    format::ReadError,
};

use crate::{LayersRefusal, Legacy};

/// Found out, and the answer is no.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A demanded attestation is not there.
    #[error("{subject} has no attestation of type {} by a trusted key", Escaped(kind.as_str()))]
    AttestationMissing {
        /// The content.
        subject: Digest,
        /// What was demanded.
        kind: PredicateType,
    },
    /// A child of an index that cannot be used.
    #[error(transparent)]
    Child(#[from] ChildRefusal),
    /// A signature was found that cannot be read.
    #[error("the artifact {} cannot be read: {source}", artifact.short())]
    Damaged {
        /// The artifact's manifest.
        artifact: Digest,
        /// What is wrong with it.
        source: ReadError,
    },
    /// A signed document was found that does not count.
    #[error("the {} {} does not count: {source}", noun(kind), artifact.short())]
    Document {
        /// The artifact's manifest.
        artifact: Digest,
        /// What it says that it is.
        kind: Kind,
        /// Why not.
        source: document::Refusal,
    },
    /// More evidence than is fetched.
    #[error(
        "not all that refers to the image was looked at: together it has more than {limit} bytes (left out: {left_out})"
    )]
    EvidenceTooLarge {
        /// How many.
        left_out: usize,
        /// How much is fetched.
        limit: u64,
    },
    /// What would refuse the image without an exception. Only ever a remark.
    #[error("{refusal}; excepted until {until}: {}", Escaped(reason))]
    Excepted {
        /// What it would be refused for.
        refusal: Box<Refusal>,
        /// The last moment of the exception.
        until: Timestamp,
        /// Why it was made.
        reason: String,
    },
    /// The publisher's support is over.
    #[error("its publisher supported it until {until}, which was {} ago", Age(*past))]
    ImageEndOfLife {
        /// Until when.
        until: Timestamp,
        /// How long that is over.
        past: Duration,
    },
    /// Published later than is accepted.
    #[error(
        "it may have been published as late as {}, {} ago; {limit}",
        not_after.to_rfc3339(), Age(*age)
    )]
    ImageTooNew {
        /// The latest that it can have been published.
        not_after: Timestamp,
        /// How long ago that is.
        age: Duration,
        /// What is accepted.
        limit: DateLimit,
    },
    /// Published earlier than is accepted.
    #[error(
        "it may have been published as early as {}, {} ago; {limit}",
        not_before.to_rfc3339(), Age(*age)
    )]
    ImageTooOld {
        /// The earliest that it can have been published.
        not_before: Timestamp,
        /// How long ago that is.
        age: Duration,
        /// What is accepted.
        limit: DateLimit,
    },
    /// Something was listed for the image that refers to something else.
    #[error("the artifact {} is listed for the image but refers to something else", artifact.short())]
    Misplaced {
        /// The artifact's manifest.
        artifact: Digest,
    },
    /// Several children are for the platform, and a runtime may take any.
    #[error("{wanted} may be any of {}", children(matching))]
    PlatformAmbiguous {
        /// What was asked for.
        wanted: Platform,
        /// Those that are for it.
        matching: Vec<Descriptor>,
    },
    /// The platform is not there.
    #[error("there is no image for {wanted}; there are: {}", platforms(available))]
    PlatformMissing {
        /// What was asked for.
        wanted: Platform,
        /// What there is.
        available: Vec<Platform>,
    },
    /// A proven date is demanded, and there is nothing that could prove one.
    #[error("{subject} has no publication, so nothing says when it was published")]
    PublicationMissing {
        /// The content.
        subject: Digest,
    },
    /// What lies below the image's manifest is refused.
    #[error(transparent)]
    Layers(#[from] LayersRefusal),
    /// A publication longer than any.
    #[error("the publication {} has more than {limit} bytes", artifact.short())]
    PublicationTooLarge {
        /// The artifact's manifest.
        artifact: Digest,
        /// How many are read.
        limit: usize,
    },
    /// What the registry delivered is refused.
    #[error(transparent)]
    Registry(#[from] registry::Refusal),
    /// A publication that counts and whose date does not.
    #[error("the publication {} proves no date: {source}", artifact.short())]
    Undated {
        /// The artifact's manifest.
        artifact: Digest,
        /// Why not.
        source: document::Refusal,
    },
    /// No signature at all.
    #[error("{subject} has no signature{}", found_instead(found))]
    SignatureMissing {
        /// The content.
        subject: Digest,
        /// What is there instead.
        found: Vec<String>,
        /// Whether signatures in the format of cosign before version 3 were looked for.
        legacy: Legacy,
    },
    /// A time stamp proves nothing, where nothing depends on it.
    #[error("a time stamp of the {} {} proves nothing: {source}", noun(kind), artifact.short())]
    Stamp {
        /// The artifact's manifest.
        artifact: Digest,
        /// What was stamped.
        kind: Kind,
        /// Why not.
        source: document::Refusal,
    },
    /// A signature was found whose bytes are refused.
    #[error("the artifact {} cannot be used: {source}", artifact.short())]
    Transfer {
        /// The artifact's manifest.
        artifact: Digest,
        /// What is wrong with them.
        source: registry::Refusal,
    },
    /// Too few signers.
    #[error(
        "{found} of {wanted} required distinct keys signed {subject}{}{}",
        named(": ", signers),
        named("; others signed, who are not required: ", others)
    )]
    ThresholdNotMet {
        /// The content.
        subject: Digest,
        /// How many are required.
        wanted: usize,
        /// How many signed.
        found: usize,
        /// Who did.
        signers: Vec<String>,
        /// Who else did, whose signatures are not required.
        others: Vec<String>,
    },
}

/// What is demanded of a date.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DateLimit {
    /// Not published before this.
    #[error("only what was published at {0} or later is accepted")]
    After(Timestamp),
    /// Not published after this.
    #[error("only what was published at {0} or earlier is accepted")]
    Before(Timestamp),
    /// No older than this.
    #[error("at most {} is accepted", Age(*.0))]
    MaxAge(Duration),
    /// No younger than this.
    #[error("at least {} is demanded", Age(*.0))]
    MinAge(Duration),
}

/// What people call it.
fn noun(kind: &Kind) -> &'static str {
    match kind {
        Kind::Attestation(_) => "attestation",
        Kind::ImageSignature => "signature",
        Kind::Publication => "publication",
    }
}

fn children(matching: &[Descriptor]) -> String {
    let named = |child: &Descriptor| format!("{} ({})", child.listed(), child.digest);
    few(matching.iter().map(named))
}

/// As many as a person reads; an index may list more.
fn few(all: impl ExactSizeIterator<Item = String>) -> String {
    const SHOWN: usize = 16;
    let more = all.len().saturating_sub(SHOWN);
    let more = (more > 0).then(|| format!("and {more} more"));
    let shown: Vec<_> = all.take(SHOWN).chain(more).collect();
    shown.join(", ")
}

fn platforms(available: &[Platform]) -> String {
    if available.is_empty() {
        "none that are named".to_owned()
    } else {
        few(available.iter().map(Platform::to_string))
    }
}

fn found_instead(found: &[String]) -> String {
    named("; beside it there are only: ", found)
}

/// Nothing if there are none.
fn named(introduction: &str, names: &[String]) -> String {
    if names.is_empty() {
        String::new()
    } else {
        format!("{introduction}{}", list(names))
    }
}

fn list(texts: &[String]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| Escaped(text).to_string()).collect();
    texts.join(", ")
}

/// Every code that a verdict may carry as a refusal of what was looked at, of this package and of those below it. What is
/// found out before that, of policies and roots, has the codes of [`Ungoverned`](crate::Ungoverned), and of the modules
/// `policy`, `root` and `state` of `countersign_trust_roots`.
pub const CODES: &[Code] = &[
    Code::new("annotation-mismatch"),
    Code::new("attestation-missing"),
    Code::new("child-missing"),
    Code::new("child-not-image"),
    Code::new("clock-behind"),
    Code::new("date-too-imprecise"),
    Code::new("date-unproven"),
    Code::new("descriptor-mismatch"),
    Code::new("diff-id-mismatch"),
    Code::new("digest-mismatch"),
    Code::new("format-not-allowed"),
    Code::new("image-ambiguous"),
    Code::new("image-end-of-life"),
    Code::new("image-not-found"),
    Code::new("image-too-new"),
    Code::new("image-too-old"),
    Code::new("key-compromised"),
    Code::new("key-outside-validity"),
    Code::new("key-unknown"),
    Code::new("layer-ratio"),
    Code::new("malformed"),
    Code::new("platform-ambiguous"),
    Code::new("platform-missing"),
    Code::new("publication-missing"),
    Code::new("referrers-too-many"),
    Code::new("repository-mismatch"),
    Code::new("repository-unbound"),
    Code::new("role-not-authorized"),
    Code::new("signature-invalid"),
    Code::new("signature-missing"),
    Code::new("signatures-too-many"),
    Code::new("stamp-invalid"),
    Code::new("stand-in-key"),
    Code::new("subject-mismatch"),
    Code::new("threshold-not-met"),
    Code::new("time-evidence-insufficient"),
    Code::new("time-interval-empty"),
    Code::new("too-large"),
    Code::new("tsa-compromised"),
    Code::new("tsa-untrusted"),
    Code::new("type-mismatch"),
];

impl Explain for Refusal {
    fn code(&self) -> Code {
        match self {
            Self::AttestationMissing { .. } => Code::new("attestation-missing"),
            Self::Child(source) => source.code(),
            Self::Damaged { source, .. } => source.code(),
            Self::Document { source, .. }
            | Self::Stamp { source, .. }
            | Self::Undated { source, .. } => source.code(),
            Self::EvidenceTooLarge { .. } | Self::PublicationTooLarge { .. } => {
                Code::new("too-large")
            }
            Self::Excepted { refusal, .. } => refusal.code(),
            Self::ImageEndOfLife { .. } => Code::new("image-end-of-life"),
            Self::ImageTooNew { .. } => Code::new("image-too-new"),
            Self::ImageTooOld { .. } => Code::new("image-too-old"),
            Self::Layers(source) => source.code(),
            Self::Misplaced { .. } => Code::new("subject-mismatch"),
            Self::PlatformAmbiguous { .. } => Code::new("platform-ambiguous"),
            Self::PlatformMissing { .. } => Code::new("platform-missing"),
            Self::PublicationMissing { .. } => Code::new("publication-missing"),
            Self::Registry(source) | Self::Transfer { source, .. } => source.code(),
            Self::SignatureMissing { .. } => Code::new("signature-missing"),
            Self::ThresholdNotMet { .. } => Code::new("threshold-not-met"),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::AttestationMissing { subject, kind } => format!(
                "attest it: `countersign attest --key … --type {} --predicate FILE …@{subject}`",
                Escaped(kind.as_str())
            ),
            Self::Child(source) => source.remedy(),
            Self::Damaged { source, .. } => source.remedy(),
            Self::Document { source, .. }
            | Self::Stamp { source, .. }
            | Self::Undated { source, .. } => source.remedy(),
            Self::EvidenceTooLarge { .. } => {
                "remove what should not refer to this image".to_owned()
            }
            Self::Excepted { refusal, .. } => refusal.remedy(),
            Self::ImageEndOfLife { .. } => "move to a release that is supported".to_owned(),
            Self::ImageTooNew { .. } => "wait, or use a release that is older".to_owned(),
            Self::ImageTooOld { .. } => "build and publish the image anew".to_owned(),
            Self::Layers(source) => source.remedy(),
            Self::Misplaced { .. } => {
                "suspect the registry, or remove the artifact from its fallback tag".to_owned()
            }
            Self::PlatformAmbiguous { .. } => {
                "name its variant (of amd64 alone it is v1, of arm64 v8, of arm v7) or its version with `--platform`, or the image by its digest, or judge all with `--recursive`"
                    .to_owned()
            }
            Self::PlatformMissing { .. } => {
                "ask for a platform that there is, with `--platform`, or name the image by its digest".to_owned()
            }
            Self::PublicationTooLarge { .. } => {
                "publish with fewer time-stamp authorities".to_owned()
            }
            Self::Registry(source) | Self::Transfer { source, .. } => source.remedy(),
            Self::PublicationMissing { subject } => format!(
                "publish it with a proven date: `countersign sign --key … --tsa URL …@{subject}`"
            ),
            Self::SignatureMissing { subject, legacy, .. } => {
                let older = match legacy {
                    Legacy::Counted => "",
                    Legacy::Ignored => {
                        "; what cosign before version 3 signed counts with `verify --legacy-signatures`"
                    }
                };
                format!(
                    "sign it: `countersign sign --key … …@{subject}`; or find out who pushed it{older}"
                )
            }
            Self::ThresholdNotMet { others, .. } if !others.is_empty() => {
                "let those sign whose signatures are required: `countersign sign` with their keys"
                    .to_owned()
            }
            Self::ThresholdNotMet { .. } => {
                "let more people sign: `countersign sign` with their keys, each of them trusted"
                    .to_owned()
            }
        }
    }
}

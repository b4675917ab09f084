//! Why a root, or what it grants, is refused.

use countersign_common::{Code, Digest, Escaped, Explain, Repository, Timestamp};

use super::fault::Fault;
use crate::{TimeRulesError, pattern::Pattern};

/// Found out, and the answer is no.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The last root is over.
    #[error("root version {version} expired at {expires}, and it is {now}")]
    Expired {
        /// Its version.
        version: u64,
        /// When it expired.
        expires: Timestamp,
        /// When it was judged.
        now: Timestamp,
    },
    /// Another file than the one that was pinned.
    #[error("the root file hashes to {found}, not to the pinned {pinned}")]
    FingerprintMismatch {
        /// What was pinned.
        pinned: Digest,
        /// What the file hashes to.
        found: Digest,
    },
    /// It cannot be read.
    #[error("the root cannot be read: {0}")]
    Fault(#[from] Fault),
    /// No source has what was pinned.
    #[error(
        "no file with the pinned fingerprint {pinned} is at {}",
        names(sources)
    )]
    PinnedNotFound {
        /// What was pinned.
        pinned: Digest,
        /// Who was asked.
        sources: Vec<String>,
    },
    /// A root of another name.
    #[error(
        "the next root is named `{}`, and the trusted one `{}`",
        Escaped(found),
        Escaped(trusted)
    )]
    Renamed {
        /// The name so far.
        trusted: String,
        /// The name in the next version.
        found: String,
    },
    /// Two scopes that are equally specific.
    #[error("both `{one}` and `{other}` of root version {version} grant {repository}")]
    ScopeAmbiguous {
        /// What was asked about.
        repository: Repository,
        /// The root's version.
        version: u64,
        /// One pattern.
        one: Pattern,
        /// The other.
        other: Pattern,
    },
    /// Nobody may sign there.
    #[error(
        "root version {version} grants nobody {repository}; it has scopes for: {}",
        patterns(scopes)
    )]
    ScopeNotGranted {
        /// What was asked about.
        repository: Repository,
        /// The root's version.
        version: u64,
        /// The patterns that it has.
        scopes: Vec<Pattern>,
    },
    /// Too few signers.
    #[error(
        "{found} of {threshold} required distinct root keys of version {by} signed root version {version}"
    )]
    ThresholdNotMet {
        /// The version that was judged.
        version: u64,
        /// The version whose keys must have signed it.
        by: u64,
        /// How many did.
        found: usize,
        /// How many must.
        threshold: usize,
    },
    /// A chain that does not end.
    #[error("the chain of roots has more than {limit} steps from the pinned one")]
    TooMany {
        /// How many are followed.
        limit: usize,
    },
    /// Time-stamp authorities that would count one witness twice, or that can never be enough.
    #[error("root version {version} cannot be believed about time: {source}")]
    Unsafe {
        /// Its version.
        version: u64,
        /// Why.
        source: TimeRulesError,
    },
    /// A version is missing, or comes again.
    #[error("root version {found} follows version {trusted}; it must be exactly one more")]
    VersionGap {
        /// The version so far.
        trusted: u64,
        /// The version of what was given as the next.
        found: u64,
    },
}

fn names(sources: &[String]) -> String {
    if sources.is_empty() {
        return "hand, and no source is named".to_owned();
    }
    let names: Vec<_> = sources
        .iter()
        .map(|name| Escaped(name).to_string())
        .collect();
    names.join(", ")
}

fn patterns(scopes: &[Pattern]) -> String {
    /// More would fill a screen.
    const SHOWN: usize = 8;
    if scopes.is_empty() {
        return "nothing".to_owned();
    }
    let mut shown: Vec<_> = scopes.iter().take(SHOWN).map(Pattern::to_string).collect();
    if scopes.len() > SHOWN {
        shown.push("…".to_owned());
    }
    shown.join(", ")
}

/// Every code of a root.
pub const CODES: &[Code] = &[
    Code::new("malformed"),
    Code::new("root-expired"),
    Code::new("root-fingerprint-mismatch"),
    Code::new("root-lint"),
    Code::new("root-schema-unsupported"),
    Code::new("root-too-many"),
    Code::new("root-version-gap"),
    Code::new("scope-ambiguous"),
    Code::new("scope-not-granted"),
    Code::new("threshold-not-met"),
    Code::new("too-large"),
];

impl Explain for Fault {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::Feature { .. } | Self::Schema { .. } => "root-schema-unsupported",
            // One person is not two.
            Self::SignedTwice { .. } => "threshold-not-met",
            Self::TooLarge { .. } | Self::TooMany { .. } => "too-large",
            _ => "malformed",
        })
    }

    fn remedy(&self) -> String {
        match self {
            Self::Feature { .. } | Self::Schema { .. } => {
                "upgrade countersign; or have the root written without it, or with the name that was meant".to_owned()
            }
            Self::TooLarge { .. } | Self::TooMany { .. } => {
                "suspect the source of the root; a root is far smaller".to_owned()
            }
            Self::SignedTwice { .. } => {
                "have the root signed anew, by each key once: `countersign trust sign`".to_owned()
            }
            _ => "get the root from its maintainers anew; make roots with `countersign trust`"
                .to_owned(),
        }
    }
}

impl Explain for Refusal {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::Expired { .. } => "root-expired",
            Self::FingerprintMismatch { .. } | Self::PinnedNotFound { .. } => {
                "root-fingerprint-mismatch"
            }
            Self::Fault(fault) => return fault.code(),
            Self::Renamed { .. } => "malformed",
            Self::ScopeAmbiguous { .. } => "scope-ambiguous",
            Self::ScopeNotGranted { .. } => "scope-not-granted",
            Self::ThresholdNotMet { .. } => "threshold-not-met",
            Self::TooMany { .. } => "root-too-many",
            Self::Unsafe { .. } => "root-lint",
            Self::VersionGap { .. } => "root-version-gap",
        })
    }

    fn remedy(&self) -> String {
        match self {
            Self::Expired { .. } => {
                "have the root's maintainers sign a new version, and publish it with `countersign trust publish`".to_owned()
            }
            Self::FingerprintMismatch { .. } | Self::PinnedNotFound { .. } => {
                "compare the fingerprint with the root's maintainers on another way; do not pin what you found".to_owned()
            }
            Self::Fault(fault) => fault.remedy(),
            Self::Renamed { .. } => {
                "keep a root's name; for another root, pin its fingerprint under a name of its own".to_owned()
            }
            Self::ScopeAmbiguous { .. } => {
                "make one of the patterns longer: `countersign trust set-scope`".to_owned()
            }
            Self::ScopeNotGranted { .. } => {
                "grant it in the root: `countersign trust set-scope --repository PATTERN`; or correct the policy".to_owned()
            }
            Self::ThresholdNotMet { by, .. } => format!(
                "have more of the root keys of version {by} sign it: `countersign trust sign`"
            ),
            Self::TooMany { .. } => "pin a newer version of the root; one above 256 is found in folders alone".to_owned(),
            Self::Unsafe { .. } => {
                "mend its time-stamp authorities: `countersign trust add-tsa`; `countersign trust doctor` says how".to_owned()
            }
            Self::VersionGap { trusted, found } => {
                let next = trusted.saturating_add(1);
                let publish = format!("publish version {next} of the root at its sources");
                if *found > next {
                    let before = found.saturating_sub(1);
                    format!("{publish}; or, for a draft, give version {before} with `--previous`")
                } else {
                    publish
                }
            }
        }
    }
}

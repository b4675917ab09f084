//! Why a remembered state, or a root that contradicts it, is refused.
//!
//! Returned by [`State`]; shown by the command. Nothing is decided here.

use std::{fmt, num::NonZeroU64};

use countersign_common::{Code, Digest, Explain, json::JsonError};

use super::State;
use crate::RootName;

/// The bytes are no state. Never the same as no state: whoever can damage a file must not make a verifier forget.
#[derive(Debug)]
pub enum StateCorrupt {
    /// Not the strict JSON of a state.
    Json(JsonError),
    /// A state in a form of another version, in which something else may be remembered.
    Schema {
        /// Its number.
        found: u64,
    },
    /// Longer than any state.
    TooLarge,
    /// More roots than any state has.
    TooManyRoots,
}

/// A root contradicts what is remembered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RootRegression {
    /// An older one than was seen already.
    Older {
        /// The root.
        name: RootName,
        /// The version that was offered.
        offered: NonZeroU64,
        /// The version that was seen.
        remembered: NonZeroU64,
    },
    /// Another one of the version that was seen.
    Twin {
        /// The root.
        name: RootName,
        /// The version of both.
        version: NonZeroU64,
        /// The one that was offered.
        offered: Digest,
        /// The one that was seen.
        remembered: Digest,
    },
}

/// Every code of this module.
pub const CODES: &[Code] = &[Code::new("root-rollback"), Code::new("state-corrupt")];

impl From<JsonError> for StateCorrupt {
    fn from(source: JsonError) -> Self {
        Self::Json(source)
    }
}

impl fmt::Display for StateCorrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let damaged = "the state is damaged:";
        match self {
            Self::Json(source) => write!(f, "{damaged} {source}"),
            Self::Schema { found } => write!(
                f,
                "the state is of another version of countersign: it has schema {found}, and only 1 is known"
            ),
            Self::TooLarge => write!(f, "{damaged} it has more than {} bytes", State::MAX_BYTES),
            Self::TooManyRoots => {
                write!(f, "{damaged} it has more than {} roots", State::MAX_ROOTS)
            }
        }
    }
}

impl std::error::Error for StateCorrupt {}

impl Explain for StateCorrupt {
    fn code(&self) -> Code {
        Code::new("state-corrupt")
    }

    fn remedy(&self) -> String {
        match self {
            // Whoever moved it away would forget the time and the roots.
            Self::Schema { .. } => "upgrade countersign, or run the version that wrote it",
            Self::Json(_) | Self::TooLarge | Self::TooManyRoots => {
                "find out what wrote it, then move it away and run `countersign verify --init-state`"
            }
        }
        .to_owned()
    }
}

impl fmt::Display for RootRegression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Older {
                name,
                offered,
                remembered,
            } => write!(
                f,
                "the root `{name}` has version {offered}, and version {remembered} was seen before"
            ),
            Self::Twin {
                name,
                version,
                offered,
                remembered,
            } => write!(
                f,
                "version {version} of the root `{name}` is {offered}, and {remembered} was seen before under this version"
            ),
        }
    }
}

impl std::error::Error for RootRegression {}

impl Explain for RootRegression {
    fn code(&self) -> Code {
        Code::new("root-rollback")
    }

    fn remedy(&self) -> String {
        match self {
            Self::Older { name, .. } => format!(
                "suspect the source that served it, and take the latest root `{name}` from another source"
            ),
            Self::Twin { name, .. } => format!(
                "keep both files, and ask who holds the root keys of `{name}` which of the two is theirs"
            ),
        }
    }
}

//! Why a change of a root is not made: it would do less than was asked, or something else.

use countersign_common::{Code, Escaped, Explain, Timestamp};

/// The draft stays as it was.
#[derive(Debug)]
pub(super) enum ChangeRefused {
    /// A key that would end before it begins.
    EndsTooSoon { key: String, start: Timestamp },
    /// The flag is about keys in scopes.
    FlagMisplaced { flag: &'static str },
    /// A key whose time is over would have signed later.
    KeyEnded {
        key: String,
        end: Timestamp,
        draft: String,
    },
    /// The authority was listed with another operator.
    OperatorDiffers { uri: String, operator: String },
    /// What a revocation took back would count again.
    RevocationWeakened {
        key: String,
        before: String,
        draft: String,
    },
}

impl std::fmt::Display for ChangeRefused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The names of keys are escaped already.
        match self {
            Self::EndsTooSoon { key, start } => {
                write!(f, "the time of {key} begins only at {start}")
            }
            Self::FlagMisplaced { flag } => {
                write!(
                    f,
                    "`{flag}` is about keys in scopes, and a root key is changed"
                )
            }
            Self::KeyEnded { key, end, .. } => write!(
                f,
                "the time of {key} ended at {end}, and what it signed since then would count again"
            ),
            Self::OperatorDiffers { uri, operator } => write!(
                f,
                "{} is listed with the operator `{}`",
                Escaped(uri),
                Escaped(operator)
            ),
            Self::RevocationWeakened { key, before, .. } => write!(
                f,
                "{key} is revoked already, {before}, and some of what that takes back would count again"
            ),
        }
    }
}

impl Explain for ChangeRefused {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::EndsTooSoon { .. } => "key-ends-too-soon",
            Self::FlagMisplaced { .. } => "flag-misplaced",
            Self::KeyEnded { .. } => "key-ended",
            Self::OperatorDiffers { .. } => "tsa-operator-differs",
            Self::RevocationWeakened { .. } => "revocation-weakened",
        })
    }

    fn remedy(&self) -> String {
        match self {
            Self::EndsTooSoon { start, .. } => {
                format!("give {start} or later: `--at TIME`, or `--until TIME` of a rotation")
            }
            Self::FlagMisplaced { .. } => {
                "leave it out: a root key counts from the version on that lists it, until one does not".to_owned()
            }
            Self::KeyEnded { draft, .. } => format!(
                "leave it as it is, and give the signer a new key: `countersign trust rotate`; {}",
                or_begin_again(draft)
            ),
            Self::OperatorDiffers { operator, .. } => format!(
                "give `--operator {}`, or the address and chain of another authority",
                Escaped(operator)
            ),
            Self::RevocationWeakened { draft, .. } => format!(
                "give what holds that too: an earlier `--at`, or none, or `--from` and `--to` around both; {}",
                or_begin_again(draft)
            ),
        }
    }
}

/// What nobody has relied on yet may go.
fn or_begin_again(draft: &str) -> String {
    format!(
        "or, if only the draft says so, and by mistake, remove {} and begin again",
        Escaped(draft)
    )
}

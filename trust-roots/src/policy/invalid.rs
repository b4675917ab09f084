//! Why a text is no policy, and where in it.
//!
//! Made by [`super::Policy::parse`]. The text itself is never shown beyond short names: it may hold a password.

use std::fmt;

use countersign_common::{Code, Escaped, Explain, age::DurationInvalid};

use crate::pattern::PatternError;

/// The text is no policy, or demands what nothing can meet.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{at}: {reason}")]
pub struct PolicyInvalid {
    /// Where it begins to be wrong.
    pub at: Position,
    /// What is wrong.
    pub reason: Reason,
}

impl PolicyInvalid {
    /// The code of every text that is no policy.
    pub const CODE: Code = Code::new("policy-invalid");
}

/// A place in a text, counted from 1, in lines and characters.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in it.
    pub column: usize,
}

impl Position {
    /// Where in `text` the byte `offset` stands.
    pub(super) fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        Self {
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            column: line.chars().count() + 1,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// What is wrong with a policy.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Nothing is young enough and old enough.
    #[error("`max-age` is less than `min-age`, so that no image could ever be used")]
    AgesCross,
    /// The exception is for something else than this policy is.
    #[error("the image is not one that `match` stands for")]
    ExceptionElsewhere,
    /// What no exception can be made for.
    #[error("no exception can be made for {0}")]
    ExceptionCode(Unknown),
    /// No image, or one without a digest.
    #[error("this is no image with a digest, such as `registry.example/shop/api@sha256:…`")]
    ExceptionImage,
    /// No length of time.
    #[error("this is no length of time: {0}")]
    Duration(DurationInvalid),
    /// Something has nothing in it that must have something.
    #[error("`{0}` is empty")]
    Empty(&'static str),
    /// No digest.
    #[error("a fingerprint is `sha256:` and 64 lower-case hexadecimal digits")]
    Fingerprint,
    /// Freshness without a limit.
    #[error("`heartbeat-max-age` is missing, and `require` demands freshness")]
    HeartbeatMaxAge,
    /// No name of a key.
    #[error("a key is named by 64 lower-case hexadecimal digits")]
    Key,
    /// One key twice.
    #[error("this key is listed already")]
    KeyTwice,
    /// Places that cannot be mapped.
    #[error(
        "`match` and `mirrors` must both end in `/**` and have no other `*`, or both have none at all"
    )]
    Mirrors,
    /// A member that must be there is not.
    #[error("`{0}` is missing")]
    Missing(String),
    /// No number of keys or operators, or one that can be read in two ways.
    #[error("this is no whole number from 1 to 64 in decimal digits")]
    Number,
    /// No pattern.
    #[error("this is no pattern of repositories: {0}")]
    Pattern(PatternError),
    /// One pattern twice.
    #[error("the policy of line {line} has the same `match`")]
    PatternTwice {
        /// Where the first begins.
        line: usize,
    },
    /// No name for a root.
    #[error("the name of a root is 1 to 64 of `a` to `z`, `0` to `9` and `-`")]
    RootName,
    /// A key that the root does not list: a policy narrows a root and never widens it.
    #[error("the root does not let the key `{0}` sign in these repositories")]
    SignerUnlisted(countersign_common::KeyId),
    /// Fewer keys than names.
    #[error("`at-least` is {at_least}, and distinct keys that can sign are among these: {keys}")]
    SignersShared {
        /// How many are demanded.
        at_least: usize,
        /// How many could sign.
        keys: usize,
    },
    /// More signers than there are.
    #[error("`at-least` is {at_least}, and `of` lists {listed}")]
    SignersTooFew {
        /// How many are demanded.
        at_least: usize,
        /// How many could sign.
        listed: usize,
    },
    /// No place that roots come from.
    #[error("this is no source of a root: {0}")]
    Source(SourceInvalid),
    /// Not TOML.
    #[error("this is not TOML: {}", Escaped(.0))]
    Syntax(String),
    /// More operators than a root lists.
    #[error(
        "`time-threshold` is {wanted}, and of operators of time-stamp authorities the root lists {listed}"
    )]
    TimeThresholdAbove {
        /// How many are demanded.
        wanted: usize,
        /// How many there are.
        listed: usize,
    },
    /// Tables in tables in tables.
    #[error("tables are nested deeper than any policy needs")]
    TooDeep,
    /// Longer than any.
    #[error("`{what}` is longer than {limit} bytes")]
    TooLong {
        /// What is.
        what: &'static str,
        /// How long it may be.
        limit: usize,
    },
    /// More than any.
    #[error("`{what}` has more than {limit} entries")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// Another type.
    #[error("this must be {0}")]
    Type(&'static str),
    /// A date where nobody proves one.
    #[error("a proven date is demanded, and the root lists no time-stamp authority")]
    Undatable,
    /// No type of attestation.
    #[error("unknown type of attestation {0}")]
    UnknownAttestation(Unknown),
    /// A member that the format does not have.
    #[error("unknown member {0}")]
    UnknownMember(Unknown),
    /// A root that the file does not have.
    #[error("unknown root {0}")]
    UnknownRoot(Unknown),
    /// A word that the format does not have.
    #[error("unknown value {0}")]
    UnknownValue(Unknown),
    /// No time.
    #[error("this is no time in RFC 3339, such as `2026-12-15T00:00:00Z`")]
    Until,
    /// Another format.
    #[error("only version 1 of the format is read: `version = 1`")]
    Version,
    /// A limit that nothing is within.
    #[error("`{0}` is 0, which nothing could meet")]
    Zero(&'static str),
}

/// Why a text is no place that roots come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceInvalid {
    /// Not a plain folder.
    #[error("a folder is `file:` and its absolute path")]
    Folder,
    /// Not a plain URL.
    #[error("a web folder is `https://host/path/`, without a password, `?` or `#`")]
    Https,
    /// Not a repository.
    #[error(
        "a repository is `oci://host/path` in lower case, without a default port, a tag or a digest"
    )]
    Oci,
    /// Anything else.
    #[error("it begins with `file:/`, `oci://` or `https://`")]
    Scheme,
}

/// A name that there is not, and those that there are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unknown {
    name: String,
    known: Vec<String>,
}

impl Unknown {
    /// Longer than any name that there is.
    const SHOWN: usize = 64;

    pub(crate) fn new(name: &str, known: impl IntoIterator<Item: Into<String>>) -> Self {
        let mut shown: String = name.chars().take(Self::SHOWN).collect();
        if shown.len() < name.len() {
            shown.push('…');
        }
        Self {
            name: shown,
            known: known.into_iter().map(Into::into).collect(),
        }
    }

    /// What was probably meant, as the end of a sentence; nothing where it is not known.
    pub(crate) fn hint(&self) -> String {
        self.nearest()
            .map(|nearest| format!("; did you mean `{nearest}`?"))
            .unwrap_or_default()
    }

    /// The one that was probably meant.
    fn nearest(&self) -> Option<&str> {
        self.known
            .iter()
            .map(|known| (strsim::damerau_levenshtein(&self.name, known), known))
            .filter(|(distance, known)| *distance <= (known.len() / 3).max(1))
            .min()
            .map(|(_, known)| known.as_str())
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`{}", Escaped(&self.name), self.hint())
    }
}

impl Explain for PolicyInvalid {
    fn code(&self) -> Code {
        Self::CODE
    }

    fn remedy(&self) -> String {
        match &self.reason {
            Reason::UnknownMember(unknown) | Reason::UnknownValue(unknown) => {
                format!("write one of: {}", unknown.known.join(", "))
            }
            Reason::ExceptionCode(unknown) => {
                format!("name only: {}", unknown.known.join(", "))
            }
            Reason::UnknownAttestation(unknown) => {
                format!("write a URI, or one of: {}", unknown.known.join(", "))
            }
            Reason::UnknownRoot(_) => "add it to `[roots]`, or correct its name".to_owned(),
            Reason::Missing(name) => format!("add `{}`", Escaped(name)),
            Reason::HeartbeatMaxAge => "add `heartbeat-max-age`, such as \"72h\"".to_owned(),
            Reason::SignerUnlisted(_) => {
                "take it out, or have it added to these repositories' scope in the root: `countersign trust add-key`"
                    .to_owned()
            }
            Reason::SignersShared { .. } => {
                "lower `at-least`, or list more keys: one that is listed by two names is one".to_owned()
            }
            Reason::TimeThresholdAbove { .. } => {
                "lower `time-threshold`, or add authorities of more operators: `countersign trust add-tsa`".to_owned()
            }
            Reason::Undatable => {
                "demand `signed` and no age, or add an authority: `countersign trust add-tsa`".to_owned()
            }
            Reason::Empty(_) => "fill it, or leave it out where it may be left out".to_owned(),
            Reason::TooLong { .. } | Reason::TooMany { .. } => "shorten it".to_owned(),
            Reason::Syntax(_) => {
                "mend the line; https://toml.io shows how TOML is written".to_owned()
            }
            _ => "edit the line".to_owned(),
        }
    }
}

impl Reason {
    /// What the parser says, which would show values: of its sentences only the names are kept.
    pub(super) fn of_parser(sentence: &str) -> Self {
        let (said, expected) = sentence
            .rsplit_once(", expected ")
            .unwrap_or((sentence, ""));
        let quoted = |prefix| said.strip_prefix(prefix)?.strip_suffix('`');
        let known = || expected.split('`').skip(1).step_by(2);
        if let Some(name) = quoted("unknown field `") {
            Self::UnknownMember(Unknown::new(name, known()))
        } else if let Some(name) = quoted("unknown variant `") {
            Self::UnknownValue(Unknown::new(name, known()))
        } else if let Some(name) = quoted("missing field `") {
            Self::Missing(name.to_owned())
        } else if said.starts_with("invalid ")
            && let Some(wanted) = wanted(expected)
        {
            Self::Type(wanted)
        } else {
            // An enumeration's, of a value that is neither a string nor a table.
            match sentence {
                "wanted string or table" => Self::Type("a string"),
                _ if sentence.starts_with("expected table") => Self::Type("a string"),
                _ if sentence.contains("recursion limit") => Self::TooDeep,
                _ => Self::Syntax(sentence.to_owned()),
            }
        }
    }
}

/// A type, in the words of TOML.
fn wanted(expected: &str) -> Option<&'static str> {
    match expected {
        "a string" => Some("a string"),
        "a sequence" => Some("an array"),
        "a map" | "a table" => Some("a table"),
        "a boolean" => Some("`true` or `false`"),
        "i64" => Some("a whole number"),
        _ => None,
    }
}

//! Why the file of a root cannot be read.

use countersign_common::{Escaped, json::JsonError, rfc3161::AnchorError};

use super::exact;
use crate::pattern::PatternError;

/// The file is no root that is understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A chain of certificates that is none.
    #[error(
        "the certificates of the time-stamp authority {} are no chain: {source}",
        Escaped(uri)
    )]
    Anchor {
        /// The authority.
        uri: String,
        /// What is wrong with them.
        source: AnchorError,
    },
    /// Stamps that are not counted.
    #[error("`collect` and `threshold` of stamps must be 1 or more")]
    Counts,
    /// Epochs begin at one.
    #[error("an epoch must be 1 or more")]
    Epoch,
    /// A member of ours that is not as it must be.
    #[error("its `x-countersign` cannot be read: {}", Escaped(what))]
    Extension {
        /// What is wrong with it.
        what: String,
    },
    /// A TUF root of something else.
    #[error("it has no member `x-countersign`, so it says nothing about images")]
    ExtensionMissing,
    /// A time that other clients read otherwise, or not at all.
    #[error("its `expires` is not written as `YYYY-MM-DDTHH:MM:SSZ`")]
    Expires,
    /// Something that this version does not know.
    #[error("it asks for what this version does not know: {}", Escaped(what))]
    Feature {
        /// What.
        what: String,
    },
    /// Not strict JSON, or not of this form.
    #[error("{0}")]
    Json(JsonError),
    /// A key with members that nobody checks.
    #[error("key {} has members that no key has", Escaped(id))]
    KeyExtra {
        /// The key.
        id: String,
    },
    /// A key under another's name.
    #[error("the id of key {} is not the hash of the key", Escaped(id))]
    KeyId {
        /// The declared id.
        id: String,
    },
    /// One key twice in a role.
    #[error("key {} is twice in one list", Escaped(id))]
    KeyRepeated {
        /// The key.
        id: String,
    },
    /// One key under two ids.
    #[error("keys {} and {} are the same key", Escaped(one), Escaped(other))]
    KeyTwice {
        /// One id.
        one: String,
        /// The other.
        other: String,
    },
    /// A key that is named and not there.
    #[error("key {} is named and not among the keys", Escaped(id))]
    KeyUndeclared {
        /// The key.
        id: String,
    },
    /// A name that cannot be one.
    #[error(
        "`{}` is no name of a root: 1 to 64 lower-case letters, digits and `-`",
        Escaped(name)
    )]
    Name {
        /// The name.
        name: String,
    },
    /// A pattern that is none.
    #[error("`{}` is no pattern of repositories: {source}", Escaped(text))]
    Pattern {
        /// The text.
        text: String,
        /// What is wrong with it.
        source: PatternError,
    },
    /// A number that other programs round.
    #[error(
        "its `{}` is above {}, the greatest number that all programs read alike",
        Escaped(path),
        exact::GREATEST
    )]
    Number {
        /// The member, from `signed` on.
        path: String,
    },
    /// No repository.
    #[error("`{}` is not the canonical name of a repository", Escaped(name))]
    Repository {
        /// The name.
        name: String,
    },
    /// A revocation that says too little or too much.
    #[error(
        "a revocation is `compromised`, with `at` or without, or `misused` with `from` and `to` in this order"
    )]
    Revocation,
    /// Other roles than TUF's.
    #[error("its roles are not exactly root, snapshot, targets and timestamp")]
    Roles,
    /// Another version of this form.
    #[error("its `x-countersign` is of schema {}; this version reads schema 1", found.map_or_else(|| "unknown".to_owned(), |found| found.to_string()))]
    Schema {
        /// What it says.
        found: Option<u64>,
    },
    /// A scope of nothing.
    #[error("scope {number} names no repositories")]
    ScopeEmpty {
        /// Which, from 1.
        number: usize,
    },
    /// One signer counted twice.
    #[error("key {} has signed it twice", Escaped(id))]
    SignedTwice {
        /// The key.
        id: String,
    },
    /// Another TUF.
    #[error("its `spec_version` is not 1 and one or two more numbers")]
    Specification,
    /// Anybody would do.
    #[error("the threshold of role {} is 0", Escaped(role))]
    Threshold {
        /// The role.
        role: String,
    },
    /// No time.
    #[error("`{member}` is no time in RFC 3339")]
    Time {
        /// Where.
        member: &'static str,
    },
    /// Longer than any.
    #[error("it has more than {limit} bytes")]
    TooLarge {
        /// How many are read.
        limit: usize,
    },
    /// More than any has.
    #[error("it has more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many are read.
        limit: usize,
    },
    /// No stamp of it could ever count.
    #[error(
        "the `validFor` of the time-stamp authority {} ends before it begins",
        Escaped(uri)
    )]
    TsaWindow {
        /// The authority.
        uri: String,
    },
    /// Not a TUF root.
    #[error("it is no TUF root: {}", Escaped(&with_cause(.0)))]
    Tuf(sigstore_tuf::Error),
    /// Versions begin at one.
    #[error("its version is 0")]
    Version,
    /// It ends before it begins.
    #[error("a key's `notAfter` is before its `notBefore`")]
    Window,
}

fn with_cause(error: &sigstore_tuf::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

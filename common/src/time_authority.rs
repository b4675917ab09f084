//! The port to a time-stamp authority.
//!
//! Signers meet it in binaries and tests. An adapter hands over only answers to its own questions, made about now; whether
//! the authority is trusted is judged elsewhere, by what signers and verifiers trust.

use std::time::Duration;

use crate::{
    Code, Escaped, Explain, Signature, Task, Timestamp, registry::Cause, rfc3161::Invalid,
};

/// Stamps what it is shown.
pub trait TimestampAuthority: Send + Sync {
    /// A stamp of the constant that every stamp inside a payload is over, at most two minutes old: the DER of a
    /// `TimeStampResp`.
    fn before(&self) -> Task<'_, Result<Vec<u8>, Failure>>;

    /// A stamp of a signature: the DER of a `TimeStampResp`.
    fn after<'a>(&'a self, signature: &'a Signature) -> Task<'a, Result<Vec<u8>, Failure>>;
}

/// Why there is no stamp: could not find out, or found out and no.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Could not find out; a retry may help.
    #[error(transparent)]
    Error(#[from] Error),
    /// Found out, and no.
    #[error(transparent)]
    Refusal(#[from] Refusal),
}

/// No stamp could be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Fewer authorities answered than were asked.
    #[error("{got} of {wanted} time-stamp authorities gave a stamp: {first}")]
    Fewer {
        /// How many answered.
        got: usize,
        /// How many were asked.
        wanted: usize,
        /// What the first that did not said.
        first: Box<Error>,
    },
    /// The authority answered that it makes none now.
    #[error("the time-stamp authority {url} gives no stamp: {source}")]
    NotGranted {
        /// The authority.
        url: String,
        /// What it said.
        source: Invalid,
    },
    /// An answer that is none of the protocol's.
    #[error(
        "the time-stamp authority {url} answered with status {status}: {}",
        Escaped(message)
    )]
    Status {
        /// The authority.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What it said.
        message: String,
    },
    /// No answer in time.
    #[error("the time-stamp authority {url} did not answer within {} s", timeout.as_secs_f32())]
    TimedOut {
        /// The authority.
        url: String,
        /// How long was waited.
        timeout: Duration,
    },
    /// Fewer can be asked than must stamp.
    #[error(
        "the trust root has signers collect the stamps of {wanted} operators, and {asked} of its time-stamp authorities can be asked now, each of another"
    )]
    TooFew {
        /// How many can be asked.
        asked: usize,
        /// How many must stamp.
        wanted: usize,
    },
    /// No connection, or it broke.
    #[error("the time-stamp authority {url} could not be reached: {}", Escaped(&source.to_string()))]
    Unreachable {
        /// The authority.
        url: String,
        /// What the system or the library said.
        source: Cause,
    },
}

/// An answer that no document may hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// An answer to another question.
    #[error("the time-stamp authority {url} answered another question: the nonce is not ours")]
    AnotherNonce {
        /// The authority.
        url: String,
    },
    /// A stamp that does not count.
    #[error("the time-stamp authority {url} gave a stamp that does not count: it {source}")]
    Invalid {
        /// The authority.
        url: String,
        /// Why not.
        source: Invalid,
    },
    /// A time that cannot be right, or our clock is not.
    #[error(
        "the time-stamp authority {url} says that it is {time}; the clock here says {now}, more than {tolerated} s from it"
    )]
    TimeImplausible {
        /// The authority.
        url: String,
        /// What it says.
        time: Timestamp,
        /// What the clock here says.
        now: Timestamp,
        /// How many seconds are tolerated.
        tolerated: u64,
    },
}

/// Every code of this module.
pub const CODES: &[Code] = &[
    Code::new("stamp-implausible"),
    Code::new("stamp-invalid"),
    Code::new("tsa-unavailable"),
];

impl Explain for Failure {
    fn code(&self) -> Code {
        match self {
            Self::Error(error) => error.code(),
            Self::Refusal(refusal) => refusal.code(),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Error(error) => error.remedy(),
            Self::Refusal(refusal) => refusal.remedy(),
        }
    }
}

impl Explain for Error {
    fn code(&self) -> Code {
        Code::new("tsa-unavailable")
    }

    fn remedy(&self) -> String {
        match self {
            Self::TooFew { .. } => {
                "name as many with `--tsa`, or none; where the root has too few, add one of another operator: `countersign trust add-tsa`; until then \
`--allow-fewer-stamps` does with those that there are"
            }
            _ => "try again; with several authorities, `--allow-fewer-stamps` does with those that answer",
        }
        .to_owned()
    }
}

impl Explain for Refusal {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::AnotherNonce { .. } | Self::TimeImplausible { .. } => "stamp-implausible",
            Self::Invalid { .. } => "stamp-invalid",
        })
    }

    fn remedy(&self) -> String {
        match self {
            Self::AnotherNonce { .. } | Self::Invalid { .. } => {
                "use another time-stamp authority with `--tsa`; suspect this one, or whoever is between".to_owned()
            }
            Self::TimeImplausible { .. } => {
                "set the clock of this machine; if it is right, use another time-stamp authority with `--tsa`".to_owned()
            }
        }
    }
}

//! A moment, to the second and beyond, in UTC.
//!
//! Pure code takes a [`Timestamp`] called `now`; only binaries sample a clock.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};

/// A moment in UTC.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// The moment `seconds` after 1970-01-01T00:00:00Z, or `None` outside the years that can be written.
    pub fn from_unix_seconds(seconds: i64) -> Option<Self> {
        DateTime::from_timestamp(seconds, 0).map(Self)
    }

    /// Parses RFC 3339.
    pub fn parse(text: &str) -> Result<Self, ParseTimestampError> {
        DateTime::parse_from_rfc3339(text)
            .map(|moment| Self(moment.to_utc()))
            .map_err(|source| ParseTimestampError { source })
    }

    /// Seconds since 1970-01-01T00:00:00Z, fractions cut.
    pub fn unix_seconds(self) -> i64 {
        self.0.timestamp()
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with `Z`, whole seconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Secs, true))
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(moment: DateTime<Utc>) -> Self {
        Self(moment)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The text is not a time in RFC 3339.
#[derive(Debug, thiserror::Error)]
#[error("not a time in RFC 3339, such as 2026-11-24T10:00:00Z")]
pub struct ParseTimestampError {
    source: chrono::ParseError,
}

//! A moment, to the second and beyond, in UTC.
//!
//! Pure code takes a [`Timestamp`] called `now`; only binaries sample a clock.

use std::{fmt, time::Duration};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};

/// A moment in UTC.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(DateTime::UNIX_EPOCH);

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

    /// So much later, or `None` beyond the years that can be written.
    pub fn plus(self, duration: Duration) -> Option<Self> {
        let duration = chrono::TimeDelta::from_std(duration).ok()?;
        self.0.checked_add_signed(duration).map(Self)
    }

    /// So much earlier, or `None` before the years that can be written.
    pub fn minus(self, duration: Duration) -> Option<Self> {
        let duration = chrono::TimeDelta::from_std(duration).ok()?;
        self.0.checked_sub_signed(duration).map(Self)
    }

    /// How much later it is than another moment; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        (self.0 - earlier.0).to_std().unwrap_or_default()
    }

    /// RFC 3339 in UTC with `Z`, with as many digits of a second as it has.
    pub fn to_rfc3339(self) -> String {
        self.0.to_rfc3339_opts(SecondsFormat::AutoSi, true)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn one_moment_has_one_text() {
        for text in [
            "2026-11-24T10:00:00Z",
            "2026-11-24T10:00:00.999Z",
            "2026-11-24T12:30:00+02:30",
            "2026-11-23T22:00:00-12:00",
        ] {
            assert_eq!(parse(text).to_string(), "2026-11-24T10:00:00Z", "{text}");
        }
        assert_eq!(
            parse("1970-01-01T00:00:00Z"),
            Timestamp::from_unix_seconds(0).unwrap()
        );
        assert_eq!(parse("1969-12-31T23:59:59Z").unix_seconds(), -1);
    }

    #[test]
    fn moments_are_ordered_beyond_the_second() {
        assert!(parse("2026-11-24T10:00:00Z") < parse("2026-11-24T10:00:00.001Z"));
        assert!(parse("2026-11-24T10:00:00+01:00") < parse("2026-11-24T10:00:00Z"));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "now",
            "2026-11-24",
            "2026-11-24T10:00:00",
            "2026-13-24T10:00:00Z",
            "2026-02-30T10:00:00Z",
            "2026-11-24T25:00:00Z",
            "2026-11-24T10:00:00Z ",
            "1795514400",
        ] {
            assert!(Timestamp::parse(text).is_err(), "{text}");
        }
        for seconds in [i64::MIN, i64::MAX, 1 << 60] {
            assert_eq!(Timestamp::from_unix_seconds(seconds), None);
        }
    }
}

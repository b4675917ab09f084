//! When a stamp says it was made, and how exactly.

use std::time::Duration;

use chrono::{NaiveDate, TimeDelta};
use der::{Tag, Tagged, asn1::ObjectIdentifier};

use super::{
    Invalid,
    asn1::{Accuracy, TstInfo},
};
use crate::{Digest, Timestamp};

/// The policy of ETSI EN 319 421, which promises a second or better without saying so in each stamp.
const BEST_PRACTICE: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.2023.1.1");

/// What a stamp says by the certificate that it carries itself, for whoever chose its authority and asked it. Proof of nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unanchored {
    pub(super) moment: Moment,
    pub(super) signer: Digest,
}

impl Unanchored {
    /// When it says that it was made.
    pub fn moment(&self) -> &Moment {
        &self.moment
    }

    /// SHA-256 over the `SubjectPublicKeyInfo` of the key that made it.
    pub fn signer(&self) -> &Digest {
        &self.signer
    }
}

/// A stamp that an authority's trust anchor vouches for.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct Stamp {
    pub(super) moment: Moment,
    pub(super) signer: Digest,
}

impl Stamp {
    /// When it was made, and how exactly that is known.
    pub fn moment(&self) -> &Moment {
        &self.moment
    }

    /// SHA-256 over the `SubjectPublicKeyInfo` of the key that made it. Stamps by one key are one witness, whatever anchors
    /// they lead to.
    pub fn signer(&self) -> &Digest {
        &self.signer
    }
}

/// A point in time as an authority gives it: never exact.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Moment {
    time: Timestamp,
    /// One unit of the last digit given: the clock may have stood anywhere in it.
    unit: Duration,
    accuracy: Option<Duration>,
}

impl Moment {
    pub(super) fn of(info: &TstInfo<'_>) -> Result<Self, Invalid> {
        if info.gen_time.tag() != Tag::GeneralizedTime {
            return Err(Invalid::Time);
        }
        let (time, unit) = parse(info.gen_time.value())?;
        let accuracy = match &info.accuracy {
            Some(accuracy) => Some(duration(accuracy)?),
            None => (info.policy == BEST_PRACTICE).then_some(Duration::from_secs(1)),
        };
        Ok(Self {
            time,
            unit,
            accuracy,
        })
    }

    /// The time itself, with its fraction.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The earliest that it can have been. `default` is the authority's accuracy if the stamp does not say it.
    pub fn earliest(&self, default: Duration) -> Option<Timestamp> {
        self.time.minus(self.accuracy.unwrap_or(default))
    }

    /// The latest that it can have been.
    pub fn latest(&self, default: Duration) -> Option<Timestamp> {
        let accuracy = self.accuracy.unwrap_or(default);
        self.time.plus(self.unit.checked_add(accuracy)?)
    }
}

fn duration(accuracy: &Accuracy) -> Result<Duration, Invalid> {
    let part = |part: Option<i64>, limit: u64| {
        let part = u64::try_from(part.unwrap_or_default()).map_err(|_| Invalid::Accuracy)?;
        if part > limit {
            return Err(Invalid::Accuracy);
        }
        Ok(part)
    };
    // A century of seconds: more is no accuracy, and arithmetic with it goes nowhere.
    Ok(Duration::from_secs(part(accuracy.seconds, 3_155_760_000)?)
        + Duration::from_millis(part(accuracy.millis, 999)?)
        + Duration::from_micros(part(accuracy.micros, 999)?))
}

/// `YYYYMMDDhhmmss`, a fraction of up to nine digits if there is one, `Z`.
fn parse(text: &[u8]) -> Result<(Timestamp, Duration), Invalid> {
    let text = std::str::from_utf8(text).map_err(|_| Invalid::Time)?;
    let text = text.strip_suffix('Z').ok_or(Invalid::Time)?;
    let (whole, fraction) = match text.split_once('.') {
        None => (text, ""),
        Some((whole, fraction)) if (1..=9).contains(&fraction.len()) => (whole, fraction),
        Some(_) => return Err(Invalid::Time),
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() != 14 || !is_digits(whole) || !is_digits(fraction) {
        return Err(Invalid::Time);
    }
    let part = |range: std::ops::Range<usize>| {
        let digits = whole
            .get(range)
            .and_then(|digits| digits.parse::<u32>().ok());
        digits.ok_or(Invalid::Time)
    };
    let year = i32::try_from(part(0..4)?).map_err(|_| Invalid::Time)?;
    let time = NaiveDate::from_ymd_opt(year, part(4..6)?, part(6..8)?)
        .and_then(|date| {
            date.and_hms_opt(part(8..10).ok()?, part(10..12).ok()?, part(12..14).ok()?)
        })
        .ok_or(Invalid::Time)?;
    let nanoseconds = format!("{fraction:0<9}");
    let nanoseconds = nanoseconds.parse::<i64>().map_err(|_| Invalid::Time)?;
    let time = time
        .checked_add_signed(TimeDelta::nanoseconds(nanoseconds))
        .ok_or(Invalid::Time)?;
    Ok((Timestamp::from(time.and_utc()), unit(fraction.len())))
}

fn unit(digits: usize) -> Duration {
    let mut unit = Duration::from_secs(1);
    for _ in 0..digits {
        unit /= 10;
    }
    unit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(text: &str, accuracy: Option<Duration>) -> (String, String) {
        let (time, unit) = parse(text.as_bytes()).unwrap();
        let moment = Moment {
            time,
            unit,
            accuracy,
        };
        let default = Duration::from_mins(1);
        let exact = |time: Option<Timestamp>| time.unwrap().to_rfc3339();
        (
            exact(moment.earliest(default)),
            exact(moment.latest(default)),
        )
    }

    #[test]
    fn a_moment_is_as_wide_as_its_last_digit_and_its_accuracy() {
        let zero = Some(Duration::ZERO);
        for (text, accuracy, earliest, latest) in [
            (
                "20261124100000Z",
                zero,
                "2026-11-24T10:00:00Z",
                "2026-11-24T10:00:01Z",
            ),
            (
                "20261124100000.5Z",
                zero,
                "2026-11-24T10:00:00.500Z",
                "2026-11-24T10:00:00.600Z",
            ),
            (
                "20261124100000.123456789Z",
                zero,
                "2026-11-24T10:00:00.123456789Z",
                "2026-11-24T10:00:00.123456790Z",
            ),
            (
                "20261124100000Z",
                Some(Duration::from_micros(1_001)),
                "2026-11-24T09:59:59.998999Z",
                "2026-11-24T10:00:01.001001Z",
            ),
            (
                "20261124100000Z",
                None,
                "2026-11-24T09:59:00Z",
                "2026-11-24T10:01:01Z",
            ),
        ] {
            assert_eq!(
                bounds(text, accuracy),
                (earliest.to_owned(), latest.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_in_utc_or_no_time_is_refused() {
        for text in [
            "20261124100000",
            "20261124100000+0000",
            "20261124100000.Z",
            "20261124100000.1234567890Z",
            "20261124100000,5Z",
            "2026112410Z",
            "202611241000Z",
            "20261124100060Z",
            "20261324100000Z",
            "20260230100000Z",
            "2026112410000aZ",
            "+2026112410000Z",
            "261124100000Z",
            "Z",
            "",
        ] {
            assert_eq!(parse(text.as_bytes()), Err(Invalid::Time), "{text}");
        }
    }

    #[test]
    fn an_accuracy_is_a_duration_or_refused() {
        let accuracy = |seconds, millis, micros| {
            duration(&Accuracy {
                seconds,
                millis,
                micros,
            })
        };
        assert_eq!(accuracy(None, None, None), Ok(Duration::ZERO));
        assert_eq!(
            accuracy(Some(1), Some(999), Some(999)),
            Ok(Duration::from_micros(1_999_999))
        );
        for (seconds, millis, micros) in [
            (Some(-1), None, None),
            (None, Some(-1), None),
            (None, None, Some(-1)),
            (None, Some(1_000), None),
            (None, None, Some(1_000)),
            (Some(i64::MAX), None, None),
        ] {
            assert_eq!(accuracy(seconds, millis, micros), Err(Invalid::Accuracy));
        }
    }
}

//! Times and lengths of time as people write them, in flags and in the configuration file.

use std::time::Duration;

use countersign_common::Timestamp;

/// Units, by the letter that names them, in seconds.
const UNITS: [(char, u64); 5] = [
    ('s', 1),
    ('m', 60),
    ('h', 3_600),
    ('d', 86_400),
    ('w', 604_800),
];

/// A length of time: a whole number and a unit, such as `180d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a whole number and a unit: 45s, 30m, 2h, 180d or 26w".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let (_, seconds) = UNITS
        .into_iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(wrong)?;
    let count = text.trim_end_matches(unit);
    if count.len() + 1 != text.len() || !count.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let count: u64 = count.parse().map_err(|_| wrong())?;
    // More than a thousand years is a slip, and arithmetic with it goes nowhere.
    let length = count
        .checked_mul(seconds)
        .filter(|length| *length <= 36_525 * 864_000);
    length
        .map(Duration::from_secs)
        .ok_or_else(|| "that is more than a thousand years".to_owned())
}

/// A moment: RFC 3339, or a date, which is its first moment in UTC.
pub(crate) fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text)
        .or_else(|_| Timestamp::parse(&format!("{text}T00:00:00Z")))
        .map_err(|_| {
            "write a time such as 2026-11-24T10:00:00Z, or a date such as 2026-11-24".to_owned()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_has_a_number_and_a_unit() {
        for (text, seconds) in [
            ("0s", 0),
            ("45s", 45),
            ("30m", 1_800),
            ("2h", 7_200),
            ("180d", 15_552_000),
            ("26w", 15_724_800),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "s",
            "10",
            "1.5h",
            "-5m",
            "+5m",
            "5 m",
            " 5m",
            "5mm",
            "5M",
            "1e3s",
            "0x10s",
            "5é",
            "99999999999999999999s",
            "18446744073709551615w",
            "400000d",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_moment_is_a_time_or_a_date() {
        let shown = |text: &str| moment(text).map(|moment| moment.to_string());
        assert_eq!(shown("2026-11-24"), Ok("2026-11-24T00:00:00Z".to_owned()));
        assert_eq!(
            shown("2026-11-24T12:00:00+02:00"),
            Ok("2026-11-24T10:00:00Z".to_owned())
        );
        for text in [
            "",
            "now",
            "2026-11",
            "24.11.2026",
            "2026-02-30",
            "2026-11-24T10:00",
        ] {
            assert!(moment(text).is_err(), "{text}");
        }
    }
}

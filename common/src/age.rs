//! How lengths of time are shown to people, and how people write them.

use std::{fmt, time::Duration};

/// A length of time, to its two largest units that count something: `41 days 3 hours`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Age(pub Duration);

/// Parses a length of time: a whole number and a unit, such as `180d`.
pub fn parse_duration(text: &str) -> Result<Duration, DurationInvalid> {
    let unit = text.chars().last().ok_or(DurationInvalid::Spelling)?;
    let (_, seconds) = LETTERS
        .into_iter()
        .find(|(letter, _)| *letter == unit)
        .ok_or(DurationInvalid::Spelling)?;
    let count = text.trim_end_matches(unit);
    if count.len() + 1 != text.len() || !count.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DurationInvalid::Spelling);
    }
    let count: u64 = count.parse().map_err(|_| DurationInvalid::Spelling)?;
    // More than a thousand years is a slip, and arithmetic with it goes nowhere.
    count
        .checked_mul(seconds)
        .filter(|length| *length <= 36_525 * 864_000)
        .map(Duration::from_secs)
        .ok_or(DurationInvalid::TooLong)
}

/// The text is no length of time.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationInvalid {
    /// Not a whole number and a unit.
    #[error("write a whole number and a unit: 45s, 30m, 2h, 180d or 26w")]
    Spelling,
    /// Longer than anybody means.
    #[error("that is more than a thousand years")]
    TooLong,
}

/// Units, by the letter that names them, in seconds.
const LETTERS: [(char, u64); 5] = [
    ('s', 1),
    ('m', 60),
    ('h', 3_600),
    ('d', 86_400),
    ('w', 604_800),
];

const UNITS: [(u64, &str); 4] = [
    (86_400, "day"),
    (3_600, "hour"),
    (60, "minute"),
    (1, "second"),
];

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.0.as_secs();
        let mut shown = Vec::new();
        for (unit, name) in UNITS {
            let count = left / unit;
            left %= unit;
            if count > 0 && shown.len() < 2 {
                let plural = if count == 1 { "" } else { "s" };
                shown.push(format!("{count} {name}{plural}"));
            }
        }
        if shown.is_empty() {
            shown.push("0 seconds".to_owned());
        }
        f.write_str(&shown.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_largest_units_are_shown() {
        for (seconds, shown) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "1 minute"),
            (3_599, "59 minutes 59 seconds"),
            (7_200, "2 hours"),
            (86_399, "23 hours 59 minutes"),
            (86_401, "1 day 1 second"),
            (41 * 86_400 + 5, "41 days 5 seconds"),
            (41 * 86_400 + 7_265, "41 days 2 hours"),
        ] {
            assert_eq!(Age(Duration::from_secs(seconds)).to_string(), shown);
        }
    }

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
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_secs(seconds)),
                "{text}"
            );
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
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}

//! How lengths of time are shown to people.

use std::{fmt, time::Duration};

/// A length of time, to its two largest units that count something: `41 days 3 hours`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Age(pub Duration);

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
}

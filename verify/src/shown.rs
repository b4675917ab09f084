//! How lengths of time are shown to people.

use std::{fmt, time::Duration};

/// A length of time in its largest unit, cut: `41 days`.
pub(crate) struct Age(pub(crate) Duration);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 4] = [
            (86_400, "day"),
            (3_600, "hour"),
            (60, "minute"),
            (1, "second"),
        ];
        let seconds = self.0.as_secs();
        let (unit, name) = UNITS
            .into_iter()
            .find(|(unit, _)| seconds >= *unit)
            .unwrap_or((1, "second"));
        let count = seconds / unit;
        let plural = if count == 1 { "" } else { "s" };
        write!(f, "{count} {name}{plural}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_unit_is_shown() {
        for (seconds, shown) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "1 minute"),
            (3_599, "59 minutes"),
            (7_200, "2 hours"),
            (86_399, "23 hours"),
            (41 * 86_400 + 5, "41 days"),
        ] {
            assert_eq!(Age(Duration::from_secs(seconds)).to_string(), shown);
        }
    }
}

//! Times as people write them, in flags and in the configuration file.

use countersign_common::Timestamp;

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

//! The clock of this machine, against those who tell the time: dates are judged by it.

use std::time::Duration;

use countersign_common::{Escaped, Timestamp};

use crate::command::doctor::{code, finding::Finding};

/// Signers and verifiers refuse what is farther from their clock.
const TOLERATED: Duration = Duration::from_mins(5);
/// What is nearer may be the way there and back.
const NEAR: Duration = Duration::from_secs(30);

/// Compares a time that was told with the clock, both of the same moment.
pub(in crate::command::doctor) fn compare(who: &str, told: Timestamp, clock: Timestamp) -> Finding {
    let who = Escaped(who);
    let (distance, direction) = if told > clock {
        (told.since(clock), "behind")
    } else {
        (clock.since(told), "ahead of")
    };
    let seconds = distance.as_secs();
    if distance <= NEAR {
        let sentence = format!("the clock here is within {} s of {who}", NEAR.as_secs());
        return Finding::ok(code::CLOCK, sentence);
    }
    let sentence = format!("the clock here says {clock}, {seconds} s {direction} {who}");
    let remedy = "set the clock of this machine, and let it be kept (NTP)";
    if distance > TOLERATED {
        Finding::problem(code::CLOCK, sentence, remedy)
    } else {
        Finding::note(code::CLOCK, sentence, remedy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::doctor::finding::Status;

    #[test]
    fn a_clock_may_be_five_minutes_off_and_is_told_of_beyond_half_a_minute() {
        let told = Timestamp::from_unix_seconds(1_800_000_000).unwrap();
        let at = |seconds: i64| Timestamp::from_unix_seconds(1_800_000_000 + seconds).unwrap();
        for (seconds, status, said) in [
            (0, Status::Ok, "within 30 s"),
            (30, Status::Ok, "within 30 s"),
            (-30, Status::Ok, "within 30 s"),
            (31, Status::Note, "31 s ahead of the registry"),
            (-31, Status::Note, "31 s behind the registry"),
            (300, Status::Note, "300 s ahead"),
            (301, Status::Problem, "301 s ahead"),
            (-301, Status::Problem, "301 s behind"),
        ] {
            let finding = compare("the registry", told, at(seconds));
            assert_eq!(finding.status, status, "{seconds}");
            assert!(finding.sentence.contains(said), "{}", finding.sentence);
        }
    }
}

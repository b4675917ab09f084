//! What a trust root says, in words that people read: names escaped, times whole, lengths as they are typed.

use std::time::Duration;

use countersign_common::{Escaped, Timestamp};
use countersign_trust_roots::{
    Revocation, Term,
    root::{Contents, Progress, Statements},
    time::Window,
};

/// What a key is called.
pub(super) fn key(root: &Contents, id: &str) -> String {
    Escaped(&root.key_name(id)).to_string()
}

/// When what a key signs counts; empty if always.
pub(super) fn term(term: &Term) -> String {
    let revoked = term.revoked.map(|revoked| match revoked {
        Revocation::Compromised { at: None } => "compromised: nothing counts".to_owned(),
        Revocation::Compromised { at: Some(at) } => format!("compromised since {at}"),
        Revocation::Misused { from, to } => format!("misused from {from} to {to}"),
    });
    [
        Some(window(term.valid)).filter(|window| !window.is_empty()),
        revoked,
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join("; ")
}

/// A stretch of time; empty if it has no end on either side.
pub(super) fn window(window: Window) -> String {
    let start = window.start.map(|start| format!("from {start}"));
    let end = window.end.map(|end| format!("until {end}"));
    start.into_iter().chain(end).collect::<Vec<_>>().join(" ")
}

/// A length as it is typed in a flag.
pub(super) fn length(seconds: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let unit = UNITS
        .into_iter()
        .find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit));
    match unit {
        Some((unit, name)) => format!("{}{name}", seconds / unit),
        None => format!("{seconds}s"),
    }
}

/// How far away a moment is.
pub(super) fn distance(moment: Timestamp, now: Timestamp) -> String {
    const DAY: u64 = 86_400;
    let days = |length: Duration| match length.as_secs() / DAY {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    };
    if moment > now {
        format!("in {}", days(moment.since(now)))
    } else {
        format!("{} ago", days(now.since(moment)))
    }
}

/// Where statements lie.
pub(super) fn statements(statements: Statements) -> &'static str {
    match statements {
        Statements::Same => "same",
        Statements::Sibling => "sibling",
    }
}

/// Who has signed a version and who has not, by one of the two roots that judge it.
pub(super) fn progress(one: &Progress, version: u64, judge: &Contents) -> String {
    let names = |ids: &[String]| {
        let names: Vec<_> = ids.iter().map(|id| key(judge, id)).collect();
        listing(&names)
    };
    let have = |ids: &[String]| if ids.len() == 1 { "has" } else { "have" };
    let of = if one.by == version {
        "its own root keys".to_owned()
    } else {
        format!("the root keys of version {}", one.by)
    };
    let all = one.signed.len() + one.missing.len();
    let who = match (one.signed.as_slice(), one.missing.as_slice()) {
        ([], _) => "nobody has signed".to_owned(),
        (signed, []) => format!("{} {} signed", names(signed), have(signed)),
        (signed, missing) => format!(
            "{} {} signed; {} {} not",
            names(signed),
            have(signed),
            names(missing),
            have(missing),
        ),
    };
    format!(
        "version {version} needs {} of {all} of {of}: {who}",
        one.threshold
    )
}

/// `alice, bob and carol`
pub(super) fn listing(names: &[String]) -> String {
    match names {
        [] => "nobody".to_owned(),
        [one] => one.clone(),
        [before @ .., last] => format!("{} and {last}", before.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_written_as_it_is_typed() {
        for (seconds, text) in [
            (0, "0s"),
            (45, "45s"),
            (60, "1m"),
            (5_400, "90m"),
            (7_200, "2h"),
            (7_776_000, "90d"),
            (86_401, "86401s"),
        ] {
            assert_eq!(length(seconds), text);
            assert_eq!(
                countersign_common::age::parse_duration(text),
                Ok(Duration::from_secs(seconds)),
                "{text}"
            );
        }
    }

    #[test]
    fn a_moment_is_so_far_away() {
        let time = |seconds| Timestamp::from_unix_seconds(seconds).unwrap();
        for (moment, text) in [
            (86_400 * 12, "in 2 days"),
            (86_400 * 11, "in 1 day"),
            (86_400 * 10 + 5, "in less than a day"),
            (86_400 * 10, "less than a day ago"),
            (0, "10 days ago"),
        ] {
            assert_eq!(distance(time(moment), time(86_400 * 10)), text);
        }
    }

    #[test]
    fn names_are_listed_as_people_list_them() {
        let names: Vec<String> = ["alice", "bob", "carol"].map(str::to_owned).to_vec();
        assert_eq!(listing(&names), "alice, bob and carol");
        assert_eq!(listing(&names[..2]), "alice and bob");
        assert_eq!(listing(&names[..1]), "alice");
        assert_eq!(listing(&[]), "nobody");
    }
}

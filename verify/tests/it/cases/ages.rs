//! What is demanded of a date, at each edge and one second beyond; and which of several dates it is.

use super::{dated, publication, refused};
use crate::{
    case::DatesDocument,
    signing::{Key, Signing},
    stamping::{AFTER, BEFORE, Tsa},
    story::Story,
};

fn demanding(story: Story, edit: impl FnOnce(&mut DatesDocument)) -> Story {
    story
        .timed_by(Tsa::One)
        .with(|case| edit(&mut case.demand.dates))
}

/// The usual publication is proven to be of 08:59:59 to 09:00:03, and it is 10:00:00.
pub(super) fn edges() -> Vec<Story> {
    let pair = |(case, about): (&str, &str),
                (beyond, beyond_about): (&str, &str),
                edits: [fn(&mut DatesDocument); 2]| {
        let twin = format!("verified--{case}");
        let [edge, further] = edits;
        [
            demanding(Story::new(&twin, about), edge).signed(&publication()),
            demanding(refused(beyond, beyond_about, &twin), further).signed(&publication()),
        ]
    };
    let pairs = [
        pair(
            ("as-old-as-accepted", "3,601 seconds, by its earlier end."),
            ("older-than-accepted", "A second less is accepted."),
            [
                |dates| dates.max_age = Some(3_601),
                |dates| dates.max_age = Some(3_600),
            ],
        ),
        pair(
            ("as-young-as-accepted", "3,597 seconds, by its later end."),
            ("younger-than-accepted", "A second more is demanded."),
            [
                |dates| dates.min_age = Some(3_597),
                |dates| dates.min_age = Some(3_598),
            ],
        ),
        pair(
            ("published-when-demanded", "At its earlier end."),
            (
                "published-before-what-is-demanded",
                "It may have been a second before.",
            ),
            [
                |dates| dates.published_after = Some("2026-11-24T08:59:59Z".to_owned()),
                |dates| dates.published_after = Some("2026-11-24T09:00:00Z".to_owned()),
            ],
        ),
        pair(
            ("published-by-when-demanded", "At its later end."),
            (
                "published-after-what-is-demanded",
                "It may have been a second later.",
            ),
            [
                |dates| dates.published_before = Some("2026-11-24T09:00:03Z".to_owned()),
                |dates| dates.published_before = Some("2026-11-24T09:00:02Z".to_owned()),
            ],
        ),
        pair(
            ("within-all-demands", "All at once."),
            (
                "against-all-demands",
                "Each says what it has against the date.",
            ),
            [
                |dates| {
                    dates.max_age = Some(7_200);
                    dates.min_age = Some(60);
                    dates.published_after = Some("2026-11-24T08:00:00Z".to_owned());
                    dates.published_before = Some("2026-11-24T09:30:00Z".to_owned());
                },
                |dates| {
                    dates.max_age = Some(60);
                    dates.min_age = Some(7_200);
                    dates.published_after = Some("2026-11-24T09:30:00Z".to_owned());
                    dates.published_before = Some("2026-11-24T08:00:00Z".to_owned());
                },
            ],
        ),
    ];
    pairs
        .into_iter()
        .flatten()
        .chain(fractions())
        .chain(supported())
        .collect()
}

fn fractions() -> Vec<Story> {
    let exact = || {
        let at = |time| Tsa::One.at(time).exact_to(0);
        publication().stamped(
            [at("2026-11-24T09:00:00.5Z")],
            [at("2026-11-24T09:00:00.6Z")],
        )
    };
    let twin = "verified--older-by-less-than-a-fraction";
    vec![
        demanding(
            Story::new(twin, "3,599.5 seconds are less than 3,600."),
            |dates| dates.max_age = Some(3_600),
        )
        .signed(&exact()),
        demanding(
            refused(
                "older-by-a-fraction",
                "3,599.5 seconds are more than 3,599.",
                twin,
            ),
            |dates| dates.max_age = Some(3_599),
        )
        .signed(&exact()),
    ]
}

fn supported() -> Vec<Story> {
    let until = |story: Story, time: Option<&'static str>| {
        demanding(story, |dates| dates.supported = true).signed(&Signing {
            supported_until: time,
            ..publication()
        })
    };
    let now = "verified--supported-until-now";
    vec![
        until(
            Story::new(now, "To the second."),
            Some("2026-11-24T10:00:00Z"),
        ),
        until(
            refused("support-ended", "A second ago.", now),
            Some("2026-11-24T09:59:59Z"),
        ),
        until(
            Story::new(
                "verified--support-without-end",
                "Nothing is said of an end.",
            ),
            None,
        ),
        dated(Story::new(
            "verified--support-ended-and-not-demanded",
            "It is shown, and that is all.",
        ))
        .signed(&Signing {
            supported_until: Some("2026-11-24T09:59:59Z"),
            ..publication()
        }),
    ]
}

/// An image does not become younger by being published again.
pub(super) fn several() -> Vec<Story> {
    let at = |before: &'static str, after: &'static str| {
        publication().stamped([Tsa::One.at(before)], [Tsa::One.at(after)])
    };
    let again = || at("2026-11-24T09:30:00Z", "2026-11-24T09:30:01Z").named("again");
    let young = |story: Story| demanding(story, |dates| dates.max_age = Some(3_600));
    let only = "verified--published-once";
    vec![
        young(Story::new(only, "Half an hour ago.")).signed(&again()),
        young(refused(
            "published-again",
            "The earlier of the two publications counts.",
            only,
        ))
        .signed(&again())
        .signed(&at(BEFORE, AFTER)),
        young(Story::new(
            "verified--published-again-by-a-stranger",
            "A stranger's earlier publication makes nothing older.",
        ))
        .signed(&again())
        .signed(&Signing::publication(Key::Stranger)),
        young(Story::new(
            "verified--published-again-with-a-bad-stamp",
            "An earlier publication whose date is not proven makes nothing older, and is named.",
        ))
        .signed(&again())
        .signed(&at(BEFORE, AFTER).stamped([Tsa::One.at(BEFORE)], [Tsa::Two.at(AFTER)])),
        demanding(
            Story::new(
                "verified--support-of-the-first-publication",
                "What the earlier publication says of support counts.",
            ),
            |dates| dates.supported = true,
        )
        .signed(&Signing {
            supported_until: Some("2027-11-24T00:00:00Z"),
            ..publication()
        })
        .signed(&Signing {
            supported_until: Some("2026-11-24T09:59:59Z"),
            ..again()
        }),
    ]
}

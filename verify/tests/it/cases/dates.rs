//! Who vouches for a date, how far apart its ends are, and what the clock says.

use super::{DATED, dated, demanding_a_date, publication, refused, release};
use crate::{
    case::TimeAuthorityDocument,
    signing::{Key, Signing},
    stamping::{AFTER, BEFORE, Stamping, Tsa},
    story::Story,
};

const EARLIER: &str = "2026-11-24T08:00:00Z";
const LATER: &str = "2026-11-24T09:30:00Z";

fn by(authorities: &[Tsa]) -> Signing {
    let at = |time| authorities.iter().map(move |authority| authority.at(time));
    publication().stamped(at(BEFORE), at(AFTER))
}

fn two_of(story: Story) -> Story {
    demanding_a_date(story).with(|case| case.time_threshold = Some(2.try_into().unwrap()))
}

pub(super) fn witnesses() -> Vec<Story> {
    let pair = "verified--dated-by-two";
    let compromised = |authority: &mut TimeAuthorityDocument| authority.compromised = true;
    let operated = |story: Story, operator: &str| {
        let same = |authority: &mut TimeAuthorityDocument| {
            operator.clone_into(&mut authority.operator);
        };
        let story = story
            .timed_by_as(Tsa::One, same)
            .timed_by_as(Tsa::Two, same);
        two_of(story.timed_by(Tsa::Three))
    };
    let both = |story: Story| two_of(story.timed_by(Tsa::One).timed_by(Tsa::Two));
    let three = |story: Story| both(story).timed_by(Tsa::Three);
    let lying = |authority: Tsa| (authority.at(LATER), authority.at(EARLIER));
    let one_lies = || {
        let (before, after) = lying(Tsa::Three);
        let honest = by(&[Tsa::One, Tsa::Two]);
        let (mut befores, mut afters) = (honest.before, honest.after);
        befores.insert(0, before);
        afters.insert(0, after);
        publication().stamped(befores, afters)
    };
    let one_of_three_lies = "verified--one-of-three-lies";
    let compromised_beside_another = "verified--compromised-authority-beside-another";
    vec![
        both(Story::new(
            pair,
            "Two operators are demanded, and two vouch.",
        ))
        .signed(&by(&[Tsa::One, Tsa::Two])),
        both(refused(
            "dated-by-one-of-two",
            "One operator vouches.",
            pair,
        ))
        .signed(&by(&[Tsa::One])),
        both(refused(
            "dated-by-one-twice",
            "An operator who stamps twice is one witness.",
            pair,
        ))
        .signed(&by(&[Tsa::One, Tsa::One])),
        both(refused(
            "dated-by-one-on-each-side",
            "Each side needs two of its own.",
            pair,
        ))
        .signed(&publication().stamped(
            [Tsa::One.at(BEFORE), Tsa::Two.at(BEFORE)],
            [Tsa::One.at(AFTER), Tsa::One.at(AFTER)],
        )),
        operated(
            refused(
                "dated-by-two-authorities-of-one-operator",
                "Two authorities in one hand are one witness.",
                pair,
            ),
            "same.example",
        )
        .signed(&by(&[Tsa::One, Tsa::Two])),
        operated(
            refused(
                "dated-by-two-nameless-operators",
                "All that name nobody may be one.",
                pair,
            ),
            "",
        )
        .signed(&by(&[Tsa::One, Tsa::Two])),
        dated(refused(
            "no-stamp-inside",
            "The signature may be older than anything.",
            DATED,
        ))
        .signed(&publication().stamped([], [Tsa::One.at(AFTER)])),
        dated(refused(
            "no-stamp-of-the-signature",
            "The signature may be of yesterday.",
            DATED,
        ))
        .signed(&publication().stamped([Tsa::One.at(BEFORE)], [])),
        dated(refused(
            "stamps-by-an-authority-nobody-trusts",
            "Anybody can be one.",
            DATED,
        ))
        .signed(&by(&[Tsa::Two])),
        dated(refused(
            "one-stamp-by-an-authority-nobody-trusts",
            "Its side is not proven.",
            DATED,
        ))
        .signed(&publication().stamped([Tsa::One.at(BEFORE)], [Tsa::Two.at(AFTER)])),
        demanding_a_date(
            refused(
                "compromised-authority",
                "Whoever stole its key may write any time into a stamp.",
                compromised_beside_another,
            )
            .timed_by_as(Tsa::One, compromised),
        )
        .signed(&by(&[Tsa::One])),
        demanding_a_date(
            Story::new(
                compromised_beside_another,
                "A second operator keeps the date.",
            )
            .timed_by_as(Tsa::One, compromised)
            .timed_by(Tsa::Two),
        )
        .signed(&by(&[Tsa::One, Tsa::Two])),
        three(Story::new(
            one_of_three_lies,
            "Fewer liars than are demanded move nothing.",
        ))
        .signed(&one_lies()),
        three(refused(
            "one-liar-where-one-is-enough",
            "The same lie, believed: it contradicts the others.",
            one_of_three_lies,
        ))
        .with(|case| case.time_threshold = None)
        .signed(&one_lies()),
        three(refused(
            "two-of-three-lie",
            "As many liars as are demanded are noticed only by contradiction.",
            one_of_three_lies,
        ))
        .signed(&{
            let ((one, other), (two, another)) = (lying(Tsa::Two), lying(Tsa::Three));
            publication().stamped(
                [Tsa::One.at(BEFORE), one, two],
                [Tsa::One.at(AFTER), other, another],
            )
        }),
    ]
}

pub(super) fn intervals() -> Vec<Story> {
    let between = |story: Story, before: Stamping, after: Stamping| {
        dated(story).signed(&publication().stamped([before], [after]))
    };
    let widest = "verified--interval-as-wide-as-accepted";
    let touching = "verified--interval-of-no-width";
    let hour = Tsa::One.at(BEFORE).exact_to(3_600);
    let wider = "verified--interval-wider-where-that-is-accepted";
    let silent = |time: &'static str| Tsa::One.at(time).mode(|mode| mode.accuracy = None);
    let exact_to = |story: Story, seconds: u64| {
        let story = story.timed_by_as(Tsa::One, |authority| {
            authority.accuracy_seconds = Some(seconds);
        });
        demanding_a_date(story).signed(&publication().stamped([silent(BEFORE)], [silent(AFTER)]))
    };
    let by_the_authority = "verified--accuracy-said-by-the-authority";
    vec![
        between(
            Story::new(widest, "600 seconds from end to end."),
            Tsa::One.at(BEFORE),
            Tsa::One.at("2026-11-24T09:09:57Z"),
        ),
        between(
            refused(
                "interval-a-fraction-too-wide",
                "A tenth of a second more.",
                widest,
            ),
            Tsa::One.at(BEFORE),
            Tsa::One.at("2026-11-24T09:09:58.0Z"),
        ),
        between(
            refused(
                "stamp-a-month-old",
                "A stamp kept for later proves only that the signature is younger.",
                widest,
            ),
            Tsa::One.at("2026-10-24T09:00:00Z"),
            Tsa::One.at(AFTER),
        ),
        between(
            refused(
                "stamp-exact-to-an-hour",
                "An hour on one side is an interval of an hour.",
                wider,
            ),
            hour.clone(),
            Tsa::One.at(AFTER),
        ),
        between(
            Story::new(wider, "Where an hour is accepted, it is."),
            hour,
            Tsa::One.at(AFTER),
        )
        .with(|case| case.max_interval_seconds = Some(3_603)),
        exact_to(
            Story::new(
                by_the_authority,
                "Where stamps do not say how exact they are: two times 299 seconds, and two more.",
            ),
            299,
        ),
        exact_to(
            refused(
                "accuracy-said-by-the-authority",
                "Two times 300 seconds, and two more.",
                by_the_authority,
            ),
            300,
        ),
        between(
            Story::new(touching, "What is after one moment and before it is at it."),
            Tsa::One.at("2026-11-24T09:00:03Z"),
            Tsa::One.at(BEFORE),
        ),
        between(
            refused(
                "stamps-in-the-other-order",
                "A second more, and it was signed before and after.",
                touching,
            ),
            Tsa::One.at("2026-11-24T09:00:04Z"),
            Tsa::One.at(BEFORE),
        ),
    ]
}

pub(super) fn clocks() -> Vec<Story> {
    let ahead = |story: Story, before: &'static str, after: &'static str| {
        dated(story).signed(&publication().stamped([Tsa::One.at(before)], [Tsa::One.at(after)]))
    };
    let edge = "verified--clock-behind-by-five-minutes";
    vec![
        ahead(
            Story::new(edge, "300 seconds ahead of the clock here."),
            "2026-11-24T10:05:01Z",
            "2026-11-24T10:05:02Z",
        ),
        ahead(
            refused(
                "clock-behind-by-more",
                "One second more: this clock, or that one, is wrong.",
                edge,
            ),
            "2026-11-24T10:05:02Z",
            "2026-11-24T10:05:03Z",
        ),
        dated(refused(
            "clock-behind-by-a-year",
            "No age can be told with such a clock.",
            DATED,
        ))
        .signed(&publication())
        .with(|case| "2025-11-24T10:00:00Z".clone_into(&mut case.now)),
    ]
}

pub(super) fn claimed() -> Vec<Story> {
    let claiming = || Signing::claiming(Key::Release, BEFORE);
    let claimed = "verified--date-claimed";
    vec![
        Story::new(
            claimed,
            "A date by its publisher's word is shown as that, at the level `signed`.",
        )
        .timed_by(Tsa::One)
        .signed(&claiming()),
        dated(refused(
            "date-claimed-where-proof-is-demanded",
            "Anybody with the key can write any date.",
            claimed,
        ))
        .signed(&claiming()),
        dated(refused(
            "date-claimed-and-stamped-beside",
            "A stamp of the signature alone does not make a claim a proof.",
            claimed,
        ))
        .signed(&claiming().stamped([], [Tsa::One.at(AFTER)])),
        dated(Story::new(
            "verified--date-proven-beside-a-claim",
            "The proof counts, though the claim is earlier.",
        ))
        .signed(&publication())
        .signed(&Signing::claiming(Key::Release, EARLIER).named("claim")),
        Story::new(
            "verified--earliest-of-two-claims",
            "Of two claims the earlier one is shown.",
        )
        .signed(&Signing::claiming(Key::Release, LATER).named("later-claim"))
        .signed(&Signing::claiming(Key::Release, EARLIER).named("claim")),
        Story::new(
            "verified--date-claimed-by-a-stranger",
            "What a stranger claims is not shown.",
        )
        .signed(&release())
        .signed(&Signing::claiming(Key::Stranger, BEFORE)),
        Story::new(
            "verified--date-not-asked-for",
            "A date that is not proven denies nothing where none is demanded.",
        )
        .timed_by(Tsa::One)
        .signed(&publication().stamped([], [Tsa::One.at(AFTER)])),
    ]
}

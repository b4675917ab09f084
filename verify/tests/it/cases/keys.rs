//! Keys that may not sign everything, or not always.

use super::{dated, publication, refused, release};
use crate::{
    case::{
        RevocationDocument,
        RoleName::{self, Heartbeat, Publish, Sign},
        TermDocument,
    },
    signing::{Key, Signing},
    stamping::{AFTER, BEFORE, Over, Tsa},
    story::Story,
};

const SPDX: &str = "https://spdx.dev/Document";

fn spdx() -> Signing {
    Signing::attestation(Key::Release, SPDX).stamped([], [])
}

/// Who may sign what. A key of one role is nobody in another.
pub(super) fn roles() -> Vec<Story> {
    let released_as = |story: Story, roles: &[RoleName]| story.in_roles(Key::Release, roles);
    let signed = |story: Story, roles| released_as(story, roles).signed(&release());
    let published = |story: Story, roles| dated(released_as(story, roles)).signed(&publication());
    let attested = |story: Story, roles| {
        released_as(story.trusting(Key::Review), roles)
            .signed(&Signing::by(Key::Review))
            .signed(&spdx())
            .with(|case| case.demand.attestations = vec!["spdx".to_owned()])
    };
    let two = |story: Story, roles| {
        signed(story.trusting(Key::Review), roles)
            .signed(&Signing::by(Key::Review))
            .with(|case| case.demand.threshold = 2.try_into().unwrap())
    };
    let nameless = |story: Story, roles| {
        released_as(story.trusting(Key::Review), roles).signed(&Signing {
            hint: Some(String::new()),
            ..release()
        })
    };
    let by_signer = "verified--signed-by-a-key-for-signing";
    let by_publisher = "verified--published-by-a-key-for-publishing";
    let attested_by_signer = "verified--attested-by-a-key-for-signing";
    let two_for_signing = "verified--signed-by-two-keys-for-signing";
    let unnamed = "verified--signed-without-a-hint-by-a-key-for-signing";
    vec![
        signed(
            Story::new(by_signer, "The key may sign images, and nothing else."),
            &[Sign],
        ),
        signed(
            refused(
                "signed-by-a-key-for-publishing",
                "The key may publish, and not sign images.",
                by_signer,
            ),
            &[Publish],
        ),
        published(
            Story::new(by_publisher, "The key may publish, and nothing else."),
            &[Publish],
        ),
        published(
            refused(
                "published-by-a-key-for-signing",
                "The key may sign images, and not publish.",
                by_publisher,
            ),
            &[Sign],
        ),
        published(
            refused(
                "published-by-a-key-for-heartbeats",
                "The key that says what is the latest publishes nothing.",
                by_publisher,
            ),
            &[Heartbeat],
        ),
        attested(
            Story::new(attested_by_signer, "The key may attest."),
            &[Sign],
        ),
        attested(
            refused(
                "attested-by-a-key-for-publishing",
                "The key may publish, and not attest.",
                attested_by_signer,
            ),
            &[Publish, Heartbeat],
        ),
        two(
            Story::new(two_for_signing, "Two keys that may sign images did."),
            &[Sign],
        ),
        two(
            refused(
                "signed-by-one-key-for-signing-and-one-for-publishing",
                "Of two that are demanded one is for something else.",
                two_for_signing,
            ),
            &[Publish],
        ),
        nameless(
            Story::new(unnamed, "Each key that may sign images is tried."),
            &[Sign],
        ),
        nameless(
            refused(
                "signed-without-a-hint-by-a-key-for-publishing",
                "Only keys that may sign images are tried.",
                unnamed,
            ),
            &[Publish],
        ),
    ]
}

/// The usual publication was signed from `08:59:59` to `09:00:03`; the usual signature, if it is stamped, by `09:00:03`.
fn at(time: &str) -> String {
    format!("2026-11-24T{time}Z")
}

fn from(start: &str) -> TermDocument {
    TermDocument {
        not_before: Some(at(start)),
        ..TermDocument::default()
    }
}

fn until(end: &str) -> TermDocument {
    TermDocument {
        not_after: Some(at(end)),
        ..TermDocument::default()
    }
}

fn compromised_at(time: Option<&str>) -> TermDocument {
    TermDocument {
        revoked: Some(RevocationDocument::Compromised { at: time.map(at) }),
        ..TermDocument::default()
    }
}

fn misused_in(from: &str, to: &str) -> TermDocument {
    TermDocument {
        revoked: Some(RevocationDocument::Misused {
            from: at(from),
            to: at(to),
        }),
        ..TermDocument::default()
    }
}

/// Signed, and the signature stamped.
fn stamped() -> Signing {
    release().stamped([], [Tsa::One.at(AFTER)])
}

/// Published by a key of this term, where a date is demanded.
fn published_in(story: Story, term: TermDocument) -> Story {
    dated(story)
        .for_term(Key::Release, term)
        .signed(&publication())
}

/// Signed and stamped by a key of this term.
fn signed_in(story: Story, term: TermDocument) -> Story {
    story
        .timed_by(Tsa::One)
        .for_term(Key::Release, term)
        .signed(&stamped())
}

const PUBLISHED: &str = "verified--published-in-the-last-second-of-its-key";
const STAMPED: &str = "verified--signed-in-the-last-second-of-its-key";

/// A key that is retired, or not yet in use. What it signed in its time counts for ever.
pub(super) fn windows() -> Vec<Story> {
    let first = "verified--published-in-the-first-second-of-its-key";
    let signed_first = "verified--signed-in-the-first-second-of-its-key";
    vec![
        published_in(
            Story::new(
                PUBLISHED,
                "The key is retired since then: what it published counts on.",
            ),
            until("09:00:03"),
        ),
        published_in(
            refused(
                "published-a-second-after-its-key",
                "The stamps leave room for a second after the key was retired.",
                PUBLISHED,
            ),
            until("09:00:02"),
        ),
        published_in(
            Story::new(first, "The key was in use since then."),
            from("08:59:59"),
        ),
        published_in(
            refused(
                "published-a-second-before-its-key",
                "The stamps leave room for a second before the key was in use.",
                first,
            ),
            from("09:00:00"),
        ),
        signed_in(
            Story::new(
                STAMPED,
                "The key is retired since then: what it signed counts on.",
            ),
            until("09:00:03"),
        ),
        signed_in(
            refused(
                "signed-a-second-after-its-key",
                "It may have been signed after the key was retired.",
                STAMPED,
            ),
            until("09:00:02"),
        ),
        signed_in(
            Story::new(signed_first, "All that is shown is by when it was signed."),
            from("09:00:03"),
        ),
        signed_in(
            refused(
                "signed-a-second-before-its-key",
                "The key was not in use before.",
                signed_first,
            ),
            from("09:00:04"),
        ),
    ]
}

/// Where nothing proves when it was signed only a key without a term counts.
pub(super) fn unproven() -> Vec<Story> {
    let window = || until("09:00:03");
    let with_window = |story: Story| story.timed_by(Tsa::One).for_term(Key::Release, window());
    let unstamped = "verified--signed-without-a-stamp-by-a-key-without-a-term";
    let claimed = "verified--date-claimed-by-a-key-without-a-term";
    let claiming = || Signing::claiming(Key::Release, "2026-11-24T09:00:00Z");
    vec![
        Story::new(unstamped, "Its signatures count whenever they were made.")
            .timed_by(Tsa::One)
            .signed(&release()),
        with_window(refused(
            "signed-without-a-stamp-by-a-key-with-a-window",
            "Nothing shows when it was signed.",
            unstamped,
        ))
        .signed(&release()),
        signed_in(
            refused(
                "signed-without-a-stamp-by-a-key-stolen-later",
                "Nothing shows that it was signed before.",
                STAMPED,
            ),
            compromised_at(Some("09:59:00")),
        )
        .signed(&release()),
        with_window(refused(
            "signed-with-a-stamp-of-something-else",
            "A stamp of another signature shows nothing of this one.",
            STAMPED,
        ))
        .signed(&release().stamped([], [Tsa::One.at(AFTER).over(Over::Other(b"another"))])),
        with_window(refused(
            "signed-with-a-stamp-by-an-authority-nobody-trusts",
            "Anybody can make a stamp.",
            STAMPED,
        ))
        .signed(&release().stamped([], [Tsa::Two.at(AFTER)])),
        refused(
            "signed-by-a-key-with-a-window-where-nobody-is-believed",
            "Without an authority nothing shows when it was signed.",
            STAMPED,
        )
        .for_term(Key::Release, window())
        .signed(&stamped()),
        Story::new(claimed, "Its publications count whenever they were made.")
            .timed_by(Tsa::One)
            .signed(&claiming()),
        with_window(refused(
            "date-claimed-by-a-key-with-a-window",
            "Whoever has the key can claim any date.",
            claimed,
        ))
        .signed(&claiming()),
    ]
}

/// A key that was stolen. Only what is proven to be older counts.
pub(super) fn compromised() -> Vec<Story> {
    let before = "verified--published-before-its-key-was-stolen";
    let signed_before = "verified--signed-before-its-key-was-stolen";
    let published = |case: &str, about: &str, time: Option<&str>| {
        published_in(refused(case, about, before), compromised_at(time))
    };
    let signed = |case: &str, about: &str, time: Option<&str>| {
        signed_in(refused(case, about, signed_before), compromised_at(time))
    };
    vec![
        published_in(
            Story::new(before, "A second before."),
            compromised_at(Some("09:00:04")),
        ),
        published(
            "published-as-its-key-was-stolen",
            "It may have been signed just then.",
            Some("09:00:03"),
        ),
        published(
            "published-about-when-its-key-was-stolen",
            "The stamps do not say whether it was before or after.",
            Some("09:00:01"),
        ),
        published(
            "published-after-its-key-was-stolen",
            "By the thief, for all that is known.",
            Some("08:00:00"),
        ),
        published(
            "published-by-a-key-stolen-at-any-time",
            "Nobody knows since when the key is another's.",
            None,
        ),
        signed_in(
            Story::new(signed_before, "A second before."),
            compromised_at(Some("09:00:04")),
        ),
        signed(
            "signed-as-its-key-was-stolen",
            "It may have been signed just then.",
            Some("09:00:03"),
        ),
        signed(
            "signed-by-a-key-stolen-at-any-time",
            "Nobody knows since when the key is another's.",
            None,
        ),
    ]
}

/// A key whose use was stolen for a while, and which lives on.
pub(super) fn misused() -> Vec<Story> {
    let before = "verified--published-before-its-key-was-misused";
    let after = "verified--published-after-its-key-was-misused";
    let signed_before = "verified--signed-before-its-key-was-misused";
    vec![
        published_in(
            Story::new(before, "A second before."),
            misused_in("09:00:04", "09:10:00"),
        ),
        published_in(
            refused(
                "published-as-the-misuse-of-its-key-began",
                "It may have been signed just then.",
                before,
            ),
            misused_in("09:00:03", "09:10:00"),
        ),
        published_in(
            refused(
                "published-during-the-misuse-of-its-key",
                "By the thief, for all that is known.",
                before,
            ),
            misused_in("08:00:00", "09:10:00"),
        ),
        published_in(
            refused(
                "published-around-the-misuse-of-its-key",
                "The misuse lies inside of what the stamps show.",
                before,
            ),
            misused_in("09:00:00", "09:00:01"),
        ),
        published_in(
            refused(
                "published-as-the-misuse-of-its-key-ended",
                "It may have been signed just then.",
                after,
            ),
            misused_in("08:00:00", "08:59:59"),
        ),
        published_in(
            Story::new(after, "The stamp inside shows that it was after."),
            misused_in("08:00:00", "08:59:58"),
        ),
        signed_in(
            Story::new(signed_before, "A second before."),
            misused_in("09:00:04", "09:10:00"),
        ),
        signed_in(
            refused(
                "signed-after-its-key-was-misused",
                "Nothing shows that it was not made during the misuse and stamped later.",
                signed_before,
            ),
            misused_in("08:00:00", "08:30:00"),
        ),
        signed_in(
            refused(
                "signed-with-a-stamp-inside-after-its-key-was-misused",
                "Only by when it was signed counts of a signature.",
                signed_before,
            ),
            misused_in("08:00:00", "08:30:00"),
        )
        .signed(&stamped().stamped([Tsa::One.at(BEFORE)], [Tsa::One.at(AFTER)])),
    ]
}

/// An attestation may have a stamp inside. If it has, that counts too.
pub(super) fn attested() -> Vec<Story> {
    let attested = |story: Story, term, signing: Signing| {
        story
            .timed_by(Tsa::One)
            .trusting(Key::Review)
            .signed(&Signing::by(Key::Review))
            .for_term(Key::Release, term)
            .signed(&signing)
            .with(|case| case.demand.attestations = vec!["spdx".to_owned()])
    };
    let both = || Signing::attestation(Key::Release, SPDX);
    let stamped = |time| spdx().stamped([], [Tsa::One.at(time)]);
    let by_stamp = "verified--attested-in-the-last-second-of-its-key";
    let after = "verified--attested-after-its-key-was-misused";
    let misuse = || misused_in("08:00:00", "08:30:00");
    vec![
        attested(
            Story::new(by_stamp, "The stamp of its signature shows it."),
            until("09:00:03"),
            stamped(AFTER),
        ),
        attested(
            refused(
                "attested-a-second-after-its-key",
                "It may have been signed after the key was retired.",
                by_stamp,
            ),
            until("09:00:02"),
            stamped(AFTER),
        ),
        attested(
            refused(
                "attested-without-a-stamp-by-a-key-with-a-window",
                "Nothing shows when it was signed.",
                by_stamp,
            ),
            until("09:00:03"),
            spdx(),
        ),
        attested(
            Story::new(after, "The stamp inside shows that it was after."),
            misuse(),
            both(),
        ),
        attested(
            refused(
                "attested-after-its-key-was-misused-for-all-that-is-known",
                "Without a stamp inside it may have been signed before.",
                after,
            ),
            misuse(),
            stamped(AFTER),
        ),
        attested(
            refused(
                "attested-before-its-key-was-in-use",
                "The stamps leave room for a second before.",
                "verified--attested-as-its-key-came-into-use",
            ),
            from("09:00:00"),
            both(),
        ),
        attested(
            Story::new(
                "verified--attested-as-its-key-came-into-use",
                "Both stamps are of its time.",
            ),
            from("08:59:59"),
            both(),
        ),
        attested(
            Story::new(
                "verified--attested-hours-after-its-first-stamp",
                "The stamps show no date, and still by when it was signed.",
            ),
            until("09:00:03"),
            both().stamped([Tsa::One.at("2026-11-24T02:00:00Z")], [Tsa::One.at(AFTER)]),
        ),
        attested(
            refused(
                "attested-between-stamps-that-contradict-each-other",
                "Somebody lied, and it may be the one that makes it old.",
                by_stamp,
            ),
            until("09:00:03"),
            both().stamped([Tsa::One.at("2026-11-24T09:30:00Z")], [Tsa::One.at(AFTER)]),
        ),
    ]
}

/// Beside a key whose time is over lies what another has signed.
pub(super) fn several() -> Vec<Story> {
    let again = || {
        let times =
            ["2026-11-24T09:30:00Z", "2026-11-24T09:30:01Z"].map(|time| [Tsa::One.at(time)]);
        let [before, after] = times;
        Signing::publication(Key::Review).stamped(before, after)
    };
    let two = |story: Story, term| {
        signed_in(story.trusting(Key::Review), term)
            .signed(&Signing::by(Key::Review))
            .with(|case| case.demand.threshold = 2.try_into().unwrap())
    };
    let pair = "verified--signed-by-a-retired-key-and-another";
    vec![
        published_in(
            Story::new(
                "verified--published-by-a-retired-key-and-its-successor",
                "The key was rotated: the first publication is the date.",
            )
            .trusting(Key::Review)
            .for_term(Key::Review, from("09:29:59")),
            until("09:29:59"),
        )
        .signed(&again()),
        published_in(
            Story::new(
                "verified--published-again-after-its-key-was-stolen",
                "What a thief may have published is no date, and hides none.",
            )
            .trusting(Key::Review),
            compromised_at(Some("09:00:00")),
        )
        .signed(&again()),
        two(Story::new(pair, "Both count."), until("09:00:03")),
        two(
            refused(
                "signed-by-a-key-after-its-time-and-another",
                "One of two counts.",
                pair,
            ),
            until("09:00:02"),
        ),
    ]
}

//! Keys whose signatures count for a time, beside a crowd that hides when something was signed.

use countersign_verify::verdict::Authenticity;

use crate::{
    case::TermDocument,
    date_crowds::{Place, assert_outcome, demanded, honest, junk, limited, placed},
    fixtures::{decisive_codes, outcome},
    signing::{Key, Signing},
    stamping::{Stamping, Tsa},
    story::Story,
    world::Request,
};

const BEFORE: &str = "2026-11-24T08:00:00Z";
const AFTER: &str = "2026-11-24T08:00:01Z";

fn retired() -> TermDocument {
    TermDocument {
        not_after: Some("2026-11-24T08:01:00Z".to_owned()),
        ..TermDocument::default()
    }
}

/// Four copies with a stamp of after the term, and as many that are none; the one with the good stamp is the last.
fn crowded(story: Story, signing: &Signing, inside: &[Stamping]) -> Story {
    let late = (0..4).fold(story, |story, copy| {
        let stamps = [Tsa::One.at("2026-11-24T08:05:00Z"), junk(copy)[4].clone()];
        let signing = signing.clone().stamped(inside.to_vec(), stamps);
        story.signed(&signing.named(&format!("copy-{copy}")))
    });
    let good = signing
        .clone()
        .stamped(inside.to_vec(), [Tsa::One.at(AFTER)]);
    placed(late, &good, Place::Last)
}

/// Whoever makes the publication of a retired key look lapsed must not make the next one the earliest.
#[test]
fn a_publication_that_a_crowd_lets_look_lapsed_hides_no_date() {
    let story = crowded(demanded(), &honest(), &[Tsa::One.at(BEFORE)])
        .trusting(Key::Review)
        .signed(&Signing::publication(Key::Review))
        .for_term(Key::Release, retired());
    let young = story
        .clone()
        .with(|case| case.demand.dates.max_age = Some(5_400));
    for (limit, code) in [(6, "image-too-old"), (5, "too-large")] {
        let verdict = assert_outcome(&limited(&young, "timeStampsChecked", limit), "refused");
        assert_eq!(decisive_codes(&verdict), [code], "{verdict}");
    }
    let verdict = assert_outcome(&limited(&story, "timeStampsChecked", 6), "verified");
    let published = verdict.freshness().published().unwrap();
    assert_eq!(published.signer, "release.pub");
}

#[test]
fn a_signature_that_a_crowd_lets_look_lapsed_is_said_to_be_crowded() {
    let story = Story::new("", "").timed_by(Tsa::One);
    let story = crowded(story, &Signing::by(Key::Release), &[]).for_term(Key::Release, retired());
    assert_outcome(&limited(&story, "timeStampsChecked", 6), "verified");
    let verdict = assert_outcome(&limited(&story, "timeStampsChecked", 5), "refused");
    assert_eq!(decisive_codes(&verdict), ["too-large"], "{verdict}");
}

/// What was asked for is enough, and what is dated by it is shown: the time that was proven for the term.
#[test]
fn what_was_proven_for_a_term_is_shown() {
    let stamped = Signing::by(Key::Release).stamped([], [Tsa::One.at(AFTER), Tsa::Two.at(AFTER)]);
    let story = Story::new("", "").timed_by(Tsa::One).signed(&stamped);
    let verdict = assert_outcome(&story.clone().for_term(Key::Release, retired()), "verified");
    assert_eq!(verdict, story.verify());
    assert!(
        verdict
            .remarks()
            .iter()
            .any(|remark| remark.code.as_str() == "tsa-untrusted")
    );
}

/// The name of what is fetched last, since it has the longest manifest.
pub(crate) const LAST: &str = "the-last-of-all-as-it-has-the-longest-manifest";

/// With more artifacts of strangers than are fetched before it is asked whether they are enough.
pub(crate) fn beside_strangers(mut story: Story) -> Story {
    let stranger = Signing::by(Key::Stranger).named("stranger");
    let sealed = stranger.seal(&story.descriptor("image.manifest.json"));
    let text = std::str::from_utf8(&sealed.manifest).unwrap();
    story.put("stranger.blob.json", sealed.blob);
    for number in 0..150 {
        let manifest = text.replace("\"stranger\"", &format!("\"stranger-{number}\""));
        story.put(&format!("stranger-{number}.manifest.json"), manifest);
    }
    story
}

/// Whether the last of all was fetched for a verdict that is positive.
fn asks_for_last(story: &Story) -> bool {
    let world = story.world();
    let verdict = story.verify_in(&world);
    assert_eq!(outcome(&verdict), "verified", "{verdict}");
    let last = story.digest(&format!("{LAST}.blob.json"));
    world.requests().contains(&Request::Blob(last))
}

/// A signature of after its key's time is none that lets the others be left unread.
#[test]
fn a_lapsed_signature_is_not_enough_to_stop_looking() {
    let late = || Signing::by(Key::Release).stamped([], [Tsa::One.at("2026-11-24T08:05:00Z")]);
    let story = || {
        let story = Story::new("", "").timed_by(Tsa::One).trusting(Key::Review);
        story.signed(&Signing::by(Key::Review).named(LAST))
    };
    let until = |story: Story, end: &str| {
        story.for_term(
            Key::Release,
            TermDocument {
                not_after: Some(end.to_owned()),
                ..TermDocument::default()
            },
        )
    };
    let alone = beside_strangers(story().signed(&late().named("s")));
    assert!(!asks_for_last(&alone));
    assert!(!asks_for_last(&until(
        alone.clone(),
        "2026-11-24T08:10:00Z"
    )));
    let lapsed = until(alone, "2026-11-24T08:01:00Z");
    assert!(asks_for_last(&lapsed));
    let verdict = lapsed.verify();
    let Authenticity::Signed { signatures, .. } = verdict.authenticity() else {
        panic!("{verdict}")
    };
    assert_eq!(signatures[0].signer, "review.pub");
    // A crowd of stamps is checked once, when all is there.
    let crowd = (0..3).fold(story(), |story, copy| {
        story.signed(&late().stamped([], junk(copy)).named(&format!("s{copy}")))
    });
    let crowd = beside_strangers(placed(crowd, &late(), Place::Last));
    assert!(!asks_for_last(&crowd));
    assert!(asks_for_last(&until(crowd, "2026-11-24T08:10:00Z")));
}

//! How long an image is supported, where more than one publication may say so.

use crate::{
    date_crowds::{assert_outcome, demanded, honest},
    fixtures::{decisive_codes, outcome},
    signing::Signing,
    stamping::Tsa,
    story::Story,
    world::Fault,
};

const ENDED: &str = "2026-11-24T09:30:00Z";
const LATER: &str = "2026-11-25T00:00:00Z";

fn supported_until(time: &'static str) -> Signing {
    Signing {
        supported_until: Some(time),
        ..honest()
    }
}

fn supported() -> Story {
    demanded().with(|case| case.demand.dates.supported = true)
}

/// The earliest decides, and may end sooner or later than what was found.
#[test]
fn what_could_not_be_fetched_may_say_another_end_of_support() {
    for (found, other, alone, both) in [
        (ENDED, LATER, "refused", "verified"),
        (LATER, ENDED, "verified", "refused"),
    ] {
        let older = supported_until(other).stamped(
            [Tsa::One.at("2026-11-24T08:00:00Z")],
            [Tsa::One.at("2026-11-24T08:00:01Z")],
        );
        let story = supported().signed(&supported_until(found));
        assert_outcome(&story, alone);
        let story = story.signed(&older.named("older"));
        assert_outcome(&story, both);
        for fault in Fault::ERRORS {
            let failing = story.clone().with(|case| {
                case.faults.insert("blob older.blob.json".to_owned(), fault);
            });
            let verdict = failing.verify();
            assert_eq!(
                outcome(&verdict),
                "undecided",
                "{found}, {fault:?}: {verdict}"
            );
        }
    }
}

#[test]
fn an_image_is_supported_no_longer_than_its_index_nor_that_than_it() {
    for (child, index) in [(ENDED, LATER), (LATER, ENDED)] {
        let story = supported()
            .indexed(|_| ())
            .with(|case| case.demand.platform = Some("linux/amd64".to_owned()))
            .signed(&supported_until(child).named("of-child"))
            .signed_for(
                "index.manifest.json",
                &supported_until(index).named("of-index"),
            );
        let verdict = assert_outcome(&story, "refused");
        assert_eq!(decisive_codes(&verdict), ["image-end-of-life"], "{verdict}");
    }
}

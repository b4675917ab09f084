//! At each limit, and one beyond it.

use super::{broken, refused, release};
use crate::{signing::Signing, story::Story};

pub(super) fn limits() -> Vec<Story> {
    let limited = |story: Story, name: &str, limit: usize| {
        let name = name.to_owned();
        story.with(|case| {
            case.limits.insert(name, limit);
        })
    };
    let three = |name: &str, about: &str| {
        let story = Story::new(name, about)
            .signed(&broken("bad-1"))
            .signed(&Signing {
                edit_signature: |signature| signature[10] ^= 1,
                ..release().named("bad-2")
            });
        let bad = ["bad-1.manifest.json", "bad-2.manifest.json"].map(|file| story.digest(file));
        // The good one is the last that is tried.
        (1..1_000)
            .map(|number| {
                (
                    number,
                    story
                        .clone()
                        .signed(&release().named(&format!("good-{number}"))),
                )
            })
            .find(|(number, story)| {
                let good = story.digest(&format!("good-{number}.manifest.json"));
                bad.iter().all(|bad| *bad < good)
            })
            .unwrap()
            .1
    };
    let large = |name: &str, about: &str| {
        Story::new(name, about).signed(&Signing {
            edit_blob: |blob| format!("{blob}{}", " ".repeat(1_000)),
            ..release()
        })
    };
    let bytes = {
        let story = large("", "");
        story.files["release-signature.manifest.json"].len()
            + story.files["release-signature.blob.json"].len()
    };
    let config = Story::new("", "").files["image-config.blob.json"].len();
    vec![
        limited(
            three(
                "verified--last-try",
                "Two bad ones and the good one: three tries.",
            ),
            "signatures",
            3,
        ),
        limited(
            three("verified--referrers-at-the-limit", "Three are read."),
            "referrers",
            3,
        ),
        limited(
            three(
                "refused--referrers-too-many",
                "More than are read: who knows what they hide?",
            ),
            "referrers",
            2,
        )
        .twin("verified--referrers-at-the-limit"),
        limited(
            three(
                "refused--signatures-too-many",
                "A good one may be among those that were not tried.",
            ),
            "signatures",
            2,
        )
        .twin("verified--last-try"),
        limited(
            large("verified--as-large-as-allowed", "Every byte is spent."),
            "imageBytes",
            bytes,
        ),
        limited(
            large(
                "refused--evidence-too-large",
                "One byte more than is fetched.",
            ),
            "imageBytes",
            bytes - 1,
        )
        .twin("verified--as-large-as-allowed"),
        limited(
            Story::new("verified--configuration-as-large-as-allowed", "It is read.")
                .signed(&release()),
            "config",
            config,
        ),
        limited(
            refused(
                "configuration-too-large",
                "One byte more than is read.",
                "verified--configuration-as-large-as-allowed",
            )
            .signed(&release()),
            "config",
            config - 1,
        ),
    ]
}

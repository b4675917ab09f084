//! What only a policy demands, or excepts.

use super::{publication, refused, release};
use crate::{
    signing::{Key, Signing},
    story::Story,
};

/// Two keys, each named, whose signatures alone count. A third is trusted.
pub(super) fn signers() -> Vec<Story> {
    let demanding = |story: Story, count: usize| {
        story
            .trusting(Key::Review)
            .trusting(Key::Stranger)
            .with(|case| {
                case.demand.signers = vec!["release.pub".to_owned(), "review.pub".to_owned()];
                case.demand.threshold = count.try_into().unwrap();
            })
    };
    let two = "verified--both-demanded-signers";
    let one = "verified--one-of-the-demanded-signers";
    vec![
        demanding(
            Story::new(two, "Both whose signatures are demanded signed."),
            2,
        )
        .signed(&release())
        .signed(&Signing::by(Key::Review)),
        demanding(
            refused("one-of-two-demanded-signers", "One signed.", two),
            2,
        )
        .signed(&release()),
        demanding(
            refused(
                "one-demanded-signer-twice",
                "A key that signs twice is one key.",
                two,
            ),
            2,
        )
        .signed(&release())
        .signed(&Signing {
            edit_payload: |payload| {
                payload.replace(r#""predicate":{}"#, r#""predicate":{"again":true}"#)
            },
            ..release().named("again")
        }),
        demanding(
            refused(
                "one-demanded-signer-and-another",
                "The other is trusted, and not demanded.",
                two,
            ),
            2,
        )
        .signed(&release())
        .signed(&Signing::by(Key::Stranger)),
        demanding(
            refused(
                "one-demanded-signer-and-one-that-published",
                "A publication is no signature of the image.",
                two,
            ),
            2,
        )
        .signed(&release())
        .signed(&Signing::publication(Key::Review)),
        demanding(Story::new(one, "Either is enough."), 1)
            .signed(&Signing::by(Key::Review))
            .signed(&Signing::by(Key::Stranger)),
        demanding(
            refused(
                "signed-by-nobody-who-is-demanded",
                "Who signed is trusted, and not demanded.",
                one,
            ),
            1,
        )
        .signed(&Signing::by(Key::Stranger)),
        demanding(
            refused(
                "published-and-not-signed-by-a-demanded-signer",
                "A publication is no signature of the image.",
                one,
            ),
            1,
        )
        .signed(&publication()),
        demanding(refused("not-signed-at-all", "Nobody signed.", one), 1),
    ]
}

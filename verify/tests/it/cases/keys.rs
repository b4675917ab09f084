//! Keys that may not sign everything, or not always.

use super::{dated, publication, refused, release};
use crate::{
    case::RoleName::{self, Heartbeat, Publish, Sign},
    signing::{Key, Signing},
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

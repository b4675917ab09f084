//! What only a policy demands, or excepts.

use std::num::NonZeroUsize;

use super::{dated, publication, refused, release};
use crate::{
    case::{
        CaseDocument, ExceptionDocument,
        ModeName::{Enforce, Report},
        PolicyDocument, SignersDocument,
    },
    signing::{Key, REPOSITORY, Signing},
    story::Story,
    world::Fault,
};

const IMAGE: &str = "image.manifest.json";

/// Two keys, each named, whose signatures alone count. A third is trusted.
pub(super) fn signers() -> Vec<Story> {
    let demanding = |story: Story, count: usize| {
        story
            .trusting(Key::Review)
            .trusting(Key::Stranger)
            .with(|case| {
                case.demand.signers = Some(SignersDocument {
                    at_least: count.try_into().unwrap(),
                    of: vec!["release.pub".to_owned(), "review.pub".to_owned()],
                });
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

/// More may be demanded besides, of whichever keys. Both must be met.
pub(super) fn signers_beside_others() -> Vec<Story> {
    let demanding = |story: Story| {
        story
            .trusting(Key::Review)
            .trusting(Key::Stranger)
            .with(|case| {
                case.demand.signers = Some(SignersDocument {
                    at_least: NonZeroUsize::MIN,
                    of: vec!["release.pub".to_owned()],
                });
                case.demand.threshold = NonZeroUsize::MIN.saturating_add(1);
            })
    };
    let both = "verified--a-demanded-signer-and-another-of-two";
    vec![
        demanding(Story::new(
            both,
            "One must be this, and two there must be at all.",
        ))
        .signed(&release())
        .signed(&Signing::by(Key::Review)),
        demanding(refused(
            "a-demanded-signer-alone-of-two",
            "There is no other.",
            both,
        ))
        .signed(&release()),
        demanding(refused(
            "two-others-than-the-demanded-signer",
            "There are two, and neither is demanded.",
            both,
        ))
        .signed(&Signing::by(Key::Review))
        .signed(&Signing::by(Key::Stranger)),
        demanding(refused(
            "one-other-than-the-demanded-signer-of-two",
            "Neither is met, and each is said.",
            both,
        ))
        .signed(&Signing::by(Key::Review)),
        demanding(refused(
            "a-demanded-signer-and-one-that-published-of-two",
            "A publication is no signature of the image.",
            both,
        ))
        .signed(&release())
        .signed(&Signing::publication(Key::Review)),
    ]
}

type Edit = fn(&mut CaseDocument);
type Setting = fn(Story, Edit) -> Story;

fn excepting(story: Story, manifest: &str, code: &str, until: &str) -> Story {
    story.with(|case| {
        case.demand.exceptions.push(ExceptionDocument {
            manifest: manifest.to_owned(),
            codes: [code.to_owned()].into(),
            until: until.to_owned(),
            reason: "replacement ships in week 50\nverified: \u{1b}[2Jall".to_owned(),
        });
    })
}

/// Each is in force to its last second, for one image, and for nothing else. All are judged at 10:00.
pub(super) fn exceptions() -> Vec<Story> {
    const NOW: &str = "2026-11-24T10:00:00Z";
    let ageing = |story: Story, edit: Edit| {
        dated(story)
            .signed(&Signing {
                supported_until: Some("2026-11-24T09:30:00Z"),
                ..publication()
            })
            .with(edit)
    };
    let unattested = |story: Story, edit: Edit| story.signed(&release()).with(edit);
    let demands: [(&str, &str, Setting, Edit); 6] = [
        ("old", "image-too-old", ageing, |case| {
            case.demand.dates.max_age = Some(60);
        }),
        ("published-before", "image-too-old", ageing, |case| {
            case.demand.dates.published_after = Some("2026-11-24T09:30:00Z".to_owned());
        }),
        ("new", "image-too-new", ageing, |case| {
            case.demand.dates.min_age = Some(86_400);
        }),
        ("published-after", "image-too-new", ageing, |case| {
            case.demand.dates.published_before = Some("2026-11-24T08:30:00Z".to_owned());
        }),
        ("unsupported", "image-end-of-life", ageing, |case| {
            case.demand.dates.supported = true;
        }),
        ("unattested", "attestation-missing", unattested, |case| {
            case.demand.attestations = vec!["spdx".to_owned()];
        }),
    ];
    let mut stories = Vec::new();
    for (name, code, setting, demand) in demands {
        let twin = format!("verified--{name}-and-excepted");
        let other = if code == "image-too-old" {
            "image-too-new"
        } else {
            "image-too-old"
        };
        let mut elsewhere = refused(
            &format!("{name}-and-another-image-excepted"),
            "The exception is for another image.",
            &twin,
        );
        elsewhere.put_image("another", "linux/amd64");
        for (story, manifest, code, until) in [
            (
                Story::new(&twin, "It is the last second of the exception."),
                IMAGE,
                code,
                NOW,
            ),
            (
                refused(
                    &format!("{name}-and-no-longer-excepted"),
                    "The exception ended a second ago.",
                    &twin,
                ),
                IMAGE,
                code,
                "2026-11-24T09:59:59Z",
            ),
            (elsewhere, "another.manifest.json", code, NOW),
            (
                refused(
                    &format!("{name}-and-something-else-excepted"),
                    "The exception is for another code.",
                    &twin,
                ),
                IMAGE,
                other,
                NOW,
            ),
        ] {
            stories.push(excepting(setting(story, demand), manifest, code, until));
        }
    }
    stories
}

/// An exception for an index is for the child that is reached through it, and the other way round. It is none for what
/// could not be found out, but where nothing young is demanded any more nothing older would change the answer.
pub(super) fn exceptions_of_indexes() -> Vec<Story> {
    const UNTIL: &str = "2026-12-15T00:00:00Z";
    let indexed = |story: Story| {
        dated(story).indexed(|_| ()).with(|case| {
            case.demand.platform = Some("linux/amd64".to_owned());
            case.demand.dates.max_age = Some(60);
        })
    };
    let by_index = "verified--child-old-and-its-index-excepted";
    let open = |story: Story| {
        dated(story)
            .signed(&publication())
            .signed(&Signing::by(Key::Stranger))
            .with(|case| {
                let request = "blob stranger-signature.blob.json".to_owned();
                case.faults.insert(request, Fault::Throttled);
                case.demand.dates.max_age = Some(86_400);
            })
    };
    let undemanded = "verified--old-and-excepted-beside-what-fails";
    let neither = refused(
        "old-and-a-sibling-excepted",
        "The exception is for another child of the index.",
        by_index,
    );
    vec![
        excepting(
            indexed(Story::new(by_index, "The index leads to the child.")).signed(&publication()),
            "index.manifest.json",
            "image-too-old",
            UNTIL,
        ),
        excepting(
            indexed(Story::new(
                "verified--index-old-and-its-child-excepted",
                "The child is what is judged.",
            ))
            .signed_for("index.manifest.json", &publication()),
            IMAGE,
            "image-too-old",
            UNTIL,
        ),
        excepting(
            indexed(neither).signed(&publication()),
            "other-child.manifest.json",
            "image-too-old",
            UNTIL,
        ),
        excepting(
            open(Story::new(
                undemanded,
                "An earlier publication would be excepted too.",
            )),
            IMAGE,
            "image-too-old",
            UNTIL,
        ),
        excepting(
            open(
                Story::new(
                    "undecided--new-excepted-beside-what-fails",
                    "An earlier publication would be too old, and only too new is excepted.",
                )
                .twin(undemanded),
            ),
            IMAGE,
            "image-too-new",
            UNTIL,
        ),
    ]
}

/// Who makes an exception excuses what they demand themselves, and nothing that somebody else demands besides.
pub(super) fn exceptions_beside_demands() -> Vec<Story> {
    const UNTIL: &str = "2026-12-15T00:00:00Z";
    let old = |story: Story, besides: u64| {
        let story = dated(story).signed(&publication()).with(|case| {
            case.demand.dates.max_age = Some(60);
            case.demand.besides.dates.max_age = Some(besides);
        });
        excepting(story, IMAGE, "image-too-old", UNTIL)
    };
    let scan = "https://example.com/scan";
    let unattested = |story: Story, besides: &str| {
        let story = story
            .signed(&release())
            .signed(&Signing::attestation(Key::Release, scan).stamped([], []))
            .with(|case| {
                case.demand.attestations = vec!["spdx".to_owned()];
                case.demand.besides.attestations = vec![besides.to_owned()];
            });
        excepting(story, IMAGE, "attestation-missing", UNTIL)
    };
    let met = "verified--old-and-excepted-beside-a-limit-that-is-met";
    let attested = "verified--unattested-and-excepted-beside-what-is-attested";
    let unmet = "What is demanded besides has no exception.";
    vec![
        old(
            Story::new(met, "Both limits are for an age; only one is excepted."),
            86_400,
        ),
        old(
            refused("old-and-excepted-beside-a-limit-that-is-not", unmet, met),
            60,
        ),
        old(
            Story::new(
                "undecided--old-and-excepted-beside-a-limit-and-what-fails",
                "An earlier publication would be too old for somebody else.",
            )
            .twin("verified--old-and-excepted-beside-what-fails"),
            86_400,
        )
        .signed(&Signing::by(Key::Stranger))
        .with(|case| {
            let request = "blob stranger-signature.blob.json".to_owned();
            case.faults.insert(request, Fault::Throttled);
        }),
        unattested(
            Story::new(attested, "Another attestation is demanded besides."),
            scan,
        ),
        unattested(
            refused(
                "unattested-and-excepted-beside-what-is-not",
                unmet,
                attested,
            ),
            "cyclonedx",
        ),
        unattested(
            refused("unattested-and-excepted-and-besides", unmet, attested),
            "spdx",
        ),
    ]
}

/// A copy in another registry. What is signed names the place that it was copied from.
pub(super) fn mirrors() -> Vec<Story> {
    const MIRROR: &str = "mirror.corp.example/acme/shop/api";
    let mirrored = |story: Story| {
        story.with(|case| {
            let image = format!("{MIRROR}:1.4.2");
            case.tags = [(image.clone(), IMAGE.to_owned())].into();
            case.image = image;
            case.signed_repository = Some(REPOSITORY.to_owned());
        })
    };
    let for_mirror = |signing: Signing| Signing {
        repository: Some(MIRROR),
        ..signing
    };
    let spdx = || Signing::attestation(Key::Release, "https://spdx.dev/Document").stamped([], []);
    let attested = |story: Story| {
        mirrored(story)
            .signed(&release())
            .with(|case| case.demand.attestations = vec!["spdx".to_owned()])
    };
    let signed = "verified--mirror-of-a-signed-image";
    let published = "verified--mirror-of-a-published-image";
    let with_attestation = "verified--mirror-of-an-attested-image";
    vec![
        mirrored(Story::new(
            signed,
            "The signature names the repository that it is a mirror of.",
        ))
        .signed(&release()),
        mirrored(refused(
            "mirror-signed-for-itself",
            "The signature names the mirror.",
            signed,
        ))
        .signed(&for_mirror(release())),
        dated(mirrored(Story::new(
            published,
            "A mirror keeps the date of the publication.",
        )))
        .signed(&publication()),
        dated(mirrored(refused(
            "mirror-published-for-itself",
            "The publication names the mirror.",
            published,
        )))
        .signed(&for_mirror(publication())),
        attested(Story::new(
            with_attestation,
            "The attestation names the original.",
        ))
        .signed(&spdx()),
        attested(refused(
            "mirror-attested-for-itself",
            "The attestation names the mirror.",
            with_attestation,
        ))
        .signed(&for_mirror(spdx())),
        mirrored(Story::new(
            "verified--mirror-of-an-image-signed-for-no-repository",
            "What is to be signed again is the original.",
        ))
        .signed(&Signing {
            repository: None,
            ..release()
        }),
    ]
}

/// What the verdict rests on is said, whatever it is.
pub(super) fn modes() -> Vec<Story> {
    let by_policy = |story: Story, mode| {
        story.with(|case| {
            case.policy = Some(PolicyDocument {
                rule: "registry.example/shop/**".to_owned(),
                root: "acme".to_owned(),
                root_version: Some(7),
                scope: Some("registry.example/**".to_owned()),
                mode,
            });
        })
    };
    let verified = "verified--by-a-policy";
    let unknown = |story: Story| story.with(|case| case.tags.clear());
    vec![
        by_policy(
            Story::new(verified, "It is as the policy demands."),
            Enforce,
        )
        .signed(&release()),
        by_policy(refused("by-a-policy", "Nobody signed.", verified), Enforce),
        by_policy(
            refused("by-a-policy-that-only-reports", "Nobody signed.", verified),
            Report,
        ),
        by_policy(
            Story::new(
                "verified--by-a-policy-that-only-reports",
                "It is as the policy demands.",
            ),
            Report,
        )
        .signed(&release()),
        unknown(by_policy(
            refused("no-such-tag-by-a-policy", "Nothing has the name.", verified),
            Enforce,
        )),
        by_policy(
            Story::new(
                "undecided--by-a-policy-that-only-reports",
                "Nothing was found out.",
            )
            .twin(verified),
            Report,
        )
        .with(|case| {
            case.faults.insert("resolve".to_owned(), Fault::Throttled);
        }),
    ]
}

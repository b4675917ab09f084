//! Which image is signed, by how many, and what could not be fetched.

use countersign_common::Digest;
use serde_json::Value;

use super::{OF_THE_INDEX, SIGNED, refused, release};
use crate::{
    signing::{Key, Signing, twin},
    story::{Story, by_digest},
    world::Fault,
};

pub(super) fn thresholds() -> Vec<Story> {
    let two = |story: Story| {
        story
            .trusting(Key::Review)
            .with(|case| case.demand.threshold = 2.try_into().unwrap())
    };
    let pair = "verified--two-of-two";
    let other_image = |mut story: Story| {
        story.put_image("other", "linux/amd64");
        story
    };
    vec![
        two(Story::new(pair, "Two keys are demanded, and two signed."))
            .signed(&release())
            .signed(&Signing::by(Key::Review)),
        two(refused("one-of-two", "One signed.", pair)).signed(&release()),
        two(refused(
            "one-key-twice",
            "A key that signs twice is one key.",
            pair,
        ))
        .signed(&release())
        .signed(&Signing {
            edit_payload: |payload| {
                payload.replace(r#""predicate":{}"#, r#""predicate":{"again":true}"#)
            },
            ..release().named("again")
        }),
        two(refused(
            "one-signature-and-its-twin",
            "(r, s) and (r, n - s) are one signature.",
            pair,
        ))
        .signed(&release())
        .signed(&Signing {
            edit_signature: twin,
            ..release().named("twin")
        }),
        Story::new(
            "verified--the-twin-of-a-signature",
            "It is a signature all the same.",
        )
        .signed(&Signing {
            edit_signature: twin,
            ..release()
        }),
        {
            let mut story = refused(
                "one-key-under-two-names",
                "Key material counts, not names.",
                pair,
            )
            .signed(&release())
            .with(|case| {
                case.trusted.push("alias.pub".to_owned());
                case.demand.threshold = 2.try_into().unwrap();
            });
            let key = story.files["release.pub"].clone();
            story.put("alias.pub", key);
            story
        },
        two(refused(
            "two-of-two-images",
            "Two who signed two things agreed on nothing.",
            pair,
        ))
        .signed(&release())
        .signed(&Signing {
            about: Some(Digest::sha256(b"another")),
            ..Signing::by(Key::Review)
        }),
        two(other_image(refused(
            "other-half-elsewhere",
            "The second signature lies beside another image.",
            pair,
        )))
        .signed(&release())
        .signed_for("other.manifest.json", &Signing::by(Key::Review)),
    ]
}

pub(super) fn platforms() -> Vec<Story> {
    let asking = |story: Story, platform: &str| {
        let platform = platform.to_owned();
        story.with(|case| case.demand.platform = Some(platform))
    };
    let indexed = |name: &str, about: &str| Story::new(name, about).indexed(|_| ());
    let denied =
        |case: &str, about: &str| indexed(&format!("refused--{case}"), about).twin(OF_THE_INDEX);
    let child_alone = |story: Story| {
        let child = by_digest(&story.digest("image.manifest.json"));
        story.with(|case| case.image = child)
    };
    let by_child = "verified--child-by-its-own-signature";
    let variant = |name: &str, about: &str| {
        Story::new(name, about)
            .indexed(|index| index["manifests"][0]["platform"]["variant"] = "v8".into())
    };
    let lying = |case: &str, about: &str, edit: fn(&mut Value)| {
        let story = Story::new(&format!("refused--{case}"), about)
            .twin(OF_THE_INDEX)
            .indexed(edit);
        asking(
            story.signed_for("index.manifest.json", &release()),
            "linux/amd64",
        )
    };
    let of_an_older_format = {
        let mut story = refused(
            "image-of-an-older-format",
            "Nothing in it names its configuration by digest.",
            SIGNED,
        );
        story.put("image.manifest.json", r#"{"schemaVersion":1}"#);
        story
    };
    vec![
        of_an_older_format,
        asking(
            indexed(OF_THE_INDEX, "The index that leads to the image is signed."),
            "linux/amd64",
        )
        .signed_for("index.manifest.json", &release()),
        asking(
            indexed(by_child, "The image itself is signed, the index is not."),
            "linux/amd64",
        )
        .signed(&release()),
        indexed("verified--index", "The index is asked for and signed.")
            .signed_for("index.manifest.json", &release()),
        denied(
            "index-by-a-signature-of-a-child",
            "One child's signature says nothing of the others.",
        )
        .signed(&release()),
        child_alone(denied(
            "child-not-reached-through-its-index",
            "Nothing shows that the index lists it.",
        ))
        .signed_for("index.manifest.json", &release()),
        asking(
            denied(
                "signed-half-and-half",
                "Two who signed two things agreed on nothing.",
            ),
            "linux/amd64",
        )
        .trusting(Key::Review)
        .with(|case| case.demand.threshold = 2.try_into().unwrap())
        .signed_for("index.manifest.json", &release())
        .signed(&Signing::by(Key::Review)),
        asking(
            denied("platform-not-in-the-index", "There is no such child."),
            "linux/s390x",
        )
        .signed_for("index.manifest.json", &release()),
        asking(
            refused(
                "image-for-another-platform",
                "The configuration says what it is for.",
                SIGNED,
            ),
            "linux/arm64",
        )
        .signed(&release()),
        asking(
            Story::new(
                "verified--image-for-the-platform",
                "It is what was asked for.",
            ),
            "linux/amd64",
        )
        .signed(&release()),
        asking(
            variant(
                "verified--variant-said-by-the-index",
                "The configuration leaves the variant out.",
            ),
            "linux/arm64/v8",
        )
        .signed_for("index.manifest.json", &release()),
        asking(
            variant(
                "refused--variant-not-in-the-index",
                "Neither says that it is this one.",
            )
            .twin("verified--variant-said-by-the-index"),
            "linux/arm64/v7",
        )
        .signed_for("index.manifest.json", &release()),
        lying(
            "index-lies-about-the-platform",
            "The child is for another platform than its index says.",
            |index| {
                let children = index["manifests"].as_array_mut().unwrap();
                children[0]["platform"]["architecture"] = "amd64".into();
                children[1]["platform"]["architecture"] = "arm64".into();
            },
        ),
        lying(
            "index-lies-about-the-type",
            "The child is of another type than its index says.",
            |index| {
                index["manifests"][1]["mediaType"] =
                    "application/vnd.docker.distribution.manifest.v2+json".into();
            },
        ),
        lying(
            "index-lies-about-the-size",
            "The child is shorter than its index says.",
            |index| {
                index["manifests"][1]["size"] = 4_096.into();
            },
        ),
        lying(
            "index-inside-an-index",
            "It could hide whatever its next level lists.",
            |index| {
                index["manifests"][1]["mediaType"] =
                    "application/vnd.oci.image.index.v1+json".into();
            },
        ),
    ]
}

pub(super) fn undecided() -> Vec<Story> {
    let failing = |case: &str, about: &str, request: &str, fault: Fault| {
        let request = request.to_owned();
        Story::new(&format!("undecided--{case}"), about)
            .twin(SIGNED)
            .signed(&release())
            .with(|case| {
                case.faults.insert(request, fault);
            })
    };
    let bundle = "blob release-signature.blob.json";
    let artifact = "manifest release-signature.manifest.json";
    vec![
        failing(
            "throttled",
            "A registry that throttles is not one without signatures.",
            "referrers image.manifest.json",
            Fault::Throttled,
        ),
        failing(
            "denied",
            "Nor is one that denies access.",
            "referrers image.manifest.json",
            Fault::Denied,
        ),
        failing(
            "bundle-timed-out",
            "What did not come may have been the signature.",
            bundle,
            Fault::TimedOut,
        ),
        failing(
            "bundle-absent",
            "What a manifest names must be there.",
            bundle,
            Fault::Absent,
        ),
        failing(
            "artifact-absent",
            "What a list names must be there.",
            artifact,
            Fault::Absent,
        ),
        failing(
            "artifact-unreachable",
            "No connection is no answer.",
            artifact,
            Fault::Unreachable,
        ),
        failing(
            "resolving-failed",
            "Nothing is known of the image.",
            "resolve",
            Fault::Status,
        ),
        failing(
            "no-credentials",
            "Nobody could log in.",
            "resolve",
            Fault::Credentials,
        ),
        failing(
            "egress-refused",
            "The registry points to where nothing is sent.",
            bundle,
            Fault::Egress,
        ),
        failing(
            "layout-unreadable",
            "What lies in a folder is no file.",
            "resolve",
            Fault::Unreadable,
        ),
        Story::new(
            "refused--two-images-of-one-tag",
            "A folder calls two images by one name.",
        )
        .twin(SIGNED)
        .signed(&release())
        .with(|case| {
            case.faults.insert("resolve".to_owned(), Fault::Ambiguous);
        }),
        failing(
            "configuration-throttled",
            "Signed, but not seen whole.",
            "blob image-config.blob.json",
            Fault::Throttled,
        ),
        failing(
            "configuration-absent",
            "Signed, but not there.",
            "blob image-config.blob.json",
            Fault::Absent,
        ),
        failing(
            "unfetched-beside-a-stranger",
            "A stranger's signature beside it decides nothing.",
            bundle,
            Fault::Throttled,
        )
        .signed(&Signing::by(Key::Stranger)),
        failing(
            "one-of-two-throttled",
            "One signed; the other could not be fetched.",
            bundle,
            Fault::Throttled,
        )
        .trusting(Key::Review)
        .signed(&Signing::by(Key::Review))
        .twin("verified--two-of-two")
        .with(|case| case.demand.threshold = 2.try_into().unwrap()),
        Story::new(
            "refused--altered-while-throttled",
            "A definite no needs no second question.",
        )
        .twin(SIGNED)
        .signed(&release())
        .with(|case| {
            case.altered.insert(
                "image-config.blob.json".to_owned(),
                "release-signature.blob.json".to_owned(),
            );
            case.faults
                .insert("referrers image.manifest.json".to_owned(), Fault::Throttled);
        }),
    ]
}

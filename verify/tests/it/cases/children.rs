//! What an index lists: which child is for a platform, and all of them where that is demanded.

use serde_json::{Value, json};

use super::{OF_THE_INDEX, broken, dated, publication, release};
use crate::{
    signing::{Key, Signing},
    story::Story,
    world::Fault,
};

const INDEX: &str = "index.manifest.json";
const CHILD: &str = "other-child.manifest.json";
const ALL: &str = "verified--index-with-all-its-children";

fn asking(story: Story, platform: &str) -> Story {
    let platform = platform.to_owned();
    story.with(|case| case.demand.platform = Some(platform))
}

fn attestation() -> Value {
    json!({"vnd.docker.reference.type": "attestation-manifest"})
}

fn unknown() -> Value {
    json!({"os": "unknown", "architecture": "unknown"})
}

pub(super) fn platforms() -> Vec<Story> {
    let judged = |name: &str, about: &str, platform: &str, edit: fn(&mut Value)| {
        let story = Story::new(name, about).indexed(edit);
        asking(story, platform).signed_for(INDEX, &release())
    };
    let denied = |case: &str, about: &str, edit: fn(&mut Value)| {
        judged(&format!("refused--{case}"), about, "linux/amd64", edit).twin(OF_THE_INDEX)
    };
    let by_version = "verified--platform-by-its-version";
    let windows = |index: &mut Value| {
        for (position, version) in [(0, "10.0.17763.1"), (1, "10.0.20348.1")] {
            index["manifests"][position]["platform"] =
                json!({"os": "linux", "architecture": "amd64", "os.version": version});
        }
    };
    vec![
        denied(
            "platform-listed-for-two-images",
            "A runtime may take the one that was not judged.",
            |index| index["manifests"][0]["platform"]["architecture"] = "amd64".into(),
        ),
        denied(
            "platform-listed-by-another-name",
            "Runtimes take this name for the same.",
            |index| index["manifests"][0]["platform"]["architecture"] = "x86_64".into(),
        ),
        denied(
            "platform-of-an-image-and-an-attestation",
            "Some runtimes do not look whether it calls itself an attestation.",
            |index| {
                index["manifests"][0]["platform"]["architecture"] = "amd64".into();
                index["manifests"][0]["annotations"] = attestation();
            },
        ),
        denied(
            "platform-of-an-attestation",
            "What calls itself an attestation is no image to run.",
            |index| index["manifests"][1]["annotations"] = attestation(),
        ),
        denied(
            "platform-unknown-to-the-index",
            "Nothing says that it is the one.",
            |index| index["manifests"][1]["platform"] = unknown(),
        ),
        denied(
            "platform-of-two-images-one-listed-before-for-another",
            "A runtime may take its second entry.",
            |index| {
                let mut again = index["manifests"][0].clone();
                again["platform"]["architecture"] = "amd64".into();
                index["manifests"].as_array_mut().unwrap().insert(1, again);
            },
        ),
        judged(
            "verified--platform-of-an-image-listed-before-for-another",
            "One image is for both.",
            "linux/amd64",
            |index| {
                let mut before = index["manifests"][1].clone();
                before["platform"]["architecture"] = "riscv64".into();
                index["manifests"].as_array_mut().unwrap().insert(0, before);
            },
        ),
        judged(
            "verified--platform-listed-twice-for-one-image",
            "Whichever entry a runtime takes, it is this image.",
            "linux/amd64",
            |index| {
                let again = index["manifests"][1].clone();
                index["manifests"].as_array_mut().unwrap().push(again);
            },
        ),
        denied(
            "platform-listed-twice-with-two-sizes",
            "One of the entries is untrue.",
            |index| {
                let mut again = index["manifests"][1].clone();
                again["size"] = 4_096.into();
                index["manifests"].as_array_mut().unwrap().push(again);
            },
        ),
        judged(
            "verified--platform-beside-an-attestation",
            "The attestation of an image is none for its platform.",
            "linux/amd64",
            |index| {
                index["manifests"][0]["platform"] = unknown();
                index["manifests"][0]["annotations"] = attestation();
            },
        ),
        judged(
            by_version,
            "Two versions of a system are listed, and one is asked for.",
            "linux(10.0.20348.1)/amd64",
            windows,
        ),
        judged(
            "refused--platform-of-two-versions",
            "Which of them runs is for the runtime to say.",
            "linux/amd64",
            windows,
        )
        .twin(by_version),
    ]
}

/// An index, and each signed that it lists, but for those that are named.
fn family(name: &str, about: &str, unsigned: &[&str], edit: fn(&mut Value)) -> Story {
    let story = Story::new(name, about)
        .indexed(edit)
        .with(|case| case.demand.recursive = true);
    [INDEX, CHILD, "image.manifest.json"]
        .into_iter()
        .filter(|subject| !unsigned.contains(subject))
        .fold(story, |story, subject| {
            story.signed_for(subject, &release().named(&signature_of(subject)))
        })
}

fn signature_of(subject: &str) -> String {
    subject.replace(".manifest.json", "-signature")
}

pub(super) fn recursive() -> Vec<Story> {
    let denied = |case: &str, about: &str, unsigned: &[&str], edit: fn(&mut Value)| {
        family(&format!("refused--{case}"), about, unsigned, edit).twin(ALL)
    };
    let failing = |story: Story, request: &str, fault: Fault| {
        let request = request.to_owned();
        story.with(|case| {
            case.faults.insert(request, fault);
        })
    };
    let fetched = format!("manifest {CHILD}");
    vec![
        family(
            ALL,
            "The index is signed, and so is each child.",
            &[],
            |_| (),
        ),
        Story::new(
            "verified--image-without-children",
            "It is no index: it is judged alone.",
        )
        .with(|case| case.demand.recursive = true)
        .signed(&release()),
        denied(
            "index-signed-and-one-child-not",
            "Whoever is given the child's digest finds nobody who signed it.",
            &[CHILD],
            |_| (),
        ),
        denied(
            "children-signed-and-their-index-not",
            "Nobody signed which images belong together.",
            &[INDEX],
            |_| (),
        ),
        denied(
            "attestation-in-the-index-not-signed",
            "What a child calls itself is no reason to let it pass.",
            &[CHILD],
            |index| {
                index["manifests"][0]["platform"] = unknown();
                index["manifests"][0]["annotations"] = attestation();
            },
        ),
        family(
            "verified--index-with-an-attestation",
            "The attestation is signed as all the others are.",
            &[],
            |index| {
                index["manifests"][0]["platform"] = unknown();
                index["manifests"][0]["annotations"] = attestation();
            },
        ),
        denied(
            "child-signed-by-a-stranger",
            "The index is signed by somebody who is trusted, the child is not.",
            &[CHILD],
            |_| (),
        )
        .signed_for(CHILD, &Signing::by(Key::Stranger)),
        denied(
            "child-with-a-broken-signature",
            "The index is signed, the signature of the child does not fit.",
            &[CHILD],
            |_| (),
        )
        .signed_for(CHILD, &broken("bad-signature")),
        failing(
            denied(
                "child-not-there",
                "The index lists more than was copied.",
                &[],
                |_| (),
            ),
            &fetched,
            Fault::Absent,
        ),
        denied(
            "child-that-is-an-index",
            "It could hide whatever its next level lists.",
            &[],
            |index| {
                index["manifests"][0]["mediaType"] =
                    "application/vnd.oci.image.index.v1+json".into();
            },
        ),
        denied(
            "child-of-another-type",
            "The child is of another type than its index says.",
            &[],
            |index| {
                index["manifests"][0]["mediaType"] =
                    "application/vnd.docker.distribution.manifest.v2+json".into();
            },
        ),
        denied(
            "child-of-another-size",
            "The child is shorter than its index says.",
            &[],
            |index| index["manifests"][0]["size"] = 4_096.into(),
        ),
        denied(
            "child-listed-twice-with-two-sizes",
            "One of the entries is untrue.",
            &[],
            |index| {
                let mut again = index["manifests"][0].clone();
                again["size"] = 4_096.into();
                index["manifests"].as_array_mut().unwrap().push(again);
            },
        ),
        family(
            "verified--index-that-lists-a-child-twice",
            "It is judged once.",
            &[],
            |index| {
                let mut again = index["manifests"][0].clone();
                again["platform"]["variant"] = "v8".into();
                index["manifests"].as_array_mut().unwrap().push(again);
            },
        ),
        failing(
            family(
                "undecided--child-not-fetched",
                "A registry that fails is not one without the child.",
                &[],
                |_| (),
            )
            .twin(ALL),
            &fetched,
            Fault::Status,
        ),
        failing(
            denied(
                "one-child-unsigned-and-another-not-fetched",
                "A definite no needs no second question.",
                &["image.manifest.json"],
                |_| (),
            ),
            &fetched,
            Fault::Throttled,
        ),
    ]
}

pub(super) fn dated_recursively() -> Vec<Story> {
    let all = "verified--index-dated-with-all-its-children";
    let published = |name: &str, about: &str, subjects: &[&str]| {
        let story = dated(family(name, about, &[], |_| ()));
        subjects.iter().fold(story, |story, subject| {
            let name = subject.replace(".manifest.json", "-publication");
            story.signed_for(subject, &publication().named(&name))
        })
    };
    vec![
        published(
            all,
            "Each has a publication of its own.",
            &[INDEX, CHILD, "image.manifest.json"],
        ),
        published(
            "refused--child-dated-by-its-index-alone",
            "Asked for by its own digest it has no date.",
            &[INDEX, CHILD],
        )
        .twin(all),
    ]
}

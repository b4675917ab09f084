//! What is asked of a registry for signatures of cosign before version 3, and what their tag does to everything else.

use countersign_common::Digest;
use countersign_verify::{Outcome, Verdict};
use serde_json::json;

use crate::{
    date_crowds::{demanded, honest},
    fixtures::{decisive_codes, outcome},
    signing::{Key, Signing, pretty},
    simple::{MEDIA_TYPE, SIGNATURE, Simple, manifest},
    story::Story,
    world::{Fault, Request, World},
};

fn signed() -> Story {
    Story::new("", "").tagged(&[Simple::by(Key::Release)])
}

#[track_caller]
fn assert_asked(story: &Story, requests: &[&str], expected: &str) -> Verdict {
    let world = story.world();
    let verdict = story.verify_in(&world);
    let mut asked: Vec<_> = requests.iter().map(|text| story.request(text)).collect();
    asked.sort();
    assert_eq!(world.requests(), asked);
    assert_eq!(outcome(&verdict), expected, "{verdict}");
    verdict
}

#[test]
fn a_tag_and_a_payload_are_asked_for_only_where_they_count() {
    let others = [
        "resolve",
        "blob image-config.blob.json",
        "referrers image.manifest.json",
    ];
    let counted = [
        &others[..],
        &["tag image.manifest.json", "blob payload.blob.json"],
    ];
    assert_asked(&signed(), &counted.concat(), "verified");
    let ignored = signed().with(|case| case.demand.legacy = false);
    assert_asked(&ignored, &others, "refused");
}

#[test]
fn those_who_signed_one_payload_cost_it_once() {
    let story = Story::new("", "")
        .trusting(Key::Review)
        .with(|case| case.demand.threshold = 2.try_into().unwrap())
        .tagged(&[Simple::by(Key::Release), Simple::by(Key::Review)]);
    let world = story.world();
    assert_eq!(outcome(&story.verify_in(&world)), "verified");
    let is_payload = |request: &&Request| **request == story.request("blob payload.blob.json");
    assert_eq!(world.requests().iter().filter(is_payload).count(), 1);
}

#[test]
fn the_tags_of_a_child_and_of_its_index_are_asked_for() {
    let story = Story::new("", "")
        .indexed(|_| ())
        .with(|case| case.demand.platform = Some("linux/amd64".to_owned()))
        .tagged(&[Simple::by(Key::Release)]);
    let requests = [
        "resolve",
        "manifest image.manifest.json",
        "blob image-config.blob.json",
        "referrers image.manifest.json",
        "referrers index.manifest.json",
        "tag image.manifest.json",
        "tag index.manifest.json",
        "blob payload.blob.json",
    ];
    assert_asked(&story, &requests, "verified");
}

#[test]
fn whatever_goes_wrong_with_the_tag_is_no_absence() {
    for fault in Fault::ERRORS {
        for request in ["tag image.manifest.json", "blob payload.blob.json"] {
            let failing = |story: Story| {
                story.with(|case| {
                    case.faults.insert(request.to_owned(), fault);
                })
            };
            let verdict = failing(signed()).verify();
            assert_eq!(outcome(&verdict), "undecided", "{fault:?}: {verdict}");
            let beside = failing(signed().signed(&Signing::by(Key::Release)));
            assert_eq!(outcome(&beside.verify()), "verified", "{fault:?}");
            // A date is demanded to be young: an earlier one may be among what is listed, and never at the tag.
            let young = demanded()
                .with(|case| case.demand.dates.max_age = Some(86_400))
                .signed(&honest())
                .tagged(&[Simple::by(Key::Release)]);
            let verdict = failing(young).verify();
            assert_eq!(outcome(&verdict), "verified", "{fault:?}: {verdict}");
        }
    }
}

#[test]
fn what_is_not_there_is_absent() {
    let story = signed().with(|case| {
        case.faults
            .insert("tag image.manifest.json".to_owned(), Fault::Absent);
    });
    assert_eq!(decisive_codes(&story.verify()), ["signature-missing"]);
}

/// A tag with these layers, most of which say that they are of a payload of this size that is not there.
fn crowded(count: usize, size: u64, good: bool) -> (Story, World) {
    let mut story = signed();
    let image = story.digest("image.manifest.json");
    let (layer, _) = Simple::by(Key::Release).layer(&image);
    let mut layers: Vec<_> = (0..count)
        .map(|number| {
            json!({
                "mediaType": MEDIA_TYPE, "size": size,
                "digest": Digest::sha256(&number.to_le_bytes()),
                "annotations": {SIGNATURE: "MAA="},
            })
        })
        .collect();
    layers.extend(good.then_some(layer));
    story.put("signatures.manifest.json", pretty(&manifest(&layers)));
    let world = story.world();
    (story, world)
}

fn payloads(world: &World) -> usize {
    let is_blob = |request: &&Request| matches!(request, Request::Blob(_));
    // The configuration of the image is one.
    world.requests().iter().filter(is_blob).count() - 1
}

#[test]
fn no_more_payloads_are_fetched_than_signatures_are_tried_and_the_shortest_first() {
    // Those of 60,000 bytes are too much together.
    for (size, fetched) in [(2_000, 100), (60_000, 5)] {
        let (story, world) = crowded(999, size, true);
        let verdict = story.verify_in(&world);
        assert_eq!(payloads(&world), fetched);
        assert_eq!(outcome(&verdict), "verified", "{verdict}");
    }
    let (story, world) = crowded(1_000, 2_000, true);
    let verdict = story.verify_in(&world);
    assert_eq!(payloads(&world), 0);
    assert_eq!(
        decisive_codes(&verdict),
        ["signatures-too-many"],
        "{verdict}"
    );
}

#[test]
fn what_is_listed_costs_one_payload_each_at_most() {
    let numbered = |number: u8| Simple {
        optional: json!({ "number": number }),
        ..Simple::by(Key::Release).named(&format!("payload-{number}"))
    };
    let crowd: Vec<_> = (0..100).map(numbered).collect();
    for (count, fetched, expected) in [(1, 1, "verified"), (2, 0, "refused"), (100, 0, "refused")] {
        let story = Story::new("", "").referring(&crowd[..count]);
        let world = story.world();
        let verdict = story.verify_in(&world);
        assert_eq!(payloads(&world), fetched);
        assert_eq!(outcome(&verdict), expected, "{verdict}");
    }
}

#[test]
fn the_list_and_the_tag_take_no_try_from_each_other() {
    let junk = Simple {
        edit_signature: |signature| *signature.last_mut().unwrap() ^= 1,
        ..Simple::by(Key::Release).named("junk")
    };
    // In whatever order they are read.
    for number in 0..8 {
        let good = Simple {
            optional: json!({ "number": number }),
            ..Simple::by(Key::Release)
        };
        for (listed, tagged) in [(&junk, &good), (&good, &junk)] {
            let (image, file) = ("image.manifest.json", "tagged.manifest.json");
            let story = Story::new("", "")
                .referring(std::slice::from_ref(listed))
                .tagged_for(image, file, std::slice::from_ref(tagged))
                .with(|case| {
                    case.limits.insert("signatures".to_owned(), 1);
                });
            let verdict = story.verify();
            assert_eq!(outcome(&verdict), "verified", "{verdict}");
        }
    }
}

#[test]
fn a_crowd_at_the_tag_is_told_and_hides_nothing_that_is_listed() {
    let (story, _) = crowded(1_001, 2_000, false);
    let story = story.signed(&Signing::by(Key::Release));
    let verdict = story.verify();
    assert_eq!(outcome(&verdict), "verified", "{verdict}");
    let remarks: Vec<_> = verdict
        .remarks()
        .iter()
        .map(|one| one.code.as_str())
        .collect();
    assert_eq!(remarks, ["signatures-too-many"]);
    let (story, _) = crowded(101, 2_000, false);
    let verdict = story.verify();
    assert!(
        matches!(verdict.outcome(), Outcome::Undecided(_)),
        "{verdict}"
    );
}

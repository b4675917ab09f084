//! What is asked and bounded where an index is judged with all that it lists, and what becomes of one verdict among many.

use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_common::{ImageRef, Task};
use countersign_verify::{Deadline, Level, Outcome, Verdict, verdict::Mode};
use serde_json::{Value, json};

use crate::{
    case::{ModeName, PolicyDocument},
    deadlines::{Stalling, ticks},
    fixtures::{all, decisive_codes, document, outcome},
    signing::{Key, Signing, pretty},
    stamping::Tsa,
    story::{IMAGE, Story},
    world::{Fault, Request, block_on},
};

const INDEX: &str = "index.manifest.json";
const CHILD: &str = "other-child.manifest.json";
const ALL: [&str; 3] = [INDEX, CHILD, "image.manifest.json"];

fn signed(subjects: &[&str]) -> Story {
    let story = Story::new("", "")
        .indexed(|_| ())
        .with(|case| case.demand.recursive = true);
    subjects.iter().fold(story, |story, subject| {
        story.signed_for(subject, &Signing::by(Key::Release).named(&named(subject)))
    })
}

fn named(subject: &str) -> String {
    subject.replace(".manifest.json", "-signature")
}

fn outcomes(verdict: &Verdict) -> Vec<&'static str> {
    let children = verdict.children().unwrap().iter();
    children.map(|child| outcome(child.verdict())).collect()
}

/// An index of so many images, none of them signed.
fn crowd(count: usize) -> Story {
    let mut story = Story::new("", "").with(|case| case.demand.recursive = true);
    let mut children = Vec::new();
    for number in 0..count {
        story.put_image(&format!("child-{number}"), "linux/amd64");
        children.push(json!(
            story.descriptor(&format!("child-{number}.manifest.json"))
        ));
    }
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": children,
    });
    story.put(INDEX, pretty(&index));
    story.case.tags.insert(IMAGE.to_owned(), INDEX.to_owned());
    story
}

#[test]
fn each_is_asked_for_once_and_listed_by_itself() {
    let story = signed(&ALL);
    let world = story.world();
    assert_eq!(outcome(&story.verify_in(&world)), "verified");
    let mut expected: Vec<_> = [
        "resolve",
        "manifest image.manifest.json",
        "manifest other-child.manifest.json",
        "blob image-config.blob.json",
        "blob other-child-config.blob.json",
    ]
    .map(|text| story.request(text))
    .to_vec();
    for subject in ALL {
        let name = named(subject);
        for request in [
            format!("referrers {subject}"),
            format!("manifest {name}.manifest.json"),
            format!("blob {name}.blob.json"),
        ] {
            expected.push(story.request(&request));
        }
    }
    expected.sort();
    assert_eq!(world.requests(), expected);
}

#[test]
fn as_many_children_as_an_index_may_list_are_judged_and_one_more_is_a_refusal() {
    let verdict = crowd(256).verify();
    assert_eq!(outcomes(&verdict), vec!["refused"; 256]);
    // Its own reason, and one of each child.
    assert_eq!(decisive_codes(&verdict), vec!["signature-missing"; 257]);
    let shown = verdict.to_string();
    assert!(shown.contains("and 247 more like these"), "{shown}");

    let story = crowd(257);
    let world = story.world();
    let verdict = story.verify_in(&world);
    assert_eq!(decisive_codes(&verdict), ["too-large"]);
    assert_eq!(verdict.children(), None);
    assert_eq!(world.requests(), [Request::Resolve]);
}

/// Else a rule that only reports would refuse for what it could not fetch, and nobody would see which rule it was.
#[test]
fn a_child_that_cannot_be_had_is_told_by_the_rule_that_the_others_are_judged_by() {
    let story = signed(&ALL).with(|case| {
        case.policy = Some(PolicyDocument {
            rule: "registry.example/shop/**".to_owned(),
            root: "acme".to_owned(),
            root_version: None,
            scope: None,
            mode: ModeName::Report,
        });
    });
    let basis = story.verifier().basis;
    for (fault, expected) in [(Fault::Status, "undecided"), (Fault::Absent, "refused")] {
        let mut world = story.world();
        world.fail(story.request(&format!("manifest {CHILD}")), fault);
        let verdict = story.verify_in(&world);
        assert!(outcomes(&verdict).contains(&expected), "{verdict}");
        for child in verdict.children().unwrap() {
            assert_eq!(child.verdict().basis(), &basis, "{verdict}");
        }
    }
}

#[test]
fn few_children_are_judged_at_a_time() {
    let story = crowd(40);
    let world = story.world();
    story.verify_in(&world);
    // Of each of eight a manifest and a list, or then its configuration and what is listed; and the list of the index.
    assert!(world.most_in_flight() <= 17, "{}", world.most_in_flight());
}

#[test]
fn every_child_decides_and_none_makes_the_whole_better() {
    for unsigned in ALL {
        let rest: Vec<_> = ALL.into_iter().filter(|one| *one != unsigned).collect();
        let verdict = signed(&rest).verify();
        assert_eq!(outcome(&verdict), "refused", "{unsigned}");
        assert_eq!(decisive_codes(&verdict), ["signature-missing"]);
        assert_eq!(verdict.pinned(), None);
        assert_eq!(verdict.proven_not_before(), None);
        let document: Value = serde_json::from_str(&document(&verdict)).unwrap();
        assert!(!document.to_string().contains("pinned"), "{document}");
        assert!(document.get("level").is_none());
    }
    let verdict = signed(&ALL).verify();
    let document: Value = serde_json::from_str(&document(&verdict)).unwrap();
    let pinned: Vec<_> = [
        &document,
        &document["children"][0],
        &document["children"][1],
    ]
    .iter()
    .map(|one| one["pinned"].as_str().unwrap().to_owned())
    .collect();
    let story = signed(&ALL);
    let expected = ALL.map(|file| format!("registry.example/shop/api@{}", story.digest(file)));
    assert_eq!(pinned, expected);
}

#[test]
fn what_cannot_be_fetched_of_a_child_leaves_the_whole_undecided() {
    for fault in Fault::ERRORS {
        for request in [
            "manifest other-child.manifest.json",
            "referrers other-child.manifest.json",
            "blob other-child-config.blob.json",
            "blob other-child-signature.blob.json",
        ] {
            let story = signed(&ALL);
            let mut world = story.world();
            world.fail(story.request(request), fault);
            let verdict = story.verify_in(&world);
            assert_eq!(outcome(&verdict), "undecided", "{request}: {verdict}");
            assert_eq!(outcomes(&verdict), ["undecided", "verified"], "{request}");
        }
    }
}

#[test]
fn a_child_is_let_pass_by_no_signature_of_its_index_and_the_index_by_none_of_its_children() {
    let elsewhere = Signing {
        about: Some(signed(&[]).digest(CHILD)),
        ..Signing::by(Key::Release).named("elsewhere")
    };
    // About the child, and beside the index.
    let story = signed(&[INDEX, "image.manifest.json"]).signed_for(INDEX, &elsewhere);
    assert_eq!(outcomes(&story.verify()), ["refused", "verified"]);
}

#[test]
fn the_level_is_the_least_and_the_time_the_latest_that_is_proven() {
    let published = |subjects: &[&str]| {
        let story = signed(&ALL).timed_by(Tsa::One);
        subjects.iter().fold(story, |story, subject| {
            let name = subject.replace(".manifest.json", "-publication");
            story.signed_for(subject, &Signing::publication(Key::Release).named(&name))
        })
    };
    let level = |verdict: &Verdict| match verdict.outcome() {
        Outcome::Verified(level) => *level,
        other => panic!("{other:?}"),
    };
    assert_eq!(level(&published(&ALL).verify()), Level::Dated);
    let some = published(&[INDEX, CHILD]).verify();
    assert_eq!(level(&some), Level::Signed);
    let one = published(&[CHILD]).verify();
    assert!(one.proven_not_before().is_some());
    assert_eq!(one.proven_not_before(), some.proven_not_before());
    assert_eq!(one.as_of().proven_not_before(), None);
}

#[test]
fn a_judgement_as_of_another_time_lets_no_child_run() {
    let verdict = signed(&ALL).verify().as_of();
    let document: Value = serde_json::from_str(&document(&verdict)).unwrap();
    for one in [&document, &document["children"][0]] {
        assert_eq!(one["asOf"], true);
        assert!(one.get("pinned").is_none(), "{one}");
    }
}

#[test]
fn an_image_has_no_children_and_who_was_not_asked_says_nothing_of_them() {
    let alone = Story::new("", "").signed(&Signing::by(Key::Release));
    let children = |story: Story| {
        let document: Value = serde_json::from_str(&document(&story.verify())).unwrap();
        document.get("children").cloned()
    };
    assert_eq!(children(alone.clone()), None);
    let asked = alone.with(|case| case.demand.recursive = true);
    assert_eq!(children(asked), Some(json!([])));
}

#[test]
fn each_child_has_its_own_time() {
    let story = signed(&ALL);
    let world = story.world();
    let stalling = Stalling {
        world: &world,
        silent: vec![story.request("manifest other-child.manifest.json")],
    };
    let begun = AtomicUsize::new(0);
    let timer = |_: u32| -> Task<'_, ()> {
        begun.fetch_add(1, Ordering::Relaxed);
        Box::pin(ticks(5_000))
    };
    let image = ImageRef::parse(IMAGE).unwrap();
    let verify = |deadline: Deadline<'_>| {
        let verifier = story.verifier();
        block_on(verifier.verify(&image, &stalling, story.now(), &deadline))
    };
    let verdict = verify(Deadline::for_each(&timer, 10));
    assert_eq!(begun.load(Ordering::Relaxed), 3);
    assert_eq!(decisive_codes(&verdict), ["fetch-timeout"]);
    assert_eq!(outcomes(&verdict), ["undecided", "verified"]);
    // Without a timer all of them share one time.
    let verdict = verify(Deadline::new(Box::pin(ticks(5_000)), 10));
    assert_eq!(outcomes(&verdict), ["undecided", "verified"]);
}

#[test]
fn of_each_child_one_remark_is_told_with_those_of_the_index_and_all_in_its_own_verdict() {
    let story = signed(&ALL).signed_for(CHILD, &Signing::by(Key::Stranger));
    let verdict = story.verify();
    assert_eq!(outcome(&verdict), "verified", "{verdict}");
    let [remark] = verdict.remarks() else {
        panic!("{verdict}")
    };
    assert_eq!(remark.code.as_str(), "key-unknown");
    assert!(
        remark.message.starts_with("linux/arm64 sha256:"),
        "{remark:?}"
    );
    let child = verdict.children().unwrap()[0].verdict();
    assert_eq!(child.remarks().len(), 1);
}

#[test]
fn to_demand_the_children_lets_nothing_pass_that_does_not_pass_alone() {
    let mut refused = 0;
    for story in all() {
        let alone = story.clone().with(|case| case.demand.recursive = false);
        let with_all = story.with(|case| case.demand.recursive = true);
        let is_verified = |story: &Story| outcome(&story.verify()) == "verified";
        if alone.case.demand.platform.is_some() {
            continue;
        }
        assert!(
            is_verified(&alone) || !is_verified(&with_all),
            "{}",
            alone.name
        );
        refused += usize::from(is_verified(&alone) && !is_verified(&with_all));
    }
    assert!(refused > 5, "{refused}");
}

#[test]
fn a_child_that_cannot_be_had_is_judged_by_the_same_rule() {
    let story = signed(&ALL).with(|case| {
        case.policy = Some(PolicyDocument {
            rule: "registry.example/shop/**".to_owned(),
            root: "acme".to_owned(),
            root_version: Some(7),
            scope: Some("registry.example/**".to_owned()),
            mode: ModeName::Report,
        });
    });
    for fault in Fault::ERRORS.into_iter().chain([Fault::Absent]) {
        let mut world = story.world();
        world.fail(story.request(&format!("manifest {CHILD}")), fault);
        let verdict = story.verify_in(&world);
        assert_ne!(outcome(&verdict), "verified", "{verdict}");
        for child in verdict.children().unwrap() {
            assert_eq!(child.verdict().basis(), verdict.basis(), "{fault:?}");
            assert_eq!(child.verdict().mode(), Mode::Report);
        }
    }
}

//! What is asked of a registry, and what one answer does to the others.

use countersign_common::{Descriptor, Digest, digest::HashAlgorithm, manifest::OCI_MANIFEST};
use countersign_verify::{Outcome, Verdict};

use crate::{
    date_crowds::{demanded, honest},
    fixtures::{decisive_codes, outcome},
    signing::{Key, Signing},
    story::{IMAGE, Story},
    world::{Fault, Request, World},
};

fn signed() -> Story {
    Story::new("", "").signed(&Signing::by(Key::Release))
}

fn indexed() -> Story {
    Story::new("", "")
        .indexed(|_| ())
        .with(|case| case.demand.platform = Some("linux/amd64".to_owned()))
}

/// Asserts which requests were made, each once.
#[track_caller]
fn assert_asked(story: &Story, requests: &[&str]) -> Verdict {
    let world = story.world();
    let verdict = story.verify_in(&world);
    let mut expected: Vec<_> = requests.iter().map(|text| story.request(text)).collect();
    expected.sort();
    assert_eq!(world.requests(), expected);
    verdict
}

#[track_caller]
fn assert_outcome(verdict: &Verdict, expected: &str) {
    assert_eq!(outcome(verdict), expected, "{verdict}");
}

fn remark_codes(verdict: &Verdict) -> Vec<&'static str> {
    verdict
        .remarks()
        .iter()
        .map(|remark| remark.code.as_str())
        .collect()
}

#[test]
fn an_image_and_its_signature_cost_five_requests() {
    let verdict = assert_asked(
        &signed(),
        &[
            "resolve",
            "blob image-config.blob.json",
            "referrers image.manifest.json",
            "manifest release-signature.manifest.json",
            "blob release-signature.blob.json",
        ],
    );
    assert_outcome(&verdict, "verified");
}

#[test]
fn a_child_is_fetched_and_its_siblings_are_not() {
    let story = indexed().signed_for("index.manifest.json", &Signing::by(Key::Release));
    let verdict = assert_asked(
        &story,
        &[
            "resolve",
            "manifest image.manifest.json",
            "blob image-config.blob.json",
            "referrers index.manifest.json",
            "referrers image.manifest.json",
            "manifest release-signature.manifest.json",
            "blob release-signature.blob.json",
        ],
    );
    assert_eq!(
        verdict.pinned().unwrap(),
        format!(
            "registry.example/shop/api@{}",
            story.digest("image.manifest.json")
        )
    );
}

#[test]
fn an_index_has_no_configuration_to_fetch() {
    let story = indexed()
        .with(|case| case.demand.platform = None)
        .signed_for("index.manifest.json", &Signing::by(Key::Release));
    assert_asked(
        &story,
        &[
            "resolve",
            "referrers index.manifest.json",
            "manifest release-signature.manifest.json",
            "blob release-signature.blob.json",
        ],
    );
}

#[test]
fn blobs_of_foreign_and_misplaced_artifacts_are_not_fetched() {
    let foreign = Signing {
        edit_manifest: |manifest| {
            manifest["artifactType"] = "text/x".into();
            manifest["layers"][0]["mediaType"] = "text/x".into();
        },
        ..Signing::by(Key::Release).named("foreign")
    };
    let misplaced = Signing {
        edit_manifest: |manifest| {
            manifest["subject"]["digest"] = Digest::sha256(b"").to_string().into();
        },
        ..Signing::by(Key::Release).named("misplaced")
    };
    let story = Story::new("", "")
        .signed(&foreign)
        .signed(&misplaced)
        .with(|case| {
            let listed = vec!["misplaced.manifest.json".to_owned()];
            case.listed.insert("image.manifest.json".to_owned(), listed);
        });
    let verdict = assert_asked(
        &story,
        &[
            "resolve",
            "blob image-config.blob.json",
            "referrers image.manifest.json",
            "manifest foreign.manifest.json",
            "manifest misplaced.manifest.json",
        ],
    );
    assert_outcome(&verdict, "refused");
}

#[test]
fn a_platform_that_is_not_there_costs_no_child() {
    let story = indexed().with(|case| case.demand.platform = Some("plan9/amd64".to_owned()));
    assert_asked(&story, &["resolve", "referrers index.manifest.json"]);
}

#[test]
fn requests_are_made_in_parallel_and_no_more_than_are_polite() {
    let mut story = signed();
    for number in 0..40 {
        story = story.signed(&Signing::by(Key::Stranger).named(&format!("stranger-{number}")));
    }
    let world = story.world();
    assert_outcome(&story.verify_in(&world), "verified");
    assert!(
        (32..=33).contains(&world.most_in_flight()),
        "{}",
        world.most_in_flight()
    );
}

#[test]
fn no_failure_of_one_hides_another() {
    let story = signed().signed(&Signing::by(Key::Stranger)).signed(
        &Signing::by(Key::Stranger)
            .named("stranger-2")
            .annotated("number", 2),
    );
    for fault in Fault::ERRORS.into_iter().chain([Fault::Absent]) {
        for request in [
            "manifest stranger-signature.manifest.json",
            "blob stranger-2.blob.json",
        ] {
            let mut world = story.world();
            world.fail(story.request(request), fault);
            let verdict = story.verify_in(&world);
            assert_outcome(&verdict, "verified");
            assert_eq!(remark_codes(&verdict).len(), 2, "{fault:?}: {verdict}");
        }
    }
}

#[test]
fn what_could_not_be_fetched_is_never_unsigned() {
    let story = signed();
    for fault in Fault::ERRORS {
        let mut codes = Vec::new();
        for request in [
            "resolve",
            "referrers image.manifest.json",
            "manifest release-signature.manifest.json",
            "blob release-signature.blob.json",
            "blob image-config.blob.json",
        ] {
            let mut world = story.world();
            world.fail(story.request(request), fault);
            let verdict = story.verify_in(&world);
            assert_outcome(&verdict, "undecided");
            codes.extend(decisive_codes(&verdict));
        }
        codes.dedup();
        assert_eq!(codes.len(), 1, "{fault:?}: {codes:?}");
    }
}

#[test]
fn what_is_named_and_absent_is_an_error_and_an_empty_list_is_not() {
    let story = signed();
    for (request, expected) in [
        ("manifest release-signature.manifest.json", "undecided"),
        ("blob release-signature.blob.json", "undecided"),
        ("blob image-config.blob.json", "undecided"),
        ("referrers image.manifest.json", "refused"),
        ("resolve", "refused"),
    ] {
        let mut world = story.world();
        world.fail(story.request(request), Fault::Absent);
        assert_outcome(&story.verify_in(&world), expected);
    }
    let child = indexed().signed_for("index.manifest.json", &Signing::by(Key::Release));
    let mut world = child.world();
    world.fail(child.request("manifest image.manifest.json"), Fault::Absent);
    // As where it is asked for by its own digest.
    assert_eq!(decisive_codes(&child.verify_in(&world)), ["child-missing"]);
}

#[test]
fn a_signature_of_the_child_or_of_its_index_suffices_whatever_the_other_list_says() {
    for (signed, failing) in [
        ("index.manifest.json", "referrers image.manifest.json"),
        ("image.manifest.json", "referrers index.manifest.json"),
    ] {
        let story = indexed().signed_for(signed, &Signing::by(Key::Release));
        let mut world = story.world();
        world.fail(story.request(failing), Fault::Throttled);
        let verdict = story.verify_in(&world);
        assert_outcome(&verdict, "verified");
        assert_eq!(remark_codes(&verdict), ["registry-throttled"]);
        let mut world = story.world();
        world.fail(
            story.request(&format!("referrers {signed}")),
            Fault::Throttled,
        );
        assert_outcome(&story.verify_in(&world), "undecided");
    }
}

#[test]
fn what_is_wrong_with_a_childs_signature_is_said_though_its_index_is_signed() {
    let story = indexed()
        .signed(&Signing::by(Key::Stranger))
        .signed_for("index.manifest.json", &Signing::by(Key::Release));
    let verdict = story.verify();
    assert_outcome(&verdict, "verified");
    assert_eq!(remark_codes(&verdict), ["key-unknown"]);
}

#[test]
fn what_concerns_the_child_and_its_index_is_said_once() {
    let story = indexed().signed(&Signing::by(Key::Stranger)).with(|case| {
        case.limits.insert("imageBytes".to_owned(), 1);
    });
    let verdict = story.verify();
    assert_eq!(decisive_codes(&verdict), ["too-large"]);
    assert!(remark_codes(&verdict).is_empty(), "{verdict}");
}

#[test]
fn a_fault_beside_a_refusal_is_told() {
    let story = signed().with(|case| {
        case.demand.platform = Some("linux/arm64".to_owned());
        case.faults
            .insert("blob release-signature.blob.json".to_owned(), Fault::Denied);
    });
    let verdict = story.verify();
    assert_eq!(decisive_codes(&verdict), ["platform-missing"]);
    assert_eq!(remark_codes(&verdict), ["registry-denied"]);
    let story = Story::new("", "").with(|case| {
        case.faults
            .insert("blob image-config.blob.json".to_owned(), Fault::TimedOut);
    });
    let verdict = story.verify();
    assert_eq!(decisive_codes(&verdict), ["signature-missing"]);
    assert_eq!(remark_codes(&verdict), ["fetch-timeout"]);
}

/// Bad signatures that name a trusted key, each of its own manifest.
fn crowded(count: usize) -> Story {
    let mut story = Story::new("", "");
    let image = story.descriptor("image.manifest.json");
    for number in 0..count {
        // Of another content each: copies of one document are one.
        let bad = Signing {
            edit_signature: |signature| *signature.last_mut().unwrap() ^= 1,
            ..Signing::by(Key::Release).annotated("number", number)
        };
        let sealed = bad.named(&format!("bad-{number:03}")).seal(&image);
        story.put(&format!("bad-{number:03}.blob.json"), sealed.blob);
        story.put(&format!("bad-{number:03}.manifest.json"), sealed.manifest);
    }
    story
}

/// The good one, tried before all others or after them.
fn good(story: &Story, last: bool) -> Story {
    let bad: Vec<_> = story
        .files
        .keys()
        .filter(|file| file.starts_with("bad-") && file.ends_with(".manifest.json"))
        .map(|file| story.digest(file))
        .collect();
    let good = Signing::by(Key::Release).named("good");
    let sealed = good.seal(&story.descriptor("image.manifest.json"));
    let text = std::str::from_utf8(&sealed.manifest).unwrap();
    (0..100_000)
        .map(|number| {
            let mut story = story.clone();
            story.put(
                "good.manifest.json",
                text.replace("good", &format!("good-{number}")),
            );
            story.put("good.blob.json", sealed.blob.clone());
            story
        })
        .find(|story| {
            let digest = story.digest("good.manifest.json");
            bad.iter().all(|bad| (*bad < digest) == last)
        })
        .unwrap()
}

#[test]
fn of_what_happens_often_some_is_told_and_that_there_is_more() {
    let told = |verdict: &Verdict, code: &str| {
        let codes = decisive_codes(verdict);
        assert_eq!(codes, vec![code; codes.len()], "{verdict}");
        codes.len()
    };
    for (count, expected) in [(20, 20), (21, 21), (60, 21)] {
        let story = crowded(count);
        let verdict = story.verify();
        assert_outcome(&verdict, "refused");
        assert_eq!(told(&verdict, "signature-invalid"), expected);
        let failing = |fault: Fault| {
            story.clone().with(|case| {
                for number in 0..count {
                    case.faults
                        .insert(format!("blob bad-{number:03}.blob.json"), fault);
                }
            })
        };
        let absent = failing(Fault::Absent).verify();
        assert_outcome(&absent, "undecided");
        assert_eq!(told(&absent, "registry-unavailable"), expected);
        let Outcome::Undecided(faults) = absent.outcome() else {
            panic!("{absent}");
        };
        let mut said = faults.iter().map(|fault| &fault.as_ref().message);
        assert_eq!(
            said.any(|said| said.contains("more than 20 times")),
            count > 20
        );
    }
}

#[test]
fn ninety_nine_bad_signatures_deny_nothing_and_a_hundred_are_the_limit() {
    assert_outcome(&good(&crowded(99), true).verify(), "verified");
    assert_outcome(&good(&crowded(100), false).verify(), "verified");
    let beyond = good(&crowded(100), true).verify();
    assert_outcome(&beyond, "refused");
    assert!(
        decisive_codes(&beyond).contains(&"signatures-too-many"),
        "{beyond}"
    );
}

#[test]
fn a_thousand_referrers_are_read_and_one_more_is_a_refusal() {
    let stranger = Signing::by(Key::Stranger);
    let mut story = signed();
    let sealed = stranger.seal(&story.descriptor("image.manifest.json"));
    let text = std::str::from_utf8(&sealed.manifest).unwrap();
    story.put("stranger.blob.json", sealed.blob);
    let add = |story: &mut Story, number: usize| {
        let manifest = text.replace("stranger-signature", &format!("stranger-{number}"));
        story.put(&format!("stranger-{number}.manifest.json"), manifest);
    };
    (0..999).for_each(|number| add(&mut story, number));
    let verdict = story.verify();
    assert_outcome(&verdict, "verified");
    // They are copies of one document, which is judged once.
    assert_eq!(remark_codes(&verdict).len(), 1);
    add(&mut story, 999);
    let world = story.world();
    let verdict = story.verify_in(&world);
    assert_eq!(decisive_codes(&verdict)[0], "referrers-too-many");
    assert_eq!(world.requests().len(), 3);
}

#[test]
fn a_list_that_repeats_itself_costs_nothing() {
    let story = good(&crowded(1), true).with(|case| {
        let listed = vec!["bad-000.manifest.json".to_owned(); 500];
        case.listed.insert("image.manifest.json".to_owned(), listed);
        case.limits.insert("signatures".to_owned(), 2);
    });
    let world = story.world();
    assert_outcome(&story.verify_in(&world), "verified");
    assert_eq!(world.requests().len(), 7);
}

#[test]
fn an_entry_that_lies_about_a_size_hides_no_honest_one() {
    let story = signed();
    let image = story.digest("image.manifest.json");
    let honest = story.descriptor("release-signature.manifest.json");
    for size in [0, 1, honest.size - 1, honest.size + 1, u64::MAX] {
        let mut world = story.world();
        let lying = Descriptor {
            size,
            ..honest.clone()
        };
        world.listed.insert(image.clone(), vec![lying]);
        let verdict = story.verify_in(&world);
        assert_outcome(&verdict, "verified");
        assert_eq!(remark_codes(&verdict).len(), 1, "{verdict}");
    }
}

/// With one try, and the good signature the last by its digest.
#[track_caller]
fn assert_uses_up_no_try(junk: &Signing) {
    let crowd = (0..5).fold(Story::new("", ""), |story, number| {
        story.signed(&junk.clone().named(&format!("bad-{number}")))
    });
    let story = good(&crowd, true).with(|case| {
        case.limits.insert("signatures".to_owned(), 1);
    });
    assert_outcome(&story.verify(), "verified");
}

#[test]
fn strangers_and_signatures_of_other_images_use_up_no_tries() {
    let stranger = Signing::by(Key::Stranger);
    assert_uses_up_no_try(&stranger);
    assert_uses_up_no_try(&Signing {
        hint: Some(String::new()),
        ..stranger
    });
    // Copied from beside another image: genuine, and about something else.
    assert_uses_up_no_try(&Signing {
        about: Some(Digest::sha256(b"another")),
        ..Signing::by(Key::Release)
    });
}

#[test]
fn junk_beside_a_child_uses_up_no_try_of_its_index() {
    let bad = Signing {
        edit_signature: |signature| *signature.last_mut().unwrap() ^= 1,
        ..Signing::by(Key::Release).named("bad")
    };
    let story = indexed()
        .signed(&bad)
        .signed_for("index.manifest.json", &Signing::by(Key::Release))
        .with(|case| {
            case.limits.insert("signatures".to_owned(), 1);
        });
    assert_outcome(&story.verify(), "verified");
}

#[test]
fn large_neighbours_push_no_signature_out() {
    let large = |part: &str| Signing {
        edit_blob: |blob| format!("{blob}{}", " ".repeat(100_000)),
        predicate_type: "https://spdx.dev/Document",
        ..Signing::by(Key::Release).named(part)
    };
    let story = signed()
        .signed(&large("a"))
        .signed(&large("b"))
        .with(|case| {
            case.limits.insert("imageBytes".to_owned(), 110_000);
        });
    let world = story.world();
    let verdict = story.verify_in(&world);
    assert_outcome(&verdict, "verified");
    assert!(verdict.remarks().is_empty(), "{verdict}");
    let fetched = world
        .requests()
        .iter()
        .filter(|request| matches!(request, Request::Blob(_)))
        .count();
    // The configuration and the signature: what is large waits, and then is not needed.
    assert_eq!(fetched, 2);
    let unsigned = Story::new("", "")
        .signed(&large("a"))
        .signed(&large("b"))
        .with(|case| {
            case.limits.insert("imageBytes".to_owned(), 110_000);
        });
    let verdict = unsigned.verify();
    assert_outcome(&verdict, "refused");
    assert!(decisive_codes(&verdict).contains(&"too-large"), "{verdict}");
}

#[test]
fn an_image_named_by_another_hash_is_signed_by_that_name() {
    let mut story = Story::new("", "");
    let bytes = story.files["image.manifest.json"].clone();
    let digest = Digest::of(HashAlgorithm::Sha512, &bytes);
    let named = Descriptor {
        digest: digest.clone(),
        ..Descriptor::of(OCI_MANIFEST, &bytes)
    };
    let sealed = Signing::by(Key::Release).seal(&named);
    story.put("release-signature.manifest.json", sealed.manifest);
    story.put("release-signature.blob.json", sealed.blob);
    let with_both = |story: &Story| -> World {
        let mut world = story.world();
        world.manifests.insert(digest.clone(), bytes.clone());
        world
    };
    let by_sha512 = story
        .clone()
        .with(|case| case.image = format!("registry.example/shop/api@{digest}"));
    assert_outcome(&by_sha512.verify_in(&with_both(&by_sha512)), "verified");
    assert_outcome(&story.verify_in(&with_both(&story)), "refused");
}

#[test]
fn the_tag_is_read_once_and_the_verdict_pins_what_it_named() {
    let story = signed();
    let verdict = story.verify();
    assert_eq!(verdict.digest(), Some(&story.digest("image.manifest.json")));
    assert!(matches!(verdict.outcome(), Outcome::Verified(_)));
    assert!(
        verdict
            .pinned()
            .unwrap()
            .ends_with(&story.digest("image.manifest.json").to_string())
    );
    assert_eq!(verdict.image().to_string(), IMAGE);
}

#[test]
fn the_nearest_miss_is_told_first() {
    let several = |story: Story, name: &str, signing: &Signing| {
        (0..4).fold(story, |story, number| {
            let signing = signing.clone().annotated("number", number);
            story.signed(&signing.named(&format!("{name}-{number}")))
        })
    };
    let release = Signing::by(Key::Release);
    let bad = Signing {
        edit_signature: |signature| *signature.last_mut().unwrap() ^= 1,
        ..release.clone()
    };
    let damaged = Signing {
        edit_blob: |_| "{".to_owned(),
        ..release.clone()
    };
    let mut story = several(Story::new("", ""), "stranger", &Signing::by(Key::Stranger));
    story = several(story, "damaged", &damaged);
    story = several(story, "bad", &bad);
    story = several(story, "unannotated", &release);
    let story = story.with(|case| {
        case.demand
            .annotations
            .insert("env".to_owned(), "prod".to_owned());
    });
    let codes: Vec<_> = decisive_codes(&story.verify());
    let expected = [
        "annotation-mismatch",
        "signature-invalid",
        "malformed",
        "key-unknown",
    ];
    assert_eq!(codes, expected.map(|code| [code; 4]).concat());
}

#[test]
fn a_variant_that_nobody_has_said_is_not_there() {
    let asked = |platform: &str| {
        let story = signed().with(|case| case.demand.platform = Some(platform.to_owned()));
        outcome(&story.verify()).to_owned()
    };
    assert_eq!(asked("linux/amd64"), "verified");
    assert_eq!(asked("linux/amd64/v3"), "refused");
}

/// What is dated may be signed too, by what could not be fetched.
#[test]
fn two_signatures_of_an_index_and_the_date_of_its_child_are_an_open_question() {
    let story = demanded()
        .indexed(|_| ())
        .trusting(Key::Review)
        .with(|case| {
            case.demand.platform = Some("linux/amd64".to_owned());
            case.demand.threshold = 2.try_into().unwrap();
        })
        .signed(&honest())
        .signed(&Signing::by(Key::Release))
        .signed(&Signing::by(Key::Review));
    assert_outcome(&story.verify(), "verified");
    let both = [Key::Release, Key::Review]
        .iter()
        .fold(story, |story, key| {
            let signing = Signing::by(*key).named(&format!("{}-of-index", key.name()));
            story.signed_for("index.manifest.json", &signing)
        });
    for fault in Fault::ERRORS {
        let failing = both.clone().with(|case| {
            let request = "blob review-signature.blob.json".to_owned();
            case.faults.insert(request, fault);
        });
        let verdict = failing.verify();
        assert_eq!(outcome(&verdict), "undecided", "{fault:?}: {verdict}");
    }
}

//! Indexes that are looked at down to the layers of their children.

use countersign_common::{Digest, ImageRef, Task, manifest::DOCKER_MANIFEST};
use countersign_verify::Deadline;
use serde_json::Value;

use crate::{
    case::DepthName,
    deadlines::{Stalling, ticks},
    fixtures::{decisive_codes, document, outcome},
    layering::{CONTENT, Edit, Layer},
    layers::{assert_refused, integrity, layers_asked},
    signing::{Key, Signing},
    story::{IMAGE, Story},
    world::{Fault, block_on},
};

/// Two images that share a layer, and what was attested of one as `BuildKit` stores it.
pub(crate) fn index() -> Story {
    let base = Layer::gzip("base", CONTENT);
    let attestation = Layer::new(
        "sbom",
        "application/vnd.in-toto+json",
        b"{}",
        b"{}".to_vec(),
    );
    let mut story = Story::new("", "");
    let as_it_is = |_: &mut Value| ();
    let edits: (Edit<'_>, Edit<'_>) = (&as_it_is, &as_it_is);
    let layers = |own: &str| [base.clone(), Layer::plain(own, own.as_bytes())];
    story.put_layered("image", "linux/amd64", &layers("amd64"), edits);
    story.put_layered("arm", "linux/arm64", &layers("arm64"), edits);
    story.put_layered("attested", "unknown/unknown", &[attestation], edits);
    story
        .indexing(&[
            ("image.manifest.json", "linux/amd64"),
            ("arm.manifest.json", "linux/arm64"),
            ("attested.manifest.json", "unknown/unknown"),
        ])
        .signed_for("index.manifest.json", &Signing::by(Key::Release))
        .with(|case| case.demand.depth = Some(DepthName::Unpacked))
}

#[test]
fn of_an_index_all_children_are_looked_at_and_what_they_share_once() {
    let story = index();
    let world = story.world();
    let verdict = story.verify_in(&world);
    assert_eq!(outcome(&verdict), "verified", "{verdict}");
    assert_eq!(layers_asked(&world).len(), 4);
    let integrity = integrity(&verdict);
    assert_eq!(integrity["layers"]["count"], 4);
    assert_eq!(integrity["layers"]["unpacked"], 4);
    let wanted = story.with(|case| case.demand.platform = Some("linux/arm64".to_owned()));
    let world = wanted.world();
    assert_eq!(outcome(&wanted.verify_in(&world)), "verified");
    let mut expected = vec![wanted.digest("base.layer"), wanted.digest("arm64.layer")];
    expected.sort();
    assert_eq!(layers_asked(&world), expected);
}

#[test]
fn what_children_share_must_be_all_that_each_says_of_it() {
    let shared = Layer::gzip("shared", CONTENT);
    let untrue = Layer {
        diff_id: Digest::sha256(b"another"),
        ..shared.clone()
    };
    let as_it_is = |_: &mut Value| ();
    for (amd64, arm64) in [(&shared, &untrue), (&untrue, &shared)] {
        let mut story = Story::new("", "");
        for (name, platform, layer) in [
            ("image", "linux/amd64", amd64),
            ("arm", "linux/arm64", arm64),
        ] {
            let layers = std::slice::from_ref(layer);
            story.put_layered(name, platform, layers, (&as_it_is, &as_it_is));
        }
        let story = story
            .indexing(&[
                ("image.manifest.json", "linux/amd64"),
                ("arm.manifest.json", "linux/arm64"),
            ])
            .signed_for("index.manifest.json", &Signing::by(Key::Release))
            .with(|case| case.demand.depth = Some(DepthName::Unpacked));
        assert_refused(&story.verify(), "diff-id-mismatch");
    }
}

#[test]
fn nothing_that_an_index_reaches_is_left_out() {
    let story = index();
    for file in [
        "arm.manifest.json",
        "arm-config.blob.json",
        "arm64.layer",
        "amd64.layer",
        "base.layer",
        "attested.manifest.json",
        "attested-config.blob.json",
        "sbom.layer",
    ] {
        let altered = story.clone().with(|case| {
            let other = "release-signature.blob.json".to_owned();
            case.altered.insert(file.to_owned(), other);
        });
        assert_refused(&altered.verify(), "digest-mismatch");
        let request = match file.rsplit_once('.').unwrap() {
            (_, "layer") => format!("layer {file}"),
            (name, _) if name.ends_with("manifest") => format!("manifest {file}"),
            _ => format!("blob {file}"),
        };
        let asked = |fault| {
            let mut world = story.world();
            world.fail(story.request(&request), fault);
            story.verify_in(&world)
        };
        assert_eq!(outcome(&asked(Fault::Status)), "undecided", "{file}");
        if request.starts_with("manifest") {
            assert_refused(&asked(Fault::Absent), "child-missing");
        } else {
            assert_eq!(outcome(&asked(Fault::Absent)), "undecided", "{file}");
        }
    }
}

const CHILDREN: [&str; 3] = ["image", "arm", "attested"];

/// The same, where each child is judged by a signature of its own, but for those that are named.
pub(crate) fn family(unsigned: &[&str]) -> Story {
    let story = index().with(|case| case.demand.recursive = true);
    let signed = CHILDREN.iter().filter(|name| !unsigned.contains(name));
    signed.fold(story, |story, name| {
        let signing = Signing::by(Key::Release).named(&format!("{name}-signature"));
        story.signed_for(&format!("{name}.manifest.json"), &signing)
    })
}

#[test]
fn of_children_that_are_judged_each_says_what_was_looked_at_and_the_index_only_what_it_is() {
    let story = family(&[]);
    let verdict = story.verify();
    assert_eq!(outcome(&verdict), "verified", "{verdict}");
    let document: Value = serde_json::from_str(&document(&verdict)).unwrap();
    assert!(document["integrity"].get("layers").is_none(), "{document}");
    let layers = |child: usize| {
        let integrity = &document["children"][child]["integrity"];
        assert_eq!(integrity["depth"], "unpacked");
        integrity["layers"]["count"].as_u64().unwrap()
    };
    assert_eq!([0, 1, 2].map(layers), [2, 2, 1]);
    let lines = verdict.to_string();
    let told = "(1 required); its configuration and 2 layers (";
    assert_eq!(lines.matches(told).count(), 2, "{lines}");
    assert!(lines.contains("; its configuration and 1 layer ("));
    assert_eq!(lines.matches("unpacked to what is named").count(), 3);
    let shallow = story.with(|case| case.demand.depth = None).verify();
    assert!(!shallow.to_string().contains("layer"), "{shallow}");
}

#[test]
fn a_layer_of_any_child_that_is_judged_decides() {
    let story = family(&[]);
    for (layer, child) in [
        ("amd64.layer", 0),
        ("arm64.layer", 1),
        ("sbom.layer", 2),
        ("base.layer", 0),
    ] {
        let altered = story.clone().with(|case| {
            let other = "release-signature.blob.json".to_owned();
            case.altered.insert(layer.to_owned(), other);
        });
        let verdict = altered.verify();
        assert_eq!(outcome(&verdict), "refused", "{layer}: {verdict}");
        assert!(decisive_codes(&verdict).contains(&"digest-mismatch"));
        assert_eq!(verdict.pinned(), None);
        let of_child = verdict.children().unwrap()[child].verdict();
        assert_eq!(outcome(of_child), "refused", "{layer}");
        for fault in Fault::ERRORS.into_iter().chain([Fault::Absent]) {
            let mut world = story.world();
            world.fail(story.request(&format!("layer {layer}")), fault);
            let verdict = story.verify_in(&world);
            assert_eq!(outcome(&verdict), "undecided", "{layer}: {verdict}");
            assert_eq!(verdict.pinned(), None);
        }
    }
}

#[test]
fn layers_of_a_child_that_nobody_signed_are_not_asked_for() {
    let story = family(&["arm"]);
    let world = story.world();
    assert_refused(&story.verify_in(&world), "signature-missing");
    assert!(!layers_asked(&world).contains(&story.digest("arm64.layer")));
}

#[test]
fn what_an_index_lists_has_its_own_time_and_ends_with_it() {
    let story = index();
    for silent in ["manifest arm.manifest.json", "blob arm-config.blob.json"] {
        let world = story.world();
        let stalling = Stalling {
            world: &world,
            silent: vec![story.request(silent)],
        };
        let timer = |_: u32| -> Task<'_, ()> { Box::pin(ticks(5_000)) };
        let image = ImageRef::parse(IMAGE).unwrap();
        let verifier = story.verifier();
        let deadline = Deadline::for_each(&timer, 10);
        let verdict = block_on(verifier.verify(&image, &stalling, story.now(), &deadline));
        assert_eq!(outcome(&verdict), "undecided", "{silent}: {verdict}");
        assert_eq!(decisive_codes(&verdict), ["fetch-timeout"], "{silent}");
    }
}

/// What vouches for an index may use its time up; what it lists is looked at all the same.
#[test]
fn the_time_of_an_index_is_not_that_of_what_it_lists() {
    let other = Signing::by(Key::Stranger).named("other");
    let story = index().signed_for("index.manifest.json", &other);
    let world = story.world();
    let stalling = Stalling {
        world: &world,
        silent: vec![story.request("blob other.blob.json")],
    };
    let timer = |_: u32| -> Task<'_, ()> { Box::pin(ticks(5_000)) };
    let image = ImageRef::parse(IMAGE).unwrap();
    let verifier = story.verifier();
    let verify = |deadline: Deadline<'_>| {
        outcome(&block_on(verifier.verify(
            &image,
            &stalling,
            story.now(),
            &deadline,
        )))
    };
    assert_eq!(verify(Deadline::for_each(&timer, 10)), "verified");
    assert_eq!(verify(Deadline::new(timer(1), 10)), "undecided");
}

#[test]
fn a_configuration_of_a_child_is_no_longer_than_is_read() {
    let story = index();
    let longest = CHILDREN
        .map(|name| story.files[&format!("{name}-config.blob.json")].len())
        .into_iter()
        .max()
        .unwrap();
    let limited = |limit| {
        let story = story.clone().with(|case| {
            case.limits.insert("config".to_owned(), limit);
        });
        story.verify()
    };
    assert_eq!(outcome(&limited(longest)), "verified");
    assert_refused(&limited(longest - 1), "too-large");
}

#[test]
fn an_index_in_an_index_is_refused() {
    let nested = index().indexing(&[
        ("image.manifest.json", "linux/amd64"),
        ("index.manifest.json", "linux/arm64"),
    ]);
    let nested = nested.signed_for("index.manifest.json", &Signing::by(Key::Release));
    assert_refused(&nested.verify(), "child-not-image");
    // Nobody looks into it unless it is demanded.
    let shallow = nested.with(|case| case.demand.depth = None);
    assert_eq!(outcome(&shallow.verify()), "verified");
}

#[test]
fn an_index_that_lies_about_a_child_is_refused() {
    for (member, lie) in [
        ("mediaType", Value::from(DOCKER_MANIFEST)),
        ("size", 1.into()),
        ("size", 1_000_000.into()),
    ] {
        let mut story = index();
        let mut lying: Value = serde_json::from_slice(&story.files["index.manifest.json"]).unwrap();
        lying["manifests"][1][member] = lie;
        story.put("index.manifest.json", lying.to_string());
        let story = story.signed_for("index.manifest.json", &Signing::by(Key::Release));
        let verdict = story.verify();
        assert_refused(&verdict, "descriptor-mismatch");
        let text = document(&verdict);
        assert!(text.contains("push"), "whoever wrote it is asked: {text}");
    }
}

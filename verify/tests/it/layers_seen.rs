//! Layers that several need, and what becomes of the others where one cannot be had.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Waker},
};

use countersign_common::{Digest, ImageRef};
use countersign_verify::{Deadline, Seen, Verdict};

use crate::{
    case::DepthName,
    fixtures::outcome,
    layering::{CONTENT, Layer},
    layers::{assert_refused, layers_asked},
    layers_of_indexes::{family, index},
    signing::{Key, REPOSITORY, Signing},
    story::Story,
    world::{Fault, World, block_on},
};

const OTHER: &str = "registry.example/shop/other";

/// An image of these layers, whose signature names no repository.
fn image(layers: &[Layer]) -> Story {
    let signing = Signing {
        repository: None,
        ..Signing::by(Key::Release)
    };
    Story::new("", "")
        .layered(layers)
        .signed(&signing)
        .with(|case| case.demand.depth = Some(DepthName::Unpacked))
}

fn many() -> Vec<Layer> {
    let plain = |number: u32| Layer::plain(&format!("layer-{number}"), &number.to_be_bytes());
    (0..12).map(plain).collect()
}

/// Their files, in the order in which they are looked at.
fn by_digest(story: &Story, layers: &[Layer]) -> Vec<String> {
    let mut files: Vec<_> = layers.iter().map(|layer| layer.name.clone()).collect();
    files.sort_by_key(|file| story.digest(file));
    files
}

fn altered(story: Story, file: &str) -> Story {
    story.with(|case| {
        let other = "image.manifest.json".to_owned();
        case.altered.insert(file.to_owned(), other);
    })
}

fn verify(story: &Story, (world, seen): (&World, &Seen), repository: &str) -> Verdict {
    let digest = story.digest("image.manifest.json");
    let image = ImageRef::parse(&format!("{repository}@{digest}")).unwrap();
    let (verifier, deadline) = (story.verifier(), Deadline::never());
    block_on(verifier.verify_among(&image, (world, seen), story.now(), &deadline))
}

#[test]
fn what_cannot_be_had_hides_no_layer_that_is_wrong() {
    let layers = many();
    let story = image(&layers);
    let files = by_digest(&story, &layers);
    let wrong = altered(story, &files[6]);
    for fault in Fault::ERRORS.into_iter().chain([Fault::Absent]) {
        for missing in [&files[0..3], &files[5..6], &files[7..8], &files[9..12]] {
            let mut world = wrong.world();
            for file in missing {
                world.fail(wrong.request(&format!("layer {file}")), fault);
            }
            assert_refused(&wrong.verify_in(&world), "digest-mismatch");
        }
    }
}

#[test]
fn a_child_that_cannot_be_had_hides_no_layer_of_another_that_is_wrong() {
    let wrong = altered(index(), "arm64.layer");
    for request in [
        "manifest image.manifest.json",
        "manifest attested.manifest.json",
        "blob image-config.blob.json",
        "layer amd64.layer",
    ] {
        let mut world = wrong.world();
        world.fail(wrong.request(request), Fault::Status);
        assert_refused(&wrong.verify_in(&world), "digest-mismatch");
    }
}

#[test]
fn of_a_registry_that_fails_for_each_not_all_are_asked_for() {
    let layers = many();
    let story = image(&layers);
    let asked = |fault| {
        let mut world = story.world();
        for layer in &layers {
            world.fail(story.request(&format!("layer {}", layer.name)), fault);
        }
        assert_eq!(outcome(&story.verify_in(&world)), "undecided");
        layers_asked(&world).len()
    };
    // Four that fail, and those that were asked for meanwhile.
    assert!((4..8).contains(&asked(Fault::Unreachable)));
    assert_eq!(asked(Fault::Absent), layers.len());
}

#[test]
fn a_layer_of_several_children_is_asked_for_once_whatever_comes_of_it() {
    let story = family(&[]);
    let once = |world: &World| {
        let asked = layers_asked(world);
        assert_eq!(asked.len(), 4, "each layer, and the shared one once");
    };
    let world = story.world();
    assert_eq!(outcome(&story.verify_in(&world)), "verified");
    once(&world);
    let mut failing = story.world();
    failing.fail(story.request("layer base.layer"), Fault::Status);
    let verdict = story.verify_in(&failing);
    once(&failing);
    let outcomes = |verdict: &Verdict| -> Vec<_> {
        let children = verdict.children().unwrap().iter();
        children.map(|child| outcome(child.verdict())).collect()
    };
    assert_eq!(outcomes(&verdict), ["undecided", "undecided", "verified"]);
    let wrong = altered(story, "base.layer");
    let world = wrong.world();
    let verdict = wrong.verify_in(&world);
    once(&world);
    assert_eq!(outcomes(&verdict), ["refused", "refused", "verified"]);
}

#[test]
fn of_several_images_each_layer_is_asked_for_once_in_each_repository() {
    let story = image(&[Layer::gzip("one", CONTENT), Layer::plain("other", b"2")]);
    let (world, seen) = (story.world(), Seen::default());
    for (repository, asked) in [(REPOSITORY, 2), (REPOSITORY, 2), (OTHER, 4), (OTHER, 4)] {
        let verdict = verify(&story, (&world, &seen), repository);
        assert_eq!(outcome(&verdict), "verified", "{verdict}");
        assert_eq!(layers_asked(&world).len(), asked);
    }
    // As deeply as was asked before, and no less.
    let shallow = story.with(|case| case.demand.depth = Some(DepthName::Layers));
    let (world, seen) = (shallow.world(), Seen::default());
    let verdict = verify(&shallow, (&world, &seen), REPOSITORY);
    assert_eq!(outcome(&verdict), "verified", "{verdict}");
    let deep = shallow.with(|case| case.demand.depth = Some(DepthName::Unpacked));
    let untrue = Layer {
        diff_id: Digest::sha256(b"another"),
        ..Layer::gzip("one", CONTENT)
    };
    let untrue = image(&[untrue]);
    for (story, expected) in [(&deep, "verified"), (&untrue, "refused")] {
        let verdict = verify(story, (&story.world(), &seen), REPOSITORY);
        assert_eq!(outcome(&verdict), expected, "{verdict}");
    }
}

#[test]
fn whoever_gives_up_lets_the_next_one_look() {
    let story = image(&[Layer::plain("one", b"1")]);
    let (world, seen) = (story.world(), Seen::default());
    let digest = story.digest("image.manifest.json");
    let image = ImageRef::parse(&format!("{REPOSITORY}@{digest}")).unwrap();
    let (verifier, deadline) = (story.verifier(), Deadline::never());
    {
        let from: (&dyn countersign_common::Registry, _) = (&world, &seen);
        let mut first = pin!(verifier.verify_among(&image, from, story.now(), &deadline));
        let mut context = Context::from_waker(Waker::noop());
        while layers_asked(&world).is_empty() {
            assert!(first.as_mut().poll(&mut context).is_pending());
        }
    }
    let verdict = verify(&story, (&world, &seen), REPOSITORY);
    assert_eq!(outcome(&verdict), "verified", "{verdict}");
    assert_eq!(layers_asked(&world).len(), 2);
}

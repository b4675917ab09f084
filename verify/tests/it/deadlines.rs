//! What becomes of a judgement whose time ends.

use std::{
    future::{self, poll_fn},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use bytes::Bytes;
use countersign_common::{
    Descriptor, Digest, ImageRef, Manifest, PinnedImage, Registry, Repository, Task,
    registry::{Failure, Onlooker},
};
use countersign_verify::{Deadline, Verdict};

use crate::{
    case::DepthName,
    date_crowds::{demanded, honest},
    fixtures::{decisive_codes, outcome},
    layering::Layer,
    signing::{Key, Signing},
    simple::Simple,
    story::Story,
    world::{Request, World, block_on},
};

/// A world in which some requests are never answered.
pub(crate) struct Stalling<'w> {
    pub(crate) world: &'w World,
    pub(crate) silent: Vec<Request>,
}

impl Stalling<'_> {
    fn or_silence<'a, T: Send + 'a>(&self, request: &Request, answer: Task<'a, T>) -> Task<'a, T> {
        if self.silent.contains(request) {
            Box::pin(future::pending())
        } else {
            answer
        }
    }
}

impl Registry for Stalling<'_> {
    fn resolve<'a>(&'a self, image: &'a ImageRef) -> Task<'a, Result<PinnedImage, Failure>> {
        let request = match image.tag() {
            Some(tag) if tag.starts_with("sha256-") => Request::Tag(tag.to_owned()),
            _ => Request::Resolve,
        };
        self.or_silence(&request, self.world.resolve(image))
    }

    fn manifest<'a>(
        &'a self,
        repository: &'a Repository,
        descriptor: &'a Descriptor,
    ) -> Task<'a, Result<Option<Manifest>, Failure>> {
        let request = Request::Manifest(descriptor.digest.clone());
        self.or_silence(&request, self.world.manifest(repository, descriptor))
    }

    fn referrers<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
    ) -> Task<'a, Result<Vec<Descriptor>, Failure>> {
        self.or_silence(
            &Request::Referrers(subject.clone()),
            self.world.referrers(repository, subject),
        )
    }

    fn tagged_referrers<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
    ) -> Task<'a, Result<Vec<Descriptor>, Failure>> {
        self.or_silence(
            &Request::Resolve,
            self.world.tagged_referrers(repository, subject),
        )
    }

    fn blob<'a>(
        &'a self,
        repository: &'a Repository,
        descriptor: &'a Descriptor,
        limit: usize,
    ) -> Task<'a, Result<Option<Bytes>, Failure>> {
        let request = Request::Blob(descriptor.digest.clone());
        self.or_silence(&request, self.world.blob(repository, descriptor, limit))
    }

    fn check_blob<'a>(
        &'a self,
        repository: &'a Repository,
        descriptor: &'a Descriptor,
        onlooker: Arc<dyn Onlooker>,
    ) -> Task<'a, Result<Option<u64>, Failure>> {
        self.world.check_blob(repository, descriptor, onlooker)
    }
}

/// Ends when it was asked so often: no clock.
pub(crate) async fn ticks(mut left: usize) {
    poll_fn(|context| {
        left = left.saturating_sub(1);
        context.waker().wake_by_ref();
        if left == 0 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

fn verify(story: &Story, silent: &[&str]) -> Verdict {
    verify_within(5_000, story, silent)
}

fn verify_within(time: usize, story: &Story, silent: &[&str]) -> Verdict {
    let world = story.world();
    let stalling = Stalling {
        world: &world,
        silent: silent.iter().map(|text| story.request(text)).collect(),
    };
    let image = ImageRef::parse(&story.case.image).unwrap();
    let deadline = Deadline::new(Box::pin(ticks(time)), 10);
    block_on(
        story
            .verifier()
            .verify(&image, &stalling, story.now(), &deadline),
    )
}

fn signed_by_both() -> Story {
    Story::new("", "")
        .signed(&Signing::by(Key::Release))
        .signed(&Signing::by(Key::Stranger))
}

#[test]
fn what_was_found_in_time_is_judged() {
    let verdict = verify(&signed_by_both(), &["blob stranger-signature.blob.json"]);
    assert_eq!(outcome(&verdict), "verified", "{verdict}");
    let remarks: Vec<_> = verdict
        .remarks()
        .iter()
        .map(|remark| remark.code.as_str())
        .collect();
    assert_eq!(remarks, ["fetch-timeout"]);
}

#[test]
fn older_signatures_are_waited_for_to_the_end_only_where_they_are_needed() {
    let dated = demanded()
        .with(|case| case.demand.dates.max_age = Some(86_400))
        .signed(&honest());
    for (story, expected) in [
        (
            Story::new("", "").signed(&Signing::by(Key::Release)),
            "verified",
        ),
        (dated, "verified"),
        (
            Story::new("", "").signed(&Signing::by(Key::Stranger)),
            "undecided",
        ),
    ] {
        let story = story.tagged(&[Simple::by(Key::Release)]);
        for silent in ["tag image.manifest.json", "blob payload.blob.json"] {
            let world = story.world();
            let stalling = Stalling {
                world: &world,
                silent: vec![story.request(silent)],
            };
            let ended = &AtomicBool::new(false);
            let timer = |part: u32| -> Task<'_, ()> {
                Box::pin(async move {
                    ticks(if part == 1 { 50_000 } else { 5_000 }).await;
                    ended.fetch_or(part == 1, Ordering::Relaxed);
                })
            };
            let image = ImageRef::parse(&story.case.image).unwrap();
            let (verifier, deadline) = (story.verifier(), Deadline::for_each(&timer, 9));
            let verdict = block_on(verifier.verify(&image, &stalling, story.now(), &deadline));
            assert_eq!(outcome(&verdict), expected, "{silent}: {verdict}");
            assert_eq!(ended.load(Ordering::Relaxed), expected == "undecided");
            let told = verdict.to_string();
            let seconds = if expected == "verified" { 2 } else { 9 };
            assert!(told.contains(&format!("within {seconds} s")), "{told}");
        }
    }
}

#[test]
fn the_time_is_not_for_layers() {
    let layers: Vec<_> = (0..40)
        .map(|number| Layer::plain(&format!("{number}"), &[number]))
        .collect();
    let story = Story::new("", "")
        .layered(&layers)
        .signed(&Signing::by(Key::Release));
    let in_time = |time: &usize| outcome(&verify_within(*time, &story, &[])) == "verified";
    let least = (1..5_000).find(in_time).unwrap();
    let deep = story.with(|case| case.demand.depth = Some(DepthName::Layers));
    assert_eq!(outcome(&verify_within(least, &deep, &[])), "verified");
    assert_eq!(outcome(&verify_within(least - 1, &deep, &[])), "undecided");
}

#[test]
fn what_is_missing_may_have_been_the_signature() {
    for silent in [
        "resolve",
        "referrers image.manifest.json",
        "manifest release-signature.manifest.json",
        "blob release-signature.blob.json",
        "blob image-config.blob.json",
    ] {
        let verdict = verify(&signed_by_both(), &[silent]);
        assert_eq!(outcome(&verdict), "undecided", "{silent}: {verdict}");
        assert_eq!(decisive_codes(&verdict), ["fetch-timeout"], "{silent}");
    }
}

#[test]
fn a_thousand_neighbours_cost_only_as_many_requests_as_decide() {
    let mut story = Story::new("", "").signed(&Signing::by(Key::Release));
    for number in 0..600 {
        story = story.signed(&Signing {
            edit_manifest: |manifest| manifest["annotations"]["padding"] = "x".repeat(500).into(),
            ..Signing::by(Key::Stranger).named(&format!("stranger-{number}"))
        });
    }
    let world = story.world();
    assert_eq!(outcome(&story.verify_in(&world)), "verified");
    assert!(world.requests().len() < 300, "{}", world.requests().len());
}

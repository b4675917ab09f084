//! Removes what refers to an image, through the referrers API and from the fallback tag.

use std::sync::Arc;

use countersign_common::{
    Descriptor, Digest, ImageRef, Manifest, PinnedImage, Registry, RegistryWriter,
    manifest::{OCI_INDEX, OCI_MANIFEST},
    registry::{Blind, Failure},
};
use countersign_stand_in::{
    Lie, Login, Mutability, Options as StandInOptions, Repositories, Transport,
};
use serde_json::{Value, json};

use crate::world::{World, is_error, is_refusal};

impl World {
    /// An image and two artifacts that refer to it.
    async fn attached(&self) -> (PinnedImage, [Manifest; 2]) {
        let image = self.client.resolve(&self.image("1")).await.unwrap();
        let referrers = [
            self.referrer(&image.manifest, "one").await,
            self.referrer(&image.manifest, "two").await,
        ];
        self.client
            .push_referrers(&self.repository(), image.digest(), &referrers)
            .await
            .unwrap();
        (image, referrers)
    }

    async fn remove(&self, image: &PinnedImage, manifest: &Manifest) -> Result<(), Failure> {
        self.client
            .remove_referrer(&self.repository(), image.digest(), manifest.digest())
            .await
    }

    async fn listed(&self, image: &PinnedImage) -> Vec<Digest> {
        let listed = self
            .client
            .referrers(&self.repository(), image.digest())
            .await
            .unwrap();
        listed.into_iter().map(|entry| entry.digest).collect()
    }

    async fn has(&self, manifest: &Manifest) -> bool {
        self.client
            .manifest(&self.repository(), manifest.descriptor())
            .await
            .unwrap()
            .is_some()
    }

    /// The index at the fallback tag.
    async fn index(&self, image: &PinnedImage) -> Manifest {
        let tagged = format!("{}:{}", self.repository(), fallback_tag(image));
        let index = ImageRef::parse(&tagged).unwrap();
        self.client.resolve(&index).await.unwrap().manifest
    }

    fn writes(&self) -> Vec<String> {
        let calls = self.stand_in.calls().into_iter();
        let lines = calls.map(|call| call.line);
        lines
            .filter(|line| line.starts_with("PUT ") || line.starts_with("POST "))
            .collect()
    }
}

fn fallback_tag(image: &PinnedImage) -> String {
    image.digest().to_string().replace(':', "-")
}

#[tokio::test]
async fn what_is_removed_is_gone_from_every_kind_of_registry_and_the_rest_stays() {
    let tls = StandInOptions {
        transport: Transport::Tls,
        ..StandInOptions::default()
    };
    for world in [
        World::ecr(),
        World::with(tls),
        World::oci(Login::Anonymous),
        World::oci(Login::Basic),
        World::oci(Login::Bearer),
        World::no_referrers(),
    ] {
        let (image, [one, two]) = world.attached().await;
        world.remove(&image, &one).await.unwrap();
        assert_eq!(world.listed(&image).await, [two.digest().clone()]);
        assert!(!world.has(&one).await);
        assert!(world.has(&two).await);
        // What is not there is removed already.
        world.remove(&image, &one).await.unwrap();
        assert_eq!(world.listed(&image).await, [two.digest().clone()]);
        world.remove(&image, &two).await.unwrap();
        assert!(world.listed(&image).await.is_empty());
        world.client.resolve(&image.reference).await.unwrap();
    }
}

#[tokio::test]
async fn what_never_was_there_is_removed_without_a_write() {
    for world in [World::oci(Login::Anonymous), World::no_referrers()] {
        let image = world.client.resolve(&world.image("1")).await.unwrap();
        let never = world.referrer(&image.manifest, "never pushed").await;
        world.stand_in.forget_calls();
        world.remove(&image, &never).await.unwrap();
        assert_eq!(world.writes(), [""; 0]);
        let (image, [one, two]) = world.attached().await;
        world.stand_in.forget_calls();
        world.remove(&image, &never).await.unwrap();
        assert_eq!(world.writes(), [""; 0]);
        let listed = world.listed(&image).await;
        assert!(listed.contains(one.digest()) && listed.contains(two.digest()));
    }
}

#[tokio::test]
async fn entries_of_others_at_the_fallback_tag_stay_when_ours_goes() {
    let world = World::no_referrers();
    let image = world.client.resolve(&world.image("1")).await.unwrap();
    let theirs = |name: &[u8]| {
        json!({
            "mediaType": OCI_MANIFEST,
            "digest": Digest::sha256(name),
            "size": 7,
            "annotations": { "z": "1", "a": "\u{e9}" },
            "urls": ["https://x"],
            "unknown": { "c": [1, null, { "d": -0.5 }] },
        })
    };
    let ours = world.referrer(&image.manifest, "ours").await;
    let index = json!({
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "annotations": { "a": "b" },
        "unknown": true,
        "manifests": [theirs(b"first"), ours.descriptor(), theirs(b"second"), theirs(b"second")],
    });
    let tag = fallback_tag(&image);
    let bytes = index.to_string().into_bytes();
    let place = &world.stand_in;
    place.place_manifest("app", &tag, OCI_INDEX, bytes.into());
    place.place_manifest("app", "", OCI_MANIFEST, ours.bytes().clone());
    // A registry may want what an index names to be there.
    for name in [&b"first"[..], b"second"] {
        place.place_manifest("app", "", OCI_MANIFEST, name.to_vec().into());
    }
    world.remove(&image, &ours).await.unwrap();
    let mut expected = index;
    expected["manifests"].as_array_mut().unwrap().remove(1);
    let left = world.index(&image).await;
    let left: Value = serde_json::from_slice(left.bytes()).unwrap();
    assert_eq!(left, expected);
    assert!(!world.has(&ours).await);
}

#[tokio::test]
async fn an_entry_whose_manifest_is_gone_already_is_taken_from_the_tag() {
    let world = World::no_referrers();
    let (image, [one, two]) = world.attached().await;
    // As after a removal that was interrupted.
    world.lie("GET /v2/*/referrers/*", Lie::status(503));
    is_error(world.remove(&image, &one).await, "registry-unavailable");
    world.stand_in.faults().clear();
    assert!(!world.has(&one).await);
    assert_eq!(world.listed(&image).await.len(), 2);
    world.remove(&image, &one).await.unwrap();
    assert_eq!(world.listed(&image).await, [two.digest().clone()]);
}

#[tokio::test]
async fn a_registry_that_removes_nothing_says_so() {
    for world in [World::oci(Login::Anonymous), World::no_referrers()] {
        let (image, [one, two]) = world.attached().await;
        for status in [400, 405, 409] {
            world.lie("DELETE *", Lie::status(status));
            is_refusal(world.remove(&image, &one).await, "push-rejected");
            world.stand_in.faults().clear();
        }
        world.lie("DELETE *", Lie::status(500));
        is_error(world.remove(&image, &one).await, "registry-unavailable");
        world.stand_in.faults().clear();
        // What is still there is still found.
        let listed = world.listed(&image).await;
        assert!(listed.contains(one.digest()) && listed.contains(two.digest()));
        assert!(world.has(&one).await);
    }
}

#[tokio::test]
async fn an_immutable_fallback_tag_is_named_when_an_entry_should_go() {
    let world = World::no_referrers();
    let (image, [one, _]) = world.attached().await;
    world.stand_in.set_repository("app", Mutability::Immutable);
    is_refusal(world.remove(&image, &one).await, "tag-immutable");
}

#[tokio::test]
async fn what_is_no_index_at_the_fallback_tag_is_left_as_it_is() {
    let world = World::no_referrers();
    let image = world.client.resolve(&world.image("1")).await.unwrap();
    let ours = world.referrer(&image.manifest, "ours").await;
    let tag = fallback_tag(&image);
    let bytes = ours.bytes().clone();
    world
        .stand_in
        .place_manifest("app", &tag, OCI_MANIFEST, bytes);
    let other = world.referrer(&image.manifest, "other").await;
    is_refusal(world.remove(&image, &other).await, "malformed");
    assert_eq!(world.index(&image).await.digest(), ours.digest());
}

#[tokio::test]
async fn only_what_is_named_is_removed() {
    let world = World::with(StandInOptions {
        repositories: Repositories::MustExist,
        ..StandInOptions::default()
    });
    let (image, [one, two]) = world.attached().await;
    world.stand_in.forget_calls();
    world.remove(&image, &one).await.unwrap();
    let deleted: Vec<_> = world
        .stand_in
        .calls()
        .into_iter()
        .map(|call| call.line)
        .filter(|line| line.starts_with("DELETE "))
        .collect();
    assert_eq!(
        deleted,
        [format!("DELETE /v2/app/manifests/{}", one.digest())]
    );
    let blob = Descriptor::of("c", b"one");
    let repository = world.repository();
    assert_eq!(
        world
            .client
            .check_blob(&repository, &blob, Arc::new(Blind))
            .await
            .unwrap(),
        Some(3)
    );
    assert!(world.has(&two).await);
}

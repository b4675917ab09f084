//! Reads from an honest and from a lying registry.

use std::sync::Arc;

use countersign_common::{Descriptor, ImageRef, Limits, Registry, RegistryWriter, registry::Blind};
use countersign_stand_in::{Call, Lie, Login};

use crate::world::{World, is_error, is_refusal};

#[tokio::test]
async fn only_a_404_is_absence() {
    let world = World::oci(Login::Anonymous);
    let (image, repository) = (world.image("1"), world.repository());
    let absent = Descriptor::of("x", b"absent");
    assert_eq!(
        world.client.manifest(&repository, &absent).await.unwrap(),
        None
    );
    assert_eq!(
        world.client.blob(&repository, &absent, 10).await.unwrap(),
        None
    );
    is_refusal(
        world
            .client
            .resolve(&ImageRef::parse(&format!("{repository}:no")).unwrap())
            .await,
        "image-not-found",
    );
    for (status, code) in [
        (400, "registry-unavailable"),
        (403, "registry-denied"),
        (405, "registry-unavailable"),
    ] {
        world.lie("GET /v2/*", Lie::status(status));
        is_error(world.client.resolve(&image).await, code);
        is_error(
            world.client.referrers(&repository, &absent.digest).await,
            code,
        );
        is_error(world.client.manifest(&repository, &absent).await, code);
        is_error(world.client.blob(&repository, &absent, 10).await, code);
        world.stand_in.faults().clear();
    }
    world.client.resolve(&image).await.unwrap();
}

#[tokio::test]
async fn a_registry_without_the_referrers_api_is_asked_for_it_once() {
    let world = World::no_referrers();
    let (image, repository) = (world.image("1"), world.repository());
    let pinned = world.client.resolve(&image).await.unwrap();
    let asked = |world: &World| {
        let calls = world.stand_in.calls();
        let of_api = |call: &&Call| call.line.contains("/referrers/");
        calls.iter().filter(of_api).count()
    };
    let signature = world.referrer(&pinned.manifest, "signature").await;
    for _ in 0..3 {
        let client = &world.client;
        client
            .push_referrers(
                &repository,
                pinned.digest(),
                std::slice::from_ref(&signature),
            )
            .await
            .unwrap();
        let listed = client.referrers(&repository, pinned.digest()).await;
        assert_eq!(listed.unwrap().len(), 1);
        let own = client.own_referrers(&repository, pinned.digest()).await;
        assert_eq!(own.unwrap(), None);
    }
    assert_eq!(asked(&world), 1, "the signer looks, and learns");
    // A 404 that names what is not there says nothing of the API.
    let world = World::oci(Login::Anonymous);
    let (image, repository) = (world.image("1"), world.repository());
    let pinned = world.client.resolve(&image).await.unwrap();
    world.lie("GET /v2/*/referrers/*", Lie::status(404));
    let listed = world.client.referrers(&repository, pinned.digest()).await;
    assert_eq!(listed.unwrap(), []);
    world.stand_in.faults().clear();
    let signature = world.referrer(&pinned.manifest, "signature").await;
    let manifests = [signature];
    let pushed = world
        .client
        .push_referrers(&repository, pinned.digest(), &manifests);
    pushed.await.unwrap();
    let listed = world.client.referrers(&repository, pinned.digest()).await;
    assert_eq!(listed.unwrap().len(), 1);
}

#[tokio::test]
async fn altered_bytes_are_refused() {
    let world = World::oci(Login::Anonymous);
    let (image, repository) = (world.image("1"), world.repository());
    let pinned = world.client.resolve(&image).await.unwrap();
    let descriptor = pinned.manifest.descriptor();
    let blob = Descriptor::of("c", b"{}");
    world.lie("GET /v2/*/blobs/*", Lie::FlipByte(0));
    is_refusal(
        world.client.blob(&repository, &blob, 10).await,
        "digest-mismatch",
    );
    is_refusal(
        world
            .client
            .check_blob(&repository, &blob, Arc::new(Blind))
            .await,
        "digest-mismatch",
    );
    world.stand_in.faults().clear();
    for size in [1, 3] {
        let lying = Descriptor {
            size,
            ..blob.clone()
        };
        is_refusal(
            world.client.blob(&repository, &lying, 10).await,
            "descriptor-mismatch",
        );
        is_refusal(
            world
                .client
                .check_blob(&repository, &lying, Arc::new(Blind))
                .await,
            "descriptor-mismatch",
        );
    }
    world.lie("GET /v2/*/manifests/*", Lie::FlipByte(3));
    is_refusal(
        world.client.manifest(&repository, descriptor).await,
        "digest-mismatch",
    );
    world.stand_in.faults().clear();
    let other = format!("sha256:{}", "0".repeat(64));
    world.lie(
        "GET /v2/*/manifests/1",
        Lie::Header("Docker-Content-Digest".to_owned(), other),
    );
    is_refusal(world.client.resolve(&image).await, "digest-mismatch");
}

#[tokio::test]
async fn a_manifest_is_held_to_the_size_of_its_descriptor() {
    let world = World::oci(Login::Anonymous);
    let pinned = world.client.resolve(&world.image("1")).await.unwrap();
    let (repository, honest) = (world.repository(), pinned.manifest.descriptor());
    assert!(
        world
            .client
            .manifest(&repository, honest)
            .await
            .unwrap()
            .is_some()
    );
    let limit = Limits::TABLE.manifest as u64;
    for size in [1, honest.size - 1, honest.size + 1, limit] {
        let lying = Descriptor {
            size,
            ..honest.clone()
        };
        is_refusal(
            world.client.manifest(&repository, &lying).await,
            "descriptor-mismatch",
        );
    }
    // What is longer than any is not even asked for.
    let asked = world.stand_in.calls().len();
    for size in [limit + 1, u64::MAX] {
        let long = Descriptor {
            size,
            ..honest.clone()
        };
        is_refusal(world.client.manifest(&repository, &long).await, "too-large");
    }
    assert_eq!(world.stand_in.calls().len(), asked);
}

#[tokio::test]
async fn an_error_is_an_error_whatever_its_page_looks_like() {
    let world = World::oci(Login::Anonymous);
    let (image, repository) = (world.image("1"), world.repository());
    let digest = world.client.resolve(&image).await.unwrap().digest().clone();
    let pages = [
        Lie::Endless,
        Lie::Body(vec![b'x'; 100_000].into()),
        Lie::Header("Content-Encoding".to_owned(), "gzip".to_owned()),
    ];
    for (status, code) in [(503, "registry-unavailable"), (403, "registry-denied")] {
        for page in pages.clone() {
            world.lie("GET /v2/*", Lie::status(status));
            world.lie("GET /v2/*", page);
            is_error(world.client.referrers(&repository, &digest).await, code);
            is_error(world.client.resolve(&image).await, code);
            world.stand_in.faults().clear();
        }
    }
}

#[tokio::test]
async fn nothing_listens_is_an_error() {
    let world = World::oci(Login::Anonymous);
    is_error(
        world
            .client
            .resolve(&ImageRef::parse("127.0.0.1:9/app:1").unwrap())
            .await,
        "registry-unavailable",
    );
}

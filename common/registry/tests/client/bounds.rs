//! What ends a transfer: size, time, attempts.

use std::{sync::Arc, time::Duration};

use countersign_common::{Descriptor, Registry, registry::Blind};
use countersign_stand_in::{Fault, Lie, Login, Options as StandInOptions, Part, RegistryMode};

use crate::world::{World, hurried, is_error, is_refusal};

#[tokio::test]
async fn endless_and_oversized_answers_end_at_the_limit() {
    let world = World::oci(Login::Anonymous);
    let (image, repository) = (world.image("1"), world.repository());
    let pinned = world.client.resolve(&image).await.unwrap();
    let blob = Descriptor {
        size: 1 << 40,
        ..Descriptor::of("c", b"{}")
    };
    world.stand_in.forget_calls();
    is_refusal(
        world.client.blob(&repository, &blob, 1 << 20).await,
        "too-large",
    );
    assert!(
        world.stand_in.calls().is_empty(),
        "it is not even asked for"
    );
    world.lie("GET /v2/*", Lie::Endless);
    is_refusal(world.client.resolve(&image).await, "too-large");
    is_refusal(
        world.client.referrers(&repository, pinned.digest()).await,
        "too-large",
    );
    world.stand_in.faults().clear();
    world.lie("GET /v2/*/referrers/*", Lie::JunkReferrers(1_001));
    is_refusal(
        world.client.referrers(&repository, pinned.digest()).await,
        "referrers-too-many",
    );
    world.stand_in.faults().clear();
    world.lie("GET /v2/*/referrers/*", Lie::EndlessPages);
    world.stand_in.forget_calls();
    is_refusal(
        world.client.referrers(&repository, pinned.digest()).await,
        "referrers-too-many",
    );
    assert!(world.stand_in.calls().len() <= 16);
}

#[tokio::test]
async fn too_long_a_header_is_refused() {
    let world = World::oci(Login::Anonymous);
    let image = world.image("1");
    let header = |length: usize| Lie::Header("X-Junk".to_owned(), "x".repeat(length));
    world.lie("GET /v2/*", header(40 << 10));
    is_refusal(world.client.resolve(&image).await, "too-large");
    world.stand_in.faults().clear();
    world.lie("GET /v2/*", header(30 << 10));
    world.client.resolve(&image).await.unwrap();
}

#[tokio::test]
async fn compressed_bodies_are_refused() {
    let world = World::oci(Login::Anonymous);
    let image = world.image("1");
    for encoding in ["gzip", "br", "zstd", "deflate", "gzip, gzip"] {
        world.lie(
            "GET /v2/*",
            Lie::Header("Content-Encoding".to_owned(), encoding.to_owned()),
        );
        is_refusal(world.client.resolve(&image).await, "format-not-allowed");
        world.stand_in.faults().clear();
    }
    world.lie(
        "GET /v2/*",
        Lie::Header("Content-Encoding".to_owned(), "identity".to_owned()),
    );
    world.client.resolve(&image).await.unwrap();
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let world = World::oci(Login::Anonymous);
    let image = world.image("1");
    world.lie("GET /v2/*", Lie::Silence);
    is_error(
        hurried(&world.stand_in).resolve(&image).await,
        "fetch-timeout",
    );
}

#[tokio::test]
async fn throttling_is_waited_for_within_bounds_and_never_absence() {
    let world = World::no_referrers();
    let image = world.image("1");
    world
        .stand_in
        .faults()
        .push(Fault::on("GET /v2/*", Lie::throttled("0")).times(2));
    let pinned = world.client.resolve(&image).await.unwrap();
    for after in [
        "0",
        "99999",
        "18446744073709551615",
        "garbage",
        "Wed, 21 Oct 2099 07:28:00 GMT",
    ] {
        world.lie("GET /v2/*", Lie::throttled(after));
        is_error(
            world
                .client
                .referrers(&world.repository(), pinned.digest())
                .await,
            "registry-throttled",
        );
        world.stand_in.faults().clear();
    }
    // The referrers API is absent; the fallback tag is throttled: nobody knows whether there are any.
    world.lie("GET /v2/*/manifests/*", Lie::throttled("0"));
    is_error(
        world
            .client
            .referrers(&world.repository(), pinned.digest())
            .await,
        "registry-throttled",
    );
}

#[tokio::test]
async fn a_blob_that_drips_is_given_up() {
    let world = World::oci(Login::Anonymous);
    let hurried = hurried(&world.stand_in);
    world.image("1");
    let bytes = vec![b'x'; 4 << 10];
    let blob = Descriptor::of("c", &bytes);
    world.stand_in.place_blob("app", bytes.into());
    assert_eq!(
        hurried
            .check_blob(&world.repository(), &blob, Arc::new(Blind))
            .await
            .unwrap(),
        Some(4 << 10)
    );
    world.lie(
        "GET /v2/*/blobs/*",
        Lie::Drip {
            every: Duration::from_millis(20),
            part: Part::Body,
        },
    );
    is_error(
        hurried
            .check_blob(&world.repository(), &blob, Arc::new(Blind))
            .await,
        "fetch-timeout",
    );
}

#[tokio::test]
async fn all_that_one_answer_needs_ends_at_its_deadline() {
    // Three requests: refused, the login realm, and again with its token.
    for (delay, in_time) in [(600, false), (20, true)] {
        let world = World::with(StandInOptions {
            registry: RegistryMode::PlainOci(Login::Bearer),
            delay: Duration::from_millis(delay),
            ..StandInOptions::default()
        });
        let image = world.image("1");
        let resolved = hurried(&world.stand_in).resolve(&image).await;
        if in_time {
            resolved.unwrap();
        } else {
            is_error(resolved, "fetch-timeout");
        }
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_tried_again_once() {
    let world = World::oci(Login::Anonymous);
    let image = world.image("1");
    let repository = world.repository();
    let pinned = world.client.resolve(&image).await.unwrap();
    let blob = Descriptor::of("c", b"{}");
    for bytes in [0, 1] {
        let once = || Fault::on("GET /v2/*", Lie::ResetAfter(bytes)).times(1);
        world.stand_in.faults().push(once());
        world.client.resolve(&image).await.unwrap();
        world.stand_in.faults().push(once());
        assert!(
            world
                .client
                .blob(&repository, &blob, 10)
                .await
                .unwrap()
                .is_some()
        );
        world.stand_in.faults().push(once());
        world
            .client
            .referrers(&repository, pinned.digest())
            .await
            .unwrap();
        world.stand_in.faults().clear();
    }
    world.lie("GET /v2/*", Lie::ResetAfter(1));
    world.stand_in.forget_calls();
    is_error(world.client.resolve(&image).await, "registry-unavailable");
    is_error(
        world.client.blob(&repository, &blob, 10).await,
        "registry-unavailable",
    );
    assert!(
        world.stand_in.calls().len() <= 6,
        "{:?}",
        world.stand_in.calls()
    );
}

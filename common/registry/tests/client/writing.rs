//! Writes signatures and finds them again, through the referrers API and through the fallback tag.

use std::sync::Arc;

use countersign_common::{
    Descriptor, ImageRef, Manifest, Registry, RegistryWriter,
    bundle::MEDIA_TYPE,
    manifest::{Body, OCI_INDEX, OCI_MANIFEST},
    registry::{Blind, Failure},
};
use countersign_stand_in::{
    Fault, Lie, Login, Mutability, Options as StandInOptions, Repositories, Transport,
};

use crate::world::{World, is_error, is_refusal};

#[tokio::test]
async fn what_is_pushed_is_found_in_every_kind_of_registry() {
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
        let image = world.client.resolve(&world.image("1")).await.unwrap();
        let repository = world.repository();
        assert!(
            world
                .client
                .referrers(&repository, image.digest())
                .await
                .unwrap()
                .is_empty()
        );
        for content in ["one", "two"] {
            let referrer = world.referrer(&image.manifest, content).await;
            world
                .client
                .push_referrers(
                    &repository,
                    subject_of(&referrer),
                    std::slice::from_ref(&referrer),
                )
                .await
                .unwrap();
            world
                .client
                .push_referrers(
                    &repository,
                    subject_of(&referrer),
                    std::slice::from_ref(&referrer),
                )
                .await
                .unwrap();
            let found = world
                .client
                .manifest(&repository, referrer.descriptor())
                .await
                .unwrap()
                .unwrap();
            assert_eq!(found.bytes(), referrer.bytes());
        }
        let listed = world
            .client
            .referrers(&repository, image.digest())
            .await
            .unwrap();
        assert_eq!(listed.len(), 2);
        let blob = Descriptor::of(MEDIA_TYPE, b"one");
        assert_eq!(
            &world
                .client
                .blob(&repository, &blob, 10)
                .await
                .unwrap()
                .unwrap()[..],
            b"one"
        );
        assert_eq!(
            world
                .client
                .check_blob(&repository, &blob, Arc::new(Blind))
                .await
                .unwrap(),
            Some(3)
        );
    }
}

#[tokio::test]
async fn a_list_that_goes_on_where_it_cannot_be_followed_is_an_error() {
    let world = World::oci(Login::Anonymous);
    let pinned = world.client.resolve(&world.image("1")).await.unwrap();
    for link in [
        "<https://other.example/v2/app/referrers/x?last=1>; rel=\"next\"",
        "<unclosed; rel=\"next\"",
        "/v2/app; rel=next",
    ] {
        world.lie(
            "GET /v2/*/referrers/*",
            Lie::Header("Link".to_owned(), link.to_owned()),
        );
        is_error(
            world
                .client
                .referrers(&world.repository(), pinned.digest())
                .await,
            "registry-unavailable",
        );
        world.stand_in.faults().clear();
    }
}

#[tokio::test]
async fn what_others_attach_does_not_stop_a_signer() {
    let world = World::oci(Login::Anonymous);
    let pinned = world.client.resolve(&world.image("1")).await.unwrap();
    let referrer = world.referrer(&pinned.manifest, "one").await;
    world.lie("GET /v2/*/referrers/*", Lie::JunkReferrers(1_001));
    world
        .client
        .push_referrers(
            &world.repository(),
            subject_of(&referrer),
            std::slice::from_ref(&referrer),
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn entries_of_others_at_the_fallback_tag_stay_as_they_are() {
    let world = World::no_referrers();
    let image = world.client.resolve(&world.image("1")).await.unwrap();
    let tag = image.digest().to_string().replace(':', "-");
    let theirs = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","annotations":{{"a":"b"}},"manifests":[{{"mediaType":"{OCI_MANIFEST}","digest":"{}","size":7,"urls":["https://x"],"unknown":{{"c":[1]}}}}]}}"#,
        image.digest()
    );
    world
        .stand_in
        .place_manifest("app", &tag, OCI_INDEX, theirs.into_bytes().into());
    let referrer = world.referrer(&image.manifest, "one").await;
    world
        .client
        .push_referrers(
            &world.repository(),
            subject_of(&referrer),
            std::slice::from_ref(&referrer),
        )
        .await
        .unwrap();
    let index = world
        .client
        .resolve(&ImageRef::parse(&format!("{}:{tag}", world.repository())).unwrap())
        .await
        .unwrap();
    let index: serde_json::Value = serde_json::from_slice(index.manifest.bytes()).unwrap();
    assert_eq!(index["annotations"]["a"], "b");
    assert_eq!(index["manifests"][0]["unknown"]["c"][0], 1);
    assert_eq!(index["manifests"][0]["urls"][0], "https://x");
    assert_eq!(index["manifests"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_immutable_fallback_tag_is_named() {
    let world = World::no_referrers();
    let image = world.client.resolve(&world.image("1")).await.unwrap();
    world.stand_in.set_repository("app", Mutability::Immutable);
    let repository = world.repository();
    let first = world.referrer(&image.manifest, "one").await;
    world
        .client
        .push_referrers(
            &repository,
            subject_of(&first),
            std::slice::from_ref(&first),
        )
        .await
        .unwrap();
    let second = world.referrer(&image.manifest, "two").await;
    is_refusal(
        world
            .client
            .push_referrers(
                &repository,
                subject_of(&second),
                std::slice::from_ref(&second),
            )
            .await,
        "tag-immutable",
    );
}

#[tokio::test]
async fn a_repository_that_must_exist_is_named_when_it_does_not() {
    let world = World::with(StandInOptions {
        repositories: Repositories::MustExist,
        ..StandInOptions::default()
    });
    let repository = world.repository();
    is_refusal(
        world
            .client
            .push_blob(&repository, b"x".to_vec().into())
            .await,
        "push-rejected",
    );
}

#[tokio::test]
async fn eight_writers_at_once_all_end_at_a_fallback_tag() {
    let world = World::no_referrers();
    let image = world.client.resolve(&world.image("1")).await.unwrap();
    let repository = world.repository();
    let mut referrers = Vec::new();
    for number in 0..8 {
        referrers.push(world.referrer(&image.manifest, &number.to_string()).await);
    }
    let pushes = referrers.iter().map(|referrer| {
        world.client.push_referrers(
            &repository,
            subject_of(referrer),
            std::slice::from_ref(referrer),
        )
    });
    for pushed in futures_util::future::join_all(pushes).await {
        pushed.unwrap();
    }
    let listed = world
        .client
        .referrers(&repository, image.digest())
        .await
        .unwrap();
    // No registry lets a writer say "only if nobody else has": one may still be lost, most must not be.
    assert!(listed.len() >= 4, "{}", listed.len());
    assert!(!listed.iter().any(|entry| entry.media_type == OCI_INDEX));
}

/// Pushes what `content` makes an artifact to a tag, and says what the tag names then.
async fn tagged(world: &World, tag: &str, content: &str) -> Result<Manifest, Failure> {
    let image = world.client.resolve(&world.image("1")).await.unwrap();
    let artifact = world.referrer(&image.manifest, content).await;
    let tag = ImageRef::parse(&format!("{}:{tag}", world.repository())).unwrap();
    world.client.push_manifest(&tag, &artifact).await?;
    let named = world.client.resolve(&tag).await.unwrap();
    assert_eq!(named.manifest.bytes(), artifact.bytes());
    Ok(named.manifest)
}

#[tokio::test]
async fn a_manifest_is_pushed_to_its_tag_and_to_its_digest_in_every_kind_of_registry() {
    for world in [
        World::ecr(),
        World::oci(Login::Anonymous),
        World::oci(Login::Bearer),
        World::no_referrers(),
    ] {
        let first = tagged(&world, "kept-1", "one").await.unwrap();
        let second = tagged(&world, "kept-2", "two").await.unwrap();
        assert_ne!(first.digest(), second.digest());
        let by_digest = format!("{}@{}", world.repository(), second.digest());
        let by_digest = ImageRef::parse(&by_digest).unwrap();
        world
            .client
            .push_manifest(&by_digest, &second)
            .await
            .unwrap();
        // Under the digest of another it would be what nobody asked for.
        is_refusal(
            world.client.push_manifest(&by_digest, &first).await,
            "push-rejected",
        );
        let still = world.client.resolve(&by_digest).await.unwrap();
        assert_eq!(still.manifest.bytes(), second.bytes());
    }
}

#[tokio::test]
async fn a_tag_that_the_registry_keeps_is_not_moved() {
    let world = World::ecr();
    world.image("1");
    world.stand_in.set_repository(
        "app",
        Mutability::ImmutableExcept(vec!["1".to_owned(), "sha256-*".to_owned()]),
    );
    tagged(&world, "kept", "one").await.unwrap();
    is_refusal(tagged(&world, "kept", "two").await, "push-rejected");
    let kept = ImageRef::parse(&format!("{}:kept", world.repository())).unwrap();
    let kept = world.client.resolve(&kept).await.unwrap();
    let Body::Image(body) = kept.manifest.body() else {
        panic!("no artifact")
    };
    assert_eq!(body.layers[0], Descriptor::of(MEDIA_TYPE, b"one"));
}

/// What a manifest refers to.
fn subject_of(manifest: &countersign_common::Manifest) -> &countersign_common::Digest {
    let countersign_common::manifest::Body::Image(body) = manifest.body() else {
        panic!("no artifact")
    };
    &body.subject.as_ref().unwrap().digest
}

#[tokio::test]
async fn a_digest_that_a_registry_denies_for_a_moment_is_pushed_again() {
    let denied = Lie::Instead {
        status: 400,
        headers: Vec::new(),
        body: r#"{"errors":[{"code":"DIGEST_INVALID","message":"read while it was written"}]}"#
            .into(),
    };
    for (times, is_pushed) in [(3, true), (4, false)] {
        let world = World::oci(Login::Anonymous);
        let image = world.client.resolve(&world.image("1")).await.unwrap();
        let referrer = world.referrer(&image.manifest, "one").await;
        let fault = Fault::on("PUT /v2/app/manifests/sha256:*", denied.clone());
        world.stand_in.faults().push(fault.times(times));
        let pushed = world
            .client
            .push_referrers(
                &world.repository(),
                subject_of(&referrer),
                std::slice::from_ref(&referrer),
            )
            .await;
        match pushed {
            Ok(()) => assert!(is_pushed),
            failed => {
                assert!(!is_pushed);
                is_refusal(failed, "push-rejected");
            }
        }
    }
}

#[tokio::test]
async fn a_list_that_is_not_taken_in_time_is_read_anew_and_written_again() {
    let world = World::no_referrers();
    let image = world.client.resolve(&world.image("1")).await.unwrap();
    let referrer = world.referrer(&image.manifest, "one").await;
    let fault = Fault::on("PUT /v2/app/manifests/sha256-*", Lie::throttled("1"));
    world.stand_in.faults().push(fault.times(1));
    world
        .client
        .push_referrers(
            &world.repository(),
            subject_of(&referrer),
            std::slice::from_ref(&referrer),
        )
        .await
        .unwrap();
    let calls = world.stand_in.calls().into_iter();
    let of_list: Vec<_> = calls
        .filter(|call| call.line.contains("/manifests/sha256-"))
        .filter_map(|call| call.line.split(' ').next().map(str::to_owned))
        .collect();
    assert_eq!(of_list, ["GET", "PUT", "GET", "PUT", "GET"]);
}

//! Logins: to whom they go, and when they are renewed.

use std::time::Duration;

use countersign_common::{Explain, ImageRef, Registry, manifest::OCI_MANIFEST, registry::Failure};
use countersign_registry::Credentials;
use countersign_stand_in::{Elsewhere, Fault, Lie, Login, Options as StandInOptions, RegistryMode};
use futures_util::future::{self, Either};

use crate::world::{World, client, credentials, is_error};

#[tokio::test]
async fn a_login_is_learnt_once_and_sent_to_the_registry_alone() {
    let world = World::with(StandInOptions {
        elsewhere: Elsewhere::Listening,
        ..StandInOptions::default()
    });
    let image = world.image("1");
    world.stand_in.forget_calls();
    world.client.resolve(&image).await.unwrap();
    world.client.resolve(&image).await.unwrap();
    let calls = world.stand_in.calls();
    let statuses: Vec<u16> = calls.iter().map(|call| call.status).collect();
    assert_eq!(statuses, [401, 200, 200], "one challenge, no ping");
}

#[tokio::test]
async fn a_login_realm_elsewhere_gets_no_password() {
    let world = World::with(StandInOptions {
        elsewhere: Elsewhere::Listening,
        registry: RegistryMode::PlainOci(Login::Bearer),
        ..StandInOptions::default()
    });
    let image = world.image("1");
    let client = client(
        &world.stand_in,
        Credentials::Given {
            user: "me".into(),
            password: "secret".into(),
        },
    );
    for realm in [
        "https://evil.example/token",
        "http://evil.example/token",
        "https://169.254.169.254/token",
        "https://user@evil.example/token",
        "not a url",
    ] {
        world.lie("GET /v2/*", Lie::status(401));
        world.lie(
            "GET /v2/*",
            Lie::challenge(&format!("Bearer realm=\"{realm}\",service=\"x\"")),
        );
        let failure = client.resolve(&image).await.unwrap_err();
        assert!(matches!(failure, Failure::Error(_)), "{failure:?}");
        assert!(
            ["egress-refused", "credentials-unavailable"].contains(&failure.code().as_str()),
            "{failure}"
        );
        assert!(!failure.to_string().contains("secret"));
        world.stand_in.faults().clear();
    }
}

#[tokio::test]
async fn an_expired_login_is_renewed_once() {
    let world = World::oci(Login::Bearer);
    let image = world.image("1");
    world.client.resolve(&image).await.unwrap();
    world.stand_in.expire_tokens();
    world.client.resolve(&image).await.unwrap();
    world.lie("GET /v2/*", Lie::status(401));
    world.stand_in.forget_calls();
    is_error(world.client.resolve(&image).await, "registry-denied");
    assert!(
        world.stand_in.calls().len() <= 4,
        "{:?}",
        world.stand_in.calls()
    );
}

#[tokio::test]
async fn a_refusal_for_one_repository_does_not_end_the_login_for_others() {
    for login in [Login::Basic, Login::Bearer] {
        let world = World::oci(login);
        let image = world.image("1");
        world.client.resolve(&image).await.unwrap();
        world.lie("GET /v2/forbidden/*", Lie::status(403));
        let forbidden = format!("{}/forbidden:1", world.stand_in.registry_host());
        is_error(
            world
                .client
                .resolve(&ImageRef::parse(&forbidden).unwrap())
                .await,
            "registry-denied",
        );
        world.client.resolve(&image).await.unwrap();
    }
}

#[tokio::test]
async fn tokens_of_two_repositories_that_end_at_once_are_both_renewed() {
    let world = World::oci(Login::Bearer);
    let one = world.image("1");
    let host = world.stand_in.registry_host();
    let bytes = world
        .client
        .resolve(&one)
        .await
        .unwrap()
        .manifest
        .bytes()
        .clone();
    world
        .stand_in
        .place_manifest("other", "1", OCI_MANIFEST, bytes);
    let two = ImageRef::parse(&format!("{host}/other:1")).unwrap();
    world.client.resolve(&two).await.unwrap();
    world.stand_in.expire_tokens();
    let (one, two) =
        futures_util::future::join(world.client.resolve(&one), world.client.resolve(&two)).await;
    one.unwrap();
    two.unwrap();
}

#[tokio::test]
async fn a_realm_that_fails_is_no_denial() {
    let world = World::oci(Login::Bearer);
    let image = world.image("1");
    let at_realm = |lie| world.lie("GET /token*", lie);
    for (lie, code) in [
        (Lie::throttled("0"), "registry-throttled"),
        (Lie::status(500), "registry-unavailable"),
        (Lie::status(503), "registry-unavailable"),
        (Lie::status(404), "registry-unavailable"),
        (Lie::status(401), "registry-denied"),
        (Lie::status(403), "registry-denied"),
    ] {
        world.stand_in.forget_calls();
        at_realm(lie);
        is_error(world.client.resolve(&image).await, code);
        // The first is refused; then the realm is asked as often as a throttled request is sent.
        assert!(world.stand_in.calls().len() <= 7);
        world.stand_in.faults().clear();
    }
    for lie in [Lie::throttled("0"), Lie::status(503)] {
        world
            .stand_in
            .faults()
            .push(Fault::on("GET /token*", lie).times(1));
        client(&world.stand_in, credentials(&world.stand_in))
            .resolve(&image)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_realm_that_is_slow_for_one_repository_holds_up_no_other() {
    let world = World::oci(Login::Bearer);
    let image = world.image("1");
    let manifest = world.client.resolve(&image).await.unwrap().manifest;
    let bytes = manifest.bytes().clone();
    world
        .stand_in
        .place_manifest("other", "1", OCI_MANIFEST, bytes);
    let host = world.stand_in.registry_host();
    let other = ImageRef::parse(&format!("{host}/other:1")).unwrap();
    // Nothing is known to this one yet.
    let client = client(&world.stand_in, credentials(&world.stand_in));
    let once = Fault::on("GET /token", Lie::Silence).times(1);
    world.stand_in.faults().push(once);
    world.stand_in.forget_calls();
    let asked = || world.stand_in.calls().into_iter();
    let meanwhile = async {
        while !asked().any(|call| call.line == "GET /token") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        client.resolve(&other).await
    };
    match future::select(Box::pin(client.resolve(&image)), Box::pin(meanwhile)).await {
        Either::Left((first, _)) => panic!("{first:?} came before the other was asked for"),
        Either::Right((found, _)) => assert_eq!(found.unwrap().digest(), manifest.digest()),
    }
}

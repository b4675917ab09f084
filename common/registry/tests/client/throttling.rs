//! Registries that throttle: waited for together, within the time that there is, and never more than they can bear.

use std::{
    slice,
    time::{Duration, Instant},
};

use countersign_common::{
    Descriptor, Manifest, Registry, RegistryWriter, manifest::EMPTY_CONFIG, registry::Failure,
};
use countersign_registry::Client;
use countersign_stand_in::{Call, Fault, Lie, Login, Part, Service};
use futures_util::future;

use crate::world::{World, hurried, is_error};

fn count(world: &World, is_counted: impl Fn(&Call) -> bool) -> usize {
    let calls = world.stand_in.calls();
    calls.iter().filter(|call| is_counted(call)).count()
}

#[tokio::test]
async fn what_a_registry_asks_for_is_waited_for_if_there_is_time() {
    for (lie, waits) in [
        (Lie::throttled("1"), true),
        (retry_after(503, "1"), true),
        (Lie::throttled("0"), false),
        (Lie::throttled("Sun, 06 Nov 1994 08:49:37 GMT"), false),
    ] {
        let world = World::oci(Login::Anonymous);
        let image = world.image("1");
        let once = Fault::on("GET /v2/*", lie).times(1);
        world.stand_in.faults().push(once);
        let began = Instant::now();
        world.client.resolve(&image).await.unwrap();
        assert_eq!(began.elapsed() >= Duration::from_secs(1), waits);
        assert_eq!(count(&world, |_| true), 2);
    }
}

#[tokio::test]
async fn a_wait_for_which_there_is_no_time_is_told_at_once() {
    for lie in [
        Lie::throttled("1"),
        retry_after(503, "1"),
        retry_after(503, "Wed, 21 Oct 2099 07:28:00 GMT"),
    ] {
        let world = World::oci(Login::Anonymous);
        let image = world.image("1");
        world.lie("GET /v2/*", lie);
        let client = hurried(&world.stand_in);
        let began = Instant::now();
        is_error(client.resolve(&image).await, "registry-throttled");
        assert!(began.elapsed() < Duration::from_millis(900));
        assert_eq!(count(&world, |_| true), 1);
        // Nor are others sent in vain meanwhile, and they say why.
        world.stand_in.faults().clear();
        is_error(client.resolve(&image).await, "registry-throttled");
        assert_eq!(count(&world, |_| true), 1);
    }
}

#[tokio::test]
async fn reading_goes_on_while_writing_is_throttled() {
    let world = World::oci(Login::Anonymous);
    let image = world.image("1");
    world.lie("HEAD /v2/*/blobs/*", Lie::status(404));
    world.lie("POST /v2/*", Lie::throttled("30"));
    let client = hurried(&world.stand_in);
    let repository = world.repository();
    let pushed = client.push_blob(&repository, b"blob".to_vec().into()).await;
    is_error(pushed, "registry-throttled");
    client.resolve(&image).await.unwrap();
}

/// The code says what it is, under whatever status a registry or a proxy sends it.
const STATUSES: [u16; 7] = [400, 401, 403, 404, 500, 502, 503];

#[tokio::test]
async fn throttling_under_another_status_is_no_refusal() {
    for status in STATUSES {
        let world = World::oci(Login::Anonymous);
        let image = world.image("1");
        let pinned = world.client.resolve(&image).await.unwrap();
        let hurried = hurried(&world.stand_in);
        let push = async |client: &Client| client.push_manifest(&image, &pinned.manifest).await;
        let once = Fault::on("PUT /v2/*", renamed(status)).times(1);
        world.stand_in.faults().push(once);
        push(&world.client).await.unwrap();
        world.lie("PUT /v2/*", renamed(status));
        is_error(push(&hurried).await, "registry-throttled");
    }
}

#[tokio::test]
async fn throttling_under_another_status_is_no_absence() {
    for status in STATUSES {
        let world = World::no_referrers();
        let image = world.image("1");
        let subject = world.client.resolve(&image).await.unwrap();
        let (repository, subject) = (image.repository(), subject.manifest.descriptor());
        let blob = Descriptor::of(EMPTY_CONFIG, b"{}");
        for pattern in ["manifests", "referrers", "blobs"] {
            let pattern = format!("GET /v2/*/{pattern}/*");
            let once = Fault::on(&pattern, renamed(status)).times(1);
            world.stand_in.faults().push(once);
        }
        world.stand_in.forget_calls();
        let client = &world.client;
        let listed = client.referrers(repository, &subject.digest).await;
        assert_eq!(listed.unwrap(), []);
        let found = client.manifest(repository, subject).await;
        assert!(found.unwrap().is_some());
        let found = client.blob(repository, &blob, 10).await;
        assert!(found.unwrap().is_some());
        // Without the API and the tag, two of them are absent.
        assert_eq!(count(&world, |_| true), 7);

        world.lie("GET /v2/*", renamed(status));
        let client = hurried(&world.stand_in);
        let listed = client.referrers(repository, &subject.digest).await;
        is_error(listed, "registry-throttled");
        let found = client.manifest(repository, subject).await;
        is_error(found, "registry-throttled");
        let found = client.blob(repository, &blob, 10).await;
        is_error(found, "registry-throttled");
    }
}

/// An error under the status of an absence.
fn not_found(said: &str) -> Lie {
    Lie::Instead {
        status: 404,
        headers: Vec::new(),
        body: said.to_owned().into(),
    }
}

#[tokio::test]
async fn throttling_that_is_told_in_another_form_is_no_absence() {
    let nested = "[".repeat(200) + &"]".repeat(200);
    for rest in [
        r#""message": null"#,
        r#""message": {"text": "slow down"}"#,
        r#""message": "slow", "message": "down""#,
        &format!(r#""detail": {nested}"#),
    ] {
        let world = World::oci(Login::Anonymous);
        let absent = Descriptor::of(EMPTY_CONFIG, b"nobody has it");
        let client = hurried(&world.stand_in);
        let said =
            |code: &str| not_found(&format!(r#"{{"errors": [{{"code": "{code}", {rest}}}]}}"#));
        let once = Fault::on("GET /v2/*", said("BLOB_UNKNOWN")).times(1);
        world.stand_in.faults().push(once);
        let found = client.blob(&world.repository(), &absent, 100).await;
        assert!(found.unwrap().is_none(), "{rest}");
        world.lie("GET /v2/*", said("TOOMANYREQUESTS"));
        let found = client.blob(&world.repository(), &absent, 100).await;
        is_error(found, "registry-throttled");
    }
}

/// How an answer may be told so that what it says is not read to its end, and what it is then.
fn unread() -> [(Lie, &'static str); 5] {
    let every = Duration::from_millis(100);
    let part = Part::Body;
    let compressed = Lie::Header("Content-Encoding".to_owned(), "gzip".to_owned());
    [
        (compressed, "registry-unavailable"),
        (Lie::Endless, "registry-unavailable"),
        (Lie::Drip { every, part }, "fetch-timeout"),
        (Lie::ResetAfter(20), "registry-unavailable"),
        (Lie::Announce(1_000), "registry-unavailable"),
    ]
}

#[tokio::test]
async fn an_absence_that_was_not_read_to_its_end_is_none() {
    for (told, code) in unread() {
        let world = World::no_referrers();
        let image = world.image("1");
        let subject = world.client.resolve(&image).await.unwrap();
        let (repository, subject) = (image.repository(), subject.manifest.descriptor());
        let absent = Descriptor::of(EMPTY_CONFIG, b"nobody has it");
        let client = hurried(&world.stand_in);
        world.lie("GET /v2/*", Lie::status(404));
        world.lie("GET /v2/*", told);
        let began = Instant::now();
        is_error(client.referrers(repository, &subject.digest).await, code);
        is_error(client.manifest(repository, subject).await, code);
        is_error(client.blob(repository, &absent, 100).await, code);
        assert!(began.elapsed() < Duration::from_secs(4));
    }
}

#[tokio::test]
async fn an_absence_that_was_cut_once_is_asked_for_again() {
    let world = World::oci(Login::Anonymous);
    let absent = Descriptor::of(EMPTY_CONFIG, b"nobody has it");
    for lie in [Lie::status(404), Lie::ResetAfter(20)] {
        let once = Fault::on("GET /v2/*/blobs/*", lie).times(1);
        world.stand_in.faults().push(once);
    }
    let found = world.client.blob(&world.repository(), &absent, 100).await;
    assert!(found.unwrap().is_none());
    assert_eq!(count(&world, |_| true), 2);
}

#[tokio::test]
async fn an_absence_may_say_nothing_or_anything() {
    let headers = || vec![("Content-Encoding".to_owned(), "identity".to_owned())];
    for said in ["", "<html>404</html>", "{", &"x".repeat(64 << 10)] {
        let world = World::oci(Login::Anonymous);
        let absent = Descriptor::of(EMPTY_CONFIG, b"nobody has it");
        let lie = Lie::Instead {
            status: 404,
            headers: headers(),
            body: said.to_owned().into(),
        };
        world.lie("GET /v2/*", lie);
        let found = world.client.blob(&world.repository(), &absent, 100).await;
        assert!(found.unwrap().is_none());
    }
}

#[tokio::test]
async fn what_vanished_from_the_list_of_signatures_is_put_back_though_the_registry_throttles() {
    let world = World::no_referrers();
    let image = world.image("1");
    let subject = world.client.resolve(&image).await.unwrap().manifest;
    let (one, two) = (
        world.referrer(&subject, "one").await,
        world.referrer(&subject, "two").await,
    );
    let repository = image.repository();
    let push = async |manifest: &Manifest| {
        let manifests = slice::from_ref(manifest);
        let pushed = world
            .client
            .push_referrers(repository, subject.digest(), manifests);
        pushed.await.unwrap();
    };
    push(&one).await;
    // As if somebody had removed the tag after this writer's first look.
    let gone = Fault::on("GET /v2/*/manifests/sha256-*", not_found(""));
    world.stand_in.faults().push(gone.after(1).times(2));
    let asked = format!("* /v2/*/manifests/{}", one.digest());
    let throttled = Fault::on(&asked, renamed(404)).times(1);
    world.stand_in.faults().push(throttled);
    push(&two).await;
    let listed = world.client.referrers(repository, subject.digest()).await;
    assert_eq!(listed.unwrap().len(), 2);
    assert_eq!(
        count(&world, |call| call
            .line
            .ends_with(&one.digest().to_string())),
        3
    );
}

#[tokio::test]
async fn the_list_of_signatures_is_written_when_the_registry_has_recovered() {
    for lie in [Lie::throttled("1"), Lie::throttled("0"), Lie::status(429)] {
        let world = World::no_referrers();
        let (pushed, listed) = tagged(&world, &world.client, lie, Some(3)).await;
        pushed.unwrap();
        assert_eq!(listed, 1);
    }
}

#[tokio::test]
async fn a_list_of_signatures_that_stays_throttled_is_told_as_that() {
    for lie in [
        Lie::throttled("1"),
        Lie::throttled("0"),
        Lie::throttled("3600"),
        Lie::status(429),
        renamed(404),
    ] {
        let world = World::no_referrers();
        let began = Instant::now();
        let client = hurried(&world.stand_in);
        let (pushed, listed) = tagged(&world, &client, lie, None).await;
        is_error(pushed, "registry-throttled");
        assert!(began.elapsed() < Duration::from_secs(2));
        assert_eq!(listed, 0);
    }
}

/// Attaches to an image while its tag of signatures is throttled, all the time or so often; and how many are listed then.
async fn tagged(
    world: &World,
    client: &Client,
    lie: Lie,
    times: Option<u32>,
) -> (Result<(), Failure>, usize) {
    let image = world.image("1");
    let subject = client.resolve(&image).await.unwrap().manifest;
    let referrer = world.referrer(&subject, "a signature").await;
    let fault = Fault::on("PUT /v2/*/manifests/sha256-*", lie);
    let fault = times.map_or(fault.clone(), |times| fault.times(times));
    world.stand_in.faults().push(fault);
    let (repository, subject) = (image.repository(), subject.digest());
    let pushed = client
        .push_referrers(repository, subject, &[referrer])
        .await;
    world.stand_in.faults().clear();
    let listed = world.client.referrers(repository, subject).await;
    (pushed, listed.unwrap().len())
}

#[tokio::test]
async fn many_who_are_throttled_slow_down_together_and_are_served() {
    let world = World::oci(Login::Anonymous);
    world.image("1");
    let repository = world.repository();
    let blob = Descriptor::of(EMPTY_CONFIG, b"{}");
    world
        .stand_in
        .faults()
        .push(Fault::on("GET /v2/*/blobs/*", Lie::throttled("0")).times(150));
    let read = |_| world.client.blob(&repository, &blob, 10);
    let began = Instant::now();
    for bytes in future::join_all((0..200).map(read)).await {
        assert!(bytes.unwrap().is_some());
    }
    // At half of two hundred a second, whoever was throttled takes his turn.
    assert!(
        began.elapsed() > Duration::from_millis(500),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(count(&world, |call| call.service == Service::Registry), 350);
}

#[tokio::test]
async fn a_registry_that_fails_all_requests_is_not_asked_three_times_for_each() {
    let world = World::oci(Login::Anonymous);
    world.image("1");
    let repository = world.repository();
    let blob = Descriptor::of(EMPTY_CONFIG, b"{}");
    world.lie("GET /v2/*/blobs/*", Lie::status(503));
    let read = |_| world.client.blob(&repository, &blob, 10);
    for bytes in future::join_all((0..100).map(read)).await {
        is_error(bytes, "registry-unavailable");
    }
    // The floor, and two fifths of as many as are asked for.
    assert_eq!(count(&world, |_| true), 100 + 10 + 40);
}

fn retry_after(status: u16, after: &str) -> Lie {
    let Lie::Instead { body, headers, .. } = Lie::throttled(after) else {
        panic!("it is an answer")
    };
    Lie::Instead {
        status,
        headers,
        body,
    }
}

/// The error of a 429, with another status.
fn renamed(status: u16) -> Lie {
    let Lie::Instead { body, headers, .. } = Lie::status(429) else {
        panic!("it is an answer")
    };
    Lie::Instead {
        status,
        headers,
        body,
    }
}

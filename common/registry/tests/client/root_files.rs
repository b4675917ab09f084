//! The versions of a trust root as files of the web: there, not there, and not to be had.

use std::time::{Duration, Instant};

use countersign_common::{Code, Limits, RootSource, root_source::Failure};
use countersign_registry::RootFiles;
use countersign_stand_in::{Lie, Login, Part};
use url::Url;

use crate::world::World;

fn world() -> World {
    World::oci(Login::Anonymous)
}

fn source(world: &World, timeout: Duration) -> RootFiles {
    let url = format!("http://{}/roots/acme", world.stand_in.registry_host());
    world.client.root_files(Url::parse(&url).unwrap(), timeout)
}

fn answer(body: &[u8]) -> Lie {
    Lie::Instead {
        status: 200,
        headers: Vec::new(),
        body: body.to_vec().into(),
    }
}

const SECOND: &str = "GET /roots/acme/2.root.json";

#[track_caller]
fn failed<T: std::fmt::Debug>(outcome: Result<T, Failure>, why: &str) {
    let failure = outcome.unwrap_err();
    assert!(matches!(failure, Failure::Unavailable(_)), "{failure:?}");
    let text = failure.to_string();
    assert!(text.contains(why), "`{why}` is missing from {text}");
    assert!(text.contains("/roots/acme/"), "{text}");
}

#[track_caller]
fn refused<T: std::fmt::Debug>(outcome: Result<T, Failure>, code: &'static str, why: &str) {
    let failure = outcome.unwrap_err();
    let text = failure.to_string();
    assert!(text.contains(why), "`{why}` is missing from {text}");
    assert!(text.contains("/roots/acme/"), "{text}");
    match failure {
        Failure::Refused(refused) => assert_eq!(refused.code, Code::new(code)),
        Failure::Unavailable(unavailable) => panic!("{unavailable:?}"),
    }
}

#[tokio::test]
async fn a_version_is_there_or_not() {
    let world = world();
    let source = source(&world, Duration::from_secs(30));
    world.lie(SECOND, answer(b"{\"two\":2}"));
    assert_eq!(source.version(2).await.unwrap().unwrap(), "{\"two\":2}");
    assert!(source.version(3).await.unwrap().is_none());
    let asked: Vec<_> = world
        .stand_in
        .calls()
        .into_iter()
        .map(|call| call.line)
        .collect();
    assert_eq!(asked, [SECOND, "GET /roots/acme/3.root.json"]);
}

#[tokio::test]
async fn only_a_404_is_absence() {
    let world = world();
    let source = source(&world, Duration::from_secs(30));
    for status in [204, 301, 302, 307, 400, 401, 403, 410, 429, 500, 503] {
        world.stand_in.faults().clear();
        world.lie(SECOND, Lie::status(status));
        failed(source.version(2).await, &format!("status {status}"));
    }
    for (lie, said) in [
        (
            Lie::Header("Content-Encoding".to_owned(), "gzip".to_owned()),
            "compressed",
        ),
        (Lie::ResetAfter(20), "reading a body"),
    ] {
        world.stand_in.faults().clear();
        world.lie(SECOND, Lie::status(404));
        world.lie(SECOND, lie);
        failed(source.version(2).await, said);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let world = world();
    let source = source(&world, Duration::from_secs(30));
    world.lie(SECOND, Lie::redirect(302, "/roots/acme/3.root.json"));
    world.lie("GET /roots/acme/3.root.json", answer(b"elsewhere"));
    failed(source.version(2).await, "status 302");
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let world = world();
    let source = source(&world, Duration::from_secs(30));
    for (lie, calls) in [
        (Lie::status(503), 3),
        (Lie::status(429), 6),
        (Lie::status(403), 1),
        (Lie::throttled("99999"), 1),
    ] {
        world.stand_in.faults().clear();
        world.stand_in.forget_calls();
        world.lie(SECOND, lie);
        source.version(2).await.unwrap_err();
        assert_eq!(world.stand_in.calls().len(), calls);
    }
}

#[tokio::test]
async fn no_more_is_read_than_a_root_has() {
    let world = world();
    let source = source(&world, Duration::from_secs(30));
    let longest = vec![b' '; Limits::TABLE.root];
    world.lie(SECOND, answer(&longest));
    assert_eq!(
        source.version(2).await.unwrap().unwrap().len(),
        longest.len()
    );
    world.stand_in.faults().clear();
    world.lie(SECOND, answer(&[&longest[..], b" "].concat()));
    world.stand_in.forget_calls();
    refused(source.version(2).await, "too-large", "512000");
    assert_eq!(world.stand_in.calls().len(), 1, "it will not be shorter");
}

#[tokio::test]
async fn what_is_compressed_is_refused_and_unpacked_by_nobody() {
    let world = world();
    let source = source(&world, Duration::from_secs(30));
    let with = |encoding: &str| Lie::Instead {
        status: 200,
        headers: vec![("content-encoding".to_owned(), encoding.to_owned())],
        body: b"{}".to_vec().into(),
    };
    world.lie(SECOND, with("gzip"));
    refused(source.version(2).await, "format-not-allowed", "gzip");
    world.stand_in.faults().clear();
    world.lie(SECOND, with("identity"));
    assert_eq!(source.version(2).await.unwrap().unwrap(), "{}");
}

#[tokio::test]
async fn nobody_waits_longer_than_is_allowed() {
    let world = world();
    let source = source(&world, Duration::from_secs(1));
    let slow = Lie::Drip {
        every: Duration::from_millis(300),
        part: Part::Head,
    };
    for lie in [Lie::Silence, slow] {
        world.stand_in.faults().clear();
        world.lie(SECOND, lie);
        let began = Instant::now();
        failed(source.version(2).await, "did not answer within 1 s");
        assert!(began.elapsed() < Duration::from_secs(30));
    }
}

#[tokio::test]
async fn nothing_secret_of_the_url_is_said() {
    let world = world();
    let url = format!(
        "http://mallory:pa55w0rd@{}/roots/acme?t0k3n",
        world.stand_in.registry_host()
    );
    let source = world
        .client
        .root_files(Url::parse(&url).unwrap(), Duration::from_secs(30));
    world.lie(SECOND, Lie::status(500));
    let said = [
        source.version(2).await.unwrap_err().to_string(),
        source.name(),
        format!("{source:?}"),
    ];
    for text in said {
        for secret in ["mallory", "pa55w0rd", "t0k3n"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

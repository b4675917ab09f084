//! Each lie as it looks on the wire, read from the bare socket where an HTTP client would hide it.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use countersign_stand_in::{Elsewhere, Fault, Lie, Login, Options, Part, RegistryMode, Service};
use serde_json::json;

use crate::world::{World, sha256};

/// A registry with one blob, and its path.
fn with_blob() -> (World, String) {
    let world = World::plain();
    let digest = world
        .stand_in
        .place_blob("app", b"0123456789".as_slice().into());
    (world, format!("/v2/app/blobs/{digest}"))
}

fn lie_to_gets(world: &World, lie: Lie) {
    world.stand_in.faults().push(Fault::on("GET *", lie));
}

fn send(world: &World, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(world.stand_in.registry_host()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    stream
}

/// Everything that comes until the connection ends, and how it ended.
fn read_to_end(world: &World, path: &str) -> (String, io::Result<usize>) {
    let mut read = Vec::new();
    let ended = send(world, path).read_to_end(&mut read);
    (String::from_utf8_lossy(&read).into_owned(), ended)
}

#[test]
fn a_length_can_be_too_long_or_too_short() {
    for length in [100, 4] {
        let (world, path) = with_blob();
        lie_to_gets(&world, Lie::Announce(length));
        let (read, ended) = read_to_end(&world, &path);
        assert!(
            read.contains(&format!("Content-Length: {length}\r\n")),
            "{read}"
        );
        assert!(read.ends_with("\r\n\r\n0123456789"), "{read}");
        ended.unwrap();
    }
}

#[test]
fn a_connection_can_be_reset_at_any_byte() {
    for (bytes, body) in [(0, ""), (1, "0"), (9, "012345678"), (10, "0123456789")] {
        let (world, path) = with_blob();
        lie_to_gets(&world, Lie::ResetAfter(bytes));
        let (read, ended) = read_to_end(&world, &path);
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert!(
            read.is_empty() || read.ends_with(&format!("\r\n\r\n{body}")),
            "{read}"
        );
        assert_eq!(world.last_call().sent(), bytes as u64);
    }
}

#[test]
fn a_body_can_be_endless_on_an_error_too() {
    let (world, path) = with_blob();
    lie_to_gets(&world, Lie::status(500));
    lie_to_gets(&world, Lie::Endless);
    let mut stream = send(&world, &path);
    let mut read = vec![0; 1 << 20];
    stream.read_exact(&mut read).unwrap();
    let head = String::from_utf8_lossy(&read[..200]).into_owned();
    assert!(head.starts_with("HTTP/1.1 500 "), "{head}");
    assert!(head.contains("Transfer-Encoding: chunked\r\n"), "{head}");
    assert!(world.last_call().sent() > 1 << 19);
}

#[test]
fn an_answer_can_drip() {
    for part in [Part::Head, Part::Body] {
        let (world, path) = with_blob();
        lie_to_gets(
            &world,
            Lie::Drip {
                every: Duration::from_millis(1),
                part,
            },
        );
        let (read, _) = read_to_end(&world, &path);
        assert!(read.starts_with("HTTP/1.1 200 "), "{read}");
        assert!(read.ends_with("\r\n\r\n0123456789"), "{read}");
    }
}

#[test]
fn a_request_can_be_left_without_an_answer() {
    let (world, path) = with_blob();
    lie_to_gets(&world, Lie::Silence);
    let mut stream = send(&world, &path);
    stream
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let silent = stream.read(&mut [0; 1]).unwrap_err().kind();
    assert!(matches!(
        silent,
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    ));
}

#[test]
fn a_header_need_not_be_one() {
    let (world, path) = with_blob();
    let value = "Bearer realm=\"a\r\nInjected: b";
    lie_to_gets(&world, Lie::Header("WWW-Authenticate".into(), value.into()));
    let (read, _) = read_to_end(&world, &path);
    assert!(read.contains("\r\nInjected: b\r\n"), "{read}");
    assert!(read.ends_with("\r\n\r\n0123456789"), "{read}");
}

#[tokio::test]
async fn a_head_request_is_lied_to_without_a_body() {
    let (world, path) = with_blob();
    let stand_in = &world.stand_in;
    stand_in
        .faults()
        .push(Fault::on("HEAD *", Lie::Announce(77)));
    let answer = world.registry("HEAD", &path, "").await;
    assert_eq!(
        (answer.header("content-length"), answer.body.len()),
        ("77", 0)
    );
}

#[tokio::test]
async fn a_body_and_its_headers_can_lie() {
    let (world, path) = with_blob();
    let other = sha256(b"other");
    for lie in [
        Lie::FlipByte(3),
        Lie::Header("Docker-Content-Digest".into(), other.clone()),
        Lie::Header("Content-Encoding".into(), "gzip".into()),
        Lie::WithoutHeader("Content-Type".into()),
    ] {
        lie_to_gets(&world, lie);
    }
    let answer = world.registry("GET", &path, "").await;
    assert_eq!(answer.body, b"0122456789");
    assert_eq!(answer.header("docker-content-digest"), other);
    assert_eq!(answer.header("content-encoding"), "gzip");
    assert_eq!(answer.header("content-type"), "");
    world.stand_in.faults().clear();
    assert_eq!(world.registry("GET", &path, "").await.body, b"0123456789");
    lie_to_gets(&world, Lie::Body(b"other".as_slice().into()));
    let answer = world.registry("GET", &path, "").await;
    assert_eq!(
        (answer.body.as_slice(), answer.header("content-length")),
        (&b"other"[..], "5")
    );
}

#[tokio::test]
async fn a_status_is_answered_instead_and_nothing_is_done() {
    let world = World::plain();
    world.push_blob("app", b"{}").await;
    world
        .stand_in
        .faults()
        .push(Fault::on("PUT */manifests/v1", Lie::status(503)).times(1));
    let answer = world.push_image("app", "v1", json!({})).await;
    answer.is_denied(503, "UNKNOWN");
    let read = world.registry("GET", "/v2/app/manifests/v1", "").await;
    read.is_denied(404, "MANIFEST_UNKNOWN");
    assert_eq!(world.push_image("app", "v1", json!({})).await.status, 201);
}

#[tokio::test]
async fn refusals_have_the_code_of_their_status() {
    let (world, path) = with_blob();
    for (status, code) in [
        (403, "DENIED"),
        (405, "UNSUPPORTED"),
        (429, "TOOMANYREQUESTS"),
        (500, "UNKNOWN"),
    ] {
        world
            .stand_in
            .faults()
            .push(Fault::on("GET *", Lie::status(status)).times(1));
        world
            .registry("GET", &path, "")
            .await
            .is_denied(status, code);
    }
    lie_to_gets(&world, Lie::throttled("soon"));
    let answer = world.registry("GET", &path, "").await;
    answer.is_denied(429, "TOOMANYREQUESTS");
    assert_eq!(answer.header("retry-after"), "soon");
}

#[tokio::test]
async fn a_challenge_can_name_any_realm() {
    let (world, path) = with_blob();
    let challenge = "Bearer realm=\"https://user@127.0.0.2/token\"";
    lie_to_gets(&world, Lie::challenge(challenge));
    let answer = world.registry("GET", &path, "").await;
    assert_eq!(
        (answer.status, answer.header("www-authenticate")),
        (401, challenge)
    );
}

#[tokio::test]
async fn a_tag_can_move_between_two_requests() {
    let world = World::plain();
    world.push_image("app", "v1", json!({})).await;
    let other = world
        .push_image("app", "v2", json!({"annotations": {"a": "b"}}))
        .await;
    let lie = Lie::AnswerAs("/v2/app/manifests/v2".into());
    world
        .stand_in
        .faults()
        .push(Fault::on("* /v2/app/manifests/v1", lie).after(1));
    let first = world.registry("HEAD", "/v2/app/manifests/v1", "").await;
    let second = world.registry("GET", "/v2/app/manifests/v1", "").await;
    let other = other.header("docker-content-digest");
    assert_ne!(first.header("docker-content-digest"), other);
    assert_eq!(second.header("docker-content-digest"), other);
    assert_eq!(world.last_call().line, "GET /v2/app/manifests/v1");
}

#[tokio::test]
async fn a_list_of_referrers_can_lie() {
    let world = World::plain();
    let subject = sha256(b"subject");
    let reference = json!({"subject": {"mediaType": "x/y", "digest": subject, "size": 7}});
    let pushed = world.push_image("app", "a", reference).await;
    let digest = pushed.header("docker-content-digest");
    let path = format!("/v2/app/referrers/{subject}");

    lie_to_gets(&world, Lie::JunkReferrers(3));
    lie_to_gets(&world, Lie::EndlessPages);
    let answer = world.registry("GET", &path, "").await;
    let entries = answer.json()["manifests"].as_array().unwrap().clone();
    assert_eq!((entries.len(), &entries[3]["digest"]), (4, &json!(digest)));
    let link = answer.header("link").to_owned();
    assert_eq!(link, format!("<{path}?page=2>; rel=\"next\""));
    let answer = world.registry("GET", &format!("{path}?page=2"), "").await;
    assert_eq!(
        answer.header("link"),
        format!("<{path}?page=3>; rel=\"next\"")
    );

    world.stand_in.faults().clear();
    lie_to_gets(&world, Lie::OmitReferrer(digest.into()));
    assert_eq!(
        world.registry("GET", &path, "").await.json()["manifests"],
        json!([])
    );
}

#[tokio::test]
async fn a_stranger_records_what_reaches_it() {
    let world = World::new(Options {
        elsewhere: Elsewhere::Listening,
        registry: RegistryMode::PlainOci(Login::Basic),
        ..Options::default()
    });
    let digest = world.stand_in.place_blob("app", b"blob".as_slice().into());
    let path = format!("/v2/app/blobs/{digest}");
    let there = world.stand_in.elsewhere().unwrap().join(&path).unwrap();
    assert_eq!(there.host_str(), Some("127.0.0.2"));
    lie_to_gets(&world, Lie::redirect(307, there.as_str()));
    let answer = world.registry("GET", &path, "").await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (307, there.as_str())
    );
    world.stand_in.faults().clear();

    let leak = [("authorization", "Basic c2VjcmV0"), ("cookie", "secret")];
    assert_eq!(
        world.ask("GET", there.as_str(), &leak, "").await.body,
        b"blob"
    );
    let call = world.last_call();
    assert_eq!(call.service, Service::Elsewhere);
    assert_eq!(call.header("authorization"), Some("Basic present"));
    assert_eq!(call.header("cookie"), Some("present"));
    let realm = there.join("/token").unwrap();
    let token = world.ask("GET", realm.as_str(), &[], "").await.json();
    assert!(token["token"].is_string());
}

#[tokio::test]
async fn every_answer_can_be_delayed() {
    let delay = Duration::from_millis(30);
    let world = World::new(Options {
        delay,
        ..Options::default()
    });
    let begun = Instant::now();
    world.registry("GET", "/v2/", "").await;
    assert!(begun.elapsed() >= delay);
}

//! The time-stamp authorities over HTTP: who answers where, with whose clock, and what a client that asks wrongly is told.

use std::{fs, time::Duration};

use countersign_stand_in::{
    Clock, Fault, Lie, Options, Part, Ports, Service, StandIn, Transport, TsaSetting,
    tsa::{Defect, GenTime, KeyKind, Mode},
};

use reqwest::{Client, RequestBuilder};

use crate::{
    openssl::{NOW, Openssl},
    world::{Answer, World},
};

const QUERY: (&str, &str) = ("content-type", "application/timestamp-query");

async fn post(world: &World, name: &str, request: &[u8]) -> Answer {
    let url = world.stand_in.tsa_url(name).unwrap();
    world.ask("POST", url.as_str(), &[QUERY], request).await
}

fn root(world: &World, name: &str) -> String {
    let authority = world.stand_in.time_authority(name).unwrap();
    authority.root_pem()
}

fn at(time: GenTime) -> TsaSetting {
    TsaSetting {
        clock: Clock::At(time),
        ..TsaSetting::default()
    }
}

fn now() -> TsaSetting {
    at(GenTime::seconds(NOW))
}

#[tokio::test]
async fn both_authorities_stamp_what_openssl_accepts() {
    for transport in [Transport::Plain, Transport::Tls] {
        let world = World::new(Options {
            transport,
            ..Options::default()
        });
        let openssl = Openssl::new();
        for name in ["one", "two"] {
            world.stand_in.set_tsa(name, now());
            let answer = post(&world, name, &openssl.request).await;
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (200, "application/timestamp-reply")
            );
            let refused = openssl.refusal(&answer.body, &root(&world, name), &[]);
            assert_eq!(refused, None, "{transport:?} {name}");
            let call = world.last_call();
            assert_eq!(
                (call.service, call.line),
                (Service::Tsa, format!("POST /{name}"))
            );
        }
    }
}

#[tokio::test]
async fn the_authorities_are_as_asked_for() {
    let world = World::new(Options {
        time_authorities: vec![("an authority".into(), KeyKind::EcdsaP384)],
        ..Options::default()
    });
    let openssl = Openssl::new();
    world.stand_in.set_tsa("an authority", now());
    let answer = post(&world, "an authority", &openssl.request).await;
    let refused = openssl.refusal(&answer.body, &root(&world, "an authority"), &[]);
    assert_eq!(refused, None);
    let authority = world.stand_in.time_authority("an authority").unwrap();
    assert_eq!(authority.kind(), KeyKind::EcdsaP384);
    assert_eq!(world.last_call().line, "POST /an%20authority");
    assert!(world.stand_in.tsa_url("one").is_none());
    assert!(world.stand_in.tsa_chain_pem("one").is_none());
}

#[test]
fn the_authorities_are_on_loopback_whatever_the_transport() {
    for (transport, scheme) in [
        (Transport::AwsNames, "http"),
        (Transport::Plain, "http"),
        (Transport::Tls, "https"),
    ] {
        let stand_in = StandIn::start(Options {
            transport,
            ..Options::default()
        })
        .unwrap();
        let url = stand_in.tsa_url("one").unwrap();
        assert_eq!(
            (url.scheme(), url.host_str(), url.path()),
            (scheme, Some("127.0.0.1"), "/one")
        );
    }
}

/// A client that uses no proxy, and the request that it is about to send.
fn asking(world: &World, openssl: &Openssl) -> RequestBuilder {
    let client = Client::builder().no_proxy().build().unwrap();
    client
        .post(world.stand_in.tsa_url("one").unwrap())
        .header(QUERY.0, QUERY.1)
        .body(openssl.request.clone())
}

#[tokio::test]
async fn under_awss_names_the_authority_is_reached_without_the_proxy() {
    let world = World::new(Options {
        transport: Transport::AwsNames,
        ..Options::default()
    });
    world.stand_in.set_tsa("one", now());
    let openssl = Openssl::new();
    let answer = asking(&world, &openssl).send().await.unwrap();
    let response = answer.bytes().await.unwrap();
    let refused = openssl.refusal(&response, &root(&world, "one"), &[]);
    assert_eq!(refused, None);
}

#[tokio::test]
async fn a_wrong_question_is_told_what_is_wrong() {
    let world = World::plain();
    let one = world.stand_in.tsa_url("one").unwrap();
    let nobody = one.join("/nobody").unwrap();
    for (method, url, content_type, status) in [
        ("POST", &nobody, QUERY.1, 404),
        ("GET", &one, QUERY.1, 405),
        ("POST", &one, "application/octet-stream", 415),
        ("POST", &one, "application/timestamp-query; charset=x", 200),
    ] {
        let headers = [("content-type", content_type)];
        let answer = world.ask(method, url.as_str(), &headers, "").await;
        assert_eq!(answer.status, status, "{method} {url} {content_type}");
    }
    for (length, status) in [(64 << 10, 200), ((64 << 10) + 1, 413)] {
        let answer = post(&world, "one", &vec![0; length]).await;
        assert_eq!(answer.status, status, "{length}");
    }
}

#[tokio::test]
async fn a_clock_can_be_set() {
    let world = World::plain();
    let openssl = Openssl::new();
    let precise = GenTime {
        unix_seconds: NOW,
        fraction: "25".into(),
    };
    world.stand_in.set_tsa("one", at(precise));
    let text = openssl.text(&post(&world, "one", &openssl.request).await.body);
    assert!(text.contains("Time stamp: Jun  1 00:00:00.25 2025 GMT"));
    let text = openssl.text(&post(&world, "two", &openssl.request).await.body);
    assert!(!text.contains("Jun  1 00:00:00.25 2025"), "{text}");
}

#[tokio::test]
async fn a_clock_can_be_wrong() {
    let world = World::plain();
    let openssl = Openssl::new();
    let century = 100 * 365 * 86_400;
    for (offset, year) in [(century, "21"), (-century, "1970")] {
        let setting = TsaSetting {
            clock: Clock::Offset(offset),
            fraction_digits: 3,
            ..TsaSetting::default()
        };
        world.stand_in.set_tsa("one", setting);
        let text = openssl.text(&post(&world, "one", &openssl.request).await.body);
        let time = text.lines().find(|line| line.contains("Time stamp"));
        let words: Vec<_> = time.unwrap().split_whitespace().collect();
        assert!(words[5].starts_with(year), "{text}");
        let (_, fraction) = words[4].split_once('.').unwrap();
        assert_eq!(fraction.len(), 3, "{text}");
    }
}

#[tokio::test]
async fn an_authority_lies_as_it_is_told() {
    let world = World::plain();
    let openssl = Openssl::new();
    world.stand_in.set_tsa(
        "one",
        TsaSetting {
            mode: Mode::with(Defect::OtherImprint),
            ..now()
        },
    );
    let answer = post(&world, "one", &openssl.request).await;
    let refused = openssl.refusal(&answer.body, &root(&world, "one"), &[]);
    assert!(refused.unwrap().contains("message imprint mismatch"));
}

#[test]
#[should_panic(expected = "a time-stamp authority of this name")]
fn an_authority_that_is_not_there_cannot_be_told_to_lie() {
    let world = World::plain();
    world.stand_in.set_tsa("three", TsaSetting::default());
}

#[tokio::test]
async fn the_transport_lies_too() {
    let world = World::plain();
    let openssl = Openssl::new();
    world.stand_in.set_tsa("two", now());
    let honest = post(&world, "two", &openssl.request).await.body;
    let lie = |lie| {
        world.stand_in.faults().clear();
        world.stand_in.faults().push(Fault::on("POST /two", lie));
    };
    lie(Lie::status(503));
    assert_eq!(post(&world, "two", &openssl.request).await.status, 503);
    assert_eq!(post(&world, "one", &openssl.request).await.status, 200);
    lie(Lie::FlipByte(honest.len() - 1));
    let flipped = post(&world, "two", &openssl.request).await.body;
    assert_eq!(flipped.len(), honest.len());
    assert_ne!(flipped, honest);
    lie(Lie::redirect(302, "http://127.0.0.2/two"));
    let answer = post(&world, "two", &openssl.request).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (302, "http://127.0.0.2/two")
    );
}

#[tokio::test]
async fn the_connection_lies_too() {
    let world = World::plain();
    let openssl = Openssl::new();
    let lie = |lie| {
        world.stand_in.faults().clear();
        world.stand_in.faults().push(Fault::on("POST /one", lie));
        asking(&world, &openssl).send()
    };
    let every = Duration::from_millis(1);
    let part = Part::Head;
    let dripped = lie(Lie::Drip { every, part }).await.unwrap();
    assert_eq!(dripped.status(), 200);
    assert!(dripped.bytes().await.unwrap().len() > 500);
    let reset = lie(Lie::ResetAfter(10)).await;
    assert!(match reset {
        Ok(cut) => cut.bytes().await.is_err(),
        Err(_) => true,
    });
    let mut endless = lie(Lie::Endless).await.unwrap();
    let mut read = 0;
    while read < 1 << 18 {
        read += endless.chunk().await.unwrap().unwrap().len();
    }
    world.stand_in.faults().clear();
    let silence = Fault::on("POST /one", Lie::Silence);
    world.stand_in.faults().push(silence);
    let silent = asking(&world, &openssl).timeout(Duration::from_millis(50));
    assert!(silent.send().await.unwrap_err().is_timeout());
}

#[test]
fn a_pipeline_finds_the_authorities() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("env");
    let stand_in = StandIn::start(Options::default()).unwrap();
    let variables = stand_in.environment(folder.path()).unwrap();
    let value = |name: &str| {
        let found = variables.iter().find(|(variable, _)| variable == name);
        found.map(|(_, value)| value.clone())
    };
    for (name, suffix) in [("one", ""), ("two", "_2")] {
        let url = stand_in.tsa_url(name).map(String::from);
        assert_eq!(value(&format!("TSA_URL{suffix}")), url);
        let chain = value(&format!("TSA_CHAIN{suffix}")).unwrap();
        let chain = fs::read_to_string(chain).unwrap();
        assert_eq!(Some(chain), stand_in.tsa_chain_pem(name));
    }
    assert_eq!(value("TSA_URL_3"), None);
    stand_in.write_env_file(&file).unwrap();
    let text = fs::read_to_string(file).unwrap();
    let url = stand_in.tsa_url("one").unwrap();
    assert!(
        text.contains(&format!("export TSA_URL='{url}'\n")),
        "{text}"
    );
}

#[test]
fn the_port_can_be_chosen() {
    let first = StandIn::start(Options::default()).unwrap();
    let tsa = first.tsa_url("one").unwrap().port().unwrap();
    first.shutdown();
    let second = StandIn::start(Options {
        ports: Ports {
            tsa,
            ..Ports::default()
        },
        ..Options::default()
    })
    .unwrap();
    assert_eq!(second.tsa_url("two").unwrap().port(), Some(tsa));
}

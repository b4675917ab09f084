//! How clients get to the services: ports, TLS, AWS's own names through the proxy; and how it all ends.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use countersign_stand_in::{
    Certificate, DEFAULT_ALIAS, Options, Ports, Service, StandIn, StartError, Transport,
};
use serde_json::json;

use crate::world::World;

fn with_transport(transport: Transport) -> World {
    World::new(Options {
        transport,
        ..Options::default()
    })
}

#[tokio::test]
async fn everything_works_over_tls() {
    let world = with_transport(Transport::Tls);
    assert_eq!(world.push_image("app", "v1", json!({})).await.status, 201);
    let digest = world.push_blob("app", b"content").await;
    let redirect = world
        .registry("GET", &format!("/v2/app/blobs/{digest}"), "")
        .await;
    let location = redirect.header("location");
    assert!(location.starts_with("https://localhost:"), "{location}");
    assert_eq!(world.ask("GET", location, &[], "").await.body, b"content");
    world
        .kms("GetPublicKey", json!({"KeyId": DEFAULT_ALIAS}))
        .await;
}

#[tokio::test]
async fn everything_works_under_awss_names() {
    let world = with_transport(Transport::AwsNames);
    assert_eq!(
        world.stand_in.registry_host(),
        "000000000000.dkr.ecr.us-east-1.amazonaws.com"
    );
    assert_eq!(world.push_image("app", "v1", json!({})).await.status, 201);
    let digest = world.push_blob("app", b"content").await;
    let redirect = world
        .registry("GET", &format!("/v2/app/blobs/{digest}"), "")
        .await;
    let location = redirect.header("location");
    assert!(
        location.contains("starport-layer-bucket.s3.us-east-1.amazonaws.com"),
        "{location}"
    );
    assert_eq!(world.ask("GET", location, &[], "").await.body, b"content");
    world
        .kms("GetPublicKey", json!({"KeyId": DEFAULT_ALIAS}))
        .await;
    let target = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken";
    let ecr = "https://api.ecr.us-east-1.amazonaws.com/";
    let answer = world
        .ask("POST", ecr, &[("x-amz-target", target)], "{}")
        .await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_bad_certificate_is_refused_by_a_careful_client() {
    for (certificate, refused) in [
        (Certificate::Good, false),
        (Certificate::Expired, true),
        (Certificate::OtherName, true),
    ] {
        let world = World::new(Options {
            certificate,
            transport: Transport::Tls,
            ..Options::default()
        });
        assert_eq!(
            world.cannot_connect(&world.at("/v2/")).await,
            refused,
            "{certificate:?}"
        );
        assert_eq!(world.stand_in.calls().is_empty(), refused);
    }
}

#[test]
fn the_proxy_leads_nowhere_else() {
    let world = with_transport(Transport::AwsNames);
    let proxy = world.stand_in.proxy().unwrap();
    for host in [
        "example.com:443",
        "kms.eu-west-1.amazonaws.com:443",
        "kms.us-east-1.amazonaws.com:80",
        "kms.us-east-1.amazonaws.com.example.com:443",
    ] {
        let mut stream = TcpStream::connect(proxy.authority()).unwrap();
        write!(stream, "CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        let call = world.last_call();
        assert_eq!(
            (call.service, call.line),
            (Service::Proxy, format!("CONNECT {host}"))
        );
    }
}

#[test]
fn a_taken_port_is_named() {
    let first = StandIn::start(Options::default()).unwrap();
    let aws = first.aws_endpoint().port().unwrap();
    let ports = Ports {
        aws,
        ..Ports::default()
    };
    let second = StandIn::start(Options {
        ports,
        ..Options::default()
    });
    assert!(matches!(second, Err(StartError::Bind { address, .. }) if address.port() == aws));
}

#[test]
fn a_region_that_is_no_part_of_a_name_is_refused() {
    let started = StandIn::start(Options {
        region: "us east".into(),
        transport: Transport::AwsNames,
        ..Options::default()
    });
    assert!(started.is_err());
}

#[test]
fn after_a_shutdown_the_ports_are_free() {
    let first = StandIn::start(Options::default()).unwrap();
    let registry = first
        .registry_host()
        .rsplit_once(':')
        .unwrap()
        .1
        .parse()
        .unwrap();
    let mut idle = TcpStream::connect(first.registry_host()).unwrap();
    first.shutdown();
    assert_eq!(idle.read(&mut [0; 1]).unwrap_or_default(), 0);
    let second = StandIn::start(Options {
        ports: Ports {
            registry,
            ..Ports::default()
        },
        ..Options::default()
    });
    assert_eq!(
        second.unwrap().registry_host(),
        format!("127.0.0.1:{registry}")
    );
}

#[tokio::test]
async fn it_may_end_where_another_runtime_runs() {
    drop(StandIn::start(Options::default()).unwrap());
}

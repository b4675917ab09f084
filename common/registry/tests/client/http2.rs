//! Connections: HTTP/2 where it is offered, and no more of them than are needed.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use countersign_common::{
    Descriptor, ImageRef, Limits, Registry, Repository,
    manifest::{EMPTY_CONFIG, OCI_MANIFEST},
};
use countersign_registry::{Client, Credentials, Options, PlainHttp};
use futures_util::future;
use http_body_util::Full;
use hyper::{Request, Response, Version, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A registry with one image, over TLS.
struct Server {
    address: SocketAddr,
    authority: String,
    connections: Arc<AtomicUsize>,
    versions: Arc<Mutex<Vec<Version>>>,
}

impl Server {
    async fn start(protocols: &[&str]) -> Self {
        let (config, authority) = tls(protocols);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            authority,
            connections: Arc::default(),
            versions: Arc::default(),
        };
        let (connections, versions) = (server.connections.clone(), server.versions.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, versions) = (acceptor.clone(), versions.clone());
                let connections = connections.clone();
                tokio::spawn(async move {
                    let stream = acceptor.accept(stream).await.unwrap();
                    connections.fetch_add(1, Ordering::Relaxed);
                    let answer = service_fn(move |request: Request<Incoming>| {
                        versions.lock().unwrap().push(request.version());
                        future::ready(Ok::<_, Infallible>(answer(request.uri().path())))
                    });
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), answer)
                        .await;
                });
            }
        });
        server
    }

    fn client(&self) -> Client {
        let options = Options {
            certificate_authorities: Some(self.authority.clone().into_bytes()),
            plain_http: PlainHttp::Loopback,
            timeout: Duration::from_secs(30),
            limits: Limits::TABLE,
        };
        Client::new(options, Credentials::Anonymous).unwrap()
    }

    fn image(&self) -> ImageRef {
        ImageRef::parse(&format!("{}/app:1", self.address)).unwrap()
    }

    fn repository(&self) -> Repository {
        self.image().repository().clone()
    }

    fn count(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    fn versions(&self) -> Vec<Version> {
        self.versions.lock().unwrap().clone()
    }
}

fn tls(protocols: &[&str]) -> (ServerConfig, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &authority).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    config.alpn_protocols = protocols
        .iter()
        .map(|protocol| protocol.as_bytes().to_vec())
        .collect();
    (config, authority.pem())
}

fn answer(path: &str) -> Response<Full<Bytes>> {
    if path.contains("/blobs/") {
        return Response::new(Full::from("{}"));
    }
    let config = serde_json::to_string(&Descriptor::of(EMPTY_CONFIG, b"{}")).unwrap();
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{config},"layers":[]}}"#
    );
    let mut response = Response::new(Full::from(manifest));
    let media_type = OCI_MANIFEST.parse().unwrap();
    response.headers_mut().insert("content-type", media_type);
    response
}

async fn read_blob(client: &Client, repository: &Repository) {
    let blob = Descriptor::of(EMPTY_CONFIG, b"{}");
    let bytes = client.blob(repository, &blob, 10).await.unwrap();
    assert_eq!(bytes.unwrap(), "{}");
}

#[tokio::test]
async fn many_requests_share_one_connection_where_http_2_is_offered() {
    let server = Server::start(&["h2", "http/1.1"]).await;
    let (client, repository) = (server.client(), server.repository());
    client.resolve(&server.image()).await.unwrap();
    future::join_all((0..50).map(|_| read_blob(&client, &repository))).await;
    assert_eq!(server.versions(), [Version::HTTP_2; 51]);
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn one_request_after_the_other_shares_one_connection_without_http_2_too() {
    let server = Server::start(&["http/1.1"]).await;
    let (client, repository) = (server.client(), server.repository());
    client.resolve(&server.image()).await.unwrap();
    for _ in 0..5 {
        read_blob(&client, &repository).await;
    }
    assert_eq!(server.versions(), [Version::HTTP_11; 6]);
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_certificate_of_an_authority_that_nobody_named_is_refused() {
    let server = Server::start(&["h2"]).await;
    let other = Server::start(&["h2"]).await;
    let result = other.client().resolve(&server.image()).await;
    let error = result.unwrap_err().to_string();
    assert!(error.contains("invalid peer certificate"), "{error}");
    assert!(server.versions().is_empty());
    server.client().resolve(&server.image()).await.unwrap();
}

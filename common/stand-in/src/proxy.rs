//! The `CONNECT` proxy that lets clients use AWS's own host names: it leads the known ones to the services here and
//! refuses every other, which proves that nothing leaves the machine. Used with `Transport::AwsNames`.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Instant,
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    ACCOUNT,
    calls::{Call, Service},
    services::Services,
};

/// The longest head of a `CONNECT` request.
const HEAD: usize = 8 * 1024;

/// AWS's host names in one region.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) blobs: String,
    pub(crate) ecr: String,
    pub(crate) kms: String,
    pub(crate) registry: String,
    pub(crate) sts: String,
}

impl Names {
    pub(crate) fn new(region: &str) -> Self {
        Self {
            blobs: format!("prod-{region}-starport-layer-bucket.s3.{region}.amazonaws.com"),
            ecr: format!("api.ecr.{region}.amazonaws.com"),
            kms: format!("kms.{region}.amazonaws.com"),
            registry: format!("{ACCOUNT}.dkr.ecr.{region}.amazonaws.com"),
            sts: format!("sts.{region}.amazonaws.com"),
        }
    }

    /// The service behind a `HOST:PORT` of a `CONNECT` request.
    fn service(&self, authority: &str) -> Option<Service> {
        let host = authority.strip_suffix(":443")?;
        [
            (&self.blobs, Service::Blobs),
            (&self.ecr, Service::Aws),
            (&self.kms, Service::Aws),
            (&self.registry, Service::Registry),
            (&self.sts, Service::Aws),
        ]
        .into_iter()
        .find_map(|(name, service)| (name == host).then_some(service))
    }
}

/// Reads the request to the proxy and answers it: the service that the connection leads to, if any.
pub(crate) async fn admit(stream: &mut TcpStream, services: &Services) -> Option<Service> {
    let head = read_head(stream).await?;
    let line = head.lines().next()?;
    let service = line
        .strip_prefix("CONNECT ")
        .and_then(|rest| rest.split(' ').next())
        .and_then(|authority| services.names.service(authority));
    let answer = if service.is_some() {
        "HTTP/1.1 200 Connection established\r\n\r\n"
    } else {
        services.calls.push(refused(line));
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    };
    stream.write_all(answer.as_bytes()).await.ok()?;
    service
}

/// The head, byte by byte, so that what follows it stays in the connection for TLS.
async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD {
            return None;
        }
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

fn refused(line: &str) -> Call {
    let now = Instant::now();
    Call {
        service: Service::Proxy,
        line: line.trim_end_matches(" HTTP/1.1").to_owned(),
        query: String::new(),
        headers: Vec::new(),
        received: 0,
        status: 403,
        span: now..now,
        parameters: Value::Null,
        sent: Arc::new(AtomicU64::new(0)),
    }
}

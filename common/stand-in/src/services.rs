//! One call from its arrival to its answer: read within bounds, matched with the faults, given to the service it is
//! for, recorded. Called by each connection. Never writes to the wire itself.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{HeaderMap, Method, Request, body::Incoming};
use serde_json::Value;

use crate::{
    answer::{Answer, Delivery},
    aws::Aws,
    calls::{Call, Calls, Service, redacted_headers, redacted_query},
    faults::Faults,
    proxy::Names,
    random,
    registry::Registry,
    stamps::Stamps,
    sts,
};

/// The largest body of an AWS call.
const AWS_BODY: usize = 1 << 20;

/// The largest blob in one request.
const BLOB_BODY: usize = 1 << 30;

/// The largest request for a time stamp.
const STAMP_BODY: usize = 64 << 10;

/// All services, shared by the listeners.
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) aws: Aws,
    pub(crate) calls: Calls,
    pub(crate) delay: Duration,
    pub(crate) faults: Faults,
    pub(crate) names: Names,
    pub(crate) registry: Arc<Registry>,
    pub(crate) stamps: Stamps,
}

/// A request, whole and in memory.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) service: Service,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// An answer and the counter of its bytes on the wire.
pub(crate) struct Reply {
    pub(crate) answer: Answer,
    pub(crate) sent: Arc<AtomicU64>,
}

impl Services {
    pub(crate) async fn reply(&self, service: Service, request: Request<Incoming>) -> Reply {
        let began = Instant::now();
        tokio::time::sleep(self.delay).await;
        let (asked, answer) = match Asked::read(service, request).await {
            Ok(asked) => {
                let answer = self.answer(asked.clone());
                (asked, answer)
            }
            Err(asked) => (asked, Answer::text(413, "the request is too large\n")),
        };
        self.record(&asked, answer.to(&asked.method), began)
    }

    fn answer(&self, mut asked: Asked) -> Answer {
        let lies = self.faults.take(&asked.line());
        let mut instead = None;
        for lie in &lies {
            instead = lie.ask(&mut asked).or(instead);
        }
        // Making an RSA key takes a second.
        let mut answer =
            instead.unwrap_or_else(|| tokio::task::block_in_place(|| self.honest(&asked)));
        if asked.service == Service::Aws {
            answer.set_header("x-amzn-RequestId", &random::uuid());
        }
        for lie in &lies {
            lie.tell(&mut answer, &asked);
        }
        answer
    }

    fn honest(&self, asked: &Asked) -> Answer {
        match asked.service {
            Service::Aws => self.aws.answer(asked),
            Service::Blobs => self.registry.presigned(asked),
            Service::Elsewhere => self.registry.open(asked),
            Service::Proxy => Answer::new(403),
            Service::Registry => self.registry.answer(asked),
            Service::Tsa => self.stamps.answer(asked),
        }
    }

    fn record(&self, asked: &Asked, answer: Answer, began: Instant) -> Reply {
        let honest = (answer.delivery == Delivery::Honest).then_some(answer.body.len() as u64);
        let sent = Arc::new(AtomicU64::new(honest.unwrap_or(0)));
        self.calls.push(Call {
            service: asked.service,
            line: asked.line(),
            query: redacted_query(&asked.query),
            headers: redacted_headers(&asked.headers),
            received: asked.body.len() as u64,
            status: answer.status,
            span: began..Instant::now(),
            parameters: match asked.service {
                Service::Aws => serde_json::from_slice(&asked.body).unwrap_or(Value::Null),
                _ => Value::Null,
            },
            sent: Arc::clone(&sent),
        });
        Reply { answer, sent }
    }
}

impl Asked {
    /// Reads the body; a request that is too large comes back without it.
    async fn read(service: Service, request: Request<Incoming>) -> Result<Self, Self> {
        let (head, body) = request.into_parts();
        let mut asked = Self {
            service,
            method: head.method,
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body: Bytes::new(),
        };
        let limit = match service {
            Service::Aws => AWS_BODY,
            Service::Tsa => STAMP_BODY,
            _ => BLOB_BODY,
        };
        match Limited::new(body, limit).collect().await {
            Ok(collected) => asked.body = collected.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => return Err(asked),
            // The client has gone, and with it the reader of any answer.
            Err(_) => {}
        }
        Ok(asked)
    }

    /// What faults and tests know the call by.
    pub(crate) fn line(&self) -> String {
        match self.header("x-amz-target") {
            Some(target) if self.service == Service::Aws => target.to_owned(),
            _ => sts::target(self)
                .filter(|_| self.service == Service::Aws)
                .unwrap_or_else(|| format!("{} {}", self.method, self.path)),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The region that an AWS call was signed for, in place of the host name that it would be sent to.
    pub(crate) fn region(&self) -> Option<&str> {
        let (_, credential) = self.header("authorization")?.split_once("Credential=")?;
        credential.split('/').nth(2)
    }

    /// A parameter of the query, decoded.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes())
            .find_map(|(key, value)| (key == name).then(|| value.into_owned()))
    }
}

//! One request to one registry: with its login, within its time, again where that may help, and never to elsewhere.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use countersign_common::{
    Repository,
    registry::{Error, Failure, Refusal},
};
use reqwest::{
    Client, Method, Response, StatusCode,
    header::{ACCEPT_ENCODING, HeaderMap, HeaderValue, LOCATION},
};
use url::Url;

use crate::{
    body,
    clients::{Clients, Towards},
    credentials::Credentials,
    egress,
    hosts::NotSent,
    options::{ConfigError, Options, PlainHttp},
    pacing::Again,
    place::Place,
    session::{Access, Caller, Session},
    throttling,
};

pub(crate) use crate::hosts::jitter;

/// Sends requests.
#[derive(Debug)]
pub(crate) struct Transport {
    pub(crate) options: Options,
    credentials: Credentials,
    pub(crate) clients: Arc<Clients>,
    sessions: Mutex<HashMap<String, Arc<Session>>>,
}

/// What is asked of a registry.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) repository: &'a Repository,
    pub(crate) method: Method,
    /// Below `/v2/PATH/`, with a query if there is one.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) access: Access,
    pub(crate) kind: Kind,
}

/// How much of the time applies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// To request and body together.
    Bounded,
    /// So much of it to both: later it would be done in vain.
    Brief(Duration),
    /// To each piece of the body: a large one takes as long as it takes, if it keeps coming.
    Streamed,
}

/// An answer and what it is about.
pub(crate) struct Answer {
    pub(crate) response: Response,
    pub(crate) place: Place,
}

impl Answer {
    /// One that no protocol foresees.
    pub(crate) fn status(self) -> Failure {
        let message = body::said(&self.response).message;
        Failure::Error(Error::Status {
            registry: self.place.registry,
            path: self.place.path,
            status: self.response.status().as_u16(),
            message,
        })
    }

    /// One without success: absence if it is a 404, and nothing else.
    pub(crate) fn absent(self) -> Result<(), Failure> {
        match self.response.status() {
            StatusCode::NOT_FOUND => Ok(()),
            _ => Err(self.status()),
        }
    }

    /// A write that the registry did not take.
    pub(crate) fn rejected(self) -> Failure {
        let status = self.response.status();
        if !status.is_client_error() {
            return self.status();
        }
        let message = body::said(&self.response).message;
        Failure::Refusal(Refusal::Rejected {
            registry: self.place.registry,
            path: self.place.path,
            status: status.as_u16(),
            message,
        })
    }
}

/// A success whose body was read, or another answer.
pub(crate) enum Fetched {
    Other(Answer),
    Whole(Whole),
}

/// A successful answer, read to its end.
pub(crate) struct Whole {
    pub(crate) headers: HeaderMap,
    pub(crate) url: Url,
    pub(crate) body: Bytes,
    pub(crate) place: Place,
}

impl Transport {
    pub(crate) fn new(options: Options, credentials: Credentials) -> Result<Self, ConfigError> {
        Ok(Self {
            clients: Arc::new(Clients::new(&options)?),
            options,
            credentials,
            sessions: Mutex::default(),
        })
    }

    fn session(&self, repository: &Repository) -> Arc<Session> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(
            sessions
                .entry(repository.registry())
                .or_insert_with(|| Arc::new(Session::new(self.options.plain_http))),
        )
    }

    pub(crate) fn place(&self, request: &Request<'_>) -> Place {
        let path = request.path.split('?').next().unwrap_or_default();
        let timeout = match request.kind {
            Kind::Brief(time) => time.min(self.options.timeout),
            Kind::Bounded | Kind::Streamed => self.options.timeout,
        };
        Place {
            registry: request.repository.registry(),
            path: format!("{}/{path}", request.repository.path()),
            timeout,
            deadline: Instant::now() + timeout,
        }
    }

    /// Sends a request and follows its redirects. Success, 404 and refusals of the request itself come back; a refused
    /// login, throttling and failures of the server are errors.
    pub(crate) async fn send(&self, request: &Request<'_>) -> Result<Answer, Failure> {
        self.send_by(request, &self.place(request)).await
    }

    /// Sends a request and reads what a success says, again if the connection breaks in the middle of it.
    pub(crate) async fn fetch(
        &self,
        request: &Request<'_>,
        limit: usize,
    ) -> Result<Fetched, Failure> {
        let place = self.place(request);
        let mut is_first = true;
        loop {
            let began = Instant::now();
            let Answer { response, place } = self.send_by(request, &place).await?;
            if response.status() != StatusCode::OK {
                return Ok(Fetched::Other(Answer { response, place }));
            }
            let (headers, url) = (response.headers().clone(), response.url().clone());
            let body = body::read(response, limit, &place).await;
            let wait = match &body {
                Err(Failure::Error(Error::Unreachable { .. })) if is_first => {
                    let estimate = (&place, began.elapsed());
                    self.clients.hosts.again(Again::Failed, 1, estimate)
                }
                _ => None,
            };
            let Some(wait) = wait else {
                return Ok(Fetched::Whole(Whole {
                    headers,
                    url,
                    body: body?,
                    place,
                }));
            };
            is_first = false;
            tokio::time::sleep(wait).await;
        }
    }

    async fn send_by(&self, request: &Request<'_>, place: &Place) -> Result<Answer, Failure> {
        self.clients.hosts.earn(&place.registry);
        let mut attempt = 1;
        loop {
            let began = Instant::now();
            let outcome = tokio::time::timeout(place.remaining(), self.attempt(request, place))
                .await
                .unwrap_or_else(|_| Err(Failure::Error(place.timed_out())));
            let estimate = (place, began.elapsed());
            let wait = again(&outcome, &request.method)
                .and_then(|again| self.clients.hosts.again(again, attempt, estimate));
            let Some(wait) = wait else {
                let answer = outcome.map_err(|failure| counted(failure, attempt))?;
                return judge(answer, attempt);
            };
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    /// Sends it once; after a refused login, once more.
    async fn attempt(&self, request: &Request<'_>, place: &Place) -> Result<Answer, Failure> {
        let session = self.session(request.repository);
        let mut renewed = false;
        loop {
            let (response, scheme, sent) = self.reach(request, place, &session).await?;
            let status = response.status();
            let is_refused = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
            if is_refused && !renewed && throttling::of(&response).is_none() {
                let expired = status == StatusCode::UNAUTHORIZED || sent.header.is_some();
                let caller = self.caller(request, place, scheme);
                if expired && session.refused(&caller, &response, &sent).await? {
                    renewed = true;
                    continue;
                }
            }
            let response = self.follow(request, response, place, scheme).await?;
            return Ok(Answer {
                response,
                place: place.clone(),
            });
        }
    }

    fn caller<'a>(
        &'a self,
        request: &'a Request<'a>,
        place: &'a Place,
        scheme: &'a str,
    ) -> Caller<'a> {
        Caller {
            repository: request.repository,
            access: request.access,
            credentials: &self.credentials,
            clients: &self.clients,
            scheme,
            limits: &self.options.limits,
            place,
        }
    }

    /// The registry itself, over TLS or, where that is allowed, without.
    async fn reach(
        &self,
        request: &Request<'_>,
        place: &Place,
        session: &Session,
    ) -> Result<(Response, &'static str, crate::session::Authorization), Failure> {
        let schemes = session.schemes(request.repository);
        let mut last = None;
        for scheme in schemes.iter().copied() {
            if scheme == "https" {
                self.clients.expect_tls();
            }
            let authorization = session
                .authorization(&self.caller(request, place, scheme))
                .await?;
            let url = self.url(request, scheme, place)?;
            let client = self
                .clients
                .get(Towards::registry(request.repository), place)?;
            let mut outgoing = outgoing(client, request, url, place);
            if let Some(header) = &authorization.header {
                outgoing = outgoing.header("Authorization", header.clone());
            }
            match self.clients.hosts.send(outgoing, place).await {
                Ok(response) => {
                    check_headers(&response, self.options.limits.headers, place)?;
                    session.speaks(scheme);
                    return Ok((response, scheme, authorization));
                }
                // A bad certificate is no sign of a registry without TLS.
                Err(NotSent::Broken(error)) if error.is_connect() && !is_certificate(&error) => {
                    last = Some(error);
                }
                Err(error) => return Err(Failure::Error(place.not_sent(error))),
            }
        }
        Err(match last {
            Some(error) => Failure::Error(place.broken(error)),
            None => Failure::Error(place.timed_out()),
        })
    }

    fn url(&self, request: &Request<'_>, scheme: &str, place: &Place) -> Result<Url, Failure> {
        let host = match request.repository.registry().as_str() {
            "docker.io" => "registry-1.docker.io".to_owned(),
            registry => registry.to_owned(),
        };
        let host = if scheme == "http"
            && request.repository.port().is_none()
            && self.options.plain_http == PlainHttp::Always
        {
            format!("{host}:80")
        } else {
            host
        };
        let text = if request.path.starts_with('/') {
            format!("{scheme}://{host}{}", request.path)
        } else {
            format!(
                "{scheme}://{host}/v2/{}/{}",
                request.repository.path(),
                request.path
            )
        };
        Url::parse(&text).map_err(|_| {
            Failure::Error(Error::Status {
                registry: place.registry.clone(),
                path: place.path.clone(),
                status: 0,
                message: "the registry's path cannot be put into a URL".to_owned(),
            })
        })
    }

    /// Follows redirects of reading requests, without the credential.
    async fn follow(
        &self,
        request: &Request<'_>,
        mut response: Response,
        place: &Place,
        scheme: &str,
    ) -> Result<Response, Failure> {
        let mut followed = 0;
        while response.status().is_redirection() && request.method.is_safe() {
            let egress = |target: &Url, reason| {
                Failure::Error(Error::Egress {
                    registry: place.registry.clone(),
                    target: target.origin().ascii_serialization(),
                    reason,
                })
            };
            let location = response
                .headers()
                .get(LOCATION)
                .and_then(|location| location.to_str().ok());
            let target = location.and_then(|location| response.url().join(location).ok());
            let Some(target) = target else { break };
            followed += 1;
            if followed > self.options.limits.redirects {
                return Err(egress(&target, "it is one redirect too many"));
            }
            response = self
                .elsewhere(request, &target, place, scheme)
                .await?
                .ok_or_else(|| {
                    egress(
                        &target,
                        egress::objection(&target).unwrap_or(egress::PRIVATE),
                    )
                })?;
            check_headers(&response, self.options.limits.headers, place)?;
        }
        Ok(response)
    }

    /// Reads from where a registry points to; `None` if that is no place to go.
    async fn elsewhere(
        &self,
        request: &Request<'_>,
        target: &Url,
        place: &Place,
        scheme: &str,
    ) -> Result<Option<Response>, Failure> {
        if egress::objection(target).is_none() {
            let client = self.clients.get(Towards::Stranger, place)?;
            let sent = outgoing(client, request, target.clone(), place);
            match self.clients.hosts.send(sent, place).await {
                Ok(response) => return Ok(Some(response)),
                // The name leads to private addresses only.
                Err(NotSent::Broken(error)) if is_permission(&error) => {}
                Err(error) => return Err(Failure::Error(place.not_sent(error))),
            }
        }
        if !egress::is_private_neighbour(request.repository, target, scheme).await {
            return Ok(None);
        }
        let client = self
            .clients
            .get(Towards::neighbour(request.repository), place)?;
        let sent = outgoing(client, request, target.clone(), place);
        let response = self.clients.hosts.send(sent, place).await;
        response
            .map(Some)
            .map_err(|error| Failure::Error(place.not_sent(error)))
    }
}

fn judge(answer: Answer, attempts: u32) -> Result<Answer, Failure> {
    let status = answer.response.status();
    let Answer { response, place } = answer;
    let error = match status {
        _ if throttling::of(&response).is_some() => Error::Throttled {
            registry: place.registry,
            attempts,
        },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::Denied {
            registry: place.registry,
            path: place.path,
            status: status.as_u16(),
            message: body::said(&response).message,
        },
        status if status.is_server_error() => return Err(Answer { response, place }.status()),
        _ => return Ok(Answer { response, place }),
    };
    Err(Failure::Error(error))
}

fn outgoing(
    client: &Client,
    request: &Request<'_>,
    url: Url,
    place: &Place,
) -> reqwest::RequestBuilder {
    let outgoing = client
        .request(request.method.clone(), url)
        .headers(request.headers.clone())
        .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))
        .body(request.body.clone());
    match request.kind {
        Kind::Bounded | Kind::Brief(_) => outgoing.timeout(place.remaining()),
        Kind::Streamed => outgoing,
    }
}

/// HTTP/2 bounds them while they arrive; HTTP/1 has a buffer of some hundred kilobytes.
fn check_headers(response: &Response, limit: usize, place: &Place) -> Result<(), Failure> {
    let size: usize = response
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if size <= limit {
        return Ok(());
    }
    Err(Failure::Refusal(Refusal::TooLarge {
        registry: place.registry.clone(),
        path: format!("the header of {}", place.path),
        limit: limit as u64,
    }))
}

/// Why the same request may succeed later. A write that a gateway lost sight of may have been done, and others may
/// have written since: it is sent again only where the server says that it did nothing.
fn again(outcome: &Result<Answer, Failure>, method: &Method) -> Option<Again> {
    let again = match outcome {
        Ok(answer) => {
            let throttled = throttling::of(&answer.response);
            return throttled.or_else(|| match answer.response.status().as_u16() {
                503 => Some(Again::Failed),
                500 | 502 | 504 if method.is_safe() => Some(Again::Failed),
                _ => None,
            });
        }
        // Of the login realm: the registry itself was not asked yet.
        Err(Failure::Error(Error::Throttled { attempts: ONCE, .. })) => Again::Throttled(None),
        Err(Failure::Error(Error::Status { status: 500.., .. })) => Again::Failed,
        Err(Failure::Error(Error::Unreachable { .. })) if method.is_safe() => Again::Failed,
        Err(_) => return None,
    };
    Some(again)
}

/// A login realm is asked so often in one attempt. Whoever was not asked, since its turn would come too late, is not asked
/// again, and a library that has asked more often has had its turns.
pub(crate) const ONCE: u32 = 1;

fn counted(failure: Failure, attempt: u32) -> Failure {
    match failure {
        Failure::Error(Error::Throttled { registry, attempts }) => {
            Failure::Error(Error::Throttled {
                registry,
                attempts: match attempts {
                    0 => attempt - 1,
                    ONCE => attempt,
                    asked => asked,
                },
            })
        }
        other => other,
    }
}

/// Whether an error has a cause of this kind.
fn has_cause<E: std::error::Error + 'static>(
    error: &reqwest::Error,
    is: impl Fn(&E) -> bool,
) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = next {
        if cause.downcast_ref::<E>().is_some_and(&is) {
            return true;
        }
        // The source of such an error passes over what it holds, which may be such an error again.
        let held = cause
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        next = match held {
            Some(held) => Some(held),
            None => cause.source(),
        };
    }
    false
}

fn is_certificate(error: &reqwest::Error) -> bool {
    has_cause::<rustls::Error>(error, |error| {
        matches!(error, rustls::Error::InvalidCertificate(_))
    })
}

fn is_permission(error: &reqwest::Error) -> bool {
    has_cause::<std::io::Error>(error, |error| {
        error.kind() == std::io::ErrorKind::PermissionDenied
    })
}

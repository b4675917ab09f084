//! Asks time-stamp authorities over HTTP ([RFC 3161 section 3.4](https://www.rfc-editor.org/rfc/rfc3161#section-3.4)).
//!
//! The adapter of [`TimestampAuthority`], made by the command from `--tsa`. An answer is let through only if it repeats the
//! nonce of its question, is over what was sent, is signed by the certificate in it, and says that it is now. Whether that
//! certificate is anybody's who is trusted is not known here.

use std::{
    fmt,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use aws_lc_rs::rand;
use countersign_common::{
    Limits, Signature, Task, Timestamp, TimestampAuthority,
    explain::with_causes,
    registry::{Failure as Transfer, Refusal as TransferRefusal},
    rfc3161::{Invalid, Request, Response, Stamped},
    time_authority::{Error, Failure, Refusal},
};
use reqwest::{
    Response as Answer, StatusCode,
    header::{ACCEPT, CONTENT_TYPE},
};
use tokio::sync::Mutex;
use url::{Host, Url};

use crate::{
    body,
    client::Client,
    clients::{Clients, Towards},
    hosts::NotSent,
    pacing::Again,
    place::Place,
    throttling,
};

/// How long one stamp may lie in several payloads: it makes each of their intervals so much wider.
const SHARED: Duration = Duration::from_mins(2);
/// How far an authority's time may be from the clock here.
const TOLERATED: Duration = Duration::from_mins(5);

/// One authority, reached over HTTP.
pub struct TsaClient {
    url: Url,
    timeout: Duration,
    limits: Limits,
    clients: Arc<Clients>,
    shared: Mutex<Option<(Instant, Vec<u8>)>>,
}

/// Why a question has no answer, and whether it may have one later.
struct NoAnswer {
    failure: Failure,
    again: Option<Again>,
}

impl NoAnswer {
    fn failed(error: Error) -> Self {
        Self {
            failure: error.into(),
            again: Some(Again::Failed),
        }
    }

    fn last(failure: impl Into<Failure>) -> Self {
        Self {
            failure: failure.into(),
            again: None,
        }
    }
}

impl Client {
    /// Clients for time-stamp authorities, each by its URL, over the connections and the certificate authorities
    /// of this one. The timeout holds for one stamp, retries included.
    pub fn time_authorities(
        &self,
        authorities: impl IntoIterator<Item = Url>,
        timeout: Duration,
    ) -> Vec<TsaClient> {
        let client = |url| TsaClient {
            url,
            timeout,
            limits: *self.limits(),
            clients: Arc::clone(&self.transport.clients),
            shared: Mutex::default(),
        };
        authorities.into_iter().map(client).collect()
    }
}

impl TsaClient {
    async fn stamp(&self, stamped: Stamped<'_>) -> Result<Vec<u8>, Failure> {
        let mut nonce = [0; 8];
        rand::fill(&mut nonce).map_err(|_| Error::Unreachable {
            url: self.shown(),
            source: "the system gives no random numbers".into(),
        })?;
        let request = Request::new(stamped, u64::from_be_bytes(nonce));
        let answer = self.ask(&request).await?;
        self.check(&answer, stamped, request.nonce())?;
        Ok(answer)
    }

    /// However long others are waited for, who asks too.
    async fn in_time(
        &self,
        stamp: impl Future<Output = Result<Vec<u8>, Failure>>,
    ) -> Result<Vec<u8>, Failure> {
        let made = tokio::time::timeout(self.timeout, stamp).await;
        made.unwrap_or_else(|_| {
            Err(Error::TimedOut {
                url: self.shown(),
                timeout: self.timeout,
            }
            .into())
        })
    }

    async fn ask(&self, request: &Request) -> Result<Vec<u8>, Failure> {
        let place = Place {
            registry: self.shown(),
            path: String::new(),
            timeout: self.timeout,
            deadline: Instant::now() + self.timeout,
        };
        self.clients.hosts.earn(&place.registry);
        let mut attempt = 1;
        loop {
            let began = Instant::now();
            let (failure, again) = match self.send(request.to_der(), &place).await {
                Ok(answer) => return Ok(answer),
                Err(NoAnswer { failure, again }) => (failure, again),
            };
            let estimate = (&place, began.elapsed());
            let wait = again.and_then(|again| self.clients.hosts.again(again, attempt, estimate));
            tokio::time::sleep(wait.ok_or(failure)?).await;
            attempt += 1;
        }
    }

    async fn send(&self, question: Vec<u8>, place: &Place) -> Result<Vec<u8>, NoAnswer> {
        let unreachable = |source| Error::Unreachable {
            url: self.shown(),
            source,
        };
        let client = self
            .clients
            .get(towards(&self.url), place)
            .map_err(|failure| NoAnswer::last(unreachable(failure.to_string().into())))?;
        let asked = client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/timestamp-query")
            .header(ACCEPT, "application/timestamp-reply")
            .body(question);
        let response = match self.clients.hosts.send(asked, place).await {
            Ok(response) => response,
            // The library's own sentence would tell the whole URL, and what is in it.
            Err(NotSent::Broken(error)) => {
                let source = with_causes(&error.without_url());
                return Err(NoAnswer::failed(unreachable(source.into())));
            }
            Err(reason @ (NotSent::Late | NotSent::Unread(_))) => {
                let source = place.not_sent(reason);
                return Err(NoAnswer::last(unreachable(source.into())));
            }
        };
        if response.status() != StatusCode::OK {
            return Err(self.no_stamp(&response));
        }
        match body::read(response, self.limits.time_stamp, place).await {
            Ok(answer) => Ok(answer.to_vec()),
            Err(Transfer::Refusal(TransferRefusal::TooLarge { .. })) => {
                let limit = self.limits.time_stamp;
                Err(NoAnswer::last(self.refused(Invalid::TooLarge { limit })))
            }
            Err(failure) => Err(NoAnswer::failed(unreachable(failure.to_string().into()))),
        }
    }

    /// What an authority says instead of giving a stamp.
    fn no_stamp(&self, response: &Answer) -> NoAnswer {
        let status = response.status();
        let failed = status.is_server_error().then_some(Again::Failed);
        let again = throttling::of(response).or(failed);
        let error = Error::Status {
            url: self.shown(),
            status: status.as_u16(),
            message: body::said(response).message,
        };
        NoAnswer {
            failure: error.into(),
            again,
        }
    }

    fn check(&self, answer: &[u8], stamped: Stamped<'_>, nonce: u64) -> Result<(), Failure> {
        let response = match Response::parse(answer, &self.limits) {
            Ok(response) => response,
            // Its clock may be out of order, or it is overloaded: that is no judgement on us.
            Err(source @ Invalid::NotGranted { .. }) => {
                return Err(Error::NotGranted {
                    url: self.shown(),
                    source,
                }
                .into());
            }
            Err(source) => return Err(self.refused(source)),
        };
        if !response.repeats(nonce) {
            return Err(Refusal::AnotherNonce { url: self.shown() }.into());
        }
        let stamp = response
            .check_unanchored(stamped)
            .map_err(|source| self.refused(source))?;
        let (time, now) = (stamp.moment().time(), now());
        if time.since(now).max(now.since(time)) > TOLERATED {
            return Err(Refusal::TimeImplausible {
                url: self.shown(),
                time,
                now,
                tolerated: TOLERATED.as_secs(),
            }
            .into());
        }
        Ok(())
    }

    fn refused(&self, source: Invalid) -> Failure {
        Refusal::Invalid {
            url: self.shown(),
            source,
        }
        .into()
    }

    fn shown(&self) -> String {
        shown(&self.url)
    }
}

/// Without what may be secret of its URL.
impl fmt::Debug for TsaClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TsaClient")
            .field("url", &self.shown())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl TimestampAuthority for TsaClient {
    fn before(&self) -> Task<'_, Result<Vec<u8>, Failure>> {
        Box::pin(self.in_time(async {
            // Held while asking, so that many images that begin together ask once.
            let mut shared = self.shared.lock().await;
            if let Some((made, stamp)) = shared.as_ref()
                && made.elapsed() < SHARED
            {
                return Ok(stamp.clone());
            }
            let began = Instant::now();
            let stamp = self.stamp(Stamped::Before).await?;
            *shared = Some((began, stamp.clone()));
            Ok(stamp)
        }))
    }

    fn after<'a>(&'a self, signature: &'a Signature) -> Task<'a, Result<Vec<u8>, Failure>> {
        Box::pin(self.in_time(self.stamp(Stamped::Signature(signature))))
    }
}

/// A URL without what may be a secret.
pub fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Refused only for URLs without a host, which have no user either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}

pub(crate) fn towards(url: &Url) -> Towards {
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    };
    if is_here {
        Towards::ThisMachine
    } else {
        Towards::Registry
    }
}

fn now() -> Timestamp {
    let seconds = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map(|since| since.as_secs());
    let seconds = i64::try_from(seconds.unwrap_or_default()).unwrap_or_default();
    Timestamp::from_unix_seconds(seconds).unwrap_or(Timestamp::EPOCH)
}

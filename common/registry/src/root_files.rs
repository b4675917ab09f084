//! The versions of a trust root as files below a URL: `<URL>/<N>.root.json`.
//!
//! The adapter of [`RootSource`], made by binaries from a policy. What it hands over is bounded and nothing else; whether it is
//! a root is judged by its signatures. Redirects are not followed: where a root lies is for the policy to say.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use countersign_common::{
    Explain, Limits, RootSource, Task,
    explain::with_causes,
    registry,
    root_source::{Failure, Refused, Unavailable},
};
use reqwest::StatusCode;
use url::Url;

use crate::{
    body,
    client::Client,
    clients::Clients,
    hosts::NotSent,
    pacing::Again,
    place::Place,
    throttling,
    tsa::{shown, towards},
};

/// A folder of root files, reached over HTTP.
pub struct RootFiles {
    url: Url,
    timeout: Duration,
    limits: Limits,
    clients: Arc<Clients>,
}

impl Client {
    /// The root files below a URL, over the connections and the certificate authorities of this one. The timeout holds
    /// for one file, retries included.
    pub fn root_files(&self, mut url: Url, timeout: Duration) -> RootFiles {
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        RootFiles {
            url,
            timeout,
            limits: *self.limits(),
            clients: Arc::clone(&self.transport.clients),
        }
    }
}

/// What came instead of a file.
#[derive(Debug, thiserror::Error)]
enum NoFile {
    #[error("it is throttling requests, and the turn of this one would come too late")]
    Late,
    #[error("it answered with status {0}")]
    Status(u16),
    #[error("it answered with status {status}")]
    Throttled { status: u16, again: Again },
    #[error("it did not answer within {0} s")]
    TimedOut(u64),
}

impl NoFile {
    fn again(&self) -> Option<Again> {
        match self {
            Self::Status(500..) => Some(Again::Failed),
            Self::Throttled { again, .. } => Some(*again),
            Self::Late | Self::Status(_) | Self::TimedOut(_) => None,
        }
    }
}

/// Whether a file may be had later.
fn again(failure: &Failure) -> Option<Again> {
    let Failure::Unavailable(unavailable) = failure else {
        return None;
    };
    let answered = unavailable.source.downcast_ref::<NoFile>();
    answered.map_or(Some(Again::Failed), NoFile::again)
}

impl RootFiles {
    async fn file(&self, version: u64) -> Result<Option<Bytes>, Failure> {
        let fetched = tokio::time::timeout(self.timeout, self.fetch(version)).await;
        fetched.unwrap_or_else(|_| Err(self.failed(NoFile::TimedOut(self.timeout.as_secs()))))
    }

    async fn fetch(&self, version: u64) -> Result<Option<Bytes>, Failure> {
        let place = Place {
            registry: self.name(),
            path: format!("{version}.root.json"),
            timeout: self.timeout,
            deadline: Instant::now() + self.timeout,
        };
        self.clients.hosts.earn(&place.registry);
        let mut attempt = 1;
        loop {
            let began = Instant::now();
            let failure = match self.send(&place).await {
                Ok(file) => return Ok(file),
                Err(failure) => failure,
            };
            let estimate = (&place, began.elapsed());
            let wait = again(&failure)
                .and_then(|again| self.clients.hosts.again(again, attempt, estimate));
            tokio::time::sleep(wait.ok_or(failure)?).await;
            attempt += 1;
        }
    }

    async fn send(&self, place: &Place) -> Result<Option<Bytes>, Failure> {
        let url = self
            .url
            .join(&place.path)
            .map_err(|error| self.failed(error))?;
        let client = self
            .clients
            .get(towards(&self.url), place)
            .map_err(|failure| self.failure(failure))?;
        let sent = self.clients.hosts.send(client.get(url), place).await;
        let response = sent.map_err(|reason| match reason {
            // The library's own sentence would tell the whole URL, and what is in it.
            NotSent::Broken(error) => self.failed(with_causes(&error.without_url())),
            NotSent::Late => self.failed(NoFile::Late),
            NotSent::Unread(unread) => self.failed(unread),
        })?;
        match (response.status(), throttling::of(&response)) {
            (StatusCode::OK, _) => body::read(response, self.limits.root, place)
                .await
                .map(Some)
                .map_err(|failure| self.failure(failure)),
            (status, Some(again)) => Err(self.failed(NoFile::Throttled {
                status: status.as_u16(),
                again,
            })),
            (StatusCode::NOT_FOUND, None) => Ok(None),
            (status, None) => Err(self.failed(NoFile::Status(status.as_u16()))),
        }
    }

    /// What was found out stays so, however often it is asked for.
    fn failure(&self, failure: impl Into<registry::Failure>) -> Failure {
        match failure.into() {
            registry::Failure::Error(error) => self.failed(error),
            registry::Failure::Refusal(refusal) => Refused {
                name: self.name(),
                code: refusal.code(),
                source: refusal.into(),
            }
            .into(),
        }
    }

    fn failed(&self, source: impl Into<registry::Cause>) -> Failure {
        Unavailable {
            name: self.name(),
            source: source.into(),
        }
        .into()
    }
}

impl RootSource for RootFiles {
    fn name(&self) -> String {
        shown(&self.url)
    }

    fn version(&self, version: u64) -> Task<'_, Result<Option<Bytes>, Failure>> {
        Box::pin(self.file(version))
    }
}

/// Without what may be secret of its URL.
impl fmt::Debug for RootFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RootFiles")
            .field("url", &self.name())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

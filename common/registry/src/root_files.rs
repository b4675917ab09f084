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
    place::Place,
    tsa::{shown, towards},
};

/// How often a file is asked for before a failure that may pass is believed.
const ATTEMPTS: u32 = 3;
/// The wait before the second attempt; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(200);

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
    #[error("it answered with status {0}")]
    Status(u16),
    #[error("it did not answer within {0} s")]
    TimedOut(u64),
}

impl NoFile {
    fn may_pass(&self) -> bool {
        matches!(self, Self::Status(429 | 500..))
    }
}

impl RootFiles {
    async fn file(&self, version: u64) -> Result<Option<Bytes>, Failure> {
        let fetched = tokio::time::timeout(self.timeout, self.fetch(version)).await;
        fetched.unwrap_or_else(|_| Err(self.failed(NoFile::TimedOut(self.timeout.as_secs()))))
    }

    async fn fetch(&self, version: u64) -> Result<Option<Bytes>, Failure> {
        let mut attempt = 1;
        loop {
            let outcome = self.send(version).await;
            let may_pass = outcome.as_ref().is_err_and(|failure| {
                let Failure::Unavailable(unavailable) = failure else {
                    return false;
                };
                let status = unavailable.source.downcast_ref::<NoFile>();
                status.is_none_or(NoFile::may_pass)
            });
            if attempt == ATTEMPTS || !may_pass {
                return outcome;
            }
            tokio::time::sleep(FIRST_WAIT * 2_u32.pow(attempt - 1)).await;
            attempt += 1;
        }
    }

    async fn send(&self, version: u64) -> Result<Option<Bytes>, Failure> {
        let name = format!("{version}.root.json");
        let place = Place {
            registry: self.name(),
            path: name.clone(),
            timeout: self.timeout,
            deadline: Instant::now() + self.timeout,
        };
        let url = self.url.join(&name).map_err(|error| self.failed(error))?;
        let client = self
            .clients
            .get(towards(&self.url), &place)
            .map_err(|failure| self.failure(failure))?;
        // The library's own sentence would tell the whole URL, and what is in it.
        let response = client
            .get(url)
            .send()
            .await
            .map_err(|error| self.failed(with_causes(&error.without_url())))?;
        match response.status() {
            StatusCode::OK => body::read(response, self.limits.root, &place)
                .await
                .map(Some)
                .map_err(|failure| self.failure(failure)),
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(self.failed(NoFile::Status(status.as_u16()))),
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

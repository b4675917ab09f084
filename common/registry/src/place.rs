//! What a request is about, for messages: a registry and a path, never a query.

use std::time::{Duration, Instant};

use countersign_common::{
    explain::with_causes,
    registry::{Channel, Error, Failure},
};

use crate::{body::Unread, hosts::NotSent};

/// What a request is about.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) registry: String,
    pub(crate) path: String,
    pub(crate) timeout: Duration,
    /// When the answer must be whole, with all that it needs: logins, redirects and further attempts.
    pub(crate) deadline: Instant,
}

impl Place {
    pub(crate) fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Until when it is worth waiting for a host that throttles. What the request is for has the same time for all of its
    /// requests together, and must be told in time why this one was in vain.
    pub(crate) fn patience(&self) -> Instant {
        self.deadline
            .checked_sub(self.timeout / 4)
            .unwrap_or(self.deadline)
    }

    /// A request without an answer.
    pub(crate) fn not_sent(&self, reason: NotSent) -> Error {
        match reason {
            NotSent::Broken(error) => self.broken(error),
            NotSent::Late => Error::Throttled {
                registry: self.registry.clone(),
                attempts: 0,
            },
            NotSent::Unread(Unread::Late) => self.timed_out(),
            NotSent::Unread(unread) => Error::Status {
                registry: self.registry.clone(),
                path: self.path.clone(),
                status: 404,
                message: unread.to_string(),
            },
        }
    }

    /// A connection that failed or broke. The URL is left out: of a redirect it is a credential.
    pub(crate) fn broken(&self, error: reqwest::Error) -> Error {
        if error.is_timeout() {
            return self.timed_out();
        }
        let is_plain = error.url().is_some_and(|url| url.scheme() == "http");
        Error::Unreachable {
            registry: self.registry.clone(),
            channel: if is_plain {
                Channel::Plain
            } else {
                Channel::Secure
            },
            source: Box::new(Told(with_causes(&error.without_url()))),
        }
    }

    /// An upload that the registry began and said nothing usable about.
    pub(crate) fn no_upload(&self) -> Failure {
        Failure::Error(Error::Status {
            registry: self.registry.clone(),
            path: self.path.clone(),
            status: 202,
            message: "it names no place on its own host to upload to".to_owned(),
        })
    }

    pub(crate) fn timed_out(&self) -> Error {
        Error::TimedOut {
            registry: self.registry.clone(),
            path: self.path.clone(),
            seconds: self.timeout.as_secs(),
        }
    }
}

/// An error with its causes in one sentence: the outermost alone says only "error sending request".
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Told(pub(crate) String);

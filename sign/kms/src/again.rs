//! Has AWS's SDK ask again what something before KMS throttles: the SDK asks again what KMS names as throttling, and takes a
//! bare 429 for an answer.
//!
//! Used by the client of KMS, and to say why there is no answer. Never waits for longer than there is time for.

use std::{num::IntErrorKind, time::Duration};

use aws_sdk_kms::config::{
    http::HttpResponse,
    interceptors::InterceptorContext,
    retry::{ClassifyRetry, RetryAction},
};
use aws_smithy_types::retry::ErrorKind;

use crate::connection::ATTEMPTS;

/// How long whoever throttles wants to be left alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wait {
    /// This long.
    For(Duration),
    /// Longer than there is time for.
    TooLong,
    /// Nobody says.
    Unsaid,
}

/// Throttling by something that does not speak as KMS does. A 503 alone says that the service fails; with a time to come
/// back, that it is asked too much.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Throttled {
    longest: Duration,
}

impl Throttled {
    /// Within the time for a request: half of it for all waits together, half of it for the answers.
    pub(crate) fn within(timeout: Duration) -> Self {
        Self {
            longest: timeout / (2 * (ATTEMPTS - 1)),
        }
    }

    /// What an answer says, if it throttles.
    pub(crate) fn wait(self, answer: &HttpResponse) -> Option<Wait> {
        self.wait_of(
            answer.status().as_u16(),
            answer.headers().get("retry-after"),
        )
    }

    fn wait_of(self, status: u16, retry_after: Option<&str>) -> Option<Wait> {
        let after = retry_after.map(str::trim);
        match (status, after) {
            (429, None) => Some(Wait::Unsaid),
            (429 | 503, Some(after)) => Some(match after.parse() {
                Ok(seconds) if Duration::from_secs(seconds) <= self.longest => {
                    Wait::For(Duration::from_secs(seconds))
                }
                Ok(_) => Wait::TooLong,
                Err(error) if *error.kind() == IntErrorKind::PosOverflow => Wait::TooLong,
                // A date, mostly.
                Err(_) => Wait::Unsaid,
            }),
            _ => None,
        }
    }
}

impl ClassifyRetry for Throttled {
    fn name(&self) -> &'static str {
        "Throttled"
    }

    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match context.response().and_then(|answer| self.wait(answer)) {
            Some(Wait::For(time)) => {
                let kind = ErrorKind::ThrottlingError;
                RetryAction::retryable_error_with_explicit_delay(kind, time)
            }
            Some(Wait::TooLong) => RetryAction::RetryForbidden,
            Some(Wait::Unsaid) => RetryAction::throttling_error(),
            None => RetryAction::NoActionIndicated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_throttles_is_known_by_its_status_and_its_time() {
        let of = |status, after| Throttled::within(Duration::from_secs(24)).wait_of(status, after);
        let seconds = |seconds| Some(Wait::For(Duration::from_secs(seconds)));
        assert_eq!(of(429, None), Some(Wait::Unsaid));
        assert_eq!(of(503, None), None);
        for status in [429, 503] {
            assert_eq!(of(status, Some("0")), seconds(0));
            assert_eq!(of(status, Some(" 3 ")), seconds(3));
            for long in ["4", "18446744073709551616"] {
                assert_eq!(of(status, Some(long)), Some(Wait::TooLong));
            }
            let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
            assert_eq!(of(status, date), Some(Wait::Unsaid));
        }
        for status in [200, 400, 403, 500, 502] {
            assert_eq!(of(status, Some("1")), None);
        }
    }
}

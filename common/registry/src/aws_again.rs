//! Has AWS's SDK ask again what something before an API throttles, and tells throttling from other failures.
//!
//! Used by the clients of ECR's API and of STS. The SDK itself asks again what the API names as throttling, and takes a bare
//! 429 for an answer. Never waits for longer than there is time for.

use std::time::Duration;

use aws_sdk_ecr::{
    config::{
        interceptors::InterceptorContext,
        retry::{ClassifyRetry, RetryAction},
    },
    error::{ProvideErrorMetadata, SdkError},
};
use aws_smithy_types::retry::ErrorKind;

use crate::{ecr::ATTEMPTS, pacing::Again, throttling};

/// As AWS's APIs call it, mostly with a 400.
const CODES: [&str; 8] = [
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

/// The longest that is waited for: as long as all attempts come within the time for an answer.
const LONGEST: Duration = Duration::from_secs(2);

/// How often was asked, if an error of one of AWS's APIs is throttling: by its code, or by the status of something before it.
pub(crate) fn attempts_throttled<E>(error: &SdkError<E>) -> Option<u32>
where
    SdkError<E>: ProvideErrorMetadata,
{
    match error.raw_response().and_then(throttling::of_aws) {
        Some(Again::Throttled(Some(after))) if after > LONGEST => Some(1),
        Some(_) => Some(ATTEMPTS),
        None => {
            let is_throttling = error.code().is_some_and(|code| CODES.contains(&code));
            is_throttling.then_some(ATTEMPTS)
        }
    }
}

/// Throttling by something that does not speak as AWS does.
#[derive(Debug)]
pub(crate) struct Throttled;

impl ClassifyRetry for Throttled {
    fn name(&self) -> &'static str {
        "Throttled"
    }

    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match context.response().and_then(throttling::of_aws) {
            Some(Again::Throttled(Some(after))) if after > LONGEST => RetryAction::RetryForbidden,
            Some(Again::Throttled(Some(after))) => {
                let kind = ErrorKind::ThrottlingError;
                RetryAction::retryable_error_with_explicit_delay(kind, after)
            }
            Some(_) => RetryAction::throttling_error(),
            None => RetryAction::NoActionIndicated,
        }
    }
}

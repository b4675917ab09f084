//! What KMS's errors mean to whoever wanted a signature.
//!
//! Called for every failed request. Only what KMS itself says by name is a refusal; everything else could be otherwise
//! the next time.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_kms::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use countersign_common::{
    explain::with_causes,
    signer::{self, Cause, Failure, Refusal},
};
use http_body_util::LengthLimitError;

use crate::{
    again::{Throttled, Wait},
    connection::{ATTEMPTS, Connection},
};

/// A request, for messages about its failure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) action: &'static str,
    pub(crate) key: &'a str,
    pub(crate) region: &'a str,
    pub(crate) seconds: u64,
    pub(crate) throttled: Throttled,
}

impl<'a> Request<'a> {
    pub(crate) fn new(action: &'static str, key: &'a str, connection: &'a Connection) -> Self {
        Self {
            action,
            key,
            region: &connection.region,
            seconds: connection.timeout.as_secs(),
            throttled: Throttled::within(connection.timeout),
        }
    }

    /// What a failed request means.
    pub(crate) fn failure<E>(&self, error: &SdkError<E, HttpResponse>) -> Failure
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        // Whatever it says besides, and however long: what throttles may not speak as KMS does.
        let answer = error.raw_response();
        if let Some(wait) = answer.and_then(|answer| self.throttled.wait(answer)) {
            return throttled(self.key.to_owned(), attempts(wait));
        }
        match error {
            SdkError::ServiceError(answer) => self.answered(
                answer.err().code(),
                answer.err().message().unwrap_or_default(),
                answer.raw().status().as_u16(),
            ),
            SdkError::TimeoutError(_) => signer::Error::TimedOut {
                key: self.key.to_owned(),
                seconds: self.seconds,
            }
            .into(),
            // An error that long is nothing that KMS says, but something in between.
            _ if source_is::<LengthLimitError>(error) => match answer {
                Some(answer) if !answer.status().is_success() => {
                    self.unavailable(with_causes(error))
                }
                _ => self.protocol("it is longer than 64 KiB"),
            },
            _ if source_is::<CredentialsError>(error) => self.credentials(with_causes(error)),
            _ => self.unavailable(with_causes(error)),
        }
    }

    /// What an error that KMS answered means. Its status alone says little: throttling is a 400.
    fn answered(&self, code: Option<&str>, message: &str, status: u16) -> Failure {
        let key = self.key.to_owned();
        let said = || message.to_owned();
        let refusal = match code {
            Some("NotFoundException") => Refusal::NotFound {
                key,
                region: self.region.to_owned(),
            },
            Some("DisabledException") => Refusal::Disabled { key },
            Some("KMSInvalidStateException") => Refusal::InvalidState {
                key,
                message: said(),
            },
            Some("InvalidKeyUsageException" | "UnsupportedOperationException") => {
                Refusal::WrongUsage {
                    key,
                    message: said(),
                }
            }
            Some("AccessDenied" | "AccessDeniedException") => Refusal::AccessDenied {
                action: self.action,
                key,
                message: said(),
            },
            Some(code) if THROTTLING.contains(&code) => return throttled(key, ATTEMPTS),
            Some(code) if CREDENTIALS.contains(&code) => {
                return self.credentials(format!("{code}: {message}"));
            }
            Some(code) if status < 500 && !UNAVAILABLE.contains(&code) => Refusal::Rejected {
                key,
                name: code.to_owned(),
                message: said(),
            },
            // Without a name it is not KMS that answers, but something in between.
            code => {
                let name = code.unwrap_or("an answer that is not KMS's");
                return self.unavailable(format!("{name} with status {status}: {message}"));
            }
        };
        refusal.into()
    }

    /// An answer that is none.
    pub(crate) fn protocol(&self, what: &'static str) -> Failure {
        Refusal::Protocol {
            key: self.key.to_owned(),
            what,
        }
        .into()
    }

    fn credentials(&self, said: String) -> Failure {
        signer::Error::Credentials {
            key: self.key.to_owned(),
            source: Cause::from(said),
        }
        .into()
    }

    fn unavailable(&self, said: String) -> Failure {
        signer::Error::Unavailable {
            key: self.key.to_owned(),
            source: Cause::from(said),
        }
        .into()
    }
}

fn attempts(wait: Wait) -> u32 {
    match wait {
        Wait::TooLong => 1,
        Wait::For(_) | Wait::Unsaid => ATTEMPTS,
    }
}

fn throttled(key: String, attempts: u32) -> Failure {
    signer::Error::Throttled { key, attempts }.into()
}

const THROTTLING: &[&str] = &[
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

/// Missing, expired or unknown credentials, and a clock that is wrong.
const CREDENTIALS: &[&str] = &[
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotAuthorized",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// Failures of the service, whatever their status.
const UNAVAILABLE: &[&str] = &[
    "DependencyTimeoutException",
    "InternalFailure",
    "KMSInternalException",
    "KeyUnavailableException",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
];

fn sources<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        (*error).source()
    })
}

fn source_is<T: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    sources(error).any(<dyn Error>::is::<T>)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use countersign_common::Explain;

    use super::*;

    fn request() -> Request<'static> {
        Request {
            action: "kms:Sign",
            key: "alias/release",
            region: "eu-west-1",
            seconds: 30,
            throttled: Throttled::within(Duration::from_secs(30)),
        }
    }

    fn answered(code: &str, status: u16) -> Failure {
        request().answered(Some(code), "User: arn:aws:iam::1:user/a said so", status)
    }

    #[test]
    fn every_error_of_kms_has_its_meaning() {
        for (code, status, meaning) in [
            ("NotFoundException", 400, "key-not-found"),
            ("DisabledException", 400, "key-disabled"),
            ("KMSInvalidStateException", 400, "key-invalid-state"),
            ("InvalidKeyUsageException", 400, "key-wrong-usage"),
            ("UnsupportedOperationException", 400, "key-wrong-usage"),
            ("AccessDeniedException", 400, "key-access-denied"),
            ("ValidationException", 400, "key-request-rejected"),
            ("InvalidArnException", 400, "key-request-rejected"),
            ("InvalidGrantTokenException", 400, "key-request-rejected"),
            ("ThrottlingException", 400, "key-throttled"),
            ("ExpiredTokenException", 400, "key-credentials"),
            ("UnrecognizedClientException", 400, "key-credentials"),
            ("InvalidSignatureException", 400, "key-credentials"),
            ("RequestExpired", 400, "key-credentials"),
            ("KMSInternalException", 500, "key-unavailable"),
            ("DependencyTimeoutException", 503, "key-unavailable"),
            ("KeyUnavailableException", 500, "key-unavailable"),
            ("RequestTimeout", 408, "key-unavailable"),
            ("NeverHeardOf", 400, "key-request-rejected"),
            ("NeverHeardOf", 503, "key-unavailable"),
        ] {
            assert_eq!(answered(code, status).code().as_str(), meaning, "{code}");
        }
    }

    #[test]
    fn could_not_find_out_is_never_a_refusal() {
        for (code, status) in [
            (Some("ThrottlingException"), 400),
            (Some("ExpiredTokenException"), 400),
            (Some("KMSInternalException"), 500),
            (None, 400),
            (None, 403),
            (None, 502),
        ] {
            assert!(
                matches!(request().answered(code, "", status), Failure::Error(_)),
                "{code:?} {status}"
            );
        }
    }

    #[test]
    fn the_missing_permission_and_the_caller_are_named() {
        let failure = answered("AccessDeniedException", 400);
        assert_eq!(
            failure.to_string(),
            "access to key alias/release is denied: kms:Sign is missing (User: arn:aws:iam::1:user/a said so)"
        );
        assert_eq!(
            failure.remedy(),
            "allow `kms:Sign` on alias/release for the caller, in its IAM policy and in the key policy: a key of another account needs both"
        );
    }

    #[test]
    fn the_region_that_was_searched_is_named() {
        assert_eq!(
            answered("NotFoundException", 400).to_string(),
            "there is no key alias/release in region eu-west-1"
        );
    }
}

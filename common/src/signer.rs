//! The port to whoever holds a private key: a key service or a file.
//!
//! Signers meet it in binaries and tests. The private key itself never passes through it.

use crate::{Algorithm, Code, Explain, PublicKey, Signature, Task, registry::after};

/// Signs with one key.
pub trait Signer: Send + Sync {
    /// The key that signs, fetched and parsed before the first signature.
    fn key(&self) -> &SigningKey;

    /// Signs these bytes (not their hash) with the key's algorithm.
    fn sign<'a>(&'a self, message: &'a [u8]) -> Task<'a, Result<Signed, Failure>>;
}

/// A borrowed signer.
impl<S: Signer + ?Sized> Signer for &S {
    fn key(&self) -> &SigningKey {
        (**self).key()
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> Task<'a, Result<Signed, Failure>> {
        (**self).sign(message)
    }
}

/// A signer whose kind was chosen at run time.
impl<S: Signer + ?Sized> Signer for Box<S> {
    fn key(&self) -> &SigningKey {
        (**self).key()
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> Task<'a, Result<Signed, Failure>> {
        (**self).sign(message)
    }
}

/// The key of a signer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SigningKey {
    /// Its public half, with the algorithm it signs with.
    pub public_key: PublicKey,
    /// What names it: an ARN, or the path of a file.
    pub name: String,
    /// Where it lives.
    pub origin: KeyOrigin,
}

/// Where a private key lives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyOrigin {
    /// In a file.
    File,
    /// In AWS KMS.
    Kms,
    /// In the stand-in: for demonstrations and tests. Its signatures say so, and are refused by default.
    StandIn,
}

impl KeyOrigin {
    /// That of a key in KMS, by its account. AWS gives the stand-in's to nobody.
    pub fn of_account(account: &str) -> Self {
        if STAND_IN_ACCOUNTS.contains(&account) {
            Self::StandIn
        } else {
            Self::Kms
        }
    }
}

/// Its own, and the one that plays somebody else's.
const STAND_IN_ACCOUNTS: [&str; 2] = ["000000000000", "000000000001"];

/// A signature and how its making can be found again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signed {
    /// The signature.
    pub signature: Signature,
    /// The key service's name of the request, which joins to its audit log.
    pub request_id: Option<String>,
}

/// Why there is no signature: could not find out, or found out and no.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Could not find out; a retry may help.
    #[error(transparent)]
    Error(#[from] Error),
    /// Found out, and no.
    #[error(transparent)]
    Refusal(#[from] Refusal),
}

impl Explain for Failure {
    fn code(&self) -> Code {
        match self {
            Self::Error(error) => error.code(),
            Self::Refusal(refusal) => refusal.code(),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Error(error) => error.remedy(),
            Self::Refusal(refusal) => refusal.remedy(),
        }
    }
}

/// The cause of an error as its library tells it.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Could not find out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No credentials, expired ones, or ones that the service does not know.
    #[error("the key service did not accept the credentials for key {key}: {}", crate::Escaped(&source.to_string()))]
    Credentials {
        /// The key that was asked for.
        key: String,
        /// What the service or its client said.
        source: Cause,
    },
    /// Neither the key's name nor the environment says where the key is.
    #[error("no region is known for key {key}")]
    RegionUnknown {
        /// The key that was asked for.
        key: String,
    },
    /// No answer in time.
    #[error("the key service did not answer for key {key} within {seconds} s")]
    TimedOut {
        /// The key that was asked for.
        key: String,
        /// How long was waited.
        seconds: u64,
    },
    /// Too many requests, still after retries.
    #[error(
        "the key service is throttling requests for key {key}{}",
        after(*attempts)
    )]
    Throttled {
        /// The key that was asked for.
        key: String,
        /// How often was tried.
        attempts: u32,
    },
    /// No connection, or the service is failing.
    #[error("the key service could not be reached for key {key}: {}", crate::Escaped(&source.to_string()))]
    Unavailable {
        /// The key that was asked for.
        key: String,
        /// What the service or its client said.
        source: Cause,
    },
}

/// Found out, and no.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The caller may not.
    #[error(
        "access to key {key} is denied: {} is missing ({})",
        action,
        crate::Escaped(message)
    )]
    AccessDenied {
        /// The IAM action.
        action: &'static str,
        /// The key that was asked for.
        key: String,
        /// What the service said; names the caller.
        message: String,
    },
    /// The answer came from another key than the one that was fetched first.
    #[error(
        "asked key {key} to sign, but {} answered: its alias was moved meanwhile",
        crate::Escaped(answered)
    )]
    AnotherKey {
        /// The key that answered.
        answered: String,
        /// The key that was asked.
        key: String,
    },
    /// Disabled.
    #[error("key {key} is disabled")]
    Disabled {
        /// The key that was asked for.
        key: String,
    },
    /// Waiting to be deleted, imported or updated.
    #[error(
        "key {key} cannot sign in its present state: {}",
        crate::Escaped(message)
    )]
    InvalidState {
        /// The key that was asked for.
        key: String,
        /// What the service said.
        message: String,
    },
    /// Longer than what the key service takes of a key that signs messages themselves.
    #[error(
        "what key {key} should sign has {length} bytes; the key service takes {limit} of {algorithm}"
    )]
    MessageTooLong {
        /// The key that was asked.
        key: String,
        /// Its algorithm.
        algorithm: Algorithm,
        /// Bytes of the message.
        length: usize,
        /// How many are taken.
        limit: usize,
    },
    /// No such key or alias.
    #[error("there is no key {key} in region {region}")]
    NotFound {
        /// The key that was asked for.
        key: String,
        /// Where was looked.
        region: String,
    },
    /// An answer that cannot be used.
    #[error("the key service's answer for key {key} cannot be used: {what}")]
    Protocol {
        /// The key that was asked for.
        key: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A request that the service will not take, for another reason than those here.
    #[error(
        "the key service refuses the request for key {key}: {}: {}",
        crate::Escaped(name),
        crate::Escaped(message)
    )]
    Rejected {
        /// The key that was asked for.
        key: String,
        /// What the service calls it.
        name: String,
        /// What the service said.
        message: String,
    },
    /// The signature does not fit the key's own public half.
    #[error("the signature made by key {key} does not verify with its own public key")]
    SelfCheckFailed {
        /// The key that signed.
        key: String,
    },
    /// Not a key that can sign with the algorithm.
    #[error("key {key} cannot be used to sign: {}", crate::Escaped(message))]
    WrongUsage {
        /// The key that was asked for.
        key: String,
        /// What the service said, or what the key is.
        message: String,
    },
}

/// Every code of this module.
pub const CODES: &[Code] = &[
    Code::new("key-access-denied"),
    Code::new("key-alias-moved"),
    Code::new("key-credentials"),
    Code::new("key-disabled"),
    Code::new("key-invalid-state"),
    Code::new("key-message-too-long"),
    Code::new("key-not-found"),
    Code::new("key-protocol"),
    Code::new("key-region-unknown"),
    Code::new("key-request-rejected"),
    Code::new("key-throttled"),
    Code::new("key-timeout"),
    Code::new("key-unavailable"),
    Code::new("key-wrong-usage"),
    Code::new("self-check-failed"),
];

impl Explain for Error {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::Credentials { .. } => "key-credentials",
            Self::RegionUnknown { .. } => "key-region-unknown",
            Self::TimedOut { .. } => "key-timeout",
            Self::Throttled { .. } => "key-throttled",
            Self::Unavailable { .. } => "key-unavailable",
        })
    }

    fn remedy(&self) -> String {
        match self {
            Self::Credentials { .. } => {
                "renew the AWS credentials (`aws sts get-caller-identity` shows which are in use) and the clock, and run it again"
            }
            Self::RegionUnknown { .. } => "set `AWS_REGION`, or name the key by its ARN",
            Self::TimedOut { .. } | Self::Unavailable { .. } => {
                "check the network path to AWS KMS (VPC endpoint, proxy, `AWS_ENDPOINT_URL_KMS`), and run it again"
            }
            Self::Throttled { .. } => "run it again later, sign fewer images at once, or ask AWS for a higher request quota",
        }
        .to_owned()
    }
}

impl Explain for Refusal {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::AccessDenied { .. } => "key-access-denied",
            Self::AnotherKey { .. } => "key-alias-moved",
            Self::Disabled { .. } => "key-disabled",
            Self::InvalidState { .. } => "key-invalid-state",
            Self::MessageTooLong { .. } => "key-message-too-long",
            Self::NotFound { .. } => "key-not-found",
            Self::Protocol { .. } => "key-protocol",
            Self::Rejected { .. } => "key-request-rejected",
            Self::SelfCheckFailed { .. } => "self-check-failed",
            Self::WrongUsage { .. } => "key-wrong-usage",
        })
    }

    fn remedy(&self) -> String {
        match self {
            Self::AccessDenied { action, key, .. } => {
                return format!("allow `{action}` on {key} for the caller, in its IAM policy and in the key policy: a key of another account needs both");
            }
            Self::AnotherKey { .. } => "find out who moved the alias; then name the key by its ARN",
            Self::Disabled { .. } => "enable the key with `aws kms enable-key`, or sign with another key",
            Self::InvalidState { .. } => "cancel the deletion with `aws kms cancel-key-deletion`, or sign with another key",
            Self::MessageTooLong { .. } => {
                "sign it with a key of another spec: ECDSA, RSA and ML-DSA keys sign what is as long as one likes"
            }
            Self::NotFound { .. } => {
                "check the key's name and region: an alias is looked up in the caller's account and in `AWS_REGION`, an ARN in its own"
            }
            Self::Protocol { .. } => "check that the endpoint is AWS KMS and not something in between",
            Self::Rejected { .. } => "read what the key service says; check the key's name and, if one is set, `AWS_ENDPOINT_URL_KMS`",
            Self::SelfCheckFailed { .. } => "do not use this key service: nothing was written; check the endpoint and the key's algorithm",
            Self::WrongUsage { .. } => {
                "use a key with usage SIGN_VERIFY and one of the specs ECC_NIST_P256, _P384, _P521 or _EDWARDS25519, ML_DSA_44, _65 or _87, or RSA_2048 to RSA_4096, and \
an algorithm that it has"
            }
        }
        .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::tests::{HOSTILE, assert_explained};

    fn errors() -> Vec<Error> {
        let key = || "alias/release".to_owned();
        let source = || Cause::from(HOSTILE);
        vec![
            Error::Credentials {
                key: key(),
                source: source(),
            },
            Error::RegionUnknown { key: key() },
            Error::TimedOut {
                key: key(),
                seconds: 10,
            },
            Error::Throttled {
                key: key(),
                attempts: 3,
            },
            Error::Unavailable {
                key: key(),
                source: source(),
            },
        ]
    }

    fn refusals() -> Vec<Refusal> {
        let key = || "alias/release".to_owned();
        let message = || HOSTILE.to_owned();
        vec![
            Refusal::AccessDenied {
                action: "kms:Sign",
                key: key(),
                message: message(),
            },
            Refusal::AnotherKey {
                answered: message(),
                key: key(),
            },
            Refusal::Disabled { key: key() },
            Refusal::InvalidState {
                key: key(),
                message: message(),
            },
            Refusal::MessageTooLong {
                key: key(),
                algorithm: Algorithm::Ed25519,
                length: 4_097,
                limit: 4_096,
            },
            Refusal::NotFound {
                key: key(),
                region: "eu-west-1".to_owned(),
            },
            Refusal::Protocol {
                key: key(),
                what: "no signature",
            },
            Refusal::Rejected {
                key: key(),
                name: message(),
                message: message(),
            },
            Refusal::SelfCheckFailed { key: key() },
            Refusal::WrongUsage {
                key: key(),
                message: message(),
            },
        ]
    }

    /// Does not compile while a new error is missing from the tests.
    fn error_position(error: &Error) -> usize {
        match error {
            Error::Credentials { .. } => 0,
            Error::RegionUnknown { .. } => 1,
            Error::TimedOut { .. } => 2,
            Error::Throttled { .. } => 3,
            Error::Unavailable { .. } => 4,
        }
    }

    /// Does not compile while a new refusal is missing from the tests.
    fn refusal_position(refusal: &Refusal) -> usize {
        match refusal {
            Refusal::AccessDenied { .. } => 0,
            Refusal::AnotherKey { .. } => 1,
            Refusal::Disabled { .. } => 2,
            Refusal::InvalidState { .. } => 3,
            Refusal::MessageTooLong { .. } => 4,
            Refusal::NotFound { .. } => 5,
            Refusal::Protocol { .. } => 6,
            Refusal::Rejected { .. } => 7,
            Refusal::SelfCheckFailed { .. } => 8,
            Refusal::WrongUsage { .. } => 9,
        }
    }

    #[test]
    fn every_failure_is_explained_and_shows_no_hostile_text() {
        let (errors, refusals) = (errors(), refusals());
        assert!(errors.iter().map(error_position).eq(0..5));
        assert!(refusals.iter().map(refusal_position).eq(0..10));
        let errors = errors.iter().map(|error| error as &dyn Explain);
        let refusals = refusals.iter().map(|refusal| refusal as &dyn Explain);
        assert_explained(&errors.chain(refusals).collect::<Vec<_>>(), CODES);
    }

    #[test]
    fn attempts_are_counted_in_words_that_fit() {
        let said = |attempts| {
            Error::Throttled {
                key: "k".to_owned(),
                attempts,
            }
            .to_string()
        };
        let begin = "the key service is throttling requests for key k";
        assert_eq!(said(1), format!("{begin}, after one attempt"));
        assert_eq!(said(3), format!("{begin}, still after 3 attempts"));
    }

    #[test]
    fn a_failure_says_what_its_part_says() {
        for error in errors() {
            let said = (error.code(), error.to_string(), error.remedy());
            let failure = Failure::from(error);
            assert_eq!(
                (failure.code(), failure.to_string(), failure.remedy()),
                said
            );
        }
        for refusal in refusals() {
            let said = (refusal.code(), refusal.to_string(), refusal.remedy());
            let failure = Failure::from(refusal);
            assert_eq!(
                (failure.code(), failure.to_string(), failure.remedy()),
                said
            );
        }
    }
}

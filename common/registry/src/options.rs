//! How registries are reached: what a person may set, checked before any request.

use std::time::Duration;

use countersign_common::{Code, Explain, Limits, registry::Cause};

/// How registries are reached.
#[derive(Clone, Debug)]
pub struct Options {
    /// Certificate authorities in PEM, trusted besides the system's.
    pub certificate_authorities: Option<Vec<u8>>,
    /// Which registries may be reached without TLS.
    pub plain_http: PlainHttp,
    /// The longest time for one request and its answer.
    pub timeout: Duration,
    /// Bounds on every answer.
    pub limits: Limits,
}

/// Which registries may be reached without TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PlainHttp {
    /// All of them: without TLS whoever is in between reads credentials and may answer in the registry's place.
    Always,
    /// Those on this machine, after TLS was tried.
    Loopback,
}

/// The options cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file without a certificate would silently trust nobody more.
    #[error("the file of certificate authorities has no certificate in PEM")]
    NoCertificate,
    /// The TLS or HTTP library refuses the options.
    #[error("the HTTP client cannot be set up: {source}")]
    Client {
        /// What it says.
        source: Cause,
    },
}

impl Explain for ConfigError {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::NoCertificate => "ca-file-invalid",
            Self::Client { .. } => "http-client-invalid",
        })
    }

    fn remedy(&self) -> String {
        match self {
            Self::NoCertificate => "give `--ca-file` a file with `BEGIN CERTIFICATE` blocks",
            Self::Client { .. } => "check `--ca-file`, `SSL_CERT_FILE` and the proxy variables",
        }
        .to_owned()
    }
}

//! Who we are to a registry: what Docker's configuration says, or else what AWS credentials are worth at Amazon ECR.
//!
//! Asked for once for each registry. Passwords are never shown.

use std::{
    env, fmt,
    fs::File,
    io::{ErrorKind, Read},
    path::PathBuf,
    sync::mpsc,
    thread,
    time::{Duration, SystemTime},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use countersign_common::Repository;
use docker_credential::{CredentialRetrievalError, DockerCredential};
use reqwest::header::HeaderValue;

use crate::ecr::Ecr;

/// How long a credential helper may take; it may ask a keychain. Shorter than the time for one image, so that the helper
/// is named and not the registry.
const HELPER_TIME: Duration = Duration::from_secs(8);

/// The bytes of Docker's configuration that are read.
const CONFIGURATION: u64 = 1 << 20;

/// Where credentials come from.
#[derive(Clone)]
pub enum Credentials {
    /// Docker's configuration and its helpers; for Amazon ECR, failing that, the AWS credentials of the environment.
    Environment,
    /// These, for whatever registry is asked.
    Given {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// None.
    Anonymous,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Environment => "Environment",
            Self::Given { .. } => "Given",
            Self::Anonymous => "Anonymous",
        })
    }
}

/// A secret for one registry.
#[derive(Clone)]
pub(crate) enum Credential {
    Password {
        user: String,
        password: String,
        expires: Option<SystemTime>,
    },
    /// An `OAuth2` refresh token, which a token realm exchanges.
    IdentityToken(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(…)")
    }
}

impl Credential {
    pub(crate) fn expiring(user: &str, password: &str, expires: Option<SystemTime>) -> Self {
        Self::Password {
            user: user.to_owned(),
            password: password.to_owned(),
            expires,
        }
    }

    /// Whether it is about to end.
    pub(crate) fn is_spent(&self) -> bool {
        match self {
            Self::Password { expires, .. } => {
                expires.is_some_and(|moment| moment <= SystemTime::now())
            }
            Self::IdentityToken(_) => false,
        }
    }

    /// The header that carries it with each request. A secret that no header may carry is refused, not cut.
    pub(crate) fn basic(&self) -> Result<HeaderValue, NoCredential> {
        match self {
            Self::Password { user, password, .. } => header(&format!(
                "Basic {}",
                BASE64_STANDARD.encode(format!("{user}:{password}"))
            )),
            Self::IdentityToken(_) => Err(NoCredential::new(
                "the registry wants a password, and there is only a token",
            )),
        }
    }
}

/// A header whose value no log shows.
pub(crate) fn header(value: &str) -> Result<HeaderValue, NoCredential> {
    let mut header = HeaderValue::from_str(value)
        .map_err(|_| NoCredential::new("it holds characters that no header may carry"))?;
    header.set_sensitive(true);
    Ok(header)
}

/// No credential can be had, though one is configured.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct NoCredential {
    reason: String,
    /// How often its source was asked, if it throttles.
    throttled: Option<u32>,
}

impl NoCredential {
    pub(crate) fn new(reason: &str) -> Self {
        Self {
            reason: reason.to_owned(),
            throttled: None,
        }
    }

    pub(crate) fn aws(reason: &str) -> Self {
        Self::new(&format!("Amazon ECR gives no login: {reason}"))
    }

    /// Amazon ECR throttles.
    pub(crate) fn throttled(attempts: u32) -> Self {
        Self {
            throttled: Some(attempts),
            ..Self::aws("it is throttling requests")
        }
    }

    pub(crate) fn attempts_throttled(&self) -> Option<u32> {
        self.throttled
    }
}

/// Where a credential was found, and so how it can be had anew.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    Aws,
    Configured,
}

impl Credentials {
    /// The credential for a registry; `None` is anonymous. `rejected` is the origin of one that was refused.
    pub(crate) async fn find(
        &self,
        repository: &Repository,
        rejected: Option<Origin>,
    ) -> Result<Option<(Credential, Origin)>, NoCredential> {
        match self {
            Self::Anonymous => Ok(None),
            Self::Given { .. } if rejected.is_some() => Ok(None),
            Self::Given { user, password } => Ok(Some((
                Credential::expiring(user, password, None),
                Origin::Configured,
            ))),
            Self::Environment => {
                // A login that Docker kept may be hours old: at ECR a refused one is exchanged for a new one.
                if rejected.is_none()
                    && let Some(found) = configured(server(repository)).await?
                {
                    return Ok(Some((found, Origin::Configured)));
                }
                match Ecr::of(repository) {
                    Some(ecr) => Ok(Some((ecr.login().await?, Origin::Aws))),
                    None => Ok(None),
                }
            }
        }
    }
}

/// Under which name Docker keeps a registry's login.
fn server(repository: &Repository) -> String {
    match repository.registry().as_str() {
        "docker.io" => "https://index.docker.io/v1/".to_owned(),
        registry => registry.to_owned(),
    }
}

/// Runs on a thread of its own: the library waits for a helper without end.
async fn configured(server: String) -> Result<Option<Credential>, NoCredential> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        // Nobody listens any more if it took too long.
        let _ = send.send(read_configuration(&server));
    });
    let waited = tokio::task::spawn_blocking(move || receive.recv_timeout(HELPER_TIME)).await;
    match waited {
        Ok(Ok(found)) => found,
        Ok(Err(_)) | Err(_) => Err(NoCredential::new(
            "the credential helper did not answer within 8 s",
        )),
    }
}

/// Docker's configuration, if there is one: most machines that only verify have none.
fn read_configuration(server: &str) -> Result<Option<Credential>, NoCredential> {
    let folder = env::var_os("DOCKER_CONFIG")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from);
    let folder =
        folder.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker")));
    let Some(file) = folder.map(|folder| folder.join("config.json")) else {
        return Ok(None);
    };
    let opened = match File::open(&file) {
        Ok(opened) => opened.take(CONFIGURATION),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => {
            return Err(NoCredential::new(&format!(
                "{} cannot be read: {error}",
                file.display()
            )));
        }
    };
    match docker_credential::get_credential_from_reader(opened, server) {
        Ok(DockerCredential::UsernamePassword(user, password)) => {
            Ok(Some(Credential::expiring(&user, &password, None)))
        }
        Ok(DockerCredential::IdentityToken(token)) => Ok(Some(Credential::IdentityToken(token))),
        Err(error) => absent(&error),
    }
}

/// Having no login is no fault; a login that cannot be read is.
fn absent(error: &CredentialRetrievalError) -> Result<Option<Credential>, NoCredential> {
    use CredentialRetrievalError as Error;
    match error {
        Error::NoCredentialConfigured | Error::ConfigNotFound => Ok(None),
        Error::HelperFailure { stdout, .. } if stdout.contains("credentials not found") => Ok(None),
        // What a helper printed may hold a secret.
        Error::HelperFailure { helper, .. } => Err(NoCredential::new(&format!(
            "the credential helper `{helper}` failed"
        ))),
        other => Err(NoCredential::new(&format!(
            "Docker's configuration: {other}"
        ))),
    }
}

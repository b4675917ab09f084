//! What is remembered of one registry: whether it speaks TLS, how it wants to know us, and the tokens it gave.
//!
//! Asked before each request, told of each 401. One exchange at a time for each repository: parallel requests wait for it and
//! share it.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use countersign_common::{
    Limits, Repository,
    registry::{Error, Failure},
};
use reqwest::{
    Response, StatusCode,
    header::{HeaderValue, WWW_AUTHENTICATE},
};
use tokio::sync::Mutex;

use crate::{
    challenge::{self, Challenge},
    clients::Clients,
    credentials::{Credential, Credentials, NoCredential, Origin},
    ecr::Ecr,
    options::PlainHttp,
    place::Place,
    realm::Token,
};

/// What a token may be used for: pulling from, or also pushing to, one repository.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Access {
    Delete,
    Pull,
    Push,
}

/// One registry.
#[derive(Debug)]
pub(crate) struct Session {
    scheme: AtomicU8,
    login: Mutex<Login>,
}

#[derive(Debug, Default)]
struct Login {
    /// How it wants to know us; unknown until it says so.
    challenge: Option<Challenge>,
    credential: Known,
    tokens: HashMap<(String, Access), Cell>,
    /// Counts what was learnt, so that of many requests refused at once only the first renews.
    generation: u64,
    /// When the credential was had.
    renewed: Option<Instant>,
}

/// The token for one repository. Locked while it is fetched, and the login is not: a realm that keeps one repository waiting
/// must not keep the others waiting.
type Cell = Arc<Mutex<Option<Token>>>;

/// What is known of our own credential.
#[derive(Clone, Debug, Default)]
enum Known {
    /// There is none.
    Anonymous,
    Credential(Credential, Origin),
    /// It could not be had when it was last looked for.
    Unavailable(NoCredential, Instant),
    /// It was not looked for yet.
    #[default]
    Unknown,
}

impl Known {
    /// Why it is not worth looking for again.
    fn unavailable(&self, now: Instant) -> Option<NoCredential> {
        match self {
            Self::Unavailable(error, looked) if now.duration_since(*looked) < LOOKED => {
                Some(error.clone())
            }
            _ => None,
        }
    }
}

impl From<Option<(Credential, Origin)>> for Known {
    fn from(found: Option<(Credential, Origin)>) -> Self {
        found.map_or(Self::Anonymous, |(credential, origin)| {
            Self::Credential(credential, origin)
        })
    }
}

/// A header to send, and of which generation it is.
#[derive(Clone, Debug)]
pub(crate) struct Authorization {
    pub(crate) header: Option<HeaderValue>,
    generation: u64,
}

/// How long a credential that could not be had is not looked for again: each look may start a program that hangs.
const LOOKED: Duration = Duration::from_secs(30);

/// How long a login is surely not expired.
const FRESH: Duration = Duration::from_mins(1);

const UNKNOWN: u8 = 0;
const TLS: u8 = 1;
const PLAIN: u8 = 2;

impl Session {
    pub(crate) fn new(plain_http: PlainHttp) -> Self {
        let scheme = match plain_http {
            PlainHttp::Always => PLAIN,
            PlainHttp::Loopback => UNKNOWN,
        };
        Self {
            scheme: AtomicU8::new(scheme),
            login: Mutex::default(),
        }
    }

    /// The schemes to try, in order.
    pub(crate) fn schemes(&self, repository: &Repository) -> &'static [&'static str] {
        match self.scheme.load(Ordering::Relaxed) {
            TLS => &["https"],
            PLAIN => &["http"],
            _ if repository.is_loopback() => &["https", "http"],
            _ => &["https"],
        }
    }

    pub(crate) fn speaks(&self, scheme: &str) {
        self.scheme.store(
            if scheme == "https" { TLS } else { PLAIN },
            Ordering::Relaxed,
        );
    }

    /// What to send with a request, as far as it is known.
    pub(crate) async fn authorization(
        &self,
        caller: &Caller<'_>,
    ) -> Result<Authorization, Failure> {
        let mut login = self.login.lock().await;
        // ECR answers nothing without a login, so the first request carries it.
        if login.challenge.is_none() && Ecr::of(caller.repository).is_some() {
            login.challenge = Some(Challenge::Basic);
        }
        let header = match login.challenge.clone() {
            None => None,
            Some(Challenge::Basic) => login.basic(caller).await?,
            Some(bearer @ Challenge::Bearer { .. }) => {
                let (cell, generation) = (login.cell(caller), login.generation);
                drop(login);
                let header = Some(self.token(caller, &bearer, &cell).await?);
                return Ok(Authorization { header, generation });
            }
        };
        Ok(Authorization {
            header,
            generation: login.generation,
        })
    }

    async fn token(
        &self,
        caller: &Caller<'_>,
        bearer: &Challenge,
        cell: &Mutex<Option<Token>>,
    ) -> Result<HeaderValue, Failure> {
        let mut token = cell.lock().await;
        if let Some(known) = token.as_ref().filter(|token| token.ends > Instant::now()) {
            return Ok(known.header.clone());
        }
        let credential = self.login.lock().await.credential(caller).await?;
        let fresh = caller.exchange(bearer, credential.as_ref()).await?;
        let header = fresh.header.clone();
        *token = Some(fresh);
        Ok(header)
    }

    /// Learns from a refused request. Whether it is worth sending it again.
    pub(crate) async fn refused(
        &self,
        caller: &Caller<'_>,
        response: &Response,
        sent: &Authorization,
    ) -> Result<bool, Failure> {
        let mut login = self.login.lock().await;
        let challenges = response.headers().get_all(WWW_AUTHENTICATE);
        let found = challenge::parse(challenges.iter().filter_map(|value| value.to_str().ok()));
        let Some(challenge) = found.or_else(|| login.challenge.clone()) else {
            return Ok(false);
        };
        let is_basic = challenge == Challenge::Basic;
        login.challenge = Some(challenge);
        if !is_basic {
            let cell = login.cell(caller);
            drop(login);
            forget_token(&cell, sent).await;
            return Ok(true);
        }
        if sent.header.is_none() || login.generation != sent.generation {
            return Ok(true);
        }
        login.renew(caller, response.status()).await
    }
}

impl Login {
    fn cell(&mut self, caller: &Caller<'_>) -> Cell {
        let key = (caller.repository.to_string(), caller.access);
        Arc::clone(self.tokens.entry(key).or_default())
    }

    /// Replaces a refused credential by a newer one, if there is any. Refused for one repository it may be good for
    /// another, so it is never merely dropped.
    async fn renew(&mut self, caller: &Caller<'_>, status: StatusCode) -> Result<bool, Failure> {
        let Known::Credential(_, origin) = self.credential else {
            return Ok(false);
        };
        // ECR says 403 both for an expired login and for a repository that is not ours: a fresh login is not expired.
        let is_fresh = self.renewed.is_some_and(|moment| moment.elapsed() < FRESH);
        if status == StatusCode::FORBIDDEN && origin == Origin::Aws && is_fresh {
            return Ok(false);
        }
        let newer = caller.find(Some(origin)).await;
        let newer = newer.map_err(|error| caller.no_credential(error))?;
        let found = newer.is_some();
        if found {
            self.know(newer);
        }
        Ok(found)
    }

    fn know(&mut self, found: Option<(Credential, Origin)>) {
        self.credential = found.into();
        self.generation += 1;
        self.renewed = Some(Instant::now());
    }

    async fn credential(&mut self, caller: &Caller<'_>) -> Result<Option<Credential>, Failure> {
        if let Some(error) = self.credential.unavailable(Instant::now()) {
            return Err(caller.no_credential(error));
        }
        let rejected = match &self.credential {
            Known::Anonymous => return Ok(None),
            Known::Credential(credential, _) if !credential.is_spent() => {
                return Ok(Some(credential.clone()));
            }
            Known::Credential(..) => Some(Origin::Aws),
            Known::Unavailable(..) | Known::Unknown => None,
        };
        match caller.find(rejected).await {
            Ok(found) => {
                let credential = found.as_ref().map(|(credential, _)| credential.clone());
                self.know(found);
                Ok(credential)
            }
            Err(error) => {
                // One that is about to end may still be tried again in a moment.
                if rejected.is_none() {
                    self.credential = Known::Unavailable(error.clone(), Instant::now());
                }
                Err(caller.no_credential(error))
            }
        }
    }

    async fn basic(&mut self, caller: &Caller<'_>) -> Result<Option<HeaderValue>, Failure> {
        let credential = self.credential(caller).await?;
        credential
            .map(|credential| {
                credential
                    .basic()
                    .map_err(|error| caller.no_credential(error))
            })
            .transpose()
    }
}

/// Forgets the token that was refused, unless another request has renewed it meanwhile.
async fn forget_token(cell: &Mutex<Option<Token>>, sent: &Authorization) {
    let mut token = cell.lock().await;
    let is_known =
        (token.as_ref()).is_some_and(|token| Some(&token.header) == sent.header.as_ref());
    if is_known {
        *token = None;
    }
}

/// Who asks, and for what.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) repository: &'a Repository,
    pub(crate) access: Access,
    pub(crate) credentials: &'a Credentials,
    pub(crate) clients: &'a Clients,
    pub(crate) scheme: &'a str,
    pub(crate) limits: &'a Limits,
    pub(crate) place: &'a Place,
}

impl Caller<'_> {
    async fn find(
        &self,
        rejected: Option<Origin>,
    ) -> Result<Option<(Credential, Origin)>, NoCredential> {
        self.credentials.find(self.repository, rejected).await
    }

    pub(crate) fn no_credential(&self, source: NoCredential) -> Failure {
        let registry = self.repository.registry();
        Failure::Error(match source.attempts_throttled() {
            Some(attempts) => Error::Throttled { registry, attempts },
            None => Error::Credentials {
                registry,
                source: Box::new(source),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_that_could_not_be_had_is_not_looked_for_at_once() {
        let looked = Instant::now();
        let known = Known::Unavailable(NoCredential::new("it hangs"), looked);
        assert!(known.unavailable(looked).is_some());
        assert!(known.unavailable(looked + LOOKED).is_none());
        assert!(Known::Unknown.unavailable(looked).is_none());
        assert!(Known::Anonymous.unavailable(looked).is_none());
    }
}

//! What is remembered of one registry: whether it speaks TLS, how it wants to know us, and the tokens it gave.
//!
//! Asked before each request, told of each 401. One exchange at a time: parallel requests wait for it and share it.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU8, Ordering},
    time::{Duration, Instant},
};

use countersign_common::{
    Limits, Repository, json,
    registry::{Error, Failure},
};
use reqwest::{
    Client, Response, StatusCode,
    header::{HeaderValue, WWW_AUTHENTICATE},
};
use tokio::sync::Mutex;
use url::Url;

use crate::{
    body,
    challenge::{self, Challenge},
    clients::{Clients, Towards},
    credentials::{Credential, Credentials, NoCredential, Origin, header},
    ecr::Ecr,
    egress,
    options::PlainHttp,
    place::Place,
};

/// What a token may be used for: pulling from, or also pushing to, one repository.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Access {
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
    tokens: HashMap<(String, Access), Token>,
    /// Counts what was learnt, so that of many requests refused at once only the first renews.
    generation: u64,
    /// When the credential was had.
    renewed: Option<Instant>,
}

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

#[derive(Debug)]
struct Token {
    header: HeaderValue,
    ends: Instant,
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

/// What a token lives if its answer does not say, by the token specification.
const DEFAULT_TOKEN_LIFE: Duration = Duration::from_mins(1);

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
            Some(bearer @ Challenge::Bearer { .. }) => Some(login.token(caller, &bearer).await?),
        };
        Ok(Authorization {
            header,
            generation: login.generation,
        })
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
            login.forget_token(caller, sent);
            return Ok(true);
        }
        if sent.header.is_none() || login.generation != sent.generation {
            return Ok(true);
        }
        login.renew(caller, response.status()).await
    }
}

impl Login {
    /// Forgets the token that was refused, unless another request has renewed it meanwhile.
    fn forget_token(&mut self, caller: &Caller<'_>, sent: &Authorization) {
        let key = (caller.repository.to_string(), caller.access);
        if self
            .tokens
            .get(&key)
            .is_some_and(|token| Some(&token.header) == sent.header.as_ref())
        {
            self.tokens.remove(&key);
        }
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

    async fn token(
        &mut self,
        caller: &Caller<'_>,
        bearer: &Challenge,
    ) -> Result<HeaderValue, Failure> {
        let key = (caller.repository.to_string(), caller.access);
        if let Some(token) = self
            .tokens
            .get(&key)
            .filter(|token| token.ends > Instant::now())
        {
            return Ok(token.header.clone());
        }
        let credential = self.credential(caller).await?;
        let token = caller.exchange(bearer, credential.as_ref()).await?;
        let header = token.header.clone();
        self.tokens.insert(key, token);
        Ok(header)
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

    fn no_credential(&self, source: NoCredential) -> Failure {
        Failure::Error(Error::Credentials {
            registry: self.repository.registry(),
            source: Box::new(source),
        })
    }

    fn egress(&self, url: &Url, reason: &'static str) -> Failure {
        Failure::Error(Error::Egress {
            registry: self.repository.registry(),
            target: url.origin().ascii_serialization(),
            reason,
        })
    }

    /// Asks the realm for a token. The credential goes to the registry's own realm only.
    async fn exchange(
        &self,
        bearer: &Challenge,
        credential: Option<&Credential>,
    ) -> Result<Token, Failure> {
        let Challenge::Bearer { realm, service, .. } = bearer else {
            return Err(self.no_credential(NoCredential::new("the registry asks for no token")));
        };
        let mut url = Url::parse(realm)
            .map_err(|_| self.no_credential(NoCredential::new("the login realm is no URL")))?;
        let client = self.realm_client(&url, credential).await?;
        let actions = match self.access {
            Access::Pull => "pull",
            Access::Push => "pull,push",
        };
        let scope = format!("repository:{}:{actions}", self.repository.path());
        let request = if let Some(Credential::IdentityToken(token)) = credential {
            let form = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("grant_type", "refresh_token")
                .append_pair("client_id", "countersign")
                .append_pair("service", service.as_deref().unwrap_or_default())
                .append_pair("scope", &scope)
                .append_pair("refresh_token", token)
                .finish();
            client
                .post(url)
                .header("Content-Type", "application/x-www-form-urlencoded")
                .body(form)
        } else {
            if let Some(service) = service {
                url.query_pairs_mut().append_pair("service", service);
            }
            url.query_pairs_mut().append_pair("scope", &scope);
            let request = client.get(url);
            match credential {
                Some(credential) => request.header(
                    "Authorization",
                    credential
                        .basic()
                        .map_err(|error| self.no_credential(error))?,
                ),
                None => request,
            }
        };
        let place = Place {
            path: "its login realm".to_owned(),
            ..self.place.clone()
        };
        let response = request.timeout(place.remaining()).send().await;
        let response = response.map_err(|error| Failure::Error(place.broken(error)))?;
        self.token(response, &place).await
    }

    async fn realm_client(
        &self,
        realm: &Url,
        credential: Option<&Credential>,
    ) -> Result<&Client, Failure> {
        let own = Towards::registry(self.repository);
        let same_host = realm.host_str() == Some(self.repository.host());
        if same_host && realm.scheme() == self.scheme {
            return self.clients.get(own, self.place);
        }
        let private = egress::is_private_neighbour(self.repository, realm, self.scheme).await;
        if let Some(reason) = egress::objection(realm).filter(|_| !private) {
            return Err(self.egress(realm, reason));
        }
        let local = private && self.repository.is_loopback();
        if credential.is_some()
            && !local
            && !same_host
            && !is_known_realm(self.repository.host(), realm)
        {
            return Err(self.egress(
                realm,
                "a credential for this registry is not sent to another host",
            ));
        }
        self.clients.get(
            if private {
                Towards::neighbour(self.repository)
            } else {
                Towards::Stranger
            },
            self.place,
        )
    }

    /// What a realm says instead of giving a token. Only a refused login is a denial.
    async fn no_token(&self, response: Response, place: &Place) -> Failure {
        let status = response.status();
        let (registry, path) = (place.registry.clone(), place.path.clone());
        if status == StatusCode::TOO_MANY_REQUESTS {
            let attempts = 1;
            return Failure::Error(Error::Throttled { registry, attempts });
        }
        let message = body::message(response, self.limits.error_body)
            .await
            .message;
        let status = status.as_u16();
        Failure::Error(match status {
            400 | 401 | 403 => Error::Denied {
                registry,
                path,
                status,
                message,
            },
            _ => Error::Status {
                registry,
                path,
                status,
                message,
            },
        })
    }

    async fn token(&self, response: Response, place: &Place) -> Result<Token, Failure> {
        #[derive(serde::Deserialize)]
        struct Document {
            token: Option<String>,
            access_token: Option<String>,
            expires_in: Option<f64>,
        }
        if !response.status().is_success() {
            return Err(self.no_token(response, place).await);
        }
        let answer = body::read(response, self.limits.error_body, place).await?;
        let document: Document = json::from_slice(&answer, self.limits).map_err(|_| {
            self.no_credential(NoCredential::new("the login realm's answer cannot be read"))
        })?;
        let token = document
            .token
            .or(document.access_token)
            .filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| {
            self.no_credential(NoCredential::new("the login realm gave no token"))
        })?;
        // Outside a sensible span the number is a mistake or a trap; the default is short.
        let life = document
            .expires_in
            .filter(|seconds| (1.0..86_400.0).contains(seconds));
        let life = life.map_or(DEFAULT_TOKEN_LIFE, Duration::from_secs_f64);
        Ok(Token {
            header: header(&format!("Bearer {token}"))
                .map_err(|error| self.no_credential(error))?,
            ends: Instant::now() + life.mul_f64(0.8),
        })
    }
}

/// Realms that belong to a registry though they are on another host: Docker Hub's, and a host one level up or beside, as
/// GitLab has it. A registry gets our password anyway if it asks for `Basic`; this keeps it from being handed on.
fn is_known_realm(registry: &str, realm: &Url) -> bool {
    let host = realm.host_str().unwrap_or_default();
    if registry == "docker.io" {
        return host == "auth.docker.io";
    }
    let Some((_, parent)) = registry.split_once('.') else {
        return false;
    };
    // `co.uk` is nobody's domain: the parent must have a name of its own in front of a public suffix.
    let named = parent
        .split_once('.')
        .is_some_and(|(name, _)| name.len() > 3);
    named
        && (host == parent
            || host
                .strip_suffix(parent)
                .is_some_and(|sub| sub.ends_with('.')))
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

    #[test]
    fn a_realm_elsewhere_is_known_only_near_its_registry() {
        let known = |registry, realm: &str| is_known_realm(registry, &Url::parse(realm).unwrap());
        for (registry, realm) in [
            ("docker.io", "https://auth.docker.io/token"),
            ("registry.gitlab.com", "https://gitlab.com/jwt/auth"),
            ("registry.example.com", "https://auth.example.com/token"),
        ] {
            assert!(known(registry, realm), "{registry} {realm}");
        }
        for (registry, realm) in [
            ("docker.io", "https://docker.io.evil.example/token"),
            ("docker.io", "https://auth.docker.io.evil.example/token"),
            ("registry.example.com", "https://evil.example/token"),
            ("registry.example.com", "https://notexample.com/token"),
            ("registry.example.com", "https://example.com.evil.example/"),
            ("example.com", "https://evil.com/token"),
            ("example.co.uk", "https://evil.co.uk/token"),
            ("localhost", "https://evil.localhost/token"),
        ] {
            assert!(!known(registry, realm), "{registry} {realm}");
        }
    }
}

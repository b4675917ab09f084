//! Who may talk to the registry: ECR's tokens, a user's password, or the tokens of a realm. Called before each
//! request is served. Never tells an unknown secret from a wrong one, except where ECR does.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::Method;
use serde_json::json;

use super::{Registry, denial::Denial, route::Route};
use crate::{answer::Answer, clock, options::Login, random, services::Asked};

/// The random bytes of a secret: in base64 as long as the passwords of ECR, which fill many a header buffer.
const SECRET: usize = 1350;

/// The user of ECR's tokens.
const ECR_USER: &str = "AWS";

/// The user of a plain registry.
const USER: &str = "stand-in";

/// What a secret is good for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Access {
    Pull,
    Push,
}

/// A secret and its end.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) secret: String,
    pub(crate) expires: Duration,
}

/// The secrets that were given out.
#[derive(Debug)]
pub(crate) struct Logins {
    grants: Mutex<BTreeMap<String, (Duration, Access)>>,
    lifetime: Duration,
    /// The password of a plain registry's user, which does not expire.
    password: String,
}

enum Standing {
    Expired,
    Unknown,
    Valid(Access),
}

impl Logins {
    pub(crate) fn new(lifetime: Duration) -> Self {
        Self {
            grants: Mutex::default(),
            lifetime,
            password: random::secret::<24>(),
        }
    }

    pub(crate) fn issue(&self, access: Access) -> Grant {
        let grant = Grant {
            secret: random::secret::<SECRET>(),
            expires: clock::now() + self.lifetime,
        };
        let mut grants = self.grants();
        grants.insert(grant.secret.clone(), (grant.expires, access));
        grant
    }

    /// Ends every secret that was given out so far.
    pub(crate) fn expire(&self) {
        for (expires, _) in self.grants().values_mut() {
            *expires = Duration::ZERO;
        }
    }

    fn standing(&self, secret: &str) -> Standing {
        match self.grants().get(secret) {
            None => Standing::Unknown,
            Some((expires, _)) if *expires <= clock::now() => Standing::Expired,
            Some((_, access)) => Standing::Valid(*access),
        }
    }

    fn grants(&self) -> MutexGuard<'_, BTreeMap<String, (Duration, Access)>> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    /// A user and password that work now, unless nobody asks for them.
    pub(crate) fn credentials(&self) -> Option<(&'static str, String)> {
        match self.mode.login() {
            Login::Anonymous => None,
            Login::Basic if self.is_ecr() => {
                Some((ECR_USER, self.logins.issue(Access::Push).secret))
            }
            Login::Basic | Login::Bearer => Some((USER, self.logins.password.clone())),
        }
    }

    pub(super) fn check_login(&self, asked: &Asked, route: &Route) -> Result<(), Denial> {
        match self.mode.login() {
            Login::Anonymous => Ok(()),
            Login::Basic if self.is_ecr() => self.check_ecr(asked),
            Login::Basic if self.knows_user(asked) => Ok(()),
            Login::Basic => Err(self.basic_challenge("stand-in")),
            Login::Bearer => self.check_bearer(asked, route),
        }
    }

    /// The realm: a token for pushing to who has a password, for pulling to who gives none.
    pub(super) fn token(&self, asked: &Asked) -> Result<Answer, Denial> {
        let access = match asked.header("authorization") {
            _ if self.mode.login() != Login::Bearer => return Err(Denial::NoSuchPage),
            None => Access::Pull,
            Some(_) if self.knows_user(asked) => Access::Push,
            Some(_) => return Err(self.basic_challenge("stand-in")),
        };
        let token = self.logins.issue(access).secret;
        Ok(Answer::json(
            200,
            &json!({"token": token, "access_token": token, "expires_in": self.logins.lifetime.as_secs()}),
        ))
    }

    fn check_ecr(&self, asked: &Asked) -> Result<(), Denial> {
        if asked.header("authorization").is_none() {
            return Err(self.basic_challenge("ecr.amazonaws.com"));
        }
        let Some((user, secret)) = basic(asked) else {
            return Err(Denial::TokenInvalid);
        };
        match self.logins.standing(&secret) {
            Standing::Expired => Err(Denial::Expired),
            Standing::Valid(_) if user == ECR_USER => Ok(()),
            Standing::Unknown | Standing::Valid(_) => Err(Denial::TokenInvalid),
        }
    }

    fn check_bearer(&self, asked: &Asked, route: &Route) -> Result<(), Denial> {
        let reading = asked.method == Method::GET || asked.method == Method::HEAD;
        let token = asked
            .header("authorization")
            .and_then(|value| value.strip_prefix("Bearer "));
        let error = match token.map(|token| self.logins.standing(token)) {
            None => "",
            Some(Standing::Valid(Access::Push)) => return Ok(()),
            Some(Standing::Valid(Access::Pull)) if reading => return Ok(()),
            Some(Standing::Valid(Access::Pull)) => ",error=\"insufficient_scope\"",
            Some(Standing::Expired | Standing::Unknown) => ",error=\"invalid_token\"",
        };
        let actions = if reading { "pull" } else { "pull,push" };
        let scope = route
            .name()
            .map(|name| format!(",scope=\"repository:{name}:{actions}\""))
            .unwrap_or_default();
        Err(Denial::Unauthorized(format!(
            "Bearer realm=\"{}/token\",service=\"{}\"{scope}{error}",
            self.origin,
            self.host()
        )))
    }

    fn knows_user(&self, asked: &Asked) -> bool {
        basic(asked)
            .is_some_and(|(user, password)| user == USER && password == self.logins.password)
    }

    fn basic_challenge(&self, service: &str) -> Denial {
        Denial::Unauthorized(format!(
            "Basic realm=\"{}/\",service=\"{service}\"",
            self.origin
        ))
    }
}

/// The user and password of a request.
fn basic(asked: &Asked) -> Option<(String, String)> {
    let encoded = asked.header("authorization")?.strip_prefix("Basic ")?;
    let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.into(), password.into()))
}

//! Asks a login realm for a token ([token specification](https://distribution.github.io/distribution/spec/auth/token/)).
//!
//! Called by a session that has none. The credential goes to the registry's own realm and to nobody else, however a
//! registry names the realm.

use std::time::{Duration, Instant};

use countersign_common::{
    Limits,
    json::{self, JsonError},
    registry::{Error, Failure},
};
use reqwest::{Client, Response, header::HeaderValue};
use url::Url;

use crate::{
    body,
    challenge::Challenge,
    clients::Towards,
    credentials::{Credential, NoCredential, header},
    egress,
    place::Place,
    session::{Access, Caller},
    throttling,
    transport::ONCE,
};

/// What a realm gave, and until when it is used.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) header: HeaderValue,
    pub(crate) ends: Instant,
}

impl Caller<'_> {
    /// Asks the realm for a token. The credential goes to the registry's own realm only.
    pub(crate) async fn exchange(
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
            Access::Delete => "pull,push,delete",
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
        let request = request.timeout(place.remaining());
        let response = self.clients.hosts.send(request, &place).await;
        let response = response.map_err(|error| Failure::Error(place.not_sent(error)))?;
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
    fn no_token(response: &Response, place: &Place) -> Failure {
        let status = response.status();
        let (registry, path) = (place.registry.clone(), place.path.clone());
        if throttling::of(response).is_some() {
            let attempts = ONCE;
            return Failure::Error(Error::Throttled { registry, attempts });
        }
        let message = body::said(response).message;
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
        if !response.status().is_success() {
            return Err(Self::no_token(&response, place));
        }
        let answer = body::read(response, self.limits.error_body, place).await;
        let answer = answer.map_err(|failure| match failure {
            // Of a login nothing is found out, however bad it is.
            Failure::Refusal(refusal) => {
                self.no_credential(NoCredential::new(&refusal.to_string()))
            }
            failure @ Failure::Error(_) => failure,
        })?;
        let document = TokenDocument::parse(&answer, self.limits).map_err(|_| {
            self.no_credential(NoCredential::new("the login realm's answer cannot be read"))
        })?;
        let token = document.token().ok_or_else(|| {
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

    fn egress(&self, url: &Url, reason: &'static str) -> Failure {
        Failure::Error(Error::Egress {
            registry: self.repository.registry(),
            target: url.origin().ascii_serialization(),
            reason,
        })
    }
}

/// What a login realm answers.
#[derive(serde::Deserialize)]
pub(crate) struct TokenDocument {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<f64>,
}

impl TokenDocument {
    pub(crate) fn parse(body: &[u8], limits: &Limits) -> Result<Self, JsonError> {
        json::from_slice(body, limits)
    }

    /// By either of its names.
    pub(crate) fn token(&self) -> Option<&str> {
        let token = self.token.as_deref().or(self.access_token.as_deref());
        token.filter(|token| !token.is_empty())
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

/// What a token lives if its answer does not say, by the token specification.
const DEFAULT_TOKEN_LIFE: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

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

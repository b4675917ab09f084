//! Amazon ECR: which hosts are it, and the login that they take.
//!
//! A wrong match would send an AWS token to a stranger, so the whole host name must match, and the registry must be on
//! HTTPS's own port.

use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, ConfigLoader, Region, retry::RetryConfig};
use aws_sdk_ecr::{Client, config::Builder};
use base64::{Engine, prelude::BASE64_STANDARD};
use countersign_common::{Repository, explain::with_causes};

use crate::{
    aws_again::{self, Throttled},
    aws_body::BodyLimit,
    credentials::{Credential, NoCredential},
};

/// A private registry in Amazon ECR.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Ecr {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) fips: bool,
    pub(crate) dual_stack: bool,
}

/// What may follow the region, by AWS's partitions.
const SUFFIXES: [&str; 9] = [
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "on.aws",
    "on.amazonwebservices.com.cn",
    "sc2s.sgov.gov",
    "c2s.ic.gov",
    "cloud.adc-e.uk",
    "csp.hci.ic.gov",
];

impl Ecr {
    /// The registry that a repository lies in, if it is one of Amazon ECR.
    pub(crate) fn of(repository: &Repository) -> Option<Self> {
        if repository.port().is_some() {
            return None;
        }
        let (account, rest) = repository.host().split_once('.')?;
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (label, rest) = match rest
            .strip_prefix("dkr.")
            .or_else(|| rest.strip_prefix("dkr-"))
        {
            Some(rest) => rest.split_once('.')?,
            None => return None,
        };
        let fips = match label {
            "ecr" => false,
            "ecr-fips" => true,
            _ => return None,
        };
        let (region, suffix) = rest.split_once('.')?;
        let known = SUFFIXES.contains(&suffix);
        (known && !region.is_empty()).then(|| Self {
            account: account.to_owned(),
            region: region.to_owned(),
            fips,
            dual_stack: suffix.starts_with("on."),
        })
    }

    /// Exchanges AWS credentials for a registry login, good for some hours.
    pub(crate) async fn login(&self) -> Result<Credential, NoCredential> {
        // The SDK itself waits without end for an endpoint that is silent.
        let exchange = tokio::time::timeout(EXCHANGE_TIME, self.exchange()).await;
        exchange.unwrap_or_else(|_| Err(NoCredential::aws("it did not answer within 8 s")))
    }

    async fn exchange(&self) -> Result<Credential, NoCredential> {
        let answer = self.api().await.get_authorization_token().send().await;
        let answer = answer.map_err(|error| match aws_again::attempts_throttled(&error) {
            Some(attempts) => NoCredential::throttled(attempts),
            None => NoCredential::aws(&with_causes(&error)),
        })?;
        let token = answer
            .authorization_data()
            .first()
            .ok_or_else(|| NoCredential::aws("the answer holds no token"))?;
        let decoded = token
            .authorization_token()
            .and_then(|token| BASE64_STANDARD.decode(token).ok());
        let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        let (user, password) = decoded
            .as_deref()
            .and_then(|text| text.split_once(':'))
            .ok_or_else(|| NoCredential::aws("the token cannot be read"))?;
        let expires = token
            .expires_at()
            .and_then(|moment| SystemTime::try_from(*moment).ok());
        Ok(Credential::expiring(
            user,
            password,
            expires.map(renewed_at),
        ))
    }
}

/// Its API, beside that of the registry.
impl Ecr {
    pub(crate) async fn api(&self) -> Client {
        self.api_with(|defaults| defaults).await
    }

    /// The same, with other settings than the SDK's. Every answer is bounded, and what is throttled is asked again.
    pub(crate) async fn api_with(&self, set: impl FnOnce(ConfigLoader) -> ConfigLoader) -> Client {
        let defaults = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .use_fips(self.fips)
            .use_dual_stack(self.dual_stack);
        let sdk = set(defaults).load().await;
        let config = Builder::from(&sdk)
            .interceptor(BodyLimit)
            .retry_classifier(Throttled);
        Client::from_conf(config.build())
    }

    pub(crate) fn account(&self) -> &str {
        &self.account
    }
}

/// Half an hour before its end; of a shorter life, after four fifths of it.
fn renewed_at(end: SystemTime) -> SystemTime {
    let life = end.duration_since(SystemTime::now()).unwrap_or_default();
    let margin = RENEWED_BEFORE.min(life / 5);
    end.checked_sub(margin).unwrap_or(end)
}

/// How long an answer of the API may take, with all that AWS credentials may need before it. Shorter than the time for one
/// image, so that it is named and not the registry.
pub(crate) const EXCHANGE_TIME: Duration = Duration::from_secs(8);

/// How often the API is asked before throttling and failures are believed: as often as fits into that time.
pub(crate) const ATTEMPTS: u32 = 3;

/// How long before its end a login is renewed.
const RENEWED_BEFORE: Duration = Duration::from_mins(30);

#[cfg(test)]
mod tests {
    use countersign_common::ImageRef;

    use super::*;

    fn ecr(host: &str) -> Option<Ecr> {
        Ecr::of(
            ImageRef::parse(&format!("{host}/app"))
                .unwrap()
                .repository(),
        )
    }

    #[test]
    fn every_form_of_an_ecr_host_is_known() {
        for (host, region, fips, dual_stack) in [
            (
                "123456789012.dkr.ecr.us-east-1.amazonaws.com",
                "us-east-1",
                false,
                false,
            ),
            (
                "123456789012.dkr.ecr.us-east-1.amazonaws.com:443",
                "us-east-1",
                false,
                false,
            ),
            (
                "123456789012.DKR.ECR.us-east-1.amazonaws.com",
                "us-east-1",
                false,
                false,
            ),
            (
                "123456789012.dkr-ecr.us-west-2.on.aws",
                "us-west-2",
                false,
                true,
            ),
            (
                "123456789012.dkr-ecr-fips.us-gov-east-1.on.aws",
                "us-gov-east-1",
                true,
                true,
            ),
            (
                "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
                "us-gov-west-1",
                true,
                false,
            ),
            (
                "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
                "cn-north-1",
                false,
                false,
            ),
            (
                "123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn",
                "cn-north-1",
                false,
                true,
            ),
            (
                "123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu",
                "eusc-de-east-1",
                false,
                false,
            ),
        ] {
            let expected = Ecr {
                account: "123456789012".to_owned(),
                region: region.to_owned(),
                fips,
                dual_stack,
            };
            assert_eq!(ecr(host), Some(expected), "{host}");
        }
    }

    #[test]
    fn a_look_alike_is_a_stranger() {
        for host in [
            "123456789012.dkr.ecr.us-east-1.amazonaws.com.fake.example.com",
            "123456789012.dkr.ecr.us-east-1.amazonaws.com.evil.tld",
            "123456789012.dkr.ecr.us-east-1.amazonaws.com:444",
            "123456789012.dkr-ecr.us-west-2.on.aws.com.cn",
            "evil.123456789012.dkr.ecr.us-east-1.amazonaws.com",
            "12345678901.dkr.ecr.us-east-1.amazonaws.com",
            "1234567890123.dkr.ecr.us-east-1.amazonaws.com",
            "a23456789012.dkr.ecr.us-east-1.amazonaws.com",
            "dkr.ecr.us-east-1.amazonaws.com",
            "123456789012.dkr.ecr.amazonaws.com",
            "123456789012.dkr.ecr.us-east-1.evil.amazonaws.com",
            "123456789012.dkr.ecrx.us-east-1.amazonaws.com",
            "123456789012.dkrxecr.us-east-1.amazonaws.com",
            "123456789012.dkr.ecr.us-east-1.amazonaws.org",
            "evil.tld/123456789012.dkr.ecr.us-east-1.amazonaws.com",
            "public.ecr.aws",
        ] {
            assert_eq!(ecr(host), None, "{host}");
        }
    }
}

//! Amazon ECR: which hosts are it, and the login that they take.
//!
//! A wrong match would send an AWS token to a stranger, so the whole host name must match, and the registry must be on
//! HTTPS's own port.

use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, Region};
use base64::{Engine, prelude::BASE64_STANDARD};
use countersign_common::Repository;

use crate::credentials::{Credential, NoCredential};

/// A private registry in Amazon ECR.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Ecr {
    region: String,
    fips: bool,
    dual_stack: bool,
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
            region: region.to_owned(),
            fips,
            dual_stack: suffix.starts_with("on."),
        })
    }

    /// Exchanges AWS credentials for a registry login, good for some hours.
    pub(crate) async fn login(&self) -> Result<Credential, NoCredential> {
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .use_fips(self.fips)
            .use_dual_stack(self.dual_stack)
            .load()
            .await;
        let answer = aws_sdk_ecr::Client::new(&config)
            .get_authorization_token()
            .send()
            .await;
        let answer = answer.map_err(|error| {
            NoCredential::aws(&aws_sdk_ecr::error::DisplayErrorContext(&error).to_string())
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
            expires.map(|moment| moment - RENEWED_BEFORE),
        ))
    }
}

/// How long before its end a login is renewed.
const RENEWED_BEFORE: Duration = Duration::from_mins(30);

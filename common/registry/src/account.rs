//! Whose AWS credentials are used: which step of the SDK's chain found them, how long they last, and who STS says that is.
//!
//! Called by `countersign doctor`. The credentials themselves are never shown, and no right is used: whoever has credentials
//! may ask whose they are.

use std::{
    env, fmt,
    time::{Duration, SystemTime},
};

use aws_config::{
    BehaviorVersion, Region, SdkConfig, environment::EnvironmentVariableRegionProvider,
    meta::region::ProvideRegion, profile::ProfileFileRegionProvider, retry::RetryConfig,
    timeout::TimeoutConfig,
};
use aws_credential_types::{
    credential_feature::AwsCredentialFeature,
    provider::{ProvideCredentials, error::CredentialsError},
};
use aws_sdk_sts::{
    Client,
    config::Builder,
    error::{ProvideErrorMetadata, SdkError},
};
use countersign_common::{
    Code, Escaped, Explain, Timestamp, explain::with_causes, registry::Cause,
};

use crate::{aws_again::Throttled, aws_body::BodyLimit};

/// The variables that name a region, the first that is set wins.
const REGION_VARIABLES: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
/// How an address of EKS's Pod Identity begins, of IPv4 and IPv6; ECS has others.
const POD_ADDRESSES: [&str; 2] = ["http://169.254.170.23", "http://[fd00:ec2::23]"];

/// A region, and who named it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FoundRegion {
    /// Its name.
    pub name: String,
    /// Where it was found.
    pub origin: RegionOrigin,
}

/// Where a region was found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RegionOrigin {
    /// In this variable.
    Environment(&'static str),
    /// In the metadata of this EC2 instance.
    Instance,
    /// In a profile of AWS's configuration file.
    Profile,
}

impl fmt::Display for RegionOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "`{name}`"),
            Self::Instance => f.write_str("the metadata of this EC2 instance"),
            Self::Profile => f.write_str("the AWS profile"),
        }
    }
}

impl FoundRegion {
    /// Looks where the SDK looks. Off EC2 its last place takes seconds.
    pub async fn find(patience: Duration) -> Option<Self> {
        let set = |name: &&str| env::var(name).is_ok_and(|value| !value.is_empty());
        let named = EnvironmentVariableRegionProvider::new().region().await;
        if let (Some(region), Some(variable)) =
            (named, REGION_VARIABLES.into_iter().find(|name| set(name)))
        {
            return Some(Self::of(&region, RegionOrigin::Environment(variable)));
        }
        if let Some(region) = ProfileFileRegionProvider::new().region().await {
            return Some(Self::of(&region, RegionOrigin::Profile));
        }
        let instance = aws_config::imds::region::ImdsRegionProvider::builder().build();
        let asked = tokio::time::timeout(patience, instance.region()).await;
        asked
            .ok()
            .flatten()
            .map(|region| Self::of(&region, RegionOrigin::Instance))
    }

    fn of(region: &Region, origin: RegionOrigin) -> Self {
        Self {
            name: region.to_string(),
            origin,
        }
    }
}

/// Where credentials were found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// The endpoint of an ECS task, or another container's.
    Container,
    /// The variables `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
    Environment,
    /// The metadata of this EC2 instance.
    Instance,
    /// EKS's Pod Identity.
    Pod,
    /// A program that the profile names.
    Process,
    /// Keys in the profile.
    Profile,
    /// A role that the profile has assumed.
    Role,
    /// Single sign-on.
    SingleSignOn,
    /// A step that is not known here.
    Unknown,
    /// A token file that is exchanged for a role, as on EKS and GitHub Actions.
    WebIdentity,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Container => "the endpoint of the container (ECS)",
            Self::Environment => "the environment (`AWS_ACCESS_KEY_ID`)",
            Self::Instance => "the metadata of this EC2 instance (IMDS)",
            Self::Pod => "EKS Pod Identity",
            Self::Process => "the program that the AWS profile names (`credential_process`)",
            Self::Profile => "keys in the AWS profile",
            Self::Role => "a role that the AWS profile assumes",
            Self::SingleSignOn => "single sign-on, by the AWS profile",
            Self::Unknown => "a step of the SDK's chain that is not known here",
            Self::WebIdentity => "a web identity, by the token in `AWS_WEB_IDENTITY_TOKEN_FILE`",
        })
    }
}

impl Step {
    /// What the SDK notes on credentials for its own statistics; it tells it nowhere else. The most particular note counts.
    fn of(noted: &[AwsCredentialFeature]) -> Self {
        use AwsCredentialFeature as Noted;
        let steps = noted.iter().map(|note| match note {
            Noted::CredentialsEnvVars => Self::Environment,
            Noted::CredentialsHttp => Self::of_container(),
            Noted::CredentialsImds => Self::Instance,
            Noted::CredentialsProcess | Noted::CredentialsProfileProcess => Self::Process,
            Noted::CredentialsProfile | Noted::CredentialsProfileSourceProfile => Self::Profile,
            Noted::CredentialsSso
            | Noted::CredentialsProfileSso
            | Noted::CredentialsLogin
            | Noted::CredentialsProfileLogin => Self::SingleSignOn,
            Noted::CredentialsStsAssumeRole => Self::Role,
            Noted::CredentialsEnvVarsStsWebIdToken
            | Noted::CredentialsProfileStsWebIdToken
            | Noted::CredentialsStsAssumeRoleWebId => Self::WebIdentity,
            _ => Self::Unknown,
        });
        let particular: Vec<_> = steps.filter(|step| *step != Self::Unknown).collect();
        // A profile notes what it used, and then itself; of a chain of roles the last one is what acts.
        let acts = particular.iter().rev().find(|step| **step != Self::Profile);
        acts.or(particular.last()).copied().unwrap_or(Self::Unknown)
    }

    fn of_container() -> Self {
        let uri = env::var("AWS_CONTAINER_CREDENTIALS_FULL_URI").unwrap_or_default();
        let is_pod = POD_ADDRESSES.iter().any(|begin| uri.starts_with(begin));
        if is_pod { Self::Pod } else { Self::Container }
    }
}

/// What is known of credentials without using them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FoundCredentials {
    /// Where they were found.
    pub step: Step,
    /// When they end; those that do not are open here.
    pub ends: Option<Timestamp>,
}

/// Whose credentials they are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Caller {
    /// The ARN of the user, or of the session of a role.
    pub arn: String,
    /// The account.
    pub account: String,
}

/// The account that the environment's credentials act in, in one region.
#[derive(Clone, Debug)]
pub struct Account {
    sdk: SdkConfig,
    timeout: Duration,
}

impl Account {
    /// Reads the environment and the AWS profile. No request is sent yet.
    pub async fn of_environment(region: &str, timeout: Duration) -> Self {
        let sdk = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .retry_config(RetryConfig::standard())
            .timeout_config(TimeoutConfig::builder().operation_timeout(timeout).build())
            .load()
            .await;
        Self { sdk, timeout }
    }

    /// The credentials that every request will use.
    pub async fn credentials(&self) -> Result<FoundCredentials, NoCredentials> {
        let provider = self.sdk.credentials_provider().ok_or(NoCredentials::None)?;
        let found = tokio::time::timeout(self.timeout, provider.provide_credentials()).await;
        let found = found.map_err(|_| NoCredentials::TimedOut {
            seconds: self.timeout.as_secs(),
        })??;
        let noted = found.get_property::<Vec<AwsCredentialFeature>>();
        Ok(FoundCredentials {
            step: Step::of(noted.map(Vec::as_slice).unwrap_or_default()),
            ends: found.expiry().and_then(timestamp),
        })
    }

    /// Asks STS who that is.
    pub async fn caller(&self) -> Result<Caller, CallerError> {
        let config = Builder::from(&self.sdk)
            .interceptor(BodyLimit)
            .retry_classifier(Throttled);
        let asked = Client::from_conf(config.build())
            .get_caller_identity()
            .send();
        // The SDK itself waits without end for credentials that do not come.
        let answer = tokio::time::timeout(self.timeout, asked).await;
        let answer = answer.map_err(|_| self.timed_out())?;
        let answer = answer.map_err(|error| match &error {
            SdkError::TimeoutError(_) => self.timed_out(),
            SdkError::ServiceError(said) if said.raw().status().as_u16() < 500 => {
                CallerError::Rejected {
                    name: said.err().code().unwrap_or("no name").to_owned(),
                    message: said.err().message().unwrap_or_default().to_owned(),
                }
            }
            _ => CallerError::Unreachable {
                source: with_causes(&error).into(),
            },
        })?;
        let is_plain = |name: &String| name.bytes().all(|byte| byte.is_ascii_graphic());
        match (answer.arn.filter(is_plain), answer.account.filter(is_plain)) {
            // Statements for people to paste name it.
            (Some(arn), Some(account)) if arn.starts_with("arn:") => Ok(Caller { arn, account }),
            _ => Err(CallerError::Unreachable {
                source: "its answer names nobody".into(),
            }),
        }
    }

    fn timed_out(&self) -> CallerError {
        CallerError::TimedOut {
            seconds: self.timeout.as_secs(),
        }
    }
}

fn timestamp(time: SystemTime) -> Option<Timestamp> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Timestamp::from_unix_seconds(i64::try_from(since.as_secs()).ok()?)
}

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoCredentials {
    /// A step has some, and they could not be had.
    #[error("the AWS credentials could not be had: {}", Escaped(&source.to_string()))]
    Failed {
        /// What the step said.
        source: Cause,
    },
    /// What the environment or the profile says makes no sense.
    #[error(
        "the configuration of AWS credentials cannot be used: {}",
        Escaped(reason)
    )]
    Invalid {
        /// What is wrong with it.
        reason: String,
    },
    /// No step has any.
    #[error(
        "there are no AWS credentials: not in the environment, not in the AWS profile, no web identity, no container's and no EC2 instance's"
    )]
    None,
    /// Not in time.
    #[error("the AWS credentials could not be had within {seconds} s")]
    TimedOut {
        /// How long was waited.
        seconds: u64,
    },
}

impl From<CredentialsError> for NoCredentials {
    fn from(error: CredentialsError) -> Self {
        match error {
            CredentialsError::CredentialsNotLoaded(_) => Self::None,
            CredentialsError::InvalidConfiguration(_) => Self::Invalid {
                reason: with_causes(&error),
            },
            _ => Self::Failed {
                source: with_causes(&error).into(),
            },
        }
    }
}

impl Explain for NoCredentials {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::Failed { .. } | Self::TimedOut { .. } => "aws-credentials-unavailable",
            Self::Invalid { .. } => "aws-credentials-invalid",
            Self::None => "aws-credentials-missing",
        })
    }

    fn remedy(&self) -> String {
        match self {
            Self::Failed { .. } | Self::TimedOut { .. } => {
                "log in again (`aws sso login`), or mend the step that it names; `AWS_EC2_METADATA_DISABLED=true` passes over EC2's"
            }
            Self::Invalid { .. } => "mend the AWS profile, or name another with `AWS_PROFILE`",
            Self::None => {
                "log in with `aws sso login`, name a profile with `AWS_PROFILE`, or let the role of the machine, pod or pipeline be assumed"
            }
        }
        .to_owned()
    }
}

/// Why STS did not say whose credentials they are.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallerError {
    /// It does not accept them.
    #[error(
        "AWS does not accept the credentials: {}: {}",
        Escaped(name),
        Escaped(message)
    )]
    Rejected {
        /// The error's name.
        name: String,
        /// What it said.
        message: String,
    },
    /// Not in time.
    #[error("STS did not answer within {seconds} s")]
    TimedOut {
        /// How long was waited.
        seconds: u64,
    },
    /// No connection, or the service is failing.
    #[error("STS could not be asked whose the credentials are: {}", Escaped(&source.to_string()))]
    Unreachable {
        /// What went wrong.
        source: Cause,
    },
}

impl CallerError {
    /// Whether it was found out that they are no good. A clock that is wrong and throttling pass.
    pub fn is_refusal(&self) -> bool {
        const REFUSED: [&str; 5] = [
            "AccessDenied",
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidClientTokenId",
            "SignatureDoesNotMatch",
        ];
        matches!(self, Self::Rejected { name, .. } if REFUSED.contains(&name.as_str()))
    }
}

impl Explain for CallerError {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::Rejected { .. } => "aws-credentials-rejected",
            Self::TimedOut { .. } | Self::Unreachable { .. } => "sts-unavailable",
        })
    }

    fn remedy(&self) -> String {
        match self {
            Self::Rejected { .. } => {
                "renew the credentials (`aws sso login`, or a new session of the role); check the clock of this machine"
            }
            Self::TimedOut { .. } | Self::Unreachable { .. } => {
                "check the network and `HTTPS_PROXY`; in a closed VPC make an endpoint for STS"
            }
        }
        .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_that_acts_is_told_and_not_the_profile_around_it() {
        use AwsCredentialFeature as Noted;
        for (noted, step) in [
            (vec![Noted::CredentialsEnvVars], Step::Environment),
            (vec![Noted::CredentialsProfile], Step::Profile),
            (
                vec![Noted::CredentialsProcess, Noted::CredentialsProfile],
                Step::Process,
            ),
            (
                vec![Noted::CredentialsSso, Noted::CredentialsProfile],
                Step::SingleSignOn,
            ),
            (
                vec![
                    Noted::CredentialsEnvVars,
                    Noted::CredentialsStsAssumeRole,
                    Noted::CredentialsProfile,
                ],
                Step::Role,
            ),
            (
                vec![Noted::CredentialsProfileStsWebIdToken],
                Step::WebIdentity,
            ),
            (vec![Noted::CredentialsImds], Step::Instance),
            (
                vec![Noted::ResolvedAccountId, Noted::CredentialsEnvVars],
                Step::Environment,
            ),
            (vec![], Step::Unknown),
        ] {
            assert_eq!(Step::of(&noted), step, "{noted:?}");
        }
    }
}

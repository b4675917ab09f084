//! A repository in Amazon ECR as its control plane knows it: its ARN, whether its tags can be moved, its lifecycle policy.
//!
//! Called by `countersign doctor`, which alone needs these rights. Nothing is changed here, and nothing is judged.

use std::time::Duration;

use aws_config::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_ecr::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    types::ImageTagMutability,
};
use countersign_common::{Escaped, Repository, explain::with_causes, registry::Cause};

use crate::ecr::Ecr;

/// A repository in a private registry of Amazon ECR.
#[derive(Clone, Debug)]
pub struct EcrRepository {
    ecr: Ecr,
    name: String,
    timeout: Duration,
}

/// Whether tags can be moved, by AWS's name for it, and the patterns of those that are excepted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TagMutability {
    /// `MUTABLE`, `IMMUTABLE`, or either with exclusions.
    pub setting: Mutability,
    /// The exclusions; a `*` is any run of characters.
    pub exclusions: Vec<String>,
}

/// Whether tags can be moved.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mutability {
    /// They cannot, but for those that are excepted.
    Immutable,
    /// They can, but for those that are excepted.
    Mutable,
}

/// The rules by which images expire.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Lifecycle {
    /// There are none.
    Absent,
    /// They are in this JSON text, which AWS has checked and nobody here.
    Text(String),
}

impl EcrRepository {
    /// The repository, if it is one of Amazon ECR. The timeout holds for one call with its retries.
    pub fn of(repository: &Repository, timeout: Duration) -> Option<Self> {
        Some(Self {
            ecr: Ecr::of(repository)?,
            name: repository.path().to_owned(),
            timeout,
        })
    }

    /// The account of its registry.
    pub fn account(&self) -> &str {
        &self.ecr.account
    }

    /// Its region.
    pub fn region(&self) -> &str {
        &self.ecr.region
    }

    /// Its ARN, which policies name.
    pub fn arn(&self) -> String {
        let Ecr {
            region, account, ..
        } = &self.ecr;
        let partition = partition(region);
        format!(
            "arn:{partition}:ecr:{region}:{account}:repository/{}",
            self.name
        )
    }

    /// Asks for a login and throws it away: whether it is given.
    pub async fn log_in(&self) -> Result<(), EcrFailure> {
        let call = Call("ecr:GetAuthorizationToken", self.timeout);
        let client = self.client().await;
        call.within(client.get_authorization_token().send())
            .await
            .map(|_| ())
    }

    /// Whether its tags can be moved.
    pub async fn tag_mutability(&self) -> Result<TagMutability, EcrFailure> {
        let call = Call("ecr:DescribeRepositories", self.timeout);
        let client = self.client().await;
        let asked = client
            .describe_repositories()
            .registry_id(self.account())
            .repository_names(&self.name);
        let answer = call.within(asked.send()).await?;
        let described = answer
            .repositories()
            .iter()
            .find(|described| described.repository_name() == Some(&self.name));
        let described = described.ok_or_else(|| call.failed("its answer is about another one"))?;
        let setting = match described.image_tag_mutability() {
            Some(ImageTagMutability::Immutable | ImageTagMutability::ImmutableWithExclusion) => {
                Mutability::Immutable
            }
            Some(ImageTagMutability::Mutable | ImageTagMutability::MutableWithExclusion) => {
                Mutability::Mutable
            }
            _ => return Err(call.failed("its answer does not say whether tags can be moved")),
        };
        let exclusions = described.image_tag_mutability_exclusion_filters().iter();
        Ok(TagMutability {
            setting,
            exclusions: exclusions.map(|filter| filter.filter.clone()).collect(),
        })
    }

    /// Its lifecycle policy.
    pub async fn lifecycle(&self) -> Result<Lifecycle, EcrFailure> {
        let call = Call("ecr:GetLifecyclePolicy", self.timeout);
        let client = self.client().await;
        let asked = client
            .get_lifecycle_policy()
            .registry_id(self.account())
            .repository_name(&self.name);
        match call.within(asked.send()).await {
            Ok(answer) => match answer.lifecycle_policy_text {
                Some(text) => Ok(Lifecycle::Text(text)),
                None => Err(call.failed("its answer holds no policy")),
            },
            Err(EcrFailure::Answered { name, .. })
                if name == "LifecyclePolicyNotFoundException" =>
            {
                Ok(Lifecycle::Absent)
            }
            Err(failure) => Err(failure),
        }
    }

    async fn client(&self) -> Client {
        let timeout = TimeoutConfig::builder().operation_timeout(self.timeout);
        self.ecr
            .api_with(|defaults| {
                defaults
                    .retry_config(RetryConfig::standard())
                    .timeout_config(timeout.build())
            })
            .await
    }
}

/// The AWS partition of a region, with which its ARNs begin.
pub fn partition(region: &str) -> &'static str {
    const PARTITIONS: [(&str, &str); 7] = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("eusc-", "aws-eusc"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("eu-isoe-", "aws-iso-e"),
        ("us-isof-", "aws-iso-f"),
    ];
    let known = PARTITIONS
        .iter()
        .find(|(begin, _)| region.starts_with(begin));
    known.map_or("aws", |(_, partition)| partition)
}

/// One call: its IAM action, and how long it may take.
#[derive(Clone, Copy)]
struct Call(&'static str, Duration);

impl Call {
    async fn within<T, E>(
        self,
        asked: impl Future<Output = Result<T, SdkError<E>>>,
    ) -> Result<T, EcrFailure>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        // The SDK itself waits without end for an endpoint that is silent.
        match tokio::time::timeout(self.1, asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(SdkError::TimeoutError(_))) | Err(_) => {
                Err(self.failed(&format!("it did not answer within {} s", self.1.as_secs())))
            }
            Ok(Err(error)) => Err(self.said(&error)),
        }
    }

    fn said<E>(self, error: &SdkError<E>) -> EcrFailure
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let SdkError::ServiceError(answer) = error else {
            return self.failed(&with_causes(error));
        };
        let name = answer.err().code().unwrap_or_default();
        let message = answer.err().message().unwrap_or_default();
        match name {
            "AccessDenied" | "AccessDeniedException" => EcrFailure::Denied {
                action: self.0,
                message: message.to_owned(),
            },
            "LifecyclePolicyNotFoundException" | "RepositoryNotFoundException" => {
                EcrFailure::Answered {
                    name: name.to_owned(),
                    message: message.to_owned(),
                }
            }
            _ => self.failed(format!("{name} {message}").trim()),
        }
    }

    fn failed(self, said: &str) -> EcrFailure {
        EcrFailure::Unavailable {
            action: self.0,
            source: said.into(),
        }
    }
}

/// Why Amazon ECR did not say.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EcrFailure {
    /// It answered that something is not there.
    #[error("Amazon ECR says: {}", Escaped(message))]
    Answered {
        /// The error's name.
        name: String,
        /// What it said.
        message: String,
    },
    /// The caller may not.
    #[error("`{action}` is missing ({})", Escaped(message))]
    Denied {
        /// The IAM action.
        action: &'static str,
        /// What it said; names the caller.
        message: String,
    },
    /// Not found out.
    #[error("Amazon ECR could not be asked (`{action}`): {}", Escaped(&source.to_string()))]
    Unavailable {
        /// The IAM action.
        action: &'static str,
        /// What went wrong.
        source: Cause,
    },
}

#[cfg(test)]
mod tests {
    use countersign_common::ImageRef;

    use super::*;

    fn arn(host: &str) -> Option<String> {
        let image = ImageRef::parse(&format!("{host}/shop/api")).unwrap();
        EcrRepository::of(image.repository(), Duration::ZERO).map(|repository| repository.arn())
    }

    #[test]
    fn an_arn_is_of_the_partition_of_its_region() {
        for (host, begin) in [
            (
                "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
                "arn:aws:ecr:eu-west-1",
            ),
            (
                "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
                "arn:aws-cn:ecr:cn-north-1",
            ),
            (
                "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
                "arn:aws-us-gov:ecr:us-gov-west-1",
            ),
            (
                "123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu",
                "arn:aws-eusc:ecr:eusc-de-east-1",
            ),
        ] {
            let arn = arn(host).unwrap();
            assert_eq!(arn, format!("{begin}:123456789012:repository/shop/api"));
        }
        assert_eq!(arn("registry.example"), None);
    }
}

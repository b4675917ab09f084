//! The part of ECR's API that a pipeline calls before it talks to the registry: the login token, the repositories and their
//! lifecycle policies.
//! Called through the AWS listener. Images themselves are only in the registry.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    ACCOUNT,
    aws::{AwsError, parse, unknown_operation},
    registry::{Access, Mutability, Registry, RepositorySummary},
};

/// ECR's API over the registry's repositories.
#[derive(Debug)]
pub(crate) struct Ecr {
    pub(crate) region: String,
    pub(crate) registry: Arc<Registry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateRepository {
    repository_name: String,
    #[serde(default)]
    image_tag_mutability: Option<String>,
    #[serde(default)]
    image_tag_mutability_exclusion_filters: Vec<ExclusionFilter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribeRepositories {
    #[serde(default)]
    repository_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LifecyclePolicy {
    repository_name: String,
    #[serde(default)]
    lifecycle_policy_text: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExclusionFilter {
    filter: String,
    filter_type: String,
}

impl Ecr {
    pub(crate) fn call(&self, operation: &str, body: &[u8]) -> Result<Value, AwsError> {
        match operation {
            "CreateRepository" => self.create_repository(parse(body)?),
            "DescribeRepositories" => self.describe_repositories(parse(body)?),
            "DeleteLifecyclePolicy" => {
                let request: LifecyclePolicy = parse(body)?;
                self.lifecycle_policy(&request.repository_name, Option::take)
            }
            "GetAuthorizationToken" => Ok(self.authorization_token()),
            "GetLifecyclePolicy" => {
                let request: LifecyclePolicy = parse(body)?;
                self.lifecycle_policy(&request.repository_name, |kept| kept.clone())
            }
            "PutLifecyclePolicy" => self.put_lifecycle_policy(parse(body)?),
            _ => Err(unknown_operation(operation)),
        }
    }

    fn authorization_token(&self) -> Value {
        let grant = self.registry.logins().issue(Access::Push);
        let token = STANDARD.encode(format!("AWS:{}", grant.secret));
        json!({"authorizationData": [{
            "authorizationToken": token,
            "expiresAt": grant.expires.as_secs(),
            "proxyEndpoint": self.registry.origin(),
        }]})
    }

    fn create_repository(&self, request: CreateRepository) -> Result<Value, AwsError> {
        let mutability = request.mutability()?;
        let name = request.repository_name;
        if !self.registry.create_repository(&name, mutability) {
            let message = format!(
                "The repository with name '{name}' already exists in the registry with id '{ACCOUNT}'"
            );
            return Err(AwsError::new("RepositoryAlreadyExistsException", message));
        }
        let summary = self.registry.repository(&name).ok_or_else(|| {
            AwsError::new(
                "InvalidParameterException",
                format!("'{name}' is no repository name"),
            )
        })?;
        Ok(json!({"repository": self.description(&summary)}))
    }

    fn describe_repositories(&self, request: DescribeRepositories) -> Result<Value, AwsError> {
        let names = match request.repository_names {
            names if names.is_empty() => self.registry.repository_names(),
            names => names,
        };
        let described = names
            .iter()
            .map(|name| {
                let summary = self
                    .registry
                    .repository(name)
                    .ok_or_else(|| missing(name))?;
                Ok(self.description(&summary))
            })
            .collect::<Result<Vec<_>, AwsError>>()?;
        Ok(json!({"repositories": described}))
    }

    fn put_lifecycle_policy(&self, request: LifecyclePolicy) -> Result<Value, AwsError> {
        let text = request.lifecycle_policy_text;
        if serde_json::from_str::<Value>(&text).is_err() {
            let message = "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation failure'";
            return Err(AwsError::new("InvalidParameterException", message));
        }
        self.lifecycle_policy(&request.repository_name, |kept| {
            *kept = Some(text);
            kept.clone()
        })
    }

    /// Does something with the policy of a repository, and shows what it came to.
    fn lifecycle_policy(
        &self,
        name: &str,
        act: impl FnOnce(&mut Option<String>) -> Option<String>,
    ) -> Result<Value, AwsError> {
        let kept = self.registry.lifecycle(name, act);
        let text = kept.ok_or_else(|| missing(name))?.ok_or_else(|| {
            let message = format!(
                "Lifecycle policy does not exist for the repository with name '{name}' in the registry with id '{ACCOUNT}'"
            );
            AwsError::new("LifecyclePolicyNotFoundException", message)
        })?;
        Ok(json!({
            "registryId": ACCOUNT,
            "repositoryName": name,
            "lifecyclePolicyText": text,
        }))
    }

    fn description(&self, summary: &RepositorySummary) -> Value {
        let name = &summary.name;
        let filters: Vec<_> = summary
            .mutability
            .exclusions()
            .iter()
            .map(|filter| json!({"filterType": "WILDCARD", "filter": filter}))
            .collect();
        let mut description = json!({
            "repositoryArn": format!("arn:aws:ecr:{}:{ACCOUNT}:repository/{name}", self.region),
            "registryId": ACCOUNT,
            "repositoryName": name,
            "repositoryUri": format!("{}/{name}", self.registry.host()),
            "createdAt": summary.created.as_secs(),
            "imageTagMutability": summary.mutability.name(),
            "imageScanningConfiguration": {"scanOnPush": false},
            "encryptionConfiguration": {"encryptionType": "AES256"},
        });
        if let (Value::Object(members), false) = (&mut description, filters.is_empty()) {
            members.insert("imageTagMutabilityExclusionFilters".into(), filters.into());
        }
        description
    }
}

impl CreateRepository {
    fn mutability(&self) -> Result<Mutability, AwsError> {
        let filters = &self.image_tag_mutability_exclusion_filters;
        if let Some(other) = filters
            .iter()
            .find(|filter| filter.filter_type != "WILDCARD")
        {
            let message = format!("'{}' is no filter type", other.filter_type);
            return Err(AwsError::new("InvalidParameterException", message));
        }
        let name = self.image_tag_mutability.as_deref().unwrap_or("MUTABLE");
        let filters = filters.iter().map(|filter| filter.filter.clone()).collect();
        Mutability::parse(name, filters).ok_or_else(|| {
            let message = format!("'{name}' with these exclusion filters is no tag mutability");
            AwsError::new("InvalidParameterException", message)
        })
    }
}

fn missing(name: &str) -> AwsError {
    let message = format!(
        "The repository with name '{name}' does not exist in the registry with id '{ACCOUNT}'"
    );
    AwsError::new("RepositoryNotFoundException", message)
}

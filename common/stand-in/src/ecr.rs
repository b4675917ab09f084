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
    registry::{Access, Mutability, Registry, RepositorySummary, StorageClass},
};

/// The most entries in one page of referrers.
const PAGE: usize = 50;

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
struct ListImageReferrers {
    repository_name: String,
    subject_id: ImageId,
    #[serde(default)]
    filter: ReferrersFilter,
    #[serde(default)]
    max_results: Option<usize>,
    #[serde(default)]
    next_token: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReferrersFilter {
    #[serde(default)]
    artifact_types: Vec<String>,
    #[serde(default)]
    artifact_status: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImageId {
    image_digest: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UpdateImageStorageClass {
    repository_name: String,
    image_id: ImageId,
    target_storage_class: String,
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
            "ListImageReferrers" => self.list_image_referrers(parse(body)?),
            "UpdateImageStorageClass" => self.update_image_storage_class(&parse(body)?),
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

    fn list_image_referrers(&self, request: ListImageReferrers) -> Result<Value, AwsError> {
        let name = &request.repository_name;
        let mut entries = self
            .registry
            .referrers_of_any_status(name, &request.subject_id.image_digest)
            .ok_or_else(|| missing(name))?;
        let member = |entry: &Value, name: &str| entry.get(name).cloned().unwrap_or_default();
        let ReferrersFilter {
            artifact_types,
            artifact_status,
        } = request.filter;
        let status = artifact_status.unwrap_or_else(|| "ACTIVE".into());
        entries.retain(|entry| {
            let kind = member(entry, "artifactType");
            let is_wanted = |wanted: &String| kind == wanted.as_str();
            (status == "ANY" || member(entry, "artifactStatus") == status.as_str())
                && (artifact_types.is_empty() || artifact_types.iter().any(is_wanted))
        });
        let first = request.next_token.and_then(|token| token.parse().ok());
        let first: usize = first.unwrap_or(0).min(entries.len());
        let size = request.max_results.unwrap_or(PAGE).clamp(1, PAGE);
        let mut page = entries.split_off(first);
        let rest = page.split_off(page.len().min(size));
        let mut answer = json!({ "referrers": page });
        if let (Value::Object(members), false) = (&mut answer, rest.is_empty()) {
            members.insert("nextToken".into(), (first + size).to_string().into());
        }
        Ok(answer)
    }

    fn update_image_storage_class(
        &self,
        request: &UpdateImageStorageClass,
    ) -> Result<Value, AwsError> {
        let (name, digest) = (&request.repository_name, &request.image_id.image_digest);
        let (storage, status) = match request.target_storage_class.as_str() {
            "ARCHIVE" => (StorageClass::Archive, "ARCHIVED"),
            "STANDARD" => (StorageClass::Standard, "ACTIVE"),
            other => {
                let message = format!("'{other}' is no storage class");
                return Err(AwsError::new("InvalidParameterException", message));
            }
        };
        if !self.registry.archive(name, digest, storage) {
            let message = format!("There is no image '{digest}' in the repository '{name}'");
            return Err(AwsError::new("ImageNotFoundException", message));
        }
        Ok(json!({
            "registryId": ACCOUNT,
            "repositoryName": name,
            "imageId": {"imageDigest": digest},
            "imageStatus": status,
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

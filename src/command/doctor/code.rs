//! What is looked at: the code of each finding, whatever was found out. The checks use them; none is made up elsewhere.

use countersign_common::Code;

pub(super) const AUTHORITY: Code = Code::new("authority");
pub(super) const AUTHORITY_TRUSTED: Code = Code::new("authority-trusted");
pub(super) const AWS_CALLER: Code = Code::new("aws-caller");
pub(super) const AWS_CREDENTIALS: Code = Code::new("aws-credentials");
pub(super) const AWS_REGION: Code = Code::new("aws-region");
pub(super) const CLOCK: Code = Code::new("clock");
pub(super) const CONFIGURATION: Code = Code::new("configuration");
pub(super) const ECR_LIFECYCLE: Code = Code::new("ecr-lifecycle");
pub(super) const ECR_LOGIN: Code = Code::new("ecr-login");
pub(super) const ECR_TAGS: Code = Code::new("ecr-tags");
pub(super) const KEY_FILE: Code = Code::new("key-file");
pub(super) const KEY_ORIGIN: Code = Code::new("key-origin");
pub(super) const KEY_SPEC: Code = Code::new("key-spec");
pub(super) const KEY_STATE: Code = Code::new("key-state");
pub(super) const KEY_TRUSTED: Code = Code::new("key-trusted");
pub(super) const KMS_DESCRIBE_KEY: Code = Code::new("kms-describe-key");
pub(super) const KMS_GET_PUBLIC_KEY: Code = Code::new("kms-get-public-key");
pub(super) const KMS_SIGN: Code = Code::new("kms-sign");
pub(super) const NETWORK: Code = Code::new("network");
pub(super) const POLICY: Code = Code::new("policy");
pub(super) const REGISTRY_BLOB: Code = Code::new("registry-blob");
pub(super) const REGISTRY_BLOB_CHECK: Code = Code::new("registry-blob-check");
pub(super) const REGISTRY_MANIFEST: Code = Code::new("registry-manifest");
pub(super) const REGISTRY_PUSH: Code = Code::new("registry-push");
pub(super) const REGISTRY_REFERRERS: Code = Code::new("registry-referrers");
pub(super) const REGISTRY_UPLOAD: Code = Code::new("registry-upload");
pub(super) const STATE: Code = Code::new("state");
pub(super) const TRUST_ROOT: Code = Code::new("trust-root");

variable "name" {
  description = "Name of the alias, and beginning of the names of the role and the policies."
  type        = string
  default     = "countersign"
}

variable "key_spec" {
  description = "Kind of key. Every verifier knows ECC_NIST_P256; the README says which others cosign verifies."
  type        = string
  default     = "ECC_NIST_P256"

  validation {
    condition     = contains(keys(module.policies.signing), var.key_spec)
    error_message = "The key_spec must be one that signs images: ${join(", ", keys(module.policies.signing))}."
  }
}

variable "multi_region" {
  description = "Whether the key may be replicated to other regions. It cannot be changed later."
  type        = bool
  default     = false
}

variable "deletion_window" {
  description = "Days between an order to delete the key and its deletion."
  type        = number
  default     = 30

  validation {
    condition     = var.deletion_window >= 7 && var.deletion_window <= 30
    error_message = "The deletion_window must be 7 to 30 days."
  }
}

variable "administrator_arns" {
  description = "Roles that administer the key, and cannot sign with it: the one that runs Terraform among them. Without any, whoever the account's IAM policies allow."
  type        = list(string)
  default     = []
}

variable "public_key_reader_arns" {
  description = "Principals, of other accounts too, that may read the public key. Verifiers with a public key file need no such right."
  type        = list(string)
  default     = []
}

variable "signer_principal_arns" {
  description = "Roles that exist already and may sign, besides the role that is made here. Attach signer_policy_arn to them."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.signer_principal_arns : strcontains(arn, ":role/") && !strcontains(arn, "*")])
    error_message = "Each of signer_principal_arns must be the ARN of one role, without wildcards: only roles have credentials that end by themselves."
  }
}

variable "github_subjects" {
  description = "Workflows of GitHub Actions that may sign, each by its exact subject, such as repo:ORG/REPO:environment:release."
  type        = list(string)
  default     = []

  validation {
    condition = alltrue([
      for subject in var.github_subjects :
      startswith(subject, "repo:") && !strcontains(subject, "*") && !strcontains(subject, "?") && !endswith(subject, ":pull_request")
    ])
    error_message = "Each of github_subjects must name one branch, tag or environment, such as repo:ORG/REPO:environment:release: no wildcards, and no pull requests, which anybody can open."
  }
}

variable "github_oidc_provider_arn" {
  description = "The account's identity provider for token.actions.githubusercontent.com; made here if it is not named."
  type        = string
  default     = null
}

variable "gitlab_subjects" {
  description = "Jobs of GitLab that may sign, each by its exact subject, such as project_path:GROUP/PROJECT:ref_type:branch:ref:main."
  type        = list(string)
  default     = []

  validation {
    condition = alltrue([
      for subject in var.gitlab_subjects :
      startswith(subject, "project_path:") && strcontains(subject, ":ref:") && !strcontains(subject, "*") && !strcontains(subject, "?")
    ])
    error_message = "Each of gitlab_subjects must name one branch or tag, such as project_path:GROUP/PROJECT:ref_type:branch:ref:main, without wildcards."
  }
}

variable "gitlab_host" {
  description = "Host of GitLab."
  type        = string
  default     = "gitlab.com"
}

variable "gitlab_audience" {
  description = "The audience of the jobs' tokens: COUNTERSIGN_AUDIENCE of the GitLab template."
  type        = string
  default     = "sts.amazonaws.com"
}

variable "gitlab_oidc_provider_arn" {
  description = "The account's identity provider for gitlab_host; made here if it is not named."
  type        = string
  default     = null
}

variable "codebuild_project_arns" {
  description = "Projects of CodeBuild, of this account, whose service role the signers' role is. Attach to it what else their builds need, such as to write logs."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.codebuild_project_arns : strcontains(arn, ":project/") && !strcontains(arn, "*")])
    error_message = "Each of codebuild_project_arns must be the ARN of one project, without wildcards."
  }
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of the role that is made here."
  type        = string
  default     = null
}

variable "repository_arns" {
  description = "Repositories in ECR that exist already, whose images are signed and verified."
  type        = list(string)
  default     = []
}

variable "repositories" {
  description = "Names of repositories to make in ECR, whose tags are immutable."
  type        = set(string)
  default     = []
}

variable "fallback_tags" {
  description = "Whether tags sha256-… may be overwritten in the repositories made here. Only clients that do not know the referrers API need it, and whoever may push can then hide signatures from them."
  type        = bool
  default     = false
}

variable "expire_tags" {
  description = "Days after which images expire in the repositories made here, by the pattern of their tags, such as { \"dev-*\" = 30 }. Signatures expire with their image."
  type        = map(number)
  default     = {}

  validation {
    condition = alltrue([
      for pattern in keys(var.expire_tags) :
      !startswith("sha256-", split("*", pattern)[0]) && !startswith(pattern, "sha256-")
    ])
    error_message = "No pattern of expire_tags may match sha256-…, where signatures can lie: begin it with other letters."
  }
}

variable "alarm_target_arns" {
  description = "Where it is told that somebody unexpected used the key: topics of SNS, queues, … whose policies let events.amazonaws.com write. Without any there is no alarm. CloudTrail must log management events."
  type        = list(string)
  default     = []
}

variable "tags" {
  description = "Tags of everything that is made here."
  type        = map(string)
  default     = {}
}

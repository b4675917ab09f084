variable "partition" {
  description = "The partition of AWS, such as aws or aws-us-gov."
  type        = string
}

variable "account_id" {
  description = "The account that the key is in."
  type        = string
}

variable "key_arn" {
  description = "The key."
  type        = string
}

variable "key_spec" {
  description = "Kind of key."
  type        = string
}

variable "administrator_arns" {
  description = "Who administers the key; the account's IAM policies decide where nobody is named."
  type        = list(string)
}

variable "public_key_reader_arns" {
  description = "Who else may read the public key."
  type        = list(string)
}

variable "signer_arns" {
  description = "The roles that may sign, and nobody else."
  type        = list(string)

  validation {
    condition     = length(var.signer_arns) > 0
    error_message = "Nobody may sign: name github_subjects, gitlab_subjects, codebuild_project_arns or signer_principal_arns."
  }
}

variable "repository_arns" {
  description = "The repositories whose images are signed and verified."
  type        = list(string)

  validation {
    condition     = length(var.repository_arns) > 0
    error_message = "There is nothing to sign: name repository_arns or repositories."
  }
}

variable "github_provider_arn" {
  description = "The identity provider for GitHub Actions."
  type        = string
}

variable "github_subjects" {
  description = "Workflows that may sign, by their exact subjects."
  type        = list(string)
}

variable "gitlab_provider_arn" {
  description = "The identity provider for GitLab."
  type        = string
}

variable "gitlab_host" {
  description = "Host of GitLab."
  type        = string
}

variable "gitlab_audience" {
  description = "The audience of the jobs' tokens."
  type        = string
}

variable "gitlab_subjects" {
  description = "Jobs that may sign, by their exact subjects."
  type        = list(string)
}

variable "codebuild_project_arns" {
  description = "Projects of CodeBuild that may sign."
  type        = list(string)
}

variable "expire_tags" {
  description = "Days after which images expire, by the pattern of their tags."
  type        = map(number)
}

# A signing key, who may use it, and who may verify. The documents themselves are in policies/, which needs no provider.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition

  makes_role = length(concat(var.github_subjects, var.gitlab_subjects, var.codebuild_project_arns)) > 0
  # Not from the role itself: the policy of the role names the key, whose policy names the role.
  role_name = "${var.name}-signer"
  role_arns = local.makes_role ? ["arn:${local.partition}:iam::${local.account}:role/${local.role_name}"] : []
}

module "policies" {
  source = "./policies"

  partition              = local.partition
  account_id             = local.account
  key_arn                = aws_kms_key.signing.arn
  key_spec               = var.key_spec
  administrator_arns     = var.administrator_arns
  public_key_reader_arns = var.public_key_reader_arns
  signer_arns            = concat(local.role_arns, var.signer_principal_arns)
  repository_arns        = concat(var.repository_arns, [for repository in aws_ecr_repository.images : repository.arn])
  github_provider_arn    = local.github_provider_arn
  github_subjects        = var.github_subjects
  gitlab_provider_arn    = local.gitlab_provider_arn
  gitlab_host            = var.gitlab_host
  gitlab_audience        = var.gitlab_audience
  gitlab_subjects        = var.gitlab_subjects
  codebuild_project_arns = var.codebuild_project_arns
  expire_tags            = var.expire_tags
}

resource "aws_kms_key" "signing" {
  description              = "Signs container images (${var.name})"
  key_usage                = "SIGN_VERIFY"
  customer_master_key_spec = var.key_spec
  multi_region             = var.multi_region
  deletion_window_in_days  = var.deletion_window
  # KMS rotates no asymmetric key: a new one gets its place in the trust root first.
  enable_key_rotation = false
  policy              = module.policies.key_policy
  tags                = var.tags

  lifecycle {
    # What is signed stays verifiable without it, but nothing more can be signed, and there is no copy.
    prevent_destroy = true
  }
}

resource "aws_kms_alias" "signing" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.signing.key_id
}

data "aws_kms_public_key" "signing" {
  key_id = aws_kms_key.signing.arn
}

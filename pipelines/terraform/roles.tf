# Who signs, by the identity that their build system proves, without any secret; and what verifiers are allowed.

locals {
  github_provider_arn = var.github_oidc_provider_arn != null ? var.github_oidc_provider_arn : one(aws_iam_openid_connect_provider.github[*].arn)
  gitlab_provider_arn = var.gitlab_oidc_provider_arn != null ? var.gitlab_oidc_provider_arn : one(aws_iam_openid_connect_provider.gitlab[*].arn)
}

resource "aws_iam_openid_connect_provider" "github" {
  count = length(var.github_subjects) > 0 && var.github_oidc_provider_arn == null ? 1 : 0

  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
  tags           = var.tags
}

resource "aws_iam_openid_connect_provider" "gitlab" {
  count = length(var.gitlab_subjects) > 0 && var.gitlab_oidc_provider_arn == null ? 1 : 0

  url            = "https://${var.gitlab_host}"
  client_id_list = [var.gitlab_audience]
  tags           = var.tags
}

resource "aws_iam_role" "signer" {
  count = local.makes_role ? 1 : 0

  name                 = local.role_name
  description          = "Signs container images; can remove nothing"
  assume_role_policy   = module.policies.signer_trust
  max_session_duration = 3600
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags
}

resource "aws_iam_policy" "signer" {
  name        = "${var.name}-signer"
  description = "Sign container images with the key ${var.name}, and attach signatures"
  policy      = module.policies.signer_policy
  tags        = var.tags
}

resource "aws_iam_role_policy_attachment" "signer" {
  count = local.makes_role ? 1 : 0

  role       = aws_iam_role.signer[0].name
  policy_arn = aws_iam_policy.signer.arn
}

resource "aws_iam_policy" "verifier" {
  name        = "${var.name}-verifier"
  description = "Read what verifying container images needs; no right in KMS"
  policy      = module.policies.verifier_policy
  tags        = var.tags
}

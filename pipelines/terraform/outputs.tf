output "key_arn" {
  description = "The key."
  value       = aws_kms_key.signing.arn
}

output "key_uri" {
  description = "What `countersign sign --key` takes: this very key, wherever the alias points."
  value       = "awskms:///${aws_kms_key.signing.arn}"
}

output "alias_uri" {
  description = "What `countersign sign --key` takes, by the alias."
  value       = "awskms:///${aws_kms_alias.signing.name}"
}

output "public_key_pem" {
  description = "What verifiers and trust roots are given."
  value       = data.aws_kms_public_key.signing.public_key_pem
}

output "signer_role_arn" {
  description = "The role that signs; null if none is made here."
  value       = one(aws_iam_role.signer[*].arn)
}

output "signer_policy_arn" {
  description = "What signer_principal_arns need besides."
  value       = aws_iam_policy.signer.arn
}

output "verifier_policy_arn" {
  description = "What the roles of verifiers and gates need."
  value       = aws_iam_policy.verifier.arn
}

output "repository_urls" {
  description = "The repositories that are made here, by their names."
  value       = { for name, repository in aws_ecr_repository.images : name => repository.repository_url }
}

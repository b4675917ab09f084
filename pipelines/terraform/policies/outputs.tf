output "signing" {
  description = "The kinds of key that sign images, and how."
  value       = local.signing
}

output "key_policy" {
  description = "Policy of the key."
  value       = local.key_policy
}

output "signer_trust" {
  description = "Who may assume the signers' role."
  value       = local.signer_trust
}

output "signer_policy" {
  description = "What signers may do."
  value       = local.signer_policy
}

output "verifier_policy" {
  description = "What verifiers may do."
  value       = local.verifier_policy
}

output "alarm_pattern" {
  description = "Events that tell of an unexpected signature."
  value       = local.alarm_pattern
}

output "lifecycle_policy" {
  description = "What expires in repositories."
  value       = local.lifecycle_policy
}

//! A bounded OCI registry client, with login for Amazon ECR and any other registry.

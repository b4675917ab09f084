//! `Sign` and `GetPublicKey`, with the checks of AWS's in the order that a caller meets them. Called by `kms`. Never
//! hashes a digest again: `DIGEST` signs what was sent. That a disabled key gives no public key is taken from the errors
//! that the service model lists, not from AWS itself.

use aws_lc_rs::digest::{Digest, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Kms,
    keys::{Key, KeyState},
    lifecycle::wrong_state,
    material::Prepared,
    spec::{KeyUsage, Method, SigningAlgorithm},
};
use crate::aws::{AwsError, parse};

/// The longest message that KMS takes.
const MESSAGE: usize = 4096;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetPublicKey {
    key_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Sign {
    key_id: String,
    message: String,
    message_type: Option<String>,
    signing_algorithm: String,
    #[serde(default)]
    dry_run: bool,
}

impl Kms {
    pub(super) fn get_public_key(&self, body: &[u8]) -> Result<Value, AwsError> {
        let request: GetPublicKey = parse(body)?;
        let (key, arn) = self.keys().find(&request.key_id, &self.caller)?;
        key.check_state(&arn)?;
        let public_key = key.material()?.public_key().ok_or_else(|| {
            let message = format!("{arn} has no public key.");
            AwsError::new("UnsupportedOperationException", message)
        })?;
        let mut result = json!({
            "KeyId": arn,
            "PublicKey": STANDARD.encode(public_key),
            "CustomerMasterKeySpec": key.spec.name(),
            "KeySpec": key.spec.name(),
            "KeyUsage": key.usage.name(),
        });
        let (name, algorithms) = match key.usage {
            KeyUsage::EncryptDecrypt => (
                "EncryptionAlgorithms",
                json!(["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"]),
            ),
            KeyUsage::GenerateVerifyMac | KeyUsage::SignVerify => {
                ("SigningAlgorithms", key.algorithm_names())
            }
            KeyUsage::KeyAgreement => ("KeyAgreementAlgorithms", json!(["ECDH"])),
        };
        if let Value::Object(members) = &mut result {
            members.insert(name.into(), algorithms);
        }
        Ok(result)
    }

    pub(super) fn sign(&self, body: &[u8]) -> Result<Value, AwsError> {
        let request: Sign = parse(body)?;
        let message = request.message()?;
        if !SigningAlgorithm::exists(&request.signing_algorithm) {
            return Err(not_in_enumeration(
                "signingAlgorithm",
                &request.signing_algorithm,
            ));
        }
        let (key, arn) = self.keys().find(&request.key_id, &self.caller)?;
        key.check_state(&arn)?;
        let algorithm = key.algorithm(&arn, &request.signing_algorithm)?;
        let prepared = request.prepare(message, algorithm)?;
        if request.dry_run {
            return Err(AwsError::new(
                "DryRunOperationException",
                "The request would have succeeded, but the DryRun option is set.",
            ));
        }
        let signature = key
            .material()?
            .sign(algorithm.method, &prepared)
            .map_err(|_| AwsError {
                status: 500,
                ..AwsError::new("KMSInternalException", "the key did not sign")
            })?;
        Ok(json!({
            "KeyId": arn,
            "Signature": STANDARD.encode(signature),
            "SigningAlgorithm": algorithm.name,
        }))
    }
}

impl Key {
    fn check_state(&self, arn: &str) -> Result<(), AwsError> {
        match self.state {
            KeyState::Enabled => Ok(()),
            state => Err(wrong_state(arn, state)),
        }
    }

    fn algorithm(&self, arn: &str, name: &str) -> Result<SigningAlgorithm, AwsError> {
        if self.usage != KeyUsage::SignVerify {
            let message = format!(
                "{arn} key usage is {} which is not valid for Sign.",
                self.usage.name()
            );
            return Err(AwsError::new("InvalidKeyUsageException", message));
        }
        let mut algorithms = self.spec.algorithms().iter();
        algorithms
            .find(|algorithm| algorithm.name == name)
            .copied()
            .ok_or_else(|| {
                let message = format!(
                    "Algorithm {name} is incompatible with key spec {}.",
                    self.spec.name()
                );
                AwsError::new("InvalidKeyUsageException", message)
            })
    }
}

impl Sign {
    fn message(&self) -> Result<Vec<u8>, AwsError> {
        let message = STANDARD
            .decode(&self.message)
            .map_err(|error| AwsError::new("SerializationException", error.to_string()))?;
        let constraint = match message.len() {
            0 => "greater than or equal to 1",
            1..=MESSAGE => return Ok(message),
            _ => "less than or equal to 4096",
        };
        Err(AwsError::validation(format!(
            "1 validation error detected: Value at 'message' failed to satisfy constraint: Member must have length {constraint}"
        )))
    }

    fn prepare(&self, message: Vec<u8>, algorithm: SigningAlgorithm) -> Result<Prepared, AwsError> {
        let name = algorithm.name;
        let message_type = self.message_type.as_deref().unwrap_or("RAW");
        match (message_type, algorithm.method) {
            ("RAW", Method::Ecdsa(hash) | Method::Rsa(hash, _)) => {
                Ok(Prepared::Digest(digest(hash, &message)))
            }
            ("RAW", Method::Ed25519 | Method::MlDsa) => Ok(Prepared::Message(message)),
            ("DIGEST", Method::Ecdsa(hash) | Method::Rsa(hash, _)) => {
                let digest = Digest::import_less_safe(&message, hash).map_err(|_| {
                    AwsError::validation(format!("Digest is invalid length for algorithm {name}."))
                })?;
                Ok(Prepared::Digest(digest))
            }
            ("EXTERNAL_MU", Method::MlDsa) => {
                let representative = message.try_into().map_err(|_| {
                    AwsError::validation(format!(
                        "External mu is invalid length for algorithm {name}."
                    ))
                })?;
                Ok(Prepared::Representative(representative))
            }
            ("DIGEST" | "EXTERNAL_MU", _) => Err(AwsError::validation(format!(
                "MessageType {message_type} is not compatible with algorithm {name}."
            ))),
            (other, _) => Err(not_in_enumeration("messageType", other)),
        }
    }
}

fn not_in_enumeration(member: &str, value: &str) -> AwsError {
    AwsError::validation(format!(
        "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member must satisfy enum value set"
    ))
}

//! Sigstore bundles, version 0.3: an envelope and what hints at its signer.
//!
//! Written beside an image by signers and read from there by checks
//! ([sigstore_bundle.proto](https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_bundle.proto)).
//! Nothing in a bundle is believed here; the types only say what it claims.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

use crate::{
    Limits, PublicKey, Signature,
    json::{self, Ignored, JsonError},
};

/// The media type of a bundle, and the artifact type of the manifest that carries it.
pub const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// The other spelling of the same version.
const MEDIA_TYPE_WITH_PARAMETER: &str = "application/vnd.dev.sigstore.bundle+json;version=0.3";

/// A bundle's content, undecided.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bundle {
    payload_type: String,
    payload: Vec<u8>,
    signature: Signature,
    signer: ClaimedSigner,
    stamps: Vec<String>,
}

/// Whom a bundle names as its signer. Never trusted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ClaimedSigner {
    /// A certificate: an identity, not a managed key.
    Certificate,
    /// A key, by a hint (base64 of SHA-256 over its `SubjectPublicKeyInfo`, as cosign writes it); may be empty.
    Key {
        /// The hint.
        hint: String,
    },
}

impl ClaimedSigner {
    /// The hint, if it has the form of a hash and so names one key or none that is known.
    pub fn key_hash(&self) -> Option<&str> {
        let Self::Key { hint } = self else {
            return None;
        };
        let hash = BASE64_STANDARD.decode(hint).ok()?;
        (hash.len() == 32).then_some(hint)
    }
}

impl Bundle {
    /// Parses a bundle with a DSSE envelope. Base64 is standard and padded; there is exactly one signature.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, BundleError> {
        let document: BundleDocument = json::from_slice(bytes, limits)?;
        if ![MEDIA_TYPE, MEDIA_TYPE_WITH_PARAMETER].contains(&document.media_type.as_str()) {
            return Err(BundleError::MediaType {
                media_type: document.media_type,
            });
        }
        let material = document.verification_material;
        if material
            .tlog_entries
            .is_some_and(|entries| entries.len() > limits.log_entries)
        {
            return Err(BundleError::TooManyLogEntries {
                limit: limits.log_entries,
            });
        }
        let stamps = material
            .timestamp_verification_data
            .and_then(|stamps| stamps.rfc3161_timestamps)
            .unwrap_or_default();
        if stamps.len() > limits.time_stamps {
            return Err(BundleError::TooManyTimeStamps {
                limit: limits.time_stamps,
            });
        }
        let Some(envelope) = document.dsse_envelope else {
            return Err(BundleError::NoEnvelope);
        };
        let [signature] =
            <[SignatureDocument; 1]>::try_from(envelope.signatures).map_err(|signatures| {
                BundleError::SignatureCount {
                    count: signatures.len(),
                }
            })?;
        let signer = match (
            material.public_key,
            material.certificate.or(material.x509_certificate_chain),
        ) {
            (Some(key), None) => ClaimedSigner::Key {
                hint: agreed_hint(key.hint, signature.keyid)?,
            },
            (None, Some(_)) => ClaimedSigner::Certificate,
            _ => return Err(BundleError::SignerAmbiguous),
        };
        Ok(Self {
            payload_type: envelope.payload_type,
            payload: BASE64_STANDARD
                .decode(envelope.payload)
                .map_err(BundleError::Base64)?,
            signature: BASE64_STANDARD
                .decode(signature.sig)
                .map_err(BundleError::Base64)?
                .into(),
            signer,
            stamps: stamps
                .into_iter()
                .map(|stamp| stamp.signed_timestamp)
                .collect(),
        })
    }

    /// The type of the payload.
    pub fn payload_type(&self) -> &str {
        &self.payload_type
    }

    /// The payload, byte for byte as it was signed.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The signature over the payload's pre-authentication encoding.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Whom it names as its signer.
    pub fn signer(&self) -> &ClaimedSigner {
        &self.signer
    }

    /// Time stamps of the signature, in base64: standing beside what was signed, they are anybody's to add.
    pub fn stamps(&self) -> &[String] {
        &self.stamps
    }
}

/// Joins what was signed, its signature, its key and the time stamps of the signature to the JSON of a bundle, as cosign
/// writes it for a managed key.
pub fn seal(
    (payload_type, payload): (&str, &[u8]),
    signature: &Signature,
    key: &PublicKey,
    stamps: &[Vec<u8>],
) -> Result<Vec<u8>, JsonError> {
    let stamps: Vec<_> = stamps
        .iter()
        .map(|stamp| StampDocument {
            signed_timestamp: BASE64_STANDARD.encode(stamp),
        })
        .collect();
    json::to_vec(&WrittenBundle {
        media_type: MEDIA_TYPE,
        verification_material: WrittenMaterial {
            public_key: KeyDocument { hint: key.hint() },
            timestamp_verification_data: (!stamps.is_empty()).then_some(StampsDocument {
                rfc3161_timestamps: Some(stamps),
            }),
        },
        dsse_envelope: EnvelopeDocument {
            payload: BASE64_STANDARD.encode(payload),
            payload_type: payload_type.to_owned(),
            signatures: vec![SignatureDocument {
                sig: BASE64_STANDARD.encode(signature.as_bytes()),
                keyid: String::new(),
            }],
        },
    })
}

/// The specification wants both hints to be the same if both are there; two different ones are a trap for somebody.
fn agreed_hint(hint: String, key_id: String) -> Result<String, BundleError> {
    if hint.is_empty() || key_id.is_empty() || hint == key_id {
        Ok(if hint.is_empty() { key_id } else { hint })
    } else {
        Err(BundleError::HintsDiffer)
    }
}

/// The bytes are no bundle that we read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// Not standard, padded base64.
    #[error("the bundle's payload or signature is not standard base64: {0}")]
    Base64(base64::DecodeError),
    /// `hint` and `keyid` are two different ones.
    #[error("the bundle names two different keys")]
    HintsDiffer,
    /// Not JSON, ambiguous JSON, or members missing.
    #[error("the bundle is not strict JSON of its format: {0}")]
    Malformed(#[from] JsonError),
    /// Another format or version.
    #[error("the bundle is `{}`; version 0.3 is read", crate::Escaped(media_type))]
    MediaType {
        /// Its media type.
        media_type: String,
    },
    /// A signature over a message, not over a statement.
    #[error("the bundle has no DSSE envelope")]
    NoEnvelope,
    /// None, or several.
    #[error("the bundle's envelope has {count} signatures where one is expected")]
    SignatureCount {
        /// How many.
        count: usize,
    },
    /// Neither a key nor a certificate, or both.
    #[error("the bundle names neither one key nor one certificate")]
    SignerAmbiguous,
    /// Too many entries of transparency logs.
    #[error("the bundle has more than {limit} log entries")]
    TooManyLogEntries {
        /// How many are read.
        limit: usize,
    },
    /// Too many time stamps.
    #[error("the bundle has more than {limit} time stamps")]
    TooManyTimeStamps {
        /// How many are read.
        limit: usize,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BundleDocument {
    media_type: String,
    verification_material: MaterialDocument,
    #[serde(default)]
    dsse_envelope: Option<EnvelopeDocument>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MaterialDocument {
    #[serde(default)]
    public_key: Option<KeyDocument>,
    #[serde(default)]
    certificate: Option<serde::de::IgnoredAny>,
    #[serde(default, rename = "x509CertificateChain")]
    x509_certificate_chain: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    tlog_entries: Option<Ignored>,
    #[serde(default)]
    timestamp_verification_data: Option<StampsDocument>,
}

#[derive(Deserialize, Serialize)]
struct StampsDocument {
    #[serde(default, rename = "rfc3161Timestamps")]
    rfc3161_timestamps: Option<Vec<StampDocument>>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct StampDocument {
    #[serde(default)]
    signed_timestamp: String,
}

#[derive(Deserialize, Serialize)]
struct KeyDocument {
    #[serde(default)]
    hint: String,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct EnvelopeDocument {
    payload: String,
    payload_type: String,
    signatures: Vec<SignatureDocument>,
}

#[derive(Deserialize, Serialize)]
struct SignatureDocument {
    sig: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    keyid: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenBundle {
    media_type: &'static str,
    verification_material: WrittenMaterial,
    dsse_envelope: EnvelopeDocument,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenMaterial {
    public_key: KeyDocument,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp_verification_data: Option<StampsDocument>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsse::IN_TOTO_PAYLOAD_TYPE;

    const GOOD: &str = r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"aGludA=="}},"dsseEnvelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"MAA="}]}}"#;

    fn parse(json: &str) -> Result<Bundle, BundleError> {
        Bundle::parse(json.as_bytes(), &Limits::TABLE)
    }

    #[test]
    fn a_bundle_of_a_managed_key_is_read() {
        let bundle = parse(GOOD).unwrap();
        assert_eq!(bundle.payload(), b"{}");
        assert_eq!(bundle.payload_type(), IN_TOTO_PAYLOAD_TYPE);
        assert_eq!(bundle.signature().as_bytes(), [0x30, 0]);
        assert_eq!(
            bundle.signer(),
            &ClaimedSigner::Key {
                hint: "aGludA==".to_owned()
            }
        );
    }

    #[test]
    fn unknown_members_are_ignored_and_both_spellings_of_the_version_are_read() {
        parse(&GOOD.replace("{\"mediaType", "{\"later\":1,\"mediaType")).unwrap();
        parse(&GOOD.replace(MEDIA_TYPE, MEDIA_TYPE_WITH_PARAMETER)).unwrap();
    }

    #[test]
    fn other_versions_are_refused_by_name() {
        for other in [
            "application/vnd.dev.sigstore.bundle+json;version=0.1",
            "application/vnd.dev.sigstore.bundle.v0.4+json",
            "application/json",
        ] {
            assert!(
                matches!(
                    parse(&GOOD.replace(MEDIA_TYPE, other)),
                    Err(BundleError::MediaType { .. })
                ),
                "{other}"
            );
        }
    }

    #[test]
    fn exactly_one_signature_is_read() {
        for (signatures, count) in [("[]", 0), (r#"[{"sig":"MAA="},{"sig":"MAA="}]"#, 2)] {
            let json = GOOD.replace(r#"[{"sig":"MAA="}]"#, signatures);
            assert!(
                matches!(parse(&json), Err(BundleError::SignatureCount { count: found }) if found == count)
            );
        }
    }

    #[test]
    fn base64_has_one_spelling() {
        for payload in ["e30", "e3 0=", "e30=\\n", "e31=", "e30==", "_-0=", "=e30"] {
            let json = GOOD.replace("e30=", payload);
            assert!(
                matches!(parse(&json), Err(BundleError::Base64(_))),
                "{payload}"
            );
        }
    }

    #[test]
    fn hint_and_key_id_must_agree_if_both_are_there() {
        let with_key_id = |id: &str| {
            GOOD.replace(
                r#"{"sig":"MAA="}"#,
                &format!(r#"{{"sig":"MAA=","keyid":"{id}"}}"#),
            )
        };
        assert!(matches!(
            parse(&with_key_id("b3RoZXI=")),
            Err(BundleError::HintsDiffer)
        ));
        parse(&with_key_id("aGludA==")).unwrap();
        parse(&with_key_id("")).unwrap();
    }

    #[test]
    fn a_certificate_is_told_from_a_key() {
        let certificate = GOOD.replace(
            r#""publicKey":{"hint":"aGludA=="}"#,
            r#""certificate":{"rawBytes":"MAA="}"#,
        );
        assert_eq!(
            parse(&certificate).unwrap().signer(),
            &ClaimedSigner::Certificate
        );
        let both = GOOD.replace(
            r#""publicKey""#,
            r#""certificate":{"rawBytes":"MAA="},"publicKey""#,
        );
        assert!(matches!(parse(&both), Err(BundleError::SignerAmbiguous)));
        let neither = GOOD.replace("publicKey", "publickey");
        assert!(matches!(parse(&neither), Err(BundleError::SignerAmbiguous)));
    }

    #[test]
    fn log_entries_and_time_stamps_are_counted() {
        let with =
            |member: String| GOOD.replace(r#""publicKey""#, &format!(r#"{member},"publicKey""#));
        let entries = |count| {
            with(format!(
                r#""tlogEntries":[{}]"#,
                vec!["{}"; count].join(",")
            ))
        };
        parse(&entries(8)).unwrap();
        assert!(matches!(
            parse(&entries(9)),
            Err(BundleError::TooManyLogEntries { limit: 8 })
        ));
        let stamps = |count| {
            let list = vec![r#"{"signedTimestamp":"MAA="}"#; count].join(",");
            with(format!(
                r#""timestampVerificationData":{{"rfc3161Timestamps":[{list}]}}"#
            ))
        };
        parse(&stamps(8)).unwrap();
        assert!(matches!(
            parse(&stamps(9)),
            Err(BundleError::TooManyTimeStamps { limit: 8 })
        ));
    }

    #[test]
    fn ambiguous_json_and_missing_members_are_refused() {
        for json in [
            GOOD.replace(
                r#""payload":"e30=""#,
                r#""payload":"e30=","payload":"e30=""#,
            ),
            GOOD.replace(
                r#""payload":"e30=""#,
                r#""payload":"e30=","\u0070ayload":"e30=""#,
            ),
            GOOD.replace(r#""payload":"e30=","#, ""),
            GOOD.replace(r#""payload":"e30=""#, r#""Payload":"e30=""#),
            format!("{GOOD} {{}}"),
            "{}".to_owned(),
            "null".to_owned(),
        ] {
            assert!(
                matches!(parse(&json), Err(BundleError::Malformed(_))),
                "{json}"
            );
        }
        assert!(matches!(
            parse(&GOOD.replace("dsseEnvelope", "messageSignature")),
            Err(BundleError::NoEnvelope)
        ));
    }
}

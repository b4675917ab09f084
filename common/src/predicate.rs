//! Attestations: anything else that is said about an image, in a document of its own kind.
//!
//! The predicate's bytes stay as they were written. What they mean is for those who know the kind.

use std::{collections::BTreeMap, fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    Code, Digest, Escaped, Explain, Limits, Repository,
    annotation::Annotation,
    json::{self, JsonError},
    statement::{IMAGE_SIGNATURE, STATEMENT_V1, SubjectDocument, WrittenStatement},
};

/// Where an attestation holds the stamps that lie in its payload: in the annotations of its subject, since its predicate
/// is not ours to add to. The value is an array of base64.
pub const BEFORE_STAMP_ANNOTATION: &str = "dev.countersign.before-stamp";

/// What begins so is written by this product alone, each kind by a command of its own.
const OURS: &str = "https://countersign.dev/";

/// Short names, as cosign has them.
const NAMES: [(&str, &str); 9] = [
    ("cyclonedx", "https://cyclonedx.org/bom"),
    ("link", "https://in-toto.io/Link/v1"),
    ("openvex", "https://openvex.dev/ns"),
    ("slsaprovenance", "https://slsa.dev/provenance/v0.2"),
    ("slsaprovenance02", "https://slsa.dev/provenance/v0.2"),
    ("slsaprovenance1", "https://slsa.dev/provenance/v1"),
    ("spdx", "https://spdx.dev/Document"),
    ("spdxjson", "https://spdx.dev/Document"),
    ("vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"),
];

/// What kind of thing an attestation says: a URI.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct PredicateType(String);

impl PredicateType {
    /// The URI.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The short names that there are.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }
}

impl fmt::Display for PredicateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PredicateType {
    type Err = PredicateTypeError;

    /// Takes a short name, or a URI of at most 1,024 printable ASCII characters.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some((_, uri)) = NAMES.iter().find(|(name, _)| *name == text) {
            return Ok(Self((*uri).to_owned()));
        }
        let is_uri = text.len() <= 1_024
            && text.bytes().all(|byte| byte.is_ascii_graphic())
            && text.split_once(':').is_some_and(|(scheme, rest)| {
                scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && !rest.is_empty()
            });
        if !is_uri {
            return Err(PredicateTypeError::Unknown {
                text: text.to_owned(),
            });
        }
        if text == IMAGE_SIGNATURE || text.starts_with(OURS) {
            return Err(PredicateTypeError::Reserved {
                text: text.to_owned(),
            });
        }
        Ok(Self(text.to_owned()))
    }
}

/// The text names no kind of attestation.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PredicateTypeError {
    /// A kind that has a command of its own.
    #[error("`{}` is no attestation", Escaped(text))]
    Reserved {
        /// The text.
        text: String,
    },
    /// No short name, and no URI.
    #[error("`{}` is no type of attestation", Escaped(text))]
    Unknown {
        /// The text.
        text: String,
    },
}

impl PredicateTypeError {
    /// The code of every text that names no kind.
    pub const CODE: Code = Code::new("predicate-type-invalid");
}

impl Explain for PredicateTypeError {
    fn code(&self) -> Code {
        Self::CODE
    }

    fn remedy(&self) -> String {
        match self {
            Self::Reserved { .. } => {
                "use `countersign sign`, which writes signatures and publications".to_owned()
            }
            Self::Unknown { .. } => {
                let names: Vec<_> = PredicateType::names().collect();
                format!("give a URI, or one of: {}", names.join(", "))
            }
        }
    }
}

/// What an attestation says: one JSON object, byte for byte as it was written.
#[derive(Clone, Debug)]
pub struct Predicate(Box<RawValue>);

impl Predicate {
    /// Takes a document that a person wants to attest, if it is JSON that verifiers will read.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, JsonError> {
        #[derive(Deserialize)]
        struct AnyObject {}
        // A member or two around it must still be within the limits.
        let within = Limits {
            json_depth: limits.json_depth.saturating_sub(1),
            ..*limits
        };
        json::from_slice::<AnyObject>(bytes, &within)?;
        Ok(Self(serde_json::from_slice(bytes)?))
    }

    /// The payload that is signed: the statement about the image.
    pub fn to_payload(
        &self,
        kind: &PredicateType,
        (repository, image): (&Repository, &Digest),
        annotations: &BTreeMap<String, String>,
        stamps: &[Vec<u8>],
    ) -> Result<Vec<u8>, JsonError> {
        let mut annotations: BTreeMap<String, Annotation> = annotations
            .iter()
            .map(|(key, value)| (key.clone(), value.as_str().into()))
            .collect();
        if !stamps.is_empty() {
            let stamps: Vec<_> = stamps
                .iter()
                .map(|stamp| BASE64_STANDARD.encode(stamp))
                .collect();
            let stamps = serde_json::to_string(&stamps)?;
            annotations.insert(
                BEFORE_STAMP_ANNOTATION.to_owned(),
                Annotation::Json(stamps.into()),
            );
        }
        json::to_vec(&WrittenStatement {
            kind: STATEMENT_V1,
            subject: [SubjectDocument::of(
                Some(repository.to_string()),
                image,
                annotations,
            )],
            predicate_type: kind.as_str(),
            predicate: &self.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ImageRef, Statement};

    #[test]
    fn a_kind_is_a_short_name_or_a_uri() {
        let uri = |text: &str| text.parse::<PredicateType>().map(|kind| kind.to_string());
        assert_eq!(uri("spdx").unwrap(), "https://spdx.dev/Document");
        assert_eq!(
            uri("https://example.com/x").unwrap(),
            "https://example.com/x"
        );
        assert_eq!(uri("urn:x").unwrap(), "urn:x");
        for text in [
            "",
            "sbom",
            "https:",
            ":x",
            "https://example.com/a b",
            "https://exämple.com/",
        ] {
            let error = uri(text).unwrap_err();
            assert!(
                matches!(error, PredicateTypeError::Unknown { .. }),
                "{text}"
            );
            assert!(error.remedy().contains("spdx"));
        }
        for text in [
            IMAGE_SIGNATURE,
            crate::publication::PUBLICATION,
            "https://countersign.dev/tag-table/v1",
        ] {
            assert!(matches!(
                uri(text),
                Err(PredicateTypeError::Reserved { .. })
            ));
        }
    }

    #[test]
    fn a_predicate_is_attested_byte_for_byte() {
        let image = ImageRef::parse("registry.example/app:1").unwrap();
        let digest = Digest::sha256(b"image");
        let text = "{ \"b\": 1.0,\n  \"a\": [1e3, \"\\u00e9\"] }";
        let predicate = Predicate::parse(text.as_bytes(), &Limits::TABLE).unwrap();
        let kind = "spdx".parse().unwrap();
        let payload = predicate
            .to_payload(
                &kind,
                (image.repository(), &digest),
                &BTreeMap::new(),
                &[vec![0x30]],
            )
            .unwrap();
        assert!(String::from_utf8(payload.clone()).unwrap().contains(text));
        let read = Statement::parse(&payload, &Limits::TABLE).unwrap();
        assert_eq!(read.predicate_type(), kind.as_str());
        assert_eq!(read.before_stamps(), ["MA=="]);
        let subject = read.subjects_naming(&digest).next().unwrap();
        assert_eq!(subject.name(), Some("registry.example/app"));
    }

    #[test]
    fn what_is_no_strict_object_is_refused() {
        for text in ["", "[]", "1", "null", "{} {}", r#"{"a":1,"a":2}"#, "<xml/>"] {
            assert!(
                Predicate::parse(text.as_bytes(), &Limits::TABLE).is_err(),
                "{text}"
            );
        }
        let nested = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
        Predicate::parse(nested(63).as_bytes(), &Limits::TABLE).unwrap();
        assert!(Predicate::parse(nested(64).as_bytes(), &Limits::TABLE).is_err());
    }
}

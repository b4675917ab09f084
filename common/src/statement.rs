//! in-toto statements: what a signer says, and about which content.
//!
//! A statement is parsed from the very bytes that were signed and is never written again from its parts
//! ([in-toto Statement v1](https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md)).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    Digest, Limits, Repository,
    annotation::Annotation,
    digest::HashAlgorithm,
    json::{self, JsonError},
    predicate::BEFORE_STAMP_ANNOTATION,
    publication::{PUBLICATION, Publication, PublicationDate, PublicationError},
};

/// The `_type` of the statements that we write, and that an image signature must have.
pub const STATEMENT_V1: &str = "https://in-toto.io/Statement/v1";

/// The older `_type`, which attestations in the field still have.
pub const STATEMENT_V0_1: &str = "https://in-toto.io/Statement/v0.1";

/// The predicate type of an image signature, as cosign 3 writes it.
pub const IMAGE_SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";

/// The signed annotation of a signature made with a demonstration key.
pub const STAND_IN_ANNOTATION: &str = "dev.countersign.stand-in";

/// A statement, as far as it must be understood to know what it is about.
///
/// Only *claimed* until the signature over its bytes was checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    kind: String,
    predicate_type: String,
    subjects: Vec<Subject>,
    publication: Option<Publication>,
    before_stamps: Vec<String>,
}

/// One thing that a statement is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    annotations: BTreeMap<String, Annotation>,
    digests: BTreeMap<String, String>,
    name: Option<String>,
}

impl Statement {
    /// Parses the payload of an envelope.
    pub fn parse(payload: &[u8], limits: &Limits) -> Result<Self, StatementError> {
        let document: StatementDocument = json::from_slice(payload, limits)?;
        if ![STATEMENT_V1, STATEMENT_V0_1].contains(&document.kind.as_str()) {
            return Err(StatementError::Kind {
                kind: document.kind,
            });
        }
        if document.subject.len() > limits.subjects {
            return Err(StatementError::TooManySubjects {
                limit: limits.subjects,
            });
        }
        if document
            .subject
            .iter()
            .any(|subject| subject.digest.len() > limits.subject_digests)
        {
            return Err(StatementError::TooManyDigests {
                limit: limits.subject_digests,
            });
        }
        let subjects: Vec<_> = document.subject.into_iter().map(Subject::from).collect();
        let publication = (document.predicate_type == PUBLICATION)
            .then(|| Publication::parse(payload, limits))
            .transpose()?;
        if publication.is_some() && subjects.len() != 1 {
            return Err(PublicationError::SubjectCount {
                count: subjects.len(),
            }
            .into());
        }
        let before_stamps = match publication.as_ref().map(|publication| &publication.date) {
            Some(PublicationDate::Stamped(stamps)) => stamps.clone(),
            Some(PublicationDate::Claimed(_)) => Vec::new(),
            None => subjects
                .first()
                .map(Subject::before_stamps)
                .unwrap_or_default(),
        };
        if before_stamps.len() > limits.time_stamps {
            return Err(PublicationError::TooManyTimeStamps {
                limit: limits.time_stamps,
            }
            .into());
        }
        Ok(Self {
            kind: document.kind,
            predicate_type: document.predicate_type,
            subjects,
            publication,
            before_stamps,
        })
    }

    /// What a signature of another format says, as the statement that says the same. It is not what was signed.
    pub fn of_image_signature(
        name: Option<String>,
        digest: &Digest,
        annotations: BTreeMap<String, Annotation>,
    ) -> Self {
        Self {
            kind: STATEMENT_V1.to_owned(),
            predicate_type: IMAGE_SIGNATURE.to_owned(),
            subjects: vec![SubjectDocument::of(name, digest, annotations).into()],
            publication: None,
            before_stamps: Vec::new(),
        }
    }

    /// Its `_type`: which version of the statement it is.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// What kind of claim it makes.
    pub fn predicate_type(&self) -> &str {
        &self.predicate_type
    }

    /// What it is about.
    pub fn subjects(&self) -> &[Subject] {
        &self.subjects
    }

    /// What it says as a publication, if it is one.
    pub fn publication(&self) -> Option<&Publication> {
        self.publication.as_ref()
    }

    /// The time stamps inside it, each in base64: whoever signed it had them before.
    pub fn before_stamps(&self) -> &[String] {
        &self.before_stamps
    }

    /// The subjects that name this content; a statement may name it for several repositories.
    pub fn subjects_naming<'a>(&'a self, digest: &'a Digest) -> impl Iterator<Item = &'a Subject> {
        self.subjects
            .iter()
            .filter(move |subject| subject.is(digest))
    }
}

impl Subject {
    /// Whether it is this content. A digest of another kind or spelling never matches.
    pub fn is(&self, digest: &Digest) -> bool {
        self.digests
            .get(digest.algorithm().name())
            .is_some_and(|hex| hex == digest.hex())
    }

    /// The name; for an image signature the canonical repository.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref().filter(|name| !name.is_empty())
    }

    /// A signed annotation's text.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.get(key).and_then(Annotation::as_str)
    }

    /// All signed annotations.
    pub fn annotations(&self) -> &BTreeMap<String, Annotation> {
        &self.annotations
    }

    /// The time stamps that an attestation holds in its subject. What is no text is no stamp, and counts as a bad one.
    fn before_stamps(&self) -> Vec<String> {
        let Some(Annotation::Json(stamps)) = self.annotations.get(BEFORE_STAMP_ANNOTATION) else {
            return Vec::new();
        };
        let stamps: Vec<&RawValue> = serde_json::from_str(stamps).unwrap_or_default();
        stamps
            .into_iter()
            .map(|stamp| serde_json::from_str(stamp.get()).unwrap_or_default())
            .collect()
    }

    /// The digests that can be put in our canonical form, for messages.
    pub fn digests(&self) -> impl Iterator<Item = Digest> {
        [HashAlgorithm::Sha256, HashAlgorithm::Sha512]
            .into_iter()
            .filter_map(|algorithm| {
                Digest::from_hex(algorithm, self.digests.get(algorithm.name())?).ok()
            })
    }
}

/// The payload of an image signature: this content, in this repository, with these annotations.
///
/// The repository is the subject's name, so that the signature cannot be carried to another one.
pub fn image_signature(
    repository: &Repository,
    digest: &Digest,
    annotations: &BTreeMap<String, String>,
) -> Result<Vec<u8>, JsonError> {
    let annotations = annotations
        .iter()
        .map(|(key, value)| (key.clone(), value.as_str().into()))
        .collect();
    json::to_vec(&WrittenStatement {
        kind: STATEMENT_V1,
        subject: [SubjectDocument::of(
            Some(repository.to_string()),
            digest,
            annotations,
        )],
        predicate_type: IMAGE_SIGNATURE,
        predicate: BTreeMap::<String, String>::new(),
    })
}

/// The bytes are no statement that we read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// Another version, or something else.
    #[error(
        "the payload is `{}`, not an in-toto statement of version 0.1 or 1",
        crate::Escaped(kind)
    )]
    Kind {
        /// Its `_type`.
        kind: String,
    },
    /// Not JSON, ambiguous JSON, or members missing.
    #[error("the payload is not a strict in-toto statement: {0}")]
    Malformed(#[from] JsonError),
    /// It says that it is a publication, and is none.
    #[error(transparent)]
    Publication(#[from] PublicationError),
    /// A subject with too many digests.
    #[error("a subject of the statement has more than {limit} digests")]
    TooManyDigests {
        /// How many are read.
        limit: usize,
    },
    /// Too many subjects.
    #[error("the statement has more than {limit} subjects")]
    TooManySubjects {
        /// How many are read.
        limit: usize,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatementDocument {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<SubjectDocument>,
    predicate_type: String,
}

/// A statement of ours.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WrittenStatement<'a, P> {
    #[serde(rename = "_type")]
    pub(crate) kind: &'static str,
    pub(crate) subject: [SubjectDocument; 1],
    pub(crate) predicate_type: &'a str,
    pub(crate) predicate: P,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct SubjectDocument {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default)]
    digest: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, Annotation>,
}

impl SubjectDocument {
    pub(crate) fn of(
        name: Option<String>,
        digest: &Digest,
        annotations: BTreeMap<String, Annotation>,
    ) -> Self {
        Self {
            name,
            digest: BTreeMap::from([(
                digest.algorithm().name().to_owned(),
                digest.hex().to_owned(),
            )]),
            annotations,
        }
    }
}

impl From<SubjectDocument> for Subject {
    fn from(document: SubjectDocument) -> Self {
        Self {
            annotations: document.annotations,
            digests: document.digest,
            name: document.name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "3daf8a8a7f1c9b7c8b3d0b6a5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c39";

    fn parse(json: &str) -> Result<Statement, StatementError> {
        Statement::parse(json.as_bytes(), &Limits::TABLE)
    }

    fn statement(subject: &str) -> String {
        format!(
            r#"{{"_type":"{STATEMENT_V1}","subject":{subject},"predicateType":"{IMAGE_SIGNATURE}"}}"#
        )
    }

    #[test]
    fn what_is_written_is_read() {
        let image = crate::ImageRef::parse("registry.example/app:1").unwrap();
        let digest = Digest::sha256(b"image");
        let annotations = BTreeMap::from([("env".to_owned(), "prod".to_owned())]);
        let payload = image_signature(image.repository(), &digest, &annotations).unwrap();
        assert_eq!(
            String::from_utf8(payload.clone()).unwrap(),
            format!(
                r#"{{"_type":"{STATEMENT_V1}","subject":[{{"name":"registry.example/app","digest":{{"sha256":"{}"}},"annotations":{{"env":"prod"}}}}],"predicateType":"{IMAGE_SIGNATURE}","predicate":{{}}}}"#,
                digest.hex(),
            ),
        );
        let read = Statement::parse(&payload, &Limits::TABLE).unwrap();
        let subject = read.subjects_naming(&digest).next().unwrap();
        assert_eq!(subject.name(), Some("registry.example/app"));
        assert_eq!(subject.annotation("env"), Some("prod"));
    }

    #[test]
    fn a_statement_of_cosign_without_name_or_predicate_is_read() {
        let read = parse(&statement(&format!(
            r#"[{{"digest":{{"sha256":"{HEX}"}}}}]"#
        )))
        .unwrap();
        let digest = Digest::parse(&format!("sha256:{HEX}")).unwrap();
        assert_eq!(read.subjects_naming(&digest).next().unwrap().name(), None);
    }

    #[test]
    fn other_versions_are_refused_by_name() {
        for kind in [
            "https://in-toto.io/Statement/v0.2",
            "https://in-toto.io/Statement/v2",
            "",
        ] {
            let json = statement("[]").replace(STATEMENT_V1, kind);
            assert!(
                matches!(parse(&json), Err(StatementError::Kind { .. })),
                "{kind}"
            );
        }
    }

    #[test]
    fn subjects_and_digests_are_counted() {
        let many = |count: usize| format!("[{}]", vec![r#"{"digest":{}}"#; count].join(","));
        parse(&statement(&many(1_024))).unwrap();
        assert!(matches!(
            parse(&statement(&many(1_025))),
            Err(StatementError::TooManySubjects { limit: 1_024 })
        ));
        let digests = |count: usize| {
            let members: Vec<_> = (0..count).map(|n| format!(r#""a{n}":"x""#)).collect();
            format!(r#"[{{"digest":{{{}}}}}]"#, members.join(","))
        };
        parse(&statement(&digests(16))).unwrap();
        assert!(matches!(
            parse(&statement(&digests(17))),
            Err(StatementError::TooManyDigests { limit: 16 })
        ));
    }

    #[test]
    fn a_digest_of_another_kind_or_spelling_matches_nothing() {
        let digest = Digest::parse(&format!("sha256:{HEX}")).unwrap();
        for set in [
            format!(r#"{{"sha1":"{}"}}"#, &HEX[..40]),
            format!(r#"{{"gitCommit":"{HEX}"}}"#),
            format!(r#"{{"sha512":"{HEX}"}}"#),
            format!(r#"{{"sha256":"{}"}}"#, HEX.to_uppercase()),
            format!(r#"{{"SHA256":"{HEX}"}}"#),
            "{}".to_owned(),
        ] {
            let read = parse(&statement(&format!(r#"[{{"digest":{set}}}]"#))).unwrap();
            assert!(read.subjects_naming(&digest).next().is_none(), "{set}");
        }
    }

    #[test]
    fn duplicates_and_trailing_bytes_are_refused() {
        let good = statement("[]");
        for json in [
            format!("{good}{{}}"),
            good.replace(r#""subject":[]"#, r#""subject":[],"subject":[]"#),
            good.replace(r#""subject":[],"#, ""),
            good.replace("predicateType", "predicatetype"),
            good.replace(r#""subject":[]"#, r#""subject":null"#),
        ] {
            assert!(
                matches!(parse(&json), Err(StatementError::Malformed(_))),
                "{json}"
            );
        }
    }
}

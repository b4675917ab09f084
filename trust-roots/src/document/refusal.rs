//! Why a document does not count.

use countersign_common::{Code, Digest, Escaped, Explain, Repository};

use super::binding::shown;

/// A document was read and does not count.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A demanded annotation is absent or other.
    #[error("the signature's annotation `{}` is {}, not `{}`", Escaped(key), annotation(found.as_deref()), Escaped(wanted))]
    AnnotationMismatch {
        /// The annotation.
        key: String,
        /// What it must be.
        wanted: String,
        /// What it is.
        found: Option<String>,
    },
    /// Signed by nobody who is trusted.
    #[error(
        "it is signed by {}, which is not a trusted key; trusted: {}",
        signer_name(signer),
        names(trusted)
    )]
    KeyUnknown {
        /// The key by its hint, or what else names the signer; empty if nothing does.
        signer: String,
        /// Who is trusted.
        trusted: Vec<String>,
    },
    /// Signed for another repository.
    #[error("it was signed for {}, not for {expected}", Escaped(named))]
    RepositoryMismatch {
        /// The repository that was asked about.
        expected: Repository,
        /// The repository in the signature.
        named: String,
    },
    /// Signed for no repository in particular.
    #[error(
        "the signature names no repository, so it may have been made for another one than {expected}"
    )]
    RepositoryUnbound {
        /// The repository that was asked about.
        expected: Repository,
    },
    /// The signature does not fit.
    #[error(
        "the signature does not fit its content and key {}, which it names",
        Escaped(key)
    )]
    SignatureInvalid {
        /// The key's name.
        key: String,
    },
    /// More than are tried.
    #[error("more than {limit} signatures would have to be tried")]
    SignaturesTooMany {
        /// How many are tried.
        limit: usize,
    },
    /// A key of the stand-in.
    #[error(
        "it is signed with the demonstration key {}, whose private half anybody may have",
        Escaped(key)
    )]
    StandInKey {
        /// The key's name.
        key: String,
    },
    /// About something else.
    #[error("it was signed for {}, not for {expected}", shown(found.as_ref()))]
    SubjectMismatch {
        /// What was asked about.
        expected: Digest,
        /// What it is about.
        found: Option<Digest>,
    },
    /// Another kind of claim.
    #[error("it is a statement of type {}, not {expected}", Escaped(found))]
    TypeMismatch {
        /// The type that was asked for.
        expected: String,
        /// The type that it has.
        found: String,
    },
}

fn annotation(found: Option<&str>) -> String {
    found.map_or_else(
        || "absent".to_owned(),
        |found| format!("`{}`", Escaped(found)),
    )
}

fn signer_name(signer: &str) -> String {
    if signer.is_empty() {
        "an unnamed key".to_owned()
    } else {
        Escaped(signer).to_string()
    }
}

fn names(keys: &[String]) -> String {
    let names: Vec<_> = keys.iter().map(|key| Escaped(key).to_string()).collect();
    names.join(", ")
}

/// Every code of this module.
pub const CODES: &[Code] = &[
    Code::new("annotation-mismatch"),
    Code::new("key-unknown"),
    Code::new("repository-mismatch"),
    Code::new("repository-unbound"),
    Code::new("signature-invalid"),
    Code::new("signatures-too-many"),
    Code::new("stand-in-key"),
    Code::new("subject-mismatch"),
    Code::new("type-mismatch"),
];

impl Explain for Refusal {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::AnnotationMismatch { .. } => "annotation-mismatch",
            Self::KeyUnknown { .. } => "key-unknown",
            Self::RepositoryMismatch { .. } => "repository-mismatch",
            Self::RepositoryUnbound { .. } => "repository-unbound",
            Self::SignatureInvalid { .. } => "signature-invalid",
            Self::SignaturesTooMany { .. } => "signatures-too-many",
            Self::StandInKey { .. } => "stand-in-key",
            Self::SubjectMismatch { .. } => "subject-mismatch",
            Self::TypeMismatch { .. } => "type-mismatch",
        })
    }

    fn remedy(&self) -> String {
        match self {
            Self::AnnotationMismatch { key, wanted, .. } => {
                format!("sign with `countersign sign -a {}={} …`, or do not demand it", Escaped(key), Escaped(wanted))
            }
            Self::KeyUnknown { .. } => {
                "sign with a trusted key: `countersign sign --key …`; or, if the signer is to be trusted, verify with its `--key`"
                    .to_owned()
            }
            Self::RepositoryMismatch { expected, .. } | Self::RepositoryUnbound { expected } => {
                format!("sign the image where it is used: `countersign sign --key … {expected}@sha256:…`")
            }
            Self::SignatureInvalid { .. } => {
                "suspect tampering: the signature, its content or the trusted key was changed; sign the image again if the key is right"
                    .to_owned()
            }
            Self::SignaturesTooMany { .. } => "remove the artifacts that are no signatures of yours".to_owned(),
            Self::StandInKey { .. } => {
                "sign with a real key; only to try a pipeline against the stand-in, use `--accept-stand-in`".to_owned()
            }
            Self::SubjectMismatch { expected, .. } => {
                format!("sign this image: `countersign sign --key … …@{expected}`")
            }
            Self::TypeMismatch { .. } => "sign the image itself with `countersign sign`".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use countersign_common::ImageRef;

    use super::*;

    const HOSTILE: &str = "\u{1b}[2J\r\nverified: all\u{202e}\u{9b}";

    fn refusals() -> Vec<Refusal> {
        let hostile = || HOSTILE.to_owned();
        let expected = || {
            ImageRef::parse("registry.example/app")
                .unwrap()
                .repository()
                .clone()
        };
        vec![
            Refusal::AnnotationMismatch {
                key: hostile(),
                wanted: hostile(),
                found: Some(hostile()),
            },
            Refusal::KeyUnknown {
                signer: hostile(),
                trusted: vec![hostile(), hostile()],
            },
            Refusal::RepositoryMismatch {
                expected: expected(),
                named: hostile(),
            },
            Refusal::RepositoryUnbound {
                expected: expected(),
            },
            Refusal::SignatureInvalid { key: hostile() },
            Refusal::SignaturesTooMany { limit: 100 },
            Refusal::StandInKey { key: hostile() },
            Refusal::SubjectMismatch {
                expected: Digest::sha256(b""),
                found: None,
            },
            Refusal::TypeMismatch {
                expected: "expected".to_owned(),
                found: hostile(),
            },
        ]
    }

    /// Does not compile while a new refusal is missing from the tests.
    fn position(refusal: &Refusal) -> usize {
        match refusal {
            Refusal::AnnotationMismatch { .. } => 0,
            Refusal::KeyUnknown { .. } => 1,
            Refusal::RepositoryMismatch { .. } => 2,
            Refusal::RepositoryUnbound { .. } => 3,
            Refusal::SignatureInvalid { .. } => 4,
            Refusal::SignaturesTooMany { .. } => 5,
            Refusal::StandInKey { .. } => 6,
            Refusal::SubjectMismatch { .. } => 7,
            Refusal::TypeMismatch { .. } => 8,
        }
    }

    #[test]
    fn every_refusal_is_explained_by_a_code_of_its_own_and_shows_no_hostile_text() {
        let refusals = refusals();
        assert!(refusals.iter().map(position).eq(0..9));
        let codes: BTreeSet<_> = refusals.iter().map(Explain::code).collect();
        assert!(codes.iter().eq(CODES), "{codes:?}");
        for refusal in refusals {
            for text in [refusal.to_string(), refusal.remedy()] {
                assert!(text.len() > 20 && !text.ends_with('.'), "{text}");
                assert_eq!(text, Escaped(&text).to_string());
            }
        }
    }
}

//! What the registry refuses and how it says so: status, code and text, in ECR's words where they are known.

use serde_json::json;

use crate::{ACCOUNT, answer::Answer};

/// A refused request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Denial {
    BlobUnknown,
    BlobUploadInvalid(&'static str),
    BlobUploadUnknown,
    DigestInvalid(String),
    /// A login token that was good once; only ECR says so.
    Expired,
    ManifestBlobUnknown(String),
    ManifestInvalid(String),
    ManifestTooLarge(usize),
    ManifestUnknown(String),
    NameUnknown(String),
    NoSuchPage,
    /// ECR's answer to a password that it never gave.
    TokenInvalid,
    TagFixed {
        tag: String,
        name: String,
    },
    TagInvalid(String),
    /// A login is asked for, with this challenge.
    Unauthorized(String),
    Unsupported,
}

impl Denial {
    pub(crate) fn answer(self) -> Answer {
        match self {
            // Neither of these is JSON, here as in the registries that they stand for.
            Self::NoSuchPage => Answer::text(404, "404 page not found\n"),
            Self::Unauthorized(challenge) => {
                Answer::text(401, "Not Authorized\n").with("WWW-Authenticate", challenge)
            }
            _ => {
                let (status, code) = self.code();
                let error = json!({"code": code, "message": self.message()});
                Answer::json(status, &json!({"errors": [error]}))
            }
        }
    }

    fn code(&self) -> (u16, &'static str) {
        match self {
            Self::BlobUnknown => (404, "BLOB_UNKNOWN"),
            Self::BlobUploadInvalid(_) => (400, "BLOB_UPLOAD_INVALID"),
            Self::BlobUploadUnknown => (404, "BLOB_UPLOAD_UNKNOWN"),
            Self::DigestInvalid(_) => (400, "DIGEST_INVALID"),
            Self::Expired => (403, "DENIED"),
            Self::ManifestBlobUnknown(_) => (404, "MANIFEST_BLOB_UNKNOWN"),
            Self::ManifestInvalid(_) => (400, "MANIFEST_INVALID"),
            Self::ManifestTooLarge(_) => (413, "SIZE_INVALID"),
            Self::ManifestUnknown(_) => (404, "MANIFEST_UNKNOWN"),
            Self::NameUnknown(_) => (404, "NAME_UNKNOWN"),
            Self::NoSuchPage => (404, "NOT_FOUND"),
            Self::TagFixed { .. } | Self::TagInvalid(_) => (400, "TAG_INVALID"),
            Self::TokenInvalid => (400, "DENIED"),
            Self::Unauthorized(_) => (401, "UNAUTHORIZED"),
            Self::Unsupported => (405, "UNSUPPORTED"),
        }
    }

    fn message(&self) -> String {
        match self {
            Self::BlobUnknown => "blob unknown to registry".into(),
            Self::BlobUploadInvalid(why) => (*why).into(),
            Self::BlobUploadUnknown => "blob upload unknown to registry".into(),
            Self::DigestInvalid(digest) => {
                format!("provided digest {digest} did not match uploaded content")
            }
            Self::Expired => {
                "Your authorization token has expired. Reauthenticate and try again.".into()
            }
            Self::ManifestBlobUnknown(digest) => format!("blob {digest} unknown to registry"),
            Self::ManifestInvalid(why) => format!("manifest invalid: {why}"),
            Self::ManifestTooLarge(bytes) => format!("the manifest has {bytes} bytes"),
            Self::ManifestUnknown(reference) => format!("manifest {reference} unknown"),
            Self::NameUnknown(name) => format!(
                "The repository with name '{name}' does not exist in the registry with id '{ACCOUNT}'"
            ),
            Self::NoSuchPage => "page not found".into(),
            Self::TagFixed { tag, name } => format!(
                "The image tag '{tag}' already exists in the '{name}' repository and cannot be overwritten because the tag is immutable."
            ),
            Self::TagInvalid(tag) => format!("'{tag}' is no tag"),
            Self::TokenInvalid => "Your Authorization Token is invalid.".into(),
            Self::Unauthorized(_) => "authentication required".into(),
            Self::Unsupported => "The operation is unsupported.".into(),
        }
    }
}

//! What a person asks to be signed beside the image itself.

use std::collections::BTreeMap;

use countersign_common::{Code, Escaped, Explain, Limits, Timestamp};

/// Annotations that only this product writes; what they say must not be claimable by a flag.
const RESERVED: &str = "dev.countersign.";
/// All annotations together. Verifiers read statements of megabytes; nobody wants to look at one.
const ANNOTATIONS_LIMIT: usize = 64 << 10;

/// What to sign, the same for each of many images.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    annotations: BTreeMap<String, String>,
    supported_until: Option<Timestamp>,
    limits: Limits,
}

impl Request {
    /// Takes the annotations that a person asks for.
    pub fn new(annotations: BTreeMap<String, String>) -> Result<Self, AnnotationRefused> {
        Self::bounded(annotations, Limits::TABLE)
    }

    /// The same, with other limits on what is read from the registry.
    pub fn bounded(
        annotations: BTreeMap<String, String>,
        limits: Limits,
    ) -> Result<Self, AnnotationRefused> {
        let refuse = |key: &str, reason| AnnotationRefused {
            key: key.to_owned(),
            reason,
        };
        let mut size = 0;
        for (key, value) in &annotations {
            size += key.len() + value.len();
            if key.is_empty() {
                return Err(refuse(key, Reason::Empty));
            }
            if key.to_ascii_lowercase().starts_with(RESERVED) {
                return Err(refuse(key, Reason::Reserved));
            }
            if size > ANNOTATIONS_LIMIT {
                return Err(refuse(key, Reason::TooLong));
            }
        }
        Ok(Self {
            annotations,
            supported_until: None,
            limits,
        })
    }

    /// Publishes that the image is supported until then, to the second.
    #[must_use]
    pub fn supported_until(self, until: Timestamp) -> Self {
        Self {
            // As it is written: what is read back must be the same.
            supported_until: Timestamp::from_unix_seconds(until.unix_seconds()),
            ..self
        }
    }

    /// The annotations that a person asks for.
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.annotations
    }

    pub(crate) fn support_ends(&self) -> Option<Timestamp> {
        self.supported_until
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// An annotation that is not signed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the annotation `{}` cannot be signed: {reason}", Escaped(key))]
pub struct AnnotationRefused {
    key: String,
    reason: Reason,
}

impl AnnotationRefused {
    /// The code of every refused annotation.
    pub const CODE: Code = Code::new("annotation-refused");
}

impl Explain for AnnotationRefused {
    fn code(&self) -> Code {
        Self::CODE
    }

    fn remedy(&self) -> String {
        match self.reason {
            Reason::Empty => "write `-a KEY=VALUE`",
            Reason::Reserved => "choose another key for `-a`",
            Reason::TooLong => {
                "sign fewer or shorter annotations; attach a document of its own for more"
            }
        }
        .to_owned()
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
enum Reason {
    #[error("its key is empty")]
    Empty,
    #[error("keys that begin with `dev.countersign.` are written by Countersign alone")]
    Reserved,
    #[error("all annotations together are longer than 64 KiB")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(key: &str, value: &str) -> Result<Request, AnnotationRefused> {
        Request::new(BTreeMap::from([(key.to_owned(), value.to_owned())]))
    }

    #[test]
    fn what_only_the_product_writes_is_refused() {
        for key in [
            "dev.countersign.stand-in",
            "dev.countersign.x",
            "DEV.Countersign.stand-in",
        ] {
            assert_eq!(with(key, "").unwrap_err().reason, Reason::Reserved, "{key}");
        }
        with("dev.countersign", "").unwrap();
        with("dev.countersigned.x", "").unwrap();
        with("env", "prod").unwrap();
    }

    #[test]
    fn a_key_is_not_empty() {
        assert_eq!(with("", "x").unwrap_err().reason, Reason::Empty);
    }

    #[test]
    fn the_length_is_bounded_at_its_edge() {
        with("k", &"v".repeat(ANNOTATIONS_LIMIT - 1)).unwrap();
        let refused = with("k", &"v".repeat(ANNOTATIONS_LIMIT)).unwrap_err();
        assert_eq!(refused.reason, Reason::TooLong);
    }
}

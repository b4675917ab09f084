//! What a signed annotation says: a text, or JSON of another kind, which is kept as it was written.
//!
//! Read and written with the subjects of statements, and with what is no statement and says the same. JSON takes up to eighty
//! times its length once it is understood, and strangers write it: it never is here.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::value::RawValue;

/// The value of an annotation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Annotation {
    /// What is no text, as it was written.
    Json(Box<str>),
    /// A text.
    Text(String),
}

impl Annotation {
    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Json(_) => None,
            Self::Text(text) => Some(text),
        }
    }
}

impl From<&str> for Annotation {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl<'de> Deserialize<'de> for Annotation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        if !json.get().starts_with('"') {
            return Ok(Self::Json(json.into()));
        }
        let text = serde_json::from_str(json.get());
        text.map(Self::Text).map_err(de::Error::custom)
    }
}

impl Serialize for Annotation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Json(json) => {
                let json: &RawValue = serde_json::from_str(json).map_err(ser::Error::custom)?;
                json.serialize(serializer)
            }
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{Limits, json};

    #[test]
    fn what_is_no_text_is_kept_as_it_was_written() {
        let text = r#"{"a":"\u0061\"","b":[{"":0}, 1],"c":null,"d":{ "x" : [] },"e":12345678901234567890123}"#;
        let read: BTreeMap<String, Annotation> =
            json::from_slice(text.as_bytes(), &Limits::TABLE).unwrap();
        assert_eq!(read["a"].as_str(), Some("a\""));
        assert_eq!(read["b"], Annotation::Json(r#"[{"":0}, 1]"#.into()));
        assert_eq!(read["c"], Annotation::Json("null".into()));
        assert_eq!(read["d"], Annotation::Json(r#"{ "x" : [] }"#.into()));
        assert_eq!(
            read["e"],
            Annotation::Json("12345678901234567890123".into())
        );
        let written = serde_json::to_string(&read).unwrap();
        assert_eq!(written, text.replace("\\u0061", "a"));
    }

    #[test]
    fn what_is_inside_is_strict_too() {
        for json in [
            r#"{"a":{"b":1,"b":2}}"#,
            r#"{"a":["\ud800"]}"#,
            r#"{"a":[1,]}"#,
        ] {
            let read: Result<BTreeMap<String, Annotation>, _> =
                json::from_slice(json.as_bytes(), &Limits::TABLE);
            assert!(read.is_err(), "{json}");
        }
    }
}

//! Strict JSON: one meaning per text, bounded before it is parsed.
//!
//! Every JSON text from outside comes through [`from_slice`]. It never re-serialises what was signed.

use std::{collections::HashSet, fmt};

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::{Limits, objects_only::ObjectsOnly};

/// Parses one JSON text ([RFC 8259](https://www.rfc-editor.org/rfc/rfc8259)).
///
/// Refused: invalid UTF-8, anything after the value, an object with two members of one name (compared after
/// unescaping, since two parsers would pick different ones), nesting beyond [`Limits::json_depth`], an object with more
/// than [`Limits::json_members`] members, and an array where an object is expected. Members that
/// `T` does not know are ignored, unless `T` denies them.
pub fn from_slice<'a, T: Deserialize<'a>>(
    bytes: &'a [u8],
    limits: &Limits,
) -> Result<T, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    Strict {
        depth: limits.json_depth,
        members: limits.json_members,
    }
    .deserialize(&mut deserializer)
    .map_err(JsonError)?;
    deserializer.end().map_err(JsonError)?;
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    T::deserialize(ObjectsOnly(&mut deserializer)).map_err(JsonError)
}

/// Writes a document of ours, compact.
pub(crate) fn to_vec<T: serde::Serialize>(document: &T) -> Result<Vec<u8>, JsonError> {
    serde_json::to_vec(document).map_err(JsonError)
}

/// The text is not the strict JSON that was expected. Says what, at which line and column.
#[derive(Debug)]
pub struct JsonError(serde_json::Error);

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // serde quotes member names and values of the text in its messages.
        write!(f, "{}", crate::Escaped(&self.0.to_string()))
    }
}

impl std::error::Error for JsonError {}

impl From<serde_json::Error> for JsonError {
    fn from(source: serde_json::Error) -> Self {
        Self(source)
    }
}

/// Walks a value without keeping it.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
    members: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        self.depth
            .checked_sub(1)
            .map(|depth| Self { depth, ..self })
            .ok_or_else(|| E::custom("nested too deeply"))
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if names.len() == self.members {
                return Err(A::Error::custom("an object with too many members"));
            }
            if names.contains(&name) {
                return Err(A::Error::custom(format_args!("duplicate member {name:?}")));
            }
            names.insert(name);
            members.next_value_seed(inner)?;
        }
        Ok(())
    }
}

/// Counts the elements of an array without keeping them, up to serde's own bounds. For members that are bounded in
/// number but not yet understood.
pub(crate) type Ignored = Vec<IgnoredAny>;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn parse(text: &str) -> Result<Value, JsonError> {
        from_slice(text.as_bytes(), &Limits::TABLE)
    }

    #[test]
    fn a_duplicate_member_is_refused_at_any_depth_and_in_any_spelling() {
        for text in [
            r#"{"digest":1,"digest":1}"#,
            r#"{"digest":1,"\u0064igest":1}"#,
            r#"[{"a":{"b":1,"c":2,"b":3}}]"#,
        ] {
            assert!(
                parse(text)
                    .unwrap_err()
                    .to_string()
                    .contains("duplicate member"),
                "{text}"
            );
        }
        parse(r#"{"digest":1,"Digest":1}"#).unwrap();
        parse(r#"[{"a":1},{"a":1}]"#).unwrap();
    }

    #[test]
    fn trailing_bytes_a_byte_order_mark_and_broken_text_are_refused() {
        for text in [
            "{}{}",
            "{} x",
            "\u{feff}{}",
            r#""\ud800""#,
            "",
            "nul",
            "[1,]",
            "{'a':1}",
            "NaN",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(from_slice::<Value>(b"\"\xff\"", &Limits::TABLE).is_err());
        parse("{} \n").unwrap();
    }

    #[test]
    fn nesting_is_accepted_up_to_the_limit() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        parse(&nested(64)).unwrap();
        assert!(
            parse(&nested(65))
                .unwrap_err()
                .to_string()
                .contains("nested too deeply")
        );
        assert!(parse(&nested(1_000_000)).is_err());
    }

    #[test]
    fn members_are_accepted_up_to_the_limit() {
        let object = |members: usize| {
            let members: Vec<_> = (0..members)
                .map(|number| format!("\"{number}\":0"))
                .collect();
            format!("{{{}}}", members.join(","))
        };
        parse(&object(10_000)).unwrap();
        assert!(
            parse(&object(10_001))
                .unwrap_err()
                .to_string()
                .contains("too many members")
        );
    }

    #[test]
    fn an_array_is_no_object() {
        #[derive(Debug, Deserialize, PartialEq)]
        struct Outer {
            inner: Vec<Inner>,
            maybe: Option<Inner>,
        }
        #[derive(Debug, Deserialize, PartialEq)]
        struct Inner {
            name: String,
            size: u64,
        }
        let parse = |text: &str| from_slice::<Outer>(text.as_bytes(), &Limits::TABLE);
        let inner = |name: &str, size| Inner {
            name: name.to_owned(),
            size,
        };
        assert_eq!(
            parse(r#"{"inner":[{"name":"a","size":1}],"maybe":{"name":"b","size":2}}"#).unwrap(),
            Outer {
                inner: vec![inner("a", 1)],
                maybe: Some(inner("b", 2))
            },
        );
        assert_eq!(
            parse(r#"{"inner":[],"maybe":null}"#).unwrap(),
            Outer {
                inner: vec![],
                maybe: None
            }
        );
        // Derived parsers take an array for an object, member by member; other languages' do not.
        for text in [
            r#"[[{"name":"a","size":1}],null]"#,
            r#"{"inner":[["a",1]],"maybe":null}"#,
            r#"{"inner":[],"maybe":["b",2]}"#,
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_hostile_member_name_is_escaped_in_the_message() {
        let message = parse("{\"\\u001b[2J\":1,\"\\u001b[2J\":1}")
            .unwrap_err()
            .to_string();
        assert!(!message.contains('\u{1b}'), "{message}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_without_a_panic(bytes: Vec<u8>) {
            let _ = from_slice::<Value>(&bytes, &Limits::TABLE);
        }
    }
}

//! The published schema of `policy.toml`, held to what the parser says of the fixtures.

#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "it reads fixtures; tests fail by panicking"
)]

use std::{env, fmt::Write, fs, path::Path};

use countersign_trust_roots::policy::Policy;
use serde_json::Value;

/// Words of the schema that say nothing about a value, or say it for another word.
const SILENT: [&str; 6] = [
    "$defs",
    "$schema",
    "default",
    "description",
    "format",
    "title",
];

struct Schema(Value);

impl Schema {
    fn accepts(&self, schema: &Value, value: &Value) -> bool {
        let words = schema.as_object();
        words.is_none_or(|words| {
            words
                .iter()
                .all(|(word, is)| self.holds(word, is, schema, value))
        }) && *schema != Value::Bool(false)
    }

    fn holds(&self, word: &str, is: &Value, schema: &Value, value: &Value) -> bool {
        let at_most = |length: Option<usize>, limit: &Value| {
            length.is_none_or(|length| length as u64 <= limit.as_u64().unwrap())
        };
        let at_least = |length: Option<usize>, limit: &Value| {
            length.is_none_or(|length| length as u64 >= limit.as_u64().unwrap())
        };
        let items = value.as_array().map(Vec::len);
        let letters = value.as_str().map(|text| text.chars().count());
        match word {
            "$ref" => {
                let place = is.as_str().unwrap().strip_prefix('#').unwrap();
                self.accepts(self.0.pointer(place).unwrap(), value)
            }
            "additionalProperties" => value.as_object().is_none_or(|members| {
                let known = &schema["properties"];
                let mut others = members.iter().filter(|(name, _)| known.get(name).is_none());
                others.all(|(_, value)| self.accepts(is, value))
            }),
            "const" => is == value,
            "enum" => is.as_array().unwrap().contains(value),
            "items" => value
                .as_array()
                .is_none_or(|items| items.iter().all(|item| self.accepts(is, item))),
            "maxItems" => at_most(items, is),
            "minItems" => at_least(items, is),
            "maxLength" => at_most(letters, is),
            "minLength" => at_least(letters, is),
            "maxProperties" => at_most(value.as_object().map(serde_json::Map::len), is),
            "maximum" => value
                .as_i64()
                .is_none_or(|number| number <= is.as_i64().unwrap()),
            "minimum" => value
                .as_i64()
                .is_none_or(|number| number >= is.as_i64().unwrap()),
            "oneOf" => {
                let choices = is.as_array().unwrap().iter();
                choices.filter(|choice| self.accepts(choice, value)).count() == 1
            }
            "properties" => is.as_object().unwrap().iter().all(|(name, schema)| {
                value
                    .get(name)
                    .is_none_or(|value| self.accepts(schema, value))
            }),
            "required" => {
                let names = is.as_array().unwrap();
                !value.is_object()
                    || names
                        .iter()
                        .all(|name| value.get(name.as_str().unwrap()).is_some())
            }
            "type" => match is.as_str().unwrap() {
                "array" => value.is_array(),
                "integer" => value.is_i64(),
                "object" => value.is_object(),
                "string" => value.is_string(),
                other => panic!("{other}"),
            },
            other => SILENT.contains(&other) || panic!("{other} is not understood here"),
        }
    }
}

#[test]
fn the_schema_accepts_what_the_parser_does_and_little_more() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema = fs::read(here.join("schema/policy-v1.json")).unwrap();
    let schema = Schema(serde_json::from_slice(&schema).unwrap());
    let fixtures = here.join("../fixtures/policy");
    let mut names: Vec<_> = fs::read_dir(&fixtures)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("--"))
        .collect();
    names.sort();
    let mut only_by_the_parser = String::new();
    for name in names {
        let text = fs::read_to_string(fixtures.join(&name).join("policy.toml")).unwrap();
        let is_parsed = Policy::parse(&text).is_ok();
        let value = toml::from_str::<toml::Value>(&text).ok();
        let value = value.map(|value| serde_json::to_value(value).unwrap());
        let is_accepted = value.is_some_and(|value| schema.accepts(&schema.0, &value));
        assert!(is_accepted || !is_parsed, "{name}: the schema refuses it");
        if is_accepted && !is_parsed {
            writeln!(only_by_the_parser, "{name}").unwrap();
        }
    }
    let path = fixtures.join("only-by-the-parser.txt");
    if env::var_os("COUNTERSIGN_REWRITE").is_some() {
        fs::write(&path, &only_by_the_parser).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        found, only_by_the_parser,
        "COUNTERSIGN_REWRITE=1 writes it anew"
    );
}

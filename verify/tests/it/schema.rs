//! The published form of a verdict.

use std::path::Path;

use countersign_verify::{
    inspect::document::InspectionDocument, verdict::document::VerdictDocument,
};
use serde_json::{Value, json};

use crate::{
    fixtures::{all, document, expect},
    inspecting,
    signing::pretty,
};

fn schema() -> Value {
    json!(schemars::schema_for!(VerdictDocument))
}

#[test]
fn the_schema_is_the_published_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/verdict-v1.json");
    expect(&path, pretty(&schema()).as_bytes());
}

fn schema_of_inspections() -> Value {
    json!(schemars::schema_for!(InspectionDocument))
}

#[test]
fn the_schema_of_inspections_is_the_published_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/inspection-v1.json");
    expect(&path, pretty(&schema_of_inspections()).as_bytes());
}

#[test]
fn every_inspection_fits_its_schema() {
    let schema = schema_of_inspections();
    for story in all() {
        let inspection = inspecting::document(&inspecting::inspected(&story));
        check(&inspection, &schema, &schema, &story.name);
    }
}

#[test]
fn every_verdict_fits_the_schema() {
    let schema = schema();
    for story in all() {
        let verdict: Value = serde_json::from_str(&document(&story.verify())).unwrap();
        check(&verdict, &schema, &schema, &story.name);
    }
}

#[test]
fn what_does_not_fit_the_schema_is_noticed() {
    let schema = schema();
    let good: Value = serde_json::from_str(&document(&all()[0].verify())).unwrap();
    for (member, wrong) in [
        ("verdict", json!("perhaps")),
        ("version", json!("1")),
        ("refusals", json!([{}])),
        ("unknown", json!(1)),
    ] {
        let mut bad = good.clone();
        bad[member] = wrong;
        let noticed = std::panic::catch_unwind(|| check(&bad, &schema, &schema, member));
        assert!(noticed.is_err(), "{member}");
    }
}

/// The part of JSON Schema that ours needs: references, types, members, named or any, items, and constants.
fn check(value: &Value, schema: &Value, root: &Value, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.trim_start_matches('#')).unwrap();
        return check(value, target, root, at);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let choice = choices
            .iter()
            .find(|choice| (choice["type"] == "null") == value.is_null());
        return check(value, choice.unwrap(), root, at);
    }
    if let Some(names) = schema["enum"].as_array() {
        return assert!(names.contains(value), "{at}: {value}");
    }
    let types = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        other => panic!("{at}: {other}"),
    };
    let actual = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    assert!(types.contains(&actual), "{at}: {value}");
    if let Value::Array(items) = value {
        for item in items {
            check(item, &schema["items"], root, at);
        }
    }
    if let Value::Object(members) = value {
        for required in schema["required"].as_array().into_iter().flatten() {
            assert!(
                members.contains_key(required.as_str().unwrap()),
                "{at}: {required}"
            );
        }
        for (name, member) in members {
            let described = match &schema["properties"][name] {
                Value::Null => &schema["additionalProperties"],
                described => described,
            };
            assert!(described.is_object(), "{at}: {name}");
            check(member, described, root, &format!("{at}.{name}"));
        }
    }
}

//! What TUF writes in one way, and lenient readers take in many: every client must read the same root, or none.

use std::collections::BTreeSet;

use countersign_common::Timestamp;
use serde_json::Value;

use super::{document::MEMBER, fault::Fault};

pub(super) fn check(file: &Value) -> Result<(), Fault> {
    let signed = |member: &str| {
        file.pointer("/signed")
            .and_then(|signed| signed.get(member)?.as_str())
    };
    if signed("expires").is_some_and(|text| !is_moment(text)) {
        return Err(Fault::Expires);
    }
    if signed("spec_version").is_some_and(|text| !is_specification(text)) {
        return Err(Fault::Specification);
    }
    if let Some(ours) = file.get("signed").and_then(|signed| signed.get(MEMBER)) {
        numbers(ours, &mut MEMBER.to_owned())?;
    }
    let mut seen = BTreeSet::new();
    let signatures = file.get("signatures").and_then(Value::as_array);
    let ids = signatures
        .into_iter()
        .flatten()
        .filter_map(|signature| signature.get("keyid")?.as_str());
    for id in ids {
        if !seen.insert(id) {
            return Err(Fault::SignedTwice { id: id.to_owned() });
        }
    }
    Ok(())
}

/// 2^53 − 1. An epoch at the end of all numbers could never rise again, and beyond this one many programs round.
pub(super) const GREATEST: u64 = (1 << 53) - 1;

/// As deep as JSON may nest, which is bounded before. Sigstore's list is not ours: no number of it is read.
fn numbers(value: &Value, path: &mut String) -> Result<(), Fault> {
    let length = path.len();
    let mut inside = |name: &str, value: &Value| {
        path.push('.');
        path.push_str(name);
        numbers(value, path)?;
        path.truncate(length);
        Ok(())
    };
    match value {
        Value::Number(number) if number.as_u64().is_some_and(|number| number > GREATEST) => {
            Err(Fault::Number { path: path.clone() })
        }
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            items.try_for_each(|(place, item)| inside(&place.to_string(), item))
        }
        Value::Object(members) => {
            let mut members = members.iter().filter(|(name, _)| *name != "trustedRoot");
            members.try_for_each(|(name, member)| inside(name, member))
        }
        _ => Ok(()),
    }
}

/// `YYYY-MM-DDTHH:MM:SSZ`, and nothing else that means the same.
fn is_moment(text: &str) -> bool {
    Timestamp::parse(text).is_ok_and(|time| time.to_string() == text)
}

/// Two or three numbers, the first of which is 1.
fn is_specification(text: &str) -> bool {
    let parts: Vec<_> = text.split('.').collect();
    let is_number =
        |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (2..=3).contains(&parts.len()) && parts.iter().all(is_number) && parts.first() == Some(&"1")
}

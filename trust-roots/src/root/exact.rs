//! What TUF writes in one way, and lenient readers take in many: every client must read the same root, or none.

use std::collections::BTreeSet;

use countersign_common::Timestamp;
use serde_json::Value;

use super::fault::Fault;

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

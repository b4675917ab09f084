//! What a rule demands and excepts, in words and in JSON.

use countersign_common::{Age, Escaped, Timestamp};
use countersign_trust_roots::{
    Pattern,
    policy::{Exception, Rule, StateUse},
};
use serde_json::{Value, json};

pub(super) fn demands(rule: &Rule) -> Vec<String> {
    let mut demands = vec![format!("level `{}`", rule.require.name())];
    if let Some(age) = rule.max_age {
        demands.push(format!("published at most {} ago", Age(age)));
    }
    if let Some(age) = rule.min_age {
        demands.push(format!("published at least {} ago", Age(age)));
    }
    if let Some(threshold) = rule.time_threshold {
        let plural = if threshold.get() == 1 { "" } else { "s" };
        demands.push(format!(
            "dates proven by at least {threshold} operator{plural}"
        ));
    }
    if let Some(signers) = &rule.signers {
        let keys: Vec<_> = signers
            .of
            .iter()
            .map(|key| format!("{}…", key.short()))
            .collect();
        demands.push(format!(
            "signed by at least {} of {}",
            signers.at_least,
            keys.join(", ")
        ));
    }
    for attestation in &rule.attestations {
        demands.push(format!("attestation {}", Escaped(attestation.as_str())));
    }
    if rule.state == StateUse::Required {
        demands.push("a state of what was seen before".to_owned());
    }
    demands
}

/// A rule with these of its exceptions.
pub(super) fn rule_json<'r>(
    rule: &Rule,
    exceptions: impl IntoIterator<Item = &'r Exception>,
    now: Timestamp,
) -> Value {
    let exceptions = exceptions.into_iter();
    let exceptions = exceptions.map(|exception| exception_json(exception, now));
    json!({
        "line": rule.line,
        "match": rule.matches.as_str(),
        "mirrors": rule.mirrors.as_ref().map(Pattern::as_str),
        "root": rule.root.name.as_str(),
        "mode": rule.mode.name(),
        "require": rule.require.name(),
        "demands": demands(rule),
        "exceptions": exceptions.collect::<Vec<_>>(),
    })
}

fn exception_json(exception: &Exception, now: Timestamp) -> Value {
    json!({
        "image": exception.image,
        "codes": exception.codes,
        "reason": Escaped(&exception.reason).to_string(),
        "until": exception.until,
        "isOver": now > exception.until,
    })
}

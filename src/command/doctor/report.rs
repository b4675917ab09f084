//! How findings are shown: a line each for people, with what mends it below, or one JSON document.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::{
    finding::{Finding, Status},
    statement::{Grant, Place, policies},
};
use crate::{
    arguments::{Common, Output},
    output::{self, Stop},
};

const GREEN: Style = AnsiColor::Green.on_default().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const PLAIN: Style = Style::new();

pub(super) fn report(findings: &[Finding], common: &Common) -> Result<(), Stop> {
    match common.output {
        Output::Json => output::print_json(&document(findings)),
        Output::Text => output::print(&text(findings)),
    }
}

fn text(findings: &[Finding]) -> String {
    let is_one = |one: &Finding, next: &Finding| {
        [Status::Skipped, Status::Unknown].contains(&one.status)
            && (one.status, &one.sentence, &one.remedy)
                == (next.status, &next.sentence, &next.remedy)
    };
    let mut text: String = findings.chunk_by(is_one).map(lines).collect();
    let policies = policies(needed(findings));
    // Of one alone the statement was shown.
    if needed(findings).count() > policies.len() {
        for (place, policy) in &policies {
            let _ = writeln!(text, "all that AWS must allow, {}:", place.sentence());
            text.push_str(&indented(policy, "  "));
        }
    }
    let counts = Status::ALL.iter().rev().filter_map(|status| {
        let count = findings.iter().filter(|one| one.status == *status).count();
        (count > 0).then(|| format!("{count} {}", status.counted(count)))
    });
    let _ = writeln!(text, "{}", counts.collect::<Vec<_>>().join(", "));
    text
}

/// One finding, or several that are not known for one reason.
fn lines(alike: &[Finding]) -> String {
    let Some(finding) = alike.first() else {
        return String::new();
    };
    let style = match finding.status {
        Status::Ok => GREEN,
        Status::Note | Status::Unknown => YELLOW,
        Status::Problem => RED,
        Status::Skipped => PLAIN,
    };
    let status = finding.status.name();
    let codes: Vec<_> = alike.iter().map(|one| one.code.as_str()).collect();
    let codes = codes.join(", ");
    let mut lines = format!("{style}{status}[{codes}]{style:#}: {}\n", finding.sentence);
    if let Some(remedy) = &finding.remedy {
        let _ = writeln!(lines, "  remedy: {remedy}");
    }
    for grant in &finding.grants {
        let _ = writeln!(lines, "  {}:", grant.place.sentence());
        let _ = writeln!(lines, "    {}", grant.statement());
    }
    lines
}

fn indented(value: &Value, margin: &str) -> String {
    let pretty = serde_json::to_string_pretty(value).unwrap_or_default();
    pretty
        .lines()
        .flat_map(|line| [margin, line, "\n"])
        .collect()
}

/// What must be allowed, without what only doctor would need.
fn needed(findings: &[Finding]) -> impl Iterator<Item = &Grant> {
    let problems = findings.iter().filter(|one| one.status == Status::Problem);
    problems.flat_map(|finding| &finding.grants)
}

fn document(findings: &[Finding]) -> Value {
    let policies = policies(needed(findings));
    let policies: Vec<_> = policies
        .iter()
        .map(|(place, policy)| placed(place, "policy", policy))
        .collect();
    json!({
        "findings": findings.iter().map(finding).collect::<Vec<_>>(),
        "policies": policies,
    })
}

fn finding(finding: &Finding) -> Value {
    let statements = finding.grants.iter();
    let statements = statements.map(|grant| placed(&grant.place, "statement", &grant.statement()));
    json!({
        "code": finding.code,
        "status": finding.status.name(),
        "sentence": finding.sentence,
        "cause": finding.cause,
        "remedy": finding.remedy,
        "statements": statements.collect::<Vec<_>>(),
    })
}

fn placed(place: &Place, name: &str, what: &Value) -> Value {
    let (kind, of) = match place {
        Place::Bound(name) => (*name, None),
        Place::Caller => ("caller", None),
        Place::Key(arn) => ("key", Some(arn)),
        Place::Repository(arn) => ("repository", Some(arn)),
    };
    json!({ "in": kind, "of": of, name: what })
}

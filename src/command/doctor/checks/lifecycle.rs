//! What a lifecycle policy of Amazon ECR would delete or archive of what this product keeps: signatures and publications,
//! which have no tags, and the tags of trust roots and tag tables.

use countersign_common::{Escaped, Limits, json};
use serde::Deserialize;

use crate::command::doctor::{
    code,
    finding::{Finding, Status},
};

/// Tags that this product makes, one of each kind.
const TAGS: [&str; 3] = [
    "countersign-root-v1",
    "countersign-head-1",
    "p-0000000000000000000000000000000000000000000000000000000000000000",
];

#[derive(Deserialize)]
struct Document {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    #[serde(rename = "rulePriority")]
    priority: u64,
    selection: Selection,
    action: Action,
}

#[derive(Deserialize)]
struct Selection {
    #[serde(rename = "tagStatus")]
    status: String,
    #[serde(default, rename = "tagPrefixList")]
    prefixes: Vec<String>,
    #[serde(default, rename = "tagPatternList")]
    patterns: Vec<String>,
}

#[derive(Deserialize)]
struct Action {
    r#type: String,
}

pub(in crate::command::doctor) fn check(arn: &str, text: &str) -> Vec<Finding> {
    let code = code::ECR_LIFECYCLE;
    let document: Document = match json::from_slice(text.as_bytes(), &Limits::TABLE) {
        Ok(document) => document,
        Err(error) => {
            let sentence = format!("the lifecycle policy of {arn} is not understood: {error}");
            let unknown = Finding {
                status: Status::Unknown,
                ..Finding::note(
                    code,
                    sentence,
                    "see to it that no rule is for `any` or `untagged` images",
                )
            };
            return vec![unknown];
        }
    };
    let eating: Vec<_> = document
        .rules
        .iter()
        .filter_map(|rule| Some((rule, rule.eats()?)))
        .map(|(rule, eaten)| {
            let priority = rule.priority;
            Finding::problem(
                code,
                format!("rule {priority} of the lifecycle policy of {arn} {} {eaten}", rule.does()),
                "let each rule be for `tagged` images alone, with `tagPatternList` of your own tags",
            )
        })
        .collect();
    if eating.is_empty() {
        let sentence = format!("the lifecycle policy of {arn} leaves signatures alone");
        return vec![Finding::ok(code, sentence)];
    }
    eating
}

impl Rule {
    /// What it would take away that must stay.
    fn eats(&self) -> Option<String> {
        let selection = &self.selection;
        match selection.status.as_str() {
            "tagged" => {
                let tag = TAGS.into_iter().find(|tag| selection.selects(tag))?;
                Some(format!(
                    "tags such as `{tag}`, by which trust roots and tag tables are found"
                ))
            }
            status => {
                let status = Escaped(status).to_string();
                Some(format!(
                    "images that are `{status}`, and signatures and publications are untagged ones"
                ))
            }
        }
    }

    fn does(&self) -> &'static str {
        match self.action.r#type.as_str() {
            "expire" => "deletes",
            // What is archived is not listed.
            _ => "archives",
        }
    }
}

impl Selection {
    fn selects(&self, tag: &str) -> bool {
        let mut prefixes = self.prefixes.iter();
        // A tag must match all of several patterns.
        let by_pattern =
            !self.patterns.is_empty() && self.patterns.iter().all(|pattern| matches(pattern, tag));
        by_pattern || prefixes.any(|prefix| tag.starts_with(prefix.as_str()))
    }
}

/// Whether a pattern, in which a `*` is any run of characters, is for a tag. AWS takes four of them in one.
pub(in crate::command::doctor) fn matches(pattern: &str, tag: &str) -> bool {
    let Some((begin, rest)) = pattern.split_once('*') else {
        return pattern == tag;
    };
    let Some(mut left) = tag.strip_prefix(begin) else {
        return false;
    };
    let mut parts: Vec<_> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = left.split_once(part) else {
            return false;
        };
        left = after;
    }
    left.ends_with(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn statuses(rules: &str) -> Vec<Status> {
        let findings = check("arn:…", &format!(r#"{{"rules":[{rules}]}}"#));
        findings.iter().map(|finding| finding.status).collect()
    }

    fn rule(selection: &str) -> String {
        format!(
            r#"{{"rulePriority":1,"selection":{{{selection},"countType":"imageCountMoreThan","countNumber":9}},"action":{{"type":"expire"}}}}"#
        )
    }

    #[test]
    fn what_has_no_tags_or_ours_must_stay() {
        for (selection, status) in [
            (r#""tagStatus":"any""#, Status::Problem),
            (r#""tagStatus":"untagged""#, Status::Problem),
            (
                r#""tagStatus":"tagged","tagPatternList":["*"]"#,
                Status::Problem,
            ),
            (
                r#""tagStatus":"tagged","tagPatternList":["countersign-*"]"#,
                Status::Problem,
            ),
            (
                r#""tagStatus":"tagged","tagPatternList":["p-*"]"#,
                Status::Problem,
            ),
            (
                r#""tagStatus":"tagged","tagPrefixList":["count"]"#,
                Status::Problem,
            ),
            (
                r#""tagStatus":"tagged","tagPatternList":["pr-*"]"#,
                Status::Ok,
            ),
            (
                r#""tagStatus":"tagged","tagPatternList":["*","dev*"]"#,
                Status::Ok,
            ),
            (
                r#""tagStatus":"tagged","tagPrefixList":["prod"]"#,
                Status::Ok,
            ),
        ] {
            assert_eq!(statuses(&rule(selection)), [status], "{selection}");
        }
        assert_eq!(statuses(""), [Status::Ok]);
        assert_eq!(statuses("7"), [Status::Unknown]);
        let both = [r#""tagStatus":"any""#, r#""tagStatus":"untagged""#].map(rule);
        assert_eq!(statuses(&both.join(",")).len(), 2);
    }

    #[test]
    fn patterns_are_for_whole_tags() {
        for (pattern, tag, is_for) in [
            ("latest", "latest", true),
            ("latest", "latest-1", false),
            ("v*", "v1", true),
            ("v*", "dev1", false),
            ("*-rc*", "1.0-rc1", true),
            ("*-rc", "1.0-rc1", false),
            ("a*b*a", "aba", true),
            ("a*a", "a", false),
            ("**", "", true),
        ] {
            assert_eq!(matches(pattern, tag), is_for, "{pattern} {tag}");
        }
    }

    proptest! {
        #[test]
        fn any_policy_is_answered_without_a_panic(text: String, pattern in "[a*]{0,6}", tag in "a{0,6}") {
            check("arn", &text);
            matches(&pattern, &tag);
        }
    }
}

//! What a lifecycle policy of Amazon ECR would delete or archive of what this product keeps: signatures and publications,
//! which have no tags, and the tags of trust roots and tag tables.

use std::collections::BTreeSet;

use countersign_common::{Escaped, Limits, json};
use serde::Deserialize;

use crate::command::doctor::{
    code,
    finding::{Finding, Status},
};

/// Tags of one kind, by how they begin.
struct Family {
    begin: &'static str,
    rest: Rest,
    /// What is found by them.
    finds: &'static str,
    /// What it is to lose them.
    loss: Status,
}

/// How a tag goes on.
#[derive(Clone, Copy)]
enum Rest {
    Digits,
    /// The digits of a SHA-256.
    Digest,
    /// The same, and `.sig`, `.att` and the like.
    List,
}

/// A number has no more digits.
const DIGITS: usize = 20;
const DIGEST: usize = 64;
/// Tags that this product makes, one of each kind; and the lists that registries without referrers have, which cosign makes
/// everywhere.
const FAMILIES: [Family; 4] = [
    Family {
        begin: "countersign-root-v",
        rest: Rest::Digits,
        finds: "trust roots and tag tables",
        loss: Status::Problem,
    },
    Family {
        begin: "countersign-head-",
        rest: Rest::Digits,
        finds: "trust roots and tag tables",
        loss: Status::Problem,
    },
    Family {
        begin: "p-",
        rest: Rest::Digest,
        finds: "publications",
        loss: Status::Problem,
    },
    Family {
        begin: "sha256-",
        rest: Rest::List,
        finds: "signatures that are listed by tags, such as those of cosign 2",
        loss: Status::Note,
    },
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
    #[serde(default, rename = "storageClass")]
    class: Option<String>,
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
        .map(|(rule, (status, eaten))| {
            let priority = rule.priority;
            let sentence = format!(
                "rule {priority} of the lifecycle policy of {arn} {} {eaten}",
                rule.does()
            );
            let remedy =
                "let each rule be for `tagged` images alone, with `tagPatternList` of your own tags";
            Finding {
                status,
                ..Finding::problem(code, sentence, remedy)
            }
        })
        .collect();
    if eating.is_empty() {
        let sentence = format!("the lifecycle policy of {arn} leaves signatures alone");
        return vec![Finding::ok(code, sentence)];
    }
    eating
}

impl Rule {
    /// What it would take away that must stay, and what that means.
    fn eats(&self) -> Option<(Status, String)> {
        let selection = &self.selection;
        let (loss, eaten) = match selection.status.as_str() {
            "tagged" => {
                let family = FAMILIES
                    .iter()
                    .find(|family| selection.selects_of(family))?;
                let (begin, finds) = (family.begin, family.finds);
                (
                    family.loss,
                    format!("tags such as `{begin}…`, by which {finds} are found"),
                )
            }
            status => {
                let status = Escaped(status).to_string();
                (
                    Status::Problem,
                    format!(
                        "images that are `{status}`, and signatures and publications are untagged ones"
                    ),
                )
            }
        };
        // What was archived is not listed: it is lost already, and whatever archives it is told of by itself.
        let is_archive = selection.class.as_deref() == Some("archive");
        let loss = if is_archive { Status::Note } else { loss };
        Some((loss, eaten))
    }

    fn does(&self) -> &'static str {
        match self.action.r#type.as_str() {
            "expire" if self.selection.class.as_deref() == Some("archive") => {
                "deletes from the archive"
            }
            "expire" => "deletes",
            // What is archived is not listed.
            _ => "archives",
        }
    }
}

impl Selection {
    /// Whether it may select a tag of a family. An image must have a tag for each entry of a list.
    fn selects_of(&self, family: &Family) -> bool {
        let patterns = self.patterns.iter().cloned();
        let prefixes = self.prefixes.iter().map(|prefix| format!("{prefix}*"));
        let mut all = patterns.chain(prefixes).peekable();
        all.peek().is_some() && all.all(|pattern| family.meets(pattern.as_bytes()))
    }
}

impl Family {
    /// Whether a pattern is for one of its tags: the places in the pattern that some tag reaches, byte by byte.
    fn meets(&self, pattern: &[u8]) -> bool {
        let mut reached = past_stars(pattern, BTreeSet::from([0]));
        for byte in self.begin.bytes() {
            reached = step(pattern, &reached, |told| told == byte);
        }
        let (most, is_in): (_, fn(u8) -> bool) = match self.rest {
            Rest::Digits => (DIGITS, |told| told.is_ascii_digit()),
            Rest::Digest | Rest::List => (DIGEST, |told| matches!(told, b'0'..=b'9' | b'a'..=b'f')),
        };
        for length in 1..=most {
            reached = step(pattern, &reached, is_in);
            let is_whole = length == most || matches!(self.rest, Rest::Digits);
            if is_whole && reached.contains(&pattern.len()) {
                return true;
            }
        }
        let mut rest = reached.iter().filter_map(|at| pattern.get(*at..));
        matches!(self.rest, Rest::List) && rest.any(|rest| rest.starts_with(b"."))
    }
}

fn step(pattern: &[u8], reached: &BTreeSet<usize>, is_in: impl Fn(u8) -> bool) -> BTreeSet<usize> {
    let next = reached.iter().filter_map(|at| match pattern.get(*at)? {
        b'*' => Some(*at),
        told => is_in(*told).then_some(at + 1),
    });
    past_stars(pattern, next.collect())
}

/// A star may be for nothing.
fn past_stars(pattern: &[u8], mut reached: BTreeSet<usize>) -> BTreeSet<usize> {
    let mut begins: Vec<_> = reached.iter().copied().collect();
    while let Some(at) = begins.pop() {
        if pattern.get(at) == Some(&b'*') && reached.insert(at + 1) {
            begins.push(at + 1);
        }
    }
    reached
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
            // An image must have a tag for each entry.
            (
                r#""tagStatus":"tagged","tagPrefixList":["p","dev"]"#,
                Status::Ok,
            ),
            (
                r#""tagStatus":"tagged","tagPrefixList":["p","p-0"]"#,
                Status::Problem,
            ),
            // Versions of the users' own, and of roots.
            (
                r#""tagStatus":"tagged","tagPatternList":["*-v2*"]"#,
                Status::Problem,
            ),
            (
                r#""tagStatus":"tagged","tagPatternList":["*-2024"]"#,
                Status::Problem,
            ),
            (
                r#""tagStatus":"tagged","tagPatternList":["*-v2.*"]"#,
                Status::Ok,
            ),
            (
                r#""tagStatus":"tagged","tagPatternList":["p-e2e*"]"#,
                Status::Problem,
            ),
            (
                r#""tagStatus":"tagged","tagPatternList":["p-test*"]"#,
                Status::Ok,
            ),
            (
                r#""tagStatus":"tagged","tagPatternList":["sha256-*"]"#,
                Status::Note,
            ),
            (
                r#""tagStatus":"tagged","tagPatternList":["*.sig"]"#,
                Status::Note,
            ),
            // What was archived is lost already.
            (
                r#""tagStatus":"any","storageClass":"archive""#,
                Status::Note,
            ),
            (
                r#""tagStatus":"any","storageClass":"standard""#,
                Status::Problem,
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

        #[test]
        fn a_family_meets_each_pattern_that_is_for_one_of_its_tags(number: u32, from in 0_usize..20, to in 0_usize..20) {
            let tag = format!("countersign-root-v{number}");
            let part: String = tag.chars().skip(from).take(to).collect();
            let pattern = format!("*{part}*");
            prop_assert!(matches(&pattern, &tag));
            prop_assert!(FAMILIES[0].meets(pattern.as_bytes()));
            // No digit of a SHA-256.
            let foreign = format!("{pattern}v*");
            let is_met = FAMILIES[2].meets(foreign.as_bytes());
            prop_assert!(!is_met);
        }
    }
}

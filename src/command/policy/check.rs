//! Is a policy understood, and do its roots grant what its rules count on?

use std::{fmt::Write, path::Path};

use countersign_common::{Code, Escaped, Explain, Timestamp};
use countersign_trust_roots::{
    document::StandIn,
    policy::{Exception, Matched, Policy, Position, Rule},
};
use countersign_verify::{Class, Ungoverned};
use serde_json::{Value, json};

use super::{found, rule::rule_json};
use crate::{
    arguments::{Common, Output, PolicyCheck},
    config::Config,
    exit::Exit,
    judge::{self, Begin, Court, Needed, Summons, When},
    network,
    output::{self, Stop},
};

pub(super) async fn check(
    arguments: &PolicyCheck,
    common: &Common,
    now: Timestamp,
) -> Result<Exit, Stop> {
    let config = Config::read(common.config.as_deref())?;
    let file = found(&arguments.governed, &config)?;
    let path = file.path.clone();
    let rules = file.policy.rules().to_vec();
    let mut findings = of_policy(&file.policy, now);
    if !arguments.offline {
        let client = network::client(&arguments.network, arguments.timeout, &config)?;
        let summons = Summons {
            client: &client,
            timeout: arguments.timeout,
            state_dir: arguments.governed.state_dir.as_deref(),
            begin: Begin::Not,
            when: When::Now,
            system: now,
        };
        let is_judged = |rule: &&Rule| Ungoverned::check_level(rule).is_ok();
        let rest: Vec<_> = rules.iter().filter(is_judged).collect();
        let roots = rest.iter().map(|rule| rule.root.name.clone()).collect();
        let court = Court::convene(
            file,
            Needed::Named(&roots),
            judge::nothing_besides(StandIn::Refused),
            summons,
        )
        .await?;
        findings.extend(rest.into_iter().filter_map(|rule| finding(rule, &court)));
    }
    findings.sort_by_key(|finding| finding.rule);
    let exit = findings
        .iter()
        .map(|finding| finding.exit)
        .max()
        .unwrap_or(Exit::Done);
    match common.output {
        Output::Json => output::print_json(&json!({
            "policy": path.to_string_lossy(),
            "rules": rules.iter().map(|rule| rule_json(rule, &rule.exceptions, now)).collect::<Vec<_>>(),
            "findings": findings.iter().map(Finding::json).collect::<Vec<_>>(),
        }))?,
        Output::Text => output::print(&checked(&path, &rules, &findings))?,
    }
    Ok(exit)
}

/// What is wrong with one rule.
pub(in crate::command) struct Finding {
    /// The line at which the rule begins.
    rule: usize,
    pub(in crate::command) line: usize,
    column: Option<usize>,
    pub(in crate::command) exit: Exit,
    pub(in crate::command) code: Code,
    pub(in crate::command) message: String,
    pub(in crate::command) remedy: String,
}

impl Finding {
    fn of(rule: &Rule, exit: Exit, explained: &dyn Explain) -> Self {
        Self {
            rule: rule.line,
            line: rule.line,
            column: None,
            exit,
            code: explained.code(),
            message: explained.to_string(),
            remedy: explained.remedy(),
        }
    }

    /// With its place in the file, as far as that is known.
    fn of_ungoverned(rule: &Rule, ungoverned: &Ungoverned) -> Self {
        let exit = match ungoverned.class() {
            Class::Configuration => Exit::Usage,
            Class::Refusal => Exit::Refused,
        };
        let finding = Self::of(rule, exit, ungoverned);
        match ungoverned {
            Ungoverned::Policy(invalid) => Self {
                line: invalid.at.line,
                column: Some(invalid.at.column),
                message: invalid.reason.to_string(),
                ..finding
            },
            _ => finding,
        }
    }

    /// What ends in nothing else.
    fn warning(rule: &Rule, at: Position, explained: &dyn Explain) -> Self {
        Self {
            line: at.line,
            column: Some(at.column),
            ..Self::of(rule, Exit::Done, explained)
        }
    }

    fn kind(&self) -> &'static str {
        match self.exit {
            Exit::Done => "warning",
            Exit::Refused => "refused",
            _ => "error",
        }
    }

    fn text(&self) -> String {
        let column = self.column.map(|column| format!(", column {column}"));
        let column = column.unwrap_or_default();
        let message = format!("line {}{column}: {}", self.line, self.message);
        output::explanation(self.kind(), self.code, &message, &self.remedy)
    }

    fn json(&self) -> Value {
        json!({
            "kind": self.kind(),
            "rule": self.rule,
            "line": self.line,
            "column": self.column,
            "code": self.code,
            "message": self.message,
            "remedy": self.remedy,
        })
    }
}

/// What the policy alone says of its rules.
pub(in crate::command) fn of_policy(policy: &Policy, now: Timestamp) -> Vec<Finding> {
    let ties = policy
        .ties()
        .map(|tie| Finding::of(tie.rule, Exit::Usage, &tie));
    let rules = policy.rules().iter().flat_map(|rule| {
        let level = Ungoverned::check_level(rule).err();
        let level = level.map(|not_yet| Finding::of_ungoverned(rule, &not_yet));
        let idle = rule.idle.iter();
        let idle = idle.map(|idle| Finding::warning(rule, idle.at, idle));
        let exceptions = rule.exceptions.iter().filter_map(|exception| {
            let unused = ExceptionUnused::of(exception, rule, (policy, now))?;
            Some(Finding::warning(rule, exception.at, &unused))
        });
        level.into_iter().chain(idle).chain(exceptions)
    });
    ties.chain(rules).collect()
}

/// Whether a rule can judge anything.
pub(in crate::command) fn finding(rule: &Rule, court: &Court) -> Option<Finding> {
    let opened = match court.root(&rule.root.name)? {
        Ok(opened) => opened,
        Err(error) if error.is_undecided() => {
            return Some(Finding::of(rule, Exit::Undecided, error));
        }
        Err(error) => return Some(Finding::of(rule, Exit::Refused, error)),
    };
    let granted = rule.mirrors.as_ref().unwrap_or(&rule.matches);
    let scopes = opened.root.contents().scopes().iter();
    let mut patterns = scopes.flat_map(|scope| &scope.repositories);
    if !patterns.any(|pattern| pattern.overlaps(granted)) {
        let error = NothingGranted {
            rule: granted.to_string(),
            version: opened.root.contents().version(),
        };
        return Some(Finding::of(rule, Exit::Refused, &error));
    }
    let ungoverned = Ungoverned::of_rule(rule, opened.root.contents()).err()?;
    Some(Finding::of_ungoverned(rule, &ungoverned))
}

fn checked(path: &Path, rules: &[Rule], findings: &[Finding]) -> String {
    let shown = path.display().to_string();
    let mut text = format!("policy {}\n", Escaped(&shown));
    for rule in rules {
        let _ = writeln!(
            text,
            "  line {:<4} {}: {}, {}, root {}",
            rule.line,
            rule.matches,
            rule.mode.name(),
            rule.require.name(),
            rule.root.name
        );
        let of_rule = |finding: &&Finding| finding.rule == rule.line;
        text.extend(findings.iter().filter(of_rule).map(Finding::text));
    }
    text
}

/// A rule for what its root grants nobody.
#[derive(Debug)]
struct NothingGranted {
    rule: String,
    version: u64,
}

impl std::fmt::Display for NothingGranted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "root version {} grants nobody anything in `{}`",
            self.version, self.rule
        )
    }
}

impl Explain for NothingGranted {
    fn code(&self) -> Code {
        Code::new("scope-not-granted")
    }

    fn remedy(&self) -> String {
        "grant it in the root: `countersign trust set-scope --repository PATTERN`; or correct the policy".to_owned()
    }
}

/// An exception that excepts nothing, or nothing any more.
#[derive(Debug)]
enum ExceptionUnused {
    /// Its time is up.
    Over { until: Timestamp },
    /// Another rule is for its image.
    Shadowed { rule: String, line: usize },
}

impl ExceptionUnused {
    fn of(exception: &Exception, rule: &Rule, (policy, now): (&Policy, Timestamp)) -> Option<Self> {
        match policy.rule_for(exception.image.repository()) {
            Ok(Matched { rule: decides, .. }) if decides.line != rule.line => {
                Some(Self::Shadowed {
                    rule: decides.matches.to_string(),
                    line: decides.line,
                })
            }
            _ => (now > exception.until).then_some(Self::Over {
                until: exception.until,
            }),
        }
    }
}

impl std::fmt::Display for ExceptionUnused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Over { until } => write!(f, "this exception is over since {until}"),
            Self::Shadowed { rule, line } => write!(
                f,
                "this exception is never asked for: `{rule}` of line {line} decides about its image"
            ),
        }
    }
}

impl Explain for ExceptionUnused {
    fn code(&self) -> Code {
        Code::new("exception-unused")
    }

    fn remedy(&self) -> String {
        match self {
            Self::Over { .. } => "take it out, or give it a later `until`".to_owned(),
            Self::Shadowed { line, .. } => {
                format!("move it below the policy of line {line}, or take it out")
            }
        }
    }
}

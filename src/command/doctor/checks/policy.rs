//! The policy and its trust roots: whether it is understood, what is wrong with its rules, and whether its roots can be
//! followed. What `countersign policy check` finds is found here too.

use std::{collections::BTreeSet, path::Path};

use countersign_common::{Escaped, Timestamp};
use countersign_registry::Client;
use countersign_trust_roots::{RootName, policy::Policy};

use crate::{
    arguments::{Governed, doctor::DoctorPurpose},
    command::{
        doctor::{
            code,
            finding::{Finding, Status},
            place::Place,
        },
        policy::check::{self, Finding as RuleFinding},
    },
    config::Config,
    exit::Exit,
    judge::{Begin, Court, Needed, Summons, When},
    policy_file::{self, PolicyFile},
    roots,
};

/// Says what it finds out, and gives the policy with its roots opened, where there is one.
pub(in crate::command::doctor) async fn check(
    (governed, config): (&Governed, &Config),
    (places, purpose): (&[Place], DoctorPurpose),
    (client, timeout, now): (&Client, u64, Timestamp),
    findings: &mut Vec<Finding>,
) -> Option<Court> {
    let file = match policy_file::find(governed, config) {
        Ok(Some(file)) => file,
        Ok(None) => {
            let skipped = Finding::skipped(code::POLICY, "there is no policy")
                .mended_by("name one with `--policy`, or write `policy.toml` beside the configuration; by `--key` images are verified without");
            findings.push(skipped);
            return None;
        }
        Err(stop) => {
            findings.push(Finding::stopped(code::POLICY, &stop));
            return None;
        }
    };
    findings.extend(of_file(&file, places, purpose, now));
    let names: BTreeSet<_> = file.policy.roots().map(|root| root.name.clone()).collect();
    let summons = Summons {
        client,
        timeout,
        state_dir: governed.state_dir.as_deref(),
        begin: Begin::Not,
        when: When::Now,
        system: now,
    };
    match Court::of_newest(file.policy, Needed::Named(&names), summons).await {
        Ok(court) => {
            findings.extend(of_rules(&court));
            findings.extend(names.iter().flat_map(|name| of_root(&court, name, now)));
            Some(court)
        }
        Err(stop) => {
            findings.push(Finding::stopped(code::TRUST_ROOT, &stop));
            None
        }
    }
}

/// What the file says, whatever its roots are.
fn of_file(
    file: &PolicyFile,
    places: &[Place],
    purpose: DoctorPurpose,
    now: Timestamp,
) -> Vec<Finding> {
    let shown = file.path.display().to_string();
    let rules = match file.policy.rules().len() {
        1 => "1 rule".to_owned(),
        rules => format!("{rules} rules"),
    };
    let understood = format!("{} is understood: {rules}", Escaped(&shown));
    [Finding::ok(code::POLICY, understood)]
        .into_iter()
        .chain(check::of_policy(&file.policy, now).iter().map(of_rule))
        .chain(without_rule(&file.policy, places, purpose))
        .chain(open_to_anybody(&file.path))
        .collect()
}

/// What its roots say of its rules. Of a root that cannot be used it is said once, by itself.
fn of_rules(court: &Court) -> Vec<Finding> {
    let rules = court.policy().rules().iter();
    rules
        .filter(|rule| matches!(court.root(&rule.root.name), Some(Ok(_))))
        .filter_map(|rule| check::finding(rule, court))
        .map(|finding| of_rule(&finding))
        .collect()
}

fn open_to_anybody(path: &Path) -> Option<Finding> {
    let open = policy_file::open_to_anybody(path)?.display().to_string();
    let sentence = "anybody on this machine can change what the policy demands";
    let remedy = format!("`chmod o-w {}`", Escaped(&open));
    Some(Finding::problem(code::POLICY, sentence, &remedy))
}

fn of_rule(finding: &RuleFinding) -> Finding {
    let status = match finding.exit {
        Exit::Done => Status::Note,
        Exit::Undecided => Status::Unknown,
        Exit::Refused | Exit::Usage | Exit::Internal => Status::Problem,
    };
    Finding {
        status,
        cause: Some(finding.code),
        ..Finding::note(
            code::POLICY,
            format!("line {}: {}", finding.line, finding.message),
            &finding.remedy,
        )
    }
}

/// Images for which there is no rule: nobody verifies them by this policy, and signers are held to nothing.
fn without_rule(policy: &Policy, places: &[Place], purpose: DoctorPurpose) -> Vec<Finding> {
    let status = match purpose {
        DoctorPurpose::Sign => Status::Note,
        DoctorPurpose::Verify => Status::Problem,
    };
    let refused = places
        .iter()
        .filter_map(|place| policy.rule_for(place.image.repository()).err());
    refused
        .map(|no_rule| Finding::explained(code::POLICY, status, &no_rule))
        .collect()
}

fn of_root(court: &Court, name: &RootName, now: Timestamp) -> Vec<Finding> {
    let code = code::TRUST_ROOT;
    let opened = match court.root(name) {
        Some(Ok(opened)) => opened,
        Some(Err(error)) => {
            let status = if error.is_undecided() {
                Status::Unknown
            } else {
                Status::Problem
            };
            return vec![Finding::explained(code, status, error)];
        }
        None => return Vec::new(),
    };
    let root = opened.root.contents();
    let (version, expires) = (root.version(), root.expires());
    let sentence =
        format!("root {name} is followed to version {version}, which expires at {expires}");
    let mut findings = vec![if roots::expires_soon(root, now) {
        let remedy =
            "have a new version signed and published before: those who hold its root keys can";
        Finding::note(code, sentence, remedy)
    } else {
        Finding::ok(code, sentence)
    }];
    // Another source gave the answer this time.
    findings.extend(
        opened
            .unavailable
            .iter()
            .map(|source| Finding::explained(code, Status::Note, source)),
    );
    findings
}

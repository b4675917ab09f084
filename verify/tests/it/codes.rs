//! No code without a fixture that shows it, nor one that nobody listed.

use std::collections::{BTreeMap, BTreeSet};

use countersign_common::{Code, registry};
use countersign_trust_roots::{document, format};
use countersign_verify::{CODES, Verdict};

use crate::{
    fixtures::{self, decisive_codes},
    story::Story,
    world::{Fault, Request},
};

fn names(codes: &[Code]) -> BTreeSet<&'static str> {
    codes.iter().map(|code| code.as_str()).collect()
}

fn judged(outcome: &str) -> Vec<(Story, Verdict)> {
    fixtures::all()
        .into_iter()
        .filter(|story| story.name.starts_with(outcome))
        .map(|story| {
            let verdict = story.verify();
            (story, verdict)
        })
        .collect()
}

#[test]
fn every_refusal_code_has_a_fixture_and_every_fixture_a_listed_code() {
    let seen: BTreeSet<_> = judged("refused--")
        .iter()
        .flat_map(|(_, verdict)| decisive_codes(verdict))
        .collect();
    assert_eq!(seen, names(CODES));
}

#[test]
fn every_code_of_the_parts_is_listed_by_the_whole() {
    assert!(CODES.is_sorted());
    assert_eq!(names(CODES).len(), CODES.len());
    for part in [document::CODES, format::CODES] {
        assert!(names(part).is_subset(&names(CODES)), "{part:?}");
    }
    // These are of writing, which no judgement does.
    let of_writing = BTreeSet::from(["layout-unwritable", "push-rejected", "tag-immutable"]);
    let of_reading: BTreeSet<_> = names(registry::CODES)
        .difference(&of_writing)
        .copied()
        .filter(|code| !error_codes().contains(code))
        .collect();
    assert!(of_reading.is_subset(&names(CODES)), "{of_reading:?}");
}

fn error_codes() -> BTreeSet<&'static str> {
    Fault::ERRORS
        .into_iter()
        .flat_map(|fault| {
            let story = Story::new("", "");
            let mut world = story.world();
            world.fail(Request::Resolve, fault);
            decisive_codes(&story.verify_in(&world))
        })
        .collect()
}

#[test]
fn every_error_code_has_a_fixture_and_is_no_refusal() {
    let seen: BTreeSet<_> = judged("undecided--")
        .iter()
        .flat_map(|(_, verdict)| decisive_codes(verdict))
        .collect();
    assert_eq!(seen, error_codes());
    assert!(seen.is_disjoint(&names(CODES)));
    assert!(seen.is_subset(&names(registry::CODES)));
}

/// What people read, code by code: a change of a sentence is seen here.
#[test]
fn every_code_is_explained() {
    let mut explained = BTreeMap::new();
    for (story, verdict) in judged("refused--").into_iter().chain(judged("undecided--")) {
        let (code, text) = (decisive_codes(&verdict)[0], verdict.to_string());
        let finding: String = text
            .lines()
            .skip_while(|line| !line.contains(&format!("[{code}]")))
            .take(2)
            .flat_map(|line| [line, "\n"])
            .collect();
        explained
            .entry(code)
            .or_insert(format!("{finding}  shown by {}\n", story.name));
    }
    let explained: Vec<_> = explained.into_values().collect();
    insta::assert_snapshot!(explained.join("\n"));
}

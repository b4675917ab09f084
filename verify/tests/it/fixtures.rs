//! Every folder of fixtures, judged. What they expect is written anew on demand, and then reviewed.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use countersign_verify::{Outcome, Verdict, verdict::document::VerdictDocument};
use serde_json::json;

use crate::{case::TimeAuthorityDocument, cases, signing::pretty, story::Story};

pub(crate) fn rewriting() -> bool {
    env::var_os("COUNTERSIGN_REWRITE").is_some()
}

const FORMATS: [&str; 2] = ["sigstore-bundle", "cosign-signature"];

fn root(format: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fixtures")
        .join(format)
}

fn folder(story: &Story) -> PathBuf {
    root(&story.format).join(&story.name)
}

/// Every fixture, as it lies in its folder.
pub(crate) fn all() -> Vec<Story> {
    let stories = |format| {
        let folders = fs::read_dir(root(format)).unwrap();
        let mut folders: Vec<_> = folders
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir())
            .collect();
        folders.sort();
        folders.into_iter().map(|folder| Story::read(&folder))
    };
    FORMATS.into_iter().flat_map(stories).collect()
}

pub(crate) fn document(verdict: &Verdict) -> String {
    pretty(&json!(VerdictDocument::from(verdict)))
}

pub(crate) fn outcome(verdict: &Verdict) -> &'static str {
    match verdict.outcome() {
        Outcome::Verified(_) => "verified",
        Outcome::Refused(_) => "refused",
        Outcome::Undecided(_) => "undecided",
    }
}

/// Writes a file, or demands that it is there already.
pub(crate) fn expect(path: &Path, wanted: &[u8]) {
    if rewriting() && fs::read(path).unwrap_or_default() != wanted {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, wanted).unwrap();
    }
    let found = fs::read(path).unwrap_or_default();
    assert_eq!(
        String::from_utf8_lossy(&found),
        String::from_utf8_lossy(wanted),
        "{} (COUNTERSIGN_REWRITE=1 writes it anew)",
        path.display()
    );
}

/// One test, so that none reads a fixture while another writes it.
#[test]
fn every_fixture_is_as_generated_and_gets_its_verdict() {
    for story in cases::all() {
        let folder = folder(&story);
        for (file, bytes) in story.written() {
            expect(&folder.join(file), &bytes);
        }
    }
    let fixtures = all();
    assert!(fixtures.len() >= cases::all().len());
    for story in &fixtures {
        check(story);
        check_files(story);
    }
    let verified: Vec<_> = fixtures
        .iter()
        .map(|story| (story.format.as_str(), story.name.as_str()))
        .filter(|(_, name)| name.starts_with("verified--"))
        .collect();
    for story in &fixtures {
        let twin = story.case.twin.as_deref();
        if story.name.starts_with("verified--") {
            assert_eq!(twin, None, "{}", story.name);
        } else {
            let twin = twin.unwrap_or_else(|| panic!("{} has no accepting twin", story.name));
            let named = (story.format.as_str(), twin);
            assert!(verified.contains(&named), "{}: {twin}", story.name);
        }
    }
}

fn check(story: &Story) {
    let verdict = story.verify();
    assert!(
        story.name.starts_with(&format!("{}--", outcome(&verdict))),
        "{}: {verdict}",
        story.name
    );
    let folder = folder(story);
    expect(&folder.join("verdict.txt"), verdict.to_string().as_bytes());
    expect(&folder.join("verdict.json"), document(&verdict).as_bytes());
    assert_eq!(verdict, story.verify(), "{}: not repeatable", story.name);
}

/// No file in a fixture that nothing reads.
fn check_files(story: &Story) {
    let folder = folder(story);
    for entry in fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let read = story.files.contains_key(&name);
        assert!(
            read || ["case.json", "verdict.json", "verdict.txt"].contains(&name.as_str()),
            "{}/{name}",
            story.name
        );
        if name.strip_suffix(".pub").is_some() {
            assert!(story.case.trusted.contains(&name), "{}/{name}", story.name);
        }
        if name.strip_suffix(".tsa.pem").is_some() {
            let is_chain = |authority: &TimeAuthorityDocument| authority.chain == name;
            assert!(
                story.case.time_authorities.iter().any(is_chain),
                "{}/{name}",
                story.name
            );
        }
    }
}

/// What decides each fixture that is not verified: its codes, the weightiest first.
pub(crate) fn decisive_codes(verdict: &Verdict) -> Vec<&'static str> {
    match verdict.outcome() {
        Outcome::Verified(_) => Vec::new(),
        Outcome::Refused(reasons) => reasons
            .iter()
            .map(|reason| reason.as_ref().code.as_str())
            .collect(),
        Outcome::Undecided(faults) => faults
            .iter()
            .map(|fault| fault.as_ref().code.as_str())
            .collect(),
    }
}

//! Every folder of fixtures, judged.

use std::{
    collections::BTreeSet,
    env,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use countersign_common::{Code, Digest, Explain, ImageRef, Limits, Timestamp};
use countersign_trust_roots::{
    Authorities, Chain, Role, TrustRoot,
    root::{CODES, Grant, Refusal},
    time::Standing,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{cases, world::pretty};

/// What is asked, beside the files `0`, `1`, … of the chain.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct CaseDocument {
    /// What the case shows.
    pub(crate) about: String,
    /// SHA-256 of the file that the chain begins with.
    pub(crate) fingerprint: Digest,
    pub(crate) now: String,
    /// Who may sign here?
    pub(crate) repository: String,
    /// For a case that is refused: the case that differs in what decides, and is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) twin: Option<String>,
}

/// A folder: `OUTCOME--CASE`.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    pub(crate) name: String,
    pub(crate) case: CaseDocument,
    /// In the order in which they are given to the chain; the first is pinned.
    pub(crate) files: Vec<Vec<u8>>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/roots")
}

fn file_name(position: usize) -> String {
    format!("{position:03}.root.json")
}

impl Story {
    fn read(folder: &Path) -> Self {
        let count = fs::read_dir(folder)
            .unwrap()
            .filter(|entry| {
                let name = entry.as_ref().unwrap().file_name();
                name.to_string_lossy().ends_with(".root.json")
            })
            .count();
        Self {
            name: folder.file_name().unwrap().to_string_lossy().into_owned(),
            case: serde_json::from_slice(&fs::read(folder.join("case.json")).unwrap()).unwrap(),
            files: (0..count)
                .map(|position| fs::read(folder.join(file_name(position))).unwrap())
                .collect(),
        }
    }

    /// Follows the chain to its end and asks what it grants.
    pub(crate) fn judge(&self) -> Result<String, Refusal> {
        let root = self.follow()?;
        let image = ImageRef::parse(&self.case.repository).unwrap();
        let grant = root.grant(image.repository())?;
        root.time_rules(None)?;
        Ok(summary(&grant))
    }

    fn follow(&self) -> Result<TrustRoot, Refusal> {
        let (first, rest) = self.files.split_first().unwrap();
        let mut chain = Chain::pin(first, &self.case.fingerprint, &Limits::TABLE)?;
        for next in rest {
            chain.advance(next)?;
        }
        chain.in_force(Timestamp::parse(&self.case.now).unwrap())
    }
}

/// Who may sign what, and since when until when.
fn summary(grant: &Grant<'_>) -> String {
    let root = grant.root();
    let mut text = format!(
        "root {} version {}, in force until {}\nscope {}\n",
        root.name(),
        root.version(),
        root.expires(),
        grant.pattern()
    );
    let authorities: Option<Authorities> = grant.authorities().ok();
    for authority in authorities.iter().flat_map(Authorities::iter) {
        let roles: Vec<_> = authority
            .roles
            .iter()
            .map(|role: &Role| role.name())
            .collect();
        let _ = writeln!(
            text,
            "{}: {}, {:?}, {:?}",
            authority.name,
            roles.join(" "),
            authority.key.algorithm(),
            authority.term
        );
    }
    for authority in root.time_rules(None).unwrap().authorities() {
        let standing = match authority.standing {
            Standing::Compromised => "void",
            Standing::Good => "good",
        };
        let _ = writeln!(
            text,
            "time stamps by {}: {standing}, {:?}, {:?}",
            authority.operator, authority.valid, authority.accuracy
        );
    }
    text
}

fn rewriting() -> bool {
    env::var_os("COUNTERSIGN_REWRITE").is_some()
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

fn said(outcome: &Result<String, Refusal>) -> String {
    match outcome {
        Ok(summary) => summary.clone(),
        Err(refusal) => format!(
            "refused[{}]: {refusal}\n  remedy: {}\n",
            refusal.code(),
            refusal.remedy()
        ),
    }
}

/// One test, so that none reads a fixture while another writes it.
#[test]
fn every_chain_is_as_generated_and_gets_its_judgement() {
    for story in cases::all() {
        let folder = root().join(&story.name);
        expect(
            &folder.join("case.json"),
            &pretty(&serde_json::to_value(&story.case).unwrap()),
        );
        for (position, file) in story.files.iter().enumerate() {
            expect(&folder.join(file_name(position)), file);
        }
    }
    let mut folders: Vec<_> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    let stories: Vec<Story> = folders.iter().map(|folder| Story::read(folder)).collect();
    assert_eq!(
        stories.len(),
        cases::all().len(),
        "a folder that nobody made"
    );
    let mut codes = BTreeSet::new();
    for story in &stories {
        let outcome = story.judge();
        expect(
            &root().join(&story.name).join("expected.txt"),
            said(&outcome).as_bytes(),
        );
        let (kind, _) = story.name.split_once("--").unwrap();
        match outcome {
            Ok(_) => assert_eq!(kind, "trusted", "{}", story.name),
            Err(refusal) => {
                assert_eq!(kind, "refused", "{}: {refusal}", story.name);
                codes.insert(refusal.code());
                check_twin(story, &stories);
            }
        }
    }
    // Some 1.5 MB of files would show what `properties` shows without them.
    codes.insert(Code::new("root-too-many"));
    let all: BTreeSet<Code> = CODES.iter().copied().collect();
    assert_eq!(codes, all, "each code has a fixture that triggers it");
}

/// What is refused differs from what is trusted in what decides, and in nothing else.
fn check_twin(story: &Story, all: &[Story]) {
    let twin = story
        .case
        .twin
        .as_ref()
        .unwrap_or_else(|| panic!("{} has no twin", story.name));
    assert!(twin.starts_with("trusted--"), "{}", story.name);
    let twin = all.iter().find(|other| other.name == *twin);
    let twin = twin.unwrap_or_else(|| panic!("the twin of {} is not there", story.name));
    let points = points(story, twin);
    assert!(
        (1..=MOST_POINTS).contains(&points),
        "{} and {} differ in {points} points",
        story.name,
        twin.name
    );
}

/// Where one key takes another's place: two keys, the owner of one, its id in a role, and who has signed.
const MOST_POINTS: usize = 5;

/// In how many points two chains differ.
fn points(one: &Story, other: &Story) -> usize {
    let asked = |story: &Story| [story.case.now.clone(), story.case.repository.clone()];
    let (asked_one, asked_other) = (asked(one), asked(other));
    let asked = asked_one.iter().zip(&asked_other);
    let mut points = asked.filter(|(one, other)| one != other).count();
    // Of another first file it is another by itself.
    let is_pin_another = one.case.fingerprint != other.case.fingerprint;
    points += usize::from(one.files[0] == other.files[0] && is_pin_another);
    let sorted = |story: &Story| story.files.iter().cloned().collect::<BTreeSet<_>>();
    if one.files != other.files && sorted(one) == sorted(other) {
        return points + 1;
    }
    points += usize::from(one.files.len() != other.files.len());
    let files = one.files.iter().zip(&other.files);
    points
        + files
            .map(|(one, other)| points_of_files(one, other))
            .sum::<usize>()
}

fn points_of_files(one: &[u8], other: &[u8]) -> usize {
    let parsed = |file: &[u8]| serde_json::from_slice::<Value>(file).ok();
    let (Some(one_value), Some(other_value)) = (parsed(one), parsed(other)) else {
        return usize::from(one != other);
    };
    let signed = points_of_values(&one_value["signed"], &other_value["signed"]);
    let signers = |file: &Value| -> Vec<Value> {
        let signatures = file["signatures"].as_array().unwrap();
        // Over another text they are others by themselves.
        let shown = |signature: &Value| {
            if signed == 0 {
                signature.clone()
            } else {
                signature["keyid"].clone()
            }
        };
        signatures.iter().map(shown).collect()
    };
    let points = signed + usize::from(signers(&one_value) != signers(&other_value));
    // Such as the space behind it.
    points.max(usize::from(one != other))
}

fn points_of_values(one: &Value, other: &Value) -> usize {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            let points = |name: &&String| match (one.get(*name), other.get(*name)) {
                (Some(one), Some(other)) => points_of_values(one, other),
                _ => 1,
            };
            names.iter().map(points).sum()
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let pairs = one.iter().zip(other);
            pairs.map(|(one, other)| points_of_values(one, other)).sum()
        }
        _ => usize::from(one != other),
    }
}

//! Policies: every folder of `fixtures/policy`, bounds, and what holds for any text.
//!
//! `COUNTERSIGN_REWRITE=1 cargo test -p countersign-trust-roots --test policies` writes what is expected of each anew;
//! the change is then reviewed as a diff.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests: they read fixtures, and fail by panicking"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use countersign_common::{Age, Code, Escaped, Explain, ImageRef, KeyId, Repository};
use countersign_trust_roots::policy::{self, Policy, Position, Reason, Rule, exception};
use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, RngSeed},
};
use serde::Deserialize;

/// What is asked of a policy, beside what it says.
#[derive(Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Case {
    twin: Option<String>,
    /// Repositories whose rule is asked for.
    places: Vec<String>,
    /// The keys that the root lists.
    listed: Vec<String>,
    /// Other names that it has for keys, and for which; none if the key cannot be read.
    named: BTreeMap<String, Vec<String>>,
    /// How many operators of time-stamp authorities it lists.
    operators: Option<usize>,
}

struct Fixture {
    name: String,
    text: String,
    case: Case,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/policy")
}

fn fixtures() -> Vec<Fixture> {
    let folders = fs::read_dir(root()).unwrap();
    let mut names: Vec<String> = folders
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names.into_iter().map(fixture).collect()
}

fn fixture(name: String) -> Fixture {
    let folder = root().join(&name);
    for entry in fs::read_dir(&folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            ["case.toml", "expected.txt", "policy.toml"].contains(&file.as_str()),
            "{name}/{file}"
        );
    }
    let case = fs::read_to_string(folder.join("case.toml")).unwrap_or_default();
    Fixture {
        text: fs::read_to_string(folder.join("policy.toml")).unwrap(),
        case: toml::from_str(&case).unwrap_or_else(|error| panic!("{name}: {error}")),
        name,
    }
}

fn repository(name: &str) -> Repository {
    ImageRef::parse(name).unwrap().repository().clone()
}

/// What is said, and the codes of what is refused.
#[derive(Default)]
struct Answer {
    text: String,
    codes: BTreeSet<Code>,
}

impl Answer {
    fn to(fixture: &Fixture) -> Self {
        let mut answer = Self::default();
        let policy = match Policy::parse(&fixture.text) {
            Ok(policy) => policy,
            Err(error) => {
                answer.refuse(&error);
                return answer;
            }
        };
        answer.describe(&policy);
        for place in &fixture.case.places {
            match policy.rule_for(&repository(place)) {
                Ok(matched) => writeln!(
                    answer.text,
                    "{place}: line {}, documents name {}",
                    matched.rule.line, matched.signed
                )
                .unwrap(),
                Err(refusal) => answer.refuse(&refusal),
            }
        }
        answer.check_signers(&policy, &fixture.case);
        answer.check_operators(&policy, fixture.case.operators);
        answer
    }

    fn refuse(&mut self, explained: &dyn Explain) {
        let (code, remedy) = (explained.code(), explained.remedy());
        for said in [explained.to_string(), remedy.clone()] {
            assert!(!said.is_empty() && !said.ends_with(['.', ' ']), "{said}");
            assert_eq!(said, Escaped(&said).to_string());
        }
        self.codes.insert(code);
        writeln!(self.text, "error[{code}]: {explained}\n  remedy: {remedy}").unwrap();
    }

    fn check_operators(&mut self, policy: &Policy, listed: Option<usize>) {
        let Some(listed) = listed else {
            return;
        };
        for rule in policy.rules() {
            match rule.check_operators(listed) {
                Ok(()) => self.text.push_str("the root can prove its dates\n"),
                Err(error) => self.refuse(&error),
            }
        }
    }

    fn check_signers(&mut self, policy: &Policy, case: &Case) {
        let key = |key: &String| KeyId::parse(key).unwrap();
        let listed = case.listed.iter().map(|name| (key(name), Some(key(name))));
        let named = case.named.iter();
        let named = named.map(|(name, of)| (key(name), of.first().map(key)));
        let listed: BTreeMap<KeyId, Option<KeyId>> = listed.chain(named).collect();
        if listed.is_empty() {
            return;
        }
        for signers in policy
            .rules()
            .iter()
            .filter_map(|rule| rule.signers.as_ref())
        {
            match signers.keys(&listed) {
                Ok(_) => self.text.push_str("the root lists every signer\n"),
                Err(error) => self.refuse(&error),
            }
        }
    }

    fn describe(&mut self, policy: &Policy) {
        for root in policy.roots() {
            writeln!(self.text, "root {} {}", root.name, root.fingerprint).unwrap();
            for source in &root.sources {
                writeln!(self.text, "  {source}").unwrap();
            }
        }
        for rule in policy.rules() {
            assert_eq!(policy.root(&rule.root.name), Some(&*rule.root));
            writeln!(self.text, "{}", described(rule)).unwrap();
        }
    }
}

fn described(rule: &Rule) -> String {
    let mut text = format!("line {}: {}", rule.line, rule.matches);
    if let Some(mirrors) = &rule.mirrors {
        write!(text, " mirrors {mirrors}").unwrap();
    }
    let (mode, require, state) = (rule.mode, rule.require, rule.state);
    write!(
        text,
        "\n  root {}, {mode:?}, {require:?}, state {state:?}",
        rule.root.name
    )
    .unwrap();
    for (name, length) in [
        ("heartbeat-max-age", rule.heartbeat_max_age),
        ("min-age", rule.min_age),
        ("max-age", rule.max_age),
        ("grace", Some(rule.grace)),
    ] {
        if let Some(length) = length {
            write!(text, "\n  {name} {}", Age(length)).unwrap();
        }
    }
    let (superseded, deprecated) = (rule.superseded, rule.deprecated);
    write!(
        text,
        "\n  superseded {superseded:?}, deprecated {deprecated:?}"
    )
    .unwrap();
    if let Some(threshold) = rule.time_threshold {
        write!(text, "\n  time-threshold {threshold}").unwrap();
    }
    if let Some(signers) = &rule.signers {
        write!(text, "\n  signed by at least {} of", signers.at_least).unwrap();
        for key in &signers.of {
            write!(text, " {key}").unwrap();
        }
    }
    for kind in &rule.attestations {
        write!(text, "\n  attestation {kind}").unwrap();
    }
    for exception in &rule.exceptions {
        let codes: Vec<_> = exception.codes.iter().map(|code| code.as_str()).collect();
        write!(
            text,
            "\n  exception {} for {} until {}: {}",
            exception.image,
            codes.join(", "),
            exception.until,
            exception.reason
        )
        .unwrap();
    }
    text
}

/// Writes a file, or demands that it is there already.
fn expect(path: &Path, wanted: &str) {
    if std::env::var_os("COUNTERSIGN_REWRITE").is_some() {
        fs::write(path, wanted).unwrap();
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(found, wanted, "{}", path.display());
}

#[test]
fn every_fixture_is_understood_as_expected() {
    let fixtures = fixtures();
    let by_name: BTreeMap<&str, &Fixture> = fixtures
        .iter()
        .map(|fixture| (fixture.name.as_str(), fixture))
        .collect();
    let mut seen = BTreeSet::new();
    for fixture in &fixtures {
        let answer = Answer::to(fixture);
        let outcome = if answer.codes.is_empty() {
            "accepted"
        } else {
            "refused"
        };
        let expected = root().join(&fixture.name).join("expected.txt");
        expect(&expected, &answer.text);
        assert!(
            fixture.name.starts_with(&format!("{outcome}--")),
            "{}: {}",
            fixture.name,
            answer.text
        );
        assert!(!answer.text.contains("hunter2"), "{}", fixture.name);
        check_twin(fixture, &by_name);
        seen.extend(answer.codes);
    }
    assert!(policy::CODES.iter().eq(&seen), "{seen:?}");
}

/// What is refused differs in one point from what is accepted: in what the file says, or in what is asked.
fn check_twin(fixture: &Fixture, all: &BTreeMap<&str, &Fixture>) {
    let Some(name) = &fixture.case.twin else {
        return assert!(fixture.name.starts_with("accepted--"), "{}", fixture.name);
    };
    let twin = all[name.as_str()];
    assert!(name.starts_with("accepted--") && twin.case.twin.is_none());
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (one, other) = (lines(&fixture.text), lines(&twin.text));
    let same = |pairs: &mut dyn Iterator<Item = (&String, &String)>| {
        pairs.take_while(|(one, other)| one == other).count()
    };
    let before = same(&mut one.iter().zip(&other));
    let after = same(&mut one.iter().rev().zip(other.iter().rev()));
    let differ = other.len().saturating_sub(before + after);
    // A line or three, or all from a place on.
    let is_near = differ <= 3 || before == one.len();
    let asks = &fixture.case.places;
    if fixture.text == twin.text {
        let told = |case: &Case| (case.named.clone(), case.operators);
        let is_other = *asks != twin.case.places || told(&fixture.case) != told(&twin.case);
        assert!(is_other, "{}: its twin", fixture.name);
    } else {
        let asks_nothing_else = asks.is_empty() || *asks == twin.case.places;
        assert!(
            is_near && asks_nothing_else,
            "{}: {differ} lines",
            fixture.name
        );
    }
}

/// A policy for one repository, with lines of its own.
fn policy(lines: &str) -> String {
    format!(
        "{}{}",
        head("acme"),
        rule("registry.example/shop/**", lines)
    )
}

fn head(root: &str) -> String {
    format!("version = 1\n{}", pinned(root))
}

fn pinned(root: &str) -> String {
    let fingerprint = "0".repeat(64);
    format!("[roots.{root}]\nfingerprint = \"sha256:{fingerprint}\"\nsources = [\"file:/acme\"]\n")
}

fn rule(pattern: &str, lines: &str) -> String {
    format!(
        "[[policy]]\nmatch = \"{pattern}\"\nroot = \"acme\"\nmode = \"enforce\"\nrequire = \"signed\"\n{lines}"
    )
}

#[track_caller]
fn refused(text: &str) -> Reason {
    Policy::parse(text).unwrap_err().reason
}

#[track_caller]
fn check_limit(what: &str, limit: usize, text: impl Fn(usize) -> String) {
    Policy::parse(&text(limit)).unwrap();
    let error = Policy::parse(&text(limit + 1)).unwrap_err();
    match error.reason {
        Reason::TooMany {
            what: said,
            limit: at,
        } => assert_eq!((said, at), (what, limit)),
        other => panic!("{what}: {other}"),
    }
    assert!(error.at.line > 1, "{what}: {}", error.at);
}

#[test]
fn a_policy_is_bounded() {
    let repeat =
        |count: usize, one: &dyn Fn(usize) -> String| (0..count).map(one).collect::<String>();
    check_limit("roots", 100, |count| {
        let roots = repeat(count - 1, &|number| pinned(&format!("root-{number}")));
        format!("{}{roots}{}", head("acme"), rule("registry.example/**", ""))
    });
    check_limit("policy", 1_000, |count| {
        let rules = repeat(count, &|number| {
            rule(&format!("registry.example/{number}"), "")
        });
        format!("{}{rules}", head("acme"))
    });
    check_limit("exception", 1_000, |count| {
        policy(&repeat(count, &|number| {
            format!(
                "[[policy.exception]]\nimage = \"registry.example/shop/api@sha256:{number:064x}\"\ncodes = \
                 [\"superseded\"]\nreason = \"r\"\nuntil = \"2026-12-15T00:00:00Z\"\n"
            )
        }))
    });
    let list = |count: usize, one: &dyn Fn(usize) -> String| {
        let quoted: Vec<_> = (0..count)
            .map(|number| format!("\"{}\"", one(number)))
            .collect();
        format!("[{}]", quoted.join(", "))
    };
    check_limit("of", 64, |count| {
        let keys = list(count, &|number| format!("{number:064x}"));
        policy(&format!("signers = {{ at-least = 1, of = {keys} }}\n"))
    });
    check_limit("attestations", 64, |count| {
        let kinds = list(count, &|number| format!("https://example.com/{number}"));
        policy(&format!("attestations = {kinds}\n"))
    });
    check_limit("sources", 16, |count| {
        let sources = list(count, &|number| format!("file:/{number}"));
        policy("").replace("[\"file:/acme\"]", &sources)
    });
}

#[test]
fn a_file_is_at_most_a_mebibyte() {
    let padded = |length: usize| {
        let text = policy("");
        format!("{text}#{}", "-".repeat(length - text.len() - 1))
    };
    Policy::parse(&padded(1 << 20)).unwrap();
    let reason = refused(&padded((1 << 20) + 1));
    assert!(
        matches!(
            reason,
            Reason::TooLong {
                limit: 1_048_576,
                ..
            }
        ),
        "{reason}"
    );
    // What cannot be parsed is not even tried.
    let reason = refused(&"[".repeat((1 << 20) + 1));
    assert!(matches!(reason, Reason::TooLong { .. }), "{reason}");
}

#[test]
fn nesting_is_bounded() {
    for text in [
        "[".repeat(1 << 19),
        "a = ".to_owned() + &"[".repeat(1 << 19),
        "a.".repeat(1 << 18),
        "policy = []\n[policy.exception]".to_owned(),
    ] {
        assert!(matches!(refused(&text), Reason::Syntax(_)));
    }
}

#[test]
fn a_fault_is_found_by_line_and_character() {
    let at = |text: &str| Policy::parse(text).unwrap_err().at;
    for (text, line, column) in [
        ("", 1, 1),
        ("version = 1", 1, 1),
        ("# \u{e9}\nversion = 2", 2, 11),
        ("version = 1\r\n\r\n\"\u{e9}\u{e9}\" = 1", 3, 1),
        (
            "version = 1\npolicy = [ { match = \"\u{e9}\u{e9}\", x = 1 } ]",
            2,
            28,
        ),
        ("version = 1\npolicy = []", 2, 10),
        ("version = 1\npolicy = 5", 2, 10),
        ("version = 1\npolicy = [5]", 2, 11),
        ("version = 1\nroots = \"\"", 2, 9),
        ("\u{feff}version = 3", 1, 12),
    ] {
        assert_eq!(at(text), Position { line, column }, "{text}");
    }
    assert_eq!(at(&policy("grace = \"1\"\n")).line, 10);
}

#[test]
fn values_are_not_shown() {
    let secret = "hunter2, expected `grace`";
    for line in [
        "grace = 'SECRET'",
        "signers = 'SECRET'",
        "exception = 'SECRET'",
        "time-threshold = 'SECRET'",
        "attestations = 'SECRET'",
        "mirrors = 'SECRET'",
        "password = 'SECRET'",
        "grace = 'SECRET",
        "grace = SECRET",
        "'SECRET' = 'SECRET' 'SECRET'",
    ] {
        let error = Policy::parse(&policy(&line.replace("SECRET", secret))).unwrap_err();
        let said = format!("{error} {}", error.remedy());
        assert!(!said.contains("hunter2"), "{said}");
    }
    // Words and names are shown, to be found: but not for long, and not as they are.
    for line in [
        format!("\"\\u001b{}\" = 1", "x".repeat(5_000)),
        format!("superseded = \"\\u001b{}\"", "x".repeat(5_000)),
        format!("attestations = [\"\\u001b{}\"]", "x".repeat(5_000)),
    ] {
        let said = Policy::parse(&policy(&line)).unwrap_err().to_string();
        assert!(said.contains("\\u{1b}xxx") && said.len() < 200, "{said}");
    }
}

#[test]
fn every_code_that_can_be_excepted_is_one_that_only_delays() {
    let lines = |codes: &str| {
        policy(&format!(
            "[[policy.exception]]\nimage = \"registry.example/shop/api@sha256:{}\"\ncodes = [{codes}]\nreason = \
             \"r\"\nuntil = \"2026-12-15T00:00:00Z\"\n",
            "0".repeat(64)
        ))
    };
    let quoted: Vec<_> = exception::CODES
        .iter()
        .map(|code| format!("\"{code}\""))
        .collect();
    let policy = Policy::parse(&lines(&quoted.join(", "))).unwrap();
    let exceptions = &policy.rules()[0].exceptions;
    assert_eq!(exceptions[0].codes, BTreeSet::from(exception::CODES));
    for code in [
        "signature-missing",
        "signature-invalid",
        "key-compromised",
        "tag-table-rollback",
        "heartbeat-stale",
        "",
        "IMAGE-TOO-OLD",
    ] {
        let reason = refused(&lines(&format!("\"{code}\"")));
        assert!(
            matches!(reason, Reason::ExceptionCode(_)),
            "{code}: {reason}"
        );
    }
}

/// Texts that are nearly policies: lines of one, and lines with a character changed.
fn nearly() -> impl Strategy<Value = String> {
    let whole = include_str!("../../fixtures/policy/accepted--everything/policy.toml");
    let lines: Vec<&str> = whole.lines().collect();
    let line = prop_oneof![
        8 => prop::sample::select(lines.clone()).prop_map(str::to_owned),
        1 => (prop::sample::select(lines), any::<prop::sample::Index>(), any::<char>()).prop_map(
            |(line, index, character)| {
                let mut characters: Vec<char> = line.chars().collect();
                if !characters.is_empty() {
                    let at = index.index(characters.len());
                    characters[at] = character;
                }
                characters.into_iter().collect()
            }
        ),
    ];
    let edited = (
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        ".{0,3}",
    )
        .prop_map(move |(from, to, with)| {
            let characters: Vec<char> = whole.chars().collect();
            let from = from.index(characters.len());
            let to = (from + to.index(20)).min(characters.len());
            let begin: String = characters[..from].iter().collect();
            let end: String = characters[to..].iter().collect();
            begin + &with + &end
        });
    prop_oneof![
        prop::collection::vec(line, 0..40).prop_map(|lines| lines.join("\n")),
        edited,
        any::<String>(),
    ]
}

fn patterns() -> impl Strategy<Value = BTreeSet<String>> {
    let segment = prop_oneof![Just("a"), Just("b"), Just("*"), Just("a*"), Just("*b")];
    let pattern = (prop::collection::vec(segment, 1..4), any::<bool>()).prop_map(|(path, open)| {
        let end = if open { "/**" } else { "" };
        format!("registry.example/{}{end}", path.join("/"))
    });
    prop::collection::btree_set(pattern, 1..8)
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 1_024,
        failure_persistence: None,
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(1_204),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_text_is_answered(text in nearly()) {
        match Policy::parse(&text) {
            Ok(policy) => prop_assert!(!policy.rules().is_empty()),
            Err(error) => {
                let line = text.split('\n').nth(error.at.line - 1);
                prop_assert!(error.at.column <= line.unwrap().chars().count() + 1);
                let said = error.to_string();
                prop_assert_eq!(&said, &Escaped(&said).to_string());
                prop_assert!(!said.ends_with('.') && !error.remedy().is_empty());
            }
        }
    }

    #[test]
    fn the_order_of_a_file_decides_nothing(
        patterns in patterns(),
        place in "registry\\.example/[ab]{1,2}(/[ab]{1,2}){0,2}",
        seed in any::<u64>(),
    ) {
        let file = |patterns: &[&String]| {
            let rules: String = patterns.iter().map(|pattern| rule(pattern, "")).collect();
            Policy::parse(&format!("{}{rules}", head("acme"))).unwrap()
        };
        let sorted: Vec<&String> = patterns.iter().collect();
        let mut shuffled = sorted.clone();
        shuffled.sort_by_key(|pattern| {
            pattern.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
        });
        let (one, other) = (file(&sorted), file(&shuffled));
        let place = repository(&place);
        let answer = |policy: &Policy| {
            let matched = policy.rule_for(&place);
            matched.map(|matched| (matched.rule.matches.clone(), matched.signed))
        };
        prop_assert_eq!(answer(&one), answer(&one));
        prop_assert_eq!(answer(&one), answer(&other));
        if let Ok((pattern, signed)) = answer(&one) {
            prop_assert!(pattern.matches(&place));
            prop_assert_eq!(signed, place);
        }
    }
}

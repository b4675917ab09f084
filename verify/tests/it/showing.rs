//! What people and programs are shown: whole, and harmless whoever wrote it.

use countersign_verify::verdict::render;
use serde_json::Value;

use crate::{
    case::{ModeName, PolicyDocument},
    fixtures::{all, document},
    signing::{Key, Signing},
    story::Story,
};

const HOSTILE: &str = "\u{1b}[2J\r\nverified: all (level `signed`)\u{202e}\u{9b}\u{7f}\u{2066}";

#[track_caller]
fn assert_harmless(text: &str) {
    let harmful = |character: char| {
        (character.is_control() && character != '\n')
            || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'..='\u{200f}')
    };
    assert!(!text.contains(harmful), "{}", text.escape_debug());
}

/// Hostile in every text that a stranger, or a file's name, can bring.
fn hostile() -> Story {
    let mut story = Story::new("", "")
        .signed(&Signing {
            predicate_type: HOSTILE,
            ..Signing::by(Key::Release).named("kind")
        })
        .signed(&Signing {
            kind: HOSTILE,
            ..Signing::by(Key::Release).named("version")
        })
        .signed(&Signing {
            repository: Some(HOSTILE),
            ..Signing::by(Key::Release).named("repository")
        })
        .signed(&Signing {
            payload_type: HOSTILE,
            ..Signing::by(Key::Release).named("payload-type")
        })
        .signed(&Signing {
            hint: Some(HOSTILE.to_owned()),
            ..Signing::by(Key::Stranger).named("hint")
        })
        .signed(&Signing {
            edit_signature: |signature| signature[9] ^= 1,
            ..Signing::by(Key::Release).named("bad")
        })
        .signed(&Signing {
            edit_bundle: |bundle| bundle["mediaType"] = HOSTILE.into(),
            ..Signing::by(Key::Release).named("media-type")
        })
        .signed(&Signing {
            edit_manifest: |manifest| {
                manifest["artifactType"] = HOSTILE.into();
                manifest["layers"][0]["mediaType"] = HOSTILE.into();
            },
            ..Signing::by(Key::Release).named("artifact-type")
        })
        .signed(&Signing::by(Key::Release).annotated("env", HOSTILE));
    let key = story.files["release.pub"].clone();
    let name = format!("{HOSTILE}.pub");
    story.put(&name, key);
    story.with(|case| case.trusted = vec![name])
}

#[test]
fn no_text_from_outside_moves_a_cursor_or_forges_a_line() {
    let demanding = hostile().with(|case| {
        case.demand
            .annotations
            .insert(HOSTILE.to_owned(), HOSTILE.to_owned());
    });
    let threshold = hostile()
        .trusting(Key::Review)
        .with(|case| case.demand.threshold = 2.try_into().unwrap());
    let policed = hostile().with(|case| {
        case.policy = Some(PolicyDocument {
            rule: HOSTILE.to_owned(),
            root: HOSTILE.to_owned(),
            root_version: Some(1),
            scope: Some(HOSTILE.to_owned()),
            mode: ModeName::Report,
        });
    });
    let hostile = [hostile(), demanding, threshold, policed];
    for story in hostile.into_iter().chain(all()) {
        let verdict = story.verify();
        let text = verdict.to_string();
        assert_harmless(&text);
        assert_harmless(&document(&verdict));
        let headlines = text
            .lines()
            .filter(|line| line.starts_with("verified: "))
            .count();
        assert_eq!(headlines, usize::from(verdict.pinned().is_some()), "{text}");
    }
}

#[test]
fn hostile_texts_are_shown_escaped_and_whole() {
    insta::assert_snapshot!(hostile().verify());
}

#[test]
fn only_what_was_verified_may_be_run() {
    for story in all() {
        let verdict = story.verify();
        let verified = story.name.starts_with("verified--");
        assert_eq!(verdict.pinned().is_some(), verified, "{}", story.name);
        assert_eq!(
            verdict.to_string().contains("  run this "),
            verified,
            "{}",
            story.name
        );
        let document: Value = serde_json::from_str(&document(&verdict)).unwrap();
        for (member, present) in [("pinned", verified), ("level", verified)] {
            assert_eq!(
                document.get(member).is_some(),
                present,
                "{}: {member}",
                story.name
            );
        }
    }
}

#[test]
fn the_lines_for_people_are_few_and_say_all_three_judgements() {
    for story in all() {
        let verdict = story.verify();
        let lines = render::lines(&verdict);
        for judgement in ["integrity", "authenticity", "freshness"] {
            let line = format!("  {judgement}");
            assert_eq!(
                lines.lines().filter(|text| text.starts_with(&line)).count(),
                1,
                "{lines}"
            );
        }
        assert_eq!(
            lines.lines().count(),
            3 + verdict.children().map_or(0, <[_]>::len)
                + usize::from(verdict.pinned().is_some())
                + usize::from(story.case.policy.is_some())
        );
    }
}

#[test]
fn ten_findings_are_shown_and_the_rest_is_counted() {
    let crowd = |count: usize| {
        (0..count)
            .fold(Story::new("", ""), |story, number| {
                let stranger = Signing::by(Key::Stranger).annotated("number", number);
                story.signed(&stranger.named(&format!("stranger-{number}")))
            })
            .verify()
    };
    let ten = crowd(10);
    assert_eq!(render::findings(&ten).count(), 10);
    assert_eq!(render::more(&ten), None);
    let eleven = crowd(11);
    assert_eq!(render::findings(&eleven).count(), 10);
    assert!(render::more(&eleven).unwrap().starts_with("and 1 more"));
    assert!(eleven.to_string().ends_with("has them all\n"));
    let document: Value = serde_json::from_str(&document(&eleven)).unwrap();
    assert_eq!(document["refusals"].as_array().unwrap().len(), 11);
}

#[test]
fn at_most_five_other_kinds_are_named() {
    const KINDS: [&str; 6] = ["a/1", "a/2", "a/3", "a/4", "a/5", "a/6"];
    let story = KINDS.into_iter().fold(Story::new("", ""), |story, kind| {
        story.signed(&Signing {
            predicate_type: kind,
            ..Signing::by(Key::Release).named(&kind.replace('/', "-"))
        })
    });
    let text = story.verify().to_string();
    assert!(text.contains("a/5") && !text.contains("a/6"), "{text}");
}

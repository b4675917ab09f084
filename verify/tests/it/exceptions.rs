//! An exception lets its own code pass for its own image, and nothing else.

use std::collections::BTreeSet;

use countersign_verify::{CODES, Exceptable, verdict::Authenticity};

use crate::{
    case::{BesidesDocument, ExceptionDocument},
    fixtures::{all, decisive_codes, outcome},
    signing::{Key, Signing},
    stamping::Tsa,
    story::Story,
    terms::{LAST, beside_strangers},
};

const CODE_NAMES: [&str; 4] = [
    "attestation-missing",
    "image-end-of-life",
    "image-too-new",
    "image-too-old",
];

/// With all that can be excepted, for all that is there.
fn excepting_all(story: &Story) -> Story {
    let manifests = story.files.keys();
    let manifests = manifests.filter(|name| name.ends_with(".manifest.json"));
    let exceptions = manifests.map(|manifest| ExceptionDocument {
        manifest: manifest.clone(),
        codes: CODE_NAMES.map(str::to_owned).into(),
        until: "2030-01-01T00:00:00Z".to_owned(),
        reason: "all of it".to_owned(),
    });
    let exceptions = exceptions.collect();
    story
        .clone()
        .with(|case| case.demand.exceptions = exceptions)
}

#[test]
fn what_can_be_excepted_is_a_code_of_a_refusal() {
    assert_eq!(Exceptable::ALL.map(|one| one.code().as_str()), CODE_NAMES);
    for exceptable in Exceptable::ALL {
        assert!(CODES.contains(&exceptable.code()));
    }
}

#[test]
fn whatever_is_refused_for_something_else_stays_so() {
    let mut seen = 0;
    for story in all()
        .iter()
        .filter(|story| story.name.starts_with("refused--"))
    {
        let codes = decisive_codes(&story.verify());
        let others: Vec<_> = codes
            .iter()
            .filter(|code| !CODE_NAMES.contains(code))
            .collect();
        let verdict = excepting_all(story).verify();
        let left = decisive_codes(&verdict);
        let expected = match others.as_slice() {
            // No exception is for what somebody else demands.
            _ if story.case.demand.besides != BesidesDocument::default() => "refused",
            // That nobody attested it is why it was looked at whether somebody else did.
            _ if codes.first() == Some(&"attestation-missing") => "verified",
            [] => "verified",
            _ => "refused",
        };
        if expected == "refused" {
            seen += 1;
            assert!(
                others.iter().all(|code| left.contains(code)),
                "{}: {verdict}",
                story.name
            );
        }
        assert_eq!(outcome(&verdict), expected, "{}: {verdict}", story.name);
    }
    assert!(seen > 100, "{seen}");
}

/// Refused for one thing, it still says what else it would be refused for.
#[test]
fn what_is_excepted_is_said_where_something_else_refuses() {
    let story = Story::new("", "")
        .timed_by(Tsa::One)
        .signed(&Signing {
            supported_until: Some("2026-11-24T09:30:00Z"),
            ..Signing::publication(Key::Release)
        })
        .with(|case| {
            case.demand.attestations = vec!["spdx".to_owned()];
            case.demand.dates.supported = true;
            case.demand.dates.max_age = Some(60);
        });
    let story = excepting_all(&story).with(|case| {
        for exception in &mut case.demand.exceptions {
            exception.codes.remove("image-too-old");
        }
    });
    // All that is wrong with its date may be excepted, and something else refuse.
    let unsigned = story.clone().with(|case| {
        case.demand.dates.max_age = None;
        case.demand.threshold = 2.try_into().unwrap();
    });
    for (story, code) in [(story, "image-too-old"), (unsigned, "signature-missing")] {
        let verdict = story.verify();
        assert!(decisive_codes(&verdict).contains(&code), "{verdict}");
        let said = verdict.remarks().iter();
        let said = said.filter(|remark| {
            remark
                .message
                .ends_with("; excepted until 2030-01-01T00:00:00Z: all of it")
        });
        let codes: Vec<_> = said.map(|remark| remark.code.as_str()).collect();
        assert_eq!(
            codes,
            ["attestation-missing", "image-end-of-life"],
            "{verdict}"
        );
    }
}

/// That it may be missing is no reason not to look for it.
#[test]
fn what_is_excepted_if_it_is_missing_is_still_looked_for() {
    let spdx = Signing::attestation(Key::Release, "https://spdx.dev/Document").stamped([], []);
    let story = Story::new("", "")
        .signed(&Signing::by(Key::Release).named("s"))
        .signed(&spdx.named(LAST))
        .with(|case| case.demand.attestations = vec!["spdx".to_owned()]);
    let verdict = excepting_all(&beside_strangers(story)).verify();
    let Authenticity::Signed { attestations, .. } = verdict.authenticity() else {
        panic!("{verdict}")
    };
    assert_eq!(attestations.len(), 1);
    let codes: BTreeSet<_> = (verdict.remarks().iter())
        .map(|remark| remark.code.as_str())
        .collect();
    assert_eq!(codes, ["key-unknown"].into());
}

#[test]
fn what_is_verified_stays_so_and_an_exception_that_nothing_needs_is_no_remark() {
    for story in all()
        .iter()
        .filter(|story| story.name.starts_with("verified--"))
    {
        if story.case.demand.exceptions.is_empty() {
            assert_eq!(
                excepting_all(story).verify(),
                story.verify(),
                "{}",
                story.name
            );
        }
    }
}

#[test]
fn what_could_not_be_found_out_is_not_excepted() {
    for story in all()
        .iter()
        .filter(|story| story.name.starts_with("undecided--"))
    {
        let demand = &story.case.demand;
        if demand.attestations.is_empty() && demand.dates.demands().is_empty() {
            assert_eq!(
                excepting_all(story).verify(),
                story.verify(),
                "{}",
                story.name
            );
        }
    }
}

/// Of whoever it is demanded: an image of no date, or of one that nobody proves, has not the age.
#[test]
fn an_age_that_somebody_else_demands_needs_a_proven_date() {
    let claimed = Signing::claiming(Key::Release, "2026-11-24T09:00:00Z");
    for signing in [Signing::by(Key::Release), claimed] {
        let story = Story::new("", "").timed_by(Tsa::One).signed(&signing);
        assert_eq!(outcome(&story.verify()), "verified");
        let demanding = excepting_all(&story).with(|case| {
            case.demand.besides.dates.max_age = Some(86_400);
        });
        let verdict = demanding.verify();
        assert_eq!(outcome(&verdict), "refused", "{verdict}");
        let dated = demanding.signed(&Signing::publication(Key::Release).named("dated"));
        assert_eq!(outcome(&dated.verify()), "verified");
    }
}

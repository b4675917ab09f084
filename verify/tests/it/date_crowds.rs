//! Dates beside a crowd: copies and junk that use tries up, and artifacts that nobody could look at.

use countersign_common::Digest;
use countersign_stand_in::tsa::{Defect, TimeAuthority};
use countersign_trust_roots::time::Interval;
use countersign_verify::Verdict;
use serde_json::json;

use crate::{
    case::{DemandedLevel, TermDocument},
    fixtures::{decisive_codes, outcome},
    properties::with_bundle,
    signing::{Key, Signing},
    stamping::{AFTER, BEFORE, Over, Stamping, Tsa},
    story::Story,
    world::Fault,
};

const CHILD: &str = "image.manifest.json";
const INDEX: &str = "index.manifest.json";

/// A date is demanded, and one authority is believed.
pub(crate) fn demanded() -> Story {
    Story::new("", "")
        .timed_by(Tsa::One)
        .with(|case| case.demand.level = Some(DemandedLevel::Dated))
}

pub(crate) fn honest() -> Signing {
    Signing::publication(Key::Release)
}

pub(crate) fn limited(story: &Story, name: &str, limit: usize) -> Story {
    story.clone().with(|case| {
        case.limits.insert(name.to_owned(), limit);
    })
}

/// Where an artifact is among those that are tried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    First,
    Last,
}

/// With one more signature, tried before all others or after them.
pub(crate) fn placed(mut story: Story, signing: &Signing, place: Place) -> Story {
    let others: Vec<_> = story
        .files
        .keys()
        .filter(|file| file.ends_with(".manifest.json") && *file != CHILD)
        .map(|file| story.digest(file))
        .collect();
    let sealed = signing
        .clone()
        .named("placed")
        .seal(&story.descriptor(CHILD));
    let text = std::str::from_utf8(&sealed.manifest).unwrap();
    let manifest = (0..100_000)
        .map(|number| text.replace("placed", &format!("placed-{number}")))
        .find(|manifest| {
            let digest = Digest::sha256(manifest.as_bytes());
            (others.iter()).all(|other| (*other < digest) == (place == Place::Last))
        })
        .unwrap();
    story.put("placed.manifest.json", manifest);
    story.put("placed.blob.json", sealed.blob);
    story
}

#[track_caller]
pub(crate) fn assert_outcome(story: &Story, expected: &str) -> Verdict {
    let verdict = story.verify();
    assert_eq!(outcome(&verdict), expected, "{verdict}");
    if !story.case.time_authorities.is_empty() && story.case.terms.is_empty() {
        assert_same_in_a_long_term(story, &verdict);
    }
    verdict
}

/// Where all that counts is dated, it is the same with a key of which only that counts.
#[track_caller]
fn assert_same_in_a_long_term(story: &Story, verdict: &Verdict) {
    let term = TermDocument {
        not_before: Some("2020-01-01T00:00:00Z".to_owned()),
        ..TermDocument::default()
    };
    let in_term = story.clone().for_term(Key::Release, term).verify();
    assert_eq!(outcome(&in_term), outcome(verdict), "{in_term}");
    assert_eq!(
        decisive_codes(&in_term),
        decisive_codes(verdict),
        "{in_term}"
    );
    let published = |verdict: &Verdict| verdict.freshness().published().cloned();
    assert_eq!(published(&in_term), published(verdict), "{in_term}");
}

/// The interval that the honest publication proves alone.
fn interval_alone() -> Interval {
    interval(&assert_outcome(&demanded().signed(&honest()), "verified"))
}

fn interval(verdict: &Verdict) -> Interval {
    verdict.freshness().published().unwrap().interval
}

/// Eight stamps that anybody may put beside a signature. Four of them are of it.
pub(crate) fn junk(copy: usize) -> [Stamping; 8] {
    let at = |authority: Tsa, second: usize| {
        authority.at(format!("2026-11-24T08:{copy:02}:{second:02}Z").leak())
    };
    [
        at(Tsa::One, 0).over(Over::Other(b"another signature")),
        at(Tsa::One, 1).over(Over::Other(b"a third")),
        at(Tsa::One, 2).over(Over::Payload),
        at(Tsa::One, 3).edited(|der| der.truncate(40)),
        at(Tsa::One, 4).with(Defect::SignatureFlipped),
        at(Tsa::Three, 5),
        at(Tsa::Three, 6),
        at(Tsa::Three, 7),
    ]
}

#[test]
fn copies_with_junk_stamps_hide_no_date() {
    let inside = || [Tsa::One.at(BEFORE)];
    let copies = (0..30).fold(demanded(), |story, copy| {
        let signing = honest().stamped(inside(), junk(copy));
        story.signed(&signing.named(&format!("copy-{copy}")))
    });
    assert_outcome(&copies, "refused");
    let story = placed(copies, &honest(), Place::Last);
    assert_eq!(
        interval(&assert_outcome(&story, "verified")),
        interval_alone()
    );
    // They are one document, and what is of another content costs nothing.
    let once = limited(&story, "signatures", 1);
    assert_outcome(&limited(&once, "timeStampsChecked", 121), "verified");
    let verdict = assert_outcome(&limited(&once, "timeStampsChecked", 120), "refused");
    assert_eq!(decisive_codes(&verdict), ["too-large"]);
}

/// With so many more copies of a publication as there are stamps of its signature by unknown authorities, all before it.
fn flooded(story: Story, signing: &Signing, inside: &Stamping, copies: usize) -> Story {
    let crowd = (0..copies).fold(story, |story, copy| {
        let [.., stamp] = junk(copy);
        let signing = signing.clone().stamped([inside.clone()], [stamp]);
        story.signed(&signing.named(&format!("copy-{copy}")))
    });
    placed(crowd, signing, Place::Last)
}

/// What leads to an anchor by its own chain is not counted with what needs the certificates that strangers bring.
#[test]
fn only_what_brings_certificates_of_its_own_waits_behind_strangers() {
    let known = flooded(demanded(), &honest(), &Tsa::One.at(BEFORE), 3);
    assert_outcome(&limited(&known, "timeStampPaths", 0), "verified");
    let carried = honest().stamped(
        [Tsa::One.at(BEFORE)],
        [Tsa::One.at(AFTER).with(Defect::ViaIntermediate)],
    );
    let carried = flooded(demanded(), &carried, &Tsa::One.at(BEFORE), 3);
    let verdict = assert_outcome(&limited(&carried, "timeStampPaths", 4), "verified");
    assert_eq!(interval(&verdict), interval_alone());
    let verdict = assert_outcome(&limited(&carried, "timeStampPaths", 3), "refused");
    assert_eq!(decisive_codes(&verdict), ["too-large"]);
}

/// Whoever floods the earliest publication must not make the next one the earliest.
#[test]
fn a_flooded_publication_lets_no_later_one_pass() {
    let (before, after) = ("2026-11-24T08:00:00Z", "2026-11-24T08:00:01Z");
    let older = || honest().stamped([Tsa::One.at(before)], [Tsa::One.at(after)]);
    let young = |story: Story| {
        story
            .signed(&honest())
            .with(|case| case.demand.dates.max_age = Some(5_400))
    };
    assert_outcome(&young(demanded()), "verified");
    let both = young(flooded(demanded(), &older(), &Tsa::One.at(before), 3));
    for (limit, code) in [(4, "image-too-old"), (3, "too-large")] {
        let verdict = assert_outcome(&limited(&both, "timeStampsChecked", limit), "refused");
        assert_eq!(decisive_codes(&verdict), [code], "{verdict}");
    }
    // Where no date is demanded none is shown that may be another's.
    let shown = limited(&both, "timeStampsChecked", 3).with(|case| {
        case.demand.level = None;
        case.demand.dates.max_age = None;
    });
    assert_eq!(
        assert_outcome(&shown, "verified").freshness().published(),
        None
    );
}

/// A stamp of today in the first copy, and the good one behind more junk than is looked at.
#[test]
fn what_was_not_looked_at_is_told_before_what_it_might_have_mended() {
    let (before, after) = ("2026-11-24T08:00:00Z", "2026-11-24T08:00:01Z");
    let older = honest().stamped([Tsa::One.at(before)], [Tsa::One.at(after)]);
    let late = (0..4).fold(demanded(), |story, copy| {
        let stamps = [Tsa::One.at("2026-11-24T09:30:00Z"), junk(copy)[4].clone()];
        let signing = honest().stamped([Tsa::One.at(before)], stamps);
        story.signed(&signing.named(&format!("copy-{copy}")))
    });
    let young = placed(late, &older, Place::Last)
        .signed(&honest())
        .with(|case| case.demand.dates.max_age = Some(5_400));
    // One late stamp, four with a bad signature, and the good one.
    for (limit, code) in [(6, "image-too-old"), (5, "too-large")] {
        let verdict = assert_outcome(&limited(&young, "timeStampsChecked", limit), "refused");
        assert_eq!(decisive_codes(&verdict), [code], "{verdict}");
    }
}

/// With artifacts whose layers say that they are so long; nobody needs to have such bytes.
fn said_to_be_long(story: Story, size: u64, count: usize) -> Story {
    let sealed = honest().named("long").seal(&story.descriptor(CHILD));
    let manifest: serde_json::Value = serde_json::from_slice(&sealed.manifest).unwrap();
    (0..count).fold(story, |mut story, number| {
        let mut manifest = manifest.clone();
        manifest["layers"][0]["size"] = size.into();
        manifest["layers"][0]["digest"] = Digest::sha256(&number.to_be_bytes()).to_string().into();
        story.put(
            &format!("long-{number}.manifest.json"),
            manifest.to_string(),
        );
        story
    })
}

#[test]
fn lengths_that_strangers_write_down_hide_no_date() {
    let table = countersign_common::Limits::TABLE;
    let bundle = table.bundle as u64;
    for (size, count) in [
        (u64::MAX, 1),
        (table.image_bytes + 1, 1),
        (bundle + 1, 100),
        (bundle, 20),
    ] {
        let story = said_to_be_long(demanded().signed(&honest()), size, count);
        let verdict = assert_outcome(&story, "verified");
        assert_eq!(interval(&verdict), interval_alone(), "{size}");
    }
    // As short as a publication they may be one.
    let publication = table.publication as u64;
    let crowd = |size| {
        limited(
            &said_to_be_long(demanded().signed(&honest()), size, 10),
            "imageBytes",
            1 << 20,
        )
    };
    assert_outcome(&crowd(publication + 1), "verified");
    // Those that are looked for are not there, and the others may be.
    let verdict = assert_outcome(&crowd(publication), "undecided");
    let remarks: Vec<_> = verdict
        .remarks()
        .iter()
        .map(|remark| remark.code.as_str())
        .collect();
    assert!(remarks.contains(&"too-large"), "{verdict}");
}

#[test]
fn a_publication_is_no_longer_than_is_read() {
    let padded = |length: usize| {
        let story = demanded().signed(&honest());
        let mut blob = story.files["release-publication.blob.json"].to_vec();
        blob.resize(length, b' ');
        with_bundle(&story, "release-publication", blob.into())
    };
    let limit = countersign_common::Limits::TABLE.publication;
    assert_outcome(&padded(limit), "verified");
    let verdict = assert_outcome(&padded(limit + 1), "refused");
    assert_eq!(decisive_codes(&verdict), ["too-large"]);
    // A signature may be.
    let story = Story::new("", "").signed(&Signing::by(Key::Release));
    let mut blob = story.files["release-signature.blob.json"].to_vec();
    blob.resize(limit + 1, b' ');
    let story = with_bundle(&story, "release-signature", blob.into());
    assert_outcome(&story, "verified");
}

/// A copy with a hint of its own leaves the true one what it is worth.
#[test]
fn a_copy_with_another_hint_takes_no_place_away() {
    let hinted = |hint: &str, name: &str| Signing {
        hint: Some(hint.to_owned()),
        ..honest().named(name)
    };
    let junk = |number: usize| Signing {
        hint: Some(String::new()),
        edit_signature: |signature| *signature.last_mut().unwrap() ^= 1,
        supported_until: Some(["2027-01-01T00:00:00Z", "2027-01-02T00:00:00Z"][number]),
        ..honest().named(&format!("junk-{number}"))
    };
    let crowd = demanded().signed(&junk(0)).signed(&junk(1));
    for hint in ["", "somebody else"] {
        let story = placed(
            crowd.clone().signed(&hinted(hint, "copy")),
            &honest(),
            Place::Last,
        );
        // Where it is the first that is tried, the tries do not end before it.
        let story = limited(&story, "signatures", 2).with(|case| case.demand.level = None);
        assert_outcome(&story, "verified");
    }
}

/// A document that a certificate claims is not tried; a copy that names nobody is.
#[test]
fn a_copy_that_names_a_certificate_takes_no_place_away() {
    let nameless = Signing {
        hint: Some(String::new()),
        ..honest()
    };
    let copy = Signing {
        edit_bundle: |bundle| {
            bundle["verificationMaterial"] = json!({"certificate": {"rawBytes": "MAA="}});
        },
        ..honest()
    };
    for place in [Place::First, Place::Last] {
        let story = placed(demanded().signed(&nameless), &copy, place);
        assert_outcome(&story, "verified");
    }
}

#[test]
fn more_copies_without_stamps_than_are_tried_hide_no_date() {
    let bare = honest().stamped([Tsa::One.at(BEFORE)], []).named("copy");
    let mut story = demanded();
    let sealed = bare.seal(&story.descriptor(CHILD));
    let text = std::str::from_utf8(&sealed.manifest).unwrap();
    story.put("copy.blob.json", sealed.blob);
    for copy in 0..110 {
        let manifest = text.replace("copy", &format!("copy-{copy}"));
        story.put(&format!("copy-{copy}.manifest.json"), manifest);
    }
    assert_outcome(&story, "refused");
    for place in [Place::First, Place::Last] {
        let story = placed(story.clone(), &honest(), place);
        let verdict = assert_outcome(&story, "verified");
        assert_eq!(interval(&verdict), interval_alone(), "{place:?}");
        assert_outcome(&limited(&story, "signatures", 1), "verified");
    }
}

/// One of those that were not tried may have been an earlier publication.
#[test]
fn no_date_is_proven_while_a_publication_was_not_tried() {
    let ends = [
        "2027-01-01T00:00:00Z",
        "2027-01-02T00:00:00Z",
        "2027-01-03T00:00:00Z",
    ];
    let bad = |until: &'static str| Signing {
        supported_until: Some(until),
        edit_signature: |signature| *signature.last_mut().unwrap() ^= 1,
        ..honest().named(&format!("bad-until-{until}"))
    };
    let crowd = ends
        .iter()
        .fold(demanded(), |story, until| story.signed(&bad(until)));
    for place in [Place::First, Place::Last] {
        let story = placed(crowd.clone(), &honest(), place);
        let verdict = assert_outcome(&limited(&story, "signatures", 3), "refused");
        assert!(
            decisive_codes(&verdict).contains(&"signatures-too-many"),
            "{place:?}: {verdict}"
        );
        let verdict = assert_outcome(&limited(&story, "signatures", 4), "verified");
        assert_eq!(interval(&verdict), interval_alone(), "{place:?}");
    }
    // Where no date is demanded it is a signature like others.
    let signed = placed(crowd, &honest(), Place::First).with(|case| case.demand.level = None);
    assert_outcome(&limited(&signed, "signatures", 3), "verified");
}

#[test]
fn what_could_not_be_fetched_may_be_earlier_and_is_never_later() {
    let older = honest()
        .stamped(
            [Tsa::One.at("2026-11-24T08:00:00Z")],
            [Tsa::One.at("2026-11-24T08:00:01Z")],
        )
        .named("older");
    // An hour old, and two hours.
    let both = demanded().signed(&honest()).signed(&older);
    let aged = |min_age: Option<u64>, max_age: Option<u64>| {
        both.clone().with(|case| {
            case.demand.dates.min_age = min_age;
            case.demand.dates.max_age = max_age;
        })
    };
    assert_outcome(&aged(Some(5_400), None), "verified");
    assert_outcome(&aged(Some(7_198), None), "refused");
    assert_outcome(&aged(None, Some(5_400)), "refused");
    for fault in Fault::ERRORS.into_iter().chain([Fault::Absent]) {
        for request in ["blob older.blob.json", "manifest older.manifest.json"] {
            for (min_age, max_age, expected) in [
                (Some(5_400), None, "undecided"),
                (Some(3_597), None, "verified"),
                (None, Some(3_600), "refused"),
                // Only what its registry says is not there is certainly no earlier one.
                (
                    None,
                    Some(3_601),
                    if fault == Fault::Absent {
                        "verified"
                    } else {
                        "undecided"
                    },
                ),
                // Nothing earlier is younger.
                (Some(5_400), Some(3_600), "refused"),
            ] {
                let story = aged(min_age, max_age).with(|case| {
                    case.faults.insert(request.to_owned(), fault);
                });
                let verdict = story.verify();
                assert_eq!(
                    outcome(&verdict),
                    expected,
                    "{request}, {fault:?}, {min_age:?}, {max_age:?}: {verdict}"
                );
            }
        }
    }
}

/// Both are told by one code, of which only some findings are told.
#[test]
fn however_much_is_absent_what_could_not_be_fetched_may_be_earlier() {
    let mut story = demanded().signed(&honest()).with(|case| {
        case.demand.dates.max_age = Some(3_601);
    });
    for number in 0..60 {
        let name = format!("absent-{number:02}");
        let absent = honest().annotated("number", number).named(&name);
        story = story.signed(&absent).with(|case| {
            case.faults
                .insert(format!("blob {name}.blob.json"), Fault::Absent);
        });
    }
    assert_outcome(&story, "verified");
    for number in 0..4 {
        let name = format!("older-{number}");
        let older = honest().annotated("number", 100 + number).named(&name);
        let story = story.clone().signed(&older).with(|case| {
            case.faults
                .insert(format!("blob {name}.blob.json"), Fault::Unreachable);
        });
        assert_outcome(&story, "undecided");
    }
}

#[test]
fn the_date_of_a_child_may_be_what_could_not_be_fetched_beside_its_index() {
    let indexed = || {
        demanded()
            .indexed(|_| ())
            .with(|case| case.demand.platform = Some("linux/amd64".to_owned()))
    };
    for (signed, published) in [(CHILD, INDEX), (INDEX, CHILD)] {
        let signing = Signing::by(Key::Release).stamped([], [Tsa::One.at(AFTER)]);
        let undated = indexed().signed_for(signed, &signing);
        let verdict = assert_outcome(&undated, "refused");
        assert_eq!(decisive_codes(&verdict), ["publication-missing"]);
        let story = undated.signed_for(published, &honest());
        assert_outcome(&story, "verified");
        for fault in Fault::ERRORS {
            for request in [
                "manifest release-publication.manifest.json",
                "blob release-publication.blob.json",
                &format!("referrers {published}"),
            ] {
                let failing = story.clone().with(|case| {
                    case.faults.insert(request.to_owned(), fault);
                });
                let verdict = failing.verify();
                assert_eq!(
                    outcome(&verdict),
                    "undecided",
                    "{signed}, {request}, {fault:?}: {verdict}"
                );
            }
        }
    }
}

/// An old image that a new index lists stays old, and so does a new name for what an old index lists.
#[test]
fn a_child_is_as_old_as_it_or_its_index() {
    let indexed = || {
        demanded()
            .indexed(|_| ())
            .with(|case| case.demand.platform = Some("linux/amd64".to_owned()))
    };
    let older = || {
        let (before, after) = ("2026-11-24T08:00:00Z", "2026-11-24T08:00:01Z");
        let older = honest().stamped([Tsa::One.at(before)], [Tsa::One.at(after)]);
        older.named("older")
    };
    let max_age = |story: &Story, seconds: u64| {
        story
            .clone()
            .with(|case| case.demand.dates.max_age = Some(seconds))
    };
    for (old, young) in [(CHILD, INDEX), (INDEX, CHILD)] {
        let alone = indexed().signed_for(young, &honest());
        assert_outcome(&max_age(&alone, 3_601), "verified");
        let story = alone.signed_for(old, &older());
        assert_outcome(&max_age(&story, 7_201), "verified");
        for seconds in [3_601, 7_200] {
            let verdict = assert_outcome(&max_age(&story, seconds), "refused");
            assert_eq!(decisive_codes(&verdict), ["image-too-old"], "{old}");
        }
        let aged = |seconds| {
            story
                .clone()
                .with(|case| case.demand.dates.min_age = Some(seconds))
        };
        assert_outcome(&aged(7_197), "verified");
        assert_outcome(&aged(7_198), "refused");
        // What is not looked at, or cannot be, may be older.
        let stamps = [Tsa::Three.at(AFTER), Tsa::One.at("2026-11-24T08:00:01Z")];
        let crowded = older().stamped([Tsa::One.at("2026-11-24T08:00:00Z")], stamps);
        let crowded = indexed()
            .signed_for(young, &honest())
            .signed_for(old, &crowded);
        let crowded = limited(&crowded, "timeStampsChecked", 1);
        let verdict = assert_outcome(&max_age(&crowded, 3_601), "refused");
        assert_eq!(decisive_codes(&verdict), ["too-large"], "{old}");
        let junk = Signing::by(Key::Stranger).named("stranger");
        let listed = max_age(&story.clone().signed_for(old, &junk), 3_601);
        for (limit, code) in [(2, "image-too-old"), (1, "referrers-too-many")] {
            let verdict = assert_outcome(&limited(&listed, "referrers", limit), "refused");
            assert_eq!(decisive_codes(&verdict), [code], "{old}");
        }
        // The end of support of either is the end of both.
        let ended = |until: &'static str| {
            let ended = Signing {
                supported_until: Some(until),
                ..older()
            };
            indexed()
                .signed_for(young, &honest())
                .signed_for(old, &ended)
                .with(|case| case.demand.dates.supported = true)
        };
        assert_outcome(&ended("2026-11-24T10:00:00Z"), "verified");
        let verdict = assert_outcome(&ended("2026-11-24T09:59:59Z"), "refused");
        assert_eq!(decisive_codes(&verdict), ["image-end-of-life"], "{old}");
        for fault in Fault::ERRORS {
            let failing = max_age(&story, 3_601).with(|case| {
                case.faults.insert("blob older.blob.json".to_owned(), fault);
            });
            let verdict = failing.verify();
            assert_eq!(
                outcome(&verdict),
                "undecided",
                "{old}, {fault:?}: {verdict}"
            );
        }
    }
}

/// The roots differ, so both are believed; what stamps is one key all the same.
#[test]
fn one_key_below_the_roots_of_two_operators_is_one_witness() {
    let other_root =
        TimeAuthority::from_pem(include_str!("../../../fixtures/time-authorities/one.pem"))
            .unwrap()
            .other_root_pem();
    let with_other_root = |story: Story| {
        let mut story = story.timed_by_as(Tsa::One, |document| {
            document.operator = "other.example".to_owned();
            document.chain = "other.tsa.pem".to_owned();
        });
        story.put("other.tsa.pem", other_root.clone());
        story
    };
    let below_other = |time| Tsa::One.at(time).with(Defect::OtherRoot);
    let demanding = |story: Story, threshold: usize| {
        story.with(|case| case.time_threshold = Some(threshold.try_into().unwrap()))
    };
    let by_one_key = honest().stamped(
        [Tsa::One.at(BEFORE), below_other(BEFORE)],
        [Tsa::One.at(AFTER), below_other(AFTER)],
    );
    let both = with_other_root(demanded()).signed(&by_one_key);
    let verdict = assert_outcome(&demanding(both.clone(), 2), "refused");
    assert_eq!(decisive_codes(&verdict), ["time-evidence-insufficient"]);
    assert_outcome(&demanding(both, 1), "verified");
    // Each of them counts alone, and beside a second key.
    let alone = honest().stamped([below_other(BEFORE)], [below_other(AFTER)]);
    let only_other = with_other_root(demanded().with(|case| case.time_authorities.clear()));
    assert_outcome(&only_other.signed(&alone), "verified");
    let by_two_keys = honest().stamped(
        [below_other(BEFORE), Tsa::Two.at(BEFORE)],
        [below_other(AFTER), Tsa::Two.at(AFTER)],
    );
    let two = with_other_root(demanded()).timed_by(Tsa::Two);
    assert_outcome(&demanding(two.signed(&by_two_keys), 2), "verified");
}

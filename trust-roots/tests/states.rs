//! What a verifier remembers: read strictly, and only ever forward.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{collections::BTreeSet, num::NonZeroU64, time::Duration};

use countersign_common::{Code, Digest, Escaped, Explain, Timestamp};
use countersign_trust_roots::{
    RootName, TimeRules,
    state::{Advance, CODES, RootMemory, RootRegression, RootSeen, State, StateCorrupt},
};
use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, RngSeed},
};

const WHOLE: &str = r#"{"schema":1,"timeFloor":"2026-11-23T10:15:29Z","roots":{"acme":{"version":7,"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","probed":"2026-11-23T10:15:30Z"}}}"#;

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 512,
        failure_persistence: None,
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(8),
        ..ProptestConfig::default()
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds).unwrap()
}

fn name(text: &str) -> RootName {
    text.parse().unwrap()
}

fn version(number: u64) -> NonZeroU64 {
    number.try_into().unwrap()
}

fn learned(floor: Option<i64>, roots: &[(&str, u64, &[u8], i64)]) -> Advance {
    Advance {
        floor: floor.map(at),
        roots: roots
            .iter()
            .map(|(root, number, file, probed)| {
                (
                    name(root),
                    RootMemory::new(version(*number), file, at(*probed)).into(),
                )
            })
            .collect(),
    }
}

fn corrupt(text: &str) -> StateCorrupt {
    State::parse(text.as_bytes()).unwrap_err()
}

#[test]
fn a_state_is_written_as_it_is_read() {
    let state = State::parse(WHOLE.as_bytes()).unwrap();
    assert_eq!(
        state.time_floor(),
        Some(Timestamp::parse("2026-11-23T10:15:29Z").unwrap())
    );
    let acme = state.root(&name("acme")).unwrap();
    assert_eq!(acme.version(), version(7));
    assert_eq!(*acme.sha256(), Digest::sha256(b""));
    assert_eq!(
        acme.probed(),
        Timestamp::parse("2026-11-23T10:15:30Z").unwrap()
    );
    assert_eq!(state.root(&name("other")), None);
    assert_eq!(String::from_utf8(state.to_json()).unwrap(), WHOLE);

    let empty = State::default().to_json();
    assert_eq!(empty, br#"{"schema":1,"roots":{}}"#);
    assert_eq!(State::parse(&empty).unwrap(), State::default());
}

#[test]
fn a_slip_in_a_state_is_damage_and_names_its_place() {
    for (from, to, said) in [
        (r#""schema":1,"#, "", "schema"),
        (r#""schema":1"#, r#""schema":"1""#, "invalid type"),
        ("}}}", r#"}},"roots":{}}"#, "duplicate"),
        ("}}}", r#"}},"places":{}}"#, "unknown field"),
        (r#""probed""#, r#""seen":1,"probed""#, "unknown field"),
        (r#""version":7,"#, "", "version"),
        (r#""version":7"#, r#""version":0"#, "nonzero"),
        (r#""version":7"#, r#""version":-7"#, "invalid value"),
        (r#""version":7"#, r#""version":7.0"#, "invalid type"),
        (
            r#""version":7"#,
            r#""version":18446744073709551616"#,
            "invalid type",
        ),
        ("e3b0", "E3B0", "lower-case"),
        ("e3b0", "sha256:e3b0", "lower-case"),
        ("e3b0", "", "lower-case"),
        (r#""acme""#, r#""../acme""#, "name of a root"),
        (r#""acme""#, r#""""#, "name of a root"),
        ("10:15:29Z", "10:15:29", "RFC 3339"),
        ("10:15:30Z", "25:15:30Z", "RFC 3339"),
        (r#"{"acme""#, r#"[{"acme""#, "expected"),
        ("}}}", "}}", "EOF"),
        ("}}}", "}}}{}", "trailing"),
    ] {
        let text = WHOLE.replacen(from, to, 1);
        assert_ne!(text, WHOLE);
        let error = corrupt(&text).to_string();
        assert!(error.contains(said), "{text}: {error}");
        assert!(error.contains("line 1"), "{error}");
    }
    for bytes in [&b""[..], b"null", b"[]", b"\0\0\0\0", b"\xff"] {
        assert!(State::parse(bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn a_state_of_a_later_form_is_no_damage_and_not_to_be_moved_away() {
    let later = WHOLE.replacen(r#""schema":1,"#, r#""schema":2,"proofs":[],"#, 1);
    let error = corrupt(&later);
    assert!(matches!(error, StateCorrupt::Schema { found: 2 }));
    assert!(!error.to_string().contains("damaged"), "{error}");
    assert!(error.remedy().starts_with("upgrade countersign"));
    let slip = corrupt(&later.replacen('2', "1", 1));
    assert!(slip.to_string().contains("unknown field"), "{slip}");
    assert!(slip.remedy().contains("--init-state"));
}

#[test]
fn every_beginning_of_a_state_is_damage() {
    for length in 0..WHOLE.len() {
        let beginning = WHOLE.as_bytes().get(..length).unwrap();
        assert!(State::parse(beginning).is_err(), "{length}");
    }
}

#[test]
fn a_state_is_accepted_up_to_its_limits() {
    let state = |roots: u64| {
        let one = RootMemory::new(version(u64::MAX), b"", at(0));
        let roots =
            (0..roots).map(|number| (name(&format!("root-{number:059}")), one.clone().into()));
        let advance = Advance {
            floor: None,
            roots: roots.collect(),
        };
        State::default().advanced(&advance, at(0)).to_json()
    };
    let full = state(1_000);
    assert!(State::parse(&full).is_ok());
    assert!(matches!(
        State::parse(&state(1_001)),
        Err(StateCorrupt::TooManyRoots)
    ));

    let padded = |length: usize| {
        let mut bytes = full.clone();
        bytes.resize(length, b' ');
        State::parse(&bytes)
    };
    assert!(padded(State::MAX_BYTES).is_ok());
    assert!(matches!(
        padded(State::MAX_BYTES + 1),
        Err(StateCorrupt::TooLarge)
    ));
}

#[test]
fn a_clock_that_is_set_back_does_not_take_the_time_back() {
    let state = State::default().advanced(&learned(Some(1_000), &[]), at(1_000));
    assert_eq!(state.now(at(400)), at(1_000));
    assert_eq!(state.now(at(1_001)), at(1_001));
    assert_eq!(State::default().now(at(400)), at(400));
    // What was saved under the right clock outlives the wrong one.
    let later = state.advanced(&learned(Some(500), &[]), at(400));
    assert_eq!(later, state);
}

#[test]
fn a_floor_in_the_future_is_never_saved() {
    let skew = i64::try_from(TimeRules::SKEW.as_secs()).unwrap();
    let floor = |floor| {
        let state = State::default().advanced(&learned(Some(10), &[]), at(10));
        state
            .advanced(&learned(Some(floor), &[]), at(100))
            .time_floor()
    };
    assert_eq!(floor(100 + skew), Some(at(100 + skew)));
    assert_eq!(floor(100 + skew + 1), Some(at(10)));
    // Nor under a clock at the end of the years that can be written.
    let end = Timestamp::from_unix_seconds(8_210_266_876_799).unwrap();
    assert_eq!(end.plus(Duration::from_secs(1)), None);
    let state = State::default().advanced(&learned(Some(10), &[]), end);
    assert_eq!(state.time_floor(), None);
}

#[test]
fn a_root_is_refused_below_the_remembered_version_and_beside_it() {
    let state = State::default().advanced(&learned(None, &[("acme", 7, b"seven", 5)]), at(10));
    let check = |root: &str, number, file: &[u8]| {
        let seen = RootMemory::new(version(number), file, at(20));
        state.check_root(&name(root), &seen.into())
    };
    assert_eq!(check("acme", 7, b"seven"), Ok(()));
    assert_eq!(check("acme", 8, b"eight"), Ok(()));
    assert_eq!(check("other", 1, b"one"), Ok(()));
    assert_eq!(
        check("acme", 6, b"seven"),
        Err(RootRegression::Older {
            name: name("acme"),
            offered: version(6),
            remembered: version(7)
        })
    );
    assert_eq!(
        check("acme", 7, b"other"),
        Err(RootRegression::Twin {
            name: name("acme"),
            version: version(7),
            offered: Digest::sha256(b"other"),
            remembered: Digest::sha256(b"seven")
        })
    );
}

/// The keys of an early version are stolen after later ones replaced them.
#[test]
fn another_way_past_the_remembered_version_is_refused() {
    let state = State::default().advanced(&learned(None, &[("acme", 7, b"seven", 5)]), at(10));
    let check = |passed: &[(u64, &[u8])]| {
        let passed = passed
            .iter()
            .map(|(number, file)| (version(*number), Digest::sha256(file)));
        let seen = RootSeen {
            newest: RootMemory::new(version(9), b"nine", at(20)),
            passed: passed.collect(),
        };
        state.check_root(&name("acme"), &seen)
    };
    assert_eq!(check(&[(6, b"six"), (7, b"seven"), (8, b"eight")]), Ok(()));
    assert_eq!(
        check(&[(6, b"six"), (7, b"forged"), (8, b"eight")]),
        Err(RootRegression::Twin {
            name: name("acme"),
            version: version(7),
            offered: Digest::sha256(b"forged"),
            remembered: Digest::sha256(b"seven")
        })
    );
    // What was pinned above it was found out by a person.
    assert_eq!(check(&[(8, b"eight")]), Ok(()));
}

#[test]
fn a_root_only_moves_forward() {
    let start = State::default().advanced(&learned(None, &[("acme", 7, b"seven", 50)]), at(100));
    let after = |number, file: &[u8], probed| {
        let advance = learned(None, &[("acme", number, file, probed)]);
        let state = start.advanced(&advance, at(100));
        let acme = state.root(&name("acme")).unwrap();
        (
            acme.version().get(),
            acme.sha256().clone(),
            acme.probed().unix_seconds(),
        )
    };
    let (seven, eight) = (Digest::sha256(b"seven"), Digest::sha256(b"eight"));
    assert_eq!(after(7, b"seven", 60), (7, seven.clone(), 60));
    assert_eq!(after(7, b"seven", 40), (7, seven.clone(), 50));
    assert_eq!(after(7, b"seven", 101), (7, seven.clone(), 100));
    assert_eq!(after(8, b"eight", 40), (8, eight, 40));
    assert_eq!(after(6, b"six", 60), (7, seven.clone(), 50));
    assert_eq!(after(7, b"other", 60), (7, seven, 50));
}

#[test]
fn a_look_that_a_clock_ahead_has_left_gives_way_to_the_next() {
    let ahead = State::default().advanced(&learned(None, &[("acme", 7, b"seven", 900)]), at(900));
    let probed = |number, file: &[u8], now| {
        let advance = learned(None, &[("acme", number, file, 40)]);
        let state = ahead.advanced(&advance, at(now));
        state
            .root(&name("acme"))
            .map(|acme| acme.probed().unix_seconds())
    };
    assert_eq!(probed(7, b"seven", 899), Some(40));
    assert_eq!(probed(7, b"seven", 900), Some(900));
    // It says nothing about what was not seen.
    assert_eq!(probed(7, b"other", 899), Some(900));
    assert_eq!(probed(6, b"six", 899), Some(900));
}

#[test]
fn every_refusal_is_explained_by_a_listed_code_and_shows_no_hostile_text() {
    let hostile = r#"{"\u001b[2J\u202e":1}"#;
    let twin = RootRegression::Twin {
        name: name("acme"),
        version: version(7),
        offered: Digest::sha256(b"a"),
        remembered: Digest::sha256(b"b"),
    };
    let older = RootRegression::Older {
        name: name("acme"),
        offered: version(6),
        remembered: version(7),
    };
    let explained: [&dyn Explain; 5] = [
        &corrupt(hostile),
        &StateCorrupt::TooLarge,
        &StateCorrupt::TooManyRoots,
        &twin,
        &older,
    ];
    let codes: BTreeSet<Code> = explained.iter().map(|one| one.code()).collect();
    assert!(codes.iter().eq(CODES), "{codes:?}");
    for one in explained {
        for text in [one.to_string(), one.remedy()] {
            assert!(text.len() > 20 && !text.ends_with('.'), "{text}");
            assert_eq!(text, Escaped(&text).to_string());
        }
    }
}

/// What one of many writers learns, and the time of its clock. Few different values, so that writers often meet; a
/// root's file follows from its version, as of roots that were checked.
fn writers() -> impl Strategy<Value = Vec<(Advance, Timestamp)>> {
    let root = (prop::sample::select(&["a", "b"][..]), 1..5_u64, 0..900_i64);
    let writer = (
        prop::option::of(0..900_i64),
        prop::collection::vec(root, 0..3),
        0..600_i64,
    );
    let writer = writer.prop_map(|(floor, roots, clock)| {
        let roots = roots.iter().map(|(root, number, probed)| {
            let file = format!("{root} {number}");
            let memory = RootMemory::new(version(*number), file.as_bytes(), at(*probed));
            (name(root), memory.into())
        });
        let advance = Advance {
            floor: floor.map(at),
            roots: roots.collect(),
        };
        (advance, at(clock))
    });
    prop::collection::vec(writer, 0..8)
}

fn all<'a>(writers: impl IntoIterator<Item = &'a (Advance, Timestamp)>) -> State {
    writers
        .into_iter()
        .fold(State::default(), |state, (advance, now)| {
            state.advanced(advance, *now)
        })
}

/// What must not fall. When somebody looked may: a clock that was ahead has written it.
fn height(state: &State, root: &str) -> (Option<Timestamp>, Option<u64>) {
    let memory = state.root(&name(root));
    (
        state.time_floor(),
        memory.map(|memory| memory.version().get()),
    )
}

fn heights(state: &State) -> [(Option<Timestamp>, Option<u64>); 2] {
    ["a", "b"].map(|root| height(state, root))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_order_of_writers_changes_nothing(
        (writers, shuffled) in writers().prop_flat_map(|writers| {
            (Just(writers.clone()), Just(writers).prop_shuffle())
        }),
    ) {
        prop_assert_eq!(heights(&all(&writers)), heights(&all(&shuffled)));
        // Twice is once.
        prop_assert_eq!(heights(&all(&writers)), heights(&all(writers.iter().chain(&shuffled))));
        // Where their clocks agree, nothing else differs either.
        let agreed = |writers: &[(Advance, Timestamp)]| -> Vec<_> {
            writers.iter().map(|(advance, _)| (advance.clone(), at(600))).collect()
        };
        let (writers, shuffled) = (agreed(&writers), agreed(&shuffled));
        prop_assert_eq!(all(&writers), all(&shuffled));
        prop_assert_eq!(all(&writers), all(writers.iter().chain(&shuffled)));
    }

    #[test]
    fn nothing_ever_falls_and_what_is_written_is_read(writers in writers()) {
        let mut state = State::default();
        for (advance, now) in &writers {
            let next = state.advanced(advance, *now);
            for (before, after) in heights(&state).into_iter().zip(heights(&next)) {
                prop_assert!(before.0 <= after.0 && before.1 <= after.1, "{before:?} {after:?}");
            }
            prop_assert_eq!(&State::parse(&next.to_json()).unwrap(), &next);
            state = next;
        }
    }

    #[test]
    fn a_moment_is_remembered_to_its_last_digit(seconds in 0..4_000_000_000_i64, nanoseconds in 0..1_000_000_000_u64) {
        let moment = at(seconds).plus(Duration::from_nanos(nanoseconds)).unwrap();
        let advance = Advance { floor: Some(moment), ..Advance::default() };
        let state = State::default().advanced(&advance, moment);
        prop_assert_eq!(State::parse(&state.to_json()).unwrap().time_floor(), Some(moment));
    }

    #[test]
    fn any_bytes_are_answered_without_a_panic(bytes: Vec<u8>) {
        prop_assert!(State::parse(&bytes).is_err());
    }
}

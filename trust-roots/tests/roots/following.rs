//! Following a root through sources that know, do not know, lie, or cannot be asked.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::Mutex,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use countersign_common::{
    Code, Digest, Explain, Limits, RootSource, Task, Timestamp,
    root_source::{Failure, Refused, Unavailable},
};
use countersign_trust_roots::{
    root::{FollowError, Followed, Pin, follow},
    state::RootMemory,
};

use crate::{
    cases::{chain_of, fork_of},
    world::fingerprint,
};

/// What it has, by version; what is not among it is absent, or could not be asked.
struct Fake {
    name: &'static str,
    files: BTreeMap<u64, Vec<u8>>,
    otherwise: Otherwise,
    asked: Mutex<Vec<u64>>,
}

#[derive(Clone, Copy)]
enum Otherwise {
    Absent,
    Broken,
    Refused,
}

fn source(name: &'static str, files: &[(u64, &[u8])], otherwise: Otherwise) -> Fake {
    Fake {
        name,
        files: files
            .iter()
            .map(|(version, file)| (*version, file.to_vec()))
            .collect(),
        otherwise,
        asked: Mutex::default(),
    }
}

impl RootSource for Fake {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn version(&self, version: u64) -> Task<'_, Result<Option<Bytes>, Failure>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(version);
            match (self.files.get(&version), self.otherwise) {
                (Some(file), _) => Ok(Some(file.clone().into())),
                (None, Otherwise::Absent) => Ok(None),
                (None, Otherwise::Broken) => Err(Unavailable {
                    name: self.name(),
                    source: "hostile\u{1b}[2J\nverified".into(),
                }
                .into()),
                (None, Otherwise::Refused) => Err(Refused {
                    name: self.name(),
                    code: Code::new("too-large"),
                    source: "hostile\u{1b}[2J\nverified".into(),
                }
                .into()),
            }
        })
    }
}

fn run(pin: &Digest, kept: Option<&Fake>, sources: &[&Fake]) -> Result<Followed, FollowError> {
    run_after(None, pin, kept, sources)
}

/// The same where a version was seen before.
fn run_after(
    remembered: Option<&RootMemory>,
    fingerprint: &Digest,
    kept: Option<&Fake>,
    sources: &[&Fake],
) -> Result<Followed, FollowError> {
    let sources: Vec<&dyn RootSource> = sources
        .iter()
        .map(|source| *source as &dyn RootSource)
        .collect();
    let kept = kept.map(|kept| kept as &dyn RootSource);
    let name = "acme".parse().unwrap();
    let known = Pin {
        name: &name,
        fingerprint,
        remembered,
    };
    let mut task = pin!(follow(known, kept, &sources, &Limits::TABLE));
    match task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(followed) => followed,
        Poll::Pending => panic!("nothing is waited for"),
    }
}

fn code(outcome: Result<Followed, FollowError>) -> Code {
    outcome.unwrap_err().code()
}

fn version(outcome: Result<Followed, FollowError>) -> u64 {
    outcome.unwrap().chain.newest().version()
}

#[test]
fn a_chain_is_followed_to_the_first_absence() {
    let files = chain_of(4);
    let all = source(
        "one",
        &[(1, &files[0]), (2, &files[1]), (3, &files[2])],
        Otherwise::Absent,
    );
    let followed = run(&fingerprint(&files[0]), None, &[&all]).unwrap();
    assert_eq!(followed.chain.newest().version(), 3);
    assert_eq!(followed.files.into_keys().collect::<Vec<_>>(), [1, 2, 3]);
    assert!(followed.unavailable.is_empty());
    assert_eq!(*all.asked.lock().unwrap(), [1, 2, 3, 4]);
}

#[test]
fn the_pinned_version_is_found_where_earlier_ones_are_gone() {
    let files = chain_of(4);
    let late = source("one", &[(3, &files[2]), (4, &files[3])], Otherwise::Absent);
    assert_eq!(version(run(&fingerprint(&files[2]), None, &[&late])), 4);
    // The chain begins at the pin: what was before it is not asked.
    assert_eq!(
        code(run(&fingerprint(&files[1]), None, &[&late])),
        Code::new("root-fingerprint-mismatch")
    );
    assert_eq!(late.asked.lock().unwrap().last(), Some(&256));
}

#[test]
fn a_pinned_version_after_those_that_are_tried_is_not_absent() {
    let files: Vec<(u64, &[u8])> = (1..=257).map(|version| (version, &b"{}"[..])).collect();
    let pin = Digest::sha256(b"another");
    let (fewer, more) = files.split_at(255);
    let one = source("one", fewer, Otherwise::Absent);
    let absent = Code::new("root-fingerprint-mismatch");
    assert_eq!(code(run(&pin, None, &[&one])), absent);
    let one = source("one", more, Otherwise::Absent);
    let error = run(&pin, None, &[&one]).unwrap_err();
    assert_eq!(error.code(), Code::new("root-unavailable"));
    assert!(error.to_string().contains("256"), "{error}");
}

#[test]
fn a_pinned_version_that_nobody_tries_is_not_found_out_about() {
    let files: Vec<(u64, &[u8])> = vec![(257, b"{}"), (300, b"{}")];
    let pin = Digest::sha256(b"{}");
    for more in [&files[..], &files[..0]] {
        let one = source("one", more, Otherwise::Absent);
        let error = run(&pin, None, &[&one]).unwrap_err();
        assert_eq!(error.code(), Code::new("root-unavailable"));
        assert!(error.remedy().contains("folder"), "{}", error.remedy());
    }
    let last = chain_of(1);
    let one = source("one", &[(256, &last[0])], Otherwise::Absent);
    assert_eq!(version(run(&fingerprint(&last[0]), None, &[&one])), 1);
}

#[test]
fn what_a_source_refuses_is_a_refusal_and_hides_nothing() {
    let files = chain_of(3);
    let pin = fingerprint(&files[0]);
    let all: Vec<(u64, &[u8])> = (1..).zip(files.iter().map(Vec::as_slice)).collect();
    let too_large = Code::new("too-large");
    let long = source("long", &all[..1], Otherwise::Refused);
    let short = source("short", &all[..1], Otherwise::Absent);
    for sources in [vec![&long], vec![&long, &short], vec![&short, &long]] {
        assert_eq!(code(run(&pin, None, &sources)), too_large);
    }
    assert_eq!(version(run(&pin, None, &[&short])), 1);
    // Another has the second version, and the third.
    let kept = source("kept", &all, Otherwise::Absent);
    let whole = source("whole", &all, Otherwise::Refused);
    for sources in [[&long, &whole], [&whole, &long]] {
        let error = run(&pin, None, &sources).unwrap_err();
        assert_eq!(error.code(), too_large, "of version 4");
        assert_eq!(whole.asked.lock().unwrap().last(), Some(&4));
    }
    assert_eq!(version(run(&pin, Some(&kept), &[&short])), 3);
    // One that is refused is not the pinned one, and hides it neither in its own source nor in another.
    let third = fingerprint(&files[2]);
    let late = source("late", &all[2..], Otherwise::Refused);
    let none = source("none", &[], Otherwise::Refused);
    for sources in [vec![&late], vec![&none, &late]] {
        assert_eq!(code(run(&third, None, &sources)), too_large);
        assert_eq!(late.asked.lock().unwrap().last(), Some(&4));
    }
    let broken = source("broken", &[], Otherwise::Broken);
    assert_eq!(
        code(run(&pin, None, &[&none, &broken])),
        Code::new("root-unavailable"),
        "it may have the pinned one"
    );
    let error = run(&pin, None, &[&none]).unwrap_err();
    assert_eq!(error.code(), too_large);
    let text = error.to_string();
    assert!(!text.contains('\u{1b}') && !text.contains('\n'), "{text}");
}

#[test]
fn what_was_kept_is_not_asked_for_again() {
    let files = chain_of(3);
    let kept = source("kept", &[(1, &files[0]), (2, &files[1])], Otherwise::Absent);
    let one = source("one", &[(3, &files[2])], Otherwise::Absent);
    assert_eq!(
        version(run(&fingerprint(&files[0]), Some(&kept), &[&one])),
        3
    );
    assert_eq!(*one.asked.lock().unwrap(), [3, 4]);
    assert_eq!(
        version(run(&fingerprint(&files[0]), Some(&kept), &[])),
        2,
        "alone, it is all there is"
    );
}

#[test]
fn what_was_kept_and_is_damaged_is_asked_for() {
    let files = chain_of(3);
    let one = source(
        "one",
        &[(1, &files[0]), (2, &files[1]), (3, &files[2])],
        Otherwise::Absent,
    );
    for kept in [
        source("kept", &[(1, &files[0]), (2, b"{}")], Otherwise::Absent),
        source("kept", &[(1, b"{}"), (2, &files[1])], Otherwise::Absent),
        source("kept", &[], Otherwise::Broken),
        source("kept", &[(1, &files[0]), (2, &files[2])], Otherwise::Broken),
    ] {
        assert_eq!(
            version(run(&fingerprint(&files[0]), Some(&kept), &[&one])),
            3
        );
    }
}

#[test]
fn a_source_that_cannot_be_asked_is_no_absence() {
    let files = chain_of(2);
    let broken = source("broken", &[], Otherwise::Broken);
    let one = source("one", &[(1, &files[0]), (2, &files[1])], Otherwise::Absent);
    let half = source("half", &[(1, &files[0])], Otherwise::Broken);
    let pin = fingerprint(&files[0]);
    assert_eq!(
        code(run(&pin, None, &[&broken])),
        Code::new("root-unavailable")
    );
    assert_eq!(
        code(run(&pin, None, &[&half])),
        Code::new("root-unavailable"),
        "a second version may be there"
    );
    let followed = run(&pin, None, &[&broken, &one]).unwrap();
    assert_eq!(followed.chain.newest().version(), 2);
    assert!(
        followed
            .unavailable
            .iter()
            .all(|failure| failure.name == "broken")
    );
    assert!(!followed.unavailable.is_empty());
    // One that says no is believed, whatever the others' state.
    let old = source("old", &[(1, &files[0])], Otherwise::Absent);
    assert_eq!(version(run(&pin, None, &[&half, &old])), 1);
    // Where the pinned file is nowhere else, the broken one may have it.
    let other = source("other", &[(1, &files[1])], Otherwise::Absent);
    assert_eq!(
        code(run(&pin, None, &[&other, &broken])),
        Code::new("root-unavailable")
    );
    let text = run(&pin, None, &[&broken]).unwrap_err().to_string();
    assert!(!text.contains('\u{1b}') && !text.contains('\n'), "{text}");
}

#[test]
fn a_source_that_lies_hides_nothing_and_is_not_passed_over() {
    let files = chain_of(3);
    let pin = fingerprint(&files[0]);
    let one = source("one", &[(1, &files[0]), (2, &files[1])], Otherwise::Absent);
    let liar = source("liar", &[(2, &files[2]), (3, b"junk")], Otherwise::Absent);
    let followed = run(&pin, None, &[&liar, &one]).unwrap();
    assert_eq!(
        followed.chain.newest().version(),
        2,
        "version 3 is junk, and another source says that there is none"
    );
    assert_eq!(followed.unavailable.len(), 1);
    let whole = source(
        "whole",
        &[(1, &files[0]), (2, &files[1]), (3, &files[2])],
        Otherwise::Absent,
    );
    assert_eq!(version(run(&pin, None, &[&liar, &whole])), 3);
    let gap = source("gap", &[(1, &files[0]), (2, &files[2])], Otherwise::Absent);
    assert_eq!(
        code(run(&pin, None, &[&gap])),
        Code::new("root-version-gap")
    );
}

/// It may have the right one: nothing was found out, and what was is told beside it.
#[test]
fn beside_a_source_that_lies_one_that_cannot_be_asked_decides() {
    let files = chain_of(2);
    let pin = fingerprint(&files[0]);
    let first: &[(u64, &[u8])] = &[(1, &files[0])];
    let liar = source("liar", &[(1, &files[0]), (2, b"{}")], Otherwise::Absent);
    let long = source("long", first, Otherwise::Refused);
    let broken = source("broken", first, Otherwise::Broken);
    for (bad, said) in [(&liar, "no TUF root"), (&long, "")] {
        for sources in [[bad, &broken], [&broken, bad]] {
            let error = run(&pin, None, &sources).unwrap_err();
            assert_eq!(error.code(), Code::new("root-unavailable"));
            let text = error.to_string();
            assert!(text.contains("and of another source: "), "{text}");
            assert!(text.contains("broken") && text.contains(said), "{text}");
        }
        assert_ne!(code(run(&pin, None, &[bad])), Code::new("root-unavailable"));
    }
}

#[test]
fn another_file_than_the_pinned_one_is_never_trusted_on_first_use() {
    let files = chain_of(2);
    let one = source("one", &[(1, &files[0]), (2, &files[1])], Otherwise::Absent);
    let stranger = Digest::sha256(b"another root");
    let error = run(&stranger, None, &[&one]).unwrap_err();
    assert_eq!(error.code(), Code::new("root-fingerprint-mismatch"));
    assert!(
        error.to_string().contains("one") && error.to_string().contains(&stranger.to_string()),
        "{error}"
    );
    assert_eq!(
        code(run(&stranger, None, &[])),
        Code::new("root-fingerprint-mismatch")
    );
}

#[test]
fn a_source_that_cannot_be_asked_is_asked_once() {
    let files = chain_of(4);
    let broken = source("broken", &[], Otherwise::Broken);
    let all: Vec<(u64, &[u8])> = (1..).zip(files.iter().map(Vec::as_slice)).collect();
    let one = source("one", &all, Otherwise::Absent);
    let followed = run(&fingerprint(&files[0]), None, &[&broken, &one]).unwrap();
    assert_eq!(followed.chain.newest().version(), 4);
    assert_eq!(
        *broken.asked.lock().unwrap(),
        [1],
        "it would cost its time for each version"
    );
    assert_eq!(followed.unavailable.len(), 1);
}

#[test]
fn a_page_in_the_place_of_a_root_is_no_answer_and_a_bad_root_is_one() {
    let files = chain_of(2);
    let pin = fingerprint(&files[0]);
    let with = |second: &[u8]| source("one", &[(1, &files[0]), (2, second)], Otherwise::Absent);
    let other = source("other", &[(1, &files[0])], Otherwise::Absent);
    let long = vec![b' '; Limits::TABLE.root + 1];
    for (second, alone, beside) in [
        (&b"<html>"[..], "root-unavailable", None),
        (b"", "root-unavailable", None),
        (b"{}", "malformed", Some("malformed")),
        (b"[", "root-unavailable", None),
        (&long, "too-large", Some("too-large")),
    ] {
        assert_eq!(code(run(&pin, None, &[&with(second)])), Code::new(alone));
        let outcome = run(&pin, None, &[&with(second), &other]);
        assert_eq!(
            outcome.as_ref().err().map(Explain::code),
            beside.map(Code::new)
        );
        assert!(outcome.is_err() || outcome.unwrap().unavailable.len() == 1);
    }
}

/// Two versions of one number, each signed as it must be.
#[test]
fn another_way_past_what_was_seen_is_not_gone() {
    let (honest, forged) = (chain_of(3), fork_of(3));
    assert_eq!(honest[0], forged[0]);
    let pin = fingerprint(&honest[0]);
    let all = |name, files: &[Vec<u8>]| {
        let files: Vec<(u64, &[u8])> = (1..).zip(files.iter().map(Vec::as_slice)).collect();
        source(name, &files, Otherwise::Absent)
    };
    let (one, evil) = (all("one", &honest), all("evil", &forged));
    let seen = |number: u64, file: &[u8]| {
        RootMemory::new(number.try_into().unwrap(), file, Timestamp::EPOCH)
    };
    assert_eq!(version(run(&pin, None, &[&evil])), 3, "nothing was seen");
    let second = seen(2, &honest[1]);
    let error = run_after(Some(&second), &pin, None, &[&evil]).unwrap_err();
    assert_eq!(error.code(), Code::new("root-rollback"));
    // It hides nothing, whether another source or what was kept begins with it.
    for (kept, sources) in [
        (None, &[&evil, &one][..]),
        (Some(&evil), &[&one]),
        (Some(&evil), &[&evil, &one]),
    ] {
        let followed = run_after(Some(&second), &pin, kept, sources).unwrap();
        assert_eq!(followed.chain.newest().version(), 3);
        assert_eq!(followed.files.get(&2).unwrap(), &honest[1]);
    }
    // One who has seen the forged one, too, is told.
    let forged_seen = seen(2, &forged[1]);
    let error = run_after(Some(&forged_seen), &pin, None, &[&one]).unwrap_err();
    assert_eq!(error.code(), Code::new("root-rollback"));
    // And where another file was pinned than the one that was seen.
    let first = seen(1, b"another");
    let error = run_after(Some(&first), &pin, None, &[&one]).unwrap_err();
    assert_eq!(error.code(), Code::new("root-rollback"));
}

#[test]
fn a_source_that_is_slow_does_not_hold_up_the_pinned_file() {
    struct Silent;
    impl RootSource for Silent {
        fn name(&self) -> String {
            "silent".to_owned()
        }

        fn version(&self, _: u64) -> Task<'_, Result<Option<Bytes>, Failure>> {
            Box::pin(std::future::pending())
        }
    }
    let files = chain_of(1);
    let one = source("one", &[(1, &files[0])], Otherwise::Absent);
    let name = "acme".parse().unwrap();
    let fingerprint = fingerprint(&files[0]);
    let known = Pin {
        name: &name,
        fingerprint: &fingerprint,
        remembered: None,
    };
    let sources: [&dyn RootSource; 2] = [&Silent, &one];
    let mut task = pin!(follow(known, None, &sources, &Limits::TABLE));
    let mut context = Context::from_waker(Waker::noop());
    assert!(task.as_mut().poll(&mut context).is_pending());
    assert_eq!(*one.asked.lock().unwrap(), [1]);
}

//! Following a root through sources that know, do not know, lie, or cannot be asked.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::Mutex,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use countersign_common::{
    Code, Digest, Explain, Limits, RootSource, Task, root_source::Unavailable,
};
use countersign_trust_roots::root::{FollowError, Followed, follow};

use crate::{cases::chain_of, world::fingerprint};

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

    fn version(&self, version: u64) -> Task<'_, Result<Option<Bytes>, Unavailable>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(version);
            match (self.files.get(&version), self.otherwise) {
                (Some(file), _) => Ok(Some(file.clone().into())),
                (None, Otherwise::Absent) => Ok(None),
                (None, Otherwise::Broken) => Err(Unavailable {
                    name: self.name(),
                    source: "hostile\u{1b}[2J\nverified".into(),
                }),
            }
        })
    }
}

fn run(pin: &Digest, kept: Option<&Fake>, sources: &[&Fake]) -> Result<Followed, FollowError> {
    let sources: Vec<&dyn RootSource> = sources
        .iter()
        .map(|source| *source as &dyn RootSource)
        .collect();
    let kept = kept.map(|kept| kept as &dyn RootSource);
    let mut task = pin!(follow(pin, kept, &sources, &Limits::TABLE));
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
    assert_eq!(
        code(run(&pin, None, &[&liar, &one])),
        Code::new("malformed"),
        "version 3 is junk, and nobody has another"
    );
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

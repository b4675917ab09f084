//! What holds of any root: how long a chain is followed, and that no change of a byte is believed.

use countersign_common::{Code, Explain, Limits};
use countersign_trust_roots::{
    Chain,
    root::{Contents, Draft},
};
use proptest::prelude::*;

use crate::{
    cases::{chain_of, pinned},
    world::{ALICE, BOB, CAROL, after, fingerprint, first, signature, signed},
};

#[test]
fn a_chain_is_followed_for_as_many_steps_as_are_allowed() {
    let files = chain_of(258);
    let mut chain = Chain::pin(&files[0], &fingerprint(&files[0]), &Limits::TABLE).unwrap();
    for file in &files[1..257] {
        chain.advance(file).unwrap();
    }
    assert_eq!(chain.newest().version(), 257);
    assert_eq!(chain.bytes(), files[256]);
    let refusal = chain.advance(&files[257]).unwrap_err();
    assert_eq!(refusal.code(), Code::new("root-too-many"));
    // Whoever pins a later one goes on from there.
    let mut later = Chain::pin(&files[200], &fingerprint(&files[200]), &Limits::TABLE).unwrap();
    for file in &files[201..] {
        later.advance(file).unwrap();
    }
    assert_eq!(later.newest().version(), 258);
}

#[test]
fn what_is_refused_leaves_the_chain_as_it_was() {
    let mut chain = Chain::pin(&pinned(), &fingerprint(&pinned()), &Limits::TABLE).unwrap();
    let good = signed(&after(&pinned()), &[ALICE, BOB]);
    for bad in [
        b"{}".to_vec(),
        signed(&after(&pinned()), &[ALICE]),
        pinned(),
    ] {
        chain.advance(&bad).unwrap_err();
        assert_eq!(chain.newest().version(), 1);
        assert_eq!(chain.bytes(), pinned());
    }
    chain.advance(&good).unwrap();
    assert_eq!(*chain.sha256(), fingerprint(&good));
}

#[test]
fn a_file_that_is_longer_than_any_is_refused_and_one_as_long_is_read() {
    let padded = |length: usize| {
        let mut file = pinned();
        file.resize(length, b' ');
        file
    };
    assert!(Contents::read(&padded(512_000), &Limits::TABLE).is_ok());
    let fault = Contents::read(&padded(512_001), &Limits::TABLE).unwrap_err();
    assert_eq!(fault.code(), Code::new("too-large"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Space between members is not signed; whatever else is changed is noticed, or changes nothing.
    #[test]
    fn no_changed_byte_changes_what_is_believed(position: prop::sample::Index, byte: u8) {
        let good = signed(&after(&pinned()), &[ALICE, BOB]);
        let mut file = good.clone();
        let position = position.index(file.len());
        file[position] = byte;
        let mut chain = Chain::pin(&pinned(), &fingerprint(&pinned()), &Limits::TABLE).unwrap();
        if chain.advance(&file).is_ok() {
            let draft = |bytes: &[u8]| Draft::read(bytes, &Limits::TABLE).unwrap().message().unwrap();
            prop_assert_eq!(draft(&file), draft(&good));
        }
    }

    #[test]
    fn any_bytes_are_answered(bytes: Vec<u8>) {
        prop_assert!(Contents::read(&bytes, &Limits::TABLE).is_err());
    }

    /// A root is believed exactly if two of the three who may have signed it.
    #[test]
    fn signers_are_counted_whoever_else_signs(by in prop::collection::btree_set(1_u8..9, 0..8)) {
        let draft = after(&pinned());
        let by: Vec<u8> = by.into_iter().collect();
        let file = signed(&draft, &by);
        let mut chain = Chain::pin(&pinned(), &fingerprint(&pinned()), &Limits::TABLE).unwrap();
        let count = by.iter().filter(|number| [ALICE, BOB, CAROL].contains(number)).count();
        prop_assert_eq!(chain.advance(&file).is_ok(), count >= 2);
    }
}

#[test]
fn a_truncated_root_is_refused() {
    let file = pinned();
    // The last byte is the end of a line.
    for length in 0..file.len() - 1 {
        assert!(
            Contents::read(&file[..length], &Limits::TABLE).is_err(),
            "{length}"
        );
    }
}

#[test]
fn signatures_are_made_over_what_the_draft_says() {
    let mut draft = first();
    draft
        .sign(
            &crate::world::public(ALICE),
            &signature(ALICE, &draft),
            None,
            &Limits::TABLE,
        )
        .unwrap();
    draft
        .sign(
            &crate::world::public(BOB),
            &signature(BOB, &draft),
            None,
            &Limits::TABLE,
        )
        .unwrap();
    let file = draft.to_json().unwrap();
    let chain = Chain::pin(&file, &fingerprint(&file), &Limits::TABLE).unwrap();
    assert_eq!(chain.newest().name().as_str(), "acme");
    assert!(file == pinned(), "the same signatures in the same order");
}

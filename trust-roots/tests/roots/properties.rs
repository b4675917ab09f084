//! What holds of any root: how long a chain is followed, and that no change of a byte is believed.

use countersign_common::{Code, Explain, Limits};
use countersign_trust_roots::{
    Chain,
    root::{Contents, Draft, ScopeEdit, lints},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    cases::{chain_of, pinned},
    world::{
        ALICE, BOB, CAROL, NOW, RELEASE, after, edited, fingerprint, first, id, pattern, pretty,
        signature, signed, time, tsa,
    },
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

#[test]
fn lists_that_are_longer_than_any_are_refused_and_those_as_long_are_read() {
    // Five keys, three scopes, two authorities of time.
    let mut draft = first();
    for text in ["registry.example/lab/**", "registry.example/office/**"] {
        draft
            .set_scope(&[pattern(text)], &ScopeEdit::default())
            .unwrap();
    }
    draft
        .add_time_authority(&tsa("two"), &Limits::TABLE)
        .unwrap();
    let file = draft.to_json().unwrap();
    let limited = |limit: usize, edit: &dyn Fn(&mut Value)| {
        let mut file: Value = serde_json::from_slice(&file).unwrap();
        edit(&mut file["signed"]);
        let limits = Limits {
            root_entries: limit,
            ..Limits::TABLE
        };
        Contents::read(&pretty(&file), &limits)
    };
    let no_keys = |signed: &mut Value| {
        signed["keys"] = json!({});
        for (_, role) in signed["roles"].as_object_mut().unwrap() {
            role["keyids"] = json!([]);
        }
        let ours = &mut signed["x-countersign"];
        ours["keyInfo"] = json!({});
        ours["keyStatus"] = json!({});
        for scope in ours["scopes"].as_array_mut().unwrap() {
            for role in ["sign", "publish", "heartbeat"] {
                scope[role]["keyids"] = json!([]);
            }
        }
    };
    let no_scopes = |signed: &mut Value| {
        no_keys(signed);
        signed["x-countersign"]["scopes"] = json!([]);
    };
    let check = |length: usize, what: &str, edit: &dyn Fn(&mut Value)| {
        limited(length, edit).unwrap();
        let fault = limited(length - 1, edit).unwrap_err();
        assert_eq!(fault.code(), Code::new("too-large"), "{fault}");
        assert!(fault.to_string().contains(what), "{what}: {fault}");
    };
    check(5, "keys", &|_| {});
    check(3, "scopes", &no_keys);
    check(2, "time-stamp authorities", &no_scopes);
}

/// Every place in a value, from the outermost on.
fn places(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                places(value, format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (position, value) in items.iter().enumerate() {
                places(value, format!("{at}/{position}"), found);
            }
        }
        _ => {}
    }
    found.push(at);
}

#[test]
fn any_value_in_any_place_is_answered() {
    let good = edited(&first(), |signed| {
        let ours = &mut signed["x-countersign"];
        ours["keyStatus"][id(RELEASE)] =
            json!({ "notBefore": NOW, "revoked": { "reason": "compromised", "at": NOW } });
        ours["scopes"][0]["epochs"] = json!({ "registry.example/shop/api": 2 });
    });
    let mut all = Vec::new();
    places(&good, String::new(), &mut all);
    let values = [
        json!(null),
        json!([]),
        json!({}),
        json!(""),
        json!(-1),
        json!(1.5),
        // More than any integer here has.
        serde_json::from_str("18446744073709551616").unwrap(),
    ];
    let mut read = 0;
    for place in &all {
        for value in &values {
            let mut signed = good.clone();
            *signed.pointer_mut(place).unwrap() = value.clone();
            let file = pretty(&json!({ "signatures": [], "signed": signed }));
            let contents = Contents::read(&file, &Limits::TABLE);
            read += usize::from(contents.is_ok());
            // Whoever signs it learns what is wrong with it; whoever is to believe it finds no signatures.
            Chain::pin(&file, &fingerprint(&file), &Limits::TABLE).unwrap_err();
            if let Ok(contents) = contents {
                let _ = lints(&contents, None, time(NOW));
            }
        }
    }
    assert!(
        all.len() > 100 && read * 4 < all.len() * values.len(),
        "{read} of {}",
        all.len()
    );
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

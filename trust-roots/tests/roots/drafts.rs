//! Drafts: what edits do, and how several people sign one.

use std::num::NonZeroUsize;

use countersign_common::{Algorithm, Explain, Limits, Signature};
use countersign_trust_roots::{
    Chain, Revocation, Role, Term,
    root::{Draft, EditRefused, ScopeEdit, Statements},
    time::Window,
};

use crate::{
    cases::pinned,
    world::{
        ALICE, BOB, CAROL, CLOCK, DAVE, EXPIRES, NEXT_RELEASE, RELEASE, REVIEW, SHOP, after,
        contents, fingerprint, first, id, new_key, pattern, public, rsa, sign, signature,
        signed_value, time, tsa, with_rsa_root_key,
    },
};

#[test]
fn a_draft_travels_as_a_file() {
    let draft = first();
    let file = draft.to_json().unwrap();
    let again = Draft::read(&file, &Limits::TABLE).unwrap();
    assert_eq!(again.to_json().unwrap(), file);
    assert_eq!(again.message().unwrap(), draft.message().unwrap());
}

#[test]
fn three_people_sign_on_three_machines() {
    let previous = contents(&pinned());
    let sent = after(&pinned()).to_json().unwrap();
    let by = |number: u8| {
        let mut copy = Draft::read(&sent, &Limits::TABLE).unwrap();
        copy.sign(
            &public(number),
            &signature(number, &copy),
            Some(&previous),
            &Limits::TABLE,
        )
        .unwrap();
        copy
    };
    let mut collected = by(ALICE);
    let progress = collected.progress(Some(&previous), &Limits::TABLE).unwrap();
    assert_eq!(
        progress
            .iter()
            .map(|one| (one.by, one.wanted()))
            .collect::<Vec<_>>(),
        [(1, 1), (2, 1)]
    );
    assert_eq!(progress[0].signed, [id(ALICE)]);
    assert_eq!(
        collected
            .join(&by(CAROL), Some(&previous), &Limits::TABLE)
            .unwrap(),
        1
    );
    assert_eq!(
        collected
            .join(&by(CAROL), Some(&previous), &Limits::TABLE)
            .unwrap(),
        0,
        "once is enough"
    );
    let progress = collected.progress(Some(&previous), &Limits::TABLE).unwrap();
    assert!(progress.iter().all(|one| one.wanted() == 0));
    let mut chain = Chain::pin(&pinned(), &fingerprint(&pinned()), &Limits::TABLE).unwrap();
    chain.advance(&collected.to_json().unwrap()).unwrap();
}

#[test]
fn only_signatures_that_fit_are_taken() {
    let previous = contents(&pinned());
    let mut draft = after(&pinned());
    let stranger = draft.sign(
        &public(DAVE),
        &signature(DAVE, &draft),
        Some(&previous),
        &Limits::TABLE,
    );
    assert!(
        matches!(stranger, Err(EditRefused::NoRootKey { .. })),
        "{stranger:?}"
    );
    let online = draft.sign(
        &public(RELEASE),
        &signature(RELEASE, &draft),
        Some(&previous),
        &Limits::TABLE,
    );
    assert!(matches!(online, Err(EditRefused::NoRootKey { .. })));
    let other = Signature::from(sign(ALICE, b"something else"));
    let unfit = draft.sign(&public(ALICE), &other, Some(&previous), &Limits::TABLE);
    assert!(matches!(unfit, Err(EditRefused::SignatureInvalid { .. })));
    assert_eq!(draft.signature_count(), 0);
    // Whoever leaves must sign too: the version before is theirs.
    draft.remove_root_key(&id(CAROL)).unwrap();
    draft
        .sign(
            &public(CAROL),
            &signature(CAROL, &draft),
            Some(&previous),
            &Limits::TABLE,
        )
        .unwrap();
    let progress = draft.progress(Some(&previous), &Limits::TABLE).unwrap();
    assert_eq!((progress[0].signed.len(), progress[1].signed.len()), (1, 0));
}

#[test]
fn a_key_that_counts_for_no_root_signs_none() {
    let root = |scheme: &str| contents(&signed_value(&with_rsa_root_key(first(), scheme), &[]));
    let (pkcs1, pss) = (root("rsa-pkcs1v15-sha256"), root("rsassa-pss-sha256"));
    let key = rsa(Algorithm::RsaPkcs1Sha256).public;
    let mut draft = after(&pinned());
    let refused = draft.sign(
        &key,
        &Signature::from(vec![0; 256]),
        Some(&pkcs1),
        &Limits::TABLE,
    );
    assert!(
        matches!(
            refused,
            Err(EditRefused::RootAlgorithm {
                algorithm: Algorithm::RsaPkcs1Sha256
            })
        ),
        "{refused:?}"
    );
    // It signs as it is listed, whatever it signs with elsewhere.
    let (_, listed) = draft
        .root_key(key.id(), Some(&pss), &Limits::TABLE)
        .unwrap();
    assert_eq!(listed.algorithm(), Algorithm::RsaPssSha256);
    draft.add_root_key(&rsa(Algorithm::RsaPssSha256)).unwrap();
    draft
        .root_key(key.id(), Some(&pkcs1), &Limits::TABLE)
        .unwrap();
}

#[test]
fn a_signature_of_another_draft_is_not_taken_over() {
    let mut one = after(&pinned());
    let mut other = after(&pinned());
    other.set_root_threshold(NonZeroUsize::MIN);
    other
        .sign(
            &public(ALICE),
            &signature(ALICE, &other),
            None,
            &Limits::TABLE,
        )
        .unwrap();
    let refused = one.join(&other, None, &Limits::TABLE).unwrap_err();
    assert!(matches!(refused, EditRefused::OtherDraft));
    assert_eq!(one.signature_count(), 0);
}

#[test]
fn a_copy_whose_signature_does_not_fit_takes_nobodys_place() {
    let previous = contents(&pinned());
    let mut draft = after(&pinned());
    let good = |number: u8| {
        let mut copy = after(&pinned());
        copy.sign(
            &public(number),
            &signature(number, &copy),
            Some(&previous),
            &Limits::TABLE,
        )
        .unwrap();
        copy
    };
    let forged = |of: u8, by: u8| {
        let text = String::from_utf8(good(by).to_json().unwrap()).unwrap();
        let file = text.replacen(&id(by), &id(of), 1);
        Draft::read(file.as_bytes(), &Limits::TABLE).unwrap()
    };
    for (copy, of) in [(forged(BOB, ALICE), BOB), (forged(DAVE, ALICE), DAVE)] {
        let refused = draft.join(&copy, Some(&previous), &Limits::TABLE);
        assert!(
            matches!(refused, Err(EditRefused::SignatureInvalid { id: ref found }) if *found == id(of)),
            "{refused:?}"
        );
        assert_eq!(draft.signature_count(), 0);
    }
    assert_eq!(
        draft
            .join(&good(BOB), Some(&previous), &Limits::TABLE)
            .unwrap(),
        1
    );
}

#[test]
fn a_key_that_no_version_lists_yet_is_taken_out_again() {
    let mut draft = after(&pinned());
    let before = draft.message().unwrap();
    let shop = pattern(SHOP);
    for role in [Role::Sign, Role::Publish] {
        draft
            .add_key(&new_key(REVIEW, "review"), role, &shop)
            .unwrap();
    }
    let term = Term {
        valid: Window {
            start: Some(time(EXPIRES)),
            end: None,
        },
        revoked: None,
    };
    draft.set_term(&id(REVIEW), &term).unwrap();
    draft.take_out_key(&id(REVIEW)).unwrap();
    assert_eq!(draft.message().unwrap(), before);
    let again = draft.take_out_key(&id(REVIEW));
    assert!(matches!(again, Err(EditRefused::KeyNotListed { .. })));
}

type Edit = fn(&mut Draft);

#[test]
fn each_edit_takes_the_signatures_away() {
    let signed = || {
        let mut draft = first();
        draft
            .sign(
                &public(ALICE),
                &signature(ALICE, &draft),
                None,
                &Limits::TABLE,
            )
            .unwrap();
        assert_eq!(draft.signature_count(), 1);
        draft
    };
    let edits: [(&str, Edit); 11] = [
        ("set_expires", |draft| draft.set_expires(time(EXPIRES))),
        ("add_root_key", |draft| {
            drop(draft.add_root_key(&new_key(DAVE, "dave")).unwrap())
        }),
        ("remove_root_key", |draft| {
            draft.remove_root_key(&id(CAROL)).unwrap()
        }),
        ("set_root_threshold", |draft| {
            draft.set_root_threshold(NonZeroUsize::MIN)
        }),
        ("add_key", |draft| {
            drop(
                draft
                    .add_key(&new_key(REVIEW, "review"), Role::Sign, &pattern(SHOP))
                    .unwrap(),
            )
        }),
        ("add_beside", |draft| {
            drop(
                draft
                    .add_beside(&id(RELEASE), &new_key(NEXT_RELEASE, "next"))
                    .unwrap(),
            )
        }),
        ("set_term", |draft| {
            draft.set_term(&id(RELEASE), &Term::default()).unwrap()
        }),
        ("set_scope", |draft| {
            draft
                .set_scope(&[pattern("registry.example/x")], &ScopeEdit::default())
                .map(drop)
                .unwrap()
        }),
        ("add_time_authority", |draft| {
            draft
                .add_time_authority(&tsa("two"), &Limits::TABLE)
                .unwrap()
        }),
        ("set_time_threshold", |draft| {
            draft.set_time_threshold(NonZeroUsize::MIN)
        }),
        ("void_time_authority", |draft| {
            draft
                .void_time_authority("https://one.example/rfc3161", &Limits::TABLE)
                .unwrap()
        }),
    ];
    for (name, edit) in edits {
        let mut draft = signed();
        edit(&mut draft);
        assert_eq!(draft.signature_count(), 0, "{name}");
        draft
            .contents(&Limits::TABLE)
            .unwrap_or_else(|fault| panic!("{name}: {fault}"));
    }
}

#[test]
fn tufs_own_roles_follow_the_first_scope() {
    let mut draft = first();
    let roles = |draft: &Draft| {
        let file: serde_json::Value = serde_json::from_slice(&draft.to_json().unwrap()).unwrap();
        ["targets", "snapshot", "timestamp"]
            .map(|role| file["signed"]["roles"][role]["keyids"].to_string())
    };
    let list = |numbers: &[u8]| {
        serde_json::to_string(&numbers.iter().map(|number| id(*number)).collect::<Vec<_>>())
            .unwrap()
    };
    assert_eq!(
        roles(&draft),
        [list(&[RELEASE]), list(&[RELEASE]), list(&[CLOCK])]
    );
    draft
        .add_beside(&id(RELEASE), &new_key(NEXT_RELEASE, "next"))
        .unwrap();
    assert_eq!(roles(&draft)[0], list(&[RELEASE, NEXT_RELEASE]));
    let retired = Term {
        valid: Window {
            start: None,
            end: Some(time("2026-12-01T00:00:00Z")),
        },
        revoked: None,
    };
    draft.set_term(&id(RELEASE), &retired).unwrap();
    assert_eq!(roles(&draft)[0], list(&[NEXT_RELEASE]));
    let compromised = Term {
        valid: Window::default(),
        revoked: Some(Revocation::Compromised { at: None }),
    };
    draft.set_term(&id(CLOCK), &compromised).unwrap();
    assert_eq!(
        roles(&draft)[2],
        list(&[NEXT_RELEASE]),
        "where nothing beats, whoever publishes"
    );
    // The retired key is still declared and listed: what it signed counts.
    assert!(
        draft
            .contents(&Limits::TABLE)
            .unwrap()
            .keys()
            .contains_key(&id(RELEASE))
    );
}

#[test]
fn a_root_key_that_leaves_is_forgotten() {
    let mut draft = after(&pinned());
    draft.remove_root_key(&id(CAROL)).unwrap();
    let contents = draft.contents(&Limits::TABLE).unwrap();
    assert!(!contents.keys().contains_key(&id(CAROL)));
    assert_eq!(contents.root_role().key_ids, [id(ALICE), id(BOB)]);
}

#[test]
fn a_scope_is_made_once_and_then_changed() {
    let mut draft = first();
    let edit = ScopeEdit {
        tag_table_max: Some(std::time::Duration::from_secs(10)),
        heartbeat_max: Some(std::time::Duration::from_secs(20)),
        statements: Some(Statements::Same),
        epoch: Some(2),
    };
    draft
        .set_scope(
            &[pattern(SHOP), pattern("registry.example/store/**")],
            &edit,
        )
        .unwrap();
    let contents = draft.contents(&Limits::TABLE).unwrap();
    let [scope] = contents.scopes() else {
        panic!("one scope")
    };
    assert_eq!(
        scope.name(),
        "registry.example/shop/**, registry.example/store/**"
    );
    assert_eq!(
        (
            scope.tag_table_max_seconds,
            scope.heartbeat_max_seconds,
            scope.epoch
        ),
        (10, 20, 2)
    );
    assert_eq!(scope.statements, Statements::Same);
    assert_eq!(scope.key_ids(Role::Sign), [id(RELEASE)]);
    draft
        .set_scope(&[pattern("registry.example/x")], &ScopeEdit::default())
        .unwrap();
    assert_eq!(draft.contents(&Limits::TABLE).unwrap().scopes().len(), 2);
    let both = draft.set_scope(
        &[pattern("registry.example/x"), pattern(SHOP)],
        &ScopeEdit::default(),
    );
    assert!(matches!(both, Err(EditRefused::SeveralScopes)));
}

#[test]
fn a_narrower_scope_begins_with_what_holds_for_the_wider_one() {
    let mut draft = first();
    let edit = ScopeEdit {
        epoch: Some(3),
        statements: Some(Statements::Same),
        ..ScopeEdit::default()
    };
    draft.set_scope(&[pattern(SHOP)], &edit).unwrap();
    let made = |patterns: &[&str]| {
        let mut draft = draft.clone();
        let patterns: Vec<_> = patterns.iter().map(|text| pattern(text)).collect();
        let copied = draft.set_scope(&patterns, &ScopeEdit::default()).unwrap();
        let contents = draft.contents(&Limits::TABLE).unwrap();
        (copied, contents.scopes().last().unwrap().clone())
    };
    let (copied, scope) = made(&["registry.example/shop/api", "registry.example/shop/web/**"]);
    assert_eq!(copied, Some(pattern(SHOP)));
    assert_eq!(
        scope.name(),
        "registry.example/shop/api, registry.example/shop/web/**"
    );
    assert_eq!(scope.key_ids(Role::Publish), [id(RELEASE)]);
    assert_eq!(scope.key_ids(Role::Heartbeat), [id(CLOCK)]);
    assert_eq!((scope.epoch, scope.statements), (3, Statements::Same));
    // It decided about none of them.
    for text in ["registry.example/tools/**", "registry.example/**"] {
        let (copied, scope) = made(&[text]);
        assert_eq!(copied, None, "{text}");
        assert_eq!(scope.key_ids(Role::Sign), [""; 0], "{text}");
        assert_eq!(scope.epoch, 1, "{text}");
    }
    // Of two that decided neither may stand for the other.
    let tools = pattern("registry.example/tools/**");
    draft.set_scope(&[tools], &ScopeEdit::default()).unwrap();
    let both = [
        pattern("registry.example/shop/api"),
        pattern("registry.example/tools/api"),
    ];
    assert_eq!(draft.set_scope(&both, &ScopeEdit::default()).unwrap(), None);
}

#[test]
fn an_authority_is_added_once_and_then_changed() {
    let collected = |draft: &Draft| {
        let contents = draft.contents(&Limits::TABLE).unwrap();
        contents.time().publication.collect
    };
    let mut draft = first();
    assert_eq!(collected(&draft), 1);
    draft
        .add_time_authority(&tsa("two"), &Limits::TABLE)
        .unwrap();
    assert_eq!(collected(&draft), 2, "two are asked where there are two");
    let mut void = draft.clone();
    void.void_time_authority(&tsa("two").uri, &Limits::TABLE)
        .unwrap();
    assert_eq!(collected(&void), 1);
    // A second address of one that is void is no second operator.
    let mut twice = draft.clone();
    let mut other = tsa("two");
    other.uri = "https://other.example/".to_owned();
    twice.add_time_authority(&other, &Limits::TABLE).unwrap();
    twice
        .void_time_authority(&other.uri, &Limits::TABLE)
        .unwrap();
    assert_eq!(collected(&twice), 1);
    let contents = twice.contents(&Limits::TABLE).unwrap();
    assert_eq!(contents.believed().count(), 1);
    let mut one = tsa("one");
    // An end that the root does not live to see takes nothing away.
    one.valid.end = Some(time("2034-01-01T00:00:00Z"));
    draft.add_time_authority(&one, &Limits::TABLE).unwrap();
    assert_eq!(collected(&draft), 2);
    one.valid.end = Some(time("2026-12-01T00:00:00Z"));
    draft.add_time_authority(&one, &Limits::TABLE).unwrap();
    assert_eq!(collected(&draft), 1, "the other will be the only one");
    let contents = draft.contents(&Limits::TABLE).unwrap();
    let ends: Vec<_> = contents
        .time()
        .authorities
        .iter()
        .map(|entry| entry.valid.end)
        .collect();
    assert_eq!(ends, [Some(time("2026-12-01T00:00:00Z")), None]);
}

#[test]
fn what_cannot_be_edited_is_explained() {
    let mut draft = first();
    let release = new_key(RELEASE, "release team");
    let refusals = [
        draft.add_root_key(&new_key(ALICE, "alice")).unwrap_err(),
        draft.remove_root_key(&id(DAVE)).unwrap_err(),
        draft
            .add_key(&release, Role::Sign, &pattern(SHOP))
            .unwrap_err(),
        draft
            .add_key(&release, Role::Sign, &pattern("registry.example/none"))
            .unwrap_err(),
        draft
            .add_beside(&id(DAVE), &new_key(REVIEW, "review"))
            .unwrap_err(),
        draft.set_term(&id(ALICE), &Term::default()).unwrap_err(),
        draft
            .void_time_authority("https://none.example", &Limits::TABLE)
            .unwrap_err(),
    ];
    let codes: Vec<_> = refusals
        .iter()
        .map(|refusal| refusal.code().to_string())
        .collect();
    assert_eq!(
        codes,
        [
            "key-listed",
            "key-unknown",
            "key-listed",
            "scope-unknown",
            "key-unknown",
            "key-unknown",
            "tsa-unknown"
        ]
    );
    for refusal in refusals {
        assert!(!refusal.to_string().ends_with('.') && refusal.remedy().len() > 20);
    }
}

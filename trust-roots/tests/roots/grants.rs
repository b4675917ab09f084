//! What a root in force grants: to verifiers for ever, to signers now.

use std::num::NonZeroUsize;

use countersign_common::{Algorithm, Explain, ImageRef, Limits, Repository, signer::KeyOrigin};
use countersign_trust_roots::{
    Chain, Revocation, Role, Term, TrustRoot,
    root::{Draft, NewKey, NotAdmitted, Refusal, ScopeEdit},
    time::{Standing, Window},
};

use crate::world::{
    ALICE, BOB, CLOCK, NEXT_RELEASE, NOW, RELEASE, REVIEW, SHOP, fingerprint, first, id, new_key,
    pattern, public, signed, time, tsa,
};

fn root(edit: impl FnOnce(&mut Draft)) -> TrustRoot {
    let mut draft = first();
    edit(&mut draft);
    let file = signed(&draft, &[ALICE, BOB]);
    let chain = Chain::pin(&file, &fingerprint(&file), &Limits::TABLE).unwrap();
    chain.in_force(time(NOW)).unwrap()
}

fn repository(name: &str) -> Repository {
    ImageRef::parse(name).unwrap().repository().clone()
}

fn api() -> Repository {
    repository("registry.example/shop/api")
}

fn admitted(root: &TrustRoot, number: u8, role: Role, now: &str) -> Result<(), NotAdmitted> {
    let key = public(number);
    root.grant(&api())
        .unwrap()
        .admits((&key, "alias/release"), role, time(now))
}

#[test]
fn a_key_has_the_roles_of_its_scope_and_no_other() {
    let root = root(|draft| {
        let tools = pattern("registry.example/tools/**");
        draft
            .set_scope(std::slice::from_ref(&tools), &ScopeEdit::default())
            .unwrap();
        draft
            .add_key(&new_key(REVIEW, "review"), Role::Sign, &tools)
            .unwrap();
    });
    let of = |name: &str| {
        let name = repository(name);
        let grant = root.grant(&name).unwrap();
        let authorities = grant.authorities().unwrap();
        let mut keys: Vec<_> = authorities
            .iter()
            .map(|authority| {
                (
                    authority.key.id().clone(),
                    authority.roles.iter().copied().collect::<Vec<_>>(),
                )
            })
            .collect();
        keys.sort();
        keys
    };
    let id = |number: u8| public(number).id().clone();
    let mut shop = vec![
        (id(RELEASE), vec![Role::Publish, Role::Sign]),
        (id(CLOCK), vec![Role::Heartbeat]),
    ];
    shop.sort();
    assert_eq!(of("registry.example/shop/api"), shop);
    assert_eq!(
        of("registry.example/tools/lint"),
        [(id(REVIEW), vec![Role::Sign])]
    );
    let grant = root.grant(&api()).unwrap();
    assert_eq!(
        grant.key(Role::Sign, &crate::world::id(RELEASE)),
        Some(&id(RELEASE))
    );
    assert_eq!(grant.key(Role::Heartbeat, &crate::world::id(RELEASE)), None);
    assert_eq!(grant.key(Role::Sign, &crate::world::id(REVIEW)), None);
}

#[test]
fn a_scope_without_a_key_has_no_authorities() {
    let root = root(|draft| {
        draft
            .set_scope(&[pattern("registry.example/empty")], &ScopeEdit::default())
            .unwrap();
    });
    let name = repository("registry.example/empty");
    assert!(root.grant(&name).unwrap().authorities().is_err());
}

#[test]
fn a_demonstration_key_is_known_by_its_account() {
    let arn = |account: &str| format!("arn:aws:kms:eu-west-1:{account}:key/1234");
    let root = root(|draft| {
        for (number, account) in [(REVIEW, "000000000000"), (NEXT_RELEASE, "111122223333")] {
            let key = NewKey {
                kms: Some(arn(account)),
                ..new_key(number, "kms")
            };
            draft.add_key(&key, Role::Sign, &pattern(SHOP)).unwrap();
        }
    });
    let name = api();
    let authorities = root.grant(&name).unwrap().authorities().unwrap();
    let origin = |number: u8| authorities.with_key(public(number).id()).unwrap().origin;
    assert_eq!(origin(REVIEW), KeyOrigin::StandIn);
    assert_eq!(origin(NEXT_RELEASE), KeyOrigin::Kms);
    assert_eq!(origin(RELEASE), KeyOrigin::File);
}

#[test]
fn a_void_authority_takes_every_entry_with_its_root_along() {
    let root = root(|draft| {
        draft
            .add_time_authority(&tsa("two"), &Limits::TABLE)
            .unwrap();
        let mut renewed = tsa("one");
        renewed.uri = "https://new.one.example/".to_owned();
        draft.add_time_authority(&renewed, &Limits::TABLE).unwrap();
        draft
            .void_time_authority("https://one.example/rfc3161", &Limits::TABLE)
            .unwrap();
    });
    let rules = root.time_rules(None).unwrap();
    let standings: Vec<_> = rules
        .authorities()
        .iter()
        .map(|one| (one.operator.as_str(), one.standing))
        .collect();
    // Which of two entries with one root a stamp leads to is for whoever made it to say.
    assert_eq!(
        standings,
        [
            ("one.example", Standing::Compromised),
            ("two.example", Standing::Good),
            ("one.example", Standing::Compromised)
        ]
    );
}

#[test]
fn a_policy_raises_the_threshold_of_time_and_never_lowers_it() {
    let root = root(|draft| {
        draft
            .add_time_authority(&tsa("two"), &Limits::TABLE)
            .unwrap();
        draft.set_time_threshold(NonZeroUsize::new(2).unwrap());
    });
    let threshold = |at_least| {
        root.time_rules(NonZeroUsize::new(at_least))
            .map(|rules| rules.threshold().get())
    };
    assert_eq!(threshold(0).unwrap(), 2);
    assert_eq!(threshold(1).unwrap(), 2);
    assert_eq!(threshold(2).unwrap(), 2);
    assert!(matches!(threshold(3), Err(Refusal::Unsafe { .. })));
}

#[test]
fn a_key_may_sign_now_or_it_is_said_why_not() {
    let window = Window {
        start: Some(time("2026-01-01T00:00:00Z")),
        end: Some(time("2026-12-01T00:00:00Z")),
    };
    let limited = root(|draft| {
        let term = Term {
            valid: window,
            revoked: None,
        };
        draft.set_term(&id(RELEASE), &term).unwrap();
    });
    assert_eq!(admitted(&limited, RELEASE, Role::Sign, NOW), Ok(()));
    assert_eq!(admitted(&limited, RELEASE, Role::Publish, NOW), Ok(()));
    let stolen = root(|draft| {
        let revoked = Some(Revocation::Compromised {
            at: Some(time("2030-01-01T00:00:00Z")),
        });
        draft
            .set_term(
                &id(RELEASE),
                &Term {
                    valid: Window::default(),
                    revoked,
                },
            )
            .unwrap();
    });
    let refusals = [
        (
            admitted(&limited, RELEASE, Role::Sign, "2026-12-01T00:00:01Z"),
            "key-outside-validity",
        ),
        (
            admitted(&limited, RELEASE, Role::Sign, "2025-12-31T23:59:59Z"),
            "key-outside-validity",
        ),
        (
            admitted(&limited, RELEASE, Role::Heartbeat, NOW),
            "role-not-authorized",
        ),
        (admitted(&limited, REVIEW, Role::Sign, NOW), "key-unknown"),
        (
            admitted(&stolen, RELEASE, Role::Sign, NOW),
            "key-compromised",
        ),
        (algorithm(), "algorithm-not-allowed"),
    ];
    for (refusal, code) in refusals {
        let refusal = refusal.unwrap_err();
        assert_eq!(refusal.code().as_str(), code);
        assert!(NotAdmitted::CODES.contains(&refusal.code()));
        for text in [refusal.to_string(), refusal.remedy()] {
            assert!(text.len() > 20 && !text.ends_with('.'), "{text}");
        }
    }
    let unknown = admitted(&limited, REVIEW, Role::Sign, NOW)
        .unwrap_err()
        .to_string();
    assert!(
        unknown.contains("alias/release") && unknown.contains("release team"),
        "{unknown}"
    );
}

/// A key that the root lists for PSS, and that signs without.
fn algorithm() -> Result<(), NotAdmitted> {
    let pem = include_str!("../../../fixtures/keys/rsa-2048.pub");
    let key = countersign_common::PublicKey::from_pem(pem).unwrap();
    let root = root(|draft| {
        let pss = key.clone().with_algorithm(Algorithm::RsaPssSha256).unwrap();
        let listed = NewKey {
            public: pss,
            owner: None,
            kms: None,
        };
        draft.add_key(&listed, Role::Sign, &pattern(SHOP)).unwrap();
    });
    root.grant(&api())
        .unwrap()
        .admits((&key, "rsa.key"), Role::Sign, time(NOW))
}

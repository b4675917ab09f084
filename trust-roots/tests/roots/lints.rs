//! What makes a root unsafe, and what is next to it and does not.

use std::num::NonZeroUsize;

use countersign_common::{Algorithm, Explain, Limits};
use countersign_trust_roots::{
    Revocation, Role, Term,
    root::{Contents, Draft, Lint, ScopeEdit, lints},
    time::Window,
};
use serde_json::{Value, json};

use crate::world::{
    ALICE, BOB, CAROL, CLOCK, DAVE, EXPIRES, NEXT_RELEASE, NOW, RELEASE, REVIEW, SHOP, contents,
    edited, first, id, new_key, pattern, signed_value, time, tsa, with_rsa_root_key,
};

fn of(draft: &Draft) -> Vec<Lint> {
    lints(&draft.contents(&Limits::TABLE).unwrap(), None, time(NOW))
}

fn of_value(edit: impl FnOnce(&mut Value)) -> Vec<Lint> {
    lints(
        &contents(&signed_value(&edited(&first(), edit), &[])),
        None,
        time(NOW),
    )
}

fn after(edit: impl FnOnce(&mut Draft)) -> (Contents, Contents) {
    let before = first();
    let mut draft =
        Draft::after(&before.to_json().unwrap(), time(EXPIRES), &Limits::TABLE).unwrap();
    edit(&mut draft);
    (
        before.contents(&Limits::TABLE).unwrap(),
        draft.contents(&Limits::TABLE).unwrap(),
    )
}

fn of_change(edit: impl FnOnce(&mut Draft)) -> Vec<Lint> {
    let (before, now) = after(edit);
    lints(&now, Some(&before), time(NOW))
}

fn of_changed_value(edit: impl FnOnce(&mut Value)) -> Vec<Lint> {
    let before = contents(&signed_value(&edited(&first(), |_| ()), &[]));
    let now = contents(&signed_value(&edited(&first(), edit), &[]));
    lints(&now, Some(&before), time(NOW))
}

#[test]
fn a_root_of_two_of_three_with_one_release_key_is_safe() {
    assert_eq!(of(&first()), []);
    assert_eq!(of_change(|_| ()), []);
}

#[test]
fn a_root_that_one_loss_freezes_is_unsafe() {
    let with = |keys: usize, threshold: usize| {
        let mut draft = first();
        if keys > 3 {
            draft.add_root_key(&new_key(DAVE, "dave")).unwrap();
        }
        if keys < 3 {
            draft.remove_root_key(&id(3)).unwrap();
        }
        draft.set_root_threshold(NonZeroUsize::new(threshold).unwrap());
        of(&draft)
    };
    assert_eq!(
        with(2, 2),
        [Lint::RootKeyLossFatal {
            keys: 2,
            threshold: 2
        }]
    );
    assert_eq!(
        with(3, 3),
        [Lint::RootKeyLossFatal {
            keys: 3,
            threshold: 3
        }]
    );
    assert_eq!(with(2, 1), []);
    assert_eq!(with(4, 3), []);
    let too_high = with(3, 4);
    assert!(
        matches!(
            too_high[..],
            [
                Lint::RootKeyLossFatal { .. },
                Lint::ThresholdTooHigh {
                    keys: 3,
                    threshold: 4,
                    ..
                }
            ]
        ),
        "{too_high:?}"
    );
}

#[test]
fn a_root_key_that_counts_for_no_root_is_unsafe_and_replaces_no_lost_one() {
    let with = |keys: usize, scheme: &str| {
        let mut draft = first();
        if keys < 3 {
            draft.remove_root_key(&id(CAROL)).unwrap();
        }
        let signed = with_rsa_root_key(draft, scheme);
        lints(&contents(&signed_value(&signed, &[])), None, time(NOW))
    };
    let found = with(2, "rsa-pkcs1v15-sha256");
    assert!(
        matches!(
            found[..],
            [
                Lint::RootKeyUnusable {
                    algorithm: Algorithm::RsaPkcs1Sha256,
                    ..
                },
                Lint::RootKeyLossFatal {
                    keys: 2,
                    threshold: 2
                }
            ]
        ),
        "{found:?}"
    );
    let found = with(3, "rsa-pkcs1v15-sha512");
    assert!(
        matches!(found[..], [Lint::RootKeyUnusable { .. }]),
        "{found:?}"
    );
    assert_eq!(with(2, "rsassa-pss-sha256"), []);
}

#[test]
fn a_root_key_in_a_pipeline_is_unsafe() {
    let mut draft = first();
    draft
        .add_key(&new_key(ALICE, "alice"), Role::Sign, &pattern(SHOP))
        .unwrap();
    assert_eq!(
        of(&draft),
        [Lint::RootKeyOnline {
            id: id(ALICE),
            role: "sign"
        }]
    );
    let found = of_value(|signed| {
        signed["roles"]["targets"]["keyids"] = json!([id(BOB)]);
    });
    assert!(
        found.contains(&Lint::RootKeyOnline {
            id: id(BOB),
            role: "TUF's online roles"
        }),
        "{found:?}"
    );
}

#[test]
fn one_key_under_two_ids_is_unsafe() {
    let found = of_value(|signed| {
        let key = signed["keys"][id(RELEASE)].clone();
        let public = format!("{}\n", key["keyval"]["public"].as_str().unwrap());
        let copy = json!({ "keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": { "public": public } });
        let parsed: sigstore_tuf::Key = serde_json::from_value(copy.clone()).unwrap();
        signed["keys"][parsed.key_id().unwrap()] = copy;
    });
    assert!(matches!(found[..], [Lint::KeyTwice { .. }]), "{found:?}");
}

#[test]
fn scopes_that_tie_are_unsafe_and_nested_ones_are_not() {
    let with = |text: &str| {
        let mut draft = first();
        draft
            .set_scope(&[pattern(text)], &ScopeEdit::default())
            .unwrap();
        of(&draft)
    };
    let tied = with("registry.example/shop/*");
    assert!(matches!(tied[..], [Lint::ScopesOverlap { .. }]), "{tied:?}");
    for text in [
        "registry.example/shop/api",
        "registry.example/shop/a/**",
        "registry.example/**",
        "other.example/shop/**",
    ] {
        assert_eq!(with(text), [], "{text}");
    }
}

#[test]
fn tufs_roles_that_differ_are_unsafe() {
    let found = of_value(|signed| signed["roles"]["targets"]["keyids"] = json!([id(CLOCK)]));
    assert_eq!(
        found,
        [Lint::TufRoleDiffers {
            role: "targets",
            task: "publish"
        }]
    );
    let found = of_value(|signed| signed["roles"]["snapshot"]["keyids"] = json!([]));
    assert_eq!(
        found,
        [Lint::TufRoleDiffers {
            role: "snapshot",
            task: "publish"
        }]
    );
    let found = of_value(|signed| signed["roles"]["timestamp"]["keyids"] = json!([id(RELEASE)]));
    assert_eq!(
        found,
        [Lint::TufRoleDiffers {
            role: "timestamp",
            task: "beat"
        }]
    );
}

#[test]
fn authorities_that_cannot_be_told_apart_or_measured_are_unsafe() {
    let ours = |edit: fn(&mut Value)| of_value(|signed| edit(&mut signed["x-countersign"]));
    let found = ours(|ours| ours["time"]["authorities"] = json!([]));
    assert!(
        matches!(found[..], [Lint::AccuracyMissing { .. }]),
        "{found:?}"
    );
    let found =
        ours(|ours| ours["time"]["stamps"]["tagTable"] = json!({ "collect": 1, "threshold": 2 }));
    assert!(
        found.contains(&Lint::CollectTooLow {
            documents: "tag tables",
            collect: 1,
            threshold: 2
        }),
        "{found:?}"
    );
    let found = ours(|ours| {
        ours["time"]["stamps"]["publication"] = json!({ "collect": 2, "threshold": 2 })
    });
    assert!(
        matches!(found[..], [Lint::OperatorsTooFew { .. }, Lint::Time(_)]),
        "{found:?}"
    );
    let mut two = first();
    two.add_time_authority(&tsa("two"), &Limits::TABLE).unwrap();
    assert_eq!(of(&two), []);
    let mut nameless = tsa("two");
    nameless.operator = String::new();
    let mut draft = first();
    draft.add_time_authority(&nameless, &Limits::TABLE).unwrap();
    let found = of(&draft);
    assert!(
        matches!(found[..], [Lint::OperatorMissing { .. }]),
        "{found:?}"
    );
    let found = ours(|ours| {
        let entries = ours["trustedRoot"]["timestampAuthorities"]
            .as_array_mut()
            .unwrap();
        let mut copy = entries[0].clone();
        copy["operator"] = json!("two.example");
        entries.push(copy);
    });
    assert!(
        found.iter().any(|lint| matches!(lint, Lint::Time(_))),
        "{found:?}"
    );
}

#[test]
fn more_stamps_than_there_are_operators_are_unsafe() {
    let with = |kind: &str, collect: u64, threshold: u64| {
        of_value(|signed| {
            signed["x-countersign"]["time"]["stamps"][kind] =
                json!({ "collect": collect, "threshold": threshold });
        })
    };
    for (kind, documents) in [
        ("publication", "publications"),
        ("tagTable", "tag tables"),
        ("heartbeat", "heartbeats"),
    ] {
        let too_few = Lint::OperatorsTooFew {
            documents,
            wanted: 2,
            operators: 1,
        };
        assert!(with(kind, 2, 2).contains(&too_few), "{kind}");
        assert_eq!(with(kind, 2, 1), [too_few], "{kind}");
        assert_eq!(with(kind, 1, 1), [], "{kind}");
    }
    // Two operators are two, until one is void, by itself or by its root, or over.
    let after_all = |edit: fn(&mut Value)| {
        let mut two = first();
        two.add_time_authority(&tsa("two"), &Limits::TABLE).unwrap();
        let signed = edited(&two, |signed| {
            edit(&mut signed["x-countersign"]["trustedRoot"]["timestampAuthorities"]);
        });
        let contents = contents(&signed_value(&signed, &[]));
        let is_too_few = |lint: &Lint| matches!(lint, Lint::OperatorsTooFew { .. });
        let found = lints(&contents, None, time(NOW));
        (contents.believed().count(), found.iter().any(is_too_few))
    };
    assert_eq!(after_all(|_| ()), (2, false));
    assert_eq!(
        after_all(|all| all[1]["compromised"] = json!(true)),
        (1, true)
    );
    let shared = |all: &mut Value| {
        let mut copy = all[1].clone();
        copy["uri"] = json!("https://two.example/other");
        copy["compromised"] = json!(true);
        all.as_array_mut().unwrap().push(copy);
    };
    assert_eq!(after_all(shared), (1, true));
    let ends = |all: &mut Value| all[1]["validFor"]["end"] = json!(NOW);
    assert_eq!(after_all(ends), (2, true));
    let lasts = |all: &mut Value| all[1]["validFor"]["end"] = json!("2026-11-24T10:00:01Z");
    assert_eq!(after_all(lasts), (2, false));
    // Without any, no date is proven, and none demanded.
    let mut none = Draft::read(&first().to_json().unwrap(), &Limits::TABLE).unwrap();
    none.void_time_authority(&tsa("one").uri, &Limits::TABLE)
        .unwrap();
    assert_eq!(of(&none), []);
}

#[test]
fn a_date_that_says_less_than_the_day_is_unsafe() {
    let with = |seconds: u64| {
        of_value(|signed| {
            signed["x-countersign"]["time"]["maxIntervalSeconds"] = json!(seconds);
        })
    };
    assert_eq!(with(86_400), []);
    assert_eq!(with(86_401), [Lint::IntervalTooWide { seconds: 86_401 }]);
}

#[test]
fn what_was_signed_must_go_on_to_count() {
    let found = of_changed_value(|signed| {
        signed["x-countersign"]["scopes"][0]["sign"]["keyids"] = json!([]);
    });
    assert!(
        matches!(
            found[..],
            [Lint::KeyDeleted {
                role: Role::Sign,
                ..
            }]
        ),
        "{found:?}"
    );
    let found = of_changed_value(|signed| {
        signed["x-countersign"]["scopes"] = json!([]);
        for role in ["targets", "snapshot", "timestamp"] {
            signed["roles"][role]["keyids"] = json!([]);
        }
    });
    assert_eq!(
        found
            .iter()
            .filter(|lint| matches!(lint, Lint::KeyDeleted { .. }))
            .count(),
        3,
        "{found:?}"
    );
    let found = of_changed_value(|signed| {
        signed["x-countersign"]["trustedRoot"]["timestampAuthorities"] = json!([]);
    });
    assert!(matches!(found[..], [Lint::TsaDeleted { .. }]), "{found:?}");
    // Divided, every key is still where it was.
    let found = of_change(|draft| {
        let api = pattern("registry.example/shop/api");
        draft
            .set_scope(std::slice::from_ref(&api), &ScopeEdit::default())
            .unwrap();
        draft
            .add_key(&new_key(REVIEW, "review"), Role::Sign, &api)
            .unwrap();
    });
    assert_eq!(found, []);
    let found = of_change(|draft| {
        draft
            .add_beside(&id(RELEASE), &new_key(NEXT_RELEASE, "next"))
            .unwrap();
    });
    assert_eq!(found, []);
}

#[test]
fn an_epoch_does_not_fall() {
    let rises = |from: u64, to: u64| {
        let mut before = first();
        let epoch = |epoch| ScopeEdit {
            epoch: Some(epoch),
            ..ScopeEdit::default()
        };
        before.set_scope(&[pattern(SHOP)], &epoch(from)).unwrap();
        let mut now = before.clone();
        now.set_scope(&[pattern(SHOP)], &epoch(to)).unwrap();
        let contents = |draft: &Draft| draft.contents(&Limits::TABLE).unwrap();
        lints(&contents(&now), Some(&contents(&before)), time(NOW))
    };
    assert_eq!(rises(1, 2), []);
    assert_eq!(rises(2, 2), []);
    assert!(matches!(
        rises(2, 1)[..],
        [Lint::EpochFell {
            before: 2,
            now: 1,
            ..
        }]
    ));
}

#[test]
fn a_revocation_is_not_taken_back() {
    let at = |text: &str| {
        Some(Revocation::Compromised {
            at: Some(time(text)),
        })
    };
    let never = Some(Revocation::Compromised { at: None });
    let misused = |from: &str, to: &str| {
        Some(Revocation::Misused {
            from: time(from),
            to: time(to),
        })
    };
    let (one, two, three) = (
        "2026-01-01T00:00:00Z",
        "2026-02-01T00:00:00Z",
        "2026-03-01T00:00:00Z",
    );
    for (before, now, holds) in [
        (at(two), at(two), true),
        (at(two), at(one), true),
        (at(two), never, true),
        (at(two), at(three), false),
        (at(two), None, false),
        (at(two), misused(one, three), false),
        (never, never, true),
        (never, at(one), false),
        (misused(one, two), misused(one, three), true),
        (misused(one, three), misused(one, two), false),
        (misused(two, three), misused(three, three), false),
        (misused(two, three), at(one), true),
        (misused(one, two), at(two), false),
        (misused(one, two), None, false),
        (None, at(one), true),
    ] {
        let with = |revoked| {
            let mut draft = first();
            let term = Term {
                valid: Window::default(),
                revoked,
            };
            draft.set_term(&id(RELEASE), &term).unwrap();
            draft.contents(&Limits::TABLE).unwrap()
        };
        let found = lints(&with(now), Some(&with(before)), time(NOW));
        assert_eq!(found.is_empty(), holds, "{before:?} {now:?}: {found:?}");
    }
    let void = |draft: &mut Draft| {
        draft
            .void_time_authority("https://one.example/rfc3161", &Limits::TABLE)
            .unwrap()
    };
    let mut before = first();
    void(&mut before);
    let contents = |draft: &Draft| draft.contents(&Limits::TABLE).unwrap();
    let found = lints(&contents(&first()), Some(&contents(&before)), time(NOW));
    assert!(matches!(found[..], [Lint::TsaRestored { .. }]), "{found:?}");
    assert_eq!(
        lints(&contents(&before), Some(&contents(&first())), time(NOW)),
        []
    );
}

#[test]
fn a_root_that_is_over_is_not_signed() {
    let lints = |expires: &str, now: &str| {
        let mut draft = first();
        draft.set_expires(time(expires));
        lints(&draft.contents(&Limits::TABLE).unwrap(), None, time(now))
    };
    assert!(matches!(lints(NOW, NOW)[..], [Lint::Expired { .. }]));
    assert_eq!(lints(NOW, "2026-11-24T09:59:59Z"), []);
}

#[test]
fn every_lint_is_a_sentence_with_a_remedy() {
    let found = of_value(|signed| {
        signed["expires"] = json!("2020-01-01T00:00:00Z");
        signed["roles"]["root"]["threshold"] = json!(9);
        signed["roles"]["targets"]["keyids"] = json!([id(ALICE)]);
        signed["x-countersign"]["time"]["authorities"] = json!([]);
        signed["x-countersign"]["time"]["stamps"]["heartbeat"] =
            json!({ "collect": 1, "threshold": 2 });
    });
    assert!(found.len() >= 5, "{found:?}");
    for lint in found {
        assert_eq!(lint.code().as_str(), "root-lint");
        for text in [lint.to_string(), lint.remedy()] {
            assert!(text.len() > 20 && !text.ends_with('.'), "{text}");
        }
    }
}

/// What somebody changes of a draft by hand.
type Edit = fn(&mut Value);

#[test]
fn what_nobody_would_be_shown_is_not_signed() {
    let beyond = |edit: fn(&mut Value)| {
        let found = of_value(edit);
        match &found[..] {
            [] => None,
            [Lint::NotUnderstood { path }] => Some(path.clone()),
            other => panic!("{other:?}"),
        }
    };
    let cases: [(&str, Edit); 13] = [
        ("x-other", |signed| signed["x-other"] = json!(null)),
        ("consistent_snapshot", |signed| {
            signed["consistent_snapshot"] = json!(false);
        }),
        ("consistent_snapshot", |signed| {
            signed
                .as_object_mut()
                .unwrap()
                .remove("consistent_snapshot");
        }),
        ("roles.root.x-other", |signed| {
            signed["roles"]["root"]["x-other"] = json!(1);
        }),
        ("roles.targets.threshold", |signed| {
            signed["roles"]["targets"]["threshold"] = json!(0x0100_0000);
            signed["x-countersign"]["scopes"][0]["publish"]["keyids"] = json!([]);
            for role in ["targets", "snapshot"] {
                signed["roles"][role]["keyids"] = json!([]);
            }
        }),
        ("x-countersign.trustedRoot.x-other", |signed| {
            signed["x-countersign"]["trustedRoot"]["x-other"] = json!([]);
        }),
        ("x-countersign.trustedRoot.mediaType", |signed| {
            signed["x-countersign"]["trustedRoot"]["mediaType"] = json!("text/html");
        }),
        (
            "x-countersign.trustedRoot.timestampAuthorities.0.x-other",
            |signed| {
                signed["x-countersign"]["trustedRoot"]["timestampAuthorities"][0]["x-other"] =
                    json!({});
            },
        ),
        (
            "x-countersign.trustedRoot.timestampAuthorities.0.subject",
            |signed| {
                signed["x-countersign"]["trustedRoot"]["timestampAuthorities"][0]["subject"] =
                    json!({ "organization": "x" });
            },
        ),
        (
            "x-countersign.trustedRoot.timestampAuthorities.0.validFor.x-other",
            |signed| {
                signed["x-countersign"]["trustedRoot"]["timestampAuthorities"][0]["validFor"]["x-other"] =
                    json!("");
            },
        ),
        (
            "x-countersign.trustedRoot.timestampAuthorities.0.certChain.x-other",
            |signed| {
                signed["x-countersign"]["trustedRoot"]["timestampAuthorities"][0]["certChain"]["x-other"] =
                    json!(true);
            },
        ),
        (
            "x-countersign.trustedRoot.timestampAuthorities.0.certChain.certificates.0.x-other",
            |signed| {
                let entry = &mut signed["x-countersign"]["trustedRoot"]["timestampAuthorities"][0];
                entry["certChain"]["certificates"][0]["x-other"] = json!(0);
            },
        ),
        (&"y".repeat(200), |signed| {
            signed["y".repeat(300)] = json!(0);
        }),
    ];
    for (path, edit) in cases {
        assert_eq!(beyond(edit).as_deref(), Some(path));
    }
    // What is written otherwise, or left out, and means the same.
    let same: [fn(&mut Value); 4] = [
        |signed| signed["spec_version"] = json!("1.0.31"),
        |signed| {
            signed["x-countersign"]
                .as_object_mut()
                .unwrap()
                .remove("time");
            signed["x-countersign"]
                .as_object_mut()
                .unwrap()
                .remove("trustedRoot");
        },
        |signed| {
            signed["x-countersign"]["scopes"][0]
                .as_object_mut()
                .unwrap()
                .remove("epoch");
        },
        |signed| {
            signed["x-countersign"]["trustedRoot"]["mediaType"] =
                json!("application/vnd.dev.sigstore.trustedroot+json;version=0.1");
        },
    ];
    for edit in same {
        assert_eq!(beyond(edit), None);
    }
}

#[test]
fn what_is_said_of_no_authority_is_kept_apart() {
    let unlisted = |authorities: Value| {
        let signed = edited(&first(), |signed| {
            signed["x-countersign"]["time"]["authorities"] = authorities;
        });
        let contents = contents(&signed_value(&signed, &[]));
        let unlisted = contents.time().unlisted.iter();
        unlisted.map(|one| one.seconds).collect::<Vec<_>>()
    };
    let one = |operator: &str, seconds: u64| json!({ "operator": operator, "uri": "https://one.example/rfc3161", "defaultAccuracySeconds": seconds });
    assert_eq!(unlisted(json!([one("one.example", 1)])), [0; 0]);
    assert_eq!(
        unlisted(json!([one("one.example", 1), one("one.example", 9)])),
        [9]
    );
    assert_eq!(
        unlisted(json!([one("two.example", 5), one("one.example", 1)])),
        [5]
    );
}

#[test]
fn a_narrower_scope_takes_nothing_from_those_who_signed_there() {
    let api = "registry.example/shop/api";
    let keys = |ids: &[u8]| json!({ "keyids": ids.iter().map(|one| id(*one)).collect::<Vec<_>>() });
    let with = |patterns: &[&str], ids: &[u8]| {
        let (patterns, keys) = (json!(patterns), keys(ids));
        of_changed_value(move |signed| {
            let scope = json!({ "repositories": patterns, "sign": keys });
            let scopes = signed["x-countersign"]["scopes"].as_array_mut().unwrap();
            scopes.push(scope);
            signed["x-countersign"]["scopes"][1]["heartbeat"] = json!({ "keyids": [id(CLOCK)] });
        })
    };
    let left_out = |now: &str| {
        vec![Lint::KeyLeftOut {
            id: id(RELEASE),
            before: pattern(SHOP),
            now: pattern(now),
        }]
    };
    for taken in [
        api,
        "registry.example/shop/a*",
        "registry.example/shop/api/**",
    ] {
        assert_eq!(with(&[taken], &[]), left_out(taken), "{taken}");
        assert_eq!(with(&[taken], &[RELEASE]), [], "{taken}");
    }
    for other in [
        "registry.example/tools/**",
        "registry.example/**",
        "other.example/shop/api",
    ] {
        assert_eq!(with(&[other], &[]), [], "{other}");
    }
    assert_eq!(
        with(&["registry.example/tools/**", api], &[]),
        left_out(api),
        "beside another"
    );
    // What was revoked signs nothing that must go on to count.
    let revoked = of_changed_value(|signed| {
        let scope = json!({ "repositories": [api], "heartbeat": { "keyids": [id(CLOCK)] } });
        let ours = &mut signed["x-countersign"];
        ours["scopes"].as_array_mut().unwrap().push(scope);
        ours["keyStatus"] = json!({ id(RELEASE): { "revoked": { "reason": "compromised" } } });
        for role in ["targets", "snapshot"] {
            signed["roles"][role]["keyids"] = json!([]);
        }
    });
    assert_eq!(revoked, []);
}

#[test]
fn a_pattern_that_goes_leaves_its_repositories_to_their_own_keys() {
    let scope = |pattern: &str, signs: u8| json!({ "repositories": [pattern], "sign": { "keyids": [id(signs)] } });
    let (all, shop) = (scope("registry.example/**", REVIEW), scope(SHOP, RELEASE));
    let lints = |before: Value, now: Value| {
        let mut with_review = first();
        with_review
            .add_key(&new_key(REVIEW, "review"), Role::Sign, &pattern(SHOP))
            .unwrap();
        let of = |scopes: Value| {
            contents(&signed_value(
                &edited(&with_review, |signed| {
                    signed["x-countersign"]["scopes"] = scopes;
                    for role in ["targets", "snapshot", "timestamp"] {
                        signed["roles"][role]["keyids"] = json!([]);
                    }
                }),
                &[],
            ))
        };
        lints(&of(now), Some(&of(before)), time(NOW))
    };
    let both = json!([all, shop]);
    assert_eq!(lints(both.clone(), both.clone()), []);
    // The wider one decides there now, and lists another.
    assert!(matches!(
        lints(both.clone(), json!([all]))[..],
        [Lint::KeyDeleted { .. }]
    ));
    let wider = json!({ "repositories": ["registry.example/**"],
        "sign": { "keyids": [id(REVIEW), id(RELEASE)] } });
    assert_eq!(lints(both.clone(), json!([wider])), []);
    // Elsewhere it is listed, and that decides nothing.
    let elsewhere = scope("other.example/**", RELEASE);
    assert!(matches!(
        lints(both, json!([all, elsewhere]))[..],
        [Lint::KeyDeleted { .. }]
    ));
}

#[test]
fn no_time_that_has_passed_begins_to_count() {
    let moments = [
        "2026-01-01T00:00:00Z",
        "2026-06-01T00:00:00Z",
        "2027-01-01T00:00:00Z",
        "2027-06-01T00:00:00Z",
    ];
    // The first two have passed. Each is a window by the positions of its ends.
    let window = |(start, end): (Option<usize>, Option<usize>)| Window {
        start: start.map(|at| time(moments[at])),
        end: end.map(|at| time(moments[at])),
    };
    for (before, now, holds) in [
        ((None, Some(0)), (None, Some(0)), true),
        ((None, Some(0)), (None, None), false),
        ((None, Some(0)), (None, Some(1)), false),
        ((None, Some(1)), (None, Some(0)), true),
        // A rotation that is not over may take longer.
        ((None, Some(2)), (None, Some(3)), true),
        ((None, Some(2)), (None, None), true),
        ((None, None), (None, Some(0)), true),
        ((Some(1), None), (Some(0), None), false),
        ((Some(1), None), (None, None), false),
        ((Some(0), None), (Some(1), None), true),
        ((Some(3), None), (Some(2), None), true),
        ((Some(3), None), (Some(1), None), false),
        ((Some(3), None), (None, None), false),
        ((Some(0), Some(1)), (Some(2), Some(3)), true),
    ] {
        let key = |valid| {
            let mut draft = first();
            let term = Term {
                valid: window(valid),
                revoked: None,
            };
            draft.set_term(&id(RELEASE), &term).unwrap();
            draft.contents(&Limits::TABLE).unwrap()
        };
        let found = lints(&key(now), Some(&key(before)), time(NOW));
        let expected = [Lint::TermWidened { id: id(RELEASE) }];
        let expected = if holds { &[][..] } else { &expected };
        assert_eq!(found, expected, "{before:?} {now:?}");
        let clock = |valid| {
            let mut draft = first();
            let mut one = tsa("one");
            one.valid = window(valid);
            draft.add_time_authority(&one, &Limits::TABLE).unwrap();
            draft.contents(&Limits::TABLE).unwrap()
        };
        let found = lints(&clock(now), Some(&clock(before)), time(NOW));
        let is_widened = found
            .iter()
            .any(|lint| matches!(lint, Lint::TsaWidened { .. }));
        assert_eq!(is_widened, !holds, "{before:?} {now:?}: {found:?}");
    }
    // To the second: a time that ends now is not over.
    let ends = |end: &str| {
        let mut draft = first();
        let valid = Window {
            start: None,
            end: Some(time(end)),
        };
        let term = Term {
            valid,
            revoked: None,
        };
        draft.set_term(&id(RELEASE), &term).unwrap();
        draft.contents(&Limits::TABLE).unwrap()
    };
    let after = |end| lints(&ends("2028-01-01T00:00:00Z"), Some(&ends(end)), time(NOW)).len();
    assert_eq!((after(NOW), after("2026-11-24T09:59:59Z")), (0, 1));
}

#[test]
fn another_entry_of_an_authority_reopens_no_time_either() {
    let contents = |draft: &Draft| draft.contents(&Limits::TABLE).unwrap();
    let mut before = first();
    let mut retired = tsa("one");
    retired.valid.end = Some(time("2026-01-01T00:00:00Z"));
    before.add_time_authority(&retired, &Limits::TABLE).unwrap();
    let mut elsewhere = tsa("one");
    elsewhere.uri = "https://elsewhere.example/rfc3161".to_owned();
    let with = |start: &str| {
        let mut now = before.clone();
        let mut entry = elsewhere.clone();
        entry.valid.start = Some(time(start));
        now.add_time_authority(&entry, &Limits::TABLE).unwrap();
        lints(&contents(&now), Some(&contents(&before)), time(NOW))
    };
    assert_eq!(
        with("2026-01-02T00:00:00Z"),
        [Lint::TsaWidened {
            uri: elsewhere.uri.clone()
        }]
    );
    assert_eq!(with("2026-11-24T10:00:01Z"), []);
}

#[test]
fn the_epoch_of_one_repository_does_not_fall_either() {
    let api = "registry.example/shop/api";
    let with = |scopes: Value| {
        let scopes: Vec<Value> = scopes.as_array().unwrap().clone();
        contents(&signed_value(
            &edited(&first(), |signed| {
                let all = &mut signed["x-countersign"]["scopes"];
                let whole = all[0].clone();
                *all = scopes
                    .iter()
                    .map(|scope| {
                        let mut one = whole.clone();
                        for (name, value) in scope.as_object().unwrap() {
                            one[name] = value.clone();
                        }
                        one
                    })
                    .collect();
            }),
            &[],
        ))
    };
    let fell = |before: Value, now: Value| {
        let found = lints(&with(now), Some(&with(before)), time(NOW));
        match found[..] {
            [] => None,
            [Lint::EpochFell { before, now, .. }] => Some((before, now)),
            _ => panic!("{found:?}"),
        }
    };
    let one = |epoch: u64, of_api: u64| json!([{ "epoch": epoch, "epochs": { api: of_api } }]);
    let none = |epoch: u64| json!([{ "epoch": epoch }]);
    assert_eq!(fell(one(1, 5), one(1, 5)), None);
    assert_eq!(fell(one(1, 5), one(1, 6)), None);
    assert_eq!(fell(one(1, 5), one(1, 4)), Some((5, 4)));
    assert_eq!(fell(one(1, 5), none(1)), Some((5, 1)));
    assert_eq!(fell(one(1, 5), none(5)), None);
    assert_eq!(fell(none(3), one(3, 2)), Some((3, 2)));
    assert_eq!(fell(none(3), one(3, 3)), None);
    // Where another scope decides about it, it has no other epoch.
    let moved = |epoch: u64| json!([{ "epoch": 1 }, { "repositories": [api], "epoch": epoch }]);
    assert_eq!(fell(one(1, 5), moved(4)), Some((5, 4)));
    assert_eq!(fell(one(1, 5), moved(5)), None);
    // A scope that decides elsewhere may have another.
    assert_eq!(
        fell(
            moved(5),
            json!([{ "epoch": 2 }, { "repositories": [api], "epoch": 5 }])
        ),
        None
    );
    assert_eq!(
        fell(
            json!([{ "epoch": 7 }, { "repositories": [api], "epoch": 5 }]),
            json!([{ "epoch": 7 }, { "repositories": [api], "epoch": 5 }])
        ),
        None
    );
}

//! How much of a root is read, and which numbers.

use countersign_common::{Code, Explain, Limits};
use countersign_trust_roots::root::{Contents, Draft, Fault};
use serde_json::{Value, json};

use crate::world::{NOW, RELEASE, edited, first, id, signed_value, time};

fn read(limits: &Limits, edit: impl FnOnce(&mut Value)) -> Result<Contents, Fault> {
    let signed = edited(&first(), |signed| edit(&mut signed["x-countersign"]));
    Contents::read(&signed_value(&signed, &[]), limits)
}

#[track_caller]
fn is_too_large(outcome: Result<Contents, Fault>, what: &str) {
    let fault = outcome.unwrap_err();
    assert_eq!(fault.code(), Code::new("too-large"));
    assert!(fault.to_string().contains(what), "{fault}");
}

#[test]
fn no_more_patterns_and_epochs_are_read_than_may_be_compared_with_each_other() {
    // The keys of the root, and as many of each other thing.
    let limits = Limits {
        root_entries: 5,
        ..Limits::TABLE
    };
    let patterns = |number: usize| {
        read(&limits, |ours| {
            let scopes = ours["scopes"].as_array_mut().unwrap();
            let second = scopes[0].clone();
            scopes.push(second);
            for place in 2..number {
                let text = format!("registry.example/{place}");
                let of_scope = scopes[place % 2]["repositories"].as_array_mut().unwrap();
                of_scope.push(json!(text));
            }
        })
    };
    patterns(5).unwrap();
    is_too_large(patterns(6), "5 patterns");
    let epochs = |number: usize| {
        read(&limits, |ours| {
            for place in 0..number {
                ours["scopes"][0]["epochs"][format!("registry.example/shop/{place}")] = json!(2);
            }
        })
    };
    epochs(5).unwrap();
    is_too_large(epochs(6), "5 epochs");
}

/// In the fewest bytes, all that a root may hold: whoever is sent a draft must not wait for what it says.
#[test]
fn as_many_patterns_as_there_may_be_are_compared_in_time() {
    let with = |prefix: &str| {
        read(&Limits::TABLE, |ours| {
            let texts: Vec<_> = (0..1_000).map(|at| format!("{prefix}/*xy{at}")).collect();
            let second = ours["scopes"][0].clone();
            ours["scopes"].as_array_mut().unwrap().push(second);
            ours["scopes"][0]["repositories"] = json!(texts[..500]);
            ours["scopes"][1]["repositories"] = json!(texts[500..]);
        })
        .unwrap()
    };
    let began = std::time::Instant::now();
    countersign_trust_roots::root::lints(&with("a.b"), Some(&with("a.c")), time(NOW));
    assert!(began.elapsed().as_secs() < 60);
}

#[test]
fn a_draft_that_was_read_can_be_written() {
    let draft = |keys: usize| {
        let signed = edited(&first(), |signed| {
            let id = id(RELEASE);
            let scope = signed["x-countersign"]["scopes"][0].clone();
            let scopes = signed["x-countersign"]["scopes"].as_array_mut().unwrap();
            for number in 0..keys {
                let mut scope = scope.clone();
                scope["repositories"] = json!([format!("registry.example/{number}")]);
                scope["publish"]["keyids"] = json!([id]);
                scopes.push(scope);
            }
        });
        let file = json!({ "signatures": [], "signed": signed });
        serde_json::to_vec(&file).unwrap()
    };
    let (short, long) = (draft(10), draft(900));
    let written = |file: &[u8]| {
        Draft::read(file, &Limits::TABLE)
            .unwrap()
            .to_json()
            .unwrap()
    };
    assert!(
        serde_json::to_vec_pretty(&serde_json::from_slice::<Value>(&long).unwrap())
            .unwrap()
            .len()
            > 512_000
    );
    Contents::read(&written(&long), &Limits::TABLE).unwrap();
    assert!(written(&short).ends_with(b"}\n"), "for people");
}

#[test]
fn numbers_that_other_programs_round_are_refused() {
    const GREATEST: u64 = (1 << 53) - 1;
    let members = [
        "/scopes/0/epoch",
        "/scopes/0/epochs",
        "/scopes/0/tagTableMaxSeconds",
        "/scopes/0/heartbeat/maxSeconds",
        "/time/maxIntervalSeconds",
        "/time/authorities/0/defaultAccuracySeconds",
        "/time/stamps/tagTable/collect",
        "/time/stamps/tagTable/threshold",
    ];
    let with = |member: &str, number: u64| {
        read(&Limits::TABLE, |ours| {
            *ours.pointer_mut(member).unwrap_or(&mut Value::Null) = json!(number);
            if member.ends_with("epochs") {
                ours["scopes"][0]["epochs"] = json!({ "registry.example/shop/api": number });
            }
        })
    };
    for member in members {
        with(member, GREATEST).unwrap();
        for number in [GREATEST + 1, u64::MAX] {
            let fault = with(member, number).unwrap_err();
            assert!(matches!(fault, Fault::Number { .. }), "{member}: {fault}");
            assert_eq!(fault.code(), Code::new("malformed"));
            let path = format!("x-countersign{}", member.replace('/', "."));
            assert!(fault.to_string().contains(&path), "{fault}");
        }
    }
}

#[test]
fn a_misspelled_member_is_told_with_its_place_and_what_was_meant() {
    let told = |edit: fn(&mut Value)| {
        let fault = read(&Limits::TABLE, edit).unwrap_err();
        assert_eq!(fault.code(), Code::new("root-schema-unsupported"));
        fault.to_string()
    };
    for (text, expected) in [
        (
            told(|ours| ours["scopes"][0]["heartbeat"]["maxSecond"] = json!(1)),
            "`x-countersign.scopes.0.heartbeat.maxSecond`; did you mean `maxSeconds`?",
        ),
        (
            told(|ours| ours["identities"] = json!([])),
            "know: `x-countersign.identities`",
        ),
        (
            told(|ours| ours["scopes"][0]["statements"] = json!("siblings")),
            "`x-countersign.scopes.0.statements` is `siblings`; did you mean `sibling`?",
        ),
        (
            told(|ours| ours["keyStatus"] = json!({ "a\"b": { "revoked": { "reason": "lost" } } })),
            "revoked.reason` is `lost`",
        ),
    ] {
        assert!(text.ends_with(expected), "{text}");
    }
    // What is known and of another kind is no feature.
    let fault = read(&Limits::TABLE, |ours| {
        ours["scopes"][0]["epoch"] = json!("one")
    });
    assert_eq!(fault.unwrap_err().code(), Code::new("malformed"));
}

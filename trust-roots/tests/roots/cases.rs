//! The chains that the fixtures are generated from. Each that is refused differs from its twin in one point.

use std::{num::NonZeroUsize, sync::LazyLock};

use countersign_common::Limits;
use countersign_trust_roots::{
    Revocation, Role, Term,
    root::{Draft, ScopeEdit},
    time::Window,
};
use serde_json::{Value, json};

use crate::{
    fixtures::{CaseDocument, Story},
    world::{
        ALICE, BOB, CAROL, DAVE, EXPIRES, NEXT_RELEASE, NOW, RELEASE, REVIEW, after, contents,
        edited, fingerprint, first, id, new_key, pattern, signed, signed_value, time, tsa,
    },
};

const PINNED: &str = "trusted--pinned";
const FOLLOWED: &str = "trusted--two-versions";

fn story(name: &str, about: &str, files: Vec<Vec<u8>>) -> Story {
    Story {
        name: name.to_owned(),
        case: CaseDocument {
            about: about.to_owned(),
            fingerprint: fingerprint(&files[0]),
            now: NOW.to_owned(),
            repository: "registry.example/shop/api".to_owned(),
            twin: None,
        },
        files,
    }
}

impl Story {
    fn twin(mut self, twin: &str) -> Self {
        self.case.twin = Some(twin.to_owned());
        self
    }

    fn at(mut self, now: &str) -> Self {
        now.clone_into(&mut self.case.now);
        self
    }

    fn of(mut self, repository: &str) -> Self {
        repository.clone_into(&mut self.case.repository);
        self
    }
}

pub(crate) fn all() -> Vec<Story> {
    [
        trusted(),
        thresholds(),
        versions(),
        contents_of_files(),
        extension(),
        scopes(),
        times(),
        conformance(),
        exactness(),
    ]
    .concat()
}

/// The first version, complete.
pub(crate) fn pinned() -> Vec<u8> {
    static PINNED: LazyLock<Vec<u8>> = LazyLock::new(|| signed(&first(), &[ALICE, BOB]));
    PINNED.clone()
}

/// The second: Carol's lost key is replaced by Dave's.
fn second() -> Draft {
    let mut draft = after(&pinned());
    draft.remove_root_key(&id(CAROL)).unwrap();
    draft.add_root_key(&new_key(DAVE, "dave")).unwrap();
    draft
}

fn trusted() -> Vec<Story> {
    let two = signed(&second(), &[ALICE, BOB]);
    let mut third = after(&two);
    third.remove_root_key(&id(ALICE)).unwrap();
    third.add_root_key(&new_key(CAROL, "carol")).unwrap();
    let three = signed(&third, &[BOB, DAVE]);
    let by_all = signed(&first(), &[ALICE, BOB, CAROL]);
    let mut rotated = after(&pinned());
    rotated
        .add_beside(&id(RELEASE), &new_key(NEXT_RELEASE, "release team, 2027"))
        .unwrap();
    let until = Term {
        valid: Window {
            start: None,
            end: Some(time("2026-12-24T00:00:00Z")),
        },
        revoked: None,
    };
    rotated.set_term(&id(RELEASE), &until).unwrap();
    let mut revoked = after(&pinned());
    let compromised = Term {
        valid: Window::default(),
        revoked: Some(Revocation::Compromised {
            at: Some(time("2026-11-20T00:00:00Z")),
        }),
    };
    revoked.set_term(&id(RELEASE), &compromised).unwrap();
    let mut misused = after(&pinned());
    let term = Term {
        valid: Window::default(),
        revoked: Some(Revocation::Misused {
            from: time("2026-09-02T14:00:00Z"),
            to: time("2026-09-02T16:00:00Z"),
        }),
    };
    misused.set_term(&id(RELEASE), &term).unwrap();
    let mut two_clocks = after(&pinned());
    two_clocks
        .add_time_authority(&tsa("two"), &Limits::TABLE)
        .unwrap();
    two_clocks
        .void_time_authority("https://one.example/rfc3161", &Limits::TABLE)
        .unwrap();
    vec![
        story(PINNED, "The pinned root alone.", vec![pinned()]),
        story(
            "trusted--signed-by-more-than-needed",
            "Three of two.",
            vec![by_all],
        ),
        story(FOLLOWED, "A key replaced.", vec![pinned(), two.clone()]),
        story(
            "trusted--three-versions-with-other-people",
            "A key replaced, then another.",
            vec![pinned(), two.clone(), three.clone()],
        ),
        story(
            "trusted--pinned-later",
            "The chain begins where it was pinned.",
            vec![two, three],
        ),
        story(
            "trusted--release-key-rotated",
            "A key beside the one that will retire.",
            vec![pinned(), signed(&rotated, &[ALICE, BOB])],
        ),
        story(
            "trusted--release-key-compromised",
            "A key that counts before a moment.",
            vec![pinned(), signed(&revoked, &[ALICE, BOB])],
        ),
        story(
            "trusted--release-key-misused",
            "A key that does not count for two hours.",
            vec![pinned(), signed(&misused, &[ALICE, BOB])],
        ),
        story(
            "trusted--one-of-two-clocks-compromised",
            "An authority whose stamps are void.",
            vec![pinned(), signed(&two_clocks, &[ALICE, BOB])],
        ),
        story(
            "trusted--empty-signature-of-who-has-not-signed",
            "A place is held for a third.",
            vec![with_signature(&pinned(), CAROL, "")],
        ),
    ]
}

/// The file with one more signature.
fn with_signature(file: &[u8], by: u8, signature: &str) -> Vec<u8> {
    let mut file: Value = serde_json::from_slice(file).unwrap();
    let signatures = file["signatures"].as_array_mut().unwrap();
    signatures.push(json!({ "keyid": id(by), "sig": signature }));
    crate::world::pretty(&file)
}

fn thresholds() -> Vec<Story> {
    let refused = |name: &str, about: &str, next: Vec<u8>| {
        story(name, about, vec![pinned(), next]).twin(FOLLOWED)
    };
    let mut replaced = after(&pinned());
    for (old, new) in [(ALICE, DAVE), (BOB, REVIEW)] {
        replaced.remove_root_key(&id(old)).unwrap();
        replaced.add_root_key(&new_key(new, "new")).unwrap();
    }
    let twice = with_signature(
        &signed(&second(), &[ALICE]),
        ALICE,
        signature_of(&signed(&second(), &[ALICE])),
    );
    let garbage = with_signature(&signed(&second(), &[ALICE]), BOB, "3000");
    let not_hex = with_signature(&signed(&second(), &[ALICE]), BOB, "zz");
    vec![
        story(
            "trusted--all-people-replaced",
            "Old and new keys sign.",
            vec![pinned(), signed(&replaced, &[ALICE, BOB, DAVE, REVIEW])],
        ),
        refused(
            "refused--signed-by-old-keys-only",
            "The new keys did not sign.",
            signed(&replaced, &[ALICE, BOB]),
        )
        .twin("trusted--all-people-replaced"),
        refused(
            "refused--signed-by-new-keys-only",
            "The old keys did not sign.",
            signed(&replaced, &[DAVE, REVIEW]),
        )
        .twin("trusted--all-people-replaced"),
        refused(
            "refused--signed-by-one",
            "One of two.",
            signed(&second(), &[ALICE]),
        ),
        refused(
            "refused--signed-by-nobody",
            "None of two.",
            signed(&second(), &[]),
        ),
        refused(
            "refused--signed-by-strangers",
            "Keys that are none of the root's.",
            signed(&second(), &[RELEASE, REVIEW]),
        ),
        refused(
            "refused--one-signature-twice",
            "One person is not two.",
            twice,
        ),
        refused(
            "refused--second-signature-is-garbage",
            "A signature that does not fit.",
            garbage,
        ),
        refused(
            "refused--second-signature-is-not-hex",
            "A signature that is none.",
            not_hex,
        ),
        refused(
            "refused--altered-after-signing",
            "Another key in a signed root.",
            altered(&signed(&second(), &[ALICE, BOB])),
        ),
        one_key_under_two_ids(),
        story(
            "refused--pinned-and-signed-by-one",
            "The pinned root itself lacks a signature.",
            vec![signed(&first(), &[BOB])],
        )
        .twin(PINNED),
    ]
}

fn signature_of(file: &[u8]) -> &'static str {
    let file: Value = serde_json::from_slice(file).unwrap();
    let signature = file["signatures"][0]["sig"].as_str().unwrap().to_owned();
    Box::leak(signature.into_boxed_str())
}

fn altered(file: &[u8]) -> Vec<u8> {
    String::from_utf8(file.to_vec())
        .unwrap()
        .replace("release team", "release-team")
        .into()
}

/// The same key with another end of its PEM, and its id, which is another.
fn copy_of(key: &Value) -> (String, Value) {
    let mut copy = key.clone();
    let public = format!("{}\n", key["keyval"]["public"].as_str().unwrap());
    copy["keyval"]["public"] = json!(public);
    let parsed: sigstore_tuf::Key = serde_json::from_value(copy.clone()).unwrap();
    (parsed.key_id().unwrap(), copy)
}

/// Its holder meets a threshold of two alone.
fn one_key_under_two_ids() -> Story {
    let mut twice = Value::Null;
    let mut other = String::new();
    let edited = edited(&first(), |signed| {
        let (copy, key) = copy_of(&signed["keys"][id(ALICE)]);
        signed["keys"][&copy] = key;
        other = copy;
        signed["roles"]["root"]["keyids"] = json!([id(ALICE), other, id(CAROL)]);
        signed["keys"].as_object_mut().unwrap().remove(&id(BOB));
        signed["x-countersign"]["keyInfo"]
            .as_object_mut()
            .unwrap()
            .remove(&id(BOB));
        twice = signed.clone();
    });
    let one = signed_value(&edited, &[ALICE]);
    let file = {
        let signature = signature_of(&one);
        let mut file: Value = serde_json::from_slice(&one).unwrap();
        let signatures = file["signatures"].as_array_mut().unwrap();
        signatures.push(json!({ "keyid": other, "sig": signature }));
        crate::world::pretty(&file)
    };
    story(
        "refused--one-key-under-two-ids",
        "One person with two ids is not two.",
        vec![file],
    )
    .twin(PINNED)
}

fn versions() -> Vec<Story> {
    let two = signed(&second(), &[ALICE, BOB]);
    let skipping = edited(&second(), |signed| signed["version"] = json!(3));
    let again = edited(&second(), |signed| signed["version"] = json!(1));
    let renamed = edited(&second(), |signed| {
        signed["x-countersign"]["name"] = json!("other")
    });
    let mut other_fingerprint = story(
        "refused--another-file-than-pinned",
        "Not the file whose fingerprint was pinned.",
        vec![pinned(), two.clone()],
    )
    .twin(FOLLOWED);
    other_fingerprint.case.fingerprint = fingerprint(&two);
    let early =
        |draft: &Draft, expires: &str| edited(draft, |signed| signed["expires"] = json!(expires));
    let expired_first = signed_value(&early(&first(), "2026-11-01T00:00:00Z"), &[ALICE, BOB]);
    let next = signed(&after(&expired_first), &[ALICE, BOB]);
    vec![
        story(
            "refused--version-skipped",
            "Version 3 after version 1.",
            vec![pinned(), signed_value(&skipping, &[ALICE, BOB])],
        )
        .twin(FOLLOWED),
        story(
            "refused--version-again",
            "Version 1 after version 1.",
            vec![pinned(), signed_value(&again, &[ALICE, BOB])],
        )
        .twin(FOLLOWED),
        story(
            "refused--older-version-after",
            "Version 1 after version 2.",
            vec![two.clone(), pinned()],
        )
        .twin(FOLLOWED),
        story(
            "refused--renamed",
            "A root of another name.",
            vec![pinned(), signed_value(&renamed, &[ALICE, BOB])],
        )
        .twin(FOLLOWED),
        other_fingerprint,
        story(
            "refused--expired",
            "At the moment of its end.",
            vec![pinned()],
        )
        .at(EXPIRES)
        .twin("trusted--a-second-before-its-end"),
        story(
            "trusted--a-second-before-its-end",
            "The last second.",
            vec![pinned()],
        )
        .at("2027-11-22T23:59:59Z"),
        story(
            "trusted--expired-in-between",
            "Only the last must be in force.",
            vec![expired_first.clone(), next],
        ),
        story(
            "refused--expired-and-not-followed",
            "The last is over.",
            vec![expired_first],
        )
        .twin("trusted--expired-in-between"),
    ]
}

/// A version after the pinned one, edited and signed by two.
fn next(name: &str, about: &str, edit: impl FnOnce(&mut Value)) -> Story {
    let value = edited(&second(), edit);
    story(
        name,
        about,
        vec![pinned(), signed_value(&value, &[ALICE, BOB])],
    )
    .twin(FOLLOWED)
}

fn contents_of_files() -> Vec<Story> {
    let text = |file: &[u8]| String::from_utf8(file.to_vec()).unwrap();
    let two = text(&signed(&second(), &[ALICE, BOB]));
    let raw = |name: &str, about: &str, file: String| {
        story(name, about, vec![pinned(), file.into_bytes()]).twin(FOLLOWED)
    };
    vec![
        raw(
            "refused--member-twice",
            "Two versions in one file.",
            two.replacen("\"version\": 2", "\"version\": 9, \"version\": 2", 1),
        ),
        raw(
            "refused--float",
            "A number that is no integer.",
            two.replacen("\"version\": 2", "\"version\": 2.0", 1),
        ),
        raw(
            "refused--text-after-its-end",
            "Something after the root.",
            format!("{two}{{}}"),
        ),
        raw("refused--not-json", "No JSON.", "root".to_owned()),
        raw(
            "refused--nothing",
            "A file of one empty line.",
            "\n".to_owned(),
        ),
        raw(
            "refused--longer-than-any",
            "One byte more than 512,000.",
            format!("{two}{}", " ".repeat(512_001 - two.len())),
        ),
        next(
            "refused--threshold-of-zero",
            "Anybody would do.",
            |signed| signed["roles"]["root"]["threshold"] = json!(0),
        ),
        next(
            "refused--threshold-negative",
            "Less than nobody.",
            |signed| signed["roles"]["root"]["threshold"] = json!(-1),
        ),
        next(
            "refused--threshold-as-text",
            "A number in quotes.",
            |signed| signed["roles"]["root"]["threshold"] = json!("2"),
        ),
        story(
            "refused--version-zero",
            "Versions begin at one.",
            vec![signed_value(
                &edited(&first(), |signed| signed["version"] = json!(0)),
                &[ALICE, BOB],
            )],
        )
        .twin(PINNED),
        next(
            "refused--fifth-role",
            "A role that nobody knows.",
            |signed| signed["roles"]["mirror"] = signed["roles"]["root"].clone(),
        ),
        next("refused--role-missing", "Three roles.", |signed| {
            signed["roles"].as_object_mut().unwrap().remove("snapshot");
        }),
        next(
            "refused--key-twice-in-its-role",
            "One key listed twice.",
            |signed| {
                signed["roles"]["root"]["keyids"] = json!([id(ALICE), id(ALICE), id(BOB)]);
            },
        ),
        next(
            "refused--role-names-no-key",
            "A key that is not there.",
            |signed| {
                signed["roles"]["root"]["keyids"] = json!([id(ALICE), id(BOB), "00".repeat(32)]);
            },
        ),
        next(
            "refused--key-under-another-id",
            "An id that is not the key's hash.",
            |signed| {
                let key = signed["keys"][id(DAVE)].clone();
                signed["keys"]["11".repeat(32)] = key;
            },
        ),
        next(
            "refused--key-with-more-members",
            "A member that no key has.",
            |signed| signed["keys"][id(DAVE)]["x-owner"] = json!("dave"),
        ),
        next(
            "refused--of-another-type",
            "TUF metadata of another kind.",
            |signed| signed["_type"] = json!("targets"),
        ),
        next("refused--of-another-specification", "TUF 2.", |signed| {
            signed["spec_version"] = json!("2.0.0")
        }),
        next("refused--end-is-no-time", "No time.", |signed| {
            signed["expires"] = json!("soon")
        }),
        next(
            "trusted--root-key-of-a-kind-that-is-not-known",
            "It never counts, and two others have signed.",
            |signed| {
                let key =
                    json!({ "keytype": "ed448", "scheme": "ed448", "keyval": { "public": "00" } });
                let parsed: sigstore_tuf::Key = serde_json::from_value(key.clone()).unwrap();
                let id = parsed.key_id().unwrap();
                signed["keys"][&id] = key;
                signed["roles"]["root"]["keyids"]
                    .as_array_mut()
                    .unwrap()
                    .push(json!(id));
            },
        ),
    ]
}

fn extension() -> Vec<Story> {
    let ours = |name: &str, about: &str, edit: fn(&mut Value)| {
        next(name, about, |signed| edit(&mut signed["x-countersign"]))
    };
    vec![
        next(
            "refused--not-about-images",
            "A TUF root of something else.",
            |signed| {
                signed.as_object_mut().unwrap().remove("x-countersign");
            },
        ),
        ours("refused--schema-2", "A later form.", |ours| {
            ours["schema"] = json!(2)
        }),
        ours("refused--schema-missing", "No form.", |ours| {
            ours.as_object_mut().unwrap().remove("schema");
        }),
        ours("refused--identities", "Signers by identity.", |ours| {
            ours["identities"] = json!([])
        }),
        ours(
            "refused--threshold-in-a-scope",
            "Several signers for one document.",
            |ours| ours["scopes"][0]["sign"]["threshold"] = json!(2),
        ),
        ours(
            "refused--transparency-log",
            "A log that nobody here looks into.",
            |ours| ours["trustedRoot"]["tlogs"] = json!([{}]),
        ),
        ours(
            "refused--certificate-authority",
            "Signers by certificate.",
            |ours| ours["trustedRoot"]["certificateAuthorities"] = json!([{}]),
        ),
        ours(
            "refused--revocation-of-neither-kind",
            "A member of the other reason.",
            |ours| {
                ours["keyStatus"][id(RELEASE)] =
                    json!({ "revoked": { "reason": "compromised", "from": NOW } });
            },
        ),
        ours(
            "refused--misuse-without-end",
            "A misuse that has no end.",
            |ours| {
                ours["keyStatus"][id(RELEASE)] =
                    json!({ "revoked": { "reason": "misused", "from": NOW } });
            },
        ),
        ours(
            "refused--revocation-for-another-reason",
            "An unknown reason.",
            |ours| {
                ours["keyStatus"][id(RELEASE)] = json!({ "revoked": { "reason": "superseded" } });
            },
        ),
        ours(
            "refused--window-ends-before-it-begins",
            "An empty window.",
            |ours| {
                ours["keyStatus"][id(RELEASE)] =
                    json!({ "notBefore": NOW, "notAfter": "2026-11-24T09:59:59Z" });
            },
        ),
        ours(
            "refused--authority-ends-before-it-begins",
            "No stamp of it could ever count.",
            |ours| {
                ours["trustedRoot"]["timestampAuthorities"][0]["validFor"] =
                    json!({ "start": NOW, "end": "2026-11-24T09:59:59Z" });
            },
        )
        .twin("trusted--authority-of-one-moment"),
        ours(
            "trusted--authority-of-one-moment",
            "It ends when it begins.",
            |ours| {
                ours["trustedRoot"]["timestampAuthorities"][0]["validFor"] =
                    json!({ "start": NOW, "end": NOW });
            },
        ),
        ours(
            "refused--status-of-no-key",
            "A key that is not there.",
            |ours| ours["keyStatus"]["00".repeat(32)] = json!({}),
        ),
        ours(
            "refused--scope-key-twice",
            "One key twice in a list.",
            |ours| ours["scopes"][0]["sign"]["keyids"] = json!([id(RELEASE), id(RELEASE)]),
        ),
        ours("refused--scope-of-nothing", "No repositories.", |ours| {
            ours["scopes"][0]["repositories"] = json!([])
        }),
        ours(
            "refused--scope-of-any-host",
            "A pattern that leaves the host open.",
            |ours| ours["scopes"][0]["repositories"] = json!(["**/shop"]),
        ),
        ours("refused--epoch-of-zero", "Epochs begin at one.", |ours| {
            ours["scopes"][0]["epoch"] = json!(0)
        }),
        ours(
            "refused--epoch-of-zero-in-a-repository",
            "One repository whose epoch is none.",
            |ours| ours["scopes"][0]["epochs"] = json!({ "registry.example/shop/api": 0 }),
        )
        .twin("trusted--epoch-of-a-repository"),
        ours(
            "refused--epoch-of-no-repository",
            "A name with a tag.",
            |ours| ours["scopes"][0]["epochs"] = json!({ "registry.example/shop/api:1": 2 }),
        )
        .twin("trusted--epoch-of-a-repository"),
        ours(
            "trusted--epoch-of-a-repository",
            "One repository whose epoch is another.",
            |ours| ours["scopes"][0]["epochs"] = json!({ "registry.example/shop/api": 2 }),
        ),
        ours(
            "refused--window-begins-at-no-time",
            "A key's window with no time.",
            |ours| ours["keyStatus"][id(RELEASE)] = json!({ "notBefore": "soon" }),
        ),
        ours(
            "refused--authority-begins-at-no-time",
            "An authority of time whose window has no time.",
            |ours| {
                ours["trustedRoot"]["timestampAuthorities"][0]["validFor"]["start"] = json!("soon");
            },
        ),
        next(
            "refused--release-key-under-two-ids",
            "One key has two terms, and its holder the choice.",
            |signed| {
                let (copy, key) = copy_of(&signed["keys"][id(RELEASE)]);
                signed["keys"][&copy] = key;
                let scope = &mut signed["x-countersign"]["scopes"][0];
                scope["sign"]["keyids"]
                    .as_array_mut()
                    .unwrap()
                    .push(json!(copy));
            },
        ),
        ours(
            "refused--name-with-a-slash",
            "A name that would be a path.",
            |ours| ours["name"] = json!("../acme"),
        ),
        ours(
            "refused--certificate-that-is-none",
            "No certificate.",
            |ours| {
                ours["trustedRoot"]["timestampAuthorities"][0]["certChain"]["certificates"] =
                    json!([{ "rawBytes": "AAAA" }]);
            },
        ),
        ours(
            "refused--stamps-by-nobody",
            "A threshold of none.",
            |ours| {
                ours["time"]["stamps"]["publication"]["threshold"] = json!(0);
            },
        ),
        ours(
            "refused--object-as-a-list",
            "A list where an object is expected.",
            |ours| ours["scopes"][0]["sign"] = json!([[id(RELEASE)]]),
        ),
    ]
}

fn scopes() -> Vec<Story> {
    let scoped = |patterns: &[&str]| {
        let mut draft = first();
        for text in patterns {
            draft
                .set_scope(&[pattern(text)], &ScopeEdit::default())
                .unwrap();
            draft
                .add_key(&new_key(REVIEW, "review"), Role::Sign, &pattern(text))
                .unwrap();
        }
        // A narrower scope is made with the keys of the wider one; here it is to have its own alone.
        let signed = edited(&draft, |signed| {
            for scope in &mut signed["x-countersign"]["scopes"].as_array_mut().unwrap()[1..] {
                scope["sign"]["keyids"] = json!([id(REVIEW)]);
                scope["publish"]["keyids"] = json!([]);
                scope["heartbeat"]["keyids"] = json!([]);
            }
        });
        vec![signed_value(&signed, &[ALICE, BOB])]
    };
    vec![
        story(
            "trusted--longer-pattern",
            "The longest literal prefix decides, and nothing falls through.",
            scoped(&["registry.example/shop/api"]),
        ),
        story(
            "refused--no-scope",
            "A repository that no pattern matches.",
            scoped(&["registry.example/shop/api"]),
        )
        .of("registry.example/shops/api")
        .twin("trusted--longer-pattern"),
        story(
            "refused--no-scope-on-another-host",
            "The same path elsewhere.",
            scoped(&["registry.example/shop/api"]),
        )
        .of("registry.example.evil.example/shop/api")
        .twin("trusted--longer-pattern"),
        story(
            "refused--two-scopes-tie",
            "Two patterns that are equally specific.",
            scoped(&["registry.example/shop/*"]),
        )
        .twin("trusted--two-scopes-tie-elsewhere"),
        story(
            "trusted--two-scopes-tie-elsewhere",
            "Where only one of them matches.",
            scoped(&["registry.example/shop/*"]),
        )
        .of("registry.example/shop/api/v2"),
    ]
}

fn times() -> Vec<Story> {
    let with_two = |edit: fn(&mut Draft)| {
        let mut draft = first();
        draft
            .add_time_authority(&tsa("two"), &Limits::TABLE)
            .unwrap();
        edit(&mut draft);
        vec![signed(&draft, &[ALICE, BOB])]
    };
    let mut both = first();
    both.add_time_authority(&tsa("two"), &Limits::TABLE)
        .unwrap();
    both.set_time_threshold(NonZeroUsize::new(2).unwrap());
    let shared = edited(&both, |signed| {
        let entries = &mut signed["x-countersign"]["trustedRoot"]["timestampAuthorities"];
        entries[1]["certChain"] = entries[0]["certChain"].clone();
    });
    vec![
        story(
            "trusted--two-clocks-must-agree",
            "Two operators, both demanded.",
            with_two(|draft| draft.set_time_threshold(NonZeroUsize::new(2).unwrap())),
        ),
        story(
            "refused--three-clocks-must-agree",
            "More operators than there are.",
            with_two(|draft| draft.set_time_threshold(NonZeroUsize::new(3).unwrap())),
        )
        .twin("trusted--two-clocks-must-agree"),
        story(
            "refused--one-clock-under-two-operators",
            "One stolen key would be two witnesses.",
            vec![signed_value(&shared, &[ALICE, BOB])],
        )
        .twin("trusted--two-clocks-must-agree"),
    ]
}

/// So many versions, each signed by two.
pub(crate) fn chain_of(count: usize) -> Vec<Vec<u8>> {
    let mut files = vec![pinned()];
    while files.len() < count {
        let draft = after(files.last().unwrap());
        files.push(signed(&draft, &[ALICE, BOB]));
    }
    assert_eq!(contents(files.last().unwrap()).version(), count as u64);
    files
}

/// The same from the second on by two others.
pub(crate) fn fork_of(count: usize) -> Vec<Vec<u8>> {
    let mut files = vec![pinned()];
    while files.len() < count {
        let draft = after(files.last().unwrap());
        files.push(signed(&draft, &[ALICE, CAROL]));
    }
    files
}

/// What TUF's own suite of conformance tests asks of clients about roots, where the cases above do not.
fn conformance() -> Vec<Story> {
    let five: &[u8] = &[1, 2, 3, 4, 5];
    let one_replaced: &[u8] = &[1, 2, 4, 5, 6];
    let others: &[u8] = &[6, 7, 8, 9, 10];
    let three_of_five = (five, 3, &[1, 3, 5][..]);
    let raised = "trusted--threshold-raised";
    let lowered = "trusted--threshold-lowered";
    let in_steps = "trusted--one-of-five-replaced-in-steps";
    vec![
        rotation(
            "trusted--one-of-one-replaced",
            "One key alone, then another.",
            &[(&[1], 1, &[1]), (&[2], 1, &[2, 1]), (&[2], 1, &[2])],
        ),
        rotation(
            "trusted--strangers-signed-too",
            "Signatures that nobody asked for.",
            &[
                (&[1], 1, &[3, 1, 4]),
                (&[2], 1, &[3, 2, 1, 4]),
                (&[2], 1, &[3, 2, 4]),
            ],
        ),
        rotation(
            "trusted--three-of-five-by-turns",
            "Other three each time.",
            &[
                three_of_five,
                (five, 3, &[1, 5, 2]),
                (five, 3, &[1, 2, 4]),
                (five, 3, &[1, 2, 4]),
            ],
        ),
        rotation(
            "trusted--one-of-five-replaced",
            "Three who are in both versions.",
            &[three_of_five, (one_replaced, 3, &[1, 5, 2])],
        ),
        rotation(
            in_steps,
            "Three of before and three of after, not the same.",
            &[
                three_of_five,
                (one_replaced, 3, &[1, 3, 5, 6]),
                (one_replaced, 3, &[1, 5, 6]),
            ],
        ),
        rotation(
            "trusted--all-of-five-replaced",
            "Three of before and three of after, none in both.",
            &[
                three_of_five,
                (others, 3, &[1, 3, 5, 6, 7, 8]),
                (others, 3, &[6, 7, 8]),
            ],
        ),
        rotation(
            raised,
            "One of three, then two.",
            &[(&[1, 2, 3], 1, &[1]), (&[1, 2, 3], 2, &[1, 2])],
        ),
        rotation(
            "trusted--threshold-raised-with-a-key",
            "One of one, then two of two.",
            &[(&[1], 1, &[1]), (&[1, 2], 2, &[1, 2])],
        ),
        rotation(
            lowered,
            "Two of three, then one.",
            &[
                (&[1, 2, 3], 2, &[1, 2]),
                (&[1, 2, 3], 1, &[1, 2]),
                (&[1, 2, 3], 1, &[1]),
            ],
        ),
        rotation(
            "refused--too-few-of-after",
            "Three of before, two of after.",
            &[three_of_five, (one_replaced, 3, &[1, 3, 5])],
        )
        .twin(in_steps),
        rotation(
            "refused--too-few-of-before",
            "Two of before, three of after.",
            &[three_of_five, (one_replaced, 3, &[1, 5, 6])],
        )
        .twin(in_steps),
        rotation(
            "refused--threshold-raised-and-not-met",
            "Enough before, too few after.",
            &[(&[1, 2, 3], 1, &[1]), (&[1, 2, 3], 2, &[2])],
        )
        .twin(raised),
        rotation(
            "refused--threshold-lowered-and-not-met-before",
            "Enough after, too few before.",
            &[(&[1, 2, 3], 2, &[1, 2]), (&[1, 2, 3], 1, &[1])],
        )
        .twin(lowered),
        next(
            "trusted--members-of-others",
            "What TUF lets others add, signed with the rest.",
            |signed| {
                // These two change places where the order is that of UTF-16.
                signed["x-other"] = json!({ "\u{1f5dd}": u64::MAX, "\u{ff5e}": i64::MIN });
                signed["roles"]["root"]["x-other"] = json!({ "": "\0\u{7f}\u{2028}\\\"/\n" });
            },
        ),
        next(
            "trusted--online-role-that-nobody-can-fill",
            "A threshold that is not ours to meet.",
            |signed| signed["roles"]["snapshot"]["threshold"] = json!(6),
        ),
        {
            let versionless = edited(&first(), |signed| {
                signed.as_object_mut().unwrap().remove("version");
            });
            story(
                "refused--pinned-without-a-version",
                "The pinned root lacks a member.",
                vec![signed_value(&versionless, &[ALICE, BOB])],
            )
            .twin(PINNED)
        },
    ]
}

/// What TUF says exactly, and a lenient reader would take otherwise than other clients do.
fn exactness() -> Vec<Story> {
    let expires = |name: &str, about: &str, text: &'static str| {
        next(name, about, |signed| signed["expires"] = json!(text))
    };
    let specification = |name: &str, about: &str, text: &'static str| {
        next(name, about, |signed| signed["spec_version"] = json!(text))
    };
    let signed_twice = |name: &str, about: &str, by: u8, signatures: &[&str]| {
        let file = signatures
            .iter()
            .fold(signed(&second(), &[ALICE, BOB]), |file, signature| {
                with_signature(&file, by, signature)
            });
        story(name, about, vec![pinned(), file]).twin(FOLLOWED)
    };
    vec![
        expires(
            "refused--end-in-another-zone",
            "The same moment in another zone.",
            "2027-11-23T01:00:00+01:00",
        ),
        expires(
            "refused--end-within-a-second",
            "Half a second more.",
            "2027-11-23T00:00:00.5Z",
        ),
        expires(
            "refused--end-without-seconds",
            "A time without seconds.",
            "2027-11-23T00:00Z",
        ),
        expires(
            "refused--end-with-more-behind",
            "The name of a zone behind the time.",
            "2027-11-23T00:00:00Z[UTC]",
        ),
        specification(
            "refused--specification-of-one-number",
            "A version of one number.",
            "1",
        ),
        specification(
            "refused--specification-with-text",
            "A version with a letter.",
            "1.0.x",
        ),
        signed_twice(
            "refused--stranger-twice",
            "One id twice, and it is a stranger's.",
            REVIEW,
            &["00", "01"],
        ),
        signed_twice(
            "refused--place-held-and-signed",
            "A place held for one who has signed.",
            ALICE,
            &[""],
        ),
        signed_twice(
            "refused--place-held-twice",
            "A place held twice.",
            DAVE,
            &["", ""],
        ),
    ]
}

/// Versions, each with its root keys, its threshold, and who signed it.
fn rotation(name: &str, about: &str, versions: &[(&[u8], usize, &[u8])]) -> Story {
    let mut files: Vec<Vec<u8>> = Vec::new();
    for (keys, threshold, signers) in versions {
        let mut draft = files.last().map_or_else(first, |previous| after(previous));
        let before = draft.contents(&Limits::TABLE).unwrap();
        let before = &before.root_role().key_ids;
        let wanted: Vec<String> = keys.iter().map(|key| id(*key)).collect();
        for (number, _) in keys
            .iter()
            .zip(&wanted)
            .filter(|(_, id)| !before.contains(id))
        {
            draft.add_root_key(&new_key(*number, "a person")).unwrap();
        }
        for gone in before.iter().filter(|id| !wanted.contains(id)) {
            draft.remove_root_key(gone).unwrap();
        }
        draft.set_root_threshold(NonZeroUsize::new(*threshold).unwrap());
        files.push(signed(&draft, signers));
    }
    story(name, about, files)
}

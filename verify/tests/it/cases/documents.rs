//! Signatures that cannot be read, or say something else than what is demanded.

use countersign_common::{Digest, statement::STAND_IN_ANNOTATION};
use serde_json::{Value, json};

use super::{SIGNED, refused, release};
use crate::{case::Choice, signing::Signing, story::Story};

pub(super) fn unreadable() -> Vec<Story> {
    let bundle = |case: &str, about: &str, edit_bundle: fn(&mut Value)| {
        refused(case, about, SIGNED).signed(&Signing {
            edit_bundle,
            ..release()
        })
    };
    let payload = |case: &str, about: &str, edit_payload: fn(String) -> String| {
        refused(case, about, SIGNED).signed(&Signing {
            edit_payload,
            ..release()
        })
    };
    vec![
        bundle(
            "bundle-of-version-0.1",
            "Only version 0.3 is read.",
            |bundle| {
                bundle["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.1".into();
            },
        ),
        bundle(
            "bundle-of-a-message",
            "A signature over a blob says nothing of an image.",
            |bundle| {
                let members = bundle.as_object_mut().unwrap();
                members.remove("dsseEnvelope");
                members.insert("messageSignature".to_owned(), json!({"signature": "MAA="}));
            },
        ),
        bundle(
            "bundle-without-signature",
            "An envelope has exactly one signature.",
            |bundle| {
                bundle["dsseEnvelope"]["signatures"] = json!([]);
            },
        ),
        bundle(
            "bundle-with-two-signatures",
            "Good and good again: still two.",
            |bundle| {
                let signatures = &mut bundle["dsseEnvelope"]["signatures"];
                *signatures = json!([signatures[0], signatures[0]]);
            },
        ),
        bundle(
            "bundle-with-two-hints",
            "Two names for one key are a trap for somebody.",
            |bundle| {
                bundle["dsseEnvelope"]["signatures"][0]["keyid"] = "other".into();
            },
        ),
        bundle(
            "bundle-with-nine-log-entries",
            "Eight are read.",
            |bundle| {
                bundle["verificationMaterial"]["tlogEntries"] = json!(vec![json!({}); 9]);
            },
        ),
        bundle(
            "payload-type-changed-afterwards",
            "The type is part of what is signed.",
            |bundle| {
                bundle["dsseEnvelope"]["payloadType"] = "application/json".into();
            },
        ),
        refused(
            "payload-of-another-type",
            "Correctly signed, but no statement.",
            SIGNED,
        )
        .signed(&Signing {
            payload_type: "text/plain",
            ..release()
        }),
        refused(
            "duplicate-member",
            "Two readers would see two payloads.",
            SIGNED,
        )
        .signed(&Signing {
            edit_blob: |blob| {
                blob.replacen(
                    "\"payload\":",
                    "\"\\u0070ayload\": \"e30=\", \"payload\":",
                    1,
                )
            },
            ..release()
        }),
        payload("payload-not-json", "Correctly signed garbage.", |_| {
            "garbage".to_owned()
        }),
        payload(
            "payload-with-a-second-text",
            "Correctly signed, and followed by more.",
            |payload| format!("{payload}{{}}"),
        ),
        payload(
            "statement-of-version-2",
            "Only known versions are read.",
            |payload| payload.replace("Statement/v1", "Statement/v2"),
        ),
        payload(
            "statement-of-version-0.1",
            "An image signature has version 1.",
            |payload| payload.replace("Statement/v1", "Statement/v0.1"),
        ),
        payload(
            "statement-with-1025-subjects",
            "1,024 are read.",
            |payload| {
                payload.replacen(
                    "\"subject\":[",
                    &format!("\"subject\":[{}", "{},".repeat(1_024)),
                    1,
                )
            },
        ),
        refused(
            "artifact-with-two-layers",
            "Which of them is the bundle?",
            SIGNED,
        )
        .signed(&Signing {
            edit_manifest: |manifest| {
                let layer = manifest["layers"][0].clone();
                manifest["layers"].as_array_mut().unwrap().push(layer);
            },
            ..release()
        }),
    ]
}

pub(super) fn about_something_else() -> Vec<Story> {
    let unbound = Signing {
        repository: None,
        ..release()
    };
    let listed = |story: Story| {
        story.with(|case| {
            let manifests = vec!["release-signature.manifest.json".to_owned()];
            case.listed
                .insert("image.manifest.json".to_owned(), manifests);
        })
    };
    let other_image = |mut story: Story| {
        story.put_image("other", "linux/amd64");
        story
    };
    let digests = |case: &str, about: &str, edit_payload: fn(String) -> String| {
        refused(case, about, SIGNED).signed(&Signing {
            edit_payload,
            ..release()
        })
    };
    vec![
        refused(
            "copied-from-another-repository",
            "It was signed for another repository.",
            SIGNED,
        )
        .signed(&Signing {
            repository: Some("registry.example/shop/apis"),
            ..release()
        }),
        Story::new(
            "verified--no-repository-reported",
            "As cosign signs: for no repository, and so it is said.",
        )
        .signed(&unbound),
        refused(
            "no-repository",
            "A signature for no repository may come from another one.",
            SIGNED,
        )
        .signed(&unbound)
        .with(|case| case.demand.unbound = Choice::Refused),
        refused(
            "signed-another-image",
            "The digest in the statement decides.",
            SIGNED,
        )
        .signed(&Signing {
            about: Some(Digest::sha256(b"another")),
            ..release()
        }),
        digests("no-subject", "A statement about nothing.", |payload| {
            let (before, rest) = payload.split_once("\"subject\":[").unwrap();
            let (_, after) = rest.split_once(']').unwrap();
            format!("{before}\"subject\":[]{after}")
        }),
        digests(
            "subject-by-sha1-alone",
            "A weak digest names nothing.",
            |payload| payload.replacen("\"sha256\"", "\"sha1\"", 1),
        ),
        listed(other_image(refused(
            "listed-for-another-subject",
            "Anybody may list anything.",
            SIGNED,
        )))
        .signed_for("other.manifest.json", &release()),
        listed(
            refused(
                "listed-without-a-subject",
                "The artifact itself must say so.",
                SIGNED,
            )
            .signed(&Signing {
                edit_manifest: |manifest| {
                    manifest.as_object_mut().unwrap().remove("subject");
                },
                ..release()
            }),
        ),
    ]
}

pub(super) fn annotations() -> Vec<Story> {
    let demanding = |story: Story| {
        story.with(|case| {
            case.demand
                .annotations
                .insert("env".to_owned(), "prod".to_owned());
        })
    };
    let twin = "verified--annotated-as-demanded";
    vec![
        demanding(Story::new(twin, "The demanded annotation is signed."))
            .signed(&release().annotated("env", "prod")),
        demanding(refused("annotation-absent", "It is not there.", twin)).signed(&release()),
        demanding(refused(
            "annotation-other",
            "It is not what is demanded, nor safe to show.",
            twin,
        ))
        .signed(&release().annotated("env", "prod\u{1b}]0;x\u{7}\r\nverified: all\u{202e}")),
        demanding(refused(
            "annotation-not-a-text",
            "A list that holds the text is not the text.",
            twin,
        ))
        .signed(&release().annotated("env", json!(["prod"]))),
        demanding(refused(
            "annotation-unsigned",
            "An annotation of the manifest is nobody's word.",
            twin,
        ))
        .signed(&Signing {
            edit_manifest: |manifest| manifest["annotations"]["env"] = "prod".into(),
            ..release()
        }),
    ]
}

pub(super) fn stand_in() -> Vec<Story> {
    let signing = release().annotated(STAND_IN_ANNOTATION, "true");
    let twin = "verified--demonstration-key-accepted";
    vec![
        Story::new(
            twin,
            "A demonstration key counts where that was asked for, and the verdict says so.",
        )
        .signed(&signing)
        .with(|case| case.demand.stand_in = Choice::Accepted),
        refused(
            "demonstration-key",
            "Anybody may have its private half.",
            twin,
        )
        .signed(&signing),
        refused(
            "demonstration-key-known-by-its-origin",
            "It says nothing of itself, and is one.",
            twin,
        )
        .signed(&release())
        .with(|case| case.demonstration.push("release.pub".to_owned())),
        refused(
            "demonstration-key-that-denies-it",
            "The annotation's value does not matter.",
            twin,
        )
        .signed(&release().annotated(STAND_IN_ANNOTATION, false)),
    ]
}

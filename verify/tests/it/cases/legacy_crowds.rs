//! Signatures of cosign before version 3 that are damaged, of another format, or among others.

use countersign_common::{
    Digest,
    dsse::{IN_TOTO_PAYLOAD_TYPE, pre_authentication_encoding},
    manifest::OCI_INDEX,
    statement::{IMAGE_SIGNATURE, STATEMENT_V1},
};
use serde_json::{Value, json};

use super::{
    broken, dated,
    legacy::{SIGNED, annotated, of_cosign_signatures, simple, unreadable, verified},
    publication, refused, release,
};
use crate::{
    signing::{Key, REPOSITORY, Signing, pretty, sorted},
    simple::{SIGNATURE, Simple},
    story::Story,
    world::Fault,
};

pub(super) fn damaged() -> Vec<Story> {
    let wrong = |case: &str, about: &str, edit: fn(String) -> String| {
        refused(case, about, SIGNED).tagged(&[Simple {
            edit_payload: edit,
            ..simple()
        }])
    };
    let layered = |case: &str, about: &str, edit: fn(&mut Value)| {
        refused(case, about, SIGNED).tagged(&[Simple {
            edit_layer: edit,
            ..simple()
        }])
    };
    of_cosign_signatures(vec![
        refused(
            "of-another-image",
            "A good signature of something else.",
            SIGNED,
        )
        .tagged(&[Simple {
            about: Some(Digest::sha256(b"another")),
            ..simple()
        }]),
        refused(
            "of-another-type",
            "The key signed something else as bare JSON.",
            SIGNED,
        )
        .tagged(&[Simple {
            kind: "atomic container signature",
            ..simple()
        }]),
        wrong("type-missing", "It does not say what it is.", |payload| {
            payload.replace("\"type\"", "\"kind\"")
        }),
        wrong(
            "member-twice",
            "Two parsers may read two images.",
            |payload| {
                payload.replace(
                    "\"image\":",
                    "\"image\":{\"docker-manifest-digest\":\"\"},\"image\":",
                )
            },
        ),
        wrong("digest-in-upper-case", "It is none.", |payload| {
            payload.replace("sha256:", "SHA256:")
        }),
        wrong(
            "more-after-the-payload",
            "Who knows which is meant?",
            |payload| format!("{payload}{{}}"),
        ),
        layered("no-signature", "The layer carries none.", |layer| {
            layer["annotations"] = json!({});
        }),
        layered("signature-no-base64", "It cannot be read.", |layer| {
            let text = layer["annotations"][SIGNATURE].as_str().unwrap();
            layer["annotations"][SIGNATURE] = format!(" {text}").into();
        }),
        refused(
            "signatures-exchanged",
            "Each is of the other layer.",
            SIGNED,
        )
        .tagged(&[
            Simple {
                edit_message: |_| annotated("prod").payload_of_the_image(),
                ..simple()
            },
            Simple {
                edit_message: |_| simple().payload_of_the_image(),
                ..annotated("prod").named("annotated")
            },
        ]),
        refused(
            "payload-altered",
            "The registry serves another payload.",
            SIGNED,
        )
        .tagged(&[simple()])
        .with(|case| {
            let (named, served) = ("payload.blob.json", "image-config.blob.json");
            case.altered.insert(named.to_owned(), served.to_owned());
        }),
        refused("index-at-the-tag", "No signature is an index.", SIGNED)
            .counting_legacy()
            .at_tag("image.manifest.json", "listing.manifest.json")
            .listing("listing.manifest.json"),
    ])
}

impl Simple {
    fn payload_of_the_image(&self) -> Vec<u8> {
        let image = Story::new("", "").digest("image.manifest.json");
        self.payload(&image).into_bytes()
    }
}

impl Story {
    fn listing(mut self, file: &str) -> Self {
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []});
        self.put(file, pretty(&index));
        self
    }
}

/// A payload that says the same in both formats, whoever reads it.
fn of_both_formats(payload: &str) -> String {
    let mut payload: Value = serde_json::from_str(payload).unwrap();
    let digest = payload["critical"]["image"]["docker-manifest-digest"].clone();
    let hex = digest
        .as_str()
        .unwrap()
        .trim_start_matches("sha256:")
        .to_owned();
    payload["_type"] = STATEMENT_V1.into();
    payload["predicateType"] = IMAGE_SIGNATURE.into();
    payload["predicate"] = json!({});
    payload["subject"] = json!([{"name": REPOSITORY, "digest": {"sha256": hex}}]);
    sorted(payload).to_string()
}

/// A signature of one format is none of the other, over the same payload by the same key.
pub(super) fn crossed() -> Vec<Story> {
    let both = || Simple {
        edit_payload: |payload| of_both_formats(&payload),
        ..simple()
    };
    let bundle = || Signing {
        edit_payload: |payload| {
            let mut payload: Value = serde_json::from_str(&payload).unwrap();
            let hex = payload["subject"][0]["digest"]["sha256"].take();
            let image = Digest::parse(&format!("sha256:{}", hex.as_str().unwrap())).unwrap();
            of_both_formats(&simple().payload(&image))
        },
        ..release()
    };
    of_cosign_signatures(vec![
        verified(
            "payload-of-both-formats",
            "Members that are not known are ignored.",
        )
        .tagged(&[both()]),
        verified(
            "envelope-of-both-formats",
            "Members that are not known are ignored.",
        )
        .counting_legacy()
        .signed(&bundle()),
        refused(
            "signed-as-an-envelope",
            "The signature is over the encoding of an envelope.",
            "verified--payload-of-both-formats",
        )
        .tagged(&[Simple {
            edit_message: |payload| pre_authentication_encoding(IN_TOTO_PAYLOAD_TYPE, &payload),
            ..both()
        }]),
        refused(
            "sealed-in-an-envelope",
            "The signature is over the bare payload.",
            "verified--envelope-of-both-formats",
        )
        .counting_legacy()
        .signed(&Signing {
            edit_signature: |signature| {
                let payload = String::from_utf8(simple().payload_of_the_image()).unwrap();
                *signature = Key::Release.sign(of_both_formats(&payload).as_bytes());
            },
            ..bundle()
        }),
        refused(
            "encoding-as-a-payload",
            "What an envelope signs is no payload.",
            "verified--payload-of-both-formats",
        )
        .tagged(&[Simple {
            edit_payload: |payload| {
                let payload = of_both_formats(&payload);
                let encoded = pre_authentication_encoding(IN_TOTO_PAYLOAD_TYPE, payload.as_bytes());
                String::from_utf8(encoded).unwrap()
            },
            ..simple()
        }]),
    ])
}

pub(super) fn crowded() -> Vec<Story> {
    let limited = |story: Story, name: &str, limit: usize| {
        let name = name.to_owned();
        story.with(|case| {
            case.limits.insert(name, limit);
        })
    };
    // Before the good one, in whatever order signatures are read.
    let earlier = || Simple {
        edit_signature: |signature| signature[5..].fill(0),
        ..simple()
    };
    let repeated = |edit| Simple {
        edit_layer: edit,
        ..earlier()
    };
    // Read before the good one. Both keys would be tried with it, and then nothing were left to try.
    let of_another = {
        let image = Story::new("", "").digest("image.manifest.json");
        let good = Digest::sha256(simple().payload(&image).as_bytes());
        let is_read_first =
            |about: &Digest| Digest::sha256(simple().payload(about).as_bytes()).hex() < good.hex();
        let mut others = (0..=u8::MAX).map(|number| Digest::sha256(&[number]));
        Simple {
            about: others.find(is_read_first),
            ..Simple::by(Key::Stranger).named("of-another")
        }
    };
    let payload = simple().payload(&Digest::sha256(b"")).len();
    of_cosign_signatures(vec![
        limited(
            verified("last-try", "A bad one and the good one: two tries.")
                .tagged(&[simple(), earlier()]),
            "signatures",
            2,
        ),
        limited(
            refused(
                "signatures-too-many",
                "A good one may be among those that were not tried.",
                "verified--last-try",
            )
            .tagged(&[simple(), earlier()]),
            "signatures",
            1,
        ),
        limited(
            verified("among-repeated", "A bad one that is repeated is one.").tagged(&[
                earlier(),
                earlier(),
                earlier(),
                simple(),
            ]),
            "signatures",
            2,
        ),
        limited(
            verified(
                "among-repeated-with-other-stamps",
                "What is stamped otherwise is one too.",
            )
            .trusting(Key::Review)
            .tagged(&[
                repeated(|layer| {
                    layer["annotations"]["dev.sigstore.cosign/rfc3161timestamp"] = "{}".into();
                }),
                repeated(|layer| {
                    layer["annotations"]["dev.sigstore.cosign/rfc3161timestamp"] = "{".into();
                }),
                earlier(),
                simple(),
            ]),
            "signatures",
            4,
        ),
        limited(
            verified(
                "among-those-of-another-image",
                "What names the image is tried before.",
            )
            .trusting(Key::Review)
            .tagged(&[of_another.clone(), simple()]),
            "signatures",
            2,
        ),
        limited(
            verified("layers-at-the-limit", "They are read.").tagged(&[simple(), earlier()]),
            "layers",
            2,
        ),
        limited(
            refused(
                "layers-too-many",
                "Another reader may read others of them.",
                "verified--layers-at-the-limit",
            )
            .tagged(&[simple(), earlier()]),
            "layers",
            1,
        ),
        limited(
            verified("payload-as-large-as-allowed", "It is read.").tagged(&[simple()]),
            "simpleSigning",
            payload,
        ),
        limited(
            refused(
                "payload-too-large",
                "One byte more than is read.",
                "verified--payload-as-large-as-allowed",
            )
            .tagged(&[simple()]),
            "simpleSigning",
            payload - 1,
        ),
        limited(
            verified("payloads-as-large-as-allowed-together", "Both are read.")
                .tagged(&[of_another.clone(), simple()]),
            "simpleSignings",
            2 * payload,
        ),
        limited(
            refused(
                "payloads-too-large-together",
                "One byte more than is read: the good one is left out.",
                "verified--payloads-as-large-as-allowed-together",
            )
            .tagged(&[of_another, simple()]),
            "simpleSignings",
            2 * payload - 1,
        ),
    ])
}

/// Whoever moves the tag takes nothing from what the registry lists, nor the other way round.
pub(super) fn beside() -> Vec<Story> {
    let bundled = |case: &str, about: &str| verified(case, about).signed(&release());
    let without_one_try = |story: Story| {
        story.with(|case| {
            case.limits.insert("signatures".to_owned(), 1);
        })
    };
    let failing = |story: Story| {
        let tag = "tag image.manifest.json".to_owned();
        story.counting_legacy().with(|case| {
            case.faults.insert(tag, Fault::Throttled);
        })
    };
    let dated_bundle = |case: &str, about: &str| {
        dated(verified(case, about))
            .signed(&release())
            .signed(&publication())
    };
    of_cosign_signatures(vec![
        bundled("bundle-beside-a-tag", "The tag holds junk.").tagged(&[
            Simple::by(Key::Stranger),
            Simple {
                edit_payload: |_| "{".to_owned(),
                ..simple().named("damaged")
            },
            Simple {
                edit_layer: |layer| layer["annotations"] = json!({}),
                ..simple().named("unsigned")
            },
        ]),
        failing(bundled(
            "bundle-beside-a-tag-that-fails",
            "Nobody needs it.",
        )),
        without_one_try(
            verified(
                "bundle-without-a-hint-beside-junk",
                "Each format has its own tries.",
            )
            .signed(&Signing {
                hint: Some(String::new()),
                ..release()
            })
            .tagged(&[unreadable("payload")]),
        ),
        without_one_try(
            verified("tag-beside-junk", "Each format has its own tries.")
                .signed(&broken("bad-signature"))
                .tagged(&[simple()]),
        ),
        failing(dated_bundle(
            "dated-beside-a-tag-that-fails",
            "A tag of signatures says no date.",
        )),
        dated_bundle(
            "dated-beside-a-damaged-tag",
            "A tag of signatures says no date.",
        )
        .counting_legacy()
        .at_tag("image.manifest.json", "damaged.manifest.json")
        .damaged("damaged.manifest.json"),
        dated(refused(
            "no-date",
            "It never says when it was published.",
            DATED_BESIDE,
        ))
        .tagged(&[simple()]),
        failing(
            dated(refused(
                "no-date-and-a-tag-that-fails",
                "Whatever is at the tag, it would prove no date.",
                DATED_BESIDE,
            ))
            .signed(&release()),
        ),
    ])
}

const DATED_BESIDE: &str = "verified--dated-beside-a-tag-that-fails";

impl Story {
    /// What is no manifest, under this name.
    fn damaged(mut self, file: &str) -> Self {
        self.put(file, "{\"schemaVersion\": 1}");
        self
    }
}

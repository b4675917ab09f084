//! Signatures of cosign before version 3, where they are asked for.

use serde_json::json;

use super::{refused, release};
use crate::{
    case::{Choice, RevocationDocument, RoleName, TermDocument},
    signing::{Key, Signing, pretty},
    simple::{Simple, TAGGED, manifest},
    stamping::{AFTER, Tsa},
    story::Story,
    world::Fault,
};

pub(super) const SIGNED: &str = "verified--signed";

pub(super) fn simple() -> Simple {
    Simple::by(Key::Release)
}

pub(super) fn verified(case: &str, about: &str) -> Story {
    Story::new(&format!("verified--{case}"), about)
}

pub(super) fn unreadable(name: &str) -> Simple {
    Simple {
        edit_signature: |signature| *signature.last_mut().unwrap() ^= 1,
        ..simple().named(name)
    }
}

pub(super) fn of_cosign_signatures(stories: Vec<Story>) -> Vec<Story> {
    let stories = stories.into_iter();
    stories.map(Story::of_cosign_signatures).collect()
}

pub(super) fn annotated(env: &'static str) -> Simple {
    Simple {
        optional: json!({"env": env, "build": {"number": 7}}),
        ..simple()
    }
}

fn demanding(story: Story, env: &str) -> Story {
    let env = env.to_owned();
    story.with(|case| {
        case.demand.annotations.insert("env".to_owned(), env);
    })
}

pub(super) fn counted() -> Vec<Story> {
    let pair = "verified--two-of-two";
    let two = |story: Story| {
        story
            .trusting(Key::Review)
            .with(|case| case.demand.threshold = 2.try_into().unwrap())
    };
    of_cosign_signatures(vec![
        verified("signed", "A trusted key signed the image.").tagged(&[simple()]),
        verified("signed-with-rsa", "The same with RSA, PKCS#1 v1.5.")
            .trusting_only(Key::Rsa)
            .tagged(&[Simple::by(Key::Rsa)]),
        refused("not-asked-for", "Nobody looks at the tag.", SIGNED)
            .tagged(&[simple()])
            .with(|case| case.demand.legacy = false),
        refused("nothing-there", "There is no such tag.", SIGNED).counting_legacy(),
        refused(
            "signed-by-a-stranger",
            "The key is nobody's who is trusted.",
            SIGNED,
        )
        .tagged(&[Simple::by(Key::Stranger)]),
        refused(
            "signed-by-a-certificate",
            "A certificate is no trusted key.",
            SIGNED,
        )
        .tagged(&[Simple {
            edit_layer: |layer| {
                layer["annotations"]["dev.sigstore.cosign/certificate"] =
                    "-----BEGIN CERTIFICATE-----".into();
            },
            ..simple()
        }]),
        refused(
            "one-bit-of-the-signature",
            "The last bit is flipped.",
            SIGNED,
        )
        .tagged(&[unreadable("payload")]),
        refused("demonstration-key", "Anybody may have it.", SIGNED).tagged(&[Simple {
            optional: json!({"dev.countersign.stand-in": "true"}),
            ..simple()
        }]),
        demanding(
            verified("annotated", "What was signed besides is what is demanded.")
                .tagged(&[annotated("prod")]),
            "prod",
        ),
        demanding(
            refused(
                "annotated-otherwise",
                "It is another value.",
                "verified--annotated",
            )
            .tagged(&[annotated("test")]),
            "prod",
        ),
        two(verified("two-of-two", "Two keys signed one payload."))
            .tagged(&[simple(), Simple::by(Key::Review)]),
        two(verified(
            "one-of-each-format",
            "One signed as cosign does today.",
        ))
        .tagged(&[simple()])
        .signed(&Signing::by(Key::Review)),
        two(refused(
            "one-key-in-two-formats",
            "A key that signs twice is one key.",
            pair,
        ))
        .tagged(&[simple()])
        .signed(&release()),
        verified(
            "as-a-referrer",
            "An experiment of cosign 2 lists it as a referrer.",
        )
        .referring(&[simple()]),
        refused(
            "as-a-referrer-of-two",
            "What is listed has one signature each.",
            "verified--as-a-referrer",
        )
        .referring(&[simple(), Simple::by(Key::Review)]),
        refused(
            "as-a-referrer-not-asked-for",
            "What is listed is a foreign artifact.",
            "verified--as-a-referrer",
        )
        .referring(&[simple()])
        .with(|case| case.demand.legacy = false),
        verified(
            "child-by-a-tag-of-its-index",
            "The index that leads to the image is signed.",
        )
        .indexed(|_| ())
        .with(|case| case.demand.platform = Some("linux/amd64".to_owned()))
        .tagged_for("index.manifest.json", TAGGED, &[simple()]),
        recursive("verified--with-all-children").tagged_for(
            "other-child.manifest.json",
            "other.manifest.json",
            &[simple().named("other")],
        ),
        recursive("refused--without-one-child").twin("verified--with-all-children"),
    ])
}

/// An index and one of its children, with a tag each.
fn recursive(name: &str) -> Story {
    Story::new(name, "Each is signed at a tag of its own.")
        .indexed(|_| ())
        .with(|case| case.demand.recursive = true)
        .tagged_for(
            "index.manifest.json",
            "of-index.manifest.json",
            &[simple().named("of-index")],
        )
        .tagged(&[simple()])
}

impl Story {
    /// The same beside the image, in the registry's list.
    pub(crate) fn referring(mut self, signatures: &[Simple]) -> Self {
        let image = self.descriptor("image.manifest.json");
        let mut layers = Vec::new();
        for signature in signatures {
            let (layer, payload) = signature.layer(&image.digest);
            layers.push(layer);
            self.put(&format!("{}.blob.json", signature.name), payload);
        }
        let mut referrer = manifest(&layers);
        referrer["subject"] = json!(image);
        referrer["artifactType"] = "application/vnd.dev.cosign.artifact.sig.v1+json".into();
        self.put(TAGGED, pretty(&referrer));
        self.counting_legacy()
    }
}

pub(super) fn named() -> Vec<Story> {
    let naming = |reference| Simple {
        reference,
        ..simple()
    };
    let demanded = |story: Story| story.with(|case| case.demand.unbound = Choice::Refused);
    let bound = "verified--for-this-repository";
    of_cosign_signatures(vec![
        verified(
            "for-another-repository",
            "It is said, since nobody compared it before.",
        )
        .tagged(&[naming("registry.example/other\u{1b}[2J")]),
        verified("for-no-repository", "It is said.").tagged(&[naming("")]),
        demanded(verified(
            "for-this-repository",
            "It is demanded, and there.",
        ))
        .tagged(&[simple()]),
        demanded(verified(
            "for-this-repository-by-a-tag",
            "Podman names the tag too.",
        ))
        .tagged(&[naming("registry.example/shop/api:1.4.2")]),
        demanded(refused(
            "repository-mismatch",
            "It is demanded, and another.",
            bound,
        ))
        .tagged(&[naming("registry.example/other")]),
        demanded(refused(
            "repository-of-another-host",
            "A path is no repository.",
            bound,
        ))
        .tagged(&[naming("shop/api")]),
        demanded(refused(
            "repository-unbound",
            "It is demanded, and there is none.",
            bound,
        ))
        .tagged(&[naming("")]),
        demanded(verified(
            "mirrored",
            "It was signed where it was copied from.",
        ))
        .with(|case| case.signed_repository = Some("registry.example/origin".to_owned()))
        .tagged(&[naming("registry.example/origin")]),
    ])
}

pub(super) fn undecided() -> Vec<Story> {
    let failing = |case: &str, about: &str, request: &str, fault: Fault| {
        let request = request.to_owned();
        Story::new(&format!("undecided--{case}"), about)
            .twin(SIGNED)
            .tagged(&[simple()])
            .with(|case| {
                case.faults.insert(request, fault);
            })
    };
    let (tag, payload) = ("tag image.manifest.json", "blob payload.blob.json");
    of_cosign_signatures(vec![
        failing("tag-throttled", "It may be there.", tag, Fault::Throttled),
        failing(
            "tag-denied",
            "Nor is denied access an absence.",
            tag,
            Fault::Denied,
        ),
        failing(
            "payload-absent",
            "What a manifest names must be there.",
            payload,
            Fault::Absent,
        ),
        failing(
            "payload-timed-out",
            "It may be signed.",
            payload,
            Fault::TimedOut,
        ),
    ])
}

pub(super) fn retired() -> Vec<Story> {
    let term = TermDocument {
        not_after: Some("2026-11-24T09:30:00Z".to_owned()),
        ..TermDocument::default()
    };
    let retired = |story: Story| {
        story
            .timed_by(Tsa::One)
            .for_term(Key::Release, term.clone())
    };
    let stamped = |edit_layer| Simple {
        stamp: Some(Tsa::One.at(AFTER)),
        edit_layer,
        ..simple()
    };
    let twin = "verified--stamped-by-a-retired-key";
    of_cosign_signatures(vec![
        retired(verified(
            "stamped-by-a-retired-key",
            "It was signed before that.",
        ))
        .tagged(&[stamped(|_| ())]),
        retired(refused(
            "unstamped-by-a-retired-key",
            "Nothing says when.",
            twin,
        ))
        .tagged(&[simple()]),
        refused(
            "stamped-by-a-compromised-key",
            "Nobody knows since when.",
            twin,
        )
        .timed_by(Tsa::One)
        .for_term(
            Key::Release,
            TermDocument {
                revoked: Some(RevocationDocument::Compromised { at: None }),
                ..TermDocument::default()
            },
        )
        .tagged(&[stamped(|_| ())]),
        refused(
            "signed-by-a-key-for-publishing",
            "The key may publish, and not sign images.",
            SIGNED,
        )
        .trusting(Key::Review)
        .in_roles(Key::Release, &[RoleName::Publish])
        .tagged(&[simple()]),
        retired(refused(
            "stamp-of-a-retired-key-unreadable",
            "Nothing says when.",
            twin,
        ))
        .tagged(&[stamped(|layer| {
            layer["annotations"]["dev.sigstore.cosign/rfc3161timestamp"] = "{}".into();
        })]),
    ])
}

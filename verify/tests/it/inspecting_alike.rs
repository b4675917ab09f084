//! What is shown as trusted is what verifiers would take: with the same tries, the same copies, the same length, and what is
//! known of the key that made a signature.

use base64::{Engine, prelude::BASE64_STANDARD};
use countersign_common::{Descriptor, manifest::OCI_MANIFEST, predicate::PredicateType};
use countersign_verify::{
    Verifier,
    inspect::{Inspection, Judge, Question, Standing},
};
use serde_json::json;

use crate::{
    case::{RevocationDocument, TermDocument},
    fixtures::outcome,
    inspecting::{ask, document, entries, inspected, question, signed, trusted},
    signing::{Key, REPOSITORY, Signing},
    stamping::{BEFORE, Tsa},
    story::Story,
};

fn with_tries(story: Story, signatures: usize) -> Story {
    story.with(|case| {
        case.limits.insert("signatures".to_owned(), signatures);
    })
}

/// With a bound of its own on what a verifier fetches.
fn judged(story: &Story, edit: impl FnOnce(&mut Verifier)) -> Inspection {
    let mut verifier = story.verifier();
    edit(&mut verifier);
    let question = Question {
        judge: Judge::By(Box::new(verifier)),
        ..question(story)
    };
    ask(story, &story.world(), &question)
}

#[test]
fn copies_of_one_document_use_the_tries_of_no_other_up() {
    let mut story = signed().trusting(Key::Review);
    for copy in ["a", "b", "c"] {
        story = story.signed(&Signing::by(Key::Release).named(copy));
    }
    story = with_tries(story.signed(&Signing::by(Key::Review)), 2);
    story = story.with(|case| case.demand.threshold = 2.try_into().unwrap());
    assert_eq!(outcome(&story.verify()), "verified");
    assert_eq!(trusted(&inspected(&story)), 5);
    assert_eq!(trusted(&inspected(&with_tries(story, 1))), 4);
}

#[test]
fn the_stamps_of_all_copies_prove_the_date_of_each() {
    let halves = Signing::publication(Key::Release).stamped([Tsa::One.at(BEFORE)], []);
    let whole = Signing::publication(Key::Release).named("whole");
    let story = Story::new("", "").timed_by(Tsa::One).signed(&halves);
    let remarks = |story: &Story| -> Vec<usize> {
        let inspection = inspected(story);
        let entries = entries(&inspection);
        let remarks = entries.into_iter().map(|entry| match &entry.standing {
            Standing::Trusted(vouched) => vouched.remarks.len(),
            other => panic!("{other:?}"),
        });
        remarks.collect()
    };
    assert_eq!(remarks(&story), [1]);
    assert_eq!(remarks(&story.signed(&whole)), [0, 0]);
}

#[test]
fn each_type_of_attestation_and_each_subject_has_tries_of_its_own() {
    let attestation =
        |predicate_type, name: &str| Signing::attestation(Key::Release, predicate_type).named(name);
    let story = signed()
        .signed(&attestation("https://slsa.dev/provenance/v1", "provenance"))
        .signed(&attestation("https://spdx.dev/Document", "bill"))
        .signed_for(
            "release-signature.manifest.json",
            &Signing::by(Key::Release).named("of-the-signature"),
        );
    assert_eq!(trusted(&inspected(&with_tries(story, 1))), 4);
}

#[test]
fn a_signature_that_is_too_long_for_verifiers_is_not_trusted() {
    let story = signed().signed(&Signing::attestation(
        Key::Release,
        "https://slsa.dev/provenance/v1",
    ));
    let long = |name: &str| story.files[&format!("{name}.blob.json")].len();
    let (signature, attestation) = (long("release-signature"), long("release-attestation"));
    assert!(signature < attestation);
    let with_limit = |limit: usize| judged(&story, |verifier| verifier.limits.bundle = limit);
    // A verifier that is asked for the attestation fetches it.
    assert_eq!(trusted(&with_limit(signature)), 2);
    let inspection = with_limit(signature - 1);
    assert_eq!(trusted(&inspection), 1);
    let is_long = |standing: &Standing| matches!(standing, Standing::Untrusted(why) if why.code.as_str() == "too-large");
    let long = entries(&inspection).into_iter();
    assert_eq!(long.filter(|entry| is_long(&entry.standing)).count(), 1);
    // And then the signature, too.
    let asked = judged(&story, |verifier| {
        verifier.limits.bundle = signature - 1;
        let kind: PredicateType = "https://slsa.dev/provenance/v1".parse().unwrap();
        verifier.demand.attestations.insert(kind);
    });
    assert_eq!(trusted(&asked), 2);
}

/// An image with a signature as cosign made them before version 3.
fn signed_before() -> Story {
    let mut story = Story::new("", "");
    let image = story.descriptor("image.manifest.json");
    let payload = json!({
        "critical": {
            "identity": { "docker-reference": REPOSITORY },
            "image": { "docker-manifest-digest": image.digest },
            "type": "cosign container image signature",
        },
        "optional": null,
    });
    let payload = payload.to_string();
    let simple = "application/vnd.dev.cosign.simplesigning.v1+json";
    let mut layer = json!(Descriptor::of(simple, payload.as_bytes()));
    let signature = BASE64_STANDARD.encode(Key::Release.sign(payload.as_bytes()));
    layer["annotations"] = json!({ "dev.cosignproject.cosign/signature": signature });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": simple,
        "config": Descriptor::of("c", b""), "layers": [layer], "subject": image,
    });
    story.put("old.manifest.json", manifest.to_string());
    story.put("old.blob.json", payload);
    story
}

#[test]
fn of_a_signature_that_is_not_verified_it_is_said_what_became_of_its_key() {
    let told = |story: &Story| {
        let entry = &document(&inspected(story))["subject"]["attached"][0]["entries"][0];
        let told = ["standing", "madeBy"].map(|member| entry[member].as_str().map(str::to_owned));
        assert_eq!(told[0].as_deref(), Some("not-verified-here"), "{entry}");
        assert_eq!(told[1].as_deref(), Some("release.pub"), "{entry}");
        entry["reason"]["code"].as_str().map(str::to_owned)
    };
    assert_eq!(told(&signed_before()), None);
    let retired = TermDocument {
        not_after: Some("2026-01-01T00:00:00Z".to_owned()),
        ..TermDocument::default()
    };
    let retired = signed_before().for_term(Key::Release, retired);
    assert_eq!(told(&retired), None, "it was in use once");
    let stolen = TermDocument {
        revoked: Some(RevocationDocument::Compromised { at: None }),
        ..TermDocument::default()
    };
    let stolen = signed_before().for_term(Key::Release, stolen);
    assert_eq!(told(&stolen).as_deref(), Some("key-compromised"));
    let demonstration = signed_before().with(|case| case.demonstration = case.trusted.clone());
    assert_eq!(told(&demonstration).as_deref(), Some("stand-in-key"));
}

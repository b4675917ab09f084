//! One signed document at a time: read, then judged step by step.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use countersign_common::{
    Code, Descriptor, Digest, Explain, ImageRef, Limits, Manifest, PublicKey,
    bundle::MEDIA_TYPE,
    dsse::{IN_TOTO_PAYLOAD_TYPE, pre_authentication_encoding},
    manifest::{Body, EMPTY_CONFIG, ImageBody, OCI_MANIFEST},
    publication::PUBLICATION,
    signer::KeyOrigin,
    statement::{IMAGE_SIGNATURE, STAND_IN_ANNOTATION, STATEMENT_V0_1, STATEMENT_V1},
};
use countersign_trust_roots::{
    Authorities, Authority, Role,
    authority::NoAuthority,
    document::{Budget, Expected, Kind, Refusal, StandIn, Unbound, authenticity, binding, judge},
    format::{self, Claim, Fetched, Format, ReadError, Reader},
};
use p256::{
    ecdsa::{Signature, SigningKey, signature::Signer as _},
    pkcs8::EncodePublicKey as _,
};
use serde_json::{Value, json};

const REPOSITORY: &str = "registry.example/shop/api";

fn signing_key(number: u8) -> SigningKey {
    SigningKey::from_slice(&[number; 32]).unwrap()
}

fn public(number: u8) -> PublicKey {
    let spki = signing_key(number)
        .verifying_key()
        .to_public_key_der()
        .unwrap();
    PublicKey::from_spki_der(spki.as_bytes()).unwrap()
}

fn authority(number: u8) -> Authority {
    Authority::unlimited(format!("key-{number}"), public(number), KeyOrigin::Kms)
}

fn trusting(numbers: &[u8]) -> Authorities {
    Authorities::new(numbers.iter().map(|number| authority(*number))).unwrap()
}

fn image() -> Digest {
    Digest::sha256(b"image")
}

fn statement() -> Value {
    json!({
        "_type": STATEMENT_V1,
        "subject": [{"name": REPOSITORY, "digest": {"sha256": image().hex()}}],
        "predicateType": IMAGE_SIGNATURE,
    })
}

fn bundle(number: u8, hint: &str, statement: &Value) -> Value {
    let payload = statement.to_string();
    let signed: Signature = signing_key(number).sign(&pre_authentication_encoding(
        IN_TOTO_PAYLOAD_TYPE,
        payload.as_bytes(),
    ));
    json!({
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": {"publicKey": {"hint": hint}},
        "dsseEnvelope": {
            "payload": BASE64_STANDARD.encode(payload),
            "payloadType": IN_TOTO_PAYLOAD_TYPE,
            "signatures": [{"sig": BASE64_STANDARD.encode(signed.to_der().as_bytes())}],
        },
    })
}

fn artifact(artifact_type: &str, layers: &[&str]) -> Manifest {
    let layers: Vec<_> = layers
        .iter()
        .map(|kind| Descriptor::of(kind, b"{}"))
        .collect();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": Descriptor::of(EMPTY_CONFIG, b"{}"),
        "layers": layers,
    });
    Manifest::parse(manifest.to_string().into(), None, None, &Limits::TABLE).unwrap()
}

fn body(manifest: &Manifest) -> &ImageBody {
    match manifest.body() {
        Body::Image(body) => body,
        Body::Index(_) => panic!("an index"),
    }
}

fn reader(manifest: &Manifest) -> Option<&'static Reader> {
    format::reader(body(manifest), &[Format::SigstoreBundle])
}

fn read(bundle: &Value) -> Result<Vec<Claim>, ReadError> {
    let manifest = artifact(MEDIA_TYPE, &[MEDIA_TYPE]);
    let blob = Bytes::from(bundle.to_string());
    let fetched = Fetched {
        manifest: &manifest,
        layers: &[0],
        blob: &blob,
    };
    (reader(&manifest).unwrap().read)(&fetched, &Limits::TABLE)
}

#[track_caller]
fn claim(bundle: &Value) -> Claim {
    let mut claims = read(bundle).unwrap();
    assert_eq!(claims.len(), 1);
    claims.remove(0)
}

fn signed_by(number: u8) -> Claim {
    claim(&bundle(number, &public(number).hint(), &statement()))
}

fn says(edit: impl FnOnce(&mut Value)) -> Claim {
    let mut statement = statement();
    edit(&mut statement);
    claim(&bundle(1, &public(1).hint(), &statement))
}

fn expected() -> Expected {
    Expected {
        subject: Descriptor::of(OCI_MANIFEST, b"image"),
        repository: ImageRef::parse(REPOSITORY).unwrap().repository().clone(),
        annotations: BTreeMap::new(),
        unbound: Unbound::Refused,
        stand_in: StandIn::Refused,
    }
}

/// The name of whoever signed, and how many tries that took.
fn authentic(claim: &Claim, authorities: &Authorities, tries: usize) -> Result<String, Refusal> {
    judge(&expected(), authorities, |case| {
        let mut budget = Budget::of(tries);
        authenticity::check(case, claim, &mut budget)
            .and_then(|authentic| binding::check(authentic, &Kind::ImageSignature))
            .map(|bound| bound.authority().name.clone())
    })
}

fn bound(claim: &Claim, expected: &Expected) -> Result<(), Refusal> {
    bound_as(&Kind::ImageSignature, claim, expected)
}

fn bound_as(kind: &Kind, claim: &Claim, expected: &Expected) -> Result<(), Refusal> {
    judge(expected, &trusting(&[1]), |case| {
        let authentic = authenticity::check(case, claim, &mut Budget::of(1))?;
        binding::check(authentic, kind).map(|_| ())
    })
}

#[track_caller]
fn code<T: std::fmt::Debug, E: Explain + std::fmt::Debug>(result: Result<T, E>) -> &'static str {
    Code::as_str(result.unwrap_err().code())
}

#[test]
fn authorities_are_distinct_keys_and_never_none() {
    assert_eq!(Authorities::new([]), Err(NoAuthority));
    let twice = [1, 2, 1].map(authority);
    let alias = Authority {
        name: "alias".to_owned(),
        ..authority(1)
    };
    let authorities = Authorities::new(twice.into_iter().chain([alias])).unwrap();
    assert_eq!(authorities.count(), 2);
    assert_eq!(authorities.with_key(public(1).id()).unwrap().name, "key-1");
    assert_eq!(authorities.with_key(public(3).id()), None);
}

#[test]
fn a_hint_settles_which_key_is_tried() {
    let both = trusting(&[1, 2]);
    assert_eq!(authentic(&signed_by(2), &both, 1).unwrap(), "key-2");
    let lying = claim(&bundle(2, &public(1).hint(), &statement()));
    assert!(
        matches!(authentic(&lying, &both, 9), Err(Refusal::SignatureInvalid { key }) if key == "key-1")
    );
}

#[test]
fn a_foreign_hint_costs_no_try() {
    let foreign = signed_by(3);
    assert!(matches!(
        authentic(&foreign, &trusting(&[1, 2]), 0),
        Err(Refusal::KeyUnknown { signer, trusted }) if signer.contains(&public(3).hint()) && trusted.len() == 2
    ));
    let by_name = claim(&bundle(1, &public(3).hint(), &statement()));
    assert_eq!(code(authentic(&by_name, &trusting(&[1]), 1)), "key-unknown");
}

#[test]
fn without_a_hint_each_key_is_tried_and_each_try_is_paid() {
    for hint in ["", "release", "Cg=="] {
        let claim = claim(&bundle(3, hint, &statement()));
        assert_eq!(
            authentic(&claim, &trusting(&[1, 2, 3]), 3).unwrap(),
            "key-3",
            "{hint}"
        );
        assert_eq!(
            code(authentic(&claim, &trusting(&[1, 2, 3]), 2)),
            "signatures-too-many"
        );
        assert!(matches!(
            authentic(&claim, &trusting(&[1, 2]), 2),
            Err(Refusal::KeyUnknown { signer, .. }) if signer.is_empty()
        ));
    }
}

fn in_role(number: u8, role: Role) -> Authority {
    Authority {
        roles: [role].into(),
        ..authority(number)
    }
}

#[test]
fn a_key_of_another_role_is_named_and_costs_no_try() {
    for role in [Role::Publish, Role::Heartbeat] {
        let other = Authorities::new([in_role(1, role), authority(2)]).unwrap();
        assert_eq!(
            authentic(&signed_by(1), &other, 0),
            Err(Refusal::RoleNotAuthorized {
                key: "key-1".to_owned(),
                role: Role::Sign
            })
        );
        judge(&expected(), &other, |case| {
            assert!(!authenticity::names_trusted_key(case, &signed_by(1)));
        });
    }
    let signer = Authorities::new([in_role(1, Role::Sign)]).unwrap();
    assert_eq!(authentic(&signed_by(1), &signer, 1).unwrap(), "key-1");
}

#[test]
fn only_keys_of_the_role_are_tried_and_named() {
    let authorities = [
        in_role(1, Role::Publish),
        in_role(2, Role::Heartbeat),
        in_role(3, Role::Sign),
    ];
    let authorities = Authorities::new(authorities).unwrap();
    let nameless = |number| claim(&bundle(number, "", &statement()));
    assert_eq!(authentic(&nameless(3), &authorities, 1).unwrap(), "key-3");
    for unknown in [nameless(1), signed_by(4)] {
        assert!(matches!(
            authentic(&unknown, &authorities, 1),
            Err(Refusal::KeyUnknown { trusted, .. })
                if trusted.len() == 1 && trusted[0].starts_with("key-3")
        ));
    }
    let nobody = Authorities::new([in_role(1, Role::Publish)]).unwrap();
    let refusal = authentic(&nameless(1), &nobody, 1).unwrap_err();
    assert!(refusal.to_string().ends_with("trusted: none"), "{refusal}");
}

/// The role follows from what a document says that it is; binding then holds that against what was asked for.
#[test]
fn a_publication_takes_the_role_to_publish_even_where_another_kind_is_asked_for() {
    let publication = says(|statement| {
        statement["predicateType"] = PUBLICATION.into();
        statement["predicate"] = json!({
            "repository": REPOSITORY, "mediaType": OCI_MANIFEST, "size": 5,
            "claimedAt": "2026-11-24T09:00:00Z",
        });
    });
    for (role, expected) in [
        (Role::Sign, "role-not-authorized"),
        (Role::Publish, "type-mismatch"),
    ] {
        let authorities = Authorities::new([in_role(1, role)]).unwrap();
        assert_eq!(code(authentic(&publication, &authorities, 1)), expected);
    }
}

#[test]
fn a_budget_is_spent_once() {
    let (good, authorities, expected) = (signed_by(1), trusting(&[1]), expected());
    judge(&expected, &authorities, |case| {
        let mut budget = Budget::of(2);
        for _ in 0..2 {
            let _ = authenticity::check(case, &good, &mut budget).unwrap();
        }
        assert_eq!(
            code(authenticity::check(case, &good, &mut budget)),
            "signatures-too-many"
        );
    });
}

#[test]
fn a_certificate_names_nobody_who_is_trusted() {
    let mut bundle = bundle(1, "", &statement());
    bundle["verificationMaterial"] = json!({"certificate": {"rawBytes": "MAA="}});
    let claim = claim(&bundle);
    assert!(matches!(
        authentic(&claim, &trusting(&[1]), 1),
        Err(Refusal::KeyUnknown { signer, .. }) if signer == "a certificate"
    ));
}

#[test]
fn only_a_hint_of_a_trusted_key_is_tried_first() {
    let names_trusted = |claim: &Claim| {
        judge(&expected(), &trusting(&[1]), |case| {
            authenticity::names_trusted_key(case, claim)
        })
    };
    assert!(names_trusted(&signed_by(1)));
    assert!(!names_trusted(&signed_by(2)));
    assert!(!names_trusted(&claim(&bundle(1, "", &statement()))));
}

#[test]
fn a_statement_of_another_kind_is_no_signature() {
    bound(&says(|_| ()), &expected()).unwrap();
    let attestation =
        says(|statement| statement["predicateType"] = "https://spdx.dev/Document".into());
    assert_eq!(code(bound(&attestation, &expected())), "type-mismatch");
    let spdx = Kind::Attestation("spdx".parse().unwrap());
    bound_as(&spdx, &attestation, &expected()).unwrap();
    for kind in [&spdx, &Kind::Publication] {
        assert_eq!(
            code(bound_as(kind, &says(|_| ()), &expected())),
            "type-mismatch"
        );
    }
    let older = says(|statement| statement["_type"] = STATEMENT_V0_1.into());
    assert_eq!(code(bound(&older, &expected())), "type-mismatch");
    let older = says(|statement| {
        statement["_type"] = STATEMENT_V0_1.into();
        statement["predicateType"] = "https://spdx.dev/Document".into();
    });
    bound_as(&spdx, &older, &expected()).unwrap();
}

#[test]
fn the_digest_of_any_subject_decides() {
    let other = Digest::sha256(b"other");
    let of_other =
        says(|statement| statement["subject"][0]["digest"]["sha256"] = other.hex().into());
    assert!(matches!(
        bound(&of_other, &expected()),
        Err(Refusal::SubjectMismatch { found: Some(found), .. }) if found == other
    ));
    let second = says(|statement| {
        let wanted = statement["subject"][0].clone();
        statement["subject"] = json!([{"name": "a", "digest": {"sha256": other.hex()}}, wanted]);
    });
    bound(&second, &expected()).unwrap();
    let nothing = says(|statement| statement["subject"] = json!([]));
    assert!(matches!(
        bound(&nothing, &expected()),
        Err(Refusal::SubjectMismatch { found: None, .. })
    ));
    let short = says(|statement| {
        statement["subject"][0]["digest"]["sha256"] = image().hex().split_at(63).0.into();
    });
    assert_eq!(code(bound(&short, &expected())), "subject-mismatch");
}

#[test]
fn the_name_is_this_repository_or_nothing() {
    let named = |name: Value| says(|statement| statement["subject"][0]["name"] = name);
    for name in [
        "registry.example/shop/ap",
        "registry.example/shop/api2",
        "REGISTRY.example/shop/api",
        "shop/api",
        " ",
    ] {
        assert_eq!(
            code(bound(&named(name.into()), &expected())),
            "repository-mismatch",
            "{name}"
        );
    }
    let reported = Expected {
        unbound: Unbound::Reported,
        ..expected()
    };
    for nameless in [Value::Null, "".into()] {
        assert_eq!(
            code(bound(&named(nameless.clone()), &expected())),
            "repository-unbound"
        );
        bound(&named(nameless), &reported).unwrap();
    }
    assert_eq!(
        code(bound(&named("other".into()), &reported)),
        "repository-mismatch"
    );
}

#[test]
fn a_demonstration_key_counts_only_where_it_is_accepted() {
    let accepting = Expected {
        stand_in: StandIn::Accepted,
        ..expected()
    };
    for value in [json!("true"), json!("false"), json!(null), json!(1)] {
        let claim = says(|statement| {
            statement["subject"][0]["annotations"] = json!({STAND_IN_ANNOTATION: value});
        });
        assert_eq!(code(bound(&claim, &expected())), "stand-in-key");
        bound(&claim, &accepting).unwrap();
    }
}

#[test]
fn a_demonstration_key_is_one_whatever_it_signs() {
    let known = Authorities::new([Authority {
        origin: KeyOrigin::StandIn,
        ..authority(1)
    }])
    .unwrap();
    let (silent, refusing) = (says(|_| ()), expected());
    let accepting = Expected {
        stand_in: StandIn::Accepted,
        ..expected()
    };
    for (expected, accepted) in [(&refusing, false), (&accepting, true)] {
        judge(expected, &known, |case| {
            let authentic = authenticity::check(case, &silent, &mut Budget::of(1)).unwrap();
            assert_eq!(
                binding::check(authentic, &Kind::ImageSignature).is_ok(),
                accepted
            );
        });
    }
    let beside = says(|statement| {
        let wanted = statement["subject"][0].clone();
        statement["subject"] =
            json!([wanted, {"digest": {}, "annotations": {STAND_IN_ANNOTATION: "true"}}]);
    });
    assert_eq!(code(bound(&beside, &refusing)), "stand-in-key");
    bound(&beside, &accepting).unwrap();
}

#[test]
fn one_subject_must_be_all_that_is_demanded() {
    let subject = |name: &str, annotations: Value| json!({"name": name, "digest": {"sha256": image().hex()}, "annotations": annotations});
    let demanding = Expected {
        annotations: BTreeMap::from([("env".to_owned(), "prod".to_owned())]),
        ..expected()
    };
    let saying = |subjects: Value| says(|statement| statement["subject"] = subjects);
    let here = subject(REPOSITORY, json!({"env": "prod"}));
    let elsewhere = subject("registry.example/other", json!({"env": "prod"}));
    bound(&saying(json!([elsewhere, here])), &demanding).unwrap();
    bound(&saying(json!([here, elsewhere])), &demanding).unwrap();
    let here_without = subject(REPOSITORY, json!({}));
    assert_eq!(
        code(bound(&saying(json!([elsewhere, here_without])), &demanding)),
        "repository-mismatch"
    );
    assert_eq!(
        code(bound(&saying(json!([here_without, elsewhere])), &demanding)),
        "annotation-mismatch"
    );
}

#[test]
fn every_demanded_annotation_must_be_signed_as_demanded() {
    let demanding = Expected {
        annotations: BTreeMap::from([
            ("a".to_owned(), "1".to_owned()),
            ("b".to_owned(), "2".to_owned()),
        ]),
        ..expected()
    };
    let annotated =
        |annotations: Value| says(|statement| statement["subject"][0]["annotations"] = annotations);
    bound(
        &annotated(json!({"a": "1", "b": "2", "c": "3"})),
        &demanding,
    )
    .unwrap();
    for (annotations, missing, found) in [
        (json!({"b": "2"}), "a", None),
        (json!({"a": "1"}), "b", None),
        (json!({"a": "1", "b": "2 "}), "b", Some("2 ")),
        (json!({"a": 1, "b": "2"}), "a", None),
        (json!({"A": "1", "b": "2"}), "a", None),
    ] {
        assert!(
            matches!(
                bound(&annotated(annotations.clone()), &demanding),
                Err(Refusal::AnnotationMismatch { key, found: is, .. }) if key == missing && is.as_deref() == found
            ),
            "{annotations}"
        );
    }
}

#[test]
fn an_artifact_is_recognised_by_itself() {
    for (artifact_type, layers, recognised) in [
        (MEDIA_TYPE, vec![MEDIA_TYPE], true),
        (
            "application/vnd.dev.sigstore.bundle+json;version=0.3",
            vec!["x/y"],
            true,
        ),
        ("x/y", vec![MEDIA_TYPE], true),
        ("x/y", vec!["x/y"], false),
        (
            "application/vnd.cncf.notary.signature",
            vec!["application/jose+json"],
            false,
        ),
        ("x/y", vec![], false),
    ] {
        let manifest = artifact(artifact_type, &layers);
        assert_eq!(
            reader(&manifest).is_some(),
            recognised,
            "{artifact_type} {layers:?}"
        );
    }
}

#[test]
fn an_artifact_has_one_blob() {
    for (layers, count) in [(vec![], 0), (vec![MEDIA_TYPE; 2], 2)] {
        let manifest = artifact(MEDIA_TYPE, &layers);
        let blobs = (reader(&manifest).unwrap().blobs)(body(&manifest), &Limits::TABLE);
        assert!(
            matches!(blobs[..], [Err(ReadError::LayerCount { count: found })] if found == count)
        );
    }
    let manifest = artifact(MEDIA_TYPE, &[MEDIA_TYPE]);
    let blobs = (reader(&manifest).unwrap().blobs)(body(&manifest), &Limits::TABLE);
    assert_eq!(blobs.len(), 1);
    assert_eq!(blobs[0].as_ref().unwrap().blob.media_type, MEDIA_TYPE);
}

#[test]
fn what_cannot_be_read_says_why() {
    let good = || bundle(1, "", &statement());
    let edited = |edit: fn(&mut Value)| {
        let mut bundle = good();
        edit(&mut bundle);
        code(read(&bundle))
    };
    read(&good()).unwrap();
    assert_eq!(
        edited(|bundle| bundle["mediaType"] = "x/y".into()),
        "format-not-allowed"
    );
    assert_eq!(
        edited(|bundle| bundle["dsseEnvelope"] = Value::Null),
        "format-not-allowed"
    );
    assert_eq!(
        edited(|bundle| bundle["dsseEnvelope"]["payloadType"] = "x/y".into()),
        "format-not-allowed"
    );
    assert_eq!(
        edited(|bundle| bundle["dsseEnvelope"]["payload"] = "e30".into()),
        "malformed"
    );
    assert_eq!(
        edited(|bundle| bundle["verificationMaterial"]["tlogEntries"] = json!(vec![1; 9])),
        "too-large"
    );
    let stamps = |bundle: &mut Value| {
        let stamps = json!({"rfc3161Timestamps": vec![json!({}); 9]});
        bundle["verificationMaterial"]["timestampVerificationData"] = stamps;
    };
    assert_eq!(edited(stamps), "too-large");
    let saying = |statement: &Value| code(read(&bundle(1, "", statement)));
    assert_eq!(saying(&json!({})), "malformed");
    let mut other = statement();
    other["_type"] = "https://in-toto.io/Statement/v9".into();
    assert_eq!(saying(&other), "type-mismatch");
    let mut many = statement();
    many["subject"] = json!(vec![json!({}); 1_025]);
    assert_eq!(saying(&many), "too-large");
    let mut digests = statement();
    digests["subject"][0]["digest"] = (0..17)
        .map(|number| (format!("a{number}"), json!("x")))
        .collect::<serde_json::Map<_, _>>()
        .into();
    assert_eq!(saying(&digests), "too-large");
    for code in [
        "format-not-allowed",
        "malformed",
        "too-large",
        "type-mismatch",
    ] {
        assert!(format::CODES.contains(&Code::new(code)) && format::CODES.len() == 5);
    }
}

#[test]
fn a_claim_tells_where_it_was_found() {
    let manifest = artifact(MEDIA_TYPE, &[MEDIA_TYPE]);
    let claim = signed_by(1);
    assert_eq!(&claim.artifact, manifest.digest());
    assert_eq!(claim.format.name(), "sigstore-bundle");
    let payload = statement().to_string();
    assert_eq!(
        claim.signed_bytes(),
        pre_authentication_encoding(IN_TOTO_PAYLOAD_TYPE, payload.as_bytes())
    );
}

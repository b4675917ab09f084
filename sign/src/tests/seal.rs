use base64::{Engine, prelude::BASE64_STANDARD};
use countersign_common::{
    Bundle, Limits, Signer as _, Statement,
    bundle::{ClaimedSigner, MEDIA_TYPE},
    dsse,
    manifest::Body,
    signer::{Failure, Refusal},
    statement::STAND_IN_ANNOTATION,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::world::{IMAGE, MemoryRegistry, TestSigner, annotated, now};
use crate::{Sealed, plan, seal, sign};

async fn sealed(signer: &TestSigner, annotations: &[(&str, &str)]) -> Sealed {
    let (_, image) = MemoryRegistry::with_image();
    let plan = plan(&image, signer.key(), &annotated(annotations)).unwrap();
    seal(sign(plan, signer).await.unwrap(), &[], now()).unwrap()
}

/// What a verifier does with the bytes of a bundle.
fn verifies(bundle: &[u8], signer: &TestSigner, subject: &countersign_common::Digest) -> bool {
    let Ok(bundle) = Bundle::parse(bundle, &Limits::TABLE) else {
        return false;
    };
    let message = dsse::pre_authentication_encoding(bundle.payload_type(), bundle.payload());
    let key = &signer.key().public_key;
    let hint = key.hint();
    key.verify(&message, bundle.signature()).is_ok()
        && *bundle.signer() == ClaimedSigner::Key { hint }
        && Statement::parse(bundle.payload(), &Limits::TABLE)
            .is_ok_and(|statement| statement.subjects_naming(subject).next().is_some())
}

#[tokio::test]
async fn the_manifest_is_the_one_that_cosign_writes_and_carries_its_bundle() {
    let signer = TestSigner::new();
    let sealed = sealed(&signer, &[]).await;
    let manifest: Value = serde_json::from_slice(sealed.manifest().bytes()).unwrap();
    let subject = sealed.plan().subject();
    assert_eq!(
        manifest,
        json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.empty.v1+json",
                "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
                "size": 2
            },
            "layers": [{
                "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
                "digest": sealed.bundle_digest(),
                "size": sealed.bundle().len(),
                "data": BASE64_STANDARD.encode(sealed.bundle())
            }],
            "annotations": {
                "dev.sigstore.bundle.content": "dsse-envelope",
                "dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1",
                "org.opencontainers.image.created": "2026-11-24T10:00:00Z"
            },
            "subject": {
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": subject.digest,
                "size": subject.size
            },
            "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json"
        })
    );
    let Body::Image(body) = sealed.manifest().body() else {
        panic!("not an artifact")
    };
    assert_eq!(body.artifact_type, MEDIA_TYPE);
}

#[tokio::test]
async fn what_is_sealed_is_read_back_and_verifies() {
    let signer = TestSigner::new();
    let sealed = sealed(&signer, &[("env", "prod")]).await;
    assert!(verifies(
        sealed.bundle(),
        &signer,
        &sealed.plan().subject().digest
    ));
    let bundle = Bundle::parse(sealed.bundle(), &Limits::TABLE).unwrap();
    let statement = Statement::parse(bundle.payload(), &Limits::TABLE).unwrap();
    let subject = &statement.subjects()[0];
    assert_eq!(subject.name(), Some("registry.example/shop/api"));
    assert_eq!(subject.annotation("env"), Some("prod"));
    assert!(!subject.annotations().contains_key(STAND_IN_ANNOTATION));
}

#[tokio::test]
async fn no_byte_of_a_bundle_can_be_flipped() {
    let signer = TestSigner::new();
    let sealed = sealed(&signer, &[("env", "prod")]).await;
    let subject = &sealed.plan().subject().digest;
    for position in 0..sealed.bundle().len() {
        let mut bundle = sealed.bundle().to_vec();
        bundle[position] ^= 1;
        assert!(!verifies(&bundle, &signer, subject), "byte {position}");
    }
}

#[tokio::test]
async fn a_stand_in_key_says_so_under_its_signature() {
    let signer = TestSigner::stand_in();
    let sealed = sealed(&signer, &[("env", "prod")]).await;
    let annotations = sealed.plan().annotations();
    assert_eq!(annotations[STAND_IN_ANNOTATION], "true");
    assert_eq!(annotations["env"], "prod");
    let bundle = Bundle::parse(sealed.bundle(), &Limits::TABLE).unwrap();
    let statement = Statement::parse(bundle.payload(), &Limits::TABLE).unwrap();
    assert_eq!(
        statement.subjects()[0].annotation(STAND_IN_ANNOTATION),
        Some("true")
    );
}

#[tokio::test]
async fn a_signature_that_does_not_fit_is_not_sealed() {
    let mut signer = TestSigner::new();
    signer.lies = true;
    let (_, image) = MemoryRegistry::with_image();
    let plan = plan(&image, signer.key(), &annotated(&[])).unwrap();
    assert!(matches!(
        sign(plan, &signer).await,
        Err(Failure::Refusal(Refusal::SelfCheckFailed { key })) if key == "release.key"
    ));
}

#[tokio::test]
async fn a_plan_is_signed_with_its_own_key_only() {
    let (planned_for, other) = (TestSigner::new(), TestSigner::new());
    let (_, image) = MemoryRegistry::with_image();
    let plan = plan(&image, planned_for.key(), &annotated(&[])).unwrap();
    assert!(matches!(
        sign(plan, &other).await,
        Err(Failure::Refusal(Refusal::AnotherKey { .. }))
    ));
    assert_eq!(other.count(), 0);
}

#[test]
fn a_plan_shows_all_that_will_be_signed() {
    let signer = TestSigner::new();
    let (_, image) = MemoryRegistry::with_image();
    let plan = plan(&image, signer.key(), &annotated(&[("env", "a\nb")])).unwrap();
    let key_id = signer.key().public_key.id();
    let statement = String::from_utf8(plan.payload().to_vec()).unwrap();
    assert_eq!(
        serde_json::to_value(&plan).unwrap(),
        json!({
            "image": IMAGE,
            "repository": "registry.example/shop/api",
            "digest": image.digest(),
            "predicateType": "https://sigstore.dev/cosign/sign/v1",
            "annotations": {"env": "a\nb"},
            "key": "release.key",
            "keyId": key_id,
            "algorithm": "ecdsa-p256-sha256",
            "statement": statement,
            "signedDigest": plan.signed_digest(),
        })
    );
    assert_eq!(
        plan.to_string(),
        format!(
            "image      {IMAGE}\n\
             digest     {}\n\
             repository registry.example/shop/api\n\
             predicate  https://sigstore.dev/cosign/sign/v1\n\
             annotation env=a\\u{{a}}b\n\
             key        release.key\n\
             key id     {key_id}\n\
             algorithm  ecdsa-p256-sha256\n\
             statement  {statement}\n\
             signs      {}\n",
            image.digest(),
            plan.signed_digest(),
        )
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_annotations_survive_sealing(annotations in prop::collection::btree_map("[a-z.\\PC]{1,12}", ".*", 0..6)) {
        let signer = TestSigner::new();
        let pairs: Vec<_> = annotations.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let sealed = runtime.block_on(sealed(&signer, &pairs));
        let digest = &sealed.plan().subject().digest;
        prop_assert!(verifies(sealed.bundle(), &signer, digest));
        let bundle = Bundle::parse(sealed.bundle(), &Limits::TABLE).unwrap();
        let statement = Statement::parse(bundle.payload(), &Limits::TABLE).unwrap();
        let read = statement.subjects()[0].annotations();
        prop_assert_eq!(read.len(), annotations.len());
        for (key, value) in &annotations {
            prop_assert_eq!(read[key].as_str(), Some(value.as_str()));
        }
    }
}

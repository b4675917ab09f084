//! `Sign` and `GetPublicKey`: what is signed verifies with the public key that is given, and what KMS refuses is refused.

use aws_lc_rs::{
    digest::{self, SHA256, SHA384, SHA512, digest},
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256K1_SHA256_ASN1, ECDSA_P384_SHA384_ASN1,
        ECDSA_P521_SHA512_ASN1, ED25519, EcdsaKeyPair, ML_DSA_44, ML_DSA_65, ML_DSA_87,
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
        RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
        UnparsedPublicKey, VerificationAlgorithm,
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_stand_in::{DEFAULT_ALIAS, Fault, KeyError, KeySpec, KeyState, KeyUsage, Lie};
use serde_json::{Value, json};

use crate::world::World;

type Oracle = (
    &'static dyn VerificationAlgorithm,
    &'static digest::Algorithm,
);

/// What each algorithm must verify as. PSS here allows only a salt as long as the digest.
fn oracle(spec: KeySpec, algorithm: &str) -> Oracle {
    match (spec.name(), algorithm) {
        ("ECC_NIST_P256", "ECDSA_SHA_256") => (&ECDSA_P256_SHA256_ASN1, &SHA256),
        ("ECC_NIST_P384", "ECDSA_SHA_384") => (&ECDSA_P384_SHA384_ASN1, &SHA384),
        ("ECC_NIST_P521", "ECDSA_SHA_512") => (&ECDSA_P521_SHA512_ASN1, &SHA512),
        ("ECC_SECG_P256K1", "ECDSA_SHA_256") => (&ECDSA_P256K1_SHA256_ASN1, &SHA256),
        (_, "RSASSA_PKCS1_V1_5_SHA_256") => (&RSA_PKCS1_2048_8192_SHA256, &SHA256),
        (_, "RSASSA_PKCS1_V1_5_SHA_384") => (&RSA_PKCS1_2048_8192_SHA384, &SHA384),
        (_, "RSASSA_PKCS1_V1_5_SHA_512") => (&RSA_PKCS1_2048_8192_SHA512, &SHA512),
        (_, "RSASSA_PSS_SHA_256") => (&RSA_PSS_2048_8192_SHA256, &SHA256),
        (_, "RSASSA_PSS_SHA_384") => (&RSA_PSS_2048_8192_SHA384, &SHA384),
        (_, "RSASSA_PSS_SHA_512") => (&RSA_PSS_2048_8192_SHA512, &SHA512),
        other => panic!("no oracle for {other:?}"),
    }
}

fn decoded(document: &Value, member: &str) -> Vec<u8> {
    STANDARD.decode(document[member].as_str().unwrap()).unwrap()
}

fn sign(key: &str, message: &[u8], message_type: &str, algorithm: &str) -> Value {
    json!({
        "KeyId": key,
        "Message": STANDARD.encode(message),
        "MessageType": message_type,
        "SigningAlgorithm": algorithm,
    })
}

/// The request that a signer makes of the key that is there from the start.
fn good_request() -> Value {
    sign(DEFAULT_ALIAS, &[7; 32], "DIGEST", "ECDSA_SHA_256")
}

/// Signs a message with all algorithms that the key says it has, both ways, and verifies it.
async fn signs_what_it_should(spec: KeySpec, algorithms: usize) {
    let world = World::ecr();
    let key = world.stand_in.create_key(spec, "alias/signer").unwrap();
    let public = world
        .kms("GetPublicKey", json!({"KeyId": "alias/signer"}))
        .await;
    assert_eq!(public["KeyId"], key.arn.as_str());
    assert_eq!(public["KeySpec"], spec.name());
    let listed = public["SigningAlgorithms"].as_array().unwrap();
    assert_eq!(listed.len(), algorithms);

    let message = b"a message that is hashed once";
    for algorithm in listed.iter().map(|name| name.as_str().unwrap()) {
        let (verification, hash) = oracle(spec, algorithm);
        let hashed = digest(hash, message);
        for (sent, message_type) in [(&message[..], "RAW"), (hashed.as_ref(), "DIGEST")] {
            let request = sign(&key.arn, sent, message_type, algorithm);
            let signed = world.kms("Sign", request).await;
            assert_eq!(signed["KeyId"], key.arn.as_str());
            assert_eq!(signed["SigningAlgorithm"], algorithm);
            UnparsedPublicKey::new(verification, decoded(&public, "PublicKey"))
                .verify(message, &decoded(&signed, "Signature"))
                .unwrap_or_else(|_| panic!("{algorithm} {message_type}"));
        }
    }
}

#[tokio::test]
async fn a_p256_key_signs() {
    signs_what_it_should(KeySpec::ECC_NIST_P256, 1).await;
}

#[tokio::test]
async fn a_p384_key_signs() {
    signs_what_it_should(KeySpec::ECC_NIST_P384, 1).await;
}

#[tokio::test]
async fn a_p521_key_signs() {
    signs_what_it_should(KeySpec::ECC_NIST_P521, 1).await;
}

#[tokio::test]
async fn a_secp256k1_key_signs() {
    signs_what_it_should(KeySpec::ECC_SECG_P256K1, 1).await;
}

/// Algorithms that take the message: its hash is refused.
async fn signs_messages(spec: KeySpec, verification: &'static dyn VerificationAlgorithm) {
    let world = World::ecr();
    let key = world.stand_in.create_key(spec, "alias/signer").unwrap();
    let public = world.kms("GetPublicKey", json!({"KeyId": key.arn})).await;
    assert_eq!(public["KeySpec"], spec.name());
    let listed = public["SigningAlgorithms"].as_array().unwrap();
    let [algorithm] = listed.as_slice() else {
        panic!("{listed:?}")
    };
    let algorithm = algorithm.as_str().unwrap();
    let message = b"a message that is hashed by no caller";
    let signed = world
        .kms("Sign", sign(&key.arn, message, "RAW", algorithm))
        .await;
    UnparsedPublicKey::new(verification, decoded(&public, "PublicKey"))
        .verify(message, &decoded(&signed, "Signature"))
        .unwrap();
    let hashed = sign(&key.arn, &[7; 64], "DIGEST", algorithm);
    world
        .kms_refuses("Sign", hashed, "ValidationException")
        .await;
}

#[tokio::test]
async fn an_ed25519_key_signs_messages() {
    signs_messages(KeySpec::ECC_NIST_EDWARDS25519, &ED25519).await;
}

#[tokio::test]
async fn ml_dsa_keys_sign_messages() {
    signs_messages(KeySpec::ML_DSA_44, &ML_DSA_44).await;
    signs_messages(KeySpec::ML_DSA_65, &ML_DSA_65).await;
    signs_messages(KeySpec::ML_DSA_87, &ML_DSA_87).await;
}

#[tokio::test]
async fn a_representative_has_64_bytes_and_is_signed_by_ml_dsa_keys_alone() {
    let world = World::ecr();
    let ml_dsa = world
        .stand_in
        .create_key(KeySpec::ML_DSA_44, "alias/ml-dsa");
    let ml_dsa = ml_dsa.unwrap().arn;
    let of = |length| sign(&ml_dsa, &vec![7; length], "EXTERNAL_MU", "ML_DSA_SHAKE_256");
    world.kms("Sign", of(64)).await;
    for length in [1, 32, 63, 65] {
        world
            .kms_refuses("Sign", of(length), "ValidationException")
            .await;
    }
    let ecdsa = sign(DEFAULT_ALIAS, &[7; 64], "EXTERNAL_MU", "ECDSA_SHA_256");
    world
        .kms_refuses("Sign", ecdsa, "ValidationException")
        .await;
}

#[tokio::test]
async fn an_rsa_2048_key_signs() {
    signs_what_it_should(KeySpec::RSA_2048, 6).await;
}

#[tokio::test]
async fn an_rsa_3072_key_signs() {
    signs_what_it_should(KeySpec::RSA_3072, 6).await;
}

#[tokio::test]
async fn an_rsa_4096_key_signs() {
    signs_what_it_should(KeySpec::RSA_4096, 6).await;
}

#[tokio::test]
async fn a_message_without_a_type_is_raw() {
    let world = World::ecr();
    let mut request = sign(DEFAULT_ALIAS, b"message", "", "ECDSA_SHA_256");
    request.as_object_mut().unwrap().remove("MessageType");
    let signed = world.kms("Sign", request).await;
    let public = world
        .kms("GetPublicKey", json!({"KeyId": DEFAULT_ALIAS}))
        .await;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, decoded(&public, "PublicKey"))
        .verify(b"message", &decoded(&signed, "Signature"))
        .unwrap();
}

#[tokio::test]
async fn a_digest_must_be_as_long_as_the_hash() {
    let world = World::ecr();
    world.kms("Sign", good_request()).await;
    for length in [1, 31, 33, 48, 64] {
        let request = sign(DEFAULT_ALIAS, &vec![7; length], "DIGEST", "ECDSA_SHA_256");
        world
            .kms_refuses("Sign", request, "ValidationException")
            .await;
    }
}

#[tokio::test]
async fn a_message_has_1_to_4096_bytes() {
    let world = World::ecr();
    for length in [1, 4096] {
        let request = sign(DEFAULT_ALIAS, &vec![7; length], "RAW", "ECDSA_SHA_256");
        world.kms("Sign", request).await;
    }
    for length in [0, 4097] {
        let request = sign(DEFAULT_ALIAS, &vec![7; length], "RAW", "ECDSA_SHA_256");
        world
            .kms_refuses("Sign", request, "ValidationException")
            .await;
    }
}

#[tokio::test]
async fn an_algorithm_of_another_spec_is_the_wrong_usage() {
    let world = World::ecr();
    let request = sign(DEFAULT_ALIAS, &[7; 48], "DIGEST", "ECDSA_SHA_384");
    world
        .kms_refuses("Sign", request, "InvalidKeyUsageException")
        .await;
}

#[tokio::test]
async fn what_is_in_no_enumeration_is_invalid() {
    let world = World::ecr();
    let request = sign(DEFAULT_ALIAS, &[7; 32], "DIGEST", "ECDSA_SHA_257");
    world
        .kms_refuses("Sign", request, "ValidationException")
        .await;
    let request = sign(DEFAULT_ALIAS, &[7; 32], "HASH", "ECDSA_SHA_256");
    world
        .kms_refuses("Sign", request, "ValidationException")
        .await;
    let request = sign(DEFAULT_ALIAS, &[7; 64], "EXTERNAL_MU", "ECDSA_SHA_256");
    world
        .kms_refuses("Sign", request, "ValidationException")
        .await;
}

#[tokio::test]
async fn a_key_for_decryption_does_not_sign() {
    let world = World::ecr();
    let stand_in = &world.stand_in;
    stand_in
        .create_key_for(KeyUsage::EncryptDecrypt, KeySpec::RSA_2048, "alias/other")
        .unwrap();
    let request = sign("alias/other", &[7; 32], "DIGEST", "RSASSA_PSS_SHA_256");
    world
        .kms_refuses("Sign", request, "InvalidKeyUsageException")
        .await;
    let public = world
        .kms("GetPublicKey", json!({"KeyId": "alias/other"}))
        .await;
    assert_eq!(public["KeyUsage"], "ENCRYPT_DECRYPT");
    assert_eq!(public.get("SigningAlgorithms"), None);
}

#[tokio::test]
async fn a_secret_key_neither_signs_nor_has_a_public_half() {
    let world = World::ecr();
    let stand_in = &world.stand_in;
    for spec in [KeySpec::SYMMETRIC_DEFAULT, KeySpec::HMAC_256] {
        let alias = format!("alias/{}", spec.name());
        let key = stand_in.create_key(spec, &alias).unwrap();
        assert_eq!(key.public_key_pem, "");
        let request = sign(&alias, &[7; 32], "DIGEST", "ECDSA_SHA_256");
        world
            .kms_refuses("Sign", request, "InvalidKeyUsageException")
            .await;
        let request = json!({"KeyId": alias});
        world
            .kms_refuses("GetPublicKey", request, "UnsupportedOperationException")
            .await;
    }
}

#[tokio::test]
async fn only_an_enabled_key_signs() {
    let world = World::ecr();
    for (state, error) in [
        (KeyState::Disabled, "DisabledException"),
        (KeyState::PendingDeletion, "KMSInvalidStateException"),
        (KeyState::PendingImport, "KMSInvalidStateException"),
        (KeyState::Unavailable, "KMSInvalidStateException"),
        (KeyState::Updating, "KMSInvalidStateException"),
    ] {
        world.stand_in.set_key_state(DEFAULT_ALIAS, state).unwrap();
        world.kms_refuses("Sign", good_request(), error).await;
        let described = world
            .kms("DescribeKey", json!({"KeyId": DEFAULT_ALIAS}))
            .await;
        assert_eq!(described["KeyMetadata"]["KeyState"], state.name());
        assert_eq!(described["KeyMetadata"]["Enabled"], false);
    }
    world
        .stand_in
        .set_key_state(DEFAULT_ALIAS, KeyState::Enabled)
        .unwrap();
    world.kms("Sign", good_request()).await;
}

#[tokio::test]
async fn a_dry_run_says_whether_it_would_sign() {
    let world = World::ecr();
    let mut request = good_request();
    request["DryRun"] = true.into();
    world
        .kms_refuses("Sign", request.clone(), "DryRunOperationException")
        .await;
    world
        .stand_in
        .set_key_state(DEFAULT_ALIAS, KeyState::Disabled)
        .unwrap();
    world
        .kms_refuses("Sign", request, "DisabledException")
        .await;
}

#[tokio::test]
async fn an_imported_key_is_the_same_in_each_run() {
    let world = World::ecr();
    let algorithm = &aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1_SIGNING;
    let pkcs8 = EcdsaKeyPair::generate(algorithm)
        .unwrap()
        .to_pkcs8v1()
        .unwrap();
    let spec = KeySpec::ECC_NIST_P256;
    let first = world
        .stand_in
        .import_key(spec, "alias/first", pkcs8.as_ref())
        .unwrap();
    let second = world
        .stand_in
        .import_key(spec, "alias/second", pkcs8.as_ref())
        .unwrap();
    assert_eq!(first.public_key_pem, second.public_key_pem);
    assert!(
        first
            .public_key_pem
            .starts_with("-----BEGIN PUBLIC KEY-----\n")
    );
    let wrong = KeySpec::ECC_NIST_P384;
    assert_eq!(
        world
            .stand_in
            .import_key(wrong, "alias/third", pkcs8.as_ref()),
        Err(KeyError::NotOfSpec(wrong))
    );
}

#[tokio::test]
async fn a_signature_can_be_made_not_to_verify() {
    let world = World::ecr();
    world
        .stand_in
        .faults()
        .push(Fault::on("TrentService.Sign", Lie::FlipSignature).times(1));
    let public = world
        .kms("GetPublicKey", json!({"KeyId": DEFAULT_ALIAS}))
        .await;
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, decoded(&public, "PublicKey"));
    let request = sign(DEFAULT_ALIAS, b"message", "RAW", "ECDSA_SHA_256");
    let bad = world.kms("Sign", request.clone()).await;
    assert!(key.verify(b"message", &decoded(&bad, "Signature")).is_err());
    let good = world.kms("Sign", request).await;
    key.verify(b"message", &decoded(&good, "Signature"))
        .unwrap();
}

#[tokio::test]
async fn members_of_an_answer_can_lie() {
    let world = World::ecr();
    let faults = world.stand_in.faults();
    for (member, value) in [
        ("KeyId", "\"arn:aws:kms:us-east-1:000000000000:key/other\""),
        ("SigningAlgorithm", "\"ECDSA_SHA_384\""),
        ("Signature", "\"%%%\""),
        ("Extra", "[1]"),
    ] {
        let lie = Lie::Member(member.into(), value.into());
        faults.push(Fault::on("TrentService.Sign", lie).times(1));
        let signed = world.kms("Sign", good_request()).await;
        assert_eq!(signed[member].to_string(), value);
    }
}

#[tokio::test]
async fn throttling_is_a_400_and_ends() {
    let world = World::ecr();
    world
        .stand_in
        .faults()
        .push(Fault::on("TrentService.*", Lie::kms_throttled()).times(2));
    for _ in 0..2 {
        world
            .kms_refuses("Sign", good_request(), "ThrottlingException")
            .await;
    }
    world.kms("Sign", good_request()).await;
    assert_eq!(world.stand_in.calls().len(), 3);
}

#[tokio::test]
async fn the_log_says_what_was_asked_to_sign() {
    let world = World::ecr();
    world.kms("Sign", good_request()).await;
    let call = world.last_call();
    assert_eq!(call.line, "TrentService.Sign");
    assert_eq!(call.parameter("MessageType"), Some("DIGEST"));
    assert_eq!(call.parameter("SigningAlgorithm"), Some("ECDSA_SHA_256"));
}

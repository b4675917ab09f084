//! What KMS may answer instead of a signature. Whatever it is, nothing is pushed, and the same command succeeds once
//! the cause is gone.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use countersign_stand_in::{Fault, KeySpec, KeyState, KeyUsage, Lie};

use super::sign;
use crate::world::{Image, Run, World};

const GET_PUBLIC_KEY: &str = "TrentService.GetPublicKey";
const SIGN: &str = "TrentService.Sign";

/// A world with an unsigned image and a key of its own, `alias/release`.
struct Scene {
    world: World,
    image: Image,
    arn: String,
}

impl Scene {
    fn new() -> Self {
        let world = World::ecr();
        let image = world.image("shop/api", "1", "a");
        let key = world
            .stand_in
            .create_key(KeySpec::ECC_NIST_P256, "alias/release")
            .unwrap();
        Self {
            image,
            arn: key.arn,
            world,
        }
    }

    fn sign(&self) -> Run {
        self.sign_by("awskms:///alias/release")
    }

    fn sign_by(&self, key: &str) -> Run {
        sign(&self.world, key, &[], &self.image)
    }

    /// Signing ends like this, and nothing is written.
    #[track_caller]
    fn refuses(&self, exit: i32, code: &str) -> Run {
        self.refuses_by("awskms:///alias/release", exit, code)
    }

    #[track_caller]
    fn refuses_by(&self, key: &str, exit: i32, code: &str) -> Run {
        let run = self
            .sign_by(key)
            .ends(exit)
            .says(&format!("error[{code}]"))
            .says("remedy: ");
        assert_eq!(self.world.writes(), [""; 0]);
        run
    }

    /// While KMS lies so; it succeeds afterwards.
    #[track_caller]
    fn refuses_while(&self, call: &str, lie: Lie, exit: i32, code: &str) -> Run {
        self.world.stand_in.faults().push(Fault::on(call, lie));
        let run = self.refuses(exit, code);
        self.world.stand_in.faults().clear();
        self.sign().ends(0);
        run
    }
}

#[test]
fn a_key_that_is_not_enabled_signs_nothing() {
    for (state, code) in [
        (KeyState::Disabled, "key-disabled"),
        (KeyState::PendingDeletion, "key-invalid-state"),
        (KeyState::PendingImport, "key-invalid-state"),
        (KeyState::Updating, "key-invalid-state"),
    ] {
        let scene = Scene::new();
        scene
            .world
            .stand_in
            .set_key_state(&scene.arn, state)
            .unwrap();
        scene.refuses(1, code).says("alias/release");
        scene
            .world
            .stand_in
            .set_key_state(&scene.arn, KeyState::Enabled)
            .unwrap();
        scene.sign().ends(0);
    }
}

#[test]
fn a_key_that_is_disabled_before_it_signs_is_named_by_its_arn() {
    let scene = Scene::new();
    let disabled = Lie::aws_error(400, "DisabledException", "it is disabled");
    let run = scene.refuses_while(SIGN, disabled, 1, "key-disabled");
    run.says(&scene.arn);
}

#[test]
fn a_key_that_is_not_there_is_looked_for_where_it_is_said() {
    let scene = Scene::new();
    scene
        .refuses_by("awskms:///alias/relaese", 2, "key-not-found")
        .says("alias/relaese")
        .says("region us-east-1");
    let elsewhere = scene.arn.replace("us-east-1", "eu-west-1");
    scene
        .refuses_by(&elsewhere, 2, "key-not-found")
        .says("region eu-west-1");
    scene.sign().ends(0);
}

#[test]
fn a_key_for_another_use_or_of_another_kind_signs_nothing() {
    for (usage, spec) in [
        (KeyUsage::EncryptDecrypt, KeySpec::RSA_2048),
        (KeyUsage::KeyAgreement, KeySpec::ECC_NIST_P256),
        (KeyUsage::EncryptDecrypt, KeySpec::SYMMETRIC_DEFAULT),
        (KeyUsage::GenerateVerifyMac, KeySpec::HMAC_256),
        (KeyUsage::SignVerify, KeySpec::ECC_SECG_P256K1),
    ] {
        let scene = Scene::new();
        let key = scene
            .world
            .stand_in
            .create_key_for(usage, spec, "alias/other")
            .unwrap();
        scene
            .refuses_by(&key.arn, 2, "key-wrong-usage")
            .says(&key.arn);
        assert_eq!(scene.world.kms_calls("Sign").len(), 0);
        scene.sign().ends(0);
    }
}

#[test]
fn who_may_not_is_told_which_action_is_missing() {
    // Before any work it is a matter of configuration; afterwards, of what became of the images.
    for (call, action, exit) in [
        (GET_PUBLIC_KEY, "kms:GetPublicKey", 2),
        (SIGN, "kms:Sign", 1),
    ] {
        let denied = Lie::aws_error(
            400,
            "AccessDeniedException",
            "User: arn:aws:iam::111122223333:user/me is not authorized",
        );
        Scene::new()
            .refuses_while(call, denied, exit, "key-access-denied")
            .says(action)
            .says("arn:aws:iam::111122223333:user/me");
    }
}

#[test]
fn throttling_without_end_is_no_refusal() {
    Scene::new().refuses_while(SIGN, Lie::kms_throttled(), 3, "key-throttled");
}

#[test]
fn throttling_without_end_before_any_work_is_no_refusal() {
    Scene::new().refuses_while(GET_PUBLIC_KEY, Lie::kms_throttled(), 3, "key-throttled");
}

#[test]
fn throttling_that_ends_is_waited_for() {
    let scene = Scene::new();
    scene
        .world
        .stand_in
        .faults()
        .push(Fault::on(SIGN, Lie::kms_throttled()).times(2));
    scene.sign().ends(0);
    // Two that were throttled, and one for each document.
    assert_eq!(scene.world.kms_calls("Sign").len(), 4);
}

#[test]
fn a_signature_that_does_not_verify_never_leaves() {
    let scene = Scene::new();
    scene.refuses_while(SIGN, Lie::FlipSignature, 1, "self-check-failed");
}

#[test]
fn a_signature_in_another_encoding_never_leaves() {
    let raw = format!("\"{}\"", STANDARD.encode([7; 64]));
    let scene = Scene::new();
    let lie = Lie::Member("Signature".to_owned(), raw);
    scene.refuses_while(SIGN, lie, 1, "self-check-failed");
}

#[test]
fn an_alias_that_is_moved_meanwhile_is_noticed() {
    let scene = Scene::new();
    let other = scene
        .world
        .stand_in
        .create_key(KeySpec::ECC_NIST_P256, "alias/mallory")
        .unwrap();
    let lie = Lie::Member("KeyId".to_owned(), format!("\"{}\"", other.arn));
    scene
        .refuses_while(SIGN, lie, 1, "key-alias-moved")
        .says(&scene.arn)
        .says(&other.arn);
}

#[test]
fn another_algorithm_than_asked_is_noticed() {
    let scene = Scene::new();
    let lie = Lie::Member(
        "SigningAlgorithm".to_owned(),
        "\"ECDSA_SHA_384\"".to_owned(),
    );
    scene.refuses_while(SIGN, lie, 1, "key-protocol");
}

#[test]
fn members_that_are_not_known_change_nothing() {
    let scene = Scene::new();
    let lie = Lie::Member("Future".to_owned(), "{\"a\": [1]}".to_owned());
    scene
        .world
        .stand_in
        .faults()
        .push(Fault::on("TrentService.*", lie));
    scene.sign().ends(0);
}

#[test]
fn an_answer_without_end_is_cut() {
    Scene::new().refuses_while(SIGN, Lie::Endless, 1, "key-protocol");
}

#[test]
fn an_answer_that_cannot_be_read_is_no_signature() {
    for (body, exit, code) in [
        ("", 1, "key-protocol"),
        ("{}", 1, "key-protocol"),
        ("{", 3, "key-unavailable"),
        ("[]", 3, "key-unavailable"),
        ("{\"Signature\": \"?\"}", 3, "key-unavailable"),
    ] {
        Scene::new().refuses_while(SIGN, Lie::Body(Bytes::from(body)), exit, code);
    }
}

#[test]
fn expired_credentials_are_no_refusal() {
    for (name, call) in [
        ("ExpiredTokenException", GET_PUBLIC_KEY),
        ("UnrecognizedClientException", GET_PUBLIC_KEY),
        ("ExpiredTokenException", SIGN),
        ("InvalidSignatureException", SIGN),
    ] {
        let expired = Lie::aws_error(400, name, "The security token is expired");
        Scene::new()
            .refuses_while(call, expired, 3, "key-credentials")
            .says(name);
    }
}

#[test]
fn without_credentials_or_region_nothing_is_found_out() {
    let scene = Scene::new();
    let arguments = ["sign", "--key", "alias/release", &scene.image.tagged()];
    for (variables, code) in [
        (
            ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],
            "key-credentials",
        ),
        (["AWS_REGION", "AWS_DEFAULT_REGION"], "key-region-unknown"),
    ] {
        scene
            .world
            .countersign_with(&arguments, &variables.map(|name| (name, "")))
            .ends(3)
            .says(&format!("error[{code}]"));
    }
    assert_eq!(scene.world.stand_in.calls().len(), 0);
    scene.world.countersign(&arguments).ends(0);
}

#[test]
fn an_endpoint_that_does_not_answer_is_no_refusal() {
    let scene = Scene::new();
    let arguments = ["sign", "--key", "alias/release", &scene.image.tagged()];
    scene
        .world
        .countersign_with(
            &arguments,
            &[("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:9")],
        )
        .ends(3)
        .says("error[key-unavailable]")
        .says("AWS_ENDPOINT_URL_KMS");
    assert_eq!(scene.world.writes(), [""; 0]);
    scene.world.countersign(&arguments).ends(0);
}

#[test]
fn failures_of_the_service_are_no_refusal() {
    let lie = Lie::aws_error(500, "KMSInternalException", "it failed");
    Scene::new().refuses_while(SIGN, lie, 3, "key-unavailable");
}

#[test]
fn an_endpoint_that_is_not_awss_is_told() {
    let scene = Scene::new();
    scene.sign().ends(0).says("not at AWS's own address");
}

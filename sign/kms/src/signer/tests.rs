use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_credential_types::provider::{error::CredentialsError, future};
use aws_sdk_kms::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
use countersign_common::{Code, Explain, Signer as _, signer::Error};
use countersign_stand_in::{CreatedKey, Fault, KeySpec, KeyState, KeyUsage, Lie, StandIn};

use super::*;
use crate::connection::ATTEMPTS;

const ALIAS: &str = "alias/release";
const GET_PUBLIC_KEY: &str = "TrentService.GetPublicKey";
const SIGN: &str = "TrentService.Sign";

/// A chain of credentials that finds none.
#[derive(Debug)]
struct Nobody;

impl ProvideCredentials for Nobody {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("no\n  profile")))
    }
}

/// A stand-in with one key.
struct World {
    stand_in: StandIn,
    key: CreatedKey,
    timeout: Duration,
}

impl World {
    fn with(spec: KeySpec) -> Self {
        let stand_in = StandIn::start(countersign_stand_in::Options::default()).unwrap();
        let key = stand_in.create_key(spec, ALIAS).unwrap();
        Self {
            stand_in,
            key,
            timeout: Duration::from_secs(30),
        }
    }

    fn p256() -> Self {
        Self::with(KeySpec::ECC_NIST_P256)
    }

    fn lie(&self, call: &str, lie: Lie) {
        self.stand_in.faults().push(Fault::on(call, lie));
    }

    fn sdk(&self) -> SdkConfig {
        let credentials = Credentials::new("AKIDTEST", "secret", None, None, "test");
        self.sdk_with(self.stand_in.aws_endpoint().as_str(), credentials)
    }

    fn sdk_with(
        &self,
        endpoint: &str,
        credentials: impl ProvideCredentials + 'static,
    ) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .endpoint_url(endpoint)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(ATTEMPTS)
                    .with_initial_backoff(Duration::from_millis(1))
                    .with_max_backoff(Duration::from_millis(2)),
            )
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_timeout(self.timeout)
                    .build(),
            )
            .build()
    }

    async fn open_from(
        &self,
        sdk: SdkConfig,
        name: &str,
        algorithm: Option<Algorithm>,
    ) -> Result<Signer, Failure> {
        let uri = name.parse().unwrap();
        let options = Options {
            timeout: self.timeout,
        };
        let connection = Connection::new(&uri, &sdk, options)?;
        Signer::connect(connection, &uri, algorithm).await
    }

    async fn open(&self, name: &str, algorithm: Option<Algorithm>) -> Result<Signer, Failure> {
        self.open_from(self.sdk(), name, algorithm).await
    }

    async fn signer(&self) -> Signer {
        self.open(ALIAS, None).await.unwrap()
    }

    async fn open_code(&self) -> &'static str {
        self.open(ALIAS, None).await.unwrap_err().code().as_str()
    }

    /// Opens honestly, signs under a lie.
    async fn sign_under(&self, lie: Lie) -> Result<Signed, Failure> {
        let signer = self.signer().await;
        self.lie(SIGN, lie);
        signer.sign(b"message").await
    }

    fn count(&self, line: &str) -> usize {
        let calls = self.stand_in.calls();
        calls.iter().filter(|call| call.line == line).count()
    }
}

fn error(name: &str) -> Lie {
    Lie::aws_error(400, name, "said the service")
}

fn code(result: Result<Signed, Failure>) -> Code {
    result.unwrap_err().code()
}

#[tokio::test]
async fn each_spec_signs_with_its_algorithm_and_verifies() {
    for (spec, algorithm) in [
        (KeySpec::ECC_NIST_P256, Algorithm::EcdsaP256Sha256),
        (KeySpec::ECC_NIST_P384, Algorithm::EcdsaP384Sha384),
        (KeySpec::ECC_NIST_P521, Algorithm::EcdsaP521Sha512),
        (KeySpec::ML_DSA_44, Algorithm::MlDsa44),
        (KeySpec::ML_DSA_65, Algorithm::MlDsa65),
        (KeySpec::ML_DSA_87, Algorithm::MlDsa87),
        (KeySpec::RSA_2048, Algorithm::RsaPkcs1Sha256),
        (KeySpec::RSA_3072, Algorithm::RsaPkcs1Sha256),
        (KeySpec::RSA_4096, Algorithm::RsaPkcs1Sha256),
    ] {
        let world = World::with(spec);
        let signer = world.signer().await;
        let key = &signer.key().public_key;
        assert_eq!(key.algorithm(), algorithm);
        assert_eq!(
            key,
            &PublicKey::from_pem(&world.key.public_key_pem).unwrap()
        );
        let message = vec![7; 10_000];
        let answer = signer.sign(&message).await.unwrap();
        key.verify(&message, &answer.signature).unwrap();
        key.verify(b"another", &answer.signature).unwrap_err();
        assert!(answer.request_id.is_some_and(|id| !id.is_empty()));
    }
}

#[tokio::test]
async fn ed25519_signs_the_message_itself_as_far_as_the_service_takes_it() {
    let world = World::with(KeySpec::ECC_NIST_EDWARDS25519);
    let signer = world.signer().await;
    let key = &signer.key().public_key;
    assert_eq!(key.algorithm(), Algorithm::Ed25519);
    let longest = vec![7; 4_096];
    let answer = signer.sign(&longest).await.unwrap();
    key.verify(&longest, &answer.signature).unwrap();
    let calls = world.stand_in.calls();
    let sent = calls.iter().find(|call| call.line == SIGN).unwrap();
    assert_eq!(sent.parameter("MessageType"), Some("RAW"));
    assert_eq!(sent.parameter("SigningAlgorithm"), Some("ED25519_SHA_512"));

    let failure = signer.sign(&[7; 4_097]).await.unwrap_err();
    assert_eq!(failure.code().as_str(), "key-message-too-long");
    assert_eq!(
        failure.to_string(),
        format!(
            "what key {} should sign has 4097 bytes; the key service takes 4096 of ed25519",
            world.key.arn
        )
    );
    assert_eq!(world.count(SIGN), 1);
}

#[tokio::test]
async fn ml_dsa_signs_the_representative_of_a_message_of_any_length() {
    let world = World::with(KeySpec::ML_DSA_65);
    let signer = world.signer().await;
    for length in [1, 4_096, 4_097, 100_000] {
        let message = vec![7; length];
        let answer = signer.sign(&message).await.unwrap();
        let key = &signer.key().public_key;
        key.verify(&message, &answer.signature).unwrap();
    }
    let calls = world.stand_in.calls();
    let sent = calls.iter().find(|call| call.line == SIGN).unwrap();
    assert_eq!(sent.parameter("MessageType"), Some("EXTERNAL_MU"));
    assert_eq!(sent.parameter("SigningAlgorithm"), Some("ML_DSA_SHAKE_256"));
}

#[tokio::test]
async fn an_rsa_key_signs_with_each_algorithm_that_is_asked_for() {
    let world = World::with(KeySpec::RSA_2048);
    let algorithms = Algorithm::ALL.into_iter();
    for algorithm in algorithms.filter(|algorithm| algorithm.name().starts_with("rsa")) {
        let signer = world.open(ALIAS, Some(algorithm)).await.unwrap();
        let answer = signer.sign(b"message").await.unwrap();
        let key = &signer.key().public_key;
        assert_eq!(key.algorithm(), algorithm);
        key.verify(b"message", &answer.signature).unwrap();
    }
}

#[tokio::test]
async fn one_signature_is_one_get_public_key_and_one_sign_of_a_digest_by_the_keys_own_arn() {
    let world = World::p256();
    world.signer().await.sign(b"message").await.unwrap();
    let calls = world.stand_in.calls();
    let lines: Vec<_> = calls.iter().map(|call| call.line.as_str()).collect();
    assert_eq!(lines, [GET_PUBLIC_KEY, SIGN]);
    assert_eq!(calls[0].parameter("KeyId"), Some(ALIAS));
    assert_eq!(calls[1].parameter("KeyId"), Some(world.key.arn.as_str()));
    assert_eq!(calls[1].parameter("MessageType"), Some("DIGEST"));
    assert_eq!(
        calls[1].parameter("SigningAlgorithm"),
        Some("ECDSA_SHA_256")
    );
}

#[tokio::test]
async fn a_key_is_found_by_each_of_its_names() {
    let world = World::p256();
    let id = world.key.arn.rsplit_once('/').unwrap().1;
    for name in [
        ALIAS,
        &format!("awskms:///{ALIAS}"),
        &format!("awskms:///{id}"),
        &world.key.arn,
        &format!("arn:aws:kms:us-east-1:000000000000:{ALIAS}"),
    ] {
        let signer = world.open(name, None).await.unwrap();
        assert_eq!(signer.key().name, world.key.arn, "{name}");
        assert_eq!(signer.key().origin, KeyOrigin::StandIn);
    }
}

#[tokio::test]
async fn a_key_of_a_real_account_is_a_kms_key() {
    let world = World::p256();
    let arn = world.key.arn.replace("000000000000", "111122223333");
    world.lie(
        GET_PUBLIC_KEY,
        Lie::Member("KeyId".into(), format!("{arn:?}")),
    );
    let signer = world.signer().await;
    assert_eq!(signer.key().origin, KeyOrigin::Kms);
    assert_eq!(signer.key().name, arn);
}

#[tokio::test]
async fn keys_that_cannot_sign_are_refused_before_any_other_work() {
    for spec in [
        KeySpec::ECC_SECG_P256K1,
        KeySpec::HMAC_256,
        KeySpec::SYMMETRIC_DEFAULT,
    ] {
        let world = World::with(spec);
        assert_eq!(world.open_code().await, "key-wrong-usage", "{spec:?}");
        assert_eq!(world.count(SIGN), 0);
    }
    let world = World::p256();
    let encrypts = "alias/encrypts";
    world
        .stand_in
        .create_key_for(KeyUsage::EncryptDecrypt, KeySpec::RSA_2048, encrypts)
        .unwrap();
    let failure = world.open(encrypts, None).await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "key alias/encrypts cannot be used to sign: its usage is ENCRYPT_DECRYPT"
    );
}

#[tokio::test]
async fn an_algorithm_that_the_key_does_not_have_is_refused() {
    let world = World::p256();
    for algorithm in [Algorithm::RsaPssSha256, Algorithm::EcdsaP384Sha384] {
        let failure = world.open(ALIAS, Some(algorithm)).await.unwrap_err();
        assert_eq!(failure.code().as_str(), "key-wrong-usage");
    }
    world
        .open(ALIAS, Some(Algorithm::EcdsaP256Sha256))
        .await
        .unwrap();
}

#[tokio::test]
async fn each_state_of_a_key_is_told_apart() {
    let world = World::p256();
    let signer = world.signer().await;
    for (state, meaning) in [
        (KeyState::Disabled, "key-disabled"),
        (KeyState::PendingDeletion, "key-invalid-state"),
        (KeyState::PendingImport, "key-invalid-state"),
        (KeyState::Unavailable, "key-invalid-state"),
    ] {
        world.stand_in.set_key_state(ALIAS, state).unwrap();
        assert_eq!(
            code(signer.sign(b"message").await).as_str(),
            meaning,
            "{state:?}"
        );
    }
    world
        .stand_in
        .set_key_state(ALIAS, KeyState::Enabled)
        .unwrap();
    signer.sign(b"message").await.unwrap();
}

#[tokio::test]
async fn an_unknown_key_is_told_with_its_region() {
    let world = World::p256();
    let failure = world.open("alias/other", None).await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "there is no key alias/other in region us-east-1"
    );
}

#[tokio::test]
async fn errors_name_the_permission_that_is_missing() {
    let world = World::p256();
    let failure = world
        .sign_under(error("AccessDeniedException"))
        .await
        .unwrap_err();
    assert!(matches!(
        failure,
        Failure::Refusal(Refusal::AccessDenied {
            action: "kms:Sign",
            ..
        })
    ));
    let world = World::p256();
    world.lie(GET_PUBLIC_KEY, error("AccessDeniedException"));
    let failure = world.open(ALIAS, None).await.unwrap_err();
    assert!(matches!(
        failure,
        Failure::Refusal(Refusal::AccessDenied {
            action: "kms:GetPublicKey",
            ..
        })
    ));
}

#[tokio::test]
async fn throttling_is_outlasted_and_else_told_after_five_attempts() {
    let world = World::p256();
    let signer = world.signer().await;
    let four = Fault::on(SIGN, Lie::kms_throttled()).times(ATTEMPTS - 1);
    world.stand_in.faults().push(four);
    signer.sign(b"message").await.unwrap();
    assert_eq!(world.count(SIGN), 5);

    world.stand_in.forget_calls();
    let failure = world.sign_under(Lie::kms_throttled()).await.unwrap_err();
    assert!(matches!(
        failure,
        Failure::Error(Error::Throttled { attempts: 5, .. })
    ));
    assert_eq!(world.count(SIGN), 5);
}

#[tokio::test]
async fn a_failing_service_is_asked_again_and_a_refusing_one_is_not() {
    for (lie, attempts, meaning) in [
        (
            Lie::aws_error(500, "KMSInternalException", ""),
            5,
            "key-unavailable",
        ),
        (Lie::status(503), 5, "key-unavailable"),
        (error("ExpiredTokenException"), 1, "key-credentials"),
        (error("UnrecognizedClientException"), 1, "key-credentials"),
        (error("DisabledException"), 1, "key-disabled"),
        (error("ValidationException"), 1, "key-request-rejected"),
    ] {
        let world = World::p256();
        assert_eq!(code(world.sign_under(lie).await).as_str(), meaning);
        assert_eq!(world.count(SIGN), attempts, "{meaning}");
    }
}

#[tokio::test]
async fn a_moved_alias_changes_nothing_and_another_keys_answer_is_refused() {
    let world = World::p256();
    let signer = world.signer().await;
    let other = world
        .stand_in
        .create_key(KeySpec::ECC_NIST_P256, "alias/other")
        .unwrap();
    world.stand_in.move_alias(ALIAS, &other.arn).unwrap();
    let answer = signer.sign(b"message").await.unwrap();
    let key = PublicKey::from_pem(&world.key.public_key_pem).unwrap();
    key.verify(b"message", &answer.signature).unwrap();

    let lie = Lie::Member("KeyId".into(), format!("{:?}", other.arn));
    let failure = {
        world.lie(SIGN, lie);
        signer.sign(b"message").await.unwrap_err()
    };
    assert!(matches!(
        failure,
        Failure::Refusal(Refusal::AnotherKey { answered, .. }) if answered == other.arn
    ));
}

#[tokio::test]
async fn answers_that_cannot_be_used_are_refused() {
    for (member, value) in [
        ("SigningAlgorithm", "\"ECDSA_SHA_384\""),
        ("SigningAlgorithm", "null"),
        ("KeyId", "null"),
        ("Signature", "null"),
        ("Signature", "\"\""),
    ] {
        let lie = Lie::Member(member.into(), value.into());
        let failure = World::p256().sign_under(lie).await.unwrap_err();
        assert_eq!(failure.code().as_str(), "key-protocol", "{member} {value}");
    }
    for (member, value) in [
        ("KeyId", "null"),
        ("KeyId", "\"alias/release\""),
        (
            "KeyId",
            "\"arn:aws:kms:us-east-1:000000000000:alias/release\"",
        ),
        ("PublicKey", "null"),
        ("PublicKey", "\"MAA=\""),
        ("KeySpec", "null"),
        ("KeySpec", "\"RSA_2048\""),
    ] {
        let world = World::p256();
        world.lie(GET_PUBLIC_KEY, Lie::Member(member.into(), value.into()));
        assert_eq!(world.open_code().await, "key-protocol", "{member} {value}");
    }
    let world = World::p256();
    let other = world.key.arn.replace("us-east-1", "us-east-2");
    world.lie(
        GET_PUBLIC_KEY,
        Lie::Member("KeyId".into(), format!("{other:?}")),
    );
    let failure = world.open(&world.key.arn, None).await.unwrap_err();
    assert_eq!(failure.code().as_str(), "key-protocol");
}

#[tokio::test]
async fn what_the_key_offers_decides() {
    let world = World::p256();
    world.lie(
        GET_PUBLIC_KEY,
        Lie::Member("SigningAlgorithms".into(), "[\"ECDSA_SHA_512\"]".into()),
    );
    assert_eq!(world.open_code().await, "key-wrong-usage");
}

#[tokio::test]
async fn unknown_members_are_ignored() {
    let world = World::p256();
    let lie = Lie::Member("Later".into(), "{\"a\":[1]}".into());
    world.sign_under(lie).await.unwrap();
}

#[tokio::test]
async fn an_answer_without_an_end_is_cut_at_the_limit() {
    let world = World::p256();
    let failure = world.sign_under(Lie::Endless).await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        format!(
            "the key service's answer for key {} cannot be used: it is longer than 64 KiB",
            world.key.arn
        )
    );
    // What the sockets buffer comes on top of the limit.
    for call in world.stand_in.calls() {
        assert!(call.sent() < 16 << 20, "{} bytes", call.sent());
    }
}

#[tokio::test]
async fn broken_answers_are_no_refusals() {
    for lie in [
        Lie::Body("not json".into()),
        Lie::Member("Signature".into(), "\"%%%\"".into()),
        Lie::ResetAfter(10),
    ] {
        assert_eq!(
            code(World::p256().sign_under(lie).await).as_str(),
            "key-unavailable"
        );
    }
}

#[tokio::test]
async fn silence_ends_at_the_timeout() {
    let mut world = World::p256();
    world.timeout = Duration::from_secs(1);
    let failure = world.sign_under(Lie::Silence).await.unwrap_err();
    assert!(matches!(
        failure,
        Failure::Error(Error::TimedOut { seconds: 1, .. })
    ));
}

#[tokio::test]
async fn nobody_listening_is_unavailable() {
    let world = World::p256();
    let credentials = Credentials::new("AKIDTEST", "secret", None, None, "test");
    let sdk = world.sdk_with("http://127.0.0.1:1", credentials);
    let failure = world.open_from(sdk, ALIAS, None).await.unwrap_err();
    assert_eq!(failure.code().as_str(), "key-unavailable");
}

#[tokio::test]
async fn a_failing_credential_chain_is_told_as_such() {
    let world = World::p256();
    let sdk = world.sdk_with(world.stand_in.aws_endpoint().as_str(), Nobody);
    let failure = world.open_from(sdk, ALIAS, None).await.unwrap_err();
    assert_eq!(failure.code().as_str(), "key-credentials");
    assert!(failure.to_string().contains("no profile"), "{failure}");
    assert!(world.stand_in.calls().is_empty());
}

#[tokio::test]
async fn a_host_in_the_name_is_asked_instead() {
    let world = World::p256();
    let name = format!("awskms://127.0.0.1:1/{ALIAS}");
    let failure = world.open(&name, None).await.unwrap_err();
    assert_eq!(failure.code().as_str(), "key-unavailable");
    assert!(world.stand_in.calls().is_empty());
}

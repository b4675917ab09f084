//! The client against the stand-in: honest and lying.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::time::Duration;

use countersign_common::{
    Code, Descriptor, Explain, ImageRef, Limits, Manifest, Registry, RegistryWriter, Repository,
    bundle::MEDIA_TYPE,
    manifest::{EMPTY_CONFIG, OCI_INDEX, OCI_MANIFEST},
    registry::Failure,
};
use countersign_registry::{Client, Credentials, Options, PlainHttp};
use countersign_stand_in::{
    Elsewhere, Fault, Lie, Login, Mutability, Options as StandInOptions, RegistryMode,
    Repositories, StandIn, Transport,
};

struct World {
    stand_in: StandIn,
    client: Client,
}

impl World {
    fn with(options: StandInOptions) -> Self {
        let stand_in = StandIn::start(options).unwrap();
        let client = client(&stand_in, credentials(&stand_in));
        Self { stand_in, client }
    }

    fn ecr() -> Self {
        Self::with(StandInOptions::default())
    }

    fn oci(login: Login) -> Self {
        Self::with(StandInOptions {
            registry: RegistryMode::PlainOci(login),
            ..StandInOptions::default()
        })
    }

    fn no_referrers() -> Self {
        Self::with(StandInOptions {
            registry: RegistryMode::NoReferrersApi(Login::Anonymous),
            ..StandInOptions::default()
        })
    }

    fn image(&self, tag: &str) -> ImageRef {
        let host = self.stand_in.registry_host();
        let config = self.stand_in.place_blob("app", b"{}".to_vec().into());
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{{"mediaType":"c","digest":"{config}","size":2}},"layers":[]}}"#
        );
        self.stand_in
            .place_manifest("app", tag, OCI_MANIFEST, manifest.into_bytes().into());
        ImageRef::parse(&format!("{host}/app:{tag}")).unwrap()
    }

    fn repository(&self) -> Repository {
        ImageRef::parse(&format!("{}/app", self.stand_in.registry_host()))
            .unwrap()
            .repository()
            .clone()
    }

    /// A signature-like manifest for an image, whose blobs are pushed.
    async fn referrer(&self, subject: &Manifest, content: &str) -> Manifest {
        let repository = self.repository();
        let blob = content.as_bytes().to_vec();
        let layer = Descriptor::of(MEDIA_TYPE, &blob);
        self.client
            .push_blob(&repository, blob.into())
            .await
            .unwrap();
        self.client
            .push_blob(&repository, b"{}".to_vec().into())
            .await
            .unwrap();
        let config = Descriptor::of(EMPTY_CONFIG, b"{}");
        let (subject, config, layer) = (
            serde_json::to_string(subject.descriptor()).unwrap(),
            serde_json::to_string(&config).unwrap(),
            serde_json::to_string(&layer).unwrap(),
        );
        let json = format!(
            r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","artifactType":"{MEDIA_TYPE}","config":{config},"layers":[{layer}],"subject":{subject}}}"#
        );
        Manifest::parse(json.into_bytes().into(), None, None, &Limits::TABLE).unwrap()
    }

    fn lie(&self, pattern: &str, lie: Lie) {
        self.stand_in.faults().push(Fault::on(pattern, lie));
    }
}

fn credentials(stand_in: &StandIn) -> Credentials {
    match stand_in.credentials() {
        Some((user, password)) => Credentials::Given {
            user: user.to_owned(),
            password,
        },
        None => Credentials::Anonymous,
    }
}

fn client(stand_in: &StandIn, credentials: Credentials) -> Client {
    let options = Options {
        certificate_authorities: stand_in.authority_pem().map(|pem| pem.as_bytes().to_vec()),
        plain_http: PlainHttp::Loopback,
        timeout: Duration::from_secs(3),
        limits: Limits::TABLE,
    };
    Client::new(options, credentials).unwrap()
}

#[track_caller]
fn is_error<T: std::fmt::Debug>(result: Result<T, Failure>, code: &'static str) {
    match result {
        Err(Failure::Error(error)) => assert_eq!(error.code(), Code::new(code), "{error}"),
        other => panic!("{code} expected, got {other:?}"),
    }
}

#[track_caller]
fn is_refusal<T: std::fmt::Debug>(result: Result<T, Failure>, code: &'static str) {
    match result {
        Err(Failure::Refusal(refusal)) => assert_eq!(refusal.code(), Code::new(code), "{refusal}"),
        other => panic!("{code} expected, got {other:?}"),
    }
}

#[tokio::test]
async fn what_is_pushed_is_found_in_every_kind_of_registry() {
    let tls = StandInOptions {
        transport: Transport::Tls,
        ..StandInOptions::default()
    };
    for world in [
        World::ecr(),
        World::with(tls),
        World::oci(Login::Anonymous),
        World::oci(Login::Basic),
        World::oci(Login::Bearer),
        World::no_referrers(),
    ] {
        let image = world.client.resolve(&world.image("1")).await.unwrap();
        let repository = world.repository();
        assert!(
            world
                .client
                .referrers(&repository, image.digest())
                .await
                .unwrap()
                .is_empty()
        );
        for content in ["one", "two"] {
            let referrer = world.referrer(&image.manifest, content).await;
            world
                .client
                .push_referrer(&repository, &referrer)
                .await
                .unwrap();
            world
                .client
                .push_referrer(&repository, &referrer)
                .await
                .unwrap();
            let found = world
                .client
                .manifest(&repository, referrer.descriptor())
                .await
                .unwrap()
                .unwrap();
            assert_eq!(found.bytes(), referrer.bytes());
        }
        let listed = world
            .client
            .referrers(&repository, image.digest())
            .await
            .unwrap();
        assert_eq!(listed.len(), 2);
        let blob = Descriptor::of(MEDIA_TYPE, b"one");
        assert_eq!(
            &world
                .client
                .blob(&repository, &blob, 10)
                .await
                .unwrap()
                .unwrap()[..],
            b"one"
        );
        assert_eq!(
            world.client.check_blob(&repository, &blob).await.unwrap(),
            Some(3)
        );
    }
}

#[tokio::test]
async fn a_login_is_learnt_once_and_sent_to_the_registry_alone() {
    let world = World::with(StandInOptions {
        elsewhere: Elsewhere::Listening,
        ..StandInOptions::default()
    });
    let image = world.image("1");
    world.stand_in.forget_calls();
    world.client.resolve(&image).await.unwrap();
    world.client.resolve(&image).await.unwrap();
    let calls = world.stand_in.calls();
    let statuses: Vec<u16> = calls.iter().map(|call| call.status).collect();
    assert_eq!(statuses, [401, 200, 200], "one challenge, no ping");
}

#[tokio::test]
async fn only_a_404_is_absence() {
    let world = World::oci(Login::Anonymous);
    let (image, repository) = (world.image("1"), world.repository());
    let absent = Descriptor::of("x", b"absent");
    assert_eq!(
        world.client.manifest(&repository, &absent).await.unwrap(),
        None
    );
    assert_eq!(
        world.client.blob(&repository, &absent, 10).await.unwrap(),
        None
    );
    is_refusal(
        world
            .client
            .resolve(&ImageRef::parse(&format!("{repository}:no")).unwrap())
            .await,
        "image-not-found",
    );
    for (status, code) in [
        (400, "registry-unavailable"),
        (403, "registry-denied"),
        (405, "registry-unavailable"),
    ] {
        world.lie("GET /v2/*", Lie::status(status));
        is_error(world.client.resolve(&image).await, code);
        is_error(
            world.client.referrers(&repository, &absent.digest).await,
            code,
        );
        is_error(world.client.manifest(&repository, &absent).await, code);
        is_error(world.client.blob(&repository, &absent, 10).await, code);
        world.stand_in.faults().clear();
    }
    world.client.resolve(&image).await.unwrap();
}

#[tokio::test]
async fn throttling_is_waited_for_within_bounds_and_never_absence() {
    let world = World::no_referrers();
    let image = world.image("1");
    world
        .stand_in
        .faults()
        .push(Fault::on("GET /v2/*", Lie::throttled("0")).times(2));
    let pinned = world.client.resolve(&image).await.unwrap();
    for after in [
        "0",
        "99999",
        "18446744073709551615",
        "garbage",
        "Wed, 21 Oct 2099 07:28:00 GMT",
    ] {
        world.lie("GET /v2/*", Lie::throttled(after));
        is_error(
            world
                .client
                .referrers(&world.repository(), pinned.digest())
                .await,
            "registry-throttled",
        );
        world.stand_in.faults().clear();
    }
    // The referrers API is absent; the fallback tag is throttled: nobody knows whether there are any.
    world.lie("GET /v2/*/manifests/*", Lie::throttled("0"));
    is_error(
        world
            .client
            .referrers(&world.repository(), pinned.digest())
            .await,
        "registry-throttled",
    );
}

#[tokio::test]
async fn altered_bytes_are_refused() {
    let world = World::oci(Login::Anonymous);
    let (image, repository) = (world.image("1"), world.repository());
    let pinned = world.client.resolve(&image).await.unwrap();
    let descriptor = pinned.manifest.descriptor();
    let blob = Descriptor::of("c", b"{}");
    world.lie("GET /v2/*/blobs/*", Lie::FlipByte(0));
    is_refusal(
        world.client.blob(&repository, &blob, 10).await,
        "digest-mismatch",
    );
    is_refusal(
        world.client.check_blob(&repository, &blob).await,
        "digest-mismatch",
    );
    world.stand_in.faults().clear();
    for size in [1, 3] {
        let lying = Descriptor {
            size,
            ..blob.clone()
        };
        is_refusal(
            world.client.blob(&repository, &lying, 10).await,
            "digest-mismatch",
        );
        is_refusal(
            world.client.check_blob(&repository, &lying).await,
            "digest-mismatch",
        );
    }
    world.lie("GET /v2/*/manifests/*", Lie::FlipByte(3));
    is_refusal(
        world.client.manifest(&repository, descriptor).await,
        "digest-mismatch",
    );
    world.stand_in.faults().clear();
    let other = format!("sha256:{}", "0".repeat(64));
    world.lie(
        "GET /v2/*/manifests/1",
        Lie::Header("Docker-Content-Digest".to_owned(), other),
    );
    is_refusal(world.client.resolve(&image).await, "digest-mismatch");
}

#[tokio::test]
async fn a_manifest_is_held_to_the_size_of_its_descriptor() {
    let world = World::oci(Login::Anonymous);
    let pinned = world.client.resolve(&world.image("1")).await.unwrap();
    let (repository, honest) = (world.repository(), pinned.manifest.descriptor());
    assert!(
        world
            .client
            .manifest(&repository, honest)
            .await
            .unwrap()
            .is_some()
    );
    for size in [1, honest.size - 1, honest.size + 1, u64::MAX] {
        let lying = Descriptor {
            size,
            ..honest.clone()
        };
        is_refusal(
            world.client.manifest(&repository, &lying).await,
            "digest-mismatch",
        );
    }
}

#[tokio::test]
async fn endless_and_oversized_answers_end_at_the_limit() {
    let world = World::oci(Login::Anonymous);
    let (image, repository) = (world.image("1"), world.repository());
    let pinned = world.client.resolve(&image).await.unwrap();
    let blob = Descriptor {
        size: 1 << 40,
        ..Descriptor::of("c", b"{}")
    };
    world.stand_in.forget_calls();
    is_refusal(
        world.client.blob(&repository, &blob, 1 << 20).await,
        "too-large",
    );
    assert!(
        world.stand_in.calls().is_empty(),
        "it is not even asked for"
    );
    world.lie("GET /v2/*", Lie::Endless);
    is_refusal(world.client.resolve(&image).await, "too-large");
    is_refusal(
        world.client.referrers(&repository, pinned.digest()).await,
        "too-large",
    );
    world.stand_in.faults().clear();
    world.lie("GET /v2/*/referrers/*", Lie::JunkReferrers(1_001));
    is_refusal(
        world.client.referrers(&repository, pinned.digest()).await,
        "referrers-too-many",
    );
    world.stand_in.faults().clear();
    world.lie("GET /v2/*/referrers/*", Lie::EndlessPages);
    world.stand_in.forget_calls();
    is_refusal(
        world.client.referrers(&repository, pinned.digest()).await,
        "referrers-too-many",
    );
    assert!(world.stand_in.calls().len() <= 16);
}

#[tokio::test]
async fn compressed_bodies_are_refused() {
    let world = World::oci(Login::Anonymous);
    let image = world.image("1");
    for encoding in ["gzip", "br", "zstd", "deflate", "gzip, gzip"] {
        world.lie(
            "GET /v2/*",
            Lie::Header("Content-Encoding".to_owned(), encoding.to_owned()),
        );
        is_refusal(world.client.resolve(&image).await, "format-not-allowed");
        world.stand_in.faults().clear();
    }
    world.lie(
        "GET /v2/*",
        Lie::Header("Content-Encoding".to_owned(), "identity".to_owned()),
    );
    world.client.resolve(&image).await.unwrap();
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let world = World::oci(Login::Anonymous);
    let image = world.image("1");
    world.lie("GET /v2/*", Lie::Silence);
    is_error(world.client.resolve(&image).await, "fetch-timeout");
}

#[tokio::test]
async fn redirects_go_nowhere_private_and_carry_no_login() {
    let world = World::with(StandInOptions {
        elsewhere: Elsewhere::Listening,
        registry: RegistryMode::PlainOci(Login::Basic),
        ..StandInOptions::default()
    });
    let image = world.image("1");
    world.client.resolve(&image).await.unwrap();
    for target in [
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/",
        "https://[fd00:ec2::254]/",
        "https://10.0.0.1/",
        "https://[::ffff:169.254.169.254]/",
        "http://example.com/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
    ] {
        world.lie("GET /v2/*", Lie::redirect(307, target));
        is_error(world.client.resolve(&image).await, "egress-refused");
        world.stand_in.faults().clear();
    }
    let elsewhere = world.stand_in.elsewhere().unwrap().clone();
    world.stand_in.faults().push(
        Fault::on(
            "GET /v2/app/manifests/1",
            Lie::redirect(307, elsewhere.as_str()),
        )
        .times(1),
    );
    world.stand_in.forget_calls();
    let _ = world.client.resolve(&image).await;
    let calls = world.stand_in.calls();
    let strangers: Vec<_> = calls
        .iter()
        .filter(|call| call.service == countersign_stand_in::Service::Elsewhere)
        .collect();
    assert!(!strangers.is_empty());
    assert!(
        strangers
            .iter()
            .all(|call| call.header("authorization").is_none()),
        "{strangers:?}"
    );
}

#[tokio::test]
async fn a_login_realm_elsewhere_gets_no_password() {
    let world = World::with(StandInOptions {
        elsewhere: Elsewhere::Listening,
        registry: RegistryMode::PlainOci(Login::Bearer),
        ..StandInOptions::default()
    });
    let image = world.image("1");
    let client = client(
        &world.stand_in,
        Credentials::Given {
            user: "me".into(),
            password: "secret".into(),
        },
    );
    for realm in [
        "https://evil.example/token",
        "http://evil.example/token",
        "https://169.254.169.254/token",
        "https://user@evil.example/token",
        "not a url",
    ] {
        world.lie("GET /v2/*", Lie::status(401));
        world.lie(
            "GET /v2/*",
            Lie::challenge(&format!("Bearer realm=\"{realm}\",service=\"x\"")),
        );
        let failure = client.resolve(&image).await.unwrap_err();
        assert!(matches!(failure, Failure::Error(_)), "{failure:?}");
        assert!(
            ["egress-refused", "credentials-unavailable"].contains(&failure.code().as_str()),
            "{failure}"
        );
        assert!(!failure.to_string().contains("secret"));
        world.stand_in.faults().clear();
    }
}

#[tokio::test]
async fn an_expired_login_is_renewed_once() {
    let world = World::oci(Login::Bearer);
    let image = world.image("1");
    world.client.resolve(&image).await.unwrap();
    world.stand_in.expire_tokens();
    world.client.resolve(&image).await.unwrap();
    world.lie("GET /v2/*", Lie::status(401));
    world.stand_in.forget_calls();
    is_error(world.client.resolve(&image).await, "registry-denied");
    assert!(
        world.stand_in.calls().len() <= 4,
        "{:?}",
        world.stand_in.calls()
    );
}

#[tokio::test]
async fn a_refusal_for_one_repository_does_not_end_the_login_for_others() {
    for login in [Login::Basic, Login::Bearer] {
        let world = World::oci(login);
        let image = world.image("1");
        world.client.resolve(&image).await.unwrap();
        world.lie("GET /v2/forbidden/*", Lie::status(403));
        let forbidden = format!("{}/forbidden:1", world.stand_in.registry_host());
        is_error(
            world
                .client
                .resolve(&ImageRef::parse(&forbidden).unwrap())
                .await,
            "registry-denied",
        );
        world.client.resolve(&image).await.unwrap();
    }
}

#[tokio::test]
async fn too_long_a_header_is_refused() {
    let world = World::oci(Login::Anonymous);
    let image = world.image("1");
    let header = |length: usize| Lie::Header("X-Junk".to_owned(), "x".repeat(length));
    world.lie("GET /v2/*", header(40 << 10));
    is_refusal(world.client.resolve(&image).await, "too-large");
    world.stand_in.faults().clear();
    world.lie("GET /v2/*", header(30 << 10));
    world.client.resolve(&image).await.unwrap();
}

#[tokio::test]
async fn an_error_is_an_error_whatever_its_page_looks_like() {
    let world = World::oci(Login::Anonymous);
    let (image, repository) = (world.image("1"), world.repository());
    let digest = world.client.resolve(&image).await.unwrap().digest().clone();
    let pages = [
        Lie::Endless,
        Lie::Body(vec![b'x'; 100_000].into()),
        Lie::Header("Content-Encoding".to_owned(), "gzip".to_owned()),
    ];
    for (status, code) in [(503, "registry-unavailable"), (403, "registry-denied")] {
        for page in pages.clone() {
            world.lie("GET /v2/*", Lie::status(status));
            world.lie("GET /v2/*", page);
            is_error(world.client.referrers(&repository, &digest).await, code);
            is_error(world.client.resolve(&image).await, code);
            world.stand_in.faults().clear();
        }
    }
}

#[tokio::test]
async fn a_list_that_goes_on_where_it_cannot_be_followed_is_an_error() {
    let world = World::oci(Login::Anonymous);
    let pinned = world.client.resolve(&world.image("1")).await.unwrap();
    for link in [
        "<https://other.example/v2/app/referrers/x?last=1>; rel=\"next\"",
        "<unclosed; rel=\"next\"",
        "/v2/app; rel=next",
    ] {
        world.lie(
            "GET /v2/*/referrers/*",
            Lie::Header("Link".to_owned(), link.to_owned()),
        );
        is_error(
            world
                .client
                .referrers(&world.repository(), pinned.digest())
                .await,
            "registry-unavailable",
        );
        world.stand_in.faults().clear();
    }
}

#[tokio::test]
async fn what_others_attach_does_not_stop_a_signer() {
    let world = World::oci(Login::Anonymous);
    let pinned = world.client.resolve(&world.image("1")).await.unwrap();
    let referrer = world.referrer(&pinned.manifest, "one").await;
    world.lie("GET /v2/*/referrers/*", Lie::JunkReferrers(1_001));
    world
        .client
        .push_referrer(&world.repository(), &referrer)
        .await
        .unwrap();
}

#[tokio::test]
async fn tokens_of_two_repositories_that_end_at_once_are_both_renewed() {
    let world = World::oci(Login::Bearer);
    let one = world.image("1");
    let host = world.stand_in.registry_host();
    let bytes = world
        .client
        .resolve(&one)
        .await
        .unwrap()
        .manifest
        .bytes()
        .clone();
    world
        .stand_in
        .place_manifest("other", "1", OCI_MANIFEST, bytes);
    let two = ImageRef::parse(&format!("{host}/other:1")).unwrap();
    world.client.resolve(&two).await.unwrap();
    world.stand_in.expire_tokens();
    let (one, two) =
        futures_util::future::join(world.client.resolve(&one), world.client.resolve(&two)).await;
    one.unwrap();
    two.unwrap();
}

#[tokio::test]
async fn entries_of_others_at_the_fallback_tag_stay_as_they_are() {
    let world = World::no_referrers();
    let image = world.client.resolve(&world.image("1")).await.unwrap();
    let tag = image.digest().to_string().replace(':', "-");
    let theirs = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","annotations":{{"a":"b"}},"manifests":[{{"mediaType":"{OCI_MANIFEST}","digest":"{}","size":7,"urls":["https://x"],"unknown":{{"c":[1]}}}}]}}"#,
        image.digest()
    );
    world
        .stand_in
        .place_manifest("app", &tag, OCI_INDEX, theirs.into_bytes().into());
    let referrer = world.referrer(&image.manifest, "one").await;
    world
        .client
        .push_referrer(&world.repository(), &referrer)
        .await
        .unwrap();
    let index = world
        .client
        .resolve(&ImageRef::parse(&format!("{}:{tag}", world.repository())).unwrap())
        .await
        .unwrap();
    let index: serde_json::Value = serde_json::from_slice(index.manifest.bytes()).unwrap();
    assert_eq!(index["annotations"]["a"], "b");
    assert_eq!(index["manifests"][0]["unknown"]["c"][0], 1);
    assert_eq!(index["manifests"][0]["urls"][0], "https://x");
    assert_eq!(index["manifests"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_immutable_fallback_tag_is_named() {
    let world = World::no_referrers();
    let image = world.client.resolve(&world.image("1")).await.unwrap();
    world.stand_in.set_repository("app", Mutability::Immutable);
    let repository = world.repository();
    let first = world.referrer(&image.manifest, "one").await;
    world
        .client
        .push_referrer(&repository, &first)
        .await
        .unwrap();
    let second = world.referrer(&image.manifest, "two").await;
    is_refusal(
        world.client.push_referrer(&repository, &second).await,
        "tag-immutable",
    );
}

#[tokio::test]
async fn a_repository_that_must_exist_is_named_when_it_does_not() {
    let world = World::with(StandInOptions {
        repositories: Repositories::MustExist,
        ..StandInOptions::default()
    });
    let repository = world.repository();
    is_refusal(
        world
            .client
            .push_blob(&repository, b"x".to_vec().into())
            .await,
        "push-rejected",
    );
}

#[tokio::test]
async fn eight_writers_at_once_all_end_at_a_fallback_tag() {
    let world = World::no_referrers();
    let image = world.client.resolve(&world.image("1")).await.unwrap();
    let repository = world.repository();
    let mut referrers = Vec::new();
    for number in 0..8 {
        referrers.push(world.referrer(&image.manifest, &number.to_string()).await);
    }
    let pushes = referrers
        .iter()
        .map(|referrer| world.client.push_referrer(&repository, referrer));
    for pushed in futures_util::future::join_all(pushes).await {
        pushed.unwrap();
    }
    let listed = world
        .client
        .referrers(&repository, image.digest())
        .await
        .unwrap();
    // No registry lets a writer say "only if nobody else has": one may still be lost, most must not be.
    assert!(listed.len() >= 4, "{}", listed.len());
    assert!(!listed.iter().any(|entry| entry.media_type == OCI_INDEX));
}

#[tokio::test]
async fn nothing_listens_is_an_error() {
    let world = World::oci(Login::Anonymous);
    is_error(
        world
            .client
            .resolve(&ImageRef::parse("127.0.0.1:9/app:1").unwrap())
            .await,
        "registry-unavailable",
    );
}

//! Pushing and pulling, with the deviations of ECR beside a registry that follows the specification.

use countersign_stand_in::{Login, Mutability, Options, RegistryMode, Repositories};
use reqwest::Url;
use serde_json::json;

use crate::world::{MANIFEST, World, manifest, sha256};

const CREATE: &str = "AmazonEC2ContainerRegistry_V20150921.CreateRepository";
const DESCRIBE: &str = "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories";

#[tokio::test]
async fn an_image_is_read_as_it_was_pushed() {
    for world in [World::ecr(), World::plain()] {
        let pushed = world.push_image("team/app", "v1", json!({})).await;
        assert_eq!(pushed.status, 201, "{}", pushed.text());
        let bytes = manifest(&sha256(b"{}"), json!({})).to_string().into_bytes();
        let digest = sha256(&bytes);
        assert_eq!(pushed.header("docker-content-digest"), digest);
        for reference in ["v1", digest.as_str()] {
            let path = format!("/v2/team/app/manifests/{reference}");
            let read = world.registry("GET", &path, "").await;
            assert_eq!(read.body, bytes);
            assert_eq!(read.header("content-type"), MANIFEST);
            let head = world.registry("HEAD", &path, "").await;
            assert_eq!(head.header("content-length"), bytes.len().to_string());
            assert_eq!(head.header("docker-content-digest"), digest);
        }
        let tags = world.registry("GET", "/v2/team/app/tags/list", "").await;
        assert_eq!(tags.json(), json!({"name": "team/app", "tags": ["v1"]}));
    }
}

#[tokio::test]
async fn only_a_plain_registry_says_where_a_manifest_is() {
    let pushed = World::ecr().push_image("app", "v1", json!({})).await;
    assert_eq!(pushed.header("location"), "");
    let world = World::plain();
    let pushed = world.push_image("app", "v1", json!({})).await;
    let digest = pushed.header("docker-content-digest");
    assert_eq!(
        pushed.header("location"),
        world.at(&format!("/v2/app/manifests/{digest}"))
    );
}

#[tokio::test]
async fn a_manifest_must_be_what_it_says() {
    let world = World::plain();
    let config = world.push_blob("app", b"{}").await;
    let bytes = manifest(&config, json!({})).to_string();
    let wrong = format!("/v2/app/manifests/{}", sha256(b"other"));
    let answer = world.typed("PUT", &wrong, MANIFEST, bytes.clone()).await;
    answer.is_denied(400, "DIGEST_INVALID");
    let answer = world
        .typed("PUT", "/v2/app/manifests/v1", "text/plain", bytes.clone())
        .await;
    answer.is_denied(400, "MANIFEST_INVALID");
    let answer = world
        .typed("PUT", "/v2/app/manifests/v1", MANIFEST, "{")
        .await;
    answer.is_denied(400, "MANIFEST_INVALID");
    let answer = world
        .typed("PUT", "/v2/app/manifests/-v1", MANIFEST, bytes.clone())
        .await;
    answer.is_denied(400, "TAG_INVALID");
    let right = format!("/v2/app/manifests/{}", sha256(bytes.as_bytes()));
    assert_eq!(
        world.typed("PUT", &right, MANIFEST, bytes).await.status,
        201
    );
}

#[tokio::test]
async fn what_a_manifest_names_must_be_there() {
    let world = World::plain();
    let config = world.push_blob("app", b"{}").await;
    let path = "/v2/app/manifests/v1";
    let absent = json!({"mediaType": "x/y", "digest": sha256(b"absent"), "size": 6});
    for members in [
        json!({"layers": [absent]}),
        json!({"config": absent}),
        json!({"manifests": [absent]}),
    ] {
        let bytes = manifest(&config, members).to_string();
        let answer = world.typed("PUT", path, MANIFEST, bytes).await;
        answer.is_denied(404, "MANIFEST_BLOB_UNKNOWN");
    }
    let bytes = manifest(&config, json!({"subject": absent})).to_string();
    assert_eq!(world.typed("PUT", path, MANIFEST, bytes).await.status, 201);
}

#[tokio::test]
async fn a_manifest_has_at_most_4_mib() {
    let world = World::plain();
    let config = world.push_blob("app", b"{}").await;
    let bytes = manifest(&config, json!({})).to_string();
    for (length, status) in [(4 << 20, 201), ((4 << 20) + 1, 413)] {
        let mut padded = bytes.clone().into_bytes();
        padded.resize(length, b' ');
        let answer = world
            .typed("PUT", "/v2/app/manifests/v1", MANIFEST, padded)
            .await;
        assert_eq!(answer.status, status, "{length}");
    }
}

#[tokio::test]
async fn a_blob_in_chunks_is_accepted_with_each_registrys_status() {
    for (world, status) in [(World::ecr(), 201), (World::plain(), 202)] {
        let started = world.registry("POST", "/v2/app/blobs/uploads/", "").await;
        let location = started.header("location").to_owned();
        for (chunk, range) in [("abc", "0-2"), ("def", "0-5")] {
            let answer = world.registry("PATCH", &location, chunk).await;
            assert_eq!((answer.status, answer.header("range")), (status, range));
        }
        let digest = sha256(b"abcdef");
        let finished = world
            .registry("PUT", &format!("{location}?digest={digest}"), "")
            .await;
        assert_eq!(finished.status, 201);
        let head = world
            .registry("HEAD", &format!("/v2/app/blobs/{digest}"), "")
            .await;
        assert_eq!((head.status, head.header("content-length")), (200, "6"));
    }
}

#[tokio::test]
async fn an_upload_that_does_not_match_is_refused() {
    for (world, code) in [
        (World::ecr(), "BLOB_UPLOAD_INVALID"),
        (World::plain(), "DIGEST_INVALID"),
    ] {
        let started = world.registry("POST", "/v2/app/blobs/uploads/", "").await;
        let path = format!("{}?digest={}", started.header("location"), sha256(b"a"));
        world.registry("PUT", &path, "b").await.is_denied(400, code);
        world
            .registry("PUT", &path, "a")
            .await
            .is_denied(404, "BLOB_UPLOAD_UNKNOWN");
    }
}

#[tokio::test]
async fn ecr_does_not_mount() {
    for (world, status) in [(World::ecr(), 202), (World::plain(), 201)] {
        let digest = world.push_blob("source", b"blob").await;
        let path = format!("/v2/target/blobs/uploads/?mount={digest}&from=source");
        assert_eq!(world.registry("POST", &path, "").await.status, status);
        let path = format!(
            "/v2/target/blobs/uploads/?mount={}&from=source",
            sha256(b"absent")
        );
        assert_eq!(world.registry("POST", &path, "").await.status, 202);
    }
}

#[tokio::test]
async fn ecr_gives_blobs_from_another_host_once_and_without_a_login() {
    let world = World::ecr();
    let digest = world.push_blob("app", b"content").await;
    let path = format!("/v2/app/blobs/{digest}");
    let redirect = world.registry("GET", &path, "").await;
    assert_eq!((redirect.status, redirect.body.len()), (307, 0));
    let location = redirect.header("location");
    assert_eq!(Url::parse(location).unwrap().host_str(), Some("localhost"));

    let with_login = [("authorization", "Basic QVdTOng=")];
    let leaked = world.ask("GET", location, &with_login, "").await;
    assert_eq!(leaked.status, 400);
    assert!(leaked.text().contains("Only one auth mechanism allowed"));
    assert!(world.last_call().query.contains("X-Amz-Signature=present"));

    assert_eq!(world.ask("GET", location, &[], "").await.body, b"content");
    assert_eq!(world.ask("GET", location, &[], "").await.status, 403);
}

#[tokio::test]
async fn a_plain_registry_gives_blobs_itself() {
    let world = World::plain();
    let digest = world.push_blob("app", b"content").await;
    let read = world
        .registry("GET", &format!("/v2/app/blobs/{digest}"), "")
        .await;
    assert_eq!((read.status, read.body.as_slice()), (200, &b"content"[..]));
    let absent = format!("/v2/app/blobs/{}", sha256(b"absent"));
    world
        .registry("GET", &absent, "")
        .await
        .is_denied(404, "BLOB_UNKNOWN");
}

#[tokio::test]
async fn an_immutable_tag_stays() {
    let world = World::ecr();
    let request = json!({
        "repositoryName": "app",
        "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
        "imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": "sha256-*"}],
    });
    let created = world.aws(CREATE, request).await.json();
    assert_eq!(
        created["repository"]["imageTagMutability"],
        "IMMUTABLE_WITH_EXCLUSION"
    );
    for (tag, more, status) in [
        ("v1", json!({}), 201),
        ("v1", json!({"annotations": {"a": "b"}}), 400),
        ("sha256-ab", json!({}), 201),
        ("sha256-ab", json!({"annotations": {"a": "b"}}), 201),
    ] {
        let answer = world.push_image("app", tag, more).await;
        assert_eq!(answer.status, status, "{tag} {}", answer.text());
    }
    let answer = world.push_image("app", "v1", json!({})).await;
    answer.is_denied(400, "TAG_INVALID");
    assert_eq!(
        answer.json()["errors"][0]["message"],
        "The image tag 'v1' already exists in the 'app' repository and cannot be overwritten because the tag is immutable."
    );
    world.stand_in.set_repository("app", Mutability::Mutable);
    assert_eq!(world.push_image("app", "v1", json!({})).await.status, 201);
}

#[tokio::test]
async fn repositories_can_be_left_to_their_owner() {
    let world = World::new(Options {
        repositories: Repositories::MustExist,
        ..Options::default()
    });
    let upload = "/v2/app/blobs/uploads/";
    world
        .registry("POST", upload, "")
        .await
        .is_denied(404, "NAME_UNKNOWN");
    let request = json!({"repositoryName": "app"});
    assert_eq!(world.aws(CREATE, request.clone()).await.status, 200);
    let again = world.aws(CREATE, request).await;
    assert_eq!(again.json()["__type"], "RepositoryAlreadyExistsException");
    assert_eq!(world.registry("POST", upload, "").await.status, 202);
}

#[tokio::test]
async fn repositories_are_described() {
    let world = World::ecr();
    world.push_blob("app", b"x").await;
    let described = world.aws(DESCRIBE, json!({})).await.json();
    let repository = &described["repositories"][0];
    let uri = format!("{}/app", world.stand_in.registry_host());
    assert_eq!(repository["repositoryUri"], uri);
    assert_eq!(repository["registryId"], "000000000000");
    assert_eq!(repository["imageTagMutability"], "MUTABLE");
    let absent = world
        .aws(DESCRIBE, json!({"repositoryNames": ["other"]}))
        .await;
    assert_eq!(absent.json()["__type"], "RepositoryNotFoundException");
    let invalid = json!({"repositoryName": "x", "imageTagMutability": "SOMETIMES"});
    let invalid = world.aws(CREATE, invalid).await;
    assert_eq!(invalid.json()["__type"], "InvalidParameterException");
}

#[tokio::test]
async fn what_is_absent_is_said_to_be() {
    let world = World::plain();
    world
        .registry("GET", "/v2/none/manifests/v1", "")
        .await
        .is_denied(404, "NAME_UNKNOWN");
    world
        .registry("GET", "/v2/none/tags/list", "")
        .await
        .is_denied(404, "NAME_UNKNOWN");
    world.push_blob("app", b"x").await;
    world
        .registry("GET", "/v2/app/manifests/v1", "")
        .await
        .is_denied(404, "MANIFEST_UNKNOWN");
    world
        .registry("PUT", "/v2/app/tags/list", "")
        .await
        .is_denied(405, "UNSUPPORTED");
    assert_eq!(world.registry("GET", "/other", "").await.status, 404);
}

#[tokio::test]
async fn a_deleted_manifest_takes_its_tags_with_it() {
    let world = World::ecr();
    let pushed = world.push_image("app", "v1", json!({})).await;
    let digest = pushed.header("docker-content-digest").to_owned();
    world.push_image("app", "v2", json!({})).await;
    assert_eq!(
        world
            .registry("DELETE", "/v2/app/manifests/v1", "")
            .await
            .status,
        202
    );
    let by_digest = format!("/v2/app/manifests/{digest}");
    assert_eq!(world.registry("GET", &by_digest, "").await.status, 200);
    assert_eq!(world.registry("DELETE", &by_digest, "").await.status, 202);
    for path in ["/v2/app/manifests/v2", &by_digest] {
        world
            .registry("GET", path, "")
            .await
            .is_denied(404, "MANIFEST_UNKNOWN");
    }
}

#[tokio::test]
async fn a_hostile_manifest_can_be_placed() {
    let world = World::new(Options {
        registry: RegistryMode::NoReferrersApi(Login::Anonymous),
        ..Options::default()
    });
    let hostile = &b"{\"digest\":1,\"digest\":2"[..];
    let digest = world
        .stand_in
        .place_manifest("app", "v1", "text/x", hostile.into());
    assert_eq!(digest, sha256(hostile));
    for reference in ["v1", &digest] {
        let read = world
            .registry("GET", &format!("/v2/app/manifests/{reference}"), "")
            .await;
        assert_eq!(
            (read.body.as_slice(), read.header("content-type")),
            (hostile, "text/x")
        );
    }
    let blob = world.stand_in.place_blob("app", b"blob".as_slice().into());
    let read = world
        .registry("GET", &format!("/v2/app/blobs/{blob}"), "")
        .await;
    assert_eq!(read.body, b"blob");
}

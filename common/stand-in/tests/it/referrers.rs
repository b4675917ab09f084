//! The lists of referrers and tags: what an entry says, filters, pages, and registries that have no such list.

use countersign_stand_in::{Login, Options, ReferrersFilter, RegistryMode};
use serde_json::{Value, json};

use crate::world::{Answer, CONFIG, MANIFEST, World, sha256};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const LIST: &str = "AmazonEC2ContainerRegistry_V20150921.ListImageReferrers";
const MOVE: &str = "AmazonEC2ContainerRegistry_V20150921.UpdateImageStorageClass";
const NOTE: &str = "application/vnd.example.note";

fn paged(page_size: usize) -> World {
    World::new(Options {
        page_size,
        ..Options::default()
    })
}

fn subject() -> String {
    sha256(b"the subject, which nobody has pushed")
}

/// Pushes something that refers to the subject: the answer.
async fn refer(world: &World, tag: &str, more: Value) -> Answer {
    let mut members = json!({"subject": {"mediaType": MANIFEST, "digest": subject(), "size": 9}});
    members
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    world.push_image("app", tag, members).await
}

async fn list(world: &World, query: &str) -> Answer {
    let path = format!("/v2/app/referrers/{}{query}", subject());
    world.registry("GET", &path, "").await
}

fn digests(answer: &Answer) -> Vec<String> {
    let document = answer.json();
    let entries = document["manifests"].as_array().unwrap().iter();
    entries
        .map(|entry| entry["digest"].as_str().unwrap().into())
        .collect()
}

/// The address in `Link`, if there is another page.
fn next(answer: &Answer) -> Option<String> {
    let link = answer.header("link").strip_prefix('<')?;
    Some(link.strip_suffix(">; rel=\"next\"").unwrap().into())
}

#[tokio::test]
async fn an_entry_says_what_the_manifest_is() {
    let world = World::ecr();
    let typed = refer(
        &world,
        "a",
        json!({"artifactType": NOTE, "annotations": {"k": "v"}}),
    )
    .await;
    assert_eq!(typed.header("oci-subject"), subject());
    let untyped = refer(&world, "b", json!({})).await;
    let answer = list(&world, "").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, INDEX));
    let index = answer.json();
    assert_eq!(
        (&index["schemaVersion"], &index["mediaType"]),
        (&json!(2), &json!(INDEX))
    );
    let entry = &index["manifests"][0];
    assert_eq!(entry["digest"], typed.header("docker-content-digest"));
    assert_eq!(entry["mediaType"], MANIFEST);
    assert_eq!(entry["artifactType"], NOTE);
    assert_eq!(entry["annotations"], json!({"k": "v"}));
    let read = world.registry("GET", "/v2/app/manifests/a", "").await;
    assert_eq!(entry["size"], read.body.len());
    let entry = &index["manifests"][1];
    assert_eq!(entry["digest"], untyped.header("docker-content-digest"));
    assert_eq!(
        (&entry["artifactType"], entry.get("annotations")),
        (&json!(CONFIG), None)
    );
}

#[tokio::test]
async fn a_subject_without_referrers_has_an_empty_list() {
    let world = World::ecr();
    world.push_blob("app", b"x").await;
    let answer = list(&world, "").await;
    assert_eq!((answer.status, digests(&answer).len()), (200, 0));
    let path = format!("/v2/none/referrers/{}", subject());
    world
        .registry("GET", &path, "")
        .await
        .is_denied(404, "NAME_UNKNOWN");
}

#[tokio::test]
async fn a_filter_is_applied_or_not_and_the_answer_says_which() {
    for (filter, left, header) in [
        (ReferrersFilter::Applied, 1, "artifactType"),
        (ReferrersFilter::Ignored, 2, ""),
    ] {
        let world = World::new(Options {
            referrers_filter: filter,
            ..Options::default()
        });
        refer(&world, "a", json!({"artifactType": NOTE})).await;
        refer(&world, "b", json!({})).await;
        let answer = list(&world, &format!("?artifactType={NOTE}")).await;
        assert_eq!(digests(&answer).len(), left);
        assert_eq!(answer.header("oci-filters-applied"), header);
        assert_eq!(list(&world, "").await.header("oci-filters-applied"), "");
    }
}

#[tokio::test]
async fn every_referrer_is_on_one_page() {
    let world = paged(2);
    let mut pushed = Vec::new();
    for number in ["1", "2", "3", "4", "5"] {
        let members = json!({"artifactType": NOTE, "annotations": {"number": number}});
        let answer = refer(&world, number, members).await;
        pushed.push(answer.header("docker-content-digest").to_owned());
    }
    let mut read = Vec::new();
    let mut answer = list(&world, &format!("?artifactType={NOTE}&n=100")).await;
    loop {
        assert!(digests(&answer).len() <= 2);
        read.extend(digests(&answer));
        let Some(path) = next(&answer) else { break };
        assert!(path.contains("artifactType="), "{path}");
        answer = world.registry("GET", &path, "").await;
    }
    assert_eq!(read, pushed);
    assert_eq!(digests(&list(&world, "?n=1").await).len(), 1);
}

#[tokio::test]
async fn a_full_page_is_the_last_when_nothing_follows() {
    let world = paged(2);
    for number in ["1", "2"] {
        refer(&world, number, json!({"annotations": {"number": number}})).await;
    }
    let answer = list(&world, "").await;
    assert_eq!((digests(&answer).len(), next(&answer)), (2, None));
}

#[tokio::test]
async fn tags_come_in_pages_too() {
    let world = paged(2);
    for tag in ["a", "b", "c"] {
        world.push_image("app", tag, json!({})).await;
    }
    let first = world.registry("GET", "/v2/app/tags/list", "").await;
    assert_eq!(first.json()["tags"], json!(["a", "b"]));
    let second = world.registry("GET", &next(&first).unwrap(), "").await;
    assert_eq!(
        (second.json()["tags"].clone(), next(&second)),
        (json!(["c"]), None)
    );
}

#[tokio::test]
async fn a_deleted_or_repeated_referrer_is_listed_accordingly() {
    let world = World::ecr();
    let pushed = refer(&world, "a", json!({})).await;
    refer(&world, "b", json!({})).await;
    let digest = pushed.header("docker-content-digest");
    assert_eq!(digests(&list(&world, "").await), [digest]);
    let path = format!("/v2/app/manifests/{digest}");
    assert_eq!(world.registry("DELETE", &path, "").await.status, 202);
    assert_eq!(digests(&list(&world, "").await).len(), 0);
}

#[tokio::test]
async fn an_old_registry_has_no_such_list() {
    let world = World::new(Options {
        registry: RegistryMode::NoReferrersApi(Login::Anonymous),
        ..Options::default()
    });
    let pushed = refer(&world, "a", json!({})).await;
    assert_eq!((pushed.status, pushed.header("oci-subject")), (201, ""));
    let answer = list(&world, "").await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (404, "404 page not found\n")
    );
}

#[tokio::test]
async fn what_is_archived_is_listed_by_ecrs_api_alone_and_comes_back() {
    let world = World::ecr();
    let active = refer(&world, "a", json!({"artifactType": NOTE})).await;
    let put_away = refer(&world, "b", json!({"artifactType": "application/other"})).await;
    let digest = put_away.header("docker-content-digest").to_owned();
    let store = async |class: &str, digest: &str| {
        let image = json!({"repositoryName": "app", "imageId": {"imageDigest": digest}, "targetStorageClass": class});
        world.aws(MOVE, image).await
    };
    let moved = store("ARCHIVE", &digest).await;
    assert_eq!(
        (moved.status, &moved.json()["imageStatus"]),
        (200, &json!("ARCHIVED"))
    );
    assert_eq!(
        digests(&list(&world, "").await),
        [active.header("docker-content-digest")]
    );
    let path = format!("/v2/app/manifests/{digest}");
    world
        .registry("GET", &path, "")
        .await
        .is_denied(404, "MANIFEST_UNKNOWN");

    let ask = async |more: Value| {
        let mut asked = json!({"repositoryName": "app", "subjectId": {"imageDigest": subject()}});
        let members = asked.as_object_mut().unwrap();
        members.extend(more.as_object().unwrap().clone());
        world.aws(LIST, asked).await.json()
    };
    let any = json!({"artifactStatus": "ANY"});
    let by_default = ask(json!({})).await;
    assert_eq!(by_default["referrers"].as_array().unwrap().len(), 1);
    assert_eq!(by_default["referrers"][0]["artifactStatus"], "ACTIVE");
    let first = ask(json!({"filter": any, "maxResults": 1})).await;
    assert_eq!(first["referrers"].as_array().unwrap().len(), 1);
    let next = first["nextToken"].as_str().unwrap();
    let second = ask(json!({"filter": any, "maxResults": 1, "nextToken": next})).await;
    assert_eq!(second["referrers"][0]["digest"], digest);
    assert_eq!(second["referrers"][0]["artifactStatus"], "ARCHIVED");
    assert_eq!(second.get("nextToken"), None);
    let typed = json!({"filter": {"artifactStatus": "ANY", "artifactTypes": [NOTE]}});
    assert_eq!(
        ask(typed).await["referrers"][0]["digest"],
        active.header("docker-content-digest")
    );

    store("STANDARD", &digest).await;
    assert_eq!(digests(&list(&world, "").await).len(), 2);
    assert_eq!(world.registry("GET", &path, "").await.status, 200);
    let unknown = store("ARCHIVE", &subject()).await;
    assert_eq!(unknown.json()["__type"], "ImageNotFoundException");
    let unknown = store("FREEZER", &digest).await;
    assert_eq!(unknown.json()["__type"], "InvalidParameterException");
}

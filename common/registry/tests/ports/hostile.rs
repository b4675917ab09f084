//! Folders that lie, or lead elsewhere.

use std::{fs, os::unix::fs::symlink, process::Command, sync::Arc};

use countersign_common::{
    Descriptor, Explain, Limits, Manifest, Registry,
    manifest::{OCI_INDEX, OCI_MANIFEST},
    registry::Blind,
};
use countersign_registry::{Layout, LayoutError};
use serde_json::{Value, json};

use crate::places::{Folder, image, in_layout, is_error, is_refusal, shop, tagged};

fn pipe(folder: &Folder, name: &str) {
    let path = folder.path(name);
    let _ = fs::remove_file(&path);
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

async fn opening(change: impl FnOnce(&Folder)) -> Result<Layout, LayoutError> {
    let folder = Folder::empty();
    change(&folder);
    folder.open(&Limits::TABLE).await
}

#[tokio::test]
async fn a_folder_that_is_no_layout_is_not_opened() {
    let marker =
        |text: &'static str| move |folder: &Folder| folder.write("oci-layout", text.as_bytes());
    let remove =
        |name: &'static str| move |folder: &Folder| fs::remove_file(folder.path(name)).unwrap();
    for (opened, code) in [
        (opening(remove("oci-layout")).await, "layout-invalid"),
        (opening(remove("index.json")).await, "layout-invalid"),
        (
            opening(marker(r#"{"imageLayoutVersion":"2.0.0"}"#)).await,
            "layout-invalid",
        ),
        (
            opening(marker(r#"{"imageLayoutVersion":"10.0.0"}"#)).await,
            "layout-invalid",
        ),
        (
            opening(marker(r#"{"imageLayoutVersion":1}"#)).await,
            "layout-invalid",
        ),
        (
            opening(marker(
                r#"{"imageLayoutVersion":"1.0.0","imageLayoutVersion":"1.0.0"}"#,
            ))
            .await,
            "layout-invalid",
        ),
        (opening(marker("\u{1b}[2J")).await, "layout-invalid"),
        (
            opening(|folder| folder.write("oci-layout", &vec![b' '; 1 << 20])).await,
            "layout-invalid",
        ),
        (
            opening(|folder| fs::remove_dir_all(folder.folder.path()).unwrap()).await,
            "layout-invalid",
        ),
        (
            opening(|folder| pipe(folder, "oci-layout")).await,
            "layout-unreadable",
        ),
        (
            opening(|folder| pipe(folder, "index.json")).await,
            "layout-unreadable",
        ),
        (
            opening(|folder| {
                remove("index.json")(folder);
                fs::create_dir(folder.path("index.json")).unwrap();
            })
            .await,
            "layout-unreadable",
        ),
        (
            opening(|folder| {
                remove("index.json")(folder);
                folder.write("elsewhere", b"{}");
                symlink(folder.path("elsewhere"), folder.path("index.json")).unwrap();
            })
            .await,
            "layout-unreadable",
        ),
    ] {
        let error = opened.unwrap_err();
        assert_eq!(error.code().as_str(), code, "{error}");
        assert!(!error.to_string().contains('\u{1b}'), "{error}");
    }
    opening(marker(r#"{"imageLayoutVersion":"1.1.0"}"#))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_file_is_no_folder() {
    let folder = Folder::empty();
    let path = folder.path("oci-layout");
    let opened = Layout::open(
        path.to_str().unwrap(),
        std::time::Duration::from_secs(9),
        Limits::TABLE,
    );
    let error = opened.await.unwrap_err();
    assert_eq!(error.code(), LayoutError::CODE, "{error}");
}

/// What becomes of the only image of a folder whose list is this.
async fn listing(
    list: &[u8],
) -> Result<countersign_common::PinnedImage, countersign_common::registry::Failure> {
    let folder = Folder::empty();
    folder.put_image("a");
    folder.write("index.json", list);
    let (_folder, layout) = folder.opened().await;
    layout.resolve(&in_layout(":1")).await
}

fn list_of(entries: &[Value]) -> Vec<u8> {
    let list = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries });
    list.to_string().into_bytes()
}

#[tokio::test]
async fn a_list_that_is_not_strict_is_refused() {
    let entry = tagged(json!(image("a").descriptor()), "1");
    listing(&list_of(std::slice::from_ref(&entry)))
        .await
        .unwrap();
    let with = |member: &str, value: Value| {
        let mut entry = entry.clone();
        entry[member] = value;
        list_of(&[entry])
    };
    let twice = String::from_utf8(list_of(std::slice::from_ref(&entry))).unwrap();
    let twice = twice.replace("\"manifests\":", "\"manifests\":[],\"manifests\":");
    for list in [
        b"".to_vec(),
        b"[]".to_vec(),
        b"\x80".to_vec(),
        br#"{"schemaVersion":2}"#.to_vec(),
        br#"{"schemaVersion":2,"manifests":{}}"#.to_vec(),
        twice.into_bytes(),
        with("digest", "sha256:../../../etc/passwd".into()),
        with("digest", "sha256:".into()),
        with("digest", format!("sha256:{}", "A".repeat(64)).into()),
        with("digest", format!("md5:{}", "a".repeat(32)).into()),
        with("size", json!(-1)),
        with("annotations", json!(["org.opencontainers.image.ref.name"])),
    ] {
        is_refusal(listing(&list).await, "malformed");
    }
    let other = br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}"#;
    is_refusal(listing(other).await, "malformed");
}

#[tokio::test]
async fn a_list_is_read_up_to_its_limits() {
    let entry = |number: usize| json!(Descriptor::of("x", number.to_string().as_bytes()));
    let mut entries: Vec<_> = (1..10_000).map(entry).collect();
    entries.push(tagged(json!(image("a").descriptor()), "1"));
    listing(&list_of(&entries)).await.unwrap();
    entries.push(entry(0));
    is_refusal(listing(&list_of(&entries)).await, "too-large");
    let mut list = list_of(&entries[9_999..10_000]);
    list.resize(4 << 20, b' ');
    listing(&list).await.unwrap();
    list.push(b' ');
    is_refusal(listing(&list).await, "too-large");
}

#[tokio::test]
async fn what_a_list_names_is_opened_up_to_all_bytes_of_an_image() {
    let folder = Folder::empty();
    let entries = [folder.put_image("a"), folder.put_image("b")];
    folder.list(&entries);
    let bytes = image("a").descriptor().size + image("b").descriptor().size;
    for (image_bytes, passes) in [(bytes, true), (bytes - 1, false)] {
        let limits = Limits {
            image_bytes,
            ..Limits::TABLE
        };
        let layout = folder.open(&limits).await.unwrap();
        let listed = layout.referrers(&shop(), image("a").digest()).await;
        if passes {
            assert_eq!(listed.unwrap(), []);
        } else {
            is_refusal(listed, "too-large");
        }
    }
}

#[tokio::test]
async fn children_of_listed_indexes_count_with_the_entries() {
    let folder = Folder::empty();
    let children: Vec<Manifest> = ["a", "b"].map(image).to_vec();
    let index = crate::places::index(&children.iter().collect::<Vec<_>>());
    folder.put(index.bytes());
    let index_alone = [json!(index.descriptor())];
    // A child that is listed too counts once.
    let with_a_child = [json!(index.descriptor()), folder.put_image("a")];
    for (entries, layout_entries, passes) in [
        (&index_alone[..], 3, true),
        (&index_alone, 2, false),
        (&with_a_child, 3, true),
        (&with_a_child, 2, false),
    ] {
        folder.list(entries);
        let limits = Limits {
            layout_entries,
            ..Limits::TABLE
        };
        let layout = folder.open(&limits).await.unwrap();
        let listed = layout.referrers(&shop(), index.digest()).await;
        if passes {
            assert_eq!(listed.unwrap(), []);
        } else {
            is_refusal(listed, "too-large");
        }
    }
}

#[tokio::test]
async fn bytes_that_are_not_what_they_are_named_are_refused() {
    let manifest = image("content");
    for change in [&b"changed"[..], b"conten", b"content and more"] {
        let folder = Folder::empty();
        folder.list(&[tagged(folder.put_image("content"), "1")]);
        let (folder, layout) = folder.opened().await;
        let blob = Descriptor::of("x", b"content");
        fs::write(folder.blob_path(&blob.digest), change).unwrap();
        // What is longer is not read to its end, so that nobody knows whether the descriptor lies or the bytes do.
        let code = if change.len() as u64 > blob.size {
            "descriptor-mismatch"
        } else {
            "digest-mismatch"
        };
        is_refusal(layout.blob(&shop(), &blob, 1_000).await, code);
        is_refusal(
            layout.check_blob(&shop(), &blob, Arc::new(Blind)).await,
            code,
        );
        let bytes = [manifest.bytes(), &b" "[..]].concat();
        fs::write(folder.blob_path(manifest.digest()), &bytes).unwrap();
        let longer = layout.resolve(&in_layout(":1")).await;
        is_refusal(longer, "descriptor-mismatch");
        let by_digest = in_layout(&format!("@{}", manifest.digest()));
        is_refusal(layout.resolve(&by_digest).await, "descriptor-mismatch");
        folder.list(&[]);
        is_refusal(layout.resolve(&by_digest).await, "digest-mismatch");
    }
}

#[tokio::test]
async fn a_type_that_contradicts_the_manifest_is_refused() {
    let folder = Folder::empty();
    let mut entry = tagged(folder.put_image("a"), "1");
    entry["mediaType"] = OCI_INDEX.into();
    folder.list(&[entry]);
    let (_folder, layout) = folder.opened().await;
    is_refusal(layout.resolve(&in_layout(":1")).await, "malformed");
}

#[tokio::test]
async fn a_manifest_that_calls_itself_nothing_is_what_its_entry_calls_it() {
    let folder = Folder::empty();
    let config = folder.put(b"{}");
    let bytes = json!({
        "schemaVersion": 2,
        "config": { "mediaType": "c", "digest": config, "size": 2 },
        "layers": [],
    })
    .to_string();
    let digest = folder.put(bytes.as_bytes());
    let entry = |media_type| json!(Descriptor::of(media_type, bytes.as_bytes()));
    let docker = countersign_common::manifest::DOCKER_MANIFEST;
    for media_type in [OCI_MANIFEST, docker] {
        folder.list(&[entry(media_type)]);
        let layout = folder.open(&Limits::TABLE).await.unwrap();
        let resolved = layout.resolve(&in_layout("")).await.unwrap();
        assert_eq!(resolved.manifest.descriptor().media_type, media_type);
        assert_eq!(*resolved.digest(), digest);
    }
    folder.list(&[entry("application/vnd.example")]);
    let layout = folder.open(&Limits::TABLE).await.unwrap();
    is_refusal(layout.resolve(&in_layout("")).await, "format-not-allowed");
}

/// A link could lead to a secret, of which an error would then tell the hash.
#[tokio::test]
async fn what_lies_in_the_place_of_a_blob_and_is_no_file_is_neither_read_nor_absent() {
    let secret = Folder::empty();
    secret.write("secret", b"content");
    let blob = Descriptor::of("x", b"content");
    let other = Descriptor::of("x", b"another");
    let link =
        |folder: &Folder, digest| symlink(secret.path("secret"), folder.blob_path(digest)).unwrap();
    for replace in [
        &|folder: &Folder| link(folder, &blob.digest) as (),
        &|folder: &Folder| symlink("nowhere", folder.blob_path(&blob.digest)).unwrap(),
        &|folder: &Folder| symlink("/dev/zero", folder.blob_path(&blob.digest)).unwrap(),
        &|folder: &Folder| fs::create_dir(folder.blob_path(&blob.digest)).unwrap(),
        &|folder: &Folder| pipe(folder, &format!("blobs/sha256/{}", blob.digest.hex())),
    ] as [&dyn Fn(&Folder); 5]
    {
        let folder = Folder::empty();
        folder.put(b"content");
        fs::remove_file(folder.blob_path(&blob.digest)).unwrap();
        replace(&folder);
        let (folder, layout) = folder.opened().await;
        is_error(
            layout.blob(&shop(), &blob, 1_000).await,
            "layout-unreadable",
        );
        is_error(
            layout.check_blob(&shop(), &blob, Arc::new(Blind)).await,
            "layout-unreadable",
        );
        link(&folder, &other.digest);
        let error = layout.blob(&shop(), &other, 1_000).await.unwrap_err();
        assert!(!error.to_string().contains(blob.digest.hex()), "{error}");
    }
}

/// Whoever shares blobs among layouts links the folder of them: names there are digests, and nothing else can be read.
#[tokio::test]
async fn the_folder_of_blobs_may_be_a_link() {
    let (store, folder) = (Folder::empty(), Folder::empty());
    folder.list(&[tagged(store.put_image("a"), "1")]);
    symlink(store.path("blobs"), folder.path("blobs")).unwrap();
    let (_folder, layout) = folder.opened().await;
    layout.resolve(&in_layout(":1")).await.unwrap();
}

#[tokio::test]
async fn a_list_that_went_away_is_no_empty_list() {
    let folder = Folder::empty();
    folder.list(&[tagged(folder.put_image("a"), "1")]);
    let (folder, layout) = folder.opened().await;
    fs::remove_file(folder.path("index.json")).unwrap();
    is_error(layout.resolve(&in_layout(":1")).await, "layout-unreadable");
    is_error(
        layout.referrers(&shop(), image("a").digest()).await,
        "layout-unreadable",
    );
}

#[tokio::test]
async fn one_tag_at_two_images_is_none_and_at_one_twice_is_one() {
    let folder = Folder::empty();
    let (one, other) = (folder.put_image("a"), folder.put_image("b"));
    let whole = "registry.example/shop:1";
    for (names, is_one) in [
        (["1", "1"], false),
        (["1", whole], false),
        (["1", "other:2"], true),
    ] {
        folder.list(&[
            tagged(one.clone(), names[0]),
            tagged(other.clone(), names[1]),
        ]);
        let layout = folder.open(&Limits::TABLE).await.unwrap();
        let resolved = layout.resolve(&in_layout(":1")).await;
        if is_one {
            assert_eq!(resolved.unwrap().digest(), image("a").digest());
        } else {
            let said = is_refusal(resolved, "image-ambiguous");
            assert!(said.contains(image("b").digest().hex()), "{said}");
        }
    }
    folder.list(&[tagged(one.clone(), "1"), tagged(one, whole)]);
    let layout = folder.open(&Limits::TABLE).await.unwrap();
    layout.resolve(&in_layout(":1")).await.unwrap();
}

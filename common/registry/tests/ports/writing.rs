//! What is written into a folder, and what stays as it was.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    time::Duration,
};

use bytes::Bytes;
use countersign_common::{
    Digest, Limits, Manifest, Registry, RegistryWriter,
    manifest::{DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST},
};
use countersign_registry::Layout;
use serde_json::json;

use crate::places::{
    Folder, image, in_layout, index, is_error, is_refusal, referrer, shop, tagged,
};

/// A folder with one image.
fn folder() -> Folder {
    let folder = Folder::empty();
    folder.list(&[tagged(folder.put_image("a"), "1")]);
    folder
}

fn signature(content: &str) -> Manifest {
    referrer(image("a").descriptor(), content)
}

async fn attach(
    layout: &Layout,
    manifests: &[Manifest],
) -> Result<(), countersign_common::registry::Failure> {
    let subject = image("a");
    layout
        .push_referrers(&shop(), subject.digest(), manifests)
        .await
}

async fn detach(layout: &Layout, manifest: &Digest) {
    let subject = image("a");
    layout
        .remove_referrer(&shop(), subject.digest(), manifest)
        .await
        .unwrap();
}

fn names(folder: &Folder) -> Vec<String> {
    let mut folders = vec![folder.folder.path().to_owned()];
    let mut names = Vec::new();
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
            names.push(entry.file_name().into_string().unwrap());
        }
    }
    names
}

#[tokio::test]
async fn entries_of_others_stay_as_they_are_to_the_last_member() {
    let folder = folder();
    let theirs = |name: &[u8]| {
        json!({
            "mediaType": DOCKER_MANIFEST,
            "digest": Digest::sha256(name),
            "size": 7,
            "annotations": { "z": "1", "a": "\u{e9}" },
            "urls": ["https://x"],
            "unknown": { "c": [1, null, { "d": -0.5 }] },
        })
    };
    let list = json!({
        "schemaVersion": 2,
        "annotations": { "a": "b" },
        "unknown": true,
        "manifests": [theirs(b"first"), tagged(folder.put_image("a"), "1"), theirs(b"second"), theirs(b"second")],
    });
    folder.write("index.json", list.to_string().as_bytes());
    let (folder, layout) = folder.opened().await;
    let signature = signature("one");
    attach(&layout, std::slice::from_ref(&signature))
        .await
        .unwrap();
    let mut expected = list.clone();
    expected["manifests"].as_array_mut().unwrap().push(json!({
        "mediaType": OCI_MANIFEST,
        "digest": signature.digest(),
        "size": signature.bytes().len(),
        "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        // A name that the manifest gives itself would be a tag here.
        "annotations": { "note": "one" },
    }));
    assert_eq!(folder.listed(), expected);
    detach(&layout, signature.digest()).await;
    assert_eq!(folder.listed(), list);
    assert!(!folder.blob_path(signature.digest()).exists());
}

#[tokio::test]
async fn what_is_there_is_not_written_again() {
    let (folder, layout) = folder().opened().await;
    let one = [signature("one")];
    attach(&layout, &one).await.unwrap();
    let written = || {
        [
            "index.json".into(),
            format!("blobs/sha256/{}", one[0].digest().hex()),
        ]
        .map(|name: String| {
            fs::metadata(folder.path(&name))
                .unwrap()
                .modified()
                .unwrap()
        })
    };
    let first = written();
    attach(&layout, &one).await.unwrap();
    let never = signature("never");
    detach(&layout, never.digest()).await;
    assert_eq!(written(), first);
}

#[tokio::test]
async fn a_damaged_blob_is_written_again() {
    let (folder, layout) = folder().opened().await;
    let bytes = Bytes::from_static(b"content");
    let digest = layout.push_blob(&shop(), bytes.clone()).await.unwrap();
    for damaged in [&b"conten"[..], b"Content", b"content and more"] {
        fs::write(folder.blob_path(&digest), damaged).unwrap();
        layout.push_blob(&shop(), bytes.clone()).await.unwrap();
        assert_eq!(fs::read(folder.blob_path(&digest)).unwrap(), bytes);
    }
}

#[tokio::test]
async fn who_could_read_the_list_still_can_and_nobody_else() {
    for mode in [0o600, 0o664] {
        let (folder, layout) = folder().opened().await;
        let path = folder.path("index.json");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        // Only root may give it to somebody else, and only root's writes would take it from them.
        let _ = std::os::unix::fs::chown(&path, Some(1_000), None);
        let before = fs::metadata(&path).unwrap();
        attach(&layout, &[signature("one")]).await.unwrap();
        let after = fs::metadata(&path).unwrap();
        assert_eq!(after.permissions().mode() & 0o777, mode);
        assert_eq!(after.uid(), before.uid());
        assert_ne!(after.ino(), before.ino(), "it was replaced");
    }
}

#[tokio::test]
async fn of_many_who_write_at_once_nobody_loses_anything() {
    let (folder, _) = folder().opened().await;
    let writers = (0..20).map(async |writer| {
        let layout = folder.open(&Limits::TABLE).await.unwrap();
        attach(&layout, &[signature(&writer.to_string())])
            .await
            .unwrap();
    });
    futures_util::future::join_all(writers).await;
    let layout = folder.open(&Limits::TABLE).await.unwrap();
    let listed = layout
        .referrers(&shop(), image("a").digest())
        .await
        .unwrap();
    assert_eq!(listed.len(), 20);
    let left = names(&folder);
    assert!(
        !left.iter().any(|name| name.starts_with(".countersign-")),
        "{left:?}"
    );
}

#[tokio::test]
async fn a_writer_waits_for_another_as_long_as_it_was_told_and_not_in_secret() {
    let (folder, patient) = folder().opened().await;
    let path = folder.folder.path().to_str().unwrap();
    let hurried = Layout::open(path, Duration::from_millis(20), Limits::TABLE)
        .await
        .unwrap();
    let marker = fs::File::options()
        .write(true)
        .open(folder.path("oci-layout"))
        .unwrap();
    marker.lock().unwrap();
    let before = folder.listed();
    is_error(
        attach(&hurried, &[signature("one")]).await,
        "layout-unwritable",
    );
    // Its caller has been told that it failed: it must not be done afterwards.
    let one = [signature("one")];
    let given_up = tokio::time::timeout(Duration::from_millis(20), attach(&patient, &one));
    given_up.await.unwrap_err();
    drop(marker);
    attach(&patient, &[signature("two")]).await.unwrap();
    let listed = folder.listed();
    assert_eq!(listed["manifests"].as_array().unwrap().len(), 2, "{listed}");
    assert_eq!(listed["manifests"][0], before["manifests"][0]);
}

/// Root may write what nobody else may: the test gives that up, for its own threads.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_marker_that_may_only_be_read_is_locked_all_the_same() {
    use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, none).unwrap();
    let (folder, patient) = folder().opened().await;
    let allow =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let marker = folder.path("oci-layout");
    allow(&marker, 0o444);
    fs::File::options().write(true).open(&marker).unwrap_err();
    attach(&patient, &[signature("one")]).await.unwrap();
    // It keeps others out.
    let path = folder.folder.path().to_str().unwrap();
    let hurried = Layout::open(path, Duration::from_millis(20), Limits::TABLE)
        .await
        .unwrap();
    let before = folder.listed();
    let locked = fs::File::open(&marker).unwrap();
    locked.lock().unwrap();
    let two = [signature("two")];
    is_error(attach(&hurried, &two).await, "layout-unwritable");
    drop(locked);
    // Whether anything may be written is for the folder to say.
    allow(folder.folder.path(), 0o555);
    is_error(attach(&hurried, &two).await, "layout-unwritable");
    allow(folder.folder.path(), 0o755);
    assert_eq!(folder.listed(), before);
    // A marker that may not be read either is no reason to write without a lock.
    allow(&marker, 0o000);
    is_error(attach(&hurried, &two).await, "layout-unwritable");
    allow(&marker, 0o444);
    attach(&hurried, &two).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_written_leaves_the_layout_as_it_was() {
    let (folder, layout) = folder().opened().await;
    let before = fs::read(folder.path("index.json")).unwrap();
    // In the place of what is to be written.
    let signature = signature("one");
    fs::create_dir(folder.blob_path(signature.digest())).unwrap();
    is_error(
        attach(&layout, std::slice::from_ref(&signature)).await,
        "layout-unwritable",
    );
    assert_eq!(fs::read(folder.path("index.json")).unwrap(), before);
    fs::remove_dir(folder.blob_path(signature.digest())).unwrap();
    // Nobody can lock what is not there.
    fs::rename(folder.path("oci-layout"), folder.path("moved")).unwrap();
    is_error(
        attach(&layout, std::slice::from_ref(&signature)).await,
        "layout-unwritable",
    );
    assert_eq!(fs::read(folder.path("index.json")).unwrap(), before);
    fs::rename(folder.path("moved"), folder.path("oci-layout")).unwrap();
    attach(&layout, &[signature]).await.unwrap();
    let left = names(&folder);
    assert!(
        !left.iter().any(|name| name.starts_with(".countersign-")),
        "{left:?}"
    );
}

#[tokio::test]
async fn no_list_is_written_that_would_not_be_read() {
    let folder = folder();
    let limits = Limits {
        layout_entries: 2,
        ..Limits::TABLE
    };
    let layout = folder.open(&limits).await.unwrap();
    attach(&layout, &[signature("one")]).await.unwrap();
    let before = folder.listed();
    is_refusal(attach(&layout, &[signature("two")]).await, "too-large");
    assert_eq!(folder.listed(), before);
    let mut long = before;
    long["padding"] = "x".repeat(4_193_500).into();
    folder.write("index.json", long.to_string().as_bytes());
    let layout = folder.open(&Limits::TABLE).await.unwrap();
    is_refusal(
        attach(&layout, &[signature("two"), signature("three")]).await,
        "too-large",
    );
    assert_eq!(folder.listed(), long);
}

#[tokio::test]
async fn nothing_is_attached_that_would_make_an_image_unverifiable() {
    let folder = folder();
    let limits = Limits {
        referrers: 2,
        ..Limits::TABLE
    };
    let layout = folder.open(&limits).await.unwrap();
    let two = ["one", "two"].map(signature);
    attach(&layout, &two).await.unwrap();
    let before = (folder.listed(), names(&folder));
    let said = is_refusal(
        attach(&layout, &[signature("three")]).await,
        "referrers-too-many",
    );
    assert!(said.contains("would have more than 2 referrers"), "{said}");
    assert_eq!((folder.listed(), names(&folder)), before);
    layout
        .referrers(&shop(), image("a").digest())
        .await
        .unwrap();
    // What is there already needs no room, and nor does what refers to another.
    attach(&layout, &two).await.unwrap();
    let other = image("b");
    layout
        .push_referrers(
            &shop(),
            other.digest(),
            &[referrer(other.descriptor(), "of another")],
        )
        .await
        .unwrap();
    // Others may have written more than are read.
    let mut listed = folder.listed();
    let three = folder.put_manifest(&signature("three"), "three");
    listed["manifests"].as_array_mut().unwrap().push(three);
    folder.write("index.json", listed.to_string().as_bytes());
    is_refusal(
        attach(&layout, &[signature("four")]).await,
        "referrers-too-many",
    );
    assert_eq!(folder.listed(), listed);
}

#[tokio::test]
async fn what_is_removed_is_taken_from_the_fallback_tag_too() {
    let folder = Folder::empty();
    let (one, two) = (signature("one"), signature("two"));
    folder.put_manifest(&one, "one");
    folder.put_manifest(&two, "two");
    let fallback = index(&[&one, &two]);
    let tag = image("a").digest().to_string().replace(':', "-");
    let fallback = tagged(folder.put_manifest(&fallback, ""), &tag);
    let entry = tagged(folder.put_image("a"), "1");
    folder.list(&[entry.clone(), fallback, json!(one.descriptor())]);
    let (folder, layout) = folder.opened().await;
    detach(&layout, one.digest()).await;
    let left = index(&[&two]);
    let listed = folder.listed();
    assert_eq!(listed["manifests"].as_array().unwrap().len(), 2);
    assert_eq!(listed["manifests"][0], entry);
    let resolved = layout
        .resolve(&in_layout(&format!(":{tag}")))
        .await
        .unwrap();
    assert_eq!(resolved.digest(), left.digest());
    let referrers = layout
        .referrers(&shop(), image("a").digest())
        .await
        .unwrap();
    assert_eq!(referrers.len(), 1);
    assert_eq!(referrers[0].digest, *two.digest());
}

#[tokio::test]
async fn a_manifest_is_put_where_it_is_asked_for() {
    let (folder, layout) = folder().opened().await;
    let (one, other) = (image("a"), image("b"));
    folder.put_image("b");
    let by_digest = in_layout(&format!("@{}", other.digest()));
    for _ in 0..2 {
        layout.push_manifest(&by_digest, &other).await.unwrap();
        assert_eq!(folder.listed()["manifests"].as_array().unwrap().len(), 2);
    }
    is_refusal(
        layout.push_manifest(&by_digest, &one).await,
        "digest-mismatch",
    );
    let mut nothing = folder.listed();
    nothing["manifests"][1]["annotations"] = json!(null);
    folder.write("index.json", nothing.to_string().as_bytes());
    layout
        .push_manifest(&in_layout(":1"), &other)
        .await
        .unwrap();
    let listed = folder.listed();
    let list = listed["manifests"].as_array().unwrap();
    assert_eq!(list.len(), 2, "{listed}");
    assert_eq!(list[0]["annotations"], json!({}));
    assert_eq!(
        list[1]["annotations"]["org.opencontainers.image.ref.name"],
        "1"
    );
    assert_eq!(listed["mediaType"], OCI_INDEX);
}

//! Layouts as other programs write them: which image is meant, and what refers to it.

use std::fs;

use countersign_common::{Descriptor, Digest, Limits, Manifest, Registry, manifest::DOCKER_LIST};
use countersign_registry::Layout;
use serde_json::{Value, json};

use crate::places::{
    Folder, image, in_layout, index, is_error, is_refusal, parse, referrer, referring_index, shop,
    tagged,
};

fn fallback_tag(subject: &Digest) -> String {
    subject.to_string().replace(':', "-")
}

/// The folder with this list, and the digest of what a reference in it names.
async fn named(folder: &Folder, entries: &[Value], rest: &str) -> Result<Digest, String> {
    folder.list(entries);
    let layout = folder.open(&Limits::TABLE).await.unwrap();
    match layout.resolve(&in_layout(rest)).await {
        Ok(resolved) => Ok(resolved.digest().clone()),
        other => Err(is_refusal(other, "image-ambiguous")),
    }
}

async fn referring(folder: &Folder, entries: &[Value], subject: &Manifest) -> Vec<Descriptor> {
    folder.list(entries);
    let layout = folder.open(&Limits::TABLE).await.unwrap();
    layout.referrers(&shop(), subject.digest()).await.unwrap()
}

#[tokio::test]
async fn the_only_image_needs_no_tag() {
    let folder = Folder::empty();
    let (one, other) = (image("a"), image("b"));
    let (entry, entry_of_other) = (folder.put_image("a"), folder.put_image("b"));
    let signature = referrer(one.descriptor(), "signature");
    let signature = folder.put_manifest(&signature, "signature");
    let both = index(&[&one, &other]);
    let both_entry = folder.put_manifest(&both, "");
    let fallback = folder.put_manifest(&index(&[&referrer(one.descriptor(), "x")]), "");
    let fallback = tagged(fallback, &fallback_tag(one.digest()));
    let legacy = tagged(
        folder.put_image("s"),
        &format!("{}.sig", fallback_tag(one.digest())),
    );

    // As crane writes it, and oras, with what refers to it.
    assert_eq!(
        named(&folder, std::slice::from_ref(&entry), "")
            .await
            .unwrap(),
        *one.digest()
    );
    let set = referring_index(one.descriptor(), &[&other]);
    let set = folder.put_manifest(&set, "");
    // Without it, nothing of that is the image.
    for entry in [&signature, &fallback, &legacy, &set] {
        folder.list(std::slice::from_ref(entry));
        let layout = folder.open(&Limits::TABLE).await.unwrap();
        is_refusal(layout.resolve(&in_layout("")).await, "image-not-found");
    }
    let list = [
        signature.clone(),
        tagged(entry.clone(), "1"),
        fallback,
        legacy,
        set,
    ];
    assert_eq!(named(&folder, &list, "").await.unwrap(), *one.digest());
    // oras lists the children of an index too.
    let list = [
        entry.clone(),
        tagged(both_entry.clone(), "1"),
        entry_of_other.clone(),
        signature.clone(),
    ];
    assert_eq!(named(&folder, &list, "").await.unwrap(), *both.digest());
    // A signature that is gone is no image either.
    let mut gone = json!(Descriptor::of(
        one.descriptor().media_type.as_str(),
        b"gone"
    ));
    gone["artifactType"] = "application/vnd.dev.sigstore.bundle.v0.3+json".into();
    assert_eq!(
        named(&folder, &[gone, entry.clone()], "").await.unwrap(),
        *one.digest()
    );
    // As `cosign save` writes an image with its signatures.
    let of_kind = |mut entry: Value, kind: &str| {
        entry["annotations"] = json!({ "kind": format!("dev.cosignproject.cosign/{kind}") });
        entry
    };
    let list = [
        of_kind(entry.clone(), "image"),
        of_kind(entry_of_other.clone(), "sigs"),
    ];
    assert_eq!(named(&folder, &list, "").await.unwrap(), *one.digest());
    let list = [
        of_kind(entry.clone(), "image"),
        of_kind(entry_of_other, "image"),
    ];
    named(&folder, &list, "").await.unwrap_err();
    // One image twice is one.
    let list = [tagged(entry.clone(), "1"), tagged(entry.clone(), "2")];
    assert_eq!(named(&folder, &list, "").await.unwrap(), *one.digest());
}

#[tokio::test]
async fn of_several_images_one_is_to_be_named() {
    let folder = Folder::empty();
    let (one, other) = (folder.put_image("a"), folder.put_image("b"));
    let list = [
        tagged(one.clone(), "one"),
        tagged(other.clone(), "ot\u{1b}[2Jher"),
    ];
    let said = named(&folder, &list, "").await.unwrap_err();
    assert!(
        said.contains("one (sha256:") && said.contains("[2Jher"),
        "{said}"
    );
    assert!(!said.contains('\u{1b}'), "{said}");
    named(&folder, &list, ":one").await.unwrap();
    let said = named(&folder, &[one.clone(), other], "").await.unwrap_err();
    assert!(said.contains(image("b").digest().hex()), "{said}");
    // A child that has a name of its own may be the one that is meant.
    let both = folder.put_manifest(&index(&[&image("a")]), "");
    named(&folder, &[tagged(one.clone(), "amd64"), both.clone()], "")
        .await
        .unwrap_err();
    named(&folder, &[one, both], "").await.unwrap();
    let many: Vec<_> = (0..30)
        .map(|one| tagged(folder.put_image(&one.to_string()), &format!("v{one}")))
        .collect();
    let said = named(&folder, &many, "").await.unwrap_err();
    assert!(said.contains("and 20 more") && said.len() < 2_000, "{said}");
}

#[tokio::test]
async fn no_image_and_no_such_image_are_said_with_what_there_is() {
    let folder = Folder::empty();
    let layout = folder.open(&Limits::TABLE).await.unwrap();
    let said = is_refusal(layout.resolve(&in_layout("")).await, "image-not-found");
    assert!(said.ends_with("it has none"), "{said}");
    let absent = json!(image("absent").descriptor());
    folder.list(&[tagged(folder.put_image("a"), "1"), tagged(absent, "2")]);
    let layout = folder.open(&Limits::TABLE).await.unwrap();
    for rest in [":3", ":2", &format!("@{}", image("absent").digest())] {
        let said = is_refusal(layout.resolve(&in_layout(rest)).await, "image-not-found");
        assert_eq!(
            said.contains("whose manifest is in it"),
            rest == ":2",
            "{said}"
        );
        assert!(said.ends_with("it has 1, 2"), "{said}");
    }
}

#[tokio::test]
async fn a_tag_is_also_the_end_of_a_whole_name() {
    let folder = Folder::empty();
    let entry = folder.put_image("a");
    for name in [
        "1.4",
        "registry.example/shop:1.4",
        "127.0.0.1:5000/shop:1.4",
        "app:1.4",
    ] {
        let list = [tagged(entry.clone(), name)];
        assert_eq!(
            named(&folder, &list, ":1.4").await.unwrap(),
            *image("a").digest()
        );
    }
    for name in ["1.4.0", "registry.example/1.4", "1.4:latest", ""] {
        folder.list(&[tagged(entry.clone(), name)]);
        let layout = folder.open(&Limits::TABLE).await.unwrap();
        is_refusal(layout.resolve(&in_layout(":1.4")).await, "image-not-found");
    }
}

#[tokio::test]
async fn a_child_is_found_by_its_digest_without_an_entry() {
    let folder = Folder::empty();
    folder.put_image("a");
    let both = folder.put_manifest(&index(&[&image("a")]), "");
    let by_digest = format!("@{}", image("a").digest());
    assert_eq!(
        named(&folder, &[both], &by_digest).await.unwrap(),
        *image("a").digest()
    );
}

#[tokio::test]
async fn what_refers_is_found_in_the_list_and_in_listed_indexes() {
    let folder = Folder::empty();
    let (subject, other) = (image("a"), image("b"));
    let entry = tagged(folder.put_image("a"), "1");
    let signature = referrer(subject.descriptor(), "signature");
    let of_other = referrer(other.descriptor(), "of other");
    let (listed, listed_of_other) = (
        folder.put_manifest(&signature, "signature"),
        folder.put_manifest(&of_other, "of other"),
    );
    let list = index(&[&signature, &of_other]);
    let list = folder.put_manifest(&list, "");
    let of_nobody = folder.put_image("c");
    for (entries, found) in [
        (
            vec![
                entry.clone(),
                listed.clone(),
                listed_of_other.clone(),
                of_nobody.clone(),
            ],
            1,
        ),
        (
            vec![
                entry.clone(),
                tagged(list.clone(), &fallback_tag(subject.digest())),
            ],
            1,
        ),
        (
            vec![entry.clone(), tagged(list.clone(), "anything"), listed],
            1,
        ),
        (vec![entry.clone(), listed_of_other, of_nobody], 0),
        (vec![], 0),
    ] {
        let referrers = referring(&folder, &entries, &subject).await;
        assert_eq!(referrers.len(), found, "{entries:?}");
        for referrer in referrers {
            assert_eq!(referrer.digest, *signature.digest());
            // By its own word, whatever lists it.
            assert_eq!(
                referrer.artifact_type.as_deref(),
                Some("application/vnd.dev.sigstore.bundle.v0.3+json")
            );
        }
    }
}

#[tokio::test]
async fn an_index_inside_an_index_is_not_looked_into() {
    let folder = Folder::empty();
    let subject = image("a");
    let signature = referrer(subject.descriptor(), "signature");
    folder.put_manifest(&signature, "signature");
    let inner = index(&[&signature]);
    folder.put(inner.bytes());
    let outer = folder.put_manifest(&index(&[&inner]), "");
    assert_eq!(referring(&folder, &[outer], &subject).await, []);
    let inner = json!(inner.descriptor());
    assert_eq!(referring(&folder, &[inner], &subject).await.len(), 1);
}

#[tokio::test]
async fn what_may_refer_and_cannot_be_read_is_listed_for_its_reader_to_say() {
    let folder = Folder::empty();
    let subject = image("a");
    let entry = tagged(folder.put_image("a"), "1");
    let signature = referrer(subject.descriptor(), "signature");
    let unhinted = json!(signature.descriptor());
    let mut hinted = unhinted.clone();
    hinted["artifactType"] = "x".into();
    let mut typed = unhinted.clone();
    typed["mediaType"] = DOCKER_LIST.into();
    let list = index(&[&signature]);
    folder.put(list.bytes());
    let list = json!(list.descriptor());
    let fallback = tagged(list.clone(), &fallback_tag(subject.digest()));
    for (entries, is_listed) in [
        (vec![entry.clone(), unhinted.clone()], true),
        (vec![entry.clone(), hinted], true),
        (vec![entry.clone(), typed], true),
        (vec![entry.clone(), fallback], true),
        // What has a name is an image; what an index of images lists is one too, of which a copy may have left some out.
        (vec![entry.clone(), tagged(unhinted.clone(), "2")], false),
        (vec![entry.clone(), list.clone()], false),
        (vec![entry.clone(), list, unhinted.clone()], false),
    ] {
        let referrers = referring(&folder, &entries, &subject).await;
        assert_eq!(!referrers.is_empty(), is_listed, "{entries:?}");
    }
    let path = folder.blob_path(signature.digest());
    fs::write(&path, b"changed").unwrap();
    let with = |another: Value| [entry.clone(), another];
    let referrers = referring(&folder, &with(unhinted.clone()), &subject).await;
    assert_eq!(referrers.len(), 1);
    let named = with(tagged(unhinted, "2"));
    assert_eq!(referring(&folder, &named, &subject).await, []);
    // What is there and cannot be read may be anything, whatever its name.
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(referring(&folder, &named, &subject).await.len(), 1);
}

#[tokio::test]
async fn a_fallback_tag_that_cannot_be_read_is_no_empty_list() {
    let folder = Folder::empty();
    let subject = image("a");
    let entry = tagged(folder.put_image("a"), "1");
    let signature = referrer(subject.descriptor(), "signature");
    folder.put_manifest(&signature, "signature");
    // More than an index of images may list.
    let others: Vec<_> = (0..300).map(|one| image(&one.to_string())).collect();
    let list = index(&others.iter().chain([&signature]).collect::<Vec<_>>());
    let fallback = tagged(
        folder.put_manifest(&list, ""),
        &fallback_tag(subject.digest()),
    );
    let entries = [entry, fallback];
    let referrers = referring(&folder, &entries, &subject).await;
    assert!(
        referrers
            .iter()
            .any(|one| one.digest == *signature.digest()),
        "{referrers:?}"
    );
    let path = folder.blob_path(list.digest());
    let layout = folder.open(&Limits::TABLE).await.unwrap();
    let listed = async || layout.referrers(&shop(), subject.digest()).await;
    fs::write(&path, b"{").unwrap();
    is_refusal(listed().await, "digest-mismatch");
    fs::remove_file(&path).unwrap();
    is_error(listed().await, "layout-unreadable");
    // It lists nothing of another image.
    let other = layout.referrers(&shop(), image("b").digest()).await;
    assert_eq!(other.unwrap(), []);
    std::os::unix::fs::symlink("nowhere", &path).unwrap();
    is_error(listed().await, "layout-unreadable");
}

#[tokio::test]
async fn referrers_are_listed_up_to_their_limit() {
    let folder = Folder::empty();
    let subject = image("a");
    let all = ["1", "2", "3"]
        .map(|content| folder.put_manifest(&referrer(subject.descriptor(), content), content));
    folder.list(&all);
    for (referrers, passes) in [(3, true), (2, false)] {
        let limits = Limits {
            referrers,
            ..Limits::TABLE
        };
        let layout = folder.open(&limits).await.unwrap();
        let listed = layout.referrers(&shop(), subject.digest()).await;
        if passes {
            assert_eq!(listed.unwrap().len(), 3);
        } else {
            is_refusal(listed, "referrers-too-many");
        }
    }
}

#[tokio::test]
async fn a_blob_that_is_listed_as_something_else_is_not_opened() {
    let folder = Folder::empty();
    let subject = image("a");
    let signature = referrer(subject.descriptor(), "signature");
    let mut entry = folder.put_manifest(&signature, "signature");
    entry["mediaType"] = "application/vnd.example".into();
    assert_eq!(referring(&folder, &[entry], &subject).await, []);
    let empty = parse(&json!({ "schemaVersion": 2, "manifests": [] }));
    let empty = folder.put_manifest(&empty, "");
    assert_eq!(referring(&folder, &[empty], &subject).await, []);
}

/// A list that says nothing about what refers to what: whatever is unread may refer to any image.
async fn count(layout: &Layout, subject: &Manifest) -> usize {
    let listed = layout.referrers(&shop(), subject.digest()).await;
    listed.unwrap().len()
}

#[tokio::test]
async fn what_was_read_is_known_as_long_as_the_list_stays_as_it_is() {
    let folder = Folder::empty();
    let (subject, other) = (image("a"), image("b"));
    let signature = referrer(subject.descriptor(), "signature");
    let entries = [
        tagged(folder.put_image("a"), "1"),
        tagged(folder.put_image("b"), "2"),
        json!(signature.descriptor()),
    ];
    folder.put(signature.bytes());
    folder.list(&entries);
    let (folder, layout) = folder.opened().await;
    assert_eq!(count(&layout, &subject).await, 1);
    // What is gone could be about any image, if nobody had read it before.
    fs::remove_file(folder.blob_path(signature.digest())).unwrap();
    assert_eq!(count(&layout, &other).await, 0);
    assert_eq!(count(&layout, &subject).await, 1);
    let (folder, fresh) = folder.opened().await;
    assert_eq!(count(&fresh, &other).await, 1);
    // It comes back, and the list stays: only what was read is known.
    folder.put(signature.bytes());
    assert_eq!(count(&fresh, &other).await, 0);
    assert_eq!(count(&fresh, &subject).await, 1);
    // It is no longer listed, or as something else.
    folder.list(&entries[..2]);
    assert_eq!(count(&layout, &subject).await, 0);
    let mut longer = entries.clone();
    longer[2]["size"] = json!(signature.descriptor().size + 1);
    folder.list(&longer);
    assert_eq!(count(&layout, &other).await, 1);
}

#[tokio::test]
async fn what_others_write_is_seen_at_once() {
    let folder = Folder::empty();
    let subject = image("a");
    let image = tagged(folder.put_image("a"), "1");
    let signatures = ["one", "two"].map(|content| {
        let signature = referrer(subject.descriptor(), content);
        folder.put_manifest(&signature, content)
    });
    let listed = |signature: &Value| [image.clone(), signature.clone()];
    folder.list(&listed(&signatures[0]));
    let (folder, layout) = folder.opened().await;
    let list = folder.path("index.json");
    let written = fs::metadata(&list).unwrap().modified().unwrap();
    for signature in signatures.iter().cycle().take(4) {
        // In place, of the same length, and within one tick of the file system's clock.
        folder.list(&listed(signature));
        let file = fs::File::options().write(true).open(&list).unwrap();
        file.set_modified(written).unwrap();
        let referrers = layout.referrers(&shop(), subject.digest()).await.unwrap();
        assert_eq!(json!(referrers[0].digest), signature["digest"]);
        assert_eq!(referrers.len(), 1);
    }
    // A list of artifacts that another one takes the place of, by the same name.
    let parts = ["x", "y"].map(|content| referrer(subject.descriptor(), content));
    for (part, count_of_all) in parts.iter().zip([1, 2]) {
        folder.put(part.bytes());
        let all: Vec<_> = parts.iter().take(count_of_all).collect();
        let fallback = folder.put_manifest(&index(&all), "");
        folder.list(&[
            image.clone(),
            tagged(fallback, &fallback_tag(subject.digest())),
        ]);
        assert_eq!(count(&layout, &subject).await, count_of_all);
    }
}

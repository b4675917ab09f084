//! What every adapter of the ports keeps: each behaviour, behind each of them.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use countersign_common::{
    Descriptor, Digest, Explain, Manifest,
    manifest::OCI_MANIFEST,
    registry::{Blind, Onlooker},
};

use crate::places::{Place, image, index, is_refusal, referrer, referring_index};

fn digests<'a>(manifests: impl IntoIterator<Item = &'a Manifest>) -> BTreeSet<Digest> {
    let digests = manifests.into_iter().map(|one| one.digest().clone());
    digests.collect()
}

fn listed(entries: &[Descriptor]) -> BTreeSet<Digest> {
    let listed: BTreeSet<_> = entries.iter().map(|one| one.digest.clone()).collect();
    assert_eq!(listed.len(), entries.len(), "each once");
    listed
}

/// Keeps what it sees.
#[derive(Default)]
struct Witness(Mutex<Vec<u8>>);

impl Onlooker for Witness {
    fn see(&self, bytes: &[u8]) {
        self.0.lock().unwrap().extend_from_slice(bytes);
    }
}

#[tokio::test]
async fn a_blob_that_was_pushed_is_there_whole_and_can_be_pushed_again() {
    for place in Place::all().await {
        for content in [
            &b""[..],
            b"content",
            &(0..=255).collect::<Vec<u8>>(),
            &vec![7; 3 << 20],
        ] {
            let descriptor = Descriptor::of("x", content);
            assert_eq!(place.push_blob(content).await, descriptor.digest);
            assert_eq!(place.push_blob(content).await, descriptor.digest);
            let (registry, repository) = (&place.registry, &place.repository);
            let blob = registry.blob(repository, &descriptor, content.len()).await;
            assert_eq!(blob.unwrap().unwrap(), content, "{}", place.name);
            let witness = Arc::new(Witness::default());
            let size = registry.check_blob(repository, &descriptor, witness.clone());
            let size = size.await.unwrap();
            assert_eq!(size, Some(content.len() as u64), "{}", place.name);
            assert!(*witness.0.lock().unwrap() == content, "{}", place.name);
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_absent_and_no_failure() {
    for place in Place::all().await {
        let (registry, repository) = (&place.registry, &place.repository);
        let absent = image("absent");
        let descriptor = absent.descriptor();
        let blob = registry.blob(repository, descriptor, 1_000).await;
        assert_eq!(blob.unwrap(), None, "{}", place.name);
        let size = registry.check_blob(repository, descriptor, Arc::new(Blind));
        let size = size.await;
        assert_eq!(size.unwrap(), None, "{}", place.name);
        let manifest = registry.manifest(repository, descriptor).await;
        assert_eq!(manifest.unwrap(), None, "{}", place.name);
        let code = registry.absent(repository, absent.digest()).code();
        let is_folder = place.name == "layout";
        assert_eq!(code.as_str() == "layout-unreadable", is_folder, "{code}");
        assert_eq!(place.referrers(absent.digest()).await, [], "{}", place.name);
        let by_digest = place.reference(&format!("@{}", absent.digest()));
        for reference in [place.reference(":absent"), by_digest] {
            is_refusal(registry.resolve(&reference).await, "image-not-found");
        }
    }
}

#[tokio::test]
async fn a_descriptor_that_lies_about_the_size_is_refused() {
    for place in Place::all().await {
        let (registry, repository) = (&place.registry, &place.repository);
        let pinned = place.push_image("1", "content").await;
        place.push_blob(b"content").await;
        for change in [-1, 1] {
            let lying = |descriptor: &Descriptor| Descriptor {
                size: descriptor.size.checked_add_signed(change).unwrap(),
                ..descriptor.clone()
            };
            let blob = lying(&Descriptor::of("x", b"content"));
            is_refusal(
                registry.blob(repository, &blob, 1_000).await,
                "descriptor-mismatch",
            );
            is_refusal(
                registry
                    .check_blob(repository, &blob, Arc::new(Blind))
                    .await,
                "descriptor-mismatch",
            );
            let manifest = lying(pinned.manifest.descriptor());
            is_refusal(
                registry.manifest(repository, &manifest).await,
                "descriptor-mismatch",
            );
        }
    }
}

#[tokio::test]
async fn what_is_announced_as_longer_than_is_read_is_refused() {
    for place in Place::all().await {
        let (registry, repository) = (&place.registry, &place.repository);
        place.push_blob(b"content").await;
        let blob = Descriptor::of("x", b"content");
        registry.blob(repository, &blob, 7).await.unwrap().unwrap();
        is_refusal(registry.blob(repository, &blob, 6).await, "too-large");
        let endless = Descriptor {
            size: u64::MAX,
            ..Descriptor::of(OCI_MANIFEST, b"content")
        };
        is_refusal(registry.manifest(repository, &endless).await, "too-large");
    }
}

#[tokio::test]
async fn a_manifest_is_found_by_its_tag_and_by_its_digest() {
    for place in Place::all().await {
        let pinned = place.push_image("1", "a").await;
        let by_digest = place.reference(&format!("@{}", pinned.digest()));
        let beside = place.reference(&format!(":other@{}", pinned.digest()));
        for reference in [pinned.reference.clone(), by_digest, beside] {
            let resolved = place.registry.resolve(&reference).await.unwrap();
            assert_eq!(resolved.manifest, pinned.manifest, "{}", place.name);
            assert_eq!(resolved.reference, reference);
        }
        let manifest = place
            .registry
            .manifest(&place.repository, pinned.manifest.descriptor());
        assert_eq!(manifest.await.unwrap(), Some(pinned.manifest.clone()));
    }
}

#[tokio::test]
async fn a_tag_moves_and_what_it_named_stays() {
    for place in Place::all().await {
        let (one, other) = (
            place.push_image("1", "a").await,
            place.push_image("2", "b").await,
        );
        place
            .registry
            .push_manifest(&one.reference, &other.manifest)
            .await
            .unwrap();
        let resolve = async |rest: &str| {
            let resolved = place.registry.resolve(&place.reference(rest)).await;
            resolved.unwrap().digest().clone()
        };
        assert_eq!(resolve(":1").await, *other.digest(), "{}", place.name);
        assert_eq!(resolve(":2").await, *other.digest(), "{}", place.name);
        assert_eq!(resolve(&format!("@{}", one.digest())).await, *one.digest());
        // And back, as who rolls back does.
        place
            .registry
            .push_manifest(&one.reference, &one.manifest)
            .await
            .unwrap();
        assert_eq!(resolve(":1").await, *one.digest(), "{}", place.name);
        assert_eq!(resolve(":2").await, *other.digest(), "{}", place.name);
    }
}

#[tokio::test]
async fn an_index_and_its_children_are_manifests() {
    for place in Place::all().await {
        let (one, other) = (
            place.push_image("1", "a").await,
            place.push_image("2", "b").await,
        );
        let both = index(&[&one.manifest, &other.manifest]);
        let reference = place.reference(":both");
        place
            .registry
            .push_manifest(&reference, &both)
            .await
            .unwrap();
        let resolved = place.registry.resolve(&reference).await.unwrap();
        assert_eq!(resolved.manifest, both, "{}", place.name);
    }
}

#[tokio::test]
async fn what_refers_to_an_image_is_listed_once_however_often_it_is_pushed() {
    for place in Place::all().await {
        let (image, other) = (
            place.push_image("1", "a").await,
            place.push_image("2", "b").await,
        );
        let first = place.push_referrers(&image, &["one", "two"]).await;
        let more = place.push_referrers(&image, &["two", "three"]).await;
        let entries = place.referrers(image.digest()).await;
        let expected = digests(first.iter().chain(&more));
        assert_eq!(listed(&entries), expected, "{}", place.name);
        for entry in &entries {
            let manifest = place.registry.manifest(&place.repository, entry).await;
            let manifest = manifest.unwrap().unwrap();
            assert_eq!(manifest.descriptor().size, entry.size);
        }
        assert_eq!(place.referrers(other.digest()).await, [], "{}", place.name);
        // A name that an artifact gives itself is no tag.
        let resolved = place.registry.resolve(&image.reference).await.unwrap();
        assert_eq!(resolved.digest(), image.digest(), "{}", place.name);
    }
}

#[tokio::test]
async fn an_index_may_refer_to_an_image_too() {
    for place in Place::all().await {
        let (image, part) = (
            place.push_image("1", "a").await,
            place.push_image("part", "b").await,
        );
        let set = referring_index(image.manifest.descriptor(), &[&part.manifest]);
        let pushed = place.registry.push_referrers(
            &place.repository,
            image.digest(),
            std::slice::from_ref(&set),
        );
        pushed.await.unwrap();
        let entries = place.referrers(image.digest()).await;
        assert_eq!(listed(&entries), digests([&set]), "{}", place.name);
        assert_eq!(
            entries[0].artifact_type.as_deref(),
            Some("application/vnd.example.set"),
            "{}",
            place.name
        );
        let of_part = place.referrers(part.digest()).await;
        assert_eq!(of_part, [], "{}", place.name);
    }
}

#[tokio::test]
async fn what_refers_to_what_is_not_there_is_listed_all_the_same() {
    for place in Place::all().await {
        let absent = image("absent");
        let manifest = referrer(absent.descriptor(), "early");
        place.push_blob(b"{}").await;
        place.push_blob(b"early").await;
        let pushed = place.registry.push_referrers(
            &place.repository,
            absent.digest(),
            std::slice::from_ref(&manifest),
        );
        pushed.await.unwrap();
        let entries = place.referrers(absent.digest()).await;
        assert_eq!(listed(&entries), digests([&manifest]), "{}", place.name);
    }
}

/// More than an index of images may list.
#[tokio::test]
async fn what_lies_at_the_fallback_tag_is_listed_up_to_the_limit_of_referrers() {
    for place in Place::all().await {
        let image = place.push_image("1", "a").await;
        let tagged = async |subject: &Digest| {
            let (registry, repository) = (&place.registry, &place.repository);
            registry.tagged_referrers(repository, subject).await
        };
        assert_eq!(tagged(image.digest()).await.unwrap(), [], "{}", place.name);
        let part = place.push_image("part", "b").await;
        let tag = place.reference(&format!(":{}", image.digest().referrers_tag()));
        let contents: Vec<_> = (0..257).map(|one| one.to_string()).collect();
        let contents: Vec<_> = contents.iter().map(String::as_str).collect();
        let parts = place.push_referrers(&part, &contents).await;
        let list = index(&parts.iter().collect::<Vec<_>>());
        place.registry.push_manifest(&tag, &list).await.unwrap();
        let found = tagged(image.digest()).await.unwrap();
        assert_eq!(listed(&found), digests(&parts), "{}", place.name);
        place
            .registry
            .push_manifest(&tag, &image.manifest)
            .await
            .unwrap();
        is_refusal(tagged(image.digest()).await, "malformed");
    }
}

#[tokio::test]
async fn what_is_removed_is_gone_and_the_rest_stays() {
    for place in Place::all().await {
        let image = place.push_image("1", "a").await;
        let manifests = place.push_referrers(&image, &["one", "two"]).await;
        let never = referrer(image.manifest.descriptor(), "never");
        let (registry, repository) = (&place.registry, &place.repository);
        // The first twice: what is not there is removed already.
        for gone in [&never, &manifests[0], &manifests[0]] {
            let removed = registry.remove_referrer(repository, image.digest(), gone.digest());
            removed.await.unwrap();
        }
        let entries = place.referrers(image.digest()).await;
        assert_eq!(listed(&entries), digests([&manifests[1]]), "{}", place.name);
        let gone = registry
            .manifest(repository, manifests[0].descriptor())
            .await;
        assert_eq!(gone.unwrap(), None, "{}", place.name);
        registry.resolve(&image.reference).await.unwrap();
    }
}

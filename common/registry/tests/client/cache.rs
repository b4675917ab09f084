//! A client with a cache: what it asks for again, what never, and what it does not believe.

use std::{fs, os::unix::fs::MetadataExt as _, path::PathBuf};

use countersign_common::{Descriptor, Digest, ImageRef, Manifest, Registry, RegistryWriter};
use countersign_registry::{Cache, Client};
use countersign_stand_in::{Fault, Lie, Login};
use tempfile::TempDir;

use crate::world::{World, client, credentials, hurried, is_error, is_refusal};

/// A world whose clients share a cache.
struct Shared {
    world: World,
    home: TempDir,
}

impl Shared {
    fn new() -> Self {
        Self {
            world: World::oci(Login::Anonymous),
            home: TempDir::new().unwrap(),
        }
    }

    /// The next process, with nothing but the cache.
    fn reader(&self) -> Client {
        let cache = Cache::open(self.home.path(), 1 << 28).unwrap();
        let stand_in = &self.world.stand_in;
        client(stand_in, credentials(stand_in)).cached(cache)
    }

    /// The paths that were asked for since the last time, without what is before them.
    fn asked(&self) -> Vec<String> {
        let calls = self.world.stand_in.calls();
        self.world.stand_in.forget_calls();
        let lines = calls.into_iter().map(|call| call.line);
        lines
            .map(|line| line.replacen("GET /v2/app/", "", 1))
            .collect()
    }

    fn place(&self, content: &[u8]) -> Descriptor {
        let bytes = content.to_vec().into();
        self.world.stand_in.place_blob("app", bytes);
        Descriptor::of("x", content)
    }

    fn kept(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.home.path()).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .filter(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'))
            .collect()
    }

    async fn image(&self) -> Manifest {
        let image = self.world.image("1");
        self.world.client.resolve(&image).await.unwrap().manifest
    }

    fn pinned(&self, digest: &Digest) -> ImageRef {
        let text = format!("{}@{digest}", self.world.repository());
        ImageRef::parse(&text).unwrap()
    }
}

#[tokio::test]
async fn what_is_named_by_its_digest_is_asked_for_once() {
    let shared = Shared::new();
    let repository = shared.world.repository();
    let image = shared.image().await;
    let blob = shared.place(b"content");
    shared.asked();
    for round in 0..3 {
        let client = shared.reader();
        let read = client.blob(&repository, &blob, 100).await.unwrap();
        assert_eq!(read.unwrap(), b"content".as_slice());
        let read = client.manifest(&repository, image.descriptor()).await;
        assert_eq!(read.unwrap(), Some(image.clone()));
        let pinned = shared.pinned(image.digest());
        let resolved = client.resolve(&pinned).await.unwrap();
        assert_eq!((resolved.reference, &resolved.manifest), (pinned, &image));
        // The blob, and the manifest for both.
        let asked = if round == 0 { 2 } else { 0 };
        assert_eq!(shared.asked().len(), asked, "{round}");
    }
}

#[tokio::test]
async fn what_is_longer_than_is_wanted_is_not_read_and_asked_for_only_where_it_is_not_kept() {
    let shared = Shared::new();
    let image = shared.image().await;
    let size = image.bytes().len();
    let tag = ImageRef::parse(&format!("{}:1", shared.world.repository())).unwrap();
    let pinned = shared.pinned(image.digest());
    shared.asked();
    for is_kept in [false, true] {
        let client = shared.reader();
        for reference in [&tag, &pinned] {
            let longer = client.resolve_within(reference, size - 1).await;
            is_refusal(longer, "too-large");
        }
        let asked = if is_kept { 1 } else { 2 };
        assert_eq!(shared.asked().len(), asked);
        for reference in [&tag, &pinned] {
            let found = client.resolve_within(reference, size).await.unwrap();
            assert_eq!(found.manifest, image);
        }
        assert_eq!(shared.asked(), ["manifests/1"]);
    }
}

/// Of a list of images that are all known, the registry says nothing about one of them.
#[tokio::test]
async fn what_is_kept_is_no_answer_of_a_registry_that_gives_none() {
    let shared = Shared::new();
    let repository = shared.world.repository();
    let image = shared.image().await;
    let pinned = shared.pinned(image.digest());
    shared.reader().resolve(&pinned).await.unwrap();
    shared.world.lie("GET /v2/*", Lie::Silence);
    let cache = Cache::open(shared.home.path(), 1 << 28).unwrap();
    let client = hurried(&shared.world.stand_in).cached(cache);
    shared.asked();
    for _ in 0..5 {
        assert_eq!(client.resolve(&pinned).await.unwrap().manifest, image);
        let listed = client.referrers(&repository, image.digest()).await;
        is_error(listed, "fetch-timeout");
    }
    assert_eq!(shared.asked().len(), 3);
}

#[tokio::test]
async fn tags_and_lists_are_asked_for_each_time_and_a_tag_saves_the_digest_the_way() {
    let shared = Shared::new();
    let repository = shared.world.repository();
    let image = shared.image().await;
    let tag = ImageRef::parse(&format!("{repository}:1")).unwrap();
    shared.asked();
    let mut written = None;
    for _ in 0..3 {
        let client = shared.reader();
        assert_eq!(client.resolve(&tag).await.unwrap().manifest, image);
        client.referrers(&repository, image.digest()).await.unwrap();
        let pinned = shared.pinned(image.digest());
        assert_eq!(client.resolve(&pinned).await.unwrap().manifest, image);
        let list = format!("referrers/{}", image.digest());
        assert_eq!(shared.asked(), ["manifests/1".to_owned(), list]);
        let [path] = &shared.kept()[..] else {
            panic!("{:?}", shared.kept());
        };
        let file = fs::metadata(path).unwrap().ino();
        assert_eq!(*written.get_or_insert(file), file, "it is written once");
    }
    // And where there is no such list, its tag.
    shared.world.lie("GET /v2/*/referrers/*", Lie::status(404));
    for _ in 0..2 {
        let client = shared.reader();
        client.referrers(&repository, image.digest()).await.unwrap();
        assert_eq!(shared.asked().len(), 2);
    }
}

#[tokio::test]
async fn a_damaged_entry_is_fetched_again_and_mended() {
    let shared = Shared::new();
    let repository = shared.world.repository();
    let image = shared.image().await;
    let blob = shared.place(b"content");
    let read = async || {
        let client = shared.reader();
        let bytes = client.blob(&repository, &blob, 100).await.unwrap();
        assert_eq!(bytes.unwrap(), b"content".as_slice());
        let manifest = client.manifest(&repository, image.descriptor()).await;
        assert_eq!(manifest.unwrap(), Some(image.clone()));
        let resolved = client.resolve(&shared.pinned(image.digest())).await;
        assert_eq!(resolved.unwrap().manifest, image);
        shared.asked().len()
    };
    shared.asked();
    assert_eq!(read().await, 2);
    let kept = shared.kept();
    assert_eq!(kept.len(), 2);
    // Swapped, each into the place of the next.
    let contents: Vec<_> = kept.iter().map(|path| fs::read(path).unwrap()).collect();
    for damage in [
        &|bytes: &[u8]| [bytes, b" "].concat() as Vec<u8>,
        &|bytes: &[u8]| bytes[..bytes.len() - 1].to_vec(),
        &|_: &[u8]| Vec::new(),
        &|bytes: &[u8]| bytes.iter().map(|byte| byte ^ 1).collect(),
    ] as [&dyn Fn(&[u8]) -> Vec<u8>; 4]
    {
        for (path, content) in kept.iter().zip(&contents) {
            fs::write(path, damage(content)).unwrap();
        }
        assert_eq!(read().await, 2);
        assert_eq!(read().await, 0);
    }
    for path in &kept {
        fs::write(path, b"{\"schemaVersion\":2}").unwrap();
    }
    assert_eq!(read().await, 2);
}

#[tokio::test]
async fn what_was_refused_or_not_found_is_not_kept() {
    let shared = Shared::new();
    let repository = shared.world.repository();
    let blob = Descriptor::of("x", b"content");
    let client = shared.reader();
    assert_eq!(client.blob(&repository, &blob, 100).await.unwrap(), None);
    shared.place(b"content");
    let found = client.blob(&repository, &blob, 6).await;
    is_refusal(found, "too-large");
    for (lie, code) in [
        (Lie::FlipByte(0), "digest-mismatch"),
        (Lie::Body(b"conten".as_slice().into()), "digest-mismatch"),
        (
            Lie::Body(b"content ".as_slice().into()),
            "descriptor-mismatch",
        ),
    ] {
        shared.world.lie("GET /v2/*/blobs/*", lie);
        is_refusal(client.blob(&repository, &blob, 100).await, code);
        shared.world.stand_in.faults().clear();
        assert!(shared.kept().is_empty());
    }
    let throttled = Fault::on("GET /v2/*/blobs/*", Lie::throttled("3600"));
    shared.world.stand_in.faults().push(throttled);
    let failed = client.blob(&repository, &blob, 100).await;
    is_error(failed, "registry-throttled");
    shared.world.stand_in.faults().clear();
    assert!(shared.kept().is_empty());
    // Whoever was told to wait an hour would not ask.
    let client = shared.reader();
    let read = client.blob(&repository, &blob, 100).await.unwrap();
    assert_eq!(read.unwrap(), b"content".as_slice());
    assert_eq!(shared.kept().len(), 1);
}

#[tokio::test]
async fn a_manifest_that_is_refused_is_not_kept() {
    let shared = Shared::new();
    let repository = shared.world.repository();
    let image = shared.image().await;
    let pinned = shared.pinned(image.digest());
    for lie in [
        Lie::FlipByte(3),
        Lie::Header(
            "Content-Type".to_owned(),
            "application/vnd.oci.image.index.v1+json".to_owned(),
        ),
        Lie::Header(
            "Docker-Content-Digest".to_owned(),
            Digest::sha256(b"another").to_string(),
        ),
    ] {
        shared.world.lie("GET /v2/*/manifests/*", lie);
        let client = shared.reader();
        client.resolve(&pinned).await.unwrap_err();
        let described = client.manifest(&repository, image.descriptor()).await;
        described.unwrap_err();
        shared.world.stand_in.faults().clear();
        assert!(shared.kept().is_empty());
    }
    let long = Descriptor {
        size: image.descriptor().size + 1,
        ..image.descriptor().clone()
    };
    is_refusal(
        shared.reader().manifest(&repository, &long).await,
        "descriptor-mismatch",
    );
    assert!(shared.kept().is_empty());
}

#[tokio::test]
async fn the_bounds_of_a_request_hold_for_what_is_kept() {
    let shared = Shared::new();
    let repository = shared.world.repository();
    let blob = shared.place(b"content");
    let image = shared.image().await;
    let client = shared.reader();
    client.blob(&repository, &blob, 7).await.unwrap().unwrap();
    client
        .manifest(&repository, image.descriptor())
        .await
        .unwrap();
    is_refusal(client.blob(&repository, &blob, 6).await, "too-large");
    for change in [-1, 1] {
        let lying = |descriptor: &Descriptor| Descriptor {
            size: descriptor.size.checked_add_signed(change).unwrap(),
            ..descriptor.clone()
        };
        let answer = client.blob(&repository, &lying(&blob), 100).await;
        is_refusal(answer, "descriptor-mismatch");
        let answer = client
            .manifest(&repository, &lying(image.descriptor()))
            .await;
        is_refusal(answer, "descriptor-mismatch");
    }
    // Nor does a list that lies cost the entry its place.
    shared.asked();
    client.blob(&repository, &blob, 7).await.unwrap().unwrap();
    assert_eq!(shared.asked(), [""; 0]);
}

#[tokio::test]
async fn that_one_repository_has_an_image_says_nothing_about_another() {
    let shared = Shared::new();
    let image = shared.image().await;
    let client = shared.reader();
    let here = shared.pinned(image.digest());
    client.resolve(&here).await.unwrap();
    let elsewhere = here.to_string().replacen("/app@", "/copy@", 1);
    let elsewhere = ImageRef::parse(&elsewhere).unwrap();
    is_refusal(client.resolve(&elsewhere).await, "image-not-found");
    shared.world.lie("GET /v2/*", Lie::status(403));
    client.resolve(&here).await.unwrap();
    is_error(client.resolve(&elsewhere).await, "registry-denied");
}

#[tokio::test]
async fn what_was_removed_by_this_client_is_gone() {
    let shared = Shared::new();
    let repository = shared.world.repository();
    let image = shared.image().await;
    let artifact = shared.world.referrer(&image, "content").await;
    let client = shared.reader();
    let artifacts = std::slice::from_ref(&artifact);
    let pushed = client.push_referrers(&repository, image.digest(), artifacts);
    pushed.await.unwrap();
    let read = async || {
        let read = client.manifest(&repository, artifact.descriptor()).await;
        read.unwrap()
    };
    assert_eq!(read().await, Some(artifact.clone()));
    client
        .remove_referrer(&repository, image.digest(), artifact.digest())
        .await
        .unwrap();
    assert_eq!(read().await, None);
}

#[tokio::test]
async fn a_type_that_only_the_header_told_is_asked_for_again() {
    let shared = Shared::new();
    let repository = shared.world.repository();
    let image = shared.image().await;
    let untyped = String::from_utf8(image.bytes().to_vec()).unwrap();
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    let typed = "\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",";
    let untyped = untyped.replacen(typed, "", 1);
    let digest = Digest::sha256(untyped.as_bytes());
    let place = |media_type: &str| {
        let bytes = untyped.clone().into_bytes().into();
        let stand_in = &shared.world.stand_in;
        stand_in.place_manifest("app", "untyped", media_type, bytes);
    };
    let pinned = shared.pinned(&digest);
    place(docker);
    for _ in 0..2 {
        let resolved = shared.reader().resolve(&pinned).await.unwrap();
        assert_eq!(resolved.manifest.descriptor().media_type, docker);
        assert!(shared.kept().is_empty());
    }
    let read = shared.reader().resolve(&pinned).await.unwrap().manifest;
    let reader = shared.reader();
    let described = reader.manifest(&repository, read.descriptor()).await;
    assert_eq!(described.unwrap().unwrap().descriptor().media_type, docker);
    assert!(shared.kept().is_empty());
}

#[tokio::test]
async fn layers_are_streamed_and_never_kept() {
    let shared = Shared::new();
    let repository = shared.world.repository();
    let blob = shared.place(b"content");
    shared.asked();
    for _ in 0..2 {
        let client = shared.reader();
        let blind = std::sync::Arc::new(countersign_common::registry::Blind);
        let read = client.check_blob(&repository, &blob, blind).await;
        assert_eq!(read.unwrap(), Some(7));
        assert_eq!(shared.asked().len(), 1);
    }
    assert!(shared.kept().is_empty());
}

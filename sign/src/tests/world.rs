//! A registry in memory, and signers that count or lie.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use countersign_common::{
    Descriptor, Digest, Explain, ImageRef, Limits, Manifest, PinnedImage, Registry, RegistryWriter,
    Repository, Signer, Task, Timestamp,
    bundle::MEDIA_TYPE,
    manifest::{Body, EMPTY_CONFIG},
    registry::{Error, Failure, Onlooker, Refusal},
    signer::{self, KeyOrigin, Signed, SigningKey},
};
use serde_json::json;
use zeroize::Zeroizing;

use crate::{Dating, Made, Means, Occasion, Outcome, Record, Request, SignError, file, sign_image};

pub(super) const IMAGE: &str = "registry.example/shop/api:1.4.2";

/// What a registry does wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    BlobPush,
    BlobRead,
    ListingTooLong,
    ReferrerPush,
    ReferrerRemoval,
    ReferrersList,
}

#[derive(Default)]
pub(super) struct MemoryRegistry {
    pub(super) fault: Option<Fault>,
    pub(super) reads: AtomicUsize,
    blobs: Mutex<BTreeMap<Digest, Bytes>>,
    manifests: Mutex<BTreeMap<Digest, Manifest>>,
    listed: Mutex<Vec<Descriptor>>,
    /// How many referrers there were before each removal.
    removals: Mutex<Vec<usize>>,
}

impl MemoryRegistry {
    pub(super) fn with_image() -> (Self, PinnedImage) {
        let registry = Self::default();
        let image = pinned(IMAGE);
        registry.put(image.manifest.clone());
        (registry, image)
    }

    pub(super) fn put(&self, manifest: Manifest) {
        let digest = manifest.digest().clone();
        self.manifests.lock().unwrap().insert(digest, manifest);
    }

    pub(super) fn put_blob(&self, bytes: Bytes) -> Digest {
        let digest = Digest::sha256(&bytes);
        self.blobs.lock().unwrap().insert(digest.clone(), bytes);
        digest
    }

    /// Lists something as a referrer, be it there or not.
    pub(super) fn list(&self, descriptor: Descriptor) {
        self.listed.lock().unwrap().push(descriptor);
    }

    pub(super) fn forget_list(&self) {
        self.listed.lock().unwrap().clear();
    }

    pub(super) fn referrer_count(&self) -> usize {
        self.listed.lock().unwrap().len()
    }

    /// How many referrers there were before each removal.
    pub(super) fn counts_before_removals(&self) -> Vec<usize> {
        self.removals.lock().unwrap().clone()
    }

    /// Whether nobody has written anything.
    pub(super) fn is_untouched(&self) -> bool {
        self.blobs.lock().unwrap().is_empty() && self.manifests.lock().unwrap().len() == 1
    }

    pub(super) fn lists(&self, digest: &Digest) -> bool {
        let listed = self.listed.lock().unwrap();
        listed.iter().any(|entry| entry.digest == *digest)
    }

    /// Puts a bundle beside the image, as cosign does: its manifest.
    pub(super) fn attach_bundle(&self, bundle: Bytes) -> Digest {
        let digest = self.attach_layer(&Descriptor::of(MEDIA_TYPE, &bundle), 0);
        self.put_blob(bundle);
        digest
    }

    /// Puts the manifest alone there, one of several.
    pub(super) fn attach_layer(&self, layer: &Descriptor, number: usize) -> Digest {
        let document = json!({
            "schemaVersion": 2,
            "artifactType": MEDIA_TYPE,
            "config": Descriptor::of(EMPTY_CONFIG, b"{}"),
            "layers": [layer],
            "subject": image_manifest("{}").descriptor(),
            "annotations": {"n": number.to_string()},
        });
        let manifest =
            Manifest::parse(document.to_string().into(), None, None, &Limits::TABLE).unwrap();
        let digest = manifest.digest().clone();
        self.list(manifest.descriptor().clone());
        self.put(manifest);
        digest
    }

    /// Puts a document of another registry beside the image.
    pub(super) fn adopt(&self, other: &Self, record: &Record) {
        self.put_blob(other.blob_of(&record.bundle));
        let manifest = other.manifest_of(&record.manifest);
        self.list(manifest.descriptor().clone());
        self.put(manifest);
    }

    pub(super) fn manifest_of(&self, digest: &Digest) -> Manifest {
        self.manifests.lock().unwrap()[digest].clone()
    }

    pub(super) fn blob_of(&self, digest: &Digest) -> Bytes {
        self.blobs.lock().unwrap()[digest].clone()
    }

    fn fail(&self, fault: Fault) -> Result<(), Failure> {
        if self.fault == Some(fault) {
            Err(unreachable_registry().into())
        } else {
            Ok(())
        }
    }
}

fn unreachable_registry() -> Error {
    Error::Throttled {
        registry: "registry.example".to_owned(),
        attempts: 5,
    }
}

impl Registry for MemoryRegistry {
    fn resolve<'a>(&'a self, image: &'a ImageRef) -> Task<'a, Result<PinnedImage, Failure>> {
        Box::pin(async move {
            Ok(PinnedImage {
                reference: image.clone(),
                manifest: image_manifest("{}"),
            })
        })
    }

    fn manifest<'a>(
        &'a self,
        _: &'a Repository,
        descriptor: &'a Descriptor,
    ) -> Task<'a, Result<Option<Manifest>, Failure>> {
        Box::pin(async move {
            self.reads.fetch_add(1, Ordering::Relaxed);
            Ok(self
                .manifests
                .lock()
                .unwrap()
                .get(&descriptor.digest)
                .cloned())
        })
    }

    fn referrers<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
    ) -> Task<'a, Result<Vec<Descriptor>, Failure>> {
        Box::pin(async move {
            self.fail(Fault::ReferrersList)?;
            if self.fault == Some(Fault::ListingTooLong) {
                return Err(Refusal::ReferrersTooMany {
                    repository: repository.clone(),
                    subject: subject.clone(),
                    limit: 1_000,
                }
                .into());
            }
            Ok(self.listed.lock().unwrap().clone())
        })
    }

    fn tagged_referrers<'a>(
        &'a self,
        _: &'a Repository,
        _: &'a Digest,
    ) -> Task<'a, Result<Vec<Descriptor>, Failure>> {
        Box::pin(async { panic!("a signer has no use for it") })
    }

    fn blob<'a>(
        &'a self,
        _: &'a Repository,
        descriptor: &'a Descriptor,
        limit: usize,
    ) -> Task<'a, Result<Option<Bytes>, Failure>> {
        Box::pin(async move {
            self.fail(Fault::BlobRead)?;
            if descriptor.size > limit as u64 {
                return Err(Refusal::TooLarge {
                    registry: "registry.example".to_owned(),
                    path: descriptor.digest.to_string(),
                    limit: limit as u64,
                }
                .into());
            }
            Ok(self.blobs.lock().unwrap().get(&descriptor.digest).cloned())
        })
    }

    fn check_blob<'a>(
        &'a self,
        _: &'a Repository,
        _: &'a Descriptor,
        _: Arc<dyn Onlooker>,
    ) -> Task<'a, Result<Option<u64>, Failure>> {
        Box::pin(async { panic!("a signer has no use for it") })
    }
}

impl RegistryWriter for MemoryRegistry {
    fn push_blob<'a>(
        &'a self,
        _: &'a Repository,
        bytes: Bytes,
    ) -> Task<'a, Result<Digest, Failure>> {
        Box::pin(async move {
            self.fail(Fault::BlobPush)?;
            Ok(self.put_blob(bytes))
        })
    }

    fn push_manifest<'a>(
        &'a self,
        _: &'a ImageRef,
        _: &'a Manifest,
    ) -> Task<'a, Result<(), Failure>> {
        Box::pin(async { panic!("a signer moves no tag") })
    }

    fn push_referrers<'a>(
        &'a self,
        _: &'a Repository,
        subject: &'a Digest,
        manifests: &'a [Manifest],
    ) -> Task<'a, Result<(), Failure>> {
        Box::pin(async move {
            self.fail(Fault::ReferrerPush)?;
            for manifest in manifests {
                let Body::Image(body) = manifest.body() else {
                    panic!("an index was pushed")
                };
                assert_eq!(body.subject.as_ref().unwrap().digest, *subject);
                for descriptor in body.layers.iter().chain([&body.config]) {
                    assert!(self.blobs.lock().unwrap().contains_key(&descriptor.digest));
                }
                self.put(manifest.clone());
                self.list(Descriptor {
                    artifact_type: Some(body.artifact_type.clone()),
                    ..manifest.descriptor().clone()
                });
            }
            Ok(())
        })
    }

    fn remove_referrer<'a>(
        &'a self,
        _: &'a Repository,
        subject: &'a Digest,
        manifest: &'a Digest,
    ) -> Task<'a, Result<(), Failure>> {
        Box::pin(async move {
            self.fail(Fault::ReferrerRemoval)?;
            assert_eq!(subject, image_manifest("{}").digest());
            let mut listed = self.listed.lock().unwrap();
            let before = listed.len();
            listed.retain(|entry| entry.digest != *manifest);
            assert_eq!(listed.len(), before - 1, "nothing was there to remove");
            self.removals.lock().unwrap().push(before);
            Ok(())
        })
    }
}

/// What every reference resolves to.
pub(super) fn pinned(reference: &str) -> PinnedImage {
    PinnedImage {
        reference: ImageRef::parse(reference).unwrap(),
        manifest: image_manifest("{}"),
    }
}

/// An image with a configuration of its own.
pub(super) fn image_manifest(config: &str) -> Manifest {
    let config = Descriptor::of(
        "application/vnd.oci.image.config.v1+json",
        config.as_bytes(),
    );
    let config = serde_json::to_string(&config).unwrap();
    let json = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{config},"layers":[]}}"#
    );
    Manifest::parse(json.into(), None, None, &Limits::TABLE).unwrap()
}

/// A signer with a key of its own, which counts, and may pretend.
pub(super) struct TestSigner {
    pub(super) inner: file::Signer,
    pub(super) key: SigningKey,
    pub(super) signatures: AtomicUsize,
    /// Signs something else than it was asked to.
    pub(super) lies: bool,
}

impl TestSigner {
    pub(super) fn new() -> Self {
        let pem = file::generate(file::KeySpec::P256)
            .unwrap()
            .private_pem(file::Form::Plain)
            .unwrap();
        let inner =
            file::Signer::read(&pem, "release.key", None, || Ok(Zeroizing::default())).unwrap();
        Self {
            key: inner.key().clone(),
            inner,
            signatures: AtomicUsize::new(0),
            lies: false,
        }
    }

    pub(super) fn stand_in() -> Self {
        let mut signer = Self::new();
        signer.key.origin = KeyOrigin::StandIn;
        signer
    }

    pub(super) fn count(&self) -> usize {
        self.signatures.load(Ordering::Relaxed)
    }
}

impl Signer for TestSigner {
    fn key(&self) -> &SigningKey {
        &self.key
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> Task<'a, Result<Signed, signer::Failure>> {
        Box::pin(async move {
            self.signatures.fetch_add(1, Ordering::Relaxed);
            let message = if self.lies {
                b"something else"
            } else {
                message
            };
            let signed = self.inner.sign(message).await?;
            Ok(Signed {
                request_id: Some("request-1".to_owned()),
                ..signed
            })
        })
    }
}

pub(super) fn now() -> Timestamp {
    Timestamp::parse("2026-11-24T10:00:00Z").unwrap()
}

pub(super) fn occasion() -> Occasion<'static> {
    Occasion {
        now: now(),
        signed: &|_| {},
    }
}

pub(super) fn annotated(annotations: &[(&str, &str)]) -> Request {
    let annotations = annotations
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    Request::new(annotations).unwrap()
}

pub(super) fn means<'a>(
    registry: &'a MemoryRegistry,
    signer: &'a dyn Signer,
    dating: Dating<'a>,
) -> Means<'a> {
    Means {
        registry,
        signer,
        dating,
    }
}

/// Signs the image and publishes it.
pub(super) async fn sign_dated(
    registry: &MemoryRegistry,
    signer: &TestSigner,
    request: &Request,
    dating: Dating<'_>,
) -> Result<Outcome, SignError> {
    let means = means(registry, signer, dating);
    sign_image(&pinned(IMAGE), request, means, occasion()).await
}

/// Signs the image and publishes it, without any authority.
pub(super) async fn sign_with(
    registry: &MemoryRegistry,
    signer: &TestSigner,
    request: &Request,
) -> Result<Outcome, SignError> {
    sign_dated(registry, signer, request, Dating::Claimed).await
}

/// Whether a document was signed just now.
pub(super) fn is_signed(made: &Made) -> bool {
    matches!(made, Made::Signed(_))
}

/// Whether both documents were there already.
pub(super) fn is_nothing_new(outcome: &Outcome) -> bool {
    matches!(
        (&outcome.signature, &outcome.publication),
        (Made::AlreadySigned(_), Made::AlreadySigned(_))
    )
}

#[track_caller]
pub(super) fn is_refused(error: &SignError, code: &str) {
    assert!(matches!(error, SignError::Refusal(_)), "{error}");
    assert_eq!(error.code().as_str(), code, "{error}");
}

pub(super) fn until(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

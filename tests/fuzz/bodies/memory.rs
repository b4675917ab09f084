//! A registry in memory that has one image and what is attached to it. It is honest, and checks nothing of its own.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use countersign_common::{
    Descriptor, Digest, ImageRef, Limits, Manifest, PinnedImage, Registry, Repository, Task,
    manifest::ManifestError,
    registry::{Failure, Onlooker, Refusal},
};

pub(super) struct Memory {
    pub(super) image: Manifest,
    pub(super) attached: Vec<Descriptor>,
    /// What the tag of older signatures names, if it is not the image.
    pub(super) tagged: Option<Bytes>,
    /// Blobs and manifests, by their names.
    pub(super) contents: BTreeMap<Digest, Bytes>,
}

impl Memory {
    pub(super) fn put(&mut self, media_type: &str, bytes: &[u8]) -> Descriptor {
        let descriptor = Descriptor::of(media_type, bytes);
        let bytes = Bytes::copy_from_slice(bytes);
        self.contents.insert(descriptor.digest.clone(), bytes);
        descriptor
    }
}

impl Registry for Memory {
    fn resolve<'a>(&'a self, image: &'a ImageRef) -> Task<'a, Result<PinnedImage, Failure>> {
        let signatures = format!("{}.sig", self.image.digest().referrers_tag());
        let is_signed = image.tag() == Some(&signatures);
        let tagged = self.tagged.as_ref().filter(|_| is_signed);
        let manifest = match tagged {
            Some(bytes) => Manifest::parse(bytes.clone(), None, None, &Limits::TABLE)
                .map_err(|source| malformed(&Digest::sha256(bytes), source)),
            None => Ok(self.image.clone()),
        };
        let pinned = manifest.map(|manifest| PinnedImage {
            reference: image.clone(),
            manifest,
        });
        Box::pin(async { pinned })
    }

    fn manifest<'a>(
        &'a self,
        _: &'a Repository,
        descriptor: &'a Descriptor,
    ) -> Task<'a, Result<Option<Manifest>, Failure>> {
        Box::pin(async move {
            let digest = &descriptor.digest;
            let Some(bytes) = self.contents.get(digest) else {
                return Ok(None);
            };
            let parsed = Manifest::parse(bytes.clone(), None, Some(digest), &Limits::TABLE);
            parsed.map(Some).map_err(|source| malformed(digest, source))
        })
    }

    fn referrers<'a>(
        &'a self,
        _: &'a Repository,
        subject: &'a Digest,
    ) -> Task<'a, Result<Vec<Descriptor>, Failure>> {
        let is_image = subject == self.image.digest();
        Box::pin(async move {
            Ok(if is_image {
                self.attached.clone()
            } else {
                Vec::new()
            })
        })
    }

    fn tagged_referrers<'a>(
        &'a self,
        _: &'a Repository,
        _: &'a Digest,
    ) -> Task<'a, Result<Vec<Descriptor>, Failure>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn blob<'a>(
        &'a self,
        _: &'a Repository,
        descriptor: &'a Descriptor,
        limit: usize,
    ) -> Task<'a, Result<Option<Bytes>, Failure>> {
        Box::pin(async move {
            let bytes = self.contents.get(&descriptor.digest);
            if bytes
                .is_some_and(|bytes| bytes.len() > limit || bytes.len() as u64 != descriptor.size)
            {
                return Err(Failure::Refusal(Refusal::TooLarge {
                    registry: "registry.example".to_owned(),
                    path: descriptor.digest.to_string(),
                    limit: limit as u64,
                }));
            }
            Ok(bytes.cloned())
        })
    }

    fn check_blob<'a>(
        &'a self,
        _: &'a Repository,
        descriptor: &'a Descriptor,
        onlooker: Arc<dyn Onlooker>,
    ) -> Task<'a, Result<Option<u64>, Failure>> {
        Box::pin(async move {
            let Some(bytes) = self.contents.get(&descriptor.digest) else {
                return Ok(None);
            };
            onlooker.see(bytes);
            Ok(Some(descriptor.size))
        })
    }
}

fn malformed(digest: &Digest, source: ManifestError) -> Failure {
    Failure::Refusal(Refusal::Malformed {
        registry: "registry.example".to_owned(),
        path: digest.to_string(),
        source,
    })
}

/// What is in memory is there at once.
pub(super) fn at_once<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..100_000 {
        if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return done;
        }
    }
    panic!("something waits for what never comes");
}

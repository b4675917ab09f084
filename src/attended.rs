//! A registry that is attended while `verify` reads layers: what comes is counted for the progress bar, and of all images
//! together only a few layers are read at once. Changes nothing of what a registry says.

use std::sync::Arc;

use bytes::Bytes;
use countersign_common::{
    Descriptor, Digest, ImageRef, Manifest, PinnedImage, Registry, Repository, Task,
    registry::{Error, Failure, Onlooker},
};
use tokio::sync::Semaphore;

use crate::progress::Progress;

/// Layers read at once. Each may take a core, and what zstd may refer back to in memory, whoever packed it.
const AT_ONCE: usize = 4;

/// Who watches the registries of all images.
pub(crate) struct Attendant {
    progress: Arc<Progress>,
    turns: Semaphore,
}

impl Attendant {
    pub(crate) fn new(progress: Arc<Progress>) -> Self {
        Self {
            progress,
            turns: Semaphore::new(AT_ONCE),
        }
    }

    /// The same registry, attended.
    pub(crate) fn attend<'a>(&'a self, registry: &'a dyn Registry) -> Attended<'a> {
        Attended {
            registry,
            attendant: self,
        }
    }
}

/// A registry, and who watches it.
pub(crate) struct Attended<'a> {
    registry: &'a dyn Registry,
    attendant: &'a Attendant,
}

impl Registry for Attended<'_> {
    fn resolve<'a>(&'a self, image: &'a ImageRef) -> Task<'a, Result<PinnedImage, Failure>> {
        self.registry.resolve(image)
    }

    fn manifest<'a>(
        &'a self,
        repository: &'a Repository,
        descriptor: &'a Descriptor,
    ) -> Task<'a, Result<Option<Manifest>, Failure>> {
        self.registry.manifest(repository, descriptor)
    }

    fn referrers<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
    ) -> Task<'a, Result<Vec<Descriptor>, Failure>> {
        self.registry.referrers(repository, subject)
    }

    fn own_referrers<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
    ) -> Task<'a, Result<Option<Vec<Descriptor>>, Failure>> {
        self.registry.own_referrers(repository, subject)
    }

    fn tagged_referrers<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
    ) -> Task<'a, Result<Vec<Descriptor>, Failure>> {
        self.registry.tagged_referrers(repository, subject)
    }

    fn archived_referrers<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
    ) -> Task<'a, Result<Vec<Descriptor>, Failure>> {
        self.registry.archived_referrers(repository, subject)
    }

    fn blob<'a>(
        &'a self,
        repository: &'a Repository,
        descriptor: &'a Descriptor,
        limit: usize,
    ) -> Task<'a, Result<Option<Bytes>, Failure>> {
        self.registry.blob(repository, descriptor, limit)
    }

    fn check_blob<'a>(
        &'a self,
        repository: &'a Repository,
        descriptor: &'a Descriptor,
        onlooker: Arc<dyn Onlooker>,
    ) -> Task<'a, Result<Option<u64>, Failure>> {
        Box::pin(async move {
            // It is never closed.
            let _turn = self.attendant.turns.acquire().await;
            let progress = Arc::clone(&self.attendant.progress);
            let counting = Arc::new(Counting { onlooker, progress });
            self.registry
                .check_blob(repository, descriptor, counting)
                .await
        })
    }

    fn absent(&self, repository: &Repository, digest: &Digest) -> Error {
        self.registry.absent(repository, digest)
    }
}

struct Counting {
    onlooker: Arc<dyn Onlooker>,
    progress: Arc<Progress>,
}

impl Onlooker for Counting {
    fn see(&self, bytes: &[u8]) {
        self.onlooker.see(bytes);
        self.progress.read(bytes.len());
    }
}

//! A registry that is attended while many images are worked on: of all of them together only a few layers are read at once, and
//! only a few images held that are large. Whoever waits for that waits in nobody's time. Changes nothing of what a registry says.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use countersign_common::{
    Descriptor, Digest, ImageRef, Manifest, PinnedImage, Registry, RegistryWriter, Repository,
    Task,
    registry::{Error, Failure, Looking, Onlooker, Refusal},
};
use futures_util::future;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::clock::Clock;

/// Layers read at once of one registry. Each may take a core, and what zstd may refer back to in memory, whoever packed it.
///
/// One turn is the registry's own, and the others are for all registries together: one whose layers drip may take all of those,
/// and keeps nobody waiting for the first. Thus in all there are no more than three beside one for each image judged at once.
pub(crate) const AT_ONCE: usize = 4;
/// What may be fetched of an image while any number of others are judged.
const LARGE: u64 = 2 << 20;
/// The same of its manifest, which takes many times its length once it is understood.
const LONG_MANIFEST: usize = 128 << 10;
/// The same of a list of referrers.
const LONG_LIST: usize = 2 << 20;
/// Judgements at once of which more is fetched of one registry. What may be held for one is bounded, and so is it for all.
/// One that keeps its clients waiting must not keep those of others waiting.
const LARGE_AT_ONCE: usize = 4;

/// Who watches the registries of all images.
pub(crate) struct Attendant {
    /// Sees the bytes of all layers.
    onlooker: Arc<dyn Onlooker>,
    /// For layers, of whatever registry.
    layers: Semaphore,
    /// By the name of the registry.
    turns: Mutex<HashMap<String, Arc<Turns>>>,
    /// Images whose judgements those are.
    large_at_once: usize,
}

/// What images of one registry wait for.
struct Turns {
    large: Arc<Semaphore>,
    layer: Semaphore,
    /// One may take as much as a whole image.
    long_list: Semaphore,
}

impl Attendant {
    /// `parallel` is how many judgements one image may be at the same time.
    pub(crate) fn new(onlooker: Arc<dyn Onlooker>, parallel: usize) -> Self {
        Self {
            onlooker,
            layers: Semaphore::new(AT_ONCE - 1),
            turns: Mutex::default(),
            large_at_once: LARGE_AT_ONCE.div_ceil(parallel),
        }
    }

    /// The same registry, attended.
    pub(crate) fn attend<'a>(
        &'a self,
        registry: &'a dyn RegistryWriter,
        image: &ImageRef,
    ) -> Attended<'a> {
        let new = || Turns {
            large: Arc::new(Semaphore::new(self.large_at_once)),
            layer: Semaphore::new(1),
            long_list: Semaphore::new(1),
        };
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let turns = turns.entry(image.repository().registry());
        let turns = turns.or_insert_with(|| Arc::new(new()));
        Attended {
            registry,
            attendant: self,
            turns: Arc::clone(turns),
            announced: AtomicU64::new(0),
            clock: Clock::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }
}

/// A registry, and who watches it.
pub(crate) struct Attended<'a> {
    registry: &'a dyn RegistryWriter,
    attendant: &'a Attendant,
    /// Bytes that were asked for, as far as that is known beforehand.
    announced: AtomicU64,
    turns: Arc<Turns>,
    clock: Clock,
    turn: tokio::sync::Mutex<Option<OwnedSemaphorePermit>>,
}

impl Attended<'_> {
    /// The time of the image.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Waits for a turn before what is fetched of the image becomes large. It has one turn at the most and keeps it, so nobody
    /// waits for whoever waits: before it waits for anything else, it leaves.
    async fn announce(&self, size: u64) {
        let before = self.announced.fetch_add(size, Ordering::Relaxed);
        if before.saturating_add(size) > LARGE {
            self.wait().await;
        }
    }

    async fn wait(&self) {
        let mut turn = self.turn.lock().await;
        if turn.is_none() {
            let _held = self.clock.hold();
            // It is never closed.
            *turn = Arc::clone(&self.turns.large).acquire_owned().await.ok();
        }
    }

    /// Waits for the turn to read a list that is long. Whoever has it has the other already, and waits for none any more.
    async fn list_turn(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.wait().await;
        let _held = self.clock.hold();
        self.turns.long_list.acquire().await
    }

    /// A list, if it is short; a long one in its turn.
    async fn listed<'a, T>(
        &'a self,
        short: Task<'a, Result<T, Failure>>,
        whole: impl FnOnce() -> Task<'a, Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let listed = short.await;
        if !is_too_large(&listed) {
            return listed;
        }
        let _turn = self.list_turn().await;
        whole().await
    }

    /// Waits for the registry's own turn to read a layer, or for one that is for all.
    async fn layer_turn(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        let own = pin!(self.turns.layer.acquire());
        let shared = pin!(self.attendant.layers.acquire());
        future::select(own, shared).await.factor_first().0
    }

    /// Gives the turn back. Whether there was one: then what was fetched may be kept no longer.
    pub(crate) async fn leave(&self) -> bool {
        self.turn.lock().await.take().is_some()
    }
}

impl Registry for Attended<'_> {
    fn resolve<'a>(&'a self, image: &'a ImageRef) -> Task<'a, Result<PinnedImage, Failure>> {
        Box::pin(async move {
            // How long it is, a reference does not say. Who is asked again has more than other images.
            let resolved = self.registry.resolve_within(image, LONG_MANIFEST).await;
            if !is_too_large(&resolved) {
                return resolved;
            }
            self.wait().await;
            self.registry.resolve(image).await
        })
    }

    fn manifest<'a>(
        &'a self,
        repository: &'a Repository,
        descriptor: &'a Descriptor,
    ) -> Task<'a, Result<Option<Manifest>, Failure>> {
        Box::pin(async move {
            self.announce(descriptor.size).await;
            self.registry.manifest(repository, descriptor).await
        })
    }

    fn referrers<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
    ) -> Task<'a, Result<Vec<Descriptor>, Failure>> {
        let registry = self.registry;
        let short = registry.referrers_within(repository, subject, LONG_LIST);
        Box::pin(self.listed(short, move || registry.referrers(repository, subject)))
    }

    fn own_referrers<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
    ) -> Task<'a, Result<Option<Vec<Descriptor>>, Failure>> {
        let registry = self.registry;
        let short = registry.own_referrers_within(repository, subject, LONG_LIST);
        Box::pin(self.listed(short, move || registry.own_referrers(repository, subject)))
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
        Box::pin(async move {
            self.announce(descriptor.size.min(limit as u64)).await;
            self.registry.blob(repository, descriptor, limit).await
        })
    }

    fn check_blob<'a>(
        &'a self,
        repository: &'a Repository,
        descriptor: &'a Descriptor,
        onlooker: Arc<dyn Onlooker>,
    ) -> Task<'a, Result<Option<u64>, Failure>> {
        Box::pin(async move {
            // None is ever closed.
            let _turn = self.layer_turn().await;
            let both = Both(onlooker, Arc::clone(&self.attendant.onlooker));
            self.registry
                .check_blob(repository, descriptor, Arc::new(both))
                .await
        })
    }

    fn absent(&self, repository: &Repository, digest: &Digest) -> Error {
        self.registry.absent(repository, digest)
    }
}

impl RegistryWriter for Attended<'_> {
    fn push_blob<'a>(
        &'a self,
        repository: &'a Repository,
        bytes: Bytes,
    ) -> Task<'a, Result<Digest, Failure>> {
        self.registry.push_blob(repository, bytes)
    }

    fn push_manifest<'a>(
        &'a self,
        image: &'a ImageRef,
        manifest: &'a Manifest,
    ) -> Task<'a, Result<(), Failure>> {
        self.registry.push_manifest(image, manifest)
    }

    fn push_referrers<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
        manifests: &'a [Manifest],
    ) -> Task<'a, Result<(), Failure>> {
        self.registry.push_referrers(repository, subject, manifests)
    }

    fn remove_referrer<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
        manifest: &'a Digest,
    ) -> Task<'a, Result<(), Failure>> {
        self.registry.remove_referrer(repository, subject, manifest)
    }
}

fn is_too_large<T>(became: &Result<T, Failure>) -> bool {
    matches!(became, Err(Failure::Refusal(Refusal::TooLarge { .. })))
}

/// Two who look at the same.
struct Both(Arc<dyn Onlooker>, Arc<dyn Onlooker>);

impl Onlooker for Both {
    fn see(&self, bytes: &[u8]) {
        self.0.see(bytes);
        self.1.see(bytes);
    }

    fn looking(&self) -> Looking {
        match (self.0.looking(), self.1.looking()) {
            (Looking::Brief, Looking::Brief) => Looking::Brief,
            _ => Looking::Long,
        }
    }
}

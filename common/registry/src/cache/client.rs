//! What a client takes from its cache, and gives to it.
//!
//! Called by [`Client`] in place of a request, and after one whose answer was accepted. The bounds of a request hold for what
//! is kept, too: they are the caller's, and may have changed.

use bytes::Bytes;
use countersign_common::{Descriptor, Digest, Limits, Manifest, Repository};

use super::{Cache, Entry, Images};
use crate::client::Client;

/// A cache, and what a client takes from it.
#[derive(Debug)]
pub(crate) struct Shelf {
    cache: Cache,
    images: Images,
}

impl Client {
    /// The same client, which fetches once what is named by its digest.
    #[must_use]
    pub fn cached(self, cache: Cache, images: Images) -> Self {
        Self {
            shelf: Some(Shelf { cache, images }),
            ..self
        }
    }

    /// An image that this repository had.
    pub(crate) fn kept_image(&self, repository: &Repository, digest: &Digest) -> Option<Manifest> {
        let of_reader = self.shelf.as_ref();
        let of_reader = of_reader.filter(|shelf| shelf.images == Images::Kept)?;
        of_reader.manifest(&Entry::image(repository, digest), self.limits())
    }

    pub(crate) async fn keep_image(&self, repository: &Repository, manifest: &Manifest) {
        if let Some(shelf) = &self.shelf {
            let entry = Entry::image(repository, manifest.digest());
            // A tag is asked for each time, and its image may be there since the first.
            if shelf.cache.read(&entry).is_none() {
                shelf.keep_manifest(&entry, manifest, self.limits()).await;
            }
        }
    }

    /// A manifest that is what its descriptor says.
    pub(crate) fn kept_manifest(&self, descriptor: &Descriptor) -> Option<Manifest> {
        let entry = Entry::content(&descriptor.digest);
        let manifest = self.shelf.as_ref()?.manifest(&entry, self.limits())?;
        // The registry is asked about a size that is wrong, as about any.
        Some(manifest).filter(|manifest| manifest.descriptor().size == descriptor.size)
    }

    pub(crate) async fn keep_manifest(&self, manifest: &Manifest) {
        if let Some(shelf) = &self.shelf {
            let entry = Entry::content(manifest.digest());
            shelf.keep_manifest(&entry, manifest, self.limits()).await;
        }
    }

    pub(crate) fn kept_blob(&self, descriptor: &Descriptor) -> Option<Bytes> {
        let blob = self
            .shelf
            .as_ref()?
            .cache
            .read(&Entry::content(&descriptor.digest))?;
        Some(blob).filter(|blob| blob.len() as u64 == descriptor.size)
    }

    pub(crate) async fn keep_blob(&self, digest: &Digest, bytes: &Bytes) {
        if let Some(shelf) = &self.shelf {
            shelf.cache.keep(&Entry::content(digest), bytes).await;
        }
    }

    /// Forgets what this client has removed.
    pub(crate) fn forget_manifest(&self, repository: &Repository, digest: &Digest) {
        if let Some(shelf) = &self.shelf {
            shelf.cache.forget(&Entry::content(digest));
            shelf.cache.forget(&Entry::image(repository, digest));
        }
    }
}

impl Shelf {
    fn manifest(&self, entry: &Entry, limits: &Limits) -> Option<Manifest> {
        let bytes = self.cache.read(entry)?;
        Manifest::parse(bytes, None, Some(&entry.digest), limits).ok()
    }

    /// Keeps what can be read again without the header that came with it: where a manifest does not name its type itself, the
    /// header may have said another than would be taken for it.
    async fn keep_manifest(&self, entry: &Entry, manifest: &Manifest, limits: &Limits) {
        let bytes = manifest.bytes();
        let again = Manifest::parse(bytes.clone(), None, Some(&entry.digest), limits);
        if again.is_ok_and(|again| again == *manifest) {
            self.cache.keep(entry, bytes).await;
        }
    }
}

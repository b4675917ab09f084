//! What a client takes from its cache, and gives to it.
//!
//! Called by [`Client`] in place of a request, and after one whose answer was accepted. The bounds of a request hold for what
//! is kept, too: they are the caller's, and may have changed.

use bytes::Bytes;
use countersign_common::{Descriptor, Digest, Limits, Manifest, Repository};

use super::{Cache, Entry, Kept};
use crate::client::Client;

impl Client {
    /// The same client, which fetches once what is named by its digest. For those who read: what a repository had may be gone,
    /// and nothing must be attached to it then, or taken for attached.
    #[must_use]
    pub fn cached(self, cache: Cache) -> Self {
        Self {
            cache: Some(cache),
            ..self
        }
    }

    /// A manifest that this repository had under this digest.
    pub(crate) fn kept_image(
        &self,
        repository: &Repository,
        digest: &Digest,
        limits: &Limits,
    ) -> Kept {
        let Some(cache) = &self.cache else {
            return Kept::Not;
        };
        let entry = Entry::manifest(repository, digest);
        let limit = limits.manifest as u64;
        let bytes = cache.read(&entry, 0..=limit);
        match bytes.and_then(|bytes| parse(bytes, digest, limits)) {
            Some(manifest) => Kept::Here(Box::new(manifest)),
            None if cache.length(&entry).is_some_and(|length| length > limit) => Kept::Longer,
            None => Kept::Not,
        }
    }

    /// The same, of the size that its descriptor says. The registry is asked about a size that is wrong, as about any.
    pub(crate) fn kept_manifest(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
    ) -> Option<Manifest> {
        let entry = Entry::manifest(repository, &descriptor.digest);
        let bytes = (self.cache.as_ref()?).read(&entry, descriptor.size..=descriptor.size)?;
        parse(bytes, &descriptor.digest, self.limits())
    }

    /// Keeps what can be read again without the header that came with it: where a manifest does not name its type itself, the
    /// header may have said another than would be taken for it.
    pub(crate) async fn keep_manifest(&self, repository: &Repository, manifest: &Manifest) {
        let Some(cache) = &self.cache else {
            return;
        };
        let entry = Entry::manifest(repository, manifest.digest());
        let size = manifest.descriptor().size;
        let again = parse(manifest.bytes().clone(), manifest.digest(), self.limits());
        // A tag is asked for each time, and its image may be there since the first.
        if again.is_some_and(|again| again == *manifest)
            && cache.read(&entry, size..=size).is_none()
        {
            cache.keep(&entry, manifest.bytes()).await;
        }
    }

    pub(crate) fn kept_blob(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
    ) -> Option<Bytes> {
        let entry = Entry::blob(repository, &descriptor.digest);
        (self.cache.as_ref()?).read(&entry, descriptor.size..=descriptor.size)
    }

    pub(crate) async fn keep_blob(&self, repository: &Repository, digest: &Digest, bytes: &Bytes) {
        if let Some(cache) = &self.cache {
            cache.keep(&Entry::blob(repository, digest), bytes).await;
        }
    }

    /// Forgets what this client has removed.
    pub(crate) fn forget_manifest(&self, repository: &Repository, digest: &Digest) {
        if let Some(cache) = &self.cache {
            cache.forget(&Entry::manifest(repository, digest));
        }
    }
}

fn parse(bytes: Bytes, digest: &Digest, limits: &Limits) -> Option<Manifest> {
    Manifest::parse(bytes, None, Some(digest), limits).ok()
}

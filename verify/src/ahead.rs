//! What refers to an image, asked for before the image itself came.
//!
//! A reference by digest says already whose referrers are wanted, so that the listing costs no round trip of its own.
//! Called where an image is fetched to be judged. Nothing is believed here, and a listing is used for its subject alone.

use std::{
    fmt,
    future::{self, poll_fn},
    pin::pin,
    task::{Context, Poll},
};

use countersign_common::{
    Descriptor, Digest, PinnedImage, Registry, Repository, Task, registry::Failure,
};

use crate::{
    legacy::{self, Legacy},
    tags::AtTag,
};

/// A reference that was resolved, and the listing that was asked for beside it.
pub struct Sighted<'a> {
    pub(crate) image: PinnedImage,
    pub(crate) listing: Option<Listing<'a>>,
}

/// What is listed for a digest, as soon as it comes.
pub(crate) struct Listing<'a> {
    subject: &'a Digest,
    referrers: Awaited<'a, Referrers>,
    /// What cosign before version 3 left, where that counts.
    signatures: Option<Awaited<'a, AtTag>>,
}

/// What the registry lists.
pub(crate) type Referrers = Result<Vec<Descriptor>, Failure>;

/// Something that was asked for, and maybe answered.
enum Awaited<'a, T> {
    Answered(T),
    Waiting(Task<'a, T>),
}

impl fmt::Debug for Sighted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sighted")
            .field("image", &self.image)
            .finish_non_exhaustive()
    }
}

impl<'a> Sighted<'a> {
    /// What the reference was resolved to.
    pub fn image(&self) -> &PinnedImage {
        &self.image
    }

    /// Waits for an image while its listing is on the way. Without the image nobody needs the listing.
    pub(crate) async fn collect<F>(
        image: impl Future<Output = Result<PinnedImage, F>>,
        mut listing: Option<Listing<'a>>,
    ) -> Result<Self, F> {
        let mut image = pin!(image);
        let image = poll_fn(|context| {
            // First, since more follows from what is listed than from the image.
            if let Some(listing) = &mut listing {
                listing.poll(context);
            }
            image.as_mut().poll(context)
        });
        let image = image.await?;
        Ok(Self { image, listing })
    }
}

impl<'a> Listing<'a> {
    /// Asks for it as soon as anybody waits for it.
    pub(crate) fn of(
        registry: &'a dyn Registry,
        repository: &'a Repository,
        subject: &'a Digest,
        legacy: Legacy,
    ) -> Self {
        let signatures = || Awaited::Waiting(legacy::signatures(registry, repository, subject));
        Self {
            subject,
            referrers: Awaited::Waiting(registry.referrers(repository, subject)),
            signatures: (legacy == Legacy::Counted).then(signatures),
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) {
        self.referrers.poll(context);
        if let Some(signatures) = &mut self.signatures {
            signatures.poll(context);
        }
    }

    /// What the registry lists for this subject, and what is at its tag, if that counts. Neither waits for the other.
    pub(crate) fn about(
        self,
        subject: &Digest,
    ) -> Option<(Task<'a, Referrers>, Option<Task<'a, AtTag>>)> {
        let signatures = self.signatures.map(Awaited::into_task);
        (self.subject == subject).then(|| (self.referrers.into_task(), signatures))
    }
}

impl<'a, T: Send + 'a> Awaited<'a, T> {
    fn poll(&mut self, context: &mut Context<'_>) {
        if let Self::Waiting(task) = self
            && let Poll::Ready(answer) = task.as_mut().poll(context)
        {
            *self = Self::Answered(answer);
        }
    }

    fn into_task(self) -> Task<'a, T> {
        match self {
            Self::Answered(answer) => Box::pin(future::ready(answer)),
            Self::Waiting(task) => task,
        }
    }
}

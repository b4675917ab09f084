//! What refers to an image, asked for before the image itself came.
//!
//! A reference by digest says already whose referrers are wanted, so that the listing costs no round trip of its own.
//! Called where an image is fetched to be judged. Nothing is believed here, and a listing is used for its subject alone.

use std::{fmt, pin::pin};

use countersign_common::{
    Descriptor, Digest, PinnedImage, Registry, Repository, Task, registry::Failure,
};
use futures_util::future::{self, Either, select};

/// A reference that was resolved, and the listing that was asked for beside it.
pub struct Sighted<'a> {
    pub(crate) image: PinnedImage,
    pub(crate) listing: Option<Listing<'a>>,
}

/// What is listed for a digest, as soon as it comes.
pub(crate) struct Listing<'a> {
    subject: &'a Digest,
    listed: Task<'a, Result<Vec<Descriptor>, Failure>>,
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
        listing: Option<Listing<'a>>,
    ) -> Result<Self, F> {
        let Some(Listing { subject, listed }) = listing else {
            let image = image.await?;
            return Ok(Self {
                image,
                listing: None,
            });
        };
        let (image, listed) = match select(pin!(image), listed).await {
            Either::Left((image, listed)) => (image, listed),
            Either::Right((listed, image)) => {
                let listed: Task<'a, _> = Box::pin(future::ready(listed));
                (image.await, listed)
            }
        };
        Ok(Self {
            image: image?,
            listing: Some(Listing { subject, listed }),
        })
    }
}

impl<'a> Listing<'a> {
    /// Asks for it as soon as anybody waits for it.
    pub(crate) fn of(
        registry: &'a dyn Registry,
        repository: &'a Repository,
        subject: &'a Digest,
    ) -> Self {
        Self {
            subject,
            listed: registry.referrers(repository, subject),
        }
    }

    /// What is listed, if it is for this subject.
    pub(crate) fn about(
        self,
        subject: &Digest,
    ) -> Option<Task<'a, Result<Vec<Descriptor>, Failure>>> {
        (self.subject == subject).then_some(self.listed)
    }
}

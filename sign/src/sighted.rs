//! An image that is to be signed, and what is listed for it.
//!
//! A reference by digest says already whose listing is wanted, so that it costs no round trip of its own. Made by whoever
//! resolves the reference, read before anything is signed. Nothing is believed here.

use countersign_common::{Descriptor, ImageRef, PinnedImage, Registry, registry::Failure};
use futures_util::{FutureExt, future};

use crate::SignError;

/// A reference that was resolved, and what is listed for it.
#[derive(Debug)]
pub struct Sighted {
    pub(crate) image: PinnedImage,
    pub(crate) listing: Listing,
}

/// What a registry lists.
pub(crate) type Listing = Result<Vec<Descriptor>, Failure>;

impl Sighted {
    /// Resolves a reference. Where it names a digest, what is listed for that is asked for at the same time. Without the image
    /// nobody needs the listing: it is not waited for.
    ///
    /// Whoever signs one digest several times does so one after the other, and looks anew each time.
    pub async fn collect(reference: &ImageRef, registry: &dyn Registry) -> Result<Self, SignError> {
        let image = registry.resolve(reference);
        let Some(digest) = reference.digest() else {
            let image = image.await?;
            let listing = list(&image, registry).await;
            return Ok(Self { image, listing });
        };
        let listing = registry.referrers(reference.repository(), digest);
        let (image, listing) = future::try_join(image, listing.map(Ok)).await?;
        Ok(Self { image, listing })
    }
}

pub(crate) async fn list(image: &PinnedImage, registry: &dyn Registry) -> Listing {
    registry.referrers(image.repository(), image.digest()).await
}

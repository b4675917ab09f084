//! The tag beside an image at which cosign before version 3 leaves the image's signatures.
//!
//! Asked for where somebody counts them, and by `inspect`. Anybody who may push can move the tag: what is there, or cannot
//! be had, takes nothing from what the registry lists for the image, and never says when anything was published.

use countersign_common::{
    Digest, ImageRef, Manifest, Registry, Repository, Task,
    registry::{Failure, Refusal},
};

/// What becomes of signatures in the format of cosign before version 3.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Legacy {
    /// They count as signatures of the image.
    Counted,
    /// Nobody looks for them.
    Ignored,
}

/// The manifest at a tag, or that there is none.
pub(crate) type AtTag = Result<Option<Manifest>, Failure>;

/// What is called so; what is too long for a tag is not.
pub(crate) fn reference(repository: &Repository, tag: &str) -> Option<ImageRef> {
    ImageRef::parse(&format!("{repository}:{tag}")).ok()
}

/// Asks for what is at a tag. Only what is not there is absent.
pub(crate) async fn at(registry: &dyn Registry, repository: &Repository, tag: &str) -> AtTag {
    let Some(image) = reference(repository, tag) else {
        return Ok(None);
    };
    match registry.resolve(&image).await {
        Ok(pinned) => Ok(Some(pinned.manifest)),
        Err(Failure::Refusal(Refusal::ImageNotFound { .. } | Refusal::NotInLayout { .. })) => {
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}

/// Asks for the signatures of an image, as soon as anybody waits for them.
pub(crate) fn signatures<'a>(
    registry: &'a dyn Registry,
    repository: &'a Repository,
    subject: &'a Digest,
) -> Task<'a, AtTag> {
    Box::pin(async move {
        let tag = format!("{}.sig", subject.referrers_tag());
        at(registry, repository, &tag).await
    })
}

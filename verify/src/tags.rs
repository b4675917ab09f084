//! What is at a tag that is named after a digest.
//!
//! Asked for by who counts older signatures, and by `inspect`. Anybody who may push can move such a tag: nothing of it is
//! believed here.

use countersign_common::{
    ImageRef, Manifest, Registry, Repository,
    registry::{Failure, Refusal},
};

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

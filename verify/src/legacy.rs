//! Signatures of cosign before version 3, and where it leaves those of an image: at a tag beside it.
//!
//! Asked for where somebody counts them. Anybody who may push can move the tag: what is there, or cannot be had, takes nothing
//! from what the registry lists for the image, and never says when anything was published.

use countersign_common::{Digest, Registry, Repository, Task};

use crate::tags::{self, AtTag};

/// What becomes of signatures in the format of cosign before version 3.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Legacy {
    /// They count as signatures of the image.
    Counted,
    /// Nobody looks for them.
    Ignored,
}

/// Asks for the signatures of an image, as soon as anybody waits for them.
pub(crate) fn signatures<'a>(
    registry: &'a dyn Registry,
    repository: &'a Repository,
    subject: &'a Digest,
) -> Task<'a, AtTag> {
    Box::pin(async move {
        let tag = format!("{}.sig", subject.referrers_tag());
        tags::at(registry, repository, &tag).await
    })
}

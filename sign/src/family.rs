//! What of a reference is signed: the image alone, or an index with everything that it lists.
//!
//! Called before anything is signed: what is wrong with one child is found out while nothing is signed yet. What a child is
//! listed as is no reason to leave it out, since it is said by whoever wrote the index.

use countersign_common::{
    Descriptor, Digest, ImageRef, Limits, PinnedImage, Registry,
    children::Listed,
    registry::{Failure, Refusal as RegistryRefusal},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use crate::{Refusal, SignError};

/// Children fetched at a time.
const PARALLEL: usize = 8;

/// An image and, if it is an index, everything that it lists. All of it is there, and is what the index says.
#[derive(Clone, Debug)]
pub struct Family {
    /// Each child once, in the order of the index. To be signed first: whoever finds the index signed finds them signed.
    pub children: Vec<Child>,
    /// The image that was asked for.
    pub image: PinnedImage,
}

/// A manifest that an index lists.
#[derive(Clone, Debug)]
pub struct Child {
    /// The manifest, by its digest.
    pub image: PinnedImage,
    /// Where it is listed.
    pub entry: Entry,
}

/// An entry of an index.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The index.
    pub index: Digest,
    /// As what it lists the child.
    pub listed_as: Listed,
}

impl Family {
    /// Resolves a reference once, and fetches what it lists.
    pub async fn collect(
        image: &ImageRef,
        registry: &dyn Registry,
        limits: &Limits,
    ) -> Result<Self, SignError> {
        let image = registry.resolve(image).await?;
        let children = image.manifest.children();
        check(&image, &children, limits)?;
        let children = stream::iter(children)
            .map(|child| Child::fetch(&image, child, registry))
            .buffered(PARALLEL)
            .try_collect()
            .await?;
        Ok(Self { children, image })
    }
}

impl Child {
    async fn fetch(
        index: &PinnedImage,
        child: Descriptor,
        registry: &dyn Registry,
    ) -> Result<Self, SignError> {
        let repository = index.repository();
        let found = registry.manifest(repository, &child).await?;
        let manifest = child
            .check_child(found, repository)
            .map_err(Refusal::from)?;
        Ok(Self {
            entry: Entry {
                index: index.digest().clone(),
                listed_as: child.listed(),
            },
            image: PinnedImage {
                reference: ImageRef::by_digest(repository, &child.digest),
                manifest,
            },
        })
    }
}

/// What no request needs to be made for. All manifests are held at once: an index must not fill the memory of its signer.
fn check(index: &PinnedImage, children: &[Descriptor], limits: &Limits) -> Result<(), SignError> {
    for child in children {
        child.check_type().map_err(Refusal::from)?;
    }
    let sizes = children.iter().map(|child| child.size);
    if sizes.fold(0, u64::saturating_add) <= limits.image_bytes {
        return Ok(());
    }
    let repository = index.repository();
    let too_large = RegistryRefusal::TooLarge {
        registry: repository.registry(),
        path: format!("what {} of {} lists", index.digest(), repository.path()),
        limit: limits.image_bytes,
    };
    Err(Failure::Refusal(too_large).into())
}

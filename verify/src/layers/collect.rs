//! Fetches what a digest reaches below the manifest that is judged: of an index each child, of each image its layers.
//!
//! A layer that is said to lie elsewhere (`urls`) is asked of the registry like any other, and of nobody else: where there is
//! none, nobody knows what would run. One that is foreign by its type is named so.

use std::sync::Arc;

use countersign_common::{
    Descriptor,
    manifest::Body,
    registry::{Blind, Error, Onlooker},
};
use futures_util::{StreamExt, stream};

use super::{
    Depth, Hashed, Seen,
    contents::{Layer, Layers},
    unpack::Unpacking,
};
use crate::{
    collect::{self, Source},
    evidence::{ContentFault, ImageContent},
};

/// Children and layers of one image at a time: they are large, and take a core each.
const PARALLEL: usize = 4;

/// Children and layers of one image that a registry may fail to give before nothing more is asked of it: each failure may
/// have taken the time of several attempts.
const FAILURES: usize = 4;

impl Source<'_, '_> {
    /// Hashes all that the image's digest reaches, each blob once. The first in their order that is not what it is named ends
    /// it; one that could not be had hides no other that is not.
    pub(crate) async fn hash(
        self,
        content: &ImageContent,
        depth: Depth,
        seen: &Seen,
    ) -> Result<Hashed, Arc<ContentFault>> {
        let mut obstacles = Obstacles::default();
        let layers = self.layers(content, depth, &mut obstacles).await?;
        let mut hashed = Hashed::down_to(depth);
        let checks = layers.iter().map(async |layer| {
            let look = self.check(&layer);
            seen.once(self.repository, &layer, look)
                .await
                .map(|()| layer)
        });
        let mut checks = stream::iter(checks).buffered(PARALLEL);
        while let Some(checked) = checks.next().await {
            match checked {
                Ok(layer) => hashed.add(&layer),
                Err(fault) => obstacles.meet(fault)?,
            }
        }
        obstacles.end().map(|()| hashed)
    }

    async fn layers(
        self,
        content: &ImageContent,
        depth: Depth,
        obstacles: &mut Obstacles,
    ) -> Result<Layers, Arc<ContentFault>> {
        if let Body::Image(body) = content.manifest.body() {
            let config = content.config.as_deref().unwrap_or_default();
            let layers = Layers::of(body, config, depth, self.limits);
            return layers.map_err(|refusal| Arc::new(refusal.into()));
        }
        let children = content.manifest.children();
        let children = children.iter().map(|child| self.layers_of(child, depth));
        let mut images = stream::iter(children).buffered(PARALLEL);
        let mut layers = Layers::default();
        while let Some(image) = images.next().await {
            match image {
                Ok(image) => layers.join(image),
                Err(fault) => obstacles.meet(Arc::new(fault))?,
            }
        }
        Ok(layers)
    }

    /// Those of a child, whose manifest and configuration are fetched for it in a time of its own.
    async fn layers_of(self, child: &Descriptor, depth: Depth) -> Result<Layers, ContentFault> {
        let deadline = self.deadline.again();
        let named = deadline.within(self.layers_named_by(child, depth)).await;
        named.unwrap_or_else(|| Err(ContentFault::Error(deadline.missed(self.repository))))
    }

    async fn layers_named_by(
        self,
        child: &Descriptor,
        depth: Depth,
    ) -> Result<Layers, ContentFault> {
        let manifest = collect::child(self.registry, self.repository, child).await?;
        let Body::Image(body) = manifest.body() else {
            return Err(ContentFault::Refusal(child.not_image().into()));
        };
        let config = self.blob(&body.config, self.limits.config).await?;
        Ok(Layers::of(body, &config, depth, self.limits)?)
    }

    async fn check(self, layer: &Layer<'_>) -> Result<(), ContentFault> {
        let unpacking = Arc::new(Unpacking::new(layer, self.limits));
        let onlooker: Arc<dyn Onlooker> = if layer.diff_ids.is_empty() {
            Arc::new(Blind)
        } else {
            unpacking.clone()
        };
        let descriptor = Descriptor {
            media_type: String::new(),
            digest: layer.digest.clone(),
            size: layer.size,
            artifact_type: None,
            annotations: None,
            platform: None,
            data: None,
        };
        let found = self
            .registry
            .check_blob(self.repository, &descriptor, onlooker)
            .await?;
        if found.is_none() {
            return Err(ContentFault::Error(match layer.foreign {
                Some(media_type) => Error::ForeignLayer {
                    repository: self.repository.clone(),
                    digest: layer.digest.clone(),
                    media_type: media_type.to_owned(),
                },
                None => self.absent(layer.digest),
            }));
        }
        if !layer.diff_ids.is_empty() {
            unpacking.check(layer)?;
        }
        Ok(())
    }
}

/// What could not be found out on the way. Whoever can make a registry fail must not thereby hide what is wrong elsewhere.
#[derive(Default)]
struct Obstacles {
    first: Option<Arc<ContentFault>>,
    failures: usize,
}

impl Obstacles {
    /// Goes on behind a fault; `Err` if there is nothing to go on for.
    fn meet(&mut self, fault: Arc<ContentFault>) -> Result<(), Arc<ContentFault>> {
        match &*fault {
            ContentFault::Refusal(_) => return Err(fault),
            // That it is not there a registry answers at once.
            ContentFault::Error(Error::BlobAbsent { .. } | Error::ForeignLayer { .. }) => {}
            ContentFault::Error(_) => self.failures += 1,
        }
        let first = self.first.get_or_insert(fault);
        if self.failures < FAILURES {
            Ok(())
        } else {
            Err(Arc::clone(first))
        }
    }

    fn end(self) -> Result<(), Arc<ContentFault>> {
        self.first.map_or(Ok(()), Err)
    }
}

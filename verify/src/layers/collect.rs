//! Fetches what a digest reaches below the manifest that is judged: of an index each child, of each image its layers.
//!
//! A layer that is said to lie elsewhere (`urls`) is asked of the registry like any other, and of nobody else: where there is
//! none, nobody knows what would run.

use std::sync::Arc;

use countersign_common::{
    Descriptor,
    manifest::Body,
    registry::{Blind, Onlooker},
};
use futures_util::{StreamExt, stream};

use super::{
    Depth, Hashed,
    contents::{Layer, Layers},
    unpack::Unpacking,
};
use crate::{
    collect::{self, Source},
    evidence::{ContentFault, ImageContent},
};

/// Children and layers of one image at a time: they are large, and take a core each.
const PARALLEL: usize = 4;

impl Source<'_, '_> {
    /// Hashes all that the image's digest reaches, each blob once. The first in their order that is not what it is named ends
    /// it.
    pub(crate) async fn hash(
        self,
        content: &ImageContent,
        depth: Depth,
    ) -> Result<Hashed, ContentFault> {
        let layers = self.layers(content, depth).await?;
        let mut hashed = Hashed::down_to(depth);
        let mut checks =
            stream::iter(layers.iter().map(|layer| self.check(layer))).buffered(PARALLEL);
        while let Some(checked) = checks.next().await {
            hashed.add(&checked?);
        }
        Ok(hashed)
    }

    async fn layers(self, content: &ImageContent, depth: Depth) -> Result<Layers, ContentFault> {
        if let Body::Image(body) = content.manifest.body() {
            let config = content.config.as_deref().unwrap_or_default();
            return Ok(Layers::of(body, config, depth, self.limits)?);
        }
        let children = content.manifest.children();
        let children = children.iter().map(|child| self.layers_of(child, depth));
        let mut images = stream::iter(children).buffered(PARALLEL);
        let mut layers = Layers::default();
        while let Some(image) = images.next().await {
            layers.join(image?);
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

    async fn check(self, layer: Layer<'_>) -> Result<Layer<'_>, ContentFault> {
        let unpacking = Arc::new(Unpacking::new(&layer, self.limits));
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
            return Err(ContentFault::Error(self.absent(layer.digest)));
        }
        if !layer.diff_ids.is_empty() {
            unpacking.check(&layer)?;
        }
        Ok(layer)
    }
}

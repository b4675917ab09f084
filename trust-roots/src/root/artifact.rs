//! A root as an artifact of a registry: version `N` is what the tag `countersign-root-v<N>` names, with the file as its one
//! layer.
//!
//! Read over the registry's port by whoever follows a root; written by `trust publish`.

use bytes::Bytes;
use countersign_common::{
    ImageRef, Limits, Registry, Repository, RootSource, Task,
    manifest::Body,
    registry::{Failure, Refusal},
    root_source::Unavailable,
};

/// The media type of the layer that is a root's file.
pub const ROOT_MEDIA_TYPE: &str = "application/vnd.countersign.root.v1+json";

/// The tag of a version.
pub fn tag(version: u64) -> String {
    format!("countersign-root-v{version}")
}

/// A repository that holds the versions of a root.
pub struct ArtifactSource<'a> {
    /// Where it is.
    pub repository: Repository,
    /// How it is reached.
    pub registry: &'a dyn Registry,
    /// Bounds on what is read.
    pub limits: Limits,
}

/// What lies there is no root.
#[derive(Debug, thiserror::Error)]
enum NoRoot {
    #[error("{0} is no image manifest with one layer of type {ROOT_MEDIA_TYPE}")]
    Form(ImageRef),
    #[error("the layer of {0} is not there")]
    LayerAbsent(ImageRef),
    #[error("its tag cannot be named: {0}")]
    Name(String),
}

impl ArtifactSource<'_> {
    async fn file(&self, version: u64) -> Result<Option<Bytes>, Unavailable> {
        let unavailable = |source: Box<dyn std::error::Error + Send + Sync>| Unavailable {
            name: self.name(),
            source,
        };
        let name = format!("{}:{}", self.repository, tag(version));
        let image = ImageRef::parse(&name)
            .map_err(|error| unavailable(NoRoot::Name(error.to_string()).into()))?;
        let pinned = match self.registry.resolve(&image).await {
            Ok(pinned) => pinned,
            Err(Failure::Refusal(Refusal::ImageNotFound { .. })) => return Ok(None),
            Err(failure) => return Err(unavailable(failure.into())),
        };
        let Body::Image(body) = pinned.manifest.body() else {
            return Err(unavailable(NoRoot::Form(image).into()));
        };
        let [layer] = body.layers.as_slice() else {
            return Err(unavailable(NoRoot::Form(image).into()));
        };
        if layer.media_type != ROOT_MEDIA_TYPE {
            return Err(unavailable(NoRoot::Form(image).into()));
        }
        let blob = self
            .registry
            .blob(&self.repository, layer, self.limits.root)
            .await
            .map_err(|failure| unavailable(failure.into()))?;
        blob.map(Some)
            .ok_or_else(|| unavailable(NoRoot::LayerAbsent(image).into()))
    }
}

impl RootSource for ArtifactSource<'_> {
    fn name(&self) -> String {
        format!("oci://{}", self.repository)
    }

    fn version(&self, version: u64) -> Task<'_, Result<Option<Bytes>, Unavailable>> {
        Box::pin(self.file(version))
    }
}

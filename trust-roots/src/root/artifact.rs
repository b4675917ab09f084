//! A root as an artifact of a registry: version `N` is what the tag `countersign-root-v<N>` names, with the file as its one
//! layer.
//!
//! Read over the registry's port by whoever follows a root; written by `trust publish`. What a tag names is not changed,
//! unless two publish at once where tags can be moved: registries have no write that demands a free tag.

use std::collections::BTreeMap;

use bytes::Bytes;
use countersign_common::{
    Code, Descriptor, Explain, ImageRef, Limits, Manifest, Registry, RegistryWriter, Repository,
    RootSource, Task,
    manifest::{Body, EMPTY_CONFIG, ManifestError, OCI_MANIFEST},
    reference::ReferenceInvalid,
    registry::{Failure, Refusal},
    root_source,
};
use serde::Serialize;

/// The media type of the layer that is a root's file.
pub const ROOT_MEDIA_TYPE: &str = "application/vnd.countersign.root.v1+json";

/// The tag of a version.
pub fn tag(version: u64) -> String {
    format!("countersign-root-v{version}")
}

/// What another client names the file that it fetches.
const TITLE: &str = "org.opencontainers.image.title";

/// A repository that holds the versions of a root.
pub struct ArtifactSource<'a> {
    /// Where it is.
    pub repository: Repository,
    /// How it is reached.
    pub registry: &'a dyn Registry,
    /// Bounds on what is read.
    pub limits: Limits,
}

impl ArtifactSource<'_> {
    /// The file of a version, or `None` if its tag is free.
    pub async fn file(&self, version: u64) -> Result<Option<Bytes>, ArtifactError> {
        let image = name(&self.repository, version)?;
        let pinned = match self.registry.resolve(&image).await {
            Ok(pinned) => pinned,
            Err(Failure::Refusal(Refusal::ImageNotFound { .. })) => return Ok(None),
            Err(failure) => return Err(failure.into()),
        };
        let Body::Image(body) = pinned.manifest.body() else {
            return Err(ArtifactError::NoRoot { image });
        };
        let [layer] = body.layers.as_slice() else {
            return Err(ArtifactError::NoRoot { image });
        };
        if layer.media_type != ROOT_MEDIA_TYPE {
            return Err(ArtifactError::NoRoot { image });
        }
        let blob = self
            .registry
            .blob(&self.repository, layer, self.limits.root)
            .await?;
        blob.map(Some).ok_or(ArtifactError::LayerAbsent { image })
    }
}

impl RootSource for ArtifactSource<'_> {
    fn name(&self) -> String {
        format!("oci://{}", self.repository)
    }

    fn version(&self, version: u64) -> Task<'_, Result<Option<Bytes>, root_source::Failure>> {
        Box::pin(async move {
            self.file(version).await.map_err(|error| {
                let name = self.name();
                let (is_undecided, code, source) =
                    (error.is_undecided(), error.code(), error.into());
                if is_undecided {
                    root_source::Unavailable { name, source }.into()
                } else {
                    root_source::Refused { name, code, source }.into()
                }
            })
        })
    }
}

/// Publishes a version where its tag is free, and reads it back. Where the same file is there nothing is written.
pub async fn publish(
    (version, file): (u64, &Bytes),
    repository: &Repository,
    registry: &dyn RegistryWriter,
    limits: &Limits,
) -> Result<(), ArtifactError> {
    let source = ArtifactSource {
        repository: repository.clone(),
        registry,
        limits: *limits,
    };
    let image = name(repository, version)?;
    let differs = |image| ArtifactError::Differs { image };
    match source.file(version).await? {
        Some(there) if there == *file => return Ok(()),
        Some(_) => return Err(differs(image)),
        None => {}
    }
    let manifest = manifest(version, file, limits)?;
    registry.push_blob(repository, file.clone()).await?;
    registry.push_blob(repository, EMPTY.into()).await?;
    registry.push_manifest(&image, &manifest).await?;
    // Somebody else may have published meanwhile, and a registry may keep something else than what it took.
    match source.file(version).await? {
        Some(there) if there == *file => Ok(()),
        Some(_) => Err(differs(image)),
        None => Err(ArtifactError::NotKept { image }),
    }
}

fn name(repository: &Repository, version: u64) -> Result<ImageRef, ArtifactError> {
    Ok(ImageRef::parse(&format!("{repository}:{}", tag(version)))?)
}

/// The same for the same file, whoever writes it and whenever: a tag that cannot be moved need not be.
fn manifest(version: u64, file: &[u8], limits: &Limits) -> Result<Manifest, ArtifactError> {
    let mut layer = Descriptor::of(ROOT_MEDIA_TYPE, file);
    layer.annotations = Some(BTreeMap::from([(
        TITLE.to_owned(),
        format!("{version}.root.json"),
    )]));
    let document = ManifestDocument {
        schema_version: 2,
        media_type: OCI_MANIFEST,
        artifact_type: ROOT_MEDIA_TYPE,
        config: Descriptor::of(EMPTY_CONFIG, EMPTY),
        layers: [layer],
    };
    let bytes = serde_json::to_vec(&document).map_err(ArtifactError::Json)?;
    Ok(Manifest::parse(
        bytes.into(),
        Some(OCI_MANIFEST),
        None,
        limits,
    )?)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ManifestDocument {
    schema_version: u8,
    media_type: &'static str,
    artifact_type: &'static str,
    config: Descriptor,
    layers: [Descriptor; 1],
}

/// The configuration of an artifact that has none.
const EMPTY: &[u8] = b"{}";

/// Why there is no file of a version, or it is not published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// Another file of the version is there.
    #[error("{image} is another file")]
    Differs {
        /// The tag.
        image: ImageRef,
    },
    /// It cannot be written.
    #[error("the manifest of a root cannot be written: {0}")]
    Json(serde_json::Error),
    /// A manifest that names what is not there.
    #[error("the layer of {image} is not there")]
    LayerAbsent {
        /// The tag.
        image: ImageRef,
    },
    /// It would not be read.
    #[error("the manifest of a root could not be read back: {0}")]
    Manifest(#[from] ManifestError),
    /// The tag cannot be named there.
    #[error("its tag cannot be named: {0}")]
    Name(#[from] ReferenceInvalid),
    /// Something else is there.
    #[error("{image} is no image manifest with one layer of type {ROOT_MEDIA_TYPE}")]
    NoRoot {
        /// The tag.
        image: ImageRef,
    },
    /// The registry took it, and does not have it.
    #[error("the registry took {image}, and does not have it")]
    NotKept {
        /// The tag.
        image: ImageRef,
    },
    /// The registry was not reached, or said no.
    #[error(transparent)]
    Registry(#[from] Failure),
}

impl ArtifactError {
    /// Whether nothing was found out: another try may help.
    pub fn is_undecided(&self) -> bool {
        matches!(
            self,
            Self::LayerAbsent { .. } | Self::NotKept { .. } | Self::Registry(Failure::Error(_))
        )
    }
}

impl Explain for ArtifactError {
    fn code(&self) -> Code {
        match self {
            Self::Differs { .. } | Self::NoRoot { .. } => Code::new("root-differs"),
            Self::Json(_) | Self::Manifest(_) => Code::new("seal-failed"),
            Self::LayerAbsent { .. } | Self::NotKept { .. } => Code::new("registry-unavailable"),
            Self::Name(invalid) => invalid.code(),
            Self::Registry(failure) => failure.code(),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Differs { .. } => "find out which of both is the one that people pinned, and publish elsewhere: no version ever changes".to_owned(),
            Self::Json(_) | Self::Manifest(_) => {
                "report this: nothing that a person does should lead here".to_owned()
            }
            Self::LayerAbsent { .. } | Self::NotKept { .. } => "run it again; if it persists, ask whoever runs the registry".to_owned(),
            Self::Name(invalid) => invalid.remedy(),
            Self::NoRoot { image } => format!("find out who put it at {image}, or publish elsewhere: nothing is overwritten"),
            Self::Registry(failure) => failure.remedy(),
        }
    }
}

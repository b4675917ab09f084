//! What an image names as its layers, and what it says that they unpack to. Pure; nothing is fetched here.

use std::collections::{BTreeMap, BTreeSet};

use countersign_common::{Descriptor, Digest, Limits, json, manifest::ImageBody};
use serde::Deserialize;

use super::{Depth, LayersRefusal};

/// The types of configurations that say what their layers unpack to. An artifact's says what it likes.
const IMAGE_CONFIGS: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];
/// The types of layers that are archives and, without a suffix, not packed.
const OCI_LAYERS: [&str; 2] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
];
/// The same of Docker. Without a suffix they are as old as builders that said nothing of how they had packed them.
const DOCKER_LAYERS: [&str; 2] = [
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
];

/// How layers are called that are left where their publisher keeps them. Both have suffixes.
const FOREIGN_LAYERS: [&str; 2] = [
    OCI_LAYERS[1],
    "application/vnd.docker.image.rootfs.foreign.",
];

/// How a layer is to be read before it is held against what its configuration names.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Form {
    /// As it is, whatever it looks like.
    AsItIs,
    /// As its first bytes say: gzip, zstd or neither. So do runtimes, and a wrong guess does not hash to its name.
    Packed,
}

/// A blob to stream once, and what it must unpack to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layer<'a> {
    pub(super) digest: &'a Digest,
    pub(super) size: u64,
    pub(super) form: Form,
    /// None of an artifact, or where nothing needs to be unpacked.
    pub(super) diff_ids: &'a BTreeSet<Digest>,
    /// Its type, if that says that it need not be here.
    pub(super) foreign: Option<&'a str>,
}

/// Layers, each once however often it is listed.
#[derive(Debug, Default)]
pub(super) struct Layers(BTreeMap<(Digest, u64, Form), Named>);

/// What is said of a layer besides.
#[derive(Debug, Default)]
struct Named {
    diff_ids: BTreeSet<Digest>,
    foreign: Option<String>,
}

impl Layers {
    /// Those of one image.
    pub(super) fn of(
        body: &ImageBody,
        config: &[u8],
        depth: Depth,
        limits: &Limits,
    ) -> Result<Self, LayersRefusal> {
        if body.layers.len() > limits.layers {
            return Err(LayersRefusal::TooMany {
                config: body.config.digest.clone(),
                limit: limits.layers,
            });
        }
        let mut layers = Self::default();
        if depth == Depth::Unpacked && IMAGE_CONFIGS.contains(&body.config.media_type.as_str()) {
            for (layer, diff_id) in body.layers.iter().zip(diff_ids(body, config, limits)?) {
                layers.add(layer, form(layer)?).diff_ids.insert(diff_id);
            }
        } else {
            for layer in &body.layers {
                layers.add(layer, Form::AsItIs);
            }
        }
        Ok(layers)
    }

    fn add(&mut self, layer: &Descriptor, form: Form) -> &mut Named {
        let name = (layer.digest.clone(), layer.size, form);
        let named = self.0.entry(name).or_default();
        let media_type = &layer.media_type;
        if FOREIGN_LAYERS
            .iter()
            .any(|foreign| media_type.starts_with(foreign))
        {
            named.foreign = Some(media_type.clone());
        }
        named
    }

    /// Joins those of several images.
    pub(super) fn join(&mut self, other: Self) {
        for (layer, Named { diff_ids, foreign }) in other.0 {
            let named = self.0.entry(layer).or_default();
            named.diff_ids.extend(diff_ids);
            named.foreign = foreign.or(named.foreign.take());
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Layer<'_>> {
        self.0.iter().map(|((digest, size, form), named)| Layer {
            digest,
            size: *size,
            form: *form,
            diff_ids: &named.diff_ids,
            foreign: named.foreign.as_deref(),
        })
    }
}

/// What the layers unpack to, in their order, each by its configuration's word.
fn diff_ids(
    body: &ImageBody,
    config: &[u8],
    limits: &Limits,
) -> Result<Vec<Digest>, LayersRefusal> {
    let document: ConfigDocument =
        json::from_slice(config, limits).map_err(|source| LayersRefusal::Config {
            config: body.config.digest.clone(),
            source,
        })?;
    let diff_ids = document
        .rootfs
        .unwrap_or_default()
        .diff_ids
        .unwrap_or_default();
    if diff_ids.len() == body.layers.len() {
        Ok(diff_ids)
    } else {
        Err(LayersRefusal::DiffIds {
            config: body.config.digest.clone(),
            layers: body.layers.len(),
            diff_ids: diff_ids.len(),
        })
    }
}

/// ([OCI image configuration](https://github.com/opencontainers/image-spec/blob/main/config.md))
#[derive(Deserialize)]
struct ConfigDocument {
    #[serde(default)]
    rootfs: Option<RootfsDocument>,
}

#[derive(Default, Deserialize)]
struct RootfsDocument {
    #[serde(default)]
    diff_ids: Option<Vec<Digest>>,
}

/// What is no archive is taken as it is: the attestations that `BuildKit` lists as layers of a child are named so.
fn form(layer: &Descriptor) -> Result<Form, LayersRefusal> {
    let media_type = layer.media_type.as_str();
    let suffix = |bases: [&str; 2]| {
        let mut bases = bases.into_iter();
        bases.find_map(|base| media_type.strip_prefix(base))
    };
    match (suffix(OCI_LAYERS), suffix(DOCKER_LAYERS)) {
        (None, Some("" | ".gzip" | ".zstd")) => Ok(Form::Packed),
        (Some(""), _) => Ok(Form::AsItIs),
        _ if media_type.ends_with("+gzip") || media_type.ends_with("+zstd") => Ok(Form::Packed),
        (None, None) => Ok(Form::AsItIs),
        _ => Err(LayersRefusal::Format {
            layer: layer.digest.clone(),
            media_type: media_type.to_owned(),
        }),
    }
}

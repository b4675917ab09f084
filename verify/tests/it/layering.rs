//! Layers of images, packed in every way, and configurations that say what they unpack to.

use std::io::Write;

use countersign_common::{
    Descriptor, Digest,
    manifest::{OCI_INDEX, OCI_MANIFEST, Platform},
};
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};

use crate::{
    signing::pretty,
    story::{IMAGE, Story},
};

const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const TAR: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const TAR_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub(crate) const TAR_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

/// What the layers below hold, packed by zstd 1.5 itself.
pub(crate) const CONTENT: &[u8] = b"countersign countersign countersign countersign layer\n";
/// One segment, of a known length, with a checksum.
pub(crate) const ZSTD: &str =
    "28b52ffd2436c5000090636f756e7465727369676e206c617965720a01004f9624d0cecbc5";
/// Of an unknown length, without a checksum.
pub(crate) const ZSTD_STREAMED: &str =
    "28b52ffd0000c5000090636f756e7465727369676e206c617965720a01004f9624";
/// With a window of 128 MiB.
pub(crate) const ZSTD_LONG: &str =
    "28b52ffd0488c5000090636f756e7465727369676e206c617965720a01004f9624d0cecbc5";

/// Changes a document before it is written.
pub(crate) type Edit<'a> = &'a dyn Fn(&mut Value);

pub(crate) fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<_> = hexadecimal
        .chars()
        .map(|digit| u8::try_from(digit.to_digit(16).unwrap()).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

/// One member.
pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut packer = GzBuilder::new().write(Vec::new(), Compression::best());
    packer.write_all(content).unwrap();
    packer.finish().unwrap()
}

/// A layer, and what its configuration says of it.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) name: String,
    pub(crate) media_type: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) diff_id: Digest,
}

impl Layer {
    /// With this content, packed to these bytes.
    pub(crate) fn new(name: &str, media_type: &str, content: &[u8], bytes: Vec<u8>) -> Self {
        Self {
            name: format!("{name}.layer"),
            media_type: media_type.to_owned(),
            bytes,
            diff_id: Digest::sha256(content),
        }
    }

    pub(crate) fn plain(name: &str, content: &[u8]) -> Self {
        Self::new(name, TAR, content, content.to_vec())
    }

    pub(crate) fn gzip(name: &str, content: &[u8]) -> Self {
        Self::new(name, TAR_GZIP, content, gzip(content))
    }

    pub(crate) fn descriptor(&self) -> Descriptor {
        Descriptor::of(&self.media_type, &self.bytes)
    }
}

impl Story {
    /// Its image has these layers.
    pub(crate) fn layered(self, layers: &[Layer]) -> Self {
        self.layered_with(layers, |_| (), |_| ())
    }

    /// The same, with another configuration or manifest.
    pub(crate) fn layered_with(
        mut self,
        layers: &[Layer],
        edit_config: impl Fn(&mut Value),
        edit_manifest: impl Fn(&mut Value),
    ) -> Self {
        self.put_layered(
            "image",
            "linux/amd64",
            layers,
            (&edit_config, &edit_manifest),
        );
        self
    }

    pub(crate) fn put_layered(
        &mut self,
        name: &str,
        platform: &str,
        layers: &[Layer],
        (edit_config, edit_manifest): (Edit<'_>, Edit<'_>),
    ) {
        let platform = Platform::parse(platform).unwrap();
        let diff_ids: Vec<_> = layers.iter().map(|layer| &layer.diff_id).collect();
        let mut config = json!({
            "architecture": platform.architecture,
            "os": platform.os,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        edit_config(&mut config);
        let config = pretty(&config);
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": Descriptor::of(OCI_CONFIG, config.as_bytes()),
            "layers": layers.iter().map(Layer::descriptor).collect::<Vec<_>>(),
        });
        edit_manifest(&mut manifest);
        self.put(&format!("{name}-config.blob.json"), config);
        self.put(&format!("{name}.manifest.json"), pretty(&manifest));
        for layer in layers {
            self.put(&layer.name, layer.bytes.clone());
        }
    }

    /// The tag names an index of these images instead.
    pub(crate) fn indexing(mut self, children: &[(&str, &str)]) -> Self {
        let children: Vec<_> = children
            .iter()
            .map(|(file, platform)| {
                let mut child = json!(self.descriptor(file));
                let platform = Platform::parse(platform).unwrap();
                child["platform"] = json!(platform);
                child
            })
            .collect();
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children});
        self.put("index.manifest.json", pretty(&index));
        let file = "index.manifest.json".to_owned();
        self.with(|case| {
            case.tags.insert(IMAGE.to_owned(), file);
        })
    }
}

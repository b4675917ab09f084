//! Why an image is refused for its layers, once their bytes are known to be those that it names.

use countersign_common::{Code, Digest, Escaped, Explain, json::JsonError};

/// Found out, and no.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayersRefusal {
    /// A configuration that is not strict.
    #[error("the configuration {config} cannot be read: {source}")]
    Config {
        /// The configuration.
        config: Digest,
        /// What is wrong with it.
        source: JsonError,
    },
    /// A packed layer that is broken.
    #[error("the layer {layer} cannot be unpacked: {}", Escaped(reason))]
    Damaged {
        /// The layer.
        layer: Digest,
        /// What is wrong with it.
        reason: String,
    },
    /// A layer that unpacks to something else.
    #[error("the layer {layer} unpacks to {actual}; the configuration names {named}")]
    DiffId {
        /// The layer.
        layer: Digest,
        /// What the configuration names.
        named: Digest,
        /// What it is.
        actual: Digest,
    },
    /// A configuration for other layers than those of its manifest.
    #[error("the manifest has {layers} layers; its configuration {config} names {diff_ids}")]
    DiffIds {
        /// The configuration.
        config: Digest,
        /// How many the manifest has.
        layers: usize,
        /// How many the configuration names.
        diff_ids: usize,
    },
    /// A layer that unpacks to far more than it is.
    #[error("the layer {layer} of {size} bytes unpacks to more than {limit} bytes")]
    Expands {
        /// The layer.
        layer: Digest,
        /// How long it is.
        size: u64,
        /// How much of it is unpacked.
        limit: u64,
    },
    /// A layer that nobody here can unpack, such as one that is encrypted.
    #[error(
        "the layer {layer} is of type `{}`, which is not unpacked",
        Escaped(media_type)
    )]
    Format {
        /// The layer.
        layer: Digest,
        /// Its type.
        media_type: String,
    },
    /// More layers than are looked at.
    #[error("the image with the configuration {config} has more than {limit} layers")]
    TooMany {
        /// Its configuration.
        config: Digest,
        /// How many are looked at.
        limit: usize,
    },
    /// A layer that needs more memory to be unpacked than it may have.
    #[error("the layer {layer} needs a window of {window} bytes to be unpacked; {limit} are given")]
    Window {
        /// The layer.
        layer: Digest,
        /// What it needs.
        window: u64,
        /// What it may have.
        limit: u64,
    },
}

impl Explain for LayersRefusal {
    fn code(&self) -> Code {
        match self {
            Self::Config { .. } | Self::Damaged { .. } => Code::new("malformed"),
            Self::DiffId { .. } | Self::DiffIds { .. } => Code::new("diff-id-mismatch"),
            Self::Expands { .. } => Code::new("layer-ratio"),
            Self::Format { .. } => Code::new("format-not-allowed"),
            Self::TooMany { .. } | Self::Window { .. } => Code::new("too-large"),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Config { .. } | Self::Damaged { .. } => {
                "build and push the image again; no runtime could unpack it"
            }
            Self::DiffId { .. } | Self::DiffIds { .. } => {
                "build the image again, and find out what made this one: its layers are not those that it says it was built of"
            }
            Self::Expands { .. } => {
                "do not unpack it before you know what it is; `--deep=layers` hashes it as it is"
            }
            Self::Format { .. } => "ask for `--deep=layers`, which hashes it as it is",
            Self::TooMany { .. } => "build the image with fewer layers",
            Self::Window { .. } => {
                "build the image with a lower level of zstd, or ask for `--deep=layers`, which hashes it as it is"
            }
        }
        .to_owned()
    }
}

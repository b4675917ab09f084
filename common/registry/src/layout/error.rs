//! Why a folder is not worked with at all.

use countersign_common::{Code, Escaped, Explain, json::JsonError, registry};

/// What was named is no layout, or it could not be found out whether it is one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// It could not be found out.
    #[error(transparent)]
    Error(#[from] registry::Error),
    /// Its marker is not what a layout has.
    #[error(
        "{layout} is no image layout: its `oci-layout` says no version: {}",
        Escaped(&source.to_string())
    )]
    Marker {
        /// The layout, escaped.
        layout: String,
        /// What is wrong.
        source: JsonError,
    },
    /// There is no such folder.
    #[error("{layout} is no image layout: there is no such folder")]
    NoFolder {
        /// The layout, escaped.
        layout: String,
    },
    /// It has nothing that makes it one.
    #[error("{layout} is no image layout: it has no file `{file}`")]
    NoFile {
        /// The layout, escaped.
        layout: String,
        /// What is missing.
        file: &'static str,
    },
    /// Its marker says something else.
    #[error(
        "{layout} is no image layout of version 1: its `oci-layout` says `{}`",
        Escaped(version)
    )]
    Version {
        /// The layout, escaped.
        layout: String,
        /// What it says.
        version: String,
    },
}

impl LayoutError {
    /// The code of what is no layout.
    pub const CODE: Code = Code::new("layout-invalid");
}

impl Explain for LayoutError {
    fn code(&self) -> Code {
        match self {
            Self::Error(error) => error.code(),
            Self::Marker { .. }
            | Self::NoFile { .. }
            | Self::NoFolder { .. }
            | Self::Version { .. } => Self::CODE,
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Error(error) => error.remedy(),
            Self::Marker { .. }
            | Self::NoFile { .. }
            | Self::NoFolder { .. }
            | Self::Version { .. } => {
                "name a folder as `crane pull --format oci` and `oras copy --to-oci-layout` write it; unpack an archive first".to_owned()
            }
        }
    }
}

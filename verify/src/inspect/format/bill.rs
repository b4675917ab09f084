//! Bills of materials that nobody signed, as `cosign attach sbom` and `oras attach` leave them beside an image. They may be
//! large, and say nothing of who wrote them: not read.

use super::{Format, UNKNOWN};

const TYPES: [&str; 9] = [
    "application/json+cyclonedx",
    "application/spdx+json",
    "application/vnd.cyclonedx",
    "application/vnd.cyclonedx+json",
    "application/vnd.cyclonedx+xml",
    "application/vnd.syft+json",
    "text/spdx",
    "text/spdx+json",
    "text/spdx+xml",
];

pub(super) const FORMAT: Format = Format {
    name: "sbom",
    title: "bill of materials, unsigned",
    recognises: |artifact| {
        let is_bill = |media_type: &str| TYPES.contains(&media_type);
        let mut layers = artifact.layers.iter();
        is_bill(&artifact.artifact_type) || layers.any(|layer| is_bill(&layer.media_type))
    },
    ..UNKNOWN
};

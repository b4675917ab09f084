//! What an image runs on.
//!
//! Indexes list a platform for each child, configurations say it of themselves, and people ask for one. None of it is
//! signed by itself. Nothing is looked up here.

use serde::{Deserialize, Serialize};

use crate::Escaped;

/// Operating system, processor and its variant.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Platform {
    /// Such as `linux`.
    #[serde(default)]
    pub os: String,
    /// Such as `amd64`.
    #[serde(default)]
    pub architecture: String,
    /// Such as `v8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// Parses `os/architecture[/variant]`.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<_> = text.split('/').collect();
        let known = |part: &&str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        };
        if !parts.iter().all(known) {
            return None;
        }
        let (os, architecture, variant) = match parts.as_slice() {
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some((*variant).to_owned())),
            _ => return None,
        };
        Some(Self {
            os: (*os).to_owned(),
            architecture: (*architecture).to_owned(),
            variant,
        })
    }

    /// Whether a child for `self` is what was asked for by `wanted`. A variant that was not asked for does not matter.
    pub fn satisfies(&self, wanted: &Self) -> bool {
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && (wanted.variant.is_none() || self.variant == wanted.variant)
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", Escaped(&self.os), Escaped(&self.architecture))?;
        self.variant
            .iter()
            .try_for_each(|variant| write!(f, "/{}", Escaped(variant)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_without_variant_takes_any() {
        let arm = Platform::parse("linux/arm64/v8").unwrap();
        assert!(arm.satisfies(&Platform::parse("linux/arm64").unwrap()));
        assert!(!arm.satisfies(&Platform::parse("linux/arm64/v7").unwrap()));
        assert!(!arm.satisfies(&Platform::parse("linux/amd64").unwrap()));
        for text in ["", "linux", "linux/", "linux/a/b/c", "li nux/amd64"] {
            assert_eq!(Platform::parse(text), None, "{text}");
        }
    }
}

//! What the registry holds, in memory: repositories with their manifests, tags, blobs, referrers and open uploads.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use serde_json::Value;

use crate::{clock, wildcard};

/// Whether the tags of a repository can be moved. A filter may have `*` for any run of characters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mutability {
    /// No tag can be moved.
    Immutable,
    /// Only tags that match one of these filters can be moved.
    ImmutableExcept(Vec<String>),
    /// Every tag can be moved.
    Mutable,
    /// Every tag can be moved that matches none of these filters.
    MutableExcept(Vec<String>),
}

/// All repositories.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) repositories: BTreeMap<String, Repository>,
}

/// One repository.
#[derive(Debug)]
pub(crate) struct Repository {
    /// Digests of manifests that were put away.
    pub(crate) archived: BTreeSet<String>,
    pub(crate) blobs: BTreeMap<String, Bytes>,
    pub(crate) created: Duration,
    /// The text of the rules by which images would expire. Kept and shown; nothing expires here.
    pub(crate) lifecycle: Option<String>,
    pub(crate) manifests: BTreeMap<String, Manifest>,
    pub(crate) mutability: Mutability,
    /// By the digest of the subject, in the order of their pushes.
    pub(crate) referrers: BTreeMap<String, Vec<Value>>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) uploads: BTreeMap<String, BytesMut>,
}

/// A stored manifest.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    pub(crate) bytes: Bytes,
    pub(crate) media_type: String,
}

impl Mutability {
    pub(crate) fn parse(name: &str, filters: Vec<String>) -> Option<Self> {
        match (name, filters.is_empty()) {
            ("IMMUTABLE", true) => Some(Self::Immutable),
            ("IMMUTABLE_WITH_EXCLUSION", false) => Some(Self::ImmutableExcept(filters)),
            ("MUTABLE", true) => Some(Self::Mutable),
            ("MUTABLE_WITH_EXCLUSION", false) => Some(Self::MutableExcept(filters)),
            _ => None,
        }
    }

    /// ECR's name for it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Immutable => "IMMUTABLE",
            Self::ImmutableExcept(_) => "IMMUTABLE_WITH_EXCLUSION",
            Self::Mutable => "MUTABLE",
            Self::MutableExcept(_) => "MUTABLE_WITH_EXCLUSION",
        }
    }

    pub(crate) fn exclusions(&self) -> &[String] {
        match self {
            Self::Immutable | Self::Mutable => &[],
            Self::ImmutableExcept(filters) | Self::MutableExcept(filters) => filters,
        }
    }

    /// Whether a tag stays where it is.
    pub(crate) fn fixes(&self, tag: &str) -> bool {
        let excluded = self
            .exclusions()
            .iter()
            .any(|filter| wildcard::matches(filter, tag));
        match self {
            Self::Immutable | Self::ImmutableExcept(_) => !excluded,
            Self::Mutable | Self::MutableExcept(_) => excluded,
        }
    }
}

impl Store {
    /// The repository, made if it is not there.
    pub(crate) fn repository(&mut self, name: &str) -> &mut Repository {
        self.repositories
            .entry(name.into())
            .or_insert_with(|| Repository::new(Mutability::Mutable, clock::now()))
    }
}

impl Repository {
    pub(crate) fn new(mutability: Mutability, created: Duration) -> Self {
        Self {
            archived: BTreeSet::new(),
            blobs: BTreeMap::new(),
            created,
            lifecycle: None,
            manifests: BTreeMap::new(),
            mutability,
            referrers: BTreeMap::new(),
            tags: BTreeMap::new(),
            uploads: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Mutability;

    #[test]
    fn exclusions_turn_the_rule_around() {
        let filters = vec!["sha256-*".to_owned(), "latest".to_owned()];
        let immutable = Mutability::ImmutableExcept(filters.clone());
        assert!(immutable.fixes("v1"));
        assert!(!immutable.fixes("sha256-ab.sig"));
        let mutable = Mutability::MutableExcept(filters);
        assert!(!mutable.fixes("v1"));
        assert!(mutable.fixes("latest"));
    }
}

//! What a layout lists, opened: the only way to find out what refers to an image.
//!
//! `index.json` lists each artifact that oras or we attach; a fallback tag, as some clients write it into folders too, lists
//! them in an index of its own. Both are looked into, and nothing deeper.

use std::collections::{BTreeMap, BTreeSet};

use countersign_common::{
    Descriptor, Digest, Manifest, Repository,
    manifest::{DOCKER_LIST, DOCKER_MANIFEST, ManifestError, OCI_INDEX, OCI_MANIFEST},
    registry::{Error, Failure, Refusal},
};

use super::{
    folder::{Folder, INDEX},
    index::{entries, ref_name},
};
use crate::{listing, referrers::distinct};

/// A listed manifest, as far as it can be read.
pub(super) struct Opened {
    pub(super) entry: Descriptor,
    /// The index that lists it, unless the folder itself does.
    pub(super) parent: Option<Digest>,
    /// `None` if it is not there.
    manifest: Result<Option<Manifest>, Failure>,
}

impl Opened {
    fn subject(&self) -> Option<&Digest> {
        let manifest = self.manifest.as_ref().ok()?.as_ref()?;
        manifest.subject().map(|subject| &subject.digest)
    }

    /// Whether it refers to something, by its own word or, if that cannot be read, by its list's.
    pub(super) fn refers(&self) -> bool {
        match &self.manifest {
            Ok(Some(_)) => self.subject().is_some(),
            Ok(None) | Err(_) => self.entry.artifact_type.is_some(),
        }
    }
}

impl Folder {
    /// Opens what is listed, and what listed indexes list, each once. What cannot be read is said of itself alone.
    pub(super) fn opened(&self, listed: &[Descriptor]) -> Result<Vec<Opened>, Failure> {
        let mut bytes = self.limits.image_bytes;
        let mut all: Vec<Opened> = Vec::new();
        let mut children: BTreeMap<Digest, (Descriptor, Digest)> = BTreeMap::new();
        let listed: Vec<_> = distinct(listed.to_vec())
            .into_iter()
            .filter(is_manifest)
            .collect();
        // oras lists the children of an index beside it, too: they count once.
        let mut known: BTreeSet<_> = listed.iter().map(|entry| entry.digest.clone()).collect();
        for entry in listed {
            let manifest = self.afforded(&entry, &mut bytes)?;
            for child in manifest.iter().flatten().flat_map(entries) {
                known.insert(child.digest.clone());
                let parent = (child.clone(), entry.digest.clone());
                children.entry(child.digest.clone()).or_insert(parent);
            }
            all.push(Opened {
                entry,
                parent: None,
                manifest,
            });
            self.check_count(known.len())?;
        }
        // What is listed twice is opened once, and is then the index's.
        for one in &mut all {
            one.parent = children.remove(&one.entry.digest).map(|(_, parent)| parent);
        }
        for (entry, parent) in children.into_values() {
            if is_manifest(&entry) {
                let manifest = self.afforded(&entry, &mut bytes)?;
                all.push(Opened {
                    entry,
                    parent: Some(parent),
                    manifest,
                });
            }
        }
        Ok(all)
    }

    /// A manifest, if all of them together are not too much. One that is longer than is read costs nothing.
    fn afforded(
        &self,
        entry: &Descriptor,
        bytes: &mut u64,
    ) -> Result<Result<Option<Manifest>, Failure>, Failure> {
        if entry.size <= self.limits.manifest as u64 {
            *bytes = bytes.checked_sub(entry.size).ok_or_else(|| {
                Failure::Refusal(Refusal::TooLarge {
                    registry: self.name.clone(),
                    path: format!("{INDEX} with the manifests that it lists"),
                    limit: self.limits.image_bytes,
                })
            })?;
        }
        Ok(self.listing(entry))
    }

    fn check_count(&self, count: usize) -> Result<(), Failure> {
        let limit = self.limits.layout_entries;
        if count > limit {
            return Err(self.malformed(INDEX, ManifestError::TooManyChildren { limit }));
        }
        Ok(())
    }

    /// What refers to this digest, and what may: an artifact that cannot be read could be the signature, and whoever reads
    /// it next says why it cannot.
    pub(super) fn referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Vec<Descriptor>, Failure> {
        let index = self.index()?;
        let listed = entries(&index);
        let tag = subject.referrers_tag();
        let mut fallback = BTreeSet::new();
        for entry in listed.iter().filter(|entry| ref_name(entry) == Some(&tag)) {
            // It may list the signature: that it cannot be read does not mean that there is none.
            self.listing(entry)?.ok_or_else(|| Error::BlobAbsent {
                repository: repository.clone(),
                digest: entry.digest.clone(),
            })?;
            fallback.insert(&entry.digest);
        }
        let may_refer = |one: &Opened| match &one.parent {
            Some(parent) if fallback.contains(parent) => true,
            _ if one.entry.artifact_type.is_some() => true,
            parent => parent.is_none() && ref_name(&one.entry).is_none(),
        };
        let referrers: Vec<_> = self
            .opened(listed)?
            .into_iter()
            .filter_map(|one| match &one.manifest {
                Ok(Some(manifest)) => {
                    (one.subject() == Some(subject)).then(|| listing::entry(manifest))
                }
                // It is there, and could be anything.
                Err(Failure::Error(_)) => Some(one.entry),
                Ok(None) | Err(Failure::Refusal(_)) => may_refer(&one).then_some(one.entry),
            })
            .collect();
        let limit = self.limits.referrers;
        if referrers.len() > limit {
            return Err(Failure::Refusal(Refusal::ReferrersTooMany {
                repository: repository.clone(),
                subject: subject.clone(),
                limit,
            }));
        }
        Ok(referrers)
    }
}

fn is_manifest(entry: &Descriptor) -> bool {
    [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST].contains(&entry.media_type.as_str())
}

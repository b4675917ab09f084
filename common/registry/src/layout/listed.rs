//! What a layout lists, opened: the only way to find out what refers to an image.
//!
//! `index.json` lists each artifact that oras or we attach; a fallback tag, as some clients write it into folders too, lists
//! them in an index of its own. Both are looked into, and nothing deeper. One command asks thousands of times: what was
//! read is kept for as long as the list stays as it is, and what could not be read is tried again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError},
};

use countersign_common::{
    Descriptor, Digest, Manifest, Repository,
    manifest::{Body, DOCKER_LIST, DOCKER_MANIFEST, ManifestError, OCI_INDEX, OCI_MANIFEST},
    registry::{Failure, Refusal},
};

use super::{
    folder::{Folder, INDEX, blob_path},
    index::{entries, ref_name},
};
use crate::{listing, referrers::distinct};

/// A listed manifest, as far as it can be read.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) entry: Descriptor,
    /// The index that lists it, unless the folder itself does.
    pub(super) parent: Option<Digest>,
    found: Found,
}

/// All that is listed, and the list that lists it.
#[derive(Debug)]
pub(super) struct Known {
    index: Arc<Manifest>,
    opened: Arc<[Opened]>,
}

/// What came of opening a manifest. Neither its bytes nor its annotations, of which there may be a thousand times as many.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Found {
    /// It is not there, or not what it is listed as.
    Nothing,
    /// It is what its digest names: that stays true, whatever becomes of the folder.
    Read {
        artifact_type: Option<String>,
        subject: Option<Digest>,
    },
    /// It is there, and could be anything.
    Unreadable,
}

impl Found {
    fn of(manifest: &Result<Option<Manifest>, Failure>) -> Self {
        match manifest {
            Ok(Some(manifest)) => Self::Read {
                artifact_type: listing::entry(manifest).artifact_type,
                subject: manifest.subject().map(|subject| subject.digest.clone()),
            },
            Ok(None) | Err(Failure::Refusal(_)) => Self::Nothing,
            Err(Failure::Error(_)) => Self::Unreadable,
        }
    }
}

impl Opened {
    /// What a list of referrers says of it. Its own word about its type decides, if it has been read.
    fn listed(&self) -> Descriptor {
        let artifact_type = match &self.found {
            Found::Read { artifact_type, .. } => artifact_type,
            Found::Nothing | Found::Unreadable => &self.entry.artifact_type,
        };
        Descriptor {
            artifact_type: artifact_type.clone(),
            ..self.entry.clone()
        }
    }

    /// Whether it refers to something, by its own word or, if that cannot be read, by its list's.
    pub(super) fn refers(&self) -> bool {
        match &self.found {
            Found::Read { subject, .. } => subject.is_some(),
            Found::Nothing | Found::Unreadable => self.entry.artifact_type.is_some(),
        }
    }

    /// What was read of an image or an artifact by such an entry. An index is read again: it lists others.
    fn known_as(&self, entry: &Descriptor) -> Option<&Found> {
        let is_image = [OCI_MANIFEST, DOCKER_MANIFEST].contains(&entry.media_type.as_str());
        let is_same = self.entry.size == entry.size && self.entry.media_type == entry.media_type;
        let is_read = matches!(self.found, Found::Read { .. });
        (is_image && is_same && is_read).then_some(&self.found)
    }
}

impl Folder {
    /// What is listed, and what listed indexes list. Opened once by many who ask at the same time: each alone may take as
    /// much memory as all that is listed.
    pub(super) fn opened(&self, index: &Arc<Manifest>) -> Result<Arc<[Opened]>, Failure> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref()
            && Arc::ptr_eq(&known.index, index)
            && known.opened.iter().all(|one| self.is_still_so(one))
        {
            return Ok(Arc::clone(&known.opened));
        }
        let earlier = known.as_ref().map_or(&[][..], |known| &known.opened);
        let earlier = earlier.iter().map(|one| (&one.entry.digest, one)).collect();
        let opened: Arc<[_]> = self.open_all(entries(index), &earlier)?.into();
        *known = Some(Known {
            index: Arc::clone(index),
            opened: Arc::clone(&opened),
        });
        Ok(opened)
    }

    /// Whether opening it again comes to the same. Somebody may mend a blob without a change of the list.
    fn is_still_so(&self, one: &Opened) -> bool {
        match &one.found {
            Found::Read { .. } => true,
            found => Found::of(&self.listing(&one.entry)) == *found,
        }
    }

    /// Opens each once that was not read before. What cannot be read is said of itself alone.
    fn open_all(
        &self,
        listed: &[Descriptor],
        earlier: &BTreeMap<&Digest, &Opened>,
    ) -> Result<Vec<Opened>, Failure> {
        let mut bytes = self.limits.image_bytes;
        let mut all: Vec<Opened> = Vec::new();
        let mut children: BTreeMap<Digest, (Descriptor, Digest)> = BTreeMap::new();
        let listed: Vec<_> = distinct(listed.to_vec())
            .into_iter()
            .filter(is_manifest)
            .collect();
        // oras lists the children of an index beside it, too: they count once.
        let mut known: BTreeSet<_> = listed.iter().map(|entry| entry.digest.clone()).collect();
        let before = |entry: &Descriptor| earlier.get(&entry.digest)?.known_as(entry).cloned();
        for entry in listed {
            self.afford(&entry, &mut bytes)?;
            let found = before(&entry).unwrap_or_else(|| {
                let manifest = self.listing(&entry);
                for child in manifest.iter().flatten().flat_map(entries) {
                    known.insert(child.digest.clone());
                    let mut unannotated = child.clone();
                    unannotated.annotations = None;
                    let parent = (unannotated, entry.digest.clone());
                    children.entry(child.digest.clone()).or_insert(parent);
                }
                Found::of(&manifest)
            });
            all.push(Opened {
                entry,
                parent: None,
                found,
            });
            self.check_count(known.len())?;
        }
        // What is listed twice is opened once, and is then the index's.
        for one in &mut all {
            one.parent = children.remove(&one.entry.digest).map(|(_, parent)| parent);
        }
        for (entry, parent) in children.into_values() {
            if is_manifest(&entry) {
                self.afford(&entry, &mut bytes)?;
                let open = || Found::of(&self.listing(&entry));
                let found = before(&entry).unwrap_or_else(open);
                all.push(Opened {
                    entry,
                    parent: Some(parent),
                    found,
                });
            }
        }
        Ok(all)
    }

    /// Refuses what is too much for all of them together. One that is longer than is read costs nothing.
    fn afford(&self, entry: &Descriptor, bytes: &mut u64) -> Result<(), Failure> {
        if entry.size <= self.limits.manifest as u64 {
            *bytes = bytes.checked_sub(entry.size).ok_or_else(|| {
                Failure::Refusal(Refusal::TooLarge {
                    registry: self.name.clone(),
                    path: format!("{INDEX} with the manifests that it lists"),
                    limit: self.limits.image_bytes,
                })
            })?;
        }
        Ok(())
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
            let found = self.listing(entry)?;
            found.ok_or_else(|| self.absent(&entry.digest))?;
            fallback.insert(&entry.digest);
        }
        let may_refer = |one: &Opened| match &one.parent {
            Some(parent) if fallback.contains(parent) => true,
            _ if one.entry.artifact_type.is_some() => true,
            parent => parent.is_none() && ref_name(&one.entry).is_none(),
        };
        let referrers: Vec<_> = self
            .opened(&index)?
            .iter()
            .filter(|one| match &one.found {
                Found::Read { subject: of, .. } => of.as_ref() == Some(subject),
                Found::Unreadable => true,
                Found::Nothing => may_refer(one),
            })
            .map(Opened::listed)
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

    /// What the fallback tag lists. What it names and is not there lists nothing here; for the list of all it may be anything.
    pub(super) fn tagged_referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, Failure> {
        let index = self.index()?;
        let tag = subject.referrers_tag();
        let mut referrers = Vec::new();
        for entry in entries(&index) {
            if ref_name(entry) != Some(&tag) {
                continue;
            }
            match self.listing(entry)?.as_ref().map(Manifest::body) {
                Some(Body::Index(index)) => referrers.extend(index.manifests.iter().cloned()),
                Some(Body::Image(_)) => {
                    let member = "manifests";
                    let source = ManifestError::Missing { member };
                    return Err(self.malformed(&blob_path(&entry.digest), source));
                }
                None => {}
            }
        }
        Ok(distinct(referrers))
    }
}

fn is_manifest(entry: &Descriptor) -> bool {
    [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST].contains(&entry.media_type.as_str())
}

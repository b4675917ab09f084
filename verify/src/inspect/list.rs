//! Where what is attached to something is listed: in the registry's own list, at the fallback tag, at cosign's older tags, in
//! the archive. Each place that cannot be asked is said, and hides no other.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use countersign_common::{
    Descriptor, Digest, Limits, Manifest, Registry, Repository,
    registry::{Error, Failure},
};
use futures_util::future;

use super::{
    Fault,
    model::{Noticed, Place},
};
use crate::{Deadline, collect::in_parallel, tags, verdict::Finding};

/// Where everything about one image comes from, and how much of it may still come.
#[derive(Clone, Copy)]
pub(super) struct Source<'a, 'd> {
    pub(super) registry: &'a dyn Registry,
    pub(super) repository: &'a Repository,
    pub(super) limits: &'a Limits,
    pub(super) deadline: &'a Deadline<'d>,
    /// Bytes that may still be fetched.
    pub(super) allowance: &'a AtomicU64,
    /// Whether the archive answers.
    pub(super) archive: &'a AtomicBool,
}

/// Something that is listed.
pub(super) struct Listed {
    pub(super) descriptor: Descriptor,
    pub(super) places: BTreeSet<Place>,
    /// Whether verifiers look in one of them.
    pub(super) is_looked_for: bool,
    /// What a tag named, which was fetched with it.
    pub(super) manifest: Option<Manifest>,
}

impl Listed {
    fn at(place: Place, descriptor: Descriptor) -> Self {
        Self {
            descriptor,
            places: BTreeSet::from([place]),
            is_looked_for: place == Place::Referrers,
            manifest: None,
        }
    }
}

/// What one place lists.
type List = (Vec<Listed>, Noticed);

impl Source<'_, '_> {
    /// What the work gives in time.
    pub(super) async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let done = self.deadline.within(work).await;
        done.unwrap_or_else(|| Err(self.deadline.missed(self.repository).into()))
    }

    /// Takes bytes from what may still be fetched; false if it is too much.
    pub(super) fn afford(&self, size: u64) -> bool {
        let less = |left: u64| left.checked_sub(size);
        let order = Ordering::Relaxed;
        self.allowance.fetch_update(order, order, less).is_ok()
    }

    /// Everything that is listed for a subject, wherever, except in the archive.
    pub(super) async fn everywhere(self, subject: &Digest) -> List {
        let tags = Place::LEGACY_TAGS.map(|(suffix, place)| self.legacy(subject, suffix, place));
        let tagged = in_parallel(tags.into_iter());
        let (referrers, tagged) = future::join(self.referrers(subject), tagged).await;
        merged(std::iter::once(referrers).chain(tagged))
    }

    /// By the registry's list, and by the tag that stands in for one: each asked once.
    async fn referrers(self, subject: &Digest) -> List {
        let (mut listed, mut noticed) = self.own(subject).await;
        let is_of_tag = |one: &Listed| one.places.contains(&Place::FallbackTag);
        if !listed.iter().any(is_of_tag) {
            let (fallback, more) = self.fallback(subject).await;
            listed.extend(fallback);
            noticed.add(more);
        }
        (listed, noticed)
    }

    /// What the registry lists, or else the fallback tag where it lists nothing.
    pub(super) async fn own(self, subject: &Digest) -> List {
        let own = self.registry.own_referrers(self.repository, subject);
        let (listed, place) = match self.within(own).await {
            Ok(Some(listed)) => (Ok(listed), Place::Referrers),
            Ok(None) => {
                let fallback = self.registry.referrers(self.repository, subject);
                (self.within(fallback).await, Place::FallbackTag)
            }
            Err(failure) => (Err(failure), Place::Referrers),
        };
        listed.map_or_else(
            |failure| unlisted(&failure),
            |listed| {
                // The tag is where verifiers look, too, where there is no list.
                let listed = listed.into_iter().map(|one| Listed {
                    is_looked_for: true,
                    ..Listed::at(place, one)
                });
                (listed.collect(), Noticed::default())
            },
        )
    }

    /// What the fallback tag lists beside a registry that has a list of its own: an older client, or a mirror, left it there.
    async fn fallback(self, subject: &Digest) -> List {
        if tags::reference(self.repository, &subject.referrers_tag()).is_none() {
            return (Vec::new(), Noticed::default());
        }
        let listed = self.registry.tagged_referrers(self.repository, subject);
        self.within(listed).await.map_or_else(
            |failure| unlisted(&failure),
            |listed| {
                let listed = listed.into_iter();
                let listed = listed.map(|one| Listed::at(Place::FallbackTag, one));
                (listed.collect(), Noticed::default())
            },
        )
    }

    async fn legacy(self, subject: &Digest, suffix: &str, place: Place) -> List {
        let tag = format!("{}.{suffix}", subject.referrers_tag());
        match self
            .within(tags::at(self.registry, self.repository, &tag))
            .await
        {
            // Each child of an index has three of these.
            Ok(Some(manifest)) if !self.afford(manifest.descriptor().size) => {
                let limit = self.limits.image_bytes;
                let noticed = Noticed {
                    faults: vec![Finding::of(&Fault::TooMuch { limit })],
                    ..Noticed::default()
                };
                (Vec::new(), noticed)
            }
            Ok(Some(manifest)) => {
                let descriptor = manifest.descriptor().clone();
                let listed = Listed {
                    manifest: Some(manifest),
                    ..Listed::at(place, descriptor)
                };
                (vec![listed], Noticed::default())
            }
            Ok(None) => (Vec::new(), Noticed::default()),
            Err(failure) => unlisted(&failure),
        }
    }

    /// What was put away. An archive that does not answer is asked no second time: what AWS credentials need takes long.
    pub(super) async fn archived(self, subject: &Digest) -> List {
        if !self.archive.load(Ordering::Relaxed) {
            return (Vec::new(), Noticed::default());
        }
        let archived = self.registry.archived_referrers(self.repository, subject);
        match self.within(archived).await {
            Ok(archived) => {
                let archived = archived.into_iter();
                let archived = archived.map(|one| Listed::at(Place::Archive, one));
                (archived.collect(), Noticed::default())
            }
            Err(source) => {
                self.archive.store(false, Ordering::Relaxed);
                let unseen = Finding::of(&Fault::ArchiveUnseen { source });
                let noticed = Noticed {
                    notes: vec![unseen],
                    ..Noticed::default()
                };
                (Vec::new(), noticed)
            }
        }
    }

    /// What another manifest names must be there.
    pub(super) fn absent(&self, digest: &Digest) -> Error {
        self.registry.absent(self.repository, digest)
    }
}

/// What is not listed may be anything, whatever the reason.
fn unlisted(failure: &Failure) -> List {
    let noticed = Noticed {
        faults: vec![Finding::of(failure)],
        ..Noticed::default()
    };
    (Vec::new(), noticed)
}

/// Each once, with all its places.
fn merged(lists: impl Iterator<Item = List>) -> List {
    let mut all: BTreeMap<Digest, Listed> = BTreeMap::new();
    let mut noticed = Noticed::default();
    for (listed, more) in lists {
        noticed.add(more);
        for one in listed {
            match all.get_mut(&one.descriptor.digest) {
                Some(known) => {
                    known.places.extend(one.places);
                    known.is_looked_for |= one.is_looked_for;
                }
                None => {
                    all.insert(one.descriptor.digest.clone(), one);
                }
            }
        }
    }
    (all.into_values().collect(), noticed)
}

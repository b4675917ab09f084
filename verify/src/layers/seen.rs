//! Which layers were looked at already in one run, and what was found.
//!
//! Images are built on the same layers, and so are the children of an index: each is fetched and hashed once, and whoever
//! needs it meanwhile waits. Asked by whoever hashes. Nothing is kept on a disk or believed from another run.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use countersign_common::{Digest, Repository, registry::Error};
use futures_util::lock;

use super::contents::{Form, Layer};
use crate::evidence::ContentFault;

/// The layers that were looked at, through one registry's client: through another one each is another.
///
/// For one run. What failed is not tried again in it, unless it was throttled, and what was whole is not asked for again, though
/// it may be gone.
#[derive(Debug, Default)]
pub struct Seen(Mutex<BTreeMap<Sight, Arc<Slot>>>);

/// Layers remembered. Beyond that each is looked at as if it were the first: images choose how many they have.
const REMEMBERED: usize = 10_000;

/// What was looked at, where, and what it had to be.
type Sight = (Repository, Digest, u64, Form, Vec<Digest>);

/// What was found; nothing yet while the first one looks. It is held as long, and nobody who holds one waits for another.
type Slot = lock::Mutex<Option<Found>>;

pub(super) type Found = Result<(), Arc<ContentFault>>;

impl Seen {
    /// What was found of a layer, or what looking at it finds. Whoever gives up lets the next one look.
    pub(super) async fn once(
        &self,
        repository: &Repository,
        layer: &Layer<'_>,
        look: impl Future<Output = Result<(), ContentFault>>,
    ) -> Found {
        let Some(slot) = self.slot(repository, layer) else {
            return look.await.map_err(Arc::new);
        };
        let mut found = slot.lock().await;
        if let Some(found) = &*found {
            return found.clone();
        }
        let looked = look.await.map_err(Arc::new);
        // At that moment: whoever comes later may find another.
        if !looked.as_ref().is_err_and(|fault| is_throttled(fault)) {
            *found = Some(looked.clone());
        }
        looked
    }

    fn slot(&self, repository: &Repository, layer: &Layer<'_>) -> Option<Arc<Slot>> {
        let sight = (
            repository.clone(),
            layer.digest.clone(),
            layer.size,
            layer.form,
            layer.diff_ids.iter().cloned().collect(),
        );
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = slots.len() >= REMEMBERED;
        match slots.get(&sight) {
            Some(slot) => Some(Arc::clone(slot)),
            None if is_full => None,
            None => Some(Arc::clone(slots.entry(sight).or_default())),
        }
    }
}

fn is_throttled(fault: &ContentFault) -> bool {
    matches!(fault, ContentFault::Error(Error::Throttled { .. }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use countersign_common::ImageRef;
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn no_more_is_remembered_than_is_bounded() {
        let image = ImageRef::parse("registry.example/shop/api").unwrap();
        let (digest, none) = (Digest::sha256(b""), BTreeSet::new());
        let seen = Seen::default();
        let mut looked = 0;
        let mut look = |size| {
            let layer = Layer {
                digest: &digest,
                size,
                form: Form::AsItIs,
                diff_ids: &none,
                foreign: None,
            };
            let look = async {
                looked += 1;
                Ok(())
            };
            let found = seen.once(image.repository(), &layer, look).now_or_never();
            assert!(matches!(found, Some(Ok(()))));
            looked
        };
        let most = REMEMBERED as u64;
        for size in 0..most {
            look(size);
        }
        assert_eq!(look(0), REMEMBERED);
        assert_eq!(
            [most, most, 0].map(look),
            [1, 2, 2].map(|more| REMEMBERED + more)
        );
    }

    #[test]
    fn what_was_throttled_is_looked_at_again_and_what_failed_is_not() {
        let image = ImageRef::parse("registry.example/shop/api").unwrap();
        let (digest, none) = (Digest::sha256(b""), BTreeSet::new());
        let layer = Layer {
            digest: &digest,
            size: 1,
            form: Form::AsItIs,
            diff_ids: &none,
            foreign: None,
        };
        let registry = || image.repository().registry();
        let throttled = Error::Throttled {
            registry: registry(),
            attempts: 1,
        };
        let late = Error::TimedOut {
            registry: registry(),
            path: String::new(),
            seconds: 1,
        };
        for (error, is_whole_then) in [(throttled, true), (late, false)] {
            let seen = Seen::default();
            let fails = async { Err(ContentFault::Error(error)) };
            let found = seen.once(image.repository(), &layer, fails).now_or_never();
            assert!(matches!(found, Some(Err(_))));
            let again = seen.once(image.repository(), &layer, async { Ok(()) });
            let found = again.now_or_never().unwrap();
            assert_eq!(found.is_ok(), is_whole_then);
        }
    }
}

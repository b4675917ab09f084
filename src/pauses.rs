//! When the work on one of many images may begin: not while its registry wants to be left alone, of one that throttles no
//! more images at a time than it answers in their time, and of none more than it leaves places for others: one that never
//! answers must not keep all of them. Images of other registries go on meanwhile.
//!
//! Asked by `verify`, `sign`, `attest` and `inspect` before the time of an image begins. Never sends anything, and never waits for one
//! registry longer than [`PATIENCE`] in all: then each image finds out for itself, and says that it is throttled.

use std::{
    collections::HashMap,
    pin::pin,
    sync::atomic::{AtomicU32, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use countersign_common::Code;
use countersign_registry::Client;
use tokio::sync::{Mutex, Notify, Semaphore, SemaphorePermit};

use crate::places::Located;

/// What becomes of an image whose registry throttles for longer than the image can wait.
pub(crate) const THROTTLED: Code = Code::new("registry-throttled");

/// The longest that one run waits for one registry, all its pauses together.
const PATIENCE: Duration = Duration::from_mins(5);
/// How often it is asked whether a registry that throttles has time for another image.
const LOOK: Duration = Duration::from_millis(100);
/// What an image may ask for: as many requests as are sure to be answered in half of its time.
const REQUESTS: f64 = 16.0;

/// Who lets images begin.
pub(crate) struct Pauses {
    /// The time of one image.
    time: Duration,
    /// For how long one registry is waited for.
    patience: Duration,
    places: Semaphore,
    /// A place is free again.
    left: Notify,
    /// By the name of the registry.
    gates: HashMap<String, Gate>,
    /// Registries of which not all images have begun.
    unbegun: AtomicUsize,
}

/// The way to one registry: only one image at a time waits at its head.
struct Gate {
    /// How long may still be waited.
    patience: Mutex<Duration>,
    under_way: AtomicU32,
    unbegun: AtomicU32,
}

impl Gate {
    fn new(patience: Duration) -> Self {
        Self {
            patience: Mutex::new(patience),
            under_way: AtomicU32::new(0),
            unbegun: AtomicU32::new(0),
        }
    }

    /// Counts an image that has begun. Whether no other has not yet; some begin more than once.
    fn has_begun_last(&self) -> bool {
        let counted = |unbegun: u32| unbegun.checked_sub(1);
        let before = self
            .unbegun
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, counted);
        before == Ok(1)
    }
}

/// An image under way, until it is dropped.
pub(crate) struct Begun<'a> {
    gate: Option<&'a Gate>,
    since: Instant,
    place: Option<SemaphorePermit<'a>>,
    left: &'a Notify,
}

impl Begun<'_> {
    fn leave(&mut self) {
        self.place = None;
        if let Some(gate) = self.gate.take() {
            gate.under_way.fetch_sub(1, Ordering::Relaxed);
        }
        self.left.notify_waiters();
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Pauses {
    /// For these images, each with so much time, of which so many may be under way at once.
    pub(crate) fn new(images: &[Located], seconds: u64, places: usize) -> Self {
        // Whoever asks for one image knows how long it may take.
        let patience = match images {
            [] | [_] => Duration::ZERO,
            _ => PATIENCE,
        };
        Self::patient(patience, images, (seconds, places))
    }

    /// The same, where each image may lead to many others: even one of them waits.
    pub(crate) fn of_families(images: &[Located], seconds: u64, places: usize) -> Self {
        Self::patient(PATIENCE, images, (seconds, places))
    }

    fn patient(patience: Duration, images: &[Located], (seconds, places): (u64, usize)) -> Self {
        let mut gates = HashMap::new();
        for one in images.iter().filter(|one| one.folder().is_none()) {
            let gate = gates.entry(one.image.repository().registry());
            let gate: &mut Gate = gate.or_insert_with(|| Gate::new(patience));
            *gate.unbegun.get_mut() += 1;
        }
        Self {
            time: Duration::from_secs(seconds),
            patience,
            places: Semaphore::new(places),
            left: Notify::new(),
            unbegun: AtomicUsize::new(gates.len()),
            gates,
        }
    }

    /// Waits until an image may begin.
    pub(crate) async fn begin(&self, one: &Located, client: &Client) -> Begun<'_> {
        let Some(gate) = self.gate(one) else {
            return self.begun(None).await;
        };
        let mut patience = gate.patience.lock().await;
        loop {
            self.wait(one, client, (gate, &mut patience)).await;
            let begun = self.begun(Some(gate)).await;
            // Others may have been told to wait while this one waited for its place.
            if !is_affordable(pause(one, client), *patience) {
                return begun;
            }
        }
    }

    async fn wait(&self, one: &Located, client: &Client, (gate, patience): (&Gate, &mut Duration)) {
        loop {
            let pause = pause(one, client);
            let under_way = gate.under_way.load(Ordering::Relaxed);
            if is_affordable(pause, *patience) {
                *patience -= pause;
                tokio::time::sleep(pause).await;
            } else if is_full(client.rate(one.image.repository()), under_way, self.time) {
                tokio::time::sleep(LOOK).await;
            } else {
                return;
            }
        }
    }

    async fn begun<'a>(&'a self, gate: Option<&'a Gate>) -> Begun<'a> {
        let place = self.place(gate).await;
        if let Some(gate) = gate {
            gate.under_way.fetch_add(1, Ordering::Relaxed);
            if gate.has_begun_last() {
                self.unbegun.fetch_sub(1, Ordering::Relaxed);
                self.left.notify_waiters();
            }
        }
        Begun {
            gate,
            since: Instant::now(),
            place,
            left: &self.left,
        }
    }

    async fn place(&self, gate: Option<&Gate>) -> Option<SemaphorePermit<'_>> {
        let Some(gate) = gate else {
            // Nobody closes it.
            return self.places.acquire().await.ok();
        };
        loop {
            let mut left = pin!(self.left.notified());
            // What is left from now on is heard of.
            left.as_mut().enable();
            let under_way = gate.under_way.load(Ordering::Relaxed);
            if (!self.others_wait(gate) || is_fair(under_way, self.places.available_permits()))
                && let Ok(place) = self.places.try_acquire()
            {
                return Some(place);
            }
            left.await;
        }
    }

    fn others_wait(&self, gate: &Gate) -> bool {
        let itself = usize::from(gate.unbegun.load(Ordering::Relaxed) > 0);
        self.unbegun.load(Ordering::Relaxed) > itself
    }

    /// What the work on an image gives that has begun; done anew, once, where that is throttled and the image may begin anew.
    pub(crate) async fn work<'a, T>(
        &'a self,
        begun: &mut Begun<'a>,
        (one, client): (&Located, &Client),
        work: impl AsyncFn() -> T,
        is_throttled: impl Fn(&T) -> bool,
    ) -> T {
        // What waits is small: there may be thousands.
        let done = Box::pin(work()).await;
        if is_throttled(&done) && self.begin_anew(begun, one, client).await {
            return Box::pin(work()).await;
        }
        done
    }

    /// Begins an image anew that was throttled, if it was told to wait for longer than it could and this run has waited for it.
    async fn begin_anew<'a>(
        &'a self,
        begun: &mut Begun<'a>,
        one: &Located,
        client: &Client,
    ) -> bool {
        let until = client.paused_until(one.image.repository());
        let is_long = until.is_some_and(|until| until > begun.since + self.time / 2);
        if !is_long || self.patience.is_zero() {
            return false;
        }
        // Its place is for those that are not told to wait.
        begun.leave();
        *begun = self.begin(one, client).await;
        pause(one, client).is_zero()
    }

    /// None of an image in a folder.
    fn gate(&self, one: &Located) -> Option<&Gate> {
        let is_elsewhere = one.folder().is_none();
        let gate = || self.gates.get(&one.image.repository().registry());
        is_elsewhere.then(gate).flatten()
    }
}

/// How long the image's registry still wants to be left alone.
fn pause(one: &Located, client: &Client) -> Duration {
    let until = client.paused_until(one.image.repository());
    until.map_or(Duration::ZERO, |until| {
        until.saturating_duration_since(Instant::now())
    })
}

fn is_affordable(pause: Duration, patience: Duration) -> bool {
    !pause.is_zero() && pause <= patience
}

/// Whether a registry that throttles has enough to do with so many images under way.
fn is_full(rate: Option<f64>, under_way: u32, time: Duration) -> bool {
    rate.is_some_and(|rate| {
        let images = rate * time.as_secs_f64() / 2.0 / REQUESTS;
        f64::from(under_way) >= images.max(1.0)
    })
}

/// Whether a registry that has so many images under way may have one more, when so many places are free: no more than are
/// free then.
fn is_fair(under_way: u32, free: usize) -> bool {
    usize::try_from(under_way).is_ok_and(|under_way| under_way < free)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_takes_no_more_places_than_it_leaves() {
        let mut free = 64;
        let mut taken = [0; 3];
        for under_way in &mut taken {
            while is_fair(*under_way, free) {
                *under_way += 1;
                free -= 1;
            }
        }
        assert_eq!((taken, free), ([32, 16, 8], 8));
        assert!(is_fair(0, 1), "there is always one more");
        assert!(!is_fair(0, 0));
    }

    #[test]
    fn a_pause_is_waited_for_if_all_of_it_can_be() {
        let seconds = Duration::from_secs;
        assert!(is_affordable(seconds(60), seconds(60)));
        assert!(!is_affordable(seconds(61), seconds(60)));
        assert!(!is_affordable(seconds(0), seconds(60)));
        assert!(!is_affordable(seconds(1), seconds(0)));
    }

    #[test]
    fn a_registry_that_throttles_bears_as_many_images_as_it_answers_in_time() {
        let time = Duration::from_secs(32);
        assert!(!is_full(None, u32::MAX, time));
        assert!(!is_full(Some(10.0), 9, time));
        assert!(is_full(Some(10.0), 10, time));
        // However slow it is, one.
        assert!(!is_full(Some(0.1), 0, time));
        assert!(is_full(Some(0.1), 1, time));
    }
}

//! The time of one image, which stands still while the image waits for others to be done: it is not its fault that they are large.
//!
//! Kept by whoever attends its registry. How long others may take is bounded by their own time.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How often a clock that stands still is looked at.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
pub(crate) struct Clock(Mutex<Stood>);

/// How long it stood still.
#[derive(Debug, Default)]
struct Stood {
    before: Duration,
    since: Option<Instant>,
}

/// It stands still until this is dropped.
pub(crate) struct Held<'a>(&'a Clock);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut stood = self.0.stood();
        let since = stood.since.take();
        stood.before += since.map_or(Duration::ZERO, |since| since.elapsed());
    }
}

impl Clock {
    /// Stops it. Whoever waits does so once at a time.
    pub(crate) fn hold(&self) -> Held<'_> {
        self.stood().since.get_or_insert_with(Instant::now);
        Held(self)
    }

    /// Ends when it has shown so much time, from now on.
    pub(crate) async fn elapse(&self, time: Duration) {
        let (began, before) = (Instant::now(), self.stands());
        loop {
            let ends = time + self.stands().saturating_sub(before);
            let Some(left) = ends.checked_sub(began.elapsed()) else {
                return;
            };
            // It may stand still while it is not looked at.
            tokio::time::sleep(left.max(LOOK)).await;
        }
    }

    fn stands(&self) -> Duration {
        let stood = self.stood();
        stood.before + stood.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn stood(&self) -> MutexGuard<'_, Stood> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

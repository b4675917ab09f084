//! The time of one image, which stands still while the image waits for others to be done: it is not its fault that they are large,
//! or that they are the same.
//!
//! Kept by whoever attends its registry. How long others may take is bounded by their own time, and how long it may stand still by
//! [`PATIENCE`], so that a list of images comes to its end whatever a registry does to each of them.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How often a clock that stands still is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// The longest that it stands still, all in all.
const PATIENCE: Duration = Duration::from_mins(5);

#[derive(Debug, Default)]
pub(crate) struct Clock(Mutex<Stood>);

/// How long it stood still.
#[derive(Debug, Default)]
struct Stood {
    before: Duration,
    since: Option<Instant>,
    holders: usize,
}

/// It stands still until this is dropped, and all others like it.
pub(crate) struct Held<'a>(&'a Clock);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut stood = self.0.stood();
        stood.holders -= 1;
        if stood.holders == 0 {
            let since = stood.since.take();
            stood.before += since.map_or(Duration::ZERO, |since| since.elapsed());
        }
    }
}

impl Clock {
    /// Stops it.
    pub(crate) fn hold(&self) -> Held<'_> {
        let mut stood = self.stood();
        stood.holders += 1;
        stood.since.get_or_insert_with(Instant::now);
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
        let now = stood.since.map_or(Duration::ZERO, |since| since.elapsed());
        (stood.before + now).min(PATIENCE)
    }

    fn stood(&self) -> MutexGuard<'_, Stood> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_still_until_nobody_holds_it_and_no_longer_than_that() {
        let clock = Clock::default();
        let (one, other) = (clock.hold(), clock.hold());
        drop(one);
        assert!(clock.stood().since.is_some());
        drop(other);
        assert!(clock.stood().since.is_none());
        clock.stood().before = PATIENCE * 2;
        assert_eq!(clock.stands(), PATIENCE);
    }
}

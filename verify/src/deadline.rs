//! When to stop looking: judged is then what was found.
//!
//! The binary brings the clock. What was not fetched in time is unknown, and never absent.

use std::future::{self, Future};

use countersign_common::{Repository, Task, registry::Error};
use futures_util::future::{Either, FutureExt, Shared, select};

/// The end of the time for one image.
#[derive(Clone)]
pub struct Deadline<'a> {
    elapsed: Shared<Task<'a, ()>>,
    seconds: u64,
    timer: Option<&'a Timer<'a>>,
}

/// Begins a time anew: always of the same length, divided by a number.
pub type Timer<'a> = dyn Fn(u32) -> Task<'a, ()> + Sync + 'a;

impl<'a> Deadline<'a> {
    /// Ends when `elapsed` does, after this many seconds.
    pub fn new(elapsed: Task<'a, ()>, seconds: u64) -> Self {
        Self {
            elapsed: elapsed.shared(),
            seconds,
            timer: None,
        }
    }

    /// The same, for each of the images that one reference leads to.
    pub fn for_each(timer: &'a Timer<'a>, seconds: u64) -> Self {
        Self {
            timer: Some(timer),
            ..Self::new(timer(1), seconds)
        }
    }

    /// A part of the time, which begins now; without a timer it is all that is left. Told in full seconds: no time is none.
    pub(crate) fn part(&self, divisor: u32) -> Self {
        self.timer.map_or_else(
            || self.clone(),
            |timer| Self::new(timer(divisor), self.seconds.div_ceil(u64::from(divisor))),
        )
    }

    /// That of another image, which begins now; without a timer it has what is left.
    pub(crate) fn again(&self) -> Self {
        self.timer
            .map_or_else(|| self.clone(), |timer| Self::for_each(timer, self.seconds))
    }

    /// Never ends: for registries that always answer, such as those of tests.
    pub fn never() -> Self {
        Self::new(Box::pin(future::pending()), u64::MAX)
    }

    /// What the work gives in time.
    pub(crate) async fn within<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        // The clock first: what has not begun when it ends must not begin.
        match select(self.elapsed.clone(), Box::pin(work)).await {
            Either::Left(_) => None,
            Either::Right((result, _)) => Some(result),
        }
    }

    /// What is to be said of whatever was not fetched in time.
    pub(crate) fn missed(&self, repository: &Repository) -> Error {
        Error::TimedOut {
            registry: repository.registry(),
            path: repository.path().to_owned(),
            seconds: self.seconds,
        }
    }
}

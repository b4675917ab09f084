//! The faults that wait for a call. Armed by tests, taken by the services; without one the stand-in is honest.

use std::sync::{Mutex, PoisonError};

use crate::{lies::Lie, wildcard};

/// One lie, the calls it is told to, and how often.
#[derive(Clone, Debug)]
pub struct Fault {
    pattern: String,
    lie: Lie,
    passed_over: u32,
    remaining: u32,
}

impl Fault {
    /// Lies to every call whose line matches: `TrentService.Sign`, `GET /v2/*/blobs/*`. A `*` is any run of characters.
    pub fn on(pattern: &str, lie: Lie) -> Self {
        Self {
            pattern: pattern.into(),
            lie,
            passed_over: 0,
            remaining: u32::MAX,
        }
    }

    /// Answers so many matching calls honestly first.
    #[must_use]
    pub fn after(self, calls: u32) -> Self {
        Self {
            passed_over: calls,
            ..self
        }
    }

    /// Lies only so many times.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self {
            remaining: times,
            ..self
        }
    }

    fn take(&mut self, line: &str) -> Option<Lie> {
        if self.remaining == 0 || !wildcard::matches(&self.pattern, line) {
            return None;
        }
        if let Some(fewer) = self.passed_over.checked_sub(1) {
            self.passed_over = fewer;
            return None;
        }
        self.remaining = self.remaining.saturating_sub(1);
        Some(self.lie.clone())
    }
}

/// The faults of a running stand-in. Those that match one call are all told, in the order they were pushed.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    /// Arms one more.
    pub fn push(&self, fault: Fault) {
        self.faults().push(fault);
    }

    /// Makes the stand-in honest again.
    pub fn clear(&self) {
        self.faults().clear();
    }

    pub(crate) fn take(&self, line: &str) -> Vec<Lie> {
        self.faults()
            .iter_mut()
            .filter_map(|fault| fault.take(line))
            .collect()
    }

    fn faults(&self) -> std::sync::MutexGuard<'_, Vec<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_waits_strikes_and_is_spent() {
        let faults = Faults::default();
        faults.push(Fault::on("GET *", Lie::status(503)).after(1).times(2));
        let struck: Vec<_> = ["GET /a", "PUT /a", "GET /b", "GET /c", "GET /d"]
            .map(|line| faults.take(line).len())
            .into();
        assert_eq!(struck, [0, 0, 1, 1, 0]);
    }
}

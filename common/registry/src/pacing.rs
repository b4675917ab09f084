//! How fast one host is asked, and how often a request may be sent again.
//!
//! Asked through [`crate::hosts`] before each request and told of each answer. Pure: it is told the time and a random number,
//! and never sleeps, sends or looks at a clock.
//!
//! A host that never throttles is never waited for. One that does is asked at half of the rate that it was asked at, by all
//! requests of the process together, in the order in which they came: the rate is halved again for each throttling answer to
//! what was sent since, and rises steadily while answers are good, until twice the old rate passes and the limit is forgotten.
//! Requests that are sent again come out of the same bucket, so they add nothing to what the host is asked, and besides have a
//! budget: a host that fails all requests alike is sent little more than the requests themselves.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The slowest pace, in requests a second: slower, no image would be done in its time.
const LEAST: f64 = 5.0;
/// A throttling answer leaves this part of the rate.
const DECREASE: f64 = 0.5;
/// In so many seconds of good answers the rate rises by what it was before the first throttling answer.
const RECOVERY: f64 = 20.0;
/// At so many times that rate nobody knows of a limit any more.
const FORGOTTEN: f64 = 2.0;
/// Requests of so many seconds may be made up for at once.
const BURST: f64 = 0.1;
/// The longest that other requests wait because one was told to: after it, one finds out.
const PAUSE: Duration = Duration::from_mins(1);
/// Longer than anybody waits.
const EVER: Duration = Duration::from_hours(24);

/// How often those in the line look again.
const LOOK: Duration = Duration::from_millis(100);

/// The pace of one host.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    limit: Option<Limit>,
    recent: Recent,
    paused: Option<Instant>,
    /// Until when the host wants to be left alone, however long that is.
    announced: Option<Instant>,
    waiting: VecDeque<Ticket>,
    tickets: u64,
    took: Option<Duration>,
}

/// A place in the line of those who wait for their turn.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Ticket(u64);

/// Whether a request may be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Turn {
    /// Its turn would come too late for an answer in time.
    Late,
    /// It may be sent now.
    Now,
    /// Not before this time has passed; then ask again.
    Wait(Duration),
}

#[derive(Debug)]
struct Limit {
    rate: f64,
    /// The rate before the first throttling answer.
    known: f64,
    tokens: f64,
    filled: Instant,
    cut: Instant,
    raised: Instant,
}

impl Limit {
    fn new(known: f64, now: Instant) -> Self {
        Self {
            rate: (known * DECREASE).max(LEAST),
            known,
            tokens: 0.0,
            filled: now,
            cut: now,
            raised: now,
        }
    }

    fn fill(&mut self, now: Instant) {
        self.tokens = self.tokens_at(now);
        self.filled = self.filled.max(now);
    }

    fn tokens_at(&self, moment: Instant) -> f64 {
        let elapsed = moment.saturating_duration_since(self.filled).as_secs_f64();
        (self.tokens + elapsed * self.rate).min((self.rate * BURST).max(1.0))
    }

    fn cut(&mut self, now: Instant) {
        self.fill(now);
        self.rate = (self.rate * DECREASE).max(LEAST);
        self.tokens = self.tokens.min(0.0);
        (self.cut, self.raised) = (now, now);
    }

    /// For the time since the last good answer, and for no more than a second: an idle host has shown nothing.
    fn raise(&mut self, now: Instant) {
        self.fill(now);
        let elapsed = now.saturating_duration_since(self.raised).as_secs_f64();
        self.rate += elapsed.min(1.0) * (self.known / RECOVERY).max(LEAST / 2.0);
        self.raised = self.raised.max(now);
    }
}

/// How many requests were sent in about the last second: each counts less the longer it is ago.
#[derive(Debug, Default)]
struct Recent {
    count: f64,
    last: Option<Instant>,
}

impl Recent {
    fn add(&mut self, now: Instant) {
        self.count = self.at(now) + 1.0;
        self.last = Some(now);
    }

    fn at(&self, now: Instant) -> f64 {
        self.last.map_or(0.0, |last| {
            self.count * (-now.saturating_duration_since(last).as_secs_f64()).exp()
        })
    }
}

impl Pace {
    /// Joins the line.
    pub(crate) fn join(&mut self) -> Ticket {
        let ticket = Ticket(self.tickets);
        self.tickets += 1;
        self.waiting.push_back(ticket);
        ticket
    }

    /// Leaves it, if still in it.
    pub(crate) fn leave(&mut self, ticket: Ticket) {
        if let Ok(position) = self.waiting.binary_search(&ticket) {
            self.waiting.remove(position);
        }
    }

    /// Whether it is a request's turn; if so or if it is too late, it is in the line no more.
    pub(crate) fn turn(&mut self, ticket: Ticket, now: Instant, deadline: Instant) -> Turn {
        let position = self.waiting.binary_search(&ticket).unwrap_or_default();
        let wait = self.wait(position, now);
        if wait.is_zero() {
            self.leave(ticket);
            self.recent.add(now);
            if let Some(limit) = &mut self.limit {
                limit.fill(now);
                limit.tokens -= 1.0;
            }
            return Turn::Now;
        }
        let left = deadline.saturating_duration_since(now);
        if wait.saturating_add(self.estimate()) > left {
            self.leave(ticket);
            return Turn::Late;
        }
        // The rate may rise meanwhile.
        Turn::Wait(wait.min(LOOK))
    }

    fn wait(&self, position: usize, now: Instant) -> Duration {
        let begins = self.paused.map_or(now, |paused| paused.max(now));
        let Some(limit) = &self.limit else {
            return begins - now;
        };
        let position = u32::try_from(position).map_or(f64::MAX, f64::from);
        // What rounding left out of a token makes nobody wait.
        let missing = position + 1.0 - limit.tokens_at(begins) - 1e-6;
        let queued = Duration::try_from_secs_f64(missing.max(0.0) / limit.rate);
        (begins - now).saturating_add(queued.unwrap_or(Duration::MAX))
    }

    /// How long an answer takes, by those that came: the smoothed time from a request to the head of its answer.
    pub(crate) fn estimate(&self) -> Duration {
        self.took.unwrap_or_default()
    }

    /// Learns that a request that was sent then was answered now, and not throttled.
    pub(crate) fn answered(&mut self, sent: Instant, now: Instant) {
        let took = now.saturating_duration_since(sent);
        self.took = Some(self.took.map_or(took, |known| (known * 7 + took) / 8));
        let recent = self.recent.at(now);
        let Some(limit) = self.limit.as_mut().filter(|limit| sent > limit.cut) else {
            return;
        };
        // A rate that is not used is not known to be borne.
        if recent >= limit.rate / 2.0 {
            limit.raise(now);
        }
        if limit.rate >= limit.known * FORGOTTEN {
            self.limit = None;
        }
    }

    /// Learns that a request that was sent then was throttled, and how long the host wants to be left alone.
    pub(crate) fn throttled(&mut self, sent: Instant, now: Instant, after: Option<Duration>) {
        if let Some(after) = after {
            let until = now + after.min(PAUSE);
            self.paused = self.paused.max(Some(until));
            self.announced = self.announced.max(Some(now + after.min(EVER)));
        }
        match &mut self.limit {
            None => self.limit = Some(Limit::new(self.recent.at(now).max(LEAST), now)),
            // Of many requests under way at once each is throttled, and they tell of one rate.
            Some(limit) if sent <= limit.cut => {}
            Some(limit) => limit.cut(now),
        }
    }

    /// Until when the host wanted to be left alone, if it said so, however long that is.
    pub(crate) fn paused_until(&self) -> Option<Instant> {
        self.announced
    }

    /// At how many requests a second it is asked; nothing is known of one that does not throttle.
    pub(crate) fn rate(&self) -> Option<f64> {
        self.limit.as_ref().map(|limit| limit.rate)
    }

    /// What forgetting it would lose.
    pub(crate) fn worth(&self, now: Instant) -> Worth {
        match self.announced.filter(|announced| *announced > now) {
            Some(until) => Worth::Paused(until),
            None if self.limit.is_some() || !self.waiting.is_empty() => Worth::Paced,
            None => Worth::Nothing,
        }
    }
}

/// What forgetting a pace would lose, the least first.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Worth {
    /// The host is asked as any other.
    #[default]
    Nothing,
    /// At which rate, or in which order.
    Paced,
    /// That it wants to be left alone until then.
    Paused(Instant),
}

/// Why a request is sent again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Again {
    /// It failed in a way that may pass.
    Failed,
    /// The host throttles, and may have said how long.
    Throttled(Option<Duration>),
}

/// The wait before the second attempt, at the most; it doubles, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(4);

impl Again {
    /// How often a request is sent at the most, whatever time and budget are left.
    fn attempts(self) -> u32 {
        match self {
            Self::Failed => 3,
            Self::Throttled(_) => 6,
        }
    }

    /// One that was throttled takes its turn among all others; one that failed was work for the host.
    fn price(self) -> u32 {
        match self {
            Self::Failed => 5,
            Self::Throttled(_) => 1,
        }
    }

    /// The wait before the next attempt, with full jitter by a random number from 0 to 1, so that many who were refused at
    /// once do not come back at once. `None` if an answer cannot come within what is left.
    pub(crate) fn wait(self, attempt: u32, left: Duration, random: f64) -> Option<Duration> {
        if attempt >= self.attempts() {
            return None;
        }
        let asked = match self {
            Self::Failed | Self::Throttled(None) => Duration::ZERO,
            Self::Throttled(Some(after)) => after,
        };
        let room = left.checked_sub(asked).filter(|room| !room.is_zero())?;
        let doubled = FIRST_WAIT.saturating_mul(1 << attempt.saturating_sub(1).min(16));
        Some(asked + doubled.min(LONGEST_WAIT).min(room).mul_f64(random))
    }
}

/// How much may still be sent again to one registry.
#[derive(Debug)]
pub(crate) struct Budget {
    credit: u32,
}

impl Budget {
    /// What a process has before it asked for anything.
    const FLOOR: u32 = 50;
    /// What each request adds.
    const EARNED: u32 = 2;
    /// However long all went well.
    const MOST: u32 = 4_000;

    /// Counts a request, when it is sent for the first time.
    pub(crate) fn earn(&mut self) {
        self.credit = (self.credit + Self::EARNED).min(Self::MOST);
    }

    /// Takes the price of sending one again; `false` if there is not enough left.
    pub(crate) fn pay(&mut self, again: Again) -> bool {
        let left = self.credit.checked_sub(again.price());
        self.credit = left.unwrap_or(self.credit);
        left.is_some()
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            credit: Self::FLOOR,
        }
    }
}

#[cfg(test)]
mod tests;

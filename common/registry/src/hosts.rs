//! The hosts that this process asks, each at its pace: every request to a registry, a login realm, a place that a registry
//! points to, a time-stamp authority and a folder of roots is sent from here.
//!
//! The adapter of [`crate::pacing`], with a clock and chance: held by [`crate::clients::Clients`], which a process has once.
//! Never decides whether a failure may pass.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, Hasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use reqwest::{Method, RequestBuilder, Response, StatusCode};

use crate::{
    body::{self, Unread},
    pacing::{Again, Budget, Pace, Ticket, Turn, Worth},
    place::Place,
    throttling,
};

/// An error's body is waited for during this part of the time: the status says what matters most, but of an absence.
const ERROR_TIME: u32 = 8;
/// Registries that are remembered.
const REGISTRIES: usize = 1_024;
/// Hosts that are remembered of one registry, its own among them. It names others, as many as it likes.
const HOSTS: usize = 32;

/// What is known of each registry. On whose behalf a host is asked matters: a registry that sends us where we are throttled
/// must neither slow down who else is there, nor fill the memory of others.
#[derive(Debug)]
pub(crate) struct Hosts {
    known: Mutex<HashMap<String, Known>>,
    /// Bytes of an error's body that are read.
    error_body: usize,
}

/// What may be sent again to one registry, and the pace of each host that it needs.
#[derive(Debug, Default)]
struct Known {
    budget: Budget,
    paces: HashMap<Lane, Pace>,
}

impl Known {
    fn pace(&mut self, lane: &Lane, now: Instant) -> &mut Pace {
        entry(&mut self.paces, lane, HOSTS, |pace| pace.worth(now))
    }

    fn worth(&self, now: Instant) -> Worth {
        let worths = self.paces.values().map(|pace| pace.worth(now));
        worths.max().unwrap_or_default()
    }
}

/// What is throttled together. Registries count reading and writing apart: Amazon ECR takes ten manifests a second, and gives
/// two thousand.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Lane {
    host: String,
    port: Option<u16>,
    writes: bool,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NotSent {
    /// The connection failed or broke.
    Broken(reqwest::Error),
    /// The host throttles, and the turn of this request would come too late.
    Late,
    /// What a 404 says was not read, so that nobody knows whether it is one: it may say that it is throttling.
    Unread(Unread),
}

impl From<Unread> for NotSent {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Broken(error) => Self::Broken(error),
            unread => Self::Unread(unread),
        }
    }
}

impl Hosts {
    pub(crate) fn new(error_body: usize) -> Self {
        Self {
            known: Mutex::default(),
            error_body,
        }
    }

    /// Sends a request when it is its turn, and learns from the answer. Of an error the body is read, which may say that it
    /// is throttling whatever the status says.
    pub(crate) async fn send(
        &self,
        request: RequestBuilder,
        place: &Place,
    ) -> Result<Response, NotSent> {
        let (client, request) = request.build_split();
        let request = request.map_err(NotSent::Broken)?;
        let lane = Lane {
            host: request.url().host_str().unwrap_or_default().to_owned(),
            port: request.url().port_or_known_default(),
            writes: !request.method().is_safe(),
        };
        let lane = (place.registry.as_str(), &lane);
        self.take_turn(lane, place.patience()).await?;
        let has_body = request.method() != Method::HEAD;
        let sent = Instant::now();
        let mut response = client.execute(request).await.map_err(NotSent::Broken)?;
        let now = Instant::now();
        let is_absence = has_body && response.status() == StatusCode::NOT_FOUND;
        let time = if is_absence {
            place.remaining()
        } else {
            place.remaining().min(place.timeout / ERROR_TIME)
        };
        let read = body::keep_error(&mut response, self.error_body, time).await;
        let throttled = throttling::of(&response);
        self.pace(lane, |pace| match throttled {
            Some(Again::Throttled(after)) => pace.throttled(sent, now, after),
            _ => pace.answered(sent, now),
        });
        match read {
            Err(unread) if is_absence && throttled.is_none() => Err(unread.into()),
            _ => Ok(response),
        }
    }

    async fn take_turn(&self, lane: (&str, &Lane), deadline: Instant) -> Result<(), NotSent> {
        let in_line = InLine {
            hosts: self,
            lane,
            ticket: self.pace(lane, Pace::join),
        };
        loop {
            let turn = |pace: &mut Pace| pace.turn(in_line.ticket, Instant::now(), deadline);
            match self.pace(lane, turn) {
                Turn::Late => return Err(NotSent::Late),
                Turn::Now => return Ok(()),
                Turn::Wait(wait) => tokio::time::sleep(wait).await,
            }
        }
    }

    fn pace<T>(&self, (registry, lane): (&str, &Lane), told: impl FnOnce(&mut Pace) -> T) -> T {
        let now = Instant::now();
        self.registry(registry, |known| told(known.pace(lane, now)))
    }

    fn registry<T>(&self, registry: &str, told: impl FnOnce(&mut Known) -> T) -> T {
        let now = Instant::now();
        let mut known = lock(&self.known);
        let worth = |known: &Known| known.worth(now);
        told(entry(&mut known, &registry.to_owned(), REGISTRIES, worth))
    }

    /// Until when a registry, or a host that it needs, wants to be left alone.
    pub(crate) fn paused_until(&self, registry: &str) -> Option<Instant> {
        self.of(registry, |paces| paces.filter_map(Pace::paused_until).max())
    }

    /// How many requests a second a registry takes that throttles, or a host that it needs.
    pub(crate) fn rate(&self, registry: &str) -> Option<f64> {
        self.of(registry, |paces| {
            paces.filter_map(Pace::rate).min_by(f64::total_cmp)
        })
    }

    fn of<T>(&self, registry: &str, told: impl FnOnce(&mut dyn Iterator<Item = &Pace>) -> T) -> T {
        let known = lock(&self.known);
        let its = known.get(registry).into_iter();
        told(&mut its.flat_map(|known| known.paces.values()))
    }

    /// Counts a request for a registry that is sent for the first time.
    pub(crate) fn earn(&self, registry: &str) {
        self.registry(registry, |known| known.budget.earn());
    }

    /// How long to wait before a request is sent again. `None` if it is not: it was sent often enough, or there is no budget
    /// left, or no time for another answer, which is taken to need as long as this one did.
    pub(crate) fn again(
        &self,
        again: Again,
        attempt: u32,
        (place, took): (&Place, Duration),
    ) -> Option<Duration> {
        let left = place.patience().saturating_duration_since(Instant::now());
        let wait = again.wait(attempt, left.checked_sub(took)?, random())?;
        self.registry(&place.registry, |known| known.budget.pay(again))
            .then_some(wait)
    }
}

/// What is known under a key. If as much is known as may be, what is worth least is forgotten.
fn entry<'a, K: Clone + Eq + Hash, V: Default>(
    known: &'a mut HashMap<K, V>,
    key: &K,
    most: usize,
    worth: impl Fn(&V) -> Worth,
) -> &'a mut V {
    if known.len() >= most && !known.contains_key(key) {
        let least = known.iter().min_by_key(|(_, value)| worth(value));
        if let Some(least) = least.map(|(key, _)| key.clone()) {
            known.remove(&least);
        }
    }
    known.entry(key.clone()).or_default()
}

/// Leaves the line when it is given up.
struct InLine<'a> {
    hosts: &'a Hosts,
    lane: (&'a str, &'a Lane),
    ticket: Ticket,
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.hosts.pace(self.lane, |pace| pace.leave(self.ticket));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From 0 to 1.
fn random() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(random >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

/// Anything up to the whole wait, so that many who wait at once do not come back at once.
pub(crate) fn jitter(most: Duration) -> Duration {
    most.mul_f64(random())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(host: &str) -> Lane {
        Lane {
            host: host.to_owned(),
            port: Some(443),
            writes: false,
        }
    }

    fn throttle(hosts: &Hosts, registry: &str, host: &str, seconds: u64) {
        let now = Instant::now();
        let after = Some(Duration::from_secs(seconds));
        let lane = lane(host);
        hosts.pace((registry, &lane), |pace| pace.throttled(now, now, after));
    }

    #[test]
    fn a_registry_that_leads_to_many_who_throttle_makes_nobody_else_forgotten() {
        let hosts = Hosts::new(0);
        throttle(&hosts, "registry.example", "registry.example", 30);
        throttle(&hosts, "hostile.example", "hostile.example", 30);
        for number in 0..2 * REGISTRIES {
            throttle(&hosts, "hostile.example", &format!("{number}.example"), 20);
        }
        for registry in ["registry.example", "hostile.example"] {
            let left = hosts.paused_until(registry).unwrap() - Instant::now();
            assert!(left > Duration::from_secs(25), "{registry}");
        }
        let known = lock(&hosts.known);
        assert_eq!(known.len(), 2);
        assert_eq!(known["hostile.example"].paces.len(), HOSTS);
    }

    #[test]
    fn of_too_many_registries_those_are_remembered_that_want_to_be_left_alone() {
        let hosts = Hosts::new(0);
        throttle(&hosts, "paused.example", "paused.example", 30);
        for number in 0..2 * REGISTRIES {
            hosts.earn(&format!("{number}.example"));
        }
        assert!(hosts.paused_until("paused.example").is_some());
        assert_eq!(lock(&hosts.known).len(), REGISTRIES);
    }
}

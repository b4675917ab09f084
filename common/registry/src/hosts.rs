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
    pacing::{Again, Budget, Pace, Ticket, Turn},
    place::Place,
    throttling,
};

/// An error's body is waited for during this part of the time: the status says what matters most, but of an absence.
const ERROR_TIME: u32 = 8;
/// Hosts that are remembered. Registries name others, as many as they like.
const HOSTS: usize = 1_024;

/// The pace of each host, and what may be sent again to each registry.
#[derive(Debug)]
pub(crate) struct Hosts {
    paces: Mutex<HashMap<Lane, Pace>>,
    budgets: Mutex<HashMap<String, Budget>>,
    /// Bytes of an error's body that are read.
    error_body: usize,
}

/// What is throttled together. Registries count reading and writing apart: Amazon ECR takes ten manifests a second, and gives
/// two thousand.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Lane {
    /// On whose behalf: a registry that sends us where we are throttled must not slow down who else is there.
    registry: String,
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
            paces: Mutex::default(),
            budgets: Mutex::default(),
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
            registry: place.registry.clone(),
            host: request.url().host_str().unwrap_or_default().to_owned(),
            port: request.url().port_or_known_default(),
            writes: !request.method().is_safe(),
        };
        self.take_turn(&lane, place.patience()).await?;
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
        self.pace(&lane, |pace| match throttled {
            Some(Again::Throttled(after)) => pace.throttled(sent, now, after),
            _ => pace.answered(sent, now),
        });
        match read {
            Err(unread) if is_absence && throttled.is_none() => Err(unread.into()),
            _ => Ok(response),
        }
    }

    async fn take_turn(&self, lane: &Lane, deadline: Instant) -> Result<(), NotSent> {
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

    fn pace<T>(&self, lane: &Lane, told: impl FnOnce(&mut Pace) -> T) -> T {
        let is_of_use = |pace: &Pace| pace.is_of_use(Instant::now());
        told(entry(&mut lock(&self.paces), lane, is_of_use))
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
        let paces = lock(&self.paces);
        let its = paces.iter().filter(|(lane, _)| lane.registry == registry);
        told(&mut its.map(|(_, pace)| pace))
    }

    /// Counts a request for a registry that is sent for the first time.
    pub(crate) fn earn(&self, registry: &str) {
        self.budget(registry, Budget::earn);
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
        self.budget(&place.registry, |budget| budget.pay(again))
            .then_some(wait)
    }

    fn budget<T>(&self, registry: &str, told: impl FnOnce(&mut Budget) -> T) -> T {
        told(entry(
            &mut lock(&self.budgets),
            &registry.to_owned(),
            |_| false,
        ))
    }
}

/// What is known under a key. If too much is, what is of no use is forgotten, and if that is nothing, everything.
fn entry<'a, K: Clone + Eq + Hash, V: Default>(
    known: &'a mut HashMap<K, V>,
    key: &K,
    is_of_use: impl Fn(&V) -> bool,
) -> &'a mut V {
    if known.len() >= HOSTS && !known.contains_key(key) {
        known.retain(|_, value| is_of_use(value));
        if known.len() >= HOSTS {
            known.clear();
        }
    }
    known.entry(key.clone()).or_default()
}

/// Leaves the line when it is given up.
struct InLine<'a> {
    hosts: &'a Hosts,
    lane: &'a Lane,
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

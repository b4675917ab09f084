//! Registries that answer nothing: after a while they are asked nothing more, so that a list of their images comes to its end.
//!
//! Told by the client of each request for a manifest, a list or a blob that is kept, below its cache, and of the pieces of layers. Never says that anything is absent or refused, and never
//! gives up a registry that answers anything in that while: an answer is what came whole, whatever it says, or any piece of a
//! layer. One whose login realm, or whatever it redirects to, answers nothing is as silent.
//!
//! What it costs a list: it is given up once that has taken two and a half times the time of a request, at the end of the next
//! one, and what was begun by then has its own time, so all of it is four times at the most. A registry that answers now and
//! then costs each image its own time, as many at once as there are places.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use countersign_common::{
    Repository,
    registry::{Error, Failure, Looking, Onlooker},
};

/// What is known of each registry's silence, for as long as the client lives.
#[derive(Debug)]
pub(crate) struct Silences {
    patience: Duration,
    /// By the name of the registry.
    known: Mutex<HashMap<String, Silence>>,
}

impl Silences {
    /// For requests that have so much time.
    pub(crate) fn new(timeout: Duration) -> Self {
        Self {
            // More than the time of two, so that a third has asked in vain after them: a registry that is started anew, or that
            // many requests at once have brought to a halt, has had time, and of a list where 64 ask at once even one that
            // answers but each hundredth is never given up. Less than that of three, since whoever counts the time of an
            // image began a moment before its request.
            patience: timeout * 5 / 2,
            known: Mutex::default(),
        }
    }

    /// Begins to wait for an answer, unless that would be in vain.
    pub(crate) fn ask(&self, repository: &Repository) -> Result<Waiting<'_>, Failure> {
        let registry = repository.registry();
        let known = self.known();
        match known.get(&registry) {
            Some(silence) if silence.waited >= self.patience => {
                Err(Failure::Error(Error::Silent {
                    requests: silence.requests,
                    seconds: silence.waited.as_secs(),
                    registry,
                }))
            }
            _ => Ok(Waiting {
                silences: self,
                registry,
                since: Some(Instant::now()),
            }),
        }
    }

    fn hear(&self, registry: &str) {
        let silence = Silence::since(Instant::now());
        let mut known = self.known();
        // It is known but for the first answer, and layers come in many pieces.
        if let Some(known) = known.get_mut(registry) {
            *known = silence;
        } else {
            known.insert(registry.to_owned(), silence);
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Silence>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Since the last answer.
#[derive(Debug, Default)]
struct Silence {
    /// Which had none.
    requests: u32,
    /// How long was waited for any of them, however many waited at once.
    waited: Duration,
    /// Until when all waiting is counted.
    until: Option<Instant>,
}

impl Silence {
    fn since(answer: Instant) -> Self {
        Self {
            until: Some(answer),
            ..Self::default()
        }
    }

    fn wait(&mut self, since: Instant, now: Instant) {
        let since = self.until.map_or(since, |until| until.max(since));
        self.waited += now.saturating_duration_since(since);
        self.requests = self.requests.saturating_add(1);
        self.until = Some(now);
    }
}

/// A request under way. Whoever gives it up has waited in vain.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    silences: &'a Silences,
    registry: String,
    since: Option<Instant>,
}

impl Waiting<'_> {
    /// Ends with what came of it.
    pub(crate) fn end<T>(mut self, became: &Result<T, Failure>) {
        match became {
            Err(Failure::Error(Error::TimedOut { .. } | Error::Unreachable { .. })) => {}
            // It was not sent, which is not the registry's silence.
            Err(Failure::Error(
                Error::Credentials { .. } | Error::Throttled { attempts: 0, .. },
            )) => {
                self.since = None;
            }
            _ => {
                self.since = None;
                self.silences.hear(&self.registry);
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(since) = self.since {
            let mut known = self.silences.known();
            let silence = known.entry(std::mem::take(&mut self.registry)).or_default();
            silence.wait(since, Instant::now());
        }
    }
}

/// Takes each piece of a layer for an answer: one may be longer under way than a registry may be silent.
pub(crate) struct Listening {
    silences: Arc<Silences>,
    registry: String,
    onlooker: Arc<dyn Onlooker>,
}

impl Listening {
    pub(crate) fn new(
        silences: &Arc<Silences>,
        repository: &Repository,
        onlooker: Arc<dyn Onlooker>,
    ) -> Arc<Self> {
        Arc::new(Self {
            silences: Arc::clone(silences),
            registry: repository.registry(),
            onlooker,
        })
    }
}

impl Onlooker for Listening {
    fn see(&self, bytes: &[u8]) {
        self.silences.hear(&self.registry);
        self.onlooker.see(bytes);
    }

    fn looking(&self) -> Looking {
        self.onlooker.looking()
    }
}

#[cfg(test)]
mod tests {
    use countersign_common::{ImageRef, registry::Blind};

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    fn repository(name: &str) -> Repository {
        ImageRef::parse(name).unwrap().repository().clone()
    }

    fn timed_out(registry: &str) -> Result<(), Failure> {
        Err(Failure::Error(Error::TimedOut {
            registry: registry.to_owned(),
            path: "shop/api".to_owned(),
            seconds: 10,
        }))
    }

    /// As if a request to one of two registries had waited so long, and this had come of it.
    fn ends(silences: &Silences, age: Duration, became: &Result<(), Failure>) {
        let mut waiting = silences
            .ask(&repository("silent.example/shop/api"))
            .unwrap();
        waiting.since = Instant::now().checked_sub(age);
        waiting.end(became);
    }

    fn is_asked(silences: &Silences, name: &str) -> bool {
        silences
            .ask(&repository(name))
            .map(|mut waiting| waiting.since = None)
            .is_ok()
    }

    #[test]
    fn what_waited_at_once_is_counted_once() {
        let at = |seconds| Instant::now() + Duration::from_secs(seconds);
        let mut silence = Silence::default();
        let began = at(100);
        for second in [0, 0, 2, 15] {
            let since = began + Duration::from_secs(second);
            silence.wait(since, since + TIMEOUT);
        }
        // From 0 to 12, and from 15 on.
        assert_eq!(silence.waited, Duration::from_secs(22));
        assert_eq!(silence.requests, 4);
        let mut silence = Silence::since(began + Duration::from_secs(4));
        silence.wait(began, began + TIMEOUT);
        assert_eq!(silence.waited, Duration::from_secs(6));
    }

    #[test]
    fn a_registry_is_given_up_after_a_third_request_in_vain_and_no_other_is() {
        let silences = Silences::new(TIMEOUT);
        for _ in 0..3 {
            assert!(is_asked(&silences, "silent.example/shop/other"));
            ends(&silences, TIMEOUT, &timed_out("silent.example"));
            // The same time again would be counted once: that of another comes later.
            let mut known = silences.known();
            known.get_mut("silent.example").unwrap().until = None;
        }
        let told = silences
            .ask(&repository("silent.example/shop/other"))
            .unwrap_err();
        assert_eq!(
            told.to_string(),
            "silent.example has not answered 3 requests in a row, for 30 s, and is not asked any more"
        );
        assert!(is_asked(&silences, "other.example/shop/api"));
    }

    #[test]
    fn whatever_is_an_answer_ends_a_silence_and_what_was_not_sent_is_none() {
        let registry = || "silent.example".to_owned();
        let status = Error::Status {
            registry: registry(),
            path: "shop/api".to_owned(),
            status: 500,
            message: String::new(),
        };
        let throttled = |attempts| Error::Throttled {
            registry: registry(),
            attempts,
        };
        let credentials = Error::Credentials {
            registry: registry(),
            source: "none".into(),
        };
        let failed = |error| Err(Failure::Error(error));
        for (became, seconds) in [
            (Ok(()), 0),
            (failed(status), 0),
            (failed(throttled(1)), 0),
            (failed(throttled(0)), 10),
            (failed(credentials), 10),
            (timed_out("silent.example"), 19),
        ] {
            let silences = Silences::new(TIMEOUT);
            ends(&silences, TIMEOUT, &timed_out("silent.example"));
            silences.known().get_mut("silent.example").unwrap().until = None;
            ends(&silences, Duration::from_secs(9), &became);
            let known = silences.known();
            assert_eq!(
                known["silent.example"].waited.as_secs(),
                seconds,
                "{became:?}"
            );
        }
    }

    #[test]
    fn a_piece_of_a_layer_is_an_answer() {
        let silences = Arc::new(Silences::new(TIMEOUT));
        ends(&silences, TIMEOUT * 3, &timed_out("silent.example"));
        assert!(!is_asked(&silences, "silent.example/shop/api"));
        let of = repository("silent.example/shop/api");
        let listening = Listening::new(&silences, &of, Arc::new(Blind));
        listening.see(b"a piece");
        assert!(is_asked(&silences, "silent.example/shop/api"));
        // Else each piece would be carried to another thread.
        assert_eq!(listening.looking(), Looking::Brief);
    }
}

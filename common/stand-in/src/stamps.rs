//! The time-stamp authorities over HTTP (RFC 3161 §3.4): which there are, what their clocks say, how each is told to
//! answer. Called for each request to their listener. The tokens themselves are made in `tsa`.

use std::sync::{Mutex, OnceLock, PoisonError};

use url::Url;

use crate::{
    answer::Answer,
    clock,
    services::Asked,
    stand_in::StandIn,
    tsa::{GenTime, KeyKind, Mode, TimeAuthority},
};

const QUERY: &str = "application/timestamp-query";
const REPLY: &str = "application/timestamp-reply";

/// What an authority's clock says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Clock {
    /// Always this.
    At(GenTime),
    /// The system's time, so many seconds later (or, negative, earlier).
    Offset(i64),
    /// The system's time.
    System,
}

/// How an authority of a running stand-in answers. The default is honest, in whole seconds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TsaSetting {
    /// What its clock says.
    pub clock: Clock,
    /// The digits after the point, at most nine; [`Clock::At`] has its own.
    pub fraction_digits: usize,
    /// What its tokens are like.
    pub mode: Mode,
}

impl Default for TsaSetting {
    fn default() -> Self {
        Self {
            clock: Clock::System,
            fraction_digits: 0,
            mode: Mode::default(),
        }
    }
}

impl TsaSetting {
    fn time(&self) -> GenTime {
        let offset = match &self.clock {
            Clock::At(time) => return time.clone(),
            Clock::Offset(seconds) => *seconds,
            Clock::System => 0,
        };
        let now = clock::now();
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        GenTime {
            unix_seconds: seconds.saturating_add(offset),
            fraction: fraction(now.subsec_nanos(), self.fraction_digits),
        }
    }
}

/// The first digits of a fraction. DER has no zero at its end: there it is a unit late, which the accuracy covers.
fn fraction(nanoseconds: u32, digits: usize) -> String {
    let mut fraction = format!("{nanoseconds:09}");
    fraction.truncate(digits);
    if fraction.ends_with('0') {
        fraction.pop();
        fraction.push('1');
    }
    fraction
}

impl StandIn {
    /// Where the time-stamp authority of this name answers, if there is one.
    pub fn tsa_url(&self, name: &str) -> Option<Url> {
        let found = self.services.stamps.find(name);
        found.map(|served| served.url.clone())
    }

    /// The authority of this name, with its keys.
    pub fn time_authority(&self, name: &str) -> Option<&TimeAuthority> {
        self.services.stamps.find(name)?.authority()
    }

    /// The certificates of the authority of this name: the signer's and the root's, as PEM.
    pub fn tsa_chain_pem(&self, name: &str) -> Option<String> {
        self.time_authority(name).map(TimeAuthority::chain_pem)
    }

    /// Changes how the authority of this name answers from now on.
    ///
    /// # Panics
    ///
    /// If there is none: a test would otherwise pass because the lie that it arranged is not told.
    pub fn set_tsa(&self, name: &str, setting: TsaSetting) {
        let found = self.services.stamps.find(name);
        #[expect(clippy::expect_used, reason = "a mistake in a test, as said above")]
        let served = found.expect("a time-stamp authority of this name");
        *served.lock() = setting;
    }
}

/// All authorities of one stand-in.
#[derive(Debug)]
pub(crate) struct Stamps(Vec<Served>);

#[derive(Debug)]
struct Served {
    kind: KeyKind,
    name: String,
    setting: Mutex<TsaSetting>,
    url: Url,
    /// Made when it is first needed: RSA keys take long, and most stand-ins stamp nothing.
    made: OnceLock<Option<TimeAuthority>>,
}

impl Stamps {
    pub(crate) fn new(authorities: &[(String, KeyKind)], address: &Url) -> Self {
        let serve = |(name, kind): &(String, KeyKind)| {
            let mut url = address.clone();
            url.set_path(name);
            Served {
                kind: *kind,
                name: name.clone(),
                setting: Mutex::default(),
                url,
                made: OnceLock::new(),
            }
        };
        Self(authorities.iter().map(serve).collect())
    }

    pub(crate) fn answer(&self, asked: &Asked) -> Answer {
        let Some(served) = self.0.iter().find(|served| served.url.path() == asked.path) else {
            return Answer::text(404, "no time-stamp authority has this name\n");
        };
        if asked.method != hyper::Method::POST {
            return Answer::text(405, "a time stamp is asked for with POST\n")
                .with("Allow", "POST");
        }
        let sent = asked.header("content-type").unwrap_or_default();
        if sent.split(';').next().map(str::trim) != Some(QUERY) {
            return Answer::text(415, &format!("a request for a time stamp is {QUERY}\n"));
        }
        let Some(authority) = served.authority() else {
            return Answer::text(500, "the keys of the time-stamp authority cannot be made\n");
        };
        let setting = served.lock().clone();
        let response = authority.respond(&asked.body, setting.time(), &setting.mode);
        Answer::new(200).with("Content-Type", REPLY).body(response)
    }

    /// The authorities and where they answer, in the order in which they were asked for.
    pub(crate) fn made(&self) -> impl Iterator<Item = (&Url, &TimeAuthority)> {
        self.0
            .iter()
            .filter_map(|served| Some((&served.url, served.authority()?)))
    }

    fn find(&self, name: &str) -> Option<&Served> {
        self.0.iter().find(|served| served.name == name)
    }
}

impl Served {
    fn authority(&self) -> Option<&TimeAuthority> {
        let generate = || TimeAuthority::generate(&self.name, self.kind).ok();
        self.made.get_or_init(generate).as_ref()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, TsaSetting> {
        self.setting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_has_its_digits_and_no_zero_at_the_end() {
        for (nanoseconds, digits, expected) in [
            (123_456_789, 0, ""),
            (123_456_789, 3, "123"),
            (120_456_789, 3, "121"),
            (5, 9, "000000005"),
            (0, 2, "01"),
            (123_456_789, 12, "123456789"),
        ] {
            assert_eq!(fraction(nanoseconds, digits), expected);
        }
    }
}

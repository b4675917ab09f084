//! Time-stamp authorities that are the same in each run, and what they stamp, rightly or wrongly.

use std::sync::LazyLock;

use countersign_common::{
    Signature, Timestamp,
    rfc3161::{Request, Stamped},
};
use countersign_stand_in::tsa::{Accuracy, Defect, GenTime, Mode, TimeAuthority};

/// When the usual publication is stamped, inside and after.
pub(crate) const BEFORE: &str = "2026-11-24T09:00:00Z";
pub(crate) const AFTER: &str = "2026-11-24T09:00:01Z";

/// An authority of `fixtures/time-authorities`: everybody has its key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Tsa {
    One,
    Two,
    Three,
}

static AUTHORITIES: LazyLock<[TimeAuthority; 3]> = LazyLock::new(|| {
    [
        include_str!("../../../fixtures/time-authorities/one.pem"),
        include_str!("../../../fixtures/time-authorities/two.pem"),
        include_str!("../../../fixtures/time-authorities/three.pem"),
    ]
    .map(|pem| TimeAuthority::from_pem(pem).unwrap())
});

impl Tsa {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Two => "two",
            Self::Three => "three",
        }
    }

    /// What a verifier gets.
    pub(crate) fn chain(self) -> String {
        self.authority().chain_pem()
    }

    fn authority(self) -> &'static TimeAuthority {
        &AUTHORITIES[self as usize]
    }

    /// An honest stamp at this time, exact to a second.
    pub(crate) fn at(self, time: &'static str) -> Stamping {
        Stamping {
            authority: self,
            time,
            mode: Mode::default(),
            over: Over::Due,
            edit: |_| (),
        }
    }
}

/// What is stamped.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Over {
    /// What is due on its side: the constant, or the signature.
    Due,
    /// Something else.
    Other(&'static [u8]),
    /// What was signed, where its signature is due.
    Payload,
}

/// One stamp: whose, when, how, of what, and what is then done to it.
#[derive(Clone, Debug)]
pub(crate) struct Stamping {
    authority: Tsa,
    /// RFC 3339, with the fraction that the stamp is to have.
    time: &'static str,
    mode: Mode,
    over: Over,
    edit: fn(&mut Vec<u8>),
}

impl Stamping {
    pub(crate) fn with(self, defect: Defect) -> Self {
        self.mode(|mode| mode.defect = Some(defect))
    }

    pub(crate) fn mode(mut self, edit: impl FnOnce(&mut Mode)) -> Self {
        edit(&mut self.mode);
        self
    }

    /// Exact to so many seconds.
    pub(crate) fn exact_to(self, seconds: i64) -> Self {
        self.mode(|mode| {
            mode.accuracy = Some(Accuracy {
                seconds: Some(seconds),
                ..Accuracy::default()
            });
        })
    }

    pub(crate) fn over(self, over: Over) -> Self {
        Self { over, ..self }
    }

    pub(crate) fn edited(self, edit: fn(&mut Vec<u8>)) -> Self {
        Self { edit, ..self }
    }

    /// The stamp that lies in a payload.
    pub(crate) fn before(&self) -> Vec<u8> {
        match self.over {
            Over::Due => self.stamp(Stamped::Before),
            Over::Other(bytes) => self.stamp_bytes(bytes),
            Over::Payload => unreachable!("it lies in the payload"),
        }
    }

    /// The stamp of a signature.
    pub(crate) fn after(&self, payload: &[u8], signature: &[u8]) -> Vec<u8> {
        self.stamp_bytes(match self.over {
            Over::Due => signature,
            Over::Other(bytes) => bytes,
            Over::Payload => payload,
        })
    }

    fn stamp_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        self.stamp(Stamped::Signature(&Signature::from(bytes.to_vec())))
    }

    fn stamp(&self, stamped: Stamped<'_>) -> Vec<u8> {
        let request = Request::new(stamped, 1).to_der();
        let fraction = self.time.split_once('.').map(|(_, rest)| rest);
        let time = GenTime {
            unix_seconds: Timestamp::parse(self.time).unwrap().unix_seconds(),
            fraction: fraction
                .unwrap_or_default()
                .trim_end_matches('Z')
                .to_owned(),
        };
        let mut stamp = self
            .authority
            .authority()
            .respond(&request, time, &self.mode);
        (self.edit)(&mut stamp);
        stamp
    }
}

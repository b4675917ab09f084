//! Time-stamp authorities in memory, whose clocks, absences and lies a test chooses.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use countersign_common::{
    Bundle, Digest, Limits, Signature, Statement, Task, Timestamp, TimestampAuthority,
    rfc3161::{Anchor, Request, Response, Stamped, decode},
    time_authority::{Error, Failure, Refusal},
};
use countersign_stand_in::tsa::{self, GenTime, KeyKind, Mode};
use countersign_trust_roots::{
    TimeAuthority, TimeRules,
    time::{Standing, Window},
};

use super::world::{MemoryRegistry, now};
use crate::{Fewer, Record, SignedDate, Stamping};

/// Its stamps differ each time.
pub(super) static ONE: LazyLock<tsa::TimeAuthority> =
    LazyLock::new(|| tsa::TimeAuthority::generate("one", KeyKind::EcdsaP256).unwrap());
/// The same stamp for the same question at the same time.
pub(super) static TWO: LazyLock<tsa::TimeAuthority> = LazyLock::new(|| {
    tsa::TimeAuthority::from_pem(include_str!("../../../fixtures/time-authorities/two.pem"))
        .unwrap()
});

const NONCE: u64 = 7;

/// What an authority does when it is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    /// Stamps when it is so many seconds after [`now`].
    At(i64),
    /// Gives no answer.
    Away,
    /// Is caught at a lie.
    Lie,
    /// Stamps something else than it was asked to.
    OfAnother,
}

/// One authority. A clone is the same one.
#[derive(Clone)]
pub(super) struct Witness(Arc<Script>);

struct Script {
    authority: &'static tsa::TimeAuthority,
    /// Of each stamp that lies inside; the last one is repeated.
    before: Vec<Answer>,
    /// Of the signatures after each of those.
    after: Vec<Answer>,
    befores: AtomicUsize,
    afters: AtomicUsize,
}

impl Witness {
    /// Stamps what is signed, and the signature two seconds later.
    pub(super) fn of(authority: &'static tsa::TimeAuthority) -> Self {
        Self::at(authority, 0)
    }

    /// The same, so many seconds after [`now`].
    pub(super) fn at(authority: &'static tsa::TimeAuthority, seconds: i64) -> Self {
        Self::scripted(authority, &[(Answer::At(seconds), Answer::At(seconds + 2))])
    }

    /// What it does before and after each signature.
    pub(super) fn scripted(
        authority: &'static tsa::TimeAuthority,
        answers: &[(Answer, Answer)],
    ) -> Self {
        let (before, after) = answers.iter().copied().unzip();
        Self(Arc::new(Script {
            authority,
            before,
            after,
            befores: AtomicUsize::new(0),
            afters: AtomicUsize::new(0),
        }))
    }

    /// How often it was asked for a stamp that lies inside.
    pub(super) fn befores(&self) -> usize {
        self.0.befores.load(Ordering::Relaxed)
    }

    /// How often it was asked to stamp a signature.
    pub(super) fn afters(&self) -> usize {
        self.0.afters.load(Ordering::Relaxed)
    }

    fn answer(&self, answer: Answer, stamped: Stamped<'_>) -> Result<Vec<u8>, Failure> {
        let url = || "https://tsa.example/".to_owned();
        match answer {
            Answer::At(seconds) => Ok(stamp(self.0.authority, stamped, seconds)),
            Answer::OfAnother => {
                let another = Signature::from(b"another".to_vec());
                let another = Stamped::Signature(&another);
                Ok(stamp(self.0.authority, another, 0))
            }
            Answer::Away => Err(Error::Status {
                url: url(),
                status: 503,
                message: String::new(),
            }
            .into()),
            Answer::Lie => Err(Refusal::AnotherNonce { url: url() }.into()),
        }
    }
}

impl TimestampAuthority for Witness {
    fn before(&self) -> Task<'_, Result<Vec<u8>, Failure>> {
        Box::pin(async {
            let asked = self.0.befores.fetch_add(1, Ordering::Relaxed);
            self.answer(nth(&self.0.before, asked), Stamped::Before)
        })
    }

    fn after<'a>(&'a self, signature: &'a Signature) -> Task<'a, Result<Vec<u8>, Failure>> {
        Box::pin(async {
            self.0.afters.fetch_add(1, Ordering::Relaxed);
            let attempt = self.befores().saturating_sub(1);
            let answer = nth(&self.0.after, attempt);
            self.answer(answer, Stamped::Signature(signature))
        })
    }
}

fn nth(answers: &[Answer], position: usize) -> Answer {
    answers[position.min(answers.len() - 1)]
}

/// An honest stamp.
pub(super) fn stamp(authority: &tsa::TimeAuthority, stamped: Stamped<'_>, seconds: i64) -> Vec<u8> {
    let time = GenTime::seconds(now().unix_seconds() + seconds);
    authority.respond(
        &Request::new(stamped, NONCE).to_der(),
        time,
        &Mode::default(),
    )
}

/// Rules that trust these authorities, each under another operator.
pub(super) fn rules(
    authorities: &[&tsa::TimeAuthority],
    threshold: usize,
    max_interval: Duration,
) -> TimeRules {
    let trusted = authorities.iter().enumerate();
    let trusted = trusted.map(|(position, authority)| TimeAuthority {
        operator: format!("operator {position}"),
        anchor: anchor(authority),
        valid: Window::default(),
        accuracy: TimeRules::ACCURACY,
        standing: Standing::Good,
    });
    let threshold = NonZeroUsize::new(threshold).unwrap();
    TimeRules::new(trusted.collect(), threshold, max_interval).unwrap()
}

/// Rules that trust both authorities, of which one is enough.
pub(super) fn trusting_both() -> TimeRules {
    rules(&[&ONE, &TWO], 1, TimeRules::MAX_INTERVAL)
}

pub(super) fn anchor(authority: &tsa::TimeAuthority) -> Anchor {
    Anchor::from_pem(authority.chain_pem().as_bytes(), &Limits::TABLE).unwrap()
}

/// Asks these.
pub(super) fn stamping(witnesses: &[&Witness], rules: TimeRules, fewer: Fewer) -> Stamping {
    let boxed =
        |witness: &&Witness| -> Box<dyn TimestampAuthority> { Box::new((*witness).clone()) };
    let boxed = witnesses.iter().map(boxed).collect();
    Stamping::new((boxed, witnesses.len()), rules, fewer)
        .unwrap()
        .unwrap()
}

/// A document as it lies in a registry.
pub(super) struct Written {
    pub(super) bundle: Bundle,
    pub(super) statement: Statement,
}

impl Written {
    pub(super) fn read(registry: &MemoryRegistry, record: &Record) -> Self {
        let limits = Limits {
            bundle: Limits::TABLE.attestation,
            ..Limits::TABLE
        };
        let bundle = Bundle::parse(&registry.blob_of(&record.bundle), &limits).unwrap();
        let statement = Statement::parse(bundle.payload(), &limits).unwrap();
        Self { bundle, statement }
    }

    pub(super) fn payload(&self) -> &str {
        std::str::from_utf8(self.bundle.payload()).unwrap()
    }

    /// When each stamp of its signature was made, in seconds after [`now`], if it is by these authorities in this order.
    pub(super) fn after(&self, authorities: &[&tsa::TimeAuthority]) -> Vec<i64> {
        let stamped = Stamped::Signature(self.bundle.signature());
        times(self.bundle.stamps(), stamped, authorities)
    }

    /// The same of the stamps inside.
    pub(super) fn before(&self, authorities: &[&tsa::TimeAuthority]) -> Vec<i64> {
        times(self.statement.before_stamps(), Stamped::Before, authorities)
    }
}

fn times(stamps: &[String], stamped: Stamped<'_>, authorities: &[&tsa::TimeAuthority]) -> Vec<i64> {
    assert_eq!(stamps.len(), authorities.len());
    let time = |(stamp, authority): (&String, &&tsa::TimeAuthority)| {
        let der = decode(stamp, &Limits::TABLE).unwrap();
        let response = Response::parse(&der, &Limits::TABLE).unwrap();
        let stamp = response.verify(stamped, &anchor(authority)).unwrap();
        stamp.moment().time().unix_seconds() - now().unix_seconds()
    };
    stamps.iter().zip(authorities).map(time).collect()
}

/// So many seconds after [`now`].
pub(super) fn after_now(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_unix_seconds(now().unix_seconds() + seconds)
}

/// The date of what was signed between these, in seconds after [`now`].
pub(super) fn proven((not_before, not_after): (i64, i64)) -> SignedDate {
    SignedDate {
        claimed_at: None,
        not_before: after_now(not_before),
        not_after: after_now(not_after),
    }
}

/// The image of every test.
pub(super) fn image_digest() -> Digest {
    super::world::image_manifest("{}").digest().clone()
}

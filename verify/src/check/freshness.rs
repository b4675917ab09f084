//! Is the image of the age that is demanded, as far as its proven date says?
//!
//! Each demand is held against the end of the interval that makes it harder to meet. Without a signed table of tags nothing
//! proves that an earlier publication was not hidden: the verdict says so.

use std::time::Duration;

use countersign_common::{Timestamp, publication::PublicationDate};
use countersign_trust_roots::document::{Case, dating::Dated, validity::Valid};

use crate::{
    DateLimit, Demand, Exceptable, Level, Refusal,
    exception::{InForce, Parted},
    verdict::{Fault, Published, distinct},
};

/// What a proven date must be like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DateDemand {
    /// Published at most so long ago.
    MaxAge(Duration),
    /// Published at least so long ago.
    MinAge(Duration),
    /// Published then or later.
    PublishedAfter(Timestamp),
    /// Published then or earlier.
    PublishedBefore(Timestamp),
    /// Not past the end of its publisher's support.
    Supported,
}

/// The image is as fresh as is demanded.
#[derive(Debug)]
#[must_use]
pub struct Fresh<'b, 'id, 'e> {
    case: Case<'id, 'e>,
    date: Date<'b, 'id, 'e>,
    excepted: Vec<Refusal>,
}

/// When an image was published, and how much that is worth.
#[derive(Debug)]
pub enum Date<'b, 'id, 'e> {
    /// By its publisher's word alone.
    Claimed(&'b Valid<'id, 'e>, Timestamp),
    /// Proven; the earliest of several.
    Proven(Dated<'b, 'id, 'e>),
    /// Nothing that counts says so.
    Unknown,
}

impl<'b, 'id, 'e> Fresh<'b, 'id, 'e> {
    /// The judgement that it belongs to.
    pub fn case(&self) -> Case<'id, 'e> {
        self.case
    }

    /// When it was published.
    pub fn date(&self) -> &Date<'b, 'id, 'e> {
        &self.date
    }

    /// What its date would refuse it for without an exception.
    pub fn excepted(&self) -> &[Refusal] {
        &self.excepted
    }

    /// Unless it is demanded to be young, and something could not be fetched that may be an earlier publication.
    pub(crate) fn unless_open(
        self,
        (demand, exceptions): (&Demand, &InForce<'_>),
        open: Vec<Fault>,
    ) -> Result<Self, Stale<'b, 'id, 'e>> {
        let is_young = |date: &&DateDemand| date.unmet() != Exceptable::ImageTooNew;
        let is_refused = |date: &DateDemand| exceptions.find(date.unmet()).is_none();
        let mut own = demand.dates.iter().filter(is_young);
        let mut besides = demand.besides.dates.iter().filter(is_young);
        let earlier_would_not_do = own.any(is_refused) || besides.next().is_some();
        if earlier_would_not_do && !open.is_empty() {
            Err(Stale::Open(distinct(open)))
        } else {
            Ok(self)
        }
    }

    /// How much is proven.
    pub fn level(&self) -> Level {
        match self.date {
            Date::Proven(_) => Level::Dated,
            Date::Claimed(..) | Date::Unknown => Level::Signed,
        }
    }
}

/// The image is not as fresh as is demanded.
#[derive(Debug)]
pub enum Stale<'b, 'id, 'e> {
    /// The date that is proven would do, and what could not be fetched may prove an earlier one.
    Open(Vec<Fault>),
    /// No date is proven.
    Undated,
    /// The date that is proven is another than is demanded.
    Unmet(Dated<'b, 'id, 'e>, Parted),
}

/// What is proven of the date, and of that of the index that it was reached through, or of its child.
type Dates<'b, 'id, 'e> = (Vec<Dated<'b, 'id, 'e>>, Option<Published>);

/// Holds the earliest proven date against the demands. Where nothing is demanded a date may also be claimed.
pub fn check<'b, 'id, 'e>(
    case: Case<'id, 'e>,
    (publications, (dated, elsewhere)): (&'b [Valid<'id, 'e>], Dates<'b, 'id, 'e>),
    (demand, exceptions): (&Demand, &InForce<'_>),
    now: Timestamp,
) -> Result<Fresh<'b, 'id, 'e>, Stale<'b, 'id, 'e>> {
    let Some(dated) = earliest(dated) else {
        return if demand.level() >= Level::Dated {
            Err(Stale::Undated)
        } else {
            let date = earliest_claimed(publications);
            Ok(Fresh {
                case,
                date,
                excepted: Vec::new(),
            })
        };
    };
    let objections = |demands: &[DateDemand]| -> Vec<Refusal> {
        let demands = demands.iter();
        let objections = demands.filter_map(|date| date.objection(&dated, elsewhere.as_ref(), now));
        objections.collect()
    };
    let unmet = exceptions.part(objections(&demand.dates), objections(&demand.besides.dates));
    if unmet.standing.is_empty() {
        Ok(Fresh {
            case,
            date: Date::Proven(dated),
            excepted: unmet.excepted,
        })
    } else {
        Err(Stale::Unmet(dated, unmet))
    }
}

/// A second publication must not make an image younger. The last part only makes the choice repeatable.
pub(super) fn earliest<'b, 'id, 'e>(dated: Vec<Dated<'b, 'id, 'e>>) -> Option<Dated<'b, 'id, 'e>> {
    dated.into_iter().min_by_key(|dated| {
        let interval = dated.proven().interval;
        (
            interval.not_before(),
            interval.not_after(),
            dated.bound().claim().payload_digest(),
        )
    })
}

fn earliest_claimed<'b, 'id, 'e>(publications: &'b [Valid<'id, 'e>]) -> Date<'b, 'id, 'e> {
    let claimed =
        |valid: &'b Valid<'id, 'e>| match valid.bound().claim().statement.publication()?.date {
            PublicationDate::Claimed(time) => Some((valid, time)),
            PublicationDate::Stamped(_) => None,
        };
    publications
        .iter()
        .filter_map(claimed)
        .min_by_key(|(_, time)| *time)
        .map_or(Date::Unknown, |(valid, time)| Date::Claimed(valid, time))
}

impl DateDemand {
    /// What a date that does not meet it refuses the image for.
    fn unmet(self) -> Exceptable {
        match self {
            Self::MaxAge(_) | Self::PublishedAfter(_) => Exceptable::ImageTooOld,
            Self::MinAge(_) | Self::PublishedBefore(_) => Exceptable::ImageTooNew,
            Self::Supported => Exceptable::ImageEndOfLife,
        }
    }

    /// Why a date does not meet it.
    fn objection(
        self,
        dated: &Dated<'_, '_, '_>,
        elsewhere: Option<&Published>,
        now: Timestamp,
    ) -> Option<Refusal> {
        let interval = dated.proven().interval;
        let (not_before, not_after) = (interval.not_before(), interval.not_after());
        // To list an old image in a new index, or the other way round, must not make it young.
        let not_before = elsewhere.map_or(not_before, |other| {
            not_before.min(other.interval.not_before())
        });
        let too_old = |limit| Refusal::ImageTooOld {
            not_before,
            age: now.since(not_before),
            limit,
        };
        let too_new = |limit| Refusal::ImageTooNew {
            not_after,
            age: now.since(not_after),
            limit,
        };
        match self {
            Self::MaxAge(limit) => {
                (now.since(not_before) > limit).then(|| too_old(DateLimit::MaxAge(limit)))
            }
            Self::MinAge(limit) => {
                (now.since(not_after) < limit).then(|| too_new(DateLimit::MinAge(limit)))
            }
            Self::PublishedAfter(limit) => {
                (not_before < limit).then(|| too_old(DateLimit::After(limit)))
            }
            Self::PublishedBefore(limit) => {
                (not_after > limit).then(|| too_new(DateLimit::Before(limit)))
            }
            Self::Supported => {
                let publication = dated.bound().claim().statement.publication();
                let until = publication
                    .and_then(|publication| publication.supported_until)
                    .into_iter()
                    .chain(elsewhere.and_then(|other| other.supported_until))
                    .min()?;
                (now > until).then(|| Refusal::ImageEndOfLife {
                    until,
                    past: now.since(until),
                })
            }
        }
    }
}

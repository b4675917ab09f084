//! Lets nothing out that a verifier would not believe.
//!
//! Asked before each push, and about what is there already. It is the verifiers' own code, with the signer's own key. Where
//! the signer does not know whom verifiers believe about time, stamps are checked by the certificates that they carry.

use std::collections::BTreeMap;

use countersign_common::{
    Limits, Timestamp,
    manifest::Body,
    publication::PublicationDate,
    rfc3161::{self, Moment, Response, Stamped},
};
use countersign_trust_roots::{
    Authorities, Authority, TimeRules,
    document::{
        Budget, Case, Expected, Kind, Refusal, Side, StampBudget, StandIn, Unbound, authenticity,
        binding::{self, Bound},
        dating, judge,
    },
    format::{self, Claim, Fetched},
    time::Interval,
};

use crate::{Plan, Sealed, SignedDate};

/// Reads what was sealed as a verifier will, and judges it.
pub(crate) fn check(sealed: &Sealed, rules: &TimeRules) -> Result<SignedDate, Refusal> {
    let plan = sealed.plan();
    let unreadable = || Refusal::SignatureInvalid {
        key: plan.key().name.clone(),
    };
    let claim = read(sealed).ok_or_else(unreadable)?;
    judged(plan, |case| {
        let bound = bound(case, &claim, plan.kind())?;
        date(&bound, rules)
    })
    .unwrap_or_else(|| Err(unreadable()))
}

fn read(sealed: &Sealed) -> Option<Claim> {
    let Body::Image(body) = sealed.manifest().body() else {
        return None;
    };
    let limits = Limits {
        bundle: Limits::TABLE.attestation,
        ..Limits::TABLE
    };
    let fetched = Fetched {
        manifest: sealed.manifest(),
        blob: sealed.bundle(),
    };
    (format::reader(body)?.read)(&fetched, &limits).ok()?.pop()
}

/// Opens a judgement on what a plan is about, by the plan's own key. `None` if there is none, which cannot be.
pub(crate) fn judged<R>(
    plan: &Plan,
    judgement: impl for<'id, 'e> FnOnce(Case<'id, 'e>) -> R,
) -> Option<R> {
    let expected = Expected {
        subject: plan.subject().clone(),
        repository: plan.repository().clone(),
        annotations: match plan.kind() {
            Kind::ImageSignature => plan.annotations().clone(),
            Kind::Attestation(_) | Kind::Publication => BTreeMap::new(),
        },
        unbound: Unbound::Refused,
        stand_in: StandIn::Accepted,
    };
    let authorities = Authorities::new([Authority {
        name: plan.key().name.clone(),
        key: plan.key().public_key.clone(),
        origin: plan.key().origin,
    }]);
    authorities
        .ok()
        .map(|authorities| judge(&expected, &authorities, judgement))
}

fn bound<'id, 'e>(
    case: Case<'id, 'e>,
    claim: &'e Claim,
    kind: &'e Kind,
) -> Result<Bound<'id, 'e>, Refusal> {
    let authentic = authenticity::check(case, claim, &mut Budget::of(1))?;
    binding::check(authentic, kind)
}

/// What the stamps of a document show, as far as it has any. One that is to have a proven date has it, or is refused.
pub(crate) fn date(bound: &Bound<'_, '_>, rules: &TimeRules) -> Result<SignedDate, Refusal> {
    let claim = bound.claim();
    let is_stamped = !claim.statement.before_stamps().is_empty();
    match claim
        .statement
        .publication()
        .map(|publication| &publication.date)
    {
        Some(PublicationDate::Claimed(time)) => Ok(SignedDate {
            claimed_at: Some(*time),
            ..SignedDate::default()
        }),
        Some(PublicationDate::Stamped(_)) => interval(bound, rules).map(between),
        None if is_stamped => interval(bound, rules).map(between),
        None if claim.after_stamps.is_empty() => Ok(SignedDate::default()),
        None => latest(bound, rules).map(|not_after| SignedDate {
            not_after: Some(not_after),
            ..SignedDate::default()
        }),
    }
}

fn between(interval: Interval) -> SignedDate {
    SignedDate {
        not_before: Some(interval.not_before()),
        not_after: Some(interval.not_after()),
        ..SignedDate::default()
    }
}

fn interval(bound: &Bound<'_, '_>, rules: &TimeRules) -> Result<Interval, Refusal> {
    let claim = bound.claim();
    let not_before = own_word(claim, Side::Before)?;
    let not_after = own_word(claim, Side::After)?;
    if !rules.authorities().is_empty() {
        // The stamps were made just now, and their adapter held them against the clock.
        return dating::check(bound, rules, not_before, &mut stamps())
            .map(|dated| dated.interval());
    }
    let interval = Interval::new(not_before, not_after).ok_or(Refusal::TimeIntervalEmpty {
        not_before,
        not_after,
    })?;
    if interval.width() > rules.max_interval() {
        return Err(Refusal::DateTooImprecise {
            interval,
            limit: rules.max_interval(),
        });
    }
    Ok(interval)
}

fn latest(bound: &Bound<'_, '_>, rules: &TimeRules) -> Result<Timestamp, Refusal> {
    let own_word = own_word(bound.claim(), Side::After)?;
    if rules.authorities().is_empty() {
        Ok(own_word)
    } else {
        dating::latest(bound, rules, &mut stamps()).map(|(latest, _)| latest)
    }
}

fn stamps() -> StampBudget {
    StampBudget::of(2 * Limits::TABLE.time_stamps)
}

/// What the stamps on one side say by the certificates that they carry themselves: the bound that they come to together.
fn own_word(claim: &Claim, side: Side) -> Result<Timestamp, Refusal> {
    let (stamps, stamped) = match side {
        Side::Before => (claim.statement.before_stamps(), Stamped::Before),
        Side::After => (
            claim.after_stamps.as_slice(),
            Stamped::Signature(claim.signature()),
        ),
    };
    let bounds = stamps.iter().map(|stamp| {
        let der = rfc3161::decode(stamp, &Limits::TABLE)?;
        let response = Response::parse(&der, &Limits::TABLE)?;
        let moment: &Moment = response.check_unanchored(stamped)?;
        let bound = match side {
            Side::Before => moment.earliest(TimeRules::ACCURACY),
            Side::After => moment.latest(TimeRules::ACCURACY),
        };
        bound.ok_or(rfc3161::Invalid::Accuracy)
    });
    let bounds = bounds
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| Refusal::StampInvalid { side, source })?;
    let decisive = match side {
        Side::Before => bounds.into_iter().max(),
        Side::After => bounds.into_iter().min(),
    };
    decisive.ok_or(Refusal::TimeEvidenceInsufficient {
        side,
        found: 0,
        threshold: 1,
    })
}

//! Lets nothing out that a verifier would not believe.
//!
//! Asked before each push, and about what is there already. It is the verifiers' own code, with the signer's own key. Where
//! the signer does not know whom verifiers believe about time, stamps are checked by the certificates that they carry.

use std::collections::BTreeMap;

use countersign_common::{
    Digest, Limits, Timestamp,
    manifest::Body,
    publication::PublicationDate,
    rfc3161::{self, Invalid, Response, Stamped},
};
use countersign_trust_roots::{
    Authorities, Authority, TimeRules,
    document::{
        Budget, Case, Expected, Kind, Refusal, Side, StandIn, Unbound, authenticity,
        binding::{self, Bound},
        dating, judge,
    },
    format::{self, Claim, Fetched, Format},
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
        date(&bound, rules, Origin::Made)
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
        layers: &[0],
        blob: sealed.bundle(),
    };
    let reader = format::reader(body, &[Format::SigstoreBundle])?;
    (reader.read)(&fetched, &limits).ok()?.pop()
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
    let authorities = Authorities::new([Authority::unlimited(
        plan.key().name.clone(),
        plan.key().public_key.clone(),
        plan.key().origin,
    )]);
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

/// Where a document comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    /// Somebody put it beside the image.
    Found,
    /// It was just made here.
    Made,
}

/// What the stamps of a document show, as far as it has any. One that is to have a proven date has it, or is refused.
pub(crate) fn date(
    bound: &Bound<'_, '_>,
    rules: &TimeRules,
    origin: Origin,
) -> Result<SignedDate, Refusal> {
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
        Some(PublicationDate::Stamped(_)) => interval(bound, rules, origin).map(between),
        None if is_stamped => interval(bound, rules, origin).map(between),
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

fn interval(bound: &Bound<'_, '_>, rules: &TimeRules, origin: Origin) -> Result<Interval, Refusal> {
    if !rules.authorities().is_empty() {
        // The stamps of a new document were held against the clock when they were fetched.
        return dating::prove(bound, rules, &Limits::TABLE).map(|proven| proven.interval);
    }
    let before = own_words(bound.claim(), Side::Before)?;
    let mut after = own_words(bound.claim(), Side::After)?;
    // The stamps inside are signed by our own key, the others are anybody's to add: of these only those count that are by
    // the same keys. What was just made is by whom we asked, with whichever of their keys.
    if origin == Origin::Found {
        after.retain(|word| before.iter().any(|known| known.signer == word.signer));
    }
    let insufficient = |side| Refusal::TimeEvidenceInsufficient {
        side,
        found: 0,
        threshold: 1,
    };
    let not_before = before.iter().map(|word| word.bound).max();
    let not_before = not_before.ok_or_else(|| insufficient(Side::Before))?;
    let not_after = after.iter().map(|word| word.bound).min();
    let not_after = not_after.ok_or_else(|| insufficient(Side::After))?;
    dating::between(not_before, not_after, rules)
}

fn latest(bound: &Bound<'_, '_>, rules: &TimeRules) -> Result<Timestamp, Refusal> {
    if !rules.authorities().is_empty() {
        return dating::latest(bound, rules, &Limits::TABLE).map(|(latest, _)| latest);
    }
    let words = own_words(bound.claim(), Side::After)?;
    let earliest = words.into_iter().map(|word| word.bound).min();
    earliest.ok_or(Refusal::TimeEvidenceInsufficient {
        side: Side::After,
        found: 0,
        threshold: 1,
    })
}

/// What a stamp says by the certificate that it carries itself.
struct Word {
    signer: Digest,
    bound: Timestamp,
}

/// What the stamps on one side say. Those that do not count are passed over, if others do.
fn own_words(claim: &Claim, side: Side) -> Result<Vec<Word>, Refusal> {
    let (stamps, stamped) = match side {
        Side::Before => (claim.statement.before_stamps(), Stamped::Before),
        Side::After => (
            claim.after_stamps.as_slice(),
            Stamped::Signature(claim.signature()),
        ),
    };
    let mut words = Vec::new();
    let mut refused = None;
    for stamp in stamps {
        match own_word(stamp, side, stamped) {
            Ok(word) => words.push(word),
            Err(source) => refused = refused.or(Some(Refusal::StampInvalid { side, source })),
        }
    }
    match refused {
        Some(refused) if words.is_empty() => Err(refused),
        _ => Ok(words),
    }
}

fn own_word(stamp: &str, side: Side, stamped: Stamped<'_>) -> Result<Word, Invalid> {
    let der = rfc3161::decode(stamp, &Limits::TABLE)?;
    let stamp = Response::parse(&der, &Limits::TABLE)?.check_unanchored(stamped)?;
    let bound = match side {
        Side::Before => stamp.moment().earliest(TimeRules::ACCURACY),
        Side::After => stamp.moment().latest(TimeRules::ACCURACY),
    };
    Ok(Word {
        signer: stamp.signer().clone(),
        bound: bound.ok_or(Invalid::Accuracy)?,
    })
}

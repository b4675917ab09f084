//! The fourth step: when was the document signed?
//!
//! Stamps inside what was signed are older than the signature, stamps of the signature are younger. Each counts only if an
//! authority that is trusted here made it, and only as one witness an operator.

use std::{borrow::Cow, collections::BTreeMap, fmt, num::NonZeroUsize};

use countersign_common::{
    Digest, Limits, Timestamp,
    publication::PublicationDate,
    rfc3161::{self, Invalid, Moment, Response, Stamped},
};

use super::{
    Refusal,
    binding::Bound,
    validity::{Proof, Valid},
};
use crate::{
    format::Claim,
    time::{Interval, Standing, TimeAuthority, TimeRules, not_after, not_before},
};

/// On which side of the signature a stamp was made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// Of the signature: it was made after it.
    After,
    /// Inside what was signed: it was made before it.
    Before,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::After => "after the signature",
            Self::Before => "before the signature",
        })
    }
}

/// What the stamps on both sides of a signature prove.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proven {
    /// When it was made.
    pub interval: Interval,
    /// How many operators agree on each end.
    pub threshold: NonZeroUsize,
    /// Who stamped what was signed.
    pub before: Witnesses,
    /// Who stamped the signature.
    pub after: Witnesses,
}

/// A document, and the proven interval in which it was signed.
///
/// It borrows the token of the step before, since the same publication also counts as a signature.
#[derive(Debug)]
#[must_use]
pub struct Dated<'b, 'id, 'e> {
    valid: &'b Valid<'id, 'e>,
    proven: Cow<'b, Proven>,
}

impl<'b, 'id, 'e> Dated<'b, 'id, 'e> {
    /// The document.
    pub fn bound(&self) -> &'b Bound<'id, 'e> {
        self.valid.bound()
    }

    /// When it was signed, and who vouches for that.
    pub fn proven(&self) -> &Proven {
        &self.proven
    }
}

/// Whose stamps count on one side, and why others do not.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Witnesses {
    /// The distinct operators, sorted.
    pub operators: Vec<String>,
    /// The stamps that count for nothing.
    pub refused: Vec<Refusal>,
}

/// Proves when a document was signed, by a clock that must not be before that.
pub fn check<'b, 'id, 'e>(
    valid: &'b Valid<'id, 'e>,
    rules: &TimeRules,
    now: Timestamp,
    limits: &Limits,
) -> Result<Dated<'b, 'id, 'e>, Refusal> {
    let proven = match valid.proof() {
        Proof::Interval(proven) => Cow::Borrowed(proven),
        Proof::Latest(..) | Proof::Unneeded => Cow::Owned(prove(valid.bound(), rules, limits)?),
    };
    let not_before = proven.interval.not_before();
    // A year that cannot be written is not behind any.
    if now
        .plus(TimeRules::SKEW)
        .is_some_and(|latest| not_before > latest)
    {
        return Err(Refusal::ClockBehind { not_before, now });
    }
    Ok(Dated { valid, proven })
}

/// What a document's stamps prove, without a clock.
///
/// Each operator's best bound counts once; of these the `threshold`-th best decides, so that fewer lying operators than
/// that cannot exclude the truth.
pub fn prove(bound: &Bound<'_, '_>, rules: &TimeRules, limits: &Limits) -> Result<Proven, Refusal> {
    let claim = bound.claim();
    if let Some(PublicationDate::Claimed(claimed)) = claim
        .statement
        .publication()
        .map(|publication| &publication.date)
    {
        return Err(Refusal::DateUnproven { claimed: *claimed });
    }
    let before = Stamps::read(claim, rules, Side::Before, limits);
    let after = Stamps::read(claim, rules, Side::After, limits);
    // Stamps that nobody looked at may have narrowed what is too wide, or counted where too few do: strangers can put theirs
    // before the good ones.
    let unseen = before.unseen.clone().or(after.unseen.clone());
    let before = before.decide(rules, not_before);
    before
        .and_then(|before| Proven::of(before, after.decide(rules, not_after)?, rules))
        .map_err(|refusal| unseen.unwrap_or(refusal))
}

/// The same of what was stamped inside too, once its upper end is proven.
pub(super) fn prove_until(
    bound: &Bound<'_, '_>,
    latest: &(Timestamp, Witnesses),
    rules: &TimeRules,
    limits: &Limits,
) -> Result<Proven, Refusal> {
    let before = Stamps::read(bound.claim(), rules, Side::Before, limits);
    Proven::of(before.decide(rules, not_before)?, latest.clone(), rules)
}

impl Proven {
    fn of(
        (not_before, before): (Timestamp, Witnesses),
        (not_after, after): (Timestamp, Witnesses),
        rules: &TimeRules,
    ) -> Result<Self, Refusal> {
        Ok(Self {
            interval: between(not_before, not_after, rules)?,
            threshold: rules.threshold(),
            before,
            after,
        })
    }
}

/// The interval between two proven ends, if it is one and says enough.
pub fn between(
    not_before: Timestamp,
    not_after: Timestamp,
    rules: &TimeRules,
) -> Result<Interval, Refusal> {
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

/// Proves by when a document was signed at the latest: all that a signature without a stamp inside can show.
pub fn latest(
    bound: &Bound<'_, '_>,
    rules: &TimeRules,
    limits: &Limits,
) -> Result<(Timestamp, Witnesses), Refusal> {
    Stamps::read(bound.claim(), rules, Side::After, limits).decide(rules, not_after)
}

/// What the stamps on one side come to.
struct Stamps<'r> {
    side: Side,
    bounds: Vec<(&'r str, Timestamp)>,
    /// Not more than an honest document has: the rest is a stranger's, and only fills the verdict.
    refused: Vec<Refusal>,
    /// Whether some were not looked at.
    unseen: Option<Refusal>,
}

/// Picks the decisive bound.
type Select = fn(&[(&str, Timestamp)], NonZeroUsize) -> Option<Timestamp>;

impl<'r> Stamps<'r> {
    fn read(claim: &Claim, rules: &'r TimeRules, side: Side, limits: &Limits) -> Self {
        let (stamps, stamped) = match side {
            Side::Before => (claim.statement.before_stamps(), Stamped::Before),
            Side::After => (
                claim.after_stamps.as_slice(),
                Stamped::Signature(claim.signature()),
            ),
        };
        let mut read = Self {
            side,
            bounds: Vec::new(),
            refused: Vec::new(),
            unseen: None,
        };
        let about = (side, stamped);
        let mut signers: BTreeMap<Digest, &str> = BTreeMap::new();
        let mut count = |read: &mut Self, witness: Witness<'r>| {
            // One key is one witness: which anchor it leads to depends on what else lies in the stamp.
            let operator = signers.entry(witness.signer).or_insert(witness.operator);
            read.bounds.push((operator, witness.bound));
        };
        let mut left = Left::of(limits.time_stamps_checked);
        let mut pathless = Vec::new();
        for stamp in stamps {
            match witness(stamp, about, rules, (limits, &mut left), Path::Known) {
                Ok(witness) => count(&mut read, witness),
                Err(refusal) if is_of_path(&refusal) => pathless.push(stamp),
                Err(refusal) => read.refuse(refusal, limits),
            }
        }
        // Last, and few of them: strangers may fill their stamps with certificates that lead nowhere by many ways.
        let mut left = Left::of(limits.time_stamp_paths);
        for stamp in pathless {
            match witness(stamp, about, rules, (limits, &mut left), Path::Carried) {
                Ok(witness) => count(&mut read, witness),
                Err(refusal) => read.refuse(refusal, limits),
            }
        }
        read
    }

    fn refuse(&mut self, refusal: Refusal, limits: &Limits) {
        if matches!(refusal, Refusal::StampsTooMany { .. }) {
            self.unseen = Some(refusal);
        } else if self.refused.len() < limits.time_stamps {
            self.refused.push(refusal);
        }
    }

    fn decide(self, rules: &TimeRules, select: Select) -> Result<(Timestamp, Witnesses), Refusal> {
        let mut operators: Vec<String> = self
            .bounds
            .iter()
            .map(|(operator, _)| (*operator).to_owned())
            .collect();
        operators.sort();
        operators.dedup();
        match select(&self.bounds, rules.threshold()) {
            Some(decisive) => Ok((
                decisive,
                Witnesses {
                    operators,
                    refused: self.refused.into_iter().chain(self.unseen).collect(),
                },
            )),
            None => Err(self.nearest(operators.len(), rules)),
        }
    }

    /// Why so few count. Stamps that were not looked at may have; and one that was refused says more than a count.
    fn nearest(self, found: usize, rules: &TimeRules) -> Refusal {
        self.unseen.or(self.refused.into_iter().next()).unwrap_or(
            Refusal::TimeEvidenceInsufficient {
                side: self.side,
                found,
                threshold: rules.threshold().get(),
            },
        )
    }
}

/// Whose stamp it is, and the bound that it proves.
struct Witness<'r> {
    operator: &'r str,
    /// What names the key that made it.
    signer: Digest,
    bound: Timestamp,
}

/// By which certificates a signer's own may lead to an anchor.
#[derive(Clone, Copy)]
enum Path {
    /// By those that lie in the stamp too.
    Carried,
    /// By those that were given with the anchor.
    Known,
}

/// Whether another path might have led to another end.
fn is_of_path(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::TsaUntrusted { .. }
            | Refusal::StampInvalid {
                source: Invalid::CertificateExpired { .. } | Invalid::CertificateUsage,
                ..
            }
    )
}

/// How many stamps may still be checked.
struct Left {
    limit: usize,
    left: usize,
}

impl Left {
    fn of(limit: usize) -> Self {
        Self { limit, left: limit }
    }

    fn take(&mut self) -> Result<(), Refusal> {
        let limit = self.limit;
        self.left = self
            .left
            .checked_sub(1)
            .ok_or(Refusal::StampsTooMany { limit })?;
        Ok(())
    }
}

/// Checks one stamp. What is over something else is found out before it is counted against what is checked: anybody may add
/// stamps to a document.
fn witness<'r>(
    stamp: &str,
    (side, stamped): (Side, Stamped<'_>),
    rules: &'r TimeRules,
    (limits, left): (&Limits, &mut Left),
    path: Path,
) -> Result<Witness<'r>, Refusal> {
    let invalid = |source| Refusal::StampInvalid { side, source };
    let der = rfc3161::decode(stamp, limits).map_err(invalid)?;
    let response = Response::parse(&der, limits).map_err(invalid)?;
    response.check_imprint(stamped).map_err(invalid)?;
    left.take()?;
    let mut nearest = Refusal::TsaUntrusted { side };
    for authority in rules.authorities() {
        let verified = match path {
            Path::Carried => response.verify(stamped, &authority.anchor),
            Path::Known => response.verify_by_chain(stamped, &authority.anchor),
        };
        match verified {
            Ok(stamp) => match vouched(authority, stamp.moment(), side) {
                Ok(bound) => {
                    return Ok(Witness {
                        operator: &authority.operator,
                        signer: stamp.signer().clone(),
                        bound,
                    });
                }
                // Another entry with the same root may be for this time.
                Err(refusal) => nearest = refusal,
            },
            Err(Invalid::Untrusted | Invalid::CertificateMissing) => {}
            Err(source) if matches!(nearest, Refusal::TsaUntrusted { .. }) => {
                nearest = invalid(source);
            }
            Err(_) => {}
        }
    }
    Err(nearest)
}

/// What an authority's own stamp proves, if the authority was to be believed then.
fn vouched(authority: &TimeAuthority, moment: &Moment, side: Side) -> Result<Timestamp, Refusal> {
    let operator = authority.operator.clone();
    if authority.standing == Standing::Compromised {
        return Err(Refusal::TsaCompromised { side, operator });
    }
    let time = moment.time();
    if !authority.valid.contains(time) {
        return Err(Refusal::StampOutsideValidity {
            side,
            operator,
            time,
        });
    }
    let bound = match side {
        Side::Before => moment.earliest(authority.accuracy),
        Side::After => moment.latest(authority.accuracy),
    };
    bound.ok_or(Refusal::StampInvalid {
        side,
        source: Invalid::Accuracy,
    })
}

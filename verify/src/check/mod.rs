//! The judgement itself: pure, total, deterministic and bounded.
//!
//! Every claim goes `authentic → bound → valid`, a publication also `→ dated`; distinct keys make a quorum; a whole image with a
//! quorum and with the attestations and the date that are demanded is trusted, and nothing else is. A claim that fails on
//! the way becomes a reason or a remark, never silence.

pub mod attested;
mod claims;
pub mod demand;
pub(crate) mod documents;
pub mod freshness;
pub mod integrity;
pub mod quorum;
mod shortfall;
pub(crate) mod single;

use countersign_common::{Descriptor, Limits, Repository, Timestamp, registry};
use countersign_trust_roots::document::{self, Case, Kind, dating, judge, validity::Valid};

pub(crate) use self::shortfall::Parts;
use self::{
    claims::{Claims, Judged},
    documents::{Document, Place},
    shortfall::{Noticed, Shortfall},
};
use crate::{
    Level, Refusal, Verdict, Verifier,
    evidence::{Artifact, Evidence},
    exception::InForce,
    verdict::{Fault, Findings, Published},
};

/// Judges an image by what was found: by its own signatures, or by those of the index it was reached through.
///
/// All that is demanded is met on one of them: two signers of two different things did not agree on anything.
pub(crate) fn check(verifier: &Verifier, evidence: &Evidence, now: Timestamp) -> Verdict {
    let demanded = verifier.demand.kinds();
    let tagged = evidence.tagged.iter().flat_map(|tagged| &tagged.artifacts);
    let mut documents = documents::documents(&evidence.artifacts, Place::List);
    documents.extend(documents::documents(tagged, Place::Tag));
    let all = (evidence.artifacts.as_slice(), documents.as_slice());
    let subjects = evidence.subjects();
    let digests: Vec<_> = subjects.iter().map(|subject| &subject.digest).collect();
    let exceptions = InForce::of(&verifier.demand.exceptions, &digests, now);
    let demand = (&verifier.demand, &exceptions);
    let mut shortfalls = Vec::new();
    for subject in subjects {
        let expected = verifier.expected(evidence.image.repository(), subject);
        let attempt = judge(&expected, &verifier.authorities, |case| {
            let mut found = Found::of((verifier, &verifier.limits), case, all, &demanded);
            found
                .noticed
                .collecting(evidence, subject, &verifier.limits);
            let integrity = integrity::check(case, evidence, verifier.demand.depth);
            let vouchers = (found.signatures.as_slice(), found.publications.as_slice());
            let quorum = quorum::check(case, verifier.demand.signatures(), vouchers);
            let attested = attested::check(case, &demanded, &found.attestations, demand);
            let publications = (found.publications.as_slice(), found.judged);
            let dated = dated(
                (verifier, evidence),
                publications,
                now,
                &mut found.noticed.published,
            );
            let elsewhere = elsewhere((verifier, evidence), all, subject, now);
            let proven = dated.filter(|_| elsewhere.is_complete).unwrap_or_default();
            found.noticed.published.extend(elsewhere.published);
            let open = [found.noticed.signed.open(), &elsewhere.open].concat();
            let proven = (proven, elsewhere.earliest);
            let fresh = freshness::check(case, (&found.publications, proven), demand, now)
                .and_then(|fresh| fresh.unless_open(demand, open));
            match (integrity, quorum, attested, fresh) {
                (Ok(whole), Ok(quorum), Ok(attested), Ok(fresh)) => {
                    let trusted = demand::check(whole, quorum, attested, fresh);
                    let noticed = shortfall::remarks(&shortfalls, found.noticed);
                    Ok(Verdict::verified(
                        &trusted,
                        (evidence, &verifier.time),
                        now,
                        noticed,
                    ))
                }
                (integrity, quorum, attested, fresh) => Err(Shortfall::of(
                    integrity.map(|whole| whole.layers()),
                    (quorum, attested, fresh),
                    found.noticed,
                    &subject.digest,
                    (&verifier.time, now),
                )),
            }
        });
        match attempt {
            Ok(verdict) => return verdict,
            Err(shortfall) => shortfalls.push(shortfall),
        }
    }
    shortfall::verdict(shortfalls, evidence, now)
}

/// What was found for one judgement, and what was noticed on the way.
struct Found<'id, 'e> {
    signatures: Vec<Valid<'id, 'e>>,
    publications: Vec<Valid<'id, 'e>>,
    /// Whether all publications were judged.
    judged: Judged,
    attestations: Vec<Valid<'id, 'e>>,
    noticed: Noticed,
}

impl<'id, 'e> Found<'id, 'e> {
    fn of(
        (verifier, limits): (&Verifier, &Limits),
        case: Case<'id, 'e>,
        all: (&'e [Artifact], &'e [(Place, Document<'e>)]),
        demanded: &'e [Kind],
    ) -> Self {
        let mut noticed = Noticed::default();
        let (signed, published) = (&mut noticed.signed, &mut noticed.published);
        let asked = [&[Kind::ImageSignature, Kind::Publication], demanded].concat();
        let claims = Claims::of(case, all, &asked, signed);
        let rules = (&verifier.time, limits);
        let (signatures, _) = claims.valid(&Kind::ImageSignature, rules, signed);
        let (publications, judged) = claims.valid(&Kind::Publication, rules, published);
        Self {
            signatures,
            publications,
            judged,
            attestations: demanded
                .iter()
                .flat_map(|kind| claims.valid(kind, rules, signed).0)
                .collect(),
            noticed,
        }
    }
}

/// The publications whose date is proven, or `None` if an earlier one may be among those that were not looked at.
///
/// Without anybody to believe about time none is proven, and where none is demanded nothing is to be said of it.
fn dated<'b, 'id, 'e>(
    (verifier, evidence): (&Verifier, &Evidence),
    (publications, judged): (&'b [Valid<'id, 'e>], Judged),
    now: Timestamp,
    found: &mut Findings,
) -> Option<Vec<dating::Dated<'b, 'id, 'e>>> {
    let mut dated = Vec::new();
    if verifier.time.authorities().is_empty() && verifier.demand.level() == Level::Signed {
        return Some(dated);
    }
    let is_refused = |listing: &registry::Failure| matches!(listing, registry::Failure::Refusal(_));
    let mut is_complete = judged == Judged::All
        && evidence.left_out.small == 0
        && !evidence.listings.iter().any(is_refused);
    for publication in publications {
        match dating::check(publication, &verifier.time, now, &verifier.limits) {
            Ok(publication) => dated.push(publication),
            Err(source) => {
                // Whoever floods the earliest publication with stamps must not make the next one the earliest.
                is_complete &= !matches!(source, document::Refusal::StampsTooMany { .. });
                found.refused(&Refusal::Undated {
                    artifact: publication.bound().claim().artifact.clone(),
                    source,
                });
            }
        }
    }
    is_complete.then_some(dated)
}

/// What is known of the index that a child was reached through, or of the child: either is as old as the older of the two.
struct Elsewhere {
    earliest: Option<Published>,
    is_complete: bool,
    open: Vec<Fault>,
    published: Findings,
}

fn elsewhere<'e>(
    (verifier, evidence): (&Verifier, &Evidence),
    all: (&'e [Artifact], &'e [(Place, Document<'e>)]),
    subject: &Descriptor,
    now: Timestamp,
) -> Elsewhere {
    let mut elsewhere = Elsewhere {
        earliest: None,
        is_complete: true,
        open: Vec::new(),
        published: Findings::default(),
    };
    if verifier.demand.level() == Level::Signed {
        return elsewhere;
    }
    let subjects = evidence.subjects();
    for other in subjects.into_iter().filter(|other| *other != subject) {
        let expected = verifier.expected(evidence.image.repository(), other);
        judge(&expected, &verifier.authorities, |case| {
            let (mut signed, mut published) = (Findings::default(), Findings::default());
            let claims = Claims::of(case, all, &[Kind::Publication], &mut signed);
            let rules = (&verifier.time, &verifier.limits);
            let (publications, judged) = claims.valid(&Kind::Publication, rules, &mut published);
            let (about, publications) = ((verifier, evidence), (publications.as_slice(), judged));
            if let Some(dated) = dated(about, publications, now, &mut published) {
                elsewhere.earliest = freshness::earliest(dated)
                    .map(|dated| Published::of(&dated))
                    .or(elsewhere.earliest.take());
            } else {
                elsewhere.is_complete = false;
                elsewhere.published.extend(published);
            }
            elsewhere.open.extend_from_slice(signed.open());
        });
    }
    elsewhere
}

/// Whether all is there already that is demanded, so that nothing more needs to be fetched. Decides nothing else.
///
/// Where a date is demanded nothing is enough: an earlier publication may still come.
pub(crate) fn is_enough(
    verifier: &Verifier,
    repository: &Repository,
    subjects: &[Descriptor],
    artifacts: &[Artifact],
) -> bool {
    let demanded = verifier.demand.kinds();
    let documents = documents::documents(artifacts, Place::List);
    // What is excepted if it is missing may still come.
    let none = InForce::default();
    let few = verifier.limits.time_stamps;
    // This is asked of all that was fetched each time that more was: a crowd of stamps must not be checked as often.
    let limits = Limits {
        time_stamps_checked: few.min(verifier.limits.time_stamps_checked),
        time_stamp_paths: few.min(verifier.limits.time_stamp_paths),
        ..verifier.limits
    };
    verifier.demand.level() == Level::Signed
        && subjects.iter().any(|subject| {
            let expected = verifier.expected(repository, subject);
            judge(&expected, &verifier.authorities, |case| {
                let all = (artifacts, documents.as_slice());
                let found = Found::of((verifier, &limits), case, all, &demanded);
                let vouchers = (found.signatures.as_slice(), found.publications.as_slice());
                quorum::check(case, verifier.demand.signatures(), vouchers).is_ok()
                    && attested::check(
                        case,
                        &demanded,
                        &found.attestations,
                        (&verifier.demand, &none),
                    )
                    .is_ok()
            })
        })
}

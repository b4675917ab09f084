//! The second step: is the document about this content, in this repository, and of the kind that was asked for?

use std::collections::BTreeMap;

use countersign_common::{
    Digest,
    signer::KeyOrigin,
    statement::{STAND_IN_ANNOTATION, STATEMENT_V1, Subject},
};

use super::{Case, Expected, Kind, Refusal, StandIn, Unbound, authenticity::Authentic};
use crate::{
    Authority,
    format::{Claim, Format},
};

/// A trusted signer's claim about exactly what was asked.
#[derive(Debug)]
#[must_use]
pub struct Bound<'id, 'e> {
    case: Case<'id, 'e>,
    claim: &'e Claim,
    kind: &'e Kind,
    authority: &'e Authority,
    subject: &'e Subject,
}

impl<'id, 'e> Bound<'id, 'e> {
    /// The judgement that it belongs to.
    pub fn case(&self) -> Case<'id, 'e> {
        self.case
    }

    /// What was signed.
    pub fn claim(&self) -> &'e Claim {
        self.claim
    }

    /// What kind of claim it was found to be.
    pub fn kind(&self) -> &'e Kind {
        self.kind
    }

    /// Who signed it.
    pub fn authority(&self) -> &'e Authority {
        self.authority
    }

    /// What it says about the content.
    pub fn subject(&self) -> &'e Subject {
        self.subject
    }
}

/// Checks what an authentic claim says against what is expected of its kind.
pub fn check<'id, 'e>(
    authentic: Authentic<'id, 'e>,
    kind: &'e Kind,
) -> Result<Bound<'id, 'e>, Refusal> {
    let (case, claim, authority) = authentic.into_parts();
    let expected = case.expected();
    let wrong_type = |expected: &str, found: &str| Refusal::TypeMismatch {
        expected: expected.to_owned(),
        found: found.to_owned(),
    };
    // An attestation by a trusted key is not a signature of the image: it may even say "do not run this".
    if !kind.is_of(&claim.statement) {
        return Err(wrong_type(
            kind.predicate_type(),
            claim.statement.predicate_type(),
        ));
    }
    // Attestations of the older version are in the field; signatures and publications of it are not.
    let is_attestation = matches!(kind, Kind::Attestation(_));
    if claim.statement.kind() != STATEMENT_V1 && !is_attestation {
        return Err(wrong_type(STATEMENT_V1, claim.statement.kind()));
    }
    check_stand_in(expected, claim, authority)?;
    let subject = match kind {
        Kind::Publication => published(expected, claim)?,
        Kind::Attestation(_) => find_subject(expected, claim, &BTreeMap::new())?,
        Kind::ImageSignature => find_subject(expected, claim, &expected.annotations)?,
    };
    Ok(Bound {
        case,
        claim,
        kind,
        authority,
        subject,
    })
}

/// The subject of a publication: this content and nothing else, for the repository that the predicate names, and with the
/// size and type that the content has.
fn published<'e>(expected: &Expected, claim: &'e Claim) -> Result<&'e Subject, Refusal> {
    let mismatch = || Refusal::SubjectMismatch {
        expected: expected.subject.digest.clone(),
        found: first_digest(claim),
    };
    let [subject] = claim.statement.subjects() else {
        return Err(mismatch());
    };
    let publication = claim.statement.publication().ok_or_else(mismatch)?;
    if publication.repository != expected.repository.to_string() {
        return Err(Refusal::RepositoryMismatch {
            expected: expected.repository.clone(),
            named: publication.repository.clone(),
        });
    }
    if !subject.is(&expected.subject.digest) {
        return Err(mismatch());
    }
    let image = &expected.subject;
    if (publication.size, &publication.media_type) == (image.size, &image.media_type) {
        Ok(subject)
    } else {
        Err(Refusal::DescriptorMismatch {
            expected: (image.media_type.clone(), image.size),
            found: (publication.media_type.clone(), publication.size),
        })
    }
}

/// The subject that is what was asked about: this content, for this repository, with these annotations. If none is, the
/// first that is this content says why.
fn find_subject<'e>(
    expected: &'e Expected,
    claim: &'e Claim,
    annotations: &BTreeMap<String, String>,
) -> Result<&'e Subject, Refusal> {
    let mut first = None;
    for subject in claim.statement.subjects_naming(&expected.subject.digest) {
        let checked = check_repository(expected, claim.format, subject)
            .and_then(|()| check_annotations(annotations, subject));
        match checked {
            Ok(()) => return Ok(subject),
            Err(refusal) => first = first.or(Some(refusal)),
        }
    }
    Err(first.unwrap_or_else(|| Refusal::SubjectMismatch {
        expected: expected.subject.digest.clone(),
        found: first_digest(claim),
    }))
}

fn first_digest(claim: &Claim) -> Option<Digest> {
    claim
        .statement
        .subjects()
        .iter()
        .flat_map(Subject::digests)
        .next()
}

/// A signature of the same content for another repository was made under other rules, perhaps by another team.
///
/// cosign before version 3 names it and never compares it, so that copies of an image keep their signatures: where one that
/// names none counts, so does one that names another.
fn check_repository(expected: &Expected, format: Format, subject: &Subject) -> Result<(), Refusal> {
    match (subject.name(), expected.unbound) {
        (Some(_), Unbound::Reported) if format == Format::CosignSimple => Ok(()),
        (Some(name), _) if name != expected.repository.to_string() => {
            Err(Refusal::RepositoryMismatch {
                expected: expected.repository.clone(),
                named: name.to_owned(),
            })
        }
        (None, Unbound::Refused) => Err(Refusal::RepositoryUnbound {
            expected: expected.repository.clone(),
        }),
        (Some(_), _) | (None, Unbound::Reported) => Ok(()),
    }
}

/// By the key itself where it is known to be one; and by the annotation, whatever its value and on whichever subject,
/// since our signer puts it there and a public key in a file tells nothing.
fn check_stand_in(
    expected: &Expected,
    claim: &Claim,
    authority: &Authority,
) -> Result<(), Refusal> {
    if expected.stand_in == StandIn::Refused && is_stand_in(claim, authority) {
        return Err(Refusal::StandInKey {
            key: authority.name.clone(),
        });
    }
    Ok(())
}

/// Whether a claim was signed with a demonstration key.
pub fn is_stand_in(claim: &Claim, authority: &Authority) -> bool {
    authority.origin == KeyOrigin::StandIn
        || claim
            .statement
            .subjects()
            .iter()
            .any(|subject| subject.annotations().contains_key(STAND_IN_ANNOTATION))
}

fn check_annotations(
    expected: &BTreeMap<String, String>,
    subject: &Subject,
) -> Result<(), Refusal> {
    for (key, wanted) in expected {
        let found = subject.annotation(key);
        if found != Some(wanted) {
            return Err(Refusal::AnnotationMismatch {
                key: key.clone(),
                wanted: wanted.clone(),
                found: found.map(str::to_owned),
            });
        }
    }
    Ok(())
}

/// For messages: what a subject is, if not what was expected.
pub(super) fn shown(found: Option<&Digest>) -> String {
    found.map_or_else(|| "nothing that can be named".to_owned(), Digest::to_string)
}

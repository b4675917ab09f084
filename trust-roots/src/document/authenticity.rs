//! The first step: is the document signed by somebody who is trusted to sign such?

use countersign_common::bundle::ClaimedSigner;

use super::{Budget, Case, Kind, Refusal};
use crate::{Authority, Role, format::Claim};

/// A claim signed by a trusted key. What it says may still be about something else.
#[derive(Debug)]
#[must_use]
pub struct Authentic<'id, 'e> {
    case: Case<'id, 'e>,
    claim: &'e Claim,
    authority: &'e Authority,
}

impl<'id, 'e> Authentic<'id, 'e> {
    pub(super) fn into_parts(self) -> (Case<'id, 'e>, &'e Claim, &'e Authority) {
        (self.case, self.claim, self.authority)
    }
}

/// Checks the signature over the claim's bytes, with each trusted key that may have made it.
///
/// The key and its algorithm come from the authorities that have the role. The claim's hint only picks among them.
pub fn check<'id, 'e>(
    case: Case<'id, 'e>,
    claim: &'e Claim,
    budget: &mut Budget,
) -> Result<Authentic<'id, 'e>, Refusal> {
    let hinted = hinted(case, claim)?;
    let signed = claim.signed_bytes();
    let candidates =
        candidates(case, claim).filter(|one| hinted.is_none_or(|hinted| hinted == *one));
    for authority in candidates {
        budget.signature()?;
        if authority.key.verify(&signed, claim.signature()).is_ok() {
            return Ok(Authentic {
                case,
                claim,
                authority,
            });
        }
    }
    Err(match hinted {
        Some(authority) => Refusal::SignatureInvalid {
            key: authority.name.clone(),
        },
        None => Refusal::KeyUnknown {
            signer: String::new(),
            trusted: trusted(case, claim),
        },
    })
}

/// Those who may sign what the claim says that it is. That it is what was asked for is the next step's to check.
fn candidates<'e>(case: Case<'_, 'e>, claim: &Claim) -> impl Iterator<Item = &'e Authority> {
    let role = role(claim);
    let authorities = case.authorities().iter();
    authorities.filter(move |authority| authority.roles.contains(&role))
}

fn role(claim: &Claim) -> Role {
    if Kind::Publication.is_of(&claim.statement) {
        Role::Publish
    } else {
        Role::Sign
    }
}

/// Whether the claim names a trusted key. A hint, good for an order of trying and for nothing else.
pub fn names_trusted_key(case: Case<'_, '_>, claim: &Claim) -> bool {
    matches!(hinted(case, claim), Ok(Some(_)))
}

/// The one key that the claim names, or `None` if it names none and each may have signed.
fn hinted<'e>(case: Case<'_, 'e>, claim: &Claim) -> Result<Option<&'e Authority>, Refusal> {
    let unknown = |signer: &str| Refusal::KeyUnknown {
        signer: signer.to_owned(),
        trusted: trusted(case, claim),
    };
    if claim.signer == ClaimedSigner::Certificate {
        return Err(unknown("a certificate"));
    }
    // A hint that is a hash settles which key it is, so that junk with foreign hints costs no cryptography.
    if let Some(hint) = claim.signer.key_hash() {
        let mut authorities = case.authorities().iter();
        let named = authorities.find(|authority| authority.key.hint() == hint);
        let named = named.ok_or_else(|| unknown(&format!("key {hint}")))?;
        let role = role(claim);
        if named.roles.contains(&role) {
            Ok(Some(named))
        } else {
            Err(Refusal::RoleNotAuthorized {
                key: named.name.clone(),
                role,
            })
        }
    } else {
        Ok(None)
    }
}

fn trusted(case: Case<'_, '_>, claim: &Claim) -> Vec<String> {
    candidates(case, claim)
        .map(|authority| format!("{} ({}…)", authority.name, authority.key.id().short()))
        .collect()
}

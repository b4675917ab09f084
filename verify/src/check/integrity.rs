//! Is the image whole: do its manifest and configuration hash to their names, and is it for the platform asked for?

use bytes::Bytes;
use countersign_common::{Limits, Manifest, json, manifest::Platform};
use countersign_trust_roots::document::Case;

use crate::{
    Refusal,
    evidence::{ContentFault, Evidence, ImageContent},
    verdict::{Fault, Reason},
};

/// The image is whole, as far as manifest and configuration go: what is judged hashes to its name.
#[derive(Debug)]
#[must_use]
pub struct Whole<'id, 'e> {
    case: Case<'id, 'e>,
    content: &'e ImageContent,
}

impl<'id, 'e> Whole<'id, 'e> {
    /// The judgement that it belongs to.
    pub fn case(&self) -> Case<'id, 'e> {
        self.case
    }

    /// The manifest that is judged.
    pub fn manifest(&self) -> &'e Manifest {
        &self.content.manifest
    }
}

/// Why the image is not whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Broken {
    /// Could not find out.
    Fault(Fault),
    /// Found out, and no.
    Reason(Reason),
}

/// Checks the image that the case is about: itself, or the child of the index that the case is about.
pub fn check<'id, 'e>(
    case: Case<'id, 'e>,
    evidence: &'e Evidence,
) -> Result<Whole<'id, 'e>, Broken> {
    match &evidence.content {
        Ok(content) => {
            check_platform(evidence.platform.as_ref(), content.config.as_ref())?;
            Ok(Whole { case, content })
        }
        Err(ContentFault::Error(error)) => Err(Broken::Fault(error.into())),
        Err(ContentFault::Refusal(refusal)) => Err(Broken::Reason(refusal.into())),
    }
}

/// An image without an index says in its configuration what it runs on; one with an index must not say otherwise.
fn check_platform(wanted: Option<&Platform>, config: Option<&Bytes>) -> Result<(), Broken> {
    let (Some(wanted), Some(config)) = (wanted, config) else {
        return Ok(());
    };
    let found = json::from_slice::<Platform>(config, &Limits::TABLE)
        .ok()
        .filter(|found| !found.os.is_empty());
    if found
        .as_ref()
        .is_some_and(|found| does_not_contradict(found, wanted))
    {
        return Ok(());
    }
    let refusal = Refusal::PlatformMissing {
        wanted: wanted.clone(),
        available: found.into_iter().collect(),
    };
    Err(Broken::Reason((&refusal).into()))
}

/// Builders leave the variant out, and then the index that it was picked from has said it.
fn does_not_contradict(found: &Platform, wanted: &Platform) -> bool {
    let without_variant = Platform {
        variant: None,
        ..wanted.clone()
    };
    found.satisfies(wanted) || (found.variant.is_none() && found.satisfies(&without_variant))
}

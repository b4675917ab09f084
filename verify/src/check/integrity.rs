//! Is the image whole: do its manifest and configuration hash to their names, and is it for the platform asked for?

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
            check_platform(evidence, content)?;
            Ok(Whole { case, content })
        }
        Err(ContentFault::Error(error)) => Err(Broken::Fault(error.into())),
        Err(ContentFault::Refusal(refusal)) => Err(Broken::Reason(refusal.into())),
    }
}

/// An image without an index says in its configuration what it runs on; one with an index must not say otherwise.
fn check_platform(evidence: &Evidence, content: &ImageContent) -> Result<(), Broken> {
    let (Some(wanted), Some(config)) = (&evidence.platform, &content.config) else {
        return Ok(());
    };
    let found = json::from_slice::<Platform>(config, &Limits::TABLE)
        .ok()
        .filter(|found| !found.os.is_empty());
    // Builders leave variant and version out; the index that the image was picked from has said them then.
    let picked = evidence.image.digest() != content.manifest.digest();
    let fits = |found: &Platform| {
        let said = |wanted: &Option<String>, found: &Option<String>| {
            wanted.clone().filter(|_| found.is_some() || !picked)
        };
        found.satisfies(&Platform {
            variant: said(&wanted.variant, &found.variant),
            os_version: said(&wanted.os_version, &found.os_version),
            ..wanted.clone()
        })
    };
    if found.as_ref().is_some_and(fits) {
        return Ok(());
    }
    let refusal = Refusal::PlatformMissing {
        wanted: wanted.clone(),
        available: found.into_iter().collect(),
    };
    Err(Broken::Reason((&refusal).into()))
}

//! Is the image whole: does as much of it as is demanded hash to its name, and is it for the platform asked for?
//!
//! What was not looked at is not whole:
//! ```compile_fail,E0061
//! # use countersign_trust_roots::document::Case;
//! # use countersign_verify::{Evidence, check::integrity};
//! fn cheat<'id, 'e>(case: Case<'id, 'e>, evidence: &'e Evidence) {
//!     let _ = integrity::check(case, evidence);
//! }
//! ```

use std::sync::Arc;

use countersign_common::{Limits, Manifest, json, manifest::Platform};
use countersign_trust_roots::document::Case;

use crate::{
    Depth, Hashed, Refusal,
    evidence::{ContentFault, Evidence, ImageContent},
    verdict::{Fault, Layers, Reason},
};

/// The image is whole, as far down as is demanded: what is judged hashes to its name.
#[derive(Debug)]
#[must_use]
pub struct Whole<'id, 'e> {
    case: Case<'id, 'e>,
    content: &'e ImageContent,
    layers: Layers,
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

    /// What is known of its layers.
    pub fn layers(&self) -> Layers {
        self.layers
    }
}

/// Why the image is not whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Broken {
    /// Could not find out.
    Fault(Fault),
    /// Found out, and no.
    Reason(Reason),
    /// Its layers are demanded, and were not looked at yet.
    Unhashed,
}

/// Checks the image that the case is about: itself, or the child of the index that the case is about.
pub fn check<'id, 'e>(
    case: Case<'id, 'e>,
    evidence: &'e Evidence,
    depth: Depth,
) -> Result<Whole<'id, 'e>, Broken> {
    let content = evidence.content.as_ref()?;
    check_platform(evidence, content)?;
    let layers = check_layers(evidence.layers.as_ref(), depth)?;
    Ok(Whole {
        case,
        content,
        layers,
    })
}

fn check_layers(
    hashed: Option<&Result<Hashed, Arc<ContentFault>>>,
    depth: Depth,
) -> Result<Layers, Broken> {
    if depth == Depth::Manifest {
        return Ok(Layers::NotDemanded);
    }
    match hashed.ok_or(Broken::Unhashed)? {
        Err(fault) => Err(fault.as_ref().into()),
        Ok(hashed) if hashed.depth() >= depth => Ok(Layers::Hashed(*hashed)),
        Ok(_) => Err(Broken::Unhashed),
    }
}

impl From<&ContentFault> for Broken {
    fn from(fault: &ContentFault) -> Self {
        match fault {
            ContentFault::Error(error) => Self::Fault(error.into()),
            ContentFault::Refusal(refusal) => Self::Reason(refusal.into()),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_looked_at_less_deeply_than_is_demanded_is_not_whole() {
        let depths = [Depth::Manifest, Depth::Layers, Depth::Unpacked];
        for demanded in depths {
            for reached in depths {
                let hashed = Hashed::down_to(reached);
                let expected = match (demanded, reached) {
                    (Depth::Manifest, _) => Ok(Layers::NotDemanded),
                    _ if reached >= demanded => Ok(Layers::Hashed(hashed)),
                    _ => Err(Broken::Unhashed),
                };
                assert_eq!(check_layers(Some(&Ok(hashed)), demanded), expected);
            }
        }
        assert_eq!(check_layers(None, Depth::Manifest), Ok(Layers::NotDemanded));
        assert_eq!(check_layers(None, Depth::Layers), Err(Broken::Unhashed));
        assert_eq!(check_layers(None, Depth::Unpacked), Err(Broken::Unhashed));
    }
}

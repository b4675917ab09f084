//! Shows everything that is attached to an image: of which format, by whom, when, and whether it is trusted.
//!
//! Called by `countersign inspect`. What is trusted is what the judgement's own steps say of each document alone; formats
//! that are shown and not verified are called that, neither trusted nor untrusted. Nothing is decided about the image.

mod attached;
mod certificate;
mod collect;
pub mod document;
mod fault;
mod format;
mod list;
mod model;
pub mod render;
mod standing;

use countersign_common::{ImageRef, Limits, Registry, Timestamp, registry::Failure};

use self::model::Noticed;
pub use self::{
    certificate::Certificate,
    fault::{CODES, Fault},
    model::{
        About, Artifact, Child, ChildState, Content, Entry, EntryKind, Inspection, Item, Layer,
        Missing, Place, Scope, Signer, Subject,
    },
    standing::{Maker, Standing, Vouched},
};
use crate::{Deadline, Verifier, verdict::Finding};

/// Whose word decides about each document.
#[derive(Clone, Debug)]
pub enum Judge {
    /// That of keys, or of a policy and its root.
    By(Box<Verifier>),
    /// Nobody's, and why.
    Nobody(Finding),
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// Who judges.
    pub judge: Judge,
    /// What is looked into, of an index.
    pub scope: Scope,
    /// Bounds on everything that is fetched.
    pub limits: Limits,
    /// When it is asked.
    pub now: Timestamp,
}

impl Question {
    /// Those bounds, as far as verifiers have others of their own.
    fn limits(&self) -> Limits {
        Limits {
            bundle: match &self.judge {
                Judge::By(verifier) => verifier.blob_limit(),
                Judge::Nobody(_) => self.limits.attestation,
            },
            ..self.limits
        }
    }
}

/// Resolves a reference and looks at everything that is attached to it.
///
/// Always answers: what could not be found out is said in the answer, which then is not complete.
pub async fn inspect(
    image: &ImageRef,
    registry: &dyn Registry,
    question: &Question,
    deadline: &Deadline<'_>,
) -> Inspection {
    let resolved = deadline.within(registry.resolve(image)).await;
    let resolved = resolved.unwrap_or_else(|| Err(deadline.missed(image.repository()).into()));
    let (subject, noticed) = match resolved {
        Ok(pinned) => collect::subject(&pinned, registry, question, deadline).await,
        Err(Failure::Refusal(refusal)) => (
            Err(Missing::Refused(Finding::of(&refusal))),
            Noticed::default(),
        ),
        Err(Failure::Error(error)) => (
            Err(Missing::Undecided(Finding::of(&error))),
            Noticed::default(),
        ),
    };
    Inspection::of(image, question, subject, noticed)
}

//! Who has signed a draft, and who must still: told by `sign` and by `show`.

use countersign_common::Limits;
use countersign_trust_roots::root::{Contents, Draft};
use serde_json::{Value, json};

use super::{
    error::TrustError,
    folder::{self, DRAFT},
    folder_error::FolderError,
    wording,
};

/// How far a draft is.
pub(super) struct Signatures {
    pub(super) is_enough: bool,
    /// A sentence for each root that judges the draft: the one before, and itself.
    pub(super) sentences: Vec<String>,
    /// The same in JSON.
    pub(super) documents: Vec<Value>,
}

impl Signatures {
    pub(super) fn of(draft: &Draft, previous: Option<&Contents>) -> Result<Self, TrustError> {
        let own = folder::contents(draft)?;
        let progress =
            draft
                .progress(previous, &Limits::TABLE)
                .map_err(|source| FolderError::Root {
                    path: DRAFT.to_owned(),
                    source,
                })?;
        let judge = |by: u64| previous.filter(|root| root.version() == by).unwrap_or(&own);
        let document = |one: &countersign_trust_roots::root::Progress| {
            json!({
                "by": one.by,
                "threshold": one.threshold,
                "signed": one.signed,
                "missing": one.missing,
            })
        };
        Ok(Self {
            is_enough: progress.iter().all(|one| one.wanted() == 0),
            sentences: progress
                .iter()
                .map(|one| wording::progress(one, own.version(), judge(one.by)))
                .collect(),
            documents: progress.iter().map(document).collect(),
        })
    }
}

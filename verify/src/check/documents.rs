//! The signed documents among what was found, each once where it was found.
//!
//! Whoever may push can copy a document as often as he likes, with other stamps beside it. The copies are one document: what
//! all of them carry counts as if it lay in one. Those that name another key, or none, are documents of their own: a
//! stranger's hint must not take the place that the true one has among what is tried. There are no more of them than keys
//! that are trusted, and one; what names a foreign key is not tried.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use countersign_common::{Digest, bundle::ClaimedSigner};
use countersign_trust_roots::format::Claim;

use crate::evidence::{Artifact, Content};

/// Where documents are found. Each has tries of its own: whoever adds to the one must not hide what is in the other.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Place {
    /// In what the registry lists.
    List,
    /// At a tag of signatures.
    Tag,
}

/// A document, and what it was found beside.
pub(crate) struct Document<'e> {
    pub(crate) subject: &'e Digest,
    pub(crate) claim: Cow<'e, Claim>,
    /// Its stamps, as a set: comparing each with each would take time that grows with the square of what strangers add.
    stamps: HashSet<&'e str>,
}

/// All of them in one place, in the order of their artifacts.
pub(super) fn documents<'e>(
    artifacts: impl IntoIterator<Item = &'e Artifact>,
    place: Place,
) -> Vec<(Place, Document<'e>)> {
    let mut artifacts: Vec<_> = artifacts.into_iter().collect();
    // Whoever lists them must not decide, by their order, which are tried or shown.
    artifacts.sort_by_key(|artifact| &artifact.digest);
    let claims = artifacts.into_iter().flat_map(|artifact| {
        let claims = match &artifact.content {
            Content::Claims(claims) => claims.as_slice(),
            Content::Foreign { .. } | Content::Refused(_) | Content::Unavailable(_) => &[],
        };
        claims.iter().map(|claim| (&artifact.subject, claim))
    });
    let (documents, _) = distinct(claims);
    documents
        .into_iter()
        .map(|document| (place, document))
        .collect()
}

/// The documents among claims about subjects, and for each claim which one it is a copy of.
pub(crate) fn distinct<'e>(
    claims: impl Iterator<Item = (&'e Digest, &'e Claim)>,
) -> (Vec<Document<'e>>, Vec<usize>) {
    let mut known = HashMap::new();
    let mut documents: Vec<Document<'_>> = Vec::new();
    let mut positions = Vec::new();
    for (subject, claim) in claims {
        let named = (
            claim.signer.key_hash(),
            claim.signer == ClaimedSigner::Certificate,
        );
        let key = (subject, claim.document_digest(), named);
        let position = *known.entry(key).or_insert(documents.len());
        match documents.get_mut(position) {
            Some(document) => document.join(claim),
            None => documents.push(Document {
                subject,
                claim: Cow::Borrowed(claim),
                stamps: claim.after_stamps.iter().map(String::as_str).collect(),
            }),
        }
        positions.push(position);
    }
    (documents, positions)
}

impl<'e> Document<'e> {
    fn join(&mut self, copy: &'e Claim) {
        for stamp in &copy.after_stamps {
            if self.stamps.insert(stamp) {
                self.claim.to_mut().after_stamps.push(stamp.clone());
            }
        }
    }
}

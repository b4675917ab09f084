//! The signed documents among what was found, each once.
//!
//! Whoever may push can copy a document as often as he likes, with other stamps and another hint beside it. The copies are
//! one document: they cost one try, and what all of them carry counts as if it lay in one.

use std::{borrow::Cow, collections::HashMap};

use countersign_common::{Digest, bundle::ClaimedSigner};
use countersign_trust_roots::format::Claim;

use crate::evidence::{Artifact, Content};

/// A document, and what it was found beside.
pub(super) struct Document<'e> {
    pub(super) subject: &'e Digest,
    pub(super) claim: Cow<'e, Claim>,
}

/// All of them, in the order of their artifacts.
pub(super) fn documents(artifacts: &[Artifact]) -> Vec<Document<'_>> {
    let mut artifacts: Vec<_> = artifacts.iter().collect();
    // Whoever lists them must not decide, by their order, which are tried or shown.
    artifacts.sort_by_key(|artifact| &artifact.digest);
    let mut known: HashMap<(&Digest, Digest), usize> = HashMap::new();
    let mut documents: Vec<Document<'_>> = Vec::new();
    for artifact in artifacts {
        let Content::Claims(claims) = &artifact.content else {
            continue;
        };
        for claim in claims {
            let key = (&artifact.subject, claim.document_digest());
            let position = *known.entry(key).or_insert(documents.len());
            match documents.get_mut(position) {
                Some(document) => join(&mut document.claim, claim),
                None => documents.push(Document {
                    subject: &artifact.subject,
                    claim: Cow::Borrowed(claim),
                }),
            }
        }
    }
    documents
}

fn join(document: &mut Cow<'_, Claim>, copy: &Claim) {
    if document.signer == copy.signer && copy.after_stamps.is_empty() {
        return;
    }
    let document = document.to_mut();
    if document.signer != copy.signer {
        // One of them may be right. Then each trusted key is tried.
        document.signer = ClaimedSigner::Key {
            hint: String::new(),
        };
    }
    for stamp in &copy.after_stamps {
        if !document.after_stamps.contains(stamp) {
            document.after_stamps.push(stamp.clone());
        }
    }
}

//! `index.json`: what a layout lists, and which of it a reference names.
//!
//! The list is a claim, as a registry's tags are: what a name leads to is hashed, and signatures decide about it.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError},
};

use countersign_common::{
    Descriptor, Digest, ImageRef, Limits, Manifest,
    manifest::{Body, ManifestError, OCI_INDEX},
    registry::{Failure, Refusal},
};

use super::folder::{Folder, INDEX};
use crate::referrers::distinct;

/// The annotation that holds a tag.
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// What `cosign save` calls signatures and attestations.
const COSIGN_KINDS: [&str; 2] = [
    "dev.cosignproject.cosign/atts",
    "dev.cosignproject.cosign/sigs",
];

impl Folder {
    /// What it lists. Read for each question, since another process may have written, and parsed if it is not the same, to
    /// the last byte.
    pub(super) fn index(&self) -> Result<Arc<Manifest>, Failure> {
        let limit = self.limits.manifest as u64;
        let bytes = self.read(INDEX, limit)?.ok_or_else(|| {
            // It was there when the folder was opened: a list that went away says nothing about images.
            self.unreadable(INDEX, std::io::ErrorKind::NotFound.into())
        })?;
        let mut known = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref()
            && known.bytes() == &bytes
        {
            return Ok(Arc::clone(known));
        }
        let index = Manifest::parse(bytes.into(), Some(OCI_INDEX), None, &self.index_limits())
            .map_err(|source| self.malformed(INDEX, source))?;
        Ok(Arc::clone(known.insert(Arc::new(index))))
    }

    fn index_limits(&self) -> Limits {
        Limits {
            children: self.limits.layout_entries,
            ..self.limits
        }
    }

    /// Refuses to write what would not be read.
    pub(super) fn check_index(&self, index: &Manifest) -> Result<(), Failure> {
        let limit = self.limits.layout_entries;
        if entries(index).len() > limit {
            return Err(self.malformed(INDEX, ManifestError::TooManyChildren { limit }));
        }
        Ok(())
    }

    /// The manifest that a reference names.
    pub(super) fn resolve(&self, image: &ImageRef) -> Result<Manifest, Failure> {
        let index = self.index()?;
        let listed = entries(&index);
        let (asked, found) = match (image.digest(), image.tag()) {
            (Some(digest), _) => {
                let asked = format!("with the digest {digest}");
                let entry = listed.iter().find(|entry| entry.digest == *digest);
                // What an index lists needs no entry of its own.
                let manifest = match entry {
                    Some(entry) => self.manifest(entry)?,
                    None => self.undescribed(digest)?,
                };
                return manifest.ok_or_else(|| self.not_found(asked, listed));
            }
            (None, Some(tag)) => {
                let tagged = |entry: &Descriptor| names(entry).any(|name| name == tag);
                let named = listed.iter().filter(|entry| tagged(entry));
                (format!("tagged `{tag}`"), named.cloned().collect())
            }
            (None, None) => ("to choose from".to_owned(), self.images(&index)?),
        };
        let found = distinct(found);
        match found.as_slice() {
            [] => Err(self.not_found(asked, listed)),
            [entry] => self
                .manifest(entry)?
                .ok_or_else(|| self.not_found(format!("{asked} whose manifest is in it"), listed)),
            several => Err(Failure::Refusal(Refusal::Ambiguous {
                layout: self.name.clone(),
                asked,
                found: several.iter().map(shown).collect(),
            })),
        }
    }

    fn not_found(&self, asked: String, listed: &[Descriptor]) -> Failure {
        let tags: BTreeSet<_> = listed.iter().filter_map(ref_name).collect();
        Failure::Refusal(Refusal::NotInLayout {
            layout: self.name.clone(),
            asked,
            found: tags.into_iter().map(str::to_owned).collect(),
        })
    }

    /// What is listed for its own sake: neither what refers to something, nor what another entry lists and nobody named.
    fn images(&self, index: &Arc<Manifest>) -> Result<Vec<Descriptor>, Failure> {
        let listed = distinct(entries(index).to_vec());
        let opened = self.opened(index)?;
        let of_others: BTreeSet<&Digest> = opened
            .iter()
            .filter(|one| one.refers() || one.parent.is_some() && ref_name(&one.entry).is_none())
            .map(|one| &one.entry.digest)
            .collect();
        Ok(listed
            .iter()
            .filter(|entry| !of_others.contains(&entry.digest))
            .filter(|entry| !is_about_another(entry))
            .cloned()
            .collect())
    }
}

pub(super) fn entries(index: &Manifest) -> &[Descriptor] {
    match index.body() {
        Body::Index(index) => &index.manifests,
        Body::Image(_) => &[],
    }
}

pub(super) fn ref_name(entry: &Descriptor) -> Option<&str> {
    let annotations = entry.annotations.as_ref()?;
    annotations.get(REF_NAME).map(String::as_str)
}

/// What an entry is called: a tag, or, as crane and podman write it, a whole reference that ends with one.
fn names(entry: &Descriptor) -> impl Iterator<Item = &str> {
    let name = ref_name(entry);
    let tag = name
        .and_then(|name| name.rsplit_once(':'))
        .map(|(_, tag)| tag);
    name.into_iter().chain(tag)
}

fn shown(entry: &Descriptor) -> String {
    match ref_name(entry) {
        Some(name) => format!("{name} ({})", entry.digest),
        None => entry.digest.to_string(),
    }
}

/// Whether an entry leads to what is about an image: by the fallback tag, by cosign's `.sig` and the like, or by what
/// `cosign save` calls it.
fn is_about_another(entry: &Descriptor) -> bool {
    let kind = entry.annotations.as_ref().and_then(|all| all.get("kind"));
    let digits = ref_name(entry).and_then(|name| {
        let rest = name.strip_prefix("sha256-");
        rest.or_else(|| name.strip_prefix("sha512-"))
    });
    let digits = digits.map(|rest| rest.split_once('.').map_or(rest, |(digits, _)| digits));
    kind.is_some_and(|kind| COSIGN_KINDS.contains(&kind.as_str()))
        || digits.is_some_and(|digits| {
            digits.len() >= 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
}

//! Writes into a layout: blobs first, each whole from its first moment, then the list that makes them findable.
//!
//! Whenever it ends, by a full disk or a power cut too, the layout is valid, and `index.json` is the old or the new one.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write},
    path::Path,
};

use countersign_common::{
    Descriptor, Digest, ImageRef, Manifest, Repository,
    manifest::{Body, ManifestError},
    registry::{Failure, Refusal},
};
use tempfile::NamedTempFile;

use super::{
    Caller,
    folder::{Folder, INDEX, blob_path},
    index::{REF_NAME, entries, ref_name},
};
use crate::{
    listing::{edited, entry, with_entries, without_entry},
    object::Object,
};

/// How the name of a file begins that has not got its own yet.
const UNFINISHED: &str = ".countersign-";

/// What is to be written, if there is anything to change.
type Edit = Result<Option<Manifest>, Failure>;

impl Folder {
    /// Writes a blob, unless it is there and whole.
    pub(super) fn write_blob(&self, bytes: &[u8]) -> Result<Digest, Failure> {
        let descriptor = Descriptor::of("", bytes);
        let path = blob_path(&descriptor.digest);
        if matches!(self.blob(&descriptor, bytes.len()), Ok(Some(_))) {
            return Ok(descriptor.digest);
        }
        let whole = self.path.join(&path);
        let folder = whole.parent().unwrap_or(&self.path);
        fs::create_dir_all(folder)
            .and_then(|()| unfinished(folder, bytes))
            .and_then(|file| Ok(file.persist(&whole)?))
            .and_then(|_| settle(folder))
            .map_err(|source| self.unwritable(&path, source))?;
        Ok(descriptor.digest)
    }

    /// Adds manifests that refer to a subject to the list.
    pub(super) fn attach(
        &self,
        about: (&Repository, &Digest),
        manifests: &[Manifest],
        caller: &Caller,
    ) -> Result<(), Failure> {
        let ours: Vec<_> = manifests.iter().map(untagged).collect();
        // Before anything is written; and again while nobody else writes.
        self.missing(self.index()?.as_ref(), about, &ours)?;
        for manifest in manifests {
            self.write_blob(manifest.bytes())?;
        }
        self.edit_index(caller, |index| {
            let missing = self.missing(index, about, &ours)?;
            if missing.is_empty() {
                return Ok(None);
            }
            self.index_of(with_entries(Some(index), &missing))
        })
    }

    /// What is not listed yet, if there is room for it: with more than verifiers read, they would refuse the image.
    fn missing<'o>(
        &self,
        index: &Manifest,
        (repository, subject): (&Repository, &Digest),
        ours: &'o [Descriptor],
    ) -> Result<Vec<&'o Descriptor>, Failure> {
        let is_missing = |one: &&Descriptor| !lists(index, &one.digest);
        let missing: Vec<_> = ours.iter().filter(is_missing).collect();
        let limit = self.limits.referrers;
        if missing.is_empty() {
            return Ok(missing);
        }
        match self.referrers(repository, subject) {
            Ok(known) if known.len() + missing.len() > limit => {
                Err(Failure::Refusal(Refusal::ReferrersFull {
                    repository: repository.clone(),
                    subject: subject.clone(),
                    limit,
                }))
            }
            Err(refused @ Failure::Refusal(Refusal::ReferrersTooMany { .. })) => Err(refused),
            // What else is wrong with what others have written stops no signer.
            Ok(_) | Err(_) => Ok(missing),
        }
    }

    /// Takes a manifest from the list and from the fallback tag of its subject, if there is one, and removes it.
    pub(super) fn detach(
        &self,
        subject: &Digest,
        manifest: &Digest,
        caller: &Caller,
    ) -> Result<(), Failure> {
        self.edit_index(caller, |index| {
            let mut edited = None;
            if let Some((tagged, known)) = self.fallback_of(subject, index)
                && lists(&known, manifest)
            {
                let list = without_entry(&known, manifest)
                    .map_err(|source| self.malformed(&blob_path(&tagged), source))?;
                self.write_blob(list.bytes())?;
                edited = self.index_of(replaced(index, &tagged, list.descriptor()))?;
            }
            if !lists(index, manifest) {
                return Ok(edited);
            }
            self.index_of(without_entry(edited.as_ref().unwrap_or(index), manifest))
        })?;
        let path = blob_path(manifest);
        match fs::remove_file(self.path.join(&path)) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                Err(self.unwritable(&path, source))
            }
            _ => Ok(()),
        }
    }

    /// Puts a manifest where a reference resolves to. A tag that names another one is moved.
    pub(super) fn put_manifest(
        &self,
        image: &ImageRef,
        manifest: &Manifest,
        caller: &Caller,
    ) -> Result<(), Failure> {
        if let Some(named) = image.digest().filter(|named| *named != manifest.digest()) {
            return Err(Failure::Refusal(Refusal::DigestMismatch {
                registry: self.name.clone(),
                path: blob_path(named),
                named: named.clone(),
                actual: manifest.digest().clone(),
            }));
        }
        self.write_blob(manifest.bytes())?;
        let tag = image.tag().filter(|_| image.digest().is_none());
        self.edit_index(caller, |index| match tag {
            Some(tag) => self.index_of(tagged(index, tag, manifest)),
            None if lists(index, manifest.digest()) => Ok(None),
            None => self.index_of(with_entries(Some(index), &[&untagged(manifest)])),
        })
    }

    /// The index at the fallback tag of a digest, and its own digest.
    fn fallback_of(&self, subject: &Digest, index: &Manifest) -> Option<(Digest, Manifest)> {
        let tag = subject.referrers_tag();
        let entry = entries(index)
            .iter()
            .find(|entry| ref_name(entry) == Some(&tag))?;
        let known = self.listing(entry).ok().flatten()?;
        matches!(known.body(), Body::Index(_)).then(|| (entry.digest.clone(), known))
    }

    /// Reads, changes and replaces `index.json`, while no other of our processes does.
    fn edit_index(
        &self,
        caller: &Caller,
        edit: impl FnOnce(&Manifest) -> Edit,
    ) -> Result<(), Failure> {
        let _lock = self.lock(caller)?;
        let Some(index) = edit(self.index()?.as_ref())? else {
            return Ok(());
        };
        self.check_index(&index)?;
        let path = self.path.join(INDEX);
        fs::metadata(&path)
            .and_then(|known| {
                let file = unfinished(&self.path, index.bytes())?;
                keep_readers(file.as_file(), &known)?;
                Ok(file.persist(&path)?)
            })
            .and_then(|_| settle(&self.path))
            .map_err(|source| self.unwritable(INDEX, source))
    }

    fn index_of(&self, edited: Result<Manifest, ManifestError>) -> Edit {
        edited
            .map(Some)
            .map_err(|source| self.malformed(INDEX, source))
    }
}

fn lists(index: &Manifest, digest: &Digest) -> bool {
    entries(index).iter().any(|entry| entry.digest == *digest)
}

/// What the list says of a manifest. A name that the manifest gives itself would be a tag there.
fn untagged(manifest: &Manifest) -> Descriptor {
    let mut entry = entry(manifest);
    let annotations = entry.annotations.take().map(|mut annotations| {
        annotations.remove(REF_NAME);
        annotations
    });
    entry.annotations = annotations.filter(|annotations| !annotations.is_empty());
    entry
}

/// The index with a tag at one manifest, and no longer at another, which stays.
fn tagged(index: &Manifest, tag: &str, manifest: &Manifest) -> Result<Manifest, ManifestError> {
    let entry = Object::of(&untagged(manifest))?;
    edited(Some(index), |list| {
        let of_this_tag = |one: &&mut Object| name_of(one).as_deref() == Some(tag);
        for one in list.iter_mut().filter(of_this_tag) {
            annotate(one, |annotations| {
                annotations.remove(REF_NAME);
                Ok(())
            })?;
        }
        let is_free = |one: &Object| one.has_digest(manifest.digest()) && name_of(one).is_none();
        if !list.iter().any(is_free) {
            list.push(entry);
        }
        match list.iter_mut().find(|one| is_free(one)) {
            Some(free) => annotate(free, |annotations| annotations.set(REF_NAME, &tag)),
            None => Ok(()),
        }
    })
}

/// The index with another manifest in the place of one.
fn replaced(index: &Manifest, digest: &Digest, by: &Descriptor) -> Result<Manifest, ManifestError> {
    edited(Some(index), |list| {
        for one in list.iter_mut().filter(|one| one.has_digest(digest)) {
            one.set("digest", &by.digest)?;
            one.set("size", &by.size)?;
        }
        Ok(())
    })
}

fn annotate(
    entry: &mut Object,
    edit: impl FnOnce(&mut Object) -> Result<(), ManifestError>,
) -> Result<(), ManifestError> {
    let mut annotations: Object = entry.read("annotations").unwrap_or_default();
    edit(&mut annotations)?;
    entry.set("annotations", &annotations)
}

fn name_of(entry: &Object) -> Option<String> {
    entry.read::<Object>("annotations")?.read(REF_NAME)
}

/// A file, whole and on the disk, that goes away unless it is given a name.
fn unfinished(folder: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Whoever could read a file still can, and nobody else.
fn keep_readers(file: &File, known: &fs::Metadata) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        // Only root may give a file away, and whoever is not is seldom another than its owner.
        let _ = fchown(file, Some(known.uid()), Some(known.gid()));
    }
    file.set_permissions(known.permissions())
}

/// A new name is on the disk only when its folder is.
fn settle(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use countersign_common::{Limits, manifest::OCI_INDEX};

    use super::*;

    #[test]
    fn what_others_say_of_an_entry_stays_when_its_tag_or_its_digest_changes() {
        let kept = "\"org.example.big\":123456789012345678901234567890";
        let image = r#"{"schemaVersion":2,"config":{"mediaType":"c","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0},"layers":[]}"#;
        let parse = |text: String, media_type| {
            Manifest::parse(text.into(), Some(media_type), None, &Limits::TABLE).unwrap()
        };
        let image = parse(image.to_owned(), countersign_common::manifest::OCI_MANIFEST);
        let (digest, size) = (image.digest(), image.bytes().len());
        let index = parse(
            format!(
                "{{\"schemaVersion\":2,\"manifests\":[{{{kept},\"mediaType\":\"m\",\"digest\":\"{digest}\",\"size\":{size},\
                 \"annotations\":{{\"org.example.text\":\"\\u00e9\"}}}}]}}"
            ),
            OCI_INDEX,
        );
        let text = |index: &Manifest| String::from_utf8(index.bytes().to_vec()).unwrap();
        let tagged = tagged(&index, "1", &image).unwrap();
        assert!(text(&tagged).contains(kept), "{}", text(&tagged));
        assert!(text(&tagged).contains("\"\\u00e9\""), "{}", text(&tagged));
        assert_eq!(ref_name(&entries(&tagged)[0]), Some("1"));
        let by = Descriptor::of("m", b"other");
        let replaced = replaced(&tagged, digest, &by).unwrap();
        assert!(text(&replaced).contains(kept), "{}", text(&replaced));
        assert_eq!(entries(&replaced)[0].digest, by.digest);
        assert_eq!(entries(&replaced)[0].size, by.size);
    }
}

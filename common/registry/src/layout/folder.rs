//! The files of a layout: opened without surprises, read within limits, hashed.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use countersign_common::{
    Descriptor, Digest, Limits, Manifest,
    digest::Hasher,
    json,
    manifest::ManifestError,
    registry::{Damage, Error, Failure, Onlooker, Refusal},
};
use serde::Deserialize;

use super::{Caller, LayoutError, listed::Known};

/// What makes a folder a layout.
pub(super) const MARKER: &str = "oci-layout";
/// What the folder holds.
pub(super) const INDEX: &str = "index.json";
/// Bytes hashed between two looks at whether anybody still waits.
const PIECE: u64 = 1 << 20;

/// A folder, and what it is called in messages.
#[derive(Debug)]
pub(super) struct Folder {
    /// As it is typed, escaped.
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) patience: Duration,
    pub(super) limits: Limits,
    /// Its list, as it was parsed last.
    pub(super) index: Mutex<Option<Arc<Manifest>>>,
    pub(super) known: Mutex<Option<Known>>,
}

impl Folder {
    /// Whether it is a layout of a version that is read.
    pub(super) fn check(&self) -> Result<(), LayoutError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Marker {
            image_layout_version: String,
        }
        let layout = || self.name.clone();
        let missing = |file| LayoutError::NoFile {
            layout: layout(),
            file,
        };
        match std::fs::metadata(&self.path) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(LayoutError::NoFolder { layout: layout() }),
            Err(error) if is_absence(&error) => {
                return Err(LayoutError::NoFolder { layout: layout() });
            }
            Err(error) => return Err(self.unreadable("", error).into()),
        }
        let marker = self.read(MARKER, self.limits.error_body as u64)?;
        let marker = marker.ok_or_else(|| missing(MARKER))?;
        let marker = json::from_slice::<Marker>(&marker, &self.limits);
        let version = marker
            .map_err(|source| LayoutError::Marker {
                layout: layout(),
                source,
            })?
            .image_layout_version;
        if !version.starts_with("1.") {
            let layout = layout();
            return Err(LayoutError::Version { layout, version });
        }
        self.open(INDEX)
            .map_err(|source| self.unreadable(INDEX, source))?
            .ok_or_else(|| missing(INDEX))?;
        Ok(())
    }

    /// A file of the folder; `None` if there is nothing of that name, and only then.
    fn open(&self, path: &str) -> io::Result<Option<File>> {
        let mut options = File::options();
        options.read(true);
        without_surprises(&mut options);
        match options.open(self.path.join(path)) {
            Ok(file) if file.metadata()?.is_file() => Ok(Some(file)),
            Ok(_) => Err(io::Error::other("it is no file")),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(told(error)),
        }
    }

    /// At most one byte more than `most`, by which whoever asks knows.
    pub(super) fn read(&self, path: &str, most: u64) -> Result<Option<Vec<u8>>, Error> {
        let unreadable = |source| self.unreadable(path, source);
        let Some(file) = self.open(path).map_err(unreadable)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.take(most.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        Ok(Some(bytes))
    }

    /// What a descriptor names, not longer than it says and not hashed yet.
    fn announced(&self, descriptor: &Descriptor, limit: usize) -> Result<Option<Bytes>, Failure> {
        let path = blob_path(&descriptor.digest);
        if descriptor.size > limit as u64 {
            return Err(self.too_large(path, limit));
        }
        match self.read(&path, descriptor.size)? {
            Some(bytes) if bytes.len() as u64 > descriptor.size => Err(self.wrong_size(descriptor)),
            bytes => Ok(bytes.map(Bytes::from)),
        }
    }

    /// Whether what hashes to its name is as long as its descriptor says; if not, that lies.
    fn check_size(&self, descriptor: &Descriptor, size: u64) -> Result<(), Failure> {
        if size == descriptor.size {
            Ok(())
        } else {
            Err(self.wrong_size(descriptor))
        }
    }

    pub(super) fn blob(
        &self,
        descriptor: &Descriptor,
        limit: usize,
    ) -> Result<Option<Bytes>, Failure> {
        let Some(bytes) = self.announced(descriptor, limit)? else {
            return Ok(None);
        };
        self.check_digest(&descriptor.digest, descriptor.digest.recomputed(&bytes))?;
        self.check_size(descriptor, bytes.len() as u64)?;
        Ok(Some(bytes))
    }

    /// A manifest as it is described. What calls itself nothing is what the descriptor calls it.
    pub(super) fn manifest(&self, descriptor: &Descriptor) -> Result<Option<Manifest>, Failure> {
        self.manifest_within(descriptor, &self.limits)
    }

    /// A manifest as it is described. If it is an index, it may be a list of referrers, which is longer than one of images.
    pub(super) fn listing(&self, descriptor: &Descriptor) -> Result<Option<Manifest>, Failure> {
        let limits = Limits {
            children: self.limits.children.max(self.limits.referrers),
            ..self.limits
        };
        self.manifest_within(descriptor, &limits)
    }

    fn manifest_within(
        &self,
        descriptor: &Descriptor,
        limits: &Limits,
    ) -> Result<Option<Manifest>, Failure> {
        let Some(bytes) = self.announced(descriptor, limits.manifest)? else {
            return Ok(None);
        };
        let (media_type, digest) = (Some(descriptor.media_type.as_str()), &descriptor.digest);
        let manifest = self.parse(bytes, media_type, digest, limits)?;
        self.check_size(descriptor, manifest.descriptor().size)?;
        Ok(Some(manifest))
    }

    /// A manifest by its digest alone.
    pub(super) fn undescribed(&self, digest: &Digest) -> Result<Option<Manifest>, Failure> {
        let bytes = self.read(&blob_path(digest), self.limits.manifest as u64)?;
        let parse = |bytes: Vec<u8>| self.parse(bytes.into(), None, digest, &self.limits);
        bytes.map(parse).transpose()
    }

    fn parse(
        &self,
        bytes: Bytes,
        media_type: Option<&str>,
        digest: &Digest,
        limits: &Limits,
    ) -> Result<Manifest, Failure> {
        Manifest::parse(bytes, media_type, Some(digest), limits)
            .map_err(|source| self.malformed(&blob_path(digest), source))
    }

    /// Hashes a blob of any size, unless nobody waits for it any more.
    pub(super) fn check_blob(
        &self,
        descriptor: &Descriptor,
        caller: &Caller,
        onlooker: &dyn Onlooker,
    ) -> Result<Option<u64>, Failure> {
        let path = blob_path(&descriptor.digest);
        let unreadable = |source| self.unreadable(&path, source);
        let Some(file) = self.open(&path).map_err(unreadable)? else {
            return Ok(None);
        };
        let mut hasher = Hasher::new(descriptor.digest.algorithm());
        let mut piece = Vec::new();
        let mut size = 0_u64;
        while size <= descriptor.size && !caller.is_gone() {
            piece.clear();
            let read = (&file).take(PIECE).read_to_end(&mut piece);
            if read.map_err(unreadable)? == 0 {
                break;
            }
            size += piece.len() as u64;
            hasher.update(&piece);
            onlooker.see(&piece);
        }
        if size > descriptor.size {
            return Err(self.wrong_size(descriptor));
        }
        self.check_digest(&descriptor.digest, hasher.finish())?;
        self.check_size(descriptor, size)?;
        Ok(Some(size))
    }

    fn check_digest(&self, named: &Digest, actual: Digest) -> Result<(), Failure> {
        if actual == *named {
            return Ok(());
        }
        Err(self.damaged(&blob_path(named), Damage::Digest { actual }))
    }

    fn wrong_size(&self, descriptor: &Descriptor) -> Failure {
        let size = descriptor.size;
        self.damaged(&blob_path(&descriptor.digest), Damage::Size { size })
    }

    fn too_large(&self, path: String, limit: usize) -> Failure {
        Failure::Refusal(Refusal::TooLarge {
            registry: self.name.clone(),
            path,
            limit: limit as u64,
        })
    }

    pub(super) fn malformed(&self, path: &str, source: ManifestError) -> Failure {
        self.damaged(path, source.into())
    }

    fn damaged(&self, path: &str, source: Damage) -> Failure {
        Failure::Refusal(Refusal::Damaged {
            layout: self.name.clone(),
            path: path.to_owned(),
            source,
        })
    }

    pub(super) fn absent(&self, digest: &Digest) -> Error {
        Error::FileAbsent {
            layout: self.name.clone(),
            path: blob_path(digest),
        }
    }

    pub(super) fn unreadable(&self, path: &str, source: io::Error) -> Error {
        Error::Unreadable {
            layout: self.name.clone(),
            path: named(path),
            source,
        }
    }

    pub(super) fn unwritable(&self, path: &str, source: io::Error) -> Failure {
        Failure::Error(Error::Unwritable {
            layout: self.name.clone(),
            path: named(path),
            source,
        })
    }
}

/// A path in a message; the folder itself has none.
fn named(path: &str) -> String {
    match path {
        "" => "the folder".to_owned(),
        path => path.to_owned(),
    }
}

/// Where a blob lies. A digest has one spelling, without dots and slashes: it leads nowhere else.
pub(super) fn blob_path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Follows no link in the last place, and waits for no pipe.
pub(super) fn without_surprises(options: &mut std::fs::OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        options,
        (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK)
            .bits()
            .cast_signed(),
    );
    #[cfg(not(unix))]
    let _ = options;
}

/// What the system calls too many links is one link that is not followed.
pub(super) fn told(error: io::Error) -> io::Error {
    #[cfg(unix)]
    if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
        return io::Error::other("it is a link, which is not followed");
    }
    error
}

//! What was fetched by its digest, kept in a folder so that it is fetched once.
//!
//! Asked by [`Client`](crate::Client), where a binary gives it one. What lies here is believed no more than what a registry
//! sends: it is hashed again on each read, and what is not what its name says is removed and fetched. Only what was accepted
//! is kept, and nothing that may change: no tag, no list, no login, and no absence. A folder that cannot be used is no
//! failure; everything is fetched then.

mod client;
#[cfg(not(unix))]
#[path = "elsewhere.rs"]
mod folder;
#[cfg(unix)]
mod folder;

use std::{
    io,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use countersign_common::{Digest, Escaped, Limits, Manifest, Repository};
use tokio::task::spawn_blocking;

use self::folder::Folder;

/// The longest content that is kept: the longest that is ever read whole.
const LONGEST: usize = if Limits::TABLE.config > Limits::TABLE.attestation {
    Limits::TABLE.config
} else {
    Limits::TABLE.attestation
};

/// What was fetched by its digest, in a folder.
#[derive(Debug)]
pub struct Cache {
    folder: Arc<Folder>,
    limit: u64,
    /// Nothing more is written once a write has failed: a full disk would be tried for each answer.
    has_failed: AtomicBool,
}

impl Cache {
    /// Opens a folder, which is made for the user alone if it is not there, and may take about `limit` bytes.
    pub fn open(folder: &Path, limit: u64) -> Result<Self, CacheError> {
        Ok(Self {
            // With a slash behind it a symbolic link would be taken for the folder that it leads to.
            folder: Arc::new(Folder::open(folder.components().collect())?),
            limit,
            has_failed: AtomicBool::new(false),
        })
    }

    /// The content of an entry, if it is there, of such a length, and what its name says. Of another length it is not even
    /// read: whoever names a long one a thousand times must not make it be hashed so often.
    fn read(&self, entry: &Entry, lengths: RangeInclusive<u64>) -> Option<Bytes> {
        match self.folder.read(&entry.name, lengths) {
            Found::Nothing => None,
            Found::Bytes(bytes) if entry.digest.recomputed(&bytes) == entry.digest => {
                Some(bytes.into())
            }
            Found::Bytes(_) | Found::Unusable => {
                tracing::info!(
                    "{} in the cache is damaged and is fetched again",
                    entry.name
                );
                self.folder.remove(&entry.name);
                None
            }
        }
    }

    /// How long the content of an entry is, as the folder says.
    fn length(&self, entry: &Entry) -> Option<u64> {
        self.folder.length(&entry.name)
    }

    /// Keeps the content of an entry, which was accepted. What goes wrong is said once and ends nothing.
    async fn keep(&self, entry: &Entry, bytes: &Bytes) {
        let is_too_long = bytes.len() > LONGEST || bytes.len() as u64 > self.limit / 4;
        if is_too_long || self.has_failed.load(Ordering::Relaxed) {
            return;
        }
        let kept = match self.make_room(bytes.len() as u64).await {
            Ok(Room::Made) => self.folder.write(&entry.name, bytes),
            Ok(Room::Missing) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = kept
            && !self.has_failed.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                "nothing more is kept in the cache {}: {error}",
                shown(self.folder.path())
            );
        }
    }

    /// Counts what is about to be written, and removes what was not used for longest if it would be too much.
    async fn make_room(&self, bytes: u64) -> io::Result<Room> {
        let limit = self.limit;
        if let Count::Bytes(counted) = self.folder.count(bytes)?
            && counted <= limit
        {
            return Ok(Room::Made);
        }
        // It looks at every entry.
        let folder = Arc::clone(&self.folder);
        let swept = spawn_blocking(move || folder.sweep(limit, bytes)).await;
        swept.map_err(io::Error::other)??;
        Ok(match self.folder.count(bytes)? {
            Count::Bytes(counted) if counted <= limit => Room::Made,
            // Another process is at it, and does not end.
            Count::Bytes(_) | Count::Unknown => Room::Missing,
        })
    }

    fn forget(&self, entry: &Entry) {
        self.folder.remove(&entry.name);
    }
}

/// Whether a manifest is kept.
pub(crate) enum Kept {
    Here(Box<Manifest>),
    /// It is, and has more bytes than are wanted.
    Longer,
    Not,
}

/// What lies under a name.
enum Found {
    Bytes(Vec<u8>),
    Nothing,
    /// A link, a pipe, or somebody else's.
    Unusable,
}

/// How much was written, without what was removed since.
enum Count {
    Bytes(u64),
    /// Nobody has counted yet, or not for long.
    Unknown,
}

/// Whether something more may be written.
enum Room {
    Made,
    Missing,
}

/// The place of one content.
struct Entry {
    name: String,
    digest: Digest,
}

impl Entry {
    fn manifest(repository: &Repository, digest: &Digest) -> Self {
        Self::of("manifest", repository, digest)
    }

    fn blob(repository: &Repository, digest: &Digest) -> Self {
        Self::of("blob", repository, digest)
    }

    /// In a repository that had it, and as what: that another one had it, or that the same bytes were there as something else,
    /// says nothing about this one.
    fn of(kind: &str, repository: &Repository, digest: &Digest) -> Self {
        let place = Digest::sha256(repository.to_string().as_bytes());
        Self {
            name: format!(
                "{kind}-{}-{}.{}",
                digest.algorithm().name(),
                digest.hex(),
                place.hex()
            ),
            digest: digest.clone(),
        }
    }

    /// Whether a file is one, whatever else lies in the folder.
    fn is_named(name: &str) -> bool {
        let content = (name.strip_prefix("manifest-")).or_else(|| name.strip_prefix("blob-"));
        let digest = content.and_then(|content| content.split_once('.'));
        digest.is_some_and(|(digest, _)| Digest::parse(&digest.replacen('-', ":", 1)).is_ok())
    }
}

/// The cache cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// Others could read it, or put something else in its place.
    #[error("{} {reason}", shown(folder))]
    Unsafe {
        /// The folder.
        folder: PathBuf,
        /// Why it is not used.
        reason: Distrust,
    },
    /// It cannot be made or opened.
    #[error("{}: {source}", shown(folder))]
    Unusable {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why a folder is not used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Distrust {
    /// It belongs to another user.
    #[error("belongs to user {owner}, who is not the one that runs this")]
    Foreign {
        /// Whose it is.
        owner: u32,
    },
    /// It is a symbolic link.
    #[error("is a symbolic link")]
    Link,
    /// It is a file.
    #[error("is no folder")]
    NoFolder,
    /// Its group or everybody may write in it.
    #[error("may be written by others, with mode {mode:04o}")]
    Writable {
        /// Its rights.
        mode: u32,
    },
}

fn shown(path: &Path) -> String {
    Escaped(&path.display().to_string()).to_string()
}

#[cfg(unix)]
#[cfg(test)]
mod tests;

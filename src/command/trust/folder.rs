//! The folder of a trust root: its complete versions, which never change, and at most one draft of the next.
//!
//! Verifiers read the same folder, so a draft never has the name of a version, and no version is there before it is whole
//! and signed by as many as must.

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use countersign_common::{Digest, Limits};
use countersign_trust_roots::{
    Chain,
    root::{Contents, Draft, Fault, Refusal},
};

use super::{error::TrustError, folder_error::FolderError};
use crate::{
    exit::Exit,
    files,
    output::{FileError, Stop},
};

/// The name of the next version while it is made.
pub(super) const DRAFT: &str = "draft.root.json";

/// What a folder holds.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    chain: Option<Chain>,
    /// Each as it was followed: what is shown and published is what was judged.
    versions: BTreeMap<u64, Vec<u8>>,
    pending: Pending,
}

/// The draft of a folder.
#[derive(Debug)]
pub(super) enum Pending {
    /// One of the version after the newest.
    Draft(Box<Draft>),
    /// None, or what is left of one that is complete.
    Nothing,
    /// One of a version that was completed otherwise.
    Stale { version: u64 },
}

/// Holds a folder while it is changed. The system lets go of it whenever the command ends.
#[derive(Debug)]
pub(super) struct Lock {
    _folder: File,
}

impl Lock {
    /// Two who change one draft at once would lose what one of them did.
    pub(super) fn take(path: &Path) -> Result<Self, Stop> {
        // Whoever opens a pipe waits for somebody to write into it.
        let folder = match fs::metadata(path) {
            Ok(found) if !found.is_dir() => Err(ErrorKind::NotADirectory.into()),
            Ok(_) => File::open(path),
            Err(source) => Err(source),
        };
        let folder = folder.map_err(|source| unreadable(path, source))?;
        match folder.try_lock() {
            Ok(()) => Ok(Self { _folder: folder }),
            Err(TryLockError::WouldBlock) => Err(FolderError::Busy {
                folder: path.display().to_string(),
            }
            .into()),
            Err(TryLockError::Error(source)) => Err(unreadable(path, source)),
        }
    }
}

impl Folder {
    /// Reads a folder, and follows its versions from the lowest to the highest.
    pub(super) fn open(path: &Path) -> Result<Self, Stop> {
        let mut versions = BTreeMap::new();
        let mut chain: Option<Chain> = None;
        for (version, file) in &list(path)? {
            let bytes = read_inside(file)?;
            let followed = match &mut chain {
                Some(chain) => chain.advance(&bytes),
                None => begin(&bytes).map(|first| chain = Some(first)),
            };
            followed.map_err(|source| root(file, source))?;
            let found = chain.as_ref().map(|chain| chain.newest().version());
            if let Some(found) = found.filter(|found| found != version) {
                return Err(FolderError::Misnamed {
                    path: file.display().to_string(),
                    version: found,
                }
                .into());
            }
            versions.insert(*version, bytes);
        }
        let pending = pending(&path.join(DRAFT), chain.as_ref())?;
        Ok(Self {
            path: path.to_owned(),
            chain,
            versions,
            pending,
        })
    }

    /// The same where there must be a root, or a draft of one.
    pub(super) fn with_root(path: &Path) -> Result<Self, Stop> {
        let folder = Self::open(path)?;
        if folder.is_empty() {
            return Err(FolderError::RootMissing {
                folder: folder.name(),
            }
            .into());
        }
        Ok(folder)
    }

    /// Whether neither a version nor a draft is there.
    pub(super) fn is_empty(&self) -> bool {
        self.chain.is_none() && matches!(self.pending, Pending::Nothing)
    }

    /// Its path, for messages.
    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The complete versions.
    pub(super) fn chain(&self) -> Option<&Chain> {
        self.chain.as_ref()
    }

    /// What the newest complete version says.
    pub(super) fn newest(&self) -> Option<&Contents> {
        self.chain.as_ref().map(Chain::newest)
    }

    /// The numbers of the complete versions, rising.
    pub(super) fn versions(&self) -> impl DoubleEndedIterator<Item = u64> {
        self.versions.keys().copied()
    }

    /// The files of the complete versions.
    pub(super) fn files(&self) -> &BTreeMap<u64, Vec<u8>> {
        &self.versions
    }

    /// The file of a complete version.
    pub(super) fn version(&self, version: u64) -> Result<&[u8], FolderError> {
        let file = self.versions.get(&version).map(Vec::as_slice);
        file.ok_or_else(|| match self.versions().next_back() {
            Some(newest) => FolderError::VersionMissing { version, newest },
            None => FolderError::DraftOnly {
                folder: self.name(),
            },
        })
    }

    /// The draft.
    pub(super) fn pending(&self) -> &Pending {
        &self.pending
    }

    /// The draft, if it can be worked on.
    pub(super) fn draft(&self) -> Result<Option<&Draft>, FolderError> {
        match &self.pending {
            Pending::Draft(draft) => Ok(Some(draft)),
            Pending::Nothing => Ok(None),
            Pending::Stale { version } => Err(self.stale(*version)),
        }
    }

    /// What is wrong with a draft that was overtaken.
    pub(super) fn stale(&self, version: u64) -> FolderError {
        FolderError::DraftStale {
            path: self.draft_path().display().to_string(),
            version,
        }
    }

    /// Where the draft lies.
    pub(super) fn draft_path(&self) -> PathBuf {
        self.path.join(DRAFT)
    }

    /// Replaces the draft.
    pub(super) fn write_draft(&self, draft: &Draft) -> Result<(), Stop> {
        let bytes = draft.to_json().map_err(TrustError::from)?;
        files::replace(&self.draft_path(), &bytes)
    }

    /// Makes the draft a version, if everybody who follows the chain will take it. Its file and its fingerprint.
    pub(super) fn complete(&self, draft: &Draft) -> Result<(PathBuf, Digest), Stop> {
        let bytes = draft.to_json().map_err(TrustError::from)?;
        let judged = match &self.chain {
            Some(chain) => {
                let mut next = chain.clone();
                next.advance(&bytes).map(|()| next)
            }
            None => begin(&bytes),
        };
        let chain = judged.map_err(|source| root(&self.draft_path(), source))?;
        let path = self.path.join(file_name(chain.newest().version()));
        files::create_whole(&path, &bytes)?;
        // If this fails, the draft is known to be complete by what it says.
        let _ = fs::remove_file(self.draft_path());
        Ok((path, chain.sha256().clone()))
    }
}

/// The name of a complete version.
pub(super) fn file_name(version: u64) -> String {
    format!("{version}.root.json")
}

/// Reads one root, or draft.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Stop> {
    files::read_within(path, Limits::TABLE.root as u64)
}

/// The same of one that lies in a folder.
pub(super) fn read_inside(path: &Path) -> Result<Vec<u8>, Stop> {
    files::read_in_folder(path, Limits::TABLE.root as u64)
}

/// Begins a chain with a root that its owner names by where it lies.
pub(super) fn begin(bytes: &[u8]) -> Result<Chain, Refusal> {
    Chain::pin(bytes, &Digest::sha256(bytes), &Limits::TABLE)
}

/// What is wrong with a file.
pub(super) fn root(path: &Path, source: impl Into<Refusal>) -> FolderError {
    FolderError::Root {
        path: path.display().to_string(),
        source: source.into(),
    }
}

/// Reads a draft that somebody sent.
pub(super) fn read_draft(path: &Path) -> Result<Draft, Stop> {
    Ok(draft(path, &read(path)?)?)
}

fn draft(path: &Path, bytes: &[u8]) -> Result<Draft, FolderError> {
    Draft::read(bytes, &Limits::TABLE).map_err(|fault| root(path, fault))
}

/// Where the draft lies that is signed in a file: a link leads there, and is no file that a signature could be written to.
pub(super) fn signed_file(path: &Path) -> Result<PathBuf, Stop> {
    let found = fs::metadata(path).map_err(|source| unreadable(path, source))?;
    if !found.is_file() {
        return Err(FolderError::Irregular {
            path: path.display().to_string(),
        }
        .into());
    }
    fs::canonicalize(path).map_err(|source| unreadable(path, source))
}

/// Whether a file has the name of a complete version, which never changes.
pub(super) fn is_version(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.and_then(parse_name).is_some()
}

/// Whether a draft is one of the version after this, and of the same root.
pub(super) fn follows(draft: &Contents, newest: Option<&Contents>) -> Result<(), Refusal> {
    let trusted = newest.map_or(0, Contents::version);
    if trusted.checked_add(1) != Some(draft.version()) {
        return Err(Refusal::VersionGap {
            trusted,
            found: draft.version(),
        });
    }
    match newest {
        Some(newest) if newest.name() != draft.name() => Err(Refusal::Renamed {
            trusted: newest.name().to_string(),
            found: draft.name().to_string(),
        }),
        _ => Ok(()),
    }
}

fn pending(path: &Path, chain: Option<&Chain>) -> Result<Pending, Stop> {
    if matches!(path.try_exists(), Ok(false)) {
        return Ok(Pending::Nothing);
    }
    let draft = draft(path, &read_inside(path)?)?;
    let contents = contents(&draft).map_err(|fault| root(path, fault))?;
    let version = contents.version();
    match chain {
        Some(chain) if version <= chain.newest().version() => {
            let complete = Draft::read(chain.bytes(), &Limits::TABLE);
            let complete = complete.and_then(|complete| complete.message());
            // Whoever was interrupted right after the last step has nothing left to do.
            if complete.ok() == draft.message().ok() {
                Ok(Pending::Nothing)
            } else {
                Ok(Pending::Stale { version })
            }
        }
        _ => {
            follows(&contents, chain.map(Chain::newest)).map_err(|source| root(path, source))?;
            Ok(Pending::Draft(Box::new(draft)))
        }
    }
}

/// What a draft says.
pub(super) fn contents(draft: &Draft) -> Result<Contents, Fault> {
    draft.contents(&Limits::TABLE)
}

/// The files of complete versions by their numbers. Everything else in the folder is somebody else's.
fn list(path: &Path) -> Result<BTreeMap<u64, PathBuf>, Stop> {
    let mut versions = BTreeMap::new();
    let entries = fs::read_dir(path).map_err(|source| unreadable(path, source))?;
    for entry in entries {
        let entry = entry.map_err(|source| unreadable(path, source))?;
        if let Some(version) = entry.file_name().to_str().and_then(parse_name) {
            versions.insert(version, entry.path());
        }
    }
    Ok(versions)
}

/// `007.root.json` would be a second name of `7.root.json`.
fn parse_name(name: &str) -> Option<u64> {
    let version: u64 = name.strip_suffix(".root.json")?.parse().ok()?;
    (file_name(version) == name).then_some(version)
}

fn unreadable(path: &Path, source: std::io::Error) -> Stop {
    Stop::new(
        Exit::Usage,
        &FileError::Read {
            path: path.display().to_string(),
            source,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::parse_name;

    #[test]
    fn a_version_has_one_name() {
        assert_eq!(parse_name("1.root.json"), Some(1));
        assert_eq!(parse_name("18446744073709551615.root.json"), Some(u64::MAX));
        for name in [
            "draft.root.json",
            "01.root.json",
            "+1.root.json",
            "1.root.json~",
            "1.ROOT.json",
            ".root.json",
            "18446744073709551616.root.json",
        ] {
            assert_eq!(parse_name(name), None, "{name}");
        }
    }
}

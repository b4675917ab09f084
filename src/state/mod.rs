//! The file in which a verifier's state lies, and the roots that it has verified, in a folder of the user's own.
//!
//! Read before a judgement; committed after it. One that refused moves no floor, and what it learned of roots stays true.
//! Whatever happens to this process or to the others that write at the same time, the file holds one whole state, and neither
//! the time nor the version of a root ever falls. A state that cannot be read is never taken for none.

mod error;
mod lock;
mod owned;
#[cfg(unix)]
#[cfg(test)]
mod tests;

use std::{
    borrow::Borrow,
    ffi::OsString,
    io::ErrorKind,
    num::NonZeroU64,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use countersign_common::{
    Escaped, Limits, RootSource, Task, Timestamp,
    root_source::{Failure, Unavailable},
};
use countersign_trust_roots::{
    RootName, State,
    state::{Advance, RootRegression},
};

use self::{error::StateError, lock::Lock};
use crate::output::Stop;

/// How long a writer waits for the others. Each takes a few milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// The state's place in the folder.
const STATE: &str = "state.json";

/// The place of the roots in the folder.
const ROOTS: &str = "roots";

/// Bytes of the longest root.
const ROOT_LIMIT: usize = Limits::TABLE.root;

/// A version of a root that a run has verified.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VerifiedRoot<'a> {
    /// Its name in the policy.
    pub(crate) name: &'a RootName,
    /// Its version.
    pub(crate) version: NonZeroU64,
    /// Its file.
    pub(crate) file: &'a [u8],
}

/// Whether something can be written in a folder, as far as its rights say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Writing {
    /// It can.
    Allowed,
    /// It cannot.
    Denied,
}

/// A folder with a state in it, or where one will be.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    /// Whether a person named it, who then expects something there.
    is_named: bool,
    patience: Duration,
}

impl Store {
    /// The folder that was named, or else the user's own. Nothing is touched yet.
    pub(crate) fn open(named: Option<&Path>) -> Result<Self, Stop> {
        let is_named = named.is_some();
        let folder = named
            .map(Path::to_owned)
            .or_else(|| own_folder(|name| std::env::var_os(name)))
            .ok_or(StateError::Homeless)?;
        Ok(Self {
            // With a slash behind it a symbolic link would be taken for the folder that it leads to.
            folder: folder.components().collect(),
            is_named,
            patience: PATIENCE,
        })
    }

    /// What is remembered, or `None` where nothing ever was.
    pub(crate) fn read(&self) -> Result<Option<State>, Stop> {
        Ok(self.load()?)
    }

    /// The folder, whether it is there or not.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether a commit could write there. Nothing is written to find out.
    pub(crate) fn writing(&self) -> Writing {
        #[cfg(unix)]
        if rustix::fs::access(
            &self.folder,
            rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK,
        )
        .is_err()
        {
            return Writing::Denied;
        }
        Writing::Allowed
    }

    /// Remembers what a run has learned, and the roots that it has verified. The first commit makes the folder and the file,
    /// even if nothing was learned.
    ///
    /// The roots come first, and under the same lock: a version that is remembered and not kept would be looked for at
    /// sources that may not have it yet, and be missed there as one that was rolled back.
    pub(crate) fn commit(
        &self,
        verified: &[VerifiedRoot<'_>],
        advance: &Advance,
        system_now: Timestamp,
    ) -> Result<(), Stop> {
        // Most runs learn nothing new. They neither wait nor need a disk that can be written.
        if self.next(advance, system_now)?.is_none() {
            self.keep(verified, || Lock::take(&self.folder, Duration::ZERO));
            return Ok(());
        }
        let lock = Lock::take(&self.folder, self.patience)?;
        // Another writer may have been here in between.
        let next = self.next(advance, system_now)?;
        self.keep(verified, || Ok(&lock));
        if let Some(next) = next {
            let bytes = next.to_json();
            // What could not be read again would lock every later run out.
            State::parse(&bytes)
                .map_err(|corrupt| StateError::unwritable(&self.file(), corrupt))?;
            lock.replace(Path::new(STATE), &bytes)?;
        }
        Ok(())
    }

    /// Keeps what is not kept yet, so that the next run need not fetch it. What could not be kept is said and ends nothing: that
    /// it was seen is remembered all the same, and a source that lags behind it is refused until it has caught up.
    fn keep<L: Borrow<Lock>>(
        &self,
        verified: &[VerifiedRoot<'_>],
        lock: impl FnOnce() -> Result<L, StateError>,
    ) {
        // A damaged one is replaced, as it would never be used.
        let is_missing = |root: &&VerifiedRoot<'_>| {
            let kept = self.kept_root(root.name, root.version);
            !matches!(kept, Ok(Some(kept)) if kept == *root.file)
        };
        let mut missing = verified.iter().filter(is_missing).peekable();
        if missing.peek().is_none() {
            return;
        }
        let kept = lock().and_then(|lock| {
            missing.try_for_each(|root| {
                self.check_folders(root.name)?;
                for folder in [self.folder.join(ROOTS), self.root_folder(root.name)] {
                    owned::create_folder(&folder)?;
                }
                let file = root_file(root.name, root.version);
                lock.borrow().replace(&file, root.file)
            })
        });
        match kept {
            Ok(()) => {}
            // Whoever is writing keeps the same.
            Err(StateError::Locked { .. }) => {
                tracing::info!("versions of roots are not kept: another process writes");
            }
            Err(error) => tracing::warn!("versions of roots are not kept: {error}"),
        }
    }

    /// The kept versions of a root.
    pub(crate) fn kept_roots(&self, name: &RootName) -> KeptRoots<'_> {
        KeptRoots {
            store: self,
            name: name.clone(),
        }
    }

    /// Refuses folders of kept versions that others can write.
    pub(crate) fn check_roots<'a>(
        &self,
        names: impl IntoIterator<Item = &'a RootName>,
    ) -> Result<(), Stop> {
        for name in names {
            self.check_folders(name)?;
        }
        Ok(())
    }

    fn check_folders(&self, name: &RootName) -> Result<(), StateError> {
        let roots = self.folder.join(ROOTS);
        [&self.folder, &roots, &self.root_folder(name)]
            .into_iter()
            .try_for_each(|folder| owned::check_folder(folder))
    }

    /// The folder of a root's versions, each as `<version>.root.json`.
    fn root_folder(&self, name: &RootName) -> PathBuf {
        self.folder.join(ROOTS).join(name.as_str())
    }

    /// A root that was kept, or may have been: whoever reads it verifies it as if it came from a stranger.
    fn kept_root(
        &self,
        name: &RootName,
        version: NonZeroU64,
    ) -> Result<Option<Vec<u8>>, StateError> {
        self.check_folders(name)?;
        let bytes = owned::read(&self.folder.join(root_file(name, version)), ROOT_LIMIT)?;
        Ok(bytes.filter(|bytes| bytes.len() <= ROOT_LIMIT))
    }

    fn file(&self) -> PathBuf {
        self.folder.join(STATE)
    }

    fn load(&self) -> Result<Option<State>, StateError> {
        // Whoever never asked for a memory is not refused for where one would be. A link that leads nowhere is something.
        let found = self.folder.symlink_metadata();
        if !self.is_named && found.is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            return Ok(None);
        }
        owned::check_folder(&self.folder)?;
        let path = self.file();
        let Some(bytes) = owned::read(&path, State::MAX_BYTES)? else {
            return Ok(None);
        };
        State::parse(&bytes)
            .map(Some)
            .map_err(|source| StateError::Corrupt { path, source })
    }

    /// What would be there after an advance, or `None` if it is there already.
    fn next(&self, advance: &Advance, system_now: Timestamp) -> Result<Option<State>, StateError> {
        let kept = self.load()?;
        let state = kept.clone().unwrap_or_default();
        for (name, seen) in &advance.roots {
            // Another process was shown another root of this version. That it only saw a newer one is no matter.
            if let Err(twin @ RootRegression::Twin { .. }) = state.check_root(name, seen) {
                return Err(StateError::Contradicted(twin));
            }
        }
        let next = state.advanced(advance, system_now);
        Ok(Some(next).filter(|next| kept.as_ref() != Some(next)))
    }
}

/// The versions of one root that were kept.
#[derive(Debug)]
pub(crate) struct KeptRoots<'a> {
    store: &'a Store,
    name: RootName,
}

impl RootSource for KeptRoots<'_> {
    fn name(&self) -> String {
        format!(
            "file:{}",
            Escaped(&self.store.root_folder(&self.name).to_string_lossy())
        )
    }

    fn version(&self, version: u64) -> Task<'_, Result<Option<Bytes>, Failure>> {
        Box::pin(async move {
            let Some(version) = NonZeroU64::new(version) else {
                return Ok(None);
            };
            let kept = self.store.kept_root(&self.name, version);
            kept.map(|kept| kept.map(Bytes::from)).map_err(|error| {
                let (name, source) = (self.name(), error.to_string().into());
                Unavailable { name, source }.into()
            })
        })
    }
}

/// A root's place in the folder.
fn root_file(name: &RootName, version: NonZeroU64) -> PathBuf {
    let folder = Path::new(ROOTS).join(name.as_str());
    folder.join(format!("{version}.root.json"))
}

/// Where the user's programs keep what they remember, by the XDG base directory specification.
fn own_folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name| {
        // A relative one would be the current folder, where anybody may have left a state.
        let path = variable(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    let user =
        absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(user.join("countersign"))
}

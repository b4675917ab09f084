//! One writer at a time, and files that are replaced whole.
//!
//! Taken by every commit. The system drops the lock with the process that holds it, however that ends; the file of the
//! lock stays for ever, since whoever removed it would let two in.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    process, thread,
    time::{Duration, Instant},
};

use super::{error::StateError, owned};

/// How long to wait before asking again.
const PAUSE: Duration = Duration::from_millis(2);

/// How the names of files begin and end that are not in their place yet.
const UNFINISHED: (&str, &str) = (".countersign-", ".tmp");

/// The right to write in a folder, until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    folder: PathBuf,
    /// Locked as long as it is open.
    _file: File,
}

impl Lock {
    /// Waits until no other process writes in this folder, which is made if it is not there.
    pub(super) fn take(folder: &Path, patience: Duration) -> Result<Self, StateError> {
        owned::create_folder(folder)?;
        let path = folder.join("state.lock");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        for_the_user_alone(&mut options);
        let file = owned::open(&path, &mut options, StateError::unwritable)?;
        let begin = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if begin.elapsed() < patience => thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => return Err(StateError::Locked { path, patience }),
                Err(TryLockError::Error(source)) => {
                    return Err(StateError::unwritable(&path, source));
                }
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            _file: file,
        })
    }

    /// Replaces a file of the folder. Whenever this ends, by a power cut too, the file is the old or the new one.
    pub(super) fn replace(&self, file: &Path, bytes: &[u8]) -> Result<(), StateError> {
        let path = self.folder.join(file);
        let folder = path.parent().unwrap_or(&self.folder);
        let (begin, end) = UNFINISHED;
        let unfinished = folder.join(format!("{begin}{}{end}", process::id()));
        let replaced = remove_unfinished(folder)
            .and_then(|()| write_new(&unfinished, bytes))
            .and_then(|()| fs::rename(&unfinished, &path))
            .and_then(|()| sync_folder(folder));
        replaced.map_err(|source| {
            // On a full disk each run would leave one.
            let _ = fs::remove_file(&unfinished);
            StateError::unwritable(&path, source)
        })
    }
}

/// Removes what killed writers have left. Under the lock there is no other writer who could still need it.
fn remove_unfinished(folder: &Path) -> io::Result<()> {
    let (begin, end) = UNFINISHED;
    let is_unfinished = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(begin) && name.ends_with(end))
    };
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if is_unfinished(&path) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    for_the_user_alone(&mut options);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn for_the_user_alone(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(not(unix))]
    let _ = options;
}

/// Without it a power cut may undo the renaming, and with it what was remembered.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}

//! One writer at a time: the right to change `index.json`, which every writer reads, changes and replaces.
//!
//! Taken by our own writers alone: other programs know of no lock. The system drops it with the process that holds it,
//! however that ends, and nothing is left in the folder.

use std::{
    fs::{File, TryLockError},
    io, thread,
    time::{Duration, Instant},
};

use countersign_common::registry::Failure;

use super::{
    Caller,
    folder::{Folder, INDEX, MARKER, told, without_surprises},
};

/// How long to wait before asking again.
const PAUSE: Duration = Duration::from_millis(2);

/// The right to write, until it is dropped.
pub(super) struct Lock {
    /// Locked as long as it is open.
    _marker: File,
}

impl Folder {
    /// Waits until no other process writes in this folder. The lock is on the marker, which nobody replaces.
    pub(super) fn lock(&self, caller: &Caller) -> Result<Lock, Failure> {
        let unwritable = |path, source| Err(self.unwritable(path, source));
        let marker = match self.marker() {
            Ok(marker) => marker,
            Err(source) => return unwritable(MARKER, told(source)),
        };
        let begin = Instant::now();
        loop {
            let waited = begin.elapsed();
            match marker.try_lock() {
                // Whoever was told that it failed must not find it done.
                _ if caller.is_gone() => {
                    return unwritable(INDEX, io::ErrorKind::TimedOut.into());
                }
                Ok(()) => return Ok(Lock { _marker: marker }),
                Err(TryLockError::WouldBlock) if waited < self.patience => thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    let held = format!("another process has held it for {} s", waited.as_secs());
                    return unwritable(INDEX, io::Error::other(held));
                }
                Err(TryLockError::Error(source)) => return unwritable(MARKER, source),
            }
        }
    }

    /// Open for writing if that may be: some network file systems lock nothing else. Who may only read it can lock it
    /// elsewhere, and whether they may write is for the folder to say.
    fn marker(&self) -> io::Result<File> {
        let mut options = File::options();
        options.read(true).write(true);
        without_surprises(&mut options);
        let path = self.path.join(MARKER);
        match options.open(&path) {
            Err(denied) if denied.kind() == io::ErrorKind::PermissionDenied => {
                options.write(false).open(&path)
            }
            opened => opened,
        }
    }
}

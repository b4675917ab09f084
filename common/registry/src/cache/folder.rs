//! The cache's folder: files that are written whole or not at all, by any number of programs at once.
//!
//! Held by [`Cache`](super::Cache). The folder is judged once it is open, and everything after goes through what was opened,
//! so that nobody can put another one in its place. No entry is ever changed: it is replaced or removed. Whoever is killed
//! leaves at most a file that the next sweep removes.

use std::{
    fs::{DirBuilder, File},
    hash::{BuildHasher, Hasher, RandomState},
    io::{self, ErrorKind, Read, Write},
    ops::RangeInclusive,
    os::{fd::OwnedFd, unix::fs::DirBuilderExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat},
    io::Errno,
};

use super::{CacheError, Count, Distrust, Entry, Found};

/// What the smallest file takes of most disks, and so what is counted.
const BLOCK: u64 = 4 << 10;
/// A file as long as there are blocks: anybody adds to its end at once, and nobody waits.
const COUNTER: &str = ".count";
/// Locked by who sweeps, and as old as the last sweep.
const SWEPT: &str = ".swept";
/// How the names of files begin that are not in their place yet.
const UNFINISHED: &str = ".unfinished-";
/// How long what was killed may leave behind lies there.
const SWEEP_EVERY: Duration = Duration::from_hours(24);
/// How exactly is remembered when something was used. Each time would be a write for each read.
const USED_WITHIN: Duration = Duration::from_mins(1);

/// An open folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    opened: OwnedFd,
}

impl Folder {
    pub(super) fn open(path: PathBuf) -> Result<Self, CacheError> {
        let opened = match open_folder(&path) {
            Err(Errno::NOENT) => create(&path).and_then(|()| Ok(open_folder(&path)?)),
            opened => opened.map_err(io::Error::from),
        };
        let judged = opened.and_then(|opened| {
            let stat = rustix::fs::fstat(&opened)?;
            Ok((opened, distrust(stat.st_uid, user(), stat.st_mode)))
        });
        match judged {
            Ok((opened, None)) => Ok(Self { path, opened }),
            Ok((_, Some(reason))) => Err(distrusted(path, reason)),
            Err(_) if path.is_symlink() => Err(distrusted(path, Distrust::Link)),
            Err(error) if error.kind() == ErrorKind::NotADirectory && path.is_file() => {
                Err(distrusted(path, Distrust::NoFolder))
            }
            Err(source) => Err(CacheError::Unusable {
                folder: path,
                source,
            }),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes of a file of such a length, and that it was used.
    pub(super) fn read(&self, name: &str, lengths: RangeInclusive<u64>) -> Found {
        let file = match self.open_file(name, OFlags::RDONLY) {
            Ok(file) => file,
            Err(Errno::LOOP) => return Found::Unusable,
            Err(_) => return Found::Nothing,
        };
        let Ok(length) = length(&file) else {
            return Found::Unusable;
        };
        if !lengths.contains(&length) {
            return Found::Nothing;
        }
        touch(&file);
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        match file.take(*lengths.end()).read_to_end(&mut bytes) {
            Ok(_) => Found::Bytes(bytes),
            Err(_) => Found::Unusable,
        }
    }

    /// How long a file is.
    pub(super) fn length(&self, name: &str) -> Option<u64> {
        length(&self.open_file(name, OFlags::RDONLY).ok()?).ok()
    }

    pub(super) fn remove(&self, name: &str) {
        // Who may not remove it will not believe it the next time either.
        let _ = rustix::fs::unlinkat(&self.opened, name, AtFlags::empty());
    }

    /// Adds to what is counted, and says how much that is then. Counted before it is written, so that what was killed in
    /// between is counted too.
    pub(super) fn count(&self, bytes: u64) -> io::Result<Count> {
        let mut counter = match self.open_file(COUNTER, OFlags::WRONLY | OFlags::APPEND) {
            Ok(counter) => counter,
            Err(Errno::NOENT) => return Ok(Count::Unknown),
            Err(error) => return Err(error.into()),
        };
        let blocks = usize::try_from(blocks(bytes)).unwrap_or(usize::MAX);
        counter.write_all(&vec![b'.'; blocks])?;
        if !self.is_swept() {
            return Ok(Count::Unknown);
        }
        Ok(Count::Bytes(length(&counter)?.saturating_mul(BLOCK)))
    }

    /// Puts a file in its place, whole. It is not forced to the disk: what a power cut leaves of it does not hash to its
    /// name.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let random = RandomState::new().build_hasher().finish();
        let unfinished = format!("{UNFINISHED}{random:016x}");
        let written = self.write_new(&unfinished, bytes).and_then(|_lock| {
            match rustix::fs::renameat(&self.opened, &*unfinished, &self.opened, name) {
                // A sweep came before the lock, and took it for what was killed.
                Ok(()) | Err(Errno::NOENT) => Ok(()),
                Err(error) => Err(error.into()),
            }
        });
        if written.is_err() {
            // On a full disk each run would leave one.
            self.remove(&unfinished);
        }
        written
    }

    fn write_new(&self, name: &str, bytes: &[u8]) -> io::Result<File> {
        let mut file = self.open_file(name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)?;
        // Says that it is still being written. A disk without locks keeps what was killed.
        let _ = file.try_lock();
        file.write_all(bytes)?;
        Ok(file)
    }

    fn is_swept(&self) -> bool {
        let swept = self.open_file(SWEPT, OFlags::RDONLY);
        let at = swept
            .ok()
            .and_then(|file| file.metadata().ok()?.modified().ok());
        // A clock that was set back sweeps once more.
        at.and_then(|at| at.elapsed().ok())
            .is_some_and(|age| age < SWEEP_EVERY)
    }

    /// Removes what killed writers have left, and if there is no room for so many bytes more what was not used for
    /// longest, until three quarters of the limit are left; and counts what there is. Nothing, if another process is at
    /// it.
    pub(super) fn sweep(&self, limit: u64, more: u64) -> io::Result<()> {
        let swept = self.open_file(SWEPT, OFlags::RDWR | OFlags::CREATE)?;
        if swept.try_lock().is_err() {
            return Ok(());
        }
        let mut entries = self.entries()?;
        let mut total: u64 = entries.iter().map(|entry| entry.bytes).sum();
        if total + blocks(more) * BLOCK > limit {
            entries.sort_by_key(|entry| entry.used);
            for entry in entries {
                if total <= limit / 4 * 3 {
                    break;
                }
                self.remove(&entry.name);
                total -= entry.bytes;
            }
        }
        let counter = self.open_file(COUNTER, OFlags::WRONLY | OFlags::CREATE)?;
        counter.set_len(total / BLOCK)?;
        swept.set_modified(SystemTime::now())
    }

    /// What is kept, and nothing else that lies here.
    fn entries(&self) -> io::Result<Vec<Kept>> {
        let mut entries = Vec::new();
        for entry in Dir::read_from(&self.opened)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            if name.starts_with(UNFINISHED) {
                self.remove_unfinished(name);
            } else if Entry::is_named(name)
                && let Ok(stat) = rustix::fs::statat(&self.opened, name, AtFlags::SYMLINK_NOFOLLOW)
            {
                entries.push(Kept::new(name, &stat));
            }
        }
        Ok(entries)
    }

    /// Removes what nobody writes any more.
    fn remove_unfinished(&self, name: &str) {
        let file = self.open_file(name, OFlags::RDONLY);
        if file.is_ok_and(|file| file.try_lock().is_ok()) {
            self.remove(name);
        }
    }

    fn open_file(&self, name: &str, flags: OFlags) -> Result<File, Errno> {
        // A pipe in its place must not hold this up.
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::openat(&self.opened, name, flags, mode).map(File::from)
    }
}

/// What a sweep knows of an entry.
struct Kept {
    name: String,
    used: i64,
    bytes: u64,
}

impl Kept {
    fn new(name: &str, stat: &Stat) -> Self {
        Self {
            name: name.to_owned(),
            used: stat.st_mtime,
            bytes: blocks(u64::try_from(stat.st_size).unwrap_or_default()) * BLOCK,
        }
    }
}

/// How many blocks a file takes: an empty one takes a place in the folder.
fn blocks(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK).max(1)
}

fn open_folder(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
}

/// For the user alone, and so are those above it that are made.
fn create(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn distrusted(folder: PathBuf, reason: Distrust) -> CacheError {
    CacheError::Unsafe { folder, reason }
}

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

pub(super) fn distrust(owner: u32, user: u32, mode: u32) -> Option<Distrust> {
    const WRITABLE_BY_OTHERS: u32 = 0o022;
    if owner != user {
        Some(Distrust::Foreign { owner })
    } else if mode & WRITABLE_BY_OTHERS != 0 {
        Some(Distrust::Writable {
            mode: mode & 0o7777,
        })
    } else {
        None
    }
}

/// The length of a plain file of the user's own that has no other name, under which it might be written.
fn length(file: &File) -> io::Result<u64> {
    let stat = rustix::fs::fstat(file)?;
    let is_plain = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    if !is_plain || stat.st_nlink > 1 || distrust(stat.st_uid, user(), stat.st_mode).is_some() {
        return Err(ErrorKind::PermissionDenied.into());
    }
    u64::try_from(stat.st_size).map_err(io::Error::other)
}

/// Remembers that it was used, as far as the disk lets anybody.
fn touch(file: &File) {
    let used = file.metadata().and_then(|metadata| metadata.modified());
    // A time to come, by a clock that was set back, would keep it for ever.
    let age = used.ok().and_then(|used| used.elapsed().ok());
    if age.is_none_or(|age| age >= USED_WITHIN) {
        let _ = file.set_modified(SystemTime::now());
    }
}

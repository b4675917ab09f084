//! Files that people name: read within a limit, written so that nothing is lost.

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    path::Path,
};

use tempfile::NamedTempFile;

use crate::{
    exit::Exit,
    output::{FileError, Stop},
};

/// A key, a certificate or a chain of them.
const LIMIT: u64 = 1 << 20;
/// How the name of a file begins that has not got its own yet.
const UNFINISHED: &str = ".countersign-";
/// The length of what follows.
const RANDOM: usize = 6;

/// Reads a small file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Stop> {
    read_within(path, LIMIT)
}

/// Reads a file of at most so many bytes. One that a person names may be a pipe.
pub(crate) fn read_within(path: &Path, limit: u64) -> Result<Vec<u8>, Stop> {
    read_opened((path, File::open(path)), limit)
}

/// Reads a file that lies in a folder, where whoever may write there chooses what it is.
pub(crate) fn read_in_folder(path: &Path, limit: u64) -> Result<Vec<u8>, Stop> {
    read_opened((path, open(path)), limit)
}

fn read_opened((path, file): (&Path, io::Result<File>), limit: u64) -> Result<Vec<u8>, Stop> {
    let shown = path.display().to_string();
    let unreadable = |source| {
        Stop::new(
            Exit::Usage,
            &FileError::Read {
                path: shown.clone(),
                source,
            },
        )
    };
    let mut bytes = Vec::new();
    // A device or a pipe has no length to ask for beforehand.
    file.and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(Stop::new(
            Exit::Usage,
            &FileError::TooLarge { path: shown, limit },
        ));
    }
    Ok(bytes)
}

/// Opens a file, and no pipe in its place that would hold everything up.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        rustix::fs::OFlags::NONBLOCK.bits().cast_signed(),
    );
    let file = options.open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is no file"))
    }
}

/// Who may read a new file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Secrecy {
    /// Its owner alone.
    Private,
    /// Whom the system's defaults allow.
    Public,
}

/// Refuses a name that is taken. It may be taken later: whoever writes finds out again.
pub(crate) fn absent(path: &Path) -> Result<(), Stop> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Err(exists(path)),
        Err(_) => Ok(()),
    }
}

/// Writes a new file; one that is there is never overwritten.
pub(crate) fn create(path: &Path, bytes: &[u8], secrecy: Secrecy) -> Result<(), Stop> {
    let shown = path.display().to_string();
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if secrecy == Secrecy::Private {
        // Set at creation: a mode set afterwards leaves a moment in which anybody may open it.
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    let mut file = options.open(path).map_err(|source| match source.kind() {
        ErrorKind::AlreadyExists => exists(path),
        _ => Stop::new(
            Exit::Undecided,
            &FileError::Write {
                path: shown.clone(),
                source,
            },
        ),
    })?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(|source| {
            // Half a key is worse than none: it looks like one.
            let _ = std::fs::remove_file(path);
            Stop::new(
                Exit::Undecided,
                &FileError::Write {
                    path: shown,
                    source,
                },
            )
        })
}

/// Makes a folder, if it is not there.
pub(crate) fn make_folder(path: &Path) -> Result<(), Stop> {
    std::fs::create_dir_all(path).map_err(|source| unwritable(path, source))
}

/// Adds to the end of a file that a build system keeps.
pub(crate) fn append(path: &Path, text: &str) -> Result<(), Stop> {
    let written = OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.flush()
        });
    written.map_err(|source| unwritable(path, source))
}

/// Whether this is a pipe, a device or what `/dev/stdout` stands for: a file in its place would be one for everybody.
pub(crate) fn is_stream(path: &Path) -> bool {
    let is_other = |found: io::Result<Metadata>| found.is_ok_and(|found| !found.is_file());
    is_other(path.metadata()) || (path.starts_with("/dev") && is_other(path.symlink_metadata()))
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path) -> Result<(), Stop> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(unwritable(path, source)),
        _ => Ok(()),
    }
}

/// Replaces a file, or makes it: whoever reads it finds the old one or the new one, whole.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Stop> {
    beside(path, bytes)
        .and_then(|file| Ok(file.persist(path)?))
        .and_then(|_| settle(path))
        .map_err(|source| unwritable(path, source))
}

/// Writes a new file, whole from its first moment; one that is there is never overwritten.
pub(crate) fn create_whole(path: &Path, bytes: &[u8]) -> Result<(), Stop> {
    beside(path, bytes)
        .and_then(|file| Ok(file.persist_noclobber(path)?))
        .and_then(|_| settle(path))
        .map_err(|source| match source.kind() {
            ErrorKind::AlreadyExists => exists(path),
            _ => unwritable(path, source),
        })
}

/// Removes what killed writers have left of [`beside`]. For whoever holds the folder, where no other writes.
pub(crate) fn sweep(folder: &Path) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let left = entries.filter(|entry| {
        let name = entry.file_name();
        let random = name.to_str().and_then(|name| name.strip_prefix(UNFINISHED));
        let is_ours = |random: &str| {
            random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        random.is_some_and(is_ours) && entry.file_type().is_ok_and(|kind| kind.is_file())
    });
    for entry in left {
        // What cannot be removed harms nobody.
        let _ = std::fs::remove_file(entry.path());
    }
}

/// A file beside another, whole and on the disk, that goes away unless it is given a name.
fn beside(path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED).rand_bytes(RANDOM);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder(path))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// A new name is on the disk only when its folder is.
fn settle(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(folder(path))?.sync_all()?;
    Ok(())
}

/// The folder that a file lies in.
pub(crate) fn folder(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn exists(path: &Path) -> Stop {
    let path = path.display().to_string();
    Stop::new(Exit::Usage, &FileError::Exists { path })
}

fn unwritable(path: &Path, source: io::Error) -> Stop {
    Stop::new(
        Exit::Undecided,
        &FileError::Write {
            path: path.display().to_string(),
            source,
        },
    )
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_a_stream_is_no_file_to_replace() {
        assert!(is_stream(Path::new("/dev/null")));
        // Wherever it leads today.
        assert!(is_stream(Path::new("/dev/stdout")));
        assert!(!is_stream(Path::new("Cargo.toml")));
        assert!(!is_stream(Path::new("/dev/absent")));
    }
}

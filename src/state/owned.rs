//! Folders and files that nobody but the user, or root, can have written.
//!
//! All that a verifier remembers is read through here. A symbolic link is never followed to a file, and what others can
//! write is refused: they would decide what time it is and which root is the newest. So is what anybody can move away, with
//! a folder above it: a verifier that finds nothing has forgotten everything.

use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions},
    io::{self, ErrorKind, Read},
    path::Path,
};

use super::error::{Distrust, StateError};

/// Refuses a folder that others can write, or in whose place anybody can put another. One that is not there is no danger,
/// unless anybody can have moved it away.
pub(super) fn check_folder(path: &Path) -> Result<(), StateError> {
    let absolute =
        std::path::absolute(path).map_err(|error| StateError::unreadable(path, error))?;
    absolute.parent().map_or(Ok(()), check_way)?;
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if is_absent(&error) => return Ok(()),
        Err(source) => return Err(StateError::unreadable(path, source)),
    };
    if metadata.is_symlink() {
        return Err(StateError::distrusted(path, Distrust::Link));
    }
    if !metadata.is_dir() {
        return Err(StateError::distrusted(path, Distrust::NoFolder));
    }
    check_rights(path, &metadata)
}

/// Refuses a way on which others can exchange a folder or a link, as far as it is there.
fn check_way(path: &Path) -> Result<(), StateError> {
    let mut steps: Vec<_> = path.ancestors().collect();
    // From the top on: what lies beyond a folder that others can write is what they say it is.
    steps.reverse();
    for step in steps {
        let metadata = match fs::symlink_metadata(step) {
            Ok(metadata) => metadata,
            Err(error) if is_absent(&error) => return Ok(()),
            Err(source) => return Err(StateError::unreadable(step, source)),
        };
        check_step(step, &metadata)?;
        if metadata.is_symlink() {
            check_target(step)?;
        }
    }
    Ok(())
}

/// The same of the way on which a link leads.
fn check_target(link: &Path) -> Result<(), StateError> {
    // Links that lead in a circle are an error here, and never followed below.
    match fs::metadata(link) {
        Ok(_) => {}
        Err(error) if is_absent(&error) => return Ok(()),
        Err(source) => return Err(StateError::unreadable(link, source)),
    }
    let target = fs::read_link(link).map_err(|source| StateError::unreadable(link, source))?;
    let around = link.parent().unwrap_or(link);
    check_way(&around.join(target))
}

/// Makes a folder, and those above it, for the user alone.
pub(super) fn create_folder(path: &Path) -> Result<(), StateError> {
    check_folder(path)?;
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(path)
        .map_err(|source| StateError::unwritable(path, source))?;
    check_folder(path)
}

/// A file's bytes, of a longer one than `limit` the first `limit + 1`; `None` if there is no file.
pub(super) fn read(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, StateError> {
    let file = match open(path, OpenOptions::new().read(true), StateError::unreadable) {
        Ok(file) => file,
        Err(StateError::Unreadable { source, .. }) if is_absent(&source) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| StateError::unreadable(path, source))?;
    Ok(Some(bytes))
}

/// Opens a file that nobody else can have written. It is judged once it is open, so that it cannot be exchanged after.
pub(super) fn open(
    path: &Path,
    options: &mut OpenOptions,
    failed: fn(&Path, io::Error) -> StateError,
) -> Result<File, StateError> {
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        // A pipe in its place must not hold this up.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
        std::os::unix::fs::OpenOptionsExt::custom_flags(options, flags.cast_signed());
    }
    let file = options.open(path).map_err(|source| {
        if path.is_symlink() {
            StateError::distrusted(path, Distrust::Link)
        } else {
            failed(path, source)
        }
    })?;
    let metadata = file.metadata().map_err(|source| failed(path, source))?;
    if !metadata.is_file() {
        return Err(StateError::distrusted(path, Distrust::NoFile));
    }
    check_rights(path, &metadata)?;
    Ok(file)
}

/// A path that leads through a file leads nowhere.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotADirectory | ErrorKind::NotFound)
}

#[cfg(unix)]
fn check_rights(path: &Path, metadata: &Metadata) -> Result<(), StateError> {
    use std::os::unix::fs::MetadataExt;

    let user = rustix::process::geteuid().as_raw();
    let names = if metadata.is_dir() {
        1
    } else {
        metadata.nlink()
    };
    distrust(metadata.uid(), user, metadata.mode(), names)
        .map_or(Ok(()), |reason| Err(StateError::distrusted(path, reason)))
}

/// In a folder that anybody may write, anybody moves everything, but for the sticky bit; a link has no mode of its own.
///
/// A group and other owners are let through here: homes that a group may write are common, and so are containers in which
/// root works in another user's home.
#[cfg(unix)]
fn check_step(path: &Path, metadata: &Metadata) -> Result<(), StateError> {
    use std::os::unix::fs::MetadataExt;

    const STICKY: u32 = 0o1000;
    const WRITABLE_BY_ANYBODY: u32 = 0o002;
    let mode = metadata.mode();
    if mode & (STICKY | WRITABLE_BY_ANYBODY) != WRITABLE_BY_ANYBODY || metadata.is_symlink() {
        return Ok(());
    }
    Err(StateError::distrusted(
        path,
        Distrust::Writable {
            mode: mode & 0o7777,
        },
    ))
}

/// Elsewhere a user's folders are the user's own.
#[cfg(not(unix))]
fn check_step(_: &Path, _: &Metadata) -> Result<(), StateError> {
    Ok(())
}

#[cfg(not(unix))]
fn check_rights(_: &Path, _: &Metadata) -> Result<(), StateError> {
    Ok(())
}

#[cfg(unix)]
fn distrust(owner: u32, user: u32, mode: u32, names: u64) -> Option<Distrust> {
    const ROOT: u32 = 0;
    const WRITABLE_BY_OTHERS: u32 = 0o022;
    if owner != user && owner != ROOT {
        Some(Distrust::Foreign { owner })
    } else if mode & WRITABLE_BY_OTHERS != 0 {
        Some(Distrust::Writable {
            mode: mode & 0o7777,
        })
    } else if names > 1 {
        // One that was just replaced has none.
        Some(Distrust::Names { names })
    } else {
        None
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_user_or_root_alone_can_write_is_trusted() {
        const USER: u32 = 1_000;
        for (owner, mode, names, reason) in [
            (USER, 0o100_600, 1, None),
            (USER, 0o100_644, 0, None),
            (USER, 0o040_755, 1, None),
            (0, 0o100_644, 1, None),
            (
                1_001,
                0o100_600,
                1,
                Some(Distrust::Foreign { owner: 1_001 }),
            ),
            (USER, 0o100_620, 1, Some(Distrust::Writable { mode: 0o620 })),
            (USER, 0o100_602, 1, Some(Distrust::Writable { mode: 0o602 })),
            (0, 0o041_777, 1, Some(Distrust::Writable { mode: 0o1777 })),
            (USER, 0o100_600, 2, Some(Distrust::Names { names: 2 })),
        ] {
            assert_eq!(
                distrust(owner, USER, mode, names),
                reason,
                "{owner} {mode:o}"
            );
        }
        // Nor does root believe a user.
        assert_eq!(
            distrust(USER, 0, 0o600, 1),
            Some(Distrust::Foreign { owner: USER })
        );
    }
}

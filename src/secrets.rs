//! Files that hold a private key, and who else can read them. Called for each private key that is read. What a file holds is
//! not looked at here.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use countersign_common::{Code, Escaped, Explain};
use zeroize::Zeroizing;

use crate::{
    exit::Exit,
    files,
    output::{FileError, Stop},
};

/// Longer than any key.
pub(crate) const LIMIT: usize = 1 << 20;
/// Longer than the keys in use. Whatever is set aside for a key is wiped, which takes longer than reading one.
pub(crate) const USUAL: usize = 16 << 10;

/// What a private key's file holds, and who else can read it.
pub(crate) struct Secret {
    pub(crate) text: Zeroizing<Vec<u8>>,
    pub(crate) exposures: Vec<Exposure>,
}

/// Reads the file of a private key.
pub(crate) fn read(path: &Path) -> Result<Secret, Stop> {
    let unreadable = |source| {
        let path = path.display().to_string();
        Stop::new(Exit::Usage, &FileError::Read { path, source })
    };
    let file = File::open(path).map_err(unreadable)?;
    let exposures = exposures(path, &file).map_err(unreadable)?;
    let text = read_wiped(&file).map_err(unreadable)?;
    if text.len() > LIMIT {
        let (path, limit) = (path.display().to_string(), LIMIT as u64);
        return Err(Stop::new(Exit::Usage, &FileError::TooLarge { path, limit }));
    }
    Ok(Secret { text, exposures })
}

/// All at once, or in two buffers that are wiped: what a growing one leaves behind would not be.
fn read_wiped(file: &File) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut begun = Zeroizing::new(Vec::with_capacity(USUAL));
    file.take(USUAL as u64).read_to_end(&mut begun)?;
    if begun.len() < USUAL {
        return Ok(begun);
    }
    let mut whole = Zeroizing::new(Vec::with_capacity(LIMIT + 1));
    whole.extend_from_slice(&begun);
    file.take((LIMIT + 1 - USUAL) as u64)
        .read_to_end(&mut whole)?;
    Ok(whole)
}

/// Somebody else than its user can have a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Exposure {
    path: PathBuf,
    how: How,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum How {
    /// Others may put another file in its place.
    Folder,
    /// Others may read or write it, and its user can end that.
    Mendable { mode: u32 },
    /// The same of one that its password protects.
    Sealed { mode: u32 },
    /// Others may read or write it, as whoever mounted it or owns it decided.
    Settled { mode: u32 },
}

impl Exposure {
    /// The same of an encrypted file.
    pub(crate) fn of_encrypted(self) -> Self {
        match self.how {
            How::Mendable { mode } => Self {
                how: How::Sealed { mode },
                ..self
            },
            How::Folder | How::Sealed { .. } | How::Settled { .. } => self,
        }
    }

    /// Whether it is for the user to mend, and nothing else protects the key: then it is not used.
    pub(crate) fn is_mendable(&self) -> bool {
        matches!(self.how, How::Mendable { .. })
    }
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display().to_string();
        match self.how {
            How::Folder => write!(
                f,
                "everybody may write the folder {}, and put another key in the place of the one in it",
                Escaped(&path)
            ),
            How::Mendable { mode } | How::Sealed { mode } | How::Settled { mode } => write!(
                f,
                "the private key {} can be read or written by others: its mode is {mode:04o}",
                Escaped(&path)
            ),
        }
    }
}

impl Explain for Exposure {
    fn code(&self) -> Code {
        Code::new("key-file-exposed")
    }

    fn remedy(&self) -> String {
        let path = self.path.display().to_string();
        let path = Escaped(&path);
        match self.how {
            How::Folder => format!("keep keys in a folder of your own: `chmod o-w {path}`"),
            How::Mendable { .. } => format!(
                "`chmod 600 {path}`; if others use this machine, rotate the key; `countersign key import {path} NAME` then encrypts it"
            ),
            How::Sealed { .. } => format!(
                "`chmod 600 {path}`; if others use this machine, whoever has it can guess its password at leisure: rotate the key if that may succeed"
            ),
            How::Settled { .. } => {
                format!("let whoever owns or mounts {path} give it the mode 0400 or 0440")
            }
        }
    }
}

/// As for SSH's keys: what the user could mend is told apart from what an orchestrator mounts, read-only or as root.
#[cfg(unix)]
fn exposures(path: &Path, file: &File) -> std::io::Result<Vec<Exposure>> {
    use std::os::unix::fs::MetadataExt;

    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(Vec::new());
    }
    let mode = metadata.mode() & 0o7777;
    let user = rustix::process::geteuid().as_raw();
    let is_read_only = rustix::fs::fstatvfs(file)
        .is_ok_and(|found| found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY));
    let reach = if metadata.uid() == user && !is_read_only {
        Reach::Mine
    } else {
        Reach::Mounted
    };
    let how = judged(mode, reach);
    let own = how.map(|how| Exposure {
        path: path.to_owned(),
        how,
    });
    Ok(own.into_iter().chain(open_folders(path)).collect())
}

/// The folder that is named, and the one in which the file itself lies: Kubernetes mounts links. What a shell redirects may
/// lie in none.
#[cfg(unix)]
fn open_folders(path: &Path) -> Vec<Exposure> {
    use std::os::unix::fs::MetadataExt;

    let named = files::folder(path).to_owned();
    let real = std::fs::canonicalize(path).ok();
    let real = real.map(|real| files::folder(&real).to_owned());
    let is_open = |folder: &PathBuf| {
        let mode = std::fs::metadata(folder).map(|found| found.mode());
        mode.is_ok_and(|mode| mode & 0o002 != 0 && mode & 0o1000 == 0)
    };
    let is_named = std::fs::canonicalize(&named).ok() == real;
    let both = [Some(named).filter(|_| !is_named), real];
    let open = both.into_iter().flatten().filter(is_open);
    let how = How::Folder;
    open.map(|path| Exposure { path, how }).collect()
}

/// Whether its user could change a file's mode.
#[derive(Clone, Copy)]
enum Reach {
    Mine,
    Mounted,
}

fn judged(mode: u32, reach: Reach) -> Option<How> {
    match reach {
        Reach::Mine => (mode & 0o077 != 0).then_some(How::Mendable { mode }),
        // Whoever runs in a group of its own needs the group's right to read what root mounts.
        Reach::Mounted => (mode & 0o027 != 0).then_some(How::Settled { mode }),
    }
}

#[cfg(not(unix))]
fn exposures(_: &Path, _: &File) -> std::io::Result<Vec<Exposure>> {
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_could_mend_is_told_from_what_is_mounted() {
        for (mode, mine, mounted) in [
            (0o400, false, false),
            (0o600, false, false),
            // How Kubernetes mounts a secret for a group.
            (0o440, true, false),
            (0o640, true, false),
            // How Docker mounts one, and how a careless shell writes a file.
            (0o444, true, true),
            (0o644, true, true),
            (0o620, true, true),
            (0o601, true, true),
        ] {
            let how = judged(mode, Reach::Mine);
            assert_eq!(how.is_some(), mine, "{mode:o}");
            assert!(how.is_none_or(|how| matches!(how, How::Mendable { .. })));
            let how = judged(mode, Reach::Mounted);
            assert_eq!(how.is_some(), mounted, "{mode:o}");
            assert!(how.is_none_or(|how| matches!(how, How::Settled { .. })));
        }
    }
}

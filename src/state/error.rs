//! Why a state could not be read or kept.
//!
//! Returned by everything here, and by [`Store`](super::Store) as the end of a command. A state that is damaged, or that
//! others can write, is a refusal; one that cannot be saved may be saved the next time.

use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};

use countersign_common::{Code, Escaped, Explain};
use countersign_trust_roots::state::{RootRegression, StateCorrupt};

use crate::{exit::Exit, output::Stop};

/// A state was not read, or not kept.
#[derive(Debug)]
pub(super) enum StateError {
    /// Another process has seen another root of the same version.
    Contradicted(RootRegression),
    /// Its bytes are no state.
    Corrupt { path: PathBuf, source: StateCorrupt },
    /// Others can write it.
    Distrusted { path: PathBuf, reason: Distrust },
    /// There is no folder for it.
    Homeless,
    /// Another process writes, and does not end.
    Locked { path: PathBuf, patience: Duration },
    /// It is there, or may be, and cannot be read.
    Unreadable { path: PathBuf, source: io::Error },
    /// It cannot be saved.
    Unwritable {
        path: PathBuf,
        source: Box<dyn Error + Send + Sync>,
    },
}

/// Why a file or a folder may have been written by somebody else.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Distrust {
    /// It belongs to another user.
    Foreign { owner: u32 },
    /// It is a symbolic link.
    Link,
    /// It has another name somewhere, under which it may be written.
    Names { names: u64 },
    /// It is a device, a pipe or a folder.
    NoFile,
    /// It is a file.
    NoFolder,
    /// Its group or everybody may write it.
    Writable { mode: u32 },
}

impl StateError {
    pub(super) fn distrusted(path: &Path, reason: Distrust) -> Self {
        Self::Distrusted {
            path: path.to_owned(),
            reason,
        }
    }

    pub(super) fn unreadable(path: &Path, source: io::Error) -> Self {
        Self::Unreadable {
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn unwritable(path: &Path, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unwritable {
            path: path.to_owned(),
            source: source.into(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Contradicted(_) | Self::Corrupt { .. } | Self::Distrusted { .. } => Exit::Refused,
            Self::Homeless => Exit::Usage,
            // What it says was not found out.
            Self::Locked { .. } | Self::Unreadable { .. } | Self::Unwritable { .. } => {
                Exit::Undecided
            }
        }
    }
}

impl From<StateError> for Stop {
    fn from(error: StateError) -> Self {
        Self::new(error.exit(), &error)
    }
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contradicted(regression) => write!(f, "{regression}"),
            Self::Corrupt { path, source } => write!(f, "{source}, in {}", Shown(path)),
            Self::Distrusted { path, reason } => {
                write!(f, "the state is not trusted: {} {reason}", Shown(path))
            }
            Self::Homeless => f.write_str(
                "there is no folder for the state: neither XDG_STATE_HOME nor HOME is an absolute path",
            ),
            Self::Locked { path, patience } => write!(
                f,
                "the state was not saved: another process has held {} for {} seconds",
                Shown(path),
                patience.as_secs()
            ),
            Self::Unreadable { path, source } => {
                write!(f, "the state cannot be read: {}: {source}", Shown(path))
            }
            Self::Unwritable { path, source } => {
                write!(f, "the state was not saved: {}: {source}", Shown(path))
            }
        }
    }
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign { owner } => write!(
                f,
                "belongs to user {owner}, who is neither the one that runs this nor root"
            ),
            Self::Link => f.write_str("is a symbolic link"),
            Self::Names { names } => write!(f, "is one file under {names} names"),
            Self::NoFile => f.write_str("is no file"),
            Self::NoFolder => f.write_str("is no folder"),
            Self::Writable { mode } => write!(f, "may be written by others, with mode {mode:04o}"),
        }
    }
}

impl Explain for StateError {
    fn code(&self) -> Code {
        match self {
            Self::Contradicted(regression) => regression.code(),
            Self::Corrupt { source, .. } => source.code(),
            Self::Distrusted { .. } => Code::new("state-unsafe"),
            Self::Homeless => Code::new("state-folder-unknown"),
            Self::Locked { .. } | Self::Unwritable { .. } => Code::new("state-write-failed"),
            Self::Unreadable { .. } => Code::new("state-unreadable"),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Contradicted(regression) => regression.remedy(),
            Self::Corrupt {
                source: newer @ StateCorrupt::Schema { .. },
                ..
            } => newer.remedy(),
            Self::Corrupt { path, .. } => format!(
                "find out why, then move {} away and run `countersign verify --init-state`",
                Shown(path)
            ),
            Self::Unreadable { path, .. } => {
                format!("check the disk, and who may read {}", Shown(path))
            }
            Self::Distrusted { path, reason } => reason.remedy(&Shown(path)),
            Self::Homeless => "set XDG_STATE_HOME to an absolute path".to_owned(),
            Self::Locked { path, .. } => format!(
                "run it again, or find the process with `fuser {}`",
                Shown(path)
            ),
            Self::Unwritable { path, .. } => {
                format!(
                    "check the disk, the folder and the rights of {}",
                    Shown(path)
                )
            }
        }
    }
}

impl Distrust {
    fn remedy(self, path: &Shown<'_>) -> String {
        match self {
            Self::Foreign { .. } => {
                format!("run this as the owner of {path}, or name a folder of your own")
            }
            Self::Link => format!("put what {path} leads to in its place"),
            Self::Names { .. } => format!("find the other names of {path} and remove them"),
            Self::NoFile | Self::NoFolder => format!("move {path} away"),
            Self::Writable { .. } => {
                format!(
                    "find out who may have written it, then run `chmod go-w {path}`, or name another folder with `--state-dir`"
                )
            }
        }
    }
}

/// A path as it may be shown.
struct Shown<'a>(&'a Path);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Escaped(&self.0.display().to_string()))
    }
}

#[cfg(test)]
mod tests {
    use countersign_trust_roots::State;

    use super::*;

    const HOSTILE: &str = "/state/\u{1b}[2J\r\nverified\u{202e}";

    #[test]
    fn every_error_is_a_sentence_with_a_remedy_and_shows_no_hostile_text() {
        let path = PathBuf::from(HOSTILE);
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        let mut errors = vec![
            StateError::Corrupt {
                path: path.clone(),
                source: State::parse(b"{\"\\u001b[2J\":1}").unwrap_err(),
            },
            StateError::Homeless,
            StateError::Locked {
                path: path.clone(),
                patience: Duration::from_secs(30),
            },
            StateError::unreadable(&path, denied()),
            StateError::unwritable(&path, denied()),
        ];
        let distrust = [
            Distrust::Foreign { owner: 1 },
            Distrust::Link,
            Distrust::Names { names: 2 },
            Distrust::NoFile,
            Distrust::NoFolder,
            Distrust::Writable { mode: 0o777 },
        ];
        errors.extend(distrust.map(|reason| StateError::distrusted(&path, reason)));
        for error in errors {
            for text in [error.to_string(), error.remedy()] {
                assert!(text.len() > 20 && !text.ends_with('.'), "{text}");
                assert_eq!(text, Escaped(&text).to_string());
            }
        }
    }

    #[test]
    fn what_cannot_be_read_is_no_first_use_and_nothing_found_out() {
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let error = StateError::unreadable(Path::new("/state/state.json"), denied);
        assert_eq!(error.code(), Code::new("state-unreadable"));
        assert_eq!(error.exit(), Exit::Undecided);
        assert_eq!(
            error.to_string(),
            "the state cannot be read: /state/state.json: permission denied"
        );
    }
}

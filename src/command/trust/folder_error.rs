//! What is wrong with the folder of a trust root, or with a file that is one.

use countersign_common::{Code, Escaped, Explain};
use countersign_trust_roots::root::Refusal;

use crate::{exit::Exit, output::Stop};

/// The folder is left as it is.
#[derive(Debug)]
pub(super) enum FolderError {
    /// Somebody else is changing it.
    Busy { folder: String },
    /// All have signed it who must.
    Complete { path: String },
    /// Nothing to sign.
    DraftMissing { folder: String },
    /// Nothing to publish.
    DraftOnly { folder: String },
    /// The draft of a version that is complete.
    DraftStale { path: String, version: u64 },
    /// What cannot be written back.
    Irregular { path: String },
    /// A version whose content is of another one.
    Misnamed { path: String, version: u64 },
    /// A complete version that is another file elsewhere.
    OtherFile { path: String },
    /// What is in the file is refused.
    Root { path: String, source: Refusal },
    /// One is there already.
    RootExists { folder: String },
    /// None is there.
    RootMissing { folder: String },
    /// No such version.
    VersionMissing { version: u64, newest: u64 },
}

impl FolderError {
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Busy { .. } => Exit::Undecided,
            Self::Misnamed { .. } | Self::OtherFile { .. } | Self::Root { .. } => Exit::Refused,
            _ => Exit::Usage,
        }
    }
}

impl From<FolderError> for Stop {
    fn from(error: FolderError) -> Self {
        Self::new(error.exit(), &error)
    }
}

impl std::fmt::Display for FolderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Busy { folder } => {
                write!(f, "somebody else is changing {} now", Escaped(folder))
            }
            Self::Complete { path } => write!(
                f,
                "{} is complete, and a complete version never changes",
                Escaped(path)
            ),
            Self::DraftMissing { folder } => {
                write!(f, "{} has no draft to sign", Escaped(folder))
            }
            Self::DraftOnly { folder } => {
                write!(f, "{} has no complete version", Escaped(folder))
            }
            Self::DraftStale { path, version } => write!(
                f,
                "{} is a draft of version {version}, which is complete already and says something else",
                Escaped(path)
            ),
            Self::Irregular { path } => write!(
                f,
                "{} is no file, and a signature is written where the draft lies",
                Escaped(path)
            ),
            Self::Misnamed { path, version } => {
                write!(f, "{} holds version {version}", Escaped(path))
            }
            Self::OtherFile { path } => write!(f, "{} is another file", Escaped(path)),
            Self::Root { path, source } => write!(f, "{}: {source}", Escaped(path)),
            Self::RootExists { folder } => {
                write!(f, "{} holds a trust root already", Escaped(folder))
            }
            Self::RootMissing { folder } => write!(f, "{} holds no trust root", Escaped(folder)),
            Self::VersionMissing { version, newest } => {
                write!(f, "there is no version {version}; the newest is {newest}")
            }
        }
    }
}

impl Explain for FolderError {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::Busy { .. } => "trust-folder-busy",
            Self::Complete { .. } => "root-complete",
            Self::DraftMissing { .. } => "draft-missing",
            Self::DraftOnly { .. } => "root-incomplete",
            Self::DraftStale { .. } => "draft-stale",
            Self::Irregular { .. } => "file-irregular",
            Self::Misnamed { .. } => "root-misnamed",
            Self::OtherFile { .. } => "root-differs",
            Self::Root { source, .. } => return source.code(),
            Self::RootExists { .. } => "root-exists",
            Self::RootMissing { .. } => "root-missing",
            Self::VersionMissing { .. } => "version-missing",
        })
    }

    fn remedy(&self) -> String {
        match self {
            Self::Busy { .. } => "run it again when they are done".to_owned(),
            Self::Complete { path } => format!(
                "take it over: `countersign trust sign --dir FOLDER --add {}`; or change the root, and sign the draft of the next version",
                Escaped(path)
            ),
            Self::DraftMissing { .. } => {
                "if others have completed the version, nothing is left to sign (`countersign trust show`); or begin the next: `countersign trust \
add-key`, `rotate`, `set-scope`, …; or name a draft with `--file`".to_owned()
            }
            Self::DraftOnly { .. } => "have its draft signed: `countersign trust sign`".to_owned(),
            Self::DraftStale { path, .. } => format!(
                "move {} away, and make the change again on top of the newest version",
                Escaped(path)
            ),
            Self::Irregular { .. } => "copy it to a file, and sign that".to_owned(),
            Self::Misnamed { version, .. } => format!("name it {version}.root.json"),
            Self::OtherFile { .. } => {
                "find out which of both is the one that people pinned: `countersign trust show --file`; no version ever changes".to_owned()
            }
            Self::Root { source, .. } => source.remedy(),
            Self::RootExists { .. } => {
                "change it: `countersign trust add-key`, `rotate`, `set-scope`, …; or choose another folder".to_owned()
            }
            Self::RootMissing { .. } => "make one: `countersign trust init`; or name another folder with `--dir`".to_owned(),
            Self::VersionMissing { .. } => "leave `--version` out for the newest".to_owned(),
        }
    }
}

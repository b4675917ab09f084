//! Why one of the `trust` commands does not do what was asked.

use countersign_common::{Code, Escaped, Explain, Timestamp};
use countersign_trust_roots::root::{EditRefused, Fault, Refusal};

use crate::{exit::Exit, output::Stop};

/// Each ends the command.
#[derive(Debug)]
pub(super) enum TrustError {
    /// Somebody else is changing it.
    Busy { folder: String },
    /// A person said no.
    Declined,
    /// Nothing to sign.
    DraftMissing { folder: String },
    /// Nothing to publish.
    DraftOnly { folder: String },
    /// The draft of a version that is complete.
    DraftStale { path: String, version: u64 },
    /// The change is refused.
    Edit(EditRefused),
    /// A key that would end before it begins.
    EndsTooSoon { key: String, start: Timestamp },
    /// Something required is not given, and nobody can be asked.
    FlagMissing { flag: &'static str },
    /// Several keys of the root begin so.
    KeyAmbiguous { text: String, ids: Vec<String> },
    /// No key of the root.
    KeyNotInRoot { key: String },
    /// A version whose content is of another one.
    Misnamed { path: String, version: u64 },
    /// The authority was listed with another operator.
    OperatorDiffers { uri: String, operator: String },
    /// A complete version that is another file elsewhere.
    OtherFile { path: String },
    /// The version before is needed.
    PreviousMissing { version: u64 },
    /// A role that is not one of a scope.
    RoleMixed,
    /// What is in the file is refused.
    Root { path: String, source: Refusal },
    /// One is there already.
    RootExists { folder: String },
    /// A root key is replaced, and not revoked.
    RootKeyRevoked { key: String },
    /// None is there.
    RootMissing { folder: String },
    /// Which scope is not said.
    ScopeUnclear { scopes: Vec<String> },
    /// The flag is about root keys.
    ThresholdMisplaced,
    /// As many URLs as chains and operators.
    TsaIncomplete,
    /// No such version.
    VersionMissing { version: u64, newest: u64 },
    /// The destination is none that is known.
    WhereTo { to: String },
}

impl TrustError {
    fn exit(&self) -> Exit {
        match self {
            Self::Busy { .. } => Exit::Undecided,
            Self::Declined | Self::Misnamed { .. } | Self::OtherFile { .. } | Self::Root { .. } => {
                Exit::Refused
            }
            Self::Edit(
                EditRefused::NoRootKey { .. }
                | EditRefused::OtherDraft
                | EditRefused::SignatureInvalid { .. },
            ) => Exit::Refused,
            _ => Exit::Usage,
        }
    }
}

impl From<TrustError> for Stop {
    fn from(error: TrustError) -> Self {
        Self::new(error.exit(), &error)
    }
}

impl From<EditRefused> for TrustError {
    fn from(refused: EditRefused) -> Self {
        Self::Edit(refused)
    }
}

impl From<Fault> for TrustError {
    fn from(fault: Fault) -> Self {
        Self::Edit(EditRefused::Fault(fault))
    }
}

impl std::fmt::Display for TrustError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Busy { folder } => {
                write!(f, "somebody else is changing {} now", Escaped(folder))
            }
            Self::Declined => f.write_str("nothing was signed: the answer was not yes"),
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
            Self::Edit(refused) => write!(f, "{refused}"),
            // Its name is escaped already.
            Self::EndsTooSoon { key, start } => {
                write!(f, "the time of {key} begins only at {start}")
            }
            Self::FlagMissing { flag } => write!(f, "`{flag}` is not given"),
            Self::KeyAmbiguous { text, ids } => write!(
                f,
                "several keys of the root begin with {}: {}",
                Escaped(text),
                Escaped(&ids.join(", "))
            ),
            Self::KeyNotInRoot { key } => write!(f, "{} is no key of the root", Escaped(key)),
            Self::Misnamed { path, version } => {
                write!(f, "{} holds version {version}", Escaped(path))
            }
            Self::OperatorDiffers { uri, operator } => write!(
                f,
                "{} is listed with the operator `{}`",
                Escaped(uri),
                Escaped(operator)
            ),
            Self::OtherFile { path } => write!(f, "{} is another file", Escaped(path)),
            Self::PreviousMissing { version } => {
                write!(f, "it is version {version}, and `--previous` is not given")
            }
            Self::RoleMixed => f.write_str("a key of the root must have no other role"),
            Self::Root { path, source } => write!(f, "{}: {source}", Escaped(path)),
            Self::RootExists { folder } => {
                write!(f, "{} holds a trust root already", Escaped(folder))
            }
            Self::RootKeyRevoked { key } => {
                write!(
                    f,
                    "{} is a root key, which signs nothing but roots",
                    Escaped(key)
                )
            }
            Self::RootMissing { folder } => write!(f, "{} holds no trust root", Escaped(folder)),
            Self::ScopeUnclear { scopes } if scopes.is_empty() => {
                f.write_str("the root has no scope")
            }
            Self::ScopeUnclear { scopes } => write!(
                f,
                "the root has several scopes, and none is named: {}",
                Escaped(&scopes.join(", "))
            ),
            Self::ThresholdMisplaced => {
                f.write_str("`--threshold` is about root keys, and no root key is changed")
            }
            Self::TsaIncomplete => f.write_str(
                "there must be as many `--tsa-chain` and `--tsa-operator` as `--tsa`, in one order",
            ),
            Self::VersionMissing { version, newest } => {
                write!(f, "there is no version {version}; the newest is {newest}")
            }
            Self::WhereTo { to } => write!(f, "{} is no folder", Escaped(to)),
        }
    }
}

impl Explain for TrustError {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::Busy { .. } => "trust-folder-busy",
            Self::Declined => "declined",
            Self::DraftMissing { .. } => "draft-missing",
            Self::DraftOnly { .. } => "root-incomplete",
            Self::DraftStale { .. } => "draft-stale",
            Self::Edit(refused) => return refused.code(),
            Self::EndsTooSoon { .. } => "key-ends-too-soon",
            Self::FlagMissing { .. } => "flag-missing",
            Self::KeyAmbiguous { .. } => "key-ambiguous",
            Self::KeyNotInRoot { .. } => "key-unknown",
            Self::Misnamed { .. } => "root-misnamed",
            Self::OperatorDiffers { .. } => "tsa-operator-differs",
            Self::OtherFile { .. } => "root-differs",
            Self::PreviousMissing { .. } => "previous-missing",
            Self::RoleMixed => "role-mixed",
            Self::Root { source, .. } => return source.code(),
            Self::RootExists { .. } => "root-exists",
            Self::RootKeyRevoked { .. } => "root-key-not-revoked",
            Self::RootMissing { .. } => "root-missing",
            Self::ScopeUnclear { .. } => "scope-unknown",
            Self::ThresholdMisplaced => "threshold-misplaced",
            Self::TsaIncomplete => "tsa-incomplete",
            Self::VersionMissing { .. } => "version-missing",
            Self::WhereTo { .. } => "destination-unknown",
        })
    }

    fn remedy(&self) -> String {
        match self {
            Self::Busy { .. } => "run it again when they are done".to_owned(),
            Self::Declined => "read what the draft says with `countersign trust show`, and sign it when it is right".to_owned(),
            Self::DraftMissing { .. } => {
                "make one: `countersign trust add-key`, `rotate`, `set-scope`, …; or name one with `--file`".to_owned()
            }
            Self::DraftOnly { .. } => "have its draft signed: `countersign trust sign`".to_owned(),
            Self::DraftStale { path, .. } => format!(
                "move {} away, and make the change again on top of the newest version",
                Escaped(path)
            ),
            Self::Edit(EditRefused::Fault(_)) => {
                "give another value: no root can hold this one; the draft is as it was".to_owned()
            }
            Self::Edit(refused) => refused.remedy(),
            Self::EndsTooSoon { start, .. } => {
                format!("give {start} or later: `--at TIME`, or `--until TIME` of a rotation")
            }
            Self::FlagMissing { flag } => {
                format!("give `{flag}`; on a terminal you are asked for it; `--help` says what it is")
            }
            Self::KeyAmbiguous { .. } => "give more digits of its id".to_owned(),
            Self::KeyNotInRoot { .. } => {
                "name a key by its file, its place in KMS, or 8 digits of its id: `countersign trust show` lists all".to_owned()
            }
            Self::Misnamed { version, .. } => format!("name it {version}.root.json"),
            Self::OperatorDiffers { operator, .. } => {
                format!("give `--operator {}`, or the address and chain of another authority", Escaped(operator))
            }
            Self::OtherFile { .. } => {
                "find out which of both is the one that people pinned: `countersign trust show --file`; no version ever changes".to_owned()
            }
            Self::PreviousMissing { version } => {
                format!("give version {}, so that you see what changes: `--previous FILE`", version.saturating_sub(1))
            }
            Self::RoleMixed => "give `--role root` alone; make another key for the other roles".to_owned(),
            Self::Root { source, .. } => source.remedy(),
            Self::RootExists { .. } => {
                "change it: `countersign trust add-key`, `rotate`, `set-scope`, …; or choose another folder".to_owned()
            }
            Self::RootKeyRevoked { .. } => {
                "replace it: `countersign trust rotate --old KEY --new KEY`; the others sign the new version".to_owned()
            }
            Self::RootMissing { .. } => "make one: `countersign trust init`; or name another folder with `--dir`".to_owned(),
            Self::ScopeUnclear { scopes } if scopes.is_empty() => {
                "make one: `countersign trust set-scope --repository PATTERN`".to_owned()
            }
            Self::ScopeUnclear { .. } => "name one by a pattern of it: `--scope PATTERN`".to_owned(),
            Self::ThresholdMisplaced => "leave it out, or give `--role root`".to_owned(),
            Self::TsaIncomplete => {
                "give all three of each authority; or add them later: `countersign trust add-tsa`".to_owned()
            }
            Self::VersionMissing { .. } => "leave `--version` out for the newest".to_owned(),
            Self::WhereTo { .. } => "give a folder that exists: `--to FOLDER`".to_owned(),
        }
    }
}

//! Why one of the `trust` commands does not do what was asked.

use countersign_common::{Code, Escaped, Explain};
use countersign_trust_roots::{
    RootName,
    root::{EditRefused, Fault, SigstoreInvalid},
};

use super::{change_refused::ChangeRefused, folder_error::FolderError, wording};
use crate::{exit::Exit, output::Stop};

/// Each ends the command.
#[derive(Debug)]
pub(super) enum TrustError {
    /// Somebody would be surprised by what a change does.
    Change(ChangeRefused),
    /// The signatures of a copy are not taken over.
    Copy { path: String, source: EditRefused },
    /// A person said no.
    Declined,
    /// The change is refused.
    Edit(EditRefused),
    /// Something required is not given, and nobody can be asked.
    FlagMissing { flag: &'static str },
    /// The folder, or a file, is not as it must be.
    Folder(FolderError),
    /// Several keys of the root begin so.
    KeyAmbiguous { text: String, ids: Vec<String> },
    /// No key of the root.
    KeyNotInRoot { key: String },
    /// Who operates an authority is not said, and never guessed.
    OperatorUnknown { uri: String },
    /// The version before is needed.
    PreviousMissing { version: u64 },
    /// A role that is not one of a scope.
    RoleMixed,
    /// A root that the policy does not name.
    RootNotPinned { name: RootName, pinned: Vec<String> },
    /// A root key is replaced, and not revoked.
    RootKeyRevoked { key: String },
    /// The file is no trusted root of Sigstore's.
    Sigstore {
        path: String,
        source: SigstoreInvalid,
    },
    /// Which scope is not said.
    ScopeUnclear { scopes: Vec<String> },
    /// The flag is about root keys.
    ThresholdMisplaced,
    /// As many URLs as chains and operators.
    TsaIncomplete,
    /// An authority that nobody could ask.
    TsaUrl { uri: String },
    /// The destination is none that is known.
    WhereTo { to: String },
}

impl TrustError {
    fn exit(&self) -> Exit {
        match self {
            Self::Folder(error) => error.exit(),
            Self::Copy { .. }
            | Self::Declined
            | Self::Edit(
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

impl From<ChangeRefused> for TrustError {
    fn from(refused: ChangeRefused) -> Self {
        Self::Change(refused)
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

impl From<FolderError> for TrustError {
    fn from(error: FolderError) -> Self {
        Self::Folder(error)
    }
}

impl std::fmt::Display for TrustError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(error) => write!(f, "{error}"),
            Self::Change(refused) => write!(f, "{refused}"),
            Self::Copy { path, source } => write!(f, "{}: {source}", Escaped(path)),
            Self::Declined => f.write_str("nothing was signed: the answer was not yes"),
            Self::Edit(refused) => write!(f, "{refused}"),
            Self::FlagMissing { flag } => write!(f, "`{flag}` is not given"),
            Self::KeyAmbiguous { text, ids } => write!(
                f,
                "several keys of the root begin with {}: {}",
                Escaped(text),
                Escaped(&ids.join(", "))
            ),
            Self::KeyNotInRoot { key } => write!(f, "{} is no key of the root", Escaped(key)),
            Self::OperatorUnknown { uri } => write!(
                f,
                "the file does not say who operates the time-stamp authority {}",
                Escaped(uri)
            ),
            Self::PreviousMissing { version } => {
                write!(f, "it is version {version}, and `--previous` is not given")
            }
            Self::RoleMixed => f.write_str("a key of the root must have no other role"),
            Self::RootNotPinned { name, pinned } => write!(
                f,
                "the policy pins no root `{name}`; it pins {}",
                wording::listing(pinned)
            ),
            Self::RootKeyRevoked { key } => {
                write!(
                    f,
                    "{} is a root key, which signs nothing but roots",
                    Escaped(key)
                )
            }
            Self::ScopeUnclear { scopes } if scopes.is_empty() => {
                f.write_str("the root has no scope")
            }
            Self::ScopeUnclear { scopes } => write!(
                f,
                "the root has several scopes, and none is named: {}",
                Escaped(&scopes.join(", "))
            ),
            Self::Sigstore { path, source } => write!(f, "{}: {source}", Escaped(path)),
            Self::ThresholdMisplaced => {
                f.write_str("`--threshold` is about root keys, and no root key is changed")
            }
            Self::TsaIncomplete => f.write_str(
                "there must be as many `--tsa-chain` and `--tsa-operator` as `--tsa`, in one order",
            ),
            Self::TsaUrl { uri } => write!(
                f,
                "{} is no address at which a time-stamp authority could be asked",
                Escaped(uri)
            ),
            Self::WhereTo { to } => write!(f, "{} is no folder and no repository", Escaped(to)),
        }
    }
}

impl Explain for TrustError {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::Folder(error) => return error.code(),
            Self::Change(refused) => return refused.code(),
            Self::Copy { source, .. } => return source.code(),
            Self::Declined => "declined",
            Self::Edit(refused) => return refused.code(),
            Self::FlagMissing { .. } => "flag-missing",
            Self::KeyAmbiguous { .. } => "key-ambiguous",
            Self::KeyNotInRoot { .. } => "key-unknown",
            Self::OperatorUnknown { .. } => "tsa-operator-missing",
            Self::PreviousMissing { .. } => "previous-missing",
            Self::RoleMixed => "role-mixed",
            Self::RootKeyRevoked { .. } => "root-key-not-revoked",
            Self::RootNotPinned { .. } => "root-not-pinned",
            Self::ScopeUnclear { .. } => "scope-unknown",
            Self::Sigstore { source, .. } => return source.code(),
            Self::ThresholdMisplaced => "threshold-misplaced",
            Self::TsaIncomplete => "tsa-incomplete",
            Self::TsaUrl { .. } => "tsa-url-invalid",
            Self::WhereTo { .. } => "destination-unknown",
        })
    }

    fn remedy(&self) -> String {
        match self {
            Self::Folder(error) => error.remedy(),
            Self::Change(refused) => refused.remedy(),
            Self::Copy { source: EditRefused::SignatureInvalid { .. }, .. } => {
                "leave this copy out, and have the draft signed again: somebody changed the copy, or the key did not sign this".to_owned()
            }
            Self::Copy { source, .. } => source.remedy(),
            Self::Declined => "read what the draft says with `countersign trust show`, and sign it when it is right".to_owned(),
            Self::Edit(EditRefused::Fault(_)) => {
                "give another value: no root can hold this one; the draft is as it was".to_owned()
            }
            Self::Edit(refused) => refused.remedy(),
            Self::FlagMissing { flag } => {
                format!("give `{flag}`; on a terminal you are asked for it; `--help` says what it is")
            }
            Self::KeyAmbiguous { .. } => "give more digits of its id".to_owned(),
            Self::KeyNotInRoot { .. } => {
                "name a key by its file, its place in KMS, or 8 digits of its id: `countersign trust show` lists all".to_owned()
            }
            Self::OperatorUnknown { .. } => {
                "say it with `--tsa-operator NAME`: authorities of one operator are one witness".to_owned()
            }
            Self::PreviousMissing { version } => {
                format!("give version {}, so that you see what changes: `--previous FILE`", version.saturating_sub(1))
            }
            Self::RoleMixed => "give `--role root` alone; make another key for the other roles".to_owned(),
            Self::RootKeyRevoked { .. } => {
                "replace it: `countersign trust rotate --old KEY --new KEY`; the others sign the new version".to_owned()
            }
            Self::RootNotPinned { .. } => {
                "correct `--root`, or add the root with its `fingerprint` to the policy".to_owned()
            }
            Self::ScopeUnclear { scopes } if scopes.is_empty() => {
                "make one: `countersign trust set-scope --repository PATTERN`".to_owned()
            }
            Self::ScopeUnclear { .. } => "name one by a pattern of it: `--scope PATTERN`".to_owned(),
            Self::Sigstore { source, .. } => source.remedy(),
            Self::ThresholdMisplaced => "leave it out, or give `--role root`".to_owned(),
            Self::TsaIncomplete => {
                "give all three of each authority; or add them later: `countersign trust add-tsa`".to_owned()
            }
            Self::TsaUrl { .. } => {
                "take it out of the file, and add it with its address: `countersign trust add-tsa`".to_owned()
            }
            Self::WhereTo { .. } => "give a folder that exists, or a repository: `--to oci://HOST/PATH`, in lower case and without a tag".to_owned(),
        }
    }
}

//! The policy in its file: found, read, and what is wrong with it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use countersign_common::{Code, Escaped, Explain};
use countersign_trust_roots::policy::{Policy, PolicyInvalid};

use crate::{arguments::Governed, config::Config, exit::Exit, files, output::Stop};

/// A policy as it lies in a file.
pub(crate) struct PolicyFile {
    pub(crate) path: PathBuf,
    pub(crate) policy: Policy,
}

/// The policy that was named, or the one beside the configuration; `None` if there is neither.
pub(crate) fn find(governed: &Governed, config: &Config) -> Result<Option<PolicyFile>, Stop> {
    let path = governed.policy.clone().or_else(|| config.policy_path());
    let Some(path) = path else {
        return Ok(None);
    };
    if let Some(open) = open_to_anybody(&path) {
        tracing::warn!(
            "anybody on this machine can change what the policy demands: `chmod o-w {}`",
            Escaped(&open.display().to_string())
        );
    }
    let wrong = |fault| PolicyError::stop(&path, fault);
    let text = String::from_utf8(files::read(&path)?).map_err(|_| wrong(PolicyFault::NoText))?;
    let policy =
        Policy::parse(&text).map_err(|source| wrong(PolicyFault::NotUnderstood(source)))?;
    Ok(Some(PolicyFile { path, policy }))
}

/// The file or the folder by which any user can change a policy: what decides what may run has no signature of its own.
#[cfg(unix)]
pub(crate) fn open_to_anybody(path: &Path) -> Option<PathBuf> {
    use std::os::unix::fs::MetadataExt;

    const STICKY: u32 = 0o1000;
    const WRITABLE: u32 = 0o002;
    let mode = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.mode());
    let file = std::fs::canonicalize(path).ok()?;
    // The folder of a link and that of the file: whoever can write there can put another in its place.
    let folders = [path, &file].map(|path| files::folder(path).to_owned());
    let folder = folders
        .into_iter()
        .find(|folder| mode(folder) & (STICKY | WRITABLE) == WRITABLE);
    let is_file = file.is_file() && mode(&file) & WRITABLE != 0;
    folder.or_else(|| is_file.then_some(file))
}

/// Elsewhere rights are not bits.
#[cfg(not(unix))]
pub(crate) fn open_to_anybody(_: &Path) -> Option<PathBuf> {
    None
}

/// Says that a policy demands what no root could show.
pub(crate) fn unmeetable(path: &Path, source: PolicyInvalid) -> Stop {
    PolicyError::stop(path, PolicyFault::Unmeetable(source))
}

/// A policy by which nothing can be judged.
#[derive(Debug)]
struct PolicyError {
    path: PathBuf,
    fault: PolicyFault,
}

#[derive(Debug)]
enum PolicyFault {
    NoText,
    NotUnderstood(PolicyInvalid),
    Unmeetable(PolicyInvalid),
}

impl PolicyError {
    fn stop(path: &Path, fault: PolicyFault) -> Stop {
        let path = path.to_owned();
        Stop::new(Exit::Usage, &Self { path, fault })
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display().to_string();
        write!(f, "the policy {} ", Escaped(&path))?;
        match &self.fault {
            PolicyFault::NoText => f.write_str("is not understood: it is no text in UTF-8"),
            PolicyFault::NotUnderstood(source) => write!(f, "is not understood: {source}"),
            PolicyFault::Unmeetable(source) => write!(f, "cannot be met: {source}"),
        }
    }
}

impl Explain for PolicyError {
    fn code(&self) -> Code {
        PolicyInvalid::CODE
    }

    fn remedy(&self) -> String {
        match &self.fault {
            PolicyFault::NoText => "save the file in UTF-8".to_owned(),
            PolicyFault::NotUnderstood(source) | PolicyFault::Unmeetable(source) => source.remedy(),
        }
    }
}

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
    let wrong = |fault| PolicyError::stop(&path, fault);
    let text = String::from_utf8(files::read(&path)?).map_err(|_| wrong(PolicyFault::NoText))?;
    let policy =
        Policy::parse(&text).map_err(|source| wrong(PolicyFault::NotUnderstood(source)))?;
    Ok(Some(PolicyFile { path, policy }))
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

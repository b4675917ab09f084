//! The port to a place where the versions of a trust root are published.
//!
//! Whoever follows a root meets it in binaries and tests. What a source hands over is believed for its signatures alone:
//! the worst that a source can do is to stop those who ask it, or to leave them with what they have.

use bytes::Bytes;

use crate::{Code, Digest, Escaped, Explain, Task, registry::Cause};

/// A place where the versions of a trust root are published.
pub trait RootSource: Send + Sync {
    /// What names it in messages.
    fn name(&self) -> String;

    /// The file of a version, or `None` if the source says that it has none.
    fn version(&self, version: u64) -> Task<'_, Result<Option<Bytes>, Failure>>;

    /// The file whose bytes hash to this, or `None` if the source says that it has none.
    fn pinned<'a>(&'a self, fingerprint: &'a Digest) -> Task<'a, Result<Option<Bytes>, Failure>> {
        Box::pin(async move {
            let (mut found, mut is_last_there) = (false, false);
            let mut refused = None;
            for version in 1..=TRIED {
                // Whoever published a later one may have removed those before it; and one that is refused hides none.
                let answer = match self.version(version).await {
                    Err(Failure::Refused(refusal)) => {
                        refused = refused.or(Some(refusal));
                        is_last_there = true;
                        continue;
                    }
                    answer => answer?,
                };
                if let Some(file) = &answer
                    && Digest::sha256(file) == *fingerprint
                {
                    return Ok(answer);
                }
                is_last_there = answer.is_some();
                found |= is_last_there;
            }
            match refused {
                Some(refusal) => Err(refusal.into()),
                // Versions follow each other: after the last one there is none.
                None if found && !is_last_there => Ok(None),
                // There may be more, which nobody has looked at.
                None => Err(Unavailable {
                    name: self.name(),
                    source: NotTried.into(),
                }
                .into()),
            }
        })
    }
}

/// How many versions are tried where a source cannot say which it has.
const TRIED: u64 = 256;

/// It may have versions that nobody has asked for.
#[derive(Debug, thiserror::Error)]
#[error("the pinned file is not among its first {TRIED} versions")]
struct NotTried;

/// Why a source gave no file: could not find out, or found out and no.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What is there is no root.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A retry or a person may help.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A source could not be asked, or its answer not be used: what it has is not known.
#[derive(Debug, thiserror::Error)]
#[error("the source {} of the trust root could not be asked: {}", Escaped(name), Escaped(&source.to_string()))]
pub struct Unavailable {
    /// The source.
    pub name: String,
    /// What the system or the library said.
    pub source: Cause,
}

/// What a source has in the place of a root cannot be one, however often it is asked. Another may have the right file.
#[derive(Debug, thiserror::Error)]
#[error("the source {} of the trust root has what is no root: {}", Escaped(name), Escaped(&source.to_string()))]
pub struct Refused {
    /// The source.
    pub name: String,
    /// The code of what is wrong with it.
    pub code: Code,
    /// What is wrong with it.
    pub source: Cause,
}

/// The code of every source that could not be asked.
pub const CODE: Code = Code::new("root-unavailable");

impl Explain for Unavailable {
    fn code(&self) -> Code {
        CODE
    }

    fn remedy(&self) -> String {
        if self.source.is::<NotTried>() {
            "add a folder with its files to the root's sources in the policy, or pin a newer version"
        } else {
            "try again; or add a source to the root in the policy: a folder, `oci://` or `https://`"
        }
        .to_owned()
    }
}

impl Explain for Refused {
    fn code(&self) -> Code {
        self.code
    }

    fn remedy(&self) -> String {
        "suspect the source, or what lies between; have the right file published there, or add another source to the root in the policy"
            .to_owned()
    }
}

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
    fn version(&self, version: u64) -> Task<'_, Result<Option<Bytes>, Unavailable>>;

    /// The file whose bytes hash to this, or `None` if the source says that it has none.
    fn pinned<'a>(
        &'a self,
        fingerprint: &'a Digest,
    ) -> Task<'a, Result<Option<Bytes>, Unavailable>> {
        Box::pin(async move {
            let mut last = None;
            for version in 1..=TRIED {
                // Whoever published a later one may have removed those before it.
                last = self.version(version).await?;
                if let Some(file) = &last
                    && Digest::sha256(file) == *fingerprint
                {
                    return Ok(last);
                }
            }
            match last {
                None => Ok(None),
                // There may be more, which nobody has looked at.
                Some(_) => Err(Unavailable {
                    name: self.name(),
                    source: format!("the pinned file is not among its first {TRIED} versions")
                        .into(),
                }),
            }
        })
    }
}

/// How many versions are tried where a source cannot say which it has.
const TRIED: u64 = 256;

/// A source could not be asked, or its answer not be used: what it has is not known.
#[derive(Debug, thiserror::Error)]
#[error("the source {} of the trust root could not be asked: {}", Escaped(name), Escaped(&source.to_string()))]
pub struct Unavailable {
    /// The source.
    pub name: String,
    /// What the system or the library said.
    pub source: Cause,
}

/// The code of every source that could not be asked.
pub const CODE: Code = Code::new("root-unavailable");

impl Explain for Unavailable {
    fn code(&self) -> Code {
        CODE
    }

    fn remedy(&self) -> String {
        "try again; or add a source to the root in the policy: a folder, `oci://` or `https://`"
            .to_owned()
    }
}

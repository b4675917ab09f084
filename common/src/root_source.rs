//! The port to a place where the versions of a trust root are published.
//!
//! Whoever follows a root meets it in binaries and tests. What a source hands over is believed for its signatures alone; a
//! source can only be silent, or late.

use bytes::Bytes;

use crate::{Code, Digest, Escaped, Explain, Task, registry::Cause};

/// A place where the versions of a trust root are published.
pub trait RootSource: Send + Sync {
    /// What names it in messages.
    fn name(&self) -> String;

    /// The file of a version, or `None` if the source says that it has none.
    fn version(&self, version: u64) -> Task<'_, Result<Option<Bytes>, Unavailable>>;

    /// The file whose bytes hash to this, or `None` if there is none among the first versions.
    fn pinned<'a>(
        &'a self,
        fingerprint: &'a Digest,
    ) -> Task<'a, Result<Option<Bytes>, Unavailable>> {
        Box::pin(async move {
            for version in 1..=TRIED {
                // Whoever published a later one may have removed those before it.
                let file = self.version(version).await?;
                if let Some(file) = file.filter(|file| Digest::sha256(file) == *fingerprint) {
                    return Ok(Some(file));
                }
            }
            Ok(None)
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

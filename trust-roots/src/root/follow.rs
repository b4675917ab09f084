//! From the fingerprint that was pinned to the newest root that any source has.
//!
//! Asked by binaries, over the port to sources. Which source gave a file decides nothing: its signatures do.

use std::collections::BTreeMap;

use bytes::Bytes;
use countersign_common::{Digest, Explain, Limits, RootSource, root_source::Unavailable};

use super::{Chain, Refusal};

/// How far a chain led.
#[derive(Debug)]
pub struct Followed {
    /// Its end.
    pub chain: Chain,
    /// Every file of it, by its version: what may be kept, so that it need not be asked for again.
    pub files: BTreeMap<u64, Bytes>,
    /// The sources that could not be asked where another gave the answer.
    pub unavailable: Vec<Unavailable>,
}

/// Why there is no chain.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// Found out, and no.
    #[error(transparent)]
    Refusal(#[from] Refusal),
    /// No source could be asked.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Explain for FollowError {
    fn code(&self) -> countersign_common::Code {
        match self {
            Self::Refusal(refusal) => refusal.code(),
            Self::Unavailable(unavailable) => unavailable.code(),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Refusal(refusal) => refusal.remedy(),
            Self::Unavailable(unavailable) => unavailable.remedy(),
        }
    }
}

/// Finds the pinned root and follows it. What was kept of it is taken first, and checked like the rest; that it ends there
/// says nothing while there are sources.
///
/// That there is no next version is believed if one source says so. Whoever is between can say so too: against that a
/// root expires, and heartbeats name its version.
pub async fn follow(
    fingerprint: &Digest,
    kept: Option<&dyn RootSource>,
    sources: &[&dyn RootSource],
    limits: &Limits,
) -> Result<Followed, FollowError> {
    let mut unavailable = Vec::new();
    let first = pinned(fingerprint, kept, sources, &mut unavailable).await?;
    let mut chain = Chain::pin(&first, fingerprint, limits)?;
    let mut files = BTreeMap::from([(chain.newest().version(), first)]);
    while let Some(version) = chain.newest().version().checked_add(1) {
        let Some(file) = next(&mut chain, version, (kept, sources), &mut unavailable).await? else {
            break;
        };
        files.insert(version, file);
    }
    Ok(Followed {
        chain,
        files,
        unavailable,
    })
}

async fn pinned(
    fingerprint: &Digest,
    kept: Option<&dyn RootSource>,
    sources: &[&dyn RootSource],
    unavailable: &mut Vec<Unavailable>,
) -> Result<Bytes, FollowError> {
    if let Some(kept) = kept
        // Nothing was kept yet, or it is gone.
        && let Ok(Some(file)) = kept.pinned(fingerprint).await
    {
        return Ok(file);
    }
    let mut failure = None;
    for source in sources {
        match source.pinned(fingerprint).await {
            Ok(Some(file)) => {
                unavailable.extend(failure);
                return Ok(file);
            }
            Ok(None) => {}
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    // One that could not be asked may have it.
    Err(match failure {
        Some(error) => error.into(),
        None => Refusal::PinnedNotFound {
            pinned: fingerprint.clone(),
            sources: sources.iter().map(|source| source.name()).collect(),
        }
        .into(),
    })
}

/// Advances by one version, with the first file that is one. A source that gives something else must not hide what the next
/// one has.
async fn next(
    chain: &mut Chain,
    version: u64,
    (kept, sources): (Option<&dyn RootSource>, &[&dyn RootSource]),
    unavailable: &mut Vec<Unavailable>,
) -> Result<Option<Bytes>, FollowError> {
    if let Some(kept) = kept
        // What was kept and is damaged is asked for again.
        && let Ok(Some(file)) = kept.version(version).await
        && chain.advance(&file).is_ok()
    {
        return Ok(Some(file));
    }
    let mut refused = None;
    let mut failures = Vec::new();
    let mut is_absent = sources.is_empty();
    for source in sources {
        match source.version(version).await {
            Ok(Some(file)) => match chain.advance(&file) {
                Ok(()) => {
                    unavailable.append(&mut failures);
                    return Ok(Some(file));
                }
                Err(refusal) => refused = refused.or(Some(refusal)),
            },
            Ok(None) => is_absent = true,
            Err(error) => failures.push(error),
        }
    }
    if let Some(refusal) = refused {
        return Err(refusal.into());
    }
    if !is_absent && !failures.is_empty() {
        return Err(failures.swap_remove(0).into());
    }
    unavailable.append(&mut failures);
    Ok(None)
}

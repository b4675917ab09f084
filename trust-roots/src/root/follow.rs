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
    let mut asked = Asked {
        kept,
        sources,
        unavailable: BTreeMap::new(),
    };
    let first = asked.pinned(fingerprint).await?;
    let mut chain = Chain::pin(&first, fingerprint, limits)?;
    let mut files = BTreeMap::from([(chain.newest().version(), first)]);
    while let Some(version) = chain.newest().version().checked_add(1) {
        let Some(file) = asked.next(&mut chain, version).await? else {
            break;
        };
        files.insert(version, file);
    }
    Ok(Followed {
        chain,
        files,
        unavailable: asked.unavailable.into_values().collect(),
    })
}

/// Whom to ask, and who could not be. One that could not be asked once is not asked again: it would cost its time for each
/// version.
struct Asked<'a> {
    kept: Option<&'a dyn RootSource>,
    sources: &'a [&'a dyn RootSource],
    /// By the place in the list.
    unavailable: BTreeMap<usize, Unavailable>,
}

impl Asked<'_> {
    async fn pinned(&mut self, fingerprint: &Digest) -> Result<Bytes, FollowError> {
        if let Some(kept) = self.kept
            // Nothing was kept yet, or it is gone.
            && let Ok(Some(file)) = kept.pinned(fingerprint).await
        {
            return Ok(file);
        }
        for (place, source) in self.sources.iter().enumerate() {
            match source.pinned(fingerprint).await {
                Ok(Some(file)) => return Ok(file),
                Ok(None) => {}
                Err(error) => {
                    self.unavailable.insert(place, error);
                }
            }
        }
        // One that could not be asked may have it.
        Err(match self.unavailable.pop_first() {
            Some((_, error)) => error.into(),
            None => Refusal::PinnedNotFound {
                pinned: fingerprint.clone(),
                sources: self.sources.iter().map(|source| source.name()).collect(),
            }
            .into(),
        })
    }

    /// Advances by one version, with the first file that is one. A source that gives something else must not hide what the
    /// next one has.
    async fn next(
        &mut self,
        chain: &mut Chain,
        version: u64,
    ) -> Result<Option<Bytes>, FollowError> {
        if let Some(kept) = self.kept
            // What was kept and is damaged is asked for again.
            && let Ok(Some(file)) = kept.version(version).await
            && chain.advance(&file).is_ok()
        {
            return Ok(Some(file));
        }
        let mut refused = None;
        let mut is_absent = self.sources.is_empty();
        for (place, source) in self.sources.iter().enumerate() {
            if self.unavailable.contains_key(&place) {
                continue;
            }
            match source.version(version).await {
                Ok(Some(file)) => match chain.advance(&file) {
                    Ok(()) => return Ok(Some(file)),
                    Err(refusal) => refused = refused.or(Some(refusal)),
                },
                Ok(None) => is_absent = true,
                Err(error) => {
                    self.unavailable.insert(place, error);
                }
            }
        }
        if let Some(refusal) = refused {
            return Err(refusal.into());
        }
        if is_absent {
            return Ok(None);
        }
        // Nobody has said that there is none.
        let error = self.unavailable.pop_first();
        error.map_or(Ok(None), |(_, error)| Err(error.into()))
    }
}

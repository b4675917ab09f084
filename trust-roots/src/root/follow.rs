//! From the fingerprint that was pinned to the newest root that any source has.
//!
//! Asked by binaries, over the port to sources. Which source gave a file decides nothing: its signatures do.
//!
//! A root that cannot be asked for is one that was not found out about, though an older version of it was kept and has not
//! expired. Whoever takes a key back counts on it: within the hour that an answer holds either everybody knows, or nothing
//! is verified. Without that, whoever keeps a new version from a verifier need only break the connection.

use std::{collections::BTreeMap, future::poll_fn, num::NonZeroU64, task::Poll};

use bytes::Bytes;
use countersign_common::{
    Digest, Explain, Limits, RootSource,
    root_source::{Failure, Refused, Unavailable},
};
use serde::de::IgnoredAny;

use super::{Chain, Refusal};
use crate::{
    RootName,
    state::{RootMemory, RootRegression},
};

/// What is known of a root before it is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Pin<'a> {
    /// Its name in the policy.
    pub name: &'a RootName,
    /// SHA-256 of the file of one of its versions.
    pub fingerprint: &'a Digest,
    /// The newest version that was seen before.
    pub remembered: Option<&'a RootMemory>,
}

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
    /// Found out, and it is not what was seen before.
    #[error(transparent)]
    Regression(#[from] RootRegression),
    /// Found out, and a source has what is no root; and no other has one.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// No source could be asked.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Explain for FollowError {
    fn code(&self) -> countersign_common::Code {
        match self {
            Self::Refusal(refusal) => refusal.code(),
            Self::Regression(regression) => regression.code(),
            Self::Refused(refused) => refused.code(),
            Self::Unavailable(unavailable) => unavailable.code(),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Refusal(refusal) => refusal.remedy(),
            Self::Regression(regression) => regression.remedy(),
            Self::Refused(refused) => refused.remedy(),
            Self::Unavailable(unavailable) => unavailable.remedy(),
        }
    }
}

/// Finds the pinned root and follows it. What was kept of it is taken first, and checked like the rest; that it ends there
/// says nothing while there are sources.
///
/// That there is no next version is believed if one source says so. Whoever is between can say so too: against that a
/// root expires, and heartbeats name its version.
///
/// The way leads through the version that was seen before, and through no other file of it: whoever has stolen the keys of
/// an early version could sign another way.
pub async fn follow(
    pin: Pin<'_>,
    kept: Option<&dyn RootSource>,
    sources: &[&dyn RootSource],
    limits: &Limits,
) -> Result<Followed, FollowError> {
    let mut asked = Asked {
        pin,
        limit: limits.root,
        kept,
        sources,
        unavailable: BTreeMap::new(),
    };
    let first = asked.pinned().await?;
    let mut chain = Chain::pin(&first, pin.fingerprint, limits)?;
    pin.check(chain.newest().number(), &first)?;
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

impl Pin<'_> {
    fn check(&self, version: NonZeroU64, file: &[u8]) -> Result<(), RootRegression> {
        self.remembered.map_or(Ok(()), |memory| {
            memory.check(self.name, version, &Digest::sha256(file))
        })
    }

    /// Advances by one version.
    fn advance(&self, chain: &mut Chain, file: &[u8]) -> Result<(), FollowError> {
        let mut next = chain.clone();
        next.advance(file)?;
        self.check(next.newest().number(), file)?;
        *chain = next;
        Ok(())
    }
}

/// Whom to ask, and who could not be. One that could not be asked once is not asked again: it would cost its time for each
/// version.
struct Asked<'a> {
    pin: Pin<'a>,
    /// Bytes of the longest root.
    limit: usize,
    kept: Option<&'a dyn RootSource>,
    sources: &'a [&'a dyn RootSource],
    /// By the place in the list.
    unavailable: BTreeMap<usize, Unavailable>,
}

impl Asked<'_> {
    /// The pinned file, from whoever has it first: one that is slow must not hold the others up.
    async fn pinned(&mut self) -> Result<Bytes, FollowError> {
        let fingerprint = self.pin.fingerprint;
        if let Some(kept) = self.kept
            // Nothing was kept yet, or it is gone.
            && let Ok(Some(file)) = kept.pinned(fingerprint).await
        {
            return Ok(file);
        }
        let asked = self.sources.iter().map(|source| source.pinned(fingerprint));
        let mut asked: Vec<_> = asked.map(Some).collect();
        let mut refused = None;
        let found = poll_fn(|context| {
            for (place, task) in asked.iter_mut().enumerate() {
                let Some(Poll::Ready(answer)) =
                    task.as_mut().map(|task| task.as_mut().poll(context))
                else {
                    continue;
                };
                *task = None;
                match answer {
                    Ok(Some(file)) => return Poll::Ready(Some(file)),
                    Ok(None) => {}
                    // It is not the pinned file, which another may have.
                    Err(Failure::Refused(refusal)) => refused = refused.take().or(Some(refusal)),
                    Err(Failure::Unavailable(error)) => {
                        self.unavailable.insert(place, error);
                    }
                }
            }
            if asked.iter().all(Option::is_none) {
                Poll::Ready(None)
            } else {
                Poll::Pending
            }
        });
        if let Some(file) = found.await {
            return Ok(file);
        }
        // One that could not be asked may have it.
        Err(match (self.unavailable.pop_first(), refused) {
            (Some((_, error)), _) => error.into(),
            (None, Some(refused)) => refused.into(),
            (None, None) => Refusal::PinnedNotFound {
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
            && self.pin.advance(chain, &file).is_ok()
        {
            return Ok(Some(file));
        }
        let mut refused = None;
        let mut is_absent = self.sources.is_empty();
        for (place, source) in self.sources.iter().enumerate() {
            if self.unavailable.contains_key(&place) {
                continue;
            }
            match source
                .version(version)
                .await
                .and_then(|file| self.read(file, *source))
            {
                Ok(Some(file)) => match self.pin.advance(chain, &file) {
                    Ok(()) => return Ok(Some(file)),
                    Err(refusal) => refused = refused.or(Some(refusal)),
                },
                Ok(None) => is_absent = true,
                Err(Failure::Refused(refusal)) => refused = refused.or(Some(refusal.into())),
                Err(Failure::Unavailable(error)) => {
                    self.unavailable.insert(place, error);
                }
            }
        }
        if let Some(refusal) = refused {
            // Whoever could not be asked may have the right file.
            return Err(match self.unavailable.pop_first() {
                Some((_, Unavailable { name, source })) => Unavailable {
                    name,
                    source: format!("{source}; and of another source: {refusal}").into(),
                }
                .into(),
                None => refusal,
            });
        }
        if is_absent {
            return Ok(None);
        }
        // Nobody has said that there is none.
        let error = self.unavailable.pop_first();
        error.map_or(Ok(None), |(_, error)| Err(error.into()))
    }

    /// What is no JSON is no answer: a proxy puts its pages in the place of files.
    fn read(&self, file: Option<Bytes>, source: &dyn RootSource) -> Result<Option<Bytes>, Failure> {
        let is_page = |file: &Bytes| {
            file.len() <= self.limit && serde_json::from_slice::<IgnoredAny>(file).is_err()
        };
        if file.as_ref().is_some_and(is_page) {
            return Err(Unavailable {
                name: source.name(),
                source: "what it has in the place of a root is no JSON".into(),
            }
            .into());
        }
        Ok(file)
    }
}

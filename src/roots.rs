//! Trust roots as the command has them: found by a policy's sources, kept between runs, and followed each time from the
//! fingerprint that the policy pins. That a file was kept makes nobody believe it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, ErrorKind, Read},
    num::NonZeroU64,
    path::PathBuf,
    time::Duration,
};

use bytes::Bytes;
use countersign_common::{
    Code, Digest, Escaped, Explain, Limits, RootSource, Task, Timestamp,
    root_source::{Failure, Unavailable},
};
use countersign_registry::Client;
use countersign_trust_roots::{
    RootName, TrustRoot,
    policy::{self, PinnedRoot},
    root::{ArtifactSource, Contents, FollowError, Followed, Pin, Refusal, follow},
    state::{RootMemory, RootRegression, RootSeen, State},
};

use crate::{
    files,
    state::{Store, VerifiedRoot},
};

/// How long no network is asked for a newer version. What lies in a folder is looked at each time.
const PROBED_FOR: Duration = Duration::from_hours(1);
/// The longest time for one file over the network.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long before the end people are told.
pub(crate) const EARLY: Duration = Duration::from_hours(60 * 24);
/// Files that are looked at in a folder for the one that is pinned.
const MOST_FILES: usize = 10_000;

/// How roots are opened: the same for each.
pub(crate) struct Means<'a> {
    pub(crate) client: &'a Client,
    pub(crate) timeout: Duration,
    pub(crate) probe: Probe,
    /// Where files are kept, and what was seen before, if there is such a memory.
    pub(crate) memory: Option<(&'a Store, &'a State)>,
}

/// When the network is asked for a newer version.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Probe {
    /// If nobody asked within the hour.
    Hourly,
    /// In any case.
    Now,
}

/// A root that is in force, and what is to be remembered of it.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) root: TrustRoot,
    seen: Seen,
    /// Sources that could not be asked, where another gave the answer.
    pub(crate) unavailable: Vec<Unavailable>,
}

/// What was seen of a root, and is to be remembered though it is over: an older version must not come back.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) root: RootSeen,
    /// Each version on the way to it.
    files: BTreeMap<NonZeroU64, Bytes>,
}

/// Why a root cannot be used.
#[derive(Debug)]
pub(crate) enum RootError {
    /// It is over, or older than what was seen before, and who may have a newer one could not be asked.
    Behind(Unavailable, Box<Seen>),
    Expired(Refusal, Box<Seen>),
    Follow(FollowError),
    Regression(RootRegression),
}

impl RootError {
    /// Whether nothing was found out.
    pub(crate) fn is_undecided(&self) -> bool {
        matches!(
            self,
            Self::Behind(..) | Self::Follow(FollowError::Unavailable(_))
        )
    }

    fn explained(&self) -> &dyn Explain {
        match self {
            Self::Behind(unavailable, _) => unavailable,
            Self::Follow(error) => error,
            Self::Expired(refusal, _) => refusal,
            Self::Regression(regression) => regression,
        }
    }
}

impl std::fmt::Display for RootError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.explained())
    }
}

impl Explain for RootError {
    fn code(&self) -> Code {
        self.explained().code()
    }

    fn remedy(&self) -> String {
        self.explained().remedy()
    }
}

/// Follows a root to its newest version.
///
/// `system` is the time of this machine's clock, `now` the time that is judged by, which may be later or another.
pub(crate) async fn open(
    pinned: &PinnedRoot,
    means: &Means<'_>,
    (system, now): (Timestamp, Timestamp),
) -> Result<Opened, RootError> {
    let remembered = means.memory.and_then(|(_, state)| state.root(&pinned.name));
    let quietly = match (means.probe, remembered) {
        (Probe::Hourly, Some(memory)) if is_fresh(memory, system) => {
            let followed = fetch(pinned, means, Asked::Folders).await.ok();
            // What was kept may be gone, or over by now: then the network may have more.
            followed.filter(|followed| is_enough(followed, memory, now))
        }
        _ => None,
    };
    let (mut followed, mut probed) = if let Some(followed) = quietly {
        (followed, remembered.map(RootMemory::probed))
    } else {
        let followed = fetch(pinned, means, Asked::All).await;
        (followed.map_err(RootError::Follow)?, Some(system))
    };
    // A source that could not be asked is to be asked the next time, and not in an hour.
    if !followed.unavailable.is_empty() {
        let before = remembered.map(RootMemory::probed);
        // Nor has anybody asked at a time that is still to come.
        probed = before.filter(|before| *before <= system);
    }
    let unavailable = std::mem::take(&mut followed.unavailable);
    let seen = Seen::of(&followed, probed.unwrap_or(Timestamp::EPOCH));
    let checked = means.memory.map_or(Ok(()), |(_, state)| {
        state.check_root(&pinned.name, &seen.root)
    });
    let outcome = match checked {
        Ok(()) => followed.chain.in_force(now).map_err(Stale::Expired),
        Err(older @ RootRegression::Older { .. }) => Err(Stale::Older(older)),
        Err(twin @ RootRegression::Twin { .. }) => return Err(RootError::Regression(twin)),
    };
    match outcome {
        Ok(root) => Ok(Opened {
            root,
            seen,
            unavailable,
        }),
        Err(stale) => Err(stale.explained(unavailable, seen)),
    }
}

/// What a newer version would mend.
enum Stale {
    Expired(Refusal),
    Older(RootRegression),
}

impl Stale {
    /// Nobody has found out that there is no newer version while a source could not be asked.
    fn explained(self, unavailable: Vec<Unavailable>, seen: Seen) -> RootError {
        match (unavailable.into_iter().next(), self) {
            (Some(unavailable), _) => RootError::Behind(unavailable, Box::new(seen)),
            (None, Self::Expired(refusal)) => RootError::Expired(refusal, Box::new(seen)),
            (None, Self::Older(regression)) => RootError::Regression(regression),
        }
    }
}

/// Whether somebody has looked for a newer version within the hour.
fn is_fresh(memory: &RootMemory, system: Timestamp) -> bool {
    memory.probed() <= system && system.since(memory.probed()) < PROBED_FOR
}

fn is_enough(followed: &Followed, memory: &RootMemory, now: Timestamp) -> bool {
    let newest = followed.chain.newest();
    newest.number() >= memory.version() && now < newest.expires()
}

/// Whether a root that is in force will not be for long.
pub(crate) fn expires_soon(root: &Contents, now: Timestamp) -> bool {
    now < root.expires() && root.expires().since(now) < EARLY
}

/// What was seen of a root, in force or not.
pub(crate) fn seen(opened: &Result<Opened, RootError>) -> Option<&Seen> {
    match opened {
        Ok(opened) => Some(&opened.seen),
        Err(RootError::Behind(_, seen) | RootError::Expired(_, seen)) => Some(seen),
        Err(RootError::Follow(_) | RootError::Regression(_)) => None,
    }
}

impl Opened {
    /// The file of what is remembered, if it is on the way here from the pinned version.
    pub(crate) fn file_of(&self, memory: &RootMemory) -> Option<&Bytes> {
        let file = self.seen.files.get(&memory.version());
        file.filter(|file| Digest::sha256(file) == *memory.sha256())
    }
}

impl Seen {
    fn of(followed: &Followed, probed: Timestamp) -> Self {
        let newest = followed.chain.newest().number();
        let versions = followed.files.iter();
        let files: BTreeMap<NonZeroU64, Bytes> = versions
            .filter_map(|(version, file)| Some((NonZeroU64::new(*version)?, file.clone())))
            .collect();
        let passed = files.range(..newest);
        Self {
            root: RootSeen {
                newest: RootMemory::new(newest, followed.chain.bytes(), probed),
                passed: passed
                    .map(|(version, file)| (*version, Digest::sha256(file)))
                    .collect(),
            },
            files,
        }
    }

    /// Its versions.
    pub(crate) fn verified<'a>(
        &'a self,
        name: &'a RootName,
    ) -> impl Iterator<Item = VerifiedRoot<'a>> {
        self.files.iter().map(move |(version, file)| VerifiedRoot {
            name,
            version: *version,
            file,
        })
    }
}

/// Which sources are asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Asked {
    All,
    /// Those that cost no request.
    Folders,
}

async fn fetch(
    pinned: &PinnedRoot,
    means: &Means<'_>,
    asked: Asked,
) -> Result<Followed, FollowError> {
    let kept = means
        .memory
        .map(|(store, _)| store.kept_roots(&pinned.name));
    let sources: Vec<Box<dyn RootSource + '_>> = pinned
        .sources
        .iter()
        .filter(|source| asked == Asked::All || matches!(source, policy::RootSource::Folder(_)))
        .map(|source| adapter(source, means))
        .collect();
    let sources: Vec<&dyn RootSource> = sources.iter().map(AsRef::as_ref).collect();
    let kept = kept.as_ref().map(|kept| kept as &dyn RootSource);
    let pin = Pin {
        name: &pinned.name,
        fingerprint: &pinned.fingerprint,
        remembered: means.memory.and_then(|(_, state)| state.root(&pinned.name)),
    };
    let followed = follow(pin, kept, &sources, &Limits::TABLE);
    let followed = tokio::time::timeout(means.timeout, followed).await;
    followed.unwrap_or_else(|_| {
        // Whoever runs one source must not hold every verifier up.
        Err(FollowError::Unavailable(Unavailable {
            name: pinned.name.to_string(),
            source: format!("it was not followed within {} s", means.timeout.as_secs()).into(),
        }))
    })
}

fn adapter<'a>(source: &policy::RootSource, means: &Means<'a>) -> Box<dyn RootSource + 'a> {
    let timeout = TIMEOUT.min(means.timeout / 3);
    match source {
        policy::RootSource::Folder(path) => Box::new(Folder(path.clone())),
        policy::RootSource::Https(url) => Box::new(means.client.root_files(url.clone(), timeout)),
        policy::RootSource::Oci(repository) => Box::new(Bounded {
            source: ArtifactSource {
                repository: repository.clone(),
                registry: means.client,
                limits: Limits::TABLE,
            },
            timeout,
        }),
    }
}

/// A source that has so long for each file: one that is slow must leave the others time.
struct Bounded<S> {
    source: S,
    timeout: Duration,
}

impl<S: RootSource> RootSource for Bounded<S> {
    fn name(&self) -> String {
        self.source.name()
    }

    fn version(&self, version: u64) -> Task<'_, Result<Option<Bytes>, Failure>> {
        Box::pin(async move {
            let answer = tokio::time::timeout(self.timeout, self.source.version(version)).await;
            answer.unwrap_or_else(|_| {
                Err(Unavailable {
                    name: self.name(),
                    source: format!("it did not answer within {} s", self.timeout.as_secs_f32())
                        .into(),
                }
                .into())
            })
        })
    }
}

/// A folder with `<N>.root.json`.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    fn read(&self, version: u64) -> Result<Option<Bytes>, Failure> {
        let path = self.0.join(format!("{version}.root.json"));
        let mut bytes = Vec::new();
        let limit = Limits::TABLE.root as u64 + 1;
        let read = files::open(&path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
        match read {
            Ok(_) => Ok(Some(bytes.into())),
            // A folder that is not there is no answer about what is in it.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::metadata(&self.0).map_err(|error| self.failed(error))?;
                Ok(None)
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    fn find(&self, fingerprint: &Digest) -> Result<Option<Bytes>, Failure> {
        let entries = fs::read_dir(&self.0).map_err(|error| self.failed(error))?;
        let mut versions = BTreeSet::new();
        for (place, entry) in entries.enumerate() {
            if place == MOST_FILES {
                return Err(self.failed(io::Error::other(format!(
                    "it has more than {MOST_FILES} files"
                ))));
            }
            let name = entry.map_err(|error| self.failed(error))?.file_name();
            let version = name
                .to_str()
                .and_then(|name| name.strip_suffix(".root.json"))
                .and_then(|version| version.parse::<NonZeroU64>().ok());
            versions.extend(version);
        }
        // One that cannot be read does not hide another, and may be the one.
        let mut failure = None;
        for version in versions {
            match self.read(version.get()) {
                Ok(Some(file)) if Digest::sha256(&file) == *fingerprint => return Ok(Some(file)),
                Ok(_) => {}
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(None), Err)
    }

    fn failed(&self, error: io::Error) -> Failure {
        Unavailable {
            name: self.name(),
            source: error.into(),
        }
        .into()
    }
}

impl RootSource for Folder {
    fn name(&self) -> String {
        format!("file:{}", Escaped(&self.0.to_string_lossy()))
    }

    fn version(&self, version: u64) -> Task<'_, Result<Option<Bytes>, Failure>> {
        Box::pin(async move { self.read(version) })
    }

    fn pinned<'a>(&'a self, fingerprint: &'a Digest) -> Task<'a, Result<Option<Bytes>, Failure>> {
        Box::pin(async move { self.find(fingerprint) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let around = tempfile::TempDir::new().unwrap();
        let folder = Folder(around.path().join("roots"));
        fs::create_dir(&folder.0).unwrap();
        (around, folder)
    }

    #[test]
    fn a_folder_has_what_lies_in_it() {
        let (_around, folder) = folder();
        fs::write(folder.0.join("7.root.json"), b"seven").unwrap();
        fs::write(folder.0.join("draft.root.json"), b"draft").unwrap();
        fs::write(folder.0.join("x.root.json"), b"x").unwrap();
        assert_eq!(folder.read(7).unwrap().unwrap(), "seven");
        assert!(folder.read(8).unwrap().is_none());
        assert!(folder.find(&Digest::sha256(b"seven")).unwrap().is_some());
        for other in [&b"draft"[..], b"x", b"nothing"] {
            assert!(folder.find(&Digest::sha256(other)).unwrap().is_none());
        }
    }

    #[test]
    fn what_is_beyond_the_files_that_are_looked_at_is_not_absent() {
        let (_around, folder) = folder();
        let write = |number: usize| fs::write(folder.0.join(format!("{number}")), b"").unwrap();
        (0..MOST_FILES).for_each(write);
        assert!(folder.find(&Digest::sha256(b"")).unwrap().is_none());
        write(MOST_FILES);
        assert!(folder.find(&Digest::sha256(b"")).is_err());
    }

    #[test]
    fn a_folder_that_is_not_there_is_no_absence() {
        let (around, folder) = folder();
        fs::remove_dir(&folder.0).unwrap();
        assert!(folder.read(1).is_err());
        assert!(folder.find(&Digest::sha256(b"")).is_err());
        fs::write(around.path().join("roots"), b"a file").unwrap();
        assert!(folder.read(1).is_err());
    }

    #[test]
    fn no_more_is_read_than_a_root_has() {
        let (_around, folder) = folder();
        fs::write(folder.0.join("1.root.json"), vec![b' '; 10 << 20]).unwrap();
        assert_eq!(
            folder.read(1).unwrap().unwrap().len(),
            Limits::TABLE.root + 1
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_holds_nothing_up() {
        let (_around, folder) = folder();
        let made = std::process::Command::new("mkfifo")
            .arg(folder.0.join("1.root.json"))
            .status();
        assert!(made.unwrap().success());
        assert!(folder.read(1).is_err());
    }
}

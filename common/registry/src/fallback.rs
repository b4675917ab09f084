//! The fallback tag: where clients list what refers to a digest if the registry does not
//! ([OCI distribution specification, referrers tag schema](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema)).
//!
//! Everybody who signs an image writes the same tag, and no registry offers a way to write it only if nobody else has.
//! Writers of ours lose nothing of each other by the rules of `merging`, as long as turns are kept: a registry that takes
//! much longer over one writer's requests than over another's, or carries out what was given up long after, can break them;
//! so can tools that look at nothing after they have written. Entries of others are kept as they are.

use std::time::{Duration, Instant};

use countersign_common::{
    Descriptor, Digest, Limits, Manifest, Repository,
    manifest::{Body, ManifestError},
    registry::{Error, Failure, Refusal},
};
use reqwest::{StatusCode, header::ACCEPT};

use crate::{
    client::{ACCEPTED, Client},
    listing::{self, with_edit},
    merging::{Entry, Merging, Next},
    referrers::distinct,
    transport::{Kind, jitter},
};

/// How often a tag that others write too is looked at.
const LOOKS: usize = 40;
/// From a look until what was made of it is written. It is the same for writers whose requests take an eighth of a second
/// or less, and what a writer that is alone waits for.
const SHORTEST_TURN: Duration = Duration::from_millis(500);
/// What slow requests make of it at the most, as long as one is answered within it.
const LONGEST_TURN: Duration = Duration::from_secs(10);

impl Client {
    /// What the tag lists; nothing if there is no tag.
    pub(crate) async fn fallback(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Vec<Descriptor>, Failure> {
        let index = self.fallback_index(repository, subject).await?;
        index.map_or(Ok(Vec::new()), |manifest| {
            entries(repository, subject, &manifest)
        })
    }

    async fn fallback_index(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Option<Manifest>, Failure> {
        let limits = Limits {
            children: self.limits().referrers,
            ..*self.limits()
        };
        self.fetch_manifest(repository, &subject.referrers_tag(), None, &limits)
            .await
    }

    /// Adds artifacts to the tag. `pushed` is how long it took to push them.
    pub(crate) async fn merge(
        &self,
        repository: &Repository,
        subject: &Digest,
        manifests: &[Manifest],
        pushed: Duration,
    ) -> Result<(), Failure> {
        let entries: Result<_, _> = manifests.iter().map(listing::written).collect();
        let entries = entries.map_err(|source| malformed(repository, subject, source))?;
        let merging = Merging::adding(entries);
        self.settle(repository, subject, merging, Pace::of(pushed))
            .await
    }

    /// Takes an artifact from the tag.
    pub(crate) async fn unmerge(
        &self,
        repository: &Repository,
        subject: &Digest,
        manifest: &Digest,
    ) -> Result<(), Failure> {
        let merging = Merging::removing(manifest.clone());
        self.settle(repository, subject, merging, Pace::of(Duration::ZERO))
            .await
    }

    /// Looks and writes until nothing is missing.
    async fn settle(
        &self,
        repository: &Repository,
        subject: &Digest,
        mut merging: Merging,
        mut pace: Pace,
    ) -> Result<(), Failure> {
        let limit = self.limits().referrers;
        let mut patience = Patience::new(self.transport.options.timeout / 2);
        for _ in 0..LOOKS {
            let begun = Instant::now();
            let known = self.fallback_index(repository, subject).await?;
            pace.took(begun.elapsed());
            let listed = known
                .as_ref()
                .map_or(Ok(Vec::new()), |known| listed(repository, subject, known))?;
            match merging.look(&listed, limit) {
                Next::Leave => return Ok(()),
                Next::Check(vanished) => self.check(repository, vanished, &mut merging).await?,
                Next::Write(edit) => {
                    self.lists_by_tag(repository);
                    let index = with_edit(known.as_ref(), edit)
                        .map_err(|source| malformed(repository, subject, source))?;
                    let time = Kind::Brief(pace.rest(begun));
                    let written = self.write(repository, subject, &index, time).await;
                    match self.again(repository, written, &mut patience)? {
                        Written::Well => {}
                        Written::Late => pace.slow_down(),
                        Written::Not(wait) => tokio::time::sleep(wait).await,
                    }
                    tokio::time::sleep(pace.wait()).await;
                }
            }
        }
        Err(lost(repository, subject))
    }

    /// Whether to go on after a write.
    fn again(
        &self,
        repository: &Repository,
        written: Result<(), Failure>,
        patience: &mut Patience,
    ) -> Result<Written, Failure> {
        match written {
            Ok(()) => Ok(Written::Well),
            Err(Failure::Error(Error::TimedOut { .. })) => Ok(Written::Late),
            Err(Failure::Error(Error::Throttled { registry, attempts })) => {
                let until = self.paused_until(repository);
                let attempts = patience.spend(attempts);
                let throttled = Error::Throttled { registry, attempts };
                let wait = patience.wait(until).ok_or(Failure::Error(throttled));
                wait.map(Written::Not)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Asks after entries that vanished: somebody has removed them, or has written without having seen them.
    async fn check(
        &self,
        repository: &Repository,
        vanished: Vec<Digest>,
        merging: &mut Merging,
    ) -> Result<(), Failure> {
        for digest in vanished {
            if !merging.may_check(&digest) {
                continue;
            }
            if self.has_manifest(repository, &digest).await? {
                merging.keep(&digest);
            } else {
                merging.forget(&digest);
            }
        }
        Ok(())
    }

    async fn has_manifest(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<bool, Failure> {
        // No HEAD: without what a 404 says, a throttled one is an absence, and the entry would be lost.
        let mut request = Self::get(repository, format!("manifests/{digest}"));
        request.headers.insert(ACCEPT, ACCEPTED);
        let answer = self.transport.send(&request).await?;
        if answer.response.status() == StatusCode::OK {
            return Ok(true);
        }
        answer.absent().map(|()| false)
    }

    async fn write(
        &self,
        repository: &Repository,
        subject: &Digest,
        index: &Manifest,
        time: Kind,
    ) -> Result<(), Failure> {
        let limit = self.limits().referrers;
        if entries(repository, subject, index)?.len() > limit {
            return Err(Failure::Refusal(Refusal::ReferrersFull {
                repository: repository.clone(),
                subject: subject.clone(),
                limit,
            }));
        }
        let tag = subject.referrers_tag();
        self.put_manifest(repository, &tag, index, time)
            .await
            .map_err(|failure| immutable(failure, repository, &tag))
    }
}

/// What became of a write.
enum Written {
    /// Not within the turn: what is still asked for would be written too late.
    Late,
    /// It was throttled; the list is looked at again after so long.
    Not(Duration),
    Well,
}

/// How long a registry is waited for that throttles who writes, beyond a turn: no write may be sent again after its turn, so
/// the list must be looked at each time.
#[derive(Debug)]
struct Patience {
    until: Instant,
    next: Duration,
    attempts: u32,
}

impl Patience {
    fn new(time: Duration) -> Self {
        Self {
            until: Instant::now() + time,
            next: SHORTEST_TURN,
            attempts: 0,
        }
    }

    /// How often was tried in all.
    fn spend(&mut self, attempts: u32) -> u32 {
        self.attempts += attempts;
        self.attempts
    }

    /// How long to wait before the next look; `None` if that is too long.
    fn wait(&mut self, paused: Option<Instant>) -> Option<Duration> {
        let now = Instant::now();
        let until = paused.unwrap_or(now).max(now) + jitter(self.next);
        self.next *= 2;
        (until + self.next < self.until).then_some(until - now)
    }
}

/// How long a turn is, for one writer of a registry.
#[derive(Debug)]
struct Pace {
    turn: Duration,
    is_contended: bool,
}

impl Pace {
    fn of(pushed: Duration) -> Self {
        let mut pace = Self {
            turn: SHORTEST_TURN,
            is_contended: false,
        };
        pace.took(pushed);
        pace
    }

    /// A request took so long: a turn is two, each of which may take twice that.
    fn took(&mut self, time: Duration) {
        self.turn = self.turn.max((time * 4).min(LONGEST_TURN));
    }

    /// What is left of the turn that began with a look.
    fn rest(&self, begun: Instant) -> Duration {
        self.turn.saturating_sub(begun.elapsed())
    }

    /// Nothing was written within a turn.
    fn slow_down(&mut self) {
        self.turn *= 2;
    }

    /// How long to wait before what was written is looked at: others who write must not do so at one moment again.
    fn wait(&mut self) -> Duration {
        let more = if self.is_contended {
            jitter(self.turn / 2)
        } else {
            Duration::ZERO
        };
        self.is_contended = true;
        self.turn + more
    }
}

fn listed(
    repository: &Repository,
    subject: &Digest,
    index: &Manifest,
) -> Result<Vec<Entry>, Failure> {
    // What is no list at all is told as what it is.
    entries(repository, subject, index)?;
    listing::entries(index).map_err(|source| malformed(repository, subject, source))
}

fn entries(
    repository: &Repository,
    subject: &Digest,
    index: &Manifest,
) -> Result<Vec<Descriptor>, Failure> {
    match index.body() {
        Body::Index(index) => Ok(distinct(index.manifests.clone())),
        Body::Image(_) => Err(malformed(
            repository,
            subject,
            ManifestError::Missing {
                member: "manifests",
            },
        )),
    }
}

fn malformed(repository: &Repository, subject: &Digest, source: ManifestError) -> Failure {
    Failure::Refusal(Refusal::Malformed {
        registry: repository.registry(),
        path: format!(
            "{}/manifests/{}",
            repository.path(),
            subject.referrers_tag()
        ),
        source,
    })
}

fn immutable(failure: Failure, repository: &Repository, tag: &str) -> Failure {
    match failure {
        Failure::Refusal(Refusal::Rejected { message, .. })
            if message.starts_with("TAG_INVALID") =>
        {
            Failure::Refusal(Refusal::TagImmutable {
                repository: repository.clone(),
                tag: tag.to_owned(),
            })
        }
        other => other,
    }
}

fn lost(repository: &Repository, subject: &Digest) -> Failure {
    Failure::Error(Error::Status {
        registry: repository.registry(),
        path: format!(
            "{}/manifests/{}",
            repository.path(),
            subject.referrers_tag()
        ),
        status: 409,
        message: format!(
            "others kept writing this list of signatures; it was looked at {LOOKS} times"
        ),
    })
}

//! The fallback tag: where clients list what refers to a digest if the registry does not
//! ([OCI distribution specification, referrers tag schema](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema)).
//!
//! Everybody who signs an image writes the same tag, and no registry offers a way to write it only if nobody else has:
//! an entry of ours can be lost to a writer that read before us and writes after our last look. Entries of others are
//! kept as they are, to the last member.

use std::time::Duration;

use countersign_common::{
    Descriptor, Digest, Limits, Manifest, Repository,
    manifest::{Body, ManifestError},
    registry::{Error, Failure, Refusal},
};

use crate::{
    client::Client,
    listing::{entry, with_entries, without_entry},
    referrers::distinct,
    transport::jitter,
};

/// How often a tag that others write too is looked at.
const MERGES: usize = 40;
/// The longest wait before the second look: another writer's read and write take about as long.
const SECOND_LOOK: Duration = Duration::from_millis(200);

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

    /// Adds artifacts to the tag. Two writers may both read before either writes, so what was written is looked at again,
    /// twice, and written again if another's write has replaced it.
    pub(crate) async fn merge(
        &self,
        repository: &Repository,
        subject: &Digest,
        manifests: &[Manifest],
    ) -> Result<(), Failure> {
        let entries_of_ours: Vec<_> = manifests.iter().map(entry).collect();
        let mut looks = 0;
        for _ in 0..MERGES {
            let known = self.fallback_index(repository, subject).await?;
            let listed = known
                .as_ref()
                .map_or(Ok(Vec::new()), |known| entries(repository, subject, known))?;
            let is_listed =
                |entry: &&Descriptor| listed.iter().any(|known| known.digest == entry.digest);
            let (_, missing): (Vec<_>, Vec<_>) = entries_of_ours.iter().partition(is_listed);
            if missing.is_empty() {
                looks += 1;
                if looks == 2 {
                    return Ok(());
                }
            } else {
                looks = 0;
                self.write_entries(repository, subject, known.as_ref(), &missing)
                    .await?;
            }
            tokio::time::sleep(jitter(SECOND_LOOK)).await;
        }
        Err(lost(repository, subject))
    }

    /// Takes an artifact from the tag. A writer that read before us may put it back: such an entry names nothing, and
    /// readers pass it over.
    pub(crate) async fn unmerge(
        &self,
        repository: &Repository,
        subject: &Digest,
        manifest: &Digest,
    ) -> Result<(), Failure> {
        let Some(known) = self.fallback_index(repository, subject).await? else {
            return Ok(());
        };
        let listed = entries(repository, subject, &known)?;
        if listed.iter().all(|entry| entry.digest != *manifest) {
            return Ok(());
        }
        let index = without_entry(&known, manifest)
            .map_err(|source| malformed(repository, subject, source))?;
        let tag = subject.referrers_tag();
        self.put_manifest(repository, &tag, &index)
            .await
            .map_err(|failure| immutable(failure, repository, &tag))
    }

    async fn write_entries(
        &self,
        repository: &Repository,
        subject: &Digest,
        known: Option<&Manifest>,
        missing: &[&Descriptor],
    ) -> Result<(), Failure> {
        let limit = self.limits().referrers;
        let index = with_entries(known, missing)
            .map_err(|source| malformed(repository, subject, source))?;
        if entries(repository, subject, &index)?.len() > limit {
            return Err(Failure::Refusal(Refusal::ReferrersFull {
                repository: repository.clone(),
                subject: subject.clone(),
                limit,
            }));
        }
        let tag = subject.referrers_tag();
        self.put_manifest(repository, &tag, &index)
            .await
            .map_err(|failure| immutable(failure, repository, &tag))
    }
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
            "others kept writing this list of signatures; it was looked at {MERGES} times"
        ),
    })
}

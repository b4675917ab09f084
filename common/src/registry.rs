//! The ports to a registry: reading for whoever checks, writing for whoever signs.
//!
//! Adapters meet them in binaries and tests. Absent is `None`, and only a 404 is absent; whatever else went wrong is
//! a [`Failure`] of one of two kinds, never "nothing found".

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    Code, Descriptor, Digest, Explain, ImageRef, Manifest, PinnedImage, Repository, Task,
    manifest::ManifestError,
};

pub use self::{channel::Channel, damage::Damage};

mod channel;
mod damage;
mod explain;

/// Reads from registries. Everything it returns was bounded before it was read, and hashed before it was returned.
pub trait Registry: Send + Sync {
    /// Turns a reference into a manifest, once. No such manifest is a refusal.
    fn resolve<'a>(&'a self, image: &'a ImageRef) -> Task<'a, Result<PinnedImage, Failure>>;

    /// The same of a manifest of at most `limit` bytes; a longer one is refused as too large, unless it is on this machine.
    fn resolve_within<'a>(
        &'a self,
        image: &'a ImageRef,
        _limit: usize,
    ) -> Task<'a, Result<PinnedImage, Failure>> {
        self.resolve(image)
    }

    /// A manifest by its descriptor: of its digest, and not longer than it says. A list that anybody may write cannot
    /// make a reader fetch more than it announces.
    fn manifest<'a>(
        &'a self,
        repository: &'a Repository,
        descriptor: &'a Descriptor,
    ) -> Task<'a, Result<Option<Manifest>, Failure>>;

    /// Everything that says it refers to this digest: the referrers API and, where a registry has none, the fallback
    /// tag. What is listed is a claim; each one's own manifest decides.
    fn referrers<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
    ) -> Task<'a, Result<Vec<Descriptor>, Failure>>;

    /// The same of a list of at most `limit` bytes; a longer one is refused as too large, unless it is on this machine, or at the
    /// fallback tag, where none is longer than a manifest.
    fn referrers_within<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
        _limit: usize,
    ) -> Task<'a, Result<Vec<Descriptor>, Failure>> {
        self.referrers(repository, subject)
    }

    /// The same by the registry's own list alone; `None` if it has none, and the fallback tag is all that there is.
    fn own_referrers<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
    ) -> Task<'a, Result<Option<Vec<Descriptor>>, Failure>> {
        Box::pin(async move { self.referrers(repository, subject).await.map(Some) })
    }

    /// The same of a list of at most `limit` bytes; a longer one is refused as too large, unless it is on this machine.
    fn own_referrers_within<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
        _limit: usize,
    ) -> Task<'a, Result<Option<Vec<Descriptor>>, Failure>> {
        self.own_referrers(repository, subject)
    }

    /// The same by the fallback tag alone, which may be there beside the registry's own list; nothing if there is no such tag.
    fn tagged_referrers<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
    ) -> Task<'a, Result<Vec<Descriptor>, Failure>>;

    /// What refers to this digest and was put away: known to the registry, and not to be had before somebody brings it back.
    /// Most registries put nothing away.
    fn archived_referrers<'a>(
        &'a self,
        _repository: &'a Repository,
        _subject: &'a Digest,
    ) -> Task<'a, Result<Vec<Descriptor>, Failure>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// A blob of at most `limit` bytes.
    fn blob<'a>(
        &'a self,
        repository: &'a Repository,
        descriptor: &'a Descriptor,
        limit: usize,
    ) -> Task<'a, Result<Option<Bytes>, Failure>>;

    /// Streams a blob and hashes it, without keeping it. `Some` is its size, and means that it is whole.
    fn check_blob<'a>(
        &'a self,
        repository: &'a Repository,
        descriptor: &'a Descriptor,
        onlooker: Arc<dyn Onlooker>,
    ) -> Task<'a, Result<Option<u64>, Failure>>;

    /// What is said where something is absent that a manifest names, which is a fault and no answer.
    fn absent(&self, repository: &Repository, digest: &Digest) -> Error {
        Error::BlobAbsent {
            repository: repository.clone(),
            digest: digest.clone(),
        }
    }
}

/// Sees the bytes of a blob as they come, each once and in order: before anybody knows whether they are the right ones.
///
/// What it thinks of them counts for nothing until the blob is found to be whole. It is shared, so that an adapter may show
/// them on another thread.
pub trait Onlooker: Send + Sync {
    /// Sees the next ones.
    fn see(&self, bytes: &[u8]);

    /// How long that takes.
    fn looking(&self) -> Looking {
        Looking::Long
    }
}

/// How long it takes to look at some bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Looking {
    /// No longer than to hash them: it is done wherever they are.
    Brief,
    /// As long as whoever wrote them likes, such as to unpack them: nothing else may wait for it.
    Long,
}

/// Does not look.
#[derive(Clone, Copy, Debug)]
pub struct Blind;

impl Onlooker for Blind {
    fn see(&self, _: &[u8]) {}

    fn looking(&self) -> Looking {
        Looking::Brief
    }
}

/// Writes to registries too. Only signers see it.
pub trait RegistryWriter: Registry {
    /// Pushes a blob, unless it is there.
    fn push_blob<'a>(
        &'a self,
        repository: &'a Repository,
        bytes: Bytes,
    ) -> Task<'a, Result<Digest, Failure>>;

    /// Puts a manifest where a reference resolves to. A tag that names another one is moved, unless the registry keeps it:
    /// whoever must not move it looks first.
    fn push_manifest<'a>(
        &'a self,
        image: &'a ImageRef,
        manifest: &'a Manifest,
    ) -> Task<'a, Result<(), Failure>>;

    /// Pushes manifests that refer to one subject by their digests, and where the registry has no referrers API adds them to
    /// the fallback tag of the subject, all in one write.
    fn push_referrers<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
        manifests: &'a [Manifest],
    ) -> Task<'a, Result<(), Failure>>;

    /// Removes a manifest that refers to a subject, and where the registry has no referrers API takes it from the fallback
    /// tag of its subject. One that is not there is removed already.
    fn remove_referrer<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
        manifest: &'a Digest,
    ) -> Task<'a, Result<(), Failure>>;
}

/// Why there is no answer: could not find out, or found out and no.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Could not find out; a retry or a person may help.
    #[error(transparent)]
    Error(#[from] Error),
    /// Found out, and no.
    #[error(transparent)]
    Refusal(#[from] Refusal),
}

impl Explain for Failure {
    fn code(&self) -> Code {
        match self {
            Self::Error(error) => error.code(),
            Self::Refusal(refusal) => refusal.code(),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Error(error) => error.remedy(),
            Self::Refusal(refusal) => refusal.remedy(),
        }
    }
}

/// The cause of an error as its library tells it, without secrets and without URLs that carry any.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Could not find out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A blob that a manifest names is not there.
    #[error("{repository} does not have the blob {digest}, which a manifest in it names")]
    BlobAbsent {
        /// Where was looked.
        repository: Repository,
        /// What is missing.
        digest: Digest,
    },
    /// A foreign layer is not there: it is left where its publisher keeps it, as those of Windows are.
    #[error(
        "{repository} does not have the layer {digest}, which is foreign (`{}`): it lies where its publisher keeps it, and runtimes fetch it there",
        crate::Escaped(media_type)
    )]
    ForeignLayer {
        /// Where was looked.
        repository: Repository,
        /// What is missing.
        digest: Digest,
        /// Why it may be.
        media_type: String,
    },
    /// No credentials could be had.
    #[error("no credentials for {registry}: {}", crate::Escaped(&source.to_string()))]
    Credentials {
        /// The registry.
        registry: String,
        /// What their source said.
        source: Cause,
    },
    /// The registry refuses the credentials, or wants some.
    #[error(
        "{registry} denies access to {path} with status {status}: {}",
        crate::Escaped(message)
    )]
    Denied {
        /// The registry.
        registry: String,
        /// What was asked for.
        path: String,
        /// 401 or 403.
        status: u16,
        /// What it said.
        message: String,
    },
    /// A redirect or a login to where nothing may be sent.
    #[error(
        "{registry} points to {}, where nothing is sent: {reason}",
        crate::Escaped(target)
    )]
    Egress {
        /// The registry.
        registry: String,
        /// Scheme and host, never the path or the query.
        target: String,
        /// Why not.
        reason: &'static str,
    },
    /// A file that a manifest of a layout names is not there.
    #[error("{path} of {layout} is missing, though a manifest in it names it")]
    FileAbsent {
        /// The layout, escaped.
        layout: String,
        /// The file.
        path: String,
    },
    /// Not asked: it has answered nothing for too long.
    #[error(
        "{registry} has not answered {requests} requests in a row, for {seconds} s, and is not asked any more"
    )]
    Silent {
        /// The registry.
        registry: String,
        /// How many had no answer.
        requests: u32,
        /// How long was waited for them.
        seconds: u64,
    },
    /// An answer outside its protocol, or a failing server.
    #[error(
        "{registry} answered {path} with status {status}: {}",
        crate::Escaped(message)
    )]
    Status {
        /// The registry.
        registry: String,
        /// What was asked for.
        path: String,
        /// The HTTP status.
        status: u16,
        /// What it said.
        message: String,
    },
    /// Too many requests, still after retries.
    #[error("{registry} is throttling requests{}", after(*attempts))]
    Throttled {
        /// The registry.
        registry: String,
        /// How often was tried: not at all if its turn would have come too late.
        attempts: u32,
    },
    /// Not in time.
    #[error("{registry} did not answer {path} within {seconds} s")]
    TimedOut {
        /// The registry.
        registry: String,
        /// What was asked for.
        path: String,
        /// How long was waited.
        seconds: u64,
    },
    /// No connection, or one that broke.
    #[error("{registry} could not be reached: {}", crate::Escaped(&source.to_string()))]
    Unreachable {
        /// The registry.
        registry: String,
        /// What went wrong.
        source: Cause,
        /// How it was asked.
        channel: Channel,
    },
    /// A file of a layout that is there, and cannot be read.
    #[error("{path} of {layout} could not be read: {source}")]
    Unreadable {
        /// The layout, escaped.
        layout: String,
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of a layout that cannot be written.
    #[error("{path} of {layout} could not be written: {source}")]
    Unwritable {
        /// The layout, escaped.
        layout: String,
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Found out, and no.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A layout in which several images are what was asked for.
    #[error("{layout} has several images {asked}; {}", list(found))]
    Ambiguous {
        /// The layout, escaped.
        layout: String,
        /// What was asked for.
        asked: String,
        /// Their tags, and their digests.
        found: Vec<String>,
    },
    /// A file of a layout that is not what it should be.
    #[error("{path} of {layout} {source}")]
    Damaged {
        /// The layout, escaped.
        layout: String,
        /// The file.
        path: String,
        /// What is wrong.
        source: Damage,
    },
    /// Bytes that are not what they were named.
    #[error("{path} on {registry} does not hash to its name: asked for {named}, got {actual}")]
    DigestMismatch {
        /// The registry.
        registry: String,
        /// What was asked for.
        path: String,
        /// Its name.
        named: Digest,
        /// What it hashes to.
        actual: Digest,
    },
    /// Compressed, or of a type that is not read.
    #[error(
        "{path} on {registry} is not in a format that is read: {}",
        crate::Escaped(format)
    )]
    FormatNotAllowed {
        /// The registry.
        registry: String,
        /// What was asked for.
        path: String,
        /// What it is.
        format: String,
    },
    /// No such manifest.
    #[error("there is no manifest {image}")]
    ImageNotFound {
        /// What was asked for.
        image: ImageRef,
    },
    /// A manifest that is not strict, or contradicts itself.
    #[error("{path} on {registry} cannot be used: {source}")]
    Malformed {
        /// The registry.
        registry: String,
        /// What was asked for.
        path: String,
        /// What is wrong.
        source: ManifestError,
    },
    /// No such manifest in a layout.
    #[error("{layout} has no image {asked}; {}", list(found))]
    NotInLayout {
        /// The layout, escaped.
        layout: String,
        /// What was asked for.
        asked: String,
        /// The tags that there are.
        found: Vec<String>,
    },
    /// More referrers than are read, if there were one more.
    #[error(
        "with what is to be attached {subject} would have more than {limit} referrers in {repository}, and nobody could verify it"
    )]
    ReferrersFull {
        /// The repository.
        repository: Repository,
        /// Whose referrers.
        subject: Digest,
        /// How many are read.
        limit: usize,
    },
    /// More referrers than are read.
    #[error("{subject} has more than {limit} referrers in {repository}")]
    ReferrersTooMany {
        /// The repository.
        repository: Repository,
        /// Whose referrers.
        subject: Digest,
        /// How many are read.
        limit: usize,
    },
    /// A write that the registry will not take.
    #[error(
        "{registry} refuses {path} with status {status}: {}",
        crate::Escaped(message)
    )]
    Rejected {
        /// The registry.
        registry: String,
        /// What was written.
        path: String,
        /// The HTTP status.
        status: u16,
        /// What it said.
        message: String,
    },
    /// Not as long as its descriptor says.
    #[error("{digest} on {registry} is not the {size} bytes that its descriptor names")]
    SizeMismatch {
        /// The registry.
        registry: String,
        /// The blob.
        digest: Digest,
        /// Its size by the descriptor.
        size: u64,
    },
    /// A tag that must be written and may not be.
    #[error(
        "the tag `{tag}` in {repository} is immutable, and this registry keeps its list of signatures there"
    )]
    TagImmutable {
        /// The repository.
        repository: Repository,
        /// The tag.
        tag: String,
    },
    /// Longer than is read.
    #[error("{path} on {registry} has more than {limit} bytes")]
    TooLarge {
        /// The registry.
        registry: String,
        /// What was asked for.
        path: String,
        /// How many are read.
        limit: u64,
    },
}

/// How far one came who was throttled.
pub(crate) fn after(attempts: u32) -> String {
    match attempts {
        0 => ", and the turn of this one would come too late".to_owned(),
        1 => ", after one attempt".to_owned(),
        _ => format!(", still after {attempts} attempts"),
    }
}

/// Names shown in a message; somebody else chose how many there are.
const SHOWN: usize = 10;

/// What a layout has instead.
fn list(found: &[String]) -> String {
    let shown: Vec<_> = found
        .iter()
        .take(SHOWN)
        .map(|name| crate::Escaped(name).to_string())
        .collect();
    match found.len() {
        0 => "it has none".to_owned(),
        1..=SHOWN => format!("it has {}", shown.join(", ")),
        count => format!("it has {} and {} more", shown.join(", "), count - SHOWN),
    }
}

/// Every code of this module.
pub const CODES: &[Code] = &[
    Code::new("credentials-unavailable"),
    Code::new("descriptor-mismatch"),
    Code::new("digest-mismatch"),
    Code::new("egress-refused"),
    Code::new("fetch-timeout"),
    Code::new("format-not-allowed"),
    Code::new("image-ambiguous"),
    Code::new("image-not-found"),
    Code::new("layout-unreadable"),
    Code::new("layout-unwritable"),
    Code::new("malformed"),
    Code::new("push-rejected"),
    Code::new("referrers-too-many"),
    Code::new("registry-denied"),
    Code::new("registry-throttled"),
    Code::new("registry-unavailable"),
    Code::new("tag-immutable"),
    Code::new("too-large"),
];

#[cfg(test)]
mod tests;

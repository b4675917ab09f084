//! A registry in memory: honest unless it is told to fail, to lie or to forget. It notes every request.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use countersign_common::{
    Descriptor, Digest, ImageRef, Limits, Manifest, PinnedImage, Registry, Repository, Task,
    manifest::{Body, ManifestError},
    registry::{Channel, Error, Failure, Onlooker, Refusal},
};
use serde::{Deserialize, Serialize};

/// One request to the registry.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Request {
    Blob(Digest),
    Layer(Digest),
    Manifest(Digest),
    Referrers(Digest),
    Resolve,
    /// A tag that is named by a digest.
    Tag(String),
}

/// What becomes of a request instead of its answer.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fault {
    Absent,
    Ambiguous,
    Credentials,
    Denied,
    Egress,
    Status,
    Throttled,
    TimedOut,
    Unreachable,
    Unreadable,
}

impl Fault {
    pub(crate) const ERRORS: [Self; 8] = [
        Self::Credentials,
        Self::Denied,
        Self::Egress,
        Self::Status,
        Self::Throttled,
        Self::TimedOut,
        Self::Unreachable,
        Self::Unreadable,
    ];

    fn error(self) -> Option<Error> {
        let registry = "registry.example".to_owned();
        let path = "shop/api".to_owned();
        let source = || "hostile\u{1b}[2J\nverified".into();
        Some(match self {
            Self::Absent | Self::Ambiguous => return None,
            Self::Credentials => Error::Credentials {
                registry,
                source: source(),
            },
            Self::Denied => Error::Denied {
                registry,
                path,
                status: 403,
                message: "no".to_owned(),
            },
            Self::Egress => Error::Egress {
                registry,
                target: "http://169.254.169.254".to_owned(),
                reason: "it is a metadata address",
            },
            Self::Status => Error::Status {
                registry,
                path,
                status: 500,
                message: "broken\u{202e}".to_owned(),
            },
            Self::Throttled => Error::Throttled {
                registry,
                attempts: 4,
            },
            Self::TimedOut => Error::TimedOut {
                registry,
                path,
                seconds: 10,
            },
            Self::Unreachable => Error::Unreachable {
                channel: Channel::Secure,
                registry,
                source: source(),
            },
            Self::Unreadable => Error::Unreadable {
                layout: "oci:build".to_owned(),
                path: "index.json".to_owned(),
                source: std::io::Error::other("it is no file"),
            },
        })
    }
}

#[derive(Default)]
pub(crate) struct World {
    pub(crate) limits: Option<Limits>,
    pub(crate) manifests: BTreeMap<Digest, Bytes>,
    pub(crate) blobs: BTreeMap<Digest, Bytes>,
    pub(crate) tags: BTreeMap<String, Digest>,
    /// Listed beside, and before, what really refers to a subject.
    pub(crate) listed: BTreeMap<Digest, Vec<Descriptor>>,
    pub(crate) faults: Vec<(Request, Fault)>,
    requests: Mutex<Vec<Request>>,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

impl World {
    pub(crate) fn limits(&self) -> Limits {
        self.limits.unwrap_or(Limits::TABLE)
    }

    /// Every request so far, sorted.
    pub(crate) fn requests(&self) -> Vec<Request> {
        let mut requests = self.requests.lock().unwrap().clone();
        requests.sort();
        requests
    }

    pub(crate) fn most_in_flight(&self) -> usize {
        self.most_in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn fail(&mut self, request: Request, fault: Fault) {
        self.faults.push((request, fault));
    }

    /// `None` where the answer is that there is nothing.
    async fn ask(&self, request: Request) -> Result<Option<()>, Failure> {
        self.requests.lock().unwrap().push(request.clone());
        let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_in_flight.fetch_max(now, Ordering::Relaxed);
        for _ in 0..3 {
            yield_once().await;
        }
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        match self.faults.iter().find(|(failing, _)| *failing == request) {
            None => Ok(Some(())),
            Some((_, Fault::Ambiguous)) => Err(Failure::Refusal(Refusal::Ambiguous {
                layout: "oci:build".to_owned(),
                asked: "tagged `1`".to_owned(),
                found: vec!["one\u{1b}[2J".to_owned(), "other".to_owned()],
            })),
            Some((_, fault)) => fault.error().map_or(Ok(None), |error| Err(error.into())),
        }
    }

    fn parsed(&self, digest: &Digest) -> Result<Option<Manifest>, Failure> {
        let Some(bytes) = self.manifests.get(digest) else {
            return Ok(None);
        };
        Manifest::parse(bytes.clone(), None, Some(digest), &self.limits())
            .map(Some)
            .map_err(|source| malformed(digest, source))
    }

    fn referring(&self, subject: &Digest) -> Vec<Descriptor> {
        let refers = |manifest: &Manifest| match manifest.body() {
            Body::Image(body) => body
                .subject
                .as_ref()
                .is_some_and(|named| named.digest == *subject),
            Body::Index(_) => false,
        };
        self.manifests
            .keys()
            .filter_map(|digest| self.parsed(digest).ok().flatten())
            .filter(refers)
            .map(|manifest| manifest.descriptor().clone())
            .collect()
    }
}

fn malformed(digest: &Digest, source: ManifestError) -> Failure {
    Failure::Refusal(Refusal::Malformed {
        registry: "registry.example".to_owned(),
        path: format!("shop/api/manifests/{digest}"),
        source,
    })
}

impl Registry for World {
    fn resolve<'a>(&'a self, image: &'a ImageRef) -> Task<'a, Result<PinnedImage, Failure>> {
        Box::pin(async move {
            let not_found = || Refusal::ImageNotFound {
                image: image.clone(),
            };
            let request = match image.tag() {
                Some(tag) if tag.starts_with("sha256-") => Request::Tag(tag.to_owned()),
                _ => Request::Resolve,
            };
            self.ask(request).await?.ok_or_else(not_found)?;
            let tagged = self.tags.get(&image.to_string());
            let digest = image.digest().or(tagged).ok_or_else(not_found)?;
            let manifest = self.parsed(digest)?.ok_or_else(not_found)?;
            Ok(PinnedImage {
                reference: image.clone(),
                manifest,
            })
        })
    }

    fn manifest<'a>(
        &'a self,
        _: &'a Repository,
        descriptor: &'a Descriptor,
    ) -> Task<'a, Result<Option<Manifest>, Failure>> {
        Box::pin(async move {
            let digest = &descriptor.digest;
            if self.ask(Request::Manifest(digest.clone())).await?.is_none() {
                return Ok(None);
            }
            match self.parsed(digest)? {
                Some(manifest) if manifest.descriptor().size != descriptor.size => {
                    Err(wrong_size(descriptor))
                }
                manifest => Ok(manifest),
            }
        })
    }

    fn referrers<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
    ) -> Task<'a, Result<Vec<Descriptor>, Failure>> {
        Box::pin(async move {
            if self
                .ask(Request::Referrers(subject.clone()))
                .await?
                .is_none()
            {
                return Ok(Vec::new());
            }
            let mut listed = self.listed.get(subject).cloned().unwrap_or_default();
            listed.extend(self.referring(subject));
            let limit = self.limits().referrers;
            if listed.len() > limit {
                return Err(Failure::Refusal(Refusal::ReferrersTooMany {
                    repository: repository.clone(),
                    subject: subject.clone(),
                    limit,
                }));
            }
            Ok(listed)
        })
    }

    fn tagged_referrers<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
    ) -> Task<'a, Result<Vec<Descriptor>, Failure>> {
        Box::pin(async move {
            let tag = format!("{repository}:{}", subject.referrers_tag());
            let tagged = self.ask(Request::Resolve).await?;
            let tagged = tagged.and_then(|()| self.tags.get(&tag));
            let Some(digest) = tagged else {
                return Ok(Vec::new());
            };
            match self.parsed(digest)?.as_ref().map(Manifest::body) {
                Some(Body::Index(index)) => Ok(index.manifests.clone()),
                Some(Body::Image(_)) => {
                    let member = "manifests";
                    Err(malformed(digest, ManifestError::Missing { member }))
                }
                None => Ok(Vec::new()),
            }
        })
    }

    fn blob<'a>(
        &'a self,
        _: &'a Repository,
        descriptor: &'a Descriptor,
        limit: usize,
    ) -> Task<'a, Result<Option<Bytes>, Failure>> {
        Box::pin(async move {
            let digest = &descriptor.digest;
            if self.ask(Request::Blob(digest.clone())).await?.is_none() {
                return Ok(None);
            }
            let Some(bytes) = self.blobs.get(digest) else {
                return Ok(None);
            };
            if bytes.len() > limit || descriptor.size > limit as u64 {
                return Err(Failure::Refusal(Refusal::TooLarge {
                    registry: "registry.example".to_owned(),
                    path: format!("shop/api/blobs/{digest}"),
                    limit: limit as u64,
                }));
            }
            check_content(descriptor, bytes)?;
            Ok(Some(bytes.clone()))
        })
    }

    /// In pieces of an odd size, so that nothing depends on where they end.
    fn check_blob<'a>(
        &'a self,
        _: &'a Repository,
        descriptor: &'a Descriptor,
        onlooker: Arc<dyn Onlooker>,
    ) -> Task<'a, Result<Option<u64>, Failure>> {
        Box::pin(async move {
            let digest = &descriptor.digest;
            if self.ask(Request::Layer(digest.clone())).await?.is_none() {
                return Ok(None);
            }
            let Some(bytes) = self.blobs.get(digest) else {
                return Ok(None);
            };
            // A short layer comes in pieces too, the first shorter than any sign of its packing.
            let piece = if bytes.len() < 1_001 { 3 } else { 1_001 };
            bytes.chunks(piece).for_each(|piece| onlooker.see(piece));
            check_content(descriptor, bytes)?;
            Ok(Some(descriptor.size))
        })
    }
}

fn check_content(descriptor: &Descriptor, bytes: &[u8]) -> Result<(), Failure> {
    let digest = &descriptor.digest;
    let actual = digest.recomputed(bytes);
    if actual != *digest {
        return Err(Failure::Refusal(Refusal::DigestMismatch {
            registry: "registry.example".to_owned(),
            path: format!("shop/api/blobs/{digest}"),
            named: digest.clone(),
            actual,
        }));
    }
    if bytes.len() as u64 == descriptor.size {
        Ok(())
    } else {
        Err(wrong_size(descriptor))
    }
}

fn wrong_size(descriptor: &Descriptor) -> Failure {
    Failure::Refusal(Refusal::SizeMismatch {
        registry: "registry.example".to_owned(),
        digest: descriptor.digest.clone(),
        size: descriptor.size,
    })
}

/// Lets the others go first, so that what runs in parallel is seen to.
async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Runs a task that waits for nothing but its own turn.
pub(crate) fn block_on<F: Future>(task: F) -> F::Output {
    let mut task = pin!(task);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..100_000 {
        if let Poll::Ready(output) = task.as_mut().poll(&mut context) {
            return output;
        }
    }
    panic!("the task does not end");
}

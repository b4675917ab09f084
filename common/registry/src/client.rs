//! The registry's ports over HTTP: manifests, blobs and referrers, read and written
//! ([OCI distribution specification](https://github.com/opencontainers/distribution-spec/blob/main/spec.md)).

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use countersign_common::{
    Descriptor, Digest, ImageRef, Limits, Manifest, PinnedImage, Registry, RegistryWriter,
    Repository, Task,
    manifest::{self, ManifestError},
    registry::{Failure, Onlooker, Refusal},
};
use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue},
};

use crate::{
    cache::{Cache, Kept},
    credentials::Credentials,
    ecr::Ecr,
    options::{ConfigError, Options},
    place::Place,
    referrers::Listed,
    session::Access,
    silence::{Listening, Silences},
    transport::{Answer, Fetched, Kind, Request, Transport, Whole},
    unlisted::Unlisted,
};

/// A client for any number of registries, with one pool of connections and one login for each.
#[derive(Debug)]
pub struct Client {
    pub(crate) transport: Transport,
    pub(crate) listed_by_tag: Mutex<BTreeSet<String>>,
    pub(crate) cache: Option<Cache>,
    pub(crate) silences: Arc<Silences>,
    pub(crate) unlisted: Unlisted,
}

impl Client {
    /// Sets it up. Nothing is sent, and no credential is looked for, before the first request.
    pub fn new(options: Options, credentials: Credentials) -> Result<Self, ConfigError> {
        Ok(Self {
            silences: Arc::new(Silences::new(options.timeout)),
            transport: Transport::new(options, credentials)?,
            listed_by_tag: Mutex::default(),
            cache: None,
            unlisted: Unlisted::default(),
        })
    }

    /// The registries in which something was listed by a tag, for want of the referrers API: others can lose it from there.
    pub fn listed_by_tag(&self) -> BTreeSet<String> {
        let listed = self.listed_by_tag.lock();
        listed.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Until when a registry has asked to be left alone, or a host that it needs; that may be over. Whoever has other things to
    /// do should not begin anything there before.
    pub fn paused_until(&self, repository: &Repository) -> Option<Instant> {
        let hosts = &self.transport.clients.hosts;
        hosts.paused_until(&repository.registry())
    }

    /// How many requests a second a registry takes that throttles; `None` if it does not.
    pub fn rate(&self, repository: &Repository) -> Option<f64> {
        self.transport.clients.hosts.rate(&repository.registry())
    }

    pub(crate) fn lists_by_tag(&self, repository: &Repository) {
        let listed = self.listed_by_tag.lock();
        let mut listed = listed.unwrap_or_else(PoisonError::into_inner);
        listed.insert(repository.registry());
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.transport.options.limits
    }

    /// A request that reads.
    pub(crate) fn get(repository: &Repository, path: String) -> Request<'_> {
        Request {
            repository,
            method: Method::GET,
            path,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            access: Access::Pull,
            kind: Kind::Bounded,
        }
    }

    /// Sends a request and reads what a success says, unless the registry has been silent for so long that it would be in vain.
    pub(crate) async fn fetch(
        &self,
        request: &Request<'_>,
        limit: usize,
    ) -> Result<Fetched, Failure> {
        let waiting = self.silences.ask(request.repository)?;
        let fetched = self.transport.fetch(request, limit).await;
        waiting.end(&fetched);
        fetched
    }

    /// A manifest by tag or digest. Only a 404 is absence.
    pub(crate) async fn fetch_manifest(
        &self,
        repository: &Repository,
        reference: &str,
        named: Option<&Digest>,
        limits: &Limits,
    ) -> Result<Option<Manifest>, Failure> {
        let mut request = Self::get(repository, format!("manifests/{reference}"));
        request.headers.insert(ACCEPT, ACCEPTED);
        match self.fetch(&request, limits.manifest).await? {
            Fetched::Whole(whole) => parse_manifest(whole, named, limits).map(Some),
            Fetched::Other(answer) => answer.absent().map(|()| None),
        }
    }

    /// Turns a reference into a manifest of at most so many bytes.
    async fn pin(&self, image: &ImageRef, limit: usize) -> Result<PinnedImage, Failure> {
        let limits = Limits {
            manifest: limit.min(self.limits().manifest),
            ..*self.limits()
        };
        let (repository, digest) = (image.repository(), image.digest());
        let pinned = |manifest| PinnedImage {
            reference: image.clone(),
            manifest,
        };
        if let Some(digest) = digest {
            match self.kept_image(repository, digest, &limits) {
                Kept::Here(kept) => return Ok(pinned(*kept)),
                Kept::Longer => {
                    let request = Self::get(repository, format!("manifests/{digest}"));
                    let place = self.transport.place(&request);
                    return Err(too_large(place, limits.manifest as u64));
                }
                Kept::Not => {}
            }
        }
        let manifest = self
            .fetch_manifest(repository, &reference(image), digest, &limits)
            .await?;
        let manifest = manifest.ok_or_else(|| {
            Failure::Refusal(Refusal::ImageNotFound {
                image: image.clone(),
            })
        })?;
        self.keep_manifest(repository, &manifest).await;
        Ok(pinned(manifest))
    }

    /// A manifest as another document describes it.
    async fn described_manifest(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
    ) -> Result<Option<Manifest>, Failure> {
        let digest = &descriptor.digest;
        let request = Self::get(repository, format!("manifests/{digest}"));
        // As with blobs: refused before it is asked for.
        check_limit(
            descriptor,
            self.limits().manifest as u64,
            self.transport.place(&request),
        )?;
        if let Some(kept) = self.kept_manifest(repository, descriptor) {
            return Ok(Some(kept));
        }
        let announced = usize::try_from(descriptor.size).unwrap_or(usize::MAX);
        let limits = Limits {
            manifest: announced,
            ..*self.limits()
        };
        match self
            .fetch_manifest(repository, &digest.to_string(), Some(digest), &limits)
            .await
        {
            Ok(Some(manifest)) if manifest.descriptor().size == descriptor.size => {
                self.keep_manifest(repository, &manifest).await;
                Ok(Some(manifest))
            }
            Ok(None) => Ok(None),
            Ok(Some(_)) => Err(wrong_size(descriptor, repository)),
            Err(Failure::Refusal(Refusal::TooLarge { .. })) => {
                Err(wrong_size(descriptor, repository))
            }
            Err(failure) => Err(failure),
        }
    }

    async fn fetch_blob(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        limit: usize,
    ) -> Result<Option<Bytes>, Failure> {
        let request = Self::get(repository, format!("blobs/{}", descriptor.digest));
        // Refused before it is asked for: an honest descriptor of ten gigabytes costs nothing.
        check_limit(descriptor, limit as u64, self.transport.place(&request))?;
        if let Some(kept) = self.kept_blob(repository, descriptor) {
            return Ok(Some(kept));
        }
        let most = usize::try_from(descriptor.size).unwrap_or(limit);
        let fetched = self.fetch(&request, most).await;
        let (bytes, place) = match fetched {
            Ok(Fetched::Whole(whole)) => (whole.body, whole.place),
            Ok(Fetched::Other(answer)) => return answer.absent().map(|()| None),
            Err(Failure::Refusal(Refusal::TooLarge { .. })) => {
                return Err(wrong_size(descriptor, repository));
            }
            Err(failure) => return Err(failure),
        };
        check_content(
            repository,
            descriptor,
            bytes.len() as u64,
            descriptor.digest.recomputed(&bytes),
            &place,
        )?;
        self.keep_blob(repository, &descriptor.digest, &bytes).await;
        Ok(Some(bytes))
    }

    async fn upload(&self, repository: &Repository, bytes: Bytes) -> Result<Digest, Failure> {
        let digest = Digest::sha256(&bytes);
        let head = Request {
            method: Method::HEAD,
            access: Access::Push,
            ..Self::get(repository, format!("blobs/{digest}"))
        };
        if self.transport.send(&head).await?.response.status() == StatusCode::OK {
            return Ok(digest);
        }
        let start = Request {
            method: Method::POST,
            path: "blobs/uploads/".to_owned(),
            ..head.clone()
        };
        let answer = self.transport.send(&start).await?;
        if !matches!(
            answer.response.status(),
            StatusCode::ACCEPTED | StatusCode::CREATED
        ) {
            return Err(answer.rejected());
        }
        let path = upload_path(&answer, &digest).ok_or_else(|| answer.place.no_upload())?;
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/octet-stream"),
        );
        let put = Request {
            method: Method::PUT,
            path,
            headers,
            body: bytes,
            ..head
        };
        let answer = self.transport.send(&put).await?;
        match answer.response.status() {
            StatusCode::CREATED | StatusCode::ACCEPTED | StatusCode::NO_CONTENT => Ok(digest),
            _ => Err(answer.rejected()),
        }
    }

    /// Writes a manifest under a digest or a tag, within as much of the time.
    pub(crate) async fn put_manifest(
        &self,
        repository: &Repository,
        reference: &str,
        manifest: &Manifest,
        kind: Kind,
    ) -> Result<(), Failure> {
        let mut headers = HeaderMap::new();
        let media_type = HeaderValue::from_str(&manifest.descriptor().media_type);
        headers.insert(
            CONTENT_TYPE,
            media_type.unwrap_or(HeaderValue::from_static(manifest::OCI_MANIFEST)),
        );
        let put = Request {
            method: Method::PUT,
            access: Access::Push,
            headers,
            body: manifest.bytes().clone(),
            kind,
            ..Self::get(repository, format!("manifests/{reference}"))
        };
        let answer = self.transport.send(&put).await?;
        match answer.response.status() {
            StatusCode::CREATED | StatusCode::ACCEPTED | StatusCode::OK => Ok(()),
            _ => Err(answer.rejected()),
        }
    }

    pub(crate) async fn delete_manifest(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<(), Failure> {
        let delete = Request {
            method: Method::DELETE,
            access: Access::Delete,
            ..Self::get(repository, format!("manifests/{digest}"))
        };
        self.forget_manifest(repository, digest);
        let answer = self.transport.send(&delete).await?;
        match answer.response.status() {
            StatusCode::ACCEPTED | StatusCode::OK | StatusCode::NOT_FOUND => Ok(()),
            _ => Err(answer.rejected()),
        }
    }
}

impl Registry for Client {
    fn resolve<'a>(&'a self, image: &'a ImageRef) -> Task<'a, Result<PinnedImage, Failure>> {
        self.resolve_within(image, self.limits().manifest)
    }

    fn resolve_within<'a>(
        &'a self,
        image: &'a ImageRef,
        limit: usize,
    ) -> Task<'a, Result<PinnedImage, Failure>> {
        Box::pin(self.pin(image, limit))
    }

    fn manifest<'a>(
        &'a self,
        repository: &'a Repository,
        descriptor: &'a Descriptor,
    ) -> Task<'a, Result<Option<Manifest>, Failure>> {
        Box::pin(self.described_manifest(repository, descriptor))
    }

    fn referrers<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
    ) -> Task<'a, Result<Vec<Descriptor>, Failure>> {
        self.referrers_within(repository, subject, usize::MAX)
    }

    fn referrers_within<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
        limit: usize,
    ) -> Task<'a, Result<Vec<Descriptor>, Failure>> {
        Box::pin(self.all_referrers(repository, subject, limit))
    }

    fn own_referrers<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
    ) -> Task<'a, Result<Option<Vec<Descriptor>>, Failure>> {
        self.own_referrers_within(repository, subject, usize::MAX)
    }

    fn own_referrers_within<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
        limit: usize,
    ) -> Task<'a, Result<Option<Vec<Descriptor>>, Failure>> {
        Box::pin(async move {
            let listed = self.listed(repository, subject, limit).await;
            listed.map(Listed::own)
        })
    }

    fn tagged_referrers<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
    ) -> Task<'a, Result<Vec<Descriptor>, Failure>> {
        Box::pin(self.fallback(repository, subject))
    }

    fn archived_referrers<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
    ) -> Task<'a, Result<Vec<Descriptor>, Failure>> {
        Box::pin(async move {
            match Ecr::of(repository) {
                Some(ecr) => ecr.archived(repository, subject, self.limits()).await,
                None => Ok(Vec::new()),
            }
        })
    }

    fn blob<'a>(
        &'a self,
        repository: &'a Repository,
        descriptor: &'a Descriptor,
        limit: usize,
    ) -> Task<'a, Result<Option<Bytes>, Failure>> {
        Box::pin(self.fetch_blob(repository, descriptor, limit))
    }

    fn check_blob<'a>(
        &'a self,
        repository: &'a Repository,
        descriptor: &'a Descriptor,
        onlooker: Arc<dyn Onlooker>,
    ) -> Task<'a, Result<Option<u64>, Failure>> {
        let listening = Listening::new(&self.silences, repository, onlooker);
        Box::pin(self.stream_blob(repository, descriptor, listening))
    }
}

impl RegistryWriter for Client {
    fn push_blob<'a>(
        &'a self,
        repository: &'a Repository,
        bytes: Bytes,
    ) -> Task<'a, Result<Digest, Failure>> {
        Box::pin(self.upload(repository, bytes))
    }

    fn push_manifest<'a>(
        &'a self,
        image: &'a ImageRef,
        manifest: &'a Manifest,
    ) -> Task<'a, Result<(), Failure>> {
        Box::pin(async move {
            let reference = reference(image);
            self.put_manifest(image.repository(), &reference, manifest, Kind::Bounded)
                .await
        })
    }

    fn push_referrers<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
        manifests: &'a [Manifest],
    ) -> Task<'a, Result<(), Failure>> {
        Box::pin(self.attach(repository, subject, manifests))
    }

    fn remove_referrer<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
        manifest: &'a Digest,
    ) -> Task<'a, Result<(), Failure>> {
        Box::pin(self.detach(repository, subject, manifest))
    }
}

/// Each type by name: a registry may convert a manifest for whoever does not list its type.
pub(crate) const ACCEPTED: HeaderValue = HeaderValue::from_static(
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json",
);

/// What a registry calls it.
fn reference(image: &ImageRef) -> String {
    let digest = image.digest().map(Digest::to_string);
    let tag = || image.tag().unwrap_or("latest").to_owned();
    digest.unwrap_or_else(tag)
}

pub(crate) fn malformed(place: &Place, source: ManifestError) -> Failure {
    Failure::Refusal(Refusal::Malformed {
        registry: place.registry.clone(),
        path: place.path.clone(),
        source,
    })
}

fn check_limit(descriptor: &Descriptor, limit: u64, place: Place) -> Result<(), Failure> {
    if descriptor.size <= limit {
        return Ok(());
    }
    Err(too_large(place, limit))
}

fn too_large(place: Place, limit: u64) -> Failure {
    Failure::Refusal(Refusal::TooLarge {
        registry: place.registry,
        path: place.path,
        limit,
    })
}

fn parse_manifest(
    whole: Whole,
    named: Option<&Digest>,
    limits: &Limits,
) -> Result<Manifest, Failure> {
    let header = |name: &str| whole.headers.get(name)?.to_str().ok();
    let manifest = Manifest::parse(whole.body, header("content-type"), named, limits)
        .map_err(|source| malformed(&whole.place, source))?;
    // Some registries announce none; one that announces another contradicts itself.
    if let Some(announced) =
        header("docker-content-digest").and_then(|text| Digest::parse(text).ok())
    {
        let actual = announced.recomputed(manifest.bytes());
        if actual != announced {
            return Err(malformed(
                &whole.place,
                ManifestError::Digest {
                    named: announced,
                    actual,
                },
            ));
        }
    }
    Ok(manifest)
}

pub(crate) fn wrong_size(descriptor: &Descriptor, repository: &Repository) -> Failure {
    Failure::Refusal(Refusal::SizeMismatch {
        registry: repository.registry(),
        digest: descriptor.digest.clone(),
        size: descriptor.size,
    })
}

pub(crate) fn check_content(
    repository: &Repository,
    descriptor: &Descriptor,
    size: u64,
    actual: Digest,
    place: &Place,
) -> Result<(), Failure> {
    if actual != descriptor.digest {
        return Err(Failure::Refusal(Refusal::DigestMismatch {
            registry: place.registry.clone(),
            path: place.path.clone(),
            named: descriptor.digest.clone(),
            actual,
        }));
    }
    if size == descriptor.size {
        Ok(())
    } else {
        Err(wrong_size(descriptor, repository))
    }
}

/// Where the registry wants the blob: relative or absolute, but on its own host, since the credential goes with it.
pub(crate) fn upload_path(answer: &Answer, digest: &Digest) -> Option<String> {
    let location = answer.response.headers().get("location")?.to_str().ok()?;
    let mut target = answer.response.url().join(location).ok()?;
    if target.origin() != answer.response.url().origin() {
        return None;
    }
    target
        .query_pairs_mut()
        .append_pair("digest", &digest.to_string());
    Some(format!(
        "{}?{}",
        target.path(),
        target.query().unwrap_or_default()
    ))
}

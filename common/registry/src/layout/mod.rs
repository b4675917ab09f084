//! The registry's ports over one OCI image-layout folder
//! ([OCI image layout](https://github.com/opencontainers/image-spec/blob/main/image-layout.md)).
//!
//! Made by binaries for what a person names. What lies in the folder is as hostile as what a registry sends: it is
//! bounded before it is read, hashed before it is believed, and the folder's claims about whose images it holds decide
//! nothing. A file is read only if it is one: a link could lead to a secret whose hash an error would tell, a pipe would
//! never end. Other programs that write the same folder at the same time are not kept from it; ours are.

mod error;
mod folder;
mod index;
mod listed;
mod lock;
mod writing;

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use bytes::Bytes;
use countersign_common::{
    Descriptor, Digest, Escaped, ImageRef, Limits, Manifest, PinnedImage, Registry, RegistryWriter,
    Repository, Task,
    registry::{Error, Failure, Onlooker},
};

pub use self::error::LayoutError;
use self::folder::Folder;

/// One folder, under whatever repository its images are asked for.
#[derive(Clone, Debug)]
pub struct Layout {
    folder: Arc<Folder>,
}

impl Layout {
    /// Opens a folder, if it is a layout. `patience` is how long its files may take to
    /// answer, and a writer to wait for another.
    pub async fn open(path: &str, patience: Duration, limits: Limits) -> Result<Self, LayoutError> {
        let folder = Arc::new(Folder {
            name: format!("oci:{}", Escaped(path)),
            path: PathBuf::from(path),
            patience,
            limits,
            index: Mutex::default(),
            known: Mutex::default(),
        });
        let opened = Arc::clone(&folder);
        let checked = tokio::task::spawn_blocking(move || opened.check()).await;
        checked
            .unwrap_or_else(|fault| Err(folder.unreadable("", io::Error::other(fault)).into()))?;
        Ok(Self { folder })
    }

    /// Works on files where nobody else waits for it, so that deadlines hold.
    fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder, &Caller) -> Result<T, Failure> + Send + 'static,
    ) -> Task<'_, Result<T, Failure>> {
        Box::pin(async move {
            let waiting = Arc::new(());
            let caller = Caller(Arc::downgrade(&waiting));
            let folder = Arc::clone(&self.folder);
            let done = tokio::task::spawn_blocking(move || work(&folder, &caller)).await;
            drop(waiting);
            done.unwrap_or_else(|fault| {
                Err(self.folder.unreadable("", io::Error::other(fault)).into())
            })
        })
    }
}

/// Whoever waits for work on files, which cannot be interrupted.
struct Caller(Weak<()>);

impl Caller {
    /// Whether the deadline has passed: what nobody waits for must not be done behind their back.
    fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl Registry for Layout {
    fn resolve<'a>(&'a self, image: &'a ImageRef) -> Task<'a, Result<PinnedImage, Failure>> {
        let reference = image.clone();
        self.work(move |folder, _| {
            let manifest = folder.resolve(&reference)?;
            Ok(PinnedImage {
                reference,
                manifest,
            })
        })
    }

    fn manifest<'a>(
        &'a self,
        _: &'a Repository,
        descriptor: &'a Descriptor,
    ) -> Task<'a, Result<Option<Manifest>, Failure>> {
        let descriptor = descriptor.clone();
        self.work(move |folder, _| folder.manifest(&descriptor))
    }

    fn referrers<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
    ) -> Task<'a, Result<Vec<Descriptor>, Failure>> {
        let (repository, subject) = (repository.clone(), subject.clone());
        self.work(move |folder, _| folder.referrers(&repository, &subject))
    }

    fn tagged_referrers<'a>(
        &'a self,
        _: &'a Repository,
        subject: &'a Digest,
    ) -> Task<'a, Result<Vec<Descriptor>, Failure>> {
        let subject = subject.clone();
        self.work(move |folder, _| folder.tagged_referrers(&subject))
    }

    fn blob<'a>(
        &'a self,
        _: &'a Repository,
        descriptor: &'a Descriptor,
        limit: usize,
    ) -> Task<'a, Result<Option<Bytes>, Failure>> {
        let descriptor = descriptor.clone();
        self.work(move |folder, _| folder.blob(&descriptor, limit))
    }

    fn check_blob<'a>(
        &'a self,
        _: &'a Repository,
        descriptor: &'a Descriptor,
        onlooker: Arc<dyn Onlooker>,
    ) -> Task<'a, Result<Option<u64>, Failure>> {
        let descriptor = descriptor.clone();
        self.work(move |folder, caller| folder.check_blob(&descriptor, caller, onlooker.as_ref()))
    }

    fn absent(&self, _: &Repository, digest: &Digest) -> Error {
        self.folder.absent(digest)
    }
}

impl RegistryWriter for Layout {
    fn push_blob<'a>(
        &'a self,
        _: &'a Repository,
        bytes: Bytes,
    ) -> Task<'a, Result<Digest, Failure>> {
        self.work(move |folder, _| folder.write_blob(&bytes))
    }

    fn push_manifest<'a>(
        &'a self,
        image: &'a ImageRef,
        manifest: &'a Manifest,
    ) -> Task<'a, Result<(), Failure>> {
        let (image, manifest) = (image.clone(), manifest.clone());
        self.work(move |folder, caller| folder.put_manifest(&image, &manifest, caller))
    }

    fn push_referrers<'a>(
        &'a self,
        repository: &'a Repository,
        subject: &'a Digest,
        manifests: &'a [Manifest],
    ) -> Task<'a, Result<(), Failure>> {
        let about = (repository.clone(), subject.clone());
        let manifests = manifests.to_vec();
        self.work(move |folder, caller| folder.attach((&about.0, &about.1), &manifests, caller))
    }

    fn remove_referrer<'a>(
        &'a self,
        _: &'a Repository,
        subject: &'a Digest,
        manifest: &'a Digest,
    ) -> Task<'a, Result<(), Failure>> {
        let (subject, manifest) = (subject.clone(), manifest.clone());
        self.work(move |folder, caller| folder.detach(&subject, &manifest, caller))
    }
}

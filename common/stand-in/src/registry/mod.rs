//! A registry that behaves as ECR's, or as a plain OCI one, with or without the referrers API. Called for each request
//! on the registry's listener, and by ECR's API for repositories and logins. Honest: lies are told outside of it.
//!
//! Modelled from ECR's documents and public reports, and not seen at ECR itself: the status of `TAG_INVALID`, the answers
//! to an expired token and to a strange one, `OCI-Subject`, pages with `Link`, relative upload locations, that an archived
//! manifest is answered as if it were not there. Not modelled: policies, replication, expiry (a lifecycle policy is kept and
//! shown), conversion of a manifest that `Accept` does not list.

mod blobs;
mod denial;
mod digests;
mod login;
mod manifests;
mod referrers;
mod route;
mod store;

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use hyper::Method;
use serde_json::json;

pub(crate) use self::login::{Access, Logins};
pub use self::store::Mutability;
use self::{
    denial::Denial,
    route::Route,
    store::{Repository, Store},
};
use crate::{
    answer::Answer,
    clock,
    options::{Options, ReferrersFilter, RegistryMode, Repositories},
    services::Asked,
};

/// A registry's rules and its content.
#[derive(Debug)]
pub(crate) struct Registry {
    blobs_origin: String,
    filter: ReferrersFilter,
    logins: Logins,
    mode: RegistryMode,
    origin: String,
    page_size: usize,
    repositories: Repositories,
    store: Mutex<Store>,
    /// What a presigned query is good for: one download of a blob.
    tickets: Mutex<BTreeMap<String, Bytes>>,
}

/// Where ECR keeps an image: what is in the archive is neither listed nor pulled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StorageClass {
    /// Put away.
    Archive,
    /// At hand.
    Standard,
}

/// What ECR's API says of a repository.
#[derive(Clone, Debug)]
pub(crate) struct RepositorySummary {
    pub(crate) name: String,
    pub(crate) created: Duration,
    pub(crate) mutability: Mutability,
}

impl Registry {
    /// A registry that clients reach at `origin`, with its blobs at `blobs_origin`.
    pub(crate) fn new(options: &Options, origin: String, blobs_origin: String) -> Self {
        Self {
            blobs_origin,
            filter: options.referrers_filter,
            logins: Logins::new(options.token_lifetime),
            mode: options.registry,
            origin,
            page_size: options.page_size.max(1),
            repositories: options.repositories,
            store: Mutex::default(),
            tickets: Mutex::default(),
        }
    }

    pub(crate) fn answer(&self, asked: &Asked) -> Answer {
        let route = Route::parse(&asked.path);
        let outcome = match route {
            Route::Token => self.token(asked),
            _ => self
                .check_login(asked, &route)
                .and_then(|()| self.serve(asked, &route)),
        };
        outcome
            .unwrap_or_else(Denial::answer)
            .with("Docker-Distribution-Api-Version", "registry/2.0")
    }

    /// The same content for whoever asks, as a stranger's host would serve what it copied.
    pub(crate) fn open(&self, asked: &Asked) -> Answer {
        let outcome = match Route::parse(&asked.path) {
            Route::Token | Route::Unknown => {
                Ok(Answer::json(200, &json!({"token": "a-stranger's-token"})))
            }
            route => self.serve(asked, &route),
        };
        outcome.unwrap_or_else(Denial::answer)
    }

    fn serve(&self, asked: &Asked, route: &Route) -> Result<Answer, Denial> {
        let reading = asked.method == Method::GET || asked.method == Method::HEAD;
        match (route, asked.method.as_str()) {
            (Route::Version, _) if reading => Ok(Answer::json(200, &json!({}))),
            (Route::Manifest(name, reference), _) if reading => self.manifest(name, reference),
            (Route::Manifest(name, reference), "PUT") => self.put_manifest(asked, name, reference),
            (Route::Manifest(name, reference), "DELETE") => self.delete_manifest(name, reference),
            (Route::Blob(name, digest), _) if reading => self.blob(asked, name, digest),
            (Route::Uploads(name), "POST") => self.start_upload(asked, name),
            (Route::Upload(name, id), "PATCH") => self.continue_upload(asked, name, id),
            (Route::Upload(name, id), "PUT") => self.finish_upload(asked, name, id),
            (Route::Tags(name), _) if reading => self.tags(asked, name),
            (Route::Referrers(name, digest), _) if reading => self.referrers(asked, name, digest),
            (Route::Token | Route::Unknown, _) => Err(Denial::NoSuchPage),
            _ => Err(Denial::Unsupported),
        }
    }

    /// Makes a repository; false if it was there.
    pub(crate) fn create_repository(&self, name: &str, mutability: Mutability) -> bool {
        let mut store = self.store();
        let absent = !store.repositories.contains_key(name);
        if absent && route::is_name(name) {
            let repository = Repository::new(mutability, clock::now());
            store.repositories.insert(name.into(), repository);
        }
        absent
    }

    /// Makes a repository, or changes the mutability of the one that is there.
    pub(crate) fn set_repository(&self, name: &str, mutability: Mutability) {
        let mut store = self.store();
        store.repository(name).mutability = mutability;
    }

    pub(crate) fn repository(&self, name: &str) -> Option<RepositorySummary> {
        let store = self.store();
        let repository = store.repositories.get(name)?;
        Some(RepositorySummary {
            name: name.into(),
            created: repository.created,
            mutability: repository.mutability.clone(),
        })
    }

    /// The lifecycle policy of a repository, to look at or to change; `None` if there is no such repository.
    pub(crate) fn lifecycle<T>(
        &self,
        name: &str,
        act: impl FnOnce(&mut Option<String>) -> T,
    ) -> Option<T> {
        let mut store = self.store();
        let repository = store.repositories.get_mut(name)?;
        Some(act(&mut repository.lifecycle))
    }

    pub(crate) fn repository_names(&self) -> Vec<String> {
        self.store().repositories.keys().cloned().collect()
    }

    /// Stores a blob as it is: its digest.
    pub(crate) fn place_blob(&self, name: &str, bytes: Bytes) -> String {
        let digest = digests::sha256(&bytes);
        let mut store = self.store();
        store.repository(name).blobs.insert(digest.clone(), bytes);
        digest
    }

    /// Puts a manifest away, or brings it back; false if it is not there.
    pub(crate) fn archive(&self, name: &str, digest: &str, storage: StorageClass) -> bool {
        let mut store = self.store();
        let Some(repository) = store.repositories.get_mut(name) else {
            return false;
        };
        if !repository.manifests.contains_key(digest) {
            return false;
        }
        match storage {
            StorageClass::Archive => repository.archived.insert(digest.into()),
            StorageClass::Standard => repository.archived.remove(digest),
        };
        true
    }

    pub(crate) fn logins(&self) -> &Logins {
        &self.logins
    }

    /// Where clients reach it, with the scheme.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// The host, and the port if it has one, as image references name it.
    pub(crate) fn host(&self) -> &str {
        let (_, host) = self.origin.split_once("://").unwrap_or_default();
        host
    }

    fn is_ecr(&self) -> bool {
        self.mode == RegistryMode::Ecr
    }

    fn has_referrers(&self) -> bool {
        !matches!(self.mode, RegistryMode::NoReferrersApi(_))
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something in a repository that must be there.
    fn with_repository<T>(
        &self,
        name: &str,
        act: impl FnOnce(&mut Repository) -> Result<T, Denial>,
    ) -> Result<T, Denial> {
        let mut store = self.store();
        match store.repositories.get_mut(name) {
            Some(repository) => act(repository),
            None => Err(Denial::NameUnknown(name.into())),
        }
    }

    /// The same for a push, which may make it.
    fn with_pushed_repository<T>(
        &self,
        name: &str,
        act: impl FnOnce(&mut Repository) -> Result<T, Denial>,
    ) -> Result<T, Denial> {
        if self.repositories == Repositories::CreatedOnPush {
            self.create_repository(name, Mutability::Mutable);
        }
        self.with_repository(name, act)
    }
}

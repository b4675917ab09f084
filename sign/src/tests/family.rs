//! What is found of an index before anything is signed.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use countersign_common::{
    Descriptor, Digest, ImageRef, Limits, Manifest, PinnedImage, Registry, Repository, Task,
    manifest::{DOCKER_MANIFEST, OCI_INDEX},
    registry::{Error, Failure, Onlooker},
};
use serde_json::{Value, json};

use super::world::{IMAGE, image_manifest, is_refused};
use crate::{Family, SignError};

/// A registry with one reference, and nothing but manifests.
#[derive(Default)]
struct Shelf {
    named: Option<Manifest>,
    manifests: Vec<Manifest>,
    /// Asked for this it cannot answer.
    broken: Option<Digest>,
    fetched: AtomicUsize,
}

impl Registry for Shelf {
    fn resolve<'a>(&'a self, image: &'a ImageRef) -> Task<'a, Result<PinnedImage, Failure>> {
        Box::pin(async {
            Ok(PinnedImage {
                reference: image.clone(),
                manifest: self.named.clone().unwrap(),
            })
        })
    }

    fn manifest<'a>(
        &'a self,
        _: &'a Repository,
        descriptor: &'a Descriptor,
    ) -> Task<'a, Result<Option<Manifest>, Failure>> {
        Box::pin(async {
            self.fetched.fetch_add(1, Ordering::Relaxed);
            if self.broken.as_ref() == Some(&descriptor.digest) {
                let registry = "registry.example".to_owned();
                return Err(Error::Throttled {
                    registry,
                    attempts: 5,
                }
                .into());
            }
            let mut manifests = self.manifests.iter();
            Ok(manifests
                .find(|one| *one.digest() == descriptor.digest)
                .cloned())
        })
    }

    fn referrers<'a>(
        &'a self,
        _: &'a Repository,
        _: &'a Digest,
    ) -> Task<'a, Result<Vec<Descriptor>, Failure>> {
        unreachable!("nothing is signed yet")
    }

    fn tagged_referrers<'a>(
        &'a self,
        _: &'a Repository,
        _: &'a Digest,
    ) -> Task<'a, Result<Vec<Descriptor>, Failure>> {
        unreachable!("nothing is signed yet")
    }

    fn blob<'a>(
        &'a self,
        _: &'a Repository,
        _: &'a Descriptor,
        _: usize,
    ) -> Task<'a, Result<Option<Bytes>, Failure>> {
        unreachable!("nothing is signed yet")
    }

    fn check_blob<'a>(
        &'a self,
        _: &'a Repository,
        _: &'a Descriptor,
        _: Arc<dyn Onlooker>,
    ) -> Task<'a, Result<Option<u64>, Failure>> {
        unreachable!("nothing is signed yet")
    }
}

fn index(children: &[Value]) -> Manifest {
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children });
    Manifest::parse(index.to_string().into(), None, None, &Limits::TABLE).unwrap()
}

fn images() -> Vec<Manifest> {
    ["1", "2", "3"].map(image_manifest).to_vec()
}

/// The three images, the second called an attestation and the third nothing.
fn listed() -> Vec<Value> {
    let mut listed: Vec<_> = (images().iter())
        .map(|image| json!(image.descriptor()))
        .collect();
    listed[0]["platform"] = json!({"os": "linux", "architecture": "amd64"});
    listed[1]["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    listed[1]["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
    listed
}

fn shelf(children: &[Value]) -> Shelf {
    Shelf {
        named: Some(index(children)),
        manifests: images(),
        ..Shelf::default()
    }
}

async fn collect(shelf: &Shelf, limits: &Limits) -> Result<Family, SignError> {
    Family::collect(&ImageRef::parse(IMAGE).unwrap(), shelf, limits).await
}

#[tokio::test]
async fn everything_that_is_listed_is_found_once_whatever_it_is_called() {
    let children = [listed(), listed()].concat();
    let shelf = shelf(&children);
    let family = collect(&shelf, &Limits::TABLE).await.unwrap();
    let found: Vec<_> = (family.children.iter())
        .map(|child| {
            assert_eq!(child.entry.index, *family.image.digest());
            let entry = json!(child.entry);
            let listed_as = entry["listedAs"].as_str().unwrap().to_owned();
            (child.image.reference.to_string(), listed_as)
        })
        .collect();
    let names = images();
    let name = |position: usize| format!("registry.example/shop/api@{}", names[position].digest());
    assert_eq!(
        found,
        [
            (name(0), "linux/amd64".to_owned()),
            (name(1), "attestation".to_owned()),
            (name(2), "unknown".to_owned()),
        ]
    );
    assert_eq!(family.image.reference.to_string(), IMAGE);
    assert_eq!(shelf.fetched.into_inner(), 3);
}

#[tokio::test]
async fn an_image_is_alone() {
    let shelf = Shelf {
        named: Some(image_manifest("1")),
        ..Shelf::default()
    };
    let family = collect(&shelf, &Limits::TABLE).await.unwrap();
    assert!(family.children.is_empty());
    assert_eq!(shelf.fetched.into_inner(), 0);
}

#[tokio::test]
async fn what_cannot_be_signed_is_refused() {
    let edited = |edit: &dyn Fn(&mut Value)| {
        let mut children = listed();
        edit(&mut children[2]);
        shelf(&children)
    };
    let refused = async |shelf: &Shelf| collect(shelf, &Limits::TABLE).await.unwrap_err();

    let nested = edited(&|child| child["mediaType"] = OCI_INDEX.into());
    is_refused(&refused(&nested).await, "child-not-image");
    assert_eq!(nested.fetched.into_inner(), 0);
    let other = edited(&|child| child["mediaType"] = DOCKER_MANIFEST.into());
    is_refused(&refused(&other).await, "descriptor-mismatch");
    let longer = edited(&|child| child["size"] = 4_096.into());
    is_refused(&refused(&longer).await, "descriptor-mismatch");
    let mut sparse = shelf(&listed());
    sparse.manifests.pop();
    is_refused(&refused(&sparse).await, "child-missing");
}

#[tokio::test]
async fn a_registry_that_fails_is_not_one_without_the_child() {
    let mut shelf = shelf(&listed());
    shelf.broken = Some(images()[2].digest().clone());
    let error = collect(&shelf, &Limits::TABLE).await.unwrap_err();
    assert!(matches!(error, SignError::Error(_)), "{error}");
}

#[tokio::test]
async fn no_index_fills_the_memory_of_its_signer() {
    let sizes = images().iter().map(|image| image.descriptor().size).sum();
    let limits = |image_bytes| Limits {
        image_bytes,
        ..Limits::TABLE
    };
    let fits = shelf(&listed());
    assert!(collect(&fits, &limits(sizes)).await.is_ok());
    let error = collect(&fits, &limits(sizes - 1)).await.unwrap_err();
    is_refused(&error, "too-large");
    assert_eq!(fits.fetched.into_inner(), 3);
    // No sum of them is small.
    let mut children = listed();
    for child in &mut children {
        child["size"] = u64::MAX.into();
    }
    let error = collect(&shelf(&children), &Limits::TABLE)
        .await
        .unwrap_err();
    is_refused(&error, "too-large");
}

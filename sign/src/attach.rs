//! Puts what was sealed beside its image.

use bytes::Bytes;
use countersign_common::{Manifest, RegistryWriter, registry::Failure};
use futures_util::future;

use crate::{Sealed, seal::EMPTY};

/// Pushes the bundles, the empty configuration, and then the manifests that name them; all by digest, no tag is written.
/// All of them are about one image.
///
/// Done again after a failure, it pushes the same things.
pub async fn attach(sealed: &[&Sealed], registry: &dyn RegistryWriter) -> Result<(), Failure> {
    let Some(plan) = sealed.first().map(|first| first.plan()) else {
        return Ok(());
    };
    let repository = plan.repository();
    let bundles = sealed.iter().map(|sealed| sealed.bundle().clone());
    let blobs = bundles.chain([Bytes::from_static(EMPTY)]);
    future::try_join_all(blobs.map(|blob| registry.push_blob(repository, blob))).await?;
    let manifests: Vec<Manifest> = sealed
        .iter()
        .map(|sealed| sealed.manifest().clone())
        .collect();
    let subject = &plan.subject().digest;
    registry
        .push_referrers(repository, subject, &manifests)
        .await
}

//! Puts a sealed signature beside its image.

use bytes::Bytes;
use countersign_common::{RegistryWriter, registry::Failure};
use futures_util::future;

use crate::{Sealed, seal::EMPTY};

/// Pushes the bundle, the empty configuration, and then the manifest that names them; all by digest, no tag is written.
///
/// Done again after a failure, it pushes the same things.
pub async fn attach(sealed: &Sealed, registry: &dyn RegistryWriter) -> Result<(), Failure> {
    let repository = sealed.plan().repository();
    future::try_join(
        registry.push_blob(repository, sealed.bundle().clone()),
        registry.push_blob(repository, Bytes::from_static(EMPTY)),
    )
    .await?;
    registry.push_referrer(repository, sealed.manifest()).await
}

//! Sigstore bundles as referrers: what `countersign sign` and cosign 3 write.

use std::sync::Arc;

use bytes::Bytes;
use countersign_common::{
    Bundle, Limits, Statement, dsse::IN_TOTO_PAYLOAD_TYPE, manifest::ImageBody,
};

use super::{Claim, Envelope, Fetched, Format, ReadError, Reader, Wanted};

/// Every version and spelling begins so; the bundle itself says which one it is.
const MEDIA_TYPE_PREFIX: &str = "application/vnd.dev.sigstore.bundle";

pub(super) const READER: Reader = Reader {
    format: Format::SigstoreBundle,
    recognises,
    limit: |limits| limits.bundle,
    blobs,
    read,
};

/// By the artifact's own manifest, since listings of referrers carry other types, cosign's fallback index among them.
fn recognises(artifact: &ImageBody) -> bool {
    artifact.artifact_type.starts_with(MEDIA_TYPE_PREFIX)
        || artifact
            .layers
            .iter()
            .any(|layer| layer.media_type.starts_with(MEDIA_TYPE_PREFIX))
}

fn blobs<'a>(artifact: &'a ImageBody, _: &Limits) -> Vec<Result<Wanted<'a>, ReadError>> {
    match artifact.layers.as_slice() {
        [blob] => vec![Ok(Wanted {
            blob,
            layers: vec![0],
        })],
        layers => vec![Err(ReadError::LayerCount {
            count: layers.len(),
        })],
    }
}

fn read(fetched: &Fetched<'_>, limits: &Limits) -> Result<Vec<Claim>, ReadError> {
    let bundle = Bundle::parse(fetched.blob, limits)?;
    if bundle.payload_type() != IN_TOTO_PAYLOAD_TYPE {
        return Err(ReadError::PayloadType {
            payload_type: bundle.payload_type().to_owned(),
        });
    }
    Ok(vec![Claim {
        artifact: fetched.manifest.digest().clone(),
        format: Format::SigstoreBundle,
        statement: Arc::new(Statement::parse(bundle.payload(), limits)?),
        signer: bundle.signer().clone(),
        after_stamps: bundle.stamps().to_vec(),
        envelope: Envelope::Dsse(bundle.payload_type().to_owned()),
        payload: Bytes::copy_from_slice(bundle.payload()),
        signature: bundle.signature().clone(),
    }])
}

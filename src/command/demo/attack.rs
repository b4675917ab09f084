//! What an attacker with the right to push would do; no command of ours does it.

use std::time::Duration;

use countersign_common::{
    Digest, ImageRef, Limits, Registry, Repository, Signer,
    bundle::{self, MEDIA_TYPE},
    dsse,
    manifest::{Body, EMPTY_CONFIG, OCI_MANIFEST},
    statement::{IMAGE_SIGNATURE, STATEMENT_V1},
};
use countersign_registry::{Client, Credentials, Options, PlainHttp};
use countersign_sign::file;
use serde_json::json;

use super::{DemoError, stage::Stage};
use crate::output::Stop;

/// Signs a vulnerability report with a trusted key and gives it the outside of an image signature.
pub(super) async fn attestation_as_signature(
    stage: &Stage<'_>,
    image: &str,
    key: &str,
) -> Result<(), Stop> {
    let image = resolve(stage, image).await?;
    let pem = String::from_utf8_lossy(&stage.read(key)?).into_owned();
    let no_password = || Err(std::io::Error::from(std::io::ErrorKind::NotFound));
    let signer = file::Signer::read(&pem, key, None, no_password);
    let signer =
        signer.map_err(|error| DemoError::stage("the builder's key cannot be read", error))?;
    let statement = json!({
        "_type": STATEMENT_V1,
        "subject": [{ "name": image.repository.to_string(), "digest": { "sha256": image.digest.hex() } }],
        "predicateType": "https://cosign.sigstore.dev/attestation/vuln/v1",
        "predicate": { "result": "17 critical vulnerabilities" },
    })
    .to_string();
    let signed_bytes =
        dsse::pre_authentication_encoding(dsse::IN_TOTO_PAYLOAD_TYPE, statement.as_bytes());
    let made = signer.sign(&signed_bytes).await;
    let made = made.map_err(|error| DemoError::stage("the builder's key does not sign", error))?;
    let bundle = bundle::seal(
        dsse::IN_TOTO_PAYLOAD_TYPE,
        statement.as_bytes(),
        &made.signature,
        &signer.key().public_key,
    );
    let bundle =
        bundle.map_err(|error| DemoError::stage("the attestation cannot be written", error))?;
    place(stage, &image, bundle);
    Ok(())
}

struct Target {
    repository: Repository,
    digest: Digest,
    size: u64,
}

fn place(stage: &Stage<'_>, image: &Target, bundle: Vec<u8>) {
    let path = image.repository.path();
    let config = stage.stand_in.place_blob(path, b"{}".to_vec().into());
    let size = bundle.len();
    let layer = stage.stand_in.place_blob(path, bundle.into());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": MEDIA_TYPE,
        "config": { "mediaType": EMPTY_CONFIG, "digest": config, "size": 2 },
        "layers": [{ "mediaType": MEDIA_TYPE, "digest": layer, "size": size }],
        "subject": { "mediaType": OCI_MANIFEST, "digest": image.digest, "size": image.size },
        // The disguise: annotations of a manifest are signed by nobody.
        "annotations": { "dev.sigstore.bundle.predicateType": IMAGE_SIGNATURE },
    });
    stage.stand_in.place_manifest(
        path,
        "",
        OCI_MANIFEST,
        manifest.to_string().into_bytes().into(),
    );
}

/// Copies every signature of an image to another repository that has the same image.
pub(super) async fn copied_signature(stage: &Stage<'_>, from: &str, to: &str) -> Result<(), Stop> {
    let lost = |error| DemoError::stage("the signature cannot be copied", error);
    let registry = client(stage)?;
    let image = ImageRef::parse(from).map_err(|error| DemoError::stage("no such image", error))?;
    let pinned = registry.resolve(&image).await.map_err(lost)?;
    let repository = image.repository();
    for referrer in registry
        .referrers(repository, pinned.digest())
        .await
        .map_err(lost)?
    {
        let Some(manifest) = registry
            .manifest(repository, &referrer)
            .await
            .map_err(lost)?
        else {
            continue;
        };
        if let Body::Image(body) = manifest.body() {
            for blob in body.layers.iter().chain([&body.config]) {
                if let Some(bytes) = registry
                    .blob(repository, blob, Limits::TABLE.bundle)
                    .await
                    .map_err(lost)?
                {
                    stage.stand_in.place_blob(to, bytes);
                }
            }
        }
        stage
            .stand_in
            .place_manifest(to, "", OCI_MANIFEST, manifest.bytes().clone());
    }
    Ok(())
}

async fn resolve(stage: &Stage<'_>, image: &str) -> Result<Target, Stop> {
    let image = ImageRef::parse(image).map_err(|error| DemoError::stage("no such image", error))?;
    let pinned = client(stage)?.resolve(&image).await;
    let pinned = pinned.map_err(|error| DemoError::stage("the image cannot be read", error))?;
    let descriptor = pinned.manifest.descriptor();
    Ok(Target {
        repository: image.repository().clone(),
        digest: descriptor.digest.clone(),
        size: descriptor.size,
    })
}

fn client(stage: &Stage<'_>) -> Result<Client, Stop> {
    let credentials = match stage.stand_in.credentials() {
        Some((user, password)) => Credentials::Given {
            user: user.to_owned(),
            password,
        },
        None => Credentials::Anonymous,
    };
    let options = Options {
        certificate_authorities: None,
        plain_http: PlainHttp::Loopback,
        timeout: Duration::from_secs(10),
        limits: Limits::TABLE,
    };
    Client::new(options, credentials).map_err(|error| DemoError::stage("no registry client", error))
}

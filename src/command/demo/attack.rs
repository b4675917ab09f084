//! What an attacker with the right to push would do; no command of ours does it.

use std::{collections::BTreeMap, time::Duration};

use countersign_common::{
    Descriptor, Digest, ImageRef, Limits, PublicKey, Registry, Repository, Signature, Signer,
    Timestamp,
    bundle::{self, MEDIA_TYPE},
    dsse,
    manifest::{Body, EMPTY_CONFIG, OCI_MANIFEST},
    publication::{Publication, PublicationDate},
    rfc3161::{Request, Stamped},
    statement::{IMAGE_SIGNATURE, STATEMENT_V1},
};
use countersign_registry::{Client, Credentials, Options, PlainHttp};
use countersign_sign::file;
use countersign_stand_in::{
    Clock, TsaSetting,
    tsa::{GenTime, Mode},
};
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
    let statement = json!({
        "_type": STATEMENT_V1,
        "subject": [{ "name": image.repository.to_string(), "digest": { "sha256": image.digest.hex() } }],
        "predicateType": "https://cosign.sigstore.dev/attestation/vuln/v1",
        "predicate": { "result": "17 critical vulnerabilities" },
    })
    .to_string();
    let signed = sign(stage, key, statement.as_bytes()).await?;
    place(stage, &image, signed.bundle(&[])?);
    Ok(())
}

/// Publishes an image with a stamp inside that was fetched a month ago, and one of the signature, which is of now.
pub(super) async fn back_dated(stage: &Stage<'_>, image: &str, key: &str) -> Result<(), Stop> {
    let target = resolve(stage, image).await?;
    let descriptor = Descriptor {
        media_type: OCI_MANIFEST.to_owned(),
        digest: target.digest.clone(),
        size: target.size,
        ..Descriptor::of(OCI_MANIFEST, b"")
    };
    let old = stamp(stage, Stamped::Before, MONTH);
    let date = PublicationDate::stamped(&[old]);
    let publication = Publication::of(&descriptor, &target.repository, date, None);
    let payload = publication.to_payload(&descriptor, &BTreeMap::new());
    let payload =
        payload.map_err(|error| DemoError::stage("the publication cannot be written", error))?;
    let signed = sign(stage, key, &payload).await?;
    let stamp = stamp(stage, Stamped::Signature(&signed.signature), 0);
    place(stage, &target, signed.bundle(&[stamp])?);
    Ok(())
}

/// From here on the first authority's stamps are a month old.
pub(super) fn stockpile(stage: &Stage<'_>) {
    let clock = Clock::Offset(-MONTH);
    let setting = TsaSetting {
        clock,
        ..TsaSetting::default()
    };
    stage.stand_in.set_tsa(AUTHORITY, setting);
}

/// From here on the first authority's stamps are of now again.
pub(super) fn tell_the_time(stage: &Stage<'_>) {
    stage.stand_in.set_tsa(AUTHORITY, TsaSetting::default());
}

/// A stamp by the first authority, as it was that long ago.
fn stamp(stage: &Stage<'_>, stamped: Stamped<'_>, seconds_ago: i64) -> Vec<u8> {
    let now = Timestamp::from(chrono::Utc::now()).unix_seconds();
    let time = GenTime::seconds(now - seconds_ago);
    let request = Request::new(stamped, 1).to_der();
    let authority = stage.stand_in.time_authority(AUTHORITY);
    authority
        .map(|authority| authority.respond(&request, time, &Mode::default()))
        .unwrap_or_default()
}

/// The authority that signs old times.
const AUTHORITY: &str = "one";
const MONTH: i64 = 30 * 86_400;

/// Something signed, that no command would sign.
struct Crafted {
    payload: Vec<u8>,
    signature: Signature,
    key: PublicKey,
}

impl Crafted {
    fn bundle(&self, stamps: &[Vec<u8>]) -> Result<Vec<u8>, Stop> {
        let content = (dsse::IN_TOTO_PAYLOAD_TYPE, self.payload.as_slice());
        bundle::seal(content, &self.signature, &self.key, stamps)
            .map_err(|error| DemoError::stage("the bundle cannot be written", error))
    }
}

async fn sign(stage: &Stage<'_>, key: &str, payload: &[u8]) -> Result<Crafted, Stop> {
    let pem = String::from_utf8_lossy(&stage.read(key)?).into_owned();
    let no_password = || Err(std::io::Error::from(std::io::ErrorKind::NotFound));
    let signer = file::Signer::read(&pem, key, None, no_password);
    let signer = signer.map_err(|error| DemoError::stage("the key cannot be read", error))?;
    let signed_bytes = dsse::pre_authentication_encoding(dsse::IN_TOTO_PAYLOAD_TYPE, payload);
    let made = signer.sign(&signed_bytes).await;
    let made = made.map_err(|error| DemoError::stage("the key does not sign", error))?;
    Ok(Crafted {
        payload: payload.to_vec(),
        signature: made.signature,
        key: signer.key().public_key.clone(),
    })
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

//! Manifests: read by tag or digest, pushed with the checks that registries make, deleted. Called by `registry` for
//! these requests. Bytes are kept as they came.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Registry,
    denial::Denial,
    digests,
    route::{Reference, is_tag},
    store::{Manifest, Repository},
};
use crate::{answer::Answer, services::Asked};

/// The largest manifest, as ECR and the common registries have it.
const MANIFEST: usize = 4 << 20;

/// The members of image manifests, indexes and artifacts that a registry looks at.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ManifestDocument {
    annotations: BTreeMap<String, String>,
    artifact_type: Option<String>,
    config: Option<DescriptorDocument>,
    layers: Vec<DescriptorDocument>,
    manifests: Vec<DescriptorDocument>,
    media_type: Option<String>,
    subject: Option<DescriptorDocument>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescriptorDocument {
    digest: String,
    media_type: String,
    #[serde(default)]
    urls: Vec<String>,
}

impl Registry {
    pub(super) fn manifest(&self, name: &str, reference: &Reference) -> Result<Answer, Denial> {
        self.with_repository(name, |repository| {
            let digest = repository.digest(reference)?;
            if repository.archived.contains(&digest) {
                return Err(Denial::ManifestUnknown(digest));
            }
            let manifest = repository
                .manifests
                .get(&digest)
                .ok_or_else(|| Denial::ManifestUnknown(digest.clone()))?;
            Ok(Answer::new(200)
                .with("Content-Type", &manifest.media_type)
                .with("Docker-Content-Digest", digest)
                .body(manifest.bytes.clone()))
        })
    }

    pub(super) fn put_manifest(
        &self,
        asked: &Asked,
        name: &str,
        reference: &Reference,
    ) -> Result<Answer, Denial> {
        if asked.body.len() > MANIFEST {
            return Err(Denial::ManifestTooLarge(asked.body.len()));
        }
        let document: ManifestDocument = serde_json::from_slice(&asked.body)
            .map_err(|error| Denial::ManifestInvalid(error.to_string()))?;
        let manifest = Manifest {
            bytes: asked.body.clone(),
            media_type: document.media_type(asked.header("content-type"))?,
        };
        let (digest, tag) = match reference {
            Reference::Digest(digest) if digests::matches(digest, &asked.body) => {
                (digest.clone(), None)
            }
            Reference::Digest(digest) => return Err(Denial::DigestInvalid(digest.clone())),
            Reference::Tag(tag) if is_tag(tag) => (digests::sha256(&asked.body), Some(tag)),
            Reference::Tag(tag) => return Err(Denial::TagInvalid(tag.clone())),
        };
        self.with_pushed_repository(name, |repository| {
            repository.check_content(&document)?;
            if let Some(tag) = tag {
                repository.check_tag(tag, name)?;
                repository.tags.insert(tag.clone(), digest.clone());
            }
            repository.store(&digest, manifest, &document);
            Ok(())
        })?;
        Ok(self.stored(name, &digest, document.subject.as_ref()))
    }

    pub(super) fn delete_manifest(
        &self,
        name: &str,
        reference: &Reference,
    ) -> Result<Answer, Denial> {
        self.with_repository(name, |repository| {
            let digest = repository.digest(reference)?;
            if let Reference::Tag(tag) = reference {
                repository.tags.remove(tag);
                return Ok(Answer::new(202));
            }
            if repository.manifests.remove(&digest).is_none() {
                return Err(Denial::ManifestUnknown(digest));
            }
            repository.tags.retain(|_, tagged| *tagged != digest);
            repository.forget_referrer(&digest);
            Ok(Answer::new(202))
        })
    }

    /// Stores a manifest as it is, whatever is wrong with it: its digest.
    pub(crate) fn place_manifest(
        &self,
        name: &str,
        tag: &str,
        media_type: &str,
        bytes: Bytes,
    ) -> String {
        let digest = digests::sha256(&bytes);
        let document = serde_json::from_slice(&bytes).unwrap_or_default();
        let manifest = Manifest {
            bytes,
            media_type: media_type.into(),
        };
        let mut store = self.store();
        let repository = store.repository(name);
        repository.store(&digest, manifest, &document);
        if !tag.is_empty() {
            repository.tags.insert(tag.into(), digest.clone());
        }
        digest
    }

    /// Takes the copies of blobs out of the artifacts of a repository, as other clients push them: see
    /// [`StandIn::drop_copies`](crate::StandIn::drop_copies).
    pub(crate) fn drop_copies(&self, name: &str) {
        let mut store = self.store();
        let repository = store.repository(name);
        for (digest, manifest) in repository.manifests.clone() {
            let Some(bytes) = without_copies(&manifest.bytes) else {
                continue;
            };
            let document = serde_json::from_slice(&bytes).unwrap_or_default();
            let renamed = digests::sha256(&bytes);
            let size = bytes.len();
            repository.manifests.remove(&digest);
            repository.forget_referrer(&digest);
            let media_type = manifest.media_type;
            repository.store(&renamed, Manifest { bytes, media_type }, &document);
            repository.list_as(&digest, &renamed, size);
        }
    }

    fn stored(&self, name: &str, digest: &str, subject: Option<&DescriptorDocument>) -> Answer {
        let mut answer = Answer::new(201).with("Docker-Content-Digest", digest);
        if !self.is_ecr() {
            let location = format!("{}/v2/{name}/manifests/{digest}", self.origin());
            answer = answer.with("Location", location);
        }
        match subject {
            Some(subject) if self.has_referrers() => answer.with("OCI-Subject", &subject.digest),
            _ => answer,
        }
    }
}

impl Repository {
    fn digest(&self, reference: &Reference) -> Result<String, Denial> {
        match reference {
            Reference::Digest(digest) => Ok(digest.clone()),
            Reference::Tag(tag) => self
                .tags
                .get(tag)
                .cloned()
                .ok_or_else(|| Denial::ManifestUnknown(tag.clone())),
        }
    }

    /// Whatever a manifest names must be here, except a subject and what is fetched from elsewhere.
    fn check_content(&self, document: &ManifestDocument) -> Result<(), Denial> {
        let mut blobs = document.config.iter().chain(&document.layers);
        let mut children = document.manifests.iter();
        let absent = blobs
            .find(|blob| blob.urls.is_empty() && !self.blobs.contains_key(&blob.digest))
            .or_else(|| children.find(|child| !self.manifests.contains_key(&child.digest)));
        match absent {
            None => Ok(()),
            Some(absent) => Err(Denial::ManifestBlobUnknown(absent.digest.clone())),
        }
    }

    fn check_tag(&self, tag: &str, name: &str) -> Result<(), Denial> {
        if self.tags.contains_key(tag) && self.mutability.fixes(tag) {
            return Err(Denial::TagFixed {
                tag: tag.into(),
                name: name.into(),
            });
        }
        Ok(())
    }

    fn store(&mut self, digest: &str, manifest: Manifest, document: &ManifestDocument) {
        if let Some(subject) = &document.subject {
            let entry = document.entry(digest, &manifest);
            self.forget_referrer(digest);
            let referrers = self.referrers.entry(subject.digest.clone());
            referrers.or_default().push(entry);
        }
        self.manifests.insert(digest.into(), manifest);
    }

    /// In the indexes that are tagged.
    fn list_as(&mut self, digest: &str, renamed: &str, size: usize) {
        for tagged in self.tags.values_mut() {
            let Some(index) = self.manifests.get(tagged) else {
                continue;
            };
            let mut document: Value = serde_json::from_slice(&index.bytes).unwrap_or_default();
            let entries = document.get_mut("manifests").and_then(Value::as_array_mut);
            let is_named = |entry: &&mut Value| entry.get("digest") == Some(&digest.into());
            let Some(entry) = entries.into_iter().flatten().find(is_named) else {
                continue;
            };
            entry["digest"] = renamed.into();
            entry["size"] = size.into();
            let bytes = Bytes::from(document.to_string());
            let media_type = index.media_type.clone();
            *tagged = digests::sha256(&bytes);
            self.manifests
                .insert(tagged.clone(), Manifest { bytes, media_type });
        }
    }

    fn forget_referrer(&mut self, digest: &str) {
        for referrers in self.referrers.values_mut() {
            referrers.retain(|entry| entry.get("digest") != Some(&digest.into()));
        }
    }
}

/// The same artifact without the copies that it carries, if it carries any.
fn without_copies(manifest: &[u8]) -> Option<Bytes> {
    let mut document: Value = serde_json::from_slice(manifest).ok()?;
    document.get("subject")?;
    let layers = document.get_mut("layers")?.as_array_mut()?;
    let members = layers.iter_mut().filter_map(Value::as_object_mut);
    let dropped = members.filter_map(|members| members.remove("data")).count();
    (dropped > 0).then(|| document.to_string().into())
}

impl ManifestDocument {
    /// The type that the client declared; the body must not contradict it.
    fn media_type(&self, content_type: Option<&str>) -> Result<String, Denial> {
        let declared = content_type
            .and_then(|value| value.split(';').next())
            .map(|value| value.trim().to_owned());
        match (declared, self.media_type.clone()) {
            (Some(declared), Some(own)) if declared != own => Err(Denial::ManifestInvalid(
                format!("Content-Type is {declared} and mediaType {own}"),
            )),
            (Some(media_type), _) | (None, Some(media_type)) => Ok(media_type),
            (None, None) => Err(Denial::ManifestInvalid("no media type".into())),
        }
    }

    /// The entry in the list of referrers.
    fn entry(&self, digest: &str, manifest: &Manifest) -> Value {
        let mut entry = json!({
            "mediaType": manifest.media_type,
            "digest": digest,
            "size": manifest.bytes.len(),
        });
        let Value::Object(members) = &mut entry else {
            return entry;
        };
        let config_type = self.config.as_ref().map(|config| &config.media_type);
        if let Some(artifact_type) = self.artifact_type.as_ref().or(config_type) {
            members.insert("artifactType".into(), artifact_type.clone().into());
        }
        if !self.annotations.is_empty() {
            members.insert("annotations".into(), json!(self.annotations));
        }
        entry
    }
}

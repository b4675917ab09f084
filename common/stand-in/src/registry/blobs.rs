//! Blobs: their uploads, and their downloads, which ECR sends to another host with a presigned query. Called by
//! `registry`, and for the requests on that other host. A presigned query is good once, and never beside a login.

use std::sync::PoisonError;

use bytes::{Bytes, BytesMut};
use hyper::Method;

use super::{Registry, denial::Denial, digests};
use crate::{answer::Answer, calls::Service, random, services::Asked};

impl Registry {
    pub(super) fn blob(&self, asked: &Asked, name: &str, digest: &str) -> Result<Answer, Denial> {
        let bytes = self.with_repository(name, |repository| {
            let blob = repository.blobs.get(digest).cloned();
            blob.ok_or(Denial::BlobUnknown)
        })?;
        let asked_of_ecr = self.is_ecr() && asked.service == Service::Registry;
        if asked_of_ecr && asked.method == Method::GET {
            let ticket = random::secret::<32>();
            let location = format!(
                "{}/{name}/{digest}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature={ticket}",
                self.blobs_origin
            );
            let mut tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
            tickets.insert(ticket, bytes);
            return Ok(Answer::new(307).with("Location", location));
        }
        Ok(content(asked, &bytes).with("Docker-Content-Digest", digest))
    }

    /// A request on the host of the blobs.
    pub(crate) fn presigned(&self, asked: &Asked) -> Answer {
        if asked.header("authorization").is_some() {
            return s3_error(
                400,
                "InvalidArgument",
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified",
            );
        }
        let mut tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        let blob = asked
            .parameter("X-Amz-Signature")
            .filter(|_| asked.method == Method::GET)
            .and_then(|ticket| tickets.remove(&ticket));
        match blob {
            None => s3_error(403, "AccessDenied", "Request has expired"),
            Some(bytes) => content(asked, &bytes),
        }
    }

    /// `POST`: begins an upload, or takes a blob from another repository where that is allowed.
    pub(super) fn start_upload(&self, asked: &Asked, name: &str) -> Result<Answer, Denial> {
        if let Some(digest) = self.mount(asked, name)? {
            return Ok(self.uploaded(name, &digest));
        }
        let id = random::uuid();
        self.with_pushed_repository(name, |repository| {
            repository.uploads.insert(id.clone(), BytesMut::new());
            Ok(())
        })?;
        Ok(self.upload_progress(202, name, &id, 0))
    }

    /// `PATCH`: one chunk.
    pub(super) fn continue_upload(
        &self,
        asked: &Asked,
        name: &str,
        id: &str,
    ) -> Result<Answer, Denial> {
        let start = asked
            .header("content-range")
            .and_then(|range| range.split('-').next()?.parse::<usize>().ok());
        let length = self.with_repository(name, |repository| {
            let upload = repository.uploads.get_mut(id);
            let upload = upload.ok_or(Denial::BlobUploadUnknown)?;
            if start.is_some_and(|start| start != upload.len()) {
                return Err(Denial::BlobUploadInvalid("the chunk is out of order"));
            }
            upload.extend_from_slice(&asked.body);
            Ok(upload.len())
        })?;
        let status = if self.is_ecr() { 201 } else { 202 };
        Ok(self.upload_progress(status, name, id, length))
    }

    /// `PUT`: the last chunk, or all of it, and the digest.
    pub(super) fn finish_upload(
        &self,
        asked: &Asked,
        name: &str,
        id: &str,
    ) -> Result<Answer, Denial> {
        let digest = asked.parameter("digest").unwrap_or_default();
        self.with_repository(name, |repository| {
            let upload = repository.uploads.remove(id);
            let mut upload = upload.ok_or(Denial::BlobUploadUnknown)?;
            upload.extend_from_slice(&asked.body);
            if !digests::matches(&digest, &upload) {
                return Err(self.digest_mismatch(&digest));
            }
            repository.blobs.insert(digest.clone(), upload.freeze());
            Ok(())
        })?;
        Ok(self.uploaded(name, &digest))
    }

    /// ECR does not mount unless the account's owner has switched it on.
    fn mount(&self, asked: &Asked, name: &str) -> Result<Option<String>, Denial> {
        let (Some(digest), Some(source)) = (asked.parameter("mount"), asked.parameter("from"))
        else {
            return Ok(None);
        };
        if self.is_ecr() {
            return Ok(None);
        }
        let blob = self
            .with_repository(&source, |repository| {
                Ok(repository.blobs.get(&digest).cloned())
            })
            .unwrap_or_default();
        let Some(blob) = blob else {
            return Ok(None);
        };
        self.with_pushed_repository(name, |repository| {
            repository.blobs.insert(digest.clone(), blob);
            Ok(Some(digest))
        })
    }

    fn uploaded(&self, name: &str, digest: &str) -> Answer {
        Answer::new(201)
            .with("Location", self.location(&format!("{name}/blobs/{digest}")))
            .with("Docker-Content-Digest", digest)
    }

    fn upload_progress(&self, status: u16, name: &str, id: &str, length: usize) -> Answer {
        Answer::new(status)
            .with(
                "Location",
                self.location(&format!("{name}/blobs/uploads/{id}")),
            )
            .with("Docker-Upload-UUID", id)
            .with("Range", format!("0-{}", length.saturating_sub(1)))
    }

    /// A plain registry writes the whole address, ECR's stand-in the path; clients must take both.
    fn location(&self, path: &str) -> String {
        let origin = if self.is_ecr() { "" } else { self.origin() };
        format!("{origin}/v2/{path}")
    }

    fn digest_mismatch(&self, digest: &str) -> Denial {
        if self.is_ecr() {
            Denial::BlobUploadInvalid(
                "None of the provided layer digests match the calculated layer digest",
            )
        } else {
            Denial::DigestInvalid(digest.into())
        }
    }
}

/// All of a blob, or what of it is left from some byte on, for whoever lost a connection.
fn content(asked: &Asked, bytes: &Bytes) -> Answer {
    let first: Option<usize> = asked.header("range").and_then(|range| {
        range
            .strip_prefix("bytes=")?
            .strip_suffix('-')?
            .parse()
            .ok()
    });
    let answer = match first {
        None => Answer::new(200).body(bytes.clone()),
        Some(first) if first < bytes.len() => {
            let range = format!("bytes {first}-{}/{}", bytes.len() - 1, bytes.len());
            Answer::new(206)
                .with("Content-Range", range)
                .body(bytes.slice(first..))
        }
        Some(_) => Answer::new(416),
    };
    answer.with("Content-Type", "application/octet-stream")
}

fn s3_error(status: u16, code: &str, message: &str) -> Answer {
    Answer::new(status)
        .with("Content-Type", "application/xml")
        .body(format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        ))
}

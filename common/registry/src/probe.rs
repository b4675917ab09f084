//! What a registry would let this caller do, asked so that nothing comes of it: each write is one that no registry may
//! take, and its refusal of it says that the caller was let through.
//!
//! Called by `countersign doctor`. Beside an upload that is begun and given up, nothing is written, unless a registry takes
//! what does not hash to its name; then that is told.

use bytes::Bytes;
use countersign_common::{
    Digest, Repository, Timestamp,
    manifest::{OCI_INDEX, OCI_MANIFEST},
    registry::{Error, Failure, Refusal},
};
use reqwest::{
    Method, StatusCode,
    header::{CONTENT_TYPE, DATE, HeaderMap, HeaderValue},
};

use crate::{
    body::{self, ErrorBody},
    client::{Client, malformed, upload_path},
    referrers::{next_page, parse_page},
    session::Access,
    transport::{Answer, Fetched, Request},
};

/// What is uploaded under a name that is not its own.
const CONTENT: &[u8] = b"countersign doctor asks whether this may be uploaded";
/// What nobody has pushed.
const NOBODYS: &[u8] = b"countersign doctor asks whether this is here";

/// What a registry answered to a request that could not succeed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tried {
    /// The caller was let through, and the request refused for what it was.
    Allowed,
    /// The repository is not there, so nobody knows whether the caller would be let through.
    NoRepository,
    /// The registry took what does not hash to its name.
    Taken,
}

/// How a registry lists what refers to an image.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Listing {
    /// Whether it has the referrers API.
    pub api: ReferrersApi,
    /// What time it says it is; a registry need not say it.
    pub time: Option<Timestamp>,
}

/// Whether a registry has the referrers API.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReferrersApi {
    /// It has not: signatures are found by a tag.
    Absent,
    /// It has.
    Present,
}

/// How far an upload came.
#[derive(Debug)]
pub struct Upload {
    /// Whether it may be begun.
    pub begun: Result<Tried, Failure>,
    /// Whether it may be finished; asked if it was begun.
    pub finished: Option<Result<Tried, Failure>>,
}

impl Client {
    /// Asks for what refers to a digest, and so whether the registry lists it: with a list that verifiers can read.
    pub async fn try_referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Listing, Failure> {
        let request = Self::list(repository, format!("referrers/{subject}"));
        let limit = usize::try_from(self.limits().image_bytes).unwrap_or(usize::MAX);
        let answer = match self.transport.fetch(&request, limit).await? {
            Fetched::Whole(whole) => {
                next_page(&whole)?;
                parse_page(&whole.body, self.limits())
                    .map_err(|error| malformed(&whole.place, error.into()))?;
                return Ok(Listing {
                    api: ReferrersApi::Present,
                    time: time(&whole.headers),
                });
            }
            Fetched::Other(answer) => answer,
        };
        match answer.response.status() {
            StatusCode::NOT_FOUND => Ok(Listing {
                api: ReferrersApi::Absent,
                time: time(answer.response.headers()),
            }),
            _ => Err(answer.status()),
        }
    }

    /// Asks for a manifest that is not there.
    pub async fn try_reading(&self, repository: &Repository) -> Result<Tried, Failure> {
        let digest = Digest::sha256(NOBODYS);
        let request = Self::get(repository, format!("manifests/{digest}"));
        self.tried(&request, Asked::Absent).await
    }

    /// Asks for a blob that is not there.
    pub async fn try_blob(&self, repository: &Repository) -> Result<Tried, Failure> {
        let digest = Digest::sha256(NOBODYS);
        let request = Self::get(repository, format!("blobs/{digest}"));
        self.tried(&request, Asked::Absent).await
    }

    /// Asks whether a blob is there, as a push does.
    pub async fn try_blob_check(&self, repository: &Repository) -> Result<Tried, Failure> {
        let digest = Digest::sha256(NOBODYS);
        let request = Request {
            method: Method::HEAD,
            ..pushing(repository, format!("blobs/{digest}"))
        };
        self.tried(&request, Asked::AbsentByHead).await
    }

    /// Begins an upload, finishes it under a name that is not its own, and gives it up.
    pub async fn try_upload(&self, repository: &Repository) -> Upload {
        let post = Request {
            method: Method::POST,
            ..pushing(repository, "blobs/uploads/".to_owned())
        };
        let wrong = Digest::sha256(NOBODYS);
        let begun = match self.transport.send(&post).await {
            Ok(answer) if answer.response.status().is_success() => upload_path(&answer, &wrong)
                .map(Ok)
                .ok_or_else(|| answer.place.no_upload()),
            Ok(answer) => refused(answer, Asked::Begin).map(Err),
            Err(failure) => Err(failure),
        };
        let path = match begun {
            Ok(Ok(path)) => path,
            Ok(Err(tried)) => return Upload::stopped(Ok(tried)),
            Err(failure) => return Upload::stopped(Err(failure)),
        };
        let mut put = Request {
            method: Method::PUT,
            path,
            body: Bytes::from_static(CONTENT),
            ..pushing(repository, String::new())
        };
        put.headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/octet-stream"),
        );
        let finished = self.tried(&put, Asked::Invalid).await;
        // Registries forget an upload by themselves; some take it back at once.
        let give_up = Request {
            method: Method::DELETE,
            body: Bytes::new(),
            ..put
        };
        drop(self.transport.send(&give_up).await);
        Upload {
            begun: Ok(Tried::Allowed),
            finished: Some(finished),
        }
    }

    /// Pushes an index of an image that is not there, under a name that is not its own: two reasons to refuse it, of which
    /// every registry knows one.
    pub async fn try_manifest(&self, repository: &Repository) -> Result<Tried, Failure> {
        let digest = Digest::sha256(NOBODYS);
        let mut put = Request {
            method: Method::PUT,
            body: Bytes::from(format!(
                r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{{"mediaType":"{OCI_MANIFEST}","digest":"{digest}","size":{}}}]}}"#,
                NOBODYS.len()
            )),
            ..pushing(repository, format!("manifests/{digest}"))
        };
        put.headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(OCI_INDEX));
        self.tried(&put, Asked::Invalid).await
    }

    async fn tried(&self, request: &Request<'_>, asked: Asked) -> Result<Tried, Failure> {
        let answer = self.transport.send(request).await?;
        if answer.response.status().is_success() {
            return Ok(Tried::Taken);
        }
        refused(answer, asked)
    }
}

/// What a refusal says of the caller. A refused login, throttling and failures of the server are errors already.
fn refused(answer: Answer, asked: Asked) -> Result<Tried, Failure> {
    let status = answer.response.status();
    if !status.is_client_error() {
        return Err(answer.status());
    }
    let Answer { response, place } = answer;
    let said = body::said(&response);
    match said.code.as_str() {
        "NAME_UNKNOWN" => Ok(Tried::NoRepository),
        // Amazon ECR answers a login that it never gave with 400.
        "DENIED" | "UNAUTHORIZED" => Err(Failure::Error(Error::Denied {
            registry: place.registry,
            path: place.path,
            status: status.as_u16(),
            message: said.message,
        })),
        _ if asked.is_meant(status, &said) => Ok(Tried::Allowed),
        _ if matches!(asked, Asked::Absent | Asked::AbsentByHead) => {
            Err(Failure::Error(Error::Status {
                registry: place.registry,
                path: place.path,
                status: status.as_u16(),
                message: said.message,
            }))
        }
        _ => Err(Failure::Refusal(Refusal::Rejected {
            registry: place.registry,
            path: place.path,
            status: status.as_u16(),
            message: said.message,
        })),
    }
}

/// What was asked, and so which refusal of it says that the caller was let through.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Asked {
    /// For what is not there.
    Absent,
    /// The same, where the answer has no body.
    AbsentByHead,
    /// To begin an upload, with which nothing is wrong: whoever refuses it takes none.
    Begin,
    /// To take what no registry may take.
    Invalid,
}

impl Asked {
    fn is_meant(self, status: StatusCode, said: &ErrorBody) -> bool {
        match (self, status) {
            (Self::AbsentByHead, _) => status == StatusCode::NOT_FOUND,
            // Mirrors and read-only registries take no push at all. So does Amazon ECR call a manifest that is wrong.
            (Self::Invalid, StatusCode::METHOD_NOT_ALLOWED) => {
                said.message.contains("Invalid parameter")
            }
            // A registry names what it does not find; a server that is none does not.
            (Self::Absent | Self::Invalid, StatusCode::NOT_FOUND) => !said.code.is_empty(),
            (Self::Absent | Self::Begin, _) => false,
            (Self::Invalid, _) => true,
        }
    }
}

impl Upload {
    fn stopped(begun: Result<Tried, Failure>) -> Self {
        Self {
            begun,
            finished: None,
        }
    }
}

fn pushing(repository: &Repository, path: String) -> Request<'_> {
    Request {
        access: Access::Push,
        ..Client::get(repository, path)
    }
}

fn time(headers: &HeaderMap) -> Option<Timestamp> {
    use aws_smithy_types::{DateTime, date_time::Format};

    let text = headers.get(DATE)?.to_str().ok()?;
    let time = DateTime::from_str(text, Format::HttpDate).ok()?;
    Timestamp::from_unix_seconds(time.secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_registry_is_read() {
        let said = |text: &'static str| {
            let headers = HeaderMap::from_iter([(DATE, HeaderValue::from_static(text))]);
            time(&headers).map(|time| time.to_string())
        };
        assert_eq!(
            said("Fri, 27 Nov 2026 14:30:00 GMT").as_deref(),
            Some("2026-11-27T14:30:00Z")
        );
        for text in [
            "",
            "now",
            "Fri, 99 Nov 2026 14:30:00 GMT",
            "2026-11-27T14:30:00Z",
        ] {
            assert_eq!(said(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_pushed_does_not_hash_to_the_name_that_it_is_given() {
        assert_ne!(Digest::sha256(CONTENT), Digest::sha256(NOBODYS));
    }
}

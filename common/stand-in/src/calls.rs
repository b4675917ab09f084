//! What clients sent. Written by the services, read by tests, which so assert on requests and not only on results.
//! Never holds a credential: it says that one came, not which.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use hyper::HeaderMap;
use serde_json::Value;

/// The calls kept; a stand-in that runs for days drops the oldest.
const KEPT: usize = 65_536;

/// Header fields that carry a secret.
const SECRET_HEADERS: &[&str] = &["cookie", "proxy-authorization", "x-amz-security-token"];

/// Query parameters that carry one, in a presigned address.
const SECRET_PARAMETERS: &[&str] = &[
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
];

/// One request and how it was answered.
#[derive(Clone, Debug)]
pub struct Call {
    /// The listener that took it.
    pub service: Service,
    /// What was asked: `TrentService.Sign` of AWS (of STS `AWSSecurityTokenServiceV20110615.GetCallerIdentity`), `GET /v2/app/manifests/v1` elsewhere. Faults are matched against it.
    pub line: String,
    /// The query, with the secrets of a presigned address replaced.
    pub query: String,
    /// The header fields, lower case, with secrets replaced.
    pub headers: Vec<(String, String)>,
    /// The bytes of the request's body.
    pub received: u64,
    /// The status of the answer.
    pub status: u16,
    /// When its head had come, and when it was answered.
    pub span: Range<Instant>,
    pub(crate) parameters: Value,
    pub(crate) sent: Arc<AtomicU64>,
}

impl Call {
    /// A field of the request's head, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(header, _)| header == name)?;
        Some(value)
    }

    /// A string member of an AWS request, such as `MessageType`.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name)?.as_str()
    }

    /// The bytes of the answer's body; still growing while a lie without end is told.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

/// The listener that took a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Service {
    /// KMS, the ECR API and STS.
    Aws,
    /// Where ECR keeps the bytes of blobs.
    Blobs,
    /// A stranger's host.
    Elsewhere,
    /// The `CONNECT` proxy; a call is recorded when it refuses a host.
    Proxy,
    /// The registry, with its token realm.
    Registry,
    /// The time-stamp authorities.
    Tsa,
}

/// The log of calls.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<VecDeque<Call>>);

impl Calls {
    pub(crate) fn push(&self, call: Call) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.len() == KEPT {
            calls.pop_front();
        }
        calls.push_back(call);
    }

    pub(crate) fn to_vec(&self) -> Vec<Call> {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.iter().cloned().collect()
    }

    pub(crate) fn clear(&self) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.clear();
    }
}

/// The header fields as they may be kept.
pub(crate) fn redacted_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            let kept = match name.as_str() {
                "authorization" => redacted_authorization(&value),
                name if SECRET_HEADERS.contains(&name) => "present".into(),
                _ => value.into_owned(),
            };
            (name.as_str().to_owned(), kept)
        })
        .collect()
}

/// The query as it may be kept.
pub(crate) fn redacted_query(query: &str) -> String {
    query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if SECRET_PARAMETERS.contains(&name) => format!("{name}=present"),
            _ => pair.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("&")
}

/// The scheme, and of an AWS signature the region and service it was made for.
fn redacted_authorization(value: &str) -> String {
    let scheme = value.split(' ').next().unwrap_or_default();
    let scope = value
        .split_once("Credential=")
        .and_then(|(_, credential)| credential.split(',').next())
        .map(|credential| credential.split('/').skip(2).take(2).collect::<Vec<_>>());
    match scope {
        Some(scope) => format!("{scheme} {}", scope.join("/")),
        None => format!("{scheme} present"),
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::{AUTHORIZATION, COOKIE, HeaderValue};

    use super::*;

    #[test]
    fn a_credential_is_never_kept() {
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, HeaderValue::from_static("Basic c2VjcmV0"));
        headers.append(
            AUTHORIZATION,
            HeaderValue::from_static("AWS4-HMAC-SHA256 Credential=AKIDSECRET/20260101/eu-west-1/kms/aws4_request, SignedHeaders=host, Signature=c2VjcmV0"),
        );
        headers.append(COOKIE, HeaderValue::from_static("c2VjcmV0"));
        let kept = redacted_headers(&headers);
        let values: Vec<_> = kept.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(
            values,
            ["Basic present", "AWS4-HMAC-SHA256 eu-west-1/kms", "present"]
        );
    }

    #[test]
    fn a_presigned_query_loses_its_signature() {
        assert_eq!(
            redacted_query("X-Amz-Expires=60&X-Amz-Signature=c2VjcmV0&n=5"),
            "X-Amz-Expires=60&X-Amz-Signature=present&n=5"
        );
    }
}

//! The lies that the stand-in can be told to tell, one by one and by name. Pushed by tests as part of a fault, applied
//! to the honest answer of whichever service was called. Never told unasked.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::{
    answer::{Answer, Delivery},
    services::Asked,
    sts,
};

/// One way of not answering honestly.
#[derive(Clone, Debug)]
pub enum Lie {
    /// Announces this length, sends the honest body, closes.
    Announce(u64),
    /// Answers as though another path (with its query) had been asked: a moved tag, another object's bytes.
    AnswerAs(String),
    /// Sends another body, with its own length.
    Body(Bytes),
    /// Sends one byte at a time.
    Drip {
        /// The pause before each byte.
        every: Duration,
        /// Where the dripping begins.
        part: Part,
    },
    /// Sends the body, and then spaces until the client has had enough.
    Endless,
    /// Says of each page of a list that there is another.
    EndlessPages,
    /// Changes the byte at this position of the body.
    FlipByte(usize),
    /// Changes the last byte of a KMS signature, which stays well-formed.
    FlipSignature,
    /// Sets a header field to a value that may be false, or not even a header value.
    Header(String, String),
    /// Answers this and does nothing: the request has no effect.
    Instead {
        /// The status.
        status: u16,
        /// The header fields.
        headers: Vec<(String, String)>,
        /// The body.
        body: Bytes,
    },
    /// Puts so many referrers that do not exist before the honest ones of each page.
    JunkReferrers(usize),
    /// Sets a member of a JSON answer to another value, written as JSON.
    Member(String, String),
    /// Leaves the referrer with this digest out of the list.
    OmitReferrer(String),
    /// Resets the connection after so many bytes of the body.
    ResetAfter(usize),
    /// Takes the request and never answers.
    Silence,
    /// Leaves a header field out.
    WithoutHeader(String),
}

/// A part of an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// What comes after the header fields.
    Body,
    /// The status line and the header fields.
    Head,
}

impl Lie {
    /// A failed request, with the error that an OCI registry would give.
    pub fn status(status: u16) -> Self {
        let code = match status {
            401 => "UNAUTHORIZED",
            403 => "DENIED",
            404 => "NAME_UNKNOWN",
            405 => "UNSUPPORTED",
            429 => "TOOMANYREQUESTS",
            _ => "UNKNOWN",
        };
        let document =
            json!({"errors": [{"code": code, "message": format!("told to answer {status}")}]});
        Self::instead(Answer::json(status, &document))
    }

    /// A registry's 429 with `Retry-After`, which need not be a number.
    pub fn throttled(retry_after: &str) -> Self {
        let document = json!({"errors": [{"code": "TOOMANYREQUESTS", "message": "Rate exceeded"}]});
        Self::instead(Answer::json(429, &document).with("Retry-After", retry_after))
    }

    /// A redirect (301, 302, 307, 308) to another address.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::instead(Answer::new(status).with("Location", location))
    }

    /// A 401 that asks for a login as this challenge says, such as `Bearer realm="https://elsewhere/"`.
    pub fn challenge(challenge: &str) -> Self {
        Self::instead(Answer::text(401, "").with("WWW-Authenticate", challenge))
    }

    /// An error of KMS or the ECR API: its status, its name and its message.
    pub fn aws_error(status: u16, name: &str, message: &str) -> Self {
        let document = json!({"__type": name, "message": message});
        Self::instead(Answer::json(status, &document).with("x-amzn-ErrorType", name))
    }

    /// An error of STS, which writes XML: its status, its code and its message.
    pub fn sts_error(status: u16, code: &str, message: &str) -> Self {
        Self::instead(sts::error(status, code, message))
    }

    /// KMS's throttling, which is an HTTP 400.
    pub fn kms_throttled() -> Self {
        let message = "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.";
        Self::aws_error(400, "ThrottlingException", message)
    }

    fn instead(answer: Answer) -> Self {
        Self::Instead {
            status: answer.status,
            headers: answer.headers,
            body: answer.body,
        }
    }

    /// Changes what is asked, or answers in place of the service.
    pub(crate) fn ask(&self, asked: &mut Asked) -> Option<Answer> {
        match self {
            Self::AnswerAs(target) => {
                let (path, query) = target.split_once('?').unwrap_or((target, ""));
                (asked.path, asked.query) = (path.into(), query.into());
                None
            }
            Self::Instead {
                status,
                headers,
                body,
            } => Some(Answer {
                status: *status,
                headers: headers.clone(),
                body: body.clone(),
                delivery: Delivery::Honest,
            }),
            _ => None,
        }
    }

    /// Changes the answer.
    pub(crate) fn tell(&self, answer: &mut Answer, asked: &Asked) {
        match self {
            Self::Announce(length) => {
                answer.set_header("Content-Length", &length.to_string());
                answer.delivery = Delivery::Raw;
            }
            Self::AnswerAs(_) | Self::Instead { .. } => {}
            Self::Body(body) => answer.body = body.clone(),
            Self::Drip { every, part } => {
                answer.delivery = Delivery::Drip {
                    every: *every,
                    part: *part,
                };
            }
            Self::Endless => answer.delivery = Delivery::Endless,
            Self::EndlessPages => answer.set_header("Link", &another_page(asked)),
            Self::FlipByte(position) => flip(answer, *position),
            Self::FlipSignature => answer.edit(flip_signature),
            Self::Header(name, value) => answer.set_header(name, value),
            Self::JunkReferrers(count) => answer.edit(|index| add_junk(index, *count)),
            Self::Member(name, value) => answer.edit(|document| set_member(document, name, value)),
            Self::OmitReferrer(digest) => answer.edit(|index| omit(index, digest)),
            Self::ResetAfter(bytes) => answer.delivery = Delivery::ResetAfter(*bytes),
            Self::Silence => answer.delivery = Delivery::Silence,
            Self::WithoutHeader(name) => answer.remove_header(name),
        }
    }
}

fn another_page(asked: &Asked) -> String {
    let page = form_urlencoded::parse(asked.query.as_bytes())
        .find_map(|(name, value)| (name == "page").then(|| value.parse::<u64>().ok())?)
        .unwrap_or(1);
    format!("<{}?page={}>; rel=\"next\"", asked.path, page + 1)
}

fn flip(answer: &mut Answer, position: usize) {
    let mut body = answer.body.to_vec();
    if let Some(byte) = body.get_mut(position) {
        *byte ^= 1;
    }
    answer.body = body.into();
}

fn flip_signature(document: &mut Value) {
    let Some(member) = document.get_mut("Signature") else {
        return;
    };
    let decoded = member.as_str().and_then(|text| STANDARD.decode(text).ok());
    if let Some(mut signature) = decoded {
        if let Some(byte) = signature.last_mut() {
            *byte ^= 1;
        }
        *member = STANDARD.encode(signature).into();
    }
}

fn add_junk(index: &mut Value, count: usize) {
    if let Some(manifests) = index.get_mut("manifests").and_then(Value::as_array_mut) {
        manifests.splice(0..0, (0..count).map(junk_referrer));
    }
}

fn junk_referrer(number: usize) -> Value {
    let name = digest(&SHA256, &number.to_be_bytes());
    json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": format!("sha256:{}", hex::encode(name)),
        "size": 512,
        "artifactType": "application/vnd.example.junk",
    })
}

fn set_member(document: &mut Value, name: &str, value: &str) {
    if let Value::Object(members) = document {
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        members.insert(name.into(), value);
    }
}

fn omit(index: &mut Value, digest: &str) {
    if let Some(manifests) = index.get_mut("manifests").and_then(Value::as_array_mut) {
        manifests.retain(|descriptor| descriptor.get("digest") != Some(&digest.into()));
    }
}

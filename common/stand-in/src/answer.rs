//! An answer before it is on the wire: what every service gives, and what a lie changes. Never decides what is true.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Response, StatusCode,
    header::{HeaderName, HeaderValue},
};
use serde_json::Value;

use crate::lies::Part;

/// A status, header fields, a body, and how they are delivered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    // Text and not `HeaderValue`, because some lies are not valid header values.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    pub(crate) delivery: Delivery,
}

/// How an answer goes onto the wire.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Delivery {
    Drip {
        every: Duration,
        part: Part,
    },
    Endless,
    #[default]
    Honest,
    /// Header fields that no HTTP library would send, such as a length that is not the body's.
    Raw,
    ResetAfter(usize),
    Silence,
}

impl Answer {
    pub(crate) fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
            delivery: Delivery::Honest,
        }
    }

    pub(crate) fn json(status: u16, document: &Value) -> Self {
        Self::new(status)
            .with("Content-Type", "application/json")
            .body(document.to_string())
    }

    pub(crate) fn text(status: u16, text: &str) -> Self {
        Self::new(status)
            .with("Content-Type", "text/plain; charset=utf-8")
            .body(text.to_owned())
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn body(self, body: impl Into<Bytes>) -> Self {
        Self {
            body: body.into(),
            ..self
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self
            .headers
            .iter()
            .find(|(header, _)| header.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    pub(crate) fn set_header(&mut self, name: &str, value: &str) {
        self.remove_header(name);
        self.headers.push((name.into(), value.into()));
    }

    pub(crate) fn remove_header(&mut self, name: &str) {
        self.headers
            .retain(|(header, _)| !header.eq_ignore_ascii_case(name));
    }

    /// Changes a JSON body; another body stays as it is.
    pub(crate) fn edit(&mut self, change: impl FnOnce(&mut Value)) {
        if let Ok(mut document) = serde_json::from_slice(&self.body) {
            change(&mut document);
            self.body = document.to_string().into();
        }
    }

    /// The answer without its body where the method has none, announcing the length all the same.
    pub(crate) fn to(mut self, method: &Method) -> Self {
        if *method == Method::HEAD {
            let length = std::mem::take(&mut self.body).len();
            if self.header("Content-Length").is_none() {
                self.set_header("Content-Length", &length.to_string());
            }
        }
        self
    }

    /// The answer for an HTTP library; `None` if no library would send it.
    pub(crate) fn response(&self) -> Option<Response<Full<Bytes>>> {
        if self.delivery != Delivery::Honest {
            return None;
        }
        let mut response = Response::new(Full::new(self.body.clone()));
        *response.status_mut() = StatusCode::from_u16(self.status).ok()?;
        for (name, value) in &self.headers {
            response.headers_mut().append(
                name.parse::<HeaderName>().ok()?,
                value.parse::<HeaderValue>().ok()?,
            );
        }
        Some(response)
    }
}

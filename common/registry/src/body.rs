//! Reads answers: never more than was allowed before, never anything compressed.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use countersign_common::{
    Escaped,
    registry::{Failure, Refusal},
};
use futures_util::StreamExt;
use reqwest::{Response, header::CONTENT_ENCODING};

use crate::{place::Place, throttling};

/// Refuses what would unpack to more than it is: we never ask for compression.
pub(crate) fn check_encoding(response: &Response, place: &Place) -> Result<(), Failure> {
    check_identity(response).map_err(|encoding| {
        Failure::Refusal(Refusal::FormatNotAllowed {
            registry: place.registry.clone(),
            path: place.path.clone(),
            format: format!("Content-Encoding {encoding}"),
        })
    })
}

fn check_identity(response: &Response) -> Result<(), String> {
    let mut encodings = response.headers().get_all(CONTENT_ENCODING).iter();
    match encodings.find(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        Some(encoding) => Err(String::from_utf8_lossy(encoding.as_bytes()).into_owned()),
        None => Ok(()),
    }
}

/// The whole body, if it has at most `limit` bytes.
pub(crate) async fn read(
    response: Response,
    limit: usize,
    place: &Place,
) -> Result<Bytes, Failure> {
    let too_large = || {
        Failure::Refusal(Refusal::TooLarge {
            registry: place.registry.clone(),
            path: place.path.clone(),
            limit: limit as u64,
        })
    };
    check_encoding(&response, place)?;
    if response
        .content_length()
        .is_some_and(|length| length > limit as u64)
    {
        return Err(too_large());
    }
    // At once: a buffer that grows has room for twice as much in the end, and holds it.
    let length = response.content_length().unwrap_or_default();
    let mut body = BytesMut::with_capacity(usize::try_from(length).unwrap_or_default());
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| Failure::Error(place.broken(error)))?;
        if body.len() + piece.len() > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

/// How fast a body comes that is too long for a deadline.
#[derive(Debug)]
pub(crate) struct Pace {
    began: Instant,
    bytes: u64,
    window: Duration,
}

/// Bytes a second, at the least: whoever drips a layer holds what waits for it.
const LEAST_RATE: u64 = 8 << 10;

impl Pace {
    pub(crate) fn new(now: Instant, window: Duration) -> Self {
        Self {
            began: now,
            bytes: 0,
            window,
        }
    }

    /// Counts a piece. `false` if a whole window has brought too little.
    pub(crate) fn keeps_up(&mut self, now: Instant, piece: usize) -> bool {
        self.bytes += piece as u64;
        let elapsed = now.saturating_duration_since(self.began);
        if elapsed < self.window {
            return true;
        }
        let is_enough =
            u128::from(self.bytes) * 1_000 >= u128::from(LEAST_RATE) * elapsed.as_millis();
        *self = Self::new(now, self.window);
        is_enough
    }
}

/// Why what an error says was not read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    #[error("what it says broke off")]
    Broken(#[source] reqwest::Error),
    #[error("what it says is compressed (`{}`), for which nobody asked", Escaped(.0))]
    Compressed(String),
    #[error("what it says came too slowly")]
    Late,
    #[error("what it says is longer than {0} bytes")]
    TooLong(usize),
}

/// Reads what an error's body says: OCI's JSON, or else its text, as far as it comes in this time.
///
/// Of what is not read to its end the status alone says what happened, so that a proxy's long page about a failing registry
/// does not become a refusal. Only whoever would take the error for an absence must have read all of it.
pub(crate) async fn keep_error(
    response: &mut Response,
    limit: usize,
    time: Duration,
) -> Result<(), Unread> {
    if !response.status().is_client_error() && !response.status().is_server_error() {
        return Ok(());
    }
    check_identity(response).map_err(Unread::Compressed)?;
    let mut body = BytesMut::new();
    let read = tokio::time::timeout(time, read_error(response, limit, &mut body)).await;
    response.extensions_mut().insert(ErrorBody::parse(&body));
    read.unwrap_or(Err(Unread::Late))
}

/// What an answer said that is an error; nothing of any other.
pub(crate) fn said(response: &Response) -> ErrorBody {
    let said = response.extensions().get::<ErrorBody>();
    said.cloned().unwrap_or_default()
}

async fn read_error(
    response: &mut Response,
    limit: usize,
    body: &mut BytesMut,
) -> Result<(), Unread> {
    while let Some(piece) = response.chunk().await.map_err(Unread::Broken)? {
        let room = limit - body.len();
        if piece.len() > room {
            body.extend_from_slice(piece.get(..room).unwrap_or_default());
            return Err(Unread::TooLong(limit));
        }
        body.extend_from_slice(&piece);
    }
    Ok(())
}

/// An error as a registry tells it
/// ([OCI distribution specification, error codes](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes)).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct ErrorBody {
    pub(crate) code: String,
    pub(crate) message: String,
}

impl ErrorBody {
    pub(crate) fn parse(body: &[u8]) -> Self {
        #[derive(serde::Deserialize)]
        struct Document {
            errors: Vec<Entry>,
        }
        #[derive(serde::Deserialize)]
        struct Entry {
            #[serde(default)]
            code: String,
            #[serde(default)]
            message: String,
        }
        let parsed = countersign_common::json::from_slice::<Document>(
            body,
            &countersign_common::Limits::TABLE,
        );
        let mut errors = parsed.map_or_else(|_| Vec::new(), |document| document.errors);
        // Whatever else is wrong may be so because of it.
        let throttles = |entry: &Entry| entry.code == throttling::OCI_CODE;
        let told = errors.iter().position(throttles).unwrap_or_default();
        if let Some(entry) = errors.drain(..).nth(told) {
            return Self {
                message: format!("{} {}", entry.code, entry.message)
                    .trim()
                    .to_owned(),
                code: entry.code,
            };
        }
        let message = String::from_utf8_lossy(body).trim().to_owned();
        // What is no such document may say so all the same; no repository's name looks like it.
        let told = Some(throttling::OCI_CODE).filter(|code| message.contains(*code));
        Self {
            code: told.unwrap_or_default().to_owned(),
            message,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_keeps_up_or_is_given_up_after_each_window() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let least = usize::try_from(LEAST_RATE).unwrap();
        let pace = || Pace::new(start, Duration::from_secs(2));
        assert!(pace().keeps_up(after(1), 0), "the window is not over");
        assert!(pace().keeps_up(after(2), 2 * least));
        assert!(!pace().keeps_up(after(2), 2 * least - 1));
        let mut slowing = pace();
        assert!(slowing.keeps_up(after(2), 100 * least));
        assert!(slowing.keeps_up(after(3), 1));
        assert!(
            !slowing.keeps_up(after(4), 1),
            "a fast start pays for nothing"
        );
    }
}

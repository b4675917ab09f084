//! Whether an answer throttles, and how long it asks to wait
//! ([RFC 9110 section 10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)).
//!
//! Used for each answer of a registry, a login realm, a time-stamp authority, one of AWS's APIs. Never decides what follows from it.

use std::time::{Duration, SystemTime};

use aws_sdk_ecr::config::http::HttpResponse;
use reqwest::{
    Response, StatusCode,
    header::{DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
};

use crate::{body, pacing::Again};

/// How OCI's registries call it, some of them and some proxies under other statuses than its own.
pub(crate) const OCI_CODE: &str = "TOOMANYREQUESTS";

/// What to do about an answer that throttles.
pub(crate) fn of(response: &Response) -> Option<Again> {
    let (headers, now) = (response.headers(), SystemTime::now());
    if body::said(response).code == OCI_CODE {
        return Some(Again::Throttled(retry_after(headers, now)));
    }
    throttles(response.status(), headers, now)
}

/// What to do about an answer of one of AWS's APIs, or of something before it, that throttles by its status.
pub(crate) fn of_aws(answer: &HttpResponse) -> Option<Again> {
    let header = |name: HeaderName| {
        let value = answer.headers().get(name.as_str())?;
        Some((name, HeaderValue::from_str(value).ok()?))
    };
    let headers = [DATE, RETRY_AFTER].into_iter().filter_map(header).collect();
    let status = StatusCode::from_u16(answer.status().as_u16()).ok()?;
    throttles(status, &headers, SystemTime::now())
}

/// A 503 alone says that the server fails; with a time to come back, that it is asked too much.
fn throttles(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Option<Again> {
    let after = retry_after(headers, now);
    let is_throttling = status == StatusCode::TOO_MANY_REQUESTS
        || (status == StatusCode::SERVICE_UNAVAILABLE && after.is_some());
    is_throttling.then_some(Again::Throttled(after))
}

fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that does not fit is a long time all the same.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    // By the clock of whoever said it, which need not be ours.
    let now = date(headers, DATE).unwrap_or(now);
    Some(until.duration_since(now).unwrap_or_default())
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1994-11-06 08:49:37, the moment of RFC 9110's examples.
    const THEN: u64 = 784_111_777;

    fn told(status: u16, retry_after: &'static str) -> Option<Again> {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(retry_after))]);
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(THEN - 7);
        throttles(StatusCode::from_u16(status).unwrap(), &headers, now)
    }

    fn after(seconds: u64) -> Again {
        Again::Throttled(Some(Duration::from_secs(seconds)))
    }

    #[test]
    fn every_form_of_a_time_to_come_back_is_read() {
        for (text, seconds) in [
            ("0", 0),
            ("120", 120),
            (" 7 ", 7),
            ("18446744073709551615", u64::MAX),
            ("99999999999999999999999999", u64::MAX),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 7),
            ("Sunday, 06-Nov-94 08:49:37 GMT", 7),
            ("Sun Nov  6 08:49:37 1994", 7),
            ("Sun, 06 Nov 1994 08:49:30 GMT", 0),
            ("Sat, 05 Nov 1994 08:49:37 GMT", 0),
        ] {
            assert_eq!(told(429, text), Some(after(seconds)), "{text}");
            assert_eq!(told(503, text), Some(after(seconds)), "{text}");
            for status in [200, 400, 403, 404, 500, 502, 504] {
                assert_eq!(told(status, text), None, "{status} {text}");
            }
        }
        for text in [
            "",
            "soon",
            "-1",
            "1.5",
            "0x7",
            "+7",
            "765.4us",
            "Sun, 99 Nov 1994",
        ] {
            assert_eq!(told(429, text), Some(Again::Throttled(None)), "{text}");
            assert_eq!(told(503, text), None, "{text}");
        }
    }

    #[test]
    fn a_date_is_by_the_clock_of_whoever_said_it() {
        let headers = HeaderMap::from_iter([
            (
                RETRY_AFTER,
                HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"),
            ),
            (
                DATE,
                HeaderValue::from_static("Sun, 06 Nov 1994 08:49:34 GMT"),
            ),
        ]);
        let throttled = throttles(
            StatusCode::TOO_MANY_REQUESTS,
            &headers,
            SystemTime::UNIX_EPOCH,
        );
        assert_eq!(throttled, Some(after(3)));
    }
}

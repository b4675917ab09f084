//! What the environment says about the way out: proxies, and whose certificates are trusted.

use std::{env, path::Path};

use countersign_common::Escaped;
use url::Url;

use crate::command::doctor::{code, finding::Finding};

const PROXIES: [&str; 6] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
];
const CERTIFICATES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

pub(in crate::command::doctor) fn check() -> Vec<Finding> {
    let code = code::NETWORK;
    let mut findings: Vec<_> = PROXIES
        .into_iter()
        .filter_map(|name| Some((name, set(name)?)))
        .map(|(name, value)| proxy(name, &value))
        .collect();
    for name in CERTIFICATES {
        let Some(path) = set(name) else { continue };
        let shown = Escaped(&path).to_string();
        findings.push(match Path::new(&path).metadata() {
            Ok(_) => Finding::ok(
                code,
                format!("`{name}` names the trusted certificates: {shown}"),
            ),
            Err(error) => Finding::problem(
                code,
                format!("`{name}` names {shown}, which cannot be read: {error}"),
                "correct the variable, or unset it: nobody's certificate is trusted by it",
            ),
        });
    }
    if set("AWS_CA_BUNDLE").is_some() && set("SSL_CERT_FILE").is_none() {
        findings.push(Finding::note(
            code,
            "`AWS_CA_BUNDLE` is set, which is for other tools: AWS is reached here by the system's certificates",
            "set `SSL_CERT_FILE` to the same file, if AWS is reached through a proxy that opens TLS",
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(
            code,
            "no proxy and no other certificates are set",
        ));
    }
    findings
}

fn set(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Its host and port alone: the rest may be a password.
fn proxy(name: &str, value: &str) -> Finding {
    let with_scheme = if value.contains("://") {
        value.to_owned()
    } else {
        format!("http://{value}")
    };
    match Url::parse(&with_scheme) {
        Ok(url) if url.has_host() => {
            let host = url.host_str().unwrap_or_default();
            let port = url.port().map(|port| format!(":{port}"));
            let sentence = format!(
                "the proxy of `{name}` is {}{}",
                Escaped(host),
                port.unwrap_or_default()
            );
            Finding::ok(code::NETWORK, sentence)
        }
        _ => Finding::problem(
            code::NETWORK,
            format!("`{name}` names no proxy"),
            "write it as http://HOST:PORT, or unset it",
        ),
    }
}

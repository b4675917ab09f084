//! Image references: one canonical form, used for the network and for every comparison of trust.
//!
//! Parsed once, at the edge of the command. Anything doubtful is refused here, so that no two parts of the program can
//! read one text as two places.

mod layout;

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use serde::{Serialize, Serializer};

pub use self::layout::LayoutRef;
use crate::{Code, Digest, Explain};

/// Docker Hub's name in references.
const DOCKER_HUB: &str = "docker.io";
/// A repository's path with its slashes, as Docker's registries bound it.
const PATH_LENGTH: usize = 255;
const TAG_LENGTH: usize = 128;
/// Longer than any reference can be.
const REFERENCE_LENGTH: usize = 1_024;

/// A repository in its canonical form: `host[:port]/path`, lower case, without the default port 443,
/// `docker.io/library/` written out.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Repository {
    /// A DNS name, an IPv4 address, or an IPv6 address in brackets.
    host: String,
    port: Option<u16>,
    path: String,
}

impl Repository {
    /// Parses the name of a repository alone: `[host[:port]/]path`.
    pub fn parse(text: &str) -> Result<Self, ReferenceInvalid> {
        let parsed = match text {
            _ if text.len() > REFERENCE_LENGTH => Err(Reason::TooLong),
            _ if text.contains("://") => Err(Reason::Scheme),
            _ if text.contains('@') || split_tag(text).1.is_some() => Err(Reason::NotAlone),
            _ => repository(text),
        };
        parsed.map_err(|reason| ReferenceInvalid::new(text, reason))
    }

    /// The host, without a port; an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, unless it is 443.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The registry: host and port as they are written.
    pub fn registry(&self) -> String {
        self.port
            .map_or_else(|| self.host.clone(), |port| format!("{}:{port}", self.host))
    }

    /// The path below the registry, such as `library/nginx`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether the registry is this machine: `localhost`, 127.0.0.0/8 or `::1`.
    pub fn is_loopback(&self) -> bool {
        let address = self.host.trim_start_matches('[').trim_end_matches(']');
        self.host == "localhost"
            || address
                .parse::<Ipv4Addr>()
                .is_ok_and(|address| address.is_loopback())
            || address
                .parse::<Ipv6Addr>()
                .is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry(), self.path)
    }
}

impl Serialize for Repository {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A reference to an image: a repository and what in it.
///
/// With a digest, the digest alone decides; a tag beside it is only shown, as in every runtime.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ImageRef {
    repository: Repository,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl ImageRef {
    /// Parses a reference as people write it: `[host[:port]/]path[:tag][@digest]`.
    ///
    /// `nginx` is `docker.io/library/nginx:latest`.
    pub fn parse(text: &str) -> Result<Self, ReferenceInvalid> {
        parse(text).map_err(|reason| ReferenceInvalid::new(text, reason))
    }

    /// Names a manifest in a repository by its digest alone.
    pub fn by_digest(repository: &Repository, digest: &Digest) -> Self {
        Self {
            repository: repository.clone(),
            tag: None,
            digest: Some(digest.clone()),
        }
    }

    /// The repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The tag; `latest` if neither tag nor digest was given, unless it is in a layout, where that is its only image.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one was given.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.repository, f)?;
        self.tag.iter().try_for_each(|tag| write!(f, ":{tag}"))?;
        self.digest
            .iter()
            .try_for_each(|digest| write!(f, "@{digest}"))
    }
}

impl FromStr for ImageRef {
    type Err = ReferenceInvalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Serialize for ImageRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn parse(text: &str) -> Result<ImageRef, Reason> {
    if text.len() > REFERENCE_LENGTH {
        return Err(Reason::TooLong);
    }
    if text.contains("://") {
        return Err(Reason::Scheme);
    }
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (
            name,
            Some(Digest::parse(digest).map_err(|_| Reason::Digest)?),
        ),
        None => (text, None),
    };
    let (name, tag) = split_tag(name);
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Err(Reason::Tag);
    }
    let tag = tag.or(if digest.is_none() {
        Some("latest")
    } else {
        None
    });
    Ok(ImageRef {
        repository: repository(name)?,
        tag: tag.map(str::to_owned),
        digest,
    })
}

/// The tag begins at a colon behind the last slash; a colon before it is a port's.
fn split_tag(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') && !before.is_empty() => (before, Some(tag)),
        _ => (name, None),
    }
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= TAG_LENGTH
        && tag.bytes().next().is_some_and(word)
        && tag
            .bytes()
            .all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

fn repository(name: &str) -> Result<Repository, Reason> {
    let (registry, path) = match name.split_once('/') {
        Some((first, rest)) if names_a_registry(first) => (first, rest),
        _ => (DOCKER_HUB, name),
    };
    let (host, port) = split_port(registry)?;
    let host = match host.to_ascii_lowercase() {
        host if host == "index.docker.io" || host == "registry-1.docker.io" => {
            DOCKER_HUB.to_owned()
        }
        host if is_host(&host) => host,
        _ => return Err(Reason::Host),
    };
    let path = if host == DOCKER_HUB && port.is_none() && !path.contains('/') {
        format!("library/{path}")
    } else {
        path.to_owned()
    };
    if path.len() <= PATH_LENGTH && path.split('/').all(is_path_component) {
        Ok(Repository {
            host: canonical_address(host),
            port,
            path,
        })
    } else {
        Err(Reason::Path)
    }
}

/// Docker's rule: a first component is a registry if it could not be a path, or is `localhost`.
fn names_a_registry(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':'])
}

fn split_port(registry: &str) -> Result<(&str, Option<u16>), Reason> {
    let (host, port) = match registry.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => return Ok((registry, None)),
    };
    // One spelling a port: `0443` and `+443` are 443 to some parsers.
    if port.starts_with('0') || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Reason::Port);
    }
    let port: u16 = port.parse().map_err(|_| Reason::Port)?;
    Ok((host, Some(port).filter(|port| *port != 443)))
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let numeric = |label: &str| {
        label.bytes().all(|byte| byte.is_ascii_digit())
            || label
                .strip_prefix("0x")
                .is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    // `0x7f.1`, `127.1` and `2130706433` are 127.0.0.1 to URL parsers and to resolvers.
    if host.rsplit('.').next().is_some_and(numeric) {
        return host.parse::<Ipv4Addr>().is_ok();
    }
    host.len() <= 253 && host.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase() || byte == b'-')
}

/// IPv6 has many spellings of one address.
fn canonical_address(host: String) -> String {
    let address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    match address.and_then(|address| address.parse::<Ipv6Addr>().ok()) {
        Some(address) => format!("[{address}]"),
        None => host,
    }
}

/// Runs of lower-case letters and digits, joined by one `.`, one or two `_`, or any number of `-`.
fn is_path_component(component: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
    let separators = component
        .split(|c: char| c.is_ascii() && word(c as u8))
        .filter(|run| !run.is_empty());
    component.bytes().next().is_some_and(word)
        && component.bytes().last().is_some_and(word)
        && separators
            .into_iter()
            .all(|run| matches!(run, "." | "_" | "__") || run.bytes().all(|byte| byte == b'-'))
}

/// The text is not a reference, or could be read in two ways.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{}` is not an image reference: {reason}", crate::Escaped(text))]
pub struct ReferenceInvalid {
    text: String,
    reason: Reason,
}

impl ReferenceInvalid {
    /// The code of every refused reference.
    pub const CODE: Code = Code::new("reference-invalid");

    fn new(text: &str, reason: Reason) -> Self {
        Self {
            text: text.chars().take(REFERENCE_LENGTH).collect(),
            reason,
        }
    }
}

impl Explain for ReferenceInvalid {
    fn code(&self) -> Code {
        Self::CODE
    }

    fn remedy(&self) -> String {
        match self.reason {
            Reason::NotAlone => "write the repository alone: `host/path`, such as `registry.example/shop/api`",
            _ => {
                "write `host/path:tag` or `host/path@sha256:…`, such as `registry.example/shop/api:1.4.2`; an image in a layout is `oci:FOLDER:tag` or `oci:FOLDER@sha256:…`"
            }
        }
        .to_owned()
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
enum Reason {
    #[error(
        "what follows `@` is no digest; it must be `sha256:` and 64 lower-case hexadecimal digits"
    )]
    Digest,
    #[error("the registry is neither a host name nor an address")]
    Host,
    #[error("it names no folder")]
    Layout,
    #[error("it names more than a repository")]
    NotAlone,
    #[error(
        "the repository's path may have lower-case letters and digits, joined by `.`, `_`, `__` or `-`, and at most 255 characters"
    )]
    Path,
    #[error("its path is longer than 4,096 bytes")]
    PathTooLong,
    #[error("the port is not a number from 1 to 65535")]
    Port,
    #[error("it names a scheme; a reference has none")]
    Scheme,
    #[error("the tag may have letters, digits, `_`, `.` and `-`, and at most 128 characters")]
    Tag,
    #[error("it is longer than 1,024 characters")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn canonical(text: &str) -> String {
        ImageRef::parse(text).unwrap().to_string()
    }

    #[test]
    fn short_names_are_written_out() {
        assert_eq!(canonical("nginx"), "docker.io/library/nginx:latest");
        assert_eq!(canonical("nginx:1.27"), "docker.io/library/nginx:1.27");
        assert_eq!(canonical("team/app"), "docker.io/team/app:latest");
        assert_eq!(
            canonical("index.docker.io/nginx"),
            "docker.io/library/nginx:latest"
        );
        assert_eq!(
            canonical("Docker.IO/library/nginx"),
            "docker.io/library/nginx:latest"
        );
        assert_eq!(canonical("localhost/app"), "localhost/app:latest");
    }

    #[test]
    fn one_place_has_one_name() {
        assert_eq!(
            canonical("registry.example:443/app:1"),
            "registry.example/app:1"
        );
        assert_eq!(
            canonical("REGISTRY.example/app:V1"),
            "registry.example/app:V1"
        );
        assert_eq!(canonical("[0:0::1]:5000/app:1"), "[::1]:5000/app:1");
        assert_eq!(
            canonical("127.0.0.1:5000/a/b-c__d.e:1"),
            "127.0.0.1:5000/a/b-c__d.e:1"
        );
    }

    #[test]
    fn a_digest_stands_beside_a_tag_or_alone() {
        let digest = Digest::sha256(b"");
        let both = ImageRef::parse(&format!("registry.example/app:1@{digest}")).unwrap();
        assert_eq!((both.tag(), both.digest()), (Some("1"), Some(&digest)));
        let alone = ImageRef::parse(&format!("registry.example/app@{digest}")).unwrap();
        assert_eq!((alone.tag(), alone.digest()), (None, Some(&digest)));
    }

    #[test]
    fn anything_doubtful_is_refused() {
        let upper = format!("registry.example/app@sha256:{}", "A".repeat(64));
        let long_tag = format!("registry.example/app:{}", "t".repeat(129));
        let long_path = format!("registry.example/{}", "p".repeat(256));
        let long_text = "a".repeat(1 << 20);
        for text in [
            "",
            " ",
            ":",
            "@",
            "app:",
            "app@",
            "app@sha256:abc",
            "registry.example/",
            "/app",
            "registry.example//app",
            "registry.example/app/",
            "registry.example/../app",
            "registry.example/App",
            "registry.example/app:ta g",
            "registry.example/app:-tag",
            "registry.example/app:t\u{0430}g",
            "registry.ex\u{0430}mple/app",
            "registry.example./app",
            ".registry.example/app",
            "registry..example/app",
            "-registry.example/app",
            "user@registry.example/app",
            "user:pass@registry.example/app",
            "https://registry.example/app",
            "registry.example:0/app",
            "registry.example:0443/app",
            "registry.example:99999/app",
            "registry.example:+443/app",
            "registry.example:/app",
            "registry.example:5000/",
            "0x7f.1/app",
            "127.1/app",
            "127.0.0.1.2/app",
            "2130706433:5000/app",
            "1.2.3.256/app",
            "[::1/app",
            "[fe80::1%eth0]/app",
            "app___x",
            "app..x",
            "app-",
            "app\0",
            "app\n",
            "--help",
            &upper,
            &long_tag,
            &long_path,
            &long_text,
        ] {
            let error = ImageRef::parse(text).unwrap_err();
            assert_eq!(error.code(), ReferenceInvalid::CODE, "{text:.80}");
        }
    }

    #[test]
    fn a_repository_stands_alone() {
        let parse = |text: &str| Repository::parse(text).map(|parsed| parsed.to_string());
        assert_eq!(parse("app").unwrap(), "docker.io/library/app");
        assert_eq!(
            parse("registry.example:443/a/b").unwrap(),
            "registry.example/a/b"
        );
        assert_eq!(parse("[::1]:5000/a").unwrap(), "[::1]:5000/a");
        let pinned = format!("registry.example/app@{}", Digest::sha256(b""));
        let long = format!("registry.example/{}", "a/".repeat(600));
        for text in [
            "",
            "app:1",
            "registry.example/app:1",
            "https://registry.example/app",
            &pinned,
            &long,
        ] {
            assert_eq!(
                parse(text).unwrap_err().code(),
                ReferenceInvalid::CODE,
                "{text:.80}"
            );
        }
    }

    #[test]
    fn limits_hold_at_their_edges() {
        canonical(&format!("registry.example/app:{}", "t".repeat(128)));
        canonical(&format!("registry.example/{}", "p".repeat(255)));
    }

    #[test]
    fn loopback_is_this_machine_and_nothing_else() {
        let is = |text: &str| ImageRef::parse(text).unwrap().repository().is_loopback();
        assert!(is("localhost/a") && is("localhost:5000/a") && is("127.0.0.2/a") && is("[::1]/a"));
        assert!(
            !is("localhost.example/a")
                && !is("128.0.0.1/a")
                && !is("[::2]/a")
                && !is("127.0.0.1.example/a")
        );
    }

    proptest! {
        #[test]
        fn the_canonical_form_is_its_own(text in "[a-zA-Z0-9.:/@_\\[\\]-]{0,60}") {
            if let Ok(reference) = ImageRef::parse(&text) {
                let shown = reference.to_string();
                prop_assert_eq!(ImageRef::parse(&shown).unwrap(), reference, "{}", shown);
            }
        }

        #[test]
        fn any_text_is_answered_without_a_panic(text: String) {
            let _ = ImageRef::parse(&text);
        }
    }
}

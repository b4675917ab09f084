//! How people name a KMS key: `awskms://…`, an ARN, or an alias.
//!
//! Parsed once, where the command reads its arguments. Nothing is looked up here.

use std::{fmt, net::Ipv6Addr, str::FromStr};

use countersign_common::{Code, Explain};

const SCHEME: &str = "awskms://";
/// Longer than any key's name and any host's.
const LENGTH: usize = 1_024;

/// A KMS key as a person names it.
///
/// `awskms:///NAME` or `awskms://HOST[:PORT]/NAME`, where `NAME` is `alias/…`, a key id, or the ARN of either; also a
/// bare ARN and a bare alias.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyUri {
    endpoint: Option<String>,
    name: String,
    arn: Option<Arn>,
}

/// What an ARN says beyond the key's name.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Arn {
    region: String,
    account: String,
    resource: Resource,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Resource {
    Alias,
    Key,
}

impl KeyUri {
    /// The key's name as KMS takes it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address to ask instead of AWS's own, if the URI has a host: always HTTPS.
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// The region that the ARN names.
    pub fn region(&self) -> Option<&str> {
        self.arn.as_ref().map(|arn| arn.region.as_str())
    }

    /// The account that the ARN names.
    pub fn account(&self) -> Option<&str> {
        self.arn.as_ref().map(|arn| arn.account.as_str())
    }

    /// Whether it is the ARN of a key itself, which nobody can point elsewhere.
    pub fn is_key_arn(&self) -> bool {
        self.arn
            .as_ref()
            .is_some_and(|arn| arn.resource == Resource::Key)
    }
}

impl fmt::Display for KeyUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self
            .endpoint
            .as_deref()
            .and_then(|endpoint| endpoint.strip_prefix("https://"))
            .unwrap_or_default();
        write!(f, "{SCHEME}{host}/{}", self.name)
    }
}

impl FromStr for KeyUri {
    type Err = KeyReferenceInvalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map_err(|reason| KeyReferenceInvalid {
            text: text.chars().take(LENGTH).collect(),
            reason,
        })
    }
}

fn parse(text: &str) -> Result<KeyUri, Reason> {
    if text.len() > LENGTH {
        return Err(Reason::TooLong);
    }
    let Some(rest) = text.strip_prefix(SCHEME) else {
        return match parse_name(text) {
            Some(arn) if arn.is_some() || text.starts_with("alias/") => Ok(KeyUri {
                endpoint: None,
                name: text.to_owned(),
                arn,
            }),
            _ => Err(Reason::NotAKey),
        };
    };
    // What two slashes make of a name: its beginning becomes a host, to which requests would be sent.
    if parse_name(rest).is_some() {
        return Err(Reason::TwoSlashes);
    }
    let (host, name) = rest.split_once('/').ok_or(Reason::NotAKey)?;
    let endpoint = match host {
        "" => None,
        host if is_authority(host) => Some(format!("https://{host}")),
        _ => return Err(Reason::Host),
    };
    let arn = parse_name(name).ok_or(Reason::NotAKey)?;
    Ok(KeyUri {
        endpoint,
        name: name.to_owned(),
        arn,
    })
}

/// `None` if it is no key's name; else what its ARN says, if it is one.
#[expect(
    clippy::option_option,
    reason = "not a name, a name, and a name with an ARN are three answers"
)]
fn parse_name(name: &str) -> Option<Option<Arn>> {
    if resource(name) == Some(Resource::Alias) || is_key_id(name) {
        Some(None)
    } else {
        parse_arn(name).map(Some)
    }
}

/// `arn:PARTITION:kms:REGION:ACCOUNT:RESOURCE`, of every partition there is or will be.
fn parse_arn(text: &str) -> Option<Arn> {
    let parts: Vec<_> = text.splitn(6, ':').collect();
    let ["arn", partition, "kms", region, account, name] = parts.as_slice() else {
        return None;
    };
    let known_partition = partition.strip_prefix("aws").is_some_and(|rest| {
        rest.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
    });
    let whole = known_partition
        && is_region(region)
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit());
    Some(Arn {
        region: (*region).to_owned(),
        account: (*account).to_owned(),
        resource: resource(name).filter(|_| whole)?,
    })
}

/// What the last part of an ARN names.
fn resource(name: &str) -> Option<Resource> {
    match name.split_once('/') {
        Some(("alias", alias)) if is_alias(alias) => Some(Resource::Alias),
        Some(("key", id)) if is_key_id(id) => Some(Resource::Key),
        _ => None,
    }
}

/// A region becomes a part of the host name that requests are sent to.
fn is_region(region: &str) -> bool {
    (1..=63).contains(&region.len())
        && !region.starts_with('-')
        && !region.ends_with('-')
        && region
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_alias(alias: &str) -> bool {
    (1..=250).contains(&alias.len())
        && alias
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-'))
}

/// A UUID, or `mrk-` and 32 hexadecimal digits.
fn is_key_id(id: &str) -> bool {
    let hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    id.strip_prefix("mrk-").map_or_else(
        || {
            let parts: Vec<_> = id.split('-').collect();
            parts.len() == 5
                && parts
                    .iter()
                    .zip([8, 4, 4, 4, 12])
                    .all(|(part, length)| hex(part, length))
        },
        |digits| hex(digits, 32),
    )
}

/// A host and perhaps a port; no user, no path, nothing that a URL parser could read otherwise.
fn is_authority(authority: &str) -> bool {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port_is_good = port.is_none_or(|port| {
        !port.starts_with('0')
            && port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse::<u16>().is_ok()
    });
    let address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host_is_good = address.map_or_else(
        || host.len() <= 253 && host.split('.').all(is_label),
        |address| address.parse::<Ipv6Addr>().is_ok(),
    );
    port_is_good && host_is_good
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The text names no KMS key.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{}` does not name a KMS key: {reason}",
    countersign_common::Escaped(text)
)]
pub struct KeyReferenceInvalid {
    text: String,
    reason: Reason,
}

impl KeyReferenceInvalid {
    /// The code of every refused name of a key.
    pub const CODE: Code = Code::new("key-reference-invalid");
}

impl Explain for KeyReferenceInvalid {
    fn code(&self) -> Code {
        Self::CODE
    }

    fn remedy(&self) -> String {
        match self.reason {
            Reason::TwoSlashes => format!(
                "write three slashes: `{}`",
                countersign_common::Escaped(&self.text.replacen(SCHEME, "awskms:///", 1))
            ),
            Reason::Host | Reason::NotAKey | Reason::TooLong => {
                "write `awskms:///alias/NAME`, `awskms:///KEY-ID` or the ARN of the key or of its alias".to_owned()
            }
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
enum Reason {
    #[error("what stands between `//` and `/` is neither a host nor a host with a port")]
    Host,
    #[error("it is neither an alias nor a key id nor the ARN of one in KMS")]
    NotAKey,
    #[error("it is longer than 1,024 characters")]
    TooLong,
    #[error("after two slashes comes a host; without a host there are three slashes")]
    TwoSlashes,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UUID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

    fn parse(text: &str) -> Result<KeyUri, KeyReferenceInvalid> {
        text.parse()
    }

    #[test]
    fn names_are_read_in_every_spelling() {
        let mrk = "mrk-1234abcd12ab34cd56ef1234567890ab";
        let key_arn = format!("arn:aws:kms:eu-west-1:111122223333:key/{UUID}");
        let alias_arn = "arn:aws:kms:eu-west-1:111122223333:alias/team/release";
        for (text, name, endpoint, region) in [
            (
                "awskms:///alias/release".to_owned(),
                "alias/release",
                None,
                None,
            ),
            ("alias/release".to_owned(), "alias/release", None, None),
            (format!("awskms:///{UUID}"), UUID, None, None),
            (format!("awskms:///{mrk}"), mrk, None, None),
            (
                format!("awskms:///{key_arn}"),
                &key_arn,
                None,
                Some("eu-west-1"),
            ),
            (key_arn.clone(), &key_arn, None, Some("eu-west-1")),
            (
                format!("awskms:///{alias_arn}"),
                alias_arn,
                None,
                Some("eu-west-1"),
            ),
            (alias_arn.to_owned(), alias_arn, None, Some("eu-west-1")),
            (
                "awskms://kms.example:8443/alias/release".to_owned(),
                "alias/release",
                Some("https://kms.example:8443"),
                None,
            ),
            (
                format!("awskms://[::1]:8443/{UUID}"),
                UUID,
                Some("https://[::1]:8443"),
                None,
            ),
            (
                format!("awskms://vpce-1.kms.eu-west-1.vpce.amazonaws.com/{key_arn}"),
                &key_arn,
                Some("https://vpce-1.kms.eu-west-1.vpce.amazonaws.com"),
                Some("eu-west-1"),
            ),
        ] {
            let uri = parse(&text).unwrap();
            assert_eq!(uri.name(), name, "{text}");
            assert_eq!(uri.endpoint(), endpoint, "{text}");
            assert_eq!(uri.region(), region, "{text}");
            assert_eq!(parse(&uri.to_string()).unwrap(), uri, "{text}");
        }
    }

    #[test]
    fn every_partition_is_read() {
        for partition in [
            "aws",
            "aws-cn",
            "aws-us-gov",
            "aws-iso",
            "aws-iso-b",
            "aws-eusc",
        ] {
            let uri = parse(&format!("arn:{partition}:kms:x-1:000000000000:key/{UUID}")).unwrap();
            assert_eq!(uri.account(), Some("000000000000"));
            assert!(uri.is_key_arn());
        }
        assert!(
            !parse("arn:aws:kms:x-1:000000000000:alias/a")
                .unwrap()
                .is_key_arn()
        );
    }

    #[test]
    fn two_slashes_are_told_by_name() {
        for name in [
            "alias/release",
            UUID,
            "arn:aws:kms:eu-west-1:111122223333:alias/release",
        ] {
            let error = parse(&format!("awskms://{name}")).unwrap_err();
            assert_eq!(error.reason, Reason::TwoSlashes, "{name}");
            assert_eq!(
                error.remedy(),
                format!("write three slashes: `awskms:///{name}`")
            );
            assert!(error.to_string().contains("three slashes"));
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let long = format!("alias/{}", "a".repeat(251));
        let very_long = format!("awskms:///alias/{}", "a".repeat(2_000));
        for text in [
            "",
            "awskms:",
            "awskms:/alias/a",
            "awskms:///",
            "awskms:////alias/a",
            "awskms:///alias/",
            "awskms:///alias",
            "awskms:///key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "awskms:///alias/a b",
            "awskms:///alias/a\n",
            "awskms:///alias/\u{430}",
            "AWSKMS:///alias/a",
            "awskms:///1234abcd",
            "awskms:///mrk-1234",
            "awskms:///arn:aws:kms:eu-west-1:1111:alias/a",
            "awskms:///arn:aws:kms:eu-west-1:111122223333:a",
            "awskms:///arn:aws:s3:eu-west-1:111122223333:alias/a",
            "awskms:///arn:aws:kms:eu.example:111122223333:alias/a",
            "awskms:///arn:aws:kms:evil/:111122223333:alias/a",
            "awskms:///arn:aws:kms::111122223333:alias/a",
            "arn:AWS:kms:eu-west-1:111122223333:alias/a",
            "arn:awful:kms:eu-west-1:111122223333:key/a",
            "awskms://user@host/alias/a",
            "awskms://host:0/alias/a",
            "awskms://host:99999/alias/a",
            "awskms://host:+443/alias/a",
            "awskms://ho st/alias/a",
            "awskms://host#/alias/a",
            "awskms://[::g]/alias/a",
            "awskms://-host/alias/a",
            "awskms://host..example/alias/a",
            UUID,
            "cosign.key",
            "gcpkms://a",
            &long,
            &very_long,
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.code(), KeyReferenceInvalid::CODE, "{text}");
            assert!(!error.remedy().is_empty());
        }
        parse(&format!("alias/{}", "a".repeat(250))).unwrap();
    }

    proptest! {
        #[test]
        fn any_text_is_answered_without_a_panic(text: String) {
            let _ = parse(&text);
            let _ = parse(&format!("{SCHEME}{text}"));
        }

        #[test]
        fn what_is_read_is_shown_so_that_it_is_read_again(text in "(awskms://)?[a-z0-9.:/-]{0,40}") {
            if let Ok(uri) = parse(&text) {
                prop_assert_eq!(parse(&uri.to_string()).unwrap(), uri);
            }
        }
    }
}

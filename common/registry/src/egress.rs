//! Where a request may go: never to a private or metadata address that the registry is not itself at.
//!
//! A registry's redirects and login realms name hosts of its choice; following them blindly would let it reach what
//! only this machine can, such as a cloud's metadata service.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::LazyLock,
};

use countersign_common::Repository;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Whether a stranger may send us to this address.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match plain(address) {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Whether it is an address of a private network, where a private registry may keep its blobs too. Neither link-local
/// nor shared addresses are: metadata services live there.
fn is_private(address: IpAddr) -> bool {
    match plain(address) {
        IpAddr::V4(address) => address.is_private(),
        // fd00:ec2::254 is a metadata service.
        IpAddr::V6(address) => {
            address.is_unique_local() && address.segments()[..2] != [0xfd00, 0x0ec2]
        }
    }
}

fn is_loopback(address: IpAddr) -> bool {
    plain(address).is_loopback()
}

/// The IPv4 address that an IPv6 form of it reaches.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(six) => embedded_v4(six).map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || first == 0
        || first >= 240
        // Shared address space (RFC 6598) and benchmarking (RFC 2544).
        || (first == 100 && (64..128).contains(&second))
        || (first == 198 && (18..20).contains(&second))
        || (first == 192 && second == 0 && address.octets()[2] == 0))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // Global unicast only: unique-local (fd00:ec2::254 among them), link-local, loopback and the rest are not.
    (address.segments()[0] & 0xe000) == 0x2000 && !matches!(address.segments(), [0x2001, 0xdb8, ..])
}

/// IPv6 forms that reach an IPv4 address: mapped, compatible, NAT64 and 6to4.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = address.octets();
    let [.., a, b, c, d] = octets;
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff | 0, _, _] | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => {
            Some(Ipv4Addr::new(a, b, c, d))
        }
        [0x2002, ..] => Some(Ipv4Addr::new(octets[2], octets[3], octets[4], octets[5])),
        _ => None,
    }
}

/// The reason why a stranger may not send us to this URL, without looking its name up.
pub(crate) fn objection(url: &Url) -> Option<&'static str> {
    if url.scheme() != "https" {
        return Some("it is not HTTPS");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("it carries credentials");
    }
    // Behind a proxy it is the proxy that looks names up: those that only a private network knows are refused by form.
    if url
        .domain()
        .is_some_and(|name| is_local_name(name) || PROXY.as_deref() == Some(name))
    {
        return Some(PRIVATE);
    }
    let literal = match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        Some(Host::Domain(_)) => None,
        None => return Some("it names no host"),
    };
    literal
        .filter(|address| !is_public(*address))
        .map(|_| PRIVATE)
}

fn is_local_name(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    let local = ["internal", "local", "localdomain", "localhost", "svc"];
    !name.contains('.') || local.contains(&name.rsplit('.').next().unwrap_or_default())
}

pub(crate) const PRIVATE: &str = "it is a private address or name";

/// Looks names up and hands over the addresses of one kind only: checked on the very addresses that are connected to,
/// so that a name that changes its answer in between gains nothing.
#[derive(Debug)]
pub(crate) struct Only {
    allowed: fn(IpAddr) -> bool,
    /// A name that a person gave, and so may be anywhere.
    except: Option<String>,
}

impl Only {
    pub(crate) const LOOPBACK: Self = Self::those(is_loopback);
    pub(crate) const PRIVATE: Self = Self::those(is_private);

    const fn those(allowed: fn(IpAddr) -> bool) -> Self {
        Self {
            allowed,
            except: None,
        }
    }

    /// Public addresses, and the proxy, through which they may have to be reached.
    pub(crate) fn public() -> Self {
        Self {
            allowed: is_public,
            except: PROXY.clone(),
        }
    }
}

/// The name of the proxy in use, which is mostly at a private address. No redirect may name it.
static PROXY: LazyLock<Option<String>> = LazyLock::new(|| {
    let somewhere = "https://proxied.invalid/".parse().ok()?;
    let proxy = Matcher::from_system().intercept(&somewhere)?;
    Some(proxy.uri().host()?.to_ascii_lowercase())
});

impl Resolve for Only {
    fn resolve(&self, name: Name) -> Resolving {
        let is_excepted = (self.except.as_deref())
            .is_some_and(|except| name.as_str().eq_ignore_ascii_case(except));
        let allowed = if is_excepted { |_| true } else { self.allowed };
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let kept: Vec<SocketAddr> = found.filter(|address| allowed(address.ip())).collect();
            if kept.is_empty() {
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, PRIVATE).into());
            }
            let kept: Addrs = Box::new(kept.into_iter());
            Ok(kept)
        })
    }
}

/// Whether a registry may send us to a target that is not public: one at a private address to a private address, one on
/// this machine to this machine. The connection is then made through the resolver for just that kind.
pub(crate) async fn is_private_neighbour(
    repository: &Repository,
    target: &Url,
    scheme: &str,
) -> bool {
    let Some(target_host) = target
        .host_str()
        .filter(|_| target.scheme() == scheme || target.scheme() == "https")
    else {
        return false;
    };
    let kind = if repository.is_loopback() {
        is_loopback
    } else {
        is_private
    };
    let all = |addresses: Vec<IpAddr>| !addresses.is_empty() && addresses.into_iter().all(kind);
    all(addresses(repository.host(), repository.port().unwrap_or(443)).await)
        && all(addresses(
            target_host,
            target.port_or_known_default().unwrap_or_default(),
        )
        .await)
}

async fn addresses(host: &str, port: u16) -> Vec<IpAddr> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    tokio::net::lookup_host((host, port))
        .await
        .map(|found| found.map(|address| address.ip()).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        for text in [
            "8.8.8.8",
            "52.216.0.1",
            "2600:1f18::1",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
            "2001:db8::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn only_private_networks_are_neighbours() {
        for text in [
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "fd12::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(is_private(text.parse().unwrap()), "{text}");
        }
        for text in [
            "8.8.8.8",
            "127.0.0.1",
            "169.254.169.254",
            "100.100.100.200",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "fd00:ec2::254",
            "fe80::1",
        ] {
            assert!(!is_private(text.parse().unwrap()), "{text}");
        }
    }

    #[tokio::test]
    async fn a_name_leads_only_to_addresses_of_its_kind_unless_it_is_the_proxys() {
        let leads = async |only: Only| {
            let name = "localhost".parse().unwrap();
            only.resolve(name).await.is_ok()
        };
        let public_except = |except: &str| Only {
            allowed: is_public,
            except: Some(except.to_owned()),
        };
        assert!(leads(Only::LOOPBACK).await);
        assert!(!leads(Only::PRIVATE).await);
        assert!(!leads(Only::those(is_public)).await);
        assert!(!leads(public_except("localhost.example")).await);
        assert!(leads(public_except("localhost")).await);
    }

    #[test]
    fn a_target_is_objected_to_before_its_name_is_looked_up() {
        let objects = |text: &str| objection(&Url::parse(text).unwrap()).is_some();
        assert!(!objects(
            "https://bucket.s3.eu-west-1.amazonaws.com/x?X-Amz-Signature=1"
        ));
        assert!(!objects("https://8.8.8.8/"));
        for text in [
            "https://[::ffff:169.254.169.254]/",
            "http://bucket.s3.amazonaws.com/",
            "https://kubernetes.default.svc/api",
            "https://metadata.google.internal/",
            "https://intranet/",
            "https://printer.local./",
            "https://user:password@bucket.s3.amazonaws.com/",
            "https://169.254.169.254/latest/meta-data/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://[fd00:ec2::254]/",
            "file:///etc/passwd",
            "data:text/plain,x",
        ] {
            assert!(objects(text), "{text}");
        }
    }
}

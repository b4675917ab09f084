//! Where a request may go: never to a private or metadata address that the registry is not itself at.
//!
//! A registry's redirects and login realms name hosts of its choice; following them blindly would let it reach what
//! only this machine can, such as a cloud's metadata service.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use countersign_common::Repository;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Whether a stranger may send us to this address.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded_v4(address) {
            Some(embedded) => is_public_v4(embedded),
            None => is_public_v6(address),
        },
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

pub(crate) const PRIVATE: &str = "it is a private address";

/// Looks names up and hands over public addresses only: checked on the very addresses that are connected to, so that a
/// name that changes its answer in between gains nothing.
#[derive(Debug)]
pub(crate) struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if found.iter().any(|address| is_public(address.ip())) {
                let public: Addrs =
                    Box::new(found.into_iter().filter(|address| is_public(address.ip())));
                Ok(public)
            } else {
                Err(io::Error::new(io::ErrorKind::PermissionDenied, PRIVATE).into())
            }
        })
    }
}

/// A registry that is itself at a private address may keep its blobs at another one, never at a metadata service.
pub(crate) async fn is_private_neighbour(
    repository: &Repository,
    target: &Url,
    scheme: &str,
) -> bool {
    if target.scheme() != scheme && target.scheme() != "https" {
        return false;
    }
    let target_port = target.port_or_known_default().unwrap_or_default();
    let Some(target_host) = target.host_str() else {
        return false;
    };
    let registry_port = repository.port().unwrap_or(443);
    let (here, there) = (
        addresses(repository.host(), registry_port).await,
        addresses(target_host, target_port).await,
    );
    let private = |addresses: &[IpAddr]| {
        !addresses.is_empty() && addresses.iter().all(|address| !is_public(*address))
    };
    let metadata = |address: &IpAddr| match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_unicast_link_local() || address.segments()[..2] == [0xfd00, 0x0ec2]
        }
    };
    // A registry on this machine may point to this machine, and nowhere else that is private.
    let loopback = !repository.is_loopback() || there.iter().all(IpAddr::is_loopback);
    private(&here) && private(&there) && loopback && !there.iter().any(metadata)
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
    fn a_target_is_objected_to_before_its_name_is_looked_up() {
        let objects = |text: &str| objection(&Url::parse(text).unwrap()).is_some();
        assert!(!objects(
            "https://bucket.s3.eu-west-1.amazonaws.com/x?X-Amz-Signature=1"
        ));
        assert!(!objects("https://8.8.8.8/"));
        for text in [
            "http://bucket.s3.amazonaws.com/",
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

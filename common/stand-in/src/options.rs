//! What a stand-in is asked to be. Filled in by the commands and the tests; the defaults are ECR over plain HTTP.

use std::time::Duration;

use crate::tsa::KeyKind;

/// How the services behave and where they listen.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the certificate of the services is like, where they have one.
    pub certificate: Certificate,
    /// Waited before each answer, in place of the network's round trip.
    pub delay: Duration,
    /// Whether a second host listens, to catch what must not be sent to strangers.
    pub elsewhere: Elsewhere,
    /// Entries in one page of referrers or tags.
    pub page_size: usize,
    /// Where the services listen.
    pub ports: Ports,
    /// Whether `?artifactType=` is honoured on the referrers list.
    pub referrers_filter: ReferrersFilter,
    /// The region of keys, repositories and host names.
    pub region: String,
    /// Whose registry is played.
    pub registry: RegistryMode,
    /// Whether a push makes a missing repository.
    pub repositories: Repositories,
    /// The time-stamp authorities: the path where each answers, and the kind of its keys.
    pub time_authorities: Vec<(String, KeyKind)>,
    /// How long a registry token is good for; zero gives tokens that have expired already.
    pub token_lifetime: Duration,
    /// How clients reach the services.
    pub transport: Transport,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            certificate: Certificate::Good,
            delay: Duration::ZERO,
            elsewhere: Elsewhere::Absent,
            page_size: 50,
            ports: Ports::default(),
            referrers_filter: ReferrersFilter::Applied,
            region: "us-east-1".into(),
            registry: RegistryMode::Ecr,
            repositories: Repositories::CreatedOnPush,
            time_authorities: vec![
                ("one".into(), KeyKind::EcdsaP256),
                ("two".into(), KeyKind::Rsa2048),
            ],
            token_lifetime: Duration::from_hours(12),
            transport: Transport::Plain,
        }
    }
}

/// What the certificate of the services is like. To play one from an unknown authority, do not give a client ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Certificate {
    /// Its time is over.
    Expired,
    /// Valid for every name and address here.
    Good,
    /// Valid for another name only.
    OtherName,
}

/// Whether 127.0.0.2 plays a stranger's host (macOS must be told of that address first).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Elsewhere {
    /// No second host.
    Absent,
    /// A second host answers without asking for a login, and records what it was sent.
    Listening,
}

/// What a plain registry asks of its clients.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Login {
    /// Nothing.
    Anonymous,
    /// A user and password with each request.
    Basic,
    /// A token from the realm named in the challenge; without a user it is good for reading only.
    Bearer,
}

/// The ports on 127.0.0.1; 0 lets the system choose.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Ports {
    /// KMS and the ECR API.
    pub aws: u16,
    /// Where ECR's registry sends clients for the bytes of a blob.
    pub blobs: u16,
    /// The `CONNECT` proxy of [`Transport::AwsNames`].
    pub proxy: u16,
    /// The registry.
    pub registry: u16,
    /// The time-stamp authorities.
    pub tsa: u16,
}

/// Whether the referrers list is filtered by the registry, which the specification leaves open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReferrersFilter {
    /// Filtered, and `OCI-Filters-Applied` says so.
    Applied,
    /// The whole list, whatever was asked.
    Ignored,
}

/// Whose registry is played.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RegistryMode {
    /// Amazon ECR with its deviations: its login, blobs from another host, no `Location` for a manifest, 201 for a chunk.
    Ecr,
    /// A registry from before OCI 1.1: 404 on the referrers path, no `OCI-Subject`.
    NoReferrersApi(Login),
    /// A registry that follows the OCI distribution specification 1.1.
    PlainOci(Login),
}

impl RegistryMode {
    /// What this registry asks of its clients.
    pub fn login(self) -> Login {
        match self {
            Self::Ecr => Login::Basic,
            Self::NoReferrersApi(login) | Self::PlainOci(login) => login,
        }
    }
}

/// Whether a push makes a missing repository.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Repositories {
    /// It does, as a creation template does in ECR, so that a pipeline works without preparation.
    CreatedOnPush,
    /// It is refused with `NAME_UNKNOWN`.
    MustExist,
}

/// How clients reach the services.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transport {
    /// TLS under AWS's own host names, reached through a `CONNECT` proxy that lets nothing else pass. Clients recognise
    /// ECR by its name, take the region from it and sign for the true hosts. The time-stamp authorities, which are
    /// not AWS's, are on loopback without TLS.
    AwsNames,
    /// Plain HTTP on loopback.
    Plain,
    /// TLS on loopback, with an authority made for this run.
    Tls,
}

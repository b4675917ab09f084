//! The HTTP clients, one for each kind of host, each made when it is first needed; and how fast hosts are asked.
//!
//! Made once for a process. All of them trust the same authorities, which are read once, and when the first certificate comes.

use std::sync::{Arc, OnceLock};

use countersign_common::{Repository, registry::Failure};
use reqwest::{Client, ClientBuilder, redirect::Policy};

use crate::{
    egress::Only,
    hosts::Hosts,
    options::{ConfigError, Options},
    place::Place,
    tls::Tls,
};

/// One pool of connections for each kind of host.
#[derive(Debug)]
pub(crate) struct Clients {
    pub(crate) hosts: Hosts,
    options: Options,
    tls: Tls,
    neighbours: OnceLock<Client>,
    registries: OnceLock<Client>,
    strangers: OnceLock<Client>,
    this_machine: OnceLock<Client>,
}

/// Whose host a request goes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Towards {
    /// The one that a person named.
    Registry,
    /// One that a registry names: public addresses only.
    Stranger,
    /// One that a registry in a private network names: private addresses only, past any proxy.
    Neighbour,
    /// This machine: past any proxy, which could not reach it.
    ThisMachine,
}

impl Towards {
    pub(crate) fn registry(repository: &Repository) -> Self {
        if repository.is_loopback() {
            Self::ThisMachine
        } else {
            Self::Registry
        }
    }

    /// Where a registry that is not public may point to.
    pub(crate) fn neighbour(repository: &Repository) -> Self {
        match Self::registry(repository) {
            Self::ThisMachine => Self::ThisMachine,
            _ => Self::Neighbour,
        }
    }
}

impl Clients {
    pub(crate) fn new(options: &Options) -> Result<Self, ConfigError> {
        Ok(Self {
            hosts: Hosts::new(options.limits.error_body),
            tls: Tls::new(options.certificate_authorities.as_deref())?,
            options: options.clone(),
            neighbours: OnceLock::new(),
            registries: OnceLock::new(),
            strangers: OnceLock::new(),
            this_machine: OnceLock::new(),
        })
    }

    pub(crate) fn get(&self, towards: Towards, place: &Place) -> Result<&Client, Failure> {
        let (slot, builder) = match towards {
            Towards::Registry => (&self.registries, self.builder()),
            Towards::Neighbour => (
                &self.neighbours,
                self.builder()
                    .no_proxy()
                    .dns_resolver(Arc::new(Only::PRIVATE)),
            ),
            Towards::Stranger => (
                &self.strangers,
                self.builder().dns_resolver(Arc::new(Only::public())),
            ),
            Towards::ThisMachine => (
                &self.this_machine,
                self.builder()
                    .no_proxy()
                    .dns_resolver(Arc::new(Only::LOOPBACK)),
            ),
        };
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        let client = builder
            .build()
            .map_err(|error| Failure::Error(place.broken(error)))?;
        Ok(slot.get_or_init(|| client))
    }

    /// A connection with TLS is going to be opened.
    pub(crate) fn expect_tls(&self) {
        self.tls.foresee();
    }

    fn builder(&self) -> ClientBuilder {
        Client::builder()
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .referer(false)
            .connect_timeout(self.options.timeout)
            .read_timeout(self.options.timeout)
            .http1_max_headers(100)
            .http2_max_header_list_size(
                u32::try_from(self.options.limits.headers).unwrap_or(u32::MAX),
            )
            .tls_backend_preconfigured(self.tls.configuration.clone())
    }
}

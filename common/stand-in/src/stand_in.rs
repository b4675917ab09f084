//! The running stand-in: starts the listeners, and is what commands and tests hold. It has its own runtime, so that a
//! test may wait for a peer's program on the thread that started it. Dropping it ends every connection.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};
use url::Url;

use crate::{
    DEFAULT_ALIAS,
    aws::Aws,
    calls::{Call, Calls},
    ecr::Ecr,
    faults::Faults,
    kms::{CreatedKey, KeyError, KeySpec, KeyState, KeyUsage, Kms, Sharing},
    listeners::{Addresses, Listeners},
    options::{Options, Transport},
    proxy::Names,
    registry::{Mutability, Registry, StorageClass},
    services::Services,
    stamps::Stamps,
    tls::Authority,
};

/// How long a shutdown waits for the tasks to end.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// The services, listening.
pub struct StandIn {
    pub(crate) addresses: Addresses,
    pub(crate) authority_pem: Option<String>,
    pub(crate) options: Options,
    pub(crate) services: Arc<Services>,
    // Taken when it ends: a runtime may not be dropped where another one runs.
    runtime: Option<Runtime>,
}

/// Why a stand-in did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The certificates for TLS could not be made.
    #[error("cannot make the certificates for TLS: {reason}")]
    Certificates {
        /// What went wrong.
        reason: String,
    },
    /// The key that is there from the start could not be made.
    #[error("cannot make the key {DEFAULT_ALIAS}")]
    Key(#[from] KeyError),
    /// The region makes no host name.
    #[error("the region {region:?} makes no host name")]
    Region {
        /// The region asked for.
        region: String,
    },
    /// The system gave no threads or sockets.
    #[error("cannot start the services")]
    System(#[source] io::Error),
}

impl StandIn {
    /// Starts the services; they listen when this returns.
    pub fn start(options: Options) -> Result<Self, StartError> {
        let names = Names::new(&options.region);
        let authority = match options.transport {
            Transport::Plain => None,
            Transport::AwsNames | Transport::Tls => Some(make_authority(&names, &options)?),
        };
        let listeners = Listeners::bind(&options)?;
        let addresses = listeners.addresses(&options, &names)?;
        let services = Arc::new(make_services(&options, &addresses, names));
        let kms = &services.aws.kms;
        kms.make(KeySpec::ECC_NIST_P256, KeyUsage::SignVerify, DEFAULT_ALIAS)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("stand-in")
            .enable_all()
            .build()
            .map_err(StartError::System)?;
        let (acceptor, authority_pem) = authority
            .map(|Authority { acceptor, pem }| (acceptor, pem))
            .unzip();
        listeners.serve(&runtime, &services, acceptor.as_ref())?;
        Ok(Self {
            addresses,
            authority_pem,
            options,
            services,
            runtime: Some(runtime),
        })
    }

    /// Ends the services and waits until their ports are free.
    pub fn shutdown(mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(SHUTDOWN);
        }
    }

    /// The registry's host and port, as image references begin.
    pub fn registry_host(&self) -> &str {
        self.services.registry.host()
    }

    /// The endpoint of KMS and of the ECR API.
    pub fn aws_endpoint(&self) -> &Url {
        &self.addresses.aws
    }

    /// The stranger's host, if it listens.
    pub fn elsewhere(&self) -> Option<&Url> {
        self.addresses.elsewhere.as_ref()
    }

    /// The `CONNECT` proxy, with [`Transport::AwsNames`].
    pub fn proxy(&self) -> Option<&Url> {
        self.addresses.proxy.as_ref()
    }

    /// The certificate authority as PEM, with TLS.
    pub fn authority_pem(&self) -> Option<&str> {
        self.authority_pem.as_deref()
    }

    /// A user and password for the registry, if it asks for them; of ECR, a new token.
    pub fn credentials(&self) -> Option<(&'static str, String)> {
        self.services.registry.credentials()
    }

    /// Makes a key for the first usage of its spec: signing, where it can sign.
    pub fn create_key(&self, spec: KeySpec, alias: &str) -> Result<CreatedKey, KeyError> {
        let usage = spec.usages().first().copied();
        self.create_key_for(usage.unwrap_or(KeyUsage::SignVerify), spec, alias)
    }

    /// Makes a key for a usage.
    pub fn create_key_for(
        &self,
        usage: KeyUsage,
        spec: KeySpec,
        alias: &str,
    ) -> Result<CreatedKey, KeyError> {
        self.services.aws.kms.make(spec, usage, alias)
    }

    /// Makes a multi-Region signing key with replicas in other regions, and the alias in all of them. A call is answered
    /// in the region that it was signed for.
    pub fn create_multi_region_key(
        &self,
        spec: KeySpec,
        alias: &str,
        regions: &[&str],
    ) -> Result<CreatedKey, KeyError> {
        let kms = &self.services.aws.kms;
        kms.make_multi_region(spec, alias, regions)
    }

    /// Makes a signing key in [`OTHER_ACCOUNT`](crate::OTHER_ACCOUNT).
    pub fn create_key_elsewhere(
        &self,
        spec: KeySpec,
        sharing: Sharing,
    ) -> Result<CreatedKey, KeyError> {
        self.services.aws.kms.make_elsewhere(spec, sharing)
    }

    /// Takes a signing key from PKCS#8 bytes, so that a test's key is the same in each run.
    pub fn import_key(
        &self,
        spec: KeySpec,
        alias: &str,
        pkcs8: &[u8],
    ) -> Result<CreatedKey, KeyError> {
        self.services.aws.kms.import(spec, alias, pkcs8)
    }

    /// Puts a key, named by any of its identifiers, into a state.
    pub fn set_key_state(&self, key: &str, state: KeyState) -> Result<(), KeyError> {
        self.services.aws.kms.set_state(key, state)
    }

    /// Points an alias at another key.
    pub fn move_alias(&self, alias: &str, key: &str) -> Result<(), KeyError> {
        Ok(self.services.aws.kms.move_alias(alias, key)?)
    }

    /// Makes a repository, or changes the mutability of its tags.
    pub fn set_repository(&self, name: &str, mutability: Mutability) {
        self.services.registry.set_repository(name, mutability);
    }

    /// Makes a repository if it is not there, and gives it a lifecycle policy, whatever its text is.
    pub fn set_lifecycle_policy(&self, name: &str, text: &str) {
        let registry = &self.services.registry;
        if registry.repository(name).is_none() {
            registry.set_repository(name, Mutability::Mutable);
        }
        registry.lifecycle(name, |kept| *kept = Some(text.to_owned()));
    }

    /// Stores a manifest without looking at it, hostile ones included; an empty tag is none. Its digest.
    pub fn place_manifest(
        &self,
        repository: &str,
        tag: &str,
        media_type: &str,
        bytes: Bytes,
    ) -> String {
        let registry = &self.services.registry;
        registry.place_manifest(repository, tag, media_type, bytes)
    }

    /// Takes the copies of blobs (`data`) out of what refers to images of a repository, as clients push it that carry none:
    /// such manifests get other digests.
    pub fn drop_copies(&self, repository: &str) {
        self.services.registry.drop_copies(repository);
    }

    /// Stores a blob. Its digest.
    pub fn place_blob(&self, repository: &str, bytes: Bytes) -> String {
        self.services.registry.place_blob(repository, bytes)
    }

    /// Moves an image or an artifact of ECR to another storage class; false if it is not there.
    pub fn set_storage(&self, repository: &str, digest: &str, storage: StorageClass) -> bool {
        self.services.registry.archive(repository, digest, storage)
    }

    /// Ends every registry token given out so far.
    pub fn expire_tokens(&self) {
        self.services.registry.logins().expire();
    }

    /// The faults, to arm and to clear.
    pub fn faults(&self) -> &Faults {
        &self.services.faults
    }

    /// Every call so far, the oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.services.calls.to_vec()
    }

    /// Forgets the calls so far, so that a test sees only its own.
    pub fn forget_calls(&self) {
        self.services.calls.clear();
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn make_authority(names: &Names, options: &Options) -> Result<Authority, StartError> {
    Authority::new(names, options.certificate).map_err(|error| StartError::Certificates {
        reason: error.to_string(),
    })
}

fn make_services(options: &Options, addresses: &Addresses, names: Names) -> Services {
    let origin = |url: &Url| url.as_str().trim_end_matches('/').to_owned();
    let registry = Arc::new(Registry::new(
        options,
        origin(&addresses.registry),
        origin(&addresses.blobs),
    ));
    Services {
        aws: Aws {
            ecr: Ecr {
                region: options.region.clone(),
                registry: Arc::clone(&registry),
            },
            kms: Kms::new(&options.region),
        },
        calls: Calls::default(),
        delay: options.delay,
        faults: Faults::default(),
        names,
        registry,
        stamps: Stamps::new(&options.time_authorities, &addresses.tsa),
    }
}

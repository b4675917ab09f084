//! The listening sockets and the addresses that they give the services. Bound before anything else is made, because
//! the registry names its own address in its answers; then handed to the tasks that serve.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
};

use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use url::Url;

use crate::{
    calls::Service,
    options::{Elsewhere, Options, Transport},
    proxy::Names,
    server::{Door, serve},
    services::Services,
    stand_in::StartError,
};

/// The stranger's host.
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Where clients reach the services.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    pub(crate) aws: Url,
    pub(crate) blobs: Url,
    pub(crate) elsewhere: Option<Url>,
    pub(crate) proxy: Option<Url>,
    pub(crate) registry: Url,
    pub(crate) tsa: Url,
}

/// The sockets, one for each service that listens.
pub(crate) struct Listeners {
    aws: TcpListener,
    blobs: TcpListener,
    elsewhere: Option<TcpListener>,
    proxy: Option<TcpListener>,
    registry: TcpListener,
    tsa: TcpListener,
}

impl Listeners {
    pub(crate) fn bind(options: &Options) -> Result<Self, StartError> {
        let ports = options.ports;
        let elsewhere = match options.elsewhere {
            Elsewhere::Absent => None,
            Elsewhere::Listening => Some(bind(STRANGER, 0)?),
        };
        let proxy = match options.transport {
            Transport::AwsNames => Some(bind(Ipv4Addr::LOCALHOST, ports.proxy)?),
            Transport::Plain | Transport::Tls => None,
        };
        Ok(Self {
            aws: bind(Ipv4Addr::LOCALHOST, ports.aws)?,
            blobs: bind(Ipv4Addr::LOCALHOST, ports.blobs)?,
            elsewhere,
            proxy,
            registry: bind(Ipv4Addr::LOCALHOST, ports.registry)?,
            tsa: bind(Ipv4Addr::LOCALHOST, ports.tsa)?,
        })
    }

    pub(crate) fn addresses(
        &self,
        options: &Options,
        names: &Names,
    ) -> Result<Addresses, StartError> {
        let scheme = match options.transport {
            Transport::Plain => "http",
            Transport::AwsNames | Transport::Tls => "https",
        };
        let url = |text: String| {
            let region = options.region.clone();
            Url::parse(&text).map_err(|_| StartError::Region { region })
        };
        let elsewhere = match &self.elsewhere {
            None => None,
            Some(listener) => Some(url(format!("{scheme}://{STRANGER}:{}", port(listener)?))?),
        };
        if let Some(proxy) = &self.proxy {
            return Ok(Addresses {
                aws: url(format!("https://{}", names.kms))?,
                blobs: url(format!("https://{}", names.blobs))?,
                elsewhere,
                proxy: Some(url(format!("http://127.0.0.1:{}", port(proxy)?))?),
                registry: url(format!("https://{}", names.registry))?,
                tsa: url(format!("http://127.0.0.1:{}", port(&self.tsa)?))?,
            });
        }
        Ok(Addresses {
            aws: url(format!("{scheme}://127.0.0.1:{}", port(&self.aws)?))?,
            // Another name and not only another port: clients compare names before they pass a login on.
            blobs: url(format!("{scheme}://localhost:{}", port(&self.blobs)?))?,
            elsewhere,
            proxy: None,
            registry: url(format!("{scheme}://127.0.0.1:{}", port(&self.registry)?))?,
            tsa: url(format!("{scheme}://127.0.0.1:{}", port(&self.tsa)?))?,
        })
    }

    /// Serves each until the runtime ends.
    pub(crate) fn serve(
        self,
        runtime: &Runtime,
        services: &Arc<Services>,
        tls: Option<&TlsAcceptor>,
    ) -> Result<(), StartError> {
        let aws_names = self.proxy.is_some();
        let listeners = [
            (Some(self.aws), Service::Aws),
            (Some(self.blobs), Service::Blobs),
            (self.elsewhere, Service::Elsewhere),
            (self.proxy, Service::Proxy),
            (Some(self.registry), Service::Registry),
            (Some(self.tsa), Service::Tsa),
        ];
        let _entered = runtime.enter();
        for (listener, service) in listeners {
            let Some(listener) = listener else { continue };
            let listener =
                tokio::net::TcpListener::from_std(listener).map_err(StartError::System)?;
            let door = Door {
                service,
                services: Arc::clone(services),
                // The certificate is for AWS's names, which the authorities do not have.
                tls: tls
                    .filter(|_| !(aws_names && service == Service::Tsa))
                    .cloned(),
            };
            drop(runtime.spawn(serve(listener, door)));
        }
        Ok(())
    }
}

fn bind(address: Ipv4Addr, port: u16) -> Result<TcpListener, StartError> {
    let address = SocketAddr::from((address, port));
    let bound = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|source| StartError::Bind { address, source })
}

fn port(listener: &TcpListener) -> Result<u16, StartError> {
    let address = listener.local_addr().map_err(StartError::System)?;
    Ok(address.port())
}

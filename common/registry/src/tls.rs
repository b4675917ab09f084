//! Whom TLS connections trust: the system's authorities, and those that a person named besides.
//!
//! One configuration for all clients of the process, made by [`crate::clients::Clients`]. The system's authorities are read
//! once, which takes longer than most requests: beside the opening of the first connection, and who speaks no TLS never waits
//! for them. Certificates are verified by the platform's verifier, never here.

use std::{
    sync::{Arc, Once, OnceLock},
    thread,
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use rustls_platform_verifier::Verifier;

use crate::options::ConfigError;

/// HTTP/2 where it is offered.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// How connections are opened, and whom they trust.
#[derive(Debug)]
pub(crate) struct Tls {
    pub(crate) configuration: ClientConfig,
    platform: Arc<Platform>,
    foreseen: Once,
}

impl Tls {
    /// With authorities in PEM besides the system's.
    pub(crate) fn new(authorities: Option<&[u8]>) -> Result<Self, ConfigError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let platform = Arc::new(Platform {
            besides: authorities.map_or(Ok(Vec::new()), parse)?,
            provider: Arc::clone(&provider),
            verifier: OnceLock::new(),
        });
        let mut configuration = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(refused)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::<Platform>::clone(&platform))
            .with_no_client_auth();
        configuration.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Self {
            configuration,
            platform,
            foreseen: Once::new(),
        })
    }

    /// Reads the system's authorities while a connection is opened: a certificate comes some round trips later.
    pub(crate) fn foresee(&self) {
        self.foreseen.call_once(|| {
            let platform = Arc::clone(&self.platform);
            let read = move || {
                let _ = platform.verifier();
            };
            // Without a thread they are read when they are needed.
            drop(thread::Builder::new().spawn(read));
        });
    }
}

/// Each is tried now: one that cannot be used is told before any connection.
fn parse(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| ConfigError::Client {
            source: error.into(),
        })?;
    let mut store = RootCertStore::empty();
    for certificate in &certificates {
        store.add(certificate.clone()).map_err(refused)?;
    }
    if store.is_empty() {
        return Err(ConfigError::NoCertificate);
    }
    Ok(certificates)
}

fn refused(error: Error) -> ConfigError {
    ConfigError::Client {
        source: error.into(),
    }
}

/// The platform's verifier, made when the first certificate comes.
#[derive(Debug)]
struct Platform {
    besides: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
    verifier: OnceLock<Result<Verifier, Error>>,
}

impl Platform {
    fn verifier(&self) -> Result<&Verifier, Error> {
        let made = self.verifier.get_or_init(|| {
            let (besides, provider) = (self.besides.clone(), Arc::clone(&self.provider));
            Verifier::new_with_extra_roots(besides, provider)
        });
        // Without any authority no certificate is good. Another error would look as if the server spoke no TLS.
        made.as_ref().map_err(|error| {
            let unusable = OtherError(Arc::new(error.clone()));
            Error::InvalidCertificate(CertificateError::Other(unusable))
        })
    }
}

impl ServerCertVerifier for Platform {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verifier()?.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier()?
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier()?
            .verify_tls13_signature(message, certificate, signed)
    }

    /// Of the library itself: asked before any certificate comes.
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

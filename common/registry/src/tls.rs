//! Whom TLS connections trust: the system's authorities, and those that a person named besides.
//!
//! One configuration for all clients of the process, made by [`crate::clients::Clients`]. The system's authorities are read
//! once, which takes longer than most requests: beside the opening of the first connection, and who speaks no TLS never waits
//! for them. Certificates are verified by the platform's verifier, or by webpki, which it calls too where there is a bundle; never here.

use std::{
    sync::{Arc, Once, OnceLock},
    thread,
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
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
            bundle: OnceLock::new(),
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
                if platform.bundle().is_none() {
                    let _ = platform.verifier();
                }
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

/// The platform's verifier, made when a certificate comes that nobody vouches for whom the system's bundle names.
///
/// Most systems keep their authorities twice: in one file, and in a folder of hundreds. Whom fewer authorities vouch for, more
/// vouch for too.
#[derive(Debug)]
struct Platform {
    besides: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
    bundle: OnceLock<Option<Arc<WebPkiServerVerifier>>>,
    verifier: OnceLock<Result<Verifier, Error>>,
}

impl Platform {
    /// By the authorities of the system's bundle, and those besides. `None` if there is none, or it is not all that decides.
    fn bundle(&self) -> Option<&WebPkiServerVerifier> {
        let made = self.bundle.get_or_init(|| {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(bundled()?);
            roots.add_parsable_certificates(self.besides.iter().cloned());
            WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(&self.provider))
                .build()
                .ok()
        });
        made.as_deref()
    }

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
        let verify = |verifier: &dyn ServerCertVerifier| {
            verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        };
        match self.bundle().map(|bundle| verify(bundle)) {
            Some(Ok(verified)) => Ok(verified),
            _ => verify(self.verifier()?),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    /// Of the library itself: asked before any certificate comes.
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// The authorities of the one file that the system keeps them in, by the variables and in the places that the platform's verifier
/// looks at. Elsewhere than on such systems it asks the system itself.
#[cfg(all(unix, not(target_vendor = "apple"), not(target_os = "android")))]
fn bundled() -> Option<Vec<CertificateDer<'static>>> {
    use std::{env, path::PathBuf};

    let folders = env::var_os("SSL_CERT_DIR").filter(|folders| !folders.is_empty());
    let file = match env::var_os("SSL_CERT_FILE") {
        None if folders.is_none() => openssl_probe::probe().cert_file,
        file => file.map(PathBuf::from),
    };
    Some(rustls_native_certs::load_certs_from_paths(Some(&file?), None).certs)
}

#[cfg(not(all(unix, not(target_vendor = "apple"), not(target_os = "android"))))]
fn bundled() -> Option<Vec<CertificateDer<'static>>> {
    None
}

//! A certificate authority for one run and the certificate it gives to the services. Made at start when TLS is asked
//! for. Its keys are never written anywhere.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio_rustls::TlsAcceptor;

use crate::{options::Certificate, proxy::Names};

/// The names and addresses of loopback, 127.0.0.2 being the stranger's.
const LOOPBACK: [&str; 4] = ["127.0.0.1", "127.0.0.2", "::1", "localhost"];

/// The run's certificate authority, with the acceptor that uses it.
pub(crate) struct Authority {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) pem: String,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("the certificates could not be made")]
    Certificate(#[from] rcgen::Error),
    #[error("the certificates could not be used")]
    Config(#[from] rustls::Error),
}

impl Authority {
    pub(crate) fn new(names: &Names, certificate: Certificate) -> Result<Self, TlsError> {
        let authority = CertifiedIssuer::self_signed(authority_params(), KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let leaf = leaf_params(names, certificate)?.signed_by(&key, &authority)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![leaf.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            pem: authority.pem(),
        })
    }
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "countersign stand-in authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn leaf_params(names: &Names, certificate: Certificate) -> Result<CertificateParams, rcgen::Error> {
    let Names {
        blobs,
        ecr,
        kms,
        registry,
        sts,
    } = names.clone();
    let mut hosts: Vec<String> = LOOPBACK.map(String::from).into();
    hosts.extend([blobs, ecr, kms, registry, sts]);
    if certificate == Certificate::OtherName {
        hosts = vec!["other.example".into()];
    }
    let mut params = CertificateParams::new(hosts)?;
    params
        .distinguished_name
        .push(DnType::CommonName, "countersign stand-in");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    if certificate == Certificate::Expired {
        params.not_after = date_time_ymd(2000, 1, 1);
    }
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

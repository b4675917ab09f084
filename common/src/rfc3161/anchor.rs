//! Whom a time stamp must lead to.

use der::{Decode, Encode};
use pki_types::{CertificateDer, TrustAnchor, pem::PemObject};
use x509_cert::Certificate;

use crate::{Code, Digest, Explain, Limits, Timestamp};

/// The root of one authority, and certificates below it that stamps may leave out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Anchor {
    id: Digest,
    root: TrustAnchor<'static>,
    valid: (Timestamp, Timestamp),
    below: Vec<CertificateDer<'static>>,
}

impl Anchor {
    /// Reads a chain in PEM, in any order. Its root is the one certificate that names itself as its issuer, or the last one
    /// if none does.
    pub fn from_pem(pem: &[u8], limits: &Limits) -> Result<Self, AnchorError> {
        Self::from_certificates(Self::certificates(pem, limits)?, limits)
    }

    /// The certificates of a file in PEM, each in DER: what a trust root lists of an authority.
    pub fn certificates(pem: &[u8], limits: &Limits) -> Result<Vec<Vec<u8>>, AnchorError> {
        let mut certificates = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            if certificates.len() == limits.certificates {
                return Err(AnchorError::TooMany {
                    limit: limits.certificates,
                });
            }
            certificates.push(certificate.map_err(|_| AnchorError::Pem)?.to_vec());
        }
        Ok(certificates)
    }

    /// The same from certificates in DER.
    pub fn from_certificates(
        chain: impl IntoIterator<Item = Vec<u8>>,
        limits: &Limits,
    ) -> Result<Self, AnchorError> {
        // One more than is accepted shows that there are too many.
        let chain: Vec<_> = chain
            .into_iter()
            .take(limits.certificates.saturating_add(1))
            .map(CertificateDer::from)
            .collect();
        if chain.len() > limits.certificates {
            return Err(AnchorError::TooMany {
                limit: limits.certificates,
            });
        }
        Self::from_chain(chain, limits)
    }

    fn from_chain(
        mut chain: Vec<CertificateDer<'static>>,
        limits: &Limits,
    ) -> Result<Self, AnchorError> {
        let mut roots = Vec::new();
        for (position, certificate) in chain.iter().enumerate() {
            if certificate.len() > limits.certificate {
                return Err(AnchorError::TooLarge {
                    limit: limits.certificate,
                });
            }
            let parsed = parse(certificate)?;
            if parsed.tbs_certificate.issuer == parsed.tbs_certificate.subject {
                roots.push(position);
            }
        }
        let root = match roots.as_slice() {
            [] => chain.len().checked_sub(1).ok_or(AnchorError::None)?,
            [root] => *root,
            // Two roots are two authorities: which of them a stamp leads to would decide how many agree.
            roots => return Err(AnchorError::Several { count: roots.len() }),
        };
        Self::new(&chain.remove(root), chain)
    }

    fn new(
        root: &CertificateDer<'static>,
        below: Vec<CertificateDer<'static>>,
    ) -> Result<Self, AnchorError> {
        let validity = parse(root)?.tbs_certificate.validity;
        let time = |time: x509_cert::time::Time| {
            i64::try_from(time.to_unix_duration().as_secs())
                .ok()
                .and_then(Timestamp::from_unix_seconds)
                .ok_or(AnchorError::Certificate)
        };
        Ok(Self {
            id: key_id(root).ok_or(AnchorError::Certificate)?,
            valid: (time(validity.not_before)?, time(validity.not_after)?),
            root: webpki::anchor_from_trusted_cert(root)
                .map_err(|_| AnchorError::Certificate)?
                .to_owned(),
            below,
        })
    }

    /// SHA-256 over the `SubjectPublicKeyInfo` of its root: a root that is issued again is the same one.
    pub fn id(&self) -> &Digest {
        &self.id
    }

    pub(super) fn root(&self) -> &TrustAnchor<'static> {
        &self.root
    }

    pub(super) fn below(&self) -> &[CertificateDer<'static>] {
        &self.below
    }

    /// Path validation takes its anchor's own dates for granted; we do not.
    pub(super) fn is_valid_at(&self, time: Timestamp) -> bool {
        let seconds = |time: Timestamp| time.unix_seconds();
        (seconds(self.valid.0)..=seconds(self.valid.1)).contains(&seconds(time))
    }
}

fn key_id(certificate: &CertificateDer<'_>) -> Option<Digest> {
    let certificate = parse(certificate).ok()?;
    let key = certificate.tbs_certificate.subject_public_key_info.to_der();
    Some(Digest::sha256(&key.ok()?))
}

fn parse(certificate: &CertificateDer<'_>) -> Result<Certificate, AnchorError> {
    Certificate::from_der(certificate).map_err(|_| AnchorError::Certificate)
}

/// A file of certificates that is no authority's chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorError {
    /// One of them cannot be read.
    #[error("a certificate in it cannot be read")]
    Certificate,
    /// No certificate at all.
    #[error("it has no certificate in PEM")]
    None,
    /// Broken PEM.
    #[error("its PEM is broken")]
    Pem,
    /// More than one root.
    #[error("it has {count} roots where one is expected")]
    Several {
        /// How many.
        count: usize,
    },
    /// A certificate longer than any.
    #[error("a certificate in it is longer than {limit} bytes")]
    TooLarge {
        /// How many bytes are read.
        limit: usize,
    },
    /// More certificates than a chain has.
    #[error("it has more than {limit} certificates")]
    TooMany {
        /// How many are read.
        limit: usize,
    },
}

impl AnchorError {
    /// The code of every such file.
    pub const CODE: Code = Code::new("tsa-chain-invalid");
}

impl Explain for AnchorError {
    fn code(&self) -> Code {
        Self::CODE
    }

    fn remedy(&self) -> String {
        "give the certificate chain of one time-stamp authority in PEM, its root included; a file for each authority"
            .to_owned()
    }
}

//! A time-stamp authority (RFC 3161) that can be told to lie: its keys and certificates, and the answer to a request.
//! Called by the stand-in's listener, and by those who make fixtures. Never reads a clock: the time is an argument.
//!
//! ```
//! use countersign_stand_in::tsa::{Defect, GenTime, KeyKind, Mode, TimeAuthority};
//!
//! let authority = TimeAuthority::generate("one", KeyKind::EcdsaP256)?;
//! let time = GenTime::seconds(1_790_000_000);
//! let honest = authority.respond(b"no request", time.clone(), &Mode::default());
//! // PKIStatus 2, rejection.
//! assert_eq!(honest.get(4..7), Some([0x02, 0x01, 0x02].as_slice()));
//! let lie = Mode::with(Defect::OtherImprint);
//! assert_eq!(authority.respond(b"no request", time, &lie), honest);
//! # Ok::<(), countersign_stand_in::tsa::TsaError>(())
//! ```

mod asn1;
mod certificates;
mod contents;
mod keys;
mod mode;
mod response;
mod token;

use rcgen::KeyPair;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, pem::PemObject as _};

use certificates::{Certificates, Issued};
use keys::Key;

pub use keys::KeyKind;
pub use mode::{Accuracy, Defect, Ess, GenTime, Mode, SignatureOid};

/// One authority: a root, a signer's key, and the certificates for it.
#[derive(Debug)]
pub struct TimeAuthority {
    certificates: Certificates,
    key: Key,
}

/// Why an authority could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum TsaError {
    /// A certificate could not be issued.
    #[error("the certificates of the time-stamp authority could not be issued")]
    Certificate(#[from] rcgen::Error),
    /// A structure could not be read or written.
    #[error("a structure of the time-stamp authority is not DER")]
    Encoding(#[from] der::Error),
    /// The key cannot be read, or cannot sign like this.
    #[error("the key of the time-stamp authority cannot be used")]
    Key,
    /// A certificate is not there.
    #[error("a certificate of the time-stamp authority is missing")]
    Missing,
    /// What was saved is not PEM.
    #[error("the saved time-stamp authority is not PEM")]
    Pem,
}

impl TimeAuthority {
    /// Makes the keys and certificates of an authority of this name.
    pub fn generate(name: &str, kind: KeyKind) -> Result<Self, TsaError> {
        let key = KeyPair::generate_for(kind.certified_as())?;
        Ok(Self {
            certificates: Certificates::issue(name, kind, &key)?,
            key: Key::from_pkcs8(key.serialize_der())?,
        })
    }

    /// Reads what [`Self::to_pem`] wrote.
    pub fn from_pem(text: &str) -> Result<Self, TsaError> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).map_err(|_| TsaError::Pem)?;
        let certificates = CertificateDer::pem_slice_iter(text.as_bytes())
            .map(|certificate| Issued::from_der(&certificate.map_err(|_| TsaError::Pem)?))
            .collect::<Result<Vec<_>, TsaError>>()?;
        Ok(Self {
            certificates: Certificates::from_ordered(certificates)?,
            key: Key::from_pkcs8(key.secret_pkcs8_der().to_vec())?,
        })
    }

    /// Writes the signer's private key and every certificate, so that a fixture's authority is the same in each run.
    pub fn to_pem(&self) -> String {
        certificates::pem("PRIVATE KEY", &self.key.pkcs8) + &self.certificates.to_pem()
    }

    /// The kind of the signer's key.
    pub fn kind(&self) -> KeyKind {
        self.key.kind
    }

    /// The certificate of the root.
    pub fn root_pem(&self) -> String {
        self.certificates.root.pem()
    }

    /// The certificate of the other root of the same name, which nobody should trust.
    pub fn other_root_pem(&self) -> String {
        self.certificates.other_root.pem()
    }

    /// The honest signer's certificate and after it the root's.
    pub fn chain_pem(&self) -> String {
        self.certificates.honest.pem() + &self.root_pem()
    }

    /// Answers a `TimeStampReq` with a `TimeStampResp`, both DER: honestly, or as the mode says. What is no request is
    /// rejected, and so is what the mode makes impossible.
    pub fn respond(&self, request: &[u8], time: GenTime, mode: &Mode) -> Vec<u8> {
        response::respond(self, request, time, mode)
    }
}

//! Why a time stamp does not count.

use crate::Escaped;

/// A response that is no stamp, or none that counts. Each is shown after the words "the time stamp".
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// The accuracy is no duration.
    #[error("has an accuracy that is no duration")]
    Accuracy,
    /// A signed attribute is absent, twice there, or not what it must be.
    #[error("has no single valid signed attribute `{name}`")]
    Attribute {
        /// Its name in the specifications.
        name: &'static str,
    },
    /// The signed attributes are not in the one order that a signature is over.
    #[error("has signed attributes that are not sorted")]
    AttributesUnsorted,
    /// Its signer's certificate was not valid when the stamp says it was made.
    #[error("is by a certificate that was not valid at its time, {time}")]
    CertificateExpired {
        /// When it says it was made.
        time: crate::Timestamp,
    },
    /// The certificate of its signer is not there.
    #[error("does not contain its signer's certificate")]
    CertificateMissing,
    /// Its signer's certificate may be used for something else, or not for time stamps.
    #[error(
        "is by a certificate that is not for time stamps alone (extended key usage, critical and no other)"
    )]
    CertificateUsage,
    /// It holds something else.
    #[error("does not hold a time (id-ct-TSTInfo)")]
    ContentType,
    /// It must not be understood without an extension that nobody here knows.
    #[error("has a critical extension that is not known")]
    CriticalExtension,
    /// Not the structures of RFC 3161.
    #[error("is not the DER of RFC 3161: {0}")]
    Der(der::Error),
    /// Over something else.
    #[error("is over something else")]
    Imprint,
    /// A hash that is not accepted.
    #[error("is made with a hash other than SHA-256, SHA-384 or SHA-512")]
    Hash,
    /// Not standard, padded base64.
    #[error("is not standard base64")]
    NotBase64,
    /// The authority refused to make it.
    #[error("was not granted: status {status}{}", said(text))]
    NotGranted {
        /// `PKIStatus` (RFC 3161 section 2.4.2).
        status: u8,
        /// What the authority said.
        text: String,
    },
    /// Granted, and not there.
    #[error("was granted and is not there")]
    NoToken,
    /// The signature does not fit, or is of a kind that is not accepted.
    #[error("has a signature that does not fit")]
    Signature,
    /// Not one signer.
    #[error("has {count} signers where one is expected")]
    SignerCount {
        /// How many.
        count: usize,
    },
    /// The signed attribute that names the signer's certificate names another.
    #[error("names another certificate as its signer's than the one that signed it")]
    SignerNamed,
    /// The time is not written as it must be.
    #[error("has a time that is not written in UTC with `Z`")]
    Time,
    /// More than is read.
    #[error("is longer than {limit} bytes")]
    TooLarge {
        /// How many bytes are read.
        limit: usize,
    },
    /// More elements than are read.
    #[error("has a list of more than {limit} elements")]
    TooMany {
        /// How many are read.
        limit: usize,
    },
    /// Made by nobody that is trusted here.
    #[error("is by no authority that is trusted")]
    Untrusted,
    /// Another version of the specification.
    #[error("is of a version other than 1")]
    Version,
}

fn said(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!(", `{}`", Escaped(text))
    }
}

impl From<der::Error> for Invalid {
    fn from(source: der::Error) -> Self {
        Self::Der(source)
    }
}

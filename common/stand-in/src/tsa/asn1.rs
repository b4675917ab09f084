//! The structures of RFC 3161 and of the ESS attributes, which the `cms` crate does not have. Read and written by the
//! response and its token. Decides nothing.

use const_oid::db::rfc5912::{ID_SHA_1, ID_SHA_256, ID_SHA_384, ID_SHA_512};
use der::{
    Any, Sequence,
    asn1::{BitString, Int, ObjectIdentifier, OctetString, Uint},
};
use x509_cert::{ext::Extensions, spki::AlgorithmIdentifierOwned};

/// id-ct-`TSTInfo` (RFC 3161 §2.4.2).
pub(super) const TST_INFO: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");

#[derive(Clone, Debug, Sequence)]
pub(super) struct MessageImprint {
    pub(super) hash_algorithm: AlgorithmIdentifierOwned,
    pub(super) hashed_message: OctetString,
}

#[derive(Clone, Debug, Sequence)]
pub(super) struct TimeStampReq {
    pub(super) version: u8,
    pub(super) message_imprint: MessageImprint,
    #[asn1(optional = "true")]
    pub(super) policy: Option<ObjectIdentifier>,
    #[asn1(optional = "true")]
    pub(super) nonce: Option<Int>,
    #[asn1(default = "Default::default")]
    pub(super) certificates_asked: bool,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    pub(super) extensions: Option<Extensions>,
}

#[derive(Clone, Debug, Sequence)]
pub(super) struct TimeStampResp {
    pub(super) status: PkiStatus,
    /// A `ContentInfo`, already encoded.
    #[asn1(optional = "true")]
    pub(super) token: Option<Any>,
}

#[derive(Clone, Debug, Sequence)]
pub(super) struct PkiStatus {
    pub(super) status: u8,
    #[asn1(optional = "true")]
    pub(super) failure: Option<BitString>,
}

#[derive(Clone, Debug, Sequence)]
pub(super) struct TstInfo {
    pub(super) version: u8,
    pub(super) policy: ObjectIdentifier,
    pub(super) message_imprint: MessageImprint,
    pub(super) serial_number: Uint,
    /// Not `GeneralizedTime`: that of the `der` crate has no fraction.
    pub(super) gen_time: Any,
    #[asn1(optional = "true")]
    pub(super) accuracy: Option<AccuracyField>,
    #[asn1(optional = "true")]
    pub(super) nonce: Option<Int>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    pub(super) extensions: Option<Extensions>,
}

#[derive(Clone, Debug, Sequence)]
pub(super) struct AccuracyField {
    #[asn1(optional = "true")]
    pub(super) seconds: Option<i64>,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    pub(super) millis: Option<i64>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    pub(super) micros: Option<i64>,
}

/// The value of either signing-certificate attribute.
#[derive(Clone, Debug, Sequence)]
pub(super) struct SigningCertificate {
    pub(super) certificates: Vec<EssCertificate>,
}

/// `ESSCertIDv2`, and without the algorithm also `ESSCertID`.
#[derive(Clone, Debug, Sequence)]
pub(super) struct EssCertificate {
    #[asn1(optional = "true")]
    pub(super) hash_algorithm: Option<AlgorithmIdentifierOwned>,
    pub(super) hash: OctetString,
}

/// The parameters of an RSASSA-PSS signature (RFC 4055 §3.1).
#[derive(Clone, Debug, Sequence)]
pub(super) struct PssParameters {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    pub(super) hash: AlgorithmIdentifierOwned,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT")]
    pub(super) mask: AlgorithmIdentifierOwned,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT")]
    pub(super) salt_length: u8,
}

/// A hash that a request or a signature may name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub(super) fn by_oid(oid: ObjectIdentifier) -> Option<Self> {
        [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512]
            .into_iter()
            .find(|hash| hash.oid() == oid)
    }

    fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Sha1 => ID_SHA_1,
            Self::Sha256 => ID_SHA_256,
            Self::Sha384 => ID_SHA_384,
            Self::Sha512 => ID_SHA_512,
        }
    }

    pub(super) fn algorithm(self) -> AlgorithmIdentifierOwned {
        algorithm(self.oid(), None)
    }

    pub(super) fn of(self, bytes: &[u8]) -> aws_lc_rs::digest::Digest {
        aws_lc_rs::digest::digest(self.function(), bytes)
    }

    pub(super) fn length(self) -> usize {
        self.function().output_len()
    }

    fn function(self) -> &'static aws_lc_rs::digest::Algorithm {
        use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512};
        match self {
            Self::Sha1 => &SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &SHA256,
            Self::Sha384 => &SHA384,
            Self::Sha512 => &SHA512,
        }
    }
}

pub(super) fn algorithm(
    oid: ObjectIdentifier,
    parameters: Option<Any>,
) -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid, parameters }
}

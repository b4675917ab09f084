//! The structures of RFC 3161, RFC 5652 (CMS) and RFC 5035 (ESS), for the reader of the `der` crate.
//!
//! Sets are kept as bytes and counted while they are read: types that sort what they read take a time that grows with
//! the square of what a stranger put in.

use der::{
    Decode, DecodeValue, EncodeValue, FixedTag, Header, Length, Reader, Sequence, SliceReader, Tag,
    Writer,
    asn1::{AnyRef, BitStringRef, IntRef, ObjectIdentifier, OctetStringRef, Utf8StringRef},
};
use spki::AlgorithmIdentifierRef;
use x509_cert::ext::Extension;

use super::Invalid;

/// `id-ct-TSTInfo`, which the database of names does not have.
pub(super) const ID_CT_TST_INFO: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");

macro_rules! raw {
    ($(#[$doc:meta])* $name:ident, $tag:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub(super) struct $name<'a>(pub(super) &'a [u8]);

        impl FixedTag for $name<'_> {
            const TAG: Tag = $tag;
        }

        impl<'a> DecodeValue<'a> for $name<'a> {
            fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> der::Result<Self> {
                reader.read_slice(header.length).map(Self)
            }
        }

        impl EncodeValue for $name<'_> {
            fn value_len(&self) -> der::Result<Length> {
                self.0.len().try_into()
            }

            fn encode_value(&self, writer: &mut impl Writer) -> der::Result<()> {
                writer.write(self.0)
            }
        }
    };
}

raw!(
    /// A `SET OF`, not read yet.
    RawSet,
    Tag::Set
);
raw!(
    /// A `SEQUENCE OF`, not read yet.
    RawSequence,
    Tag::Sequence
);

impl<'a> RawSet<'a> {
    /// Its elements, if there are at most so many.
    pub(super) fn elements<T: Decode<'a>>(self, limit: usize) -> Result<Vec<T>, Invalid> {
        elements(self.0, limit)
    }
}

impl<'a> RawSequence<'a> {
    /// Its elements, if there are at most so many.
    pub(super) fn elements<T: Decode<'a>>(self, limit: usize) -> Result<Vec<T>, Invalid> {
        elements(self.0, limit)
    }
}

fn elements<'a, T: Decode<'a>>(bytes: &'a [u8], limit: usize) -> Result<Vec<T>, Invalid> {
    let mut elements = Vec::new();
    if bytes.is_empty() {
        return Ok(elements);
    }
    let mut reader = SliceReader::new(bytes)?;
    while !reader.is_finished() {
        if elements.len() == limit {
            return Err(Invalid::TooMany { limit });
        }
        elements.push(T::decode(&mut reader)?);
    }
    Ok(elements)
}

#[derive(Sequence)]
pub(super) struct TimeStampReq<'a> {
    pub(super) version: u8,
    pub(super) message_imprint: MessageImprint<'a>,
    pub(super) nonce: u64,
    pub(super) cert_req: bool,
}

#[derive(Clone, Copy, Debug, Sequence)]
pub(super) struct MessageImprint<'a> {
    pub(super) hash_algorithm: AlgorithmIdentifierRef<'a>,
    pub(super) hashed_message: OctetStringRef<'a>,
}

#[derive(Sequence)]
pub(super) struct TimeStampResp<'a> {
    pub(super) status: PkiStatusInfo<'a>,
    #[asn1(optional = "true")]
    pub(super) token: Option<ContentInfo<'a>>,
}

#[derive(Sequence)]
pub(super) struct PkiStatusInfo<'a> {
    pub(super) status: u8,
    #[asn1(optional = "true")]
    pub(super) status_string: Option<RawSequence<'a>>,
    #[asn1(optional = "true")]
    pub(super) fail_info: Option<BitStringRef<'a>>,
}

impl PkiStatusInfo<'_> {
    /// What it says to people, as far as it can be read.
    pub(super) fn text(&self) -> String {
        let texts = self
            .status_string
            .and_then(|texts| texts.elements::<Utf8StringRef<'_>>(4).ok());
        let texts = texts.unwrap_or_default();
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        texts.join(" ")
    }
}

#[derive(Sequence)]
pub(super) struct ContentInfo<'a> {
    pub(super) content_type: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    pub(super) content: SignedData<'a>,
}

#[derive(Sequence)]
pub(super) struct SignedData<'a> {
    pub(super) version: u8,
    pub(super) digest_algorithms: RawSet<'a>,
    pub(super) encapsulated: EncapsulatedContentInfo<'a>,
    #[asn1(
        context_specific = "0",
        tag_mode = "IMPLICIT",
        constructed = "true",
        optional = "true"
    )]
    pub(super) certificates: Option<RawSet<'a>>,
    #[asn1(
        context_specific = "1",
        tag_mode = "IMPLICIT",
        constructed = "true",
        optional = "true"
    )]
    pub(super) crls: Option<RawSet<'a>>,
    pub(super) signer_infos: RawSet<'a>,
}

#[derive(Sequence)]
pub(super) struct EncapsulatedContentInfo<'a> {
    pub(super) content_type: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) content: Option<OctetStringRef<'a>>,
}

/// A signer, named by issuer and serial number. RFC 5652 allows a key identifier too; no authority uses it.
#[derive(Clone, Copy, Debug, Sequence)]
pub(super) struct SignerInfo<'a> {
    pub(super) version: u8,
    pub(super) signer: IssuerAndSerialNumber<'a>,
    pub(super) digest_algorithm: AlgorithmIdentifierRef<'a>,
    #[asn1(
        context_specific = "0",
        tag_mode = "IMPLICIT",
        constructed = "true",
        optional = "true"
    )]
    pub(super) signed_attributes: Option<RawSet<'a>>,
    pub(super) signature_algorithm: AlgorithmIdentifierRef<'a>,
    pub(super) signature: OctetStringRef<'a>,
    #[asn1(
        context_specific = "1",
        tag_mode = "IMPLICIT",
        constructed = "true",
        optional = "true"
    )]
    pub(super) unsigned_attributes: Option<RawSet<'a>>,
}

#[derive(Clone, Copy, Debug, Sequence)]
pub(super) struct IssuerAndSerialNumber<'a> {
    pub(super) issuer: RawSequence<'a>,
    pub(super) serial_number: IntRef<'a>,
}

#[derive(Clone, Copy, Debug, Sequence)]
pub(super) struct Attribute<'a> {
    pub(super) kind: ObjectIdentifier,
    pub(super) values: RawSet<'a>,
}

/// RFC 3161 section 2.4.2. The time is kept as it is: its fraction is read by us.
#[derive(Clone, Debug, Sequence)]
pub(super) struct TstInfo<'a> {
    pub(super) version: u8,
    pub(super) policy: ObjectIdentifier,
    pub(super) message_imprint: MessageImprint<'a>,
    pub(super) serial_number: IntRef<'a>,
    pub(super) gen_time: AnyRef<'a>,
    #[asn1(optional = "true")]
    pub(super) accuracy: Option<Accuracy>,
    #[asn1(default = "Default::default")]
    pub(super) ordering: bool,
    #[asn1(optional = "true")]
    pub(super) nonce: Option<IntRef<'a>>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) tsa: Option<AnyRef<'a>>,
    #[asn1(
        context_specific = "1",
        tag_mode = "IMPLICIT",
        constructed = "true",
        optional = "true"
    )]
    pub(super) extensions: Option<RawSequence<'a>>,
}

impl TstInfo<'_> {
    /// Whether it has an extension that it may not be understood without. None is known.
    pub(super) fn has_critical_extension(&self) -> Result<bool, Invalid> {
        let Some(extensions) = self.extensions else {
            return Ok(false);
        };
        let extensions = extensions.elements::<Extension>(16)?;
        Ok(extensions.iter().any(|extension| extension.critical))
    }
}

#[derive(Clone, Copy, Debug, Sequence)]
pub(super) struct Accuracy {
    #[asn1(optional = "true")]
    pub(super) seconds: Option<i64>,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    pub(super) millis: Option<i64>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    pub(super) micros: Option<i64>,
}

/// RFC 2634 section 5.4 and RFC 5035 section 4: which certificates signed, the signer's own first. Policies follow.
#[derive(Sequence)]
pub(super) struct SigningCertificate<'a> {
    pub(super) certificates: RawSequence<'a>,
    #[asn1(optional = "true")]
    pub(super) policies: Option<RawSequence<'a>>,
}

#[derive(Sequence)]
pub(super) struct EssCertId<'a> {
    pub(super) hash: OctetStringRef<'a>,
    #[asn1(optional = "true")]
    pub(super) issuer_serial: Option<RawSequence<'a>>,
}

/// Without an algorithm the hash is SHA-256.
#[derive(Sequence)]
pub(super) struct EssCertIdV2<'a> {
    #[asn1(optional = "true")]
    pub(super) hash_algorithm: Option<AlgorithmIdentifierRef<'a>>,
    pub(super) hash: OctetStringRef<'a>,
    #[asn1(optional = "true")]
    pub(super) issuer_serial: Option<RawSequence<'a>>,
}

//! An authority's answer, and what it takes to believe it.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::{Engine, prelude::BASE64_STANDARD};
use const_oid::db::rfc5911::{
    ID_AA_SIGNING_CERTIFICATE, ID_AA_SIGNING_CERTIFICATE_V_2, ID_CONTENT_TYPE, ID_MESSAGE_DIGEST,
    ID_SIGNED_DATA,
};
use der::{
    Decode, Encode, Tag,
    asn1::{AnyRef, ObjectIdentifier, OctetStringRef},
};
use pki_types::CertificateDer;
use webpki::EndEntityCert;

use super::{
    Anchor, Invalid, Moment, Stamp, Unanchored,
    asn1::{
        Attribute, EssCertId, EssCertIdV2, ID_CT_TST_INFO, RawSet, SignerInfo, SigningCertificate,
        TimeStampResp, TstInfo,
    },
    signature::{self, Hash},
};
use crate::{Digest, Limits, Signature};

/// Signed attributes that are looked at; authorities send four to six.
const ATTRIBUTES: usize = 32;

/// What a stamp is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stamped<'a> {
    /// [`BEFORE_STAMP`](super::BEFORE_STAMP): the stamp lies in what is signed, which is therefore younger.
    Before,
    /// A signature: it is older than the stamp.
    Signature(&'a Signature),
}

/// What an authority answered, taken apart. Nothing in it is believed yet.
#[derive(Clone, Debug)]
pub struct Response<'a> {
    content: &'a [u8],
    info: TstInfo<'a>,
    signer: SignerInfo<'a>,
    /// The signed attributes, as they are hashed.
    signed: Vec<u8>,
    attributes: Vec<Attribute<'a>>,
    certificates: Vec<CertificateDer<'a>>,
    moment: Moment,
}

/// Decodes a stamp as documents hold it: standard base64 of a `TimeStampResp`.
pub fn decode(text: &str, limits: &Limits) -> Result<Vec<u8>, Invalid> {
    if text.len() / 4 * 3 > limits.time_stamp + 2 {
        return Err(Invalid::TooLarge {
            limit: limits.time_stamp,
        });
    }
    BASE64_STANDARD.decode(text).map_err(|_| Invalid::NotBase64)
}

impl<'a> Response<'a> {
    /// Takes the DER of a `TimeStampResp` apart.
    pub fn parse(der: &'a [u8], limits: &Limits) -> Result<Self, Invalid> {
        if der.len() > limits.time_stamp {
            return Err(Invalid::TooLarge {
                limit: limits.time_stamp,
            });
        }
        let response = TimeStampResp::from_der(der)?;
        // Granted, and granted with modifications: the modified thing is checked like any other.
        if response.status.status > 1 {
            return Err(Invalid::NotGranted {
                status: response.status.status,
                text: response.status.text(),
            });
        }
        let token = response.token.ok_or(Invalid::NoToken)?;
        let data = token.content;
        if token.content_type != ID_SIGNED_DATA || data.encapsulated.content_type != ID_CT_TST_INFO
        {
            return Err(Invalid::ContentType);
        }
        let content = data
            .encapsulated
            .content
            .ok_or(Invalid::ContentType)?
            .as_bytes();
        let info = TstInfo::from_der(content)?;
        if info.version != 1 {
            return Err(Invalid::Version);
        }
        let signer = only_signer(data.signer_infos)?;
        let raw = signer.signed_attributes.ok_or(Invalid::Attribute {
            name: "contentType",
        })?;
        Ok(Self {
            content,
            moment: Moment::of(&info)?,
            info,
            signed: AnyRef::new(Tag::Set, raw.0)?.to_der()?,
            attributes: sorted(raw)?,
            certificates: certificates(data.certificates, limits)?,
            signer,
        })
    }

    /// Whether it repeats the nonce of a request.
    pub fn repeats(&self, nonce: u64) -> bool {
        let bytes = nonce.to_be_bytes();
        let number = |bytes: &[u8]| -> Vec<u8> {
            bytes
                .iter()
                .copied()
                .skip_while(|byte| *byte == 0)
                .collect()
        };
        self.info
            .nonce
            .is_some_and(|answered| number(answered.as_bytes()) == number(&bytes))
    }

    /// Checks that it is over what it should be: a hash, and nothing more, so that what is not costs no more.
    pub fn check_imprint(&self, stamped: Stamped<'_>) -> Result<(), Invalid> {
        let imprint = &self.info.message_imprint;
        let hash = Hash::of(&imprint.hash_algorithm)?;
        // What lies in a payload is one constant, so that whoever reads it needs no arithmetic to know it.
        if stamped == Stamped::Before && hash != Hash::Sha256 {
            return Err(Invalid::Hash);
        }
        if hash.digest(stamped.bytes()).as_ref() == imprint.hashed_message.as_bytes() {
            Ok(())
        } else {
            Err(Invalid::Imprint)
        }
    }

    /// Checks all of it but whether its authority is trusted: for whoever chose the authority and asked it. Not a stamp that
    /// anybody else need believe.
    pub fn check_unanchored(&self, stamped: Stamped<'_>) -> Result<Unanchored, Invalid> {
        let certificate = signature::find(&self.certificates, &self.signer.signer)?;
        signature::check_validity(&certificate, self.moment.time())?;
        self.check_imprint(stamped)?;
        self.check(&certificate)?;
        Ok(Unanchored {
            moment: self.moment.clone(),
            signer: key_id(&certificate),
        })
    }

    /// Checks all of it: it is over what it should be, and by the authority of an anchor, as it was at the stamp's time.
    ///
    /// What it is over comes first, then the path, then the rest: what nobody vouches for is not worth much work.
    pub fn verify(&self, stamped: Stamped<'_>, anchor: &Anchor) -> Result<Stamp, Invalid> {
        self.verify_through(stamped, anchor, &self.certificates)
    }

    /// The same by the certificates of the anchor's chain alone, besides the signer's own: whoever made the stamp does not
    /// decide how much work its path is.
    pub fn verify_by_chain(&self, stamped: Stamped<'_>, anchor: &Anchor) -> Result<Stamp, Invalid> {
        self.verify_through(stamped, anchor, &[])
    }

    fn verify_through(
        &self,
        stamped: Stamped<'_>,
        anchor: &Anchor,
        carried: &[CertificateDer<'_>],
    ) -> Result<Stamp, Invalid> {
        self.check_imprint(stamped)?;
        let known = self.certificates.iter().chain(anchor.below());
        let certificate = signature::find(known, &self.signer.signer)?;
        signature::check_path(&certificate, anchor, carried, self.moment.time())?;
        self.check(&certificate)?;
        Ok(Stamp {
            moment: self.moment.clone(),
            signer: key_id(&certificate),
        })
    }

    fn check(&self, certificate: &EndEntityCert<'_>) -> Result<(), Invalid> {
        if self.info.has_critical_extension()? {
            return Err(Invalid::CriticalExtension);
        }
        signature::check(certificate, &self.signer, &self.signed)?;
        signature::check_usage(certificate)?;
        self.check_attributes()?;
        self.check_named(certificate)
    }

    /// RFC 5652 section 11: what was signed says what it is, and holds the hash of the content.
    fn check_attributes(&self) -> Result<(), Invalid> {
        let kind: ObjectIdentifier = self.attribute(ID_CONTENT_TYPE, "contentType")?;
        if kind != ID_CT_TST_INFO {
            return Err(Invalid::Attribute {
                name: "contentType",
            });
        }
        let digest: OctetStringRef<'_> = self.attribute(ID_MESSAGE_DIGEST, "messageDigest")?;
        let hash = Hash::of(&self.signer.digest_algorithm)?;
        if hash.digest(self.content).as_ref() == digest.as_bytes() {
            Ok(())
        } else {
            Err(Invalid::Attribute {
                name: "messageDigest",
            })
        }
    }

    /// The certificate that the signed attributes name is the one that signed, so that no other with the same key, issuer
    /// and number can be put in its place. Version 2 wins; the SHA-1 of version 1 only tells certificates apart.
    fn check_named(&self, certificate: &EndEntityCert<'_>) -> Result<(), Invalid> {
        const NAME: &str = "signingCertificate";
        let certificate = certificate.der();
        let has_v2 = self
            .attributes
            .iter()
            .any(|attribute| attribute.kind == ID_AA_SIGNING_CERTIFICATE_V_2);
        let missing = || Invalid::Attribute { name: NAME };
        let (named, actual) = if has_v2 {
            let named: SigningCertificate<'_> =
                self.attribute(ID_AA_SIGNING_CERTIFICATE_V_2, NAME)?;
            let all = named.certificates.elements::<EssCertIdV2<'_>>(ATTRIBUTES)?;
            let first = all.first().ok_or_else(missing)?;
            let hash = first
                .hash_algorithm
                .as_ref()
                .map_or(Ok(Hash::Sha256), Hash::of)?;
            (first.hash, hash.digest(&certificate))
        } else {
            let named: SigningCertificate<'_> = self.attribute(ID_AA_SIGNING_CERTIFICATE, NAME)?;
            let all = named.certificates.elements::<EssCertId<'_>>(ATTRIBUTES)?;
            let first = all.first().ok_or_else(missing)?;
            (first.hash, digest(&SHA1_FOR_LEGACY_USE_ONLY, &certificate))
        };
        if named.as_bytes() == actual.as_ref() {
            Ok(())
        } else {
            Err(Invalid::SignerNamed)
        }
    }

    /// The one value of the one attribute of a kind.
    fn attribute<T: Decode<'a>>(
        &self,
        kind: ObjectIdentifier,
        name: &'static str,
    ) -> Result<T, Invalid> {
        let mut found = self
            .attributes
            .iter()
            .filter(|attribute| attribute.kind == kind);
        let (Some(attribute), None) = (found.next(), found.next()) else {
            return Err(Invalid::Attribute { name });
        };
        T::from_der(attribute.values.0).map_err(|_| Invalid::Attribute { name })
    }
}

fn key_id(certificate: &EndEntityCert<'_>) -> Digest {
    Digest::sha256(&certificate.subject_public_key_info())
}

fn only_signer(signers: RawSet<'_>) -> Result<SignerInfo<'_>, Invalid> {
    match <[SignerInfo<'_>; 1]>::try_from(signers.elements(2)?) {
        Ok([signer]) => Ok(signer),
        Err(signers) => Err(Invalid::SignerCount {
            count: signers.len(),
        }),
    }
}

/// A signature is over the sorted set. A parser that sorts for us would make a second text of one that was not.
fn sorted(raw: RawSet<'_>) -> Result<Vec<Attribute<'_>>, Invalid> {
    let attributes = raw.elements::<Attribute<'_>>(ATTRIBUTES)?;
    let encoded = attributes
        .iter()
        .map(Attribute::to_der)
        .collect::<Result<Vec<_>, _>>()?;
    if encoded.is_sorted() {
        Ok(attributes)
    } else {
        Err(Invalid::AttributesUnsorted)
    }
}

/// The certificates that the answer carries. Other forms of identity are passed over.
fn certificates<'a>(
    set: Option<RawSet<'a>>,
    limits: &Limits,
) -> Result<Vec<CertificateDer<'a>>, Invalid> {
    let Some(set) = set else {
        return Ok(Vec::new());
    };
    let mut certificates = Vec::new();
    for choice in set.elements::<AnyRef<'a>>(limits.certificates)? {
        if der::Tagged::tag(&choice) != Tag::Sequence {
            continue;
        }
        let certificate = choice.to_der()?;
        if certificate.len() > limits.certificate {
            return Err(Invalid::TooLarge {
                limit: limits.certificate,
            });
        }
        certificates.push(CertificateDer::from(certificate));
    }
    Ok(certificates)
}

//! The token: a `TSTInfo` signed in CMS (RFC 3161 §2.4.2, RFC 5652 §5), with the defect that the mode asks for. Called
//! for each granted request.

use cms::{
    cert::{CertificateChoices, IssuerAndSerialNumber},
    content_info::{CmsVersion, ContentInfo},
    signed_data::{
        CertificateSet, EncapsulatedContentInfo, SignedAttributes, SignedData, SignerIdentifier,
        SignerInfo, SignerInfos,
    },
};
use const_oid::db::rfc5911::{
    ID_AA_SIGNING_CERTIFICATE, ID_AA_SIGNING_CERTIFICATE_V_2, ID_CONTENT_TYPE, ID_DATA,
    ID_MESSAGE_DIGEST, ID_SIGNED_DATA,
};
use der::{
    Any, Encode, EncodeValue, Tag, Tagged,
    asn1::{ObjectIdentifier, OctetString, SetOfVec},
};
use x509_cert::{attr::Attribute, ext::pkix::SubjectKeyIdentifier};

use super::{
    TimeAuthority, TsaError,
    asn1::{EssCertificate, Hash, SigningCertificate, TST_INFO, TimeStampReq},
    certificates::{Issued, Leaf},
    contents,
    keys::Scheme,
    mode::{Defect, Ess, GenTime, Mode},
};

/// Makes the DER of a `ContentInfo`.
pub(super) fn make(
    authority: &TimeAuthority,
    request: TimeStampReq,
    time: GenTime,
    mode: &Mode,
) -> Result<Vec<u8>, TsaError> {
    let defect = mode.defect;
    let certified = request.certificates_asked && defect != Some(Defect::NoCertificates);
    let signing = Signing {
        authority,
        content: contents::make(request, time, mode)?,
        mode,
        scheme: authority.key.scheme(mode)?,
    };
    let signers: &[Leaf] = match defect {
        Some(Defect::NoSigners) => &[],
        Some(Defect::TwoSigners) => &[Leaf::Honest, Leaf::Second],
        _ => &[Leaf::of(defect)],
    };
    let signed_data = SignedData {
        version: CmsVersion::V3,
        digest_algorithms: SetOfVec::try_from([signing.scheme.hash.algorithm()])?,
        encap_content_info: EncapsulatedContentInfo {
            econtent_type: signing.content_type(),
            econtent: Some(Any::new(Tag::OctetString, signing.content.as_slice())?),
        },
        certificates: certified
            .then(|| signing.certificates(signers))
            .transpose()?,
        crls: None,
        signer_infos: signing.signer_infos(signers)?,
    };
    let token = ContentInfo {
        content_type: ID_SIGNED_DATA,
        content: Any::encode_from(&signed_data)?,
    };
    Ok(token.to_der()?)
}

/// What every signature in one token is made from.
struct Signing<'a> {
    authority: &'a TimeAuthority,
    content: Vec<u8>,
    mode: &'a Mode,
    scheme: Scheme,
}

impl Signing<'_> {
    fn has(&self, defect: Defect) -> bool {
        self.mode.defect == Some(defect)
    }

    fn content_type(&self) -> ObjectIdentifier {
        if self.has(Defect::OtherContentType) {
            ID_DATA
        } else {
            TST_INFO
        }
    }

    fn certificates(&self, signers: &[Leaf]) -> Result<CertificateSet, TsaError> {
        // Without a signer it is the certificate of the one that should have signed.
        let signers = if signers.is_empty() {
            &[Leaf::Honest]
        } else {
            signers
        };
        let certificates: Vec<_> = signers
            .iter()
            .flat_map(|leaf| self.authority.certificates.chain(*leaf))
            .map(CertificateChoices::Certificate)
            .collect();
        Ok(CertificateSet::try_from(certificates)?)
    }

    fn signer_infos(&self, signers: &[Leaf]) -> Result<SignerInfos, TsaError> {
        let infos = signers
            .iter()
            .map(|leaf| self.signer_info(*leaf))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(SignerInfos::try_from(infos)?)
    }

    fn signer_info(&self, leaf: Leaf) -> Result<SignerInfo, TsaError> {
        let attributes = self.attributes(leaf)?;
        let message =
            if self.has(Defect::NoSignedAttributes) || self.has(Defect::SignatureOfContentOnly) {
                self.content.clone()
            } else {
                attributes.to_der()?
            };
        let mut signature = self.authority.key.sign(&self.scheme, &message)?;
        if self.has(Defect::SignatureFlipped)
            && let Some(last) = signature.last_mut()
        {
            *last ^= 1;
        }
        let (version, sid) = self.identifier(self.authority.certificates.leaf(leaf))?;
        Ok(SignerInfo {
            version,
            sid,
            digest_alg: self.scheme.hash.algorithm(),
            signed_attrs: (!self.has(Defect::NoSignedAttributes)).then_some(attributes),
            signature_algorithm: self.scheme.algorithm.clone(),
            signature: OctetString::new(signature)?,
            unsigned_attrs: None,
        })
    }

    fn identifier(&self, signer: &Issued) -> Result<(CmsVersion, SignerIdentifier), TsaError> {
        let certificate = &signer.certificate.tbs_certificate;
        if self.has(Defect::SignerByKeyIdentifier) {
            let (_, key) = certificate
                .get::<SubjectKeyIdentifier>()?
                .ok_or(TsaError::Missing)?;
            return Ok((CmsVersion::V3, SignerIdentifier::SubjectKeyIdentifier(key)));
        }
        let identifier = SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
            issuer: certificate.issuer.clone(),
            serial_number: certificate.serial_number.clone(),
        });
        Ok((CmsVersion::V1, identifier))
    }

    fn attributes(&self, leaf: Leaf) -> Result<SignedAttributes, TsaError> {
        let mut attributes = self.ess(leaf)?;
        if !self.has(Defect::NoContentTypeAttribute) {
            let content_type = match self.mode.defect {
                Some(Defect::OtherContentTypeAttribute) => ID_DATA,
                _ => self.content_type(),
            };
            attributes.push(attribute(ID_CONTENT_TYPE, &content_type)?);
        }
        let mut digests = vec![self.scheme.hash.of(&self.content).as_ref().to_vec()];
        match self.mode.defect {
            Some(Defect::NoMessageDigest) => digests.clear(),
            Some(Defect::OtherMessageDigest) => {
                digests = vec![self.scheme.hash.of(b"another content").as_ref().to_vec()];
            }
            // As high as it can be, to be the later one in the order of DER.
            Some(Defect::TwoMessageDigests) => digests.push(vec![0xff; self.scheme.hash.length()]),
            _ => {}
        }
        for digest in digests {
            attributes.push(attribute(ID_MESSAGE_DIGEST, &OctetString::new(digest)?)?);
        }
        Ok(SetOfVec::try_from(attributes)?)
    }

    /// The signing-certificate attributes.
    fn ess(&self, leaf: Leaf) -> Result<Vec<Attribute>, TsaError> {
        let certificates = &self.authority.certificates;
        let signer = certificates.leaf(leaf);
        let another = certificates.leaf(match leaf {
            Leaf::Second => Leaf::Honest,
            _ => Leaf::Second,
        });
        match self.mode.ess {
            Ess::Both => Ok(vec![version_1(signer)?, version_2(signer)?]),
            Ess::None => Ok(Vec::new()),
            Ess::V1 => Ok(vec![version_1(signer)?]),
            Ess::V1BesideV2OfAnother => Ok(vec![version_1(signer)?, version_2(another)?]),
            Ess::V1OfAnother => Ok(vec![version_1(another)?]),
            Ess::V2 => Ok(vec![version_2(signer)?]),
            Ess::V2BesideV1OfAnother => Ok(vec![version_2(signer)?, version_1(another)?]),
            Ess::V2OfAnother => Ok(vec![version_2(another)?]),
            Ess::V2Sha512 => {
                let named = EssCertificate {
                    hash_algorithm: Some(Hash::Sha512.algorithm()),
                    hash: OctetString::new(Hash::Sha512.of(&signer.der).as_ref())?,
                };
                Ok(vec![signing_certificate(
                    ID_AA_SIGNING_CERTIFICATE_V_2,
                    named,
                )?])
            }
        }
    }
}

fn version_1(signer: &Issued) -> Result<Attribute, TsaError> {
    let named = EssCertificate {
        hash_algorithm: None,
        hash: OctetString::new(Hash::Sha1.of(&signer.der).as_ref())?,
    };
    signing_certificate(ID_AA_SIGNING_CERTIFICATE, named)
}

/// Without an algorithm the digest is SHA-256.
fn version_2(signer: &Issued) -> Result<Attribute, TsaError> {
    let named = EssCertificate {
        hash_algorithm: None,
        hash: OctetString::new(Hash::Sha256.of(&signer.der).as_ref())?,
    };
    signing_certificate(ID_AA_SIGNING_CERTIFICATE_V_2, named)
}

fn signing_certificate(
    oid: ObjectIdentifier,
    named: EssCertificate,
) -> Result<Attribute, TsaError> {
    let value = SigningCertificate {
        certificates: vec![named],
    };
    attribute(oid, &value)
}

fn attribute<T: EncodeValue + Tagged>(
    oid: ObjectIdentifier,
    value: &T,
) -> Result<Attribute, TsaError> {
    Ok(Attribute {
        oid,
        values: SetOfVec::try_from([Any::encode_from(value)?])?,
    })
}

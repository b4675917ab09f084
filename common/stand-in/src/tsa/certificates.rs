//! The certificates of an authority: its root, the honest signer's, and one for each defect that a certificate can have.
//! Issued once when an authority is generated; the keys of the roots and of the intermediate are then thrown away.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use const_oid::db::rfc5280::{ID_KP_CODE_SIGNING, ID_KP_TIME_STAMPING};
use der::{Decode as _, Encode as _, asn1::ObjectIdentifier};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SerialNumber, date_time_ymd,
};
use x509_cert::{Certificate, ext::pkix::ExtendedKeyUsage};

use super::{TsaError, keys::KeyKind, mode::Defect};

/// The extension for extended key usage, as `rcgen` names extensions.
const EXTENDED_KEY_USAGE: &[u64] = &[2, 5, 29, 37];

/// A signer's certificate. All are for the same key, so that each differs from the honest one in one point.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Leaf {
    BelowIntermediate,
    BelowOtherRoot,
    Expired,
    Honest,
    IsCa,
    KeyUsageOther,
    NotYetValid,
    /// As honest as the first, with another serial number.
    Second,
    WithMoreUsages,
    WithUncriticalUsage,
    WithoutUsage,
}

impl Leaf {
    /// All but the honest one, in the order in which they are saved.
    const FURTHER: [Self; 10] = [
        Self::Second,
        Self::BelowIntermediate,
        Self::BelowOtherRoot,
        Self::Expired,
        Self::NotYetValid,
        Self::IsCa,
        Self::KeyUsageOther,
        Self::WithMoreUsages,
        Self::WithUncriticalUsage,
        Self::WithoutUsage,
    ];

    /// The certificate that shows this defect.
    pub(super) fn of(defect: Option<Defect>) -> Self {
        match defect {
            Some(Defect::EkuAbsent) => Self::WithoutUsage,
            Some(Defect::EkuMore) => Self::WithMoreUsages,
            Some(Defect::EkuNotCritical) => Self::WithUncriticalUsage,
            Some(Defect::KeyUsageOther) => Self::KeyUsageOther,
            Some(Defect::LeafExpired) => Self::Expired,
            Some(Defect::LeafIsCa) => Self::IsCa,
            Some(Defect::LeafNotYetValid) => Self::NotYetValid,
            Some(Defect::OtherRoot) => Self::BelowOtherRoot,
            Some(Defect::ViaIntermediate) => Self::BelowIntermediate,
            _ => Self::Honest,
        }
    }

    fn years(self) -> (i32, i32) {
        match self {
            Self::Expired => (2020, 2021),
            Self::NotYetValid => (2039, 2040),
            _ => (2020, 2040),
        }
    }

    /// The extension for extended key usage, if there is one.
    fn usage(self) -> Result<Option<CustomExtension>, TsaError> {
        let purposes: &[ObjectIdentifier] = match self {
            Self::WithoutUsage => return Ok(None),
            Self::WithMoreUsages => &[ID_KP_TIME_STAMPING, ID_KP_CODE_SIGNING],
            _ => &[ID_KP_TIME_STAMPING],
        };
        let content = ExtendedKeyUsage(purposes.to_vec()).to_der()?;
        let mut extension = CustomExtension::from_oid_content(EXTENDED_KEY_USAGE, content);
        extension.set_criticality(self != Self::WithUncriticalUsage);
        Ok(Some(extension))
    }

    fn params(self, name: &str) -> Result<CertificateParams, TsaError> {
        let (first, last) = self.years();
        let mut params = dated(&format!("{name} time stamping"), first, last);
        params.serial_number = Some(SerialNumber::from(1000 + self as u64));
        params.is_ca = match self {
            Self::IsCa => IsCa::Ca(BasicConstraints::Unconstrained),
            _ => IsCa::ExplicitNoCa,
        };
        params.key_usages = vec![match self {
            Self::KeyUsageOther => KeyUsagePurpose::KeyEncipherment,
            _ => KeyUsagePurpose::DigitalSignature,
        }];
        params.custom_extensions = self.usage()?.into_iter().collect();
        params.use_authority_key_identifier_extension = true;
        Ok(params)
    }
}

/// A certificate, with its bytes as they were issued.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) der: Vec<u8>,
    pub(super) certificate: Certificate,
}

impl Issued {
    pub(super) fn from_der(der: &[u8]) -> Result<Self, TsaError> {
        Ok(Self {
            der: der.to_vec(),
            certificate: Certificate::from_der(der)?,
        })
    }

    pub(super) fn pem(&self) -> String {
        pem("CERTIFICATE", &self.der)
    }
}

/// All certificates of an authority.
#[derive(Debug)]
pub(super) struct Certificates {
    pub(super) root: Issued,
    pub(super) other_root: Issued,
    pub(super) honest: Issued,
    intermediate: Issued,
    further: Vec<(Leaf, Issued)>,
}

impl Certificates {
    pub(super) fn issue(name: &str, kind: KeyKind, key: &KeyPair) -> Result<Self, TsaError> {
        let root = root(name, kind)?;
        let other_root = self::root(name, kind)?;
        let intermediate = intermediate(name, kind, &root)?;
        let issue = |leaf: Leaf| {
            let issuer: &Issuer<'_, KeyPair> = match leaf {
                Leaf::BelowIntermediate => &intermediate,
                Leaf::BelowOtherRoot => &other_root,
                _ => &root,
            };
            Issued::from_der(leaf.params(name)?.signed_by(key, issuer)?.der())
        };
        Ok(Self {
            root: Issued::from_der(root.der())?,
            other_root: Issued::from_der(other_root.der())?,
            intermediate: Issued::from_der(intermediate.der())?,
            honest: issue(Leaf::Honest)?,
            further: Leaf::FURTHER
                .into_iter()
                .map(|leaf| Ok((leaf, issue(leaf)?)))
                .collect::<Result<_, TsaError>>()?,
        })
    }

    /// Takes them back in the order of [`Self::to_pem`].
    pub(super) fn from_ordered(
        certificates: impl IntoIterator<Item = Issued>,
    ) -> Result<Self, TsaError> {
        let mut certificates = certificates.into_iter();
        let mut next = || certificates.next().ok_or(TsaError::Missing);
        Ok(Self {
            root: next()?,
            other_root: next()?,
            intermediate: next()?,
            honest: next()?,
            further: Leaf::FURTHER
                .into_iter()
                .map(|leaf| Ok((leaf, next()?)))
                .collect::<Result<_, TsaError>>()?,
        })
    }

    pub(super) fn to_pem(&self) -> String {
        [
            &self.root,
            &self.other_root,
            &self.intermediate,
            &self.honest,
        ]
        .into_iter()
        .chain(self.further.iter().map(|(_, issued)| issued))
        .map(Issued::pem)
        .collect()
    }

    pub(super) fn leaf(&self, leaf: Leaf) -> &Issued {
        self.further
            .iter()
            .find_map(|(other, issued)| (*other == leaf).then_some(issued))
            .unwrap_or(&self.honest)
    }

    /// What comes with a token: the signer's certificate and what is between it and the root. The other root comes too,
    /// for a verifier that takes its anchor from the token.
    pub(super) fn chain(&self, leaf: Leaf) -> Vec<Certificate> {
        let above = match leaf {
            Leaf::BelowIntermediate => Some(&self.intermediate),
            Leaf::BelowOtherRoot => Some(&self.other_root),
            _ => None,
        };
        let chain = [self.leaf(leaf)].into_iter().chain(above);
        chain.map(|issued| issued.certificate.clone()).collect()
    }
}

/// RFC 7468: lines of 64 characters.
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let lines: String = der
        .chunks(48)
        .map(|line| STANDARD.encode(line) + "\n")
        .collect();
    format!("-----BEGIN {label}-----\n{lines}-----END {label}-----\n")
}

fn root(name: &str, kind: KeyKind) -> Result<CertifiedIssuer<'static, KeyPair>, TsaError> {
    let params = authority(&format!("{name} root"), 2015, 2050);
    Ok(CertifiedIssuer::self_signed(params, authority_key(kind)?)?)
}

fn intermediate(
    name: &str,
    kind: KeyKind,
    root: &Issuer<'_, KeyPair>,
) -> Result<CertifiedIssuer<'static, KeyPair>, TsaError> {
    let mut params = authority(&format!("{name} intermediate"), 2020, 2040);
    params.use_authority_key_identifier_extension = true;
    Ok(CertifiedIssuer::signed_by(
        params,
        authority_key(kind)?,
        root,
    )?)
}

/// P-256 unless the whole chain is RSA.
fn authority_key(kind: KeyKind) -> Result<KeyPair, rcgen::Error> {
    KeyPair::generate_for(match kind {
        KeyKind::EcdsaP256 | KeyKind::EcdsaP384 => &PKCS_ECDSA_P256_SHA256,
        KeyKind::Rsa2048 => &PKCS_RSA_SHA256,
    })
}

fn authority(common_name: &str, first: i32, last: i32) -> CertificateParams {
    let mut params = dated(common_name, first, last);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Good from the start of the first year to the start of the last.
fn dated(common_name: &str, first: i32, last: i32) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.not_before = date_time_ymd(first, 1, 1);
    params.not_after = date_time_ymd(last, 1, 1);
    params
}

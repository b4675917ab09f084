//! Who a certificate says that it is for, and by whom. Shown, never believed: no path is built and no signature checked.

use base64::{Engine, prelude::BASE64_STANDARD};
use countersign_common::{Digest, Limits, Timestamp};
use x509_cert::{
    Certificate as Document,
    der::{Decode, asn1::Utf8StringRef, pem},
    ext::{
        Extension,
        pkix::{SubjectAltName, name::GeneralName},
    },
    time::Time,
};

use super::Fault;

/// Fulcio's extensions that name who vouched for the identity: the later one in DER, the earlier one as it is
/// ([OID information](https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md)).
const VOUCHER: &str = "1.3.6.1.4.1.57264.1.8";
const VOUCHER_RAW: &str = "1.3.6.1.4.1.57264.1.1";

/// What a certificate says of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Certificate {
    /// For whom it is.
    pub subject: String,
    /// Who issued it.
    pub issuer: String,
    /// SHA-256 over it.
    pub fingerprint: Digest,
    /// From when it is valid.
    pub not_before: Option<Timestamp>,
    /// Until when.
    pub not_after: Option<Timestamp>,
    /// Alternative names: addresses and URIs.
    pub identities: Vec<String>,
    /// Who vouched for the identity when it was issued.
    pub voucher: Option<String>,
}

/// Reads certificates, each in DER. One that is none is shown by its fingerprint alone.
pub(super) fn read(chain: &[Vec<u8>], limits: &Limits) -> Result<Vec<Certificate>, Fault> {
    let too_many = |what, limit| Err(Fault::TooMany { what, limit });
    if chain.len() > limits.certificates {
        return too_many("certificates", limits.certificates);
    }
    if chain.iter().any(|one| one.len() > limits.certificate) {
        return too_many("bytes in a certificate", limits.certificate);
    }
    Ok(chain.iter().map(|der| Certificate::of(der)).collect())
}

/// The certificates in a list of base64.
pub(super) fn decode(texts: &[String], limits: &Limits) -> Result<Vec<Vec<u8>>, Fault> {
    if texts.len() > limits.certificates {
        return Err(Fault::TooMany {
            what: "certificates",
            limit: limits.certificates,
        });
    }
    let decoded = texts.iter().map(|text| BASE64_STANDARD.decode(text));
    let decoded: Result<_, _> = decoded.collect();
    decoded.map_err(|_| Fault::Base64 {
        part: "certificate",
    })
}

/// The first certificate in a text of PEM: that of the signer.
pub(super) fn first_in_pem(text: &str) -> Result<Vec<Vec<u8>>, Fault> {
    let end = text.find(END).map_or(text.len(), |end| end + END.len());
    let first = text.get(..end).unwrap_or(text);
    let (_, der) = pem::decode_vec(first.as_bytes()).map_err(|_| Fault::Base64 {
        part: "certificate",
    })?;
    Ok(vec![der])
}

const END: &str = "-----END CERTIFICATE-----\n";

impl Certificate {
    fn of(der: &[u8]) -> Self {
        let fingerprint = Digest::sha256(der);
        let Ok(document) = Document::from_der(der) else {
            return Self {
                subject: "unreadable".to_owned(),
                issuer: "unreadable".to_owned(),
                fingerprint,
                not_before: None,
                not_after: None,
                identities: Vec::new(),
                voucher: None,
            };
        };
        let contents = document.tbs_certificate;
        let extensions = contents.extensions.unwrap_or_default();
        Self {
            subject: contents.subject.to_string(),
            issuer: contents.issuer.to_string(),
            fingerprint,
            not_before: timestamp(contents.validity.not_before),
            not_after: timestamp(contents.validity.not_after),
            identities: extensions.iter().flat_map(identities).collect(),
            voucher: extensions.iter().find_map(voucher),
        }
    }
}

fn timestamp(time: Time) -> Option<Timestamp> {
    Timestamp::from_unix_seconds(i64::try_from(time.to_unix_duration().as_secs()).ok()?)
}

/// The names in it that are text.
fn identities(extension: &Extension) -> Vec<String> {
    if extension.extn_id.to_string() != SUBJECT_ALT_NAME {
        return Vec::new();
    }
    let Ok(SubjectAltName(names)) = SubjectAltName::from_der(extension.extn_value.as_bytes())
    else {
        return Vec::new();
    };
    let text = |name: GeneralName| match name {
        GeneralName::Rfc822Name(name)
        | GeneralName::DnsName(name)
        | GeneralName::UniformResourceIdentifier(name) => Some(name.to_string()),
        _ => None,
    };
    names.into_iter().filter_map(text).collect()
}

/// `subjectAltName`.
const SUBJECT_ALT_NAME: &str = "2.5.29.17";

fn voucher(extension: &Extension) -> Option<String> {
    let value = extension.extn_value.as_bytes();
    match extension.extn_id.to_string().as_str() {
        VOUCHER => Some(Utf8StringRef::from_der(value).ok()?.as_str().to_owned()),
        VOUCHER_RAW => String::from_utf8(value.to_vec()).ok(),
        _ => None,
    }
}

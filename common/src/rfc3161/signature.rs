//! Whose signature a stamp has: the certificate that made it, and the way from there to an anchor.

use aws_lc_rs::digest;
use const_oid::db::{
    rfc5280::ID_KP_TIME_STAMPING,
    rfc5912::{
        ECDSA_WITH_SHA_256, ECDSA_WITH_SHA_384, ECDSA_WITH_SHA_512, ID_RSASSA_PSS, ID_SHA_256,
        ID_SHA_384, ID_SHA_512, RSA_ENCRYPTION, SHA_256_WITH_RSA_ENCRYPTION,
        SHA_384_WITH_RSA_ENCRYPTION, SHA_512_WITH_RSA_ENCRYPTION,
    },
};
use der::{Decode, asn1::ObjectIdentifier};
use pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use spki::AlgorithmIdentifierRef;
use webpki::{EndEntityCert, Error, KeyUsage as Usage, aws_lc_rs as algorithms};
use x509_cert::{
    Certificate,
    ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage},
};

use super::{
    Anchor, Invalid,
    asn1::{IssuerAndSerialNumber, SignerInfo},
};
use crate::Timestamp;

/// `id-kp-timeStamping`, as webpki takes it.
const TIME_STAMPING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 8];

/// The hashes that are accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub(super) fn of(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<Self, Invalid> {
        Self::named(algorithm.oid).ok_or(Invalid::Hash)
    }

    fn named(oid: ObjectIdentifier) -> Option<Self> {
        match oid {
            ID_SHA_256 => Some(Self::Sha256),
            ID_SHA_384 => Some(Self::Sha384),
            ID_SHA_512 => Some(Self::Sha512),
            _ => None,
        }
    }

    pub(super) fn digest(self, bytes: &[u8]) -> digest::Digest {
        let algorithm = match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, bytes)
    }
}

/// The certificate among these that a signer names as its own.
pub(super) fn find<'c>(
    certificates: impl IntoIterator<Item = &'c CertificateDer<'c>>,
    named: &IssuerAndSerialNumber<'_>,
) -> Result<EndEntityCert<'c>, Invalid> {
    let serial = without_zeros(named.serial_number.as_bytes());
    certificates
        .into_iter()
        .filter_map(|certificate| EndEntityCert::try_from(certificate).ok())
        .find(|certificate| {
            certificate.issuer() == named.issuer.0 && without_zeros(certificate.serial()) == serial
        })
        .ok_or(Invalid::CertificateMissing)
}

fn without_zeros(number: &[u8]) -> &[u8] {
    match number {
        [0, rest @ ..] => without_zeros(rest),
        number => number,
    }
}

/// Checks that a certificate leads to an anchor, both valid at that time.
pub(super) fn check_path(
    certificate: &EndEntityCert<'_>,
    anchor: &Anchor,
    carried: &[CertificateDer<'_>],
    time: Timestamp,
) -> Result<(), Invalid> {
    let seconds = u64::try_from(time.unix_seconds()).map_err(|_| Invalid::Time)?;
    let intermediates: Vec<_> = carried.iter().chain(anchor.below()).cloned().collect();
    let path = certificate.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        std::slice::from_ref(anchor.root()),
        &intermediates,
        UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)),
        // Authorities between need not restrict themselves; what the signer's own must say is checked after.
        Usage::required_if_present(TIME_STAMPING),
        None,
        None,
    );
    match path {
        Ok(_) if anchor.is_valid_at(time) => Ok(()),
        Ok(_) | Err(Error::CertExpired { .. } | Error::CertNotValidYet { .. }) => {
            Err(Invalid::CertificateExpired { time })
        }
        Err(
            Error::RequiredEkuNotFoundContext(_)
            | Error::EmptyEkuExtension
            | Error::CaUsedAsEndEntity,
        ) => Err(Invalid::CertificateUsage),
        Err(_) => Err(Invalid::Untrusted),
    }
}

/// Checks that a certificate is for time stamps and nothing else (RFC 3161 section 2.3): one that also serves a web site
/// is in more hands.
pub(super) fn check_usage(certificate: &EndEntityCert<'_>) -> Result<(), Invalid> {
    let certificate = Certificate::from_der(&certificate.der())?.tbs_certificate;
    let extended = certificate.get::<ExtendedKeyUsage>()?;
    let only_stamps = |(critical, usage): &(bool, ExtendedKeyUsage)| {
        *critical && usage.0.as_slice() == [ID_KP_TIME_STAMPING]
    };
    let constraints = certificate.get::<BasicConstraints>()?;
    let is_authority = constraints.is_some_and(|(_, constraints)| constraints.ca);
    let usage = certificate.get::<KeyUsage>()?;
    let signs =
        |(_, usage): &(bool, KeyUsage)| usage.digital_signature() || usage.non_repudiation();
    if extended.as_ref().is_some_and(only_stamps)
        && usage.as_ref().is_none_or(signs)
        && !is_authority
    {
        Ok(())
    } else {
        Err(Invalid::CertificateUsage)
    }
}

/// Checks that a certificate was valid at that time, where no path does it.
pub(super) fn check_validity(
    certificate: &EndEntityCert<'_>,
    time: Timestamp,
) -> Result<(), Invalid> {
    let validity = Certificate::from_der(&certificate.der())?
        .tbs_certificate
        .validity;
    let seconds = u64::try_from(time.unix_seconds()).map_err(|_| Invalid::Time)?;
    let bounds = validity.not_before.to_unix_duration().as_secs()
        ..=validity.not_after.to_unix_duration().as_secs();
    if bounds.contains(&seconds) {
        Ok(())
    } else {
        Err(Invalid::CertificateExpired { time })
    }
}

/// Checks a signature by a certificate's key.
pub(super) fn check(
    certificate: &EndEntityCert<'_>,
    signer: &SignerInfo<'_>,
    message: &[u8],
) -> Result<(), Invalid> {
    let accepted = accepted(signer)?;
    let fits = accepted.iter().any(|algorithm| {
        certificate
            .verify_signature(*algorithm, message, signer.signature.as_bytes())
            .is_ok()
    });
    if fits {
        Ok(())
    } else {
        Err(Invalid::Signature)
    }
}

type Algorithms = &'static [&'static dyn SignatureVerificationAlgorithm];

/// The one way to sign that the signer names; the curve is its key's. What the digest and the signature algorithm say of
/// the hash must agree.
fn accepted(signer: &SignerInfo<'_>) -> Result<Algorithms, Invalid> {
    let hash = Hash::of(&signer.digest_algorithm)?;
    let (named, by_hash): (Option<Hash>, [Algorithms; 3]) = match signer.signature_algorithm.oid {
        // Most authorities name the key alone, and the hash elsewhere.
        RSA_ENCRYPTION => (Some(hash), PKCS1),
        SHA_256_WITH_RSA_ENCRYPTION => (Some(Hash::Sha256), PKCS1),
        SHA_384_WITH_RSA_ENCRYPTION => (Some(Hash::Sha384), PKCS1),
        SHA_512_WITH_RSA_ENCRYPTION => (Some(Hash::Sha512), PKCS1),
        ID_RSASSA_PSS => (pss_hash(&signer.signature_algorithm), PSS),
        ECDSA_WITH_SHA_256 => (Some(Hash::Sha256), ECDSA),
        ECDSA_WITH_SHA_384 => (Some(Hash::Sha384), ECDSA),
        ECDSA_WITH_SHA_512 => (Some(Hash::Sha512), ECDSA),
        _ => return Err(Invalid::Signature),
    };
    if named != Some(hash) {
        return Err(Invalid::Signature);
    }
    let [sha256, sha384, sha512] = by_hash;
    Ok(match hash {
        Hash::Sha256 => sha256,
        Hash::Sha384 => sha384,
        Hash::Sha512 => sha512,
    })
}

/// The hash of RSASSA-PSS where the mask is made with the same one and the salt is as long: what everybody uses.
fn pss_hash(algorithm: &AlgorithmIdentifierRef<'_>) -> Option<Hash> {
    let parameters = algorithm
        .parameters?
        .decode_as::<pkcs1::RsaPssParams<'_>>()
        .ok()?;
    let hash = Hash::named(parameters.hash.oid)?;
    let mask = Hash::named(parameters.mask_gen.parameters?.oid)?;
    let salt = match hash {
        Hash::Sha256 => 32,
        Hash::Sha384 => 48,
        Hash::Sha512 => 64,
    };
    (mask == hash && parameters.salt_len == salt).then_some(hash)
}

const PKCS1: [Algorithms; 3] = [
    &[algorithms::RSA_PKCS1_2048_8192_SHA256],
    &[algorithms::RSA_PKCS1_2048_8192_SHA384],
    &[algorithms::RSA_PKCS1_2048_8192_SHA512],
];

const PSS: [Algorithms; 3] = [
    &[algorithms::RSA_PSS_2048_8192_SHA256_LEGACY_KEY],
    &[algorithms::RSA_PSS_2048_8192_SHA384_LEGACY_KEY],
    &[algorithms::RSA_PSS_2048_8192_SHA512_LEGACY_KEY],
];

const ECDSA: [Algorithms; 3] = [
    &[
        algorithms::ECDSA_P256_SHA256,
        algorithms::ECDSA_P384_SHA256,
        algorithms::ECDSA_P521_SHA256,
    ],
    &[
        algorithms::ECDSA_P256_SHA384,
        algorithms::ECDSA_P384_SHA384,
        algorithms::ECDSA_P521_SHA384,
    ],
    &[
        algorithms::ECDSA_P256_SHA512,
        algorithms::ECDSA_P384_SHA512,
        algorithms::ECDSA_P521_SHA512,
    ],
];

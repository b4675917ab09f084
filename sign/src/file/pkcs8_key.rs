//! Which kind of private key it is, and its public half: PKCS#8 ([RFC 5208](https://www.rfc-editor.org/rfc/rfc5208)), and
//! its predecessors. Called for every file, once it is decrypted.

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    error::{KeyRejected, Unspecified},
    rsa,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING,
        ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair,
        KeyPair, ML_DSA_44_SIGNING, ML_DSA_65_SIGNING, ML_DSA_87_SIGNING, PqdsaKeyPair,
        PqdsaSigningAlgorithm,
    },
};
use countersign_common::PublicKey;
use pkcs8::{ObjectIdentifier, PrivateKeyInfo, SecretDocument};

use super::{KeyFileError, PrivateKey};

/// id-ecPublicKey (RFC 5480).
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const SECP521R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
/// id-Ed25519 (RFC 8410).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// id-ml-dsa-44, -65 and -87 (RFC 9881).
const ML_DSA_44: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.17");
const ML_DSA_65: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.18");
const ML_DSA_87: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.19");
/// rsaEncryption (RFC 8017).
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// The bytes as one DER structure, wiped when it is dropped.
pub(super) fn document(der: &[u8]) -> Result<SecretDocument, KeyFileError> {
    SecretDocument::try_from(der).map_err(|source| KeyFileError::Der { source })
}

/// The key pair, as aws-lc takes it, and its public half, as everybody checks it.
pub(super) fn parse(document: &SecretDocument) -> Result<(PrivateKey, PublicKey), KeyFileError> {
    let info: PrivateKeyInfo<'_> = document
        .decode_msg()
        .map_err(|source| KeyFileError::Der { source })?;
    let curve = info.algorithm.parameters_oid().ok();
    let private = match (info.algorithm.oid, curve) {
        (EC_PUBLIC_KEY, Some(SECP256R1)) => ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING, document)?,
        (EC_PUBLIC_KEY, Some(SECP384R1)) => ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING, document)?,
        (EC_PUBLIC_KEY, Some(SECP521R1)) => ecdsa(&ECDSA_P521_SHA512_ASN1_SIGNING, document)?,
        (ED25519, _) => PrivateKey::Ed25519(Ed25519KeyPair::from_pkcs8(document.as_bytes())?),
        (ML_DSA_44, _) => ml_dsa(&ML_DSA_44_SIGNING, document)?,
        (ML_DSA_65, _) => ml_dsa(&ML_DSA_65_SIGNING, document)?,
        (ML_DSA_87, _) => ml_dsa(&ML_DSA_87_SIGNING, document)?,
        (RSA_ENCRYPTION, _) => PrivateKey::Rsa(rsa::KeyPair::from_pkcs8(document.as_bytes())?),
        _ => return Err(KeyFileError::Kind),
    };
    let public_key = public_key(&private)?;
    Ok((private, public_key))
}

/// An ECDSA key as OpenSSL wrote it before ([RFC 5915](https://www.rfc-editor.org/rfc/rfc5915)), on whichever curve.
pub(super) fn parse_sec1(der: &[u8]) -> Result<(PrivateKey, PublicKey), KeyFileError> {
    let private = [
        &ECDSA_P256_SHA256_ASN1_SIGNING,
        &ECDSA_P384_SHA384_ASN1_SIGNING,
    ]
    .into_iter()
    .find_map(|curve| EcdsaKeyPair::from_private_key_der(curve, der).ok())
    .map_or_else(
        || EcdsaKeyPair::from_private_key_der(&ECDSA_P521_SHA512_ASN1_SIGNING, der),
        Ok,
    )
    .map(PrivateKey::Ecdsa)?;
    let public_key = public_key(&private)?;
    Ok((private, public_key))
}

/// An RSA key as OpenSSL wrote it before ([RFC 8017](https://www.rfc-editor.org/rfc/rfc8017)).
pub(super) fn parse_pkcs1(der: &[u8]) -> Result<(PrivateKey, PublicKey), KeyFileError> {
    let private = PrivateKey::Rsa(rsa::KeyPair::from_der(der)?);
    let public_key = public_key(&private)?;
    Ok((private, public_key))
}

/// The public half of a key pair.
pub(super) fn public_key(private: &PrivateKey) -> Result<PublicKey, KeyFileError> {
    let der: Result<PublicKeyX509Der<'_>, Unspecified> = match private {
        PrivateKey::Ecdsa(pair) => pair.public_key().as_der(),
        PrivateKey::Ed25519(pair) => pair.public_key().as_der(),
        PrivateKey::MlDsa(pair) => pair.public_key().as_der(),
        PrivateKey::Rsa(pair) => pair.public_key().as_der(),
    };
    Ok(PublicKey::from_spki_der(der?.as_ref())?)
}

fn ecdsa(
    algorithm: &'static EcdsaSigningAlgorithm,
    document: &SecretDocument,
) -> Result<PrivateKey, KeyRejected> {
    EcdsaKeyPair::from_pkcs8(algorithm, document.as_bytes()).map(PrivateKey::Ecdsa)
}

fn ml_dsa(
    algorithm: &'static PqdsaSigningAlgorithm,
    document: &SecretDocument,
) -> Result<PrivateKey, KeyRejected> {
    PqdsaKeyPair::from_pkcs8(algorithm, document.as_bytes()).map(PrivateKey::MlDsa)
}

//! The table of key specs: what each is called, what it may be used for, and how it signs. Read by every key
//! operation. A further spec is one more row.

use std::fmt;

use aws_lc_rs::{
    digest::{self, SHA256, SHA384, SHA512},
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256K1_SHA256_ASN1_SIGNING,
        ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaSigningAlgorithm,
        RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
        RSA_PSS_SHA512, RsaEncoding,
    },
};

/// The kind of a key, by AWS's name for it.
#[derive(Clone, Copy)]
pub struct KeySpec(&'static Row);

/// What a key may be used for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyUsage {
    /// `ENCRYPT_DECRYPT`
    EncryptDecrypt,
    /// `GENERATE_VERIFY_MAC`
    GenerateVerifyMac,
    /// `KEY_AGREEMENT`
    KeyAgreement,
    /// `SIGN_VERIFY`
    SignVerify,
}

struct Row {
    name: &'static str,
    scheme: Scheme,
    /// The first is what a key made by a test is for.
    usages: &'static [KeyUsage],
    /// In the order of `SigningAlgorithms`, of which some clients take the first.
    algorithms: &'static [SigningAlgorithm],
}

/// How a key is made.
#[derive(Clone, Copy)]
pub(crate) enum Scheme {
    Ecdsa(&'static EcdsaSigningAlgorithm),
    Ed25519,
    MlDsa(MlDsa),
    Rsa(KeySize),
    Secret,
}

/// A signing algorithm, by AWS's name for it.
#[derive(Clone, Copy)]
pub(crate) struct SigningAlgorithm {
    pub(crate) name: &'static str,
    pub(crate) method: Method,
}

/// The parameter sets of FIPS 204.
#[derive(Clone, Copy)]
pub(crate) enum MlDsa {
    L44,
    L65,
    L87,
}

/// What is done to what is sent.
#[derive(Clone, Copy)]
pub(crate) enum Method {
    Ecdsa(&'static digest::Algorithm),
    /// The message itself, and no hash of it.
    Ed25519,
    /// The message itself, or its representative.
    MlDsa,
    Rsa(&'static digest::Algorithm, &'static dyn RsaEncoding),
}

impl KeySpec {
    /// `ECC_NIST_P256`
    pub const ECC_NIST_P256: Self = Self(&Row {
        name: "ECC_NIST_P256",
        scheme: Scheme::Ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING),
        usages: &[KeyUsage::SignVerify, KeyUsage::KeyAgreement],
        algorithms: &[ecdsa("ECDSA_SHA_256", &SHA256)],
    });
    /// `ECC_NIST_P384`
    pub const ECC_NIST_P384: Self = Self(&Row {
        name: "ECC_NIST_P384",
        scheme: Scheme::Ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING),
        usages: &[KeyUsage::SignVerify, KeyUsage::KeyAgreement],
        algorithms: &[ecdsa("ECDSA_SHA_384", &SHA384)],
    });
    /// `ECC_NIST_P521`
    pub const ECC_NIST_P521: Self = Self(&Row {
        name: "ECC_NIST_P521",
        scheme: Scheme::Ecdsa(&ECDSA_P521_SHA512_ASN1_SIGNING),
        usages: &[KeyUsage::SignVerify, KeyUsage::KeyAgreement],
        algorithms: &[ecdsa("ECDSA_SHA_512", &SHA512)],
    });
    /// `ECC_NIST_EDWARDS25519`. Its second algorithm, which signs a hash, is not here.
    pub const ECC_NIST_EDWARDS25519: Self = Self(&Row {
        name: "ECC_NIST_EDWARDS25519",
        scheme: Scheme::Ed25519,
        usages: &[KeyUsage::SignVerify],
        algorithms: &[SigningAlgorithm {
            name: "ED25519_SHA_512",
            method: Method::Ed25519,
        }],
    });
    /// `ECC_SECG_P256K1`
    pub const ECC_SECG_P256K1: Self = Self(&Row {
        name: "ECC_SECG_P256K1",
        scheme: Scheme::Ecdsa(&ECDSA_P256K1_SHA256_ASN1_SIGNING),
        usages: &[KeyUsage::SignVerify],
        algorithms: &[ecdsa("ECDSA_SHA_256", &SHA256)],
    });
    /// `HMAC_256`
    pub const HMAC_256: Self = Self(&Row {
        name: "HMAC_256",
        scheme: Scheme::Secret,
        usages: &[KeyUsage::GenerateVerifyMac],
        algorithms: &[],
    });
    /// `ML_DSA_44`
    pub const ML_DSA_44: Self = Self(&Row {
        name: "ML_DSA_44",
        scheme: Scheme::MlDsa(MlDsa::L44),
        usages: &[KeyUsage::SignVerify],
        algorithms: ML_DSA,
    });
    /// `ML_DSA_65`
    pub const ML_DSA_65: Self = Self(&Row {
        name: "ML_DSA_65",
        scheme: Scheme::MlDsa(MlDsa::L65),
        usages: &[KeyUsage::SignVerify],
        algorithms: ML_DSA,
    });
    /// `ML_DSA_87`
    pub const ML_DSA_87: Self = Self(&Row {
        name: "ML_DSA_87",
        scheme: Scheme::MlDsa(MlDsa::L87),
        usages: &[KeyUsage::SignVerify],
        algorithms: ML_DSA,
    });
    /// `RSA_2048`
    pub const RSA_2048: Self = Self(&Row {
        name: "RSA_2048",
        scheme: Scheme::Rsa(KeySize::Rsa2048),
        usages: &[KeyUsage::SignVerify, KeyUsage::EncryptDecrypt],
        algorithms: RSA,
    });
    /// `RSA_3072`
    pub const RSA_3072: Self = Self(&Row {
        name: "RSA_3072",
        scheme: Scheme::Rsa(KeySize::Rsa3072),
        usages: &[KeyUsage::SignVerify, KeyUsage::EncryptDecrypt],
        algorithms: RSA,
    });
    /// `RSA_4096`
    pub const RSA_4096: Self = Self(&Row {
        name: "RSA_4096",
        scheme: Scheme::Rsa(KeySize::Rsa4096),
        usages: &[KeyUsage::SignVerify, KeyUsage::EncryptDecrypt],
        algorithms: RSA,
    });
    /// `SYMMETRIC_DEFAULT`
    pub const SYMMETRIC_DEFAULT: Self = Self(&Row {
        name: "SYMMETRIC_DEFAULT",
        scheme: Scheme::Secret,
        usages: &[KeyUsage::EncryptDecrypt],
        algorithms: &[],
    });

    /// Every spec there is.
    pub const ALL: [Self; 13] = [
        Self::ECC_NIST_P256,
        Self::ECC_NIST_P384,
        Self::ECC_NIST_P521,
        Self::ECC_NIST_EDWARDS25519,
        Self::ECC_SECG_P256K1,
        Self::HMAC_256,
        Self::ML_DSA_44,
        Self::ML_DSA_65,
        Self::ML_DSA_87,
        Self::RSA_2048,
        Self::RSA_3072,
        Self::RSA_4096,
        Self::SYMMETRIC_DEFAULT,
    ];

    /// AWS's name for it.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|spec| spec.name() == name)
    }

    pub(crate) fn scheme(self) -> Scheme {
        self.0.scheme
    }

    pub(crate) fn usages(self) -> &'static [KeyUsage] {
        self.0.usages
    }

    pub(crate) fn algorithms(self) -> &'static [SigningAlgorithm] {
        self.0.algorithms
    }
}

impl fmt::Debug for KeySpec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Eq for KeySpec {}

impl PartialEq for KeySpec {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl KeyUsage {
    const ALL: [Self; 4] = [
        Self::EncryptDecrypt,
        Self::GenerateVerifyMac,
        Self::KeyAgreement,
        Self::SignVerify,
    ];

    /// AWS's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::EncryptDecrypt => "ENCRYPT_DECRYPT",
            Self::GenerateVerifyMac => "GENERATE_VERIFY_MAC",
            Self::KeyAgreement => "KEY_AGREEMENT",
            Self::SignVerify => "SIGN_VERIFY",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|usage| usage.name() == name)
    }
}

impl SigningAlgorithm {
    /// Whether any spec knows an algorithm of this name.
    pub(crate) fn exists(name: &str) -> bool {
        KeySpec::ALL
            .iter()
            .flat_map(|spec| spec.algorithms())
            .any(|algorithm| algorithm.name == name)
    }
}

const ML_DSA: &[SigningAlgorithm] = &[SigningAlgorithm {
    name: "ML_DSA_SHAKE_256",
    method: Method::MlDsa,
}];

const RSA: &[SigningAlgorithm] = &[
    rsa("RSASSA_PKCS1_V1_5_SHA_256", &SHA256, &RSA_PKCS1_SHA256),
    rsa("RSASSA_PKCS1_V1_5_SHA_384", &SHA384, &RSA_PKCS1_SHA384),
    rsa("RSASSA_PKCS1_V1_5_SHA_512", &SHA512, &RSA_PKCS1_SHA512),
    rsa("RSASSA_PSS_SHA_256", &SHA256, &RSA_PSS_SHA256),
    rsa("RSASSA_PSS_SHA_384", &SHA384, &RSA_PSS_SHA384),
    rsa("RSASSA_PSS_SHA_512", &SHA512, &RSA_PSS_SHA512),
];

const fn ecdsa(name: &'static str, digest: &'static digest::Algorithm) -> SigningAlgorithm {
    SigningAlgorithm {
        name,
        method: Method::Ecdsa(digest),
    }
}

const fn rsa(
    name: &'static str,
    digest: &'static digest::Algorithm,
    encoding: &'static dyn RsaEncoding,
) -> SigningAlgorithm {
    SigningAlgorithm {
        name,
        method: Method::Rsa(digest, encoding),
    }
}

//! How a time-stamp authority is told to answer: its policy, accuracy and attributes, and the one defect it may have.
//! Filled in by tests, read while a token is made. The default is honest.

/// Everything about a token that is not decided by the request, the time and the authority's keys.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mode {
    /// The accuracy that the token states, if any.
    pub accuracy: Option<Accuracy>,
    /// The one thing that is not as it should be.
    pub defect: Option<Defect>,
    /// Which certificate the signed attributes name, and how.
    pub ess: Ess,
    /// The policy that the token names, as a dotted OID.
    pub policy: String,
    /// How an RSA signature names its algorithm.
    pub signature_oid: SignatureOid,
}

impl Default for Mode {
    fn default() -> Self {
        Self {
            accuracy: Some(Accuracy {
                seconds: Some(1),
                ..Accuracy::default()
            }),
            defect: None,
            ess: Ess::V2,
            policy: "1.3.6.1.4.1.99999.1".into(),
            signature_oid: SignatureOid::Generic,
        }
    }
}

impl Mode {
    /// Honest but for this.
    pub fn with(defect: Defect) -> Self {
        Self {
            defect: Some(defect),
            ..Self::default()
        }
    }
}

/// How far the true time may be from the stated one. Nothing stops a test from stating what RFC 3161 forbids.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Accuracy {
    /// Whole seconds.
    pub seconds: Option<i64>,
    /// Milliseconds, 1 to 999 where they are honest.
    pub millis: Option<i64>,
    /// Microseconds, 1 to 999 where they are honest.
    pub micros: Option<i64>,
}

/// The time in a token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GenTime {
    /// Seconds since 1970, up to the year 9999; a time before 1970 is written as 1970.
    pub unix_seconds: i64,
    /// The digits after the point, as they are to be written; empty for none.
    pub fraction: String,
}

impl GenTime {
    /// A time in whole seconds.
    pub fn seconds(unix_seconds: i64) -> Self {
        Self {
            unix_seconds,
            fraction: String::new(),
        }
    }
}

/// The attribute by which a signature names its signer's certificate (ESS, RFC 2634 and RFC 5035).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ess {
    /// Both versions, and both name the signer.
    Both,
    /// Neither version.
    None,
    /// Version 1, whose digest is SHA-1.
    V1,
    /// Version 1 names the signer, version 2 another certificate of the same key.
    V1BesideV2OfAnother,
    /// Version 1 names another certificate of the same key.
    V1OfAnother,
    /// Version 2 with its default digest, SHA-256.
    V2,
    /// Version 2 names the signer, version 1 another certificate of the same key.
    V2BesideV1OfAnother,
    /// Version 2 names another certificate of the same key.
    V2OfAnother,
    /// Version 2 with SHA-512.
    V2Sha512,
}

/// How an RSA signature (PKCS#1 v1.5) names its algorithm. An ECDSA signature has one name only.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SignatureOid {
    /// `sha256WithRSAEncryption`.
    Combined,
    /// `rsaEncryption`, as openssl writes it.
    Generic,
}

macro_rules! defects {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// The one point in which a token differs from an honest one. Some are legitimate all the same, and say so.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum Defect {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Defect {
            /// Every defect.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name in kebab case.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

defects! {
    /// The token alone, without the response around it.
    BareToken = "bare-token",
    /// An extension of the `TSTInfo` that nobody knows, critical.
    CriticalExtension = "critical-extension",
    /// The signer's certificate has no extended key usage.
    EkuAbsent = "eku-absent",
    /// The extended key usage is time stamping and code signing, critical.
    EkuMore = "eku-more",
    /// The extended key usage is right and not critical.
    EkuNotCritical = "eku-not-critical",
    /// The status is "granted with modifications", which is legitimate.
    GrantedWithMods = "granted-with-mods",
    /// The status is "granted", and no token follows.
    GrantedWithoutToken = "granted-without-token",
    /// The signer's certificate allows another use of the key only.
    KeyUsageOther = "key-usage-other",
    /// The signer's certificate was good in 2020 only.
    LeafExpired = "leaf-expired",
    /// The signer's certificate is that of a certificate authority.
    LeafIsCa = "leaf-is-ca",
    /// The signer's certificate is good in 2039 only.
    LeafNotYetValid = "leaf-not-yet-valid",
    /// No certificates, though they were asked for.
    NoCertificates = "no-certificates",
    /// No content-type attribute.
    NoContentTypeAttribute = "no-content-type-attribute",
    /// No message-digest attribute.
    NoMessageDigest = "no-message-digest",
    /// No nonce, though one was sent.
    NoNonce = "no-nonce",
    /// No signed attributes; the signature is over the content.
    NoSignedAttributes = "no-signed-attributes",
    /// Nobody signed.
    NoSigners = "no-signers",
    /// The content is said to be plain data, in both places.
    OtherContentType = "other-content-type",
    /// The content-type attribute alone says plain data.
    OtherContentTypeAttribute = "other-content-type-attribute",
    /// Of other bytes than the request's.
    OtherImprint = "other-imprint",
    /// The message-digest attribute is that of another content.
    OtherMessageDigest = "other-message-digest",
    /// A nonce that was not sent.
    OtherNonce = "other-nonce",
    /// The signer's certificate is from another root of the same name, which comes with it.
    OtherRoot = "other-root",
    /// An RSASSA-PSS signature with SHA-256, which is legitimate. RSA only: an ECDSA authority fails.
    PssSignature = "pss-signature",
    /// The status is "rejection", without a token.
    Rejected = "rejected",
    /// The status is "rejection", and a good token follows.
    RejectedWithToken = "rejected-with-token",
    /// The content is digested with SHA-1, and signed with it where the key is ECDSA. (With RSA the signature is over
    /// SHA-256 and named so: the library makes no other.)
    Sha1Digest = "sha1-digest",
    /// The imprint is said to be SHA-1, and is as long as one. For a *true* SHA-1 imprint send an honest authority a
    /// request with one.
    Sha1Imprint = "sha1-imprint",
    /// The signature is over the content, beside signed attributes.
    SignatureOfContentOnly = "signature-of-content-only",
    /// The last bit of the signature is wrong.
    SignatureFlipped = "signature-flipped",
    /// The signer is named by its key.
    SignerByKeyIdentifier = "signer-by-key-identifier",
    /// The time has no `Z`, which makes it local.
    TimeWithoutZ = "time-without-z",
    /// One byte more after the response.
    TrailingBytes = "trailing-bytes",
    /// Two message-digest attributes: the right one, and after it another.
    TwoMessageDigests = "two-message-digests",
    /// Two good signatures, by two good certificates.
    TwoSigners = "two-signers",
    /// The version of the `TSTInfo` is 2.
    Version2 = "version-2",
    /// An intermediate authority, which is legitimate and comes with the token.
    ViaIntermediate = "via-intermediate",
}

impl Defect {
    /// The defect of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|defect| defect.name() == name)
    }
}

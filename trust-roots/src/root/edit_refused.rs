//! Why a draft is not changed as was asked, or a signature not taken.

use countersign_common::{Algorithm, Code, Escaped, Explain, KeyId, key::KeyError};

use super::Fault;
use crate::Pattern;

/// The draft stays as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditRefused {
    /// TUF has no name for how the key signs.
    #[error("no trust root can hold a key that signs with `{algorithm}`")]
    Algorithm {
        /// How it signs.
        algorithm: Algorithm,
    },
    /// The draft could not be read again.
    #[error("the draft cannot be read: {0}")]
    Fault(#[from] Fault),
    /// The key cannot be written.
    #[error("the key cannot be written: {0}")]
    Key(KeyError),
    /// It is there already.
    #[error("key {} is there already", Escaped(id))]
    KeyListed {
        /// The key.
        id: String,
    },
    /// It is not there.
    #[error("key {} is not there", Escaped(id))]
    KeyNotListed {
        /// The key.
        id: String,
    },
    /// Whoever signs is nobody here.
    #[error("key {}… is no root key, neither of this version nor of the one before", key.short())]
    NoRootKey {
        /// The key.
        key: KeyId,
    },
    /// No such scope.
    #[error("no scope has the pattern `{pattern}`; there are: {}", names(scopes))]
    NoScope {
        /// What was asked for.
        pattern: Pattern,
        /// What there is.
        scopes: Vec<String>,
    },
    /// No such authority.
    #[error("no time-stamp authority is at {}", Escaped(uri))]
    NoTimeAuthority {
        /// What was asked for.
        uri: String,
    },
    /// Signatures of something else.
    #[error("the other draft is not a copy of this one: what is signed differs")]
    OtherDraft,
    /// Other TUF clients would not count its signatures.
    #[error(
        "no root key can sign with `{algorithm}`: TUF knows RSA with PSS alone, and not all of its clients know P-521"
    )]
    RootAlgorithm {
        /// How it signs.
        algorithm: Algorithm,
    },
    /// A root grows, and would one day be too long for its own keys.
    #[error("no root key can be an Ed25519 key in KMS: it signs 4,096 bytes, and a root has more")]
    RootKeyInKms,
    /// Patterns of several scopes.
    #[error("the patterns belong to several scopes")]
    SeveralScopes,
    /// The signature does not fit.
    #[error("the signature by key {} does not fit the draft", Escaped(id))]
    SignatureInvalid {
        /// The key.
        id: String,
    },
    /// It would look as if it counted.
    #[error(
        "the stamps of {} end at a root key that the root has voided, so none would count",
        Escaped(uri)
    )]
    TimeAuthorityVoid {
        /// The authority.
        uri: String,
    },
}

fn names(scopes: &[String]) -> String {
    if scopes.is_empty() {
        "none".to_owned()
    } else {
        let shown: Vec<_> = scopes
            .iter()
            .map(|scope| Escaped(scope).to_string())
            .collect();
        shown.join(", ")
    }
}

impl EditRefused {
    /// Every code that is not one of a root.
    pub const CODES: &'static [Code] = &[
        Code::new("algorithm-not-allowed"),
        Code::new("draft-differs"),
        Code::new("key-file-invalid"),
        Code::new("key-listed"),
        Code::new("key-unknown"),
        Code::new("scope-unknown"),
        Code::new("signature-invalid"),
        Code::new("tsa-unknown"),
        Code::new("tsa-void"),
    ];
}

impl Explain for EditRefused {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::Algorithm { .. } | Self::RootAlgorithm { .. } | Self::RootKeyInKms => {
                "algorithm-not-allowed"
            }
            Self::Fault(fault) => return fault.code(),
            Self::Key(_) => "key-file-invalid",
            Self::KeyListed { .. } => "key-listed",
            Self::KeyNotListed { .. } | Self::NoRootKey { .. } => "key-unknown",
            Self::NoScope { .. } | Self::SeveralScopes => "scope-unknown",
            Self::NoTimeAuthority { .. } => "tsa-unknown",
            Self::OtherDraft => "draft-differs",
            Self::SignatureInvalid { .. } => "signature-invalid",
            Self::TimeAuthorityVoid { .. } => "tsa-void",
        })
    }

    fn remedy(&self) -> String {
        match self {
            Self::Algorithm { .. } | Self::Key(_) => {
                "use an ECDSA, Ed25519, ML-DSA or RSA key".to_owned()
            }
            Self::Fault(fault) => fault.remedy(),
            Self::KeyListed { .. } => {
                "nothing needs to be added, as `countersign trust show` says; to end another key's time: `countersign trust remove-key`".to_owned()
            }
            Self::KeyNotListed { .. } => {
                "name a key by its id or file: `countersign trust show` lists all".to_owned()
            }
            Self::NoRootKey { .. } => {
                "sign with a root key; `countersign trust show` lists them".to_owned()
            }
            Self::NoScope { .. } => {
                "name a pattern as it is written, or add one: `countersign trust set-scope --repository PATTERN`".to_owned()
            }
            Self::NoTimeAuthority { .. } => {
                "name its URL as it is written: `countersign trust show` lists all".to_owned()
            }
            Self::OtherDraft => {
                "let everybody sign the same draft: send out this one again".to_owned()
            }
            Self::RootAlgorithm { .. } => {
                "use a key on P-256 or P-384, Ed25519 or ML-DSA; or, if it is an RSA key, list it with `--algorithm rsa-pss-sha256`".to_owned()
            }
            Self::RootKeyInKms => {
                "use a KMS key of the spec ECC_NIST_P256, ECC_NIST_P384 or ML_DSA_65, or an Ed25519 key in a file".to_owned()
            }
            Self::SeveralScopes => "change one scope after the other; no pattern moves from one scope to another".to_owned(),
            Self::SignatureInvalid { .. } => {
                "sign this draft with the key itself; suspect the key service if it says that it did".to_owned()
            }
            Self::TimeAuthorityVoid { .. } => {
                "add an authority with another root key; ask who operates it for the chain of that".to_owned()
            }
        }
    }
}

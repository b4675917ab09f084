//! Why a key file cannot be used.

use aws_lc_rs::error::{KeyRejected, Unspecified};
use countersign_common::{Code, Escaped, Explain, json::JsonError, key::KeyError};

/// A key file cannot be used, or a key not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// Not base64 where it must be.
    #[error("the encrypted key file has something else than base64 in it: {source}")]
    Base64 {
        /// The finding.
        source: base64::DecodeError,
    },
    /// The backend failed.
    #[error("the cryptographic library failed")]
    Backend(#[from] Unspecified),
    /// Work or memory that nobody needs.
    #[error(
        "the encrypted key file asks for scrypt parameters that are invalid or cost more than 128 MiB and 4 passes"
    )]
    Cost,
    /// Broken DER.
    #[error("the private key is not a PKCS#8 structure: {source}")]
    Der {
        /// The finding.
        source: pkcs8::der::Error,
    },
    /// Another way to encrypt.
    #[error(
        "the key file is encrypted with `{}` and `{}`; scrypt with nacl/secretbox is read",
        Escaped(kdf),
        Escaped(cipher)
    )]
    Encryption {
        /// How the password becomes a key.
        kdf: String,
        /// The cipher.
        cipher: String,
    },
    /// The key's mathematics are broken.
    #[error("the private key is not valid: {0}")]
    Invalid(#[from] KeyRejected),
    /// The public half is none that we accept, or has no such algorithm.
    #[error("the private key cannot be used: {0}")]
    Key(#[from] KeyError),
    /// Another kind of key.
    #[error(
        "the kind of private key is not supported; P-256, P-384, P-521, Ed25519, ML-DSA and RSA are"
    )]
    Kind,
    /// Another PEM block.
    #[error(
        "a PEM block `{}` where `PRIVATE KEY` or cosign's encrypted key is expected",
        Escaped(label)
    )]
    Label {
        /// The block's label.
        label: String,
    },
    /// Broken JSON.
    #[error("the encrypted key file is not strict JSON of its format: {0}")]
    Malformed(#[from] JsonError),
    /// A nonce of another length.
    #[error("the nonce of the encrypted key file has not 24 bytes")]
    Nonce,
    /// No password could be had.
    #[error("the key file is encrypted, and no password could be read: {source}")]
    Password {
        /// Why not.
        source: std::io::Error,
    },
    /// Broken PEM.
    #[error("the private key is not a PEM file: {source}")]
    Pem {
        /// The finding.
        source: pkcs8::der::Error,
    },
    /// Longer than any key.
    #[error("the key file is longer than {limit} bytes")]
    TooLarge {
        /// How many are read.
        limit: usize,
    },
    /// It does not open.
    #[error("the key file does not open with this password, or was changed")]
    WrongPassword,
}

impl KeyFileError {
    /// The code of a broken file.
    pub const INVALID: Code = Code::new("key-file-invalid");
    /// The code of a file that does not open.
    pub const PASSWORD: Code = Code::new("key-file-password");
    /// The code of a file of another format.
    pub const UNSUPPORTED: Code = Code::new("key-file-unsupported");
}

impl Explain for KeyFileError {
    fn code(&self) -> Code {
        match self {
            Self::Password { .. } | Self::WrongPassword => Self::PASSWORD,
            Self::Encryption { .. } | Self::Key(_) | Self::Kind | Self::Label { .. } => {
                Self::UNSUPPORTED
            }
            Self::Backend(_)
            | Self::Base64 { .. }
            | Self::Cost
            | Self::Der { .. }
            | Self::Invalid(_)
            | Self::Malformed(_)
            | Self::Nonce
            | Self::Pem { .. }
            | Self::TooLarge { .. } => Self::INVALID,
        }
    }

    fn remedy(&self) -> String {
        match self.code() {
            Self::PASSWORD => "give the file's password in `COSIGN_PASSWORD`, or type it where it is asked for",
            Self::UNSUPPORTED => {
                "give the private key (`.key`), in PKCS#8 (`openssl pkcs8 -topk8 -nocrypt` converts it), and no `--algorithm` of another kind of key"
            }
            _ => "check that it is the file that `countersign key generate`, `openssl genpkey` or `cosign generate-key-pair` wrote",
        }
        .to_owned()
    }
}

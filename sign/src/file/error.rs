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
    /// A kind of key that cosign has not.
    #[error("cosign cannot sign with an ML-DSA key")]
    CosignKind,
    /// Work or memory that nobody needs.
    #[error(
        "the encrypted key file asks for parameters that are invalid, or cost more than 128 MiB and 4 passes with scrypt or 10,000,000 iterations of PBKDF2"
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
        "a PEM block `{}` where a private key is expected: PKCS#8, encrypted PKCS#8, SEC1, PKCS#1 or cosign's",
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
    /// An empty file, or one of another format.
    #[error("the private key is not a PEM file: no block begins in it")]
    NoPem,
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
    /// Another way to encrypt than PBES2 with what is safe.
    #[error(
        "the key file is encrypted in another way than PBES2 with scrypt or PBKDF2, and AES in CBC mode"
    )]
    Scheme,
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
    /// The code of a file whose password is not to be had.
    pub const PASSWORD: Code = Code::new("key-file-password");
    /// The code of a file that is encrypted with another password.
    pub const PASSWORD_WRONG: Code = Code::new("key-file-password-wrong");
    /// The code of a file of another format.
    pub const UNSUPPORTED: Code = Code::new("key-file-unsupported");
}

impl Explain for KeyFileError {
    fn code(&self) -> Code {
        match self {
            Self::Password { .. } => Self::PASSWORD,
            Self::WrongPassword => Self::PASSWORD_WRONG,
            Self::CosignKind
            | Self::Encryption { .. }
            | Self::Key(_)
            | Self::Kind
            | Self::Label { .. }
            | Self::Scheme => Self::UNSUPPORTED,
            Self::Backend(_)
            | Self::Base64 { .. }
            | Self::Cost
            | Self::Der { .. }
            | Self::Invalid(_)
            | Self::Malformed(_)
            | Self::Nonce
            | Self::NoPem
            | Self::Pem { .. }
            | Self::TooLarge { .. } => Self::INVALID,
        }
    }

    fn remedy(&self) -> String {
        match self.code() {
            Self::PASSWORD => "give the file's password with `--password-fd`, in `COUNTERSIGN_KEY_PASSWORD` (or `COSIGN_PASSWORD`), or type it where it is asked for",
            Self::PASSWORD_WRONG => "give the password that the file was encrypted with; if it is the right one, restore the file",
            Self::UNSUPPORTED => {
                "give the private key (`.key`) of a supported kind (`openssl pkcs8 -topk8 -v2 aes-256-cbc` converts a file), and no `--algorithm` of another kind of key"
            }
            _ => "check that it is the file that `countersign key generate`, `openssl genpkey` or `cosign generate-key-pair` wrote",
        }
        .to_owned()
    }
}

//! Encrypted PKCS#8, which OpenSSL reads and writes: PBES2 ([RFC 8018](https://www.rfc-editor.org/rfc/rfc8018)) makes a
//! key of a password, and hides a PKCS#8 structure under it with AES in CBC mode.
//!
//! Called for such a PEM block, and for a key that is to become one. Nothing is derived before its cost is known. The mode
//! does not say whether a file was changed: what comes out is a key of the right form, or the password is called wrong.

use aws_lc_rs::{
    cipher::{
        AES_128, AES_192, AES_256, Algorithm, DecryptionContext, PaddedBlockDecryptingKey,
        PaddedBlockEncryptingKey, UnboundCipherKey,
    },
    iv::FixedLength,
    pbkdf2, rand,
};
use pkcs8::{
    EncryptedPrivateKeyInfo,
    der::{self, Decode, Encode},
    pkcs5::{
        self,
        pbes2::{EncryptionScheme, Kdf, Parameters, Pbkdf2Prf, ScryptParams},
    },
};
use zeroize::Zeroizing;

use super::{KeyFileError, cost};

/// What is derived for a new file: scrypt at what is recommended today, within the 32 MiB that OpenSSL spends on it.
const COST: (u64, u16, u16) = (1 << 14, 8, 5);
const SALT_LENGTH: usize = 16;
const IV_LENGTH: usize = 16;

/// An encrypted key, whose parameters are affordable.
pub(super) struct EncryptedKey<'a> {
    derivation: Derivation,
    salt: &'a [u8],
    cipher: Cipher,
    iv: [u8; IV_LENGTH],
    ciphertext: &'a [u8],
}

#[derive(Clone, Copy)]
struct Cipher {
    algorithm: &'static Algorithm,
    key_length: usize,
}

/// What new files are encrypted with.
const CIPHER: Cipher = Cipher {
    algorithm: &AES_256,
    key_length: 32,
};

enum Derivation {
    Pbkdf2(pbkdf2::Algorithm, std::num::NonZeroU32),
    Scrypt(scrypt::Params),
}

/// Parses the DER in the PEM block.
pub(super) fn parse(der: &[u8]) -> Result<EncryptedKey<'_>, KeyFileError> {
    let file = EncryptedPrivateKeyInfo::from_der(der).map_err(unreadable)?;
    let pkcs5::EncryptionScheme::Pbes2(parameters) = file.encryption_algorithm else {
        return Err(KeyFileError::Scheme);
    };
    let (algorithm, iv) = match parameters.encryption {
        EncryptionScheme::Aes128Cbc { iv } => (&AES_128, iv),
        EncryptionScheme::Aes192Cbc { iv } => (&AES_192, iv),
        EncryptionScheme::Aes256Cbc { iv } => (&AES_256, iv),
        _ => return Err(KeyFileError::Scheme),
    };
    let cipher = Cipher {
        algorithm,
        key_length: parameters.encryption.key_size(),
    };
    let asked = parameters.kdf.key_length();
    if asked.is_some_and(|length| usize::from(length) != cipher.key_length) {
        return Err(KeyFileError::Cost);
    }
    let (derivation, salt) = derivation(&parameters.kdf)?;
    Ok(EncryptedKey {
        derivation,
        salt,
        cipher,
        iv: *iv,
        ciphertext: file.encrypted_data,
    })
}

fn derivation<'a>(kdf: &Kdf<'a>) -> Result<(Derivation, &'a [u8]), KeyFileError> {
    match kdf {
        Kdf::Pbkdf2(parameters) => {
            let algorithm = match parameters.prf {
                Pbkdf2Prf::HmacWithSha1 => pbkdf2::PBKDF2_HMAC_SHA1,
                Pbkdf2Prf::HmacWithSha256 => pbkdf2::PBKDF2_HMAC_SHA256,
                Pbkdf2Prf::HmacWithSha384 => pbkdf2::PBKDF2_HMAC_SHA384,
                Pbkdf2Prf::HmacWithSha512 => pbkdf2::PBKDF2_HMAC_SHA512,
                _ => return Err(KeyFileError::Scheme),
            };
            let iterations = cost::pbkdf2(parameters.iteration_count)?;
            Ok((Derivation::Pbkdf2(algorithm, iterations), parameters.salt))
        }
        Kdf::Scrypt(parameters) => {
            let affordable = cost::scrypt(
                parameters.cost_parameter,
                parameters.block_size.into(),
                parameters.parallelization.into(),
            )?;
            Ok((Derivation::Scrypt(affordable), parameters.salt))
        }
        _ => Err(KeyFileError::Scheme),
    }
}

/// Another scheme is known by a name that is not ours; everything else is broken.
fn unreadable(source: der::Error) -> KeyFileError {
    match source.kind() {
        der::ErrorKind::OidUnknown { .. }
        | der::ErrorKind::Value {
            tag: der::Tag::ObjectIdentifier,
        } => KeyFileError::Scheme,
        _ => KeyFileError::Der { source },
    }
}

impl EncryptedKey<'_> {
    /// What may be the PKCS#8 structure.
    pub(super) fn decrypt(&self, password: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
        let key = self.derivation.key(password, self.salt, self.cipher)?;
        let mut text = Zeroizing::new(self.ciphertext.to_vec());
        let context = DecryptionContext::Iv128(FixedLength::from(&self.iv));
        let length = PaddedBlockDecryptingKey::cbc_pkcs7(key)?
            .decrypt(&mut text, context)
            .map_err(|_| KeyFileError::WrongPassword)?
            .len();
        text.truncate(length);
        Ok(text)
    }
}

impl Derivation {
    fn key(
        &self,
        password: &[u8],
        salt: &[u8],
        cipher: Cipher,
    ) -> Result<UnboundCipherKey, KeyFileError> {
        let mut key = Zeroizing::new([0; 32]);
        let key = key.get_mut(..cipher.key_length).ok_or(KeyFileError::Cost)?;
        match self {
            Self::Pbkdf2(algorithm, iterations) => {
                pbkdf2::derive(*algorithm, *iterations, salt, password, key);
            }
            Self::Scrypt(parameters) => {
                scrypt::scrypt(password, salt, parameters, key).map_err(|_| KeyFileError::Cost)?;
            }
        }
        Ok(UnboundCipherKey::new(cipher.algorithm, key)?)
    }
}

/// Hides a PKCS#8 structure under a password: the DER for the PEM block.
pub(super) fn encrypt(document: &[u8], password: &[u8]) -> Result<Vec<u8>, KeyFileError> {
    let mut salt = [0; SALT_LENGTH];
    rand::fill(&mut salt)?;
    let (n, r, p) = COST;
    let derivation = Derivation::Scrypt(cost::scrypt(n, r.into(), p.into())?);
    let key = derivation.key(password, &salt, CIPHER)?;
    // With room for the padding: a copy elsewhere would not be wiped.
    let mut text = Zeroizing::new(Vec::with_capacity(document.len() + IV_LENGTH));
    text.extend_from_slice(document);
    let context = PaddedBlockEncryptingKey::cbc_pkcs7(key)?.encrypt(&mut *text)?;
    let DecryptionContext::Iv128(iv) = &context else {
        return Err(KeyFileError::Scheme);
    };
    let kdf = Kdf::Scrypt(ScryptParams {
        salt: &salt,
        cost_parameter: n,
        block_size: r,
        parallelization: p,
        key_length: None,
    });
    let encryption = EncryptionScheme::Aes256Cbc { iv: iv.as_ref() };
    EncryptedPrivateKeyInfo {
        encryption_algorithm: Parameters { kdf, encryption }.into(),
        encrypted_data: &text,
    }
    .to_der()
    .map_err(|source| KeyFileError::Der { source })
}

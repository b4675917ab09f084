//! cosign's encrypted key file: scrypt ([RFC 7914](https://www.rfc-editor.org/rfc/rfc7914)) makes a key of a password,
//! [NaCl's secretbox](https://nacl.cr.yp.to/secretbox.html) hides a PKCS#8 structure under it.
//!
//! Read because such keys exist, and written for whoever signs with cosign, too.

use aws_lc_rs::rand;
use base64::{Engine, prelude::BASE64_STANDARD};
use countersign_common::{Limits, json};
use crypto_secretbox::{KeyInit, Nonce, XSalsa20Poly1305, aead::Aead};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{KeyFileError, cost};

const NONCE_LENGTH: usize = 24;
const SALT_LENGTH: usize = 32;
/// What cosign writes.
const COST: ParamsDocument = ParamsDocument {
    n: 1 << 16,
    r: 8,
    p: 1,
};
const KDF: &str = "scrypt";
const CIPHER: &str = "nacl/secretbox";

/// An encrypted key, whose parameters are affordable.
pub(super) struct EncryptedKey {
    parameters: scrypt::Params,
    salt: Vec<u8>,
    nonce: [u8; NONCE_LENGTH],
    ciphertext: Vec<u8>,
}

/// Parses the JSON in the PEM block.
pub(super) fn parse(json: &[u8]) -> Result<EncryptedKey, KeyFileError> {
    let document: KeyDocument = json::from_slice(json, &Limits::TABLE)?;
    if document.kdf.name != KDF || document.cipher.name != CIPHER {
        return Err(KeyFileError::Encryption {
            kdf: document.kdf.name,
            cipher: document.cipher.name,
        });
    }
    let nonce = decode(&document.cipher.nonce)?;
    Ok(EncryptedKey {
        parameters: document.kdf.params.affordable()?,
        salt: decode(&document.kdf.salt)?,
        nonce: nonce.try_into().map_err(|_| KeyFileError::Nonce)?,
        ciphertext: decode(&document.ciphertext)?,
    })
}

impl EncryptedKey {
    /// The PKCS#8 structure.
    pub(super) fn decrypt(&self, password: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
        cipher(password, &self.salt, &self.parameters)?
            .decrypt(&Nonce::from(self.nonce), self.ciphertext.as_slice())
            .map(Zeroizing::new)
            .map_err(|_| KeyFileError::WrongPassword)
    }
}

/// Hides a PKCS#8 structure under a password: the JSON for the PEM block.
pub(super) fn encrypt(document: &[u8], password: &[u8]) -> Result<Vec<u8>, KeyFileError> {
    let (mut salt, mut nonce) = ([0; SALT_LENGTH], [0; NONCE_LENGTH]);
    rand::fill(&mut salt)?;
    rand::fill(&mut nonce)?;
    let ciphertext = cipher(password, &salt, &COST.affordable()?)?
        .encrypt(&Nonce::from(nonce), document)
        .map_err(|_| KeyFileError::Backend(aws_lc_rs::error::Unspecified))?;
    let document = KeyDocument {
        kdf: KdfDocument {
            name: KDF.to_owned(),
            params: COST,
            salt: BASE64_STANDARD.encode(salt),
        },
        cipher: CipherDocument {
            name: CIPHER.to_owned(),
            nonce: BASE64_STANDARD.encode(nonce),
        },
        ciphertext: BASE64_STANDARD.encode(ciphertext),
    };
    serde_json::to_vec(&document).map_err(|source| KeyFileError::Malformed(source.into()))
}

fn cipher(
    password: &[u8],
    salt: &[u8],
    parameters: &scrypt::Params,
) -> Result<XSalsa20Poly1305, KeyFileError> {
    let mut key = Zeroizing::new([0; XSalsa20Poly1305::KEY_SIZE]);
    scrypt::scrypt(password, salt, parameters, key.as_mut_slice())
        .map_err(|_| KeyFileError::Cost)?;
    XSalsa20Poly1305::new_from_slice(key.as_slice()).map_err(|_| KeyFileError::Cost)
}

fn decode(text: &str) -> Result<Vec<u8>, KeyFileError> {
    BASE64_STANDARD
        .decode(text)
        .map_err(|source| KeyFileError::Base64 { source })
}

#[derive(Deserialize, Serialize)]
struct KeyDocument {
    kdf: KdfDocument,
    cipher: CipherDocument,
    ciphertext: String,
}

#[derive(Deserialize, Serialize)]
struct KdfDocument {
    name: String,
    params: ParamsDocument,
    salt: String,
}

#[derive(Deserialize, Serialize)]
struct ParamsDocument {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Deserialize, Serialize)]
struct CipherDocument {
    name: String,
    nonce: String,
}

impl ParamsDocument {
    fn affordable(&self) -> Result<scrypt::Params, KeyFileError> {
        cost::scrypt(self.n, self.r, self.p)
    }
}

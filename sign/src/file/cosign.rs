//! cosign's encrypted key file: scrypt ([RFC 7914](https://www.rfc-editor.org/rfc/rfc7914)) makes a key of a password,
//! [NaCl's secretbox](https://nacl.cr.yp.to/secretbox.html) hides a PKCS#8 structure under it.
//!
//! Read only. The format is kept because the keys exist; a key service keeps keys better.

use base64::{Engine, prelude::BASE64_STANDARD};
use countersign_common::{Limits, json};
use crypto_secretbox::{KeyInit, Nonce, XSalsa20Poly1305, aead::Aead};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::KeyFileError;

/// 128 bytes of memory each: 128 MiB. cosign takes half of it.
const BLOCKS: u64 = 1 << 20;
/// How often that memory is walked through.
const PASSES: u32 = 4;
const NONCE_LENGTH: usize = 24;

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
    if document.kdf.name != "scrypt" || document.cipher.name != "nacl/secretbox" {
        return Err(KeyFileError::Encryption {
            kdf: document.kdf.name,
            cipher: document.cipher.name,
        });
    }
    let nonce = decode(&document.cipher.nonce)?;
    Ok(EncryptedKey {
        parameters: document.kdf.params.parse()?,
        salt: decode(&document.kdf.salt)?,
        nonce: nonce.try_into().map_err(|_| KeyFileError::Nonce)?,
        ciphertext: decode(&document.ciphertext)?,
    })
}

impl EncryptedKey {
    /// The PKCS#8 structure.
    pub(super) fn decrypt(&self, password: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
        let mut key = Zeroizing::new([0; XSalsa20Poly1305::KEY_SIZE]);
        scrypt::scrypt(password, &self.salt, &self.parameters, key.as_mut_slice())
            .map_err(|_| KeyFileError::Cost)?;
        XSalsa20Poly1305::new_from_slice(key.as_slice())
            .map_err(|_| KeyFileError::Cost)?
            .decrypt(&Nonce::from(self.nonce), self.ciphertext.as_slice())
            .map(Zeroizing::new)
            .map_err(|_| KeyFileError::WrongPassword)
    }
}

fn decode(text: &str) -> Result<Vec<u8>, KeyFileError> {
    BASE64_STANDARD
        .decode(text)
        .map_err(|source| KeyFileError::Base64 { source })
}

#[derive(Deserialize)]
struct KeyDocument {
    kdf: KdfDocument,
    cipher: CipherDocument,
    ciphertext: String,
}

#[derive(Deserialize)]
struct KdfDocument {
    name: String,
    params: ParamsDocument,
    salt: String,
}

#[derive(Deserialize)]
struct ParamsDocument {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Deserialize)]
struct CipherDocument {
    name: String,
    nonce: String,
}

impl ParamsDocument {
    /// Bounded before anything is derived: the file says how much memory and time it takes to open it.
    fn parse(&self) -> Result<scrypt::Params, KeyFileError> {
        let affordable = self.n.is_power_of_two()
            && self.n > 1
            && self
                .n
                .checked_mul(u64::from(self.r))
                .is_some_and(|blocks| blocks <= BLOCKS)
            && self.p <= PASSES;
        u8::try_from(self.n.trailing_zeros())
            .ok()
            .filter(|_| affordable)
            .and_then(|log_n| {
                scrypt::Params::new(log_n, self.r, self.p, XSalsa20Poly1305::KEY_SIZE).ok()
            })
            .ok_or(KeyFileError::Cost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(n: u64, r: u32, p: u32) -> Result<scrypt::Params, KeyFileError> {
        ParamsDocument { n, r, p }.parse()
    }

    #[test]
    fn the_cost_is_bounded_before_it_is_paid() {
        for (n, r, p) in [(1 << 15, 8, 1), (1 << 16, 8, 1), (1 << 17, 8, 4), (2, 1, 1)] {
            parameters(n, r, p).unwrap();
        }
        for (n, r, p) in [
            (1 << 18, 8, 1),
            (1 << 17, 9, 1),
            (1 << 17, 8, 5),
            (1 << 63, 8, 1),
            (1 << 20, u32::MAX, 1),
            (65_535, 8, 1),
            (0, 8, 1),
            (1, 8, 1),
            (65_536, 0, 1),
            (65_536, 8, 0),
        ] {
            let error = parameters(n, r, p).unwrap_err();
            assert!(matches!(error, KeyFileError::Cost), "{n} {r} {p}");
        }
    }
}

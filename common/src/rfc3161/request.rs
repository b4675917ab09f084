//! What is sent to an authority.

use aws_lc_rs::digest::{Digest, SHA256, digest};
use const_oid::db::rfc5912::ID_SHA_256;
use der::{Encode, asn1::OctetStringRef};
use spki::AlgorithmIdentifierRef;

use super::{BEFORE_STAMP, Stamped, asn1};

/// A question for a time stamp: SHA-256, certificates wanted, and a nonce, by which an old answer is known.
#[derive(Clone, Debug)]
pub struct Request {
    nonce: u64,
    imprint: Digest,
}

impl Request {
    /// Asks for a stamp of this. The nonce is 64 random bits.
    pub fn new(stamped: Stamped<'_>, nonce: u64) -> Self {
        Self {
            nonce,
            imprint: digest(&SHA256, stamped.bytes()),
        }
    }

    /// The DER of `TimeStampReq`, to be sent as `application/timestamp-query`.
    pub fn to_der(&self) -> Vec<u8> {
        let encoded = OctetStringRef::new(self.imprint.as_ref()).and_then(|hashed_message| {
            asn1::TimeStampReq {
                version: 1,
                message_imprint: asn1::MessageImprint {
                    hash_algorithm: AlgorithmIdentifierRef {
                        oid: ID_SHA_256,
                        parameters: Some(der::asn1::AnyRef::NULL),
                    },
                    hashed_message,
                },
                nonce: self.nonce,
                cert_req: true,
            }
            .to_der()
        });
        // 69 bytes have no way to fail; an empty question is refused by every authority.
        encoded.unwrap_or_default()
    }

    /// The nonce that an answer must repeat.
    pub fn nonce(&self) -> u64 {
        self.nonce
    }
}

impl<'a> Stamped<'a> {
    pub(super) fn bytes(self) -> &'a [u8] {
        match self {
            Self::Before => BEFORE_STAMP,
            Self::Signature(signature) => signature.as_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_byte_for_byte_as_specified() {
        let request = Request::new(Stamped::Before, 0x0123_4567_89ab_cdef);
        assert_eq!(
            hex::encode(request.to_der()),
            "30430201013031300d060960864801650304020105000420e1ae619ab20cf17b3e4c10c2b9c180d3e8bbdca3f9f5de22087915bfa89dc94f02080123456789abcdef0101ff"
        );
    }
}

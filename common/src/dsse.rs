//! DSSE: what exactly is signed.
//!
//! Used by signers to know the bytes to sign, and by checks to know the bytes that were signed
//! ([DSSE protocol](https://github.com/secure-systems-lab/dsse/blob/master/protocol.md)).

/// The payload type of an in-toto statement in an envelope.
pub const IN_TOTO_PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// The pre-authentication encoding: the bytes that a signature in an envelope is made over. Lengths are in bytes,
/// decimal.
pub fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let header = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    );
    [header.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    #[test]
    fn the_encoding_is_the_specified_one() {
        assert_eq!(
            pre_authentication_encoding("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world",
        );
        let statement = pre_authentication_encoding(
            IN_TOTO_PAYLOAD_TYPE,
            br#"{"_type":"https://in-toto.io/Statement/v1"}"#,
        );
        assert_eq!(
            Digest::sha256(&statement).hex(),
            "57dd565335c70baa2e9fc48a46e80907434e3c6ea2342ef806dad983891349cd",
        );
    }
}

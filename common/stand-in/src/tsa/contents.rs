//! The `TSTInfo`: what a token says. Called for each token, which then signs it.

use der::{
    Any, DateTime, Encode as _, Tag,
    asn1::{Int, ObjectIdentifier, OctetString, Uint},
};
use x509_cert::ext::{Extension, Extensions};

use super::{
    TsaError,
    asn1::{AccuracyField, Hash, MessageImprint, TimeStampReq, TstInfo},
    mode::{Defect, GenTime, Mode},
};

/// 9999-12-31T23:59:59Z, the last second that a `GeneralizedTime` can tell.
const LAST_SECOND: i64 = 253_402_300_799;

/// In the arc of the default policy, which nobody owns.
const UNKNOWN_EXTENSION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.99999.2");

/// Makes the DER of the `TSTInfo`.
pub(super) fn make(request: TimeStampReq, time: GenTime, mode: &Mode) -> Result<Vec<u8>, TsaError> {
    let time = written(time, mode)?;
    let message_imprint = imprint(request.message_imprint, mode)?;
    let contents = TstInfo {
        version: match mode.defect {
            Some(Defect::Version2) => 2,
            _ => 1,
        },
        policy: ObjectIdentifier::new(&mode.policy).map_err(der::Error::from)?,
        serial_number: serial_number(&message_imprint, &time)?,
        message_imprint,
        gen_time: Any::new(Tag::GeneralizedTime, time.into_bytes())?,
        accuracy: mode.accuracy.map(|accuracy| AccuracyField {
            seconds: accuracy.seconds,
            millis: accuracy.millis,
            micros: accuracy.micros,
        }),
        nonce: nonce(request.nonce, mode)?,
        extensions: extensions(mode)?,
    };
    Ok(contents.to_der()?)
}

fn imprint(asked: MessageImprint, mode: &Mode) -> Result<MessageImprint, TsaError> {
    let mut hashed = asked.hashed_message.as_bytes().to_vec();
    let hash_algorithm = match mode.defect {
        Some(Defect::Sha1Imprint) => {
            hashed = Hash::Sha1.of(&hashed).as_ref().to_vec();
            Hash::Sha1.algorithm()
        }
        _ => asked.hash_algorithm,
    };
    if mode.defect == Some(Defect::OtherImprint)
        && let Some(last) = hashed.last_mut()
    {
        *last ^= 1;
    }
    Ok(MessageImprint {
        hash_algorithm,
        hashed_message: OctetString::new(hashed)?,
    })
}

/// The same for the same imprint and time, so that an RSA token is the same too.
fn serial_number(imprint: &MessageImprint, time: &str) -> Result<Uint, TsaError> {
    let stamped = [imprint.hashed_message.as_bytes(), time.as_bytes()].concat();
    let digest = Hash::Sha256.of(&stamped);
    let half: Vec<u8> = digest.as_ref().iter().copied().take(16).collect();
    Ok(Uint::new(&half)?)
}

fn written(time: GenTime, mode: &Mode) -> Result<String, TsaError> {
    let GenTime {
        unix_seconds,
        fraction,
    } = time;
    let seconds = unix_seconds.clamp(0, LAST_SECOND).unsigned_abs();
    let date = DateTime::from_unix_duration(std::time::Duration::from_secs(seconds))?;
    let mut written = format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}",
        date.year(),
        date.month(),
        date.day(),
        date.hour(),
        date.minutes(),
        date.seconds()
    );
    if !fraction.is_empty() {
        written = written + "." + &fraction;
    }
    if mode.defect != Some(Defect::TimeWithoutZ) {
        written.push('Z');
    }
    Ok(written)
}

fn nonce(asked: Option<Int>, mode: &Mode) -> Result<Option<Int>, TsaError> {
    match mode.defect {
        Some(Defect::NoNonce) => Ok(None),
        Some(Defect::OtherNonce) => {
            let mut bytes = asked.map_or_else(|| vec![0], |nonce| nonce.as_bytes().to_vec());
            if let Some(last) = bytes.last_mut() {
                *last ^= 1;
            }
            Ok(Some(Int::new(&bytes)?))
        }
        _ => Ok(asked),
    }
}

fn extensions(mode: &Mode) -> Result<Option<Extensions>, TsaError> {
    if mode.defect != Some(Defect::CriticalExtension) {
        return Ok(None);
    }
    let unknown = Extension {
        extn_id: UNKNOWN_EXTENSION,
        critical: true,
        extn_value: OctetString::new(Any::null().to_der()?)?,
    };
    Ok(Some(vec![unknown]))
}

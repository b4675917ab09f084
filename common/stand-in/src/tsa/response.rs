//! The response around a token, and the rejections. Called for each request. Leaves the token to `token`.

use const_oid::ObjectIdentifier;
use der::{Any, Decode as _, Encode as _, asn1::BitString};

use super::{
    TimeAuthority, TsaError,
    asn1::{Hash, PkiStatus, TimeStampReq, TimeStampResp},
    mode::{Defect, GenTime, Mode},
    token,
};

const GRANTED: u8 = 0;
const GRANTED_WITH_MODS: u8 = 1;
const REJECTION: u8 = 2;

/// Why a request is rejected: the bit of `PKIFailureInfo` (RFC 3161 §2.4.2).
#[derive(Clone, Copy)]
enum Reason {
    BadAlgorithm = 0,
    BadRequest = 2,
    BadDataFormat = 5,
    TimeNotAvailable = 14,
    UnacceptedPolicy = 15,
    UnacceptedExtension = 16,
    SystemFailure = 25,
}

pub(super) fn respond(
    authority: &TimeAuthority,
    request: &[u8],
    time: GenTime,
    mode: &Mode,
) -> Vec<u8> {
    let request = match parse(request, mode) {
        Ok(request) => request,
        Err(failure) => return rejection(failure),
    };
    if mode.defect == Some(Defect::Rejected) {
        return rejection(Reason::TimeNotAvailable);
    }
    granted(authority, request, time, mode).unwrap_or_else(|_| rejection(Reason::SystemFailure))
}

/// What an honest authority answers.
fn parse(request: &[u8], mode: &Mode) -> Result<TimeStampReq, Reason> {
    let request = TimeStampReq::from_der(request).map_err(|_| Reason::BadDataFormat)?;
    let imprint = &request.message_imprint;
    let hash = Hash::by_oid(imprint.hash_algorithm.oid).ok_or(Reason::BadAlgorithm)?;
    if imprint.hashed_message.as_bytes().len() != hash.length() {
        return Err(Reason::BadDataFormat);
    }
    if request.version != 1 {
        return Err(Reason::BadRequest);
    }
    if request.extensions.is_some() {
        return Err(Reason::UnacceptedExtension);
    }
    let asked = request.policy.as_ref().map(ObjectIdentifier::to_string);
    if asked.is_some_and(|policy| policy != mode.policy) {
        return Err(Reason::UnacceptedPolicy);
    }
    Ok(request)
}

fn granted(
    authority: &TimeAuthority,
    request: TimeStampReq,
    time: GenTime,
    mode: &Mode,
) -> Result<Vec<u8>, TsaError> {
    let token = token::make(authority, request, time, mode)?;
    if mode.defect == Some(Defect::BareToken) {
        return Ok(token);
    }
    let status = match mode.defect {
        Some(Defect::GrantedWithMods) => GRANTED_WITH_MODS,
        Some(Defect::RejectedWithToken) => REJECTION,
        _ => GRANTED,
    };
    let response = TimeStampResp {
        status: PkiStatus {
            status,
            failure: None,
        },
        token: match mode.defect {
            Some(Defect::GrantedWithoutToken) => None,
            _ => Some(Any::from_der(&token)?),
        },
    };
    let mut response = response.to_der()?;
    if mode.defect == Some(Defect::TrailingBytes) {
        response.push(0);
    }
    Ok(response)
}

fn rejection(failure: Reason) -> Vec<u8> {
    let bit = failure as u8;
    let mut bytes = vec![0; usize::from(bit / 8)];
    bytes.push(0x80 >> (bit % 8));
    let encode = || {
        let response = TimeStampResp {
            status: PkiStatus {
                status: REJECTION,
                failure: Some(BitString::new(7 - bit % 8, bytes)?),
            },
            token: None,
        };
        response.to_der()
    };
    #[expect(
        clippy::expect_used,
        reason = "a number and at most four bytes, of which the unused bits are zero"
    )]
    encode().expect("a rejection is encodable")
}

//! The Notary Project's envelope in CBOR: a COSE message with one signature
//! ([RFC 9052](https://www.rfc-editor.org/rfc/rfc9052)).

use std::collections::BTreeMap;

use ciborium::Value;
use countersign_common::{Limits, Timestamp};

use super::{
    Fetched, Format, layers,
    notary::{self, Envelope},
};
use crate::inspect::{Fault, model::Entry};

const MEDIA_TYPE: &str = "application/cose";

pub(super) const FORMAT: Format = Format {
    name: "notary-cose",
    title: "Notary Project, COSE",
    recognises: |artifact| !layers(artifact, MEDIA_TYPE).is_empty(),
    blobs: |artifact| layers(artifact, MEDIA_TYPE),
    limit: |limits| limits.envelope,
    describe,
};

/// The tag of a message with one signature, and that of a time in seconds.
const SIGN1: u64 = 18;
const EPOCH: u64 = 1;

fn describe(fetched: &Fetched<'_>, limits: &Limits) -> Result<Entry, Fault> {
    let Value::Tag(SIGN1, message) = parse(fetched.blob, limits)? else {
        return Err(no("it has not the tag of one"));
    };
    let Value::Array(parts) = *message else {
        return Err(no("it is no list"));
    };
    let [protected, unprotected, payload, _] =
        <[Value; 4]>::try_from(parts).map_err(|_| no("it has not four parts"))?;
    let Value::Bytes(protected) = protected else {
        return Err(no("its protected header is not bytes"));
    };
    let Value::Bytes(payload) = payload else {
        return Err(no("its payload is not bytes"));
    };
    let mut unprotected = members(unprotected)?;
    let envelope = Envelope {
        attributes: attributes(members(parse(&protected, limits)?)?),
        payload,
        certificates: certificates(unprotected.remove(CERTIFICATES))?,
        stamps: usize::from(unprotected.contains_key(STAMP)),
    };
    notary::describe(envelope, fetched, limits)
}

/// `x5chain`, and the time stamp.
const CERTIFICATES: &str = "33";
const STAMP: &str = "io.cncf.notary.timestampSignature";

fn no(reason: &'static str) -> Fault {
    Fault::Cose { reason }
}

/// One value, and nothing after it.
fn parse(mut bytes: &[u8], limits: &Limits) -> Result<Value, Fault> {
    let value = ciborium::de::from_reader_with_recursion_limit(&mut bytes, limits.cbor_depth);
    let value = value.map_err(|_| no("it is no CBOR, or nested too deeply"))?;
    if bytes.is_empty() {
        Ok(value)
    } else {
        Err(no("something follows it"))
    }
}

/// The members of a map by their labels, numbers in decimal. Two of one label would be two things to two readers.
fn members(map: Value) -> Result<BTreeMap<String, Value>, Fault> {
    let Value::Map(map) = map else {
        return Err(no("its header is no map"));
    };
    let mut members = BTreeMap::new();
    for (label, value) in map {
        let label = match label {
            Value::Text(label) => label,
            Value::Integer(label) => i128::from(label).to_string(),
            _ => return Err(no("a label is neither text nor a number")),
        };
        if members.insert(label, value).is_some() {
            return Err(no("a label is there twice"));
        }
    }
    Ok(members)
}

fn certificates(chain: Option<Value>) -> Result<Vec<Vec<u8>>, Fault> {
    let certificate = |value| match value {
        Value::Bytes(der) => Ok(der),
        _ => Err(no("a certificate is not bytes")),
    };
    match chain {
        None => Ok(Vec::new()),
        Some(Value::Array(chain)) => chain.into_iter().map(certificate).collect(),
        Some(one) => Ok(vec![certificate(one)?]),
    }
}

/// Labels and values in the words of the other envelope.
fn attributes(protected: BTreeMap<String, Value>) -> BTreeMap<String, String> {
    let attribute = |(label, value): (String, Value)| match label.as_str() {
        "1" => ("alg".to_owned(), algorithm(&value)),
        "2" => ("crit".to_owned(), text(&value)),
        "3" => ("cty".to_owned(), text(&value)),
        _ => (label, text(&value)),
    };
    protected.into_iter().map(attribute).collect()
}

/// The algorithms that the Notary Project allows, by their numbers.
fn algorithm(value: &Value) -> String {
    let number = value.as_integer().map(i128::from);
    let name = match number {
        Some(-7) => "ES256",
        Some(-35) => "ES384",
        Some(-36) => "ES512",
        Some(-37) => "PS256",
        Some(-38) => "PS384",
        Some(-39) => "PS512",
        _ => return text(value),
    };
    name.to_owned()
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Bool(yes) => yes.to_string(),
        Value::Integer(number) => i128::from(*number).to_string(),
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Value::Array(all) => {
            let all: Vec<_> = all.iter().map(|one| format!("\"{}\"", text(one))).collect();
            format!("[{}]", all.join(","))
        }
        Value::Tag(EPOCH, time) => {
            let seconds = time.as_integer().and_then(|time| i64::try_from(time).ok());
            let time = seconds.and_then(Timestamp::from_unix_seconds);
            time.map_or_else(|| "no time".to_owned(), |time| time.to_string())
        }
        _ => "something that is not shown".to_owned(),
    }
}

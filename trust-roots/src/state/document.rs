//! A state as JSON, strictly: it is our own file, and what is not understood in it is damage.
//!
//! Called by [`State`] alone. Times are written with all their digits, so that what is read is what was remembered.

use std::{collections::BTreeMap, num::NonZeroU64};

use countersign_common::{Digest, Limits, Timestamp, digest::HashAlgorithm, json};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{RootMemory, State, StateCorrupt};
use crate::RootName;

/// The form that is written here.
const SCHEMA: u64 = 1;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct StateDocument {
    schema: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time_floor: Option<Moment>,
    roots: BTreeMap<RootName, RootDocument>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RootDocument {
    version: NonZeroU64,
    sha256: Sha256,
    probed: Moment,
}

/// What every version of a state has.
#[derive(Deserialize)]
struct FormDocument {
    schema: u64,
}

/// A time in RFC 3339.
struct Moment(Timestamp);

/// 64 lower-case hexadecimal digits.
struct Sha256(Digest);

pub(super) fn parse(bytes: &[u8]) -> Result<State, StateCorrupt> {
    if bytes.len() > State::MAX_BYTES {
        return Err(StateCorrupt::TooLarge);
    }
    let form: FormDocument = json::from_slice(bytes, &Limits::TABLE)?;
    // Before any other member, so that a state of a newer version says so and not that a member is unknown.
    if form.schema != SCHEMA {
        return Err(StateCorrupt::Schema { found: form.schema });
    }
    let document: StateDocument = json::from_slice(bytes, &Limits::TABLE)?;
    if document.roots.len() > State::MAX_ROOTS {
        return Err(StateCorrupt::TooManyRoots);
    }
    let remembered = |root: RootDocument| RootMemory {
        version: root.version,
        sha256: root.sha256.0,
        probed: root.probed.0,
    };
    let roots = document.roots.into_iter();
    Ok(State {
        time_floor: document.time_floor.map(|floor| floor.0),
        roots: roots.map(|(name, root)| (name, remembered(root))).collect(),
    })
}

#[expect(
    clippy::expect_used,
    reason = "numbers, texts, and a map whose keys are texts: nothing in it can fail"
)]
pub(super) fn write(state: &State) -> Vec<u8> {
    let document = |root: &RootMemory| RootDocument {
        version: root.version,
        sha256: Sha256(root.sha256.clone()),
        probed: Moment(root.probed),
    };
    let roots = state.roots.iter();
    serde_json::to_vec(&StateDocument {
        schema: SCHEMA,
        time_floor: state.time_floor.map(Moment),
        roots: roots
            .map(|(name, root)| (name.clone(), document(root)))
            .collect(),
    })
    .expect("a state is always JSON")
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Timestamp::parse(&text).map(Self).map_err(D::Error::custom)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_rfc3339())
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Digest::from_hex(HashAlgorithm::Sha256, &text)
            .map(Self)
            .map_err(|_| D::Error::custom("`sha256` is 64 lower-case hexadecimal digits"))
    }
}

impl Serialize for Sha256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.hex())
    }
}

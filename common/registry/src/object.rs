//! A JSON object of which a few members are looked at and changed, and all others kept byte for byte.
//!
//! For lists that others write too: what is not understood here must not come to mean something else by being written again,
//! such as a number of more digits than a machine's. Called on what was parsed strictly before. Decides nothing.

use std::collections::BTreeMap;

use countersign_common::{Digest, manifest::ManifestError};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::{RawValue, to_raw_value};

/// An object with its members as they were written.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Object(BTreeMap<String, Box<RawValue>>);

impl Object {
    /// What is written for this.
    pub(crate) fn of(document: &impl Serialize) -> Result<Self, ManifestError> {
        let text = serde_json::to_vec(document).map_err(malformed)?;
        Self::parse(&text)
    }

    pub(crate) fn parse(text: &[u8]) -> Result<Self, ManifestError> {
        serde_json::from_slice(text).map_err(malformed)
    }

    /// A member, if it is there and of this type.
    pub(crate) fn read<T: DeserializeOwned>(&self, member: &str) -> Option<T> {
        serde_json::from_str(self.0.get(member)?.get()).ok()
    }

    pub(crate) fn set(
        &mut self,
        member: &str,
        value: &impl Serialize,
    ) -> Result<(), ManifestError> {
        let value = to_raw_value(value).map_err(malformed)?;
        self.0.insert(member.to_owned(), value);
        Ok(())
    }

    pub(crate) fn remove(&mut self, member: &str) {
        self.0.remove(member);
    }

    /// Of a descriptor, what it names.
    pub(crate) fn digest(&self) -> Option<Digest> {
        self.read("digest")
    }

    pub(crate) fn has_digest(&self, digest: &Digest) -> bool {
        self.digest().as_ref() == Some(digest)
    }

    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, ManifestError> {
        serde_json::to_vec(self).map_err(malformed)
    }
}

fn malformed(error: serde_json::Error) -> ManifestError {
    ManifestError::Malformed(error.into())
}

//! A root in the making: edited, then signed by several people, then complete.
//!
//! Made by `countersign trust`. A draft is a root file like any other whose signatures are not enough yet, so it travels as a
//! file. Each edit takes the signatures away that there are: they were given for something else. No I/O, no clock.

use std::collections::BTreeMap;

use countersign_common::{KeyId, Limits, PublicKey, Signature, Timestamp, json};
use serde_json::{Map, Value, json as value};
use sigstore_tuf::{Metadata, Root, canonical_json::to_canonical_bytes};

use super::{
    Contents, EditRefused, Fault, Refusal,
    chain::{may_sign_roots, signed_by, signers},
    document::{ExtensionDocument, MEMBER, SCHEMA, TimeDocument, TrustedRootDocument},
};

/// The version of TUF that roots are written to.
const SPEC_VERSION: &str = "1.0.34";

/// A root that is edited and signed.
#[derive(Clone, Debug)]
pub struct Draft {
    pub(super) signed: Map<String, Value>,
    pub(super) extension: ExtensionDocument,
    pub(super) signatures: Vec<(String, String)>,
}

/// How many of those who must sign have signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Progress {
    /// The version whose root keys must sign.
    pub by: u64,
    /// The ids of its root keys that have signed.
    pub signed: Vec<String>,
    /// The ids of those that have not.
    pub missing: Vec<String>,
    /// How many distinct ones must.
    pub threshold: usize,
}

impl Progress {
    /// How many more must sign.
    pub fn wanted(&self) -> usize {
        self.threshold.saturating_sub(self.signed.len())
    }
}

impl Draft {
    /// The first version of a root, with nobody in it yet.
    pub fn first(name: &str, expires: Timestamp) -> Self {
        let role = || value!({ "keyids": [], "threshold": 1 });
        let signed = value!({
            "_type": "root",
            "spec_version": SPEC_VERSION,
            "consistent_snapshot": true,
            "version": 1,
            "expires": expires.to_string(),
            "keys": {},
            "roles": { "root": role(), "snapshot": role(), "targets": role(), "timestamp": role() },
        });
        Self {
            signed: object(signed),
            extension: ExtensionDocument {
                schema: SCHEMA,
                name: name.to_owned(),
                key_info: BTreeMap::new(),
                scopes: Vec::new(),
                key_status: BTreeMap::new(),
                time: TimeDocument::default(),
                trusted_root: TrustedRootDocument::default(),
            },
            signatures: Vec::new(),
        }
    }

    /// The version after one that is complete.
    pub fn after(previous: &[u8], expires: Timestamp, limits: &Limits) -> Result<Self, Fault> {
        let version = Contents::read(previous, limits)?.version();
        let mut draft = Self::read(previous, limits)?;
        let next = version
            .checked_add(1)
            .ok_or(Fault::Time { member: "version" })?;
        draft.signed.insert("version".to_owned(), next.into());
        draft.set_expires(expires);
        Ok(draft)
    }

    /// Reads a draft, or a root, with its signatures.
    pub fn read(bytes: &[u8], limits: &Limits) -> Result<Self, Fault> {
        Contents::read(bytes, limits)?;
        let metadata = Metadata::<Root>::from_slice(bytes).map_err(Fault::Tuf)?;
        // Parsed again, and as strictly: what the parts above do not know is kept as it is.
        let file: Map<String, Value> = json::from_slice(bytes, limits).map_err(Fault::Json)?;
        let mut signed = file.get("signed").cloned().map(object).unwrap_or_default();
        let extension = signed.remove(MEMBER).ok_or(Fault::ExtensionMissing)?;
        let extension =
            serde_json::from_value(extension).map_err(|source| Fault::Json(source.into()))?;
        Ok(Self {
            signed,
            extension,
            signatures: metadata
                .signatures()
                .iter()
                .filter(|signature| !signature.sig.is_empty())
                .map(|signature| (signature.keyid.clone(), signature.sig.clone()))
                .collect(),
        })
    }

    /// The file: for people, one member a line, unless it would be longer than any root so.
    pub fn to_json(&self) -> Result<Vec<u8>, Fault> {
        let signatures: Vec<_> = self
            .signatures
            .iter()
            .map(|(id, signature)| value!({ "keyid": id, "sig": signature }))
            .collect();
        let file = value!({ "signatures": signatures, "signed": self.signed()? });
        let failed = |source: serde_json::Error| Fault::Json(source.into());
        let mut bytes = serde_json::to_vec_pretty(&file).map_err(failed)?;
        bytes.push(b'\n');
        if bytes.len() > Limits::TABLE.root {
            bytes = serde_json::to_vec(&file).map_err(failed)?;
        }
        Ok(bytes)
    }

    /// What it says; a fault if it could not be read again.
    pub fn contents(&self, limits: &Limits) -> Result<Contents, Fault> {
        Contents::read(&self.to_json()?, limits)
    }

    /// What this key signs of it.
    pub fn message_for(&self, key: &PublicKey) -> Result<Vec<u8>, Fault> {
        Ok(signed_by(key, &self.message()?).into_owned())
    }

    /// What is signed.
    pub fn message(&self) -> Result<Vec<u8>, Fault> {
        to_canonical_bytes(&self.signed()?).map_err(Fault::Tuf)
    }

    fn signed(&self) -> Result<Value, Fault> {
        let mut signed = self.signed.clone();
        let extension =
            serde_json::to_value(&self.extension).map_err(|source| Fault::Json(source.into()))?;
        signed.insert(MEMBER.to_owned(), extension);
        Ok(Value::Object(signed))
    }

    /// Whether anybody has signed it.
    pub fn signature_count(&self) -> usize {
        self.signatures.len()
    }

    /// The root key of this version, or of the one before, that has this material: its id, and how it signs. Refused if its
    /// signatures would count for neither.
    pub fn root_key(
        &self,
        key: &KeyId,
        previous: Option<&Contents>,
        limits: &Limits,
    ) -> Result<(String, PublicKey), EditRefused> {
        let own = self.contents(limits)?;
        let judges = [Some(&own), previous].into_iter().flatten();
        let listed: Vec<_> = judges.flat_map(Contents::root_keys).collect();
        let mut listed = listed.into_iter().filter(|(_, listed)| listed.id() == key);
        let first = listed
            .next()
            .ok_or_else(|| EditRefused::NoRootKey { key: key.clone() })?;
        // One key may be listed with two algorithms, in two versions.
        let mut all = std::iter::once(first).chain(listed);
        match all.find(|(_, listed)| may_sign_roots(listed)) {
            Some((id, listed)) => Ok((id.clone(), listed.clone())),
            None => Err(EditRefused::RootAlgorithm {
                algorithm: first.1.algorithm(),
            }),
        }
    }

    /// Takes a signature, if it is one by a root key of this version or of the one before.
    pub fn sign(
        &mut self,
        key: &PublicKey,
        signature: &Signature,
        previous: Option<&Contents>,
        limits: &Limits,
    ) -> Result<(), EditRefused> {
        let (id, listed) = self.root_key(key.id(), previous, limits)?;
        listed
            .verify(&self.message_for(&listed)?, signature)
            .map_err(|_| EditRefused::SignatureInvalid { id: id.clone() })?;
        self.add_signature(id, hex::encode(signature.as_bytes()));
        Ok(())
    }

    /// Takes over the signatures of a copy of this draft that others have signed. How many of them are new.
    ///
    /// One that does not fit is refused and takes nobody's place: the copy came from elsewhere.
    pub fn join(
        &mut self,
        copy: &Self,
        previous: Option<&Contents>,
        limits: &Limits,
    ) -> Result<usize, EditRefused> {
        if copy.message()? != self.message()? {
            return Err(EditRefused::OtherDraft);
        }
        let does_not_fit = self.misfits(&copy.signatures, previous, limits)?;
        if let Some(id) = does_not_fit.into_iter().next() {
            return Err(EditRefused::SignatureInvalid { id });
        }
        let before = self.signatures.len();
        for (id, signature) in &copy.signatures {
            self.add_signature(id.clone(), signature.clone());
        }
        Ok(self.signatures.len() - before)
    }

    /// Drops signatures that are none of it by a root key of this version or of the one before. How many there were.
    ///
    /// Whoever passes a draft on can write some into it, and whoever signs it would pass them on as well.
    pub fn drop_misfits(
        &mut self,
        previous: Option<&Contents>,
        limits: &Limits,
    ) -> Result<usize, EditRefused> {
        let misfits = self.misfits(&self.signatures, previous, limits)?;
        self.signatures.retain(|(id, _)| !misfits.contains(id));
        Ok(misfits.len())
    }

    /// The ids of those signatures that do not fit this draft. No id is there twice.
    fn misfits(
        &self,
        signatures: &[(String, String)],
        previous: Option<&Contents>,
        limits: &Limits,
    ) -> Result<Vec<String>, EditRefused> {
        let message = self.message()?;
        let own = self.contents(limits)?;
        let fits = |id: &String, signature: &String| {
            let mut keys = [Some(&own), previous]
                .into_iter()
                .flatten()
                .filter(|judge| judge.root_role().key_ids.contains(id))
                .filter_map(|judge| judge.keys().get(id)?.key.as_ref());
            let signature = hex::decode(signature).map(Signature::from);
            signature.is_ok_and(|signature| {
                keys.any(|key| key.verify(&signed_by(key, &message), &signature).is_ok())
            })
        };
        let misfits = signatures.iter().filter(|(id, text)| !fits(id, text));
        Ok(misfits.map(|(id, _)| id.clone()).collect())
    }

    fn add_signature(&mut self, id: String, signature: String) {
        self.signatures.retain(|(known, _)| *known != id);
        self.signatures.push((id, signature));
        self.signatures.sort();
    }

    /// Who has signed and who must still: by the version before, if there is one, and by its own keys.
    pub fn progress(
        &self,
        previous: Option<&Contents>,
        limits: &Limits,
    ) -> Result<Vec<Progress>, Refusal> {
        let own = self.contents(limits)?;
        let metadata = Metadata::<Root>::from_slice(&self.to_json()?).map_err(Fault::Tuf)?;
        let of = |judge: &Contents| {
            let signers = signers(&metadata, judge);
            let has_signed = |id: &&String| {
                let key = judge
                    .keys()
                    .get(*id)
                    .and_then(|declared| declared.key.as_ref());
                key.is_some_and(|key| signers.contains(key.id()))
            };
            let role = judge.root_role();
            let (signed, missing) = role.key_ids.iter().partition(has_signed);
            let cloned = |ids: Vec<&String>| ids.into_iter().cloned().collect();
            Ok(Progress {
                by: judge.version(),
                signed: cloned(signed),
                missing: cloned(missing),
                threshold: role.threshold,
            })
        };
        previous.into_iter().chain([&own]).map(of).collect()
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

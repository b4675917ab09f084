//! From the root that a person pinned to the newest: each vouched for by the one before, and by itself.
//!
//! The rules are TUF's ([specification, section 5.3](https://theupdateframework.github.io/specification/latest/#update-root)),
//! with one more: signers are counted by their key material, since one key under two ids is one person.

use std::{borrow::Cow, collections::BTreeSet, ops::Deref};

use countersign_common::{
    Algorithm, Digest, KeyId, Limits, PublicKey, Signature, Timestamp, digest::HashAlgorithm,
};
use sigstore_tuf::{Metadata, Root, TrustedMetadataSet};

use super::{Contents, Refusal, fault::Fault};

/// A chain that was followed as far as it was given.
#[derive(Clone, Debug)]
pub struct Chain {
    set: TrustedMetadataSet,
    contents: Contents,
    sha256: Digest,
    steps: usize,
    limits: Limits,
}

/// A root that a chain from the pinned one vouches for, and that has not expired. Only a [`Chain`] makes one.
#[derive(Clone, Debug)]
pub struct TrustRoot {
    contents: Contents,
    sha256: Digest,
}

impl Deref for TrustRoot {
    type Target = Contents;

    fn deref(&self) -> &Contents {
        &self.contents
    }
}

impl TrustRoot {
    /// What it says.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// SHA-256 over the bytes of its file.
    pub fn sha256(&self) -> &Digest {
        &self.sha256
    }
}

impl Chain {
    /// Begins with the file whose fingerprint was pinned: SHA-256 over its bytes.
    pub fn pin(bytes: &[u8], fingerprint: &Digest, limits: &Limits) -> Result<Self, Refusal> {
        let sha256 = Digest::sha256(bytes);
        if sha256 != *fingerprint {
            return Err(Refusal::FingerprintMismatch {
                pinned: fingerprint.clone(),
                found: sha256,
            });
        }
        let candidate = Candidate::read(bytes, limits)?;
        let set = TrustedMetadataSet::from_root(bytes)
            .map_err(|error| candidate.refusal(error, &candidate.contents))?;
        candidate.signed_by(&candidate.contents)?;
        Ok(Self {
            set,
            contents: candidate.contents,
            sha256,
            steps: 0,
            limits: *limits,
        })
    }

    /// Follows it to the next version. Where that is refused it stays as it was.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        if self.steps == self.limits.root_steps {
            return Err(Refusal::TooMany {
                limit: self.limits.root_steps,
            });
        }
        let candidate = Candidate::read(bytes, &self.limits)?;
        let (trusted, found) = (self.contents.version(), candidate.contents.version());
        if trusted.checked_add(1) != Some(found) {
            return Err(Refusal::VersionGap { trusted, found });
        }
        if candidate.contents.name != self.contents.name {
            return Err(Refusal::Renamed {
                trusted: self.contents.name.to_string(),
                found: candidate.contents.name.to_string(),
            });
        }
        candidate.signed_by(&self.contents)?;
        candidate.signed_by(&candidate.contents)?;
        let mut set = self.set.clone();
        set.update_root(bytes)
            .map_err(|error| candidate.refusal(error, &self.contents))?;
        self.set = set;
        self.contents = candidate.contents;
        self.sha256 = Digest::sha256(bytes);
        self.steps += 1;
        Ok(())
    }

    /// The newest version so far. It may have expired, as those before the last may.
    pub fn newest(&self) -> &Contents {
        &self.contents
    }

    /// SHA-256 over the bytes of its file.
    pub fn sha256(&self) -> &Digest {
        &self.sha256
    }

    /// The bytes of its file.
    pub fn bytes(&self) -> &[u8] {
        self.set.root_bytes()
    }

    /// The end of the chain, if it is still in force.
    pub fn in_force(self, now: Timestamp) -> Result<TrustRoot, Refusal> {
        let expires = self.contents.expires;
        if now >= expires {
            return Err(Refusal::Expired {
                version: self.contents.version(),
                expires,
                now,
            });
        }
        Ok(TrustRoot {
            contents: self.contents,
            sha256: self.sha256,
        })
    }
}

/// A root that nobody has vouched for yet.
struct Candidate {
    metadata: Metadata<Root>,
    contents: Contents,
}

impl Candidate {
    fn read(bytes: &[u8], limits: &Limits) -> Result<Self, Refusal> {
        let contents = Contents::read(bytes, limits)?;
        let metadata = Metadata::<Root>::from_slice(bytes).map_err(Fault::Tuf)?;
        Ok(Self { metadata, contents })
    }

    /// Whether enough of those who may sign roots by `judge` have signed this one, counted by key material.
    fn signed_by(&self, judge: &Contents) -> Result<(), Refusal> {
        let signers = signers(&self.metadata, judge);
        let threshold = judge.root_role().threshold;
        if signers.len() >= threshold {
            Ok(())
        } else {
            Err(Refusal::ThresholdNotMet {
                version: self.contents.version(),
                by: judge.version(),
                found: signers.len(),
                threshold,
            })
        }
    }

    fn refusal(&self, error: sigstore_tuf::Error, judge: &Contents) -> Refusal {
        match error {
            sigstore_tuf::Error::ThresholdNotMet {
                found, threshold, ..
            } => Refusal::ThresholdNotMet {
                version: self.contents.version(),
                by: judge.version(),
                found,
                threshold,
            },
            other => Fault::Tuf(other).into(),
        }
    }
}

/// The key material of those who may sign roots by `judge` and have signed this one.
pub(super) fn signers(metadata: &Metadata<Root>, judge: &Contents) -> BTreeSet<KeyId> {
    let mut signers = BTreeSet::new();
    for signature in metadata.signatures() {
        let id = &signature.keyid;
        // TUF has a place held for those who have not signed yet.
        if signature.sig.is_empty() || !judge.root_role().key_ids.contains(id) {
            continue;
        }
        let declared = judge
            .keys
            .get(id)
            .and_then(|declared| declared.key.as_ref());
        let (Some(key), Ok(bytes)) = (declared, hex::decode(&signature.sig)) else {
            continue;
        };
        let is_signed = || {
            let message = signed_by(key, metadata.signed_canonical());
            key.verify(&message, &Signature::from(bytes)).is_ok()
        };
        if may_sign_roots(key) && is_signed() {
            signers.insert(key.id().clone());
        }
    }
    signers
}

/// What a key signs of a root: its canonical form, which TUF's TAP 21 has ML-DSA keys sign as a hash with a prefix.
pub(super) fn signed_by<'m>(key: &PublicKey, canonical: &'m [u8]) -> Cow<'m, [u8]> {
    match key.algorithm() {
        Algorithm::MlDsa44 | Algorithm::MlDsa65 | Algorithm::MlDsa87 => {
            let hashed = Digest::of(HashAlgorithm::Sha512, canonical);
            let hashed = hex::decode(hashed.hex()).unwrap_or_default();
            [b"tuf\x01", hashed.as_slice()].concat().into()
        }
        _ => canonical.into(),
    }
}

/// Whether TUF clients know how the key signs: RSA they know with PSS alone, and P-521 not all of them.
pub(super) fn may_sign_roots(key: &PublicKey) -> bool {
    !matches!(
        key.algorithm(),
        Algorithm::EcdsaP521Sha512
            | Algorithm::RsaPkcs1Sha256
            | Algorithm::RsaPkcs1Sha384
            | Algorithm::RsaPkcs1Sha512
    )
}

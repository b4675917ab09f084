//! What will be signed, and the signing of exactly that.
//!
//! `--dry-run` shows a [`Plan`]; a [`SignedPlan`] exists only with a signature that fits it. Nothing is written here.

use std::{collections::BTreeMap, fmt};

use countersign_common::{
    Algorithm, Descriptor, Digest, Escaped, PinnedImage, Repository, Signer,
    dsse::{IN_TOTO_PAYLOAD_TYPE, pre_authentication_encoding},
    signer::{self, KeyOrigin, Signed, SigningKey},
    statement::{IMAGE_SIGNATURE, STAND_IN_ANNOTATION, image_signature},
};
use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::{Request, SealError, SelfChecked};

/// What will be signed, to the last byte, and with which key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plan {
    image: String,
    repository: Repository,
    subject: Descriptor,
    annotations: BTreeMap<String, String>,
    payload: Vec<u8>,
    key: SigningKey,
}

/// Plans the signature of an image.
///
/// The statement names the repository, so that the signature counts nowhere else, and says if the key is one of the
/// stand-in, whose private half is no secret.
pub fn plan(image: &PinnedImage, key: &SigningKey, request: &Request) -> Result<Plan, SealError> {
    let mut annotations = request.annotations().clone();
    if key.origin == KeyOrigin::StandIn {
        annotations.insert(STAND_IN_ANNOTATION.to_owned(), "true".to_owned());
    }
    Ok(Plan {
        payload: image_signature(image.repository(), image.digest(), &annotations)?,
        image: image.reference.to_string(),
        repository: image.repository().clone(),
        subject: image.manifest.descriptor().clone(),
        annotations,
        key: key.clone(),
    })
}

impl Plan {
    /// The image as it was asked for.
    pub fn image(&self) -> &str {
        &self.image
    }

    /// The repository that the signature is for.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The content that the signature is about.
    pub fn subject(&self) -> &Descriptor {
        &self.subject
    }

    /// The kind of claim.
    pub fn predicate_type(&self) -> &'static str {
        IMAGE_SIGNATURE
    }

    /// All annotations that will be signed.
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.annotations
    }

    /// The statement.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The key.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// The bytes that the signature is over.
    pub fn signed_bytes(&self) -> Vec<u8> {
        pre_authentication_encoding(IN_TOTO_PAYLOAD_TYPE, &self.payload)
    }

    /// SHA-256 of the bytes that the signature is over, which joins a record to the signature.
    pub fn signed_digest(&self) -> Digest {
        Digest::sha256(&self.signed_bytes())
    }

    fn algorithm(&self) -> Algorithm {
        self.key.public_key.algorithm()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "image      {}", self.image)?;
        writeln!(f, "digest     {}", self.subject.digest)?;
        writeln!(f, "repository {}", self.repository)?;
        writeln!(f, "predicate  {}", self.predicate_type())?;
        for (key, value) in &self.annotations {
            writeln!(f, "annotation {}={}", Escaped(key), Escaped(value))?;
        }
        writeln!(f, "key        {}", Escaped(&self.key.name))?;
        writeln!(f, "key id     {}", self.key.public_key.id())?;
        writeln!(f, "algorithm  {}", self.algorithm())?;
        writeln!(
            f,
            "statement  {}",
            Escaped(&String::from_utf8_lossy(&self.payload))
        )?;
        writeln!(f, "signs      {}", self.signed_digest())
    }
}

impl Serialize for Plan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut plan = serializer.serialize_struct("Plan", 10)?;
        plan.serialize_field("image", &self.image)?;
        plan.serialize_field("repository", &self.repository)?;
        plan.serialize_field("digest", &self.subject.digest)?;
        plan.serialize_field("predicateType", self.predicate_type())?;
        plan.serialize_field("annotations", &self.annotations)?;
        plan.serialize_field("key", &self.key.name)?;
        plan.serialize_field("keyId", self.key.public_key.id())?;
        plan.serialize_field("algorithm", &self.algorithm())?;
        plan.serialize_field("statement", &String::from_utf8_lossy(&self.payload))?;
        plan.serialize_field("signedDigest", &self.signed_digest())?;
        plan.end()
    }
}

/// A plan with a signature that fits it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedPlan {
    plan: Plan,
    signed: Signed,
}

impl SignedPlan {
    /// What was signed.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The signature.
    pub fn signed(&self) -> &Signed {
        &self.signed
    }
}

/// Signs what was planned, with the key that it was planned for, and checks the signature.
pub async fn sign(plan: Plan, signer: &dyn Signer) -> Result<SignedPlan, signer::Failure> {
    // The statement may depend on the key: only a stand-in's says so.
    if *signer.key() != plan.key {
        return Err(signer::Refusal::AnotherKey {
            answered: signer.key().name.clone(),
            key: plan.key.name,
        }
        .into());
    }
    Ok(SignedPlan {
        signed: SelfChecked::new(signer).sign(&plan.signed_bytes()).await?,
        plan,
    })
}

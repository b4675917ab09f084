//! What will be signed, and the signing of exactly that.
//!
//! `--dry-run` shows a [`Plan`]; a [`SignedPlan`] exists only with a signature that fits it. Nothing is written here.

use std::{collections::BTreeMap, fmt};

use countersign_common::{
    Algorithm, Descriptor, Digest, Escaped, Limits, PinnedImage, Repository, Signer, Statement,
    dsse::{IN_TOTO_PAYLOAD_TYPE, pre_authentication_encoding},
    predicate::{Predicate, PredicateType},
    publication::{Publication, PublicationDate},
    signer::{self, KeyOrigin, Signed, SigningKey},
    statement::{STAND_IN_ANNOTATION, image_signature},
};
use countersign_trust_roots::document::Kind;
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{Request, SealError, SelfChecked};

/// The longest statement of an attestation, in bytes: base64 adds a third, and eight stamps of the signature as much as they may.
const ATTESTED: usize = Limits::TABLE.attestation / 16 * 11;

/// What will be signed, to the last byte, and with which key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plan {
    image: String,
    repository: Repository,
    subject: Descriptor,
    kind: Kind,
    annotations: BTreeMap<String, String>,
    payload: Vec<u8>,
    stage: Stage,
    key: SigningKey,
}

/// Whether the bytes of a plan are those that will be signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// They are.
    Ready,
    /// The time stamps that will lie inside are still to be had.
    WithoutStamps,
}

/// Plans the signature of an image.
///
/// The statement names the repository, so that the signature counts nowhere else, and says if the key is one of the
/// stand-in, whose private half is no secret.
pub fn plan(image: &PinnedImage, key: &SigningKey, request: &Request) -> Result<Plan, SealError> {
    let mut annotations = request.annotations().clone();
    annotations.extend(marks(key));
    let payload = image_signature(image.repository(), image.digest(), &annotations)?;
    let plan = Plan::of(image, key, Kind::ImageSignature, payload);
    Ok(Plan {
        annotations,
        ..plan
    })
}

/// Plans the publication of an image, with the evidence of its date inside.
pub fn plan_publication(
    image: &PinnedImage,
    key: &SigningKey,
    request: &Request,
    date: PublicationDate,
) -> Result<Plan, SealError> {
    let stage = match &date {
        PublicationDate::Stamped(stamps) if stamps.is_empty() => Stage::WithoutStamps,
        PublicationDate::Claimed(_) | PublicationDate::Stamped(_) => Stage::Ready,
    };
    let descriptor = image.manifest.descriptor();
    let until = request.support_ends();
    let publication = Publication::of(descriptor, image.repository(), date, until);
    let payload = publication.to_payload(descriptor, &marks(key))?;
    let plan = Plan::of(image, key, Kind::Publication, payload);
    Ok(Plan {
        stage,
        annotations: marks(key),
        ..plan
    })
}

/// Plans an attestation about an image, with time stamps inside, each the DER of a `TimeStampResp`.
pub fn plan_attestation(
    image: &PinnedImage,
    key: &SigningKey,
    (kind, predicate): (&PredicateType, &Predicate),
    stamps: &[Vec<u8>],
) -> Result<Plan, SealError> {
    let about = (image.repository(), image.digest());
    let payload = predicate.to_payload(kind, about, &marks(key), stamps)?;
    // What verifiers would refuse to fetch or to read must not be signed.
    if payload.len() > ATTESTED {
        return Err(SealError::TooLarge {
            bytes: payload.len(),
            limit: ATTESTED,
        });
    }
    Statement::parse(&payload, &Limits::TABLE).map_err(SealError::Unreadable)?;
    let plan = Plan::of(image, key, Kind::Attestation(kind.clone()), payload);
    Ok(Plan {
        annotations: marks(key),
        ..plan
    })
}

/// What a key says of itself in all that it signs.
fn marks(key: &SigningKey) -> BTreeMap<String, String> {
    let mut marks = BTreeMap::new();
    if key.origin == KeyOrigin::StandIn {
        marks.insert(STAND_IN_ANNOTATION.to_owned(), "true".to_owned());
    }
    marks
}

impl Plan {
    fn of(image: &PinnedImage, key: &SigningKey, kind: Kind, payload: Vec<u8>) -> Self {
        Self {
            image: image.reference.to_string(),
            repository: image.repository().clone(),
            subject: image.manifest.descriptor().clone(),
            kind,
            annotations: BTreeMap::new(),
            payload,
            stage: Stage::Ready,
            key: key.clone(),
        }
    }

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
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The kind of claim, as it is written.
    pub fn predicate_type(&self) -> &str {
        self.kind.predicate_type()
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
        match self.stage {
            Stage::Ready => writeln!(f, "signs      {}", self.signed_digest()),
            Stage::WithoutStamps => writeln!(f, "signs      the statement with time stamps inside"),
        }
    }
}

impl Serialize for Plan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut plan = serializer.serialize_map(None)?;
        plan.serialize_entry("image", &self.image)?;
        plan.serialize_entry("repository", &self.repository)?;
        plan.serialize_entry("digest", &self.subject.digest)?;
        plan.serialize_entry("predicateType", self.predicate_type())?;
        plan.serialize_entry("annotations", &self.annotations)?;
        plan.serialize_entry("key", &self.key.name)?;
        plan.serialize_entry("keyId", self.key.public_key.id())?;
        plan.serialize_entry("algorithm", &self.algorithm())?;
        plan.serialize_entry("statement", &String::from_utf8_lossy(&self.payload))?;
        if self.stage == Stage::Ready {
            plan.serialize_entry("signedDigest", &self.signed_digest())?;
        }
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

//! The verdict for programs: JSON with a published schema.
//!
//! Members are only ever added; a program ignores those it does not know.

use countersign_common::Escaped;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Authenticity, CountedSignature, Finding, Integrity, Outcome, SignatureOrigin, Verdict,
};

/// The judgement on one image.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VerdictDocument {
    /// The version of this document.
    version: u32,
    /// The reference that was asked about, in its canonical form.
    image: String,
    /// The digest that was judged; absent if the reference could not be resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// What may be run: the image by its digest. Present only if the verdict is `verified`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned: Option<String>,
    /// When it was judged, RFC 3339.
    judged_at: String,
    /// What follows.
    verdict: VerdictName,
    /// How much is proven. Present only if the verdict is `verified`.
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<LevelName>,
    /// Whether the bytes are what their names say.
    integrity: IntegrityDocument,
    /// Whether enough of those who may sign have signed.
    authenticity: AuthenticityDocument,
    /// Whether it is current.
    freshness: FreshnessDocument,
    /// Found out, and no. The first weighs most.
    refusals: Vec<FindingDocument>,
    /// Could not find out.
    errors: Vec<FindingDocument>,
    /// What else was noticed.
    remarks: Vec<FindingDocument>,
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
enum VerdictName {
    Verified,
    Refused,
    Undecided,
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
enum LevelName {
    Signed,
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Status {
    Passed,
    Failed,
    Undecided,
    NotJudged,
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct IntegrityDocument {
    status: Status,
    /// The type of the manifest that was judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    /// The size of the manifest in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// The digest of the configuration; an index has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<String>,
    /// The index through which the image was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    through: Option<String>,
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct AuthenticityDocument {
    status: Status,
    /// How many distinct keys are demanded.
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<usize>,
    /// One signature by each key that counts.
    signatures: Vec<SignatureDocument>,
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct SignatureDocument {
    /// What the key is called here.
    signer: String,
    /// SHA-256 over the key's `SubjectPublicKeyInfo`, hexadecimal.
    key_id: String,
    algorithm: String,
    /// The manifest that holds the signature.
    artifact: String,
    /// The digest that it signs: the image's, or that of the index.
    subject: String,
    /// The repository that it was made for; absent if it names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    repository: Option<String>,
    /// Whether a demonstration key made it.
    stand_in: bool,
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct FreshnessDocument {
    status: Status,
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct FindingDocument {
    /// A stable name, in kebab-case.
    code: String,
    message: String,
    remedy: String,
}

impl From<&Verdict> for VerdictDocument {
    fn from(verdict: &Verdict) -> Self {
        let (name, level, refusals, errors) = match verdict.outcome() {
            Outcome::Verified(_) => (
                VerdictName::Verified,
                Some(LevelName::Signed),
                Vec::new(),
                Vec::new(),
            ),
            Outcome::Refused(reasons) => {
                (VerdictName::Refused, None, findings(reasons), Vec::new())
            }
            Outcome::Undecided(faults) => {
                (VerdictName::Undecided, None, Vec::new(), findings(faults))
            }
        };
        Self {
            version: 1,
            image: verdict.image().to_string(),
            digest: verdict.digest().map(ToString::to_string),
            pinned: verdict.pinned(),
            judged_at: verdict.judged_at().to_string(),
            verdict: name,
            level,
            integrity: verdict.integrity().into(),
            authenticity: verdict.authenticity().into(),
            freshness: FreshnessDocument {
                status: Status::NotJudged,
            },
            refusals,
            errors,
            remarks: verdict
                .remarks()
                .iter()
                .map(FindingDocument::from)
                .collect(),
        }
    }
}

fn findings<F: AsRef<Finding>>(findings: &[F]) -> Vec<FindingDocument> {
    findings
        .iter()
        .map(|finding| finding.as_ref().into())
        .collect()
}

impl From<&Finding> for FindingDocument {
    fn from(finding: &Finding) -> Self {
        Self {
            code: finding.code.to_string(),
            message: finding.message.clone(),
            remedy: finding.remedy.clone(),
        }
    }
}

impl From<&Integrity> for IntegrityDocument {
    fn from(integrity: &Integrity) -> Self {
        let without = |status| Self {
            status,
            media_type: None,
            size: None,
            config: None,
            through: None,
        };
        match integrity {
            Integrity::Whole {
                manifest,
                config,
                through,
            } => Self {
                status: Status::Passed,
                media_type: Some(manifest.media_type.clone()),
                size: Some(manifest.size),
                config: config.as_ref().map(ToString::to_string),
                through: through.as_ref().map(ToString::to_string),
            },
            Integrity::Broken(_) => without(Status::Failed),
            Integrity::Undecided(_) => without(Status::Undecided),
            Integrity::NotJudged => without(Status::NotJudged),
        }
    }
}

impl From<&Authenticity> for AuthenticityDocument {
    fn from(authenticity: &Authenticity) -> Self {
        let without = |status| Self {
            status,
            threshold: None,
            signatures: Vec::new(),
        };
        match authenticity {
            Authenticity::Signed {
                threshold,
                signatures,
            } => Self {
                status: Status::Passed,
                threshold: Some(threshold.get()),
                signatures: signatures.iter().map(SignatureDocument::from).collect(),
            },
            Authenticity::NotSigned { .. } => without(Status::Failed),
            Authenticity::Undecided { .. } => without(Status::Undecided),
            Authenticity::NotJudged => without(Status::NotJudged),
        }
    }
}

impl From<&CountedSignature> for SignatureDocument {
    fn from(signature: &CountedSignature) -> Self {
        Self {
            signer: Escaped(&signature.signer).to_string(),
            key_id: signature.key_id.to_string(),
            algorithm: signature.algorithm.to_string(),
            artifact: signature.artifact.to_string(),
            subject: signature.subject.to_string(),
            repository: signature.repository.clone(),
            stand_in: signature.origin == SignatureOrigin::StandIn,
        }
    }
}

//! The verdict for programs: JSON with a published schema.
//!
//! Members are only ever added; a program ignores those it does not know.

use countersign_common::{Escaped, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Authenticity, Basis, Child, CountedAttestation, CountedSignature, Finding, Freshness,
    Integrity, Mode, Occasion, Outcome, PolicyBasis, Published, SignatureOrigin, Verdict,
};
use crate::{Depth, Hashed, Level};

/// The judgement on one image.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VerdictDocument {
    /// The version of this document.
    version: u32,
    /// The reference that was asked about, in its canonical form.
    image: String,
    /// As what an index lists it: a platform, `attestation`, or `unknown`. Its word, which decides nothing. Present only in
    /// `children`.
    #[serde(skip_serializing_if = "Option::is_none")]
    listed_as: Option<String>,
    /// The image layout that it was read from, as it was named; absent if it was read from a registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    layout: Option<String>,
    /// The digest that was judged; absent if the reference could not be resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// What may be run: the image by its digest. Present only if the verdict is `verified`, and of now; in `children` only if
    /// that of the whole is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned: Option<String>,
    /// When it was judged, RFC 3339.
    judged_at: String,
    /// Whether `judgedAt` is another time than that of the judgement: then it lets nothing run.
    as_of: bool,
    /// What follows: the worst of all, where the children were judged too.
    verdict: VerdictName,
    /// How much is proven. Present only if the verdict is `verified`.
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<LevelName>,
    /// The rule of a policy that it was judged by; absent if it was judged by keys that were named, or if the policy has no
    /// rule for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<PolicyDocument>,
    /// Whether the bytes are what their names say.
    integrity: IntegrityDocument,
    /// Whether enough of those who may sign have signed.
    authenticity: AuthenticityDocument,
    /// Whether it is current.
    freshness: FreshnessDocument,
    /// Found out, and no. The first weighs most. Of each of the `children` the first of its own.
    refusals: Vec<FindingDocument>,
    /// Could not find out. Of each of the `children` the first of its own.
    errors: Vec<FindingDocument>,
    /// What else was noticed. Of each of the `children` the first of its own.
    remarks: Vec<FindingDocument>,
    /// What the index lists, each judged as if it were asked for by its own digest; an image lists nothing. Present only where
    /// they were to be judged. `level` is then the least of all, and `integrity`, `authenticity` and `freshness` are those of
    /// the index itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    children: Option<Vec<VerdictDocument>>,
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
    Dated,
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PolicyDocument {
    /// SHA-256 of the policy's file.
    sha256: String,
    /// The pattern of the rule.
    #[serde(rename = "match")]
    rule: String,
    /// What the policy calls the trust root.
    root: String,
    /// The version of the trust root; absent if it could not be followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    root_version: Option<u64>,
    /// SHA-256 of the file of that version.
    #[serde(skip_serializing_if = "Option::is_none")]
    root_sha256: Option<String>,
    /// The pattern of the scope of the trust root; absent if it grants none, or was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    /// Whether a refusal lets nothing run, or is only said.
    mode: ModeName,
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
enum ModeName {
    Enforce,
    Report,
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
    /// How far down it was looked at, if further than to its configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    depth: Option<DepthName>,
    /// Its layers. Present only if they were looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    layers: Option<LayersDocument>,
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
enum DepthName {
    Layers,
    Unpacked,
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct LayersDocument {
    /// How many, of an index those of all its children; one that several share is one.
    count: usize,
    /// Their bytes, as they are in the registry.
    bytes: u64,
    /// How many of them unpack to what a configuration names. Present only if that was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    unpacked: Option<usize>,
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
    /// The attestations that count, of the types that are demanded.
    attestations: Vec<AttestationDocument>,
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct AttestationDocument {
    /// The URI of what it says.
    predicate_type: String,
    /// It was signed at this moment or later, RFC 3339. Present only if both ends are proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<String>,
    /// Who signed it, and by when.
    #[serde(flatten)]
    signature: SignatureDocument,
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct SignatureDocument {
    /// What the key is called here.
    signer: String,
    /// SHA-256 over the key's `SubjectPublicKeyInfo`, hexadecimal.
    key_id: String,
    algorithm: String,
    /// How it was written: `sigstore-bundle`, or `cosign-signature`, cosign's older format.
    format: &'static str,
    /// The manifest that holds the signature.
    artifact: String,
    /// The digest that it signs: the image's, or that of the index.
    subject: String,
    /// The repository that it was made for; absent if it names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    repository: Option<String>,
    /// It was signed at this moment or earlier, RFC 3339. Present only if that is proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after: Option<String>,
    /// Whether a demonstration key made it.
    stand_in: bool,
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct FreshnessDocument {
    status: Status,
    /// When the image was published, if that is proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<PublishedDocument>,
    /// When its publisher says that it was published, RFC 3339, where nothing proves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed_at: Option<String>,
    /// When its builder says that it was built (`org.opencontainers.image.created`). Never judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    builder_claims: Option<String>,
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct PublishedDocument {
    /// The publication was signed at this moment or later, RFC 3339.
    not_before: String,
    /// The publication was signed at this moment or earlier, RFC 3339.
    not_after: String,
    /// How long before `judgedAt` that was at the most, in seconds.
    age_seconds: u64,
    /// Whether it is the first publication of the image: `not-proven`, since without a signed table of tags an earlier one
    /// may be hidden.
    first: &'static str,
    /// How many distinct operators must agree on each end.
    threshold: usize,
    /// Operators of the authorities whose stamps show that it was not signed before.
    before_operators: Vec<String>,
    /// Operators of the authorities whose stamps show that it was not signed after.
    after_operators: Vec<String>,
    /// Until when its publisher supports the image, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    supported_until: Option<String>,
    /// Who signed the publication.
    signer: String,
    /// The manifest that holds it.
    artifact: String,
    /// SHA-256 over what was signed, wherever it is stored.
    payload: String,
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FindingDocument {
    /// A stable name, in kebab-case. Where a registry gives cause for more than twenty of one name, the next says so, and the
    /// others are left out.
    code: String,
    message: String,
    remedy: String,
}

impl From<&Verdict> for VerdictDocument {
    fn from(verdict: &Verdict) -> Self {
        let (name, level, refusals, errors) = match verdict.outcome() {
            Outcome::Verified(level) => (
                VerdictName::Verified,
                Some(match level {
                    Level::Signed => LevelName::Signed,
                    Level::Dated => LevelName::Dated,
                }),
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
            listed_as: None,
            layout: verdict.layout().map(str::to_owned),
            digest: verdict.digest().map(ToString::to_string),
            pinned: verdict.pinned(),
            judged_at: verdict.judged_at().to_string(),
            as_of: verdict.occasion() == Occasion::AsOf,
            verdict: name,
            level,
            policy: PolicyDocument::of(verdict.basis()),
            integrity: verdict.integrity().into(),
            authenticity: verdict.authenticity().into(),
            freshness: FreshnessDocument::of(verdict),
            refusals,
            errors,
            remarks: verdict
                .remarks()
                .iter()
                .map(FindingDocument::from)
                .collect(),
            children: verdict.children().map(|children| {
                let may_run = verdict.pinned().is_some();
                let child = |child| Self::child(child, may_run);
                children.iter().map(child).collect()
            }),
        }
    }
}

impl VerdictDocument {
    /// Whoever looks for anything that may be run must not find a part of what may not.
    fn child(child: &Child, may_run: bool) -> Self {
        let document = Self::from(child.verdict());
        Self {
            listed_as: Some(child.listed().to_string()),
            pinned: document.pinned.filter(|_| may_run),
            ..document
        }
    }
}

impl PolicyDocument {
    /// Of a policy, if one decided.
    pub(crate) fn of(basis: &Basis) -> Option<Self> {
        match basis {
            Basis::Keys => None,
            Basis::Policy(policy) => Some(policy.as_ref().into()),
        }
    }
}

impl From<&PolicyBasis> for PolicyDocument {
    fn from(policy: &PolicyBasis) -> Self {
        let version = policy.version.as_ref();
        Self {
            sha256: policy.policy.to_string(),
            rule: Escaped(&policy.rule).to_string(),
            root: Escaped(&policy.root).to_string(),
            root_version: version.map(|version| version.number),
            root_sha256: version.map(|version| version.sha256.to_string()),
            scope: policy
                .scope
                .as_deref()
                .map(|scope| Escaped(scope).to_string()),
            mode: match policy.mode {
                Mode::Enforce => ModeName::Enforce,
                Mode::Report => ModeName::Report,
            },
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
            depth: None,
            layers: None,
        };
        match integrity {
            Integrity::Whole {
                manifest,
                config,
                through,
                layers,
            } => Self {
                status: Status::Passed,
                media_type: Some(manifest.media_type.clone()),
                size: Some(manifest.size),
                config: config.as_ref().map(ToString::to_string),
                through: through.as_ref().map(ToString::to_string),
                depth: layers.hashed().and_then(DepthName::of),
                layers: layers.hashed().map(LayersDocument::from),
            },
            Integrity::Broken(_) => without(Status::Failed),
            Integrity::Undecided(_) => without(Status::Undecided),
            Integrity::NotJudged => without(Status::NotJudged),
        }
    }
}

impl DepthName {
    fn of(hashed: &Hashed) -> Option<Self> {
        match hashed.depth() {
            Depth::Manifest => None,
            Depth::Layers => Some(Self::Layers),
            Depth::Unpacked => Some(Self::Unpacked),
        }
    }
}

impl From<&Hashed> for LayersDocument {
    fn from(hashed: &Hashed) -> Self {
        Self {
            count: hashed.layers(),
            bytes: hashed.bytes(),
            unpacked: (hashed.depth() == Depth::Unpacked).then_some(hashed.unpacked()),
        }
    }
}

impl From<&Authenticity> for AuthenticityDocument {
    fn from(authenticity: &Authenticity) -> Self {
        let without = |status| Self {
            status,
            threshold: None,
            signatures: Vec::new(),
            attestations: Vec::new(),
        };
        match authenticity {
            Authenticity::Signed {
                threshold,
                signatures,
                attestations,
            } => Self {
                status: Status::Passed,
                threshold: Some(threshold.get()),
                signatures: signatures.iter().map(SignatureDocument::from).collect(),
                attestations: attestations.iter().map(AttestationDocument::from).collect(),
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
            format: signature.format.name(),
            artifact: signature.artifact.to_string(),
            subject: signature.subject.to_string(),
            repository: (signature.repository.as_deref()).map(|name| Escaped(name).to_string()),
            not_after: signature.not_after.map(Timestamp::to_rfc3339),
            stand_in: signature.origin == SignatureOrigin::StandIn,
        }
    }
}

impl From<&CountedAttestation> for AttestationDocument {
    fn from(attestation: &CountedAttestation) -> Self {
        Self {
            predicate_type: attestation.kind.to_string(),
            not_before: attestation
                .interval
                .map(|interval| interval.not_before().to_rfc3339()),
            signature: (&attestation.signature).into(),
        }
    }
}

impl FreshnessDocument {
    fn of(verdict: &Verdict) -> Self {
        let freshness = verdict.freshness();
        let status = match freshness {
            Freshness::Dated(_) => Status::Passed,
            Freshness::Failed { .. } => Status::Failed,
            Freshness::Undecided { .. } => Status::Undecided,
            Freshness::Claimed { .. } | Freshness::NotJudged | Freshness::NotProven => {
                Status::NotJudged
            }
        };
        let claimed_at = match freshness {
            Freshness::Claimed { at, .. } => Some(at.to_string()),
            _ => None,
        };
        Self {
            status,
            published: freshness
                .published()
                .map(|published| PublishedDocument::of(published, verdict)),
            claimed_at,
            builder_claims: verdict
                .builder_claims()
                .map(|claim| Escaped(claim).to_string()),
        }
    }
}

impl PublishedDocument {
    fn of(published: &Published, verdict: &Verdict) -> Self {
        let names = |names: &[String]| names.iter().map(|name| Escaped(name).to_string()).collect();
        Self {
            not_before: published.interval.not_before().to_rfc3339(),
            not_after: published.interval.not_after().to_rfc3339(),
            age_seconds: published.age(verdict.judged_at()).as_secs(),
            first: "not-proven",
            threshold: published.threshold.get(),
            before_operators: names(&published.before),
            after_operators: names(&published.after),
            supported_until: published.supported_until.map(|time| time.to_string()),
            signer: Escaped(&published.signer).to_string(),
            artifact: published.artifact.to_string(),
            payload: published.payload.to_string(),
        }
    }
}

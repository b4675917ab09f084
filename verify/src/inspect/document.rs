//! What is attached to an image, for programs: JSON with a published schema.
//!
//! Members are only ever added; a program ignores those it does not know.

use std::collections::BTreeMap;

use countersign_common::{Escaped, Timestamp};
use countersign_trust_roots::time::Interval;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    About, Artifact, Certificate, Child, ChildState, Content, Entry, EntryKind, Inspection, Item,
    Layer, Missing, Place, Signer, Standing, Subject, Vouched,
};
use crate::verdict::{
    Finding, SignatureOrigin,
    document::{FindingDocument, PolicyDocument},
};

/// Everything that is attached to one image.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InspectionDocument {
    /// The version of this document.
    version: u32,
    /// The reference that was asked about, in its canonical form.
    image: String,
    /// The image layout that it was read from, as it was named; absent if it was read from a registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    layout: Option<String>,
    /// When, RFC 3339.
    inspected_at: String,
    /// Whether everything could be looked at. If not, `errors` says what could not.
    complete: bool,
    /// The rule of a policy that documents were judged by; absent if they were judged by keys that were named, or not at
    /// all.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<PolicyDocument>,
    /// Why no document was judged; absent if they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_judged: Option<FindingDocument>,
    /// The image; absent if it is not there, or could not be fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<SubjectDocument>,
    /// Found out, and no: there is no such image.
    refusals: Vec<FindingDocument>,
    /// Could not find out.
    errors: Vec<FindingDocument>,
    /// What else is to be known.
    remarks: Vec<FindingDocument>,
}

/// A manifest, and what is attached to it.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct SubjectDocument {
    digest: String,
    media_type: String,
    size: u64,
    /// What its configuration says that it runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    /// When its builder says that it was built.
    #[serde(skip_serializing_if = "Option::is_none")]
    builder_claims: Option<String>,
    /// What its builder says that it was built on.
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<String>,
    layers: Vec<LayerDocument>,
    attached: Vec<ArtifactDocument>,
    /// The children of an index.
    children: Vec<ChildDocument>,
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct LayerDocument {
    digest: String,
    media_type: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct ChildDocument {
    digest: String,
    media_type: String,
    size: u64,
    /// What its index says that it runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    /// What its index says of it, unsigned.
    annotations: BTreeMap<String, String>,
    /// How much is attached to it, where that was only counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    attached_count: Option<usize>,
    /// All of it, where it was looked into.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Box<SubjectDocument>>,
    /// Why nothing is known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<FindingDocument>,
}

/// Something attached.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactDocument {
    digest: String,
    media_type: String,
    size: u64,
    /// The type that it gives itself, or that its list gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    /// Where it was found.
    found_in: Vec<PlaceName>,
    /// Its format; absent if nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'static str>,
    /// Why nobody knows what it is: it is damaged, archived, about something else, or could not be fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<FindingDocument>,
    /// What its manifest says of itself, unsigned.
    annotations: BTreeMap<String, String>,
    layers: Vec<LayerDocument>,
    /// What was read of it.
    entries: Vec<EntryDocument>,
    /// What refers to it in turn.
    attached: Vec<ArtifactDocument>,
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
enum PlaceName {
    Referrers,
    FallbackTag,
    SignatureTag,
    AttestationTag,
    SbomTag,
    Archive,
}

/// One thing that somebody says.
#[derive(Debug, Default, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct EntryDocument {
    /// The blob that holds it.
    blob: String,
    /// Why it cannot be read; then nothing else is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<FindingDocument>,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<KindName>,
    /// Whether it is trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    standing: Option<StandingName>,
    /// Why it is not trusted, or not judged; or why the name of the key that made it says less than it seems to.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<FindingDocument>,
    /// Who vouches for it, where it is trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    trusted: Option<TrustedDocument>,
    /// Where it is not verified here: the name of the trusted key that made its signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    made_by: Option<String>,
    /// What it is about, if that is not what it is attached to.
    #[serde(skip_serializing_if = "Option::is_none")]
    other_subject: Option<String>,
    /// The key that it names as its signer: its id, hexadecimal, or another hint. A claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed_key: Option<String>,
    /// The certificates that it names its signer by, the signer's own first. Claims.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    certificates: Vec<CertificateDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    predicate_type: Option<String>,
    /// The repository that it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    repository: Option<String>,
    /// When it was signed, or stored, by somebody's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed_at: Option<String>,
    /// Until when it is said to hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    /// How many time stamps it carries, whatever they are worth.
    time_stamps: usize,
    /// How many entries of transparency logs it carries, whatever they are worth.
    log_entries: usize,
    /// Annotations that its signer signed.
    annotations: BTreeMap<String, String>,
    /// What else its signer signed, in the words of its format.
    attributes: BTreeMap<String, String>,
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
enum KindName {
    Attestation,
    Publication,
    Signature,
    TrustRoot,
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
enum StandingName {
    NotJudged,
    NotVerifiedHere,
    Trusted,
    Untrusted,
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct TrustedDocument {
    /// What the key is called here.
    signer: String,
    /// SHA-256 over the key's `SubjectPublicKeyInfo`, hexadecimal.
    key_id: String,
    algorithm: String,
    /// It was signed at this moment or later, RFC 3339. Present only if both ends are proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<String>,
    /// It was signed at this moment or earlier, RFC 3339. Present only if that is proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after: Option<String>,
    /// Whether a demonstration key made it.
    stand_in: bool,
    remarks: Vec<FindingDocument>,
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct CertificateDocument {
    subject: String,
    issuer: String,
    /// SHA-256 over the certificate.
    sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after: Option<String>,
    /// Alternative names.
    identities: Vec<String>,
    /// Who vouched for the identity when it was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    voucher: Option<String>,
}

impl From<&Inspection> for InspectionDocument {
    fn from(inspection: &Inspection) -> Self {
        let (policy, not_judged) = match &inspection.basis {
            Ok(basis) => (PolicyDocument::of(basis), None),
            Err(why) => (None, Some(why.into())),
        };
        let (subject, refusals, undecided) = match &inspection.subject {
            Ok(subject) => (Some(subject.into()), Vec::new(), None),
            Err(Missing::Refused(why)) => (None, vec![why.into()], None),
            Err(Missing::Undecided(why)) => (None, Vec::new(), Some(why)),
        };
        let errors = undecided.into_iter().chain(&inspection.faults);
        Self {
            version: 1,
            image: inspection.image.to_string(),
            layout: inspection.layout.clone(),
            inspected_at: inspection.at.to_string(),
            complete: inspection.is_complete(),
            policy,
            not_judged,
            subject,
            refusals,
            errors: errors.map(FindingDocument::from).collect(),
            remarks: inspection.notes.iter().map(FindingDocument::from).collect(),
        }
    }
}

impl From<&Subject> for SubjectDocument {
    fn from(subject: &Subject) -> Self {
        Self {
            digest: subject.descriptor.digest.to_string(),
            media_type: shown(&subject.descriptor.media_type),
            size: subject.descriptor.size,
            platform: subject.platform.as_ref().map(ToString::to_string),
            builder_claims: subject.created.as_deref().map(shown),
            base: subject.base.as_deref().map(shown),
            layers: subject.layers.iter().map(LayerDocument::from).collect(),
            attached: subject
                .attached
                .iter()
                .map(ArtifactDocument::from)
                .collect(),
            children: subject.children.iter().map(ChildDocument::from).collect(),
        }
    }
}

impl From<&Layer> for LayerDocument {
    fn from(layer: &Layer) -> Self {
        Self {
            digest: layer.descriptor.digest.to_string(),
            media_type: shown(&layer.descriptor.media_type),
            size: layer.descriptor.size,
            title: layer.title.as_deref().map(shown),
        }
    }
}

impl From<&Child> for ChildDocument {
    fn from(child: &Child) -> Self {
        let (attached_count, subject, error) = match &child.state {
            ChildState::Counted(count) => (Some(*count), None, None),
            ChildState::Inspected(subject) => (None, Some(Box::new(subject.as_ref().into())), None),
            ChildState::Unknown(why) => (None, None, Some(why.into())),
        };
        let descriptor = &child.descriptor;
        Self {
            digest: descriptor.digest.to_string(),
            media_type: shown(&descriptor.media_type),
            size: descriptor.size,
            platform: descriptor.platform.as_ref().map(ToString::to_string),
            annotations: descriptor
                .annotations
                .as_ref()
                .map(texts)
                .unwrap_or_default(),
            attached_count,
            subject,
            error,
        }
    }
}

impl From<&Artifact> for ArtifactDocument {
    fn from(artifact: &Artifact) -> Self {
        let (content, problem) = match &artifact.content {
            Ok(content) => (Some(content), None),
            Err(why) => (None, Some(why.into())),
        };
        let layers = content.map(|content| content.layers.as_slice());
        let items = content.map(|content| content.items.as_slice());
        Self {
            digest: artifact.descriptor.digest.to_string(),
            media_type: shown(&artifact.descriptor.media_type),
            size: artifact.descriptor.size,
            artifact_type: artifact.artifact_type.as_deref().map(shown),
            found_in: artifact
                .places
                .iter()
                .map(|place| (*place).into())
                .collect(),
            format: content.map(|content| content.format.0),
            problem,
            annotations: annotations(artifact, content),
            layers: layers
                .unwrap_or_default()
                .iter()
                .map(LayerDocument::from)
                .collect(),
            entries: items
                .unwrap_or_default()
                .iter()
                .map(EntryDocument::from)
                .collect(),
            attached: artifact.attached.iter().map(Self::from).collect(),
        }
    }
}

/// The manifest's own, or of what is archived those in its list.
fn annotations(artifact: &Artifact, content: Option<&Content>) -> BTreeMap<String, String> {
    let listed = artifact.descriptor.annotations.as_ref();
    let all = content.map(|content| &content.annotations).or(listed);
    all.map(texts).unwrap_or_default()
}

impl From<Place> for PlaceName {
    fn from(place: Place) -> Self {
        match place {
            Place::Referrers => Self::Referrers,
            Place::FallbackTag => Self::FallbackTag,
            Place::SignatureTag => Self::SignatureTag,
            Place::AttestationTag => Self::AttestationTag,
            Place::BillTag => Self::SbomTag,
            Place::Archive => Self::Archive,
        }
    }
}

impl From<&Item> for EntryDocument {
    fn from(item: &Item) -> Self {
        let blob = item.blob.to_string();
        match &item.entry {
            Ok(entry) => Self {
                blob,
                ..Self::of(entry)
            },
            Err(why) => Self {
                blob,
                problem: Some(why.into()),
                ..Self::default()
            },
        }
    }
}

impl EntryDocument {
    fn of(entry: &Entry) -> Self {
        let (standing, reason, trusted, made_by) = match &entry.standing {
            Standing::NotJudged(why) => (StandingName::NotJudged, Some(why), None, None),
            Standing::NotVerifiedHere(maker) => {
                let caveat = maker.as_ref().and_then(|maker| maker.caveat.as_ref());
                (StandingName::NotVerifiedHere, caveat, None, maker.as_ref())
            }
            Standing::Trusted(vouched) => (StandingName::Trusted, None, Some(vouched), None),
            Standing::Untrusted(why) => (StandingName::Untrusted, Some(why), None, None),
        };
        let (claimed_key, certificates) = match &entry.signer {
            Signer::Certificates(chain) => (None, chain.as_slice()),
            Signer::Key(key) => (Some(shown(key)), [].as_slice()),
            Signer::Unsaid => (None, [].as_slice()),
        };
        Self {
            blob: String::new(),
            problem: None,
            kind: Some(entry.kind.into()),
            standing: Some(standing),
            reason: reason.map(FindingDocument::from),
            trusted: trusted.map(|vouched| vouched.as_ref().into()),
            made_by: made_by.map(|maker| shown(&maker.name)),
            other_subject: match &entry.about {
                About::Other(other) => Some(shown(other)),
                About::This | About::Unsaid => None,
            },
            claimed_key,
            certificates: certificates.iter().map(CertificateDocument::from).collect(),
            predicate_type: entry.predicate_type.as_deref().map(shown),
            repository: entry.repository.as_deref().map(shown),
            claimed_at: entry.claimed_at.as_deref().map(shown),
            until: entry.until.as_deref().map(shown),
            time_stamps: entry.stamps,
            log_entries: entry.log_entries,
            annotations: texts(&entry.annotations),
            attributes: texts(&entry.attributes),
        }
    }
}

impl From<EntryKind> for KindName {
    fn from(kind: EntryKind) -> Self {
        match kind {
            EntryKind::Attestation => Self::Attestation,
            EntryKind::ImageSignature => Self::Signature,
            EntryKind::Publication => Self::Publication,
            EntryKind::TrustRoot => Self::TrustRoot,
        }
    }
}

impl From<&Vouched> for TrustedDocument {
    fn from(vouched: &Vouched) -> Self {
        let signature = &vouched.signature;
        let until = vouched.interval.map(Interval::not_after);
        Self {
            signer: shown(&signature.signer),
            key_id: signature.key_id.to_string(),
            algorithm: signature.algorithm.to_string(),
            not_before: vouched
                .interval
                .map(|interval| interval.not_before().to_rfc3339()),
            not_after: until.or(signature.not_after).map(Timestamp::to_rfc3339),
            stand_in: signature.origin == SignatureOrigin::StandIn,
            remarks: vouched
                .remarks
                .iter()
                .map(|one: &Finding| one.into())
                .collect(),
        }
    }
}

impl From<&Certificate> for CertificateDocument {
    fn from(certificate: &Certificate) -> Self {
        Self {
            subject: shown(&certificate.subject),
            issuer: shown(&certificate.issuer),
            sha256: certificate.fingerprint.hex().to_owned(),
            not_before: certificate.not_before.map(Timestamp::to_rfc3339),
            not_after: certificate.not_after.map(Timestamp::to_rfc3339),
            identities: certificate
                .identities
                .iter()
                .map(|name| shown(name))
                .collect(),
            voucher: certificate.voucher.as_deref().map(shown),
        }
    }
}

/// Programs print what they read: what could move a cursor is escaped here too.
fn shown(text: &str) -> String {
    Escaped(text).to_string()
}

fn texts(all: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    all.iter()
        .map(|(name, value)| (shown(name), shown(value)))
        .collect()
}

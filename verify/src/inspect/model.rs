//! What was found, for whoever shows it: an image, and the tree of what is attached to it.
//!
//! Text in here is as hostile as where it came from: the two forms of output escape it.

use std::collections::{BTreeMap, BTreeSet};

use countersign_common::{Descriptor, Digest, ImageRef, Signature, Timestamp, manifest::Platform};
use countersign_trust_roots::format::Claim;

use super::{Certificate, Judge, Question, Standing};
use crate::{
    Basis,
    verdict::{Finding, distinct},
};

/// Everything about one image.
#[derive(Debug)]
pub struct Inspection {
    /// What was asked about.
    pub image: ImageRef,
    /// The layout that it lies in, if it is not in a registry.
    pub layout: Option<String>,
    /// When.
    pub at: Timestamp,
    /// By what documents were judged; `Err` says why by nothing.
    pub basis: Result<Basis, Finding>,
    /// The image; or why it is not there.
    pub subject: Result<Subject, Missing>,
    /// What could not be looked at. Nothing if everything was.
    pub faults: Vec<Finding>,
    /// What else is to be known.
    pub notes: Vec<Finding>,
}

/// Why there is no image.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Missing {
    /// Found out, and no.
    Refused(Finding),
    /// Could not find out.
    Undecided(Finding),
}

/// What was noticed on the way.
#[derive(Debug, Default)]
pub(super) struct Noticed {
    pub(super) faults: Vec<Finding>,
    pub(super) notes: Vec<Finding>,
}

impl Noticed {
    pub(super) fn add(&mut self, other: Self) {
        self.faults.extend(other.faults);
        self.notes.extend(other.notes);
    }
}

impl Inspection {
    pub(super) fn of(
        image: &ImageRef,
        question: &Question,
        subject: Result<Subject, Missing>,
        noticed: Noticed,
    ) -> Self {
        Self {
            image: image.clone(),
            layout: None,
            at: question.now,
            basis: match &question.judge {
                Judge::By(verifier) => Ok(verifier.basis.clone()),
                Judge::Nobody(why) => Err(why.clone()),
            },
            subject,
            faults: distinct(noticed.faults),
            notes: distinct(noticed.notes),
        }
    }
}

impl Inspection {
    /// Says in which layout the image lies, as a person named it.
    #[must_use]
    pub fn in_layout(self, layout: String) -> Self {
        Self {
            layout: Some(layout),
            ..self
        }
    }

    /// Whether everything could be looked at.
    pub fn is_complete(&self) -> bool {
        self.subject.is_ok() && self.faults.is_empty()
    }
}

/// An image, or a child of an index.
#[derive(Debug)]
pub struct Subject {
    /// Its manifest.
    pub descriptor: Descriptor,
    /// What its configuration says that it runs on.
    pub platform: Option<Platform>,
    /// Its layers, of an image.
    pub layers: Vec<Layer>,
    /// When its builder says that it was built.
    pub created: Option<String>,
    /// Its base image, as its builder says.
    pub base: Option<String>,
    /// What is attached to it.
    pub attached: Vec<Artifact>,
    /// Its children, of an index.
    pub children: Vec<Child>,
}

/// What is looked into, of an index.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Scope {
    /// The child for a platform, besides the index itself.
    For(Platform),
    /// The index itself; of its children only how much is attached.
    Itself,
    /// Every child.
    Recursive,
}

/// A child of an index.
#[derive(Debug)]
pub struct Child {
    /// As its index describes it.
    pub descriptor: Descriptor,
    /// What is known of it.
    pub state: ChildState,
}

/// What is known of a child.
#[derive(Debug)]
pub enum ChildState {
    /// How much is attached to it.
    Counted(usize),
    /// All of it.
    Inspected(Box<Subject>),
    /// Nothing: it could not be looked at, or is not what can be a child.
    Unknown(Finding),
}

/// Something attached.
#[derive(Debug)]
pub struct Artifact {
    /// Its manifest, as it was listed.
    pub descriptor: Descriptor,
    /// The type that it gives itself, or that its list gives it.
    pub artifact_type: Option<String>,
    /// Where it was found.
    pub places: BTreeSet<Place>,
    /// What it is; or why nobody knows.
    pub content: Result<Content, Finding>,
    /// What refers to it in turn.
    pub attached: Vec<Artifact>,
}

/// What an artifact is.
#[derive(Debug)]
pub struct Content {
    /// Its format: its name for programs, and for people.
    pub format: (&'static str, &'static str),
    /// What the manifest says of itself, unsigned.
    pub annotations: BTreeMap<String, String>,
    /// What it holds.
    pub layers: Vec<Layer>,
    /// What was read of it.
    pub items: Vec<Item>,
}

/// A blob.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Layer {
    /// As its manifest describes it.
    pub descriptor: Descriptor,
    /// What it is called.
    pub title: Option<String>,
}

/// A blob that was read.
#[derive(Debug)]
pub struct Item {
    /// Which.
    pub blob: Digest,
    /// What it says; or why it cannot be read.
    pub entry: Result<Entry, Finding>,
}

/// Where something was found. In the order in which they are told.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Place {
    /// The registry's own list of referrers.
    Referrers,
    /// The tag that stands in for such a list.
    FallbackTag,
    /// cosign's older tag for signatures.
    SignatureTag,
    /// Its tag for attestations.
    AttestationTag,
    /// Its tag for bills of materials.
    BillTag,
    /// The archive of the registry.
    Archive,
}

impl Place {
    /// What follows the digest in cosign's older tags, and where that is.
    pub(super) const LEGACY_TAGS: [(&'static str, Self); 3] = [
        ("sig", Self::SignatureTag),
        ("att", Self::AttestationTag),
        ("sbom", Self::BillTag),
    ];
}

/// One thing that somebody says.
#[derive(Debug)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// Whether it is about what it is attached to.
    pub about: About,
    /// Who says so.
    pub signer: Signer,
    /// The URI of what it says, of an attestation.
    pub predicate_type: Option<String>,
    /// The repository that it names.
    pub repository: Option<String>,
    /// When its signer says that it was signed, or its storer that it was stored.
    pub claimed_at: Option<String>,
    /// Until when it is said to hold.
    pub until: Option<String>,
    /// Signed annotations.
    pub annotations: BTreeMap<String, String>,
    /// What else is signed, in the words of its format.
    pub attributes: BTreeMap<String, String>,
    /// How many time stamps it carries.
    pub stamps: usize,
    /// How many entries of transparency logs.
    pub log_entries: usize,
    /// Whether it is trusted.
    pub standing: Standing,
    pub(super) proof: Proof,
}

/// By what a document can be judged.
#[derive(Debug)]
pub(super) enum Proof {
    /// It is one that verifiers read.
    Claim(Box<Claim>),
    /// It is of a format that they do not read; yet it may be told which known key made the signature.
    Foreign(Vec<Signed>),
    /// It is one that verifiers read, and refuse to.
    Refused(Finding),
}

/// What was signed, and the signature.
pub(super) type Signed = (Vec<u8>, Signature);

impl Entry {
    /// Nothing but what it is.
    pub(super) fn of(kind: EntryKind) -> Self {
        Self {
            kind,
            about: About::Unsaid,
            signer: Signer::Unsaid,
            predicate_type: None,
            repository: None,
            claimed_at: None,
            until: None,
            annotations: BTreeMap::new(),
            attributes: BTreeMap::new(),
            stamps: 0,
            log_entries: 0,
            standing: Standing::NotVerifiedHere(None),
            proof: Proof::Foreign(Vec::new()),
        }
    }
}

/// What something says that it is. In the order in which they are told.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum EntryKind {
    /// A signature of the image.
    ImageSignature,
    /// That the image is published.
    Publication,
    /// Something else about the content.
    Attestation,
    /// Who is trusted.
    TrustRoot,
}

impl EntryKind {
    /// Its name in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Attestation => "attestation",
            Self::ImageSignature => "signature",
            Self::Publication => "publication",
            Self::TrustRoot => "trust root",
        }
    }
}

/// What something is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum About {
    /// Something else, or nothing that can be named.
    Other(String),
    /// What it is attached to.
    This,
    /// It does not say.
    Unsaid,
}

/// Whom something names as its signer. A claim.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Signer {
    /// By certificates, the signer's own first.
    Certificates(Vec<Certificate>),
    /// A key by its id, hexadecimal, or by another hint.
    Key(String),
    /// Nobody.
    Unsaid,
}

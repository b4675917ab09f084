//! What is attached to an image, for people: a tree, with what is known of each leaf.

use std::fmt::Write;

use countersign_common::{Descriptor, Escaped, Timestamp};

use super::{
    About, Artifact, Certificate, Child, ChildState, Content, Entry, EntryKind, Inspection, Item,
    Layer, Place, Signer, Standing, Subject, Vouched,
};
use crate::{
    Basis,
    verdict::{Finding, SignatureOrigin},
};

/// Layers of an unknown artifact that are told one by one.
const LAYERS: usize = 5;

/// Signed attributes that say how an envelope is to be read, and nothing of who signed.
const PLUMBING: [&str; 2] = ["crit", "cty"];

/// The tree; nothing if there is no image.
pub fn tree(inspection: &Inspection) -> String {
    let Ok(subject) = &inspection.subject else {
        return String::new();
    };
    let repository = inspection.image.repository().to_string();
    let mut root = of_subject(&repository, subject);
    root.lines.splice(
        0..1,
        [
            inspection.image.to_string(),
            subject.descriptor.digest.to_string(),
        ],
    );
    let layout = inspection.layout.iter();
    root.lines
        .extend(layout.map(|layout| format!("read from {}", Escaped(layout))));
    root.lines.push(judged(inspection));
    let mut text = String::new();
    root.write(&mut text, "", "");
    text
}

/// By what documents were judged.
fn judged(inspection: &Inspection) -> String {
    match &inspection.basis {
        Ok(Basis::Keys) => "judged by the keys that were named".to_owned(),
        Ok(Basis::Policy(policy)) => format!(
            "judged by the policy's rule for {} (trust root {})",
            Escaped(&policy.rule),
            Escaped(&policy.root)
        ),
        Err(why) => format!("not judged: {}", why.message),
    }
}

/// Lines, and what hangs below them.
struct Branch {
    lines: Vec<String>,
    below: Vec<Branch>,
}

impl Branch {
    /// The first line after one prefix, the others after another.
    fn write(&self, text: &mut String, first: &str, rest: &str) {
        let trunk = if self.below.is_empty() {
            "    "
        } else {
            "│   "
        };
        for (number, line) in self.lines.iter().enumerate() {
            let _ = match number {
                0 => writeln!(text, "{first}{line}"),
                _ => writeln!(text, "{rest}{trunk}{line}"),
            };
        }
        for (number, branch) in self.below.iter().enumerate() {
            let is_last = number + 1 == self.below.len();
            let (fork, trunk) = if is_last {
                ("└── ", "    ")
            } else {
                ("├── ", "│   ")
            };
            branch.write(text, &format!("{rest}{fork}"), &format!("{rest}{trunk}"));
        }
    }
}

fn of_subject(repository: &str, subject: &Subject) -> Branch {
    let descriptor = &subject.descriptor;
    let mut lines = vec![
        format!("{repository}@{}", descriptor.digest),
        format!(
            "{}, {}",
            Escaped(&descriptor.media_type),
            size(descriptor.size)
        ),
    ];
    if let Some(platform) = &subject.platform {
        let all: u64 = subject
            .layers
            .iter()
            .fold(0, |all, layer| all.saturating_add(layer.descriptor.size));
        let count = counted(subject.layers.len(), "layer");
        lines.push(format!("for {platform}, {count} of {}", size(all)));
    }
    if let Some(created) = &subject.created {
        lines.push(format!("built {}, as its builder claims", Escaped(created)));
    }
    if let Some(base) = &subject.base {
        lines.push(format!("on {}, as its builder claims", Escaped(base)));
    }
    if subject.attached.is_empty() {
        lines.push("nothing is attached".to_owned());
    }
    let attached = subject.attached.iter();
    let attached = attached.map(|artifact| of_artifact(repository, artifact));
    let children = subject.children.iter();
    let children = children.map(|child| of_child(repository, child));
    Branch {
        lines,
        below: attached.chain(children).collect(),
    }
}

fn of_child(repository: &str, child: &Child) -> Branch {
    let descriptor = &child.descriptor;
    let platform = descriptor.platform.as_ref();
    let name = match (platform, attests(descriptor)) {
        (_, Some(other)) => format!("child: BuildKit's attestations of {}", Escaped(other)),
        (Some(platform), None) => format!("child for {platform}"),
        (None, None) => "child".to_owned(),
    };
    let mut branch = match &child.state {
        ChildState::Counted(count) => Branch {
            lines: vec![
                descriptor.digest.to_string(),
                match count {
                    0 => "nothing is attached".to_owned(),
                    count => format!(
                        "{} attached: `--recursive` shows them",
                        counted(*count, "artifact")
                    ),
                },
            ],
            below: Vec::new(),
        },
        ChildState::Inspected(subject) => of_subject(repository, subject),
        ChildState::Unknown(why) => Branch {
            lines: vec![descriptor.digest.to_string(), finding("unknown", why)],
            below: Vec::new(),
        },
    };
    if let Some(first) = branch.lines.first_mut() {
        *first = format!("{name} {}", descriptor.digest);
    }
    branch
}

/// Of which sibling a child holds attestations, as `BuildKit` marks it.
fn attests(child: &Descriptor) -> Option<&str> {
    let annotations = child.annotations.as_ref()?;
    let kind = annotations.get("vnd.docker.reference.type")?;
    let other = annotations.get("vnd.docker.reference.digest")?;
    (kind == "attestation-manifest").then_some(other)
}

fn of_artifact(repository: &str, artifact: &Artifact) -> Branch {
    let places: Vec<_> = artifact.places.iter().map(|place| told(*place)).collect();
    let places = places.join(", ");
    let digest = &artifact.descriptor.digest;
    let (headline, mut lines, entries) = match &artifact.content {
        Err(why) => (unread(artifact), vec![finding("", why)], Vec::new()),
        Ok(content) => match content.items.as_slice() {
            [item] => (
                headline(item, content),
                of_item(repository, item),
                Vec::new(),
            ),
            [] => (unknown(artifact, content), layers(content), Vec::new()),
            items => {
                let below = items.iter().map(|item| {
                    let mut lines = vec![format!("{} {}", name(item), item.blob)];
                    lines.extend(of_item(repository, item));
                    Branch {
                        lines,
                        below: Vec::new(),
                    }
                });
                (content.format.1.to_owned(), Vec::new(), below.collect())
            }
        },
    };
    lines.insert(0, format!("{headline} {digest}"));
    lines.insert(1, format!("{}, {places}", size(total(artifact))));
    let attached = artifact.attached.iter();
    let attached = attached.map(|artifact| of_artifact(repository, artifact));
    Branch {
        lines,
        below: entries.into_iter().chain(attached).collect(),
    }
}

/// Of the manifest and what it names.
fn total(artifact: &Artifact) -> u64 {
    let layers = artifact
        .content
        .as_ref()
        .map(|content| content.layers.as_slice());
    let layers = layers.unwrap_or_default().iter();
    layers.fold(artifact.descriptor.size, |all, layer| {
        all.saturating_add(layer.descriptor.size)
    })
}

fn told(place: Place) -> &'static str {
    match place {
        Place::Referrers => "in the list of referrers",
        Place::FallbackTag => "at the fallback tag",
        Place::SignatureTag => "at the tag .sig",
        Place::AttestationTag => "at the tag .att",
        Place::BillTag => "at the tag .sbom",
        Place::Archive => "in the archive",
    }
}

fn unread(artifact: &Artifact) -> String {
    match &artifact.artifact_type {
        Some(artifact_type) => Escaped(artifact_type).to_string(),
        None => "artifact".to_owned(),
    }
}

fn unknown(artifact: &Artifact, content: &Content) -> String {
    let artifact_type = unread(artifact);
    format!("{} ({artifact_type})", content.format.1)
}

fn headline(item: &Item, content: &Content) -> String {
    format!("{} ({})", name(item), content.format.1)
}

fn name(item: &Item) -> String {
    let Ok(entry) = &item.entry else {
        return "unreadable".to_owned();
    };
    match (&entry.predicate_type, entry.kind) {
        (Some(predicate), EntryKind::Attestation) => {
            format!("attestation {}", Escaped(predicate))
        }
        (_, kind) if is_of_aws_signer(entry) => format!("{} by AWS Signer", kind.name()),
        (_, kind) => kind.name().to_owned(),
    }
}

/// By the attributes that its service signs. A claim like the others.
fn is_of_aws_signer(entry: &Entry) -> bool {
    let mut names = entry.attributes.keys();
    names.any(|name| name.starts_with("com.amazonaws.signer."))
}

fn layers(content: &Content) -> Vec<String> {
    let line = |layer: &Layer| {
        let title = layer.title.as_deref();
        let title = title.map(|title| format!(" {}", Escaped(title)));
        format!(
            "{}{}, {}, not read",
            Escaped(&layer.descriptor.media_type),
            title.unwrap_or_default(),
            size(layer.descriptor.size)
        )
    };
    let more = content.layers.len().saturating_sub(LAYERS);
    let more = (more > 0).then(|| format!("and {more} more"));
    let layers = content.layers.iter().take(LAYERS).map(line);
    layers.chain(more).collect()
}

fn of_item(repository: &str, item: &Item) -> Vec<String> {
    let entry = match &item.entry {
        Ok(entry) => entry,
        Err(why) => return vec![finding("damaged", why)],
    };
    let mut lines = vec![standing(&entry.standing)];
    if let About::Other(other) = &entry.about {
        lines.push(format!("about something else: {}", Escaped(other)));
    }
    lines.extend(signer(entry));
    lines.extend(place(repository, entry));
    lines.extend(times(entry));
    let annotations = entry
        .annotations
        .iter()
        .map(|member| ("annotation", member));
    let attributes = entry.attributes.iter();
    let attributes = attributes.filter(|(name, _)| !PLUMBING.contains(&name.as_str()));
    let signed = annotations.chain(attributes.map(|member| ("signed", member)));
    lines.extend(
        signed.map(|(kind, (name, value))| format!("{kind} {}={}", Escaped(name), Escaped(value))),
    );
    let remarks = remarks(&entry.standing).iter();
    lines.extend(remarks.map(|remark| finding("remark", remark)));
    lines
}

fn remarks(standing: &Standing) -> &[Finding] {
    match standing {
        Standing::NotVerifiedHere(Some(maker)) => maker.caveat.as_slice(),
        Standing::Trusted(vouched) => &vouched.remarks,
        Standing::NotJudged(_) | Standing::NotVerifiedHere(None) | Standing::Untrusted(_) => &[],
    }
}

fn standing(standing: &Standing) -> String {
    match standing {
        Standing::NotJudged(_) => "not judged".to_owned(),
        Standing::NotVerifiedHere(None) => "not verified here".to_owned(),
        Standing::NotVerifiedHere(Some(maker)) => format!(
            "not verified here; its signature was made by {}",
            Escaped(&maker.name)
        ),
        Standing::Trusted(vouched) => trusted(vouched),
        Standing::Untrusted(why) => finding("untrusted", why),
    }
}

fn trusted(vouched: &Vouched) -> String {
    let signature = &vouched.signature;
    let mut text = format!(
        "trusted: by {} (key {}…, {})",
        Escaped(&signature.signer),
        signature.key_id.short(),
        signature.algorithm
    );
    if signature.origin == SignatureOrigin::StandIn {
        text.push_str(", A DEMONSTRATION KEY");
    }
    let _ = match (vouched.interval, signature.not_after) {
        (Some(interval), _) => write!(
            text,
            ", proven between {} and {}",
            interval.not_before().to_rfc3339(),
            interval.not_after().to_rfc3339()
        ),
        (None, Some(latest)) => write!(text, ", proven not after {}", latest.to_rfc3339()),
        (None, None) => Ok(()),
    };
    text
}

/// Whom it names; where a trusted key made it, who that is was said.
fn signer(entry: &Entry) -> Vec<String> {
    match (&entry.signer, &entry.standing) {
        (Signer::Key(_), Standing::Trusted(_)) | (Signer::Unsaid, _) => Vec::new(),
        (Signer::Key(key), _) => vec![format!("names key {}", Escaped(key))],
        (Signer::Certificates(chain), _) => match chain.as_slice() {
            [] => vec!["names no certificate".to_owned()],
            [first, rest @ ..] => certificate(first, rest.len()),
        },
    }
}

fn certificate(certificate: &Certificate, more: usize) -> Vec<String> {
    let or_unknown =
        |time: Option<Timestamp>| time.map_or_else(|| "unknown".to_owned(), Timestamp::to_rfc3339);
    let mut lines = vec![
        format!(
            "names {}, certified by {}",
            Escaped(&certificate.subject),
            Escaped(&certificate.issuer)
        ),
        format!(
            "certificate {}, valid from {} to {}, and {more} above it",
            certificate.fingerprint,
            or_unknown(certificate.not_before),
            or_unknown(certificate.not_after)
        ),
    ];
    let voucher = certificate.voucher.as_deref();
    let voucher = voucher.map(|voucher| format!(" (vouched for by {})", Escaped(voucher)));
    let voucher = voucher.unwrap_or_default();
    let identities = certificate.identities.iter();
    lines.extend(identities.map(|name| format!("names {}{voucher}", Escaped(name))));
    lines
}

fn place(repository: &str, entry: &Entry) -> Option<String> {
    match &entry.repository {
        Some(named) if named == repository => Some("for this repository".to_owned()),
        Some(named) => Some(format!("for {}", Escaped(named))),
        None => None,
    }
}

fn times(entry: &Entry) -> Vec<String> {
    let mut lines = Vec::new();
    let is_proven =
        matches!(&entry.standing, Standing::Trusted(vouched) if vouched.interval.is_some());
    if let Some(claimed) = entry.claimed_at.as_ref().filter(|_| !is_proven) {
        lines.push(format!("claims to be of {}", Escaped(claimed)));
    }
    if let Some(until) = &entry.until {
        lines.push(format!("until {}", Escaped(until)));
    }
    let beside = [
        (entry.stamps, "time stamp"),
        (entry.log_entries, "log entr"),
    ];
    let beside = beside.into_iter().filter(|(count, _)| *count > 0);
    let beside: Vec<_> = beside.map(|(count, what)| counted(count, what)).collect();
    if !beside.is_empty() {
        lines.push(format!("carries {}", beside.join(", ")));
    }
    lines
}

fn finding(kind: &str, finding: &Finding) -> String {
    format!("{kind}[{}]: {}", finding.code, finding.message)
}

fn counted(count: usize, what: &str) -> String {
    let ending = match (what.strip_suffix("entr"), count) {
        (Some(_), 1) => "y",
        (Some(_), _) => "ies",
        (None, 1) => "",
        (None, _) => "s",
    };
    format!("{count} {what}{ending}")
}

/// A size that a person can compare.
#[expect(
    clippy::cast_precision_loss,
    reason = "a size shown with one decimal needs no more"
)]
fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    let unit = UNITS.into_iter().find(|(unit, _)| bytes >= *unit);
    match unit {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / unit as f64),
        None => counted(usize::try_from(bytes).unwrap_or(usize::MAX), "byte"),
    }
}

//! The verdict for people: a headline and three lines, then what was noticed and what to do.
//!
//! Colour is the command's; every line means the same without it. All text from outside was escaped on its way here.

use std::{
    fmt::{self, Write},
    time::Duration,
};

use countersign_common::{Age, Digest, Escaped, Timestamp};
use countersign_trust_roots::format::Format;

use super::{
    Authenticity, Basis, Child, CountedAttestation, CountedSignature, Fault, Finding, Freshness,
    Integrity, Layers, Mode, Occasion, Outcome, PolicyBasis, Published, Reason, SignatureOrigin,
    Verdict,
};
use crate::{Depth, Hashed};

/// Findings shown; a registry full of junk must not flood a log.
const SHOWN: usize = 10;

impl fmt::Display for Verdict {
    /// All of it, without colour.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.headline())?;
        f.write_str(&lines(self))?;
        for (kind, finding) in findings(self) {
            writeln!(f, "{kind}[{}]: {}", finding.code, finding.message)?;
            writeln!(f, "  remedy: {}", finding.remedy)?;
        }
        more(self).iter().try_for_each(|more| writeln!(f, "{more}"))
    }
}

impl Verdict {
    /// The first line: what follows, and for what.
    pub fn headline(&self) -> String {
        let image = self.image();
        let as_of = match self.occasion() {
            Occasion::AsOf => format!(", as of {}", self.judged_at()),
            Occasion::Now => String::new(),
        };
        match self.outcome() {
            Outcome::Verified(level) => {
                format!("verified: {image} (level `{}`){as_of}", level.name())
            }
            Outcome::Refused(_) => {
                let only = match self.basis().mode() {
                    Mode::Enforce => "",
                    Mode::Report => ", reported only",
                };
                format!("refused{only}: {image}{as_of}")
            }
            Outcome::Undecided(_) => format!("undecided: {image}{as_of}"),
        }
    }
}

/// The three lines, what they rest on, and what may be run.
pub fn lines(verdict: &Verdict) -> String {
    let mut lines = String::new();
    if let Some(layout) = verdict.layout() {
        let _ = writeln!(lines, "  layout        {}", Escaped(layout));
    }
    let _ = write!(
        lines,
        "  integrity     {}\n  authenticity  {}\n  freshness     {}\n",
        integrity(verdict.integrity()),
        authenticity(verdict),
        freshness(verdict),
    );
    if let Basis::Policy(policy) = verdict.basis() {
        let _ = writeln!(lines, "  policy        {}", rested_on(policy));
    }
    if let Some(claim) = verdict.builder_claims() {
        let _ = writeln!(
            lines,
            "  built         {} (the builder's claim, never judged)",
            Escaped(claim)
        );
    }
    for one in verdict.children().unwrap_or_default() {
        let _ = writeln!(lines, "  child         {}", child(one));
    }
    if let Some(pinned) = verdict.pinned() {
        lines.push_str("  run this      ");
        lines.push_str(&pinned);
        lines.push('\n');
    }
    lines
}

/// As what it is listed, which one it is, and what follows for it.
fn child(child: &Child) -> String {
    let verdict = child.verdict();
    let digest = verdict.digest().map(ToString::to_string);
    let follows = match verdict.outcome() {
        Outcome::Verified(level) => {
            let hashed = match verdict.integrity() {
                Integrity::Whole { layers, .. } => layers.hashed(),
                _ => None,
            };
            let hashed = hashed.map_or_else(String::new, |hashed| format!("; {}", content(hashed)));
            format!("ok, level `{}`{}{hashed}", level.name(), signed(verdict))
        }
        Outcome::Refused(reasons) => format!("REFUSED: {}", codes(reasons)),
        Outcome::Undecided(faults) => format!("UNKNOWN: {}", codes(faults)),
    };
    format!(
        "{} {}: {follows}",
        child.listed(),
        digest.unwrap_or_default()
    )
}

/// The rule, and of its root as much as is known.
fn rested_on(policy: &PolicyBasis) -> String {
    let mut text = format!("{} (root {}", Escaped(&policy.rule), Escaped(&policy.root));
    if let Some(version) = &policy.version {
        let _ = write!(text, " version {}", version.number);
    }
    if let Some(scope) = &policy.scope {
        let _ = write!(text, ", scope {}", Escaped(scope));
    }
    text.push(')');
    text
}

/// What was noticed, each with the kind that it is shown as: why it is refused or undecided, then remarks.
pub fn findings(verdict: &Verdict) -> impl Iterator<Item = (&'static str, &Finding)> {
    all_findings(verdict).take(SHOWN)
}

/// How many findings are not shown.
pub fn more(verdict: &Verdict) -> Option<String> {
    let more = all_findings(verdict).count().saturating_sub(SHOWN);
    (more > 0).then(|| format!("and {more} more like these; `--output json` has them all"))
}

fn all_findings(verdict: &Verdict) -> impl Iterator<Item = (&'static str, &Finding)> {
    let (reasons, faults): (&[Reason], &[Fault]) = match verdict.outcome() {
        Outcome::Verified(_) => (&[], &[]),
        Outcome::Refused(reasons) => (reasons, &[]),
        Outcome::Undecided(faults) => (&[], faults),
    };
    let reasons = reasons.iter().map(|reason| ("refused", reason.as_ref()));
    let faults = faults.iter().map(|fault| ("error", fault.as_ref()));
    reasons
        .chain(faults)
        .chain(verdict.remarks().iter().map(|remark| ("remark", remark)))
}

fn integrity(integrity: &Integrity) -> String {
    match integrity {
        Integrity::Whole {
            manifest,
            config,
            through,
            layers,
        } => {
            let through = through.as_ref().map_or_else(String::new, |index| {
                format!("; reached through index {index}")
            });
            format!(
                "ok: {} of {} bytes{}{through}",
                manifest.digest,
                manifest.size,
                whole(config.as_ref(), layers)
            )
        }
        Integrity::Broken(reason) => format!("FAILED: {}", codes(std::slice::from_ref(reason))),
        Integrity::Undecided(_) => "UNKNOWN: the image could not be fetched".to_owned(),
        Integrity::NotJudged => "not judged: there is nothing to judge".to_owned(),
    }
}

fn whole(config: Option<&Digest>, layers: &Layers) -> String {
    let hashed = match layers {
        Layers::Hashed(hashed) => hashed,
        Layers::Awaited | Layers::NotDemanded => {
            let shallow = match config {
                Some(_) => " and its configuration hash to their names",
                None => " hashes to its name",
            };
            let awaited = match layers {
                Layers::Awaited => "; its layers were not looked at",
                _ => "",
            };
            return format!("{shallow}{awaited}");
        }
    };
    match config {
        Some(_) => format!(", {}", content(hashed)),
        None => format!(
            " and all that it names, with {}, hash to their names{}",
            count(hashed),
            unpacked(hashed)
        ),
    }
}

/// What an image is of, all of which was looked at.
fn content(hashed: &Hashed) -> String {
    format!(
        "its configuration and {} hash to their names{}",
        count(hashed),
        unpacked(hashed)
    )
}

/// How many layers, and how much they are.
fn count(hashed: &Hashed) -> String {
    let plural = if hashed.layers() == 1 { "" } else { "s" };
    let size = size(hashed.bytes());
    format!("{} layer{plural} ({size})", hashed.layers())
}

fn unpacked(hashed: &Hashed) -> String {
    match (hashed.depth(), hashed.unpacked()) {
        (Depth::Unpacked, count) if count == hashed.layers() => {
            ", and unpacked to what is named".to_owned()
        }
        (Depth::Unpacked, count) => format!(", and {count} of them unpacked to what is named"),
        _ => String::new(),
    }
}

/// As people say it: 123 MB.
fn size(bytes: u64) -> String {
    let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    let unit = units.into_iter().find(|(unit, _)| bytes >= 10 * unit);
    match unit {
        Some((unit, name)) => format!("{} {name}", bytes / unit),
        None => format!("{bytes} bytes"),
    }
}

fn authenticity(verdict: &Verdict) -> String {
    match verdict.authenticity() {
        Authenticity::Signed { .. } => format!("ok{}", signed(verdict)),
        Authenticity::NotSigned { reasons } => format!("FAILED: {}", codes(reasons)),
        Authenticity::Undecided { .. } => {
            "UNKNOWN: what may have signed or attested it could not be fetched".to_owned()
        }
        Authenticity::NotJudged => "not judged: there is nothing to judge".to_owned(),
    }
}

/// By whom, and what else they say; nothing if it is not signed.
fn signed(verdict: &Verdict) -> String {
    let Authenticity::Signed {
        threshold,
        signatures,
        attestations,
    } = verdict.authenticity()
    else {
        return String::new();
    };
    let asked = verdict.image().repository().to_string();
    let signers: Vec<_> = (signatures.iter())
        .map(|signature| signer(signature, &asked))
        .collect();
    let attested: String = attestations.iter().map(attested).collect();
    format!(
        ": signed by {} ({threshold} required){attested}",
        signers.join(" and ")
    )
}

fn attested(attestation: &CountedAttestation) -> String {
    format!(
        "; {} attested by {}",
        Escaped(attestation.kind.as_str()),
        Escaped(&attestation.signature.signer)
    )
}

fn freshness(verdict: &Verdict) -> String {
    match verdict.freshness() {
        Freshness::Claimed { at, signer, .. } => format!(
            "not proven: {} claims that it was published at {at}",
            Escaped(signer)
        ),
        Freshness::Dated(published) => {
            format!("ok: {}", proven(published, verdict.judged_at()))
        }
        Freshness::Failed { published, reasons } => {
            let proven = published.as_ref().map_or_else(String::new, |published| {
                format!("; {}", proven(published, verdict.judged_at()))
            });
            format!("FAILED: {}{proven}", codes(reasons))
        }
        Freshness::NotJudged => "not judged: there is nothing to judge".to_owned(),
        Freshness::NotProven => "not judged: no date is proven at this level".to_owned(),
        Freshness::Undecided { .. } => {
            "UNKNOWN: what may prove its date, or an earlier one, could not be fetched".to_owned()
        }
    }
}

fn proven(published: &Published, now: Timestamp) -> String {
    let count = published.operators();
    let plural = if count == 1 { "" } else { "s" };
    let supported = published
        .supported_until
        .map_or_else(String::new, |until| format!("; supported until {until}"));
    format!(
        "published {}, between {} and {}, each end stamped by {count} operator{plural} ({} required); first: not proven{supported}",
        ago(published.age(now)),
        published.interval.not_before().to_rfc3339(),
        published.interval.not_after().to_rfc3339(),
        published.threshold,
    )
}

fn ago(age: Duration) -> String {
    if age.is_zero() {
        "just now".to_owned()
    } else {
        format!("{} ago", Age(age))
    }
}

/// The distinct codes, in their order; the sentences follow below.
fn codes<F: AsRef<Finding>>(findings: &[F]) -> String {
    let mut codes: Vec<&str> = Vec::new();
    for code in findings
        .iter()
        .map(|finding| finding.as_ref().code.as_str())
    {
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    codes.join(", ")
}

fn signer(signature: &CountedSignature, asked: &str) -> String {
    let mut text = format!(
        "{} (key {}…",
        Escaped(&signature.signer),
        signature.key_id.short()
    );
    match &signature.repository {
        None => text.push_str(", for no repository in particular"),
        Some(named) if named == asked => text.push_str(", for this repository"),
        // Of which this one is a mirror.
        Some(named) => {
            let _ = write!(text, ", for {}", Escaped(named));
        }
    }
    if signature.format == Format::CosignSimple {
        text.push_str(", in cosign's older format");
    }
    if signature.origin == SignatureOrigin::StandIn {
        text.push_str(", A DEMONSTRATION KEY");
    }
    text.push(')');
    text
}

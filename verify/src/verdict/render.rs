//! The verdict for people: a headline and three lines, then what was noticed and what to do.
//!
//! Colour is the command's; every line means the same without it. All text from outside was escaped on its way here.

use std::fmt::{self, Write};

use countersign_common::Escaped;

use super::{
    Authenticity, CountedSignature, Finding, Integrity, Outcome, SignatureOrigin, Verdict,
};

/// Findings shown; a registry full of junk must not flood a log.
const SHOWN: usize = 10;

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.headline())?;
        writeln!(f, "  integrity     {}", integrity(self.integrity()))?;
        writeln!(f, "  authenticity  {}", authenticity(self.authenticity()))?;
        writeln!(
            f,
            "  freshness     not judged: no date is proven at this level"
        )?;
        if let Some(pinned) = self.pinned() {
            writeln!(f, "  run this      {pinned}")?;
        }
        match self.outcome() {
            Outcome::Verified(_) => {}
            Outcome::Refused(reasons) => list(f, "refused", reasons.iter().map(AsRef::as_ref))?,
            Outcome::Undecided(faults) => list(f, "error", faults.iter().map(AsRef::as_ref))?,
        }
        list(f, "remark", self.remarks().iter())
    }
}

impl Verdict {
    /// The first line: what follows, and for what.
    pub fn headline(&self) -> String {
        let image = self.image();
        match self.outcome() {
            Outcome::Verified(level) => format!("verified: {image} (level `{}`)", level.name()),
            Outcome::Refused(_) => format!("refused: {image}"),
            Outcome::Undecided(_) => format!("undecided: {image}"),
        }
    }
}

fn integrity(integrity: &Integrity) -> String {
    match integrity {
        Integrity::Whole {
            manifest,
            config,
            through,
        } => {
            let config = if config.is_some() {
                " and its configuration hash to their names"
            } else {
                " hashes to its name"
            };
            let through = through.as_ref().map_or_else(String::new, |index| {
                format!("; reached through index {index}")
            });
            format!(
                "ok: {} of {} bytes{config}{through}",
                manifest.digest, manifest.size
            )
        }
        Integrity::Broken(reason) => format!("FAILED: {}", reason.as_ref().message),
        Integrity::Undecided(_) => "UNKNOWN: the image could not be fetched".to_owned(),
        Integrity::NotJudged => "not judged: there is nothing to judge".to_owned(),
    }
}

fn authenticity(authenticity: &Authenticity) -> String {
    match authenticity {
        Authenticity::Signed {
            threshold,
            signatures,
        } => {
            let signers: Vec<_> = signatures.iter().map(signer).collect();
            format!(
                "ok: signed by {} ({threshold} required)",
                signers.join(" and ")
            )
        }
        Authenticity::NotSigned { reasons } => {
            let reason = reasons.first().map_or("no signature counts", |reason| {
                reason.as_ref().message.as_str()
            });
            format!("FAILED: {reason}")
        }
        Authenticity::Undecided { .. } => {
            "UNKNOWN: what may have signed it could not be fetched".to_owned()
        }
        Authenticity::NotJudged => "not judged: there is nothing to judge".to_owned(),
    }
}

fn signer(signature: &CountedSignature) -> String {
    let mut text = format!(
        "{} (key {}…",
        Escaped(&signature.signer),
        signature.key_id.short()
    );
    text.push_str(if signature.repository.is_some() {
        ", for this repository"
    } else {
        ", for no repository in particular"
    });
    if signature.origin == SignatureOrigin::StandIn {
        text.push_str(", A DEMONSTRATION KEY");
    }
    text.push(')');
    text
}

fn list<'a>(
    f: &mut fmt::Formatter<'_>,
    kind: &str,
    findings: impl ExactSizeIterator<Item = &'a Finding>,
) -> fmt::Result {
    let more = findings.len().saturating_sub(SHOWN);
    for finding in findings.take(SHOWN) {
        write!(f, "{}", explanation(kind, finding))?;
    }
    if more > 0 {
        writeln!(
            f,
            "  and {more} more like these; `--output json` has them all"
        )
    } else {
        Ok(())
    }
}

/// One finding in two lines: what is wrong, and what to do.
pub fn explanation(kind: &str, finding: &Finding) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{kind}[{}]: {}", finding.code, finding.message);
    let _ = writeln!(text, "  remedy: {}", finding.remedy);
    text
}

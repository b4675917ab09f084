//! Whom a root believes about time: Sigstore's list of authorities, joined with what a root adds to each.

use std::collections::BTreeSet;

use base64::{Engine, prelude::BASE64_STANDARD};
use countersign_common::{
    Limits,
    rfc3161::{Anchor, AnchorError},
};

use super::{
    contents::maybe,
    document::{AuthorityDocument, CountsDocument, ExtensionDocument, TimestampAuthorityDocument},
    fault::Fault,
};
use crate::time::{Standing, Window};

/// Whom a root believes about time, and how much is demanded of them.
#[derive(Clone, Debug)]
pub struct Time {
    /// How wide a proven interval may be, in seconds.
    pub max_interval_seconds: u64,
    /// For publications.
    pub publication: Counts,
    /// For tag tables.
    pub tag_table: Counts,
    /// For heartbeats.
    pub heartbeat: Counts,
    /// Its authorities, retired and compromised ones too.
    pub authorities: Vec<TimeEntry>,
    /// What is said of authorities that are not listed, or were said of before: it never counts.
    pub unlisted: Vec<Accuracy>,
}

/// How exact an authority is said to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Accuracy {
    /// Who operates it.
    pub operator: String,
    /// Where it is asked.
    pub uri: String,
    /// How exact, in seconds.
    pub seconds: u64,
}

/// How many operators' stamps a kind of document has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Counts {
    /// How many a signer collects.
    pub collect: usize,
    /// How many must count.
    pub threshold: usize,
}

/// A time-stamp authority, as a root lists it.
#[derive(Clone, Debug)]
pub struct TimeEntry {
    /// Who operates it; empty if nobody says.
    pub operator: String,
    /// Where it is asked.
    pub uri: String,
    /// Where its stamps must lead.
    pub anchor: Anchor,
    /// Which of its stamps count.
    pub valid: Window,
    /// Whether any do: none if the root voids its root key, in this entry or in another.
    pub standing: Standing,
    /// How exact its stamps are where they do not say so, in seconds; `None` if the root does not say.
    pub default_accuracy_seconds: Option<u64>,
}

pub(super) fn read(extension: &ExtensionDocument, limits: &Limits) -> Result<Time, Fault> {
    let document = &extension.time;
    let entries = &extension.trusted_root.timestamp_authorities;
    if entries.len() > limits.root_entries {
        return Err(Fault::TooMany {
            what: "time-stamp authorities",
            limit: limits.root_entries,
        });
    }
    let counts = |counts: &CountsDocument| {
        let number = |number: u64| usize::try_from(number).ok().filter(|number| *number > 0);
        match (number(counts.collect), number(counts.threshold)) {
            (Some(collect), Some(threshold)) => Ok(Counts { collect, threshold }),
            _ => Err(Fault::Counts),
        }
    };
    let authorities = entries
        .iter()
        .map(|entry| time_entry(entry, &document.authorities, limits))
        .collect::<Result<_, _>>()?;
    Ok(Time {
        max_interval_seconds: document.max_interval_seconds,
        publication: counts(&document.stamps.publication)?,
        tag_table: counts(&document.stamps.tag_table)?,
        heartbeat: counts(&document.stamps.heartbeat)?,
        authorities: void(authorities),
        unlisted: unlisted(extension),
    })
}

/// Which of two entries with one root key a stamp leads to is for whoever made the stamp to say: if one is void, all are.
fn void(mut entries: Vec<TimeEntry>) -> Vec<TimeEntry> {
    let void: BTreeSet<_> = entries
        .iter()
        .filter(|entry| entry.standing == Standing::Compromised)
        .map(|entry| entry.anchor.id().clone())
        .collect();
    for entry in &mut entries {
        if void.contains(entry.anchor.id()) {
            entry.standing = Standing::Compromised;
        }
    }
    entries
}

/// Which of two for one authority counts is for their order to say, so whoever reads of one must read of the other.
fn unlisted(extension: &ExtensionDocument) -> Vec<Accuracy> {
    let entries = extension.trusted_root.timestamp_authorities.iter();
    let mut listed: BTreeSet<_> = entries.map(|entry| (&entry.operator, &entry.uri)).collect();
    let unlisted = extension.time.authorities.iter();
    unlisted
        .filter(|authority| !listed.remove(&(&authority.operator, &authority.uri)))
        .map(|authority| Accuracy {
            operator: authority.operator.clone(),
            uri: authority.uri.clone(),
            seconds: authority.default_accuracy_seconds,
        })
        .collect()
}

fn time_entry(
    document: &TimestampAuthorityDocument,
    authorities: &[AuthorityDocument],
    limits: &Limits,
) -> Result<TimeEntry, Fault> {
    let invalid = |source: AnchorError| Fault::Anchor {
        uri: document.uri.clone(),
        source,
    };
    let certificates = document.cert_chain.certificates.iter();
    let certificates = certificates
        .take(limits.certificates.saturating_add(1))
        .map(|certificate| BASE64_STANDARD.decode(&certificate.raw_bytes))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| invalid(AnchorError::Certificate))?;
    let joined = authorities.iter().find(|authority| {
        (&authority.operator, &authority.uri) == (&document.operator, &document.uri)
    });
    let valid = Window {
        start: maybe(document.valid_for.start.as_ref(), "validFor.start")?,
        end: maybe(document.valid_for.end.as_ref(), "validFor.end")?,
    };
    if let (Some(start), Some(end)) = (valid.start, valid.end)
        && end < start
    {
        return Err(Fault::TsaWindow {
            uri: document.uri.clone(),
        });
    }
    Ok(TimeEntry {
        operator: document.operator.clone(),
        uri: document.uri.clone(),
        anchor: Anchor::from_certificates(certificates, limits).map_err(invalid)?,
        valid,
        standing: if document.compromised {
            Standing::Compromised
        } else {
            Standing::Good
        },
        default_accuracy_seconds: joined.map(|authority| authority.default_accuracy_seconds),
    })
}

//! `countersign trust diff`: what one version of a root says otherwise than another, in words, and what of it loosens what is
//! believed. Judges neither: whether a version is vouched for is said by `trust update` and `trust doctor`.

use std::path::Path;

use countersign_common::{Digest, Escaped, Limits};
use countersign_trust_roots::root::{Became, Beyond, Contents};
use serde_json::{Value, json};

use super::{
    changes::{Change, Effect, weighed},
    edit,
    folder::{self, DRAFT, Folder, Pending},
    folder_error::FolderError,
    table::folded,
};
use crate::{
    arguments::{
        Common, Output,
        trust::{TrustDiff, TrustFolder},
    },
    exit::Exit,
    output::{self, Stop},
};

pub(super) fn run(arguments: &TrustDiff, common: &Common) -> Result<Exit, Stop> {
    let before = Side::read(&arguments.before, &arguments.folder)?;
    let after = match &arguments.after {
        Some(after) => Side::read(after, &arguments.folder)?,
        None => Side::newest(&edit::dir(&arguments.folder)?)?,
    };
    let mut changes = weighed(Some(&before.contents), &after.contents);
    changes.extend(before.beyond.differing(&after.beyond).iter().map(unknown));
    match common.output {
        Output::Json => output::print_json(&json!({
            "before": before.document(),
            "after": after.document(),
            "changes": changes.iter().map(document).collect::<Vec<_>>(),
        }))?,
        Output::Text => output::print(&text(&before, &after, &changes))?,
    }
    Ok(Exit::Done)
}

/// One of the two roots.
struct Side {
    contents: Contents,
    beyond: Beyond,
    sha256: Digest,
    what: &'static str,
}

impl Side {
    /// A number is a version in the folder, and `draft` is its draft; everything else is a file, or another folder.
    fn read(text: &str, folder: &TrustFolder) -> Result<Self, Stop> {
        if let Ok(version) = text.parse::<u64>() {
            let path = edit::dir(folder)?;
            return Self::version(&Folder::with_root(&path)?, version, &path);
        }
        if text == "draft" {
            return Self::draft(&edit::dir(folder)?);
        }
        let path = Path::new(text);
        if path.is_dir() {
            return Self::newest(path);
        }
        Self::of(&folder::read(path)?, path, "a file")
    }

    fn newest(path: &Path) -> Result<Self, Stop> {
        let folder = Folder::with_root(path)?;
        let newest = folder.versions().next_back().unwrap_or(1);
        Self::version(&folder, newest, path)
    }

    fn version(folder: &Folder, version: u64, path: &Path) -> Result<Self, Stop> {
        Self::of(folder.version(version)?, path, "complete")
    }

    fn draft(path: &Path) -> Result<Self, Stop> {
        let folder = Folder::with_root(path)?;
        match folder.pending() {
            Pending::Nothing => Err(FolderError::DraftMissing {
                folder: folder.name(),
            }
            .into()),
            Pending::Draft(_) | Pending::Stale { .. } => {
                let path = path.join(DRAFT);
                Self::of(&folder::read_inside(&path)?, &path, "a draft")
            }
        }
    }

    fn of(bytes: &[u8], path: &Path, what: &'static str) -> Result<Self, Stop> {
        let contents = Contents::read(bytes, &Limits::TABLE);
        let beyond = Beyond::read(bytes, &Limits::TABLE);
        Ok(Self {
            contents: contents.map_err(|fault| folder::root(path, fault))?,
            beyond: beyond.map_err(|fault| folder::root(path, fault))?,
            sha256: Digest::sha256(bytes),
            what,
        })
    }

    fn document(&self) -> Value {
        json!({
            "name": self.contents.name(),
            "version": self.contents.version(),
            "fingerprint": self.sha256.to_string(),
        })
    }

    fn named(&self) -> String {
        format!(
            "version {} of {} ({})",
            self.contents.version(),
            self.contents.name(),
            self.what
        )
    }
}

/// Whoever understands it may believe more by it.
fn unknown((path, became): &(String, Became)) -> Change {
    let what = match became {
        Became::Added => "is there now",
        Became::Changed => "says something else",
        Became::Gone => "is there no longer",
    };
    Change {
        text: format!("`{}` {what}, and is not understood here", Escaped(path)),
        effect: Effect::Loosens,
    }
}

fn document(change: &Change) -> Value {
    json!({ "text": change.text, "loosens": change.effect == Effect::Loosens })
}

fn text(before: &Side, after: &Side, changes: &[Change]) -> String {
    let mut text = folded(&format!("from {} to {}", before.named(), after.named()), 0);
    if before.contents.name() != after.contents.name() {
        text.push_str("note: these are two roots: neither follows the other\n");
    }
    if changes.is_empty() {
        text.push_str("  nothing that is understood here differs\n");
    }
    for change in changes {
        let mark = match change.effect {
            Effect::Loosens => "LOOSENS: ",
            Effect::Other => "",
        };
        text.push_str(&folded(&format!("{mark}{}", change.text), 2));
    }
    text
}

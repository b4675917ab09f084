//! How every change of a root begins and ends: with the draft that is there or one of the next version, and with what
//! changed and what is left to do.

use std::{path::Path, time::Duration};

use countersign_common::{Digest, Explain, Limits, Timestamp};
use countersign_trust_roots::root::{Contents, Draft, lints};
use serde_json::{Value, json};

use super::{
    ask,
    changes::changes,
    error::TrustError,
    folder::{self, Folder, Lock},
    folder_error::FolderError,
};
use crate::{
    arguments::{
        Common, Output,
        trust::{TrustChange, TrustFolder},
    },
    exit::Exit,
    files,
    output::{self, Stop},
};

/// How long a version is valid unless it is said.
const YEAR: Duration = Duration::from_hours(365 * 24);

/// The folder that was named.
pub(super) fn dir(folder: &TrustFolder) -> Result<std::path::PathBuf, TrustError> {
    ask::required(
        folder.dir.clone(),
        "--dir",
        "Folder of the trust root",
        ask::text,
    )
}

/// A draft while it is changed.
pub(super) struct Edit {
    pub(super) draft: Draft,
    /// What the draft said before, or the version that it begins from; none if it is the first.
    pub(super) before: Option<Contents>,
    /// What a person should know besides.
    pub(super) notes: Vec<String>,
    folder: Folder,
    signatures: usize,
    is_begun: bool,
    now: Timestamp,
    _lock: Lock,
}

impl Edit {
    /// Goes on with the draft, or begins one from the newest version.
    pub(super) fn open(change: &TrustChange, now: Timestamp) -> Result<Self, Stop> {
        let path = dir(&change.folder)?;
        let lock = Lock::take(&path)?;
        files::sweep(&path);
        let folder = Folder::with_root(&path)?;
        let begun = match (folder.draft()?, folder.chain()) {
            (None, Some(chain)) => {
                let expires = after(now, change.valid_for.unwrap_or(YEAR));
                let draft = Draft::after(chain.bytes(), expires, &Limits::TABLE);
                Some((draft.map_err(TrustError::from)?, chain.newest().clone()))
            }
            _ => None,
        };
        let is_begun = begun.is_some();
        let (mut draft, before) = match begun {
            Some(begun) => begun,
            None => Self::going_on(&folder)?,
        };
        let signatures = if is_begun { 0 } else { draft.signature_count() };
        if let Some(length) = change.valid_for.filter(|_| !is_begun) {
            draft.set_expires(after(now, length));
        }
        Ok(Self {
            draft,
            before: Some(before),
            notes: Vec::new(),
            folder,
            signatures,
            is_begun,
            now,
            _lock: lock,
        })
    }

    fn going_on(folder: &Folder) -> Result<(Draft, Contents), TrustError> {
        let draft = folder.draft()?.ok_or_else(|| FolderError::RootMissing {
            folder: folder.name(),
        })?;
        let before = folder::contents(draft)?;
        Ok((draft.clone(), before))
    }

    /// Begins the first version, where there is none.
    pub(super) fn first(
        path: &Path,
        name: &str,
        valid_for: Option<Duration>,
        now: Timestamp,
    ) -> Result<Self, Stop> {
        let lock = Lock::take(path)?;
        let folder = Folder::open(path)?;
        if !folder.is_empty() {
            return Err(FolderError::RootExists {
                folder: folder.name(),
            }
            .into());
        }
        Ok(Self {
            draft: Draft::first(name, after(now, valid_for.unwrap_or(YEAR))),
            before: None,
            notes: Vec::new(),
            folder,
            signatures: 0,
            is_begun: true,
            now,
            _lock: lock,
        })
    }

    /// Where it lies, for messages.
    pub(super) fn draft_path(&self) -> String {
        self.folder.draft_path().display().to_string()
    }

    /// What the draft says now.
    pub(super) fn contents(&self) -> Result<Contents, TrustError> {
        folder::contents(&self.draft).map_err(TrustError::from)
    }

    /// What the newest complete version says.
    pub(super) fn newest(&self) -> Option<&Contents> {
        self.folder.newest()
    }

    /// Writes the draft, and says what changed and what is left to do.
    pub(super) fn finish(self, common: &Common) -> Result<Exit, Stop> {
        let contents = self.contents()?;
        let said = changes(self.before.as_ref(), &contents);
        self.folder.write_draft(&self.draft)?;
        let told = match common.output {
            Output::Json => output::print_json(&self.document(&contents, &said)?),
            Output::Text if common.quiet => Ok(()),
            Output::Text => output::print(&self.text(&contents, &said)),
        };
        told.inspect_err(|_| written(&self.folder.draft_path()))?;
        Ok(Exit::Done)
    }

    fn lints(&self, contents: &Contents) -> Vec<countersign_trust_roots::root::Lint> {
        lints(contents, self.folder.newest(), self.now)
    }

    fn dropped(&self) -> usize {
        self.signatures.saturating_sub(self.draft.signature_count())
    }

    fn document(&self, contents: &Contents, said: &[String]) -> Result<Value, TrustError> {
        let lints: Vec<_> = self.lints(contents).iter().map(explained).collect();
        Ok(json!({
            "draft": self.folder.draft_path(),
            "name": contents.name(),
            "version": contents.version(),
            "begun": self.is_begun,
            "message": message(&self.draft)?,
            "changes": said,
            "signaturesTakenAway": self.dropped(),
            "notes": self.notes,
            "lints": lints,
        }))
    }

    fn text(&self, contents: &Contents, said: &[String]) -> String {
        let mut lines = vec![format!(
            "draft of version {} of trust root {}, {}",
            contents.version(),
            contents.name(),
            if self.is_begun { "begun" } else { "changed" }
        )];
        if said.is_empty() {
            lines.push("  nothing is otherwise than before".to_owned());
        }
        lines.extend(said.iter().map(|sentence| format!("  {sentence}")));
        lines.extend(self.notes.iter().map(|note| format!("note: {note}")));
        match self.dropped() {
            0 => {}
            1 => lines.push(
                "note: its signature was taken away: it was given for something else".to_owned(),
            ),
            count => lines.push(format!(
                "note: its {count} signatures were taken away: they were given for something else"
            )),
        }
        let mut text = lines.join("\n");
        text.push('\n');
        for lint in self.lints(contents) {
            text.push_str(&output::explanation(
                "remark",
                lint.code(),
                &lint.to_string(),
                &lint.remedy(),
            ));
        }
        text.push_str(&self.left_to_do(contents));
        text
    }

    fn left_to_do(&self, contents: &Contents) -> String {
        let of = |root: &Contents, whose: &str| {
            let role = root.root_role();
            format!("{} of {} {whose}", role.threshold, role.key_ids.len())
        };
        let own = of(contents, "of its own root keys");
        let needed = match self.folder.newest() {
            Some(newest) => {
                let before = of(
                    newest,
                    &format!("root keys of version {}", newest.version()),
                );
                format!("{before} and {own}")
            }
            None => own,
        };
        format!(
            "to sign it, by {needed}:\n  countersign trust sign --dir {} --key KEY\n",
            countersign_common::Escaped(&self.folder.name())
        )
    }
}

/// Says what was done all the same, where the result could not be printed: whoever runs it again finds it done.
pub(super) fn written(path: &Path) {
    let path = path.display().to_string();
    output::note(&format!(
        "{} was written",
        countersign_common::Escaped(&path)
    ));
}

/// SHA-256 over what is signed: people on several machines compare it, whoever has signed so far.
pub(super) fn message(draft: &Draft) -> Result<String, TrustError> {
    let message = draft.message().map_err(TrustError::from)?;
    Ok(Digest::sha256(&message).to_string())
}

/// A lint or a refusal in JSON.
pub(super) fn explained(what: &impl Explain) -> Value {
    json!({ "code": what.code(), "message": what.to_string(), "remedy": what.remedy() })
}

/// Lengths are bounded where they are parsed, so that this ends in a year that can be written.
pub(super) fn after(now: Timestamp, length: Duration) -> Timestamp {
    now.plus(length).unwrap_or(now)
}

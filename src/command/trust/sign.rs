//! `countersign trust sign`: one person's signature on a draft, or the signatures that others gave.
//!
//! No key is used for a root that is unsafe, or before whoever signs could read what changes.

use std::path::{Path, PathBuf};

use countersign_common::{Digest, Escaped, Explain, Limits, Signer, Timestamp};
use countersign_trust_roots::{
    Chain,
    root::{Contents, Draft, Lint, lints},
};
use serde_json::{Value, json};

use super::{
    ask,
    changes::changes,
    edit::{self, explained},
    error::TrustError,
    folder::{self, Folder, Lock},
    folder_error::FolderError,
    progress::Signatures,
};
use crate::{
    arguments::{Common, Output, trust::TrustSign},
    exit::Exit,
    files, keys, log,
    output::{self, Stop},
};

pub(super) async fn run(
    arguments: &TrustSign,
    common: &Common,
    now: Timestamp,
) -> Result<Exit, Stop> {
    let mut sheet = Sheet::open(arguments)?;
    sheet.drop_misfits()?;
    let contents = folder::contents(&sheet.draft).map_err(TrustError::from)?;
    let unsafe_for = lints(&contents, sheet.previous(), now);
    if !unsafe_for.is_empty() {
        return refused(&unsafe_for, common);
    }
    let mut added = 0;
    for copy in &arguments.added {
        added += sheet.join(copy)?;
    }
    let signer = if arguments.added.is_empty() || arguments.key.is_some() {
        Some(sheet.sign(arguments, &contents, common).await?)
    } else {
        None
    };
    let done = sheet.save()?;
    report(&sheet, &contents, (signer, added), done.as_ref(), common)
}

/// A draft, where it lies, and the version before it.
struct Sheet {
    draft: Draft,
    before: Option<Chain>,
    place: Place,
    _lock: Lock,
}

enum Place {
    /// As it was named, and where that leads.
    File {
        path: PathBuf,
        target: PathBuf,
    },
    Folder(Box<Folder>),
}

/// A version that all who must have signed.
struct Complete {
    path: PathBuf,
    fingerprint: Digest,
}

impl Sheet {
    fn open(arguments: &TrustSign) -> Result<Self, Stop> {
        match &arguments.file {
            Some(file) => Self::of_file(file, arguments.previous.as_deref()),
            None => Self::of_folder(&edit::dir(&arguments.folder)?),
        }
    }

    fn of_folder(path: &Path) -> Result<Self, Stop> {
        let lock = Lock::take(path)?;
        files::sweep(path);
        let folder = Folder::with_root(path)?;
        let draft = folder.draft()?.ok_or_else(|| FolderError::DraftMissing {
            folder: folder.name(),
        })?;
        Ok(Self {
            draft: draft.clone(),
            before: folder.chain().cloned(),
            place: Place::Folder(Box::new(folder)),
            _lock: lock,
        })
    }

    /// Whoever signs a file must see what it changes, so the version before is needed.
    fn of_file(path: &Path, previous: Option<&Path>) -> Result<Self, Stop> {
        let target = folder::signed_file(path)?;
        let lock = Lock::take(files::folder(&target))?;
        let draft = folder::read_draft(&target)?;
        let contents = folder::contents(&draft).map_err(|fault| folder::root(path, fault))?;
        let before = match previous {
            Some(previous) => {
                let chain = folder::begin(&folder::read(previous)?);
                Some(chain.map_err(|source| folder::root(previous, source))?)
            }
            None if contents.version() == 1 => None,
            None => {
                return Err(TrustError::PreviousMissing {
                    version: contents.version(),
                }
                .into());
            }
        };
        folder::follows(&contents, before.as_ref().map(Chain::newest))
            .map_err(|source| folder::root(path, source))?;
        let previous = before.as_ref().map(Chain::newest);
        if folder::is_version(&target) || Signatures::of(&draft, previous)?.is_enough {
            return Err(FolderError::Complete {
                path: path.display().to_string(),
            }
            .into());
        }
        Ok(Self {
            draft,
            before,
            place: Place::File {
                path: path.to_owned(),
                target,
            },
            _lock: lock,
        })
    }

    fn previous(&self) -> Option<&Contents> {
        self.before.as_ref().map(Chain::newest)
    }

    /// What somebody else wrote into the draft is not passed on in the name of whoever signs it.
    fn drop_misfits(&mut self) -> Result<(), TrustError> {
        let previous = self.before.as_ref().map(Chain::newest);
        let dropped = self.draft.drop_misfits(previous, &Limits::TABLE)?;
        if dropped > 0 {
            output::note(&format!(
                "note: signatures that do not fit the draft are left out: {dropped}"
            ));
        }
        Ok(())
    }

    /// Takes the signatures of a copy. How many are new.
    fn join(&mut self, path: &Path) -> Result<usize, Stop> {
        let copy = folder::read_draft(path)?;
        let previous = self.before.as_ref().map(Chain::newest);
        let joined = self.draft.join(&copy, previous, &Limits::TABLE);
        let of_copy = |source| TrustError::Copy {
            path: path.display().to_string(),
            source,
        };
        Ok(joined.map_err(of_copy)?)
    }

    /// Signs, once it was said what is signed. The signer's name.
    async fn sign(
        &mut self,
        arguments: &TrustSign,
        contents: &Contents,
        common: &Common,
    ) -> Result<String, Stop> {
        if common.output == Output::Text && !common.quiet {
            output::print(&self.summary(contents)?)?;
        }
        let name = ask::required(
            arguments.key.clone(),
            "--key",
            "Root key that signs",
            ask::text,
        )?;
        if !arguments.yes {
            let is_unseen = common.output == Output::Json || common.quiet;
            if is_unseen && ask::is_somebody_there() {
                output::note(&self.summary(contents)?);
            }
            ask::confirm("Sign this?")?;
        }
        let signer = self.signer(&name).await?;
        let key = &signer.key().public_key;
        let message = self.draft.message_for(key).map_err(TrustError::from)?;
        let made = signer
            .sign(&message)
            .await
            .map_err(|failure| keys::signer_stop(&failure))?;
        // One line for each signature, which joins to the key service's own audit log.
        tracing::info!(
            target: log::SIGNATURE,
            root = contents.name().as_str(),
            version = contents.version(),
            signed = %Digest::sha256(&self.draft.message().map_err(TrustError::from)?),
            key = %signer.key().name,
            request_id = made.request_id.as_deref(),
            "signed"
        );
        let previous = self.before.as_ref().map(Chain::newest);
        self.draft
            .sign(key, &made.signature, previous, &Limits::TABLE)
            .map_err(TrustError::from)?;
        Ok(self.name_of(key, contents))
    }

    /// The key, with the algorithm that the root lists it with. One whose signature would not count is never used.
    async fn signer(&self, name: &str) -> Result<Box<dyn Signer>, Stop> {
        let signer = keys::named_signer(name, None).await?;
        let key = &signer.key().public_key;
        let (_, listed) = self
            .draft
            .root_key(key.id(), self.previous(), &Limits::TABLE)
            .map_err(TrustError::from)?;
        if listed.algorithm() == key.algorithm() {
            Ok(signer)
        } else {
            keys::named_signer(name, Some(listed.algorithm())).await
        }
    }

    fn name_of(&self, key: &countersign_common::PublicKey, contents: &Contents) -> String {
        let roots = [Some(contents), self.previous()].into_iter().flatten();
        let mut names = roots.flat_map(|root| {
            let keys = root.root_keys();
            keys.filter(|(_, listed)| listed.id() == key.id())
                .map(|(id, _)| root.key_name(id))
        });
        names.next().unwrap_or_default()
    }

    fn summary(&self, contents: &Contents) -> Result<String, TrustError> {
        let version = contents.version();
        // What changes is only as true as the version that it is compared with.
        let mut text = match &self.before {
            Some(before) => format!(
                "version {version} of trust root {}, after version {} with the fingerprint {}:\n",
                contents.name(),
                before.newest().version(),
                before.sha256()
            ),
            None => format!(
                "version {version} of trust root {}, the first:\n",
                contents.name()
            ),
        };
        for change in changes(self.previous(), contents) {
            text.push_str("  ");
            text.push_str(&change);
            text.push('\n');
        }
        let message = edit::message(&self.draft)?;
        text.push_str("what is signed: ");
        text.push_str(&message);
        text.push_str("\n  whoever signs on another machine must see the same\n");
        Ok(text)
    }

    /// Writes it back; as a version, if all have signed who must.
    fn save(&self) -> Result<Option<Complete>, Stop> {
        let is_enough = Signatures::of(&self.draft, self.previous())?.is_enough;
        match &self.place {
            Place::Folder(folder) if is_enough => {
                let (path, fingerprint) = folder.complete(&self.draft)?;
                Ok(Some(Complete { path, fingerprint }))
            }
            Place::Folder(folder) => {
                folder.write_draft(&self.draft)?;
                Ok(None)
            }
            Place::File { target, .. } => {
                let bytes = self.draft.to_json().map_err(TrustError::from)?;
                files::replace(target, &bytes)?;
                Ok(None)
            }
        }
    }

    fn path(&self) -> PathBuf {
        match &self.place {
            Place::File { path, .. } => path.clone(),
            Place::Folder(folder) => folder.draft_path(),
        }
    }
}

/// Every reason, and no key was used.
fn refused(found: &[Lint], common: &Common) -> Result<Exit, Stop> {
    if common.output == Output::Json {
        let lints: Vec<Value> = found.iter().map(explained).collect();
        output::print_json(&json!({ "outcome": "refused", "lints": lints }))?;
    }
    for lint in found {
        let text = output::explanation("refused", lint.code(), &lint.to_string(), &lint.remedy());
        output::say(&text);
    }
    Ok(Exit::Refused)
}

fn report(
    sheet: &Sheet,
    contents: &Contents,
    (signer, added): (Option<String>, usize),
    done: Option<&Complete>,
    common: &Common,
) -> Result<Exit, Stop> {
    let signatures = Signatures::of(&sheet.draft, sheet.previous())?;
    let path = done.map_or_else(|| sheet.path(), |done| done.path.clone());
    let told = match common.output {
        Output::Json => output::print_json(&json!({
            "outcome": if done.is_some() { "complete" } else { "signed" },
            "name": contents.name(),
            "version": contents.version(),
            "message": edit::message(&sheet.draft)?,
            "signedBy": signer,
            "signaturesAdded": added,
            "progress": signatures.documents,
            "isEnough": signatures.is_enough,
            "file": path,
            "fingerprint": done.map(|done| done.fingerprint.to_string()),
        })),
        Output::Text if common.quiet => Ok(()),
        Output::Text => {
            let mut lines = Vec::new();
            lines.extend(signer.map(|signer| format!("signed by {}", Escaped(&signer))));
            match added {
                0 => {}
                1 => lines.push("1 signature of somebody else taken over".to_owned()),
                added => lines.push(format!("{added} signatures of others taken over")),
            }
            lines.extend(signatures.sentences);
            lines.extend(what_next(sheet, contents, signatures.is_enough, done));
            output::print(&format!("{}\n", lines.join("\n")))
        }
    };
    told.inspect_err(|_| {
        edit::written(&path);
        if let Some(done) = done {
            output::note(&format!("its fingerprint: {}", done.fingerprint));
        }
    })?;
    Ok(Exit::Done)
}

fn what_next(
    sheet: &Sheet,
    contents: &Contents,
    is_enough: bool,
    done: Option<&Complete>,
) -> Vec<String> {
    let shown = |path: &Path| Escaped(&path.display().to_string()).to_string();
    match (done, &sheet.place) {
        (Some(done), Place::Folder(folder)) => vec![
            format!("complete: {}", shown(&done.path)),
            format!("fingerprint: {}", done.fingerprint),
            format!(
                "to publish it:\n  countersign trust publish --dir {} --to FOLDER",
                Escaped(&folder.name())
            ),
        ],
        _ if is_enough => vec![format!(
            "all have signed who must: whoever has the folder takes it over\n  countersign trust sign --dir FOLDER --add {}",
            shown(&sheet.path())
        )],
        _ => vec![format!(
            "send {} to those who have not signed version {}; take over what they signed\n  countersign trust sign --dir FOLDER \
--add COPY",
            shown(&sheet.path()),
            contents.version()
        )],
    }
}

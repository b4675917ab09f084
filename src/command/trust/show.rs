//! `countersign trust show`: a root as a table that people read, or as one document.

use std::path::Path;

use countersign_common::{Digest, Escaped, Limits, Timestamp};
use countersign_trust_roots::{
    Revocation, Role, Term,
    root::{Contents, DeclaredKey, Draft, Scope, TimeEntry},
    time::Standing,
};
use serde_json::{Value, json};

use super::{
    changes::changes,
    edit,
    error::TrustError,
    folder::{self, Folder, Pending},
    progress::Signatures,
    table::{folded, table},
    wording, words,
};
use crate::{
    arguments::{Common, Output, trust::TrustShow},
    exit::Exit,
    output::{self, Stop},
};

pub(super) fn run(arguments: &TrustShow, common: &Common, now: Timestamp) -> Result<Exit, Stop> {
    let view = match &arguments.file {
        Some(file) => View::of_file(file)?,
        None => View::of_folder(&edit::dir(&arguments.folder)?, arguments.version)?,
    };
    let compared = view.compared()?.filter(|_| arguments.words);
    let words = compared.as_ref().map(words::of).unwrap_or_default();
    match common.output {
        Output::Json => {
            let mut document = view.document()?;
            if arguments.words {
                add(&mut document, "words", json!(words));
            }
            output::print_json(&document)?;
        }
        Output::Text => output::print(&format!("{}{}", view.text(now)?, spoken(&words)))?,
    }
    Ok(Exit::Done)
}

/// Eight words a line, for two people on the phone.
fn spoken(words: &[&str]) -> String {
    let lines = words
        .chunks(8)
        .map(|line| format!("  {}\n", line.join(" ")));
    let text: String = lines.collect();
    if text.is_empty() {
        text
    } else {
        format!("in words, to read to each other\n{text}")
    }
}

/// What is shown.
struct View {
    version: Option<Version>,
    draft: Option<Sent>,
    notes: Vec<String>,
}

/// A complete version, or a file that may be one.
struct Version {
    contents: Contents,
    sha256: Digest,
    newest: Option<u64>,
}

/// A draft, and the version before it as far as it is known.
struct Sent {
    draft: Draft,
    contents: Contents,
    previous: Option<Contents>,
}

impl View {
    fn of_folder(path: &Path, version: Option<u64>) -> Result<Self, Stop> {
        let folder = Folder::with_root(path)?;
        let newest = folder.versions().next_back();
        let shown = match (version, newest) {
            (None, None) => None,
            (None, Some(wanted)) | (Some(wanted), _) => {
                let bytes = folder.version(wanted)?;
                let contents = Contents::read(bytes, &Limits::TABLE);
                Some(Version {
                    contents: contents.map_err(|fault| folder::root(path, fault))?,
                    sha256: Digest::sha256(bytes),
                    newest,
                })
            }
        };
        let mut notes = Vec::new();
        let draft = match folder.pending() {
            Pending::Draft(draft) if version.is_none() => Some(Sent {
                draft: (**draft).clone(),
                contents: folder::contents(draft).map_err(TrustError::from)?,
                previous: folder.newest().cloned(),
            }),
            Pending::Stale { version } => {
                notes.push(folder.stale(*version).to_string());
                None
            }
            Pending::Draft(_) | Pending::Nothing => None,
        };
        Ok(Self {
            version: shown,
            draft,
            notes,
        })
    }

    /// Whether enough have signed a file is known where it is complete by itself; the version before may demand more.
    fn of_file(path: &Path) -> Result<Self, Stop> {
        let bytes = folder::read(path)?;
        let draft =
            Draft::read(&bytes, &Limits::TABLE).map_err(|fault| folder::root(path, fault))?;
        let contents = folder::contents(&draft).map_err(|fault| folder::root(path, fault))?;
        if Signatures::of(&draft, None)?.is_enough {
            return Ok(Self {
                notes: vec![
                    "enough of its own root keys have signed it; whether those of the version before have is not looked at"
                        .to_owned(),
                ],
                version: Some(Version {
                    contents,
                    sha256: Digest::sha256(&bytes),
                    newest: None,
                }),
                draft: None,
            });
        }
        Ok(Self {
            version: None,
            draft: Some(Sent {
                draft,
                contents,
                previous: None,
            }),
            notes: Vec::new(),
        })
    }

    /// What people compare: the fingerprint, or of a draft alone what is signed of it.
    fn compared(&self) -> Result<Option<Digest>, TrustError> {
        if let Some(version) = &self.version {
            return Ok(Some(version.sha256.clone()));
        }
        let message = self.draft.as_ref().map(|sent| sent.draft.message());
        let message = message.transpose().map_err(TrustError::from)?;
        Ok(message.as_deref().map(Digest::sha256))
    }

    fn text(&self, now: Timestamp) -> Result<String, TrustError> {
        let mut text = String::new();
        if let Some(version) = &self.version {
            text.push_str(&version.text(now));
        }
        if let Some(sent) = &self.draft {
            if self.version.is_some() {
                text.push('\n');
            }
            text.push_str(&sent.text(now, self.version.is_none())?);
        }
        for note in &self.notes {
            text.push_str(&folded(&format!("note: {}", Escaped(note)), 0));
        }
        Ok(text)
    }

    fn document(&self) -> Result<Value, TrustError> {
        let version = self.version.as_ref().map(|version| {
            let mut document = root(&version.contents);
            add(
                &mut document,
                "fingerprint",
                version.sha256.to_string().into(),
            );
            document
        });
        let draft = self.draft.as_ref().map(Sent::document).transpose()?;
        Ok(json!({ "root": version, "draft": draft, "notes": self.notes }))
    }
}

impl Version {
    fn text(&self, now: Timestamp) -> String {
        let contents = &self.contents;
        let of = match self.newest {
            Some(newest) if newest != contents.version() => format!(" (the newest is {newest})"),
            _ => String::new(),
        };
        format!(
            "trust root {}, version {}{of}\n  expires      {}, {}\n  fingerprint  {}\n{}",
            contents.name(),
            contents.version(),
            contents.expires(),
            wording::distance(contents.expires(), now),
            self.sha256,
            body(contents)
        )
    }
}

impl Sent {
    /// All of it where nothing else is shown, or else what it changes.
    fn text(&self, now: Timestamp, is_alone: bool) -> Result<String, TrustError> {
        let contents = &self.contents;
        let mut text = format!(
            "draft of version {} of trust root {}\n  expires         {}, {}\n  what is signed  {}\n",
            contents.version(),
            contents.name(),
            contents.expires(),
            wording::distance(contents.expires(), now),
            edit::message(&self.draft)?
        );
        for sentence in self.signatures()?.sentences {
            text.push_str(&folded(&sentence, 2));
        }
        if is_alone {
            text.push_str(&body(contents));
        } else {
            text.push_str("what it changes\n");
            for change in changes(self.previous.as_ref(), contents) {
                text.push_str(&folded(&change, 2));
            }
        }
        Ok(text)
    }

    fn signatures(&self) -> Result<Signatures, TrustError> {
        Signatures::of(&self.draft, self.previous.as_ref())
    }

    fn document(&self) -> Result<Value, TrustError> {
        let mut document = root(&self.contents);
        add(&mut document, "message", edit::message(&self.draft)?.into());
        add(
            &mut document,
            "progress",
            self.signatures()?.documents.into(),
        );
        let said = changes(self.previous.as_ref(), &self.contents);
        add(&mut document, "changes", said.into());
        Ok(document)
    }
}

fn add(document: &mut Value, name: &str, value: Value) {
    if let Value::Object(members) = document {
        members.insert(name.to_owned(), value);
    }
}

/// Enough of an id to name a key by.
fn short(id: &str) -> String {
    id.chars().take(12).collect()
}

/// Who has it, or else where it is.
fn who(key: Option<&DeclaredKey>) -> String {
    let Some(key) = key else {
        return "-".to_owned();
    };
    let name = key.owner.as_ref().or(key.kms.as_ref());
    let name = name.cloned().unwrap_or_else(|| "-".to_owned());
    match key.key {
        Some(_) => name,
        None => format!("{name} (of an unknown kind: never counts)"),
    }
}

fn place(key: Option<&DeclaredKey>) -> String {
    key.and_then(|key| key.kms.clone())
        .unwrap_or_else(|| "-".to_owned())
}

fn body(contents: &Contents) -> String {
    let role = contents.root_role();
    let mut text = format!(
        "root keys: {} of {} must sign\n",
        role.threshold,
        role.key_ids.len()
    );
    let rows: Vec<_> = role
        .key_ids
        .iter()
        .map(|id| {
            let key = contents.keys().get(id);
            [short(id), who(key), place(key)]
        })
        .collect();
    text.push_str(&table(["KEY", "OWNER", "IN KMS"], [12, 40, 42], &rows));
    for scope in contents.scopes() {
        text.push_str(&scope_text(contents, scope));
    }
    text.push_str(&time_text(contents));
    text
}

/// The ids of a scope's keys, each once, with its roles.
fn keys_of(scope: &Scope) -> Vec<(&String, Vec<&'static str>)> {
    let mut keys: Vec<(&String, Vec<&'static str>)> = Vec::new();
    for role in [Role::Sign, Role::Publish, Role::Heartbeat] {
        for id in scope.key_ids(role) {
            match keys.iter_mut().find(|(known, _)| *known == id) {
                Some((_, roles)) => roles.push(role.name()),
                None => keys.push((id, vec![role.name()])),
            }
        }
    }
    keys
}

fn scope_text(contents: &Contents, scope: &Scope) -> String {
    let headline = format!("scope {}", Escaped(&scope.name()));
    let mut text = folded(&headline, 0);
    text.push_str(&folded(
        &format!(
            "epoch {}; tables of tags at most {} old, heartbeats at most {} old; statements: {}",
            scope.epoch,
            wording::length(scope.tag_table_max_seconds),
            wording::length(scope.heartbeat_max_seconds),
            wording::statements(scope.statements)
        ),
        2,
    ));
    for (repository, epoch) in &scope.epochs {
        text.push_str(&folded(
            &format!("{}: epoch {epoch}", Escaped(repository)),
            2,
        ));
    }
    let rows: Vec<_> = keys_of(scope)
        .into_iter()
        .map(|(id, roles)| {
            let when = wording::term(&contents.term(id));
            let when = if when.is_empty() {
                "always".to_owned()
            } else {
                when
            };
            let key = contents.keys().get(id);
            [short(id), who(key), roles.join(", "), when]
        })
        .collect();
    if rows.is_empty() {
        text.push_str("  no keys: nobody may sign here\n");
        return text;
    }
    text.push_str(&table(
        ["KEY", "OWNER", "MAY", "COUNTS"],
        [12, 30, 24, 26],
        &rows,
    ));
    text
}

fn time_text(contents: &Contents) -> String {
    let time = contents.time();
    if time.authorities.is_empty() {
        return "time-stamp authorities: none, so no date is proven\n".to_owned();
    }
    let mut text = format!(
        "time-stamp authorities: {} must have stamped a publication, {} are asked\n",
        time.publication.threshold, time.publication.collect
    );
    let row = |entry: &TimeEntry| {
        let window = wording::window(entry.valid);
        let counts = match (entry.standing, window.is_empty()) {
            (Standing::Compromised, _) => "compromised: nothing".to_owned(),
            (Standing::Good, true) => "always".to_owned(),
            (Standing::Good, false) => window,
        };
        [entry.operator.clone(), entry.uri.clone(), counts]
    };
    let rows: Vec<_> = time.authorities.iter().map(row).collect();
    text.push_str(&table(["OPERATOR", "URL", "COUNTS"], [26, 42, 26], &rows));
    text
}

/// All that a root says, for programs.
fn root(contents: &Contents) -> Value {
    let role = contents.root_role();
    let key = |id: &String| {
        let declared = contents.keys().get(id);
        json!({
            "id": id,
            "owner": declared.and_then(|key| key.owner.as_ref()),
            "kms": declared.and_then(|key| key.kms.as_ref()),
            "algorithm": declared.and_then(|key| key.key.as_ref()).map(|key| key.algorithm().to_string()),
        })
    };
    let scopes: Vec<Value> = contents
        .scopes()
        .iter()
        .map(|scope| scope_document(contents, scope, key))
        .collect();
    json!({
        "name": contents.name(),
        "version": contents.version(),
        "expires": contents.expires(),
        "rootKeys": role.key_ids.iter().map(key).collect::<Vec<_>>(),
        "threshold": role.threshold,
        "scopes": scopes,
        "time": time_document(contents),
    })
}

fn scope_document(contents: &Contents, scope: &Scope, key: impl Fn(&String) -> Value) -> Value {
    let keys: Vec<Value> = keys_of(scope)
        .into_iter()
        .map(|(id, roles)| {
            let mut document = key(id);
            add(&mut document, "roles", json!(roles));
            add(&mut document, "term", term(&contents.term(id)));
            document
        })
        .collect();
    json!({
        "repositories": scope.repositories.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "epoch": scope.epoch,
        "epochs": scope.epochs,
        "tagTableMaxSeconds": scope.tag_table_max_seconds,
        "heartbeatMaxSeconds": scope.heartbeat_max_seconds,
        "statements": wording::statements(scope.statements),
        "keys": keys,
    })
}

fn term(term: &Term) -> Value {
    let revoked = term.revoked.map(|revoked| match revoked {
        Revocation::Compromised { at } => json!({ "reason": "compromised", "at": at }),
        Revocation::Misused { from, to } => {
            json!({ "reason": "misused", "from": from, "to": to })
        }
    });
    json!({ "notBefore": term.valid.start, "notAfter": term.valid.end, "revoked": revoked })
}

fn time_document(contents: &Contents) -> Value {
    let time = contents.time();
    let entry = |entry: &TimeEntry| {
        json!({
            "operator": entry.operator,
            "uri": entry.uri,
            "rootKey": entry.anchor.id().to_string(),
            "from": entry.valid.start,
            "until": entry.valid.end,
            "compromised": entry.standing == Standing::Compromised,
            "defaultAccuracySeconds": entry.default_accuracy_seconds,
        })
    };
    let counts = |counts: countersign_trust_roots::root::Counts| json!({ "collect": counts.collect, "threshold": counts.threshold });
    json!({
        "maxIntervalSeconds": time.max_interval_seconds,
        "publication": counts(time.publication),
        "tagTable": counts(time.tag_table),
        "heartbeat": counts(time.heartbeat),
        "authorities": time.authorities.iter().map(entry).collect::<Vec<_>>(),
    })
}

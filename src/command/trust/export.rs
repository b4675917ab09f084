//! `countersign trust export`: a root for tools that know none: keys for cosign, authorities for Sigstore's readers. Of the
//! newest complete version, never of a draft. What these forms cannot say is said here.

use std::{collections::BTreeSet, path::Path};

use countersign_common::{Escaped, Limits, Timestamp};
use countersign_trust_roots::{
    Role,
    root::{Contents, Scope, sigstore_root},
    time::Standing,
};
use serde_json::json;

use super::{
    edit,
    folder::{self, Folder},
    revoke::usable,
    table::folded,
    wording,
};
use crate::{
    arguments::{Common, Output, trust::TrustExport},
    command::cosign::Cosign,
    exit::Exit,
    files::{self, Secrecy},
    keys,
    output::{self, Stop},
};

pub(super) fn run(arguments: &TrustExport, common: &Common, now: Timestamp) -> Result<Exit, Stop> {
    let path = edit::dir(&arguments.folder)?;
    let folder = Folder::with_root(&path)?;
    let newest = folder.versions().next_back().unwrap_or(1);
    let bytes = folder.version(newest)?;
    let contents = Contents::read(bytes, &Limits::TABLE);
    let contents = contents.map_err(|fault| folder::root(&path, fault))?;
    let mut exported = Exported::default();
    if contents.expires() <= now {
        exported.lost.push(format!(
            "version {newest} has expired at {}: no verifier that follows the root trusts anything by it",
            contents.expires()
        ));
    }
    // Before anything is written: what was begun could not be begun again.
    if let Some(to) = &arguments.sigstore {
        files::absent(to)?;
    }
    if let Some(to) = &arguments.cosign_keys {
        write_keys(&contents, to, now, &mut exported)?;
    }
    if let Some(to) = &arguments.sigstore {
        let file = sigstore_root(bytes, &Limits::TABLE);
        let file = file.map_err(|fault| folder::root(&path, fault))?;
        files::create(to, &file, Secrecy::Public)?;
        exported.files.push(to.display().to_string());
        authorities(&contents, &mut exported);
    }
    report(&exported, common)?;
    Ok(Exit::Done)
}

/// What was written, and what that does not say.
#[derive(Default)]
struct Exported {
    files: Vec<String>,
    lost: Vec<String>,
}

/// Each key that may sign images now, once, named by its owner and its id.
fn write_keys(
    contents: &Contents,
    to: &Path,
    now: Timestamp,
    exported: &mut Exported,
) -> Result<(), Stop> {
    let of_scopes = |of: &dyn Fn(&Scope) -> Vec<&String>| -> BTreeSet<&String> {
        contents.scopes().iter().flat_map(of).collect()
    };
    let ids = of_scopes(&|scope| usable(contents, scope, Role::Sign, now));
    let all = of_scopes(&|scope| scope.key_ids(Role::Sign).iter().collect());
    exported.lost.extend(all.difference(&ids).map(|id| {
        let (name, term) = (
            wording::key(contents, id),
            wording::term(&contents.term(id)),
        );
        format!("{name} is not exported: what it signs now does not count ({term})")
    }));
    let mut written = Vec::new();
    for id in ids {
        let name = wording::key(contents, id);
        let declared = contents.keys().get(id);
        let Some(key) = declared.and_then(|declared| declared.key.as_ref()) else {
            let lost = format!("{name} is not exported: its kind is not understood here");
            exported.lost.push(lost);
            continue;
        };
        match Cosign::of(key.algorithm()) {
            Cosign::AsItIs => {}
            Cosign::Never => {
                let lost = format!("{name} is not exported: cosign verifies no such key");
                exported.lost.push(lost);
                continue;
            }
            Cosign::With(hash) => exported.lost.push(format!(
                "that {name} signs with {hash}: cosign must be told, with `--signature-digest-algorithm {hash}`"
            )),
        }
        let file = to.join(file_name(contents, id));
        files::absent(&file)?;
        written.push((file, keys::pem(key)?));
        limits(contents, id, &name, exported);
    }
    files::make_folder(to)?;
    for (file, pem) in written {
        files::create(&file, pem.as_bytes(), Secrecy::Public)?;
        exported.files.push(file.display().to_string());
    }
    exported.lost.push(
        "cosign asks for one key: how many must sign, and who may publish, is in the root alone"
            .to_owned(),
    );
    Ok(())
}

/// What a verifier that follows the root asks of a key, and cosign does not.
fn limits(contents: &Contents, id: &String, name: &str, exported: &mut Exported) {
    let scopes: Vec<_> = contents
        .scopes()
        .iter()
        .filter(|scope| scope.key_ids(Role::Sign).contains(id))
        .map(|scope| Escaped(&scope.name()).to_string())
        .collect();
    exported.lost.push(format!(
        "{name} may sign for {} alone; cosign takes its signature for every repository",
        wording::listing(&scopes)
    ));
    let term = wording::term(&contents.term(id));
    if !term.is_empty() {
        exported.lost.push(format!(
            "{name} counts {term}; cosign takes its signatures of any time"
        ));
    }
}

fn authorities(contents: &Contents, exported: &mut Exported) {
    let time = contents.time();
    if time.authorities.is_empty() {
        exported
            .lost
            .push("the root lists no time-stamp authority, so the file has none".to_owned());
    }
    let void = time.authorities.iter();
    let void = void.filter(|entry| entry.standing == Standing::Compromised);
    exported.lost.extend(void.map(|entry| {
        format!(
            "the time-stamp authority {} of {} is not exported: it is compromised, and all its stamps are void",
            Escaped(&entry.uri),
            Escaped(&entry.operator)
        )
    }));
    exported.lost.push(format!(
        "that {} of the operators must have stamped, and how exact an authority is, stays in the root alone",
        time.publication.threshold
    ));
}

/// An owner may be called anything; a file may not.
fn file_name(contents: &Contents, id: &str) -> String {
    let owner = contents.keys().get(id).and_then(|key| key.owner.as_deref());
    let plain: String = owner
        .unwrap_or("key")
        .chars()
        .take(40)
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '-'
            }
        })
        .collect();
    let short: String = id.chars().take(12).collect();
    format!("{plain}-{short}.pub")
}

fn report(exported: &Exported, common: &Common) -> Result<(), Stop> {
    if common.output == Output::Json {
        return output::print_json(&json!({ "files": exported.files, "lost": exported.lost }));
    }
    if common.quiet {
        return Ok(());
    }
    let mut text = String::new();
    for file in &exported.files {
        text.push_str(&folded(&Escaped(file).to_string(), 0));
    }
    for lost in &exported.lost {
        text.push_str(&folded(&format!("lost: {lost}"), 0));
    }
    output::print(&text)
}

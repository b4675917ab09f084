//! `countersign trust publish`: the complete versions, to where verifiers look. A version that is there is never changed.

use std::path::PathBuf;

use countersign_common::{Digest, Escaped};
use serde_json::json;

use super::{
    ask, edit,
    error::TrustError,
    folder::{self, Folder, file_name},
    folder_error::FolderError,
};
use crate::{
    arguments::{Common, Output, trust::TrustPublish},
    exit::Exit,
    files,
    output::{self, Stop},
};

/// Where roots are published.
enum Destination {
    Folder(PathBuf),
}

impl Destination {
    /// As in the sources of a policy, `file:` may stand before a folder.
    fn parse(text: &str) -> Result<Self, TrustError> {
        let path = text.strip_prefix("file:").unwrap_or(text);
        let folder = PathBuf::from(path);
        if folder.is_dir() {
            Ok(Self::Folder(folder))
        } else {
            Err(TrustError::WhereTo {
                to: text.to_owned(),
            })
        }
    }

    /// The file of a version there, if there is one.
    fn read(&self, version: u64) -> Result<Option<Vec<u8>>, Stop> {
        let Self::Folder(folder) = self;
        let path = folder.join(file_name(version));
        if matches!(path.try_exists(), Ok(false)) {
            return Ok(None);
        }
        folder::read(&path).map(Some)
    }

    fn write(&self, version: u64, bytes: &[u8]) -> Result<(), Stop> {
        let Self::Folder(folder) = self;
        files::create_whole(&folder.join(file_name(version)), bytes)
    }

    fn name(&self, version: u64) -> String {
        let Self::Folder(folder) = self;
        folder.join(file_name(version)).display().to_string()
    }
}

pub(super) fn run(arguments: &TrustPublish, common: &Common) -> Result<Exit, Stop> {
    let folder = Folder::with_root(&edit::dir(&arguments.folder)?)?;
    let to = ask::required(
        arguments.to.clone(),
        "--to",
        "Folder to publish to",
        ask::text,
    )?;
    let destination = Destination::parse(&to)?;
    let Some(chain) = folder.chain() else {
        return Err(FolderError::DraftOnly {
            folder: folder.name(),
        }
        .into());
    };
    let missing = missing(&folder, &destination)?;
    for version in &missing {
        destination.write(*version, &folder.version(*version)?)?;
    }
    match common.output {
        Output::Json => output::print_json(&json!({
            "published": missing,
            "newest": chain.newest().version(),
            "fingerprint": chain.sha256().to_string(),
        }))?,
        Output::Text if common.quiet => {}
        Output::Text => output::print(&text(&missing, &destination, chain))?,
    }
    Ok(Exit::Done)
}

/// The versions that are not there. Nothing is written if one of those that are is another file.
fn missing(folder: &Folder, destination: &Destination) -> Result<Vec<u64>, Stop> {
    let mut missing = Vec::new();
    for version in folder.versions() {
        let ours = Digest::sha256(&folder.version(*version)?);
        match destination.read(*version)? {
            None => missing.push(*version),
            Some(theirs) if Digest::sha256(&theirs) == ours => {}
            Some(_) => {
                return Err(FolderError::OtherFile {
                    path: destination.name(*version),
                }
                .into());
            }
        }
    }
    Ok(missing)
}

fn text(
    missing: &[u64],
    destination: &Destination,
    chain: &countersign_trust_roots::Chain,
) -> String {
    let mut text = String::new();
    for version in missing {
        let name = destination.name(*version);
        text.push_str("published: ");
        text.push_str(&Escaped(&name).to_string());
        text.push('\n');
    }
    if missing.is_empty() {
        text.push_str("published already: every version is there\n");
    }
    let newest = chain.newest().version();
    format!(
        "{text}fingerprint of version {newest}: {}\n",
        chain.sha256()
    )
}

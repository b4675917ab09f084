//! `countersign trust publish`: the complete versions, to where verifiers look. A version that is there is never changed.

use std::path::PathBuf;

use bytes::Bytes;
use countersign_common::{Escaped, Limits, Repository};
use countersign_registry::Client;
use countersign_trust_roots::{
    policy::RootSource,
    root::{self, ArtifactError, ArtifactSource},
};
use serde_json::{Value, json};

use super::{
    ask, edit,
    error::TrustError,
    folder::{self, Folder, file_name},
    folder_error::FolderError,
};
use crate::{
    arguments::{Common, Output, trust::TrustPublish},
    config::Config,
    exit::Exit,
    files, network,
    output::{self, Stop},
};

pub(super) async fn run(arguments: &TrustPublish, common: &Common) -> Result<Exit, Stop> {
    let folder = Folder::with_root(&edit::dir(&arguments.folder)?)?;
    let to = ask::several(
        &arguments.to,
        "--to",
        "Folder to publish to, or `oci://HOST/PATH`",
        ask::text,
    )?;
    let destinations = to.iter().map(|to| Destination::parse(to));
    let destinations = destinations.collect::<Result<Vec<_>, _>>()?;
    let Some(chain) = folder.chain() else {
        return Err(FolderError::DraftOnly {
            folder: folder.name(),
        }
        .into());
    };
    let files = files(&folder)?;
    let config = Config::read(common.config.as_deref())?;
    let client = network::client(&arguments.network, arguments.timeout, &config)?;
    // All of them are looked at first: what is found to be another file somewhere is published nowhere.
    let mut missing = Vec::new();
    for destination in &destinations {
        missing.push(destination.missing(&files, &client).await?);
    }
    let mut documents = Vec::new();
    for (destination, missing) in destinations.iter().zip(&missing) {
        destination.fill(&files, missing, (&client, common)).await?;
        documents.push(destination.document(&files, missing));
    }
    let newest = chain.newest().version();
    match common.output {
        Output::Json => output::print_json(&json!({
            "newest": newest,
            "fingerprint": chain.sha256().to_string(),
            "destinations": documents,
        }))?,
        Output::Text if common.quiet => {}
        Output::Text => output::print(&format!(
            "fingerprint of version {newest}: {}\n",
            chain.sha256()
        ))?,
    }
    Ok(Exit::Done)
}

/// A complete version, by its number.
type File = (u64, Bytes);

fn files(folder: &Folder) -> Result<Vec<File>, Stop> {
    let versions = folder.versions().iter();
    versions
        .map(|version| Ok((*version, folder.version(*version)?.into())))
        .collect()
}

/// Where roots are published.
enum Destination {
    Folder(PathBuf),
    Registry(Repository),
}

impl Destination {
    /// As in the sources of a policy, `file:` may stand before a folder.
    fn parse(text: &str) -> Result<Self, TrustError> {
        let unknown = || TrustError::WhereTo {
            to: text.to_owned(),
        };
        if text.starts_with("oci://") {
            return match RootSource::parse(text) {
                Ok(RootSource::Oci(repository)) => Ok(Self::Registry(repository)),
                _ => Err(unknown()),
            };
        }
        let folder = PathBuf::from(text.strip_prefix("file:").unwrap_or(text));
        if folder.is_dir() {
            Ok(Self::Folder(folder))
        } else {
            Err(unknown())
        }
    }

    /// The versions that are not there. One that is there as another file is refused.
    async fn missing(&self, files: &[File], client: &Client) -> Result<Vec<u64>, Stop> {
        let mut missing = Vec::new();
        for (version, ours) in files {
            match self.read(*version, client).await? {
                None => missing.push(*version),
                Some(theirs) if theirs == *ours => {}
                Some(_) => {
                    return Err(FolderError::OtherFile {
                        path: self.name(*version),
                    }
                    .into());
                }
            }
        }
        Ok(missing)
    }

    async fn read(&self, version: u64, client: &Client) -> Result<Option<Bytes>, Stop> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(file_name(version));
                if matches!(path.try_exists(), Ok(false)) {
                    return Ok(None);
                }
                Ok(Some(folder::read(&path)?.into()))
            }
            Self::Registry(repository) => {
                let source = ArtifactSource {
                    repository: repository.clone(),
                    registry: client,
                    limits: Limits::TABLE,
                };
                source.file(version).await.map_err(|error| stop(&error))
            }
        }
    }

    async fn write(&self, (version, file): &File, client: &Client) -> Result<(), Stop> {
        match self {
            Self::Folder(folder) => files::create_whole(&folder.join(file_name(*version)), file),
            Self::Registry(repository) => {
                root::publish((*version, file), repository, client, &Limits::TABLE)
                    .await
                    .map_err(|error| stop(&error))
            }
        }
    }

    /// Writes what is missing, and says of each version when it is there: whatever happens to the next, this one is.
    async fn fill(
        &self,
        files: &[File],
        missing: &[u64],
        (client, common): (&Client, &Common),
    ) -> Result<(), Stop> {
        for file in files {
            let word = if missing.contains(&file.0) {
                self.write(file, client).await?;
                "published"
            } else {
                "published already"
            };
            if common.output == Output::Text && !common.quiet {
                let name = self.name(file.0);
                output::print(&format!("{word}: {}\n", Escaped(&name)))?;
            }
        }
        Ok(())
    }

    /// A version there, as other programs name it.
    fn name(&self, version: u64) -> String {
        match self {
            Self::Folder(folder) => folder.join(file_name(version)).display().to_string(),
            Self::Registry(repository) => format!("{repository}:{}", root::tag(version)),
        }
    }

    fn document(&self, files: &[File], missing: &[u64]) -> Value {
        let to = match self {
            Self::Folder(folder) => folder.display().to_string(),
            Self::Registry(repository) => format!("oci://{repository}"),
        };
        let there = files.iter().map(|(version, _)| version);
        let there: Vec<_> = there.filter(|version| !missing.contains(version)).collect();
        json!({ "to": to, "published": missing, "alreadyThere": there })
    }
}

fn stop(error: &ArtifactError) -> Stop {
    let exit = match error {
        ArtifactError::Name(_) => Exit::Usage,
        error if error.is_undecided() => Exit::Undecided,
        _ => Exit::Refused,
    };
    Stop::new(exit, error)
}

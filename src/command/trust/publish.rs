//! `countersign trust publish`: the complete versions, to where verifiers look. A version that was found there is never changed.

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
    let files = folder.files().iter();
    let files: Vec<File> = files
        .map(|(version, file)| (*version, file.clone().into()))
        .collect();
    let config = Config::read(common.config.as_deref())?;
    let client = network::client(&arguments.network, arguments.timeout, &config)?;
    let (documents, exit) = fill(&destinations, &files, (&client, common)).await?;
    if documents.is_empty() {
        return Ok(exit);
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
    Ok(exit)
}

/// Fills each destination. What became of those that were, and the worst of the others, which are told of.
async fn fill(
    destinations: &[Destination],
    files: &[File],
    (client, common): (&Client, &Common),
) -> Result<(Vec<Value>, Exit), Stop> {
    // All of them are looked at first: what is found to be another file somewhere is published nowhere.
    let mut looks = Vec::new();
    for destination in destinations {
        match destination.missing(files, client).await {
            Err(stop) if stop.exit() != Exit::Undecided => return Err(stop),
            look => looks.push(look),
        }
    }
    let mut documents = Vec::new();
    let mut worst = Exit::Done;
    for (destination, look) in destinations.iter().zip(looks) {
        let published = match look {
            Ok(missing) => destination.fill(files, &missing, (client, common)).await,
            Err(stop) => Err(stop),
        };
        match published {
            Ok(published) => documents.push(destination.document(files, &published)),
            // One that is out of reach must not keep a revocation from the others.
            Err(stop) => {
                stop.report(common.output);
                worst = worst.max(stop.exit());
            }
        }
    }
    Ok((documents, worst))
}

/// A complete version, by its number.
type File = (u64, Bytes);

/// Who has put a version where it is.
enum Written {
    /// Somebody else, or this command before.
    Elsewhere,
    /// This command.
    Here,
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
                Some(_) => return Err(self.other_file(*version)),
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
                Ok(Some(folder::read_inside(&path)?.into()))
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

    /// Writes a version that was missing.
    async fn write(&self, (version, file): &File, client: &Client) -> Result<Written, Stop> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(file_name(*version));
                let Err(stop) = files::create_whole(&path, file) else {
                    return Ok(Written::Here);
                };
                // Somebody else may have published it meanwhile, or something else.
                match self.read(*version, client).await? {
                    Some(there) if there == *file => Ok(Written::Elsewhere),
                    Some(_) => Err(self.other_file(*version)),
                    None => Err(stop),
                }
            }
            Self::Registry(repository) => {
                let limits = &Limits::TABLE;
                let published = root::publish((*version, file), repository, client, limits).await;
                published
                    .map(|()| Written::Here)
                    .map_err(|error| stop(&error))
            }
        }
    }

    fn other_file(&self, version: u64) -> Stop {
        let path = self.name(version);
        FolderError::OtherFile { path }.into()
    }

    /// Writes what is missing, and says of each version when it is there: whatever happens to the next, this one is. Those
    /// that were published now.
    async fn fill(
        &self,
        files: &[File],
        missing: &[u64],
        (client, common): (&Client, &Common),
    ) -> Result<Vec<u64>, Stop> {
        let mut published = Vec::new();
        for file in files {
            let written = if missing.contains(&file.0) {
                self.write(file, client).await?
            } else {
                Written::Elsewhere
            };
            let word = match written {
                Written::Here => {
                    published.push(file.0);
                    "published"
                }
                Written::Elsewhere => "published already",
            };
            if common.output == Output::Text && !common.quiet {
                let name = self.name(file.0);
                output::print(&format!("{word}: {}\n", Escaped(&name)))?;
            }
        }
        Ok(published)
    }

    /// A version there, as other programs name it.
    fn name(&self, version: u64) -> String {
        match self {
            Self::Folder(folder) => folder.join(file_name(version)).display().to_string(),
            Self::Registry(repository) => format!("{repository}:{}", root::tag(version)),
        }
    }

    fn document(&self, files: &[File], published: &[u64]) -> Value {
        let to = match self {
            Self::Folder(folder) => folder.display().to_string(),
            Self::Registry(repository) => format!("oci://{repository}"),
        };
        let there = files.iter().map(|(version, _)| version);
        let there: Vec<_> = there
            .filter(|version| !published.contains(version))
            .collect();
        json!({ "to": to, "published": published, "alreadyThere": there })
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

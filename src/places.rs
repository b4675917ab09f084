//! Where the images of a command are, and what each is read and written through: registries, or image-layout folders.
//!
//! Made once from what was typed, before anything is done with an image. No image is fetched here, and nothing is decided
//! about one.

use std::{collections::BTreeMap, fmt, time::Duration};

use countersign_common::{
    Code, Explain, ImageRef, LayoutRef, Limits, RegistryWriter, Repository,
    reference::ReferenceInvalid,
};
use countersign_registry::{Client, Layout, LayoutError};
use serde::Serialize;

use crate::{arguments::images::Images, exit::Exit, output::Stop};

/// An image, and where it is.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) image: ImageRef,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Layout(Layout, LayoutRef),
    Registry,
}

impl Located {
    /// What it is read and written through; a client for those that are in registries.
    pub(crate) fn registry<'a>(&'a self, client: &'a Client) -> &'a dyn RegistryWriter {
        match &self.place {
            Place::Layout(layout, _) => layout,
            Place::Registry => client,
        }
    }

    /// The layout that it is in, as it was named.
    pub(crate) fn layout(&self) -> Option<String> {
        match &self.place {
            Place::Layout(_, named) => Some(named.to_string()),
            Place::Registry => None,
        }
    }

    /// What is told of it in JSON.
    pub(crate) fn document<T: Serialize>(&self, told: T) -> impl Serialize {
        #[derive(Serialize)]
        struct Document<T> {
            #[serde(flatten)]
            told: T,
            #[serde(skip_serializing_if = "Option::is_none")]
            layout: Option<String>,
        }
        Document {
            told,
            layout: self.layout(),
        }
    }
}

/// Parses what was typed, all of it before anything is done with one image, and opens the layouts.
pub(crate) async fn locate(images: &Images, timeout: u64) -> Result<Vec<Located>, Stop> {
    let usage = |explained: &dyn Explain| Stop::new(Exit::Usage, explained);
    let repository = images.repository.as_deref().map(Repository::parse);
    let repository = repository
        .transpose()
        .map_err(|error: ReferenceInvalid| usage(&error))?;
    let mut named = Vec::with_capacity(images.named.len());
    for text in &images.named {
        named.push(match (LayoutRef::parse(text), &repository) {
            (None, _) => (reference(text)?, None),
            (Some(Err(invalid)), _) => return Err(usage(&invalid)),
            (Some(Ok(layout)), Some(repository)) => (layout.of(repository), Some(layout)),
            (Some(Ok(layout)), None) => return Err(usage(&Unnamed::Layout(layout))),
        });
    }
    if repository.is_some() && named.iter().all(|(_, layout)| layout.is_none()) {
        return Err(usage(&Unnamed::NoLayout));
    }
    let mut located = Vec::with_capacity(named.len());
    // One for each folder, however many of its images are named: what one question reads is known for the next.
    let mut opened: BTreeMap<String, Layout> = BTreeMap::new();
    for (image, layout) in named {
        let place = match layout {
            Some(named) => {
                let layout = match opened.get(named.path()) {
                    Some(layout) => layout.clone(),
                    None => open(&named, timeout).await?,
                };
                opened.insert(named.path().to_owned(), layout.clone());
                Place::Layout(layout, named)
            }
            None => Place::Registry,
        };
        located.push(Located { image, place });
    }
    Ok(located)
}

async fn open(named: &LayoutRef, timeout: u64) -> Result<Layout, Stop> {
    // Less than the deadline, which would not say who keeps whom waiting.
    let patience = Duration::from_secs(timeout) / 2;
    let opened = Layout::open(named.path(), patience, Limits::TABLE).await;
    opened.map_err(|error| {
        let exit = match error {
            LayoutError::Error(_) => Exit::Undecided,
            _ => Exit::Usage,
        };
        Stop::new(exit, &error)
    })
}

/// The images alone, for whoever does not look at them.
pub(crate) fn references(located: &[Located]) -> Vec<ImageRef> {
    located.iter().map(|one| one.image.clone()).collect()
}

/// Parses a reference to an image in a registry. What names a layout elsewhere must not name an image of Docker Hub here.
pub(crate) fn reference(text: &str) -> Result<ImageRef, Stop> {
    let usage = |explained: &dyn Explain| Stop::new(Exit::Usage, explained);
    match LayoutRef::parse(text) {
        None => ImageRef::parse(text).map_err(|error| usage(&error)),
        Some(Ok(layout)) => Err(usage(&Unnamed::InPlaceOfName(layout))),
        Some(Err(invalid)) => Err(usage(&invalid)),
    }
}

/// Whose the images in layouts are was not said, or there are none.
#[derive(Debug)]
enum Unnamed {
    InPlaceOfName(LayoutRef),
    Layout(LayoutRef),
    NoLayout,
}

impl fmt::Display for Unnamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InPlaceOfName(layout) => {
                write!(
                    f,
                    "{layout} is a folder, where the name of a repository is asked for"
                )
            }
            Self::Layout(layout) => {
                write!(
                    f,
                    "{layout} is in no registry, and no repository is named for it"
                )
            }
            Self::NoLayout => {
                f.write_str("`--repository` is for images in layouts, and none is given")
            }
        }
    }
}

impl Explain for Unnamed {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::InPlaceOfName(_) | Self::Layout(_) => "repository-missing",
            Self::NoLayout => "repository-unused",
        })
    }

    fn remedy(&self) -> String {
        match self {
            Self::InPlaceOfName(_) => {
                "name the repository that its images are for, as it is given to `--repository`"
            }
            Self::Layout(_) => {
                "say where it is or will be used: `--repository registry.example/shop/api`"
            }
            Self::NoLayout => "leave it out, or name an image as `oci:FOLDER:TAG`",
        }
        .to_owned()
    }
}

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

use crate::{
    arguments::{Output, images::Images},
    exit::Exit,
    output::{self, ErrorDocument, Stop},
    references::{self, Line},
};

/// The images of a command, and those that nothing can be done with.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) located: Vec<Located>,
    unusable: Vec<Unusable>,
}

/// An image, and where it is.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) image: ImageRef,
    place: Place,
    /// Which of all that were named it is.
    at: usize,
}

/// A line of a list that names no image, or an image that nothing may be done with. It keeps nothing from the others.
#[derive(Debug)]
pub(crate) struct Unusable {
    at: usize,
    /// Where it is, for people.
    place: String,
    line: Option<usize>,
    named: String,
    layout: Option<String>,
    stop: Stop,
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

    /// An image of where it is, for people.
    pub(crate) fn shown(&self, image: &ImageRef) -> String {
        match self.layout() {
            Some(layout) => format!("{image} in {layout}"),
            None => image.to_string(),
        }
    }

    /// The folder that it is in.
    pub(crate) fn folder(&self) -> Option<&str> {
        match &self.place {
            Place::Layout(_, named) => Some(named.path()),
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

impl Places {
    /// Does nothing with those of which this is not right, each for its own reason.
    pub(crate) fn leave_out(&mut self, check: impl Fn(&Located) -> Result<(), Stop>) {
        for one in std::mem::take(&mut self.located) {
            match check(&one) {
                Ok(()) => self.located.push(one),
                Err(stop) => self.unusable.push(Unusable {
                    at: one.at,
                    place: one.shown(&one.image),
                    line: None,
                    named: one.image.to_string(),
                    layout: one.layout(),
                    stop,
                }),
            }
        }
    }

    /// Reports what became of each image, and why nothing could of some, in the order in which they were named. The worst
    /// of all decides how the command ends.
    pub(crate) fn report<T>(
        &self,
        became: impl IntoIterator<Item = T>,
        of: impl Fn(&T) -> &Located,
        form: Output,
        report: impl Fn(T) -> Result<Exit, Stop>,
    ) -> Result<Exit, Stop> {
        let mut worst = None;
        for one in self.in_order(became, of) {
            let exit = match one {
                Ok(one) => report(one)?,
                Err(unusable) => unusable.report(form)?,
            };
            worst = worst.max(Some(exit));
        }
        // Nothing done must not look like everything done.
        Ok(worst.unwrap_or(Exit::Internal))
    }

    /// What became of each image, and those that nothing could be done with, in the order in which they were named.
    pub(crate) fn in_order<T>(
        &self,
        became: impl IntoIterator<Item = T>,
        of: impl Fn(&T) -> &Located,
    ) -> Vec<Result<T, &Unusable>> {
        let became = became.into_iter().map(|one| (of(&one).at, Ok(one)));
        let unusable = self.unusable.iter().map(|one| (one.at, Err(one)));
        let mut all: Vec<_> = became.chain(unusable).collect();
        all.sort_by_key(|(at, _)| *at);
        all.into_iter().map(|(_, one)| one).collect()
    }
}

impl Unusable {
    /// How a command ends for it.
    pub(crate) fn exit(&self) -> Exit {
        self.stop.exit()
    }

    /// Says it on standard error.
    pub(crate) fn note(&self) {
        self.stop.note_within(&self.place);
    }

    /// What is told of it in JSON.
    pub(crate) fn document(&self) -> impl Serialize {
        #[derive(Serialize)]
        struct Document<'a> {
            outcome: &'static str,
            image: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            line: Option<usize>,
            #[serde(skip_serializing_if = "Option::is_none")]
            layout: Option<&'a str>,
            error: ErrorDocument<'a>,
        }
        Document {
            outcome: "failed",
            image: &self.named,
            line: self.line,
            layout: self.layout.as_deref(),
            error: self.stop.document(),
        }
    }

    /// Reports it, as what became of an image is reported.
    pub(crate) fn report(&self, form: Output) -> Result<Exit, Stop> {
        self.note();
        if form == Output::Json {
            output::print_json(&self.document())?;
        }
        Ok(self.exit())
    }
}

/// Parses what was named, all of it before anything is done with one image, and opens the layouts. What was typed must be
/// right as a whole; of a list each line stands for itself.
pub(crate) async fn locate(images: &Images, timeout: u64) -> Result<Places, Stop> {
    let repository = images.repository.as_deref().map(Repository::parse);
    let repository = repository
        .transpose()
        .map_err(|error: ReferenceInvalid| Stop::new(Exit::Usage, &error))?;
    let lines = images.listed.as_deref().map(references::read).transpose()?;
    let typed: Vec<_> = images
        .named
        .iter()
        .map(|text| named(text, repository.as_ref()))
        .collect::<Result<_, _>>()?;
    let (mut located, mut unusable) = (Vec::new(), Vec::new());
    let mut folders = Folders::of(timeout);
    for (at, named) in typed.into_iter().enumerate() {
        located.push(folders.place(named, at).await?);
    }
    let first = located.len();
    for (index, Line { number, text }) in lines.into_iter().flatten().enumerate() {
        let at = first + index;
        let one = match named(&text, repository.as_ref()) {
            Ok(named) => folders.place(named, at).await,
            Err(stop) => Err(stop),
        };
        match one {
            Ok(one) => located.push(one),
            Err(stop) => unusable.push(Unusable {
                at,
                place: format!("line {number}"),
                line: Some(number),
                named: text,
                layout: None,
                stop,
            }),
        }
    }
    let is_layout = |one: &Located| matches!(one.place, Place::Layout(..));
    if repository.is_some() && unusable.is_empty() && !located.iter().any(is_layout) {
        return Err(Stop::new(Exit::Usage, &Unnamed::NoLayout));
    }
    Ok(Places { located, unusable })
}

/// An image, and the layout that it is in.
fn named(
    text: &str,
    repository: Option<&Repository>,
) -> Result<(ImageRef, Option<LayoutRef>), Stop> {
    let usage = |explained: &dyn Explain| Stop::new(Exit::Usage, explained);
    match (LayoutRef::parse(text), repository) {
        (None, _) => Ok((reference(text)?, None)),
        (Some(Err(invalid)), _) => Err(usage(&invalid)),
        (Some(Ok(layout)), Some(repository)) => Ok((layout.of(repository), Some(layout))),
        (Some(Ok(layout)), None) => Err(usage(&Unnamed::Layout(layout))),
    }
}

/// One layout for each folder, however many of its images are named: what one question reads is known for the next.
struct Folders {
    opened: BTreeMap<String, Layout>,
    timeout: u64,
}

impl Folders {
    fn of(timeout: u64) -> Self {
        Self {
            opened: BTreeMap::new(),
            timeout,
        }
    }

    async fn place(
        &mut self,
        (image, layout): (ImageRef, Option<LayoutRef>),
        at: usize,
    ) -> Result<Located, Stop> {
        let place = match layout {
            Some(named) => Place::Layout(self.open(&named).await?, named),
            None => Place::Registry,
        };
        Ok(Located { image, place, at })
    }

    async fn open(&mut self, named: &LayoutRef) -> Result<Layout, Stop> {
        if let Some(layout) = self.opened.get(named.path()) {
            return Ok(layout.clone());
        }
        let layout = open(named, self.timeout).await?;
        self.opened.insert(named.path().to_owned(), layout.clone());
        Ok(layout)
    }
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

/// The images of each registry.
pub(crate) fn by_registry(located: &[Located]) -> BTreeMap<String, Vec<&Located>> {
    let mut registries = BTreeMap::<_, Vec<_>>::new();
    for one in located {
        let registry = one.image.repository().registry();
        registries.entry(registry).or_default().push(one);
    }
    registries
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

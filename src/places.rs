//! Where the images of a command are, and what each is read and written through.
//!
//! Made once from what was typed, before anything is done with an image. Nothing is fetched here.

use countersign_common::{ImageRef, RegistryWriter};
use countersign_registry::Client;

use crate::{arguments::images::Images, exit::Exit, output::Stop};

/// An image, and where it is.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) image: ImageRef,
}

impl Located {
    /// What it is read and written through; a client for those that are in registries.
    #[expect(clippy::unused_self, reason = "there are registries alone, so far")]
    pub(crate) fn registry<'a>(&'a self, client: &'a Client) -> &'a dyn RegistryWriter {
        client
    }
}

/// Parses what was typed, all of it before anything is done with one image.
pub(crate) fn locate(images: &Images) -> Result<Vec<Located>, Stop> {
    images
        .named
        .iter()
        .map(|text| reference(text).map(|image| Located { image }))
        .collect()
}

/// The images alone, for whoever does not look at them.
pub(crate) fn references(located: &[Located]) -> Vec<ImageRef> {
    located.iter().map(|one| one.image.clone()).collect()
}

/// Parses a reference to an image in a registry.
pub(crate) fn reference(text: &str) -> Result<ImageRef, Stop> {
    ImageRef::parse(text).map_err(|error| Stop::new(Exit::Usage, &error))
}

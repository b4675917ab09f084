//! Where is looked: an image, or a repository that may be empty.

use std::fmt;

use countersign_common::{Code, Explain, ImageRef, LayoutRef};

use crate::{exit::Exit, output::Stop, places};

/// What is named on the command line.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) image: ImageRef,
    pub(super) named: Named,
}

/// Whether an image must be there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Named {
    /// It was named by a tag or a digest.
    Image,
    /// The repository alone was named.
    Repository,
}

/// Parses what was typed, all of it before anything is done.
pub(super) fn parse(texts: &[String]) -> Result<Vec<Place>, Stop> {
    let place = |text: &String| {
        let last = text.rsplit('/').next().unwrap_or(text);
        let named = if last.contains([':', '@']) {
            Named::Image
        } else {
            Named::Repository
        };
        if let Some(Ok(layout)) = LayoutRef::parse(text) {
            return Err(Stop::new(Exit::Usage, &InNoRegistry(layout)));
        }
        let image = places::reference(text)?;
        Ok(Place { image, named })
    };
    texts.iter().map(place).collect()
}

/// A folder, of which there is nothing to ask.
#[derive(Debug)]
struct InNoRegistry(LayoutRef);

impl fmt::Display for InNoRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is a folder, and `doctor` looks at registries",
            self.0
        )
    }
}

impl Explain for InNoRegistry {
    fn code(&self) -> Code {
        Code::new("repository-missing")
    }

    fn remedy(&self) -> String {
        "name the repository that its images come from or go to; a folder asks for no login and no right".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_no_tag() {
        for (text, named) in [
            ("registry.example:5000/shop/api", Named::Repository),
            ("nginx", Named::Repository),
            ("registry.example:5000/shop/api:1", Named::Image),
            ("nginx:1", Named::Image),
        ] {
            let places = parse(&[text.to_owned()]).unwrap();
            assert_eq!(places[0].named, named, "{text}");
        }
        let digest = format!("registry.example/shop/api@sha256:{}", "0".repeat(64));
        assert_eq!(parse(&[digest]).unwrap()[0].named, Named::Image);
    }
}

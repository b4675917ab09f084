//! Where the versions of a trust root lie.
//!
//! Parsed from `policy.toml`. The signatures decide whether a root is good, never the source; but nobody is sent to a
//! place that two programs could read as two.

use std::{fmt, path::PathBuf};

use countersign_common::{Escaped, ImageRef, Repository};
use url::Url;

use super::invalid::SourceInvalid;

/// A place that has the versions of a trust root.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RootSource {
    /// A folder with `N.root.json`, by its absolute path.
    Folder(PathBuf),
    /// A folder of the web with `N.root.json`; its path ends in `/`.
    Https(Url),
    /// A repository with tags `countersign-root-vN`.
    Oci(Repository),
}

impl RootSource {
    /// Parses `file:/absolute/folder`, `oci://host/path` or `https://host/path/`.
    pub fn parse(text: &str) -> Result<Self, SourceInvalid> {
        if let Some(path) = text.strip_prefix("file:") {
            folder(path).map(Self::Folder)
        } else if let Some(name) = text.strip_prefix("oci://") {
            repository(name).map(Self::Oci)
        } else if text.starts_with("https://") {
            https(text).map(Self::Https)
        } else {
            Err(SourceInvalid::Scheme)
        }
    }
}

impl fmt::Display for RootSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "file:{}", Escaped(&path.to_string_lossy())),
            Self::Https(url) => fmt::Display::fmt(url, f),
            Self::Oci(repository) => write!(f, "oci://{repository}"),
        }
    }
}

fn folder(path: &str) -> Result<PathBuf, SourceInvalid> {
    let path = path.strip_prefix("//").unwrap_or(path);
    // What a URL would decode, and a host before the path, would be one folder here and another elsewhere.
    let is_plain = path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains(|character: char| {
            matches!(character, '%' | '?' | '#' | '\\') || character.is_control()
        });
    if is_plain {
        Ok(PathBuf::from(path))
    } else {
        Err(SourceInvalid::Folder)
    }
}

/// A name that is spelled as it is compared. So it has no tag, no digest, and no registry that was only understood.
fn repository(name: &str) -> Result<Repository, SourceInvalid> {
    ImageRef::parse(name)
        .ok()
        .map(|image| image.repository().clone())
        .filter(|repository| repository.to_string() == name)
        .ok_or(SourceInvalid::Oci)
}

fn https(text: &str) -> Result<Url, SourceInvalid> {
    let mut url = Url::parse(text).map_err(|_| SourceInvalid::Https)?;
    // Spelled as it will be asked for: parsers forgive `https:///host`, `\\` and tabs, each in its own way.
    let is_plain = (url.as_str() == text || url.as_str().strip_suffix('/') == Some(text))
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if !is_plain {
        return Err(SourceInvalid::Https);
    }
    // Otherwise a name that is joined to it would take the place of the folder's.
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_folder_a_repository_or_a_web_folder() {
        for (text, shown) in [
            ("file:/etc/acme/", "file:/etc/acme/"),
            ("file:///etc/acme", "file:/etc/acme"),
            ("https://acme.example", "https://acme.example/"),
            ("https://acme.example/roots", "https://acme.example/roots/"),
            ("https://acme.example:8443/", "https://acme.example:8443/"),
            (
                "oci://registry.example:5000/trust/acme",
                "oci://registry.example:5000/trust/acme",
            ),
        ] {
            assert_eq!(RootSource::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_could_be_two_places_is_none() {
        for (text, reason) in [
            ("", SourceInvalid::Scheme),
            ("/etc/acme", SourceInvalid::Scheme),
            ("http://acme.example/", SourceInvalid::Scheme),
            ("FILE:/etc/acme", SourceInvalid::Scheme),
            ("file:", SourceInvalid::Folder),
            ("file:acme", SourceInvalid::Folder),
            ("file:./acme", SourceInvalid::Folder),
            ("file://host/acme", SourceInvalid::Folder),
            ("file:////host/acme", SourceInvalid::Folder),
            ("file:/etc/a%20b", SourceInvalid::Folder),
            ("file:/etc/a?b", SourceInvalid::Folder),
            ("file:/etc/a\nb", SourceInvalid::Folder),
            ("oci://", SourceInvalid::Oci),
            ("oci://acme", SourceInvalid::Oci),
            ("oci://registry.example/Acme", SourceInvalid::Oci),
            ("oci://registry.example/acme:1", SourceInvalid::Oci),
            ("oci://registry.example:443/acme", SourceInvalid::Oci),
            ("oci://registry.example/acme/", SourceInvalid::Oci),
            ("https://", SourceInvalid::Https),
            ("https://user@acme.example/", SourceInvalid::Https),
            ("https://:password@acme.example/", SourceInvalid::Https),
            ("https:///acme.example/", SourceInvalid::Https),
            ("https://Acme.example/", SourceInvalid::Https),
            ("https://acme.example:443/", SourceInvalid::Https),
            ("https://acme.example\\x/", SourceInvalid::Https),
            ("https://acme.example/a/../b/", SourceInvalid::Https),
            ("https://acme.example/?a", SourceInvalid::Https),
            ("https://acme.example/#a", SourceInvalid::Https),
        ] {
            assert_eq!(RootSource::parse(text), Err(reason), "{text}");
        }
    }
}

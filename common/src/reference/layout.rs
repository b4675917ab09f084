//! References to images in OCI image-layout folders: `oci:PATH[:TAG][@DIGEST]`.
//!
//! Parsed once, at the edge of the command. A folder has no name that anybody signs: whoever uses one says which
//! repository its images are for. Nothing is read here, least of all a claim of the folder about itself.

use std::fmt;

use super::{ImageRef, Reason, ReferenceInvalid, Repository, is_tag};
use crate::{Digest, Escaped};

/// What a reference to a layout begins with.
const TRANSPORT: &str = "oci:";
/// The longest path that systems take.
const PATH_LENGTH: usize = 4_096;

/// An image in a layout: the folder, and which of its images; without tag and digest the only one that it has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LayoutRef {
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl LayoutRef {
    /// Parses a reference to a layout; `None` if the text is for a registry.
    ///
    /// What follows the last colon behind the last slash is a tag, what follows an `@` there a digest. A path with either
    /// of them in its last part could be read in two ways.
    pub fn parse(text: &str) -> Option<Result<Self, ReferenceInvalid>> {
        let rest = text.strip_prefix(TRANSPORT)?;
        Some(parse(rest).map_err(|reason| ReferenceInvalid::new(text, reason)))
    }

    /// The folder.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The image, as one of this repository.
    pub fn of(&self, repository: &Repository) -> ImageRef {
        ImageRef {
            repository: repository.clone(),
            tag: self.tag.clone(),
            digest: self.digest.clone(),
        }
    }
}

impl fmt::Display for LayoutRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{TRANSPORT}{}", Escaped(&self.path))?;
        self.tag.iter().try_for_each(|tag| write!(f, ":{tag}"))?;
        self.digest
            .iter()
            .try_for_each(|digest| write!(f, "@{digest}"))
    }
}

fn parse(text: &str) -> Result<LayoutRef, Reason> {
    if text.len() > PATH_LENGTH {
        return Err(Reason::PathTooLong);
    }
    // `oci://registry.example/chart` is how other tools name a registry.
    if text.starts_with("//") {
        return Err(Reason::Scheme);
    }
    let last = text.rfind('/').map_or(0, |slash| slash + 1);
    let (folders, last) = text.split_at_checked(last).ok_or(Reason::Layout)?;
    let (last, digest) = match last.split_once('@') {
        Some((last, digest)) => (
            last,
            Some(Digest::parse(digest).map_err(|_| Reason::Digest)?),
        ),
        None => (last, None),
    };
    let (last, tag) = match last.split_once(':') {
        Some((_, tag)) if !is_tag(tag) => return Err(Reason::Tag),
        Some((last, tag)) => (last, Some(tag.to_owned())),
        None => (last, None),
    };
    let path = format!("{folders}{last}");
    if path.is_empty() || path.contains('\0') {
        return Err(Reason::Layout);
    }
    Ok(LayoutRef { path, tag, digest })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Explain;

    const DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    fn shop() -> Repository {
        Repository::parse("registry.example/shop").unwrap()
    }

    #[track_caller]
    fn parts(text: &str) -> (String, String) {
        let parsed = LayoutRef::parse(text).unwrap().unwrap();
        assert_eq!(parsed.to_string(), text);
        (parsed.path().to_owned(), parsed.of(&shop()).to_string())
    }

    #[test]
    fn the_tag_begins_behind_the_last_slash() {
        let of = |rest: &str| format!("registry.example/shop{rest}");
        for (text, path, rest) in [
            ("oci:build", "build", ""),
            ("oci:build:1.4", "build", ":1.4"),
            ("oci:.", ".", ""),
            ("oci:..:1", "..", ":1"),
            ("oci:./a/b:1", "./a/b", ":1"),
            ("oci:/srv/a:b/c@d/e:1", "/srv/a:b/c@d/e", ":1"),
            ("oci:C:/build", "C:/build", ""),
            ("oci:build/", "build/", ""),
            ("oci:build/:1", "build/", ":1"),
            ("oci:/", "/", ""),
            ("oci:a b\u{e9}", "a b\u{e9}", ""),
        ] {
            assert_eq!(parts(text), (path.to_owned(), of(rest)), "{text}");
        }
        let pinned = format!("oci:a/b@{DIGEST}");
        assert_eq!(
            parts(&pinned),
            ("a/b".to_owned(), of(&format!("@{DIGEST}")))
        );
        let both = format!("oci:a/b:1@{DIGEST}");
        assert_eq!(
            parts(&both),
            ("a/b".to_owned(), of(&format!(":1@{DIGEST}")))
        );
    }

    #[test]
    fn anything_doubtful_is_refused() {
        let long = format!("oci:{}", "p".repeat(4_097));
        for text in [
            "oci:",
            "oci::",
            "oci::1",
            "oci:@",
            "oci:a:",
            "oci:a@",
            "oci:a:b:c",
            "oci:a:-1",
            "oci:a:t g",
            "oci:a@b",
            "oci:a@sha256:abc",
            "oci:a@b@sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            "oci:C:\\build",
            "oci:a\0b",
            "oci://registry.example/chart:1",
            &long,
        ] {
            let error = LayoutRef::parse(text).unwrap().unwrap_err();
            assert_eq!(error.code(), ReferenceInvalid::CODE, "{text:.80}");
        }
        LayoutRef::parse(&long[..4_100]).unwrap().unwrap();
    }

    #[test]
    fn what_is_for_a_registry_is_none() {
        for text in [
            "oci",
            "registry.example/oci:1",
            "OCI:a",
            " oci:a",
            "oci-archive:a",
        ] {
            assert_eq!(LayoutRef::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered_without_a_panic_and_read_in_one_way(text: String) {
            if let Some(Ok(parsed)) = LayoutRef::parse(&format!("oci:{text}")) {
                let again = format!("oci:{}", parsed.path());
                let again = LayoutRef::parse(&again).unwrap().unwrap();
                prop_assert_eq!(again.path(), parsed.path());
            }
        }
    }
}

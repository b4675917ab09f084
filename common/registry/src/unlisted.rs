//! Which repositories are in registries without the referrers API, so that each is asked for it once.
//!
//! Remembered by the client for as long as the process lives. Whoever asks for the list of such a repository goes on to the
//! fallback tag at once.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use countersign_common::Repository;

use crate::body::ErrorBody;

/// The repositories.
///
/// By whether each has answered the API. One that has is never taken for one without, whatever it says once; and one that is
/// is asked again before an image is said to have nothing: a gateway's stray page must not make all that follow look unsigned.
///
/// By repository and not by registry: one host may serve several registries under one name each, and a mirror lists what it
/// copies as its origin does. A registry gains nothing by denying the API and offering it later: what it would hide so it
/// could as well leave out of the list, and an image without signatures is refused either way.
#[derive(Debug, Default)]
pub(crate) struct Unlisted(Mutex<HashMap<String, Api>>);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Api {
    Answers,
    Missing,
}

impl Unlisted {
    pub(crate) fn has(&self, repository: &Repository) -> bool {
        self.known().get(&repository.to_string()) == Some(&Api::Missing)
    }

    /// Learns from an answer of the API.
    pub(crate) fn answers(&self, repository: &Repository) {
        self.known().insert(repository.to_string(), Api::Answers);
    }

    /// Learns from a 404 of the API, if it is about the API.
    pub(crate) fn learn(&self, repository: &Repository, said: &ErrorBody) {
        if is_about_api(said) {
            let mut known = self.known();
            known.entry(repository.to_string()).or_insert(Api::Missing);
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Api>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A registry with the API answers 200 whether or not it knows the subject. Some say 404 all the same, and name what they do
/// not find: the repository or the manifest. Those who do not know the path speak of the path, or send no error of a registry.
fn is_about_api(said: &ErrorBody) -> bool {
    const OF_PATHS: [&str; 5] = [
        "",
        "METHOD_UNKNOWN",
        "NOT_FOUND",
        "PAGE_NOT_FOUND",
        "UNSUPPORTED",
    ];
    OF_PATHS.contains(&said.code.as_str())
}

#[cfg(test)]
mod tests {
    use countersign_common::ImageRef;

    use super::*;

    #[test]
    fn only_what_is_said_of_the_path_is_remembered_and_only_of_its_repository() {
        let of = |image: &str| ImageRef::parse(image).unwrap().repository().clone();
        for (code, is_remembered) in [
            ("", true),
            ("METHOD_UNKNOWN", true),
            ("UNSUPPORTED", true),
            ("NAME_UNKNOWN", false),
            ("MANIFEST_UNKNOWN", false),
            ("DENIED", false),
            ("NEVER_HEARD_OF", false),
        ] {
            let unlisted = Unlisted::default();
            let said = ErrorBody {
                code: code.to_owned(),
                message: String::new(),
            };
            unlisted.learn(&of("registry.example/a/b"), &said);
            assert_eq!(
                unlisted.has(&of("registry.example/a/b:1")),
                is_remembered,
                "{code}"
            );
            assert!(!unlisted.has(&of("registry.example/a/c")));
            assert!(!unlisted.has(&of("other.example/a/b")));
            unlisted.answers(&of("registry.example/a/b"));
            unlisted.learn(&of("registry.example/a/b"), &said);
            assert!(!unlisted.has(&of("registry.example/a/b")), "{code}");
        }
    }
}

//! The paths of the OCI distribution API. Parsed once for each request; a name may have any number of segments.

/// What a path names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Route {
    Blob(String, String),
    Manifest(String, Reference),
    Referrers(String, String),
    Tags(String),
    Token,
    Unknown,
    Upload(String, String),
    Uploads(String),
    Version,
}

/// A manifest's tag or digest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Reference {
    Digest(String),
    Tag(String),
}

impl Route {
    pub(crate) fn parse(path: &str) -> Self {
        match path {
            "/token" => return Self::Token,
            "/v2/" | "/v2" => return Self::Version,
            _ => {}
        }
        let Some(path) = path.strip_prefix("/v2/") else {
            return Self::Unknown;
        };
        Self::of_repository(path)
            .filter(|(name, _)| is_name(name))
            .map_or(Self::Unknown, |(_, route)| route)
    }

    fn of_repository(path: &str) -> Option<(&str, Self)> {
        if let Some((name, id)) = path.rsplit_once("/blobs/uploads/") {
            let route = match id {
                "" => Self::Uploads(name.into()),
                id => Self::Upload(name.into(), id.into()),
            };
            return Some((name, route));
        }
        if let Some(name) = path.strip_suffix("/blobs/uploads") {
            return Some((name, Self::Uploads(name.into())));
        }
        if let Some(name) = path.strip_suffix("/tags/list") {
            return Some((name, Self::Tags(name.into())));
        }
        let (rest, last) = path.rsplit_once('/')?;
        let (name, kind) = rest.rsplit_once('/')?;
        let route = match kind {
            "blobs" => Self::Blob(name.into(), last.into()),
            "manifests" => Self::Manifest(name.into(), Reference::parse(last)),
            "referrers" => Self::Referrers(name.into(), last.into()),
            _ => return None,
        };
        Some((name, route))
    }

    /// The repository, where there is one.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Blob(name, _)
            | Self::Manifest(name, _)
            | Self::Referrers(name, _)
            | Self::Tags(name)
            | Self::Upload(name, _)
            | Self::Uploads(name) => Some(name),
            Self::Token | Self::Unknown | Self::Version => None,
        }
    }
}

impl Reference {
    pub(crate) fn parse(text: &str) -> Self {
        if text.contains(':') {
            Self::Digest(text.into())
        } else {
            Self::Tag(text.into())
        }
    }
}

/// Whether this may be a repository's name: `team/app`, no upper case, no empty segment.
pub(crate) fn is_name(name: &str) -> bool {
    let edge = |byte: Option<u8>| {
        byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    name.len() <= 255
        && name.split('/').all(|segment| {
            let mut bytes = segment.bytes();
            let inside = |byte: u8| edge(Some(byte)) || b"._-".contains(&byte);
            edge(bytes.next()) && segment.bytes().all(inside) && edge(segment.bytes().last())
        })
}

/// Whether this may be a tag.
pub(crate) fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|byte| word(byte) || b".-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_have_segments_that_look_like_the_api() {
        assert_eq!(
            Route::parse("/v2/blobs/uploads/manifests/v1"),
            Route::Manifest("blobs/uploads".into(), Reference::Tag("v1".into()))
        );
        assert_eq!(
            Route::parse("/v2/a/b/blobs/uploads/"),
            Route::Uploads("a/b".into())
        );
        assert_eq!(
            Route::parse("/v2/a/b/blobs/uploads/1-2"),
            Route::Upload("a/b".into(), "1-2".into())
        );
        assert_eq!(
            Route::parse("/v2/a/referrers/sha256:00"),
            Route::Referrers("a".into(), "sha256:00".into())
        );
    }

    #[test]
    fn what_is_no_path_of_the_api_is_unknown() {
        for path in [
            "/",
            "/v1/",
            "/v2/a",
            "/v2/A/tags/list",
            "/v2/../tags/list",
            "/v2//blobs/x",
        ] {
            assert_eq!(Route::parse(path), Route::Unknown, "{path}");
        }
    }
}

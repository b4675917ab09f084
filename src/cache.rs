//! Where a command keeps what it fetches by its digest. One that cannot be used is said and ends nothing.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use countersign_common::Limits;
use countersign_registry::{Cache, CacheError, Client};

use crate::arguments::cache::Caching;

/// The client with the user's cache, or as it is where there is none.
pub(crate) fn lend(client: Client, arguments: &Caching) -> Client {
    match open(arguments) {
        Some(cache) => client.cached(cache),
        None => client,
    }
}

fn open(arguments: &Caching) -> Option<Cache> {
    if arguments.no_cache {
        return None;
    }
    let named = arguments.cache_dir.as_deref();
    let folder = named
        .map(Path::to_owned)
        .or_else(|| own_folder(|name| std::env::var_os(name)))?;
    let opened = Cache::open(&folder, Limits::TABLE.cache);
    opened
        .inspect_err(|error| match error {
            // Many who run this in a container have no home, and cannot make one.
            CacheError::Unusable { .. } if named.is_none() => {
                tracing::info!("nothing is kept: {error}");
            }
            _ => tracing::warn!(
                "the cache is not used: {error}; name another folder with `--cache-dir`, or give `--no-cache`"
            ),
        })
        .ok()
}

/// Where the user's programs keep what they can fetch again, by the XDG base directory specification.
fn own_folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name| {
        let path = variable(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    let user = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(user.join("countersign"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_the_users_own_and_never_relative() {
        let folder = |variables: &[(&str, &str)]| {
            let find = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| OsString::from(value))
            };
            own_folder(find)
        };
        let home = ("HOME", "/home/ann");
        let own = Some(PathBuf::from("/home/ann/.cache/countersign"));
        assert_eq!(folder(&[home]), own);
        assert_eq!(folder(&[home, ("XDG_CACHE_HOME", "cache")]), own);
        assert_eq!(folder(&[home, ("XDG_CACHE_HOME", "")]), own);
        assert_eq!(
            folder(&[home, ("XDG_CACHE_HOME", "/var/cache/ann")]),
            Some(PathBuf::from("/var/cache/ann/countersign"))
        );
        assert_eq!(folder(&[("HOME", "")]), None);
        assert_eq!(folder(&[]), None);
    }
}

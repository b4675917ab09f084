//! Keys as people name them to a trust root: new ones with their owner, and those that it lists.

use std::path::Path;

use countersign_common::Algorithm;
use countersign_trust_roots::root::{Contents, DeclaredKey, NewKey};

use super::error::TrustError;
use crate::{
    keys::{self, KeySource},
    output::Stop,
};

/// The fewest digits of an id by which a key is named.
const SHORTEST: usize = 8;

/// Takes the owner off the front: `alice=alice.pub`. A path or an address has none before its own first `=`.
pub(super) fn owned(text: &str) -> (Option<&str>, &str) {
    match text.split_once('=') {
        Some((owner, key)) if !owner.is_empty() && !owner.contains(['/', ':']) => {
            (Some(owner), key)
        }
        _ => (None, text),
    }
}

/// A key that is added, by its public half. Of a KMS key that is the key itself, whatever alias led to it.
pub(super) async fn new_key(
    name: &str,
    owner: Option<&str>,
    algorithm: Option<Algorithm>,
) -> Result<NewKey, Stop> {
    let (public, kms) = keys::public_half(&KeySource::parse(name)?, algorithm).await?;
    Ok(NewKey {
        public,
        owner: owner.map(str::to_owned),
        kms,
    })
}

/// The same for the only key: an algorithm must be for it.
pub(super) async fn one_new_key(
    name: &str,
    owner: Option<&str>,
    algorithm: Option<Algorithm>,
) -> Result<NewKey, Stop> {
    let key = new_key(name, owner, algorithm).await?;
    match algorithm {
        Some(algorithm) if key.public.algorithm() != algorithm => {
            Err(keys::algorithm_unused(algorithm))
        }
        _ => Ok(key),
    }
}

/// The id of a key that the root lists: by digits of the id, or of the hash of the key that verdicts name it by, or by the key.
pub(super) async fn listed(name: &str, root: &Contents) -> Result<String, Stop> {
    let is_named = |id: &str, declared: &DeclaredKey| {
        let key = declared.key.as_ref().map(|key| key.id().as_str());
        id.starts_with(name) || key.is_some_and(|key| key.starts_with(name))
    };
    let by_id: Vec<&String> = root
        .keys()
        .iter()
        .filter(|(id, declared)| name.len() >= SHORTEST && is_named(id, declared))
        .map(|(id, _)| id)
        .collect();
    match by_id.as_slice() {
        [id] => return Ok((*id).clone()),
        [] => {}
        several => {
            return Err(TrustError::KeyAmbiguous {
                text: name.to_owned(),
                ids: several.iter().map(|id| (*id).clone()).collect(),
            }
            .into());
        }
    }
    let unknown = || TrustError::KeyNotInRoot {
        key: name.to_owned(),
    };
    let is_id = name.len() >= SHORTEST && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id && !Path::new(name).exists() {
        return Err(unknown().into());
    }
    let (public, _) = keys::public_half(&KeySource::parse(name)?, None).await?;
    let found = root.keys().iter().find(|(_, declared)| {
        let key = declared.key.as_ref();
        key.is_some_and(|key| key.id() == public.id())
    });
    let (id, _) = found.ok_or_else(unknown)?;
    Ok(id.clone())
}

#[cfg(test)]
mod tests {
    use super::owned;

    #[test]
    fn an_owner_is_a_name_in_front() {
        for (text, owner, key) in [
            ("alice=alice.pub", Some("alice"), "alice.pub"),
            (
                "release team=awskms:///alias/r",
                Some("release team"),
                "awskms:///alias/r",
            ),
            ("alice=dir/a=b.pub", Some("alice"), "dir/a=b.pub"),
            ("./a=b.pub", None, "./a=b.pub"),
            ("awskms:///alias/a=b", None, "awskms:///alias/a=b"),
            ("=a.pub", None, "=a.pub"),
            ("alice.pub", None, "alice.pub"),
        ] {
            assert_eq!(owned(text), (owner, key), "{text}");
        }
    }
}

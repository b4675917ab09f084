//! `countersign trust init`: the first version, from flags, or from answers on a terminal.

use std::num::NonZeroUsize;

use countersign_trust_roots::{Pattern, Role, root::ScopeEdit};

use super::{
    ask,
    edit::{self, Edit},
    error::TrustError,
    named,
    tsa::{self, Authority},
};
use crate::{
    arguments::{
        Common,
        trust::{self, TrustInit},
    },
    exit::Exit,
    files, keys,
    output::Stop,
};

/// How many people are a good number: one may lose a key, and one may lose another's trust.
const PEOPLE: usize = 3;

pub(super) async fn run(
    arguments: &TrustInit,
    common: &Common,
    now: countersign_common::Timestamp,
) -> Result<Exit, Stop> {
    let path = edit::dir(&arguments.change.folder)?;
    let name = ask::required(
        arguments.name.clone(),
        "--name",
        "Name of the trust root, such as acme",
        ask::text,
    )?;
    let root_keys = ask::several(
        &arguments.root_keys,
        "--root-key",
        "Key that signs the root itself, such as alice=alice.pub",
        ask::text,
    )?;
    let repositories = ask::several(
        &arguments.repositories,
        "--repository",
        "Repositories, such as registry.example/shop/**",
        trust::pattern,
    )?;
    let authorities = authorities(arguments)?;
    let lists = online(arguments)?;
    files::make_folder(&path)?;
    let mut edit = Edit::first(&path, &name, arguments.change.valid_for, now)?;
    add_root_keys(&mut edit, &root_keys, arguments).await?;
    edit.draft
        .set_scope(&repositories, &ScopeEdit::default())
        .map_err(TrustError::from)?;
    if let Some(pattern) = repositories.first() {
        add_online_keys(&mut edit, &lists, pattern, arguments).await?;
    }
    algorithm_is_used(&edit, arguments)?;
    for authority in authorities {
        authority.add(&mut edit)?;
    }
    edit.finish(common)
}

/// Keys of pipelines, and what they are for.
type Online = (Vec<String>, &'static [Role]);

/// The keys of pipelines, with their roles. Somebody must be able to sign.
fn online(arguments: &TrustInit) -> Result<Vec<Online>, TrustError> {
    let given = [
        (arguments.sign_keys.clone(), &[Role::Sign][..]),
        (arguments.publish_keys.clone(), &[Role::Publish]),
        (arguments.heartbeat_keys.clone(), &[Role::Heartbeat]),
    ];
    let is_given = given.iter().any(|(keys, _)| !keys.is_empty());
    let release = if is_given {
        arguments.release_keys.clone()
    } else {
        ask::several(
            &arguments.release_keys,
            "--release-key",
            "Key that signs and publishes images, such as awskms:///alias/release",
            ask::text,
        )?
    };
    let release = (release, &[Role::Sign, Role::Publish][..]);
    Ok([release].into_iter().chain(given).collect())
}

fn authorities(arguments: &TrustInit) -> Result<Vec<Authority>, Stop> {
    let (urls, chains, operators) = (
        &arguments.tsa_urls,
        &arguments.tsa_chains,
        &arguments.tsa_operators,
    );
    if urls.len() != chains.len() || urls.len() != operators.len() {
        return Err(TrustError::TsaIncomplete.into());
    }
    urls.iter()
        .zip(chains)
        .zip(operators)
        .map(|((url, chain), operator)| tsa::Authority::read(url.clone(), chain, operator.clone()))
        .collect()
}

async fn add_root_keys(
    edit: &mut Edit,
    names: &[String],
    arguments: &TrustInit,
) -> Result<(), Stop> {
    for name in names {
        let (owner, key) = named::owned(name);
        let key = named::new_key(key, owner, arguments.algorithm).await?;
        edit.draft.add_root_key(&key).map_err(TrustError::from)?;
    }
    // One of one is refused when it is signed; two of one would be as useless.
    let two = NonZeroUsize::MIN.saturating_add(1);
    edit.draft
        .set_root_threshold(arguments.threshold.unwrap_or(two));
    if names.len() < PEOPLE {
        edit.notes.push(format!(
            "{} root keys: take {PEOPLE}, with {PEOPLE} people, so that one who loses a key does not stop the others",
            names.len()
        ));
    }
    Ok(())
}

async fn add_online_keys(
    edit: &mut Edit,
    lists: &[Online],
    pattern: &Pattern,
    arguments: &TrustInit,
) -> Result<(), Stop> {
    for (names, roles) in lists {
        for name in names {
            let (owner, key) = named::owned(name);
            let key = named::new_key(key, owner, arguments.algorithm).await?;
            for role in *roles {
                edit.draft
                    .add_key(&key, *role, pattern)
                    .map_err(TrustError::from)?;
            }
        }
    }
    Ok(())
}

fn algorithm_is_used(edit: &Edit, arguments: &TrustInit) -> Result<(), Stop> {
    let Some(algorithm) = arguments.algorithm else {
        return Ok(());
    };
    let contents = edit.contents()?;
    let mut keys = contents.keys().values().filter_map(|key| key.key.as_ref());
    if keys.any(|key| key.algorithm() == algorithm) {
        Ok(())
    } else {
        Err(keys::algorithm_unused(algorithm))
    }
}

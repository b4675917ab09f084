//! `countersign trust add-key`, `remove-key` and `rotate`: keys come and go, and what they signed in their time stays.

use std::time::Duration;

use countersign_common::Timestamp;
use countersign_trust_roots::{
    Pattern, Role,
    root::{Contents, EditRefused, NewKey, Scope},
};

use super::{
    ask,
    change_refused::ChangeRefused,
    edit::{self, Edit},
    error::TrustError,
    named, wording,
};
use crate::{
    arguments::{
        Common,
        trust::{TrustAddKey, TrustRemoveKey, TrustRole, TrustRotate},
    },
    exit::Exit,
    output::Stop,
};

/// How long the old key of a rotation goes on to count, so that all pipelines can be switched.
const OVERLAP: Duration = Duration::from_hours(30 * 24);

pub(super) async fn add(
    arguments: &TrustAddKey,
    common: &Common,
    now: Timestamp,
) -> Result<Exit, Stop> {
    let mut edit = Edit::open(&arguments.change, now)?;
    let roles = &arguments.roles;
    if roles.is_empty() {
        return Err(TrustError::FlagMissing { flag: "--role" }.into());
    }
    let is_root = roles.contains(&TrustRole::Root);
    if is_root && roles.iter().any(|role| *role != TrustRole::Root) {
        return Err(TrustError::RoleMixed.into());
    }
    if is_root {
        about_scopes(&[
            ("--scope", arguments.scope.is_some()),
            ("--not-before", arguments.not_before.is_some()),
        ])?;
    }
    let name = ask::required(arguments.key.clone(), "--key", "The key", ask::text)?;
    let owner = arguments.owner.as_deref();
    let key = named::one_new_key(&name, owner, arguments.algorithm).await?;
    if is_root {
        edit.draft.add_root_key(&key).map_err(TrustError::from)?;
    } else {
        add_to_scope(&mut edit, &key, arguments)?;
    }
    set_threshold(&mut edit, arguments.threshold, is_root)?;
    edit.finish(common)
}

/// A root key counts from the version on that lists it, until one does not: a date that was given for it would be lost.
fn about_scopes(flags: &[(&'static str, bool)]) -> Result<(), TrustError> {
    match flags.iter().find(|(_, is_given)| *is_given) {
        Some((flag, _)) => Err(ChangeRefused::FlagMisplaced { flag }.into()),
        None => Ok(()),
    }
}

fn set_threshold(
    edit: &mut Edit,
    threshold: Option<std::num::NonZeroUsize>,
    is_root: bool,
) -> Result<(), TrustError> {
    match threshold {
        Some(threshold) if is_root => edit.draft.set_root_threshold(threshold),
        Some(_) => return Err(TrustError::ThresholdMisplaced),
        None => {}
    }
    Ok(())
}

fn add_to_scope(edit: &mut Edit, key: &NewKey, arguments: &TrustAddKey) -> Result<(), TrustError> {
    let contents = edit.contents()?;
    let scope = match &arguments.scope {
        Some(scope) => scope.clone(),
        None => only_scope(&contents)?,
    };
    let added = scope_roles(&arguments.roles).map(|role| edit.draft.add_key(key, role, &scope));
    let (added, refused): (Vec<_>, Vec<_>) = added.partition(Result::is_ok);
    // What it has already takes nothing away from what it has not.
    for refused in refused {
        match refused {
            Err(EditRefused::KeyListed { .. }) if !added.is_empty() => {}
            refused => drop(refused?),
        }
    }
    let Some(Ok(id)) = added.into_iter().next() else {
        return Ok(());
    };
    if arguments.not_before.is_some() {
        let mut term = contents.term(&id);
        term.valid.start = arguments.not_before;
        edit.draft.set_term(&id, &term)?;
    }
    Ok(())
}

/// Each once, whatever was given twice.
fn scope_roles(roles: &[TrustRole]) -> impl Iterator<Item = Role> {
    let has = |role: TrustRole| roles.contains(&role) || roles.contains(&TrustRole::Release);
    let heartbeat = roles.contains(&TrustRole::Heartbeat);
    [
        has(TrustRole::Sign).then_some(Role::Sign),
        has(TrustRole::Publish).then_some(Role::Publish),
        heartbeat.then_some(Role::Heartbeat),
    ]
    .into_iter()
    .flatten()
}

pub(super) fn only_scope(contents: &Contents) -> Result<Pattern, TrustError> {
    let unclear = || TrustError::ScopeUnclear {
        scopes: contents.scopes().iter().map(Scope::name).collect(),
    };
    match contents.scopes() {
        [only] => only.repositories.first().cloned().ok_or_else(unclear),
        _ => Err(unclear()),
    }
}

/// Whether a key is listed in any scope.
pub(super) fn is_in_scope(contents: &Contents, id: &str) -> bool {
    contents.scopes().iter().any(|scope| {
        Role::ALL
            .into_iter()
            .any(|role| scope.key_ids(role).iter().any(|listed| listed == id))
    })
}

fn is_root_key(contents: &Contents, id: &str) -> bool {
    contents
        .root_role()
        .key_ids
        .iter()
        .any(|listed| listed == id)
}

pub(super) async fn remove(
    arguments: &TrustRemoveKey,
    common: &Common,
    now: Timestamp,
) -> Result<Exit, Stop> {
    let mut edit = Edit::open(&arguments.change, now)?;
    let name = ask::required(
        arguments.key.clone(),
        "--key",
        "The key, or its id",
        ask::text,
    )?;
    let contents = edit.contents()?;
    let id = named::listed(&name, &contents).await?;
    let is_root = arguments.role.is_some() || !is_in_scope(&contents, &id);
    if is_root {
        about_scopes(&[("--at", arguments.at.is_some())])?;
        edit.draft.remove_root_key(&id).map_err(TrustError::from)?;
    } else {
        retire(&mut edit, &id, arguments.at, now)?;
    }
    set_threshold(&mut edit, arguments.threshold, is_root)?;
    edit.finish(common)
}

/// Whatever somebody may have relied on stays listed. Nobody has relied on a draft.
fn retire(
    edit: &mut Edit,
    id: &str,
    at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), TrustError> {
    let contents = edit.contents()?;
    let key = wording::key(&contents, id);
    if !edit.newest().is_some_and(|newest| is_in_scope(newest, id)) {
        edit.draft.take_out_key(id)?;
        edit.notes.push(format!(
            "{key} was in no complete version, so nothing that it signed ever counted"
        ));
        return Ok(());
    }
    // What was to count no more since an end that has passed must not count again.
    let known = contents.term(id).valid.end;
    let at = at.unwrap_or_else(|| known.map_or(now, |end| end.min(now)));
    if let Some(end) = known.filter(|end| *end <= now && *end < at) {
        return Err(ChangeRefused::KeyEnded {
            key,
            end,
            draft: edit.draft_path(),
        }
        .into());
    }
    end(edit, &contents, id, at)?;
    edit.notes.push(format!(
        "what {key} signed until {at} goes on to count, so it stays listed; what it signs later does not"
    ));
    Ok(())
}

/// Ends the time of a key.
fn end(edit: &mut Edit, contents: &Contents, id: &str, at: Timestamp) -> Result<(), TrustError> {
    let mut term = contents.term(id);
    if let Some(start) = term.valid.start.filter(|start| *start > at) {
        return Err(ChangeRefused::EndsTooSoon {
            key: wording::key(contents, id),
            start,
        }
        .into());
    }
    term.valid.end = Some(at);
    edit.draft.set_term(id, &term)?;
    Ok(())
}

pub(super) async fn rotate(
    arguments: &TrustRotate,
    common: &Common,
    now: Timestamp,
) -> Result<Exit, Stop> {
    let mut edit = Edit::open(&arguments.change, now)?;
    let old = ask::required(
        arguments.old.clone(),
        "--old",
        "The old key, or its id",
        ask::text,
    )?;
    let new = ask::required(arguments.new.clone(), "--new", "The new key", ask::text)?;
    let contents = edit.contents()?;
    let old = named::listed(&old, &contents).await?;
    let owner = arguments.owner.as_deref();
    let new = named::one_new_key(&new, owner, arguments.algorithm).await?;
    if is_in_scope(&contents, &old) {
        let until = arguments.until.unwrap_or(edit::after(now, OVERLAP));
        rotate_in_scopes(&mut edit, &old, &new, (arguments.not_before, until))?;
    } else if is_root_key(&contents, &old) {
        about_scopes(&[
            ("--until", arguments.until.is_some()),
            ("--not-before", arguments.not_before.is_some()),
        ])?;
        edit.draft.add_root_key(&new).map_err(TrustError::from)?;
        edit.draft.remove_root_key(&old).map_err(TrustError::from)?;
        edit.notes.push(format!(
            "{} must still help to sign this version, or others of the version before; from the next one on it is nobody",
            wording::key(&contents, &old)
        ));
    } else {
        return Err(TrustError::Edit(EditRefused::KeyNotListed { id: old }).into());
    }
    edit.finish(common)
}

fn rotate_in_scopes(
    edit: &mut Edit,
    old: &str,
    new: &NewKey,
    (not_before, until): (Option<Timestamp>, Timestamp),
) -> Result<(), TrustError> {
    let contents = edit.contents()?;
    let before = edit::message(&edit.draft)?;
    let id = edit.draft.add_beside(old, new)?;
    if not_before.is_some() {
        let mut term = contents.term(&id);
        term.valid.start = not_before;
        edit.draft.set_term(&id, &term)?;
    }
    // An end that was set before, as for one that was stolen, is not moved on.
    let known = contents.term(old).valid.end;
    let until = known.map_or(until, |end| end.min(until));
    end(edit, &contents, old, until)?;
    if edit::message(&edit.draft)? == before {
        return Err(TrustError::Edit(EditRefused::KeyListed { id }));
    }
    edit.notes.push(format!(
        "what {} signs until {until} counts for ever: let every pipeline use the new key before",
        wording::key(&contents, old)
    ));
    Ok(())
}

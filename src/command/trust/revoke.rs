//! `countersign trust revoke`: what was stolen or misused, what follows for what was signed, and what must be done next.

use countersign_common::{Escaped, Limits, Timestamp};
use countersign_trust_roots::{
    Revocation, Role,
    root::{Contents, Scope},
    time::Standing,
};

use super::{change_refused::ChangeRefused, edit::Edit, error::TrustError, keys, named, wording};
use crate::{
    arguments::{Common, trust::TrustRevoke},
    exit::Exit,
    output::Stop,
};

pub(super) async fn run(
    arguments: &TrustRevoke,
    common: &Common,
    now: Timestamp,
) -> Result<Exit, Stop> {
    let mut edit = Edit::open(&arguments.change, now)?;
    if let Some(uri) = &arguments.tsa {
        void(&mut edit, uri)?;
        return edit.finish(common);
    }
    let name = arguments
        .key
        .clone()
        .ok_or(TrustError::FlagMissing { flag: "--key" })?;
    let contents = edit.contents()?;
    let id = named::listed(&name, &contents).await?;
    let key = wording::key(&contents, &id);
    if !keys::is_in_scope(&contents, &id) {
        return Err(TrustError::RootKeyRevoked { key }.into());
    }
    let revoked = match (arguments.from, arguments.to) {
        (Some(from), Some(to)) => Revocation::Misused { from, to },
        _ => Revocation::Compromised { at: arguments.at },
    };
    let mut term = contents.term(&id);
    if term
        .revoked
        .is_some_and(|before| !before.is_kept_by(Some(revoked)))
    {
        return Err(TrustError::Change(ChangeRefused::RevocationWeakened {
            key,
            before: wording::term(&term),
            draft: edit.draft_path(),
        })
        .into());
    }
    term.revoked = Some(revoked);
    edit.draft.set_term(&id, &term).map_err(TrustError::from)?;
    edit.notes.extend(consequences(&key, revoked));
    if matches!(revoked, Revocation::Compromised { .. }) {
        let next = edit.contents()?;
        edit.notes.extend(left_to_do(&next, &id, now));
    }
    edit.finish(common)
}

/// What counts no more.
fn consequences(key: &str, revoked: Revocation) -> Vec<String> {
    match revoked {
        Revocation::Compromised { at: None } => {
            vec![format!(
                "nothing that {key} ever signed counts: sign and publish it again with another key"
            )]
        }
        Revocation::Compromised { at: Some(at) } => vec![format!(
            "what {key} signed counts only where time stamps prove that it was before {at}; its heartbeats never do"
        )],
        Revocation::Misused { from, to } => vec![
            format!(
                "what {key} published counts no more where its proven interval touches {from} to {to}"
            ),
            format!(
                "its heartbeats count only if they are proven to be younger than {to}, and its signatures of images only \
if they are proven to be older than {from}: for the role sign, use another key"
            ),
        ],
    }
}

/// Whoever had the key may have made tables of tags, or heartbeats, that nobody has seen yet.
fn left_to_do(contents: &Contents, id: &str, now: Timestamp) -> Vec<String> {
    let lists = |scope: &Scope, role: Role| scope.key_ids(role).iter().any(|listed| listed == id);
    let mut notes = Vec::new();
    for scope in contents.scopes() {
        let pattern = scope.repositories.first().map(ToString::to_string);
        let pattern = pattern.unwrap_or_default();
        if lists(scope, Role::Publish) || lists(scope, Role::Heartbeat) {
            notes.push(format!(
                "void the tables of tags and heartbeats that its thief may have: countersign trust set-scope --repository \
'{pattern}' --epoch {}",
                scope.epoch.saturating_add(1)
            ));
        }
        for role in Role::ALL.into_iter().filter(|role| lists(scope, *role)) {
            if usable(contents, scope, role, now).is_empty() {
                notes.push(format!(
                    "nobody has the role {} of {pattern} now: countersign trust add-key --scope '{pattern}' --role {}",
                    role.name(),
                    role.name()
                ));
            }
        }
    }
    notes
}

/// The keys of a role whose signatures count at a moment.
pub(super) fn usable<'c>(
    contents: &Contents,
    scope: &'c Scope,
    role: Role,
    now: Timestamp,
) -> Vec<&'c String> {
    let is_usable = |id: &&String| {
        let term = contents.term(id);
        term.valid.contains(now) && !matches!(term.revoked, Some(Revocation::Compromised { .. }))
    };
    scope.key_ids(role).iter().filter(is_usable).collect()
}

fn void(edit: &mut Edit, uri: &str) -> Result<(), TrustError> {
    edit.draft.void_time_authority(uri, &Limits::TABLE)?;
    let contents = edit.contents()?;
    let good = contents.time().authorities.iter();
    let good = good.filter(|entry| entry.standing == Standing::Good);
    edit.notes.push(format!(
        "no stamp of {} counts, those of before neither: dates that no other authority proves are unproven",
        Escaped(uri)
    ));
    if good.count() == 0 {
        edit.notes.push(
            "no time-stamp authority is left to prove a date: countersign trust add-tsa".to_owned(),
        );
    }
    Ok(())
}

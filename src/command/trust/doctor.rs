//! `countersign trust doctor`: what is wrong with a root, or soon will be, before somebody finds out by losing something.

use std::{collections::BTreeSet, path::Path};

use countersign_common::{Code, Escaped, Explain, Limits, Timestamp, signer::KeyOrigin};
use countersign_kms::KeyUri;
use countersign_trust_roots::{
    Role,
    root::{Contents, Scope, lints},
    time::Standing,
};
use serde_json::json;

use super::{
    edit,
    folder::{self, Folder, Pending},
    revoke::usable,
    wording,
};
use crate::{
    arguments::{Common, Output, trust::TrustDoctor},
    exit::Exit,
    output::{self, Stop},
    roots::{self, EARLY},
};

pub(super) fn run(arguments: &TrustDoctor, common: &Common, now: Timestamp) -> Result<Exit, Stop> {
    let path = edit::dir(&arguments.folder)?;
    let found = match Folder::with_root(&path) {
        Ok(folder) => examine(&folder, now)?,
        // Found out, and no: the folder itself is what is wrong.
        Err(stop) if stop.exit() == Exit::Refused => vec![Finding::of(&stop)],
        Err(stop) => return Err(stop),
    };
    let is_fatal = found.iter().any(|finding| finding.weight == Weight::Fatal);
    report(&found, common)?;
    Ok(if is_fatal { Exit::Refused } else { Exit::Done })
}

fn report(found: &[Finding], common: &Common) -> Result<(), Stop> {
    if common.output == Output::Json {
        let findings: Vec<_> = found
            .iter()
            .map(|finding| {
                json!({
                    "code": finding.code,
                    "fatal": finding.weight == Weight::Fatal,
                    "message": finding.message,
                    "remedy": finding.remedy,
                })
            })
            .collect();
        return output::print_json(&json!({ "findings": findings }));
    }
    if found.is_empty() {
        return output::print("nothing is wrong\n");
    }
    let text: String = found
        .iter()
        .map(|finding| {
            let kind = match finding.weight {
                Weight::Fatal => "fatal",
                Weight::Warning => "warning",
            };
            output::explanation(kind, finding.code, &finding.message, &finding.remedy)
        })
        .collect();
    output::print(&text)
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Weight {
    /// It breaks, or is lost, with one more mishap; or it is broken.
    Fatal,
    /// It is worth an hour of somebody's time.
    Warning,
}

/// One thing that is wrong.
struct Finding {
    weight: Weight,
    code: Code,
    message: String,
    remedy: String,
}

impl Finding {
    fn fatal(code: &'static str, message: String, remedy: &str) -> Self {
        Self {
            weight: Weight::Fatal,
            code: Code::new(code),
            message,
            remedy: remedy.to_owned(),
        }
    }

    fn warning(code: &'static str, message: String, remedy: &str) -> Self {
        Self {
            weight: Weight::Warning,
            ..Self::fatal(code, message, remedy)
        }
    }

    fn explained(weight: Weight, what: &impl Explain) -> Self {
        Self {
            weight,
            code: what.code(),
            message: what.to_string(),
            remedy: what.remedy(),
        }
    }

    fn of(stop: &Stop) -> Self {
        let document = stop.document();
        Self {
            weight: Weight::Fatal,
            code: document.code,
            message: document.message.to_owned(),
            remedy: document.remedy.to_owned(),
        }
    }
}

fn examine(folder: &Folder, now: Timestamp) -> Result<Vec<Finding>, Stop> {
    let mut found = Vec::new();
    if let Some(newest) = folder.newest() {
        let before = newest.version().checked_sub(1);
        let before = before.filter(|before| folder.files().contains_key(before));
        let previous = before.map(|before| read(folder, before)).transpose()?;
        unsafe_things(newest, previous.as_ref(), now, &mut found);
        state(newest, now, &mut found);
    }
    match folder.pending() {
        Pending::Draft(draft) => {
            let contents = folder::contents(draft);
            let contents = contents.map_err(|fault| folder::root(&folder.draft_path(), fault))?;
            unsafe_things(&contents, folder.newest(), now, &mut found);
            if folder.newest().is_none() {
                state(&contents, now, &mut found);
            }
            let version = contents.version();
            found.push(Finding::warning(
                "draft-pending",
                format!("a draft of version {version} waits for signatures: what it changes is not in force"),
                "have it signed: `countersign trust sign`; or remove it",
            ));
        }
        Pending::Stale { version } => {
            found.push(Finding::explained(Weight::Warning, &folder.stale(*version)));
        }
        Pending::Nothing => {}
    }
    Ok(found)
}

fn read(folder: &Folder, version: u64) -> Result<Contents, Stop> {
    let contents = Contents::read(folder.version(version)?, &Limits::TABLE);
    let name = folder::file_name(version);
    Ok(contents.map_err(|fault| folder::root(Path::new(&name), fault))?)
}

fn unsafe_things(
    root: &Contents,
    previous: Option<&Contents>,
    now: Timestamp,
    found: &mut Vec<Finding>,
) {
    let version = root.version();
    for lint in lints(root, previous, now) {
        found.push(Finding {
            message: format!("version {version}: {lint}"),
            ..Finding::explained(Weight::Fatal, &lint)
        });
    }
}

fn state(root: &Contents, now: Timestamp, found: &mut Vec<Finding>) {
    expiry(root, now, found);
    people(root, found);
    places(root, found);
    for scope in root.scopes() {
        for role in [Role::Sign, Role::Publish] {
            signers(root, scope, role, now, found);
        }
    }
    time(root, now, found);
}

fn expiry(root: &Contents, now: Timestamp, found: &mut Vec<Finding>) {
    let expires = root.expires();
    if roots::expires_soon(root, now) {
        found.push(Finding::warning(
            "root-expires-soon",
            format!(
                "version {} expires at {expires}, {}: then nothing is trusted by it",
                root.version(),
                wording::distance(expires, now)
            ),
            "sign and publish a new version: `countersign trust set-scope --repository PATTERN` begins one",
        ));
    }
}

fn people(root: &Contents, found: &mut Vec<Finding>) {
    let role = root.root_role();
    let keys = role.key_ids.len();
    if role.threshold == 1 {
        found.push(Finding::fatal(
            "root-threshold-one",
            "one root key decides alone: whoever steals one decides what everybody trusts"
                .to_owned(),
            "let two sign: `countersign trust add-key --role root --key KEY --threshold 2`",
        ));
    }
    if keys < 3 {
        found.push(Finding::warning(
            "root-keys-few",
            format!("there are {keys} root keys; three, with three people, are a good number"),
            "add root keys: `countersign trust add-key --role root --owner NAME --key KEY`",
        ));
    }
    let owners: BTreeSet<_> = role
        .key_ids
        .iter()
        .filter_map(|id| Some(root.keys().get(id)?.owner.as_deref()))
        .collect();
    if let (Some(Some(owner)), 1, true) = (owners.first(), owners.len(), keys > 1) {
        found.push(Finding::warning(
            "root-owner-single",
            format!(
                "all root keys belong to {}, who can sign alone and be missed alone",
                Escaped(owner)
            ),
            "give root keys to other people: `countersign trust rotate --old ID --new KEY --owner NAME`",
        ));
    }
}

fn places(root: &Contents, found: &mut Vec<Finding>) {
    let account = |id: &String| -> Option<String> {
        let arn: KeyUri = root.keys().get(id)?.kms.as_ref()?.parse().ok()?;
        arn.account().map(str::to_owned)
    };
    let ids = &root.root_role().key_ids;
    let accounts: BTreeSet<_> = ids.iter().map(account).collect();
    if let (Some(Some(account)), 1, true) = (accounts.first(), accounts.len(), ids.len() > 1) {
        found.push(Finding::warning(
            "root-keys-one-account",
            format!(
                "all root keys are in the AWS account {}, whose administrator can sign alone",
                Escaped(account)
            ),
            "keep a root key elsewhere, in a file or in another account: `countersign trust rotate`",
        ));
    }
    let stand_in = |id: &&String| {
        account(id).is_some_and(|account| KeyOrigin::of_account(&account) == KeyOrigin::StandIn)
    };
    for id in root.keys().keys().filter(stand_in) {
        found.push(Finding::warning(
            "stand-in-key",
            format!(
                "{} lives in `countersign stand-in`, for demonstrations only",
                wording::key(root, id)
            ),
            "put a real key in its place: `countersign trust rotate`",
        ));
    }
}

fn signers(root: &Contents, scope: &Scope, role: Role, now: Timestamp, found: &mut Vec<Finding>) {
    let name = format!("{} of {}", role.name(), Escaped(&scope.name()));
    let usable = usable(root, scope, role, now);
    let end = |id: &str| root.term(id).valid.end;
    // One that begins later takes over when it does.
    let comes = scope.key_ids(role).iter().any(|id| {
        let term = root.term(id);
        term.revoked.is_none() && term.valid.start.is_some_and(|start| start > now)
    });
    match usable.as_slice() {
        [] => found.push(Finding::warning(
            "role-empty",
            format!("nobody has the role {name} now"),
            "add a key: `countersign trust add-key --role ROLE --key KEY`",
        )),
        all if !comes
            && all
                .iter()
                .all(|id| end(id).is_some_and(|end| end < edit::after(now, EARLY))) =>
        {
            let last = all.iter().filter_map(|id| end(id)).max().unwrap_or(now);
            found.push(Finding::warning(
                "role-ends-soon",
                format!(
                    "nobody has the role {name} after {last}, {}",
                    wording::distance(last, now)
                ),
                "add a key: `countersign trust add-key --role ROLE --key KEY`",
            ));
        }
        [only] if !comes => found.push(Finding::warning(
            "role-single",
            format!(
                "{} alone has the role {name}: if it is lost, releases wait for a new root",
                wording::key(root, only)
            ),
            "put another beside it, kept elsewhere: `countersign trust add-key --role ROLE --key KEY`",
        )),
        _ => {}
    }
}

fn time(root: &Contents, now: Timestamp, found: &mut Vec<Finding>) {
    let good = root.time().authorities.iter().filter(|entry| {
        entry.standing == Standing::Good && entry.valid.end.is_none_or(|end| end > now)
    });
    let operators: BTreeSet<_> = good.map(|entry| entry.operator.as_str()).collect();
    let scopes: Vec<_> = root.scopes().iter().map(Scope::name).collect();
    match operators.first() {
        None => found.push(Finding::warning(
            "tsa-missing",
            "no time-stamp authority is believed, so no date can be proven".to_owned(),
            "add two, of two operators: `countersign trust add-tsa`",
        )),
        Some(operator) if operators.len() == 1 => found.push(Finding::warning(
            "tsa-operator-single",
            format!(
                "all dates hang on {}: if it is compromised, every image published in {} is undated",
                Escaped(operator),
                Escaped(&scopes.join(", "))
            ),
            "add an authority of another operator, and publish with both: `countersign trust add-tsa`",
        )),
        Some(_) => {}
    }
}

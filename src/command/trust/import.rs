//! `countersign trust import`: what others list, into a draft. Whoever imports decides to believe it; what is imported is said
//! change by change, and what cannot be is named.

use std::collections::BTreeSet;

use countersign_common::{Digest, Escaped, Limits, Timestamp, rfc3161::Anchor};
use countersign_trust_roots::{
    Role,
    root::{Left, SigstoreAuthority, SigstoreRoot},
};

use super::{edit::Edit, error::TrustError, keys, named, tsa, wording};
use crate::{
    arguments::{Common, trust::TrustImport},
    exit::Exit,
    files,
    output::Stop,
    stamps,
};

pub(super) async fn run(
    arguments: &TrustImport,
    common: &Common,
    now: Timestamp,
) -> Result<Exit, Stop> {
    let mut edit = Edit::open(&arguments.change, now)?;
    if let Some(file) = &arguments.sigstore {
        let bytes = files::read_within(file, Limits::TABLE.root as u64)?;
        let read =
            SigstoreRoot::read(&bytes, &Limits::TABLE).map_err(|source| TrustError::Sigstore {
                path: file.display().to_string(),
                source,
            })?;
        let mut taken = BTreeSet::new();
        for entry in read.authorities {
            authority(&mut edit, entry, &mut taken, arguments)?;
        }
        edit.notes.extend(read.left.iter().map(not_carried_over));
    }
    for file in &arguments.cosign_keys {
        let key = named::new_key(file, arguments.owner.as_deref(), None).await?;
        let scope = match &arguments.scope {
            Some(scope) => scope.clone(),
            None => keys::only_scope(&edit.contents()?)?,
        };
        edit.draft
            .add_key(&key, Role::Sign, &scope)
            .map_err(TrustError::from)?;
    }
    if !arguments.cosign_keys.is_empty() {
        edit.notes.push(
            "cosign's signatures name no repository: verifiers count them only where a policy does not demand it".to_owned(),
        );
    }
    edit.finish(common)
}

/// Who operates an authority decides how many witnesses there are, so it is never guessed.
fn authority(
    edit: &mut Edit,
    entry: SigstoreAuthority,
    taken: &mut BTreeSet<(String, Digest)>,
    arguments: &TrustImport,
) -> Result<(), Stop> {
    let operator = entry.operator.or_else(|| arguments.tsa_operator.clone());
    let operator = operator.ok_or_else(|| TrustError::OperatorUnknown {
        uri: entry.uri.clone(),
    })?;
    let url = crate::arguments::trust::tsa_url(&entry.uri).map_err(|_| TrustError::TsaUrl {
        uri: entry.uri.clone(),
    })?;
    let anchor = Anchor::from_certificates(entry.certificates.clone(), &Limits::TABLE);
    let file = arguments.sigstore.clone().unwrap_or_default();
    let anchor = anchor.map_err(|source| stamps::no_chain(&file, source))?;
    // A root lists it once; of its times between the two entries the file says nothing.
    if !taken.insert((url.clone(), anchor.id().clone())) {
        let window = Some(wording::window(entry.valid)).filter(|window| !window.is_empty());
        edit.notes.push(format!(
            "not carried over: the time-stamp authority {} once more, with the same root key and believed {}; say which of its stamps count: countersign trust add-tsa --from TIME --until TIME",
            Escaped(&url),
            window.as_deref().unwrap_or("always")
        ));
        return Ok(());
    }
    tsa::Authority::of((url, operator), (entry.certificates, anchor), entry.valid)
        .add(edit)
        .map_err(Stop::from)
}

fn not_carried_over(left: &Left) -> String {
    let what = match left.list {
        "tlogs" => "the transparency log",
        "ctlogs" => "the log of certificates",
        "certificateAuthorities" => "the authority of signers' certificates",
        "compromised" => "the compromised time-stamp authority",
        "" => "the member that is not known here,",
        _ => "the time-stamp authority without an address",
    };
    let name = if left.name.is_empty() {
        "(without a name)"
    } else {
        &left.name
    };
    let why = match left.list {
        "" => "see what it says",
        "compromised" => "none of its stamps count",
        "timestampAuthorities" => "add it with its address: countersign trust add-tsa",
        _ => "a root lists keys, and evidence is dated by time-stamp authorities",
    };
    format!("not carried over: {what} {}; {why}", Escaped(name))
}

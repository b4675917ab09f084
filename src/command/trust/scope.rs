//! `countersign trust set-scope`: repositories, and what holds for all of them.

use std::num::NonZeroU64;

use countersign_common::Timestamp;
use countersign_trust_roots::root::{ScopeEdit, Statements};

use super::{ask, edit::Edit, error::TrustError};
use crate::{
    arguments::{
        Common,
        trust::{self, TrustSetScope, TrustStatements},
    },
    exit::Exit,
    output::Stop,
};

pub(super) fn set(
    arguments: &TrustSetScope,
    common: &Common,
    now: Timestamp,
) -> Result<Exit, Stop> {
    let mut edit = Edit::open(&arguments.change, now)?;
    let repositories = ask::several(
        &arguments.repositories,
        "--repository",
        "Repositories, such as registry.example/shop/**",
        trust::pattern,
    )?;
    let scope = ScopeEdit {
        tag_table_max: arguments.tag_table_max,
        heartbeat_max: arguments.heartbeat_max,
        statements: arguments.statements.map(|statements| match statements {
            TrustStatements::Same => Statements::Same,
            TrustStatements::Sibling => Statements::Sibling,
        }),
        epoch: arguments.epoch.map(NonZeroU64::get),
    };
    let copied = edit
        .draft
        .set_scope(&repositories, &scope)
        .map_err(TrustError::from)?;
    edit.notes.extend(copied.map(|pattern| {
        format!(
            "the new scope decides in the place of the one for {pattern}, and has its keys: what they signed there goes on to count"
        )
    }));
    edit.finish(common)
}

//! `countersign trust`: makes, changes, signs, shows, checks and publishes trust roots, and follows those that a policy pins.
//!
//! What a root may be and who vouches for it is decided by the library; a verifier trusts nothing here but its own memory.

mod ask;
mod change_refused;
mod changes;
mod diff;
mod doctor;
mod edit;
mod error;
mod export;
mod folder;
mod folder_error;
mod import;
mod init;
mod keys;
mod named;
mod progress;
mod publish;
mod revoke;
mod scope;
mod show;
mod sign;
mod table;
mod tsa;
mod update;
mod wording;
mod words;

use countersign_common::Timestamp;

use crate::{
    arguments::{Common, trust::Trust},
    exit::Exit,
    output::Stop,
};

pub(crate) async fn run(arguments: &Trust, common: &Common, now: Timestamp) -> Result<Exit, Stop> {
    match arguments {
        Trust::Init(arguments) => init::run(arguments, common, now).await,
        Trust::AddKey(arguments) => keys::add(arguments, common, now).await,
        Trust::RemoveKey(arguments) => keys::remove(arguments, common, now).await,
        Trust::Rotate(arguments) => keys::rotate(arguments, common, now).await,
        Trust::Revoke(arguments) => revoke::run(arguments, common, now).await,
        Trust::AddTsa(arguments) => tsa::add(arguments, common, now),
        Trust::SetScope(arguments) => scope::set(arguments, common, now),
        Trust::Sign(arguments) => sign::run(arguments, common, now).await,
        Trust::Show(arguments) => show::run(arguments, common, now),
        Trust::Diff(arguments) => diff::run(arguments, common),
        Trust::Import(arguments) => import::run(arguments, common, now).await,
        Trust::Export(arguments) => export::run(arguments, common, now),
        Trust::Doctor(arguments) => doctor::run(arguments, common, now),
        Trust::Publish(arguments) => publish::run(arguments, common).await,
        Trust::Update(arguments) => update::run(arguments, common, now).await,
    }
}

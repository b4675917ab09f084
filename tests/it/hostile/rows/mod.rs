//! The lies, row by row.

mod crowds;
mod documents;
mod frames;
mod hosts;
mod lists;
mod transfers;
mod waits;

use super::Case;

/// In the order of the table.
pub(super) fn all() -> impl Iterator<Item = &'static Case> {
    [
        transfers::CASES,
        documents::CASES,
        lists::CASES,
        hosts::CASES,
        waits::CASES,
        crowds::CASES,
        frames::CASES,
    ]
    .into_iter()
    .flatten()
}

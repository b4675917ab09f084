//! Trust roots: chains that hold and chains that do not, what roots grant, drafts, and lints.
//!
//! Every folder of `fixtures/roots` is a chain, judged; what they hold is generated here, and written anew on demand.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::semicolon_if_nothing_returned,
    clippy::too_many_lines,
    reason = "tests fail by panicking, read their fixtures, and have lists as long as they are"
)]

mod bounds;
mod cases;
mod drafts;
mod fixtures;
mod following;
mod grants;
mod lints;
mod properties;
mod world;

//! The judgement from a reference to a verdict: fixtures, single cases, and properties.
//!
//! `COUNTERSIGN_REWRITE=1 cargo test -p countersign-verify --test it` writes the generated fixtures, every expected
//! verdict, and the schema anew; the change is then reviewed as a diff.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests: they read fixtures, and fail by panicking"
)]

mod case;
mod cases;
mod codes;
mod collecting;
mod date_crowds;
mod date_forgeries;
mod date_properties;
mod deadlines;
mod exceptions;
mod fixtures;
mod inspecting;
mod inspecting_alike;
mod layering;
mod layers;
mod layers_of_indexes;
mod layers_seen;
mod legacy;
mod platforms;
mod properties;
mod recursion;
mod schema;
mod showing;
mod signing;
mod simple;
mod stamping;
mod story;
mod support;
mod terms;
mod unpacking;
mod verdicts;
mod world;

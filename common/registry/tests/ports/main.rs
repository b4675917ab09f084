//! The ports to registries: what every adapter keeps, and a layout's files besides.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests: they read and write files, and fail by panicking"
)]

mod contract;
mod hostile;
mod listing;
mod places;
mod writing;

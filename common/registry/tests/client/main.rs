//! The client against the stand-in: honest and lying.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod bounds;
mod logins;
mod reading;
mod redirects;
mod world;
mod writing;

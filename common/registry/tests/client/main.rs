//! The client against the stand-in: honest and lying.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "tests of an adapter: how long it waits is measured"
)]

mod bounds;
mod cache;
mod http2;
mod logins;
mod reading;
mod redirects;
mod removing;
mod root_files;
mod streaming;
mod throttling;
mod tsa;
mod world;
mod writing;

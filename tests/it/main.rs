//! End-to-end tests of the command, against the stand-in and with real peers.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "tests: they read files, start programs, and fail by panicking"
)]

mod attest;
mod cache;
mod commands;
mod config;
mod dates;
mod deep;
mod doctor;
mod ecr;
mod governed;
mod hostile;
mod inspect;
mod layouts;
mod legacy;
mod licence;
mod many;
mod network;
mod pauses;
mod peers;
mod pipelines;
mod recursion;
mod round_trips;
mod sign;
mod three_years;
mod throttling;
mod told;
mod trust;
mod verify;
mod world;

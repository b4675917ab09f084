//! The stand-in as its clients see it: over HTTP, with a client that trusts nothing it did not ask for.
#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test opens sockets, reads what was written for a user, and has failed when it panics"
)]

mod accounts;
mod environment;
mod identifiers;
mod lies;
mod login;
mod openssl;
mod pushing;
mod referrers;
mod signing;
mod stamping;
mod transport;
mod tsa;
mod world;

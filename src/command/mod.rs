//! The commands, a file each: from typed arguments to requests of the libraries, and from their answers to output.

pub(crate) mod attest;
mod children;
mod cosign;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod inspect;
pub(crate) mod key;
pub(crate) mod policy;
pub(crate) mod shell;
pub(crate) mod sign;
mod signing;
pub(crate) mod stand_in;
pub(crate) mod trust;
pub(crate) mod verify;

//! The flow over a registry in memory: what is written, and what is found.

mod again;
mod attesting;
mod authorities;
mod dating;
mod family;
mod flow;
mod seal;
mod world;

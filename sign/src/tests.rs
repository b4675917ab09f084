//! The flow over a registry in memory: what is written, and what is found.

mod flow;
mod seal;
mod world;

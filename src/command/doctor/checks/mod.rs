//! The checks, a file each: what is looked at, and what it means. None signs or writes, and none decides how the command ends.

pub(super) mod authorities;
pub(super) mod aws;
pub(super) mod clock;
pub(super) mod denied;
pub(super) mod ecr;
pub(super) mod key_file;
pub(super) mod key_trusted;
pub(super) mod kms;
pub(super) mod lifecycle;
pub(super) mod network;
pub(super) mod policy;
pub(super) mod registry;
pub(super) mod state;

//! Exceptions: single images of which less is demanded, for a time and with a reason.
//!
//! Only what ages or is missing beside a good signature can be excepted; never that a signature is wrong.

use std::collections::BTreeSet;

use countersign_common::{Code, ImageRef, Timestamp};

use super::Position;

/// The codes that an exception may name.
pub const CODES: [Code; 7] = [
    Code::new("attestation-missing"),
    Code::new("image-deprecated"),
    Code::new("image-end-of-life"),
    Code::new("image-too-new"),
    Code::new("image-too-old"),
    Code::new("image-withdrawn"),
    Code::new("superseded"),
];

/// Those of them that only a signed table of tags can lead to.
pub(super) const OF_TABLES: [Code; 3] = [
    Code::new("image-deprecated"),
    Code::new("image-withdrawn"),
    Code::new("superseded"),
];

/// One image of which less is demanded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exception {
    /// The image, with its digest.
    pub image: ImageRef,
    /// The refusals that do not count; at least one of [`CODES`].
    pub codes: BTreeSet<Code>,
    /// Why; never empty.
    pub reason: String,
    /// The last moment at which it holds.
    pub until: Timestamp,
    /// Where its image stands in the file.
    pub at: Position,
}

//! The last step: everything that is demanded is there.
//!
//! ```compile_fail,E0451
//! # use countersign_verify::check::{demand, integrity, quorum};
//! fn cheat<'id, 'e>(whole: integrity::Whole<'id, 'e>, quorum: quorum::Quorum<'id, 'e>) -> demand::Trusted<'id, 'e> {
//!     demand::Trusted { whole, quorum }
//! }
//! ```
//! Trust needs both, an image that is whole and a quorum:
//! ```compile_fail,E0061
//! # use countersign_verify::check::{demand, integrity};
//! fn cheat(whole: integrity::Whole<'_, '_>) {
//!     let _ = demand::check(whole);
//! }
//! ```
//! and both of one judgement:
//! ```compile_fail
//! # use countersign_verify::check::{demand, integrity, quorum};
//! fn cheat<'one, 'other, 'e>(whole: integrity::Whole<'one, 'e>, quorum: quorum::Quorum<'other, 'e>) {
//!     let _ = demand::check(whole, quorum);
//! }
//! ```
//! A quorum is no list that somebody fills:
//! ```compile_fail,E0451
//! # use countersign_trust_roots::document::Case;
//! # use countersign_verify::check::quorum;
//! fn cheat<'id, 'e>(case: Case<'id, 'e>) -> quorum::Quorum<'id, 'e> {
//!     quorum::Quorum { case, threshold: std::num::NonZeroUsize::MIN, signatures: Vec::new() }
//! }
//! ```

use super::{integrity::Whole, quorum::Quorum};

/// An image that may be trusted: whole, and signed by enough of those who may sign it.
#[derive(Debug)]
#[must_use]
pub struct Trusted<'id, 'e> {
    whole: Whole<'id, 'e>,
    quorum: Quorum<'id, 'e>,
}

impl<'id, 'e> Trusted<'id, 'e> {
    /// The image.
    pub fn whole(&self) -> &Whole<'id, 'e> {
        &self.whole
    }

    /// Who signed it.
    pub fn quorum(&self) -> &Quorum<'id, 'e> {
        &self.quorum
    }
}

/// The only way to [`Trusted`].
pub fn check<'id, 'e>(whole: Whole<'id, 'e>, quorum: Quorum<'id, 'e>) -> Trusted<'id, 'e> {
    Trusted { whole, quorum }
}

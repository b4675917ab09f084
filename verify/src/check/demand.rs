//! The last step: everything that is demanded is there.
//!
//! ```compile_fail,E0451
//! # use countersign_verify::check::{attested, demand, freshness, integrity, quorum};
//! fn cheat<'b, 'id, 'e>(
//!     whole: integrity::Whole<'id, 'e>,
//!     quorum: quorum::Quorum<'b, 'id, 'e>,
//!     attested: attested::Attested<'b, 'id, 'e>,
//!     fresh: freshness::Fresh<'b, 'id, 'e>,
//! ) -> demand::Trusted<'b, 'id, 'e> {
//!     demand::Trusted { whole, quorum, attested, fresh }
//! }
//! ```
//! Trust needs all of them: an image that is whole, a quorum, attestations, freshness:
//! ```compile_fail,E0061
//! # use countersign_verify::check::{demand, integrity};
//! fn cheat(whole: integrity::Whole<'_, '_>) {
//!     let _ = demand::check(whole);
//! }
//! ```
//! and all of one judgement:
//! ```compile_fail
//! # use countersign_verify::check::{attested, demand, freshness, integrity, quorum};
//! fn cheat<'b, 'one, 'other, 'e>(
//!     whole: integrity::Whole<'one, 'e>,
//!     quorum: quorum::Quorum<'b, 'other, 'e>,
//!     attested: attested::Attested<'b, 'one, 'e>,
//!     fresh: freshness::Fresh<'b, 'one, 'e>,
//! ) {
//!     let _ = demand::check(whole, quorum, attested, fresh);
//! }
//! ```
//! What is authentic counts towards no quorum before its time was checked:
//! ```compile_fail,E0308
//! # use countersign_trust_roots::document::{Case, binding::Bound};
//! # use countersign_verify::{Signers, check::quorum};
//! fn cheat<'b, 'id, 'e>(case: Case<'id, 'e>, bound: &'b [Bound<'id, 'e>]) {
//!     let one = (std::num::NonZeroUsize::MIN, &Signers::Anybody);
//!     let _ = quorum::check(case, one, (bound, &[]));
//! }
//! ```
//! A quorum is no list that somebody fills:
//! ```compile_fail,E0451
//! # use countersign_trust_roots::document::Case;
//! # use countersign_verify::check::quorum;
//! fn cheat<'b, 'id, 'e>(case: Case<'id, 'e>) -> quorum::Quorum<'b, 'id, 'e> {
//!     quorum::Quorum { case, threshold: std::num::NonZeroUsize::MIN, signatures: Vec::new() }
//! }
//! ```

use super::{attested::Attested, freshness::Fresh, integrity::Whole, quorum::Quorum};

/// An image that may be trusted: whole, signed by enough of those who may sign it, attested and fresh as is demanded.
#[derive(Debug)]
#[must_use]
pub struct Trusted<'b, 'id, 'e> {
    whole: Whole<'id, 'e>,
    quorum: Quorum<'b, 'id, 'e>,
    attested: Attested<'b, 'id, 'e>,
    fresh: Fresh<'b, 'id, 'e>,
}

impl<'b, 'id, 'e> Trusted<'b, 'id, 'e> {
    /// The image.
    pub fn whole(&self) -> &Whole<'id, 'e> {
        &self.whole
    }

    /// Who signed it.
    pub fn quorum(&self) -> &Quorum<'b, 'id, 'e> {
        &self.quorum
    }

    /// What else is said of it, as far as it was demanded.
    pub fn attested(&self) -> &Attested<'b, 'id, 'e> {
        &self.attested
    }

    /// When it was published.
    pub fn fresh(&self) -> &Fresh<'b, 'id, 'e> {
        &self.fresh
    }
}

/// The only way to [`Trusted`].
pub fn check<'b, 'id, 'e>(
    whole: Whole<'id, 'e>,
    quorum: Quorum<'b, 'id, 'e>,
    attested: Attested<'b, 'id, 'e>,
    fresh: Fresh<'b, 'id, 'e>,
) -> Trusted<'b, 'id, 'e> {
    Trusted {
        whole,
        quorum,
        attested,
        fresh,
    }
}

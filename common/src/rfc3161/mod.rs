//! Time stamps: what an authority says about when something existed
//! ([RFC 3161](https://www.rfc-editor.org/rfc/rfc3161)).
//!
//! Signers ask for stamps, the verification of a document checks them. A [`Response`] is what somebody says; a [`Stamp`]
//! exists only for one that an [`Anchor`] vouches for. No clock and no network, and which authorities are trusted, and
//! when, is decided elsewhere.

mod anchor;
mod asn1;
mod invalid;
mod moment;
mod request;
mod response;
mod signature;

pub use self::{
    anchor::{Anchor, AnchorError},
    invalid::Invalid,
    moment::{Moment, Stamp, Unanchored},
    request::Request,
    response::{Response, Stamped, decode},
};

/// What every stamp before a signature is over. It is no secret: nobody can have a stamp of it from the future.
pub const BEFORE_STAMP: &[u8] = b"countersign before-stamp v1";

//! The parsers of what registries send, as the fuzz targets call them. Nobody else does: nothing here is kept.

use countersign_common::Limits;

use crate::{body::ErrorBody, challenge, realm, referrers};

/// Whether `WWW-Authenticate` asks for a login that is known.
pub fn challenge(header: &str) -> bool {
    challenge::parse([header]).is_some()
}

/// Whether `Link` names a next page.
pub fn link(header: &str) -> bool {
    referrers::next_link(header).is_ok_and(|next| next.is_some())
}

/// Whether a login realm's answer holds a token.
pub fn token(body: &[u8], limits: &Limits) -> bool {
    realm::TokenDocument::parse(body, limits).is_ok_and(|document| document.token().is_some())
}

/// Whether it is a page of a list of referrers.
pub fn referrers(body: &[u8], limits: &Limits) -> bool {
    referrers::parse_page(body, limits).is_ok()
}

/// What an error says.
pub fn error_body(body: &[u8]) -> String {
    ErrorBody::parse(body).message
}

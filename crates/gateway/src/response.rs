//! What several calls have in common in their responses.

use http::{HeaderName, header::ETAG};

/// Returns the header with an entity tag. What was not created has none.
pub(crate) fn etag_header(etag: &str) -> Option<[(HeaderName, String); 1]> {
    (!etag.is_empty()).then(|| [(ETAG, etag.to_owned())])
}

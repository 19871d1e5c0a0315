//! What several calls have in common in their responses.

use http::{HeaderName, StatusCode, header::ETAG};

/// Returns the status of a request to create something, which is only checked if `validate_only`.
pub(crate) fn status_of_creation(validate_only: bool) -> StatusCode {
    if validate_only { StatusCode::OK } else { StatusCode::CREATED }
}

/// Returns the header with an entity tag. What was not created has none.
pub(crate) fn etag_header(etag: &str) -> Option<[(HeaderName, String); 1]> {
    (!etag.is_empty()).then(|| [(ETAG, etag.to_owned())])
}

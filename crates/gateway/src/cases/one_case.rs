//! Responses with one case.

use axum::response::{IntoResponse as _, Response};
use proto::cases::v1;

use super::convert;
use crate::{response::etag_header, upstream::Reply};

/// Returns the response with one case, and its entity tag.
pub(super) fn with_case(reply: Reply<Option<v1::Case>>) -> Response {
    let reply = reply.map(Option::unwrap_or_default);
    let etag = etag_header(&reply.message.etag);
    (etag, reply.map(convert::to_case_body)).into_response()
}

//! What several calls have in common in their responses.

use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header::ETAG};
use proto::tasks::v1;

use super::convert;
use crate::upstream::Reply;

/// Returns the status of a request to create something, which is only checked if `validate_only`.
pub(super) fn status_of_creation(validate_only: bool) -> StatusCode {
    if validate_only { StatusCode::OK } else { StatusCode::CREATED }
}

/// Returns the response with one task, and its entity tag. A task that was not created has none.
pub(super) fn with_task(status: StatusCode, reply: Reply<Option<v1::Task>>) -> Response {
    let reply = reply.map(Option::unwrap_or_default);
    let etag = Some(reply.message.etag.clone()).filter(|etag| !etag.is_empty());
    let etag = etag.map(|etag| [(ETAG, etag)]);
    (status, etag, reply.map(convert::to_task_body)).into_response()
}

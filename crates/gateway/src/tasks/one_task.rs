//! Responses with one task.

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use proto::tasks::v1;

use super::convert;
use crate::{response::etag_header, upstream::Reply};

/// Returns the response with one task, and its entity tag.
pub(super) fn with_task(status: StatusCode, reply: Reply<v1::Task>) -> Response {
    let etag = etag_header(&reply.message.etag);
    (status, etag, reply.map(convert::to_task_body)).into_response()
}

//! Writes problem documents.

use axum::{body::Body, response::Response};
use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    codes,
    document::{Item, Problem},
};
use crate::openapi::schema::{self, Link, lists, values};

const CONTENT: HeaderValue = HeaderValue::from_static("application/problem+json");

/// What went wrong (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Document<'a> {
    /// Where the problem is explained, relative to the URL of the request. Of invalid parts of a request,
    /// each item has a reason of its own, which is explained at `/problems/REASON`.
    #[schema(value_type = Link)]
    r#type: &'static str,
    /// What kind of problem it is, for people.
    title: &'static str,
    /// The status of the response.
    #[schema(value_type = Status)]
    status: u16,
    /// The code that the problem has over gRPC.
    #[schema(value_type = GrpcCode)]
    code: &'static str,
    /// What went wrong, for people.
    detail: &'a str,
    /// The id of the request, as in the logs of the service.
    #[schema(value_type = schema::RequestId)]
    request_id: &'a str,
    /// Everything that is wrong; one item at least.
    #[schema(value_type = Items)]
    errors: &'a [Item],
}

values! {
    /// The status of a response with a problem.
    Status = schema::status();
    /// The name of a gRPC code.
    GrpcCode = schema::one_of(codes::names_of_errors());
}

lists! {
    /// The items of a problem.
    Items = [Item; 1, None] |list| list;
}

impl<'a> Document<'a> {
    pub(super) fn of(problem: &'a Problem, request_id: &'a str) -> Self {
        Self {
            r#type: problem.r#type,
            title: problem.title,
            status: problem.status.as_u16(),
            code: codes::name(problem.code),
            detail: &problem.detail,
            request_id,
            errors: &problem.errors,
        }
    }
}

/// Writes the document of a response that is a problem, whatever caused it. Other responses stay
/// as they are.
pub(crate) fn render(mut response: Response, request_id: &str) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    match serde_json::to_vec(&Document::of(&problem, request_id)) {
        Ok(body) => {
            response.headers_mut().insert(CONTENT_TYPE, CONTENT);
            *response.body_mut() = Body::from(body);
            response
        }
        // Unreachable: texts and numbers can always be written.
        Err(error) => {
            tracing::error!(%error, "failed to write a problem document");
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}

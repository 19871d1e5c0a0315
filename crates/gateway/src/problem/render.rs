//! Writes problem documents.

use axum::{body::Body, response::Response};
use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};
use serde::Serialize;

use super::{
    codes,
    document::{Item, Problem},
};

const CONTENT: HeaderValue = HeaderValue::from_static("application/problem+json");

#[derive(Serialize)]
struct Document<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: &'a str,
    request_id: &'a str,
    errors: &'a [Item],
}

/// Writes the document of a response that is a problem, whatever caused it. Other responses stay
/// as they are.
pub(crate) fn render(mut response: Response, request_id: &str) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    let document = Document {
        r#type: "about:blank",
        title: problem.title,
        status: problem.status.as_u16(),
        code: codes::name(problem.code),
        detail: &problem.detail,
        request_id,
        errors: &problem.errors,
    };
    match serde_json::to_vec(&document) {
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

//! Problem documents (RFC 9457): how a caller is told that something went wrong.

use axum::{
    body::Body,
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CONTENT_TYPE, WWW_AUTHENTICATE},
};
use serde::Serialize;
use telemetry::request_id;
use tonic::Code;

use crate::codes;

const CONTENT: HeaderValue = HeaderValue::from_static("application/problem+json");

/// What went wrong, before it is written.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    code: Code,
    status: StatusCode,
    title: &'static str,
    detail: String,
    errors: Vec<Item>,
    headers: HeaderMap,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Item {
    /// A sentence for people.
    pub(crate) message: String,
    /// The stable, upper-case reason.
    pub(crate) details: String,
    /// Where in the body it is (RFC 6901), where it is in the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pointer: Option<String>,
}

impl Problem {
    /// A problem that is told by its code alone: its one item repeats the detail, under the
    /// reason.
    pub(crate) fn new(code: Code, reason: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let item = Item { message: detail.clone(), details: reason.to_owned(), pointer: None };
        Self::with_items(code, detail, vec![item])
    }

    /// A problem with several items, or with places.
    pub(crate) fn with_items(code: Code, detail: impl Into<String>, errors: Vec<Item>) -> Self {
        let codes::Meaning { status, title, .. } = codes::meaning(code);
        let mut headers = HeaderMap::new();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Self { code, status, title, detail: detail.into(), errors, headers }
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn into_items(self) -> Vec<Item> {
        self.errors
    }

    /// The same with a status of HTTP's own, which gRPC has no code for.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self.title = status.canonical_reason().unwrap_or(self.title);
        self
    }

    /// The same with more headers.
    pub(crate) fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.headers.extend(headers);
        self
    }

    /// The same with one more header. A value that can't be one is left out.
    pub(crate) fn with_header(mut self, name: HeaderName, value: String) -> Self {
        if let Ok(value) = HeaderValue::try_from(value) {
            self.headers.insert(name, value);
        }
        self
    }
}

/// The response has no body yet: [`render`] writes it, for it knows the request's id.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.headers_mut().extend(self.headers.clone());
        response.extensions_mut().insert(self);
        response
    }
}

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

/// Writes the document of a response that is a problem, whichever layer found it.
pub(crate) async fn render(request: Request, next: Next) -> Response {
    let request_id = request_id::of(request.extensions()).to_owned();
    let mut response = next.run(request).await;
    let Some(problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    let document = Document {
        r#type: "about:blank",
        title: problem.title,
        status: problem.status.as_u16(),
        code: codes::meaning(problem.code).name,
        detail: &problem.detail,
        request_id: &request_id,
        errors: &problem.errors,
    };
    match serde_json::to_vec(&document) {
        Ok(body) => {
            response.headers_mut().insert(CONTENT_TYPE, CONTENT);
            *response.body_mut() = Body::from(body);
            response
        }
        // Texts and numbers can always be written.
        Err(error) => {
            tracing::error!(%error, "a problem could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

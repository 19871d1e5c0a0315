//! What a problem document says.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::WWW_AUTHENTICATE};
use proto::wire::Reason;
use serde::Serialize;
use tonic::Code;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr,
        extensions::ExtensionsBuilder,
        schema::{ObjectBuilder, Schema, SchemaFormat, Type},
    },
};

use super::{codes, meaning};

/// What a problem document says, and the headers that come with it.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    /// `None` if this version does not know it.
    reason: Option<Reason>,
    pub(super) code: Code,
    pub(super) status: StatusCode,
    pub(super) r#type: &'static str,
    pub(super) title: &'static str,
    pub(super) detail: String,
    pub(super) errors: Vec<Item>,
    headers: HeaderMap,
}

/// One of the things that are wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Item {
    /// A sentence for people.
    pub(crate) message: String,
    /// The reason for programs: stable, in upper case.
    pub(crate) details: String,
    /// What it is about.
    #[serde(flatten)]
    pub(crate) place: Place,
}

impl PartialSchema for Item {
    fn schema() -> RefOr<Schema> {
        let text = |description: &str| {
            ObjectBuilder::new().schema_type(Type::String).description(Some(description))
        };
        let words: Vec<&str> = meaning::of_items().map(|explanation| explanation.word).collect();
        // A list that may grow: `enum` would have clients reject what a later version says.
        let words = ExtensionsBuilder::new().add("x-extensible-enum", words).build();
        let item = ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some("One of the things that are wrong."))
            .property("message", text("What is wrong, for people."))
            .required("message")
            .property(
                "details",
                text("The reason, for programs: a stable word.")
                    .pattern(Some("^[A-Z]+(_[A-Z]+)*$"))
                    .extensions(Some(words)),
            )
            .required("details")
            .property(
                "pointer",
                text("The member of the body that it is about, as a JSON pointer (RFC 6901).")
                    .format(Some(SchemaFormat::Custom("json-pointer".to_owned()))),
            )
            .property("parameter", text("The parameter of the query string that it is about."));
        RefOr::T(item.into())
    }
}

impl ToSchema for Item {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ProblemItem")
    }
}

/// A part of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Place {
    /// A member of the body, as a JSON pointer (RFC 6901).
    Pointer(String),
    /// A parameter of the query string, by its name.
    Parameter(String),
    /// The request as a whole.
    #[serde(untagged)]
    Whole {},
}

impl Place {
    /// Returns the pointer, if it is a member of the body.
    #[cfg(test)]
    pub(crate) fn pointer(self) -> Option<String> {
        match self {
            Self::Pointer(pointer) => Some(pointer),
            Self::Parameter(_) | Self::Whole {} => None,
        }
    }
}

impl Problem {
    /// Returns a problem with a reason of this version. Its one item repeats the detail.
    pub(super) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self::with_word(reason.code(), reason.as_str(), detail)
    }

    /// Returns a problem with a code and a reason that may be of a newer server. Its one item
    /// repeats the detail.
    pub(super) fn with_word(code: Code, reason: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let item =
            Item { message: detail.clone(), details: reason.to_owned(), place: Place::Whole {} };
        Self::with_items(code, reason, detail, vec![item])
    }

    /// Returns a problem with items of its own.
    pub(super) fn with_items(
        code: Code,
        reason: &str,
        detail: impl Into<String>,
        errors: Vec<Item>,
    ) -> Self {
        let (status, title) = codes::status_and_title(code, reason);
        let mut headers = HeaderMap::new();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        let (r#type, detail) = (type_of(reason), detail.into());
        let reason = Reason::parse(reason);
        Self { reason, code, status, r#type, title, detail, errors, headers }
    }

    /// Returns why the request failed; `None` if only a newer server knows the reason.
    pub(crate) fn reason(&self) -> Option<Reason> {
        self.reason
    }

    /// Adds headers to the response.
    pub(super) fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Adds a header to the response, unless the value can't be one.
    pub(super) fn with_header(mut self, name: HeaderName, value: String) -> Self {
        if let Ok(value) = HeaderValue::try_from(value) {
            self.headers.insert(name, value);
        }
        self
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn into_items(self) -> Vec<Item> {
        self.errors
    }
}

/// Returns the type of the problems with a reason: a reference to its explanation (RFC 9457, 3.1.1).
fn type_of(reason: &str) -> &'static str {
    // Over REST it makes no difference which method was called.
    let is_batch = reason == Reason::InvalidBatch.as_str();
    let reason = if is_batch { Reason::InvalidRequest.as_str() } else { reason };
    meaning::explanation(reason).map_or("about:blank", |explanation| &explanation.path)
}

/// The response has no body yet: `render` writes it, with the id of the request.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.headers_mut().extend(self.headers.clone());
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_with_a_status_of_its_own_has_the_title_of_that_status() {
        for (reason, status, title) in [
            (Reason::InvalidJson, 400, "Invalid request"),
            (Reason::BodyTooLarge, 413, "Payload Too Large"),
            (Reason::MethodNotAllowed, 405, "Method Not Allowed"),
            (Reason::UpstreamForbidden, 403, "Permission denied"),
        ] {
            let problem = Problem::new(reason, "");
            assert_eq!((problem.status.as_u16(), problem.title), (status, title), "{reason:?}");
        }
    }

    #[test]
    fn the_reason_of_a_newer_server_has_the_usual_status_of_its_code() {
        for (code, reason, status, title) in [
            (Code::Aborted, "EVENT_OVERTAKEN", 409, "Aborted"),
            (Code::Cancelled, "CANCELLED", 499, "Request cancelled"),
            (Code::InvalidArgument, "REQUEST_ID_REUSED", 422, "Unprocessable Entity"),
            // A known word with another code is of a newer server, too.
            (Code::FailedPrecondition, "REQUEST_ID_REUSED", 400, "Failed precondition"),
        ] {
            let problem = Problem::with_word(code, reason, "");
            assert_eq!((problem.status.as_u16(), problem.title), (status, title), "{reason}");
            assert_eq!(problem.into_items()[0].details, reason);
        }
    }
}

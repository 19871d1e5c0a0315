//! The problem of each request that the gateway rejects by itself.

use axum::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use proto::wire::Reason;
use serving::Exhausted;

use super::document::{Item, Place, Problem};
use crate::{
    extract::{JsonError, QueryError, Rejection, ShapeError},
    in_flight::NotBegun,
    metrics::Limit,
};

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let is_begun = !matches!(self, Self::NotBegun(_));
        let limit = limit(&self);
        let mut response = Problem::from(self).into_response();
        if !is_begun {
            response.extensions_mut().insert(NotBegun);
        }
        if let Some(limit) = limit {
            response.extensions_mut().insert(limit);
        }
        response
    }
}

/// Returns the limit that all clients together have reached, if that is why a request is rejected.
fn limit(rejection: &Rejection) -> Option<Limit> {
    match rejection {
        Rejection::NotBegun(Exhausted::Total) => Some(Limit::Requests),
        Rejection::Exhausted(Exhausted::Total) => Some(Limit::BodyMemory),
        _ => None,
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let (reason, detail) = match rejection {
            Rejection::RouteNotFound => (Reason::RouteNotFound, "there is nothing at this path"),
            Rejection::MethodNotAllowed => {
                (Reason::MethodNotAllowed, "this path does not take this method")
            }
            Rejection::CaseIdMalformed => {
                (Reason::CaseNotFound, "a case's id is a positive integer")
            }
            Rejection::TaskIdMalformed => {
                (Reason::TaskNotFound, "a task's id is a positive integer")
            }
            Rejection::Query(errors) => return query(errors),
            Rejection::PreconditionNotSupported => (
                Reason::IfMatchNotSupported,
                "each task of a batch has a member `etag` for its precondition",
            ),
            Rejection::IdempotencyKeyInvalid => (
                Reason::IdempotencyKeyInvalid,
                "an Idempotency-Key is given once and has 1 to 255 visible ASCII characters",
            ),
            Rejection::RequestTimeoutInvalid => (
                Reason::RequestTimeoutInvalid,
                "a Request-Timeout is given once, in seconds above 0 with at most three decimals",
            ),
            Rejection::UnsupportedMediaType => (
                Reason::UnsupportedMediaType,
                "the body must be sent as content-type: application/json",
            ),
            Rejection::BodyTooLarge => (Reason::BodyTooLarge, "the body must not exceed 1 MiB"),
            Rejection::Exhausted(exhausted) | Rejection::NotBegun(exhausted) => {
                return from_exhausted(exhausted);
            }
            Rejection::BodyIncomplete => (Reason::BodyIncomplete, "the body ended before its end"),
            Rejection::Json(error) => return json(error),
            Rejection::DeadlineExceeded => return Self::deadline_exceeded(),
            Rejection::NotReady => (Reason::NotReady, "the service is not ready"),
        };
        Self::new(reason, detail)
    }
}

fn from_exhausted(exhausted: Exhausted) -> Problem {
    let (reason, detail) = match exhausted {
        Exhausted::Total => {
            (Reason::Overloaded, "too much is being worked on already; nothing was changed")
        }
        Exhausted::Address => (
            Reason::AddressOverloaded,
            "too much from one address is being worked on already; nothing was changed",
        ),
    };
    Problem::new(reason, detail).with_header(RETRY_AFTER, "1".to_owned())
}

fn json(error: JsonError) -> Problem {
    match error {
        JsonError::Syntax(message) => {
            Problem::new(Reason::InvalidJson, format!("the body is not JSON: {message}"))
        }
        JsonError::Shape(ShapeError { reason, message, pointer }) => {
            let details = reason.as_str().to_owned();
            violations(vec![Item { message, details, place: Place::Pointer(pointer) }])
        }
    }
}

fn query(errors: Vec<QueryError>) -> Problem {
    let items = errors.into_iter().map(|QueryError { parameter, reason, message }| Item {
        message: message.to_owned(),
        details: reason.as_str().to_owned(),
        place: Place::Parameter(parameter),
    });
    violations(items.collect())
}

/// Returns the problem of a request with fields that are invalid.
pub(super) fn violations(items: Vec<Item>) -> Problem {
    let detail = match items.len() {
        1 => "1 field violation; nothing was changed".to_owned(),
        count => format!("{count} field violations; nothing was changed"),
    };
    let reason = Reason::InvalidRequest;
    Problem::with_items(reason.code(), reason.as_str(), detail, items)
}

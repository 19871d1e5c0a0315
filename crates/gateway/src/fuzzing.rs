//! What `fuzz/` feeds: each takes any bytes, and panics where something is wrong.

use std::time::Duration;

use axum::body::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use tonic::{Code, Status};

use crate::{
    body, convert,
    dto::{CreateTasks, Object},
    headers::Terms,
    upstream::{self, Failure},
};

/// A body, to be read as JSON and turned into a message. One that is refused is refused with a
/// reason, briefly.
pub fn json_body(bytes: &[u8]) {
    match serde_json::from_slice::<Object<CreateTasks>>(bytes) {
        Ok(Object(body)) => {
            let tasks = body.tasks.len();
            assert_eq!(convert::to_request(1, body, String::new()).tasks.len(), tasks);
        }
        Err(error) => {
            let items = body::fault::<CreateTasks>(bytes, &error).into_items();
            assert_eq!(items.len(), 1);
            assert!(items.iter().all(|item| !item.details.is_empty()));
            assert!(items.iter().all(|item| item.message.len() < 1024));
        }
    }
}

/// The details of a status that was taken for the server's. Whatever they are, there is a problem to
/// tell the caller of.
pub fn status_details(bytes: &[u8]) {
    let details = Bytes::copy_from_slice(bytes);
    let status = Status::with_details(Code::InvalidArgument, "a message", details);
    assert!(!convert::to_problem(Failure::Answered(status)).into_items().is_empty());
}

/// The header that a status's details travel in, from whoever is on the way. Whatever it is, it is
/// judged, and there is a problem to tell the caller of.
pub fn details_header(bytes: &[u8]) {
    let Ok(details) = HeaderValue::from_bytes(bytes) else { return };
    let mut answer = Response::new(tonic::body::Body::empty());
    answer.headers_mut().insert("grpc-status", HeaderValue::from(Code::ResourceExhausted as i32));
    answer.headers_mut().insert("grpc-status-details-bin", details);
    let problem = upstream::failure_of(answer).map(convert::to_problem);
    assert!(problem.is_some_and(|problem| !problem.into_items().is_empty()));
}

/// The value of an `Idempotency-Key`. One that is taken is taken as it is.
pub fn idempotency_key(bytes: &[u8]) {
    if let Some(terms) = terms("idempotency-key", bytes) {
        assert_eq!(terms.request_id.as_bytes(), bytes);
        assert!((1..=255).contains(&bytes.len()));
    }
}

/// The value of a `Request-Timeout`. It only shortens.
pub fn request_timeout(bytes: &[u8]) {
    if let Some(terms) = terms("request-timeout", bytes) {
        assert!(terms.timeout > Duration::ZERO && terms.timeout <= LONGEST);
    }
}

const LONGEST: Duration = Duration::from_secs(10);

fn terms(name: &'static str, value: &[u8]) -> Option<Terms> {
    let value = HeaderValue::from_bytes(value).ok()?;
    let headers = HeaderMap::from_iter([(HeaderName::from_static(name), value)]);
    Terms::of(&headers, LONGEST).ok()
}

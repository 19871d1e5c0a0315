//! What `fuzz/` feeds. Each function takes any bytes, and panics if something is wrong.

use std::time::Duration;

use axum::body::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header::IF_MATCH};
use proto::wire::{
    header::{GRPC_STATUS, GRPC_STATUS_DETAILS, IDEMPOTENCY_KEY, REQUEST_TIMEOUT},
    limits::LIST_ITEMS,
};
use serde::de::DeserializeOwned;
use tonic::{Code, Status};

use crate::{
    cases::{
        self,
        dto::{NewCase, UpdateCase},
    },
    extract::{
        self, CaseListOptions, IfMatch, JsonError, ListOptions, MaxTimeout, Object, Rejection,
        RequestBody,
    },
    problem::Problem,
    tasks::{
        convert,
        dto::{CreateTasks, DeleteTasks, UpdateTasks},
    },
    upstream::{Failure, from_origin},
};

/// A body. If it is valid, it has no more items than allowed, and becomes a message with as many
/// tasks; if not, a problem with one short item that has a reason.
pub fn json_body(bytes: &[u8]) {
    let has_too_many = JsonError::check_items(bytes).is_err();
    match serde_json::from_slice::<Object<CreateTasks>>(bytes) {
        Ok(Object(body)) => {
            let tasks = body.tasks.len();
            let emails = body.tasks.iter().map(|task| task.0.assignee_emails.len());
            assert_eq!(tasks + emails.sum::<usize>() > LIST_ITEMS, has_too_many);
            assert_eq!(convert::to_request(1, body, None, false).tasks.len(), tasks);
        }
        Err(error) => {
            let error = JsonError::locate::<CreateTasks>(bytes, &error);
            assert_is_short(Rejection::Json(error), 1);
        }
    }
}

/// A body to change or to delete several tasks. If it is valid, it becomes a message with as many
/// tasks; if not, a problem with one short item that has a reason.
pub fn change_body(bytes: &[u8]) {
    if let Some(body) = read::<UpdateTasks>(bytes) {
        let tasks = body.tasks.len();
        assert_eq!(convert::to_updates(body).len(), tasks);
    }
    read::<DeleteTasks>(bytes);
}

/// A body to create or to change a case. If it is valid, it becomes a message with as many tasks; if
/// not, a problem with one short item that has a reason.
pub fn case_body(bytes: &[u8]) {
    if let Some(body) = read::<NewCase>(bytes) {
        let tasks = body.tasks.len();
        let case = cases::convert::to_request(body, None, false).case;
        assert_eq!(case.map(|case| case.tasks.len()), Some(tasks));
    }
    if let Some(body) = read::<UpdateCase>(bytes) {
        let mask = cases::convert::to_update(1, body, String::new()).update_mask;
        assert!(mask.is_some_and(|mask| mask.paths.len() <= 5));
    }
}

/// The query string of a list of cases.
pub fn case_list_query(bytes: &[u8]) {
    let Ok(query) = str::from_utf8(bytes) else { return };
    match CaseListOptions::parse(Some(query)) {
        Ok(list) => assert!(list.team_id.is_none_or(|id| id > 0)),
        // One for each parameter that there is, and one for the first of all others.
        Err(rejection) => assert_is_short(rejection, 6),
    }
}

/// Reads a body, or checks the problem with it.
fn read<T: RequestBody + DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let read = serde_json::from_slice::<Object<T>>(bytes).map(|Object(body)| body);
    read.map_err(|error| {
        let error = JsonError::locate::<T>(bytes, &error);
        assert_is_short(Rejection::Json(error), 1);
    })
    .ok()
}

/// The query string of a list. What is accepted is in the documented ranges; what is not is reported
/// with the name of each parameter.
pub fn list_query(bytes: &[u8]) {
    let Ok(query) = str::from_utf8(bytes) else { return };
    match ListOptions::parse(Some(query)) {
        Ok(ListOptions { page, .. }) => {
            assert!(page.page >= 1 && (1..=50).contains(&page.per_page));
        }
        // One for each parameter that there is, and one for the first of all others.
        Err(rejection) => assert_is_short(rejection, 6),
    }
}

/// The value of an `If-Match`. Whatever it is, it is a condition.
pub fn if_match(bytes: &[u8]) {
    let Some(headers) = headers(&IF_MATCH, bytes) else { return };
    assert!(!IfMatch::of(&headers).0.is_empty());
}

/// Checks the problem of a request that is rejected: it has 1 to `most` short items with reasons.
fn assert_is_short(rejection: Rejection, most: usize) {
    let items = Problem::from(rejection).into_items();
    assert!((1..=most).contains(&items.len()));
    assert!(items.iter().all(|item| !item.details.is_empty() && item.message.len() < 1024));
}

/// The details of a status that is taken for the server's. Whatever they are, there is a problem
/// with an item.
pub fn status_details(bytes: &[u8]) {
    let details = Bytes::copy_from_slice(bytes);
    let status = Status::with_details(Code::InvalidArgument, "a message", details);
    assert!(!Problem::from(Failure::Status(status)).into_items().is_empty());
}

/// The header with the details of a status, from the server or from an intermediary. Whatever it
/// is, there is a problem with an item.
pub fn details_header(bytes: &[u8]) {
    let Ok(details) = HeaderValue::from_bytes(bytes) else { return };
    let mut response = Response::new(tonic::body::Body::empty());
    let headers = response.headers_mut();
    headers.insert(&GRPC_STATUS, HeaderValue::from(Code::ResourceExhausted as i32));
    headers.insert(&GRPC_STATUS_DETAILS, details);
    let failure = match from_origin(response) {
        // As tonic does.
        Ok(response) => Status::from_header_map(response.headers()).map(Failure::from),
        Err(error) => Some(Status::from_error(error).into()),
    };
    let problem = failure.map(Problem::from);
    assert!(problem.is_some_and(|problem| !problem.into_items().is_empty()));
}

/// The value of an `Idempotency-Key`. A valid one is used as it is.
pub fn idempotency_key(bytes: &[u8]) {
    let Some(headers) = headers(&IDEMPOTENCY_KEY, bytes) else { return };
    if let Ok(key) = extract::idempotency_key(&headers) {
        assert_eq!(key.as_deref().map(str::as_bytes), Some(bytes));
        assert!((1..=255).contains(&bytes.len()));
    }
}

/// The value of a `Request-Timeout`. It only shortens.
pub fn request_timeout(bytes: &[u8]) {
    const MAX: Duration = Duration::from_secs(10);
    let Some(headers) = headers(&REQUEST_TIMEOUT, bytes) else { return };
    if let Ok(timeout) = extract::timeout(&headers, MaxTimeout(MAX)) {
        assert!(timeout > Duration::ZERO && timeout <= MAX);
    }
}

fn headers(name: &HeaderName, value: &[u8]) -> Option<HeaderMap> {
    let value = HeaderValue::from_bytes(value).ok()?;
    Some(HeaderMap::from_iter([(name.clone(), value)]))
}

//! One span and one closing line for each request.
//!
//! What went well is logged at `debug`, since a line for each of thousands of requests a second
//! would cost more than the requests; what was refused at `info`; what failed at `warn`. Of those
//! that were told to come back later there is a line a second at the most: a service that has too
//! much to do must not spend its time on telling so.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use http::{HeaderMap, Request, Response, StatusCode, header::RETRY_AFTER};
use tracing::Span;

use crate::request_id;

/// The span of a request: all that is logged within it bears its id.
pub fn span<B>(request: &Request<B>) -> Span {
    tracing::info_span!(
        "request",
        request_id = request_id::of(request.extensions()),
        method = %request.method(),
        path = request.uri().path(),
    )
}

/// Logs how a request ended.
pub fn log_response<B>(response: &Response<B>, latency: Duration, _span: &Span) {
    let status = response.status().as_u16();
    // Only a gRPC answer without a message, which is to say an error, has it in its headers.
    let grpc_status = grpc_status(response.headers());
    let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    if is_told_to_come_back(response.headers()) {
        if let Some(others) = TOLD_TO_COME_BACK.note(Instant::now()) {
            tracing::warn!(status, grpc_status, micros, others, "told to come back later");
        }
        return;
    }
    match severity(response.status(), grpc_status) {
        Severity::Fine => tracing::debug!(status, micros, "answered"),
        Severity::Refused => tracing::info!(status, grpc_status, micros, "refused"),
        Severity::Failed => tracing::warn!(status, grpc_status, micros, "failed"),
    }
}

fn is_told_to_come_back(headers: &HeaderMap) -> bool {
    headers.contains_key(RETRY_AFTER) || headers.contains_key("grpc-retry-pushback-ms")
}

static TOLD_TO_COME_BACK: Throttle = Throttle { last: Mutex::new((None, 0)) };

/// Lets one event of many be logged each second.
#[derive(Debug)]
struct Throttle {
    /// When one was logged, and how many were not since.
    last: Mutex<(Option<Instant>, u64)>,
}

impl Throttle {
    const INTERVAL: Duration = Duration::from_secs(1);

    /// Notes an event. Where it is to be logged, tells how many others weren't.
    fn note(&self, now: Instant) -> Option<u64> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (logged, others) = *last;
        if logged.is_some_and(|logged| now.duration_since(logged) < Self::INTERVAL) {
            last.1 += 1;
            return None;
        }
        *last = (Some(now), 0);
        Some(others)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Severity {
    Fine,
    Refused,
    Failed,
}

fn severity(status: StatusCode, grpc_status: Option<i32>) -> Severity {
    match grpc_status {
        // UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, DATA_LOSS.
        Some(2 | 4 | 13 | 14 | 15) => Severity::Failed,
        Some(1..) => Severity::Refused,
        _ if status.is_server_error() => Severity::Failed,
        _ if status.is_client_error() => Severity::Refused,
        _ => Severity::Fine,
    }
}

fn grpc_status(headers: &HeaderMap) -> Option<i32> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_many_is_let_through_each_second() {
        let throttle = Throttle { last: Mutex::new((None, 0)) };
        let start = Instant::now();
        let after = |millis| throttle.note(start + Duration::from_millis(millis));
        assert_eq!(after(0), Some(0));
        assert_eq!([after(1), after(999)], [None, None]);
        assert_eq!(after(1000), Some(2));
        assert_eq!([after(1001), after(2000)], [None, Some(1)]);
    }

    #[test]
    fn tells_failures_from_refusals() {
        assert_eq!(severity(StatusCode::OK, None), Severity::Fine);
        assert_eq!(severity(StatusCode::OK, Some(0)), Severity::Fine);
        assert_eq!(severity(StatusCode::OK, Some(3)), Severity::Refused);
        assert_eq!(severity(StatusCode::OK, Some(13)), Severity::Failed);
        assert_eq!(severity(StatusCode::NOT_FOUND, None), Severity::Refused);
        assert_eq!(severity(StatusCode::BAD_GATEWAY, None), Severity::Failed);
    }
}

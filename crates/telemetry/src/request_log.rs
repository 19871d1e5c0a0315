//! One span and one closing line for each request.
//!
//! What went well is logged at `debug`, since a line for each of thousands of requests a second
//! would cost more than the requests; what was refused at `info`; what failed at `warn`. Of those
//! that were told to come back later there is a line a second at the most: a service that has too
//! much to do must not spend its time on telling so.

use std::time::{Duration, Instant};

use http::{HeaderMap, Request, Response, StatusCode, header::RETRY_AFTER};
use tracing::Span;

use crate::{request_id, throttle::Throttle};

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
        if let Some(others) = TOLD_TO_COME_BACK.allow(Instant::now()) {
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

static TOLD_TO_COME_BACK: Throttle = Throttle::new(Duration::from_secs(1));

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
    fn tells_failures_from_refusals() {
        assert_eq!(severity(StatusCode::OK, None), Severity::Fine);
        assert_eq!(severity(StatusCode::OK, Some(0)), Severity::Fine);
        assert_eq!(severity(StatusCode::OK, Some(3)), Severity::Refused);
        assert_eq!(severity(StatusCode::OK, Some(13)), Severity::Failed);
        assert_eq!(severity(StatusCode::NOT_FOUND, None), Severity::Refused);
        assert_eq!(severity(StatusCode::BAD_GATEWAY, None), Severity::Failed);
    }
}

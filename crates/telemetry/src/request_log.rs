//! Logs how each request ended.
//!
//! A completed request is logged at `debug`, because thousands of lines a second would cost more
//! than the requests; a rejected one at `info`; a failed one at `warn`. Throttled requests are
//! logged once a second: a service that is overloaded must not spend its time on logging.

use std::time::{Duration, Instant};

use http::{HeaderMap, Response, StatusCode, header::RETRY_AFTER};
use proto::wire::header::{GRPC_RETRY_PUSHBACK, GRPC_STATUS};
use tower_http::trace::OnResponse;
use tracing::Span;

use crate::throttle::Throttle;

/// Logs how a request ended, once the head of its response is known.
#[derive(Clone, Copy, Debug)]
pub struct LogResponse;

static THROTTLED: Throttle = Throttle::new(Duration::from_secs(1));

impl<B> OnResponse<B> for LogResponse {
    fn on_response(self, response: &Response<B>, latency: Duration, _span: &Span) {
        let status = response.status().as_u16();
        let headers = response.headers();
        // A gRPC response has its status here if it has no message: only then it is an error.
        let grpc_status: Option<i32> =
            headers.get(&GRPC_STATUS).and_then(|it| it.to_str().ok()?.parse().ok());
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        if is_throttled(headers) {
            if let Some(suppressed) = THROTTLED.allow(Instant::now()) {
                let retry_after_ms = retry_after_ms(headers);
                tracing::warn!(
                    status,
                    grpc_status,
                    micros,
                    retry_after_ms,
                    suppressed,
                    "request throttled"
                );
            }
            return;
        }
        match outcome(response.status(), grpc_status) {
            Outcome::Completed => tracing::debug!(status, micros, "request completed"),
            Outcome::Rejected => tracing::info!(status, grpc_status, micros, "request rejected"),
            Outcome::Failed => tracing::warn!(status, grpc_status, micros, "request failed"),
        }
    }
}

/// Whether the response tells the caller to retry later.
fn is_throttled(headers: &HeaderMap) -> bool {
    headers.contains_key(RETRY_AFTER) || headers.contains_key(&GRPC_RETRY_PUSHBACK)
}

/// Returns the delay before a retry; `None` if it is a date, or no number.
fn retry_after_ms(headers: &HeaderMap) -> Option<u64> {
    let number = |value: &http::HeaderValue| value.to_str().ok()?.parse::<u64>().ok();
    let millis = headers.get(&GRPC_RETRY_PUSHBACK).and_then(number);
    let seconds = || headers.get(RETRY_AFTER).and_then(number)?.checked_mul(1000);
    millis.or_else(seconds)
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Completed,
    Rejected,
    Failed,
}

fn outcome(status: StatusCode, grpc_status: Option<i32>) -> Outcome {
    match grpc_status {
        // UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, DATA_LOSS.
        Some(2 | 4 | 13 | 14 | 15) => Outcome::Failed,
        Some(1..) => Outcome::Rejected,
        // The caller asks for what there is not, or in a version of HTTP that can't be used for it.
        _ if matches!(
            status,
            StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED
        ) =>
        {
            Outcome::Rejected
        }
        _ if status.is_server_error() => Outcome::Failed,
        _ if status.is_client_error() => Outcome::Rejected,
        _ => Outcome::Completed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_apart_from_rejections() {
        assert_eq!(outcome(StatusCode::OK, None), Outcome::Completed);
        assert_eq!(outcome(StatusCode::OK, Some(0)), Outcome::Completed);
        assert_eq!(outcome(StatusCode::OK, Some(3)), Outcome::Rejected);
        assert_eq!(outcome(StatusCode::OK, Some(13)), Outcome::Failed);
        assert_eq!(outcome(StatusCode::NOT_FOUND, None), Outcome::Rejected);
        assert_eq!(outcome(StatusCode::BAD_GATEWAY, None), Outcome::Failed);
        assert_eq!(outcome(StatusCode::NOT_IMPLEMENTED, None), Outcome::Rejected);
        assert_eq!(outcome(StatusCode::HTTP_VERSION_NOT_SUPPORTED, None), Outcome::Rejected);
    }

    #[test]
    fn the_delay_before_a_retry_is_in_either_header() {
        for (name, value, delay) in [
            ("retry-after", "2", Some(2000)),
            ("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT", None),
            ("grpc-retry-pushback-ms", "640", Some(640)),
            ("grpc-retry-pushback-ms", "-1", None),
        ] {
            let name: http::HeaderName = name.parse().unwrap();
            let headers = HeaderMap::from_iter([(name, value.parse().unwrap())]);
            assert!(is_throttled(&headers));
            assert_eq!(retry_after_ms(&headers), delay, "{value}");
        }
        assert!(!is_throttled(&HeaderMap::new()));
    }
}

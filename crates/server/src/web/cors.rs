//! What pages may send to the server, and read of its responses.

use http::{
    HeaderName, Method,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use proto::wire::header;
use serving::CorsRules;

/// Returns what pages may send and read.
pub(crate) fn cors_rules() -> CorsRules {
    CorsRules { methods: vec![Method::POST], allowed: allowed().into(), exposed: exposed().into() }
}

/// The headers that a page may send.
fn allowed() -> [HeaderName; 12] {
    [
        ACCEPT,
        AUTHORIZATION,
        CONTENT_TYPE,
        header::CONNECT_PROTOCOL_VERSION.clone(),
        header::CONNECT_TIMEOUT.clone(),
        header::GRPC_TIMEOUT.clone(),
        header::GRPC_WEB.clone(),
        header::GRPC_WEB_USER_AGENT.clone(),
        header::MAX_STATUS_BYTES.clone(),
        header::REQUEST_ID.clone(),
        header::TRACEPARENT.clone(),
        header::TRACESTATE.clone(),
    ]
}

/// The headers of a response that a page may read.
fn exposed() -> [HeaderName; 8] {
    [
        header::GRPC_MESSAGE.clone(),
        header::GRPC_RETRY_PUSHBACK.clone(),
        header::GRPC_STATUS.clone(),
        header::GRPC_STATUS_DETAILS.clone(),
        header::IDEMPOTENCY_REPLAYED.clone(),
        header::RATELIMIT.clone(),
        header::RATELIMIT_POLICY.clone(),
        header::REQUEST_ID.clone(),
    ]
}

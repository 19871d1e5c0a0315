//! Which pages may call the server, and what they may send and read (CORS, of the Fetch standard).

use std::time::Duration;

use http::{
    HeaderName, Method,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use proto::wire::header;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer, ExposeHeaders};

use super::origins::Origins;

/// How long a browser may go by the answer to a preflight request: the most that browsers accept.
const MAX_AGE: Duration = Duration::from_secs(2 * 60 * 60);

/// Returns a layer that answers preflight requests, and lets pages of these origins read responses.
///
/// Credentials that the browser itself adds are not allowed, such as cookies: an API key is given by the
/// page, so no page can make a call with a key that it does not have.
pub(crate) fn cors(origins: &Origins) -> CorsLayer {
    let origins = match origins {
        Origins::Any => AllowOrigin::any(),
        Origins::These(origins) => AllowOrigin::list(origins.iter().cloned()),
    };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::POST])
        .allow_headers(AllowHeaders::list(allowed()))
        .expose_headers(ExposeHeaders::list(exposed()))
        .max_age(MAX_AGE)
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

//! Headers that tell browsers to be careful.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{
    HeaderMap, HeaderValue,
    header::{CACHE_CONTROL, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS},
};

/// Adds what holds for every response that does not say otherwise: that it belongs to one tenant, which a
/// cache could not tell by X-User-Token, and that its type is the one that it says.
pub(crate) fn add(headers: &mut HeaderMap) {
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// Returns the value that has browsers use TLS alone for so long, for all ports of the host (RFC 6797).
pub(crate) fn strict_transport(max_age: Duration) -> HeaderValue {
    // Digits are a valid value.
    let value = HeaderValue::try_from(format!("max-age={}", max_age.as_secs()));
    value.unwrap_or(HeaderValue::from_static("max-age=0"))
}

/// Has browsers use TLS from then on. Only for connections with TLS: browsers ignore it on others.
pub(crate) async fn require_tls(
    State(value): State<HeaderValue>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, value);
    response
}

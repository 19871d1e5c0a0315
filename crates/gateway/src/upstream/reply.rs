//! The result of a call.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode};
use proto::wire::header::{IDEMPOTENCY_REPLAYED, RATELIMIT, RATELIMIT_POLICY};
use serde::Serialize;
use tonic::metadata::MetadataMap;

/// The result of a call, with what the metadata says about it.
#[derive(Debug)]
pub(crate) struct Reply<T> {
    /// The message, or what it was converted to.
    pub(crate) message: T,
    /// Whether it is the result of an earlier request with the same idempotency key.
    pub(crate) is_replay: bool,
    /// The headers on the caller's rate limits, if there are limits.
    pub(crate) rate_limits: HeaderMap,
}

impl<T> Reply<T> {
    /// Converts the message.
    pub(crate) fn map<U>(self, convert: impl FnOnce(T) -> U) -> Reply<U> {
        let Self { message, is_replay, rate_limits } = self;
        Reply { message: convert(message), is_replay, rate_limits }
    }
}

impl Reply<()> {
    /// Returns a response without a body, with the headers.
    pub(crate) fn without_content(self) -> Response {
        (StatusCode::NO_CONTENT, self.rate_limits).into_response()
    }
}

impl<T> From<tonic::Response<T>> for Reply<T> {
    fn from(response: tonic::Response<T>) -> Self {
        let is_replay = response.metadata().as_ref().contains_key(&IDEMPOTENCY_REPLAYED);
        let rate_limits = rate_limits(response.metadata());
        Self { message: response.into_inner(), is_replay, rate_limits }
    }
}

/// Writes the message as JSON, with the headers. Another status than 200 is set beside it.
impl<T: Serialize> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.message).into_response();
        response.headers_mut().extend(self.rate_limits);
        if self.is_replay {
            response.headers_mut().insert(&IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

/// Returns the headers on the caller's rate limits, as the server wrote them.
pub(crate) fn rate_limits(metadata: &MetadataMap) -> HeaderMap {
    [&RATELIMIT_POLICY, &RATELIMIT]
        .into_iter()
        .filter_map(|name| Some((name.clone(), metadata.as_ref().get(name)?.clone())))
        .collect()
}

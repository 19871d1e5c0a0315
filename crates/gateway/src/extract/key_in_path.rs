//! The idempotency key in the path.

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use proto::wire::Reason;

use super::Rejection;
use crate::openapi::{Draft, Input, schema};

/// The path parameter `{key}`, decoded. The server judges whether it is a key.
#[derive(Clone, Debug)]
pub(crate) struct KeyInPath(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for KeyInPath {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(|_| Rejection::RouteNotFound)?;
        let key = params.iter().find(|(name, _)| *name == "key");
        key.map(|(_, key)| Self(key.to_owned())).ok_or(Rejection::RouteNotFound)
    }
}

impl Input for KeyInPath {
    fn describe(draft: &mut Draft) {
        draft.path::<schema::KeyInPath>(
            "key",
            "The idempotency key, as the request had it. Percent-encoded: `/` is `%2F`.",
        );
        draft.reasons(&[Reason::RouteNotFound, Reason::IdempotencyKeyUnknown]);
    }
}

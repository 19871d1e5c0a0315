//! A body that means nothing.

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::Rejection;
use crate::{
    in_flight::Arrival,
    openapi::{Draft, Input},
};

/// Begins a request whose body is ignored, if it has one, without waiting for that. The handlers of GET need
/// no such extractor.
#[derive(Debug)]
pub(crate) struct IgnoredBody;

impl<S: Sync> FromRequestParts<S> for IgnoredBody {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        if let Some(arrival) = Arrival::of(&parts.extensions) {
            arrival.begin().map_err(Rejection::NotBegun)?;
        }
        Ok(Self)
    }
}

impl Input for IgnoredBody {
    fn describe(_: &mut Draft) {}
}

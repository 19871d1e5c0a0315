//! Requests whose query string has nothing to say.

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::{Rejection, query::Query};
use crate::openapi::{Draft, Input};

/// Rejects every parameter: one that is ignored may have been meant to protect the caller, as
/// `validate_only` on a request to delete.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoParameters;

impl<S: Send + Sync> FromRequestParts<S> for NoParameters {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        Query::new(parts.uri.query()).finish().map_err(Rejection::Query)?;
        Ok(Self)
    }
}

impl Input for NoParameters {
    fn describe(draft: &mut Draft) {
        draft.no_other_query();
    }
}

//! Whether a request is only to be checked, from the query string.

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::{Rejection, query::Query};
use crate::openapi::{Draft, Input, schema::Flag};

/// The parameter `validate_only`, the only one of calls that create or update.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ValidateOnly(pub(crate) bool);

impl<S: Send + Sync> FromRequestParts<S> for ValidateOnly {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let mut query = Query::new(parts.uri.query());
        let is_set = query.take("validate_only", Query::boolean);
        // A misspelt name must not make a change of what was to be a check.
        query.finish().map_err(Rejection::Query)?;
        Ok(Self(is_set.unwrap_or(false)))
    }
}

impl Input for ValidateOnly {
    fn describe(draft: &mut Draft) {
        draft.query::<Flag>(
            "validate_only",
            "Whether the request is only checked: every check is made, in the usual order, and nothing is \
             written.",
        );
        draft.no_other_query();
    }
}
